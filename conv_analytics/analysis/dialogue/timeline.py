"""The timeline of one conversation: who was there, what lasted, what happened, ready to draw and readable as it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import pandas as pd

from conv_analytics.analysis.dialogue.bands import Row, audio_bands, close, leg_bands, member_bands
from conv_analytics.analysis.dialogue.events import Happening, conversation, happenings, records
from conv_analytics.analysis.dialogue.labels import mark
from conv_analytics.analysis.dialogue.lanes import Lane, Lanes, lanes
from conv_analytics.analysis.engine import coerce
from conv_analytics.analysis.engine.data import Data
from conv_analytics.analysis.engine.source import Source
from conv_analytics.analysis.entities.legs import TABLES as LEG_TABLES
from conv_analytics.analysis.entities.legs import legs as legs_of
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
           "`speaking`, `recording`, `playing`, `saying`, `transcribing`. Mark: `message`, `message_status`, `dtmf`, "
           "`asr`, `transfer`, `hangup`, `ringing`, `answered`, `status`, `media`, `machine`, `event`."),
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
        Verdicts on legs, as `quality` gives them: its columns ``leg_id`` and ``verdict`` become ``level``.

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
    Every event is in ``event_id`` or ``end_event_id`` of a row. Bands of legs are as `legs` has them, all others go
    from the event that began them to the one that ended it, in the order of time. One without the other is open: it
    reaches to where the leg was answered or ended, the member left, or the conversation has its first or last event.
    Starts of what runs and ends of what is over are marks, flagged `duplicate`, as are a second hangup of a leg and
    a repeated key, receipt or status. ``late`` is an event that is older than one with a smaller number.

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
    source = conversation(data, conversation_id)
    events = happenings(source)
    legs = _legs(source)
    found = lanes(source, events, legs)
    found.conversation.id = conversation_id
    timed = sorted((one for one in events if one.at is not None), key=_time)
    rows = [*member_bands(found, timed, records(source, "members")), *audio_bands(found, timed)]
    rows += leg_bands(found, legs, _levels(quality, conversation_id))
    close(rows, found, legs, timed)
    _evidence(rows, timed)
    shown = {id(one) for row in rows for one in (row.one, row.ended_by) if one is not None}
    _repeats(found, timed)
    rows += [_mark(found, one) for one in events if id(one) not in shown]
    rows += [_invitation(found, row) for row in rows if row.what == "invited" and _inviter(found, row) is not None]
    return _frame(rows)


def _time(one: Happening) -> tuple[int, int]:
    return one.at or 0, one.event_id or 0


def _legs(source: Source) -> list[dict[str, Any]]:
    """The legs of the conversation as plain values, without nulls; instants are microseconds."""
    if not any(source.has_rows(name) for name in LEG_TABLES):
        return []
    frame = legs_of(source)
    for name in ("started_at", "ringing_at", "answered_at", "ended_at"):
        frame[name] = coerce.micros(frame[name])
    rows = frame.astype("object").where(frame.notna(), None).to_dict("records")
    return [{str(name): value for name, value in row.items() if value is not None} for row in rows if row["leg_id"]]


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


def _evidence(rows: Iterable[Row], events: Iterable[Happening]) -> None:
    """Bands of legs come from instants: find the events that told them."""
    told: dict[tuple[str, str], int] = {}
    for one in events:
        leg, step = one.text("leg_id"), one.type.partition(":")[2]
        step = one.text("status") or "" if one.type == "leg:status:update" else step
        if leg and one.event_id is not None:
            told.setdefault((leg, "ended" if step in _OVER else step), one.event_id)
    for row in rows:
        if row.lane.kind == "leg" and row.one is None and row.ended_by is None:
            row.event_id = told.get((row.lane.id, row.what))
            ends = ("answered", "ended") if row.what == "ringing" else ("ended",)
            row.end_event_id = None if row.open_end else next(
                (told[row.lane.id, step] for step in ends if (row.lane.id, step) in told), None
            )  # fmt: skip


#: Statuses and events that end a leg.
_OVER = frozenset(
    ("hangup", "completed", "failed", "busy", "timeout", "cancelled", "rejected", "unanswered", "disconnected")
)
#: Types of which one with the same values of these columns, on the same lane, is a repeat.
_ONCE = {
    "audio:dtmf": ("dtmf_seq", "digits"),
    "leg:status:update": ("leg_id", "status"),
    **{f"{kind}:{step}": ("leg_id",) for kind in ("sip", "rtc") for step in ("hangup", "ringing", "answered")},
    **{f"message:{state}": ("message_event_id",)
       for state in ("submitted", "delivered", "seen", "rejected", "undeliverable")},
}  # fmt: skip


def _repeats(found: Lanes, events: Iterable[Happening]) -> None:
    seen: set[tuple[str, ...]] = set()
    for one in events:
        values = [one.text(name) for name in _ONCE.get(one.type, ("",))]
        if None in values:
            continue
        key = (one.type, found.of(one).id, *map(str, values))
        if key in seen:
            one.order = "duplicate"
        seen.add(key)


def _mark(found: Lanes, one: Happening) -> Row:
    what, text = mark(one)
    lane, to = found.of(one), None
    if one.type == "rtc:transfer":
        was, now = found.member(one.text("was_member_id")), found.member(one.sender)
        lane, to = (was, now) if was is not None and now is not was else (lane, None)
    return Row(lane, "mark", what, one.at, one.at, text, one, to=to)


def _inviter(found: Lanes, row: Row) -> Lane | None:
    one = row.one
    if one is None:
        return None
    names = (one.text("invited_by"), one.text("invited_by_member_id"), one.text("invited_by_user_id"), one.sender)
    lane = next((lane for name in names if (lane := found.member(name)) is not None), None)
    return None if lane is row.lane else lane


def _invitation(found: Lanes, row: Row) -> Row:
    lane = _inviter(found, row) or found.conversation
    return Row(lane, "mark", "event", row.start, row.start, f"invites {row.lane.name}", row.one, to=row.lane)


def _frame(rows: Iterable[Row]) -> pd.DataFrame:
    ordered = sorted(rows, key=lambda row: (row.start is None, row.start or 0, _event_id(row) or 0, row.lane.number,
                                            row.shape, row.what))  # fmt: skip
    values: dict[str, list[Any]] = {column.name: [] for column in TIMELINE}
    for row in ordered:
        for name, value in _cells(row).items():
            values[name].append(value)
    instants = {name: pd.Series(values[name], dtype="Int64").astype("datetime64[us, UTC]") for name in
                ("start_at", "end_at")}  # fmt: skip
    frame = pd.DataFrame({name: pd.Series(value, dtype="object") for name, value in values.items()} | instants)
    kinds = {column.name: column.kind for column in TIMELINE}
    return coerce.pandas_columns("the timeline", frame, kinds)


def _event_id(row: Row) -> int | None:
    return row.one.event_id if row.one is not None else row.event_id


def _cells(row: Row) -> dict[str, Any]:
    one = row.one or row.ended_by
    lane, flags = row.lane, {row.order, *(each.order for each in (row.one, row.ended_by) if each is not None)}
    leg = row.leg_id or (lane.id if lane.kind == "leg" else None) or (one.text("leg_id") if one is not None else None)
    return {
        "lane": lane.number, "lane_id": lane.id, "lane_name": lane.name, "lane_kind": lane.kind,
        "shape": row.shape, "what": row.what, "start_at": row.start, "end_at": row.end,
        "open_start": row.open_start, "open_end": row.open_end, "text": row.text, "level": row.level,
        "event_id": _event_id(row),
        "end_event_id": row.ended_by.event_id if row.ended_by is not None else row.end_event_id,
        "type": one.type if one is not None else None, "member_id": lane.member_id, "leg_id": leg,
        "to_lane": row.to.number if row.to is not None else None,
        "order_flag": next((flag for flag in ("duplicate", "late") if flag in flags), "ok"),
        "detail": one.detail if one is not None else None,
    }  # fmt: skip


__all__ = ["TIMELINE", "timeline"]
