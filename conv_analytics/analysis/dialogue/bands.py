"""Bands of a timeline: what lasts, from the event that began it to the one that ended it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from conv_analytics.analysis.dialogue.events import Happening
from conv_analytics.analysis.dialogue.labels import members_words
from conv_analytics.analysis.dialogue.lanes import Lane, Lanes

#: Type that begins something: what, and the column by which its end is known.
STARTS = {
    "audio:mute:on": ("muted", None),
    "audio:earmuff:on": ("earmuffed", None),
    "audio:speaking:on": ("speaking", None),
    "audio:play": ("playing", "play_id"),
    "audio:say": ("saying", "say_id"),
    "audio:record": ("recording", "recording_id"),
    "audio:ringing:start": ("playing", None),
}
#: Type that ends it.
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
class Row:
    """One row of a timeline; `end` is None while it is not known."""

    lane: Lane
    shape: str
    what: str
    start: int | None
    end: int | None
    text: str
    one: Happening | None = None
    ended_by: Happening | None = None
    open_start: bool = False
    open_end: bool = False
    order: str = "ok"
    to: Lane | None = None
    level: str | None = None
    leg_id: str | None = None
    event_id: int | None = None
    end_event_id: int | None = None


def audio_bands(found: Lanes, events: Iterable[Happening]) -> list[Row]:
    """Speech, mutes, recordings and what is played, by their starts and ends.

    Events come in the order of time. A start of what runs, or an end of what ended, becomes a duplicate and no band.
    """
    pairs = _Pairs(found)
    for one in events:
        if one.type in STARTS:
            pairs.begin(one, *STARTS[one.type])
        elif one.type in ENDS:
            pairs.finish(one, *ENDS[one.type])
        elif one.type == "audio:transcribe:done":
            pairs.transcribed(one)
    return pairs.rows


class _Pairs:
    def __init__(self, found: Lanes) -> None:
        self.lanes = found
        self.rows: list[Row] = []
        self._open: dict[tuple[str, str], Row] = {}
        self._done: dict[tuple[str, str], Row] = {}
        self._kept: dict[str, Happening] = {}

    def begin(self, one: Happening, what: str, column: str | None) -> None:
        lane = self.lanes.of(one)
        key = (what, _key(one, column) or lane.id)
        if key in self._open:
            one.order = "duplicate"
            return
        past = self._done.get(key)
        if past is not None and past.open_start and _before(one, past.ended_by):
            # The log has the start first, the clock the end: it lasted no time that could be told.
            past.one, past.start, past.end, past.open_start, past.order = one, one.at, one.at, False, "late"
            return
        row = Row(lane, "band", what, one.at, None, _begun(one, what, lane), one, order=one.order)
        self.rows.append(row)
        self._open[key] = row

    def finish(self, one: Happening, what: str, column: str | None) -> None:
        lane = self.lanes.of(one)
        if one.type == "audio:record:done":
            self._kept[_key(one, column) or lane.id] = one
        key = self._which(what, _key(one, column), lane)
        row = self._open.pop(key, None)
        if row is None:
            past = self._done.get(key)
            if past is not None:
                # A recording is reported seconds after it was stopped: that is news, not a repeat.
                one.order = one.order if _reported(one, past) else "duplicate"
                return
            row = Row(lane, "band", what, None, None, _begun(one, what, lane), open_start=True, order=one.order)
            self.rows.append(row)
        row.end, row.ended_by = _ended(one, row.start), one
        self._done[key] = row

    def _which(self, what: str, key: str | None, lane: Lane) -> tuple[str, str]:
        """The band that an end means; one that names none means the youngest of its lane."""
        if key is not None:
            return what, key
        running = [at for at, row in self._open.items() if at[0] == what and row.lane is lane]
        return running[-1] if running else (what, lane.id)

    def transcribed(self, one: Happening) -> None:
        done = self._kept.get(_key(one, "recording_id") or self.lanes.of(one).id)
        if done is not None:
            lane = self.lanes.of(done)
            end = None if done.at is None or one.at is None else max(done.at, one.at)
            self.rows.append(Row(lane, "band", "transcribing", done.at, end, "transcribing", done, one))


def member_bands(found: Lanes, events: Iterable[Happening], listed: Iterable[Mapping[str, Any]]) -> list[Row]:
    """Invited, joined, left: of each member, from its events, or else from the list of members."""
    rows: list[Row] = []
    last: dict[str, Row] = {}
    for one in events:
        what = {"member:invited": "invited", "member:joined": "joined", "member:left": "left"}.get(one.type)
        lane = found.of(one)
        if what is None or lane.kind != "member":
            continue
        former = last.get(lane.id)
        if former is not None and (former.what == what or (what == "invited" and former.what == "joined")):
            one.order = "duplicate"
            continue
        if former is not None:
            former.end, former.ended_by = one.at, one
        elif lane.first is not None and one.at is not None and lane.first < one.at:
            rows.append(Row(lane, "band", "unknown", lane.first, one.at, "not yet seen to join",
                            ended_by=one, open_start=True))  # fmt: skip
        last[lane.id] = Row(lane, "band", what, one.at, None, members_words(one), one, order=one.order)
        rows.append(last[lane.id])
    by_id = {row.get("member_id"): row for row in listed}
    for lane in found.members.values():
        if lane.id not in last:
            steps = _listed(lane, by_id.get(lane.id, {}))
            rows += steps or [Row(lane, "band", "unknown", lane.first, None, "not seen to join", open_start=True)]
    return rows


def _listed(lane: Lane, row: Mapping[str, Any]) -> list[Row]:
    steps = [(row[f"{what}_at"], what) for what in ("invited", "joined", "left") if row.get(f"{what}_at") is not None]
    ends = [*(at for at, _ in steps[1:]), None][: len(steps)]
    return [Row(lane, "band", what, at, end, what) for (at, what), end in zip(steps, ends, strict=True)]


def leg_bands(found: Lanes, legs: Iterable[Mapping[str, Any]], levels: Mapping[str, str]) -> list[Row]:
    """Ringing and answered: of each leg, as `legs` tells them."""
    rows = []
    for leg in legs:
        lane = found.legs[leg["leg_id"]]
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


def _leg(lane: Lane, what: str, start: int, end: int | None, text: str) -> Row:
    row = Row(lane, "band", what, start, end, text, leg_id=lane.id)
    if end is not None and end < start:
        row.end, row.order = start, "late"
    return row


def _talk(leg: Mapping[str, Any]) -> float | None:
    talk = leg.get("talk_s")
    return None if talk is None else float(talk)


def close(rows: Iterable[Row], found: Lanes, legs: Iterable[Mapping[str, Any]], events: list[Happening]) -> None:
    """Give bands without an end or a start the ones they had at the latest and the earliest, and say so."""
    over = {leg["leg_id"]: leg.get("ended_at") for leg in legs}
    up = {leg["leg_id"]: leg.get("answered_at", leg.get("started_at")) for leg in legs}
    gone: dict[str, list[int]] = {}
    for one in events:
        if one.type == "member:left" and one.at is not None:
            gone.setdefault(found.of(one).id, []).append(one.at)
    for row in rows:
        if row.start is None and row.end is not None:
            known = [at for at in (up.get(row.lane.id), row.lane.first) if at is not None and at <= row.end]
            row.start = max(known, default=row.end)
        if row.end is None and row.start is not None:
            ends = [found.conversation.last]
            if row.what != "left":
                ends += [over.get(row.lane.id), *gone.get(row.lane.member_id or "", ())]
            row.end = min((at for at in ends if at is not None and at >= row.start), default=row.start)
            row.open_end = True


def _key(one: Happening, column: str | None) -> str | None:
    name = one.text(column) if column else None
    return name.replace("-", "").lower() if name else None


def _before(one: Happening, other: Happening | None) -> bool:
    return None not in (one.event_id, other and other.event_id) and one.event_id < other.event_id  # type: ignore[operator, union-attr]


def _reported(one: Happening, past: Row) -> bool:
    return one.type == "audio:record:done" and past.ended_by is not None and past.ended_by.type != one.type


def _ended(one: Happening, start: int | None) -> int | None:
    """When it was over: a recording's report tells that, it comes seconds later itself."""
    told = one.number("ended_at") if one.type == "audio:record:done" and "ended_at" in one.told else None
    end = one.at if told is None else int(told)
    return start if end is not None and start is not None and end < start else end


def _begun(one: Happening, what: str, lane: Lane) -> str:
    if one.type.startswith("audio:ringing"):
        return "ringing tone"
    if what == "saying" and one.text("language"):
        return f"saying, {one.text('language')}"
    by_other = what in {"muted", "earmuffed"} and one.sender and lane.member_id and one.sender != lane.member_id
    return f"{what} by another member" if by_other else what


__all__ = ["ENDS", "STARTS", "Row", "audio_bands", "close", "leg_bands", "member_bands"]
