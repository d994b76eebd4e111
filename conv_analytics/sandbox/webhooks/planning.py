"""Which webhooks a world sends, in which form and order: repeated, dropped, late, out of order, badly signed."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypedDict
from urllib.parse import quote, urlencode

from conv_analytics.sandbox.webhooks.delivery import Deliveries, Delivery
from conv_analytics.sandbox.webhooks.messages import Json, Message, compact
from conv_analytics.sandbox.webhooks.rtc import listed_messages
from conv_analytics.sandbox.webhooks.signing import SIGNINGS, Signer, Signing
from conv_analytics.sandbox.webhooks.unlisted import unlisted_messages
from conv_analytics.sandbox.webhooks.voice import voice_messages
from conv_analytics.sandbox.world.dice import Dice

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from conv_analytics.sandbox.world.world import World

JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
BOM = b"\xef\xbb\xbf"
#: A second attempt comes at most this long after the first. [ms]
LAST_REPEAT_MS = 30_000
#: Share of the requests in an irregular form, with quirks.
ODD_FORMS = 0.15


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryPlan:
    """How webhooks are sent. Shares are from 0 to 1; the seed draws which ones they fall on."""

    shuffle: bool | float = False
    """True: in any order; a number: each up to so many seconds late, so that neighbours swap."""
    duplicates: float = 0.0
    """Share that is sent twice."""
    drop: float = 0.0
    """Share that is never sent."""
    rtc: bool = True
    voice: bool = True
    unlisted: bool = True
    """Whether RTC events that no list has are sent, too."""
    get: float = 0.0
    """Share of the Voice events that are sent as GET."""
    signing: Signing | Mapping[Signing, float] = field(default_factory=dict)
    """How all are signed, or the shares that are signed otherwise than right."""
    quirks: bool | None = None
    """Whether bodies come in irregular forms; as the world when None."""
    transient_only: bool = False
    """Whether only the events of transient conversations are sent."""
    ordinals: tuple[int, ...] | None = None
    """The conversations whose events are sent; all when None."""
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        for name in ("duplicates", "drop", "get"):
            if not 0 <= getattr(self, name) <= 1:
                message = f"{name} is {getattr(self, name)}; it must be from 0 to 1"
                raise ValueError(message)
        for how in (self.signing,) if isinstance(self.signing, str) else self.signing:
            if how not in SIGNINGS:
                message = f"no way to sign is called {how!r}; known are {', '.join(SIGNINGS)}"
                raise ValueError(message)


class PlanOptions(TypedDict, total=False):
    """The fields of a `DeliveryPlan` as keyword arguments."""

    shuffle: bool | float
    duplicates: float
    drop: float
    rtc: bool
    voice: bool
    unlisted: bool
    get: float
    signing: Signing | Mapping[Signing, float]
    quirks: bool | None
    transient_only: bool
    ordinals: tuple[int, ...] | None
    seed: int


def messages(
    world: World, ordinal: int, application_id: str, plan: DeliveryPlan, ttl_hours: float | None
) -> list[Message]:
    """Write all that the platform has to say about a conversation, oldest first."""
    conversation = world.conversation(ordinal)
    made: list[Message] = []
    if plan.rtc:
        made += listed_messages(world, conversation, application_id)
        if plan.unlisted:
            made += unlisted_messages(world, conversation, application_id, ttl_hours)
    if plan.voice:
        made += voice_messages(world, conversation)
    return sorted(made, key=lambda message: message.at)


def plan_deliveries(
    world: World, signer: Signer, plan: DeliveryPlan, now: float, ttl_hours: float | None = None
) -> Deliveries:
    """Return the requests that the platform sends of a world, in the order of sending, signed at an instant [s]."""
    planner, placed = _Planner(world, signer, plan, now), list[tuple[float, Delivery]]()
    for ordinal in range(world.size) if plan.ordinals is None else plan.ordinals:
        if not plan.transient_only or world.is_transient(ordinal):
            placed += planner.conversation(ordinal, ttl_hours)
    placed.sort(key=lambda pair: pair[0])
    return Deliveries(delivery for _, delivery in placed)


@dataclass(slots=True)
class _Planner:
    """Turns events into requests, each with its place in the order."""

    world: World
    signer: Signer
    plan: DeliveryPlan
    now: float

    def conversation(self, ordinal: int, ttl_hours: float | None) -> Iterator[tuple[float, Delivery]]:
        # What is lost or late does not depend on the form that requests have.
        fate, form = (Dice(self.plan.seed, self.world.seed, name, ordinal) for name in ("fate", "form"))
        for message in messages(self.world, ordinal, self.signer.application_id, self.plan, ttl_hours):
            yield from self._attempts(message, fate, form, transient=self.world.is_transient(ordinal))

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
        place = spread if plan.shuffle is True else message.at + 1000 * spread * plan.shuffle
        first = Delivery(
            interface=message.interface,
            method=form.method,
            query=form.query,
            headers=self._headers(form, how),
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
            dropped=dropped,
            signing=how,
        )
        yield place, first
        if twice and not dropped:
            later = place + again * (1 - place if plan.shuffle is True else LAST_REPEAT_MS)
            yield later, replace(first, headers=self._headers(form, how), repeated=True)

    def _headers(self, form: Form, how: Signing) -> dict[str, str]:
        return {**form.headers, **self.signer.headers(form.body, form.query, self.now, how)}

    def _form(self, message: Message, dice: Dice) -> Form:
        plan = self.plan
        if message.interface == "voice" and dice.chance(plan.get):
            return Form("GET", parameters(message.event), {}, b"", dice.pick(("signed", "nested_hash")))
        quirks = self.world.quirks if plan.quirks is None else plan.quirks
        if quirks and dice.chance(ODD_FORMS):
            return odd_form(message, dice)
        return Form("POST", "", dict(JSON), compact(message.event))

    def _signing(self, form: Form, dice: Dice) -> Signing:
        if isinstance(self.plan.signing, str):
            return self.plan.signing
        left = dice.uniform()
        for how, share in self.plan.signing.items():
            left -= share
            if left < 0:
                return how
        return form.signing


# -- forms


@dataclass(slots=True)
class Form:
    """How a request carries its event."""

    method: str
    query: str
    headers: dict[str, str]
    body: bytes
    signing: Signing = "signed"


def odd_form(message: Message, dice: Dice) -> Form:
    """Write a request in a form that is not the usual one (contract 3.1, L24, L37)."""
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


__all__ = ["DeliveryPlan", "PlanOptions", "messages", "parameters", "plan_deliveries", "texts"]
