"""The ledger of a report: the runs of the export, and what is missing in the legs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from conv_analytics.analysis import ledger
from conv_analytics.dataset.storage import history
from conv_analytics.notebook.report.coverage import coverage_of
from conv_analytics.notebook.report.numbers import CallCoverage, Entry, Ledger
from conv_analytics.notebook.report.period import Period


def ledger_of(data: Any, legs: pd.DataFrame, period: Period, *, untimed: int, own: Sequence[str] = ()) -> Ledger:
    """The ledger of some legs, and of the dataset that they are from.

    Parameters
    ----------
    data
        The data of the report; only a `Dataset` has its runs.
    legs
        The legs of the period.
    period
        The period.
    untimed
        Number of legs in the data without a start.
    own
        Columns that the caller added to the legs.
    """
    entries = [
        Entry(name, len(legs), int(legs[name].isna().sum()), 0, 0, 0, "missing: the map has nothing for these legs")
        for name in own
    ]
    if len(legs):
        rows: Iterable[Any] = ledger(legs).itertuples(index=False)
        for row in rows:
            if row.table == "legs" and row.n and row.missing + row.odd + row.imputed + row.unmeasured:
                n, missing, odd, imputed, unmeasured = (
                    int(value) for value in (row.n, row.missing, row.odd, row.imputed, row.unmeasured)
                )
                entries.append(Entry(str(row.metric), n, missing, odd, imputed, unmeasured, str(row.why)))
    coverage = coverage_of(data, period)
    runs = history.runs(data.commits) if hasattr(data, "commits") else []
    exports = [run for run in runs if run["status"] in {"complete", "incomplete"}]
    last = exports[-1] if exports else None
    return Ledger(
        complete=None if last is None else last["status"] == "complete",
        runs=len(exports),
        last_run=None if last is None else str(last["at"]),
        quarantined=sum(int(run["quarantined"]) for run in runs),
        warning=str((last or {}).get("warning") or ""),
        untimed=untimed,
        entries=(*_days(coverage), *entries),
        coverage=coverage,
    )


def _days(coverage: CallCoverage | None) -> list[Entry]:
    """The days on which legs are missing."""
    why = "missing: in the Voice API's call list, and not or not wholly in the folder; unmeasured: not ended then"
    return [
        Entry(f"calls of {each.day}", n, each.share.n - each.share.k, 0, 0, each.not_counted, why)
        for each in (coverage.days if coverage else ())
        if (n := each.share.n + each.not_counted) and each.share.k < each.share.n
    ]


__all__ = ["ledger_of"]
