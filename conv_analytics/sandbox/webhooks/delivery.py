"""A signed request as a value, and a list of them with the legs that they are about."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from conv_analytics.sandbox.webhooks.messages import Interface, Json
from conv_analytics.sandbox.webhooks.signing import RIGHT, Signing

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One request of the platform to a webhook. Its repr shows neither headers nor body."""

    interface: Interface
    method: str
    query: str
    """Parameters of a GET request; empty for POST."""
    headers: dict[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    event: Json = field(repr=False)
    """The content of the request, whatever its form."""
    kind: str
    """The type of an RTC event; the status of a Voice event, or its kind without one: record, transcription, input,
    transfer, notify, error."""
    at: datetime
    """When the event happened, which is not when it is sent."""
    conversation_id: str
    """The conversation that it belongs to, also when the request does not say so."""
    event_id: int | None
    leg_id: str | None
    listed: bool
    """Whether the conversation's list of events has the event, too."""
    transient: bool
    """Whether its conversation is a transient one."""
    begins_leg: bool
    ends_leg: bool
    dropped: bool = False
    """Whether it is never sent."""
    repeated: bool = False
    """Whether it was sent before."""
    signing: Signing = "signed"

    @property
    def path(self) -> str:
        """The path below a receiver's base URL, with the query."""
        return f"/{self.interface}?{self.query}" if self.query else f"/{self.interface}"

    @property
    def is_right(self) -> bool:
        """Whether a receiver must accept its signature."""
        return self.signing in RIGHT


class Deliveries(list[Delivery]):
    """Deliveries in the order in which they are sent, the dropped ones among them."""

    @property
    def sent(self) -> list[Delivery]:
        """Those that are sent."""
        return [each for each in self if not each.dropped]

    @property
    def accepted(self) -> list[Delivery]:
        """Each event that arrives, once, if receivers accept only valid signatures."""
        return [each for each in self if not each.dropped and not each.repeated and each.is_right]

    @property
    def begun(self) -> frozenset[str]:
        """Ids of the legs that get a row from some event that arrives."""
        return legs(each for each in self.accepted if each.begins_leg)

    @property
    def ended(self) -> frozenset[str]:
        """Ids of the legs whose end arrives: a hangup, or a last status."""
        return legs(each for each in self.accepted if each.ends_leg)


def legs(deliveries: Iterable[Delivery]) -> frozenset[str]:
    """Return the legs that deliveries are about."""
    return frozenset(each.leg_id for each in deliveries if each.leg_id is not None)


__all__ = ["Deliveries", "Delivery"]
