"""Members, events and conversations as the generator keeps them, before they become JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from conv_analytics.sandbox.world.clock import iso

if TYPE_CHECKING:
    from conv_analytics.sandbox.world.call_legs import CallLeg
    from conv_analytics.sandbox.world.people import User

Json = dict[str, Any]
API = "https://api.nexmo.com/v1"


@dataclass(slots=True)
class Member:
    """A user's membership; state is INVITED, JOINED or LEFT (contract 6.2). Times are milliseconds."""

    id: str
    user: User
    state: str
    channel: Json
    initiator: Json
    media: Json | None = None
    invited: int | None = None
    joined: int | None = None
    left: int | None = None
    invited_by: str | None = None
    knocking_id: str | None = None

    def timestamps(self) -> Json:
        """Write the instants that happened."""
        instants = {"invited": self.invited, "joined": self.joined, "left": self.left}
        return {name: iso(at) for name, at in instants.items() if at is not None}

    def lite(self, conversation_id: str) -> Json:
        """Write the member as lists do."""
        return {
            "id": self.id,
            "state": self.state,
            "_embedded": {"user": self.user.lite()},
            "_links": {"href": f"{API}/conversations/{conversation_id}/members/{self.id}"},
        }

    def full(self, conversation_id: str) -> Json:
        """Write the member as GET does."""
        whole: Json = {
            "id": self.id,
            "conversation_id": conversation_id,
            "_embedded": {"user": self.user.lite()},
            "state": self.state,
            "timestamp": self.timestamps(),
            "initiator": self.initiator,
            "channel": self.channel,
        }
        optional = {"media": self.media, "knocking_id": self.knocking_id, "invited_by": self.invited_by}
        whole.update({name: value for name, value in optional.items() if value is not None})
        whole["_links"] = {"href": f"{API}/conversations/{conversation_id}/members/{self.id}"}
        return whole


@dataclass(slots=True)
class Event:
    """One event, with the facts that the generator intended.

    `facts` holds what the truth adds up: packet_cnt, flaw_total, byte_in, byte_out, mos (hundredths), price
    (1e-8 units), duration_s, sip_code, message_type, alternatives (hundredths), history (leg, status, ms).
    """

    id: int
    type: str
    member: Member | None
    body: Json
    at: int
    facts: Json
    deleted: bool = False
    body_before: Json | None = None
    """The body before its deletion: webhooks were sent with it."""


@dataclass(slots=True)
class Conversation:
    """One conversation and all in it; `rendered[i]` are the JSON bytes of the event `event_ids[i]`."""

    ordinal: int
    id: str
    name: str
    created: int
    display_name: str | None = None
    image_url: str | None = None
    updated: int | None = None
    destroyed: int | None = None
    state: str = "ACTIVE"
    properties: Json = field(default_factory=dict)
    media_state: Json | None = None
    minimal: bool = False
    sequence_number: int = 0
    members: list[Member] = field(default_factory=list)
    event_ids: list[int] = field(default_factory=list)
    event_types: list[str] = field(default_factory=list)
    rendered: list[bytes] = field(default_factory=list)
    deleted: set[int] = field(default_factory=set)
    event_times: list[int] = field(default_factory=list)
    before_deletion: dict[int, bytes] = field(default_factory=dict)
    """JSON bytes of deleted events as they were, by event id."""
    legs: list[CallLeg] = field(default_factory=list)

    def timestamps(self) -> Json:
        """Write created, updated and destroyed (null when it did not happen)."""
        instants: Json = {"created": iso(self.created)}
        if not self.minimal:
            instants["updated"] = None if self.updated is None else iso(self.updated)
            instants["destroyed"] = None if self.destroyed is None else iso(self.destroyed)
        return instants

    def lite(self) -> Json:
        """Write the conversation as `GET /v1/conversations` lists it: no state, no sequence number."""
        item: Json = {"id": self.id, "name": self.name}
        if not self.minimal:
            item |= {"display_name": self.display_name, "image_url": self.image_url}
        instants = {name: value for name, value in self.timestamps().items() if value is not None}
        item["timestamp"] = instants
        item["_links"] = self.links()
        return item

    def full(self) -> Json:
        """Write the conversation as GET does (contract 6.1)."""
        whole: Json = {"id": self.id, "name": self.name}
        if not self.minimal:
            whole |= {"display_name": self.display_name, "image_url": self.image_url}
        whole |= {
            "state": self.state,
            "sequence_number": self.sequence_number,
            "timestamp": self.timestamps(),
        }
        if self.properties:
            whole["properties"] = self.properties
        if self.media_state is not None:
            whole["media_state"] = self.media_state
        whole["_links"] = self.links()
        return whole

    def links(self) -> Json:
        """Write the self link."""
        return {"self": {"href": f"{API}/conversations/{self.id}"}}
