"""How a member is connected: the two ends of a channel, and the leg between them (contract 6.3).

`Channel` is what members and events carry. Each of its ends is an `Endpoint`: one record with room for every
kind of address. Reading picks the class by ``type``, so that the end of a phone call is a
`PhoneNumberChannel`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self, TypeAlias

from conv_analytics.resources.record import Json, Problem, Record, wire
from conv_analytics.resources.vocabulary import ChannelType, LegStatus


class Address(Record):
    """A type and what to reach it by, inside an endpoint that is itself a channel (contract 6.3, 7.4)."""

    type: ChannelType | str | None = wire("Kind of the address.")
    number: str | None = wire("Phone number, E.164 digits without a plus sign.")
    user: str | None = wire("Id or name of the user.")
    uri: str | None = wire("SIP or websocket address.")


class Endpoint(Record):
    """One end of a channel (contract 6.3), whatever its kind.

    Some events hold a whole member channel where an endpoint is expected (contract 7.4, ``audio:dtmf``);
    number, user and URI are then taken from inside it.

    >>> Endpoint.from_wire({"type": "phone", "number": 442079460123})
    PhoneNumberChannel(type=<ChannelType.PHONE: 'phone'>, number='442079460123')
    >>> Endpoint.from_wire({"type": "app", "from": {"type": "app"}, "to": {"user": "orla"}}).user
    'orla'
    """

    type: ChannelType | str | None = wire(
        "Kind of the endpoint; in a member's `from` possibly several, separated by commas.",
    )
    number: str | None = wire(
        "Phone number, E.164 digits without a plus sign.",
        also=("to.number", "from.number"),
    )
    user: str | None = wire("Id or name of the user.", also=("to.user", "from.user"))
    uri: str | None = wire("SIP or websocket address.", also=("to.uri", "from.uri"))
    extension: str | None = wire("Extension of Vonage Business.")
    id: str | None = wire("Id of a person within a messaging channel; the one to trust for Messenger.")
    username: str | None = wire("User name at the SIP endpoint.", also="usenname")
    password: str | None = wire("Password at the SIP endpoint.", secret=True)
    content_type: str | None = wire(
        "Audio format of the websocket, a MIME type.",
        also=("content-type", "contentType"),
    )
    headers: Json = wire("Headers sent along, verbatim.")
    from_: Address | None = wire("First end, where the endpoint is itself a channel.", key="from", loose=True)
    to: Address | None = wire("Second end, where the endpoint is itself a channel.", loose=True)

    @classmethod
    def from_wire(cls, payload: Mapping[str, Any], problems: list[Problem] | None = None, at: str = "") -> Self:
        """Read an endpoint as the class of its type."""
        endpoint = super().from_wire(payload, problems, at)
        kind = _ENDPOINTS.get(str(endpoint.type)) if cls is Endpoint else None
        if kind is None:
            return endpoint
        values = {name: getattr(endpoint, name) for name in endpoint.__dataclass_fields__}
        return kind(**values)  # type: ignore[return-value]  # a subclass of Endpoint, and cls is Endpoint

    @property
    def types(self) -> tuple[str, ...]:
        """The kinds accepted, one by one: a member's ``from`` may list several (``"app,sms"``)."""
        return tuple(part.strip() for part in str(self.type or "").split(",") if part.strip())

    @property
    def address(self) -> str | None:
        """The address of the endpoint: number, URI, user, extension or id, whichever it has."""
        return self.number or self.uri or self.user or self.extension or self.id


class PhoneNumberChannel(Endpoint):
    """A number of the public telephone network: `number` (contract 6.3)."""

    type: ChannelType | str | None = wire("Always `phone`.", default=ChannelType.PHONE)


class SipChannel(Endpoint):
    """A SIP endpoint: `uri`, `username`, `password` (contract 6.3).

    >>> SipChannel(uri="sip:desk@example.org", password="hidden")
    SipChannel(type=<ChannelType.SIP: 'sip'>, uri='sip:desk@example.org')
    """

    type: ChannelType | str | None = wire("Always `sip`.", default=ChannelType.SIP)


class AppChannel(Endpoint):
    """A user's app: `user` (contract 6.3)."""

    type: ChannelType | str | None = wire("Always `app`.", default=ChannelType.APP)


class WebSocketChannel(Endpoint):
    """Audio over a websocket: `uri`, `content_type`, `headers` (contract 6.3)."""

    type: ChannelType | str | None = wire("Always `websocket`.", default=ChannelType.WEBSOCKET)


