"""Shapes that others published with SDKs, guides and specifications; the values are invented.

Each is a record of a list. What is unusual about it stands beside it.
"""

from __future__ import annotations

from typing import Any

Record = dict[str, Any]

NOW, LATER = "2026-02-03T08:14:10.25Z", "2026-02-03T08:20:00Z"
LEG, OTHER = "30cecc8777c94d03910ae9d69558263c", "94fd4c39-cbe0-5d62-a71a-d73636265e96"
FROM = {"type": "phone", "number": "442079460123"}
TO = {"type": "sip", "uri": "sip:desk@pbx.example.org", "username": "desk", "headers": {"X-Id": "7"}}


def event(kind: str, body: Any, **others: Any) -> Record:
    return {"id": 1, "type": kind, "from": "MEM-7", "timestamp": NOW, "body": body, **others}


MEMBERS: dict[str, Record] = {
    # The Node package's own type: the channel is its only end.
    "channel with a number": {
        "id": "MEM-1", "state": "JOINED", "channel": {"type": "phone", "number": "442079460123"},
        "_embedded": {"user": {"id": "USR-1", "name": "orla", "_links": {"self": {"href": "/v1/users/USR-1"}}}},
        "initiator": {"joined": {"is_system": True, "user_id": "USR-2", "member_id": "MEM-2"}},
        "media": {"audio_settings": {"enabled": True, "earmuffed": False, "muted": False}, "audio": True},
        "_links": {"href": "/v1/conversations/CON-1/members/MEM-1"},
    },
    "user in full": {
        "id": "MEM-1", "state": "LEFT",
        "_embedded": {"user": {
            "id": "USR-1", "name": "orla", "display_name": "Orla", "image_url": "https://a.example/1.png",
            "properties": {"custom_data": {"Team": [1, 2.50]}, "ttl": 60}, "channels": {"pstn": [{"number": 4420}]},
        }},
    },
    # The old guide: no id, user beside the member, leg only in a list.
    "version 0.1": {
        "member_id": "MEM-1", "user_id": "USR-1", "name": "orla", "state": "JOINED",
        "timestamp": {"invited": NOW, "joined": LATER}, "invited_by": "USR-2",
        "channel": {
            "type": "phone", "from": {"type": "phone", "number": "Unknown"}, "to": FROM, "leg_ids": [LEG],
            "cpa": False, "preanswer": False, "ring_timeout": 60000, "cpa_time": 5000, "max_length": 7200000,
        },
        "initiator": {"invited": {"isSystem": True}},
    },
    # The service's own specification: everything twice.
    "all that it may have": {
        "id": "MEM-1", "member_id": "MEM-2", "user_id": "USR-1", "name": "orla", "display_name": "Orla",
        "conversation_id": "CON-1", "state": "INVITED", "knocking_id": "k-1", "invited_by": "MEM-3", "initiator": {},
        "href": "https://a.example/1", "isDisabledCallback": True, "leg_ids": [OTHER],
        "legs": [{"leg_id": OTHER, "status": "started"}, {"leg_id": OTHER, "status": "ringing"}],
        "media": {
            "audio_settings": {"enabled": True, "muted": False, "mixer": "m"},
            "audio": {"enabled": True, "earmuffed": True, "codec": "opus"},
        },
        "timestamp": {"invited": NOW, "joined": LATER, "left": LATER, "seen": LATER},
        "channel": {
            "type": "websocket", "id": LEG, "to": TO,
            "from": {"type": "websocket", "content-type": "audio/l16;rate=8000"},
            "headers": {"k": "v"}, "cpa": True, "can_hear": ["MEM-4"], "can_speak": [], "knocking_id": "k-2",
            "legs": [{"leg_id": LEG, "status": "answered"}], "leg_ids": [{"leg_id": LEG}], "leg_settings": {},
            "content-type": "audio/l16;rate=16000",
        },
    },
    "no objects where objects belong": {
        "id": "MEM-1", "state": "JOINED", "channel": {"type": "app", "from": [], "to": 2},
        "_embedded": {"user": {"id": "USR-1"}, "extra": [1]},
    },
}  # fmt: skip

CONVERSATIONS: dict[str, Record] = {
    "version 0.1": {
        "uuid": "CON-1", "name": "NAM-1", "timestamp": {"created": NOW}, "sequence_number": "8", "numbers": {},
        "properties": {"ttl": 172800, "video": False}, "api_key": "0a1b2c3d",
        "members": [{"member_id": "MEM-1", "channel": {"leg_ids": [LEG]}}],
    },
    "media state and more": {
        "id": "CON-1", "uuid": "CON-2", "state": "ACTIVE", "status": "INACTIVE",
        "media_state": {"recording": True, "codec": "opus"}, "timestamp": {"created": NOW, "archived": LATER},
        "numbers": [{"type": "phone", "number": "4420"}], "_embedded": {"id": "MEM-1", "state": "JOINED"},
        "properties": {"custom_data": {"answer": "yes", "password": "mine"}, "custom_sort_key": "a", "type": "t"},
    },
}  # fmt: skip

