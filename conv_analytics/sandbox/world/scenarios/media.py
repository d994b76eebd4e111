"""Things done to a running call: record, mute, earmuff, keys, speech, texts read out (contract 7.4, 8.6)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from conv_analytics.sandbox.world.clock import iso_seconds

if TYPE_CHECKING:
    from conv_analytics.sandbox.world.builder import ConversationBuilder
    from conv_analytics.sandbox.world.legs import Leg

Json = dict[str, Any]
PROMPTS = (
    "Thank you for holding.",
    "Für Deutsch drücken Sie die Zwei.",
    "Merci de patienter…",
    "שלום, איך אפשר לעזור?",
    'Say <b>billing</b> or "delivery".',
    "ご用件をお話しください。",
    "Your call is important to us 🙂",
)
HEARD = (
    ("billing", "building"), ("delivery", "the livery", "deliver it"), ("agent",), ("yes",), ("nein danke",),
    ("representante",), ("où est mon colis",), ("איפה החבילה",), ("twenty nine thirty one", "2931"),
)  # fmt: skip


def say(builder: ConversationBuilder, leg: Leg | None, *, stop: bool = False) -> None:
    """Read a text out, until done or stopped."""
    dice, say_id, member = builder.dice, builder.dice.uuid(), leg.member if leg else None
    old = dice.chance(0.2)
    voice: Json = {"voice_name": "Amy"} if old else {"language": "en-GB", "style": 2, "premium": False}
    builder.event("audio:say", member, {
        "text": dice.pick(PROMPTS), **voice, "ssml": False, "level": dice.pick((0, -0.3, 0.35)), "loop": 1,
        "queue": dice.chance(0.5), "say_id": say_id,
    })  # fmt: skip
    builder.wait(1.5, 6)
    builder.event("audio:say:stop" if stop else "audio:say:done", member, {"say_id": say_id})


def play(builder: ConversationBuilder, leg: Leg | None, *, stop: bool = False) -> None:
    """Play hold music, until done or stopped."""
    dice, play_id, member = builder.dice, builder.dice.uuid(), leg.member if leg else None
    builder.event("audio:play", member, {
        "queue": False, "level": -0.4, "loop": 0 if stop else 1,
        "stream_url": [f"https://static.example.net/a/hold-{dice.between(1, 4)}.mp3"], "play_id": play_id,
    })  # fmt: skip
    builder.wait(3, 40)
    builder.event("audio:play:stop" if stop else "audio:play:done", member, {"play_id": play_id})


def press(builder: ConversationBuilder, leg: Leg, sequence: int) -> None:
    """Press keys; leading zeros, stars and hashes matter."""
    keys = builder.dice.pick(("1", "2", "0042#", "*9", "007", "3p4"))
    builder.event("audio:dtmf", leg.member, {
        "digits": keys, "dtmf_seq": sequence, "method": "in",
        "duration": builder.dice.pick((100, 120, 250)), "channel": leg.channel,
    })  # fmt: skip


def recognise(builder: ConversationBuilder, leg: Leg, *, keep: bool = False) -> None:
    """Recognise speech: audio:asr:done with its alternatives, or with an error; kept audio follows."""
    dice = builder.dice
    asr_id, began = dice.uuid(), builder.now
    builder.wait(1, 6)
    heard = dice.pick(HEARD) if dice.chance(0.85) else ()
    sure = [max(1, dice.between(55, 99) // (n + 1)) for n in range(len(heard))]
    builder.event("audio:asr:done", leg.member, {
        "asr": {
            "results": [{"word": word, "confidence": c / 100} for word, c in zip(heard, sure, strict=True)],
            "error": "" if heard or dice.chance(0.5) else "ASR start timeout",
            "asr_id": asr_id, "call_id": leg.id,
            "timeout_reason": "end_on_silence_timeout" if heard else "start_timeout",
        },
        "channel": leg.channel,
    }, alternatives=tuple(sure))  # fmt: skip
    if keep:
        builder.wait(0.5, 2)
        builder.event("audio:asr:record:done", leg.member, {
            "asr": {"error": "", "asr_id": asr_id, "call_id": leg.id, "format": "wav",
                    "destination_url": f"https://api-eu-3.vonage.com/v1/files/{dice.uuid()}",
                    "start_time": iso_seconds(began), "end_time": iso_seconds(builder.now),
                    "size": (builder.now - began) * 16, "media_service_uuid": dice.uuid()},
            "channel": leg.channel,
        })  # fmt: skip


def start_recording(builder: ConversationBuilder, leg: Leg) -> tuple[str, int, int]:
    """Start recording; returns (recording id, event id, start ms) for `finish_recording`."""
    dice = builder.dice
    recording = dice.uuid()
    started = builder.event("audio:record", leg.member, {
        "recording_id": recording, "validity": 30, "streamed": False,
        "format": dice.pick(("mp3", "wav", "ogg")),
        "beep_start": True, "beep_stop": False, "detect_speech": False, "split": dice.chance(0.5),
        "mulitrack": False, "channels": 2,
        "transcription": {"language": "en-US", "sentiment_analysis": dice.chance(0.5)},
    })  # fmt: skip
    return recording, started.id, builder.now


def finish_recording(
    builder: ConversationBuilder, leg: Leg, started: tuple[str, int, int], *, stop: bool = True
) -> None:
    """Stop recording; audio:record:done follows seconds later."""
    recording, event_id, began = started
    if stop:
        builder.event("audio:record:stop", leg.member, {"record_id": recording})
    ended = builder.now
    builder.wait(1, 5)
    builder.event("audio:record:done", leg.member, {
        "event_id": event_id, "recording_id": recording.replace("-", ""), "format": "mp3",
        "destination_url": f"https://api-eu-3.vonage.com/v1/files/{builder.dice.uuid()}",
        "start_time": iso_seconds(began), "end_time": iso_seconds(ended), "size": (ended - began) * 8,
    })  # fmt: skip


def toggle(builder: ConversationBuilder, leg: Leg, what: str) -> None:
    """Mute or earmuff for a while: audio:<what>:on, then off."""
    builder.event(f"audio:{what}:on", leg.member, {"rtc_id": leg.id})
    builder.wait(2, 30)
    builder.event(f"audio:{what}:off", leg.member, {"rtc_id": leg.id})
