"""Hand-made legs for the rates, and the same in every kind of frame."""

from __future__ import annotations

import itertools
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa

from conv_analytics.analysis.engine.coerce import with_answer_dtypes
from conv_analytics.analysis.engine.columns import LEGS
from conv_analytics.analysis.entities.sip import CLASSES, explain

NINE = pd.Timestamp("2026-11-02T09:00:00Z")
KIND_OF = {column.name: column.kind for column in LEGS}
_NUMBERS = itertools.count()


def leg(number: int, **values: Any) -> dict[str, Any]:
    """An outbound leg without an answer; all else is given."""
    return {"conversation_id": f"CON-{number}", "leg_id": f"{number:04}", "direction": "outbound", "answered": False,
            "open": False, "flags": "", "started_at": NINE, **values}  # fmt: skip


def frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Legs as `legs()` gives them: all columns, their dtypes."""
    made = pd.DataFrame(rows, columns=[*KIND_OF, *(name for row in rows[:1] for name in row if name not in KIND_OF)])
    for name in made:
        if str(name).endswith("_at"):
            made[name] = pd.to_datetime(made[name], utc=True).dt.as_unit("us")
    return with_answer_dtypes(made, KIND_OF)


def with_codes(codes: dict[int, int], **values: Any) -> list[dict[str, Any]]:
    """So many legs of each SIP code, none of them in another list; those of 200 are answered and end after a minute."""
    rows = []
    for code, number in codes.items():
        outcome = explain(code).outcome
        known = {"sip_code": code, "outcome": outcome, "outcome_class": CLASSES[outcome],
                 "ended_at": NINE + pd.Timedelta(seconds=70)}  # fmt: skip
        if code == 200:
            known |= {"answered": True, "answered_at": NINE + pd.Timedelta(seconds=10), "setup_s": 10.0, "talk_s": 60.0}
        rows += [known] * number
    return [leg(next(_NUMBERS), **{**row, **values}) for row in rows]


def relation(given: pd.DataFrame, zone: str = "America/New_York") -> Any:
    """As a DuckDB relation, on a connection that lives somewhere else."""
    connection = duckdb.connect()
    connection.execute(f"set TimeZone = '{zone}'")
    connection.register("given", pa.Table.from_pandas(given, preserve_index=False))
    return connection.table("given")


def arrow(given: pd.DataFrame) -> pa.Table:
    return pa.Table.from_pandas(given, preserve_index=False)


def polars(given: pd.DataFrame) -> Any:
    return pl.from_arrow(arrow(given))


KINDS = {"pandas": lambda given: given, "duckdb": relation, "pyarrow": arrow, "polars": polars}


def back(given: Any) -> pd.DataFrame:
    """Whatever came back, as pandas with plain values."""
    if isinstance(given, pl.DataFrame):
        given = given.to_arrow()
    if type(given).__name__ == "DuckDBPyRelation":
        read = given.to_arrow_table() if hasattr(given, "to_arrow_table") else given.arrow()
        given = read if isinstance(read, pa.Table) else read.read_all()
    if isinstance(given, pa.Table):
        given = given.to_pandas()
    return given


def same(one: Any, two: Any) -> None:
    """The same numbers, whatever the kinds and dtypes."""
    left, right = (plain(back(given)) for given in (one, two))
    pd.testing.assert_frame_equal(left, right, check_dtype=False)


def plain(given: pd.DataFrame) -> pd.DataFrame:
    done = {}
    for name in given:
        column = given[name]
        if pd.api.types.is_bool_dtype(column) or pd.api.types.is_numeric_dtype(column):
            done[name] = column.astype("float64")
        elif isinstance(column.dtype, pd.DatetimeTZDtype):
            done[name] = column.dt.tz_convert("UTC").dt.as_unit("us")
        else:
            done[name] = column.astype("object").where(column.notna(), None)
    return pd.DataFrame(done)
