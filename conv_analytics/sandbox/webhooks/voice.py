"""Voice events of a conversation: what the Voice API sends about each leg, recording and key (live contract 6)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from conv_analytics.sandbox.calls import address, money, spelled_id
from conv_analytics.sandbox.webhooks.messages import Json, Message, first
from conv_analytics.sandbox.webhooks.odd_voice import odd_voice
from conv_analytics.sandbox.webhooks.rtc import FINAL, leg_of
from conv_analytics.sandbox.wire import as_object
from conv_analytics.sandbox.world.clock import iso
from conv_analytics.sandbox.world.dice import Dice
from conv_analytics.sandbox.world.quirks import SHARE

if TYPE_CHECKING:
    from conv_analytics.sandbox.world.call_legs import CallLeg
    from conv_analytics.sandbox.world.records import Conversation
    from conv_analytics.sandbox.world.world import World

#: `detail` by the word that a leg ended with (live contract 6.3).
DETAILS = {
    "rejected": "declined", "not_found": "number_out_of_service", "forbidden": "cannot_route",
    "service_unavailable": "internal_error", "temporarily_unavailable": "unavailable",
}  # fmt: skip
#: Statuses that come with a SIP code, now and then.
CODED = frozenset({"completed", "busy", "unanswered", "rejected", "failed"})


def voice_messages(world: World, conversation: Conversation) -> list[Message]:
    """Write the Voice events of a conversation, oldest first."""
    messages: list[Message] = []
    legs = {leg.id: leg for leg in conversation.legs}
    for leg in conversation.legs:
        messages += leg_messages(world, leg)
    if legs:
        messages += _script_messages(conversation, legs)
        if world.quirks and Dice(world.seed, "odd status", conversation.id).chance(0.2):
            messages += [_status(leg, status, leg.over_at - 1) for status in ("on_hold", "success")]
    for index, message in enumerate(messages):
        dice = Dice(world.seed, "voice", conversation.id, index) if world.quirks else None
        if dice is not None:
            about = legs.get(message.leg_id or "")
            if about is not None and "uuid" in message.event:
                message.event["uuid"] = spelled_id(about)
            if dice.chance(SHARE):
                odd_voice(message.event, dice)
    return sorted(messages, key=lambda message: message.at)


# -- legs


def leg_messages(world: World, leg: CallLeg) -> list[Message]:
    """Write the life of one leg: started, ringing, answered, human or machine, an outcome, completed (6.5)."""
    dice = Dice(world.seed, "voice leg", leg.id)
    reached = dict(reversed(leg.statuses))
    messages = [_status(leg, "started", leg.began)]
    if "ringing" in reached:
        # The platform makes both at the same moment of an inbound call.
        messages.append(_status(leg, "ringing", leg.began if leg.direction == "inbound" else reached["ringing"]))
    if leg.answered_at is not None:
        messages.append(_status(leg, "answered", leg.answered_at, start_time=None, rate=None, network=None))
    if leg.machine is not None:
        messages.append(_detection(leg, *leg.machine))
    if leg.kind == "websocket":
        messages.append(_closed_socket(leg))
    final = leg.voice_status
    if final in FINAL and final != "completed":
        detail = {"detail": DETAILS[leg.reason]} if leg.reason in DETAILS else {}
        messages.append(_status(leg, final, leg.over_at, **detail, **_code(leg, final, dice)))
    if leg.reason == "service_unavailable":
        event = {"reason": "Failed to place the call", "conversation_uuid": leg.conversation_id}
        messages.append(_message("error", leg.over_at, event, leg.conversation_id, leg.id))
    if final != "rejected":
        messages.append(_completed(leg, dice))
    return messages


def _ends(leg: CallLeg) -> Json:
    """Write from and to; an app caller has a user instead of a number (6.2)."""
    caller = "from_user" if leg.from_["type"] == "app" else "from"
    return {caller: address(leg.from_), "to": address(leg.to)}


def _status(leg: CallLeg, status: str, at: int, **more: object) -> Message:
    event = {
        "headers": {}, **more, **_ends(leg), "uuid": leg.id, "conversation_uuid": leg.conversation_id,
        "status": status, "direction": leg.direction,
    }  # fmt: skip
    message = _message(status, at, event, leg.conversation_id, leg.id)
    message.begins_leg, message.ends_leg = True, status in FINAL
    return message


def _detection(leg: CallLeg, verdict: str, at: int) -> Message:
    """Write human or machine: `call_uuid`, and neither direction nor headers."""
    status = "human" if verdict == "human" else "machine"
    event = {"call_uuid": leg.id, **_ends(leg), "status": status, "conversation_uuid": leg.conversation_id}
    if verdict.startswith("beep_"):
        event["sub_state"] = verdict
    message = _message(status, at, event, leg.conversation_id, leg.id)
    message.begins_leg = True
    return message


def _closed_socket(leg: CallLeg) -> Message:
    event = {**_ends(leg), "uuid": leg.id, "conversation_uuid": leg.conversation_id, "status": "disconnected"}
    message = _message("disconnected", leg.over_at, event, leg.conversation_id, leg.id)
    message.begins_leg = True
    return message


def _completed(leg: CallLeg, dice: Dice) -> Message:
    """Write the totals; of an unanswered call they are zero, or missing."""
    more: Json = {"disconnected_by": "user" if leg.hung_up_first else "platform", **_code(leg, "completed", dice)}
    if leg.answered_at is not None or dice.chance(0.5):
        began = (leg.answered_at or leg.over_at) // 1000 * 1000
        more |= {
            "end_time": iso(began + leg.duration_s * 1000), "network": leg.network, "duration": str(leg.duration_s),
            "start_time": iso(began), "rate": money(leg.rate), "price": money(leg.price),
        }  # fmt: skip
    return _status(leg, "completed", leg.over_at + (0 if leg.answered_at else 40), **more)


def _code(leg: CallLeg, status: str, dice: Dice) -> Json:
    return {"sip_code": leg.sip_code} if status in CODED and leg.sip_code and dice.chance(0.7) else {}


# -- what the script of a call reports


def _script_messages(conversation: Conversation, legs: dict[str, CallLeg]) -> list[Message]:
    """Write recordings, inputs, notifications and transfers, from the RTC events about the same."""
    messages: list[Message] = []
    for kind, at, rendered in zip(
        conversation.event_types, conversation.event_times, conversation.rendered, strict=True
    ):
        if kind not in {"audio:record:done", "audio:asr:done", "audio:dtmf", "custom:bot-outcome", "rtc:transfer"}:
            continue
        body = as_object(json.loads(rendered).get("body"))
        leg = legs.get(leg_of(kind, body) or "")
        if kind == "audio:record:done":
            messages += _recording(conversation.id, at, body)
        elif kind == "custom:bot-outcome":
            event = {"payload": body, "conversation_uuid": conversation.id}
            messages.append(_message("notify", at + 2, event, conversation.id, None))
        elif kind == "rtc:transfer" and leg is not None:
            source = str(first(body, "transferred_from"))
            event = {"conversation_uuid_from": source, "type": "transfer", "uuid": leg.id,
                     "conversation_uuid_to": conversation.id}  # fmt: skip
            messages.append(_message("transfer", at, event, conversation.id, leg.id))
        elif leg is not None:
            heard = _speech(body) if kind == "audio:asr:done" else _keys(body)
            event = {**heard, **_ends(leg), "uuid": leg.id, "conversation_uuid": conversation.id}
            messages.append(_message("input", at + 8, event, conversation.id, leg.id))
    return messages


def _recording(conversation_id: str, at: int, body: Json) -> list[Message]:
    uuid = str(first(body, "recording_id", "record_id") or "")
    stem = str(first(body, "destination_url") or "").replace("api-eu-3.vonage.com", "api.nexmo.com")
    event = {
        "start_time": first(body, "start_time"), "recording_url": stem, "size": first(body, "size"),
        "recording_uuid": uuid, "end_time": first(body, "end_time"), "conversation_uuid": conversation_id,
    }  # fmt: skip
    text = {
        "conversation_uuid": conversation_id, "type": "record", "recording_uuid": uuid, "status": "transcribed",
        "transcription_url": f"{stem}/transcription",
    }  # fmt: skip
    transcribed = _message("transcription", at + 9000, text, conversation_id, None)
    del transcribed.event["timestamp"]  # none is documented
    return [_message("record", at + 3, event, conversation_id, None), transcribed]


def _speech(body: Json) -> Json:
    asr = as_object(body.get("asr"))
    results, speech = first(asr, "results", "result"), {"timeout_reason": first(asr, "timeout_reason")}
    if isinstance(results, list) and results:
        speech["results"] = [
            {"confidence": str(one.get("confidence")), "text": first(one, "word", "text")} for one in results
        ]
    else:
        speech["error"] = first(asr, "error") or "Speech was not recognized"
    return {"speech": speech, "dtmf": {"digits": None, "timed_out": False}}


def _keys(body: Json) -> Json:
    return {"dtmf": {"digits": first(body, "digits", "digit"), "timed_out": False}}


def _message(kind: str, at: int, event: Json, conversation_id: str, leg_id: str | None) -> Message:
    return Message("voice", kind, at, {**event, "timestamp": iso(at)}, conversation_id, leg_id=leg_id)


__all__ = ["DETAILS", "leg_messages", "voice_messages"]
