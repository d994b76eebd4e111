"""The explorer without a script: a style sheet, and the same numbers, picture and rows as plain HTML."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib import resources

from conv_analytics.notebook.explorer.told import Bin, bins, summary
from conv_analytics.notebook.explorer.view import CLASSES, COLUMNS, View
from conv_analytics.notebook.html import PLAIN, data_uri, escape, table, variables
from conv_analytics.notebook.palette import DARK, LIGHT, QUALITY

#: So many rows stand in a saved notebook.
ROWS = 25
_HIGH, _WIDE = 64, 10


@cache
def style() -> str:
    """The style sheet: everything in it is below the class of the explorer, and as light or dark as the page is."""
    light, dark = (f"{variables(theme)}color-scheme:{theme.name}" for theme in (LIGHT, DARK))
    here = ".ca-explore"
    darks = ("[data-jp-theme-light=false]", "[data-vscode-theme-kind$=dark]", "[data-vscode-theme-kind$=high-contrast]")
    lights = ("[data-jp-theme-light=true]", "[data-vscode-theme-kind$=light]")
    rules = resources.files("conv_analytics.notebook.explorer").joinpath("explorer.css").read_text(encoding="utf-8")
    return (
        f"{rules}{here}{{{light}}}\n@media(prefers-color-scheme:dark){{{here}{{{dark}}}}}\n"
        f"{','.join(f'body{mark} {here}' for mark in lights)}{{{light}}}\n"
        f"{','.join(f'body{mark} {here}' for mark in darks)}{{{dark}}}\n{_fills(here)}\n"
    )


def fragment(view: View) -> str:
    """What a saved notebook shows without a kernel, and a front end without widgets."""
    told, some = summary(view), bins(view)
    # Where a notebook is not trusted no style is left: the words must stand by themselves.
    numbers = "; ".join(f"<b>{escape(number)}</b> {escape(words)}" for number, words in told.parts())
    label = "people masked" if told.masked else "UNMASKED"
    kind = "ca-quiet" if told.masked else "ca-open"
    picture = ""
    if some:
        alt = f"Calls by time, from {some[0].at} to {some[-1].at}. {told}"
        span = f"Calls by time, {escape(some[0].at)} to {escape(some[-1].at)}; from the bottom: {_legend()}."
        picture = (
            f'<div class="ca-strip"><img alt="{escape(alt)}" src="{data_uri(strip(some))}">'
            f'<p class="ca-quiet">{span}</p></div>'
        )
    rows = [cells for _, cells in view.page()][:ROWS]
    said = view.display.text(str(view.filters))
    said = f"{said}; the first {len(rows):,} of {told.calls:,}" if len(rows) < told.calls else said
    return (
        f'<div class="ca-explore {PLAIN}" data-ca-explore>\n<style>{style()}</style>\n'
        f'<p>{numbers}; <span class="{kind}">{label}</span></p>\n{picture}\n'
        f'<div class="ca-list">{table(list(COLUMNS.values()), rows, said)}</div>\n</div>\n'
    )


def strip(some: Sequence[Bin]) -> str:
    """The calls by time as a picture of its own, light or dark as its reader's system is."""
    most = max(1, *(sum(each.counts) for each in some))
    bars = []
    for place, each in enumerate(some):
        y = float(_HIGH)
        for name, count in zip(CLASSES, each.counts, strict=True):
            if count:
                height = count / most * (_HIGH - 4)
                y -= height
                bars.append(
                    f'<rect class="ca-{name.replace(" ", "-")}" x="{place * _WIDE + 1}" y="{y:.2f}" '
                    f'width="{_WIDE - 2}" height="{height:.2f}"/>'
                )
    dark = f"@media(prefers-color-scheme:dark){{:root{{{variables(DARK)}}}}}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {len(some) * _WIDE} {_HIGH}" preserveAspectRatio="none" '
        f'width="{len(some) * _WIDE}" height="{_HIGH}"><style>:root{{{variables(LIGHT)}}}{dark}{_fills("")}</style>'
        f"{''.join(bars)}</svg>"
    )


def _fills(below: str) -> str:
    """The colours of calls. Those that were not answered have no verdict, and are an outline."""
    space = f"{below} " if below else ""
    outline = (
        "fill:var(--ca-raised);stroke:var(--ca-quiet);vector-effect:non-scaling-stroke;"
        "background:var(--ca-raised);box-shadow:inset 0 0 0 1px var(--ca-quiet)"
    )
    measured = "".join(f"{space}.ca-{name}{{fill:var(--ca-{name});background:var(--ca-{name})}}" for name in QUALITY)
    return f"{measured}{space}.ca-not-answered{{{outline}}}"


def _legend() -> str:
    return ", ".join(f'<i class="ca-{name.replace(" ", "-")}"></i>{escape(name)}' for name in CLASSES)


__all__ = ["ROWS", "fragment", "strip", "style"]
