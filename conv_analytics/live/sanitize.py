"""Removes secrets and, with a mask, personal data from a body before it reaches the disk."""

from __future__ import annotations

import json

import msgspec

from conv_analytics.dataset.storage.inbox import Receipt
from conv_analytics.privacy import Mask
from conv_analytics.privacy.damaged_json import REFUSED
from conv_analytics.resources.query_values import query_values
from conv_analytics.tables.redact import redact_record

_items = msgspec.json.Decoder(list[msgspec.Raw])
_FORM = "application/x-www-form-urlencoded"
_JSON = "application/json"
#: Masked form of a body that is not JSON: its digest and its length.
_MARK = b'{"unreadable"'
_SPACE = b"\xef\xbb\xbf \t\r\n"


def sanitized(receipt: Receipt, mask: Mask | None = None) -> Receipt:
    """A receipt that may be stored: its body redacted like pages of the API, and masked if there is a mask."""
    if mask is not None:
        return _masked(receipt, mask)
    name = "events" if receipt.interface == "rtc" else ""
    return receipt._replace(body=_redacted(receipt.body, name))


def _redacted(body: bytes, name: str) -> bytes:
    if not body.lstrip().startswith(b"["):
        return redact_record(body, name)
    try:
        items = _items.decode(body)
    except REFUSED:
        return redact_record(body, name)
    return b"[" + b",".join(redact_record(bytes(item), name) for item in items) + b"]"


def _masked(receipt: Receipt, mask: Mask) -> Receipt:
    """Mask a body; parameters and forms become JSON, so that each value is masked by its name."""
    body = receipt.body
    form = receipt.content_type.partition(";")[0].strip().lower() == _FORM
    if receipt.method == "GET" or (form and not body.lstrip().startswith((b"{", b"["))):
        text = receipt.query if receipt.method == "GET" else body.decode("latin-1")
        body = json.dumps(query_values(text)).encode()
        receipt = receipt._replace(query="", content_type=_JSON)
    masked = mask.page(body)
    if masked.startswith(_MARK) and not body.lstrip(_SPACE).startswith(b"{"):
        # An object would pass for an event.
        masked = msgspec.json.encode(masked.decode())
    return receipt._replace(body=masked)
