"""The share of calls that a folder has, for a report: by day, from the stored runs of coverage."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, timedelta
from operator import add
from typing import Any

from conv_analytics.dataset.storage.connections import connect_duckdb
from conv_analytics.dataset.storage.history import with_carried
from conv_analytics.instants import MICROSECOND
from conv_analytics.notebook.report.numbers import CallCoverage, CoveredDay
from conv_analytics.notebook.report.period import Period, midnight, shifted
from conv_analytics.notebook.report.statistics import rate
from conv_analytics.tables.voice_calls import IN_FOLDER, CoverageClass
from conv_analytics.time_zones import QUARTER_US, day_of_quarter, on_clock

TABLE = "voice_calls"
_FOUND = ", ".join(f"'{name}'" for name in IN_FOLDER)

Span = tuple[datetime, datetime]


def coverage_of(data: Any, period: Period) -> CallCoverage | None:
    """The coverage of the calls of a period; None if no run of coverage covers it."""
    if not hasattr(data, "statement") or TABLE not in data.tables or period.since is None or period.until is None:
        return None
    days = _covered_days(period, _spans(data.commits))
    counts = _counts(data, period)
    covered = tuple(
        CoveredDay(day, rate(*counts.get(day, (0, 0, 0))[:2]), counts.get(day, (0, 0, 0))[2]) for day in days
    )
    k, n = sum(day.share.k for day in covered), sum(day.share.n for day in covered)
    return CallCoverage(rate(k, n), covered, _number_of_days(period) - len(days))


def _number_of_days(period: Period) -> int:
    assert period.since is not None
    assert period.until is not None
    first, last = (on_clock(at, period.zone).date() for at in (period.since, shifted(period.until, -MICROSECOND)))
    return max((last - first).days + 1, 0)


def _covered_days(period: Period, spans: Iterable[Span]) -> list[str]:
    """The days of a period on the clock of its zone that runs covered, each as a whole or as far as the period goes."""
    assert period.since is not None
    assert period.until is not None
    covered: dict[str, None] = {}
    for since, until in spans:
        if since > period.until or until < period.since:
            continue
        for day, (begin, end) in _days(period, max(since, period.since), until):
            if since <= begin and end <= until:
                covered[day] = None
    return list(covered)


def _days(period: Period, since: datetime, until: datetime) -> Iterator[tuple[str, Span]]:
    """The days of a period that touch a part of it, on the clock of its zone, each with what the period has of it."""
    assert period.since is not None
    assert period.until is not None
    day = on_clock(since, period.zone).date()
    while (begin := midnight(day, period.zone)) < period.until and begin <= until:
        last = day == date.max
        end = period.until if last else midnight(day + timedelta(days=1), period.zone)
        yield day.isoformat(), (max(begin, period.since), min(end, period.until))
        if last:
            break
        day += timedelta(days=1)


def _spans(commits: Iterable[Any]) -> list[Span]:
    """The times covered by runs of coverage, in order and without overlaps."""
    spans: list[Span] = []
    for since, until in sorted(filter(None, (_span(commit.report) for commit in with_carried(commits)))):
        if spans and since <= spans[-1][1]:
            spans[-1] = (spans[-1][0], max(until, spans[-1][1]))
        else:
            spans.append((since, until))
    return spans


def _span(report: Mapping[str, Any]) -> Span | None:
    result = report.get("coverage") if report.get("command") == "coverage" else None
    since, until = report.get("since"), result.get("read_until") if isinstance(result, Mapping) else None
    if not isinstance(since, str) or not isinstance(until, str):
        return None
    return datetime.fromisoformat(since), datetime.fromisoformat(until)


def _counts(data: Any, period: Period) -> dict[str, tuple[int, int, int]]:
    """Legs per day: in the folder, possible in the folder, and not counted."""
    assert period.since is not None
    files = data.statement(TABLE, shifted(period.since, -timedelta(days=1)).date())
    # Only this package's own names and words are in the statement; everything else is a parameter.
    statement = f"""
    select floor(epoch_us("at") / {QUARTER_US})::bigint as quarter,
      count(*) filter (coverage_class in ({_FOUND})),
      count(*) filter (coverage_class <> '{CoverageClass.NOT_YET}'),
      count(*) filter (coverage_class = '{CoverageClass.NOT_YET}')
    from ({files}) where "at" >= ? and "at" < ? group by quarter
    """  # noqa: S608
    with connect_duckdb() as connection:
        data.let_read(connection)
        rows = connection.execute(statement, [period.since, period.until]).fetchall()
    counts: dict[str, tuple[int, int, int]] = {}
    for quarter, *numbers in rows:
        day = day_of_quarter(quarter, period.zone)
        k, n, waiting = map(add, counts.get(day, (0, 0, 0)), numbers)
        counts[day] = (k, n, waiting)
    return counts


__all__ = ["coverage_of"]
