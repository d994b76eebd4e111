"""Rates and verdicts over a dataset of millions of events on disk, beside the bare query that counts the same.

python -m tests.benchmarks.analysis [events] [folder]

Writes the dataset (20 million events) into the folder, or takes what an earlier run left there. Every question runs in
a process of its own, with its imports; prints seconds, ratios and peak memory, and whether both count the same.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from conv_analytics.dataset import DatasetWriter, open_dataset
from conv_analytics.tables import TABLES

EVENTS = 20_000_000
#: Events of a leg: 4 statuses, 2 call events, a hangup, a record, and what is said and played.
EVENTS_PER_LEG = 12.5
CHUNK = 200_000
#: Of the two legs of a conversation, each has its own events.
_EVENT = "+ 50 * (i % 2)"
BEGIN = "timestamptz '2026-01-01 00:00:00+00' + to_milliseconds(i * 1500)"
#: What a leg is like, by its number: 3 of 5 answered; codes, networks and losses that vary.
_UP = "i % 5 < 3"
_CODE = "if(i % 5 < 3, 200, [486, 480, 404, 503, 408, 487, 603][i % 7 + 1])"
_REASON = "if(i % 5 < 3, 'ok', ['busy_here', 'timeout', 'not_found', 'service_unavailable', 'request_timeout', \
'cancelled', 'rejected'][i % 7 + 1])"
_SHARED = {
    "conversation_id": "'CON-' || md5((i // 2)::varchar)",
    "leg_id": "md5('leg' || i)",
    "from_member_id": "'MEM-' || md5('m' || i)",
    "from_user_id": "'USR-' || md5('u' || i % 5000)",
    "technology": "'sip'",
    "direction": "if(i % 2 = 0, 'inbound', 'outbound')",
    "channel_type": "'phone'",
    "from_type": "'phone'",
    "from_number": "'4420' || lpad((i * 7919 % 100000000)::varchar, 8, '0')",
    "to_type": "'phone'",
    "to_number": "'4917' || lpad((i * 104729 % 100000000)::varchar, 8, '0')",
}
_Q = "100 - (i * 31 % 40) * (i % 4 = 0)::int"
_MADE: dict[str, list[dict[str, str]]] = {
    "leg_statuses": [
        {"status": "'started'", "at": BEGIN, "event_id": "10"},
        {"status": "'ringing'", "at": f"{BEGIN} + to_milliseconds(1200 + i % 900)", "event_id": "11"},
        {"status": "'answered'", "at": f"{BEGIN} + to_milliseconds(9000 + i % 5000)", "event_id": "13", "where": _UP},
        {"status": f"if({_UP}, 'completed', 'failed')", "at": f"{BEGIN} + to_milliseconds(70000 + i % 90000)",
         "reason": _REASON, "event_id": "40"},
    ],
    "call_events": [
        {"type": "'sip:ringing'", "event_id": "12", "at": f"{BEGIN} + to_milliseconds(1250 + i % 900)"},
        {"type": "'sip:answered'", "event_id": "14", "at": f"{BEGIN} + to_milliseconds(9050 + i % 5000)", "where": _UP},
    ],
    "hangups": [
        {"type": "'sip:hangup'", "event_id": "41", "at": f"{BEGIN} + to_milliseconds(70010 + i % 90000)",
         "sip_code": _CODE, "reason_code": "'REMOTE_HANGUP'", "packet_cnt": f"if({_UP}, 1000 + i % 4000, 0)",
         "quality_percentage": f"({_Q})::double", "flaw_total": f"(1000 + i % 4000) * (100 - ({_Q})) // 100",
         "mos_score": f"1 + 0.035 * ({_Q}) + 7e-6 * ({_Q}) * (({_Q}) - 60) * (100 - ({_Q}))",
         "packet_loss_perc": f"(100 - ({_Q})) / 3.0", "jitter_min_var": "1.5", "jitter_max_var": "80.0 + i % 900",
         "jitter_loss_rate": "0.0", "jitter_burst_rate": "0.0", "byte_in": "(1000 + i % 4000) * 172",
         "byte_out": "(1000 + i % 4000) * 172"},
    ],
    "call_records": [
        {"type": "'sip:status'", "event_id": "42", "at": f"{BEGIN} + to_milliseconds(75000 + i % 90000)",
         "status": f"if({_UP}, 'completed', 'failed')", "requested_at": BEGIN,
         "started_at": f"if({_UP}, {BEGIN} + to_seconds(9 + i % 5), null)",
         "ended_at": f"{BEGIN} + to_milliseconds(70000 + i % 90000)", "duration_s": f"if({_UP}, 60 + i % 90, 0)",
         "price": "0.0125", "rate": "0.0125", "currency": "'EUR'", "reason": _REASON,
         "network_code": "['GB-FIXED', '23410', '23415', '26201', '26202', '20801', '22210', '31026'][i % 8 + 1]"},
    ],
    "audio_events": [
        {"type": "'audio:speaking:on'", "event_id": str(15 + 2 * k), "at": f"{BEGIN} + to_seconds({15 + k})"}
        for k in range(4)
    ],
}  # fmt: skip

#: What one would write by hand, knowing that every leg has its events and no event stands twice.
_LEGS = """
with s as (select conversation_id, leg_id, min("at") filter (where status = 'answered') answered_at,
             min("at") filter (where status in ('completed', 'failed')) ended_at
           from leg_statuses group by all),
     c as (select conversation_id, leg_id, min("at") filter (where type = 'sip:answered') answered_at
           from call_events group by all)
