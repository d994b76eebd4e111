"""The lanes of a timeline: the conversation, then each member with its legs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from conv_analytics.analysis.dialogue.conversation_events import ConversationEvent, records
from conv_analytics.analysis.engine.source import Source

_NAMES = ("user_display_name", "user_name", "from_user_display_name", "from_user_name")


@dataclass(slots=True)
class Lane:
    """One lane of a timeline.

    Attributes
    ----------
    id, name, kind
        Of the conversation, a member or a leg.
    member_id
        The member of a member's lane or a leg's.
    number
        Place from the top.
    first, last
        Its first and last known instant, in microseconds.
    """

    id: str
    name: str
    kind: str
    member_id: str | None = None
    number: int = 0
    first: int | None = None
    last: int | None = None

    def extend(self, *instants: int | None) -> None:
        """Extend the lane to some instants."""
        known = [at for at in (*instants, self.first, self.last) if at is not None]
        if known:
            self.first, self.last = min(known), max(known)


@dataclass(slots=True)
class Lanes:
    """All lanes of a conversation, by member and by leg."""

    conversation: Lane
    members: dict[str, Lane] = field(default_factory=dict)
    legs: dict[str, Lane] = field(default_factory=dict)
    users: dict[str, str] = field(default_factory=dict)
    """The member of each user."""

    def member(self, member_or_user: str | None) -> Lane | None:
        """The lane of a member, by its id or that of its user."""
        named = member_or_user or ""
        return self.members.get(named) or self.members.get(self.users.get(named, ""))

    def of(self, event: ConversationEvent) -> Lane:
        """The lane of an event: that of the leg it names, else of its member, else of the conversation.

        An event that names a leg may be another member's doing: a mute is shown on the leg that it silences.
        """
        leg = self.legs.get(event.text("leg_id") or "")
        if leg is not None and event.family != "member":
            return leg
        member_id = event.text("member_id") if event.family == "member" else None
        return self.member(member_id) or self.member(event.sender) or self.conversation


def lanes_of(source: Source, events: list[ConversationEvent], legs: Iterable[Mapping[str, Any]]) -> Lanes:
    """The lanes of a conversation: members in the order they came, each followed by its legs."""
    names = {row["conversation_id"]: row.get("display_name") or row.get("name") or "" for row in
             records(source, "conversations") if "conversation_id" in row}  # fmt: skip
    conversation_id = next(iter(names), "")
    lanes = Lanes(Lane(conversation_id, names.get(conversation_id, "") or "conversation", "conversation"))
    for event in events:
        _add_members(lanes, event)
    for row in records(source, "members"):
        if row.get("member_id"):
            _member(lanes, row["member_id"], row, row.get("invited_at", row.get("joined_at")))
    for leg in legs:
        _leg(lanes, leg)
    for event in events:
        lanes.conversation.extend(event.at)
        lanes.of(event).extend(event.at)
    _number(lanes)
    return lanes


def _add_members(lanes: Lanes, event: ConversationEvent) -> None:
    if event.family == "member":
        member_id = event.text("member_id")
        if member_id:
            _member(lanes, member_id, {name: event.get(name) for name in (*_NAMES, "user_id")}, event.at)
    if event.sender and not event.sender.startswith("CON-"):
        sender = {name: event.get(name) for name in _NAMES[2:]} | {"user_id": event.get("from_user_id")}
        _member(lanes, event.sender, sender, event.at)
    replaced = event.text("was_member_id") if event.type == "rtc:transfer" else None
    if replaced:
        _member(lanes, replaced, {}, event.at)


def _member(lanes: Lanes, member_id: str, values: Mapping[str, Any], at: int | None) -> None:
    name = next((str(values[key]) for key in _NAMES if values.get(key)), "")
    lane = lanes.members.setdefault(member_id, Lane(member_id, "", "member", member_id))
    lane.name = lane.name or name
    lane.extend(at)
    if values.get("user_id"):
        lanes.users.setdefault(str(values["user_id"]), member_id)


def _leg(lanes: Lanes, leg: Mapping[str, Any]) -> None:
    words = (leg.get("channel_type") or leg.get("technology") or "leg", leg.get("direction"), leg.get("remote_address"))
    lane = Lane(leg["leg_id"], " ".join(str(word) for word in words if word), "leg", leg.get("member_id"))
    lane.extend(*(leg.get(name) for name in ("started_at", "ringing_at", "answered_at", "ended_at")))
    lanes.legs[lane.id] = lane
    if lane.member_id:
        _member(lanes, lane.member_id, leg, lane.first)


def _number(lanes: Lanes) -> None:
    def place(lane: Lane) -> tuple[bool, int, str]:
        return lane.first is None, lane.first or 0, lane.id

    number = 1
    for member in sorted(lanes.members.values(), key=place):
        member.name = member.name or member.id
        member.number, number = number, number + 1
        for leg in sorted((leg for leg in lanes.legs.values() if leg.member_id == member.id), key=place):
            leg.number, number = number, number + 1
    for leg in sorted((leg for leg in lanes.legs.values() if leg.member_id not in lanes.members), key=place):
        leg.number, number = number, number + 1


__all__ = ["Lane", "Lanes", "lanes_of"]
