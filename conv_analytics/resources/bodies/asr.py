"""Bodies of speech recognition (contract 7.4)."""

from __future__ import annotations

from datetime import datetime

from conv_analytics.resources.channel import Channel
from conv_analytics.resources.record import Record, wire
from conv_analytics.resources.vocabulary import ASRTimeoutReason, RecordingFormat


class ASRResult(Record):
    """One thing that may have been said (contract 7.4, 9 no. 15)."""

    word: str | None = wire("What was understood.", also="text")
    confidence: float | None = wire("How sure that is, 0 to 1 (inferred); arrives as text or number.")


class ASR(Record):
    """Outcome of recognising speech, or its recording (contract 7.4)."""

    results: tuple[ASRResult, ...] | None = wire("Alternatives, best first.", also="result")
    error: str | None = wire("What went wrong; empty when nothing did.")
    asr_id: str | None = wire("Id of the recognition.")
    call_id: str | None = wire("Id of the leg.")
    timeout_reason: ASRTimeoutReason | str | None = wire("Why listening stopped.")
    destination_url: str | None = wire("Where the recording is; fetching it takes a token.")
    format: RecordingFormat | str | None = wire("Audio format of the recording.")
    start_time: datetime | None = wire("When the recording began.")
    end_time: datetime | None = wire("When the recording ended.")
    size: int | None = wire("Size of the recording.", unit="B")
    media_service_uuid: str | None = wire("Id of the recording at the media service.")

    @property
    def result(self) -> tuple[ASRResult, ...] | None:
        """`results`, under the Node SDK's name."""
        return self.results


class MessageASRBody(Record):
    """``audio:asr:done`` (contract 7.4).

    >>> body = MessageASRBody.from_wire({"asr": {"results": [{"word": "billing", "confidence": "0.91"}]}})
    >>> body.asr.results[0].confidence
    0.91
    """

    asr: ASR | None = wire("What was recognised.")
    channel: Channel | None = wire("The leg and its two ends.")


class AudioASRRecordDoneBody(MessageASRBody):
    """``audio:asr:record:done``: the recording of recognised speech can be fetched (contract 7.4)."""
