"""The lanes of a timeline: the conversation, then each member with its legs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from conv_analytics.analysis.dialogue.events import Happening, records
from conv_analytics.analysis.engine.source import Source

_NAMES = ("user_display_name", "user_name", "from_user_display_name", "from_user_name")


@dataclass(slots=True)
class Lane:
    """One lane: `number` is its place from the top, `first` and `last` its known extent in microseconds."""

    id: str
    name: str
    kind: str
    member_id: str | None = None
    number: int = 0
    first: int | None = None
    last: int | None = None

    def seen(self, *instants: int | None) -> None:
        """Take instants into the lane's extent."""
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

    def member(self, one: str | None) -> Lane | None:
        """The lane of a member, also by the id of its user."""
        return self.members.get(one or "") or self.members.get(self.users.get(one or "", ""))

    def of(self, one: Happening) -> Lane:
        """Where an event belongs: to the leg it names, else its member, else the conversation.

        What names a leg may have been caused by another member: muting somebody is shown where it is quiet.
        """
        leg = self.legs.get(one.text("leg_id") or "")
        if leg is not None and one.family != "member":
            return leg
        meant = one.text("member_id") if one.family == "member" else None
        return self.member(meant) or self.member(one.sender) or self.conversation


def lanes(source: Source, events: list[Happening], legs: Iterable[Mapping[str, Any]]) -> Lanes:
    """The lanes of a conversation, in the order in which members came, each followed by its legs."""
    names = {row["conversation_id"]: row.get("display_name") or row.get("name") or "" for row in
             records(source, "conversations") if "conversation_id" in row}  # fmt: skip
    conversation_id = next(iter(names), "")
    found = Lanes(Lane(conversation_id, names.get(conversation_id, "") or "conversation", "conversation"))
    for one in events:
        _meet(found, one)
    for row in records(source, "members"):
        if row.get("member_id"):
            _member(found, row["member_id"], row, row.get("invited_at", row.get("joined_at")))
    for leg in legs:
        _leg(found, leg)
    for one in events:
        found.conversation.seen(one.at)
        found.of(one).seen(one.at)
    _number(found)
    return found


def _meet(found: Lanes, one: Happening) -> None:
    if one.family == "member":
        meant = one.text("member_id")
        if meant:
            _member(found, meant, {name: one.get(name) for name in (*_NAMES, "user_id")}, one.at)
    if one.sender and not one.sender.startswith("CON-"):
        told = {name: one.get(name) for name in _NAMES[2:]} | {"user_id": one.get("from_user_id")}
        _member(found, one.sender, told, one.at)
    was = one.text("was_member_id") if one.type == "rtc:transfer" else None
    if was:
        _member(found, was, {}, one.at)


def _member(found: Lanes, member_id: str, told: Mapping[str, Any], at: int | None) -> None:
    name = next((str(told[key]) for key in _NAMES if told.get(key)), "")
    lane = found.members.setdefault(member_id, Lane(member_id, "", "member", member_id))
    lane.name = lane.name or name
    lane.seen(at)
    if told.get("user_id"):
        found.users.setdefault(str(told["user_id"]), member_id)


def _leg(found: Lanes, leg: Mapping[str, Any]) -> None:
    words = (leg.get("channel_type") or leg.get("technology") or "leg", leg.get("direction"), leg.get("remote_address"))
    lane = Lane(leg["leg_id"], " ".join(str(word) for word in words if word), "leg", leg.get("member_id"))
    lane.seen(*(leg.get(name) for name in ("started_at", "ringing_at", "answered_at", "ended_at")))
    found.legs[lane.id] = lane
    if lane.member_id:
        _member(found, lane.member_id, leg, lane.first)


def _number(found: Lanes) -> None:
    def place(lane: Lane) -> tuple[bool, int, str]:
        return lane.first is None, lane.first or 0, lane.id

    number = 1
    for member in sorted(found.members.values(), key=place):
        member.name = member.name or member.id
        member.number, number = number, number + 1
        for leg in sorted((leg for leg in found.legs.values() if leg.member_id == member.id), key=place):
            leg.number, number = number, number + 1
    for leg in sorted((leg for leg in found.legs.values() if leg.member_id not in found.members), key=place):
        leg.number, number = number, number + 1


__all__ = ["Lane", "Lanes", "lanes"]
