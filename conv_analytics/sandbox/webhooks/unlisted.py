"""RTC events that only webhooks see: knockers, conversations that begin and end, typing, offers (live contract 5.2)."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import TYPE_CHECKING

from conv_analytics.sandbox.lifetimes import transient_until
from conv_analytics.sandbox.webhooks.messages import Json, Message
from conv_analytics.sandbox.world.clock import iso
from conv_analytics.sandbox.world.dice import Dice

if TYPE_CHECKING:
    from conv_analytics.sandbox.world.call_legs import CallLeg
    from conv_analytics.sandbox.world.records import Conversation
    from conv_analytics.sandbox.world.world import World

SDP = "v=0\r\no=- 46117314 2 IN IP4 192.0.2.10\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"
#: How many of the messages were announced by "is typing".
TYPED = 0.3


def unlisted_messages(
    world: World, conversation: Conversation, application_id: str, expired: int | None
) -> list[Message]:
    """Write the events of a conversation that no list has; those of 5.2 that come without id or conversation.

    `expired` is when a named conversation expired [ms]; None when it did not.
    """
    messages = [created_message(conversation)]
    for leg in conversation.legs:
        if leg.kind == "app":
            messages.append(_offer(leg))
        elif leg.direction == "inbound":
            messages += _knocks(leg)
    messages += _typing(world, conversation)
    messages += _ephemeral(conversation)
    if world.is_transient(conversation.ordinal):
        left = (at for kind, at in zip(conversation.event_types, conversation.event_times, strict=True)
                if kind == "member:left")  # fmt: skip
        messages.append(deleted_message(conversation, max(transient_until(conversation.legs), *left)))
    elif expired is not None:
        messages.append(deleted_message(conversation, expired))
    if world.quirks and conversation.legs and Dice(world.seed, "mixer", conversation.id).chance(0.2):
        messages.append(_mixer(conversation))
    for message in messages:
        message.event["application_id"] = application_id
    return messages


def _event(kind: str, at: int, body: Json, **envelope: object) -> Json:
    return {"type": kind, **envelope, "body": body, "timestamp": iso(at)}


def created_message(conversation: Conversation) -> Message:
    """Write conversation:created; its id is only in the body."""
    body: Json = {
        "id": conversation.id, "name": conversation.name, "timestamp": {"created": iso(conversation.created)},
        "state": "ACTIVE",
    }  # fmt: skip
    if conversation.display_name is not None:
        body["display_name"] = conversation.display_name
    at = conversation.created + 6
    return Message("rtc", "conversation:created", at, _event("conversation:created", at, body), conversation.id)


def deleted_message(conversation: Conversation, at: int) -> Message:
    """Write conversation:deleted, for a conversation that was gone at an instant [ms]."""
    instants = {"created": iso(conversation.created), "destroyed": iso(at)}
    body = {"id": conversation.id, "name": conversation.name, "timestamp": instants, "reason": "ttl"}
    event = _event("conversation:deleted", at + 11, body)
    return Message("rtc", "conversation:deleted", at + 11, event, conversation.id)


def _knocks(leg: CallLeg) -> list[Message]:
    """Write what an inbound call sends before it is in a conversation; its leg id is all that links it."""
    knocker = f"knocker:{leg.knocker}"
    channel = {"type": leg.kind, "id": leg.id, "from": leg.from_, "to": leg.to, "headers": {}, "legs": [],
               "leg_ids": []}  # fmt: skip
    history = [{"status": "started", "date": iso(leg.began), "knocker_id": leg.knocker}]
    bodies: list[tuple[str, int, Json]] = [
        ("app:knocking", leg.began, {"user": {"id": leg.user_id}, "channel": channel}),
        ("leg:status:update", leg.began + 2, {
            "leg_id": leg.id, "type": leg.kind, "direction": "inbound", "status": "started", "statusHistory": history,
        }),
        ("sip:ringing", leg.began + 7, {"direction": "inbound", "channel": channel}),
    ]  # fmt: skip
    if leg.statuses[-1][0] == "cancelled":
        bodies.append(("app:knocking:cancel", leg.over_at, {
            "user": {"id": leg.user_id}, "reason": {"code": "CANCELLED", "text": "caller gave up"},
            "timestamp": {"created": iso(leg.began), "left": iso(leg.over_at)},
        }))  # fmt: skip
    names = {"leg:status:update", "sip:ringing"}
    return [
        Message("rtc", kind, at, _event(kind, at, body, **{"from": knocker}), leg.conversation_id, leg_id=leg.id,
                begins_leg=kind in names)
        for kind, at, body in bodies
    ]  # fmt: skip


def _offer(leg: CallLeg) -> Message:
    body = {"sdp": SDP, "leg_id": leg.id, "member_leg_id": leg.id}
    event = _event("rtc:offer", leg.began, body, conversation_id=leg.conversation_id)
    return Message("rtc", "rtc:offer", leg.began, event, leg.conversation_id, leg_id=leg.id)


def _typing(world: World, conversation: Conversation) -> list[Message]:
    messages, dice = [], Dice(world.seed, "typing", conversation.id)
    for kind, at, rendered in zip(
        conversation.event_types, conversation.event_times, conversation.rendered, strict=True
    ):
        if kind != "message" or not dice.chance(TYPED):
            continue
        sender = json.loads(rendered).get("from")
        for name, when in (("text:typing:on", at - dice.between(300, 900)), ("text:typing:off", at - 20)):
            event = _event(name, when, {"activity": 1}, conversation_id=conversation.id, **{"from": sender})
            messages.append(Message("rtc", name, when, event, conversation.id))
    return messages


def _ephemeral(conversation: Conversation) -> list[Message]:
    """Write the events that used up an id and were never stored: the gaps between the ids of the list."""
    made = []
    for index, (before, after) in enumerate(pairwise(conversation.event_ids)):
        for _ in range(before + 1, after):
            at = conversation.event_times[index]
            event = _event("ephemeral", at, {"hint": "typing"}, conversation_id=conversation.id)
            made.append(Message("rtc", "ephemeral", at, event, conversation.id))
    return made


def _mixer(conversation: Conversation) -> Message:
    """Write an event with an id that the list never shows, above all that it does."""
    at, number = conversation.event_times[-1] + 40, conversation.sequence_number + 1
    kind = "mixer:subscriber:destroyed"
    event = _event(kind, at, {}, id=number, conversation_id=conversation.id, **{"from": None})
    return Message("rtc", kind, at, event, conversation.id, number)


__all__ = ["created_message", "deleted_message", "unlisted_messages"]
