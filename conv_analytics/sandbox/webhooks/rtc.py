"""RTC events of a conversation: those that its list has, in the spelling of webhooks (live contract 5.3, 5.4)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from conv_analytics.sandbox.tally import CALL_EVENTS, HANGUPS, MEMBER_EVENTS
from conv_analytics.sandbox.webhooks.messages import Json, Message
from conv_analytics.sandbox.wire import as_object
from conv_analytics.sandbox.world.dice import Dice
from conv_analytics.sandbox.world.quirks import SHARE

if TYPE_CHECKING:
    from collections.abc import Callable

    from conv_analytics.sandbox.world.records import Conversation
    from conv_analytics.sandbox.world.world import World

#: Final statuses of a leg.
FINAL = frozenset({"completed", "busy", "timeout", "cancelled", "rejected", "failed", "unanswered"})
_NAMES_A_LEG = HANGUPS | CALL_EVENTS | MEMBER_EVENTS | {"leg:status:update"}


def listed_messages(world: World, conversation: Conversation, application_id: str) -> list[Message]:
    """Write all events of a conversation's list as webhooks have them; without those that lost their id."""
    messages = []
    for number, kind, at, rendered in zip(
        conversation.event_ids, conversation.event_types, conversation.event_times, conversation.rendered, strict=True
    ):
        listed = json.loads(conversation.before_deletion.get(number, rendered))
        if "id" not in listed:
            continue
        dice = Dice(world.seed, "webhook", conversation.id, number) if world.quirks else None
        messages.append(_message(listed, kind, at, conversation.id, application_id))
        if dice is not None and dice.chance(SHARE):
            _vary(messages[-1].event, dice)
    return messages


def written_message(rendered: bytes, kind: str, at: int, conversation_id: str, application_id: str) -> Message:
    """Write an event that was made through the API, from the JSON that its list has."""
    return _message(json.loads(rendered), kind, at, conversation_id, application_id)


def _message(listed: Json, kind: str, at: int, conversation_id: str, application_id: str) -> Message:
    event = webhook_form(listed, conversation_id, application_id)
    body = as_object(event.get("body"))
    leg_id = leg_of(kind, body)
    names = kind in _NAMES_A_LEG and leg_id is not None
    over = kind in HANGUPS or (kind == "leg:status:update" and body.get("status") in FINAL)
    return Message(
        "rtc", kind, at, event, conversation_id, event["id"], leg_id, listed=True, begins_leg=names,
        ends_leg=names and over,
    )  # fmt: skip


def leg_of(kind: str, body: Json) -> str | None:
    """Return the leg that an event is about; None when it is about none."""
    channel = as_object(body.get("channel"))
    candidate = body.get("leg_id") if kind == "leg:status:update" else channel.get("id") or body.get("rtc_id")
    return candidate if isinstance(candidate, str) else None


def webhook_form(listed: Json, conversation_id: str, application_id: str) -> Json:
    """Turn an event of the list into the body of its webhook; the facts stay."""
    event: Json = {
        "type": listed["type"],
        "id": listed["id"],
        "conversation_id": conversation_id,
        "application_id": application_id,
    }
    event |= {name: value for name, value in listed.items() if name not in {"_links", "href"} and name not in event}
    body = event.get("body")
    if isinstance(body, dict):
        respell = _SPELLINGS.get(listed["type"])
        if respell is not None:
            respell(body, event)
    user = as_object(as_object(event.get("_embedded")).get("from_user"))
    if user.get("display_name", "") is None:
        del user["display_name"]
    return event


def as_int(value: object) -> Any:
    """Return a whole number for its text; anything else as it is."""
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 19 else value


def _hangup(body: Json, event: Json) -> None:
    del event
    reason, bandwidth = as_object(body.get("reason")), as_object(body.get("bandwidth"))
    if "sip_code" in reason:
        reason["sip_code"] = as_int(reason["sip_code"])
    for name in ("in", "out"):
        if f"byte_{name}" in bandwidth:
            bandwidth[f"bytes_{name}"] = bandwidth.pop(f"byte_{name}")


def _leg(body: Json, event: Json) -> None:
    del event
    body.pop("state", None)
    for name in ("statusHistory", "status_history"):
        history = body.get(name)
        for entry in [history] if isinstance(history, dict) else history if isinstance(history, list) else []:
            as_object(entry).pop("state", None)


def _billed(body: Json, event: Json) -> None:
    del event
    body.pop("state", None)


def _answer(body: Json, event: Json) -> None:
    """Put the flags of rtc:answer beside the body."""
    for name in ("isFromMB", "isFromMb", "is_from_mb"):
        if name in body:
            event["isFromMB"] = body.pop(name)
    if "session_destination" in body:
        event["session_destination"] = body.pop("session_destination")


def _receipt(body: Json, event: Json) -> None:
    del event
    for name in ("event_id", "original_event_id"):
        if name in body:
            body[name] = as_int(body[name])


def _asr(body: Json, event: Json) -> None:
    del event
    asr = as_object(body.get("asr"))
    for name in ("error", "results", "result"):
        if asr.get(name) in ("", []):
            asr[name] = None


def _record(body: Json, event: Json) -> None:
    del event
    for name in ("mulitrack", "multi_track"):
        if name in body:
            body["multitrack"] = body.pop(name)


def _dtmf(body: Json, event: Json) -> None:
    del event
    if "dtmf_seq" in body:
        body["dtmf_id"] = body.pop("dtmf_seq")


def _mute(body: Json, event: Json) -> None:
    del body
    event.setdefault("to", "")


_SPELLINGS: dict[str, Callable[[Json, Json], None]] = {
    "sip:hangup": _hangup, "rtc:hangup": _hangup, "leg:status:update": _leg, "sip:status": _billed,
    "rtc:answer": _answer, "message:submitted": _receipt, "message:delivered": _receipt, "message:seen": _receipt,
    "message:rejected": _receipt, "message:undeliverable": _receipt, "member:message:status": _receipt,
    "event:delete": _receipt, "audio:record:done": _receipt, "audio:asr:done": _asr, "audio:record": _record,
    "audio:dtmf": _dtmf, "audio:mute:on": _mute, "audio:mute:off": _mute,
}  # fmt: skip


def _vary(event: Json, dice: Dice) -> None:
    """Write an event in one of the other ways that webhooks have been seen in (live contract 10)."""
    way = dice.pick(("text_id", "params", "no_member", "state", "unknown", "null_from", "no_body"))
    if way == "text_id":
        event["id"] = str(event["id"])
    elif way == "params":
        event["params"] = {"trace": {"Key": 1}}
    elif way == "no_member":
        as_object(event.get("_embedded")).pop("from_member", None)
    elif way == "state":
        event["state"] = None
    elif way == "unknown":
        event["x_unknown"] = {"since": "v3", "List": [1, None]}
    elif way == "null_from":
        event.setdefault("from", None)
    elif event["type"] == "member:media":
        del event["body"]


__all__ = ["FINAL", "as_int", "leg_of", "listed_messages", "webhook_form", "written_message"]
