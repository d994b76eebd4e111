"""The plots: what they show is what the frames say; they are drawn, with and without data."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any

import matplotlib as mpl
import pandas as pd
import polars as pl
import pytest

mpl.use("Agg")

from matplotlib import pyplot as plt

from conv_analytics.analysis import calls, concurrency, heatmap, message_funnel, quality
from conv_analytics.errors import ColumnNotFound, ConfigError
from conv_analytics.notebook import plots
from tests._helpers import report_legs as made
from tests._helpers.drawn_conversations import instants

FUNNEL = pd.DataFrame({
    "conversation_id": ["CON-1"] * 3, "event_id": [2, 3, 4], "message_event_id": [1, 1, 9],
    "type": ["message:delivered", "message:seen", "message:delivered"], "from_member_id": "MEM-2",
    "at": pd.to_datetime(["2026-05-04T10:00Z"] * 3, utc=True),
})  # fmt: skip

DRAWN: dict[str, tuple[Callable[..., Any], Callable[[], pd.DataFrame]]] = {
    "mos": (plots.plot_mos, lambda: quality(made.week())),
    "loss_jitter": (plots.plot_loss_jitter, lambda: quality(made.week())),
    "heatmap": (plots.plot_heatmap, lambda: heatmap(made.week(), tz="Europe/London")),
    "rates": (plots.plot_heatmap, lambda: heatmap(made.week(), "asr", tz="Europe/London", min_n=1)),
    "rates of 30": (plots.plot_heatmap, lambda: heatmap(made.week(), "asr", tz="Europe/London")),
    "rates of 3": (plots.plot_heatmap, lambda: heatmap(made.week(), "asr", tz="Europe/London", min_n=3)),
    "calls": (plots.plot_heatmap, lambda: heatmap(calls(made.week()), tz="Europe/London", unit="call")),
    "cells of another kind": (plots.plot_heatmap, lambda: heatmap(pl.DataFrame(made.week()), "asr").to_pandas()),
    "outcomes": (plots.plot_outcomes, made.week),
    "concurrency": (plots.plot_concurrency, lambda: concurrency(made.week())),
    "funnel": (plots.plot_funnel, lambda: message_funnel({"message_statuses": FUNNEL})),
}
TITLES = {
    "mos": "MOS (120 of 150 legs measured)", "loss_jitter": "Packet loss and jitter (120 of 150 legs measured)",
    "heatmap": "Starts per hour (150 legs)", "outcomes": "Outcomes (n = 150)", "funnel": "Funnel (n = 2)",
    "rates": "asr, 1 case or more (150 legs)", "rates of 30": "asr, 30 cases or more (150 legs)",
    "rates of 3": "asr, 3 cases or more (150 legs)", "calls": "Starts per hour (150 calls)",
    "cells of another kind": "asr, enough cases (150 starts)",
}  # fmt: skip


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    plt.close("all")


def test_outcomes_may_be_categories_with_nulls() -> None:
    outcomes = pd.Series(
        ["busy", "answered", None, "answered"], dtype=pd.CategoricalDtype(["failed", "busy", "answered"])
    )
    axes: Any = plots.plot_outcomes(pd.DataFrame({"outcome": outcomes}))
    assert [label.get_text() for label in axes.get_yticklabels()] == ["answered", "busy", "unknown"]


def test_columns_with_the_same_name_are_refused() -> None:
    twice = pd.DataFrame([["busy", "answered"]], columns=["outcome", "outcome"])
    with pytest.raises(ConfigError, match="have the same name: outcome"):
        plots.plot_outcomes(twice)


@pytest.mark.parametrize("name", ["mos", "loss_jitter"])
def test_the_legend_hides_nothing(name: str) -> None:
    plot, frame = DRAWN[name]
    axes: Any = plot(frame())
    axes.figure.canvas.draw()
    legend, title = axes.get_legend().get_window_extent(), axes._left_title.get_window_extent()
    assert axes.get_window_extent().y1 <= legend.y0 < legend.y1 <= title.y0


@pytest.mark.parametrize("name", DRAWN)
def test_axes_have_units_and_titles_the_number_of_rows(name: str) -> None:
    plot, frame = DRAWN[name]
    axes = plot(frame())
    assert axes.get_title(loc="left").startswith(TITLES.get(name, "Concurrency ("))
    assert axes.get_xlabel()
    assert axes.get_ylabel()
    axes.figure.savefig(BytesIO(), format="png")


@pytest.mark.parametrize("name", DRAWN)
def test_empty_frames_are_drawn_on_the_axes_given(name: str) -> None:
    plot, frame = DRAWN[name]
    _, ax = plt.subplots()
    assert plot(frame().iloc[:0], ax=ax) is ax
    ax.figure.savefig(BytesIO(), format="png")


@pytest.mark.parametrize("name", DRAWN)
def test_a_column_that_is_missing_is_told(name: str) -> None:
    with pytest.raises(ColumnNotFound):
        DRAWN[name][0](pd.DataFrame({"other": [1]}))


def test_bars_are_as_long_as_the_shares() -> None:
    bars = plots.plot_outcomes(made.week()).patches
    assert [round(bar.get_width(), 6) for bar in bars] == [80.0, 20.0]


def test_the_peak_is_told_on_the_zones_clock() -> None:
    axes = plots.plot_concurrency(concurrency(made.legs([made.call(1)])), tz="Asia/Kolkata")
    assert [text.get_text() for text in axes.texts] == ["peak 1 at 2026-03-27 14:30:00"]
    assert axes.get_xlabel() == "time [Asia/Kolkata]"


@pytest.mark.slow
def test_matplotlib_waits_until_something_is_drawn() -> None:
    code = "import sys, conv_analytics.notebook.plots; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Pacific/Auckland"])
@pytest.mark.parametrize(
    ("first", "last"),
    [
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:30Z"),
        ("9999-12-31T23:59:00Z", "9999-12-31T23:59:59.999999Z"),
        ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"),
        ("0009-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
    ],
)
def test_concurrency_at_the_ends_of_the_calendar_is_drawn(zone: str, first: str, last: str) -> None:
    steps = pd.DataFrame({"at": instants(first, last), "concurrent": [1, 0]})
    axes = plots.plot_concurrency(steps, tz=zone)
    axes.figure.canvas.draw()
    labels = [label.get_text() for label in axes.get_xticklabels()]
    assert len(labels) == 2
    plt.close("all")
