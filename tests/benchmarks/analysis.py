"""Questions over a dataset of millions of events on disk, beside bare queries that count the same.

python -m tests.benchmarks.analysis [events] [folder] [question ...]

Writes the dataset (20 million events) into the folder, or takes what an earlier run left there. Every question runs in
a process of its own, after its imports; prints seconds, seconds of processor, peak memory, and whether the answers are
the same. There are two bare queries: one knows that no event stands twice, that every leg has a hangup and that codes
are there; the other means what the question means, and takes what a dataset may be.
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

from conv_analytics import analysis
from conv_analytics.analysis.entities.sip import WORDS
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
        {"type": f"'audio:speaking:{way}'", "event_id": str(15 + k), "at": f"{BEGIN} + to_seconds({15 + 3 * k})"}
        for k, way in enumerate(("on", "off", "on", "off"))
    ],
}  # fmt: skip

_LAST = "('completed', 'failed', 'busy', 'timeout', 'cancelled', 'rejected', 'unanswered', 'disconnected')"
#: What one writes by hand, knowing that every leg has its events and no event stands twice.
_CLEAN = """
with s as (select conversation_id, leg_id, min("at") filter (where status = 'answered') answered_at,
             min("at") filter (where status in ('completed', 'failed')) ended_at
           from leg_statuses group by all),
     c as (select conversation_id, leg_id, min("at") filter (where type = 'sip:answered') answered_at
           from call_events group by all),
     legs as (select r.network_code, h.*, s.ended_at, coalesce(s.answered_at, c.answered_at) answered_at,
                coalesce(s.answered_at, c.answered_at) is not null or h.sip_code = 200 or r.reason = 'ok' up
              from hangups h left join s using (conversation_id, leg_id) left join c using (conversation_id, leg_id)
                left join call_records r using (conversation_id, leg_id))
"""
#: What one writes by hand without knowing that: any table may lack a leg, or tell of it twice.
_CAREFUL = f"""
with s as (select conversation_id, leg_id, min("at") filter (where status = 'answered') answered_at,
             min("at") filter (where status in ('machine', 'human')) detected_at,
             min("at") filter (where status in {_LAST}) ended_at, min(status) filter (where status in {_LAST}) status,
             min(reason) filter (where status in {_LAST}) reason, min(direction) direction
           from leg_statuses group by all),
     c as (select conversation_id, leg_id, min(direction) direction,
             min("at") filter (where type in ('sip:answered', 'rtc:answered')) answered_at
           from call_events group by all),
     h as (select conversation_id, leg_id, min_by({{h}}, ("at", event_id)) h from hangups group by all),
     r as (select conversation_id, leg_id, max_by({{r}}, ("at", event_id)) r from call_records group by all),
     legs as (select h, r.network_code network_code, h.sip_code sip_code,
                coalesce(s.direction, c.direction, h.direction, r.direction) way,
                coalesce(s.answered_at, c.answered_at, s.detected_at, if(r.duration_s > 0, r.started_at, null)) up_at,
                coalesce(s.ended_at, h."at", r.ended_at) down_at,
                coalesce(s.reason, r.reason, s.status, r.status, h.reason_code) word,
                up_at is not null or coalesce(h.sip_code = 200, false) or coalesce(s.reason = 'ok', false)
                  or coalesce(r.reason = 'ok', false) or coalesce(r.duration_s > 0, false) up
              from s full join c using (conversation_id, leg_id) full join h using (conversation_id, leg_id)
                full join r using (conversation_id, leg_id))
"""
_HANGUP = """{'direction': direction, 'at': "at", 'sip_code': sip_code, 'reason_code': reason_code}"""
_MEASURED = """{'direction': direction, 'at': "at", 'sip_code': sip_code, 'reason_code': reason_code,
  'packet_cnt': packet_cnt, 'flaw_total': flaw_total, 'packet_loss_perc': packet_loss_perc, 'mos_score': mos_score,
  'jitter_max_var': jitter_max_var, 'jitter_loss_rate': jitter_loss_rate, 'byte_in': byte_in, 'byte_out': byte_out}"""
_RECORD = """{'direction': direction, 'started_at': started_at, 'ended_at': ended_at, 'duration_s': duration_s,
  'network_code': network_code, 'reason': reason, 'status': status}"""
_RATES = """
select network_code, count(*) attempts, count(*) filter (up) answered,
  count(*) filter (up or code in (480, 486, 600, 603)) able,
  count(*) filter (not up and code in (408, 500, 503, 504)) ineffective
