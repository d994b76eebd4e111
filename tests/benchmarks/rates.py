"""Rates over legs on disk: what `kpi` costs beside the bare query. Prints ratios; asserts nothing.

python -m tests.benchmarks.rates [legs]
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb

from conv_analytics.analysis import kpi
from conv_analytics.analysis.engine.columns import LEGS

_TYPES = {"str": "VARCHAR", "int": "BIGINT", "float": "DOUBLE", "bool": "BOOLEAN", "datetime": "TIMESTAMPTZ"}
_MADE = {
    "conversation_id": "'CON-' || i",
    "leg_id": "'leg-' || i",
    "direction": "if(i % 10 < 8, 'outbound', 'inbound')",
    "answered": "i % 5 < 3",
    "open": "false",
    "started_at": "timestamptz '2026-01-01 00:00:00+00' + to_seconds(i)",
    "answered_at": "if(i % 5 < 3, timestamptz '2026-01-01 00:00:10+00' + to_seconds(i), null)",
    "ringing_at": "if(i % 7 < 5, timestamptz '2026-01-01 00:00:02+00' + to_seconds(i), null)",
    "ended_at": "timestamptz '2026-01-01 00:01:10+00' + to_seconds(i)",
    "talk_s": "if(i % 5 < 3, (i * 7919 % 6000) / 10, null)",
    "sip_code": "if(i % 5 < 3, 200, [486, 480, 404, 503, 408, 487, null][i % 7 + 1])",
    "outcome_class": "if(i % 5 < 3, 'success', ['user', 'user', 'number', 'network'][i % 4 + 1])",
    "reason": "if(i % 7 = 6, 'busy', null)",
    "reason_code": "'REMOTE_HANGUP'",
    "flags": "if(i % 50 = 0, 'no_hangup', '')",
    "country": "['GB', 'US', 'DE', 'FR', 'ES', 'IT', 'PL', null][i % 8 + 1]",
    "byte_in": "i % 1000",
    "byte_out": "i % 1000",
}
#: Six of the rates, as one would write them by hand.
_BARE = """
select country, count(*) attempts, count(*) filter (answered) answered,
  count(*) filter (answered or ringing_at is not null or sip_code > 0
    or coalesce(reason, '') not in ('payment_required', 'banned_call_ended', 'flow_failed')) seizures,
  count(*) filter (answered or sip_code in (480, 486, 600, 603)) able,
  count(*) filter (not coalesce(sip_code between 300 and 399, false)) straight,
  count(*) filter (not answered and sip_code in (408, 500, 503, 504)) ineffective,
  count(*) filter (answered and ended_at is not null and flags not like '%no_hangup%') completed
from read_parquet($path) where direction = 'outbound' group by country order by country
"""
_SAME = ["asr", "abr", "ser", "seer", "isa", "scr"]


def main() -> None:
    """Make the legs, ask both ways, print."""
    legs = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "legs.parquet")
        kinds = ((column.name, _TYPES[column.kind.__name__]) for column in LEGS)
        columns = ", ".join(f'cast({_MADE.get(name, "null")} as {kind}) as "{name}"' for name, kind in kinds)
        with duckdb.connect() as connection:
            connection.execute("set TimeZone = 'UTC'")
            connection.execute(f"copy (select {columns} from range({legs}) t(i)) to '{path}' (format parquet)")
            asked: dict[str, Callable[[], Any]] = {
                "bare SQL, six rates by country": lambda: connection.execute(_BARE, {"path": path}).fetchall(),
                "kpi, the same six": lambda: kpi(connection.read_parquet(path), by="country", metrics=_SAME).fetchall(),
                "kpi, all rates": lambda: kpi(connection.read_parquet(path), by="country").fetchall(),
                "kpi, all by hour of Europe/London": lambda: kpi(
                    connection.read_parquet(path), by="hour", tz="Europe/London"
                ).fetchall(),
            }
            floor = None
            print(f"{legs:,} legs")
            for name, ask in asked.items():
                took = min(_timed(ask) for _ in range(3))
                floor = floor or took
                peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
                print(f"{name:36} {took:7.2f} s  {took / floor:5.2f}x  peak {peak:,.0f} MB")


def _timed(ask: Callable[[], Any]) -> float:
    started = time.perf_counter()
    ask()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