USERS: dict[str, Record] = {
    "in full": {
        "id": "USR-1", "name": "orla", "image_url": "https://a.example/1.png", "href": "https://a.example/1",
        "properties": {"ttl": 20, "type": "t", "custom_data": {"k": "v"}}, "timestamp": {"created": NOW},
        "channels": {
            "pstn": [{"number": 442079460123}], "sip": [{"uri": "sip:orla@pbx.example.org", "username": "orla"}],
            "websocket": [{"uri": "wss://a.example", "content-type": "audio/l16", "headers": {"k": 1}}],
        },
    },
}  # fmt: skip

SESSIONS: dict[str, Record] = {
    "key of the account inside": {
        "id": "SES-1", "_embedded": {"user": {"id": "USR-1", "name": "orla"}, "api_key": "0a1b2c3d"},
        "properties": {"ttl": 900, "device": "ios"},
    },
}  # fmt: skip

_HISTORY = [
    {"status": "started", "date": NOW, "memberId": "MEM-7", "conversationId": "CON-1"},
    {"status": "completed", "date": LATER, "knockerId": "k-1"},
]

EVENTS: dict[str, Record] = {
    # The member stands in the user, or is the sender.
    "invited, as webhooks log it": event("member:invited", {
        "user": {"member_id": "MEM-4", "user_id": "USR-4", "name": "orla", "media": {"audio": True}},
        "channel": {"type": "app", "legs": [{"leg_id": LEG, "status": "started"}], "leg_ids": [LEG], "cpa": False},
        "timestamp": {"invited": NOW}, "invied_by": "USR-2", "sdp": "v=0",
    }),
    "joined, in an old guide": event("member:joined", {
        "user": {"id": "USR-4"}, "timestamp": {"joined": NOW}, "client_ref": "c-1",
        "channel": {"type": "phone", "from": FROM, "to": FROM, "leg_ids": [LEG]},
    }, to="", state="", href="https://a.example/1"),
    "a leg without a history": event("leg:status:update", {
        "leg_id": LEG, "type": "phone", "direction": "outbound", "status": "completed",
        "state": {"status": "completed", "successful": False, "reason": "busy"},
    }),
    "a leg, its state beside the history": event("leg:status:update", {
        "leg_id": LEG, "type": "phone", "status": "completed", "statusHistory": _HISTORY,
        "state": {"status": "completed", "successful": True, "reason": "ok"},
    }),
    "a recording split by conversation": event("audio:record", {
        "recording_id": "r-1", "split": "conversation", "format": "mp3", "channels": 2,
        "transcription": {"language": "en-US", "sentiment_analysis": True, "engine": "e"},
    }),
    "a transcript": event("audio:transcribe:done", {
        "request_id": "q-1", "recording_id": "r-1", "transcription_url": "https://a.example/t", "channel": {"id": LEG},
    }),
    "speaking, its channel drawn flat": event("audio:speaking:on", {
        "id": LEG, "type": "app", "headers": {"k": [1]}, "channel": {"from": FROM, "to": TO},
    }),
    "speech ended on a leg in a list": event("audio:say:done", {
        "say_id": "s-1", "channel": {"leg_ids": [{"leg_id": LEG}]},
    }),
    "keys on a leg with a status": event("audio:dtmf", {
        "digit": "5", "channel": {"legs": [{"leg_id": LEG, "status": "x"}]},
    }),
    "recognised on a channel": event("audio:asr:done", {
        "asr": {"results": [{"text": "yes", "confidence": "0.9"}], "asr_id": "a-1"}, "channel": {"id": LEG},
    }),
    "a customer's own answer": event("message", {
        "message_type": "custom", "custom": {"question": "ok?", "answer": "yes", "password": "mine"},
    }),
    "a message that was never stored": event("ephemeral", {"answer": "yes", "sdp": "mine"}),
    "an answer of an app": event("rtc:answer", {"answer": "v=0", "rtc_id": LEG, "isFromMB": False}),
    "sender in full": event(
        "message", {"message_type": "text", "text": "hi"}, application_id="a-1", _meta={"checkConversationState": 1},
        _embedded={
            "from_user": {"id": "USR-1", "name": "o", "properties": {"a": 1}, "_links": {}},
            "from_member": {"id": "MEM-1", "state": "JOINED"}, "device": "ios",
        },
    ),
    "a text": event("text", {"text": "hi", "language": "en", "channels": [], "edited": True}),
    "a text changed": event("text:update", {"text": "hello", "original_event_id": 4}),
    "a text seen": event("text:seen", {"event_id": "4"}),
    "a picture": event("image", {"representations": {"original": {"url": "https://a.example/1.png", "size": 7}}}),
    "a picture delivered": event("image:delivered", {"event_id": 4}),
    "somebody knocks": event("app:knocking", {
        "user": {"id": "USR-4"}, "channel": {"id": LEG, "type": "phone", "from": FROM},
        "properties": {"custom_data": {}},
    }, **{"from": "knocker:1"}),
    "an offer": event("rtc:offer", {"sdp": "v=0", "leg_id": LEG, "member_leg_id": OTHER, "member_id": "MEM-7"}),
    "a mixer": event("mixer:publisher:created", {}),
    "a conversation made": event("conversation:created", {"id": "CON-1", "name": "n", "timestamp": {"created": NOW}}),
    "transferred": event("rtc:transfer", {
        "was_member": "MEM-4", "user_id": "USR-4", "transferred_from": "CON-2", "channel": {"id": LEG},
    }),
}  # fmt: skip
