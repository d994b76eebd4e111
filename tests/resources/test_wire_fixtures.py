"""Every shape of the contract, invented in tests/fixtures, reads cleanly and gives the expected values."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from conv_analytics.resources import (
    BODIES,
    Conversation,
    ConversationPage,
    ConversationState,
    Event,
    EventPage,
    Member,
    MemberPage,
    MemberState,
    Problem,
    Record,
    SessionPage,
    User,
    UserPage,
)
from conv_analytics.resources.record import dig

Load = Callable[[str], Any]

FIXTURES = Path(__file__).parent.parent / "fixtures"
EVENTS = sorted(path.stem for path in FIXTURES.glob("event_*.json"))

# Fixture -> (attribute path, value) of what matters in it. A path may end in an index.
EXPECTED: dict[str, list[tuple[str, Any]]] = {
    "event_audio_asr_done": [
        ("asr.results.0.word", "billing"),
        ("asr.results.1.confidence", 0.37),
        ("asr.error", ""),
        ("asr.timeout_reason", "end_on_silence_timeout"),
        ("asr.call_id", "94fd4c39-cbe0-5d62-a71a-d73636265e96"),
    ],
    "event_audio_dtmf_digits": [("digits", "0042#"), ("dtmf_seq", 3), ("method", "in"), ("duration", 120)],
    "event_audio_earmuff_off": [("rtc_id", "1da09e47-495c-567b-83c2-6143194a2db7")],
    "event_audio_mute_on": [("rtc_id", "1da09e47-495c-567b-83c2-6143194a2db7")],
    "event_audio_play": [
        ("stream_url", ("https://static.example.net/a/hold.mp3",)),
        ("level", -0.4),
        ("loop", 1),
        ("queue", False),
    ],
    "event_audio_play_done": [("play_id", "625137b5-c23c-51c7-a5bb-9ebf2493f210")],
    "event_audio_record": [
        ("record_id", "42857438-33ef-52f9-8b81-04e8785bd4f8"),
        ("validity", 30),
        ("format", "mp3"),
        ("beep_start", True),
        ("beep_stop", False),
        ("detect_speech", False),
        ("split", True),
        ("multitrack", False),
        ("channels", 2),
        ("transcription.sentiment_analysis", True),
    ],
    "event_audio_record_done": [
        ("event_id", 19),
        ("recording_key", "4285743833ef52f98b8104e8785bd4f8"),
        ("size", 1_536_768),
        ("start_time", datetime(2026, 2, 3, 8, 16, tzinfo=UTC)),
        ("end_time", datetime(2026, 2, 3, 8, 19, 12, tzinfo=UTC)),
    ],
    "event_audio_record_stop": [("recording_key", "4285743833ef52f98b8104e8785bd4f8")],
    "event_audio_say": [("text", "Thank you for holding."), ("style", 2), ("premium", False), ("level", 0.0)],
    "event_audio_say_stop": [("say_id", "ad4295a2-faa3-5d8a-ad06-baf1a22af3c4")],
    "event_audio_speaking_on": [
        ("id", "1da09e47-495c-567b-83c2-6143194a2db7"),
        ("type", "app"),
        ("channel.from_.user", "orla.finch"),
    ],
    "event_conversation_updated": [
        ("name", "intake-0417"),
        ("state", "ACTIVE"),
        ("timestamp.updated", datetime(2026, 2, 3, 8, 20, 0, 10_000, tzinfo=UTC)),
        ("timestamp.destroyed", None),
    ],
    "event_delete": [("event_id", 29)],
    "event_leg_completed": [
        ("status", "completed"),
        ("state.successful", True),
        ("state.reason", "ok"),
        ("status_history.1.state.reason", "ok"),
    ],
    "event_leg_status_update": [
        ("direction", "outbound"),
        ("type", "phone"),
        ("status_history.0.knocker_id", "9b9c96ea-90c8-5b77-b38f-2a5569285794"),
        ("status_history.0.member_id", None),
        ("status_history.2.status", "answered"),
        ("status_history.2.date", datetime(2026, 2, 3, 8, 14, 19, 512_000, tzinfo=UTC)),
    ],
    "event_member_invited": [
        ("cname", "intake-0417"),
        ("user.id", "USR-7dfd0c64-0247-5ba8-925b-9cee90970c67"),
        ("user.properties.custom_data", {"team": "north"}),
        ("channel.leg_id", "3cd1674a-a7f6-5cc0-8798-5cd303a348d5"),
        ("channel.legs.0.status", "started"),
        ("media.audio", False),
        ("media.audio_settings.enabled", False),
        ("initiator.kind", "invited"),
        ("initiator.is_system", False),
        ("inviting_user_id", "USR-657bb411-dba5-590f-b0e9-325384a5b6a4"),
        ("inviting_member_id", "MEM-ed62a15a-c419-5e4e-bc82-7ff1dd2b93b3"),
        ("invited_by_member.state", "JOINED"),
        ("conversation.name", "intake-0417"),
    ],
    "event_member_joined": [
        ("user.id", "USR-7dfd0c64-0247-5ba8-925b-9cee90970c67"),
        ("initiator.kind", "joined"),
        ("initiator.is_system", True),
        ("initiator.member_id", None),
    ],
    "event_member_left": [
        ("initiator.kind", "left"),
        ("initiator.joined.is_system", True),
        ("initiator.is_system", False),
        ("reason.code", "hangup"),
        ("timestamp.left", datetime(2026, 2, 3, 8, 20, 30, 90_000, tzinfo=UTC)),
    ],
    "event_member_media": [
        ("audio", True),
        ("media.audio_settings.enabled", True),
        ("channel.to.number", "442079460123"),
    ],
    "event_member_message_status_error": [
        ("original_event_id", 25),
        ("channel_type", "whatsapp"),
        ("error.title", "1320"),
        ("template.parameters", ("20931", "17:30")),
        ("whatsapp.locale", "en_GB"),
        ("from_", "MEM-0de8bac0-1f6d-562d-b197-4f0fec8f86ae"),
    ],
    "event_message_custom": [("custom", {"Order ID": 20931, "vip": True, "note": "leave at desk"})],
    "event_message_delivered": [("event_id", 24)],
    "event_message_location": [("location.longitude", -0.0853), ("location.latitude", 51.5235)],
    "event_message_media_image": [("image.url", "https://static.example.net/m/label.jpg"), ("text", None)],
    "event_message_seen": [("event_id", 24)],
    "event_message_text": [("text", "Grüße – order 20931 is ready ✅"), ("is_deleted", False)],
    "event_rtc_hangup": [
        ("quality.mos_score", 4.5),
        ("quality.jitter_max_var", None),
        ("bandwidth.byte_in", 1_520_480),
        ("bandwidth.byte_out", 1_521_004),
        ("reason.sip_code", 200),
        ("reason.code", "LOCAL_HANGUP"),
        ("channel.from_.address", "orla.finch"),
    ],
    "event_rtc_ringing_answered": [("direction", "inbound"), ("channel.to.number", "12025550119")],
    "event_rtc_status": [
        ("duration", 365),
        ("mos", 4.5),
        ("price", Decimal("0.00")),
        ("price_currency", "EUR"),
        ("rate", None),
    ],
    "event_rtc_transfer": [
        ("was_member", "MEM-b2b7bea9-a825-504f-9681-09dba63afb6f"),
        ("transferred_from", "CON-fef37175-8e25-592b-847b-4947aec115ad"),
    ],
    "event_sip_amd_machine": [("type", "human"), ("confidence", 88.0)],
    "event_sip_answered": [("direction", "inbound"), ("channel.from_.number", "442079460123")],
    "event_sip_hangup": [("direction", "outbound"), ("reason.sip_code", 200)],
    "event_sip_ringing": [("direction", "outbound"), ("channel.type", "phone")],
    "event_sip_status": [
        ("price", Decimal("0.04218")),
        ("rate", Decimal("0.0068")),
        ("duration", 372),
        ("direction", "outbound"),
        ("network_code", "23410"),
        ("from_", "12025550119"),
        ("status", "completed"),
        ("state.reason", "ok"),
        ("start_time", datetime(2026, 2, 3, 8, 14, 19, tzinfo=UTC)),
    ],
}


def at(value: Any, path: str) -> Any:
    """The value under a path of attributes and indexes."""
    for step in path.split("."):
        value = value[int(step)] if step.isdigit() else getattr(value, step)
    return value


def cleanly(record: type[Record], payload: Any) -> Any:
    """Read a payload that must not give any problem, nor any unknown key."""
    problems: list[Problem] = []
    found = record.from_wire(payload, problems)
    assert problems == []
    assert found.extra == {}
    return found


def test_every_event_fixture_has_expectations() -> None:
    assert set(EXPECTED) == set(EVENTS)


@pytest.mark.parametrize("name", EVENTS)
def test_an_event_reads_as_its_type(name: str, load: Load) -> None:
    payload = load(name)
    event = cleanly(Event, payload)
    assert isinstance(event.body, BODIES[payload["type"]])
    assert event.body.extra == {}
    assert (event.id, event.type) == (payload["id"], payload["type"])
    assert event.from_user is not None
    assert event.from_user.id == payload["_embedded"]["from_user"]["id"]
    assert event.from_member_id == payload["_embedded"]["from_member"]["id"]
    assert event.timestamp is not None
    assert {path: at(event.body, path) for path, _ in EXPECTED[name]} == dict(EXPECTED[name])


def test_all_numbers_of_a_hangup_are_read(load: Load) -> None:
    body = load("event_sip_hangup")["body"]
    hangup: Any = Event.from_wire(load("event_sip_hangup")).body
    quality = {key: float(value) for key, value in body["quality"].items()}
    assert {key: float(getattr(hangup.quality, key)) for key in quality} == quality
    assert {key: getattr(hangup.bandwidth, key) for key in body["bandwidth"]} == body["bandwidth"]
    assert len(quality) == 9


def test_a_whole_conversation(load: Load) -> None:
    conversation = cleanly(Conversation, load("conversation_full"))
    assert conversation.state is ConversationState.ACTIVE
    assert conversation.sequence_number == 41
    assert conversation.timestamp.created == datetime(2026, 2, 3, 8, 14, 9, 118_000, tzinfo=UTC)
    assert conversation.timestamp.destroyed is None
    assert conversation.properties.custom_data == {
        "ticketNo": "T-20931",
        "Region Code": "emea",
        "retry-count": "2",
    }
    assert conversation.media_state.recording is True
    assert conversation.status is conversation.state


def test_a_deleted_conversation(load: Load) -> None:
    conversation = cleanly(Conversation, load("conversation_inactive_deleted"))
    assert (conversation.state, conversation.sequence_number) == (ConversationState.DELETED, 17)
    assert conversation.properties.custom_data["nested"] == {"k": True}


def test_a_minimal_conversation(load: Load) -> None:
    conversation = cleanly(Conversation, load("conversation_minimal"))
    assert conversation.sequence_number == 0
    assert conversation.properties is conversation.display_name is None


def test_a_member(load: Load) -> None:
    member = cleanly(Member, load("member_joined"))
    assert member.state is MemberState.JOINED
    assert member.user.name == "orla.finch"
    assert member.channel.from_.types == ("app", "sms")
    assert member.media.audio_settings.muted is False
    assert member.initiator.user_id == "USR-657bb411-dba5-590f-b0e9-325384a5b6a4"
    assert member.links.self_.href.endswith(member.id)


def test_an_invited_member(load: Load) -> None:
    member = cleanly(Member, load("member_invited_admin"))
    assert (member.initiator.kind, member.initiator.is_system, member.initiator.user_id) == (
        "invited",
        True,
        None,
    )
    assert member.channel.to.number == "442079460123"
    assert member.media is None


def test_a_user(load: Load) -> None:
    user = cleanly(User, load("user_full"))
    assert user.channels.pstn[0].number == "442079460123"
    assert user.channels.sip[0].password == "not-a-real-secret"
    assert user.channels.websocket[0].content_type == "audio/l16;rate=16000"
    assert user.channels.websocket[0].headers == {"caller": "42"}
    assert user.channels.messenger[0].address == "80011223344"
    assert user.properties.ttl == 3600


@pytest.mark.parametrize(
    ("name", "record", "count", "cursor"),
    [
        ("page_conversations_first", ConversationPage, 2, "Qk9PS01BUks+Mg=="),
        ("page_conversations_last", ConversationPage, 1, None),
        ("page_empty", ConversationPage, 0, None),
        ("page_events_array", EventPage, 3, None),
        ("page_events_object", EventPage, 3, None),
        ("page_events_empty_object", EventPage, 0, None),
        ("page_sessions", SessionPage, 2, None),
        ("page_users", UserPage, 3, None),
    ],
)
def test_a_page(name: str, record: Any, count: int, cursor: str | None, load: Load) -> None:
    payload = load(name)
    problems: list[Problem] = []
    page = record.from_wire(payload, problems)
    assert problems == []
    assert len(page) == len(page.items) == len(list(page)) == count
    assert page.page_size == payload["page_size"]
    more = dig(payload, ("_links", "next", "href")) is not None
    assert (page.next_cursor is not None) == more
    assert cursor in (page.next_cursor, None)


def test_a_page_of_members(load: Load) -> None:
    page = cleanly(MemberPage, load("page_members"))
    assert [member.state for member in page] == ["JOINED", "LEFT", "INVITED"]
    assert page.next_cursor.startswith("26a1df0b")


def test_a_users_conversations(load: Load) -> None:
    problems: list[Problem] = []
    page: Any = ConversationPage.from_wire(load("page_user_conversations"), problems)
    assert [(c.membership.id, c.membership.state) for c in page] == [
        ("MEM-0de8bac0-1f6d-562d-b197-4f0fec8f86ae", "JOINED"),
        ("MEM-42fb0780-b813-5f3d-b502-0df6fd7334ae", "LEFT"),
    ]
    assert problems == [Problem("_embedded.conversations[2]", "an empty item")]


def test_sessions(load: Load) -> None:
    first, second = cleanly(SessionPage, load("page_sessions"))
    assert (first.user.name, first.api_key, first.properties.ttl) == ("orla.finch", "0a1b2c3d", 900.0)
    assert second.properties.ttl == 1800.5
