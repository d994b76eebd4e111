"""The history of a dataset, a row per run, from the reports in its commits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from conv_analytics.dataset.storage.commit import Commit
from conv_analytics.dataset.storage.report_schema import CARRIED

if TYPE_CHECKING:
    import pandas as pd

#: Columns of the history, with their dtypes.
COLUMNS = {
    "commit": "int64",
    "at": "datetime64[us, UTC]",
    "status": "string",
    "since": "datetime64[us, UTC]",
    "until": "datetime64[us, UTC]",
    "listed": "int64",
    "events": "int64",
    "requests": "int64",
    "retries": "int64",
    "quarantined": "int64",
    "gone": "int64",
    "seconds": "float64",
    "warning": "string",
}
_INSTANTS = ("at", "since", "until")
#: Columns that the report has under the same name, as numbers.
_NUMBERS = ("listed", "requests", "retries", "quarantined")
#: Fields that a carried commit leaves empty: the compacted dataset has them once, for all commits.
_APART: dict[str, Any] = {"watermarks": {}, "settled": {}, "conversations": None, "quarantine": None, "removed": []}


def with_carried(commits: Iterable[Commit]) -> Iterator[Commit]:
    """All commits, oldest first, including earlier ones carried over by a compacted dataset, which have no files."""
    for commit in commits:
        for carried in commit.report.get(CARRIED) or ():
            yield Commit(**{**carried, "files": ()})
        yield commit


def carry(commits: Iterable[Commit]) -> list[dict[str, Any]]:
    """The values that a compacted dataset carries over from the commits of its source folder."""
    result = []
    for commit in with_carried(commits):
        report = {name: value for name, value in commit.report.items() if name != CARRIED}
        report["tables"] = report.get("tables", commit.rows)
        kept = {**asdict(commit), "report": report, **_APART}
        result.append({name: value for name, value in kept.items() if name != "files"})
    return result


def runs(commits: Iterable[Commit]) -> list[dict[str, Any]]:
    """One object of JSON values per run, with the keys of `COLUMNS`; missing values are 0 or None."""
    return [_run(commit) for commit in with_carried(commits)]


def frame(commits: Iterable[Commit]) -> pd.DataFrame:
    """The runs as a typed DataFrame."""
    import pandas as pd  # noqa: PLC0415  the command line does without

    rows = pd.DataFrame(runs(commits), columns=list(COLUMNS))
    for name in _INSTANTS:
        # Some have fractions of a second and some do not, which no format that pandas guesses covers.
        rows[name] = pd.to_datetime(rows[name], utc=True, format="ISO8601")
    return rows.astype(COLUMNS)


def _run(commit: Commit) -> dict[str, Any]:
    report = commit.report
    numbers = {name: report.get(name) or 0 for name in _NUMBERS}
    values = {
        "commit": commit.number,
        "at": report.get("started_at") or commit.committed_at,
        "status": report.get("status"),
        "since": report.get("since"),
        "until": report.get("until"),
        "events": report.get("events", report.get("tables", commit.rows).get("events", 0)),
        "gone": report.get("gone_count") or 0,
        "seconds": report.get("seconds") or 0.0,
        "warning": report.get("warning"),
    } | numbers
    return {name: values[name] for name in COLUMNS}
