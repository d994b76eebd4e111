"""Webhooks as Vonage sends them: bodies, and tokens made by PyJWT."""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from pathlib import Path
from typing import Any

import jwt

FIXTURES = Path(__file__).parents[1] / "fixtures" / "live"
SECRET, API_KEY = "invented-signature-secret-0123456789abcdef", "a1b2c3d4"
APPLICATION = "c0ffee00-1d0c-4a2b-8a57-6f0e5d1b2a90"


def claims(body: bytes, **others: Any) -> dict[str, Any]:
    """The claims of a token for a body; `others` are added, and those that are None left out."""
    made = {
        "iat": int(time.time()),
        "jti": str(uuid.uuid4()),
        "iss": "Vonage",
        "payload_hash": hashlib.sha256(body).hexdigest(),
        "api_key": API_KEY,
        "application_id": APPLICATION,
    }
    return {name: value for name, value in {**made, **others}.items() if value is not None}


def signed(body: bytes, *, secret: str = SECRET, algorithm: str | None = "HS256", **others: Any) -> dict[str, str]:
    """The headers of a signed webhook."""
    token = jwt.encode(claims(body, **others), secret if algorithm else "", algorithm=algorithm)
    return {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}


def rtc_event(number: int, kind: str = "sip:hangup", conversation: str = "CON-1", **others: Any) -> bytes:
    """An RTC event."""
    event = {
        "id": number,
        "type": kind,
        "conversation_id": conversation,
        "application_id": APPLICATION,
        "from": "MEM-7f1c2b3a-0000-4000-8000-000000000001",
        "body": {"direction": "inbound", "channel": {"id": "9f2c", "type": "phone", "to": {"number": "447700900101"}}},
        "timestamp": "2026-11-20T09:17:41.512Z",
    }
    return json.dumps({**event, **others}, separators=(",", ":")).encode()


def voice_event(number: int, status: str = "completed", **others: Any) -> bytes:
    """A Voice event."""
    event = {
        "headers": {},
        "uuid": f"{number:032x}",
        "conversation_uuid": "CON-7d1f3c52-9b8a-4c1e-a5d3-2f6b8e90c411",
        "status": status,
        "direction": "inbound",
        "from": "447700900101",
        "to": "442079460201",
        "timestamp": "2026-11-20T09:17:41.512Z",
    }
    return json.dumps({**event, **others}, separators=(",", ":")).encode()
