"""Conversations in which little happens, and events nobody has documented."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conv_analytics.sandbox.world.scenarios.chat import send

if TYPE_CHECKING:
    from conv_analytics.sandbox.world.builder import ConversationBuilder


def empty(builder: ConversationBuilder) -> None:
    """A conversation without members and events."""
    del builder


def waiting(builder: ConversationBuilder) -> None:
    """Members who were invited and never joined."""
    for _ in range(2):
        member = builder.new_member(builder.people.customer(builder.dice), {"type": "app"})
        builder.invite(member, None)


def inactive(builder: ConversationBuilder) -> None:
    """An old chat that is over: state INACTIVE allows only GET and DELETE."""
    member = builder.new_member(builder.people.agent(builder.dice), {"type": "app"})
    builder.join(member)
    send(builder, member)
    builder.leave(member)
    builder.state = "INACTIVE"


def strange(builder: ConversationBuilder) -> None:
    """Event types of the future, of old versions and of webhooks (contract 5.3)."""
    member = builder.new_member(builder.people.agent(builder.dice), {"type": "app"})
    builder.join(member)
    builder.event("text:typing:on", member, {})
    builder.event("audio:transcribe:done", member, {"request_id": builder.dice.uuid(), "recording_id": "r-1"})
    builder.event("video:hologram:on", member, {"depth": {"of": [1, 2.5, None, True]}, "": "empty key"})
    builder.event("custom", member, {"plain": True})
    builder.event("conversation:created", None, {"id": builder.conversation_id, "name": builder.name})
    for n in range(3):
        builder.wait(0.2, 5)
        builder.event(f"custom:ping-{n}", member if n else None, {"n": n, "nested": {"keepCase": "Yes"}})
