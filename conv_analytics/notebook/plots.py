"""Plots of the results of the analysis, as matplotlib Axes that can be modified further.

Each takes a frame that a function of `conv_analytics.analysis` returns, draws on `ax` or on a new figure, and returns
the Axes. Axes have units, titles say how many rows are shown. matplotlib is imported when a plot is drawn.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from conv_analytics.analysis.audio.profiles import Profile, profile_of
from conv_analytics.analysis.engine.zones import zone_info
from conv_analytics.analysis.entities.verdicts import MEASURED, Verdict
from conv_analytics.analysis.maths.stats import rates
from conv_analytics.errors import ColumnNotFound, ConfigError
from conv_analytics.glossary import term
from conv_analytics.notebook.charts import DAYS
from conv_analytics.notebook.html import line
from conv_analytics.notebook.palette import LIGHT
from conv_analytics.time_zones import on_clock

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_GOOD, _NONE = LIGHT.quality[Verdict.GOOD], LIGHT.quality[Verdict.UNMEASURED]
_MOS_STEP = 0.1
#: The longest label. [characters]
_LONGEST = 32
#: The colours of limits; the palette's colour of fair is too light for a line.
_LIMIT_COLOURS: Mapping[str, str] = {Verdict.FAIR: LIGHT.edges[Verdict.FAIR], Verdict.POOR: LIGHT.quality[Verdict.POOR]}

#: Days that every zone has, next to the ends of the calendar.
_CALENDAR = np.array(["0001-01-03", "9999-12-29"], dtype="datetime64[D]")


def plot_mos(quality: pd.DataFrame, profile: str | Profile = "recommended", *, ax: Axes | None = None) -> Axes:
    """MOS of legs: the E-model's estimate filled, the reported score as an outline.

    Parameters
    ----------
    quality
        The result of `quality`.
    profile
        The rulebook whose limits are drawn.
    ax
        Where to draw; a new figure when absent.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ColumnNotFound
        If the frame is not from `quality`.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> frame = pd.DataFrame({"mos_emodel": [4.4, 3.2, None], "mos_reported": [4.5, 4.4, 4.5],
    ...                       "verdict": ["good", "poor", "unmeasured"]})
    >>> plot_mos(frame).get_title(loc="left")
    'MOS (2 of 3 legs measured)'
    """
    _needs(quality, "quality()", "mos_emodel", "mos_reported", "verdict")
    ax, edges = _axes(ax), [float(edge) for edge in np.arange(1.0, 4.5 + _MOS_STEP, _MOS_STEP)]
    measured = quality[quality["verdict"].isin(MEASURED)]
    ax.hist(_floats(measured["mos_emodel"]), bins=edges, color=_GOOD, label=term("mos").label)
    reported = _floats(measured["mos_reported"])
    ax.hist(reported, bins=edges, histtype="step", color=LIGHT.text, linewidth=1.2, label=term("mos_reported").label)
    limits = profile_of(profile).limits("mos_emodel")
    for level in sorted(limits):
        ax.axvline(limits[level], color=_LIMIT_COLOURS[level], linestyle="--", label=f"{level} below {limits[level]:g}")
    ax.set(xlabel="MOS [1 to 5]", ylabel="legs", xlim=(1, 4.6))
    _legend(ax)
    return _titled(ax, f"MOS ({len(measured):,} of {len(quality):,} legs measured)")


def plot_loss_jitter(quality: pd.DataFrame, profile: str | Profile = "recommended", *, ax: Axes | None = None) -> Axes:
    """Packet loss against jitter, as hexagons: the darker, the more legs.

    Parameters and errors are those of `plot_mos`.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> frame = pd.DataFrame({"loss_pct": [0.1, 6.0, None], "jitter_sd_max_ms": [5.0, 40.0, 3.0]})
    >>> plot_loss_jitter(frame).get_xlabel()
    'packet loss [%]'
    """
    _needs(quality, "quality()", "loss_pct", "jitter_sd_max_ms")
    ax, measured = _axes(ax), quality[["loss_pct", "jitter_sd_max_ms"]].dropna()
    if len(measured):
        loss, jitter = _floats(measured["loss_pct"]), _floats(measured["jitter_sd_max_ms"])
        drawn = ax.hexbin(
            loss, jitter, gridsize=30, bins="log", cmap="Blues", mincnt=1, linewidths=0.4, edgecolors=_GOOD
        )
        ax.figure.colorbar(drawn, ax=ax, label="legs")
    rulebook = profile_of(profile)
    limits = ((ax.axvline, rulebook.limits("loss_pct")), (ax.axhline, rulebook.limits("jitter_sd_max_ms")))
    for level, colour in _LIMIT_COLOURS.items():
        lines = [draw(of[level], color=colour, linestyle="--", linewidth=1) for draw, of in limits if level in of]
        for limit in lines[-1:]:
            limit.set_label(f"limit: {level}")
    ax.set(xlabel=_axis_label("loss"), ylabel=_axis_label("jitter"))
    if any(of for _, of in limits):
        _legend(ax)
    return _titled(ax, f"Packet loss and jitter ({len(measured):,} of {len(quality):,} legs measured)")


def plot_heatmap(cells: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Hours of the week: the rate if the frame has one, else starts per hour; cells with few cases are empty.

    Parameters
    ----------
    cells
        The result of `heatmap`.
    ax
        Where to draw.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from conv_analytics.analysis import heatmap
    >>> at = pd.to_datetime(["2024-10-27T00:30:00Z"], utc=True, format="ISO8601")
    >>> one = pd.DataFrame({"conversation_id": ["CON-1"], "leg_id": ["a"], "started_at": at})
    >>> plot_heatmap(heatmap(one)).get_title(loc="left")
    'Starts per hour (1 leg)'
    """
    _needs(cells, "heatmap()", "weekday", "hour", "starts", "per_hour")
    ax, n = _axes(ax), int(cells["starts"].sum())
    has_rate = "rate" in cells
    metric = _label(cells["metric"].iloc[0]) if has_rate and len(cells) else "rate"
    values = cells["rate"].where(cells["enough"].fillna(value=False)) * 100 if has_rate else cells["per_hour"]
    grid = np.full((7, 24), np.nan)
    grid[_floats(cells["weekday"]).astype(int), _floats(cells["hour"]).astype(int)] = _floats(values)
    drawn = ax.imshow(grid, cmap="Blues", aspect="auto", vmin=0)
    bar = ax.figure.colorbar(drawn, ax=ax)
    bar.set_label(f"{metric} [%]" if has_rate else "starts per hour [1/h]", parse_math=False)
    ax.set_yticks(range(7), labels=DAYS)
    ax.set_xticks(range(0, 24, 3), labels=[f"{hour:02}" for hour in range(0, 24, 3)])
    ax.set(xlabel="hour of the day [h]", ylabel="weekday")
    # Only a pandas frame as `heatmap` returned it tells these.
    unit, min_n = cells.attrs.get("unit", "start"), cells.attrs.get("min_n")
    least = "enough cases" if min_n is None else f"{min_n:,} {'case' if min_n == 1 else 'cases'} or more"
    title = f"{metric}, {least}" if has_rate else "Starts per hour"
    return _titled(ax, f"{title} ({n:,} {unit if n == 1 else f'{unit}s'})")


