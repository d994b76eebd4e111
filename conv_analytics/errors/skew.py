"""Messages about a clock that is wrong."""

from __future__ import annotations

#: A smaller error is not mentioned: tokens are renewed a minute ahead. [s]
SKEW_LIMIT_S = 30.0

#: Longer times are shown as this: a server may ask for any number of years. [s]
LONGEST_S = 1e12

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def duration(seconds: float) -> str:
    """A duration in its two largest units.

    >>> duration(298.4), duration(3600), duration(0.2)
    ('4 min 58 s', '1 h', '0 s')
    """
    left, parts = round(min(abs(seconds), LONGEST_S)), []
    for size, unit in _UNITS:
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "0 s"


def clock_remark(offset_s: float) -> str:
    """A remark on how wrong this machine's clock is, given the API's minus ours [s]; empty if it is close enough.

    >>> clock_remark(298.0)
    "this machine's clock is 4 min 58 s behind the API's; set it with NTP"
    >>> clock_remark(3.0)
    ''
    """
    if abs(offset_s) < SKEW_LIMIT_S:
        return ""
    side = "behind" if offset_s > 0 else "ahead of"
    return f"this machine's clock is {duration(offset_s)} {side} the API's; set it with NTP"
