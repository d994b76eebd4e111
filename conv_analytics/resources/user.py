"""A user: a person or a line known to the application (contract 6.5)."""

from __future__ import annotations

from datetime import datetime

from conv_analytics.resources.channel import Endpoint
from conv_analytics.resources.links import APILinks
from conv_analytics.resources.record import Json, Record, wire


class UserProperties(Record):
    """Properties that its owner set on a user (contract 6.5)."""

    custom_data: Json = wire("The owner's data, verbatim.")
    ttl: int | None = wire("How long the user is kept.", unit="s")


class UserTimestamp(Record):
    """When a user was made, changed and destroyed (contract 6.5)."""

    created: datetime | None = wire("When the user was created.")
    updated: datetime | None = wire("When the user was last changed.")
    destroyed: datetime | None = wire("When the user was destroyed.")


class UserChannels(Record):
    """How a user can be reached, by kind (contract 6.5); the endpoints do not repeat their type."""

    app: tuple[Endpoint, ...] | None = wire("Apps.")
    phone: tuple[Endpoint, ...] | None = wire("Phone numbers, in some answers.")
    pstn: tuple[Endpoint, ...] | None = wire("Phone numbers; one source sends them as JSON numbers.")
    sip: tuple[Endpoint, ...] | None = wire("SIP endpoints.")
    vbc: tuple[Endpoint, ...] | None = wire("Extensions of Vonage Business.")
    websocket: tuple[Endpoint, ...] | None = wire("Websockets.")
    sms: tuple[Endpoint, ...] | None = wire("Numbers for SMS.")
    mms: tuple[Endpoint, ...] | None = wire("Numbers for MMS.")
    whatsapp: tuple[Endpoint, ...] | None = wire("Numbers for WhatsApp.")
    viber: tuple[Endpoint, ...] | None = wire("Numbers for Viber.")
    messenger: tuple[Endpoint, ...] | None = wire("Ids for Messenger.")


class User(Record):
    """A user (contract 6.5). Lists hold a short form: id, name, sometimes the display name.

    >>> user = User.from_wire({"id": "USR-1", "channels": {"pstn": [{"number": 442079460123}]}})
    >>> user.channels.pstn[0].number
    '442079460123'
    """

    id: str | None = wire("Id, `USR-` and a uuid.")
    name: str | None = wire("Unique name, the `sub` of the user's tokens.")
    display_name: str | None = wire("Name shown to others.")
    image_url: str | None = wire("Address of the picture.")
    properties: UserProperties | None = wire("What its owner set.")
    channels: UserChannels | None = wire("How the user can be reached.")
    timestamp: UserTimestamp | None = wire("When the user was created, changed, destroyed.")
    links: APILinks | None = wire("Links.", key="_links", loose=True, in_repr=False)
