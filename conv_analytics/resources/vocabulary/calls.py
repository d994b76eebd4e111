"""Words for channels, legs and calls (contract 5.1, 5.2)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import ClassVar


class ChannelType(StrEnum):
    """How a member is connected (contract 5.1)."""

    __also__: ClassVar[Mapping[str, str]] = {"pstn": "phone", "vcp": "vbc"}

    APP = "app"
    """In-app client, over WebRTC or a socket."""
    PHONE = "phone"
    """Number of the public telephone network; also written ``pstn``."""
    SIP = "sip"
    """SIP endpoint."""
    VBC = "vbc"
    """Extension of Vonage Business; also written ``vcp`` by mistake."""
    WEBSOCKET = "websocket"
    """Audio over a websocket."""
    WHATSAPP_VOICE = "whatsapp-voice"
    """Call over WhatsApp."""
    SMS = "sms"
    MMS = "mms"
    WHATSAPP = "whatsapp"
    VIBER = "viber"
    """Viber; the API also marks Messenger channels so, by mistake."""
    MESSENGER = "messenger"
    """Facebook Messenger."""


class MessageStatusChannel(StrEnum):
    """The messaging channel that a ``member:message:status`` reports about (contract 5.1)."""

    SMS = "sms"
    MMS = "mms"
    WHATSAPP = "whatsapp"
    VIBER = "viber"
    MESSENGER = "messenger"


class CallDirection(StrEnum):
    """Which side placed the call, seen from the platform (contract 5.1)."""

    __also__: ClassVar[Mapping[str, str]] = {"in": "inbound", "out": "outbound"}

    INBOUND = "inbound"
    """Someone called the platform; written ``in`` by ``sip:status``."""
    OUTBOUND = "outbound"
    """The platform called someone; written ``out`` by ``sip:status``."""


class LegStatus(StrEnum):
    """The state of a leg (contract 5.1, 8.1)."""

    STARTED = "started"
    """The leg exists."""
    RINGING = "ringing"
    """The other end rings."""
    ANSWERED = "answered"
    """The call is up."""
    COMPLETED = "completed"
    """The call is over; the state then says whether it succeeded, and why it ended."""


class CallStatus(StrEnum):
    """The status of a call or leg, with its ways to fail (contract 5.1)."""

    STARTED = "started"
    RINGING = "ringing"
    ANSWERED = "answered"
    COMPLETED = "completed"
    """Ended after it was answered."""
    MACHINE = "machine"
    """A machine answered."""
    FAILED = "failed"
    BUSY = "busy"
    TIMEOUT = "timeout"
    """Nobody answered in time."""
    CANCELLED = "cancelled"
    """The caller gave up."""
    REJECTED = "rejected"
    """The callee refused."""
    UNANSWERED = "unanswered"
    HUMAN = "human"
    """A person answered; voice webhooks only."""
    TRANSFER = "transfer"
    """Voice webhooks only."""
    INPUT = "input"
    """Voice webhooks only."""
    DISCONNECTED = "disconnected"
    """Voice webhooks only."""
    RECORD = "record"
    """Voice webhooks only."""


class HangupReason(StrEnum):
    """Who or what ended a call, as ``reason.code`` of a hangup says (contract 5.2, note).

    Not the same words as `ReasonCode`; other texts occur.
    """

    LOCAL_HANGUP = "LOCAL_HANGUP"
    """This side hung up."""
    REMOTE_HANGUP = "REMOTE_HANGUP"
    """The other side hung up."""
    LOCAL_CANCEL = "LOCAL_CANCEL"
    """This side gave up before an answer."""
    REMOTE_CANCEL = "REMOTE_CANCEL"
    """The other side gave up before an answer."""
    REMOTE_NO_ANSWER = "REMOTE_NO_ANSWER"
    REMOTE_REJECTED = "REMOTE_REJECTED"
    REMOTE_BUSY = "REMOTE_BUSY"
    REMOTE_NOT_FOUND = "REMOTE_NOT_FOUND"
    REMOTE_FAILURE = "REMOTE_FAILURE"
    LENGTH_TIMER = "LENGTH_TIMER"
    """The longest allowed duration was reached."""
    RING_TIMER = "RING_TIMER"
    """It rang for as long as allowed."""


class ReasonCode(StrEnum):
    """Why a leg completed, in ``state.reason`` (contract 5.2); SIP equivalents are inferred."""

    FAILED = "failed"
    """General failure."""
    BUSY = "busy"
    """SIP 486 or 600."""
    TIMEOUT = "timeout"
    """No answer in time."""
    CANCELLED = "cancelled"
    """The caller gave up."""
    REJECTED = "rejected"
    """The callee refused."""
    OK = "ok"
    """SIP 200: a normal end."""
    NOT_FOUND = "not_found"
    """SIP 404."""
    REQUEST_TERMINATED = "request_terminated"
    """SIP 487."""
    BAD_EXTENSION = "bad_extension"
    """SIP 420."""
    BUSY_HERE = "busy_here"
    """SIP 486."""
    REQUEST_TIMEOUT = "request_timeout"
    """SIP 408."""
    TEMPORARILY_UNAVAILABLE = "temporarily_unavailable"
    """SIP 480."""
    FORBIDDEN = "forbidden"
    """SIP 403."""
    GONE = "gone"
    """SIP 410."""
    BAD_GATEWAY = "bad_gateway"
    """SIP 502."""
    ADDRESS_INCOMPLETE = "address_incomplete"
    """SIP 484."""
    SERVER_INTERNAL_ERROR = "server_internal_error"
    """SIP 500."""
    NOT_IMPLEMENTED = "not_implemented"
    """SIP 501."""
    SERVER_TIMEOUT = "server_timeout"
    """SIP 504."""
    VERSION_NOT_SUPPORTED = "version_not_supported"
    """SIP 505."""
    SERVICE_UNAVAILABLE = "service_unavailable"
    """SIP 503."""
    PAYMENT_REQUIRED = "payment_required"
    """SIP 402."""
    BANNED_CALL_ENDED = "banned_call_ended"
    """The platform ended a banned call."""
    FLOW_FAILED = "flow_failed"
    """The call flow (NCCO) failed."""