class VbcChannel(Endpoint):
    """An extension of Vonage Business: `extension` (contract 6.3)."""

    type: ChannelType | str | None = wire("Always `vbc`.", default=ChannelType.VBC)


class MessagingChannel(Endpoint):
    """A messaging address or a WhatsApp call: `number`, or `id` for Viber and Messenger (contract 6.3)."""


_ENDPOINTS: Mapping[str, type[Endpoint]] = {
    ChannelType.PHONE: PhoneNumberChannel,
    ChannelType.SIP: SipChannel,
    ChannelType.APP: AppChannel,
    ChannelType.WEBSOCKET: WebSocketChannel,
    ChannelType.VBC: VbcChannel,
    ChannelType.WHATSAPP_VOICE: MessagingChannel,
    ChannelType.SMS: MessagingChannel,
    ChannelType.MMS: MessagingChannel,
    ChannelType.WHATSAPP: MessagingChannel,
    ChannelType.VIBER: MessagingChannel,
    ChannelType.MESSENGER: MessagingChannel,
}

#: The five voice endpoints of the Node SDK.
AnyChannel: TypeAlias = PhoneNumberChannel | SipChannel | AppChannel | WebSocketChannel | VbcChannel


class ChannelLeg(Record):
    """A leg named by a channel (contract 6.3, seen in live member events)."""

    leg_id: str | None = wire("Id of the leg.")
    status: LegStatus | str | None = wire("Status of the leg when the event was written.")


class Channel(Record):
    """The channel of a member or an event (contract 6.3): its two ends and its leg.

    The Node SDK types a member's channel as a single end: number, user, URI and extension then stand in it directly.

    >>> end = {"type": "phone", "number": "12025550119"}
    >>> channel = Channel.from_wire({"type": "PHONE", "id": "3cd1674a", "to": end})
    >>> channel.type, channel.leg_id, channel.to.address
    (<ChannelType.PHONE: 'phone'>, '3cd1674a', '12025550119')
    """

    type: ChannelType | str | None = wire("How the member is connected.")
    id: str | None = wire("Id of the leg: the same value as `rtc_id`, `call_id`, and the Voice API's call `uuid`.")
    from_: Endpoint | None = wire("The calling end.", key="from", loose=True)
    to: Endpoint | None = wire("The called end.", loose=True)
    headers: Json = wire("SIP headers or the user's own, verbatim.")
    number: str | None = wire("Phone number, where the channel is itself an end.")
    user: str | None = wire("Id or name of the user, where the channel is itself an end.")
    uri: str | None = wire("SIP or websocket address, where the channel is itself an end.")
    extension: str | None = wire("Extension of Vonage Business, where the channel is itself an end.")
    username: str | None = wire("User name at the SIP endpoint.", also="usenname")
    password: str | None = wire("Password at the SIP endpoint.", secret=True)
    content_type: str | None = wire("Audio format of the websocket, a MIME type.", also=("content-type", "contentType"))
    leg_ids: tuple[str, ...] | None = wire("Ids of the member's legs: the main one, then a shared screen.")
    legs: tuple[ChannelLeg, ...] | None = wire("The member's legs with their status.")
    ring_timeout: float | None = wire("How long to ring; unit unknown, seen in one log.")
    max_length: float | None = wire("Longest duration of the call, seen in one log.", unit="ms")
    preanswer: bool | None = wire("Whether audio may start before the answer, seen in one log.")
    cpa: Json = wire("Call progress analysis setting, verbatim, seen in one log.")
    cpa_time: float | None = wire("Time of call progress analysis; unit unknown, seen in one log.")

    @classmethod
    def from_wire(cls, payload: Mapping[str, Any], problems: list[Problem] | None = None, at: str = "") -> Self:
        """Read a channel; leg ids may be texts or objects (contract 9, no. 46)."""
        ids = payload.get("leg_ids")
        if isinstance(ids, Sequence) and any(isinstance(item, Mapping) for item in ids):
            plain = [item.get("leg_id") if isinstance(item, Mapping) else item for item in ids]
            payload = {**payload, "leg_ids": plain}
        return super().from_wire(payload, problems, at)

    @property
    def address(self) -> str | None:
        """The address of the member, where the channel is itself an end."""
        return self.number or self.uri or self.user or self.extension

    @property
    def leg_id(self) -> str | None:
        """The main leg: `id`, else the first of `leg_ids`, else the first of `legs`."""
        named = [leg.leg_id for leg in self.legs or ()]
        return next((leg for leg in (self.id, *(self.leg_ids or ()), *named) if leg), None)
