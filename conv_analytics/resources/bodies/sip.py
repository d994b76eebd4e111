"""Bodies of the events of a call (contract 7.9).

``sip:*`` events are those of phone, SIP and Vonage Business legs, ``rtc:*`` those of in-app legs. They share
their bodies; bodies that only in-app legs have are in `conv_analytics.resources.bodies.rtc`.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from conv_analytics.resources.bodies.leg import LegState
from conv_analytics.resources.channel import Channel
from conv_analytics.resources.record import Record, wire
from conv_analytics.resources.vocabulary import CallDirection, CallStatus, HangupReason


class MessageSIPBody(Record):
    """The channel, which every event of a call has (contract 7.9)."""

    channel: Channel | None = wire("The leg and its two ends.")


class MessageSIPDirectionBody(MessageSIPBody):
    """``sip:ringing``, ``sip:answered``, ``rtc:ringing``, ``rtc:answered`` (contract 7.9)."""

    direction: CallDirection | str | None = wire("Which side placed the call.")


class MessageSIPMachineBody(MessageSIPBody):
    """``sip:machine``, ``sip:amd_machine``: who answered, a person or a machine (contract 7.9)."""

    type: str | None = wire("The verdict, such as `human` or `machine`; the list of words is not documented.")
    confidence: float | None = wire("How sure the verdict is, 0 to 100 (inferred).", unit="%")


class Quality(Record):
    """Quality of the audio that the platform received on a leg (contract 7.9)."""

    mos_score: float | None = wire("Mean opinion score, 1.0 to 4.5; 4.5 without flaws.")
    quality_percentage: float | None = wire("Share of packets without flaws, 0 to 100 (inferred).", unit="%")
    jitter_min_var: float | None = wire("Smallest variance of packet inter-arrival times; probably ms².")
    jitter_max_var: float | None = wire("Largest variance of packet inter-arrival times; probably ms².")
    jitter_loss_rate: float | None = wire("Share of intervals counted as lost through jitter; scale undocumented.")
    jitter_burst_rate: float | None = wire("Share of intervals within bursts of jitter; scale undocumented.")
    flaw_total: int | None = wire("Packets with flaws.", unit="packets")
    packet_cnt: int | None = wire("Packets received.", unit="packets")
    packet_loss_perc: float | None = wire("Share of packets lost, 0 to 100.", unit="%")


class Bandwidth(Record):
    """Bytes that a leg carried (contract 7.9, 9 no. 12)."""

    byte_in: int | None = wire("Bytes the platform received.", unit="B", also="bytes_in")
    byte_out: int | None = wire("Bytes the platform sent.", unit="B", also="bytes_out")


class HangupReasonText(Record):
    """Why a call ended (contract 7.9)."""

    text: str | None = wire("The reason in words.")
    code: HangupReason | str | None = wire("Who or what ended the call; other texts than the listed ones occur.")
    sip_code: int | None = wire("SIP status code: 200 normal, 486 busy, 487 cancelled or timed out, 403 refused.")


class MessageSIPHangupBody(MessageSIPDirectionBody):
    """``sip:hangup``, ``rtc:hangup``: a leg ended (contract 7.9).

    Quality, bandwidth and reason are absent for a leg that nobody answered.

    >>> body = MessageSIPHangupBody.from_wire(
    ...     {"quality": {"mos_score": 3.86}, "bandwidth": {"bytes_in": 152}, "reason": {"sip_code": "200"}}
    ... )
    >>> body.quality.mos_score, body.bandwidth.byte_in, body.reason.sip_code
    (3.86, 152, 200)
    """

    quality: Quality | None = wire("Quality of the audio received.")
    bandwidth: Bandwidth | None = wire("Bytes carried.")
    reason: HangupReasonText | None = wire("Why the call ended.")


class CallState(LegState):
    """State of a call in its billing record (contract 7.9)."""

    status: CallStatus | str | None = wire("Status of the call.")


class MessageSIPStatusBody(MessageSIPBody):
    """``sip:status``, ``rtc:status``: what a leg cost, sent some seconds after its end (contract 7.9)."""

    price: Decimal | None = wire("Cost of the leg, in `price_currency`, or else the account's currency.")
    price_currency: str | None = wire("Currency of the price, ISO 4217; only in `rtc:status`.", absent="")
    rate: Decimal | None = wire("Price of a minute, in the price's currency.")
    duration: int | None = wire("Billed duration.", unit="s")
    from_: str | None = wire("Number of the caller.", key="from")
    to: str | None = wire("Number called.")
    network_code: str | None = wire("Mobile country and network code, digits.", absent="")
    request_time: datetime | None = wire("When the call was requested.")
    start_time: datetime | None = wire("When the call was answered.")
    end_time: datetime | None = wire("When the call ended.")
    status: CallStatus | str | None = wire("Status of the call.")
    direction: CallDirection | str | None = wire("Which side placed the call; arrives as `in` and `out`.")
    state: CallState | None = wire("Status again, with success and reason once completed.")
    mos: float | None = wire("Mean opinion score of an in-app leg; only in `rtc:status`.")
