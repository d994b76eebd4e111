"""Labels of the marks of a timeline: their kind and a few words, never the text of a message."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from conv_analytics.analysis.dialogue.conversation_events import ConversationEvent, finite
from conv_analytics.analysis.entities.sip import CODES

_MESSAGE_STATUSES = ("submitted", "delivered", "seen", "rejected", "undeliverable")
#: A number of bytes below this is shown in full.
_KB = 1000


def mark(event: ConversationEvent) -> tuple[str, str]:
    """The kind of mark that an event is, and its label.

    >>> mark(ConversationEvent(1, "audio:dtmf", 0, None, None, values={"digits": "5"}))
    ('dtmf', 'digit 5')
    >>> mark(ConversationEvent(1, "sip:hangup", 0, None, None, values={"sip_code": 486, "reason_code": "REMOTE_BUSY"}))
    ('hangup', '486 busy (REMOTE_BUSY)')
    """
    what, words = _MARKS.get(event.type, ("event", _type_label))
    return what, words(event)


def member_label(event: ConversationEvent) -> str:
    """The label of a member's change."""
    reason = event.text("reason_text") or event.text("reason_code")
    return f"{event.type.partition(':')[2]}{f': {reason}' if reason else ''}"


def _message(event: ConversationEvent) -> str:
    kind = event.text("message_type") or "message"
    if event.text("deleted_at"):
        return f"{kind}, deleted"
    return f"{kind}, {_counted(len(str(event.get('text') or '')), 'character')}" if kind == "text" else kind


def _status(event: ConversationEvent) -> str:
    state = event.type.partition(":")[2]
    words = state if state in _MESSAGE_STATUSES else "channel's status"
    of = event.text("message_event_id")
    error = event.text("error_detail") or event.text("error_title")
    return f"{words}{f': message {of}' if of else ''}{f', {error}' if error else ''}"


def _digits(event: ConversationEvent) -> str:
    digits = event.text("digits") or "unknown"
    return f"digit {digits}" if len(digits) == 1 else f"digits {digits}"


def _speech(event: ConversationEvent) -> str:
    error = event.text("asr_error")
    if event.type == "audio:asr:record:done":
        return f"speech kept{_size(event, 'asr_size_bytes')}"
    heard = event.get("heard") or _listed(event)
    sure = event.number("confidence") if "confidence" in event.values else _confidence(event)
    if heard:
        return f"speech{f', {sure:.0%} sure' if sure else ''}"
    return f"no speech: {error or event.text('asr_timeout_reason') or 'no reason given'}"


def _listed(event: ConversationEvent) -> list[Any]:
    asr = event.body.get("asr") if isinstance(event.body, dict) else None
    results = (asr.get("results") or asr.get("result")) if isinstance(asr, dict) else None
    return results if isinstance(results, list) else []


def _confidence(event: ConversationEvent) -> float | None:
    first = next(iter(_listed(event)), None)
    return finite(first.get("confidence")) if isinstance(first, dict) else None


def _hangup(event: ConversationEvent) -> str:
    code, reason = event.number("sip_code"), event.text("reason_code") or event.text("reason_text")
    said = "hangup" if code is None else f"{code:.0f} {_meaning(int(code))}".rstrip()
    return f"{said}{f' ({reason})' if reason else ''}"


def _meaning(code: int) -> str:
    return {"answered": "normal end"}.get(CODES[code].outcome, CODES[code].outcome.replace("_", " ")) if (
        code in CODES
    ) else ""  # fmt: skip


def _leg(event: ConversationEvent) -> str:
    reason = event.text("reason")
    return f"leg {event.text('status') or 'changed'}{f': {reason}' if reason and reason != 'ok' else ''}"


def _billed(event: ConversationEvent) -> str:
    seconds, price = event.number("duration_s"), event.number("price")
    words = [event.text("status") or "billed"]
    words += [] if seconds is None else [f"{seconds:.0f} s billed"]
    words += [] if price is None else [f"price {price:g} {event.text('currency') or ''}".rstrip()]
    return ", ".join(words)


def _step(event: ConversationEvent) -> str:
    return " ".join(filter(None, (event.type.partition(":")[2], event.text("direction"))))


def _machine(event: ConversationEvent) -> str:
    sure = event.number("machine_confidence")
    return f"{event.text('machine_type') or 'unknown'}{'' if sure is None else f', {sure:.0f} % sure'}"


def _media(event: ConversationEvent) -> str:
    words = [f"audio {'on' if on else 'off'}" for on in (event.get("audio_connected"),) if isinstance(on, bool)]
    words += [name for name in ("muted", "earmuffed") if event.get(name) is True]
    return ", ".join(words) or "media changed"


def _transfer(event: ConversationEvent) -> str:
    source = event.text("transferred_from")
    return f"transferred{f' from {source}' if source else ''}"


def _recording_ready(event: ConversationEvent) -> str:
    return f"recording ready{_size(event, 'size_bytes')}"


def _size(event: ConversationEvent, name: str) -> str:
    size = event.number(name)
    if size is None:
        return ""
    return f", {size:.0f} B" if size < _KB else f", {size / _KB:.0f} kB"


def _deleted(event: ConversationEvent) -> str:
    of = event.text("message_event_id") or (event.body.get("event_id") if isinstance(event.body, dict) else None)
    return f"deleted: message {of}" if of else "message deleted"


def _type_label(event: ConversationEvent) -> str:
    return event.type.replace(":", " ") or "event without a type"


def _counted(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


_MARKS: dict[str, tuple[str, Callable[[ConversationEvent], str]]] = {
    "message": ("message", _message),
    **{f"message:{state}": ("message_status", _status) for state in _MESSAGE_STATUSES},
    "member:message:status": ("message_status", _status),
    "audio:dtmf": ("dtmf", _digits),
    "audio:asr:done": ("asr", _speech),
    "audio:asr:record:done": ("asr", _speech),
    "rtc:transfer": ("transfer", _transfer),
    "sip:hangup": ("hangup", _hangup),
    "rtc:hangup": ("hangup", _hangup),
    "sip:ringing": ("ringing", _step),
    "rtc:ringing": ("ringing", _step),
    "sip:answered": ("answered", _step),
    "rtc:answered": ("answered", _step),
    "leg:status:update": ("status", _leg),
    "sip:status": ("status", _billed),
    "rtc:status": ("status", _billed),
    "member:media": ("media", _media),
    "sip:machine": ("machine", _machine),
    "sip:amd_machine": ("machine", _machine),
    "audio:record:done": ("event", _recording_ready),
    "event:delete": ("event", _deleted),
}

__all__ = ["mark", "member_label"]
