"""Bodies that only in-app legs have, and those that name nothing but a leg (contract 7.4, 7.9)."""

from __future__ import annotations

from conv_analytics.resources.bodies.sip import MessageSIPBody
from conv_analytics.resources.channel import Channel
from conv_analytics.resources.record import Json, Record, wire


class MessageRTCIdBody(Record):
    """``audio:mute:*`` and ``audio:earmuff:*``: the leg whose sound is switched (contract 7.4)."""

    rtc_id: str | None = wire("Id of the leg.")
    channel: Channel | None = wire("The leg and its two ends; only in what clients receive.")


class MessageRTCAnswerBody(MessageRTCIdBody):
    """``rtc:answer``: the session description that completes an in-app leg (contract 7.9)."""

    answer: str | None = wire("Session description (SDP) of the answer.", secret=True)
    session_destination: str | None = wire("Where the session goes.")
    is_from_mb: bool | None = wire(
        "Whether the media server answered (meaning inferred from the name).",
        key="isFromMB",
        also=("isFromMb", "is_from_mb"),
    )


class RTCTransferBody(MessageSIPBody):
    """``rtc:transfer``: a leg moved here from another conversation (contract 7.9)."""

    was_member: str | None = wire("Member id that the leg had before.")
    user_id: str | None = wire("User of the leg.")
    transferred_from: str | None = wire("Conversation (or member, in one source) that the leg came from.")


class RTCTerminateBody(MessageRTCIdBody):
    """``rtc:terminate``: asks for a leg to end; the body is inferred (contract 7.9)."""

    reason: Json = wire("Why, verbatim.")