from (select network_code, up, {code} code from legs where {outbound}) group by network_code order by network_code
"""
_WORDS = "case word " + " ".join(f"when '{word}' then {code}" for word, code in WORDS.items()) + " else 0 end"
KPI = (
    _CLEAN + _RATES.format(code="sip_code", outbound="direction = 'outbound'"),
    _CAREFUL.format(h=_HANGUP, r=_RECORD)
    + _RATES.format(code=f"if(up, 200, if(sip_code > 0, sip_code, {_WORDS}))", outbound="way = 'outbound'"),
)
#: The verdicts of the recommended rules (those of the E-model are implied by those of the loss), where nothing is
#: missing, losses are percents, and scores are no more than the curve of the percents of good packets.
_CLEAN_VERDICTS = """, judged as (
  select network_code, case
    when bps_in < 1000 or bps_out < 1000 then 'poor' when answered_at is null or packet_cnt < 500 then 'unmeasured'
    when packet_loss_perc > 5 or jitter > 30 then 'poor' when packet_loss_perc > 3 or jitter > 20 then 'fair'
    else 'good' end verdict
  from (select *, sqrt(jitter_max_var) jitter, (epoch_us(ended_at) - epoch_us(answered_at)) / 1e6 talk,
          if(talk >= 5, byte_in * 8 / talk, null) bps_in, if(talk >= 5, byte_out * 8 / talk, null) bps_out from legs))
"""
#: The same with what may be: units and a model that have to be found out, losses told in another column, nothing told.
_CAREFUL_VERDICTS = """, units as (
  select if(max(mos_score) filter (where mos_score > 0) > 5, 10, 1) scale,
    median(packet_loss_perc / (flaw_total * 100.0 / packet_cnt)) filter (where packet_loss_perc > 0 and packet_cnt > 0
      and flaw_total between 1 and packet_cnt) ratio, max(packet_loss_perc) top,
    avg(if(abs(mos_score - (1 + 0.035 * q + 7e-6 * q * (q - 60) * (100 - q))) < 0.011, 1, 0))
      filter (where mos_score > 0 and q < 100) on_curve
  from (select distinct on (conversation_id, leg_id) *, quality_percentage q from hangups)),
numbers as (
  select network_code, up, (epoch_us(down_at) - epoch_us(up_at)) / 1e6 talk, h.packet_cnt packets,
    coalesce(if(packets >= 100, h.packet_loss_perc * if(top <= 1 and ratio < 0.02, 100, 1), null),
      if(packets >= 250 and h.jitter_loss_rate between 0 and 1, h.jitter_loss_rate * 100, null),
      if(packets >= 100 and h.flaw_total = 0, 0, null)) loss,
    if(packets >= 100 and h.jitter_max_var >= 0, sqrt(h.jitter_max_var), null) jitter,
    if(on_curve < 0.95 and h.mos_score / scale between 1 and 5, h.mos_score / scale, null) mos,
    if(up and talk >= 5, h.byte_in * 8 / talk, null) bps_in, if(up and talk >= 5, h.byte_out * 8 / talk, null) bps_out
  from legs, units),
judged as (
  select network_code, case
    when bps_in < 1000 or bps_out < 1000 then 'poor' when packets is null or packets < 500 then 'unmeasured'
    when loss > 5 or jitter > 30 or mos < 3.6 then 'poor' when loss > 3 or jitter > 20 or mos < 4.03 then 'fair'
    when loss is not null and jitter is not null then 'good' else 'unmeasured' end verdict from numbers)
"""
_VERDICTS = (_CLEAN + _CLEAN_VERDICTS, _CAREFUL.format(h=_MEASURED, r=_RECORD) + _CAREFUL_VERDICTS)
_BY_VERDICT = "select network_code, verdict, count(*) n from judged group by all order by all"
_POOR = """select network_code, count(*) filter (verdict = 'poor') k, count(*) n from judged
where verdict <> 'unmeasured' group by all order by all"""
_HOURS = """select isodow(since) - 1 weekday, hour(since) "hour", count(*) starts from (
  select min("at") filter (where status = 'started') since from leg_statuses group by conversation_id, leg_id)
group by all order by all"""
#: Per question the bare query that knows the data is clean, and the careful one.
BARE: dict[str, tuple[str, ...]] = {
    "kpi": KPI,
    "quality": tuple(query + _BY_VERDICT for query in _VERDICTS),
    "offenders": tuple(query + _POOR for query in _VERDICTS),
    "heatmap": (_HOURS,),
}


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


def _rows(frame: Any) -> list[list[Any]]:
    return [list(row) for row in frame.astype(object).to_numpy().tolist()]


def kpi(data: Any) -> Any:
    """Rates of every network."""
    found = analysis.kpi(data, by=["network_code"], metrics=["abr", "seer", "isa"])
    counts = found.pivot_table(index="network_code", columns="metric", values="k")
    n = found[found["metric"] == "abr"].set_index("network_code")["n"]
    return [
        [code, int(n[code]), *(int(row[name]) for name in ("abr", "seer", "isa"))] for code, row in counts.iterrows()
    ]


def quality(data: Any) -> Any:
    """Verdicts of every network: a pandas frame with a row per leg, counted there."""
    found = analysis.quality(data, columns=["network_code", "verdict"])
    return _rows(found.groupby(["network_code", "verdict"]).size().reset_index())


def quality_relation(data: Any) -> Any:
    """The same as a relation on a connection of one's own, with all the memory it wants: counted where it is."""
    connection = data.duckdb()
    connection.execute("set enable_progress_bar = false")
    connection.execute("set preserve_insertion_order = false")
    names = "network_code, verdict"
    found = analysis.quality(connection, columns=["network_code", "verdict"])
    return [list(row) for row in found.aggregate(f"{names}, count(*)", names).order(names).fetchall()]


