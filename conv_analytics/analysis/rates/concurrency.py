"""Concurrency: concurrent calls, traffic per hour, the busy hour (M28, M29)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from conv_analytics.analysis.engine import coerce, zones
from conv_analytics.analysis.engine.answers import reserved
from conv_analytics.analysis.engine.data import question
from conv_analytics.analysis.engine.expressions import is_true, one_if
from conv_analytics.analysis.engine.options import in_utc, keys_of, one_of
from conv_analytics.analysis.engine.rows import Rows
from conv_analytics.analysis.engine.source import Source
from conv_analytics.analysis.engine.zones import HOUR
from conv_analytics.analysis.maths.sweep import Steps
from conv_analytics.analysis.rates import scope as scopes
from conv_analytics.errors import ConfigError
from conv_analytics.instants import EPOCH, just_after, micros

UNITS = ("leg", "call", "conversation")
FROM = ("started", "answered")
#: Optional columns that bound the end of a leg without an end.
_LAST = ("answered", "answered_at", "ringing_at")
_INSTANT = pd.DatetimeTZDtype("us", "UTC")
#: Hours between changes further apart are not listed: one year 1 would make millions. [us]
_GAP = 10 * 365 * 24 * HOUR
#: The first and the last instant of a `datetime`. [us]
_EVER = (micros(datetime.min.replace(tzinfo=UTC)), micros(datetime.max.replace(tzinfo=UTC)))

_Edges = np.ndarray[Any, np.dtype[np.int64]]


@question
def concurrency(
    data: Any,
    *,
    unit: str = "leg",
    scope: str = "all",
    busy_from: str = "started",
    until: datetime | None = None,
) -> Any:
    """How many legs, calls or conversations are up, from each instant at which that number changes.

    Parameters
    ----------
    data
        A `Dataset`, `Frames`, a mapping of table name to frame, or a frame of `legs` or `calls`.
    unit
        ``leg`` (what lines carry), ``call`` or ``conversation`` (from its first leg to its last): a forwarded call is
        one call of two legs or more, so their peaks differ. A leg without a conversation counts on its own.
    scope
        ``outbound``, ``inbound`` or ``all``.
    busy_from
        ``started`` (a line is taken from there on) or ``answered`` (talk).
    until
        End of those that are still up; the last instant in the data when absent. Later starts are left out.

    Returns
    -------
    pandas.DataFrame or the caller's kind
        ``at``, ``concurrent`` (from there until the next row), ``open`` (those of them that were answered and have no
        end).

    Notes
    -----
    Intervals are half-open: a call that ends in the microsecond in which another starts does not overlap it. The area
    under the curve is the sum of the durations. Without an end an answered leg is still up, as in `calls`; one that was
    not answered ends at its last known instant: its end was lost. Rows with no start, or an end before it, are in
    `busy_hour` as ``unplaced``.

    Examples
    --------
    >>> import pandas as pd
    >>> at = pd.to_datetime(["2026-11-02T09:00:00Z", "2026-11-02T09:05:00Z"], utc=True, format="ISO8601")
    >>> two = pd.DataFrame({"conversation_id": ["CON-1", "CON-2"], "leg_id": ["a", "b"], "started_at": at,
    ...                     "ended_at": at + pd.Timedelta(minutes=10)})
    >>> concurrency(two)["concurrent"].to_list()
    [1, 2, 1, 0]
    """
    source = Source.of(data)
    spans, _ = _spans(_Query(source, unit, scope, busy_from, until))
    steps, still = _steps(spans), _steps(spans[spans["_open"]])
    place = np.searchsorted(still.since, steps.since, side="right") - 1
    without = (
        np.where(place >= 0, still.up[np.clip(place, 0, None)], 0) if len(still.since) else np.zeros_like(steps.up)
    )
    done = pd.DataFrame({
        "at": _instants(steps.since),
        "concurrent": pd.array(steps.up, "Int64"),
        "open": pd.array(without, "Int64"),
    })  # fmt: skip
    return source.result(done)


@question
def busy_hour(
    data: Any,
    by: str | Sequence[str] = (),
    *,
    unit: str = "leg",
    scope: str = "all",
    busy_from: str = "started",
    until: datetime | None = None,
) -> Any:
    """The peak, and the busiest 60 minutes, of each group.

    Parameters
    ----------
    by
        Columns of legs or calls; times of the day are not possible here, see `traffic`.

    Other parameters are those of `concurrency`.

    Returns
    -------
    pandas.DataFrame or the caller's kind
        The keys, ``n`` (legs or calls that have a place in time), ``unplaced`` (those without a start, or with an end
        before it), ``open`` (answered, without an end: up until `until`), ``peak``, ``peak_at``, ``busy_hour_at`` (its
        start, at any second), ``busy_hour_erlangs``, ``busy_s`` (seconds of all together).

    Notes
    -----
    The hour slides; it is not one of the clock. Erlangs are busy seconds / 3600. Pass them to `trunks_needed`, with
    care where calls were blocked: carried traffic is less than offered traffic.

    Examples
    --------
    >>> import pandas as pd
    >>> at = pd.to_datetime(["2026-11-02T09:00:00Z", "2026-11-02T09:05:00Z"], utc=True, format="ISO8601")
    >>> two = pd.DataFrame({"conversation_id": ["CON-1", "CON-2"], "leg_id": ["a", "b"], "started_at": at,
    ...                     "ended_at": at + pd.Timedelta(minutes=15)})
    >>> busy_hour(two)[["n", "peak", "busy_hour_erlangs"]].values.tolist()
    [[2, 2, 0.5]]
    """
    source, keys = Source.of(data), keys_of(by, "busy_hour")
    spans, unplaced = _spans(_Query(source, unit, scope, busy_from, until), keys)
    groups = dict(iter(spans.groupby(keys, dropna=False))) if keys else {(): spans}
    lost = dict(unplaced.groupby(keys, dropna=False).size().items()) if keys else {(): len(unplaced)}
    lost = {_key(key): number for key, number in lost.items()}
    spans_by_key = {_key(key): group for key, group in groups.items()}
    records = []
    for key in [*spans_by_key, *(key for key in lost if key not in spans_by_key)]:
        group = spans_by_key.get(key, spans.iloc[:0])
        steps = _steps(group)
        (peak, peak_at), (erlangs, busiest_at) = steps.peak(), steps.busiest()
        records.append((*key, len(group), lost.get(key, 0), int(group["_open"].sum()), peak, peak_at, busiest_at,
                     erlangs, steps.seconds()))  # fmt: skip
    names = list(reserved("busy_hour"))
    done = pd.DataFrame(records, columns=[*keys, *names])
    for name in ("peak_at", "busy_hour_at"):
        done[name] = pd.to_datetime(done[name].astype("Int64").clip(*_EVER), unit="us", utc=True).astype(_INSTANT)
    kinds = dict.fromkeys(names[:4], "Int64") | dict.fromkeys(names[6:], "float64") | {k: spans[k].dtype for k in keys}
    done = done.astype(kinds)
    return source.result(done.sort_values(keys, ignore_index=True) if keys else done)


@question
def traffic(
    data: Any,
    *,
    unit: str = "leg",
    scope: str = "all",
    busy_from: str = "started",
    until: datetime | None = None,
    tz: str = "UTC",
) -> Any:
    """The load of every hour of the clock, from the first to the last.

    Parameters are those of `concurrency`, and the IANA time zone of the hours.

    Returns
    -------
    pandas.DataFrame or the caller's kind
        ``at`` (start of the hour, UTC), ``local`` (its start on the zone's clock, with the offset), ``seconds`` (how
        long it lasts, 1800 or 5400 where clocks change by half an hour), ``starts``, ``busy_s``, ``erlangs``, ``peak``.

    Notes
    -----
    Hours without traffic are included, with 0. An hour that the clock repeats has two rows, one that it skips has none.
    Where nothing starts or ends for ten years or more, some clock was wrong: the hours between are left out.

    Examples
    --------
    >>> import pandas as pd
    >>> at = pd.to_datetime(["2026-11-02T09:30:00Z"], utc=True, format="ISO8601")
    >>> one = pd.DataFrame({"conversation_id": ["CON-1"], "leg_id": ["a"], "started_at": at,
    ...                     "ended_at": at + pd.Timedelta(minutes=60)})
    >>> traffic(one, tz="Europe/Vienna")[["local", "starts", "erlangs"]].values.tolist()
    [['2026-11-02 10:00+01:00', 1, 0.5], ['2026-11-02 11:00+01:00', 0, 0.5]]
    """
    source = Source.of(data)
    zones.zone_info(tz)
    spans, _ = _spans(_Query(source, unit, scope, busy_from, until))
    steps = _steps(spans)
    starts, ends = _hours(tz, steps)
    busy = steps.until(ends) - steps.until(starts)
    before = np.searchsorted(np.sort(spans["_start"].to_numpy("int64")), starts)
    begun = np.diff(before, append=len(spans)) if len(starts) else starts
    seconds = (ends - starts) / 1e6
    done = pd.DataFrame({
        "at": _instants(starts),
        "local": pd.array(zones.labels(tz, starts), "str"),
        "seconds": seconds,
        "starts": pd.array(begun, "Int64"),
        "busy_s": busy,
        "erlangs": busy / seconds,
        "peak": pd.array(_peaks(steps, starts, ends), "Int64"),
    })  # fmt: skip
    return source.result(done)


@dataclass(frozen=True)
class _Query:
    source: Source
    unit: str
    scope: str
    busy_from: str
    until: datetime | None


def _spans(query: _Query, by: Sequence[str] = ()) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Start, end and open of the rows with a known time; and the other rows."""
    one_of("unit", query.unit, UNITS)
    one_of("busy_from", query.busy_from, FROM)
    if set(by) & set(zones.KEYS):
        raise ConfigError(f"by={list(by)}: a call may last over several hours and days. Use traffic() for them.")
    begin = f"{query.busy_from}_at"
    each = "call" if query.unit == "call" else "leg"
    needs = {begin, "ended_at", "started_at"} | ({"conversation_id"} if query.unit == "conversation" else set())
    needs |= {"direction"} if query.scope != "all" else set()
    attempts = scopes.attempts(query.source, scope="all", unit=each, needs=needs, by=by, reads=_LAST)
    everything = _with_last(attempts).materialized()
    one_of("scope", query.scope, scopes.SCOPES)
    rows = everything if query.scope == "all" else everything.filter(nw.col("direction") == query.scope)
    end = _cut_off(everything, begin, query.until)
    kept = rows if query.busy_from == "started" else rows.filter(~nw.col(begin).is_null())
    kept = kept.filter(nw.col(begin).is_null() | (nw.col(begin) < nw.lit(end)))
    if query.unit == "conversation":
        kept = _per_conversation(kept, begin, by)
    all_spans = kept.select(*by, nw.col(begin).alias("_start"), nw.col("_last_at").alias("_end")).collect()
    all_spans["_open"] = all_spans["_end"].isna() | (all_spans["_end"] > pd.Timestamp(end))
    all_spans["_end"] = all_spans["_end"].where(~all_spans["_open"], pd.Timestamp(end))
    placed = all_spans["_start"].notna() & (all_spans["_end"] >= all_spans["_start"])
    spans = all_spans[placed]
    spans = spans.assign(**{name: coerce.micros(spans[name]).astype("int64") for name in ("_start", "_end")})
    return spans, all_spans[~placed]


