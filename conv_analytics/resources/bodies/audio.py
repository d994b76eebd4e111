"""Bodies of played, spoken, keyed and detected sound (contract 7.4)."""

from __future__ import annotations

from conv_analytics.resources.channel import Channel
from conv_analytics.resources.record import Json, Record, wire
from conv_analytics.resources.vocabulary import ChannelType, DTMFMethod


class AudioBody(Record):
    """The leg, which any event about sound may have: webhooks send it for more types than lists do (contract 7.4).

    It is all that ``audio:ringing:*`` and ``mixer:*`` can have.
    """

    channel: Channel | None = wire("The leg and its two ends.")


class AudioEndBody(AudioBody):
    """The end of playing or speaking (contract 7.4)."""

    error: Json = wire("Why it ended early, verbatim.")


class AudioPlayBody(AudioBody):
    """``audio:play``: a file is played (contract 7.4)."""

    stream_url: tuple[str, ...] | None = wire("Address of the file: a list of one.")
    level: float | None = wire("Change of volume, -1 to 1.")
    loop: int | None = wire("How often it is played; 0 is without end.")
    queue: bool | None = wire("Whether it waits for running sound to end.")
    play_id: str | None = wire("Id of the playing.")


class AudioPlayIdBody(AudioEndBody):
    """``audio:play:stop``, ``audio:play:done`` (contract 7.4)."""

    play_id: str | None = wire("Id of the playing.")


class MessageSayBody(AudioBody):
    """``audio:say``: text is spoken (contract 7.4)."""

    text: str | None = wire("What is said.")
    level: float | None = wire("Change of volume, -1 to 1.")
    loop: int | None = wire("How often it is said; 0 is without end.")
    queue: bool | None = wire("Whether it waits for running sound to end.")
    voice_name: str | None = wire("Name of the voice, for old voices.")
    language: str | None = wire("Language of the voice, such as `en-GB`.")
    style: int | None = wire("Number of the voice within its language.")
    premium: bool | None = wire("Whether it is a premium voice.")
    ssml: bool | None = wire("Whether the text is SSML.")
    say_id: str | None = wire("Id of the speaking.")


class MessageSayIdBody(AudioEndBody):
    """``audio:say:stop``, ``audio:say:done`` (contract 7.4)."""

    say_id: str | None = wire("Id of the speaking.")


class MessagePlayDTMFBody(AudioBody):
    """``audio:dtmf``: keys were pressed (contract 7.4).

    >>> MessagePlayDTMFBody.from_wire({"digit": "0042#"}).digits
    '0042#'
    """

    digits: str | None = wire("Keys in order: digits, `*`, `#`, A to D; `p` is a pause.", also="digit")
    dtmf_seq: int | None = wire("Sequence number of the key.", also="dtmf_id")
    method: DTMFMethod | str | None = wire("`in` when the tones are also mixed into the audio.")
    duration: int | None = wire("Length of a tone (unit inferred).", unit="ms")


class MessageChannelBody(AudioBody):
    """``audio:speaking:on``, ``audio:speaking:off`` (contract 7.4).

    The Node SDK has id, type and headers next to the channel, the API inside it: both are read.
    """

    id: str | None = wire("Id of the leg.", also="channel.id")
    type: ChannelType | str | None = wire("How the leg is connected.", also="channel.type")
    headers: Json = wire("Headers of the leg, verbatim.", also="channel.headers")