def offenders(data: Any) -> Any:
    """Networks with too many poor legs."""
    return _rows(analysis.offenders(data)[["network_code", "k", "n"]].sort_values("network_code"))


def heatmap(data: Any) -> Any:
    """Starts per weekday and hour."""
    found = analysis.heatmap(data)
    return _rows(found.loc[found["starts"] > 0, ["weekday", "hour", "starts"]])


def _asked(name: str, **options: Any) -> Callable[[Any], Any]:
    """A question that no bare query stands beside: what counts is whether it fits into memory."""

    def ask(data: Any) -> Any:
        return len(getattr(analysis, name)(data, **options))

    return ask


def _found(data: Any) -> Any:
    return len(analysis.findings(data))


def _compared(data: Any) -> Any:
    return len(analysis.compare(data, data, by="network_code", case="answered").groups)


QUESTIONS: dict[str, Callable[[Any], Any]] = {
    "kpi": kpi, "quality": quality, "quality_relation": quality_relation, "offenders": offenders, "heatmap": heatmap,
    "compare": _compared, "findings": _found,
    **{name: _asked(name) for name in ("concurrency", "busy_hour", "traffic", "timer_cliffs", "redials", "talk",
                                       "mute", "call_quality", "fault_side", "calls", "ledger")},
    "change_points": _asked("change_points", case="answered"),
}  # fmt: skip


def bare(query: str, root: str) -> Any:
    """A bare query, with all the memory it wants."""
    connection = open_dataset(root).duckdb()
    connection.execute("set enable_progress_bar = false")
    connection.execute("set TimeZone = 'UTC'")
    return [list(row) for row in connection.execute(query).fetchall()]


def measured(what: str, root: Path) -> dict[str, Any]:
    """Seconds, seconds of processor, peak memory in MB and answer of a process of its own."""
    command = [sys.executable, "-m", "tests.benchmarks.analysis", what, str(root)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return {"failed": done.stderr.strip().splitlines()[-1] if done.stderr.strip() else done.returncode}
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def ask(what: str, root: str) -> None:
    """In a process of its own."""
    name, _, place = what.partition(":")
    begin, processor = time.perf_counter(), time.process_time()
    answer = bare(BARE[name][int(place)], root) if place else QUESTIONS[name](open_dataset(root))
    took, used = time.perf_counter() - begin, time.process_time() - processor
    peak = next(line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line)
    print(json.dumps({"s": took, "cpu": used, "peak": int(peak) / 1024, "answer": answer}))


def compared(name: str, root: Path) -> str:
    """A line of the table: the question, and the bare queries beside it."""
    base = name.removesuffix("_relation")
    mine = measured(name, root)
    if "failed" in mine:
        return f"| {name} | failed: {mine['failed']} | | | |"
    cells = [name, f"{mine['s']:.1f} s, {mine['cpu']:.1f} s of processor", f"{mine['peak']:.0f} MB"]
    for place in range(len(BARE.get(base, ()))):
        other = measured(f"{base}:{place}", root)
        if "failed" in other:
            cells.append(f"failed: {other['failed']}")
            continue
        same = "same answer" if other["answer"] == mine["answer"] else f"OTHER ANSWER {other['answer'][:2]}"
        cells.append(
            f"{other['s']:.1f} s, {other['cpu']:.1f} s of processor, {other['peak']:.0f} MB: "
            f"{mine['s'] / other['s']:.2f}x, of processor {mine['cpu'] / other['cpu']:.2f}x, {same}"
        )
    return "| " + " | ".join(cells) + " |"


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
    print("| question | takes | peak | bare query that knows the data is clean | bare query that means the same |")
    print("|---|---|---|---|---|")
    for name in sys.argv[3:] or QUESTIONS:
        print(compared(name, root), flush=True)


if __name__ == "__main__":
    if sys.argv[1:] and not sys.argv[1].isdigit():
        ask(sys.argv[1], sys.argv[2])
    else:
        main()