def plot_outcomes(legs: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """The outcomes of legs, the most frequent first, with intervals.

    Parameters
    ----------
    legs
        The result of `legs` or `calls`.
    ax
        Where to draw.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> axes = plot_outcomes(pd.DataFrame({"outcome": ["answered", "answered", "busy"]}))
    >>> [label.get_text() for label in axes.get_yticklabels()]
    ['answered', 'busy']
    """
    _needs(legs, "legs()", "outcome")
    ax, counts = _axes(ax), legs["outcome"].astype("object").fillna("unknown").value_counts().sort_index(kind="stable")
    counts = counts.sort_values(ascending=False, kind="stable")
    intervals = rates(counts.to_numpy("float64"), np.full(len(counts), float(len(legs))))
    share, low, high = (100 * intervals[name] for name in ("rate", "lo", "hi"))
    names = [_label(name) for name in counts.index]
    places = np.arange(len(counts))
    colours = [_GOOD if name == "answered" else _NONE for name in counts.index]
    ax.barh(places, share, color=colours, xerr=[share - low, high - share], ecolor=LIGHT.text, capsize=2)
    for place, (k, end) in enumerate(zip(counts, high, strict=True)):
        ax.annotate(f" {k:,}", (float(end), place), va="center", fontsize="small")
    ax.set_yticks(places, labels=names, parse_math=False)
    ax.invert_yaxis()
    ax.set(
        xlabel="share [%], with its 95 % interval",
        ylabel="outcome",
        xlim=(0, 1.12 * float(np.nanmax(high, initial=1.0))),
    )
    return _titled(ax, f"Outcomes (n = {len(legs):,})")


def plot_concurrency(steps: pd.DataFrame, *, tz: str = "UTC", ax: Axes | None = None) -> Axes:
    """How many legs or calls are up at once, and the peak.

    Parameters
    ----------
    steps
        The result of `concurrency`.
    tz
        IANA zone of the axis.
    ax
        Where to draw.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> at = pd.to_datetime(["2026-11-02T09:00Z", "2026-11-02T09:10Z"], utc=True, format="ISO8601")
    >>> plot_concurrency(pd.DataFrame({"at": at, "concurrent": [1, 0]})).get_xlabel()
    'time [UTC]'
    """
    _needs(steps, "concurrency()", "at", "concurrent")
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num  # noqa: PLC0415 - when it is drawn

    ax, zone = _axes(ax), zone_info(tz)
    up = _floats(steps["concurrent"])
    if len(steps):
        # matplotlib takes numpy's instants, which are UTC; the axis labels are on the zone's clock.
        at = steps["at"].dt.tz_convert("UTC").dt.tz_localize(None).to_numpy()
        ax.step(at, up, where="post", color=_GOOD, linewidth=1)
        ax.fill_between(at, up, step="post", color=_GOOD, alpha=0.15)
        peak = int(np.argmax(up))
        when = on_clock(steps["at"].iloc[peak].to_pydatetime(), zone).replace(tzinfo=None)
        ax.annotate(f"peak {up[peak]:.0f} at {when.isoformat(' ', 'seconds')}", (at[peak], up[peak]), xytext=(0, 4),
                    textcoords="offset points", fontsize="small")  # fmt: skip
        # matplotlib finds no ticks beyond the calendar, where the margins of the first and the last days are.
        first, last = date2num(_CALENDAR)  # type: ignore[no-untyped-call]
        if first < ax.get_xlim()[0] and ax.get_xlim()[1] < last:
            locator = AutoDateLocator(tz=zone)  # type: ignore[no-untyped-call]
            ax.xaxis.set_major_locator(locator)
            ax.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=zone))  # type: ignore[no-untyped-call]
        else:
            ends = [steps["at"].iloc[place].to_pydatetime() for place in (int(at.argmin()), int(at.argmax()))]
            words = [on_clock(end, zone).replace(tzinfo=None).isoformat(" ", "seconds") for end in ends]
            ax.set_xticks([at.min(), at.max()], labels=words, parse_math=False)
    ax.set(xlabel=f"time [{tz}]", ylabel="up at once")
    ax.set_ylim(bottom=0)
    return _titled(ax, f"Concurrency ({len(steps):,} changes)")


