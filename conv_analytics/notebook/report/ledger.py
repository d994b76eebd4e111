"""The ledger of a report: the runs of the export, and what is missing in the legs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd

from conv_analytics.analysis import ledger
from conv_analytics.dataset.storage import history
from conv_analytics.notebook.report.numbers import Entry, Ledger


def ledger_of(data: Any, legs: pd.DataFrame, *, untimed: int) -> Ledger:
    """The ledger of some legs, and of the dataset that they are from.

    Parameters
    ----------
    data
        The data of the report; only a `Dataset` knows its runs.
    legs
        Those of the period.
    untimed
        How many legs of the data have no start.
    """
    entries = []
    if len(legs):
        rows: Iterable[Any] = ledger(legs).itertuples(index=False)
        for row in rows:
            if row.table == "legs" and row.n and row.missing + row.odd + row.imputed + row.unmeasured:
                n, missing, odd, imputed, unmeasured = (
                    int(value) for value in (row.n, row.missing, row.odd, row.imputed, row.unmeasured)
                )
                entries.append(Entry(str(row.metric), n, missing, odd, imputed, unmeasured, str(row.why)))
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
        entries=tuple(entries),
    )


__all__ = ["ledger_of"]