def _per_conversation(rows: Rows, begin: str, by: Sequence[str]) -> Rows:
    """The legs of each conversation as one row; a leg without a conversation stays one."""
    columns = list(dict.fromkeys((*by, begin, "_last_at")))
    alone = nw.col("conversation_id").is_null()
    named = rows.filter(~alone).with_columns(one_if(nw.col("_last_at").is_null()).alias("_unended"))
    keys = list(dict.fromkeys(("conversation_id", *by)))
    named = named.group(keys, nw.col(begin).min(), nw.col("_last_at").max(), nw.col("_unended").sum())
    named = named.with_columns(nw.when(nw.col("_unended") == 0).then(nw.col("_last_at")).alias("_last_at"))
    return Rows.concat([named.select(*columns), rows.filter(alone).select(*columns)])


def _with_last(rows: Rows) -> Rows:
    """The rows with ``_last_at``: their end, null for those that are still up."""
    if "_last_at" in rows.columns:
        return rows
    known = nw.coalesce(*(name for name in _LAST if name.endswith("_at")), "started_at")
    up = is_true(nw.col("answered"))
    return rows.with_columns(nw.coalesce("ended_at", nw.when(~up).then(known)).alias("_last_at"))


def _cut_off(rows: Rows, begin: str, until: datetime | None) -> datetime:
    if until is not None:
        return in_utc("until", until)
    names = dict.fromkeys(("started_at", begin, "ended_at", "_last_at"))
    latest = [rows.span(name)[1] for name in names]
    # One microsecond more: a leg that starts at the last instant is up then.
    last = max((at for at in latest if at), default=EPOCH)
    return just_after(last)


