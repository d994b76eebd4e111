"""``conversation:updated``, and its webhook-only relatives (contract 7.7)."""

from __future__ import annotations

from conv_analytics.resources.conversation import ConversationTimestamp
from conv_analytics.resources.record import Record, wire
from conv_analytics.resources.vocabulary import ConversationState


class MessageConversationBody(Record):
    """``conversation:updated``: the current state of the conversation (contract 7.7)."""

    id: str | None = wire("Id of the conversation.")
    name: str | None = wire("Its internal name.")
    display_name: str | None = wire("Its public name.")
    image_url: str | None = wire("Its picture.")
    state: ConversationState | str | None = wire("Its state.")
    timestamp: ConversationTimestamp | None = wire("When it was created, changed, destroyed.")
