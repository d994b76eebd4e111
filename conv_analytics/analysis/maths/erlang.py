"""The number of lines or agents that a load needs: Erlang's formulas (M30).

Offered traffic is in erlangs: busy seconds per second, or calls per hour times their seconds / 3600. Measured traffic
is carried traffic; where calls were blocked, `offered` estimates the offered traffic.

>>> trunks_needed(10, blocking=0.01)
18
"""

from __future__ import annotations

import math

from conv_analytics.errors import ConfigError

#: The search ends at this many servers: nobody has more.
_MOST = 1_000_000


def erlang_b(traffic: float, servers: int) -> float:
    """Share of calls that find all lines busy and are lost.

    Parameters
    ----------
    traffic
        Offered traffic. [erlang, >= 0]
    servers
        Lines. [>= 0]

    Returns
    -------
    float
        0..1: 1 without lines, 0 without traffic.

    Notes
    -----
    B(0) = 1, B(n) = A B(n-1) / (n + A B(n-1)): exact, and without factorials. Source: A. K. Erlang (1917);
    ITU-T E.501 for its use.

    Examples
    --------
    >>> round(erlang_b(2, 5), 8)
    0.03669725
    """
    _load(traffic)
    _check_count("servers", servers, 0)
    lost = 1.0
    for n in range(1, servers + 1):
        lost = traffic * lost / (n + traffic * lost)
    return lost


def erlang_c(traffic: float, agents: int) -> float:
    """Probability that a call has to wait, if callers wait and nobody gives up.

    Returns
    -------
    float
        0..1; 1 where agents do not exceed the traffic, as the queue then grows for ever.

    Examples
    --------
    >>> round(erlang_c(10, 14), 6)
    0.174132
    """
    lost = erlang_b(traffic, agents)
    if agents <= traffic:
        return 1.0 if traffic else 0.0
    return agents * lost / (agents - traffic * (1 - lost))


def expected_wait(traffic: float, agents: int, handling_s: float) -> float:
    """Average speed of answer (ASA), over all calls, in seconds.

    Infinite where agents do not exceed the traffic.

    Examples
    --------
    >>> round(expected_wait(10, 14, handling_s=180), 3)
    7.836
    """
    _positive("handling_s", handling_s)
    waits = erlang_c(traffic, agents)
    return waits * handling_s / (agents - traffic) if agents > traffic else (math.inf if traffic else 0.0)


def expected_service_level(traffic: float, agents: int, *, within_s: float, handling_s: float) -> float:
    """Share of calls answered within some seconds, 0..1.

    Examples
    --------
    >>> round(expected_service_level(10, 14, within_s=20, handling_s=180), 6)
    0.88835
    """
    _positive("handling_s", handling_s)
    if within_s < 0:
        raise ConfigError(f"within_s={within_s} is not a time: it must be 0 or more.")
    if agents <= traffic:
        return 0.0 if traffic else 1.0
    return 1 - erlang_c(traffic, agents) * math.exp(-(agents - traffic) * within_s / handling_s)


def trunks_needed(traffic: float, *, blocking: float = 0.01) -> int:
    """The smallest number of lines that lose no more than a share of calls.

    Parameters
    ----------
    traffic
        Offered traffic in the busy hour. [erlang]
    blocking
        Share that may be lost; 0.01 to 0.02 is usual.

    Examples
    --------
    >>> trunks_needed(100, blocking=0.01)
    117
    """
    _load(traffic)
    if not 0 < blocking < 1:
        raise ConfigError(f"blocking={blocking} is not a share of calls: it must be between 0 and 1, such as 0.01.")
    lost, n = 1.0, 0
    while lost > blocking and n < _MOST:
        n += 1
        lost = traffic * lost / (n + traffic * lost)
    return n


def agents_needed(traffic: float, *, handling_s: float, within_s: float = 20.0, target: float = 0.8) -> int:
    """The smallest number of agents that answer a share of calls in time, if nobody gives up or pauses.

    Parameters
    ----------
    traffic
        Offered traffic. [erlang]
    handling_s
        Time per call, including after-call work. [s]
    within_s, target
        80 % within 20 s by default.

    Examples
    --------
    >>> agents_needed(10, handling_s=180)
    14
    """
    _load(traffic)
    _positive("handling_s", handling_s)
    if not 0 < target < 1:
        raise ConfigError(f"target={target} is not a share of calls: it must be between 0 and 1, such as 0.8.")
    n, lost = 0, 1.0
    while n < _MOST:
        if n > traffic or not traffic:
            waits = n * lost / (n - traffic * (1 - lost)) if traffic else 0.0
            if 1 - waits * math.exp(-(n - traffic) * within_s / handling_s) >= target:
                break
        n += 1
        lost = traffic * lost / (n + traffic * lost)
    return n


def offered(carried: float, servers: int) -> float:
    """Offered traffic, from the carried traffic and the number of lines; infinite if all were always busy.

    Examples
    --------
    >>> round(offered(10 * (1 - erlang_b(10, 10)), 10), 6)
    10.0
    """
    _load(carried)
    _check_count("servers", servers, 0)
    if carried >= servers:
        if carried > servers:
            raise ConfigError(f"{servers} lines cannot carry {carried} erlangs.")
        return math.inf if servers else 0.0
    low, high = carried, max(2 * carried, 1.0)
    while high * (1 - erlang_b(high, servers)) < carried:
        high *= 2
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if middle * (1 - erlang_b(middle, servers)) < carried else (low, middle)
    return (low + high) / 2


def _load(traffic: float) -> None:
    if not (math.isfinite(traffic) and traffic >= 0):
        raise ConfigError(f"{traffic} is not traffic: it must be 0 erlangs or more.")


def _check_count(name: str, value: int, least: int) -> None:
    if not least <= value <= _MOST or value != int(value):
        raise ConfigError(f"{name}={value} is not a number of lines or agents.")


def _positive(name: str, value: float) -> None:
    if not (math.isfinite(value) and value > 0):
        raise ConfigError(f"{name}={value} is not a time: it must be above 0.")


__all__ = [
    "agents_needed",
    "erlang_b",
    "erlang_c",
    "expected_service_level",
    "expected_wait",
    "offered",
    "trunks_needed",
]
