"""Irregular Voice events: the same facts in other types and places that captures show (live contract 10)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from conv_analytics.sandbox.world.odd_parts import restamp

if TYPE_CHECKING:
    from collections.abc import Callable

    from conv_analytics.sandbox.world.dice import Dice

Json = dict[str, Any]


def _numbers(event: Json, dice: Dice) -> None:
    """Write money and duration as numbers; those that are missing as empty texts (L15)."""
    for name in ("duration", "rate", "price"):
        if event.get(name, "") is None:
            event[name] = ""
        elif event.get(name) and dice.chance(0.7):
            event[name] = int(event[name]) if name == "duration" else float(event[name])


def _call_uuid(event: Json, dice: Dice) -> None:
    """Add the other name of the leg, which is never right where both are given (L12)."""
    if "uuid" in event:
        event["call_uuid"] = dice.hex32()


def _no_prefix(event: Json, dice: Dice) -> None:
    """Write conversations without their `CON-` (L14)."""
    del dice
    if "conversation_uuid" in event:
        event["conversation_uuid"] = event["conversation_uuid"].removeprefix("CON-")


def _input(event: Json, dice: Dice) -> None:
    """Write confidences as numbers, and keys as a text with `timed_out` beside it (L16)."""
    for one in (event.get("speech") or {}).get("results", []):
        try:
            one["confidence"] = float(one["confidence"])
        except ValueError:
            continue
    dtmf = event.get("dtmf")
    if isinstance(dtmf, dict) and isinstance(dtmf["digits"], str) and dice.chance(0.6):
        event |= {"dtmf": dtmf["digits"], "timed_out": dtmf["timed_out"]}


def _extra(event: Json, dice: Dice) -> None:
    event[dice.pick(("x_unknown", "Region", "shaken"))] = {"since": "v9", "List": [1, None]}


def _headers(event: Json, dice: Dice) -> None:
    del dice
    event["headers"] = {"SipHeader_X-Queue": "vip", "User-to-User": "34;encoding=hex"}


def _stamp(event: Json, dice: Dice) -> None:
    for name in ("timestamp", "start_time", "end_time"):
        if str(event.get(name)).endswith("Z"):
            event[name] = restamp(event[name], dice)


def _hidden_caller(event: Json, dice: Dice) -> None:
    """Hide the caller's number."""
    if "from" in event:
        event["from"] = dice.pick(("Unknown", "anonymous", ""))


_WAYS: tuple[Callable[[Json, Dice], None], ...] = (
    _numbers, _numbers, _call_uuid, _no_prefix, _input, _input, _extra, _headers, _stamp, _hidden_caller,
)  # fmt: skip


def odd_voice(event: Json, dice: Dice) -> None:
    """Write a Voice event in one or two other ways; its facts stay but for a hidden number."""
    for _ in range(dice.between(1, 2)):
        dice.pick(_WAYS)(event, dice)


__all__ = ["odd_voice"]
