"""How planted causes act on a conversation. They have dice of their own: without them nothing else changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from conv_analytics.sandbox.world.clock import HOUR_MS, to_ms
from conv_analytics.sandbox.world.people import People, User

if TYPE_CHECKING:
    from collections.abc import Mapping

    from conv_analytics.sandbox.world.causes import Cause
    from conv_analytics.sandbox.world.dice import Dice
    from conv_analytics.sandbox.world.legs import Leg
    from conv_analytics.sandbox.world.routes import Route
    from conv_analytics.sandbox.world.story import Story

#: Share of the legs, attempts or calls at its place that a cause makes bad.
SHARES = {"loss": 0.6, "one_way": 0.4, "dead_air": 0.3, "cliff": 0.35, "busy_hour": 0.85, "muted": 0.5}
#: What `quality.measure` is told of a bad leg.
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
class Plot:
    """The causes that hold for one conversation."""

    dice: Dice
    causes: Mapping[str, Cause]
    clean: bool
    """Whether the bad routes that are built in are as good as others."""
    began_ms: int

    def on(self, kind: str, network: str) -> bool:
        """Decide whether a cause makes something on this network bad."""
        return self._here(kind, network) and self.dice.chance(SHARES[kind])

    def fault(self, network: str) -> str:
        """Decide how a leg on this network is bad; "" when no cause makes it so."""
        return next((fault for kind, fault in FAULTS.items() if self.on(kind, network)), "")

    def unanswered(self, route: Route) -> bool:
        """Decide whether an attempt gets no answer because of where it goes."""
        cause = self.causes.get("mix_shift")
        return cause is not None and cause.network_code == route.network and self.dice.chance(UNANSWERED)

    def cut(self, legs: list[Leg]) -> int | None:
        """Decide whether the call is cut, and when [ms]."""
        for leg in legs:
            if leg.kind == "phone" and leg.answered_at is not None and self.on("cliff", leg.route.network):
                return leg.answered_at + CLIFF_MS + self.dice.between(-CLIFF_SPREAD_MS, CLIFF_SPREAD_MS)
        return None

    def speak_muted(self, story: Story, legs: list[Leg]) -> None:
        """Let an agent speak while muted, if that is one who does."""
        cause = self.causes.get("muted")
        for leg in legs if cause is not None else ():
            assert cause is not None
            member = leg.member
            if member is None or not member.user.agent:
                continue
            own = member.user.id == cause.user_id
            if self.dice.chance(SHARES["muted"] if own else MUTED_ELSEWHERE):
                channel = {"channel": leg.channel}
                story.event("audio:mute:on", member, {"rtc_id": leg.id})
                for _ in range(self.dice.between(1, 3)):
                    story.now += self.dice.between(400, 2500)
                    story.event("audio:speaking:on", member, channel)
                    story.now += self.dice.between(900, 4000)
                    story.event("audio:speaking:off", member, channel)
                story.now += self.dice.between(300, 1500)
                story.event("audio:mute:off", member, {"rtc_id": leg.id})

    def crowd(self, people: People) -> People:
        """Give the people who call and answer in this conversation."""
        return Crowd(people, self)

    def drawn_network(self) -> str | None:
        """Decide which cause's network the next customer comes from; None for anybody."""
        for kind, cause in self.causes.items():
            if cause.network_code is None or not self._now(cause):
                continue
            more = {"busy_hour": MORE_AT_BUSY_HOUR, "mix_shift": MORE_AFTER_SHIFT}.get(kind, MORE_CALLS)
            if self.dice.chance(more):
                return cause.network_code
        return None

    def _here(self, kind: str, network: str) -> bool:
        cause = self.causes.get(kind)
        return cause is not None and cause.network_code == network and self._now(cause)

    def _now(self, cause: Cause) -> bool:
        since = cause.since is None or self.began_ms >= to_ms(cause.since)
        return since and (not cause.hours or self.began_ms // HOUR_MS % 24 in cause.hours)


class Crowd(People):
    """The same people, of whom some call more often."""

    def __init__(self, people: People, plot: Plot) -> None:
        """Share the people that were made already."""
        self.__dict__.update(people.__dict__)
        self._plot = plot

    def agent(self, dice: Dice) -> User:
        """Draw somebody who answers calls."""
        drawn, cause = super().agent(dice), self._plot.causes.get("muted")
        if cause is not None and self._plot.dice.chance(MORE_FOR_AGENT):
            return next(user for user in map(self.user, range(self.agents)) if user.id == cause.user_id)
        return drawn

    def customer(self, dice: Dice) -> User:
        """Draw somebody outside."""
        drawn, network = super().customer(dice), self._plot.drawn_network()
        for _ in range(_TRIES):
            if network is None or drawn.route.network == network:
                break
            drawn = super().customer(self._plot.dice)
        return drawn


__all__ = ["Crowd", "Plot"]
