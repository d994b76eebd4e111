"""A conversation as the API returns it (contract 6.1)."""

from __future__ import annotations

from datetime import datetime

from conv_analytics.resources.channel import Endpoint
from conv_analytics.resources.links import APILinks
from conv_analytics.resources.record import Json, Record, wire
from conv_analytics.resources.vocabulary import CallbackMethod, ConversationState, MemberState


class ConversationTimestamp(Record):
    """When a conversation was made, changed and destroyed (contract 6.1)."""

    created: datetime | None = wire("When it was created.")
    updated: datetime | None = wire("When it was last changed.")
    destroyed: datetime | None = wire("When it was destroyed.")


class ConversationProperties(Record):
    """Properties that its owner set on a conversation (contract 6.1)."""

    ttl: int | None = wire("How long the conversation is kept once it is empty.", unit="s")
    type: str | None = wire("The owner's word for the kind of conversation.")
    custom_sort_key: str | None = wire("The owner's key to sort conversations by.")
    custom_data: Json = wire("The owner's data, verbatim; values need not be texts.")


class MediaState(Record):
    """What is going on in a conversation's audio (contract 6.1); returned sometimes."""

    earmuff: bool | None = wire("Whether hearing is switched off.")
    mute: bool | None = wire("Whether speaking is switched off.")
    play_stream: bool | None = wire("Whether a file is being played.")
    recording: bool | None = wire("Whether it is being recorded.")
    transcribing: bool | None = wire("Whether it is being transcribed.")
    tts: bool | None = wire("Whether text is being spoken.")


class ConversationCallbackParams(Record):
    """Parameters of a callback (contract 1.3)."""

    application_id: str | None = wire(
        "Application that is called.",
        key="applicationId",
        also="application_id",
    )
    ncco_url: str | None = wire("Where the call's instructions are.")


class ConversationCallback(Record):
    """Where the platform reports a conversation's events; written only, never returned (contract 1.3)."""

    url: str | None = wire("Address to call, at most 2,048 characters.")
    event_mask: str | None = wire("Event types to report, separated by commas; all when absent.")
    params: ConversationCallbackParams | None = wire("Parameters of the callback.")
    method: CallbackMethod | str | None = wire("How to call; `POST` when absent.")


class Membership(Record):
    """A user's own membership, in the list of that user's conversations (contract 6.1)."""

    id: str | None = wire("Id of the member.")
    state: MemberState | str | None = wire("State of the membership.")


class Conversation(Record):
    """A conversation (contract 6.1).

    The list of all conversations holds a short form, without `state`, `sequence_number` and `properties`.

    >>> conversation = Conversation.from_wire({"sequence_number": "17", "properties": {"ttl": 60}})
    >>> conversation.sequence_number, conversation.properties.ttl, conversation.state
    (17, 60, None)
    """

    id: str | None = wire("Id, `CON-` and a uuid.", also="uuid")
    name: str | None = wire("Internal name, unique within the application.")
    display_name: str | None = wire("Public name.")
    image_url: str | None = wire("Address of its picture.")
    timestamp: ConversationTimestamp | None = wire("When it was created, changed, destroyed.")
    state: ConversationState | str | None = wire("Whether it can be used.", also="status")
    sequence_number: int | None = wire("Id of its last event; 0 when it has none.")
    properties: ConversationProperties | None = wire("What its owner set.")
    media_state: MediaState | None = wire("What is going on in its audio; returned sometimes.")
    numbers: tuple[Endpoint, ...] | None = wire("Endpoints to connect; hardly ever returned.")
    callback: ConversationCallback | None = wire("Where its events are reported; never returned.")
    membership: Membership | None = wire(
        "The user's own membership; only in a user's list.",
        key="_embedded.member",
        also="_embedded",
    )
    api_key: str | None = wire("Account's key, in version 0.1.", secret=True)
    links: APILinks | None = wire("Links.", key="_links", loose=True, in_repr=False)

    @property
    def status(self) -> ConversationState | str | None:
        """`state`: the Node SDK declares both, the wire has only that (contract 9, no. 29)."""
        return self.state
