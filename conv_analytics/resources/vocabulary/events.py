"""Words for events and their contents (contract 5.1 to 5.3, 7.4)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import ClassVar


class EventType(StrEnum):
    """What happened (contract 5.3): the Node SDK's 21 values and every other type that the API lists."""

    __also__: ClassVar[Mapping[str, str]] = {"sip:amd:machine": "sip:amd_machine"}

    MESSAGE = "message"
    """Someone wrote a message."""
    MESSAGE_SUBMITTED = "message:submitted"
    """A message was handed to its channel."""
    MESSAGE_DELIVERED = "message:delivered"
    """A message reached a recipient."""
    MESSAGE_SEEN = "message:seen"
    """A recipient saw a message."""
    MESSAGE_REJECTED = "message:rejected"
    """A channel refused a message."""
    MESSAGE_UNDELIVERABLE = "message:undeliverable"
    """A message could not reach a recipient."""
    MEMBER_MESSAGE_STATUS = "member:message:status"
    """What a messaging channel tells about a message."""
    CUSTOM = "custom"
    """The user's own event; on the wire ``custom:<name>``."""
    EPHEMERAL = "ephemeral"
    """The user's own event that is delivered but never stored, hence never listed."""
    AUDIO_PLAY = "audio:play"
    AUDIO_PLAY_STOP = "audio:play:stop"
    AUDIO_PLAY_DONE = "audio:play:done"
    AUDIO_SAY = "audio:say"
    """Text is being spoken."""
    AUDIO_SAY_STOP = "audio:say:stop"
    AUDIO_SAY_DONE = "audio:say:done"
    AUDIO_DTMF = "audio:dtmf"
    """Keys were pressed."""
    AUDIO_RECORD = "audio:record"
    AUDIO_RECORD_STOP = "audio:record:stop"
    AUDIO_RECORD_DONE = "audio:record:done"
    """A recording is ready to be fetched."""
    AUDIO_MUTE_ON = "audio:mute:on"
    """A member can no longer be heard."""
    AUDIO_MUTE_OFF = "audio:mute:off"
    """A member can be heard again."""
    AUDIO_EAR_MUFF_ON = "audio:earmuff:on"
    """A member can no longer hear."""
    AUDIO_EAR_MUFF_OFF = "audio:earmuff:off"
    """A member can hear again."""
    AUDIO_SPEAKING_ON = "audio:speaking:on"
    """A member began to speak."""
    AUDIO_SPEAKING_OFF = "audio:speaking:off"
    """A member fell silent."""
    AUDIO_ASR_DONE = "audio:asr:done"
    """Speech was recognised."""
    AUDIO_ASR_RECORD_DONE = "audio:asr:record:done"
    """The recording of recognised speech is ready."""
    MEMBER_INVITED = "member:invited"
    MEMBER_JOINED = "member:joined"
    MEMBER_LEFT = "member:left"
    MEMBER_MEDIA = "member:media"
    """A member's audio changed."""
    CONVERSATION_UPDATED = "conversation:updated"
    EVENT_DELETE = "event:delete"
    """An earlier event was emptied."""
    LEG_STATUS_UPDATE = "leg:status:update"
    """A leg changed its status; carries the leg's history."""
    SIP_STATUS = "sip:status"
    """Billing of a phone or SIP leg, after its end."""
    SIP_RINGING = "sip:ringing"
    SIP_ANSWERED = "sip:answered"
    SIP_HANGUP = "sip:hangup"
    """A phone or SIP leg ended; carries its quality."""
    SIP_MACHINE = "sip:machine"
    """A machine was detected."""
    SIP_AMD_MACHINE = "sip:amd_machine"
    """Answering machine detection gave its verdict."""
    RTC_STATUS = "rtc:status"
    """Billing of an in-app leg, after its end."""
    RTC_RINGING = "rtc:ringing"
    RTC_ANSWERED = "rtc:answered"
    RTC_HANGUP = "rtc:hangup"
    """An in-app leg ended; carries its quality."""
    RTC_TRANSFER = "rtc:transfer"
    """A leg moved into this conversation."""
    RTC_ANSWER = "rtc:answer"
    """The session description of an in-app leg's answer."""
    RTC_TERMINATE = "rtc:terminate"
    """Asks for an in-app leg to end; can be filtered for, has no documented body."""

    @property
    def family(self) -> str:
        """The part before the first colon."""
        return self.value.partition(":")[0]


class EventMessageType(StrEnum):
    """The kind of a message's content (contract 5.2)."""

    TEXT = "text"
    IMAGE = "image"
    AUDIO = "audio"
    VIDEO = "video"
    FILE = "file"
    TEMPLATE = "template"
    CUSTOM = "custom"
    VCARD = "vcard"
    LOCATION = "location"
    RANDOM = "random"
    """A message with a type and nothing else."""


class ASRTimeoutReason(StrEnum):
    """Why speech recognition stopped listening (contract 7.4)."""

    END_ON_SILENCE_TIMEOUT = "end_on_silence_timeout"
    """The speaker fell silent: the usual end."""
    MAX_DURATION = "max_duration"
    """The longest allowed speech was reached."""
    START_TIMEOUT = "start_timeout"
    """Nobody began to speak."""


class RecordingFormat(StrEnum):
    """Audio format of a recording (contract 5.1)."""

    MP3 = "mp3"
    WAV = "wav"
    OGG = "ogg"
    VORBIS = "vorbis"


class DTMFMethod(StrEnum):
    """How tones were sent (contract 5.1)."""

    IN = "in"
    """Also mixed into the audio."""
