"""Legs made by hand: a good one unless told otherwise, as pandas and as DuckDB."""

from __future__ import annotations

from typing import Any

import duckdb
import pandas as pd

GOOD: dict[str, Any] = {
    "conversation_id": "CON-1",
    "leg_id": "a",
    "direction": "inbound",
    "channel_type": "phone",
    "network_code": "23410",
    "answered": True,
    "talk_s": 60.0,
    "hangup_event_id": 9,
    "mos_score": 4.49,
    "quality_percentage": 99.0,
    "jitter_min_var": 1.0,
    "jitter_max_var": 100.0,
    "jitter_loss_rate": 0.002,
    "flaw_total": 18,
    "packet_cnt": 2994,
    "packet_loss_perc": 0.2,
    "byte_in": 2994 * 172,
    "byte_out": 3000 * 172,
}
COUNTS = ("hangup_event_id", "flaw_total", "packet_cnt", "byte_in", "byte_out")
NUMBERS = (
    "talk_s", "mos_score", "quality_percentage", "jitter_min_var", "jitter_max_var", "jitter_loss_rate",
    "packet_loss_perc",
)  # fmt: skip


def legs(*changes: dict[str, Any]) -> pd.DataFrame:
    """One leg per change, named a, b, c ... unless it says otherwise."""
    rows = [GOOD | {"leg_id": chr(ord("a") + n)} | change for n, change in enumerate(changes)]
    frame = pd.DataFrame(rows, columns=list(GOOD) if not rows else None)
    kinds = dict.fromkeys(COUNTS, "Int64") | dict.fromkeys(NUMBERS, "float64") | {"answered": "boolean"}
    texts = {name: "str" for name in frame.columns if name not in kinds}
    return frame.astype(kinds | texts)  # type: ignore[arg-type] # a mapping of names to dtypes


def flawed(n: int = 40, **changes: Any) -> list[dict[str, Any]]:
    """Legs of R 60 to 99 as FreeSWITCH reports them, losses a third of the flaws; what a model is recognised by."""
    made = []
    for number in range(n):
        q = 99 - number % 40
        curve = 1 + 0.035 * q + 7e-6 * q * (q - 60) * (100 - q)
        made.append({
            "conversation_id": f"CON-{number}", "quality_percentage": q, "mos_score": round(curve, 2),
            "packet_cnt": 3000, "flaw_total": 30 * (100 - q), "packet_loss_perc": (100 - q) / 3,
        } | changes)  # fmt: skip
    return made


def relation(frame: pd.DataFrame) -> duckdb.DuckDBPyRelation:
    """The same rows as a relation of a connection that runs statements as they are written; see `leg_tables.relations`.

    DuckDB takes 2 s to optimize what `call_quality` asks. `tests/analysis/test_same.py` asks optimizing connections.
    """
    connection = duckdb.connect()
    connection.execute("set TimeZone = 'UTC'; pragma disable_optimizer")
    connection.register("given", frame)
    connection.execute("create table legs as select * from given")
    return connection.table("legs")


def pandas_of(made: Any, by: list[str]) -> pd.DataFrame:
    """A relation that was answered, as the same pandas frame that pandas would have given."""
    import pyarrow as pa

    read = made.to_arrow_table() if hasattr(made, "to_arrow_table") else made.arrow()
    table = read if isinstance(read, pa.Table) else read.read_all()
    return table.to_pandas().sort_values(by).reset_index(drop=True)


def same(left: pd.DataFrame, right: pd.DataFrame) -> None:
    """Equal values, whatever the dtypes of two engines; durations may differ by a microsecond."""
    assert list(left.columns) == list(right.columns)
    for name in left.columns:
        mine, theirs = left[name].astype("object"), right[name].astype("object")
        mine, theirs = mine.where(mine.notna(), None), theirs.where(theirs.notna(), None)
        pd.testing.assert_series_equal(mine, theirs, check_dtype=False, rtol=1e-6, obj=name)
