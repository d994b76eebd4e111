"""How a request carries its event: JSON as usual, in other forms, or as parameters (live contract 3.1, 6.6)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from conv_analytics.sandbox.webhooks.messages import Json, Message, compact

if TYPE_CHECKING:
    from conv_analytics.sandbox.webhooks.signing import Signing
    from conv_analytics.sandbox.world.dice import Dice

JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
BOM = b"\xef\xbb\xbf"


@dataclass(slots=True)
class Form:
    """How a request carries its event."""

    method: str
    query: str
    headers: dict[str, str]
    body: bytes
    signing: Signing = "signed"


def usual_form(message: Message) -> Form:
    """Write a request in the usual form."""
    return Form("POST", "", dict(JSON), compact(message.event))


def by_get(message: Message, dice: Dice) -> Form:
    """Write a request without a body; its hash is of its parameters, in one of two readings (live contract 4)."""
    return Form("GET", parameters(message.event), {}, b"", dice.pick(("signed", "nested_hash")))


def odd_form(message: Message, dice: Dice) -> Form:
    """Write a request in a form that is not the usual one (live contract 3.1; 10, no. L24 and L37)."""
    body = compact(message.event)
    forms = {
        "bom": Form("POST", "", dict(JSON), BOM + body),
        "array": Form("POST", "", dict(JSON), b"[" + body + b"]"),
        "charset": Form("POST", "", {"Content-Type": "application/json; charset=utf-8"}, body),
        "untyped": Form("POST", "", {}, body),
        "spaced": Form("POST", "", dict(JSON), json.dumps(message.event, indent=1).encode(), "compact_hash"),
    }
    if message.interface == "voice":  # an RTC event has objects within objects, of which no form was ever seen
        forms["form"] = Form("POST", "", dict(FORM), urlencode(texts(message.event)).encode())
    return forms[dice.pick(sorted(forms))]


def texts(event: Json) -> dict[str, str]:
    """Write the values of an event as the texts of parameters: objects as JSON, null as nothing (6.6)."""
    return {
        name: value if isinstance(value, str) else compact(value).decode()
        for name, value in event.items()
        if value is not None
    }


def parameters(event: Json) -> str:
    """Write an event as the query of a GET request, encoded only in part, as captures show."""
    return "&".join(f"{quote(name, safe='')}={quote(text, safe=':,')}" for name, text in texts(event).items())


__all__ = ["Form", "by_get", "odd_form", "parameters", "texts", "usual_form"]
