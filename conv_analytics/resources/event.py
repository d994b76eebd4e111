"""An event: something that happened in a conversation (contract 7.1)."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Self, cast

from conv_analytics.resources.bodies import AnyMessageBody, body_class
from conv_analytics.resources.links import APILinks
from conv_analytics.resources.record import Json, Problem, Record, wire
from conv_analytics.resources.vocabulary import EventType


class EventUser(Record):
    """The user who sent an event (contract 7.1)."""

    id: str | None = wire("Id, `USR-` and a uuid.")
    name: str | None = wire("Unique name.")
    display_name: str | None = wire("Name shown to others.")
    image_url: str | None = wire("Address of the picture.")
    custom_data: Json = wire("The user's data, verbatim.")


class EventMember(Record):
    """The member who sent an event (contract 7.1)."""

    id: str | None = wire("Id, `MEM-` and a uuid.")


class EventContent(Record):
    """The content of an event, stored or to be created: type, sender and body (contract 1.5, 7.1)."""

    type: EventType | str | None = wire("What happened.")
    from_: str | None = wire("Member id of the sender, or `knocker:` and an id.", key="from")
    body: AnyMessageBody | Mapping[str, Any] | None = wire(
        "Content: the record of its type, or verbatim where the type has none.",
    )

    @classmethod
    def from_wire(cls, payload: Mapping[str, Any], problems: list[Problem] | None = None, at: str = "") -> Self:
        """Read an event, its body as the class of its type."""
        event = super().from_wire(payload, problems, at)
        body = payload.get("body")
        if body is None:
            return event
        where = f"{at}.body" if at else "body"
        if not isinstance(body, Mapping):
            if problems is not None:
                problems.append(Problem(where, "not an object"))
            return dataclasses.replace(event, body=None)
        kind = body_class(event.type, body)
        if kind is None:
            return event
        # `kind` is one of the classes of AnyMessageBody, which a type checker cannot see in a mapping of classes.
        return dataclasses.replace(event, body=cast("Any", kind.from_wire(body, problems, where)))

    @property
    def family(self) -> str | None:
        """The type's part before the first colon: ``sip``, ``message``, ``custom``."""
        return self.type.partition(":")[0] if self.type else None

    @property
    def custom_name(self) -> str | None:
        """The user's name of an event of type ``custom:<name>`` (contract 9, no. 33)."""
        return self.type.partition(":")[2] or None if self.type and self.family == "custom" else None


class Event(EventContent):
    """An event (contract 7.1). Its id counts from 1 within its conversation.

    >>> event = Event.from_wire({"id": "40", "type": "sip:hangup", "body": {"quality": {"mos_score": 3.86}}})
    >>> event.id, event.family, event.body.quality.mos_score
    (40, 'sip', 3.86)
    >>> Event.from_wire({"id": 7, "type": "custom:order", "body": {"Order ID": 20931}}).body
    {'Order ID': 20931}
    """

    id: int | None = wire("Number of the event within its conversation, growing by one.")
    timestamp: datetime | None = wire("When it happened.")
    conversation_id: str | None = wire("Its conversation; only webhooks and old versions tell.", also="cid")
    from_user: EventUser | None = wire("The user who sent it.", key="_embedded.from_user")
    from_member: EventMember | None = wire("The member who sent it.", key="_embedded.from_member")
    application_id: str | None = wire("Its application; only webhooks and old versions tell.")
    to: str | None = wire("Addressee, in old versions; mostly empty.")
    state: Json = wire("Who has seen and received a message, in old versions, verbatim.")
    links: APILinks | None = wire("Links.", key="_links", loose=True, in_repr=False)

    @property
    def from_member_id(self) -> str | None:
        """The member who sent it: the embedded one, else `from_` where that names a member (contract 7.1)."""
        if self.from_member and self.from_member.id:
            return self.from_member.id
        return self.from_ if (self.from_ or "").startswith("MEM-") else None
