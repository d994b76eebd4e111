"""Requests that create or change something (contract 1.3 to 1.5).

Each request is a record, so that `to_wire` gives the JSON of the API; absent fields are left out.

>>> user = MemberUserRequest(name="orla.finch")
>>> request = CreateMemberRequest(state="JOINED", user=user, channel=AppChannel())
>>> request.to_wire()
{'state': 'joined', 'user': {'name': 'orla.finch'}, 'channel': {'type': 'app'}}
"""

from __future__ import annotations

from typing import Any, Self

from conv_analytics.resources.bodies.member import MemberReason
from conv_analytics.resources.channel import (
    AppChannel,
    Channel,
    Endpoint,
    PhoneNumberChannel,
    SipChannel,
    VbcChannel,
    WebSocketChannel,
)
from conv_analytics.resources.conversation import Conversation, ConversationCallback, ConversationProperties
from conv_analytics.resources.event import EventContent
from conv_analytics.resources.member import AudioSettings
from conv_analytics.resources.record import Record, wire
from conv_analytics.resources.vocabulary import CallbackMethod, MemberState


class ConversationCallbackRequest(ConversationCallback):
    """Where a new conversation's events are to be reported (contract 1.3)."""

    method: CallbackMethod | str | None = wire("How to call.", default=CallbackMethod.POST)


class CreateConversationRequest(Record):
    """A conversation to create, or to put in place of another (contract 1.3)."""

    name: str | None = wire("Internal name, unique within the application, at most 100 characters.")
    display_name: str | None = wire("Public name, at most 50 characters.")
    image_url: str | None = wire("Address of its picture, at most 2,048 characters.")
    properties: ConversationProperties | None = wire("What its owner sets.")
    numbers: tuple[Endpoint, ...] | None = wire("Endpoints to connect.")
    callback: ConversationCallback | None = wire("Where its events are to be reported.")

    @classmethod
    def of(cls, conversation: Conversation) -> Self:
        """The request that leaves a conversation as it is: change it with `dataclasses.replace`.

        >>> CreateConversationRequest.of(Conversation(id="CON-1", name="intake", sequence_number=4)).to_wire()
        {'name': 'intake'}
        """
        return cls(
            name=conversation.name,
            display_name=conversation.display_name,
            image_url=conversation.image_url,
            properties=conversation.properties,
            numbers=conversation.numbers,
            callback=conversation.callback,
        )


class MemberUserRequest(Record):
    """The user to add: id or name (contract 1.4)."""

    id: str | None = wire("Id of the user.")
    name: str | None = wire("Unique name of the user.")


class AudioSettingsRequest(AudioSettings):
    """How a new member's audio is to be set (contract 1.4)."""


class MemberMediaRequest(Record):
    """A new member's media (contract 1.4)."""

    audio: bool | None = wire("Whether audio is possible.")
    audio_settings: AudioSettings | None = wire("How it is set.", loose=True)


class _MemberRequest(Record):
    """Base of requests about members (contract 1.4)."""

    state: MemberState | str | None = wire("The state to reach, sent in lower case.")

    def to_wire(self) -> dict[str, Any]:
        """The JSON object that the API takes."""
        wired = super().to_wire()
        # Answers write the state in capitals, requests do not (contract 1.4).
        return {**wired, "state": wired["state"].lower()} if "state" in wired else wired


class CreateMemberRequest(_MemberRequest):
    """A member to invite or to let join (contract 1.4): state, user and channel are required."""

    user: MemberUserRequest | None = wire("The user.")
    channel: (
        Channel | PhoneNumberChannel | SipChannel | AppChannel | WebSocketChannel | VbcChannel | Endpoint | None
    ) = wire("How the member is connected.")
    media: MemberMediaRequest | None = wire("The member's audio.")
    knocking_id: str | None = wire("Id under which the member knocked.")
    member_id_inviting: str | None = wire("Member who invites.", also="invited_by")
    from_: str | None = wire("User who invites.", key="from")


class UpdateMemberParameters(_MemberRequest):
    """A change of a member's state, to joined or left (contract 1.4).

    >>> UpdateMemberParameters(state=MemberState.LEFT, reason=MemberReason(code="bye", text="Done")).to_wire()
    {'state': 'left', 'reason': {'code': 'bye', 'text': 'Done'}}
    """

    from_: str | None = wire("Member who makes the change.", key="from")
    reason: MemberReason | None = wire("Why; only for members who leave.")


class CreateEventRequest(EventContent):
    """An event to create (contract 1.5): its type, its sender and its body, as a record or as a mapping.

    >>> from conv_analytics.resources.bodies import MessageTextBody
    >>> CreateEventRequest(type="message", from_="MEM-1", body=MessageTextBody(text="Hello")).to_wire()
    {'type': 'message', 'from': 'MEM-1', 'body': {'message_type': 'text', 'text': 'Hello'}}
    """
