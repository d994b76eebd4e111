"""The one place that makes HTML of text: escaping, data for scripts, and pages that can ask nobody for anything."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Any

from conv_analytics.markup import clean, escape, line
from conv_analytics.notebook.palette import DARK, LIGHT, Theme

#: Classes of what holds texts of other people: JupyterLab sets no formula between two dollars in it.
PLAIN = "tex2jax_ignore mathjax_ignore"


def json_for_script(value: Any) -> str:
    r"""JSON that may stand within a ``<script>``: no ``<``, and nothing that ends a line of JavaScript.

    >>> json_for_script("</script>")
    '"\\u003c/script>"'
    """
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace("&", "\\u0026")


def data_uri(content: str | bytes, kind: str = "image/svg+xml") -> str:
    """Content as an address of itself."""
    raw = content.encode() if isinstance(content, str) else content
    return f"data:{kind};base64,{base64.b64encode(raw).decode()}"


def policy(scripts: Iterable[str] = ()) -> str:
    """A content security policy: these scripts, word for word, and pictures within the page; nothing else.

    >>> policy()
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    """
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in scripts]
    listed = " ".join(f"'sha256-{each}'" for each in hashes)
    allowed = f"; script-src {listed}" if hashes else ""
    return f"default-src 'none'; img-src data:; style-src 'unsafe-inline'{allowed}; base-uri 'none'; form-action 'none'"


def variables(theme: Theme) -> str:
    """The colours of a theme as CSS variables: ``--ca-ground``, ``--ca-good``, its ``--ca-good-edge`` and so on."""
    plain = {name: getattr(theme, name) for name in ("ground", "raised", "line", "text", "quiet", "accent")}
    edges = {f"{name}-edge": theme.edges[name] for name in theme.quality}
    return "".join(f"--ca-{name}:{colour};" for name, colour in {**plain, **theme.quality, **edges}.items())


STYLE = f"""\
:root{{color-scheme:light dark;{variables(LIGHT)}}}
@media (prefers-color-scheme:dark){{:root{{{variables(DARK)}}}}}
:root[data-theme=light]{{color-scheme:light;{variables(LIGHT)}}}
:root[data-theme=dark]{{color-scheme:dark;{variables(DARK)}}}
body{{margin:0 auto;max-width:1200px;padding:16px 24px;background:var(--ca-ground);color:var(--ca-text);\
font:14px/1.45 system-ui,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}}
h1{{font-size:20px;margin:8px 0}}h2{{font-size:16px;margin:24px 0 8px}}
table{{border-collapse:collapse;font-variant-numeric:tabular-nums}}
th,td{{text-align:left;padding:3px 10px 3px 0;border-bottom:1px solid var(--ca-line);vertical-align:top}}
caption{{text-align:left;color:var(--ca-quiet);padding:4px 0}}
a{{color:var(--ca-accent)}}.ca-quiet{{color:var(--ca-quiet)}}img{{max-width:100%}}
:focus-visible{{outline:2px solid var(--ca-accent);outline-offset:1px}}
@page{{margin:12mm}}
@media print{{:root,:root[data-theme=dark]{{color-scheme:light;{variables(LIGHT)}}}
body{{max-width:none;padding:0}}h1,h2,h3{{break-after:avoid}}}}
"""


def page(title: str, body: str, *, scripts: Sequence[str] = (), style: str = "", language: str = "en") -> str:
    """A whole page: one file, light and dark, without any request.

    Parameters
    ----------
    title
        Plain text.
    body
        HTML, safe already.
    scripts
        Modules that run at the end; the policy allows these and no others.
    style
        More CSS.
    """
    # A browser's hash is of what stands between the tags, to the letter.
    run = "".join(f'<script type="module">{text}</script>\n' for text in scripts)
    return (
        f'<!doctype html>\n<html lang="{escape(language)}">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(policy(scripts))}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{STYLE}{style}</style>\n</head>\n<body>\n{body}\n{run}</body>\n</html>\n"
    )


def table(head: Sequence[str], rows: Iterable[Sequence[object]], caption: str = "") -> str:
    """A table of texts."""
    title = f"<caption>{escape(caption)}</caption>" if caption else ""
    heads = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    lines = "".join(
        "<tr>" + "".join(f'<td dir="auto">{escape("" if cell is None else cell)}</td>' for cell in row) + "</tr>"
        for row in rows
    )
    return f"<table>{title}<thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table>"


__all__ = ["PLAIN", "STYLE", "clean", "data_uri", "escape", "json_for_script", "line", "page", "policy", "table",
           "variables"]  # fmt: skip
