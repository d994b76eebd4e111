"""Irregular spellings of the parts that many records share: instants, flags, media, channels (contract 9)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from conv_analytics.sandbox.world.dice import Dice

Json = dict[str, Any]
FRACTION_AT = 19


def restamp(text: str, dice: Dice) -> str:
    """Write the same instant with 0, 1, 2, 3 or 6 fraction digits and `Z` or `+00:00` (contract 9 #43)."""
    if len(text) <= FRACTION_AT:
        return text
    digits = text[FRACTION_AT:].rstrip("Z").lstrip(".")
    shortest = digits.rstrip("0")
    length = dice.pick([count for count in (0, 1, 2, 3, 6) if count >= len(shortest)])
    fraction = f".{shortest.ljust(length, '0')}" if length else ""
    return f"{text[:FRACTION_AT]}{fraction}{dice.pick(('Z', 'Z', 'Z', '+00:00'))}"


def restamp_all(instants: Json, dice: Dice) -> None:
    """Respell every instant of an object."""
    for name, text in instants.items():
        if isinstance(text, str):
            instants[name] = restamp(text, dice)


def odd_flag(part: Json, dice: Dice) -> None:
    """Write is_system / isSystem in the other spelling, as a text or a number (contract 9 #8)."""
    for name in ("is_system", "isSystem"):
        if name in part:
            value = bool(part.pop(name))
            words: tuple[object, ...] = (value, "true" if value else "false", int(value))
            part[dice.pick(("is_system", "isSystem"))] = dice.pick(words)
            return


def odd_media(media: Json, dice: Dice) -> None:
    """Write media.audio as an object with the three flags (contract 9 #22)."""
    if dice.chance(0.6):
        media["audio"] = dict(media.get("audio_settings", {}))


def _rename(item: Json, old: str, new: str) -> None:
    if old in item:
        item[new] = item.pop(old)


def odd_channel(channel: Json, dice: Dice) -> None:
    """Write a channel in one of its other forms (contract 6.3, 9 #28, #34, #36, #46)."""
    way = dice.pick(("upper", "content", "hollow", "legs", "extra", "typos"))
    ends = [end for end in (channel.get("to"), channel.get("from")) if isinstance(end, dict)]
    if way == "upper" and isinstance(channel.get("type"), str):
        channel["type"] = channel["type"].upper()
    elif way == "content":
        for end in ends:
            _rename(end, "content_type", dice.pick(("content-type", "contentType")))
    elif way == "hollow":
        channel[dice.pick(("to", "from"))] = dice.pick(([], 7, None))
    elif way == "legs":
        channel["legs"] = dice.pick(({}, [{"leg_id": channel.get("id"), "status": "answered"}]))
        channel["leg_ids"] = dice.pick(([channel.get("id")], [{"leg_id": channel.get("id")}]))
    elif way == "typos":
        for end in ends:
            _rename(end, "username", "usenname")
        if channel.get("type") == "vbc":
            channel["type"] = "vcp"
    else:
        channel |= {"ring_timeout": 45_000, "max_length": 7_200_000, "cpa": False, "preanswer": False}
