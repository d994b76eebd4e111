"""When conversations can be read: transient ones, lifetimes, and the other data centre (live contract 1)."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from conv_analytics.sandbox.world.clock import HOUR_MS, to_ms
from conv_analytics.sandbox.world.dice import Dice

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from conv_analytics.sandbox.world.call_legs import CallLeg
    from conv_analytics.sandbox.world.records import Conversation, Member
    from conv_analytics.sandbox.world.world import World

    Present = datetime | Callable[[], datetime] | None

#: A transient conversation answers until this long after its last leg's end. [ms]
TRANSIENT_REST_MS = 2000
#: No call of a world lasts longer. [ms]
LONGEST_CALL_MS = 24 * HOUR_MS


class WorldClock:
    """The world's present: what is live, over or expired.

    Without an instant the world is over: every call has ended, and lifetimes count at the world's end. Tokens and the
    dates of answers do not follow it; they follow this machine's clock.
    """

    def __init__(self, world: World, present: Present = None) -> None:
        """Take an instant, or a function that returns one."""
        self._world, self._present = world, present

    def set(self, present: Present) -> None:
        """Move the present, also while the sandbox serves."""
        self._present = present

    def running(self) -> int | None:
        """Return the present [ms], or None when the world is over."""
        present = self._present
        if present is None:
            return None
        return to_ms(present if isinstance(present, datetime) else present())

    def now(self) -> int:
        """Return the present [ms]; the world's end when it is over."""
        running = self.running()
        return self._world.end_ms if running is None else running


class Lifetimes:
    """The conversations that one data centre shows at the world's present, and how much of each."""

    def __init__(
        self, world: World, clock: WorldClock, *, ttl_hours: float | None = None, other_region: float = 0.0,
        in_other_region: bool = False,
    ) -> None:  # fmt: skip
        """Show the conversations of this data centre, or of the other one that holds the share `other_region`."""
        self._world, self.clock = world, clock
        self._ttl_ms = None if ttl_hours is None else round(ttl_hours * HOUR_MS)
        self._other_region, self._in_other_region = other_region, in_other_region

    # -- conversations

    def ordinals(self) -> Sequence[int]:
        """Return the ordinals of the conversations that can be read now, growing with their creation time."""
        running = self.clock.running()
        if running is None and self._ttl_ms is None and not self._world.transient and not self._other_region:
            return self._world.ordinals
        return [ordinal for ordinal in self._world.ordinals if self.readable(ordinal)]

    def find(self, conversation_id: str) -> int | None:
        """Find a conversation that can be read now; None when it is unknown, over or elsewhere."""
        ordinal = self._world.ordinal_of(conversation_id)
        return ordinal if ordinal is not None and self.readable(ordinal) else None

    def readable(self, ordinal: int) -> bool:
        """Whether a conversation can be listed and read now."""
        if self.is_elsewhere(ordinal) or not self.has_begun(ordinal):
            return False
        if self._world.is_transient(ordinal):
            running = self.clock.running()
            if running is None or running > self._world.head(ordinal).created + LONGEST_CALL_MS:
                return False
            return running < transient_until(self._world.legs(ordinal))
        return not self.is_expired(ordinal)

    def is_expired(self, ordinal: int) -> bool:
        """Whether a conversation that is not transient is older than the application's lifetime."""
        return self.expired_at(ordinal) is not None

    def expired_at(self, ordinal: int) -> int | None:
        """Return when a conversation expired [ms]; None when it did not, or is transient."""
        if self._ttl_ms is None or self._world.is_transient(ordinal):
            return None
        end = self._world.head(ordinal).created + self._ttl_ms
        return end if end <= self.clock.now() else None

    def has_begun(self, ordinal: int) -> bool:
        """Whether a conversation exists already; what was written through the API always does."""
        running = self.clock.running()
        return running is None or self._world.is_changed(ordinal) or self._world.head(ordinal).created <= running

    def is_elsewhere(self, ordinal: int) -> bool:
        """Whether a conversation is in the data centre that is not shown here."""
        return self.in_other_region(ordinal) != self._in_other_region

    def in_other_region(self, ordinal: int) -> bool:
        """Whether a conversation is in the other data centre."""
        if not self._other_region or ordinal >= self._world.size:
            return False
        return Dice(self._world.seed, "region", ordinal).chance(self._other_region)

    def at_present(self, conversation: Conversation) -> Conversation:
        """Return a conversation without what is still to come in it."""
        running = self.clock.running()
        if running is None or self._world.is_changed(conversation.ordinal):
            return conversation
        times = conversation.event_times
        happened = bisect_right(times, running)
        if happened == len(times):
            return conversation
        ids = conversation.event_ids[:happened]
        return replace(
            conversation,
            sequence_number=ids[-1] if ids else 0,
            members=[now for member in conversation.members if (now := _member_at(member, running)) is not None],
            event_ids=ids,
            event_types=conversation.event_types[:happened],
            event_times=times[:happened],
            rendered=conversation.rendered[:happened],
        )


def transient_until(legs: Sequence[CallLeg]) -> int:
    """Return the first instant [ms] at which a transient conversation can no longer be read."""
    return max(leg.over_at for leg in legs) + TRANSIENT_REST_MS


def _member_at(member: Member, instant: int) -> Member | None:
    """Return a member as it was at an instant [ms]; None when it did not exist."""
    invited, joined, left = (
        at if at is not None and at <= instant else None for at in (member.invited, member.joined, member.left)
    )
    if invited is None and joined is None and (member.invited is not None or member.joined is not None):
        return None
    state = "LEFT" if left is not None else "JOINED" if joined is not None else "INVITED"
    return replace(member, state=state, invited=invited, joined=joined, left=left)


__all__ = ["Lifetimes", "WorldClock", "transient_until"]
