"""Each irregularity of the API that concerns data (contract 9) has a test; the number is the contract's."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from conv_analytics.api.page import read_page
from conv_analytics.resources import (
    ASRResult,
    Channel,
    Conversation,
    ConversationPage,
    Endpoint,
    Event,
    EventPage,
    EventType,
    Member,
    MemberPage,
    MessagingChannel,
    PhoneNumberChannel,
    Problem,
    StatusHistoryEntry,
)


def body(kind: str, content: dict[str, Any]) -> Any:
    """Read the body of an event of a type; nothing may be reported."""
    problems: list[Problem] = []
    event = Event.from_wire({"id": 1, "type": kind, "body": content}, problems)
    assert problems == []
    return event.body


EVENTS = [{"id": 1, "type": "sip:ringing", "body": {}}, {"id": 2, "type": "sip:answered", "body": {}}]


@pytest.mark.parametrize(
    "inner",
    [EVENTS, {"events": EVENTS}, {"data": {"events": EVENTS}}, {"data": EVENTS}],
    ids=["array", "object", "v0.2", "data"],
)
def test_02_events_come_as_array_or_object(inner: Any) -> None:
    assert [event.id for event in EventPage.from_wire({"_embedded": inner})] == [1, 2]


@pytest.mark.parametrize("inner", [{}, [], None, {"events": None}, {"data": {}}, {"other": 1}, "x", 3])
def test_02_04_an_empty_page_in_any_shape(inner: Any) -> None:
    problems: list[Problem] = []
    page = EventPage.from_wire({"_embedded": inner}, problems)
    assert (page.items, problems) == ((), [])


@pytest.mark.parametrize(
    "links",
    [
        None,
        {},
        {"next": None},
        {"next": {}},
        {"next": {"href": ""}},
        {"next": {"href": None}},
        [],
        "x",
        {"first": {}, "self": {}, "next": {}, "prev": {}},
        {"next": {"href": "/v1/conversations?cursor="}},
    ],
)
def test_03_the_end_of_a_list_in_any_shape(links: Any) -> None:
    assert ConversationPage.from_wire({"_links": links, "_embedded": {}}).next_cursor is None


def test_04_a_page_may_be_nothing_at_all() -> None:
    problems: list[Problem] = []
    page = MemberPage.from_wire({}, problems)
    assert (page.items, page.next_cursor, problems) == ((), None, [])


def test_04_empty_items_are_skipped_and_items_without_id_reported() -> None:
    problems: list[Problem] = []
    page = EventPage.from_wire({"_embedded": [{}, {"type": "message"}, {"id": 3}, "x"]}, problems)
    assert [event.id for event in page] == [None, 3]
    assert problems == [
        Problem("_embedded.events[0]", "an empty item"),
        Problem("_embedded.events[1]", "no id"),
        Problem("_embedded.events[3]", "an empty item"),
    ]


@pytest.mark.parametrize(
    ("href", "cursor"),
    [
        ("https://api-us-3.vonage.com/v1/conversations?cursor=a%2Bb%3D", "a+b="),
        ("/v1/conversations?order=asc&cursor=a+b=", "a+b="),
        ("?cursor=7EjD%2Fw#top", "7EjD/w"),
        ("https://api.nexmo.com/v1/conversations", None),
        ("https://api.nexmo.com/v1/conversations?xcursor=1", None),
    ],
)
def test_05_only_the_cursor_of_a_link_counts(href: str, cursor: str | None) -> None:
    assert ConversationPage.from_wire({"_links": {"next": {"href": href}}}).next_cursor == cursor


@pytest.mark.parametrize("link", [{"href": "?cursor=b"}, "?cursor=b", [{"href": "?cursor=b"}, {"href": "?cursor=c"}]])
def test_05_a_link_in_any_form_leads_to_the_same_page(link: object) -> None:
    payload = {"_links": {"next": link}, "_embedded": {}}
    assert ConversationPage.from_wire(payload).next_cursor == "b"
    assert read_page(json.dumps(payload).encode(), "/v1/conversations", None).next_cursor == "b"


@pytest.mark.parametrize("links", [{"href": "/m/1"}, {"self": {"href": "/m/1"}}])
def test_06_a_members_link_has_no_self_level(links: dict[str, Any]) -> None:
    member = Member.from_wire({"id": "MEM-1", "_links": links})
    assert member.links is not None
    assert member.links.self_ is not None
    assert member.links.self_.href == "/m/1"


@pytest.mark.parametrize("key", ["is_system", "isSystem"])
@pytest.mark.parametrize(("written", "value"), [("false", False), ("true", True), (0, False), (1, True), (True, True)])
def test_08_is_system_in_all_spellings(key: str, written: object, value: bool) -> None:
    assert body("member:joined", {"initiator": {"joined": {key: written}}}).initiator.is_system is value


@pytest.mark.parametrize(
    ("initiator", "kind", "user"),
    [
        ({"joined": {"user_id": "USR-1"}}, "joined", "USR-1"),
        ({"invited": {"is_system": True}}, "invited", None),
        ({"joined": {"user_id": "USR-1"}, "left": {"user_id": "USR-2"}}, "left", "USR-2"),
        ({}, None, None),
    ],
)
def test_09_the_initiator_is_flattened(initiator: dict[str, Any], kind: str | None, user: str | None) -> None:
    found = body("member:left", {"initiator": initiator}).initiator
    assert (found.kind, found.user_id) == (kind, user)


def test_10_numbers_as_text_and_text_as_numbers() -> None:
    status = body("sip:status", {"price": "0.1", "rate": 0.5, "duration": "372", "to": 442079460123})
    assert (str(status.price), str(status.rate), status.duration, status.to) == (
        "0.1",
        "0.5",
        372,
        "442079460123",
    )
    assert body("message:seen", {"event_id": "24"}).event_id == body("message:seen", {"event_id": 24}).event_id == 24
    assert Conversation.from_wire({"sequence_number": "17"}).sequence_number == 17
    location = {"message_type": "location", "location": {"latitude": "51.5", "longitude": -0.1}}
    found = body("message", location).location
    assert (found.latitude, found.longitude) == (51.5, -0.1)


def test_10_a_number_that_is_none_is_reported() -> None:
    problems: list[Problem] = []
    event = Event.from_wire({"type": "sip:status", "body": {"duration": "long", "price": "?"}}, problems)
    assert event.body.duration is event.body.price is None  # type: ignore[union-attr]
    assert {problem.path for problem in problems} == {"body.duration", "body.price"}


@pytest.mark.parametrize("written", ["486", 486, 486.0])
def test_11_a_sip_code_as_text_or_number(written: object) -> None:
    assert body("sip:hangup", {"reason": {"sip_code": written}}).reason.sip_code == 486


@pytest.mark.parametrize("keys", [("byte_in", "byte_out"), ("bytes_in", "bytes_out")])
def test_12_bytes_in_both_spellings(keys: tuple[str, str]) -> None:
    bandwidth = body("rtc:hangup", {"bandwidth": dict(zip(keys, (1, 2), strict=True))}).bandwidth
    assert (bandwidth.byte_in, bandwidth.byte_out) == (1, 2)


@pytest.mark.parametrize("key", ["statusHistory", "status_history"])
@pytest.mark.parametrize("many", [True, False])
def test_13_a_status_history_in_all_shapes(key: str, many: bool) -> None:
    entry = {"status": "ringing", "date": "2026-02-03T08:14:11Z"}
    history = body("leg:status:update", {key: [entry] if many else entry}).status_history
    assert history == (StatusHistoryEntry(status="ringing", date=datetime(2026, 2, 3, 8, 14, 11, tzinfo=UTC)),)


@pytest.mark.parametrize("key", ["successful", "succssful"])
def test_14_successful_misspelt(key: str) -> None:
    state = body("leg:status:update", {"state": {"status": "completed", key: True}}).state
    assert state.successful is state.succssful is True


@pytest.mark.parametrize("results", ["results", "result"])
@pytest.mark.parametrize("word", ["word", "text"])
@pytest.mark.parametrize("confidence", ["0.94", 0.94])
def test_15_recognised_speech_in_all_spellings(results: str, word: str, confidence: object) -> None:
    asr = body("audio:asr:done", {"asr": {results: [{word: "hello", "confidence": confidence}]}}).asr
    assert asr.results == asr.result == (ASRResult(word="hello", confidence=0.94),)


@pytest.mark.parametrize("key", ["mulitrack", "multitrack", "multi_track"])
def test_16_multitrack_in_all_spellings(key: str) -> None:
    record = body("audio:record", {key: True})
    assert record.multitrack is record.multi_track is True


@pytest.mark.parametrize("key", ["beep_stop", "beep_end", "beepEnd"])
def test_17_the_last_beep_in_all_spellings(key: str) -> None:
    record = body("audio:record", {key: True})
    assert record.beep_stop is record.beep_end is True


@pytest.mark.parametrize("key", ["detect_speech", "detect_speach", "detectSpeach"])
def test_17_speech_detection_in_all_spellings(key: str) -> None:
    record = body("audio:record", {key: True})
    assert record.detect_speech is record.detect_speach is True


@pytest.mark.parametrize("key", ["digit", "digits"])
@pytest.mark.parametrize(("written", "digits"), [("0042#", "0042#"), (7, "7")])
def test_18_digit_or_digits(key: str, written: object, digits: str) -> None:
    assert body("audio:dtmf", {key: written}).digits == digits


@pytest.mark.parametrize("kind", ["audio:record", "audio:record:stop", "audio:record:done"])
@pytest.mark.parametrize("key", ["recording_id", "record_id"])
@pytest.mark.parametrize("written", ["42857438-33ef-52f9-8b81-04e8785bd4f8", "4285743833EF52F98B8104E8785BD4F8"])
def test_19_a_recording_id_under_both_names_and_in_both_forms(kind: str, key: str, written: str) -> None:
    record = body(kind, {key: written})
    assert record.recording_id == record.record_id == written
    assert record.recording_key == "4285743833ef52f98b8104e8785bd4f8"


@pytest.mark.parametrize("key", ["isFromMB", "isFromMb", "is_from_mb"])
def test_20_is_from_mb_in_all_spellings(key: str) -> None:
    assert body("rtc:answer", {key: True}).is_from_mb is True


@pytest.mark.parametrize("user", [{"id": "USR-1"}, {"user_id": "USR-1"}, {"id": "USR-1", "user_id": "USR-2"}])
def test_21_the_user_id_under_both_names(user: dict[str, str]) -> None:
    assert body("member:joined", {"user": user}).user.id == "USR-1"


@pytest.mark.parametrize(
    ("media", "audio", "muted"),
    [
        ({"audio": True, "audio_settings": {"muted": True}}, True, True),
        ({"audio": {"enabled": True, "muted": True}}, True, True),
        ({"audio": {"enabled": False}, "audio_settings": {"muted": True}}, False, True),
        ({"audio_settings": {"muted": False}}, None, False),
    ],
)
def test_22_audio_as_a_flag_or_as_settings(media: dict[str, Any], audio: bool | None, muted: bool) -> None:
    found = body("member:invited", {"media": media}).media
    assert (found.audio, found.audio_settings.muted) == (audio, muted)


def test_23_a_messenger_channel_marked_as_viber() -> None:
    end = Endpoint.from_wire({"type": "viber", "id": "80011223344"})
    assert isinstance(end, MessagingChannel)
    assert end.address == "80011223344"


def test_24_misspelt_names_and_kinds() -> None:
    assert Endpoint.from_wire({"type": "sip", "usenname": "orla"}).username == "orla"
    assert body("audio:dtmf", {"channel": {"type": "vcp"}}).channel.type == "vbc"


@pytest.mark.parametrize(("written", "direction"), [("in", "inbound"), ("out", "outbound"), ("inbound", "inbound")])
def test_25_a_direction_in_short(written: str, direction: str) -> None:
    assert body("sip:status", {"direction": written}).direction == direction


@pytest.mark.parametrize(
    ("written", "kept", "user", "member"),
    [
        ("USR-1", "USR-1", "USR-1", None),
        ("MEM-1", "MEM-1", None, "MEM-1"),
        ("<null>", None, None, None),
        (None, None, None, None),
        ("someone", "someone", None, None),
    ],
)
def test_26_who_invited(written: str | None, kept: str | None, user: str | None, member: str | None) -> None:
    found = body("member:invited", {"invited_by": written})
    assert (found.invited_by, found.inviting_user_id, found.inviting_member_id) == (kept, user, member)
    assert Member.from_wire({"invited_by": written}).invited_by == kept


@pytest.mark.parametrize(
    "content", [{"template": {"whatsapp": {"locale": "nl"}}}, {"template": {}, "whatsapp": {"locale": "nl"}}]
)
@pytest.mark.parametrize("kind", ["message", "member:message:status"])
def test_27_whatsapp_inside_or_beside_the_template(kind: str, content: dict[str, Any]) -> None:
    assert body(kind, {"message_type": "template", **content}).whatsapp.locale == "nl"


@pytest.mark.parametrize("key", ["content_type", "content-type", "contentType"])
def test_28_content_type_in_all_spellings(key: str) -> None:
    end = Endpoint.from_wire({"type": "websocket", key: "audio/l16;rate=16000"})
    assert (end.content_type, end.extra) == ("audio/l16;rate=16000", {})


def test_29_status_stands_in_for_state() -> None:
    assert Conversation.from_wire({"status": "ACTIVE"}).state == "ACTIVE"
    assert Conversation.from_wire({"status": "ACTIVE", "state": "INACTIVE"}).status == "INACTIVE"


def test_32_41_the_users_own_keys_and_values_are_kept() -> None:
    data = {"ticketNo": 1, "Region Code": ["a"], "retry-count": None, "snake_case": {"camelCase": 4.5}}
    assert Conversation.from_wire({"properties": {"custom_data": data}}).properties.custom_data is data  # type: ignore[union-attr]
    assert body("custom:Order", data) == data
    assert body("message", {"message_type": "custom", "custom": data}).custom == data
    assert Channel.from_wire({"headers": data}).headers == data


@pytest.mark.parametrize(
    ("kind", "family", "name"),
    [
        ("custom", "custom", None),
        ("custom:", "custom", None),
        ("custom:my:Order", "custom", "my:Order"),
        ("message", "message", None),
    ],
)
def test_33_custom_types(kind: str, family: str, name: str | None) -> None:
    event = Event.from_wire({"type": kind})
    assert (event.type, event.family, event.custom_name) == (kind, family, name)


def test_34_upper_case_channel_types() -> None:
    end = Endpoint.from_wire({"type": "PSTN", "number": "1"})
    assert isinstance(end, PhoneNumberChannel)
    assert end.type == "phone"


@pytest.mark.parametrize(
    ("written", "urls"), [([], ()), ("https://a", ("https://a",)), (["https://a"], ("https://a",))]
)
def test_35_a_stream_url_in_any_shape(written: object, urls: tuple[str, ...]) -> None:
    assert body("audio:play", {"stream_url": written}).stream_url == urls


@pytest.mark.parametrize("written", [[], 7, None, "x", {}])
def test_36_an_endpoint_that_is_no_object(written: object) -> None:
    channel = body("sip:ringing", {"channel": {"from": written, "to": written}}).channel
    assert channel.from_ in (None, Endpoint())


@pytest.mark.parametrize("side", ["from", "to"])
@pytest.mark.parametrize(("key", "value"), [("number", "12025550119"), ("user", "orla"), ("uri", "sip:a@example.org")])
def test_dtmf_a_channel_inside_an_endpoint(side: str, key: str, value: str) -> None:
    flat = {"type": "app", key: value}
    nested = {"type": "app", "from": {"type": "app"}, "to": {"type": "app"}}
    nested[side] = {"type": "app", key: value}
    for end in (flat, nested):
        found = body("audio:dtmf", {"channel": {"from": end}}).channel.from_
        assert getattr(found, key) == found.address == value


def test_38_nulls_are_absent() -> None:
    problems: list[Problem] = []
    nulls = {"display_name": None, "timestamp": {"updated": None}}
    assert Conversation.from_wire(nulls, problems).display_name is None
    assert problems == []


@pytest.mark.parametrize(
    "written", ["2026-02-03T08:14:09Z", "2026-02-03T08:14:09.00Z", "2026-02-03T08:14:09.000+00:00"]
)
def test_43_instants_of_any_precision(written: str) -> None:
    assert Event.from_wire({"timestamp": written}).timestamp == datetime(2026, 2, 3, 8, 14, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    "channel",
    [
        {"id": "L1"},
        {"leg_ids": ["L1", "L2"]},
        {"leg_ids": [{"leg_id": "L1"}]},
        {"legs": [{"leg_id": "L1", "status": "started"}]},
        {"legs": {}, "leg_ids": ["L1"]},
        {"id": "L1", "legs": {}},
    ],
)
def test_46_legs_in_any_shape(channel: dict[str, Any]) -> None:
    assert body("member:joined", {"channel": channel}).channel.leg_id == "L1"


@pytest.mark.parametrize("kind", ["app:bell", "text:folded", "new:thing"])
def test_47_an_unknown_event_keeps_its_body(kind: str) -> None:
    problems: list[Problem] = []
    event = Event.from_wire({"id": 1, "type": kind, "body": {"Any": 1}}, problems)
    assert (event.body, event.type, problems) == ({"Any": 1}, kind, [])


def test_java_reads_another_spelling_of_machine_detection() -> None:
    event = Event.from_wire({"type": "sip:amd:machine", "body": {"confidence": 15}})
    assert event.type is EventType.SIP_AMD_MACHINE
    assert event.body.confidence == 15  # type: ignore[union-attr]


def test_v01_and_v02_shapes() -> None:
    member = Member.from_wire({"id": "MEM-1", "state": "JOINED", "user_id": "USR-1", "name": "orla"})
    assert member.user is not None
    assert (member.user.id, member.user.name, member.extra) == ("USR-1", "orla", {})
    assert Conversation.from_wire({"uuid": "CON-1", "numbers": {}}).id == "CON-1"
    assert Event.from_wire({"id": "4", "cid": "CON-1"}).conversation_id == "CON-1"


def test_a_deleted_message() -> None:
    found = body("message", {"message_type": "text", "text": "", "timestamp": {"deleted": "2026-02-03T08:19:30Z"}})
    assert (found.text, found.is_deleted) == ("", True)


def test_a_message_of_an_unknown_kind() -> None:
    found = body("message", {"message_type": "sticker", "sticker": {"id": 1}})
    assert (type(found).__name__, found.message_type, found.extra) == (
        "MessageBody",
        "sticker",
        {"sticker": {"id": 1}},
    )