"""
_KPI = (
    _LEGS
    + """
select network_code, count(*) attempts, count(*) filter (where up) answered,
  count(*) filter (where up or sip_code in (480, 486, 600, 603)) able,
  count(*) filter (where not up and sip_code in (408, 500, 503, 504)) ineffective
from (select r.network_code, h.sip_code, h.direction,
        coalesce(s.answered_at, c.answered_at) is not null or h.sip_code = 200 or r.reason = 'ok' up
      from hangups h left join s using (conversation_id, leg_id) left join c using (conversation_id, leg_id)
        left join call_records r using (conversation_id, leg_id))
where direction = 'outbound' group by network_code order by network_code
"""
)
_QUALITY = (
    _LEGS
    + """
select network_code, verdict, count(*) n from (
  select r.network_code, case
    when not coalesce(s.answered_at, c.answered_at) is not null or packet_cnt < 250 then 'unmeasured'
    when packet_loss_perc > 5 or sqrt(jitter_max_var) > 50 or mos_score < 3.1 then 'poor'
    when packet_loss_perc > 1 or sqrt(jitter_max_var) > 30 or mos_score < 3.6 then 'fair' else 'good' end verdict,
    epoch_us(s.ended_at) - epoch_us(coalesce(s.answered_at, c.answered_at)) talk, byte_in * 8 / talk bps
  from hangups h left join s using (conversation_id, leg_id) left join c using (conversation_id, leg_id)
    left join call_records r using (conversation_id, leg_id)) where bps is null or bps >= 0
