"""Builds one conversation as it happens: a clock, members, and events with growing ids."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from conv_analytics.sandbox.world.clock import iso
from conv_analytics.sandbox.world.records import Event, Member

if TYPE_CHECKING:
    from conv_analytics.sandbox.world.active_causes import ActiveCauses
    from conv_analytics.sandbox.world.call_legs import CallLeg
    from conv_analytics.sandbox.world.dice import Dice
    from conv_analytics.sandbox.world.people import People, User

Json = dict[str, Any]


def audio(*, enabled: bool = True, muted: bool = False) -> Json:
    """Write a `media` object (contract 6.2)."""
    return {"audio_settings": {"enabled": enabled, "earmuffed": False, "muted": muted}, "audio": enabled}


@dataclass(slots=True)
class ConversationBuilder:
    """A conversation in the making, driven by a scenario. `now` is its clock [ms], `day` the day of the world."""

    dice: Dice
    people: People
    conversation_id: str
    name: str
    now: int
    day: int = 0
    display_name: str | None = None
    causes: ActiveCauses | None = None
    """Causes that were planted; None in a usual world."""
    state: str = "ACTIVE"
    last_id: int = 0
    members: list[Member] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    legs: list[CallLeg] = field(default_factory=list)

    def wait(self, low: float, high: float) -> int:
        """Let between `low` and `high` seconds pass; now and then land on a whole one, as real clocks seem to."""
        self.now += int(1000 * (low + self.dice.uniform() * (high - low)))
        if self.dice.chance(0.08):
            self.now -= self.now % self.dice.pick((1000, 100, 10))
            self.now += 1000
        return self.now

    def event(self, kind: str, member: Member | None, body: Json, **facts: object) -> Event:
        """Add an event now and give it the next id."""
        self.last_id += 1
        made = Event(self.last_id, kind, member, body, self.now, facts)
        self.events.append(made)
        return made

    def ephemeral(self) -> None:
        """Use up an id for an event that is delivered but never stored (contract 2.7, 5.3)."""
        self.last_id += 1

    def new_member(self, user: User, channel: Json, media: Json | None = None) -> Member:
        """Add a member who is neither invited nor joined yet."""
        member = Member(f"MEM-{self.dice.uuid()}", user, "INVITED", channel, {}, media)
        self.members.append(member)
        return member

    def invite(self, member: Member, by: Member | None, leg_id: str | None = None) -> None:
        """Invite a member: by another member, or (None) by an admin token."""
        member.invited = self.now
        initiator: Json = {"isSystem": by is None}
        member.initiator = {"invited": {"is_system": True}}
        if by is not None:
            initiator |= {"member_id": by.id, "user_id": by.user.id}
            member.invited_by = by.id
        channel = dict(member.channel)
        if leg_id is not None:
            channel |= {"id": leg_id, "leg_ids": [leg_id], "legs": [{"leg_id": leg_id, "status": "started"}]}
        self.event("member:invited", by or member, {
            "cname": self.name,
            "invited_by": by.user.id if by else None,
            "member_id": member.id,
            "sdp": "v=0\r\no=- 1 2 IN IP4 192.0.2.7" if channel.get("type") == "app" else None,
            "conversation": {"conversation_id": self.conversation_id, "name": self.name,
                             "display_name": self.display_name, "image_url": None},
            "user": {"user_id": member.user.id, "member_id": member.id, "name": member.user.name,
                     "display_name": member.user.display_name, "image_url": member.user.image_url,
                     "properties": {"custom_data": dict(member.user.custom_data)}},
            "channel": channel,
            "media": audio(enabled=False),
            "timestamp": member.timestamps(),
            "initiator": {"invited": initiator},
            **({"invited_by_member": _inviter(by)} if by else {}),
        })  # fmt: skip

    def join(self, member: Member, *, by_admin: bool = True) -> None:
        """Let a member join (contract 7.6); a repeated join writes a second event (8.2)."""
        member.joined = member.joined or self.now
        member.state = "JOINED"
        whole: Json = {"is_system": by_admin}
        if not by_admin:
            whole |= {"user_id": member.user.id, "member_id": member.id}
        member.initiator = {"joined": whole}
        self.event("member:joined", member, {
            "member_id": member.id,
            "user": {"id": member.user.id, "name": member.user.name,
                     "display_name": member.user.display_name},
            "channel": member.channel,
            "timestamp": member.timestamps(),
            "initiator": {"joined": {"isSystem" if name == "is_system" else name: value
                                     for name, value in whole.items()}},
        })  # fmt: skip

    def connect_media(self, member: Member) -> None:
        """Say that the member's audio is connected."""
        member.media = audio()
        self.event("member:media", member, {"audio": True, "media": audio(), "channel": member.channel})

    def leave(self, member: Member, code: str = "hangup", text: str = "call ended") -> None:
        """Let a member leave with a reason."""
        member.left, member.state = self.now, "LEFT"
        self.event("member:left", member, {
            "member_id": member.id,
            "user": {"user_id": member.user.id, "name": member.user.name,
                     "display_name": member.user.display_name},
            "channel": member.channel,
            "timestamp": member.timestamps(),
            "initiator": {"joined": {"isSystem": True},
                          "left": {"isSystem": False, "member_id": member.id, "user_id": member.user.id}},
            "reason": {"code": code, "text": text},
        })  # fmt: skip

    def update(self, created: int) -> None:
        """Write conversation:updated (contract 7.7)."""
        self.event("conversation:updated", None, {
            "id": self.conversation_id, "name": self.name, "display_name": self.display_name,
            "image_url": None, "state": self.state,
            "timestamp": {"created": iso(created), "updated": iso(self.now), "destroyed": None},
        })  # fmt: skip

    def delete(self, event: Event, by: Member | None) -> None:
        """Delete a message or custom event: a new event:delete, and the original emptied (contract 7.5)."""
        event.deleted, event.body_before = True, event.body
        event.body = emptied(event.type, event.body, iso(self.now))
        self.event("event:delete", by, {"event_id": str(event.id)})


def _inviter(by: Member) -> Json:
    return {
        "member_id": by.id,
        "user_id": by.user.id,
        "name": by.user.name,
        "state": by.state,
        "channel": {"type": by.channel.get("type")},
        "media": {"audio": bool(by.media)},
        "timestamp": by.timestamps(),
    }


def emptied(kind: str, body: Json, at: str) -> Json:
    """Return the body that is left of a deleted event: its kind and the instant of deletion."""
    if kind != "message":
        return {"timestamp": {"deleted": at}}
    message_type = body.get("message_type", "text")
    left: Json = {"message_type": message_type, "timestamp": {"deleted": at}}
    if message_type == "text":
        left["text"] = ""
    return left
