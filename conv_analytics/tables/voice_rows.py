"""From Voice events to rows: of their own table, and of the tables of calls that they map to (live contract 6.7).

A Voice event has no id; rows of other tables have a null in its place and the source ``voice``. They repeat what RTC
events say about the same leg, a few milliseconds apart: questions about legs use them only when nothing else is known
of a leg (`conv_analytics.analysis.engine.voice_rows`).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from functools import cache
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from conv_analytics.resources import scan
from conv_analytics.resources.voice_event import (
    DECIDING_KEYS,
    SpeechResult,
    VoiceEventKind,
    kind_of,
    leg_key,
    whole_conversation_id,
)
from conv_analytics.tables import TABLES
from conv_analytics.tables.broken_records import ProblemLog
from conv_analytics.tables.column import pick
from conv_analytics.tables.column_decoder import Cell, ColumnDecoder, json_texts
from conv_analytics.tables.envelope import EventSource
from conv_analytics.tables.explode import comparable, split_items
from conv_analytics.tables.flatten import Rows, assemble, keys_with_number, sources
from conv_analytics.tables.kinds import INSTANT, nulls, recode, to_arrow
from conv_analytics.tables.redact import redact_column
from conv_analytics.tables.seen_events import SeenEvents
from conv_analytics.tables.voice import UNLISTED, VOICE_EVENTS
from conv_analytics.tables.webhook_identity import digest
from conv_analytics.tables.webhooks import Received

Arrays = dict[str, pa.Array]

#: Statuses of payments, not of calls.
_NO_CALL_STATUS = ("success", "failure")
_REFUSED = (msgspec.MsgspecError, RecursionError, UnicodeDecodeError)
#: The identity of an event, except for its body. An event that names another conversation is a different one: events
#: are only compared within their conversation.
_KEY = ("conversation_id", "leg_id", "kind", "status", "told_at")


def flatten_voice_events(received: Sequence[Received], seen: SeenEvents) -> Rows:
    """Turn Voice events into rows of ``voice_events``, and of the tables of calls that they map to.

    Parameters
    ----------
    received
        The events, in the order in which they came.
    seen
        The events flattened before; a repeated event is left out and counted. Its ``event_key`` is one of the
        `SeenEvents.items` of its conversation, "" for none.

    Examples
    --------
    >>> body = b'{"uuid": "9f2c", "status": "busy", "timestamp": "2026-11-20T10:00:05.610Z", "sip_code": 486}'
    >>> rows = flatten_voice_events([Received(body, None), Received(body, None)], SeenEvents())
    >>> rows.tables["leg_statuses"]["status"].to_pylist(), rows.duplicates
    (['busy'], 1)
    """
    documents = [event.body for event in received]
    reading = _decoder().read(documents)
    arrays, height = reading.arrays, len(documents)
    lost = {cell.row for cell in reading.cells if not cell.column}
    _complete(arrays, received)
    arrays["event_key"] = pa.array(_keys(arrays, documents, lost), pa.string())
    fresh = _new_rows(arrays, lost, seen)
    reported = lost.union(fresh)
    ledger = ProblemLog("voice_events")
    ledger.add("voice_events", [cell for cell in reading.cells if cell.row in reported])
    new = {name: array.take(pa.array(fresh, pa.int64())) for name, array in arrays.items()}
    transcripts, cells = _transcripts(new)
    ledger.add("transcripts", [Cell(fresh[cell.row], cell.column, cell.reason) for cell in cells])
    rows = Rows(duplicates=height - len(reported), broken=ledger.broken(lambda row: documents[row], arrays, lost=lost))
    made = {
        "voice_events": new,
        "leg_statuses": _leg_statuses(new),
        "call_records": _call_records(new),
        "audio_events": _audio_events(new),
        "transcripts": transcripts,
    }
    rows.tables = {name: _assembled(name, own) for name, own in made.items() if len(own["at"])}
    rows.tables.setdefault("voice_events", VOICE_EVENTS.empty())
    rows.unknown_fields = keys_with_number(pa.chunked_array([new["extra"]]))
    return rows


def conversations_of_calls(bodies: Sequence[bytes]) -> set[str]:
    """The conversations of Voice events, as the table ``voice_events`` names them; "" for none.

    >>> sorted(conversations_of_calls([b'{"conversation_uuid": "CON-7d1f", "status": "busy"}', b'{"status": "busy"}']))
    ['', 'CON-7d1f']
    """
    if not bodies:
        return set()
    arrays = _conversation_decoder().read(bodies).arrays
    return {name or "" for name in _conversations(arrays).unique().to_pylist()}


# -- the table of all of them


@cache
def _decoder() -> ColumnDecoder:
    columns = [column for column in VOICE_EVENTS.columns if column.paths or column.name == "extra"]
    return ColumnDecoder([*columns, *UNLISTED])


@cache
def _conversation_decoder() -> ColumnDecoder:
    names = ("conversation_id", "conversation_id_to")
    return ColumnDecoder([column for column in VOICE_EVENTS.columns if column.name in names])


def _complete(arrays: Arrays, received: Sequence[Received]) -> None:
    """Add the columns that no key of the event has."""
    height = len(received)
    arrays["conversation_id"] = _conversations(arrays)
    for name in ("conversation_id_from", "conversation_id_to"):
        arrays[name] = _whole_ids(arrays[name])
    arrays["kind"] = _kinds(arrays)
    arrays["extra"] = redact_column(_with_headers(arrays["extra"], arrays["headers"]))
    arrays["body"] = redact_column(pa.array(json_texts([event.body for event in received]), pa.string()))
    arrays["received_at"] = pa.array([event.at for event in received], INSTANT)
    arrays["verification"] = pa.array([event.verification for event in received], pa.string())
    arrays["told_at"] = arrays["at"]
    arrays["at_is_received"] = pc.and_(arrays["at"].is_null(), arrays["received_at"].is_valid())
    arrays["at"] = pc.coalesce(arrays["at"], arrays["received_at"])
    arrays["source"] = sources(EventSource.VOICE, height)


def _conversations(arrays: Arrays) -> pa.Array:
    """The conversation of each event: where it is blank, the one that a transfer leads to."""
    return pc.coalesce(_whole_ids(arrays["conversation_id"]), _whole_ids(arrays["conversation_id_to"]))


def _whole_ids(ids: pa.Array) -> pa.Array:
    """Ids of conversations with their prefix; null where they are blank."""
    encoded = ids.dictionary_encode()
    whole = [whole_conversation_id(written) if written.strip() else None for written in encoded.dictionary.to_pylist()]
    return pa.array(whole, pa.string()).take(encoded.indices)


def _kinds(arrays: Arrays) -> pa.Array:
    texts = [arrays[_COLUMNS.get(key, key)].to_pylist() for key in DECIDING_KEYS]
    kinds = [kind_of(dict(zip(DECIDING_KEYS, row, strict=True))) for row in zip(*texts, strict=True)]
    encoded = pa.array([str(kind) for kind in kinds], pa.string()).dictionary_encode()
    return recode(VoiceEventKind, encoded.dictionary.to_pylist(), encoded.indices)


#: Columns whose name is not that of their key.
_COLUMNS = {"conversation_uuid_from": "conversation_id_from"}


def _with_headers(extra: pa.Array, headers: pa.Array) -> pa.Array:
    """The column ``extra`` with the headers of those calls that have any."""
    if extra.null_count == len(extra) and not pc.any(pc.not_equal(headers, "{}")).as_py():
        return extra
    texts = extra.to_pylist()
    for row, text in enumerate(headers.to_pylist()):
        if text not in {None, "{}"}:
            rest = [] if texts[row] is None else [texts[row][1:-1]]
            texts[row] = "{" + ",".join([f'"headers":{text}', *rest]) + "}"
    return pa.array(texts, pa.string())


def _keys(arrays: Arrays, documents: Sequence[bytes], lost: Collection[int]) -> list[str | None]:
    """The key of each event; None for other objects."""
    parts = zip(*(comparable(arrays[name]) for name in _KEY), strict=True)
    return [None if row in lost else _key(part, documents[row]) for row, part in enumerate(parts)]


def _key(parts: Sequence[Any], document: bytes) -> str:
    """The key of an event with these parts; of its whole body if one of them except the conversation is missing."""
    conversation_id, leg_id, *others = parts
    if leg_id is None or None in others:
        return digest((document,))
    return digest([json.dumps(part).encode() for part in (conversation_id, leg_key(leg_id), *others)])


def _new_rows(arrays: Arrays, lost: Collection[int], seen: SeenEvents) -> list[int]:
    """The rows of events that are new."""
    fresh = []
    for row, (owner, key) in enumerate(
        zip(arrays["conversation_id"].to_pylist(), arrays["event_key"].to_pylist(), strict=True)
    ):
        if row not in lost and key not in (known := seen.items(owner or "")):
            known.add(key)
            fresh.append(row)
    return fresh


# -- the tables of calls


def _rows(arrays: Arrays, condition: pa.Array) -> Arrays:
    places = pc.indices_nonzero(pc.fill_null(condition, fill_value=False))
    return {name: array.take(places) for name, array in arrays.items()}


def _is_kind(arrays: Arrays, kind: VoiceEventKind) -> pa.Array:
    return pc.equal(arrays["kind"].cast(pa.string()), kind.value)


def _leg_statuses(arrays: Arrays) -> Arrays:
    status = arrays["status"].cast(pa.string())
    of_call = pc.and_(_is_kind(arrays, VoiceEventKind.STATUS), arrays["leg_id"].is_valid())
    rows = _rows(arrays, pc.and_(of_call, pc.invert(pc.is_in(status, pa.array(_NO_CALL_STATUS)))))
    return rows | {"reason": _words("leg_statuses", "reason", rows["detail"])}


def _call_records(arrays: Arrays) -> Arrays:
    completed = pc.equal(arrays["status"].cast(pa.string()), "completed")
    of_call = pc.and_(_is_kind(arrays, VoiceEventKind.STATUS), arrays["leg_id"].is_valid())
    rows = _rows(arrays, pc.and_(of_call, completed))
    # The reason of an error in a body is not the reason of a record.
    return {name: rows[name] for name in rows if name != "reason"} | {"network_code": rows["network"]}


def _audio_events(arrays: Arrays) -> Arrays:
    """Recordings, transcripts and keys, under the types that RTC events have for them."""
    digits = pa.array(map(_digits, arrays["dtmf"].to_pylist()), pa.string())
    kind = arrays["kind"].cast(pa.string())
    types = pa.array(map(_TYPES.get, kind.to_pylist()), pa.string())
    pressed = pc.and_(_is_kind(arrays, VoiceEventKind.INPUT), digits.is_valid())
    types = pc.if_else(pressed, "audio:dtmf", types)
    rows = _rows(arrays | {"type": types, "digits": digits}, types.is_valid())
    return {name: rows[name] for name in (*_SHARED, *_OF_RECORDING, "type", "digits")} | {
        "type": _words("audio_events", "type", rows["type"]),
        "destination_url": rows["recording_url"],
    }


_TYPES = {
    VoiceEventKind.RECORD.value: "audio:record:done",
    VoiceEventKind.TRANSCRIPTION.value: "audio:transcribe:done",
}
_SHARED = ("conversation_id", "leg_id", "at", "source")
_OF_RECORDING = ("recording_id", "transcription_url", "started_at", "ended_at", "size_bytes", "recording_url")


def _digits(dtmf: str | None) -> str | None:
    """The pressed keys: a text, or inside an object; None if there are none."""
    value = _value(dtmf)
    if isinstance(value, dict):
        value = value.get("digits")
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    return value if isinstance(value, str) and value else None


def _transcripts(arrays: Arrays) -> tuple[Arrays, list[Cell]]:
    """The alternatives of each recognition."""
    parents: list[int] = []
    numbers: list[int] = []
    documents: list[bytes] = []
    reasons: list[str | None] = []
    cells = []
    for row, text in enumerate(arrays["speech"].to_pylist()):
        speech = _members(text)
        listed, unreadable = split_items(speech.get("results", b""))
        if unreadable:
            cells.append(Cell(row, "text", f"results are {unreadable}"))
        reason = _value(speech.get("timeout_reason"))
        for number, item in enumerate(listed, start=1):
            parents.append(row)
            numbers.append(number)
            documents.append(bytes(item))
            reasons.append(reason if isinstance(reason, str) else None)
    inside = _result().read(documents)
    places = pa.array(parents, pa.int64())
    shared = {name: arrays[name].take(places) for name in _SHARED}
    own = {
        "type": _words("transcripts", "type", pa.array(["audio:asr:done"] * len(parents), pa.string())),
        "alternative": pa.array(numbers, pa.int64()),
        "timeout_reason": _words("transcripts", "timeout_reason", pa.array(reasons, pa.string())),
    }
    cells += [Cell(parents[cell.row], cell.column or "text", cell.reason) for cell in inside.cells]
    return shared | inside.arrays | own, cells


@cache
def _result() -> ColumnDecoder:
    return ColumnDecoder([pick(SpeechResult, "text"), pick(SpeechResult, "confidence")])


def _members(text: str | None) -> dict[str, bytes]:
    try:
        return scan.members(text.encode()) if text else {}
    except ValueError:
        return {}


def _value(raw: bytes | str | None) -> Any:
    try:
        return msgspec.json.decode(raw) if raw else None
    except _REFUSED:
        return None


def _words(table: str, column: str, texts: pa.Array) -> pa.Array:
    """Texts as a column of a table, perhaps of a vocabulary."""
    array, _ = to_arrow(TABLES[table][column].kind, [texts.to_pylist()])
    return array


def _assembled(name: str, arrays: Arrays) -> pa.Table:
    """Rows of a table; the columns that Voice events do not have are null."""
    table, height = TABLES[name], len(arrays["at"])
    absent = {column.name: nulls(column.kind, height) for column in table.columns if column.name not in arrays}
    return assemble(table, arrays | absent)


__all__ = ["conversations_of_calls", "flatten_voice_events"]
