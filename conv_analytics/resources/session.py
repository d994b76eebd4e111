"""A user's session: one connection of an in-app client (contract 6.4)."""

from __future__ import annotations

from conv_analytics.resources.links import APILinks
from conv_analytics.resources.record import Record, wire


class SessionUser(Record):
    """The user of a session (contract 6.4)."""

    id: str | None = wire("Id, `USR-` and a uuid.")
    name: str | None = wire("Unique name.")


class SessionProperties(Record):
    """Properties of a session (contract 6.4)."""

    ttl: float | None = wire("How long the session lives; may have a fraction.", unit="s")


class Session(Record):
    """A session (contract 6.4).

    >>> Session.from_wire({"id": "SES-1", "_embedded": {"user": {"name": "orla"}, "api_key": "0a1b2c3d"}})
    Session(id='SES-1', user=SessionUser(name='orla'))
    """

    id: str | None = wire("Id, `SES-` and a uuid.")
    user: SessionUser | None = wire("The user.", key="_embedded.user", also="user")
    api_key: str | None = wire("Key of the account.", key="_embedded.api_key", also="api_key", secret=True)
    properties: SessionProperties | None = wire("Properties.")
    links: APILinks | None = wire("Links.", key="_links", loose=True, in_repr=False)
