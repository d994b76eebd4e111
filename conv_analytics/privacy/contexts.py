"""The meaning of each key of the API, in one table (contract 6 and 7).

A context says what the keys of an object hold. Most keys mean the same everywhere; the others are listed with their
object.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum

from conv_analytics.privacy import safe_numbers, safe_patterns
from conv_analytics.privacy.rules import Kind


class Plain(StrEnum):
    """A kind of value that identifies nobody, as long as it has the expected form."""

    ID = "id"
    """An id that a machine made; any other is encrypted."""
    SERIAL = "serial"
    """The number of an event."""
    NETWORK = "network"
    WORD = "word"
    TIME = "time"
    NUMBER = "number"
    COUNT = "count"
    """A number that may have any length."""
    LABEL = "label"
    PROBLEM = "problem"
    PHRASE = "phrase"
    LINKS = "links"


class Person(StrEnum):
    """A kind of personal value that may be a number, an address or a name."""

    PARTY = "party"
    """A participant: the id of a member or user, a number, an address, a name."""
    EXTENSION = "extension"
    USER = "user"
    """The user of a SIP address: a name under the rule of ``sip``."""
    URI = "uri"
    PLACE = "place"
    """A coordinate: a token in its place would not be a number, so it is dropped unless kept."""


class Special(StrEnum):
    """A kind of value without a rule."""

    SECRET = "secret"  # noqa: S105  the name of a kind
    RECORDS = "records"
    """A list of conversations, events, members, users or sessions."""
    BODY = "body"


Meaning = Kind | Plain | Person | Special


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _keys(words: str, what: Meaning) -> dict[str, Meaning]:
    return dict.fromkeys(_words(words), what)


#: Keys that mean the same in every object.
EVERYWHERE: Mapping[str, Meaning] = {
    **_keys(
        """id uuid conversation_id cid member_id user_id leg_id leg_ids rtc_id call_id asr_id play_id say_id record_id
        recordId recording_id request_id transcription_id message_uuid media_service_uuid
        application_id applicationId knocking_id knocker_id was_member transferred_from member_id_inviting
        session_id call_uuid conversation_uuid conversation_uuid_from conversation_uuid_to recording_uuid""",
        Plain.ID,
    ),
    **_keys("event_id original_event_id", Plain.SERIAL),
    **_keys("network_code network", Plain.NETWORK),
    **_keys(
        """type status state direction code format method message_type channel_type language locale policy category
        timeout_reason price_currency voice_name content_type content-type contentType event_mask split
        messenger viber_service whatsapp disconnected_by sub_state endpoint_type""",
        Plain.WORD,
    ),
    **_keys(
        """timestamp created updated destroyed deleted invited joined left date start_time end_time request_time
        seen_by delivered_to submitted_to rejected_by undeliverable_to""",
        Plain.TIME,
    ),
    **_keys(
        "sequence_number ttl page_size flaw_total packet_cnt byte_in byte_out bytes_in bytes_out size dtmf_seq",
        Plain.COUNT,
    ),
    **_keys(
        """price rate duration mos mos_score quality_percentage jitter_min_var
        jitter_max_var jitter_loss_rate jitter_burst_rate packet_loss_perc
        confidence sip_code validity level loop ring_timeout max_length
        cpa_time cpa style is_system isSystem isFromMB isFromMb is_from_mb successful succssful enabled earmuffed
        muted earmuff mute channels play_stream recording transcribing tts preanswer premium queue ssml streamed
        beep_start beepStart beep_stop beepEnd beep_end detect_speech detectSpeach detect_speach mulitrack multitrack
        multi_track multiTrack sentiment_analysis sentimentAnalysis timed_out""",
        Plain.NUMBER,
    ),
    **_keys("reason detail", Plain.PHRASE),
    **_keys("bandwidth quality statusHistory status_history legs initiator media media_state", Kind.UNKNOWN),
    **_keys("number numbers phone phone_number phoneNumber msisdn pstn sms mms viber", Kind.PHONE),
    **_keys("extension vbc", Person.EXTENSION),
    **_keys("from to user invited_by caller callee invited_by_member from_user from_member member", Person.PARTY),
    **_keys("uri sip websocket", Person.URI),
    **_keys("username usenname", Person.USER),
    **_keys("name display_name displayName cname first_name last_name conversation app", Kind.NAME),
    **_keys("text caption word parameters title subject message error asr results result speech", Kind.TEXT),
    **_keys("template transcription", Kind.TEXT),
    **_keys("digit digits dtmf", Kind.DTMF),
    **_keys("custom_data customData custom headers custom_sort_key tag payload", Kind.CUSTOM),
    **_keys("url image_url imageUrl stream_url destination_url image audio video file vcard", Kind.URL),
    **_keys("transcription_url recording_url region_url ncco_url", Kind.URL),
    **_keys("address email ip ip_address remote_ip location", Kind.ADDRESS),
    **_keys("latitude longitude lat lng lon", Person.PLACE),
    **_keys("password api_key apiKey api_secret sdp answer token access_token jwt private_key secret", Special.SECRET),
    **_keys("conversations events members users sessions calls data", Special.RECORDS),
    "body": Special.BODY,
    "_links": Plain.LINKS,
}

#: Objects in which some keys mean something else, by the key that they are under.
INSIDE: Mapping[str, Mapping[str, Meaning]] = {
    "from": {"id": Person.PARTY},
    "to": {"id": Person.PARTY},
    "reason": {"text": Plain.PHRASE},
    "error": {"type": Plain.PROBLEM, "title": Plain.LABEL, "instance": Plain.ID},
    "template": {"name": Plain.WORD},
    "location": {"name": Kind.ADDRESS},
    "file": {"name": Kind.TEXT},
    "channels": dict.fromkeys(("messenger", "viber", "whatsapp", "mms", "sms", "phone", "pstn"), Kind.PHONE),
}
#: Endpoints of a user: their ids are those of a messenger.
ENDPOINTS = frozenset({"numbers", "pstn", "phone", "sms", "mms", "viber", "messenger", "whatsapp", "sip", "vbc", "app"})
#: Keys that hold objects of the API.
KNOWN_OBJECTS = _words(
    """_embedded timestamp properties media audio audio_settings media_state channel channels channel_from legs leg_ids
    initiator invited joined left user from_user from_member member conversation invited_by_member state statusHistory
    status_history quality bandwidth reason error template whatsapp location asr results result transcription image
    video file vcard messenger viber_service callback params from to number numbers pstn phone sms mms viber sip vbc
    websocket app conversations events members users sessions calls data body speech dtmf"""
)

#: Patterns of the texts that may stay.
SAFE_PATTERNS: Mapping[Plain, re.Pattern[str]] = {
    Plain.SERIAL: safe_patterns.SERIAL,
    Plain.NETWORK: safe_patterns.NETWORK,
    Plain.WORD: safe_patterns.WORD,
    Plain.TIME: safe_patterns.TIME,
    Plain.NUMBER: safe_patterns.NUMBER,
    Plain.COUNT: safe_patterns.COUNT,
    Plain.LABEL: safe_patterns.LABEL,
    Plain.PROBLEM: safe_patterns.PROBLEM,
}
#: Which numbers may stay, by what they count.
SAFE_NUMBERS: Mapping[Plain, safe_numbers.Fits] = {
    Plain.SERIAL: safe_numbers.measure,
    Plain.COUNT: safe_numbers.any_length,
    Plain.NUMBER: safe_numbers.measure,
    Plain.TIME: safe_numbers.instant,
}
