"""What a mark of a timeline is called, and the few words beside it. Contents of messages stay out of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from conv_analytics.analysis.dialogue.events import Happening
from conv_analytics.analysis.entities.sip import CODES

_MESSAGE_STATUSES = ("submitted", "delivered", "seen", "rejected", "undeliverable")
#: Below this a number of bytes is shown as it is.
_KB = 1000


def mark(one: Happening) -> tuple[str, str]:
    """Kind of the mark that an event is, and its words.

    >>> mark(Happening(1, "audio:dtmf", 0, None, None, told={"digits": "5"}))
    ('dtmf', 'digit 5')
    >>> mark(Happening(1, "sip:hangup", 0, None, None, told={"sip_code": 486, "reason_code": "REMOTE_BUSY"}))
    ('hangup', '486 busy (REMOTE_BUSY)')
    """
    what, words = _MARKS.get(one.type, ("event", _other))
    return what, words(one)


def members_words(one: Happening) -> str:
    """The words of a member's change."""
    reason = one.text("reason_text") or one.text("reason_code")
    return f"{one.type.partition(':')[2]}{f': {reason}' if reason else ''}"


def _message(one: Happening) -> str:
    kind = one.text("message_type") or "message"
    if one.text("deleted_at"):
        return f"{kind}, deleted"
    return f"{kind}, {_many(len(str(one.get('text') or '')), 'character')}" if kind == "text" else kind


def _status(one: Happening) -> str:
    state = one.type.partition(":")[2]
    words = state if state in _MESSAGE_STATUSES else "channel's status"
    of = one.text("message_event_id")
    error = one.text("error_detail") or one.text("error_title")
    return f"{words}{f': message {of}' if of else ''}{f', {error}' if error else ''}"


def _digits(one: Happening) -> str:
    digits = one.text("digits") or "unknown"
    return f"digit {digits}" if len(digits) == 1 else f"digits {digits}"


def _speech(one: Happening) -> str:
    error = one.text("asr_error")
    if one.type == "audio:asr:record:done":
        return f"speech kept{_size(one, 'asr_size_bytes')}"
    heard = one.get("heard") or _listed(one)
    sure = one.number("confidence") if "confidence" in one.told else _confidence(one)
    if heard:
        return f"speech{f', {sure:.0%} sure' if sure else ''}"
    return f"no speech: {error or one.text('asr_timeout_reason') or 'no reason given'}"


def _listed(one: Happening) -> list[Any]:
    asr = one.body.get("asr") if isinstance(one.body, dict) else None
    found = (asr.get("results") or asr.get("result")) if isinstance(asr, dict) else None
    return found if isinstance(found, list) else []


def _confidence(one: Happening) -> float | None:
    first = next(iter(_listed(one)), None)
    try:
        return float(first["confidence"]) if isinstance(first, dict) else None
    except (KeyError, TypeError, ValueError):
        return None


def _hangup(one: Happening) -> str:
    code, reason = one.number("sip_code"), one.text("reason_code") or one.text("reason_text")
    said = "hangup" if code is None else f"{code:.0f} {_meaning(int(code))}".rstrip()
    return f"{said}{f' ({reason})' if reason else ''}"


def _meaning(code: int) -> str:
    return {"answered": "normal end"}.get(CODES[code].outcome, CODES[code].outcome.replace("_", " ")) if (
        code in CODES
    ) else ""  # fmt: skip


def _leg(one: Happening) -> str:
    reason = one.text("reason")
    return f"leg {one.text('status') or 'changed'}{f': {reason}' if reason and reason != 'ok' else ''}"


def _billed(one: Happening) -> str:
    seconds, price = one.number("duration_s"), one.number("price")
    words = [one.text("status") or "billed"]
    words += [] if seconds is None else [f"{seconds:.0f} s billed"]
    words += [] if price is None else [f"price {price:g} {one.text('currency') or ''}".rstrip()]
    return ", ".join(words)


def _step(one: Happening) -> str:
    return " ".join(filter(None, (one.type.partition(":")[2], one.text("direction"))))


def _machine(one: Happening) -> str:
    sure = one.number("machine_confidence")
    return f"{one.text('machine_type') or 'unknown'}{'' if sure is None else f', {sure:.0f} % sure'}"


def _media(one: Happening) -> str:
    words = [f"audio {'on' if on else 'off'}" for on in (one.get("audio_connected"),) if isinstance(on, bool)]
    words += [name for name in ("muted", "earmuffed") if one.get(name) is True]
    return ", ".join(words) or "media changed"


def _transfer(one: Happening) -> str:
    source = one.text("transferred_from")
    return f"transferred{f' from {source}' if source else ''}"


def _kept(one: Happening) -> str:
    return f"recording ready{_size(one, 'size_bytes')}"


def _size(one: Happening, name: str) -> str:
    size = one.number(name)
    if size is None:
        return ""
    return f", {size:.0f} B" if size < _KB else f", {size / _KB:.0f} kB"


def _deleted(one: Happening) -> str:
    of = one.text("message_event_id") or (one.body.get("event_id") if isinstance(one.body, dict) else None)
    return f"deleted: message {of}" if of else "message deleted"


def _other(one: Happening) -> str:
    return one.type.replace(":", " ") or "event without a type"


def _many(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


_MARKS: dict[str, tuple[str, Callable[[Happening], str]]] = {
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
    "audio:record:done": ("event", _kept),
    "event:delete": ("event", _deleted),
}

__all__ = ["mark", "members_words"]
