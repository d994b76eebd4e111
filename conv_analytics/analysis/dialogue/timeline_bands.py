"""Bands of a timeline: states with a duration, from the event that starts one to the event that ends it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from conv_analytics.analysis.dialogue.conversation_events import ConversationEvent
from conv_analytics.analysis.dialogue.timeline_labels import member_label
from conv_analytics.analysis.dialogue.timeline_lanes import Lane, Lanes

#: Types that start a band: the kind of band, and the column that its end shares with it.
STARTS = {
    "audio:mute:on": ("muted", None),
    "audio:earmuff:on": ("earmuffed", None),
    "audio:speaking:on": ("speaking", None),
    "audio:play": ("playing", "play_id"),
    "audio:say": ("saying", "say_id"),
    "audio:record": ("recording", "recording_id"),
    "audio:ringing:start": ("playing", None),
}
#: Types that end it.
ENDS = {
    "audio:mute:off": ("muted", None),
    "audio:earmuff:off": ("earmuffed", None),
    "audio:speaking:off": ("speaking", None),
    "audio:play:stop": ("playing", "play_id"),
    "audio:play:done": ("playing", "play_id"),
    "audio:say:stop": ("saying", "say_id"),
    "audio:say:done": ("saying", "say_id"),
    "audio:record:stop": ("recording", "recording_id"),
    "audio:record:done": ("recording", "recording_id"),
    "audio:ringing:stop": ("playing", None),
}


@dataclass(slots=True)
class TimelineRow:
    """A band or a mark of a timeline; `end` is None while it is not known."""

    lane: Lane
    shape: str
    what: str
    start: int | None
    end: int | None
    text: str
    event: ConversationEvent | None = None
    ended_by: ConversationEvent | None = None
    open_start: bool = False
    open_end: bool = False
    order: str = "ok"
    to: Lane | None = None
    level: str | None = None
    leg_id: str | None = None
    event_id: int | None = None
    end_event_id: int | None = None


def audio_bands(lanes: Lanes, events: Iterable[ConversationEvent]) -> list[TimelineRow]:
    """Bands of speech, mutes, recordings and playback, from their starts and ends.

    Events come in order of time. A start of a running band, or an end of a finished one, is a duplicate.
    """
    pairs = _Pairs(lanes)
    for event in events:
        if event.type in STARTS:
            pairs.begin(event, *STARTS[event.type])
        elif event.type in ENDS:
            pairs.finish(event, *ENDS[event.type])
        elif event.type == "audio:transcribe:done":
            pairs.transcribed(event)
    return pairs.rows


class _Pairs:
    def __init__(self, lanes: Lanes) -> None:
        self.lanes = lanes
        self.rows: list[TimelineRow] = []
        self._open: dict[tuple[str, str], TimelineRow] = {}
        self._closed: dict[tuple[str, str], TimelineRow] = {}
        self._recordings: dict[str, ConversationEvent] = {}

    def begin(self, event: ConversationEvent, what: str, column: str | None) -> None:
        lane = self.lanes.of(event)
        key = (what, _key(event, column) or lane.id)
        if key in self._open:
            event.order = "duplicate"
            return
        past = self._closed.get(key)
        if past is not None and past.open_start and _precedes(event, past.ended_by):
            # By event number the start is first, by the clock the end: its duration is not known.
            past.event, past.start, past.end, past.open_start, past.order = event, event.at, event.at, False, "late"
            return
        row = TimelineRow(lane, "band", what, event.at, None, _band_label(event, what, lane), event, order=event.order)
        self.rows.append(row)
        self._open[key] = row

    def finish(self, event: ConversationEvent, what: str, column: str | None) -> None:
        lane = self.lanes.of(event)
        if event.type == "audio:record:done":
            self._recordings[_key(event, column) or lane.id] = event
        key = self._band_of(what, _key(event, column), lane)
        row = self._open.pop(key, None)
        if row is None:
            past = self._closed.get(key)
            if past is not None:
                # The report of a recording comes seconds after its stop: it is not a repeat.
                event.order = event.order if _reported(event, past) else "duplicate"
                return
            row = TimelineRow(
                lane, "band", what, None, None, _band_label(event, what, lane), open_start=True, order=event.order
            )
            self.rows.append(row)
        row.end, row.ended_by = _ended(event, row.start), event
        self._closed[key] = row

    def _band_of(self, what: str, key: str | None, lane: Lane) -> tuple[str, str]:
        """The band that an end belongs to; without an id it is the latest open one of its lane."""
        if key is not None:
            return what, key
        running = [at for at, row in self._open.items() if at[0] == what and row.lane is lane]
        return running[-1] if running else (what, lane.id)

    def transcribed(self, event: ConversationEvent) -> None:
        done = self._recordings.get(_key(event, "recording_id") or self.lanes.of(event).id)
        if done is not None:
            lane = self.lanes.of(done)
            end = None if done.at is None or event.at is None else max(done.at, event.at)
            self.rows.append(TimelineRow(lane, "band", "transcribing", done.at, end, "transcribing", done, event))


def member_bands(
    lanes: Lanes, events: Iterable[ConversationEvent], listed: Iterable[Mapping[str, Any]]
) -> list[TimelineRow]:
    """Bands of members, invited, joined and left: from their events, else from the table of members."""
    rows: list[TimelineRow] = []
    last: dict[str, TimelineRow] = {}
    for event in events:
        what = {"member:invited": "invited", "member:joined": "joined", "member:left": "left"}.get(event.type)
        lane = lanes.of(event)
        if what is None or lane.kind != "member":
            continue
        former = last.get(lane.id)
        if former is not None and (former.what == what or (what == "invited" and former.what == "joined")):
            event.order = "duplicate"
            continue
        if former is not None:
            former.end, former.ended_by = event.at, event
        elif lane.first is not None and event.at is not None and lane.first < event.at:
            rows.append(TimelineRow(lane, "band", "unknown", lane.first, event.at, "not yet seen to join",
                            ended_by=event, open_start=True))  # fmt: skip
        last[lane.id] = TimelineRow(lane, "band", what, event.at, None, member_label(event), event, order=event.order)
        rows.append(last[lane.id])
    by_id = {row.get("member_id"): row for row in listed}
    for lane in lanes.members.values():
        if lane.id not in last:
            steps = _listed(lane, by_id.get(lane.id, {}))
            rows += steps or [
                TimelineRow(lane, "band", "unknown", lane.first, None, "not seen to join", open_start=True)
            ]
    return rows


def _listed(lane: Lane, row: Mapping[str, Any]) -> list[TimelineRow]:
    steps = [(row[f"{what}_at"], what) for what in ("invited", "joined", "left") if row.get(f"{what}_at") is not None]
    ends = [*(at for at, _ in steps[1:]), None][: len(steps)]
    return [TimelineRow(lane, "band", what, at, end, what) for (at, what), end in zip(steps, ends, strict=True)]


def leg_bands(lanes: Lanes, legs: Iterable[Mapping[str, Any]], levels: Mapping[str, str]) -> list[TimelineRow]:
    """Bands of legs, ringing and answered, from the instants of `legs`."""
    rows = []
    for leg in legs:
        lane = lanes.legs[leg["leg_id"]]
        rang, answered, ended = (leg.get(f"{name}_at") for name in ("ringing", "answered", "ended"))
        if rang is not None:
            rows.append(_leg(lane, "ringing", rang, ended if answered is None else answered, "ringing"))
        if answered is not None:
            row = _leg(
                lane, "answered", answered, ended, f"answered{f', {talk:.1f} s' if (talk := _talk(leg)) else ''}"
            )
            row.level = levels.get(lane.id)
            rows.append(row)
    return rows


def _leg(lane: Lane, what: str, start: int, end: int | None, text: str) -> TimelineRow:
    row = TimelineRow(lane, "band", what, start, end, text, leg_id=lane.id)
    if end is not None and end < start:
        row.end, row.order = start, "late"
    return row


def _talk(leg: Mapping[str, Any]) -> float | None:
    talk = leg.get("talk_s")
    return None if talk is None else float(talk)


def close_open_bands(
    rows: Iterable[TimelineRow], lanes: Lanes, legs: Iterable[Mapping[str, Any]], events: list[ConversationEvent]
) -> None:
    """Set missing ends of bands to the latest possible instant, missing starts to the earliest; mark them open."""
    over = {leg["leg_id"]: leg.get("ended_at") for leg in legs}
    up = {leg["leg_id"]: leg.get("answered_at", leg.get("started_at")) for leg in legs}
    gone: dict[str, list[int]] = {}
    for event in events:
        if event.type == "member:left" and event.at is not None:
            gone.setdefault(lanes.of(event).id, []).append(event.at)
    for row in rows:
        if row.start is None and row.end is not None:
            known = [at for at in (up.get(row.lane.id), row.lane.first) if at is not None and at <= row.end]
            row.start = max(known, default=row.end)
        if row.end is None and row.start is not None:
            ends = [lanes.conversation.last]
            if row.what != "left":
                ends += [over.get(row.lane.id), *gone.get(row.lane.member_id or "", ())]
            row.end = min((at for at in ends if at is not None and at >= row.start), default=row.start)
            row.open_end = True


def _key(event: ConversationEvent, column: str | None) -> str | None:
    name = event.text(column) if column else None
    return name.replace("-", "").lower() if name else None


def _precedes(event: ConversationEvent, other: ConversationEvent | None) -> bool:
    return None not in (event.event_id, other and other.event_id) and event.event_id < other.event_id  # type: ignore[operator, union-attr]


def _reported(event: ConversationEvent, past: TimelineRow) -> bool:
    return event.type == "audio:record:done" and past.ended_by is not None and past.ended_by.type != event.type


def _ended(event: ConversationEvent, start: int | None) -> int | None:
    """When a band ended; the event about a recording arrives seconds later and states the time."""
    reported = event.number("ended_at") if event.type == "audio:record:done" and "ended_at" in event.values else None
    end = event.at if reported is None else int(reported)
    return start if end is not None and start is not None and end < start else end


def _band_label(event: ConversationEvent, what: str, lane: Lane) -> str:
    if event.type.startswith("audio:ringing"):
        return "ringing tone"
    if what == "saying" and event.text("language"):
        return f"saying, {event.text('language')}"
    by_other = what in {"muted", "earmuffed"} and event.sender and lane.member_id and event.sender != lane.member_id
    return f"{what} by another member" if by_other else what


__all__ = ["ENDS", "STARTS", "TimelineRow", "audio_bands", "close_open_bands", "leg_bands", "member_bands"]
