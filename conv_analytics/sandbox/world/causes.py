"""Causes to find: what is wrong in a world on purpose, where, since when, and what should show it.

A world has three bad routes built in (see `routes`). Further causes can be planted, each on a network or an agent that
the seed draws, so that an analysis cannot know in advance where they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from conv_analytics.sandbox.world.dice import Dice
from conv_analytics.sandbox.world.routes import ROUTES

#: Kinds that can be planted, and what each should look like in an analysis.
EXPECT: Mapping[str, str] = {
    "loss": "about 8 % of the packets lost on 6 of 10 answered legs of this network, from `since` on",
    "one_way": "no audio from 4 of 10 answered legs of this network, while they are sent audio",
    "cliff": "a third of the longer calls of this network end 32 s after the answer",
    "busy_hour": "most attempts to this network fail with 503 in these hours, and as few as elsewhere in others",
    "mix_shift": "fewer attempts are answered from `since` on, but on no network: more of them go to this one, where "
    "fewer are answered before and after",
    "muted": "this agent speaks while muted in half of the calls",
    "dead_air": "MOS 4.5 and 100 % on 3 of 10 answered legs of this network that had no packets at all",
}
KINDS = tuple(EXPECT)
_BUILT_IN = {
    "loss": "4 to 22 % of the packets lost on half of the answered legs of this network, from `since` on",
    "one_way": "no audio from a third of the answered legs of this network, while they are sent audio",
    "fails": "a third of the campaign's attempts to this network fail with 503, at any hour",
}
#: Networks that a cause can be planted on carry this much traffic; smaller ones would hide it in noise.
LEAST_WEIGHT = 6
#: A peak of the day. [UTC hours]
BUSY_HOURS = ((9, 10), (10, 11), (14, 15))


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """A label: one thing that is wrong in a world on purpose.

    Attributes
    ----------
    kind
        One of `KINDS`; of the built-in ones also ``fails``.
    expect
        The effect that an analysis should see.
    network_code
        The network it is on; None when it is an agent.
    user_id, user_name
        The agent; None when it is a network.
    hours
        The hours of the day in which it happens; all when empty. [UTC]
    since
        When it began; None when it was always there.
    built_in
        Whether it is one of the bad routes that every world has unless it is clean.
    """

    kind: str
    expect: str
    network_code: str | None = None
    user_id: str | None = None
    user_name: str | None = None
    hours: tuple[int, ...] = ()
    since: datetime | None = None
    built_in: bool = False

    @property
    def where(self) -> str:
        """The network or the agent."""
        return self.network_code or self.user_name or ""


def parse(causes: str | Iterable[str]) -> tuple[str, ...]:
    """Read kinds from text such as ``loss,one_way``, or from several texts; ``all`` is each of them.

    Raises
    ------
    ValueError
        If a kind is not known; it names those that are.

    Examples
    --------
    >>> parse("muted, loss"), parse(["cliff"]), parse("")
    (('loss', 'muted'), ('cliff',), ())
    """
    parts = causes.split(",") if isinstance(causes, str) else [str(kind) for kind in causes]
    kinds = {part.strip() for part in parts} - {""}
    if "all" in kinds:
        return KINDS
    for kind in sorted(kinds - set(KINDS)):
        message = f"{kind!r} is not a cause; known are {', '.join(KINDS)} and all"
        raise ValueError(message)
    return tuple(kind for kind in KINDS if kind in kinds)


def built_in(start: datetime, days: int) -> tuple[Cause, ...]:
    """Label the bad routes that every world has; one whose day is after the end has not happened."""
    causes = []
    for route in ROUTES:
        if route.fault and route.fault_from_day < days:
            since = start + timedelta(days=route.fault_from_day) if route.fault_from_day else None
            expect = _BUILT_IN[route.fault]
            causes.append(
                Cause(kind=route.fault, expect=expect, network_code=route.network, since=since, built_in=True)
            )
    return tuple(causes)


def planted(kinds: Iterable[str], seed: int, start_ms: int, days: int, agents: list[tuple[str, str]]) -> list[Cause]:
    """Draw where each kind is planted: no two on one network. `agents` are (user id, name)."""
    dice = Dice(seed, "causes")
    networks = dice.shuffled([route.network for route in ROUTES if not route.fault and route.weight >= LEAST_WEIGHT])
    # Every kind draws, so that a kind is at the same place whatever else is planted.
    agent, hours = dice.pick(agents), dice.pick(BUSY_HOURS)
    start = datetime.fromtimestamp(start_ms / 1000, UTC)
    middle = start + timedelta(hours=days * 12)
    places = dict(zip([kind for kind in KINDS if kind != "muted"], networks, strict=False))
    return [
        Cause(
            kind=kind,
            expect=EXPECT[kind],
            network_code=places.get(kind),
            user_id=agent[0] if kind == "muted" else None,
            user_name=agent[1] if kind == "muted" else None,
            hours=hours if kind == "busy_hour" else (),
            since=middle if kind in {"loss", "mix_shift"} else None,
        )
        for kind in KINDS
        if kind in set(kinds)
    ]


__all__ = ["EXPECT", "KINDS", "Cause", "built_in", "parse", "planted"]