group by all order by all
"""
)


def make(root: Path, events: int) -> None:
    """Write the dataset, a file per table and chunk of legs."""
    legs = int(events / EVENTS_PER_LEG)
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute("set memory_limit = '800MB'")
        connection.execute("set enable_progress_bar = false")
        for first in range(0, legs, CHUNK):
            writer = DatasetWriter(root, date(2026, 1, 1), list(_MADE))
            for name, kinds in _MADE.items():
                query = " union all ".join(_select(name, kind, first, min(first + CHUNK, legs)) for kind in kinds)
                table = connection.sql(query).to_arrow_table()
                writer.write(name, table.cast(TABLES[name].schema))
            writer.commit({}, {"started_at": "2026-01-01T00:00:00+00:00", "status": "complete", "requests": 0,
                               "selected": list(_MADE)})  # fmt: skip


def _select(name: str, kind: dict[str, str], first: int, last: int) -> str:
    made = {**_SHARED, "member_id": _SHARED["from_member_id"], **kind, "event_id": f"{kind['event_id']} {_EVENT}"}
    columns = ", ".join(f'{made.get(column.name, "null")} as "{column.name}"' for column in TABLES[name].columns)
    return f"select {columns} from range({first}, {last}) t(i) where {kind.get('where', 'true')}"


def kpi(root: str) -> Any:
    """Rates of every network."""
    from conv_analytics.analysis import kpi as ask

    found = ask(open_dataset(root), by=["network_code"], metrics=["abr", "seer", "isa"])
    counts = found.pivot_table(index="network_code", columns="metric", values="k")
    n = found[found["metric"] == "abr"].set_index("network_code")["n"]
    return [
        [code, int(n[code]), *(int(row[name]) for name in ("abr", "seer", "isa"))] for code, row in counts.iterrows()
    ]


def quality(root: str) -> Any:
    """Verdicts of every network."""
    from conv_analytics.analysis import quality as ask

    found = ask(open_dataset(root), columns=["network_code", "verdict"])
    return found.groupby(["network_code", "verdict"]).size().reset_index().to_numpy().tolist()


def bare_kpi(root: str) -> Any:
    """The bare query."""
    connection = open_dataset(root).duckdb()
    connection.execute("set enable_progress_bar = false")
    return [list(row) for row in connection.execute(_KPI).fetchall()]


def bare_quality(root: str) -> Any:
    """The bare query."""
    connection = open_dataset(root).duckdb()
    connection.execute("set enable_progress_bar = false")
    return [list(row) for row in connection.execute(_QUALITY).fetchall()]


def measured(what: str, root: Path) -> tuple[float, float, Any]:
    """Seconds, peak memory in MB and answer of a process of its own."""
    command = [sys.executable, "-m", "tests.benchmarks.analysis", what, str(root)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return tuple(json.loads(done.stdout))  # type: ignore[return-value]


def ask(what: str, root: str) -> None:
    """In a process of its own."""
    asked: dict[str, Callable[[str], Any]] = {
        "kpi": kpi, "quality": quality, "bare_kpi": bare_kpi, "bare_quality": bare_quality,
    }  # fmt: skip
    begin = time.perf_counter()
    answer = asked[what](root)
    took = time.perf_counter() - begin
    peak = next(line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line)
    print(json.dumps([took, int(peak) / 1024, answer]))


def main() -> None:
    """Make the dataset if it is not there, ask, print."""
    events = int(sys.argv[1]) if sys.argv[1:] else EVENTS
    folder = Path(sys.argv[2]) if sys.argv[2:] else Path(tempfile.gettempdir()) / "conv-analytics-benchmark"
    root = folder / f"{events}"
    if not root.exists():
        begin = time.perf_counter()
        make(root, events)
        print(f"made in {time.perf_counter() - begin:.0f} s")
    print(f"{events:,} events, {int(events / EVENTS_PER_LEG):,} legs")
    for name in ("kpi", "quality"):
        bare, mine = measured(f"bare_{name}", root), measured(name, root)
        same = "same counts" if bare[2] == mine[2] else f"{sum(row[-1] for row in mine[2]):,} counted"
        print(f"| {name} | {mine[0]:.1f} s | bare SQL {bare[0]:.1f} s | {mine[0] / bare[0]:.2f}x |"
              f" peak {mine[1]:.0f} MB (bare {bare[1]:.0f} MB) | {same} |")  # fmt: skip


if __name__ == "__main__":
    if sys.argv[1:] and not sys.argv[1].isdigit():
        ask(sys.argv[1], sys.argv[2])
    else:
        main()
