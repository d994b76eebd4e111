"""Read the columns that all events have: id, type, instant, sender, and the body as text (contract 7.1)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from functools import cache
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from conv_analytics.resources import Event, MessageRTCAnswerBody
from conv_analytics.resources.record import Json
from conv_analytics.tables.column import Column, pick
from conv_analytics.tables.column_decoder import Cell, ColumnDecoder
from conv_analytics.tables.envelope import EventFamily, Technology
from conv_analytics.tables.events import EVENTS
from conv_analytics.tables.kinds import recode
from conv_analytics.tables.redact import redact_column

#: The key under which an event holds its sender.
_EMBEDDED = "_embedded"
#: Fields of a body that stand beside it in the events of webhooks.
BESIDE_BODY = ("session_destination", "is_from_mb")


class Events(NamedTuple):
    """Some events, with their bodies not yet read."""

    arrays: dict[str, pa.Array]
    """The columns of the table ``events``, and those that other tables copy from it."""
    bodies: pa.Array
    """The bodies as received, secrets included: for reading only, never to be written."""
    page_lengths: list[int]
    """The number of events in each page."""
    cells: list[Cell]


def read_events(pages: Sequence[bytes], *, delivered: bool = False) -> Events:
    """Read the events of some pages.

    Parameters
    ----------
    pages
        The pages.
    delivered
        They are events of webhooks, each of which names its conversation and its application.
    """
    reading, page_lengths = _root(delivered=delivered).read_pages(pages, "events")
    arrays = reading.arrays
    bodies = arrays["body"]
    sender = _sender().read_texts(arrays.pop(_EMBEDDED))
    arrays["extra"] = _with_rest(arrays, sender.arrays)
    for name, array in sender.arrays.items():
        if name != "extra":
            arrays[name] = pc.coalesce(array, arrays[name]) if name in arrays else array
    arrays |= _beside_body(arrays["extra"])
    arrays["body"] = redact_column(bodies, arrays["type"], "body")
    arrays["extra"] = redact_column(arrays["extra"], arrays["type"])
    arrays["family"] = _first_words(arrays["type"], EventFamily)
    arrays["technology"] = _first_words(arrays["type"], Technology, others=False)
    return Events(arrays, bodies, page_lengths, [*reading.cells, *map(_of_sender, sender.cells)])


def _with_rest(event: Mapping[str, pa.Array], sender: Mapping[str, pa.Array]) -> pa.Array:
    """The column ``extra``, with the undeclared keys of the sender, and a second sender id that differs."""
    extra, rest, sender_id = event["extra"], sender["extra"], event["from_member_id"]
    twice = pc.fill_null(pc.not_equal(sender_id, sender["from_member_id"]), fill_value=False)
    rows = np.flatnonzero(pc.or_(rest.is_valid(), twice).to_numpy(zero_copy_only=False)).tolist()
    if not rows:
        return extra
    texts = extra.to_pylist()
    for row in rows:
        parts = [] if texts[row] is None else [texts[row][1:-1]]
        if twice[row].as_py():
            parts.append('"from":' + json.dumps(sender_id[row].as_py()))
        if rest[row].is_valid:
            parts.append(f'"{_EMBEDDED}":{rest[row].as_py()}')
        texts[row] = "{" + ",".join(parts) + "}"
    return pa.array(texts, pa.string())


def _of_sender(cell: Cell) -> Cell:
    # The embedded part may not be an object; the event still is one.
    return cell if cell.column else Cell(cell.row, "from_user_id", f"{_EMBEDDED} is {cell.reason}")


def missing_id_cells(ids: pa.Array, column: str) -> list[Cell]:
    """The missing ids, as cells that could not be read."""
    rows = np.flatnonzero(ids.is_null().to_numpy(zero_copy_only=False)).tolist()
    return [Cell(row, column, "there is no id") for row in rows]


def _beside_body(extra: pa.Array) -> dict[str, pa.Array]:
    """The keys that webhooks have beside the body and lists inside it; they stay in ``extra`` as well."""
    return _answer().read_texts(extra).arrays


@cache
def _answer() -> ColumnDecoder:
    return ColumnDecoder([pick(MessageRTCAnswerBody, name) for name in BESIDE_BODY])


@cache
def _root(*, delivered: bool) -> ColumnDecoder:
    """Reads an event's own keys. The embedded sender is left as text, because a member's events repeat it."""
    columns = [column for column in map(_outside, EVENTS.columns) if column.paths or column.name == "extra"]
    columns.append(Column(_EMBEDDED, Json, "Who sent the event.", paths=((_EMBEDDED,),)))
    if delivered:
        columns += [pick(Event, "conversation_id"), pick(Event, "application_id")]
    return ColumnDecoder(columns)


@cache
def _sender() -> ColumnDecoder:
    """Reads the sender that an event embeds."""
    columns = (_inside(column) for column in EVENTS.columns)
    return ColumnDecoder([column for column in columns if column.paths or column.name == "extra"])


def _outside(column: Column) -> Column:
    return replace(column, paths=tuple(path for path in column.paths if path[0] != _EMBEDDED))


def _inside(column: Column) -> Column:
    return replace(column, paths=tuple(path[1:] for path in column.paths if path[0] == _EMBEDDED))


def _first_words(types: pa.DictionaryArray, vocabulary: type[StrEnum], *, others: bool = True) -> pa.Array:
    """The part of each type before its colon, as a word of a vocabulary."""
    words = [str(word).partition(":")[0] for word in types.dictionary.to_pylist()]
    known = [word if others or word in set(vocabulary) else None for word in words]
    return recode(vocabulary, known, types.indices)
