"""When an envelope says that it was received: an ISO 8601 text, seconds since 1970, or MongoDB's form of either."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from conv_analytics.resources.cells import Unreadable, instant

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: The years 2000 to 2099. [s]
_FROM_S, _UNTIL_S = 946_684_800, 4_102_444_800
#: Seconds, milliseconds, microseconds and nanoseconds: a number of one is none of another, in these years.
_PER_SECOND = (1, 10**3, 10**6, 10**9)
#: MongoDB's extended JSON.
_WRAPPERS = ("$date", "$numberLong")


def received_instant(raw: bytes) -> datetime | None:
    """An instant of an envelope, from its JSON; None where it cannot be read.

    >>> for raw in (b'"2026-11-20T09:15:00Z"', b"1795166100", b'{"$date": {"$numberLong": "1795166100000"}}', b'"now"'):
    ...     print(received_instant(raw))
    2026-11-20 09:15:00+00:00
    2026-11-20 09:15:00+00:00
    2026-11-20 09:15:00+00:00
    None
    """
    try:
        return _instant(msgspec.json.decode(raw))
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError, Unreadable, ValueError):
        return None


def _instant(value: Any) -> datetime | None:
    for key in _WRAPPERS:
        if isinstance(value, dict) and len(value) == 1 and key in value:
            value = value[key]
    if isinstance(value, str) and not value.strip().replace(".", "", 1).isdecimal():
        return instant(value)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    number = float(value)
    for per_second in _PER_SECOND:
        if _FROM_S <= number / per_second < _UNTIL_S:
            return _EPOCH + timedelta(microseconds=round(number * 10**6 / per_second))
    # The basic format of ISO 8601 has digits alone: 20261120.
    return instant(value)


__all__ = ["received_instant"]
