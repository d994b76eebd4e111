"""Events of the Voice API, as it sends them to an application's voice ``event_url`` (live contract 6).

They are not the events of a conversation's list: they have no id, look different, and one address receives all of
their kinds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from conv_analytics.resources.record import Json, Record, wire
from conv_analytics.resources.vocabulary import ASRTimeoutReason, CallDirection, CallStatus

_BARE_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


class VoiceEventKind(StrEnum):
    """The kind of a Voice event; its body shows it only by its keys."""

    STATUS = "status"
    """A call reached a status."""
    TRANSFER = "transfer"
    """A leg was moved to another conversation."""
    RECORD = "record"
    """A recording can be fetched."""
    TRANSCRIPTION = "transcription"
    """A transcript of a recording can be fetched."""
    INPUT = "input"
    """Somebody spoke or pressed keys."""
    NOTIFY = "notify"
    """The call flow sent data of its own."""
    ERROR = "error"
    """The call flow could not go on."""
    FALLBACK = "fallback"
    """A request that the application did not answer, sent to another address."""
    UNKNOWN = "unknown"


class DisconnectedBy(StrEnum):
    """Who ended a call."""

    PLATFORM = "platform"
    """The call flow came to its end, or a request ended the call."""
    USER = "user"
    """A participant hung up, refused or did not answer."""


class SpeechResult(Record):
    """One thing that may have been said."""

    text: str | None = wire("What was understood.", also="word")
    confidence: float | None = wire("How sure that is, 0 to 1 (inferred); arrives as text or number.")


class Speech(Record):
    """What was recognised."""

    results: tuple[SpeechResult, ...] | None = wire("Alternatives, best first.")
    timeout_reason: ASRTimeoutReason | str | None = wire("Why listening stopped.")
    error: Json = wire("What went wrong, verbatim.")
    recording_url: str | None = wire("Where the recording of the speech is; fetching it takes a token.")


class VoiceEvent(Record):
    """A Voice event of any kind (live contract 6.2 to 6.4).

    >>> event = VoiceEvent.from_wire({"call_uuid": "c0638fae", "status": "human", "price": "0.03217333"})
    >>> event.uuid, event.status.value, event.price
    ('c0638fae', 'human', Decimal('0.03217333'))
    """

    uuid: str | None = wire("Id of the leg; 32 digits, or with dashes.", also="call_uuid")
    conversation_uuid: str | None = wire("Id of its conversation.", also="conversation_id")
    type: str | None = wire("`transfer`, or `record` in a transcription; absent in other kinds.")
    status: CallStatus | str | None = wire("Status of the call.")
    timestamp: datetime | None = wire("When it happened.")
    direction: CallDirection | str | None = wire("Which side placed the call.")
    from_: str | None = wire("Calling end: number, user, SIP or websocket address.", key="from")
    from_user: str | None = wire("Calling user, where the caller is an app.")
    to: str | None = wire("Called end: number, user, SIP or websocket address.")
    detail: str | None = wire("Why a call was not answered, such as `declined` or `invalid_number`.")
    sip_code: int | None = wire("SIP status code of the end of the call.")
    disconnected_by: DisconnectedBy | str | None = wire("Who ended the call.")
    sub_state: str | None = wire("What the machine detection heard, such as `beep_start`.")
    start_time: datetime | None = wire("When the call was answered, or the recording began.")
    end_time: datetime | None = wire("When it ended.")
    duration: int | None = wire("Billed duration.", unit="s")
    rate: Decimal | None = wire("Price of a minute, in the account's currency.")
    price: Decimal | None = wire("Cost of the leg in all, in the account's currency.")
    network: str | None = wire("Network: mobile country and network code, or its name.", absent="")
    reason: str | None = wire("What went wrong, in words.")
    conversation_uuid_from: str | None = wire("Conversation that the leg left.")
    conversation_uuid_to: str | None = wire("Conversation that the leg was moved to.")
    recording_uuid: str | None = wire("Id of the recording.")
    recording_url: str | None = wire("Where the recording is; fetching it takes a token.")
    size: int | None = wire("Size of the recording.", unit="B")
    transcription_url: str | None = wire("Where the transcript is; fetching it takes a token.")
    speech: Speech | None = wire("What was said.", loose=True)
    dtmf: Json = wire("Keys that were pressed: an object, or a text.")
    timed_out: bool | None = wire("Whether waiting for keys ended without the last one.")
    payload: Json = wire("Data that the call flow sent, verbatim.")
    original_request: Json = wire("The request that was not answered, verbatim.")
    headers: Json = wire("Headers of the call, verbatim; mostly empty.")

    @property
    def kind(self) -> VoiceEventKind:
        """The kind of the event."""
        return kind_of(self.to_wire())


def kind_of(payload: Mapping[str, Any]) -> VoiceEventKind:
    """The kind of a Voice event, by the keys that have a value; the order of the checks matters.

    Parameters
    ----------
    payload
        The decoded body, or as much of it as there is under these keys.

    Examples
    --------
    >>> kind_of({"status": "answered", "uuid": "9f2c"}).value, kind_of({"dtmf": {"digits": "1"}}).value
    ('status', 'input')
    >>> kind_of({"type": "record", "status": "transcribed"}).value, kind_of({"status": None}).value
    ('transcription', 'unknown')
    """
    for key, word, kind in _QUESTIONS:
        value = payload.get(key)
        if value is not None and (word is None or (isinstance(value, str) and value.strip().lower() == word)):
            return kind
    return VoiceEventKind.UNKNOWN


#: A key, the word that it must hold (None for any value), and what the event is then; the first that fits decides.
_QUESTIONS: tuple[tuple[str, str | None, VoiceEventKind], ...] = (
    ("original_request", None, VoiceEventKind.FALLBACK),
    ("type", "transfer", VoiceEventKind.TRANSFER),
    ("conversation_uuid_from", None, VoiceEventKind.TRANSFER),
    ("transcription_url", None, VoiceEventKind.TRANSCRIPTION),
    ("status", "transcribed", VoiceEventKind.TRANSCRIPTION),
    ("recording_url", None, VoiceEventKind.RECORD),
    ("speech", None, VoiceEventKind.INPUT),
    ("dtmf", None, VoiceEventKind.INPUT),
    ("payload", None, VoiceEventKind.NOTIFY),
    ("status", None, VoiceEventKind.STATUS),
    ("reason", None, VoiceEventKind.ERROR),
)
#: The keys that decide.
DECIDING_KEYS = tuple(dict.fromkeys(key for key, _, _ in _QUESTIONS))


def whole_conversation_id(written: str | None) -> str | None:
    """The id of a conversation with its prefix, which some Voice events leave out.

    >>> whole_conversation_id("7d1f3c52-9b8a-4c1e-a5d3-2f6b8e90c411"), whole_conversation_id("CON-7d1f3c52")
    ('CON-7d1f3c52-9b8a-4c1e-a5d3-2f6b8e90c411', 'CON-7d1f3c52')
    """
    return f"CON-{written}" if written and _BARE_UUID.fullmatch(written) else written


def leg_key(leg_id: str) -> str:
    """The id of a leg as it can be compared: the same leg has 32 digits in one event and dashes in another.

    >>> leg_key("4B7E1C90-2d3f-4a58-9c61-70e8d2f5a3b6")
    '4b7e1c902d3f4a589c6170e8d2f5a3b6'
    """
    return leg_id.replace("-", "").lower()


__all__ = [
    "DECIDING_KEYS",
    "DisconnectedBy",
    "Speech",
    "SpeechResult",
    "VoiceEvent",
    "VoiceEventKind",
    "kind_of",
    "leg_key",
    "whole_conversation_id",
]
