"""Bodies of types that today's lists no longer have: older specifications, webhooks (contract 5.3)."""

from __future__ import annotations

from conv_analytics.resources.bodies.member import EventMemberUser, MemberReason
from conv_analytics.resources.bodies.message_status import MessageEventBody
from conv_analytics.resources.bodies.sip import MessageSIPBody
from conv_analytics.resources.record import Json, Record, wire


class TextBody(Record):
    """``text``: someone wrote a text, before there was ``message`` (contract 5.3)."""

    text: str | None = wire("Text; empty after deletion.")
    language: str | None = wire("Its language.")
    edited: bool | None = wire("Whether it was changed since.")
    channels: Json = wire("Where it went to, verbatim.")
    timestamp: Json = wire("When it was changed or deleted, verbatim.")


class TextUpdateBody(MessageEventBody):
    """``text:update``: the text of an earlier event was changed (contract 5.3)."""

    original_event_id: int | None = wire("Id of the event that was changed, within the same conversation.")
    text: str | None = wire("The new text.")


class TextTypingBody(Record):
    """``text:typing:on`` and ``text:typing:off``: someone is writing, or no longer (contract 5.3)."""

    activity: Json = wire("What is being done, verbatim.")
    event_id: int | None = wire("Id of the event meant, within the same conversation.")


class ImageBody(Record):
    """``image``: someone sent a picture, before there was ``message`` (contract 5.3).

    >>> ImageBody.from_wire({"representations": {"original": {"url": "https://a.example/1.png"}}}).representations
    {'original': {'url': 'https://a.example/1.png'}}
    """

    representations: Json = wire("The picture in several sizes, each with its address, verbatim.")
    timestamp: Json = wire("When it was changed or deleted, verbatim.")


class AppKnockingBody(MessageSIPBody):
    """``app:knocking`` and ``app:knocking:cancel``: a caller that belongs to no member yet (contract 5.3)."""

    user: EventMemberUser | None = wire("The user who is called.")
    properties: Json = wire("What its owner set on the user, verbatim.")
    reason: MemberReason | None = wire("Why the caller gave up.")
    timestamp: Json = wire("When it began and ended, verbatim.")


class RTCOfferBody(Record):
    """``rtc:offer`` and ``rtc:new``: the session description that an in-app leg begins with (contract 5.3)."""

    sdp: str | None = wire("Session description (SDP) of the offer.", secret=True)
    leg_id: str | None = wire("Id of the leg.")
    member_leg_id: str | None = wire("Id of the member's leg.")
    member_id: str | None = wire("Id of the member.")
    name: str | None = wire("Name of the user.")
    media_settings: Json = wire("How the media are set, verbatim.")
