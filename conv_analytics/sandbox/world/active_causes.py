"""How planted causes act on a conversation: decisions only, drawn from dice of their own.

A world without causes is therefore the same world, byte for byte, but for what they change.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from conv_analytics.sandbox.world.clock import HOUR_MS, to_ms
from conv_analytics.sandbox.world.people import People, User

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from conv_analytics.sandbox.world.causes import Cause
    from conv_analytics.sandbox.world.dice import Dice
    from conv_analytics.sandbox.world.routes import Route

#: Share of the legs, attempts or calls at its place that a cause makes bad.
SHARES = {"loss": 0.6, "one_way": 0.4, "dead_air": 0.3, "cliff": 0.35, "busy_hour": 0.85, "muted": 0.5}
#: The `fault` that `quality.measure` gets for a bad leg.
FAULTS = {"loss": "eight_percent", "one_way": "one_way", "dead_air": "dead_air"}
#: Share of all customers that are drawn from the place of a cause, so that it has calls enough to be seen.
MORE_CALLS, MORE_AT_BUSY_HOUR, MORE_AFTER_SHIFT, MORE_FOR_AGENT = 0.03, 0.35, 0.45, 0.05
#: How many more attempts to the network of a mix shift get no answer, at any time.
UNANSWERED = 0.75
#: Others speak while muted now and then, too.
MUTED_ELSEWHERE = 0.01
CLIFF_MS, CLIFF_SPREAD_MS = 32_000, 300
_TRIES = 200


@dataclass(slots=True)
class ActiveCauses:
    """The causes that hold for one conversation."""

    dice: Dice
    causes: Mapping[str, Cause]
    clean: bool
    """Whether the bad routes that are built in are as good as others."""
    began_ms: int

    def on(self, kind: str, network: str) -> bool:
        """Decide whether a cause makes something on this network bad."""
        return self._hits_network(kind, network) and self.dice.chance(SHARES[kind])

    def fault(self, network: str) -> str:
        """Decide how a leg on this network is bad; "" when no cause makes it so."""
        return next((fault for kind, fault in FAULTS.items() if self.on(kind, network)), "")

    def unanswered(self, route: Route) -> bool:
        """Decide whether an attempt gets no answer because of where it goes."""
        cause = self.causes.get("mix_shift")
        return cause is not None and cause.network_code == route.network and self.dice.chance(UNANSWERED)

    def cut(self, answers: Iterable[tuple[str, int]]) -> int | None:
        """Decide whether a call is cut, and when [ms]; `answers` are the networks and instants of its answered legs."""
        for network, answered_at in answers:
            if self.on("cliff", network):
                return answered_at + CLIFF_MS + self.dice.between(-CLIFF_SPREAD_MS, CLIFF_SPREAD_MS)
        return None

    def speaks_muted(self, user: User) -> bool:
        """Decide whether an agent speaks while muted in this call."""
        cause = self.causes.get("muted")
        if cause is None or not user.agent:
            return False
        return self.dice.chance(SHARES["muted"] if user.id == cause.user_id else MUTED_ELSEWHERE)

    def people(self, people: People) -> People:
        """Return the people who call and answer in this conversation."""
        return SkewedPeople(people, self)

    def drawn_network(self) -> str | None:
        """Decide which cause's network the next customer comes from; None for anybody."""
        for kind, cause in self.causes.items():
            if cause.network_code is None or not self._now(cause):
                continue
            more = {"busy_hour": MORE_AT_BUSY_HOUR, "mix_shift": MORE_AFTER_SHIFT}.get(kind, MORE_CALLS)
            if self.dice.chance(more):
                return cause.network_code
        return None

    def _hits_network(self, kind: str, network: str) -> bool:
        cause = self.causes.get(kind)
        return cause is not None and cause.network_code == network and self._now(cause)

    def _now(self, cause: Cause) -> bool:
        since = cause.since is None or self.began_ms >= to_ms(cause.since)
        return since and (not cause.hours or self.began_ms // HOUR_MS % 24 in cause.hours)


class SkewedPeople(People):
    """The same people, of whom some call more often."""

    def __init__(self, people: People, causes: ActiveCauses) -> None:
        """Share the people that were made already."""
        self.__dict__.update(people.__dict__)
        self._causes = causes

    def agent(self, dice: Dice) -> User:
        """Draw an agent, who answers calls."""
        drawn, cause = super().agent(dice), self._causes.causes.get("muted")
        if cause is not None and self._causes.dice.chance(MORE_FOR_AGENT):
            return next(user for user in map(self.user, range(self.agents)) if user.id == cause.user_id)
        return drawn

    def customer(self, dice: Dice) -> User:
        """Draw a customer."""
        drawn, network = super().customer(dice), self._causes.drawn_network()
        for _ in range(_TRIES):
            if network is None or drawn.route.network == network:
                break
            drawn = super().customer(self._causes.dice)
        return drawn


__all__ = ["ActiveCauses", "SkewedPeople"]