def plot_funnel(funnel: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """A funnel: one bar per state, with its share of the first.

    Parameters
    ----------
    funnel
        The result of `message_funnel`, or any frame with ``state``, ``k`` and ``n``.
    ax
        Where to draw.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> frame = pd.DataFrame({"state": ["submitted", "delivered"], "k": [10, 8], "n": [10, 10]})
    >>> plot_funnel(frame).get_title(loc="left")
    'Funnel (n = 10)'
    """
    _needs(funnel, "message_funnel()", "state", "k", "n")
    ax, k, n = _axes(ax), _floats(funnel["k"]), _floats(funnel["n"])
    intervals = rates(k, n)
    places = np.arange(len(funnel))
    share, low, high = (100 * intervals[name] for name in ("rate", "lo", "hi"))
    ax.barh(places, share, color=_GOOD, xerr=[share - low, high - share], ecolor=LIGHT.text, capsize=2)
    for place, (cases, of, end) in enumerate(zip(k, n, np.nan_to_num(high), strict=True)):
        ax.annotate(f" {cases:,.0f} of {of:,.0f}", (float(end), place), va="center", fontsize="small")
    ax.set_yticks(places, labels=[_label(state) for state in funnel["state"]], parse_math=False)
    ax.invert_yaxis()
    ax.set(xlabel="share [%], with its 95 % interval", ylabel="state", xlim=(0, 125))
    return _titled(ax, f"Funnel (n = {int(n.max()) if len(n) else 0:,})")


def _axes(ax: Axes | None) -> Any:
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt  # noqa: PLC0415 - half a second, when a plot is drawn

    _, made = plt.subplots(figsize=(8, 4), layout="constrained")
    made.spines[["top", "right"]].set_visible(b=False)
    return made


def _axis_label(name: str) -> str:
    return f"{term(name).label} [{term(name).unit}]"


def _legend(ax: Any) -> None:
    """A legend on one line between the title and the plot, so that it hides nothing."""
    ax.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=4, frameon=False, fontsize="small", borderpad=0,
              borderaxespad=0.5, columnspacing=1.2, handlelength=1.4)  # fmt: skip


def _titled(ax: Any, title: str) -> Axes:
    # It may contain texts of the data, in which a dollar does not begin a formula.
    ax.set_title(title, loc="left", parse_math=False, pad=24 if ax.get_legend() else None)
    titled: Axes = ax
    return titled


def _label(word: object) -> str:
    """A text of the data as a label: one line, cut to the longest label."""
    text = line(str(word).replace("_", " "))
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _needs(frame: pd.DataFrame, maker: str, *columns: str) -> None:
    for column in columns:
        if column not in frame:
            raise ColumnNotFound(f"of {maker}", column, tuple(str(name) for name in frame))
        if list(frame.columns).count(column) > 1:
            raise ConfigError(f"Columns of the frame have the same name: {column}. Rename or drop all but one of them.")


def _floats(numbers: pd.Series[Any] | Iterable[Any]) -> Any:
    return pd.Series(numbers).to_numpy("float64", na_value=np.nan)


__all__ = ["plot_concurrency", "plot_funnel", "plot_heatmap", "plot_loss_jitter", "plot_mos", "plot_outcomes"]
