"""Events with one cell that can not be read, made on purpose."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import msgspec

from conv_analytics.sandbox.world.render import LONE_SURROGATE

if TYPE_CHECKING:
    from conv_analytics.sandbox.world.dice import Dice
    from conv_analytics.sandbox.world.records import Event

Json = dict[str, Any]
HUGE = msgspec.Raw(b"9223372036854775808123")


def _set(event: Event, path: tuple[str, ...], value: object, *facts: str) -> None:
    event.body = deepcopy(event.body)
    inner = event.body
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    event.facts = {name: fact for name, fact in event.facts.items() if name not in facts}


def _break_hangup(event: Event, dice: Dice) -> str:
    ways: list[tuple[str, tuple[str, ...], object, str]] = [
        ("sip_code", ("reason", "sip_code"), "not a code", "sip_code"),
    ]
    if "quality" in event.body:
        ways += [
            ("mos_score", ("quality", "mos_score"), "n/a", "mos"),
            ("packet_cnt", ("quality", "packet_cnt"), {"x": 1}, "packet_cnt"),
            ("huge_integer", ("quality", "flaw_total"), HUGE, "flaw_total"),
            ("byte_in", ("bandwidth", "byte_in"), [], "byte_in"),
        ]
    kind, path, value, fact = dice.pick(ways)
    _set(event, path, value, fact)
    return kind


def _break_record(event: Event, dice: Dice) -> str:
    if dice.chance(0.5):
        _set(event, ("duration",), "soon", "duration_s")
        return "duration"
    _set(event, ("price",), "free", "price")
    return "price"


def break_cell(event: Event, dice: Dice) -> str | None:  # noqa: PLR0911 - one return per kind of damage
    """Break one cell of an event and take it out of the facts; returns the kind of damage.

    Kinds: sip_code, mos_score, packet_cnt, huge_integer, byte_in, duration, price, history, results,
    lone_surrogate (a text with half an emoji), timestamp, without_id. None: nothing here can break (deleted).
    """
    if event.deleted:
        return None
    if event.type in {"sip:hangup", "rtc:hangup"} and dice.chance(0.8):
        return _break_hangup(event, dice)
    if event.type in {"sip:status", "rtc:status"} and dice.chance(0.8):
        return _break_record(event, dice)
    if event.type == "leg:status:update" and dice.chance(0.6):
        _set(event, ("statusHistory",), "lost", "history")
        return "history"
    if event.type == "audio:asr:done" and dice.chance(0.6):
        _set(event, ("asr", "results"), {"word": 3}, "alternatives")
        return "results"
    if event.body.get("message_type") == "text" and event.type == "message":
        _set(event, ("text",), LONE_SURROGATE)
        return "lone_surrogate"
    return dice.weighted((("timestamp", 2), ("without_id", 1)))


def finish(whole: Json, kind: str) -> Json:
    """Break the envelope itself, for the kinds that live there."""
    if kind == "timestamp":
        whole["timestamp"] = "yesterday"
    if kind == "without_id":
        return {"type": whole["type"]}
    return whole
