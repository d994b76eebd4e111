"""Hand-made tables of calls, and the same tables in other kinds."""

from __future__ import annotations

from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa

from conv_analytics.analysis.engine import coerce
from conv_analytics.analysis.engine.rows import Rows
from conv_analytics.analysis.engine.source import Source

NINE = pd.Timestamp("2026-05-04T09:00:00Z")


def at(seconds: float | None) -> Any:
    return pd.NaT if seconds is None else NINE + pd.Timedelta(seconds=seconds)


def statuses(leg: str, *steps: tuple[str, float], reason: str | None = None, **also: Any) -> list[dict[str, Any]]:
    return [
        {"conversation_id": "CON-1", "event_id": place, "leg_id": leg, "status": status, "at": at(second),
         "direction": "outbound", "channel_type": "phone", "member_id": f"MEM-{leg}",
         "reason": reason if (status, second) == steps[-1] else None, **also}
        for place, (status, second) in enumerate(steps, 1)
    ]  # fmt: skip


def event(kind: str, leg: str | None, second: float, event_id: int, **also: Any) -> dict[str, Any]:
    return {"conversation_id": "CON-1", "event_id": event_id, "type": kind, "at": at(second), "leg_id": leg,
            "from_member_id": f"MEM-{leg}", "from_user_id": f"USR-{leg}", "technology": "sip",
            "direction": "outbound", "channel_type": "phone", "from_type": "phone", "from_number": "442079460999",
            "to_type": "phone", "to_number": "447700900123", **also}  # fmt: skip


def hangup(leg: str | None, second: float, event_id: int = 40, **also: Any) -> dict[str, Any]:
    return event("sip:hangup", leg, second, event_id, **{"sip_code": 200, "reason_code": "REMOTE_HANGUP", **also})


def record(leg: str | None, second: float, event_id: int = 50, **also: Any) -> dict[str, Any]:
    return event("sip:status", leg, second, event_id, **{"status": "completed", **also})


def tables(**rows: list[dict[str, Any]]) -> dict[str, pd.DataFrame]:
    return {name: typed(pd.DataFrame(given)) for name, given in rows.items()}


def typed(frame: pd.DataFrame) -> pd.DataFrame:
    instants = [name for name in frame if name == "at" or str(name).endswith("_at")]
    return frame.assign(**{str(name): pd.to_datetime(frame[name], utc=True).dt.as_unit("us") for name in instants})


def relations(data: dict[str, pd.DataFrame]) -> dict[str, Any]:
    """The tables as relations of a connection that runs statements as they are written.

    DuckDB spends most of a question about few rows on optimizing it. That answers do not depend on its optimizer is
    what `tests/analysis/test_same.py` shows, which asks optimizing connections, too.
    """
    connection = duckdb.connect()
    connection.execute("set TimeZone = 'UTC'; pragma disable_optimizer")
    for name, frame in data.items():
        nulls = {str(c): "str" for c in frame if frame[c].isna().all() and frame[c].dtype == "object"}
        connection.register(name, frame.astype(nulls))
    return {name: connection.table(name) for name in data}


def as_pandas(given: Any, by: list[str]) -> pd.DataFrame:
    """A result of whatever kind as pandas, sorted."""
    if isinstance(given, pl.DataFrame | pa.Table):
        given = coerce.to_pandas(pa.table(given))
    if hasattr(given, "toArrow"):
        given = coerce.to_pandas(given.toArrow())
    if not isinstance(given, pd.DataFrame):
        given = Rows.of(Source.of({"hangups": given}), given).collect()
    return (given.sort_values(by) if by else given).reset_index(drop=True)
