"""The state of a view that is sent to the browser, in parts: only changed parts are sent."""

from __future__ import annotations

from typing import Any

from conv_analytics.analysis.entities.verdicts import Verdict
from conv_analytics.notebook.explorer.summary import bins, summary
from conv_analytics.notebook.explorer.view import CLASSES, COLUMNS, PAGE, TOOLTIPS, View

#: The constant part: the columns with their headings, and the classes of calls, worst first.
HEADINGS: dict[str, Any] = {
    "columns": [[name, shown, TOOLTIPS.get(name, "")] for name, shown in COLUMNS.items()],
    "verdicts": [verdict.value for verdict in Verdict], "kinds": list(CLASSES), "page": PAGE,
}  # fmt: skip


def filtering(view: View) -> dict[str, Any]:
    """The filters, their options, and the numbers and bars of the calls that pass."""
    numbers = summary(view)
    return {
        "filters": view.shown_filters.plain(), "options": view.options(), "masked": numbers.masked,
        "numbers": [list(part) for part in numbers.parts()],
        "bins": [[each.at, list(each.counts)] for each in bins(view)],
    }  # fmt: skip


def table(view: View, generation: int) -> dict[str, Any]:
    """The rows of the current page, their order, and their positions among all rows of this generation of the data."""
    return {
        "rows": [[place, cells] for place, cells in view.page()], "first": view.first, "matching": len(view.places),
        "total": len(view.frame), "sort": view.sort, "descending": view.descending,
        "generation": generation,
    }  # fmt: skip


def selection(view: View, opened: int | None) -> dict[str, Any]:
    """How many calls are selected, which of them are on the page, and which call is open."""
    chosen = set(view.chosen)
    page = view.places[view.first : view.first + PAGE].tolist()
    return {"count": len(chosen), "on_page": [place for place in page if place in chosen], "opened": opened}


__all__ = ["HEADINGS", "filtering", "selection", "table"]
