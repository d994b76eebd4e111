"""The timeline of one conversation: its members and legs as lanes, with bands and marks, ready to draw or to read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import pandas as pd
import pyarrow as pa

from conv_analytics.analysis.dialogue.conversation_events import (
    ConversationEvent,
    conversation_events,
    one_conversation,
    records,
)
from conv_analytics.analysis.dialogue.timeline_bands import (
    TimelineRow,
    audio_bands,
    close_open_bands,
    leg_bands,
    member_bands,
)
from conv_analytics.analysis.dialogue.timeline_labels import mark
from conv_analytics.analysis.dialogue.timeline_lanes import Lane, Lanes, lanes_of
from conv_analytics.analysis.dialogue.timeline_turns import turn_rows
from conv_analytics.analysis.engine.columns import LEGS
from conv_analytics.analysis.engine.data import Data
from conv_analytics.analysis.engine.memory_frame import MemoryFrame, arrow_type
from conv_analytics.analysis.engine.source import Source
from conv_analytics.analysis.entities.leg_columns import COUNTRY
from conv_analytics.analysis.entities.leg_tables import KEY
from conv_analytics.analysis.entities.legs import TABLES as LEG_TABLES
from conv_analytics.analysis.entities.legs import leg_rows
from conv_analytics.errors import ColumnNotFound
from conv_analytics.resources.record import Json
from conv_analytics.tables.column import Column

TIMELINE = (
    Column("lane", int, "Place of the lane from the top: 0 is the conversation, then members, each with its legs."),
    Column("lane_id", str, "Conversation, member or leg."),
    Column("lane_name", str, "Its name; of a leg, its kind, direction and remote end."),
    Column("lane_kind", str, "`conversation`, `member` or `leg`."),
    Column("shape", str, "`band` lasts, `mark` does not."),
    Column("what", str, "Band: `invited`, `joined`, `left`, `unknown`, `ringing`, `answered`, `muted`, `earmuffed`, "
           "`speaking`, `recording`, `playing`, `saying`, `transcribing`, and with a bot `dead_air`. Mark: `message`, "
           "`message_status`, `dtmf`, `asr`, `transfer`, `hangup`, `ringing`, `answered`, `status`, `media`, "
           "`machine`, `event`, and with a bot `barge_in`."),
    Column("start_at", datetime, "When it began; null for an event without an instant."),
    Column("end_at", datetime, "When it ended; of a mark, the same."),
    Column("open_start", bool, "Its start was never seen: `start_at` is the earliest it can be."),
    Column("open_end", bool, "Its end was never seen: `end_at` is the latest that is known."),
    Column("text", str, "A few words for people."),
    Column("level", str, "Of a leg's answered band its verdict, where `quality` is given."),
    Column("event_id", int, "The event, or the one that began the band."),
    Column("end_event_id", int, "The event that ended the band."),
    Column("type", str, "Type of the event, or of the one that began the band (that ended it, where that is all)."),
    Column("member_id", str, "Member that it is about."),
    Column("leg_id", str, "Leg that it is about."),
    Column("to_lane", int, "Where a transfer or an invitation leads to."),
    Column("order_flag", str, "`ok`; `late`: the log has it after younger events; `duplicate`: known already."),
    Column("detail", Json, "Body of the event, verbatim."),
)  # fmt: skip


def timeline(data: Data, conversation_id: str, *, quality: pd.DataFrame | None = None) -> pd.DataFrame:
    """One conversation as lanes, bands and marks.

    Parameters
    ----------
    data
        A `Dataset`, `Frames`, or a mapping of table name to frame. `events` alone is enough; tables of events help
        where bodies are missing. Only the rows of the conversation are read into memory.
    conversation_id
        The conversation.
    quality
        Verdicts on legs, the result of `quality`: its columns ``leg_id`` and ``verdict`` become ``level``.

    Returns
    -------
    pandas.DataFrame
        One row per band or mark, by time; the columns are those of `TIMELINE`. Empty when the tables are.

    Raises
    ------
    TableNotFound
        If no table holds events.
    ConfigError
        If there are events, but none of this conversation.

    Notes
    -----
    Every event is in ``event_id`` or ``end_event_id`` of a row. Bands of legs follow `legs`; all others run from the
    event that starts them to the event that ends them, in order of time. A band without a start or an end is open: it
    reaches to the leg's answer or end, the member's leaving, or the conversation's first or last event. A start of a
    running band and an end of a finished one are marks, flagged `duplicate`, as are a second hangup of a leg and a
    repeated key, receipt or status. ``late`` is an event that is older than one with a smaller number.

    Mutes are shown on the leg that they silence, whoever caused them.

    Examples
    --------
    >>> import pandas as pd
    >>> events = pd.DataFrame({
    ...     "conversation_id": "CON-1", "event_id": [1, 2, 3], "from_member_id": "MEM-1",
    ...     "type": ["member:joined", "message", "member:left"],
    ...     "at": pd.to_datetime(["2026-05-04 09:00", "2026-05-04 09:01", "2026-05-04 09:05"], utc=True),
    ...     "body": ["{}", '{"message_type": "text", "text": "Hello!"}', "{}"],
    ... })
    >>> timeline({"events": events}, "CON-1")[["lane_name", "shape", "what", "text", "open_end"]]
      lane_name shape     what                text  open_end
    0     MEM-1  band   joined              joined     False
    1     MEM-1  mark  message  text, 6 characters     False
    2     MEM-1  band     left                left      True
    """
    source = one_conversation(data, conversation_id)
    events = conversation_events(source)
    legs = _legs(source)
    lanes = lanes_of(source, events, legs)
    lanes.conversation.id = conversation_id
    timed = sorted((event for event in events if event.at is not None), key=_time)
    rows = [*member_bands(lanes, timed, records(source, "members")), *audio_bands(lanes, timed)]
    rows += leg_bands(lanes, legs, _levels(quality, conversation_id))
    close_open_bands(rows, lanes, legs, timed)
    rows += turn_rows(lanes, rows, legs)
    _add_event_ids(rows, timed)
    shown = {id(event) for row in rows for event in (row.event, row.ended_by) if event is not None}
    _repeats(lanes, timed)
    rows += [_mark(lanes, event) for event in events if id(event) not in shown]
    rows += [_invitation(lanes, row) for row in rows if row.what == "invited" and _inviter(lanes, row) is not None]
    return _frame(rows)


def _time(event: ConversationEvent) -> tuple[int, int]:
    return event.at or 0, event.event_id or 0


def _legs(source: Source) -> list[dict[str, Any]]:
    """The legs of the conversation as plain values, without nulls; instants are microseconds."""
    if not any(source.has_rows(name) for name in LEG_TABLES):
        return []
    rows = leg_rows(source, [column.name for column in LEGS if column.name not in COUNTRY]).sort(KEY)
    return [row for row in rows.records() if row.get("leg_id")]


def _levels(quality: pd.DataFrame | None, conversation_id: str) -> Mapping[str, str]:
    if quality is None:
        return {}
    for column in ("leg_id", "verdict"):
        if column not in quality:
            raise ColumnNotFound("of quality()", column, map(str, quality.columns))
    if "conversation_id" in quality:
        quality = quality[quality["conversation_id"] == conversation_id]
    known = quality[["leg_id", "verdict"]].dropna()
    return dict(zip(known["leg_id"].astype(str), known["verdict"].astype(str), strict=True))


def _add_event_ids(rows: Iterable[TimelineRow], events: Iterable[ConversationEvent]) -> None:
    """Add to bands of legs, which come from instants, the ids of the events with these instants."""
    by_step: dict[tuple[str, str], int] = {}
    for event in events:
        leg, step = event.text("leg_id"), event.type.partition(":")[2]
        step = event.text("status") or "" if event.type == "leg:status:update" else step
        if leg and event.event_id is not None:
            by_step.setdefault((leg, "ended" if step in _OVER else step), event.event_id)
    for row in rows:
        if row.lane.kind == "leg" and row.event is None and row.ended_by is None:
            row.event_id = by_step.get((row.lane.id, row.what))
            ends = ("answered", "ended") if row.what == "ringing" else ("ended",)
            row.end_event_id = None if row.open_end else next(
                (by_step[row.lane.id, step] for step in ends if (row.lane.id, step) in by_step), None
            )  # fmt: skip


#: Statuses and events that end a leg.
_OVER = frozenset(
    ("hangup", "completed", "failed", "busy", "timeout", "cancelled", "rejected", "unanswered", "disconnected")
)
#: Types whose events are repeats if they have the same values of these columns on the same lane.
_ONCE = {
    "audio:dtmf": ("dtmf_seq", "digits"),
    "leg:status:update": ("leg_id", "status"),
    **{f"{kind}:{step}": ("leg_id",) for kind in ("sip", "rtc") for step in ("hangup", "ringing", "answered")},
    **{f"message:{state}": ("message_event_id",)
       for state in ("submitted", "delivered", "seen", "rejected", "undeliverable")},
}  # fmt: skip


def _repeats(lanes: Lanes, events: Iterable[ConversationEvent]) -> None:
    seen: set[tuple[str, ...]] = set()
    for event in events:
        values = [event.text(name) for name in _ONCE.get(event.type, ("",))]
        if None in values:
            continue
        key = (event.type, lanes.of(event).id, *map(str, values))
        if key in seen:
            event.order = "duplicate"
        seen.add(key)


def _mark(lanes: Lanes, event: ConversationEvent) -> TimelineRow:
    what, text = mark(event)
    lane, to = lanes.of(event), None
    if event.type == "rtc:transfer":
        replaced, present = lanes.member(event.text("was_member_id")), lanes.member(event.sender)
        lane, to = (replaced, present) if replaced is not None and present is not replaced else (lane, None)
    return TimelineRow(lane, "mark", what, event.at, event.at, text, event, to=to)


def _inviter(lanes: Lanes, row: TimelineRow) -> Lane | None:
    event = row.event
    if event is None:
        return None
    names = (
        event.text("invited_by"),
        event.text("invited_by_member_id"),
        event.text("invited_by_user_id"),
        event.sender,
    )
    lane = next((lane for name in names if (lane := lanes.member(name)) is not None), None)
    return None if lane is row.lane else lane


def _invitation(lanes: Lanes, row: TimelineRow) -> TimelineRow:
    lane = _inviter(lanes, row) or lanes.conversation
    return TimelineRow(lane, "mark", "event", row.start, row.start, f"invites {row.lane.name}", row.event, to=row.lane)


def _frame(rows: Iterable[TimelineRow]) -> pd.DataFrame:
    ordered = sorted(rows, key=lambda row: (row.start is None, row.start or 0, _event_id(row) or 0, row.lane.number,
                                            row.shape, row.what))  # fmt: skip
    values: dict[str, list[Any]] = {column.name: [] for column in TIMELINE}
    for row in ordered:
        for name, value in _cells(row).items():
            values[name].append(value)
    columns = {}
    for column in TIMELINE:
        instant = column.kind is datetime
        plain = pa.array(values[column.name], pa.int64() if instant else arrow_type(column.kind))
        columns[column.name] = plain.cast(arrow_type(column.kind)) if instant else plain
    return MemoryFrame(columns, len(ordered)).native


def _event_id(row: TimelineRow) -> int | None:
    return row.event.event_id if row.event is not None else row.event_id


def _cells(row: TimelineRow) -> dict[str, Any]:
    event = row.event or row.ended_by
    lane, flags = row.lane, {row.order, *(each.order for each in (row.event, row.ended_by) if each is not None)}
    leg = (
        row.leg_id or (lane.id if lane.kind == "leg" else None) or (event.text("leg_id") if event is not None else None)
    )
    return {
        "lane": lane.number, "lane_id": lane.id, "lane_name": lane.name, "lane_kind": lane.kind,
        "shape": row.shape, "what": row.what, "start_at": row.start, "end_at": row.end,
        "open_start": row.open_start, "open_end": row.open_end, "text": row.text, "level": row.level,
        "event_id": _event_id(row),
        "end_event_id": row.ended_by.event_id if row.ended_by is not None else row.end_event_id,
        "type": event.type if event is not None else None, "member_id": lane.member_id, "leg_id": leg,
        "to_lane": row.to.number if row.to is not None else None,
        "order_flag": next((flag for flag in ("duplicate", "late") if flag in flags), "ok"),
        "detail": event.detail if event is not None else None,
    }  # fmt: skip


__all__ = ["TIMELINE", "timeline"]
