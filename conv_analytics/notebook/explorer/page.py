"""The explorer without a script: a style sheet, and the same numbers, picture and rows as plain HTML."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from conv_analytics.notebook.explorer.summary import Bin, bins, summary
from conv_analytics.notebook.explorer.view import CLASSES, COLUMNS, View
from conv_analytics.notebook.html import data_uri, mask_label, render, resource, safe, variables
from conv_analytics.notebook.palette import DARK, LIGHT, QUALITY

#: Rows in a saved notebook.
ROWS = 25
_HEIGHT, _BIN_WIDTH = 64, 10


@cache
def style() -> str:
    """The style sheet: everything in it is below the class of the explorer, and light or dark like the page.

    The script, if there is one, detects the theme of the page, which no style can do within a shadow root.
    """
    light, dark = (f"{variables(theme)}color-scheme:{theme.name}" for theme in (LIGHT, DARK))
    here = ".ca-explore"
    widget = "[data-ca-theme={}] " + here
    darks = ("[data-jp-theme-light=false]", "[data-vscode-theme-kind$=dark]", "[data-vscode-theme-kind$=high-contrast]")
    lights = ("[data-jp-theme-light=true]", "[data-vscode-theme-kind$=light]")
    return (
        f"{resource('explorer/explorer.css')}{here}{{{light}}}\n@media(prefers-color-scheme:dark){{{here}{{{dark}}}}}\n"
        f"{','.join(f'body{mark} {here}' for mark in lights)}{{{light}}}\n"
        f"{','.join(f'body{mark} {here}' for mark in darks)}{{{dark}}}\n"
        f"{widget.format('light')}{{{light}}}\n{widget.format('dark')}{{{dark}}}\n{_fills(here)}\n"
    )


def fragment(view: View) -> str:
    """The HTML for a saved notebook without a kernel, and for front ends without widgets."""
    numbers, over_time = summary(view), bins(view)
    rows = [cells for _, cells in view.page()][:ROWS]
    caption = str(view.shown_filters)
    if len(rows) < numbers.calls:
        caption += f"; the first {len(rows):,} of {numbers.calls:,}"
    # An untrusted notebook loses its styles: the text has to be enough.
    return render(
        "explorer/explorer.html.j2", style=safe(style()), numbers=numbers.parts(), summary=numbers,
        masked=numbers.masked, mask=mask_label(masked=numbers.masked), bins=over_time,
        strip=data_uri(strip(over_time)) if over_time else "", classes=CLASSES, columns=list(COLUMNS.values()),
        rows=rows, caption=caption,
    )  # fmt: skip


def strip(over_time: Sequence[Bin]) -> str:
    """The histogram of calls over time as SVG, light or dark like its reader's system."""
    most = max(1, *(sum(each.counts) for each in over_time))
    bars = []
    for place, each in enumerate(over_time):
        y = float(_HEIGHT)
        for name, count in zip(CLASSES, each.counts, strict=True):
            if count:
                height = count / most * (_HEIGHT - 4)
                y -= height
                x, width = place * _BIN_WIDTH + 1, _BIN_WIDTH - 2
                bars.append((name.replace(" ", "-"), x, f"{y:.2f}", width, f"{height:.2f}"))
    dark = f"@media(prefers-color-scheme:dark){{:root{{{variables(DARK)}}}}}"
    return render(
        "explorer/strip.svg.j2", width=len(over_time) * _BIN_WIDTH, height=_HEIGHT, bars=bars,
        style=safe(f":root{{{variables(LIGHT)}}}{dark}{_fills('')}"),
    )  # fmt: skip


def _fills(below: str) -> str:
    """The colours of classes of calls. Unanswered ones have no verdict, and only an outline."""
    space = f"{below} " if below else ""
    outline = (
        "fill:var(--ca-raised);stroke:var(--ca-quiet);vector-effect:non-scaling-stroke;"
        "background:var(--ca-raised);box-shadow:inset 0 0 0 1px var(--ca-quiet)"
    )
    verdicts = "".join(f"{space}.ca-{name}{{fill:var(--ca-{name});background:var(--ca-{name})}}" for name in QUALITY)
    return f"{verdicts}{space}.ca-not-answered{{{outline}}}"


__all__ = ["ROWS", "fragment", "strip", "style"]
