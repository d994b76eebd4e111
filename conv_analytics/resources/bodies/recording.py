"""Bodies of recordings (contract 7.4)."""

from __future__ import annotations

from datetime import datetime

from conv_analytics.resources.bodies.audio import AudioBody
from conv_analytics.resources.record import Json, Record, wire
from conv_analytics.resources.vocabulary import RecordingFormat


class Transcription(Record):
    """How a recording is to be transcribed (contract 7.4)."""

    language: str | None = wire("Language spoken, such as `en-US`.")
    sentiment_analysis: bool | None = wire("Whether the mood is judged as well.", also="sentimentAnalysis")


class MessageRecordIdBody(AudioBody):
    """``audio:record:stop`` (contract 7.4).

    The same id comes with and without dashes: see `recording_key`.
    """

    recording_id: str | None = wire("Id of the recording.", key="record_id", also=("recording_id", "recordId"))

    @property
    def record_id(self) -> str | None:
        """`recording_id`, under the Node SDK's name."""
        return self.recording_id

    @property
    def recording_key(self) -> str | None:
        """The id as it can be compared: lower case, without dashes (contract 9, no. 19)."""
        return self.recording_id.replace("-", "").lower() if self.recording_id else None


class MessageRecordBody(MessageRecordIdBody):
    """``audio:record``: a recording starts (contract 7.4)."""

    recording_id: str | None = wire("Id of the recording.", also=("record_id", "recordId"))
    validity: int | None = wire("How long the recording is kept; unit unknown.")
    streamed: bool | None = wire("Whether it is streamed.")
    format: RecordingFormat | str | None = wire("Audio format.")
    beep_start: bool | None = wire("Whether a beep is heard at the start.", also="beepStart")
    beep_stop: bool | None = wire("Whether a beep is heard at the end.", also=("beep_end", "beepEnd"))
    detect_speech: bool | None = wire(
        "Whether speech is detected.",
        also=("detect_speach", "detectSpeach"),
    )
    split: bool | None = wire(
        "Whether each side is recorded on its own channel; also arrives as the word `conversation`, which means so.",
        true="conversation",
    )
    multitrack: bool | None = wire(
        "Whether each member has an own track.",
        also=("mulitrack", "multi_track", "multiTrack"),
    )
    channels: int | None = wire("Number of channels.")
    transcription: Transcription | None = wire("How to transcribe it.")

    @property
    def beep_end(self) -> bool | None:
        """`beep_stop`, under the Node SDK's name."""
        return self.beep_stop

    @property
    def detect_speach(self) -> bool | None:
        """`detect_speech`, under the Node SDK's spelling."""
        return self.detect_speech

    @property
    def multi_track(self) -> bool | None:
        """`multitrack`, under the Node SDK's name."""
        return self.multitrack


class AudioRecordDoneBody(MessageRecordIdBody):
    """``audio:record:done``: a recording can be fetched (contract 7.4)."""

    recording_id: str | None = wire("Id of the recording.", also=("record_id", "recordId"))
    event_id: int | None = wire("Id of the `audio:record` event.")
    destination_url: str | None = wire("Where the file is; fetching it takes a token.")
    format: RecordingFormat | str | None = wire("Audio format.")
    start_time: datetime | None = wire("When the recording began.")
    end_time: datetime | None = wire("When the recording ended.")
    size: int | None = wire("Size of the file.", unit="B")


class AudioTranscribeDoneBody(MessageRecordIdBody):
    """``audio:transcribe:done``: a transcript is ready; sent to webhooks only (contract 5.3)."""

    recording_id: str | None = wire("Id of the recording.", also=("record_id", "recordId"))
    request_id: str | None = wire("Id of the transcription.")
    transcription_url: str | None = wire("Where the transcript is.")
    error: Json = wire("Why there is none, verbatim.")
