"""Mutated records of the list of conversations: whatever is damaged, an id that another reader finds is found here."""

from __future__ import annotations

import functools
import json
import math
import random
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from conv_analytics.api.page import Unusable, read_page
from conv_analytics.exporter.summaries import is_empty, summary_of
from conv_analytics.sandbox import Request, Sandbox
from conv_analytics.tables.pages import records
from tests._helpers.record_fuzzing import mutate

GOOD = b'{"id": "CON-before", "name": "x"}'


@dataclass
class Tally:
    """What became of some mutated records."""

    records: int = 0
    refused: int = 0
    """In whose place the page has no list any more: the client repeats the request, and then says so."""
    named: int = 0
    nameless: int = 0
    compared: int = 0
    """Records that another reader could read."""


@functools.cache
def originals() -> tuple[bytes, ...]:
    """Records of a list, with every quirk, and of single conversations."""
    with Sandbox(seed=4, conversations=12, quirks=True) as sandbox:
        assert sandbox._app is not None
        token = sandbox.headers()["Authorization"]
        page = sandbox._app.answer(Request("GET", "/v1/conversations", {"page_size": "100"}, token)).body
        found = [bytes(record) for record in records(page, "conversations")]
        names = [name for record in found if (name := summary_of(record).record_id)]
        return (
            *found,
            *(sandbox._app.answer(Request("GET", f"/v1/conversations/{name}", {}, token)).body for name in names),
        )


def check(numbers: Iterable[int]) -> Tally:
    """Read mutated records as an export does; raise when something does not hold."""
    tally = Tally()
    for number in numbers:
        record = mutate(random.Random(number).choice(originals()), number)
        tally.records += 1
        body = b'{"_embedded": {"conversations": [%b, %b, %b]}}' % (GOOD, record, GOOD)
        try:
            found = records(read_page(body, "/v1/conversations", None, "conversations").body, "conversations")
        except (Unusable, ValueError):
            tally.refused += 1
            continue
        for each in found:
            _read(bytes(each), tally)
    return tally


def _read(record: bytes, tally: Tally) -> None:
    summary = summary_of(record)
    assert len(summary.fingerprint) == 8
    assert summary.last_event is None or summary.last_event >= 0
    assert summary.created is None or summary.changed is not None
    tally.named += summary.record_id is not None
    tally.nameless += summary.record_id is None
    if summary.record_id is not None:
        assert not is_empty(record), record
    try:
        other = json.loads(record.decode("utf-8", "replace"), strict=False)
    except (ValueError, RecursionError):
        return
    if isinstance(other, dict):
        tally.compared += 1
        assert summary.record_id == (_name(other.get("id")) or _name(other.get("uuid"))), record


def _name(value: Any) -> str | None:
    """An id, written anew from what the documentation of the reader says."""
    if isinstance(value, str):
        plain = value.strip() and "\ufffd" not in value and not any(0xD800 <= ord(char) < 0xE000 for char in value)
        return value if plain else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return str(value) if math.isfinite(value) and abs(value) < 10**40 else None
