"""Events as JSON bytes: written once, served many times."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from conv_analytics.sandbox.world.clock import iso

if TYPE_CHECKING:
    from conv_analytics.sandbox.world.records import Event

Json = dict[str, Any]
API = "https://api.nexmo.com/v1"
# msgspec refuses lone surrogates, so broken texts carry this mark, which becomes an escape in the bytes.
LONE_SURROGATE = "\ue000lone-surrogate\ue000"
_MARK = LONE_SURROGATE.encode()

encode = msgspec.json.Encoder().encode


def envelope(event: Event, conversation_id: str) -> Json:
    """Write an event's envelope (contract 7.1)."""
    whole: Json = {"id": event.id, "type": event.type}
    member = event.member
    if member is not None:
        whole["from"] = member.id
    whole["body"] = event.body
    whole["timestamp"] = iso(event.at)
    if member is not None:
        user = member.user
        whole["_embedded"] = {
            "from_user": {"id": user.id, "name": user.name, "display_name": user.display_name},
            "from_member": {"id": member.id},
        }
    whole["_links"] = {"self": {"href": f"{API}/conversations/{conversation_id}/events/{event.id}"}}
    return whole


def to_bytes(whole: Json) -> bytes:
    """Write an envelope as JSON."""
    text = encode(whole)
    return text.replace(_MARK, b"lost \\ud83d half") if _MARK in text else text