def _steps(spans: pd.DataFrame) -> Steps:
    return Steps.of(spans["_start"].to_numpy("int64"), spans["_end"].to_numpy("int64"))


def _hours(tz: str, steps: Steps) -> tuple[_Edges, _Edges]:
    """Starts and ends of the zone's hours around all steps, without those in a gap of years."""
    groups = np.split(steps.since, np.flatnonzero(np.diff(steps.since) > _GAP) + 1)
    edges = [_edges(tz, int(since[0]), int(since[-1])) for since in groups if len(since)]
    none = np.array([], dtype="int64")
    return np.concatenate([none, *(each[:-1] for each in edges)]), np.concatenate([none, *(each[1:] for each in edges)])


def _edges(tz: str, first: int, last: int) -> _Edges:
    """Edges of the zone's hours from the first to the last step: full hours, and changes between two hours."""
    last = max(last, first + 1)
    margin = 2 * HOUR
    zone = zones.Zone.over(tz, *(zones.known_instant(at) for at in (first - margin, last + margin)))
    changes = [since for since, _ in zone.steps[1:]]
    parts = [np.array([at for at in changes if not zone.within_hour(at)], dtype="int64")]
    # The first known offset applies before it, too.
    for (_, offset), since, stop in zip(zone.steps, [first - margin, *changes], [*changes, last + margin], strict=True):
        start = -((-(since + offset)) // HOUR) * HOUR - offset
        parts.append(np.arange(start, stop, HOUR, dtype="int64"))
    hours = np.unique(np.concatenate(parts))
    low = int(np.searchsorted(hours, first, side="right")) - 1
    high = int(np.searchsorted(hours, last, side="left"))
    return hours[low : high + 1]


def _peaks(steps: Steps, starts: Any, ends: Any) -> list[int]:
    """The peak within each hour."""
    if not len(starts):
        return []
    before = np.searchsorted(steps.since, starts, side="right") - 1
    behind = np.searchsorted(steps.since, ends, side="left")
    return [int(steps.up[max(low, 0) : high].max(initial=0)) for low, high in zip(before, behind, strict=True)]


def _key(key: Any) -> tuple[Any, ...]:
    values = key if isinstance(key, tuple) else (key,)
    return tuple(None if pd.isna(value) else value for value in values)


def _instants(instants: Any) -> pd.Series[Any]:
    """Instants of microseconds; an hour of the first day of all may begin before there are any."""
    kept = pd.Series(instants, dtype="int64").clip(*_EVER)
    return pd.Series(pd.to_datetime(kept, unit="us", utc=True).astype(_INSTANT))


__all__ = ["busy_hour", "concurrency", "traffic"]
