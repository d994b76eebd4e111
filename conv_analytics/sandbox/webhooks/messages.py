"""One event on its way to a webhook, before it is written as a request."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

Json = dict[str, Any]
Interface = Literal["rtc", "voice"]


@dataclass(slots=True)
class Message:
    """An event of one interface. `at` is when it happened [ms]."""

    interface: Interface
    kind: str
    """The type of an RTC event; the status of a Voice event, or its kind when it has none (live contract 6.1)."""
    at: int
    event: Json
    conversation_id: str
    event_id: int | None = None
    leg_id: str | None = None
    listed: bool = False
    """Whether the conversation's list of events has it too."""
    begins_leg: bool = False
    """Whether a row of it names its leg (live contract 7.1, `covered`)."""
    ends_leg: bool = False
    """Whether it says that its leg is over."""


def compact(value: object) -> bytes:
    """Write JSON as the platform does: no white space, the order kept, UTF-8."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    try:
        return text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair can only be written as an escape
        return json.dumps(value, separators=(",", ":")).encode()


def first(of: Json, *names: str) -> Any:
    """Return the first present of several spellings; None without any."""
    return next((of[name] for name in names if name in of), None)
