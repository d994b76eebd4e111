"""Conversations in which little happens, and events nobody has documented."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conv_analytics.sandbox.world.scenarios.chat import send

if TYPE_CHECKING:
    from conv_analytics.sandbox.world.story import Story


def empty(story: Story) -> None:
    """Hold nobody and nothing."""
    del story


def waiting(story: Story) -> None:
    """Hold invited members, but no answer."""
    for _ in range(2):
        member = story.new_member(story.people.customer(story.dice), {"type": "app"})
        story.invite(member, None)


def inactive(story: Story) -> None:
    """Hold an old chat that is over: state INACTIVE allows only GET and DELETE."""
    member = story.new_member(story.people.agent(story.dice), {"type": "app"})
    story.join(member)
    send(story, member)
    story.leave(member)
    story.state = "INACTIVE"


def strange(story: Story) -> None:
    """Hold event types of the future, of old versions and of webhooks (contract 5.3)."""
    member = story.new_member(story.people.agent(story.dice), {"type": "app"})
    story.join(member)
    story.event("text:typing:on", member, {})
    story.event("audio:transcribe:done", member, {"request_id": story.dice.uuid(), "recording_id": "r-1"})
    story.event("video:hologram:on", member, {"depth": {"of": [1, 2.5, None, True]}, "": "empty key"})
    story.event("custom", member, {"plain": True})
    story.event("conversation:created", None, {"id": story.conversation_id, "name": story.name})
    for n in range(3):
        story.wait(0.2, 5)
        story.event(f"custom:ping-{n}", member if n else None, {"n": n, "nested": {"keepCase": "Yes"}})
