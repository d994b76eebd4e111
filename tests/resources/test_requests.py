"""Requests are written as the API takes them (contract 1.3 to 1.5)."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from conv_analytics.resources import (
    AppChannel,
    AudioSettingsRequest,
    Channel,
    Conversation,
    ConversationCallbackParams,
    ConversationCallbackRequest,
    ConversationProperties,
    CreateConversationRequest,
    CreateEventRequest,
    CreateMemberRequest,
    EventType,
    MemberMediaRequest,
    MemberReason,
    MemberState,
    MemberUserRequest,
    MessageImageBody,
    MessageLocation,
    MessageLocationBody,
    MessageMedia,
    MessageTextBody,
    PhoneNumberChannel,
    SipChannel,
    UpdateMemberParameters,
    VbcChannel,
    WebSocketChannel,
)


def test_a_conversation() -> None:
    request = CreateConversationRequest(
        name="intake-0417",
        display_name="Intake line",
        properties=ConversationProperties(ttl=60, custom_data={"Region Code": "emea"}),
        numbers=(PhoneNumberChannel(number="12025550119"),),
        callback=ConversationCallbackRequest(
            url="https://hooks.example.net",
            event_mask="message,member:joined",
            params=ConversationCallbackParams(application_id="app", ncco_url="https://ncco.example.net"),
        ),
    )
    assert request.to_wire() == {
        "name": "intake-0417",
        "display_name": "Intake line",
        "properties": {"ttl": 60, "custom_data": {"Region Code": "emea"}},
        "numbers": [{"type": "phone", "number": "12025550119"}],
        "callback": {
            "url": "https://hooks.example.net",
            "event_mask": "message,member:joined",
            "params": {"applicationId": "app", "ncco_url": "https://ncco.example.net"},
            "method": "POST",
        },
    }


def test_a_conversation_that_was_read_can_be_changed() -> None:
    read = Conversation.from_wire(
        {"id": "CON-1", "name": "a", "state": "ACTIVE", "sequence_number": 3, "properties": {"ttl": 60}}
    )
    changed = dataclasses.replace(CreateConversationRequest.of(read), display_name="A")
    assert changed.to_wire() == {"name": "a", "display_name": "A", "properties": {"ttl": 60}}


@pytest.mark.parametrize("state", ["JOINED", "joined", MemberState.JOINED])
def test_a_member(state: Any) -> None:
    request = CreateMemberRequest(
        state=state,
        user=MemberUserRequest(id="USR-1"),
        channel=Channel(type="app", from_=AppChannel(), to=AppChannel(user="orla")),
        media=MemberMediaRequest(audio=True, audio_settings=AudioSettingsRequest(muted=False)),
        knocking_id="k",
        member_id_inviting="MEM-1",
        from_="MEM-2",
    )
    assert request.to_wire() == {
        "state": "joined",
        "user": {"id": "USR-1"},
        "channel": {"type": "app", "from": {"type": "app"}, "to": {"type": "app", "user": "orla"}},
        "media": {"audio": True, "audio_settings": {"muted": False}},
        "knocking_id": "k",
        "member_id_inviting": "MEM-1",
        "from": "MEM-2",
    }


def test_a_change_of_a_member() -> None:
    request = UpdateMemberParameters(state=MemberState.LEFT, from_="MEM-1", reason=MemberReason(code="1", text="bye"))
    assert request.to_wire() == {"state": "left", "from": "MEM-1", "reason": {"code": "1", "text": "bye"}}
    assert UpdateMemberParameters().to_wire() == {}


@pytest.mark.parametrize(
    ("channel", "wired"),
    [
        (PhoneNumberChannel(number="1"), {"type": "phone", "number": "1"}),
        (
            SipChannel(uri="sip:a@example.org", username="a", password="p"),
            {"type": "sip", "uri": "sip:a@example.org", "username": "a", "password": "p"},
        ),
        (AppChannel(user="orla"), {"type": "app", "user": "orla"}),
        (
            WebSocketChannel(uri="wss://a.example", content_type="audio/l16"),
            {"type": "websocket", "uri": "wss://a.example", "content_type": "audio/l16"},
        ),
        (VbcChannel(extension="403"), {"type": "vbc", "extension": "403"}),
    ],
)
def test_a_channel_knows_its_type(channel: Any, wired: dict[str, str]) -> None:
    assert channel.to_wire() == wired
    assert CreateMemberRequest(channel=channel).to_wire() == {"channel": wired}


@pytest.mark.parametrize(
    ("body", "wired"),
    [
        (MessageTextBody(text="Hello"), {"message_type": "text", "text": "Hello"}),
        (MessageImageBody(image=MessageMedia(url="u")), {"message_type": "image", "image": {"url": "u"}}),
        (
            MessageLocationBody(location=MessageLocation(longitude=-0.0853, latitude=51.5, name="Depot")),
            {
                "message_type": "location",
                "location": {"longitude": "-0.0853", "latitude": "51.5", "name": "Depot"},
            },
        ),
        ({"Any Thing": [1]}, {"Any Thing": [1]}),
    ],
)
def test_an_event(body: Any, wired: dict[str, Any]) -> None:
    request = CreateEventRequest(type=EventType.MESSAGE, from_="MEM-1", body=body)
    assert request.to_wire() == {"type": "message", "from": "MEM-1", "body": wired}
