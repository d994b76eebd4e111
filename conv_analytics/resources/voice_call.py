"""A call of the Voice API's call list, with which `coverage` compares a folder (live contract 7).

The Voice API says "call" for what the Conversation API calls a leg: `VoiceCall.uuid` is the leg's id.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Self

from conv_analytics.resources.channel import Endpoint
from conv_analytics.resources.links import APILinks
from conv_analytics.resources.record import Problem, Record, wire
from conv_analytics.resources.vocabulary import CallDirection, CallStatus


class VoiceCall(Record):
    """A call as the Voice API lists it: one leg, with its price and network once it has ended (live contract 7).

    >>> payload = {"uuid": "4b7e", "status": "completed", "to": [{"type": "phone", "number": "447700900102"}]}
    >>> call = VoiceCall.from_wire(payload | {"price": "0.03217333", "end_time": "2026-11-20 09:17:42"})
    >>> call.to.number, call.price, call.end_time.isoformat()
    ('447700900102', Decimal('0.03217333'), '2026-11-20T09:17:42+00:00')
    """

    uuid: str | None = wire("Id of the leg: 32 hexadecimal digits, or a UUID with dashes.")
    conversation_uuid: str | None = wire("Conversation that the leg is, or was last, in.")
    status: CallStatus | str | None = wire("Last status of the leg.")
    direction: CallDirection | str | None = wire("Who placed the call, seen from the platform.")
    from_: Endpoint | None = wire("Calling end.", key="from", also="from.[0]", loose=True)
    to: Endpoint | None = wire("Called end.", also="to.[0]", loose=True)
    rate: Decimal | None = wire("Price per minute; only of ended calls.")
    price: Decimal | None = wire("Price of the whole leg; only of ended calls.")
    duration: int | None = wire("Time for which the leg was up; only of ended calls.", unit="s")
    start_time: datetime | None = wire("When the leg began; only of ended calls.")
    end_time: datetime | None = wire("When it ended; only of ended calls.")
    network: str | None = wire("Network of the other end: mobile country and network code, or a name.", absent="")
    links: APILinks | None = wire("Links.", key="_links", loose=True, in_repr=False)

    @classmethod
    def from_wire(cls, payload: Mapping[str, Any], problems: list[Problem] | None = None, at: str = "") -> Self:
        """Read a call; an end may be a list of one (live contract 10, no. L29)."""
        ends = {key: value[0] for key in ("from", "to") if isinstance(value := payload.get(key), list) and value}
        return super().from_wire({**payload, **ends}, problems, at)
