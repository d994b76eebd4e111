"""Which webhooks a world sends, in which form and order: repeated, dropped, late, out of order, badly signed."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypedDict

from conv_analytics.sandbox.webhooks.delivery import Deliveries, Delivery
from conv_analytics.sandbox.webhooks.forms import Form, by_get, odd_form, usual_form
from conv_analytics.sandbox.webhooks.messages import Message
from conv_analytics.sandbox.webhooks.rtc import listed_messages
from conv_analytics.sandbox.webhooks.signing import SIGNINGS, Signer, Signing
from conv_analytics.sandbox.webhooks.unlisted import unlisted_messages
from conv_analytics.sandbox.webhooks.voice import voice_messages
from conv_analytics.sandbox.world.clock import to_ms
from conv_analytics.sandbox.world.dice import Dice

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from conv_analytics.sandbox.lifetimes import Lifetimes
    from conv_analytics.sandbox.world.world import World

#: A second attempt comes at most this long after the first. [ms]
LAST_REPEAT_MS = 30_000
#: Share of the requests in an irregular form, with quirks.
ODD_FORMS = 0.15
#: Share of the Voice events by GET, with quirks.
ODD_GETS = 0.1
#: Maximum delay of requests, with quirks. [s]
LATE_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryPlan:
    """How webhooks are sent. Shares are from 0 to 1; the seed draws which ones they fall on."""

    shuffle: bool | float | None = None
    """True: in any order; a number: each up to that many seconds late, so that neighbours swap. None: in the order of
    the events, or with quirks up to 2 s late."""
    duplicates: float = 0.0
    """Share that is sent twice."""
    drop: float = 0.0
    """Share that is never sent."""
    rtc: bool = True
    voice: bool = True
    unlisted: bool = True
    """Whether RTC events that no list has are sent, too."""
    get: float | None = None
    """Share of the Voice events that are sent as GET; none when None, or with quirks a tenth."""
    signing: Signing | Mapping[Signing, float] = field(default_factory=dict)
    """How all are signed, or the shares that are signed in other ways than the right one."""
    quirks: bool | None = None
    """Whether bodies come in irregular forms; as the world when None."""
    transient_only: bool = False
    """Whether only the events of transient conversations are sent."""
    ordinals: tuple[int, ...] | None = None
    """The conversations whose events are sent; all when None."""
    since: datetime | None = None
    """Only what happened after this instant."""
    until: datetime | None = None
    """Only what happened up to this instant; up to the world's present when None, everything when it is over."""
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse invalid values."""
        for name in ("duplicates", "drop", "get"):
            share = getattr(self, name)
            if share is not None and not 0 <= share <= 1:
                message = f"{name} is {share}; it must be from 0 to 1"
                raise ValueError(message)
        for how in (self.signing,) if isinstance(self.signing, str) else self.signing:
            if how not in SIGNINGS:
                message = f"no way to sign is called {how!r}; known are {', '.join(SIGNINGS)}"
                raise ValueError(message)


class PlanOptions(TypedDict, total=False):
    """The fields of a `DeliveryPlan` as keyword arguments."""

    shuffle: bool | float | None
    duplicates: float
    drop: float
    rtc: bool
    voice: bool
    unlisted: bool
    get: float | None
    signing: Signing | Mapping[Signing, float]
    quirks: bool | None
    transient_only: bool
    ordinals: tuple[int, ...] | None
    since: datetime | None
    until: datetime | None
    seed: int


def messages(
    world: World, ordinal: int, application_id: str, plan: DeliveryPlan, lifetimes: Lifetimes | None = None
) -> list[Message]:
    """Write all messages of the platform about a conversation, oldest first."""
    conversation = world.conversation(ordinal)
    made: list[Message] = []
    if plan.rtc:
        made += listed_messages(world, conversation, application_id)
        if plan.unlisted:
            expired = None if lifetimes is None else lifetimes.expired_at(ordinal)
            made += unlisted_messages(world, conversation, application_id, expired)
    if plan.voice:
        made += voice_messages(world, conversation)
    return sorted(made, key=lambda message: message.at)


def plan_deliveries(
    world: World, signer: Signer, plan: DeliveryPlan, now: float, lifetimes: Lifetimes | None = None
) -> Deliveries:
    """Return the requests that the platform sends for a world, in the order of sending, signed at an instant [s]."""
    planner, placed = _Planner(world, signer, plan, now, lifetimes), list[tuple[float, Delivery]]()
    for ordinal in range(world.size) if plan.ordinals is None else plan.ordinals:
        if not plan.transient_only or world.is_transient(ordinal):
            placed += planner.conversation(ordinal)
    placed.sort(key=lambda pair: pair[0])
    return Deliveries(delivery for _, delivery in placed)


@dataclass(slots=True)
class _Planner:
    """Turns events into requests, each with its place in the order."""

    world: World
    signer: Signer
    plan: DeliveryPlan
    now: float
    lifetimes: Lifetimes | None
    since: float = field(init=False)
    until: float = field(init=False)
    quirks: bool = field(init=False)
    shuffle: bool | float = field(init=False)
    get: float = field(init=False)

    def __post_init__(self) -> None:
        """Turn the bounds into milliseconds, and choose what the plan leaves open."""
        plan = self.plan
        self.quirks = self.world.quirks if plan.quirks is None else plan.quirks
        self.shuffle = (LATE_S if self.quirks else False) if plan.shuffle is None else plan.shuffle
        self.get = (ODD_GETS if self.quirks else 0.0) if plan.get is None else plan.get
        since, until = self.plan.since, self.plan.until
        self.since = -math.inf if since is None else to_ms(since)
        self.until = math.inf if until is None else to_ms(until)

    def conversation(self, ordinal: int) -> Iterator[tuple[float, Delivery]]:
        # Losses and delays do not depend on the form of the requests.
        fate, form = (Dice(self.plan.seed, self.world.seed, name, ordinal) for name in ("fate", "form"))
        for message in messages(self.world, ordinal, self.signer.application_id, self.plan, self.lifetimes):
            # Messages that are not sent now are drawn for, too: a message has the same outcome whenever it is sent.
            attempts = list(self._attempts(message, fate, form, transient=self.world.is_transient(ordinal)))
            if self.since < message.at <= self.until:
                yield from attempts

    def _attempts(
        self, message: Message, fate: Dice, dice: Dice, *, transient: bool
    ) -> Iterator[tuple[float, Delivery]]:
        """Write one event as one request, or as two."""
        plan = self.plan
        dropped, twice, spread, again = (
            fate.chance(plan.drop),
            fate.chance(plan.duplicates),
            fate.uniform(),
            fate.uniform(),
        )
        form = self._form(message, dice)
        how = self._signing(form, dice)
        place = spread if self.shuffle is True else message.at + 1000 * spread * self.shuffle
        first = _delivery(message, form, self._headers(form, how), transient=transient)
        first = replace(first, dropped=dropped, signing=how)
        yield place, first
        if twice and not dropped:
            later = place + again * (1 - place if self.shuffle is True else LAST_REPEAT_MS)
            yield later, replace(first, headers=self._headers(form, how), repeated=True)

    def _headers(self, form: Form, how: Signing) -> dict[str, str]:
        return {**form.headers, **self.signer.headers(form.body, form.query, self.now, how)}

    def _form(self, message: Message, dice: Dice) -> Form:
        if message.interface == "voice" and dice.chance(self.get):
            return by_get(message, dice)
        if self.quirks and dice.chance(ODD_FORMS):
            return odd_form(message, dice)
        return usual_form(message)

    def _signing(self, form: Form, dice: Dice) -> Signing:
        if isinstance(self.plan.signing, str):
            return self.plan.signing
        left = dice.uniform()
        for how, share in self.plan.signing.items():
            left -= share
            if left < 0:
                return how
        return form.signing


def written_delivery(signer: Signer, message: Message, now: float) -> Delivery:
    """Write the webhook of a change made through the API, in the usual form."""
    form = usual_form(message)
    return _delivery(message, form, {**form.headers, **signer.headers(form.body, "", now)}, transient=False)


def _delivery(message: Message, form: Form, headers: dict[str, str], *, transient: bool) -> Delivery:
    return Delivery(
        interface=message.interface,
        method=form.method,
        query=form.query,
        headers=headers,
        body=form.body,
        event=message.event,
        kind=message.kind,
        at=datetime.fromtimestamp(message.at / 1000, UTC),
        conversation_id=message.conversation_id,
        event_id=message.event_id,
        leg_id=message.leg_id,
        listed=message.listed,
        transient=transient,
        begins_leg=message.begins_leg,
        ends_leg=message.ends_leg,
    )


__all__ = ["DeliveryPlan", "PlanOptions", "messages", "plan_deliveries", "written_delivery"]
