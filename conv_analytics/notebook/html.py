"""The one place that makes HTML: escaping templates, data for scripts, pages that load nothing else."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from conv_analytics.markup import clean, escape, line
from conv_analytics.notebook.palette import DARK, LIGHT, Theme

if TYPE_CHECKING:
    from jinja2 import Environment

#: Classes of an element that holds texts from the API: JupyterLab typesets no formula between two dollars in it.
PLAIN = "tex2jax_ignore mathjax_ignore"


def safe(html: str) -> Markup:
    """HTML that is already safe: a template does not escape it again."""
    return Markup(html)  # noqa: S704


def render(template: str, **values: Any) -> str:
    """Fill a template of this package; everything that `safe` did not mark is escaped.

    >>> render("page.html.j2", title="<t>", body="<b>", policy="", style="", scripts=()).count("&lt;")
    2
    """
    return _templates().get_template(template).render(**values, plain=PLAIN)


@cache
def _templates() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415  texts and tables do without

    return Environment(
        loader=PackageLoader("conv_analytics.notebook", ""), autoescape=True, undefined=StrictUndefined,
        finalize=_escaped, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip


def _escaped(value: object) -> Markup:
    """The escaping used everywhere, which also replaces characters that markup cannot hold."""
    return value if isinstance(value, Markup) else safe(escape(value))


@cache
def resource(name: str) -> str:
    """A file of this package: a script or a style sheet."""
    return resources.files("conv_analytics.notebook").joinpath(name).read_text(encoding="utf-8")


@cache
def module(*names: str) -> str:
    """Several JavaScript modules as one, without their imports and exports: each may use the ones before it.

    A default export remains.
    """
    text = re.sub(r"^import [^;]*;\n|^export (?!default)", "", "".join(map(resource, names)), flags=re.MULTILINE)
    # Comments and indentation only help readers of the source.
    text = re.sub(r"^\s*(?://.*\n|/\*\*.*\*/\n)?", "", text, flags=re.MULTILINE)
    return re.sub(r"(?<=[;,{(])\n", "", text)


def json_for_script(value: Any) -> str:
    r"""JSON that may stand within a ``<script>``: no ``<``, and nothing that ends a line of JavaScript.

    >>> json_for_script("</script>")
    '"\\u003c/script>"'
    """
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace("&", "\\u0026")


def data_uri(content: str | bytes, kind: str = "image/svg+xml") -> str:
    """A ``data:`` URI with this content."""
    raw = content.encode() if isinstance(content, str) else content
    return f"data:{kind};base64,{base64.b64encode(raw).decode()}"


def policy(scripts: Iterable[str] = ()) -> str:
    """A content security policy that allows these scripts, pictures within the page, and nothing else.

    >>> policy()
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    """
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in scripts]
    listed = " ".join(f"'sha256-{each}'" for each in hashes)
    allowed = f"; script-src {listed}" if hashes else ""
    return f"default-src 'none'; img-src data:; style-src 'unsafe-inline'{allowed}; base-uri 'none'; form-action 'none'"


def variables(theme: Theme) -> str:
    """The colours of a theme as CSS variables: ``--ca-ground``, ``--ca-good``, its ``--ca-good-edge`` and so on."""
    edges = {f"{name}-edge": theme.edges[name] for name in theme.quality}
    return "".join(f"--ca-{name}:{colour};" for name, colour in {**theme.surfaces, **theme.quality, **edges}.items())


def page_style() -> str:
    """The style sheet of a whole page: light or dark by its theme or its reader's system, and light on paper."""
    light, dark = (f"color-scheme:{theme.name};{variables(theme)}" for theme in (LIGHT, DARK))
    return (
        f":root{{{variables(LIGHT)}color-scheme:light dark}}\n"
        f"@media (prefers-color-scheme:dark){{:root{{{variables(DARK)}}}}}\n"
        f":root[data-theme=light]{{{light}}}\n:root[data-theme=dark]{{{dark}}}\n"
        f"@media print{{:root,:root[data-theme=dark]{{{light}}}}}\n{resource('page.css')}"
    )


def page(title: str, body: str, *, scripts: Sequence[str] = (), style: str = "") -> str:
    """A whole page: one file, light and dark, that loads nothing.

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
    # A browser hashes exactly the text between the tags.
    return render(
        "page.html.j2", title=title, body=safe(body), policy=policy(scripts), style=safe(page_style() + style),
        scripts=[safe(text) for text in scripts],
    )  # fmt: skip


def table(head: Sequence[str], rows: Iterable[Sequence[object]], caption: str = "") -> str:
    """A table of texts; None is an empty cell."""
    return str(_templates().get_template("table.html.j2").module.table(head, rows, caption))  # type: ignore[attr-defined]


def mask_label(*, masked: bool) -> str:
    """The remark of every drawing about the masking of people."""
    return "people masked" if masked else "UNMASKED"


__all__ = ["PLAIN", "clean", "data_uri", "escape", "json_for_script", "line", "mask_label", "module", "page",
           "page_style", "policy", "render", "resource", "safe", "table", "variables"]  # fmt: skip
