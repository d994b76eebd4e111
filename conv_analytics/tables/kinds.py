"""How each kind of cell is stored (Arrow), shown (pandas), and read in bulk.

============== ============================ ====================== =======================================
kind            Arrow, Parquet               pandas                 read from JSON by
============== ============================ ====================== =======================================
``str``         string                       ``str``                `cells.text`
``int``         int64                        ``Int64``              `cells.integer`
``float``       double                       ``float64``            `cells.number`
``bool``        bool                         ``boolean``            `cells.flag`
``datetime``    timestamp[us, UTC]           ``datetime64[us, UTC]`` `cells.instant`
``Decimal``     decimal128(28, 18)           ``double[pyarrow]``    `cells.money`
a vocabulary    dictionary of strings        ``category``           `cells.choice`
``Json``        string (JSON text)           ``str``                kept verbatim
============== ============================ ====================== =======================================

Money is exact on disk. pandas has no decimal dtype that a plain ``pd.read_parquet`` could name, it would make a column
of Python objects; so pandas sees doubles, exact to some fifteen digits. Files of earlier versions have
decimal128(18, 8): they are read in the current type (`as_declared`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from functools import cache, lru_cache
from types import NoneType
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from conv_analytics.resources.cells import MONEY_DIGITS, MONEY_SCALE, Unreadable
from conv_analytics.resources.record import is_blank, reader

INSTANT = pa.timestamp("us", "UTC")
MONEY = pa.decimal128(MONEY_DIGITS, MONEY_SCALE)
#: Money in files of version 0.1.
EARLIER_MONEY = pa.decimal128(18, 8)
#: In the metadata of a column that files of earlier versions lack, and what those mean by that where it is a value.
LATER, EARLIER = b"later", b"earlier"
VOCABULARY = pa.dictionary(pa.int32(), pa.string())

#: Arrow moves the first and the last hours of the calendar to years that no date has.
_FIRST = pa.scalar(datetime(1, 1, 1, tzinfo=UTC), INSTANT)
_LAST = pa.scalar(datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), INSTANT)


class Unread(NamedTuple):
    """A cell that stays null because its value does not have the column's kind."""

    row: int
    reason: str


class Undecodable(NamedTuple):
    """Stands for a value that no parser takes; no cell can hold it."""

    reason: str


class Storage(NamedTuple):
    """How a kind is stored and named."""

    arrow: pa.DataType
    pandas: str
    """The dtype that ``pd.read_parquet`` gives."""
    metadata: tuple[str, str, dict[str, Any] | None]
    """``pandas_type``, ``numpy_type`` and ``metadata`` of the column in the pandas block of the schema."""


_STORAGE: dict[Any, Storage] = {
    str: Storage(pa.string(), "str", ("unicode", "str", None)),
    int: Storage(pa.int64(), "Int64", ("int64", "Int64", None)),
    float: Storage(pa.float64(), "float64", ("float64", "float64", None)),
    bool: Storage(pa.bool_(), "boolean", ("bool", "boolean", None)),
    datetime: Storage(INSTANT, "datetime64[us, UTC]", ("datetimetz", "datetime64[us]", {"timezone": "UTC"})),
    Decimal: Storage(MONEY, "double[pyarrow]", ("decimal", "double[pyarrow]", None)),
}
_VOCABULARY = Storage(VOCABULARY, "category", ("categorical", "int32", {"num_categories": 0, "ordered": False}))


@cache
def storage(kind: Any) -> Storage:
    """How a kind is stored; user data (``Json``) is stored as its text."""
    if is_vocabulary(kind):
        return _VOCABULARY
    return _STORAGE.get(kind, _STORAGE[str])


@cache
def is_vocabulary(kind: Any) -> bool:
    """Whether a kind is an (open) enumeration."""
    return isinstance(kind, type) and issubclass(kind, StrEnum)


def to_arrow(kind: Any, spellings: Sequence[list[Any]]) -> tuple[pa.Array, list[Unread]]:
    """One column from JSON values, None where there was no value.

    Clean values are converted in one sweep by Arrow; only a column that holds anything else is read cell by cell,
    so that tolerance costs nothing for clean values.

    Parameters
    ----------
    kind
        The kind of the column.
    spellings
        The values under each key that the API is known to use, best key first: the first that reads wins.
    """
    swept = _sweep(kind, _merge(spellings))
    if swept is not None:
        return swept, []
    result: list[Any] = []
    unread: list[Unread] = []
    for row, values in enumerate(zip(*spellings, strict=True)):
        value, reason = _first_readable(kind, values)
        result.append(value)
        if reason is not None:
            unread.append(Unread(row, reason))
    if is_vocabulary(kind):
        return _words(kind, pa.array(result, pa.string())), unread
    return pa.array(result, storage(kind).arrow), unread


def reads_as(stored: pa.DataType, declared: pa.DataType) -> bool:
    """Whether the type of a column in a file is the declared one, or that of an earlier version."""
    return bool(stored == declared or (stored == EARLIER_MONEY and declared == MONEY))


def as_declared(rows: pa.Table, schema: pa.Schema, columns: Sequence[str] | None = None) -> pa.Table:
    """Rows of any version with some columns, by default all, in the types declared today.

    Money gets the current type; a column that files of earlier versions lack gets what those mean by that.
    """
    result = []
    for field in schema if columns is None else map(schema.field, columns):
        place = rows.schema.get_field_index(field.name)
        if place < 0:
            meaning = (field.metadata or {}).get(EARLIER)
            text = pa.scalar(None if meaning is None else meaning.decode(), pa.string())
            values = pa.repeat(text, len(rows)).cast(field.type)
        elif rows.schema.field(place).type == EARLIER_MONEY:
            values = rows.column(place).cast(MONEY)
        else:
            values = rows.column(place)
        result.append(values)
    names = schema.names if columns is None else columns
    return pa.table(result, schema=pa.schema([schema.field(name) for name in names], schema.metadata))


def lacked_by_earlier(field: pa.Field) -> bool:
    """Whether files of earlier versions lack a column."""
    return LATER in (field.metadata or {})


#: As many as the kinds of columns: those of one batch have few heights, and most of them lack most columns.
@lru_cache(maxsize=64)
def nulls(kind: Any, height: int) -> pa.Array:
    """A column without values."""
    if is_vocabulary(kind):
        return recode(kind, [], pa.nulls(height, pa.int32()))
    return pa.nulls(height, storage(kind).arrow)


def recode(vocabulary: type[StrEnum], written: Sequence[str | None], indices: pa.Array) -> pa.DictionaryArray:
    """A column of words, from indexes into a list of spellings.

    The dictionary is the vocabulary in its order, then the words it does not know as met: so parts of one table agree.
    """
    read, words, place = reader(vocabulary), list(_written(vocabulary)), dict(_places(vocabulary))
    moved: list[int | None] = []
    for spelling in written:
        word = None if spelling is None or is_blank(vocabulary, spelling) else str(read(spelling))
        if word is not None and word not in place:
            place[word] = len(words)
            words.append(word)
        moved.append(None if word is None else place[word])
    if moved:
        indices = pa.array(moved, pa.int32()).take(indices)
    return pa.DictionaryArray.from_arrays(indices, pa.array(words, pa.string()))


@cache
def _written(vocabulary: type[StrEnum]) -> tuple[str, ...]:
    """The words of a vocabulary."""
    return tuple(str(member) for member in vocabulary)


@cache
def _places(vocabulary: type[StrEnum]) -> Mapping[str, int]:
    """The place of each word in a vocabulary."""
    return {word: index for index, word in enumerate(_written(vocabulary))}


def _merge(spellings: Sequence[list[Any]]) -> list[Any]:
    merged = spellings[0]
    for other in spellings[1:]:
        merged = [also if value is None else value for value, also in zip(merged, other, strict=True)]
    return merged


def _first_readable(kind: Any, values: Sequence[Any]) -> tuple[Any, str | None]:
    read = reader(kind)
    reason = None
    for value in values:
        if isinstance(value, Undecodable):
            reason = reason or value.reason
        elif value is not None and not is_blank(kind, value):
            try:
                return read(value), None
            except Unreadable as error:
                reason = reason or str(error)
    return None, reason


#: The types that `_sweep` accepts per kind: Arrow itself would take True for 1 and cut 1.5 to 1.
_CLEAN: dict[Any, frozenset[type]] = {
    int: frozenset({int, NoneType}),
    float: frozenset({float, int, NoneType}),
    bool: frozenset({bool, NoneType}),
}


def _sweep(kind: Any, values: list[Any]) -> pa.Array | None:
    if kind in _CLEAN and not set(map(type, values)) <= _CLEAN[kind]:
        return None
    try:
        if kind in _CLEAN:
            swept = pa.array(values, storage(kind).arrow)
            # Python's parser turns 1e400 into infinity.
            finite = kind is not float or pc.all(pc.is_finite(swept)).as_py() is not False
            return swept if finite else None
        texts = pa.array(values, pa.string())
        if is_vocabulary(kind):
            return _words(kind, texts)
        swept = texts.cast(storage(kind).arrow)
        return swept if kind is not datetime or _in_calendar(swept) else None
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError, UnicodeEncodeError):
        return None


def _in_calendar(instants: pa.Array) -> bool:
    inside = pc.and_(pc.greater_equal(instants, _FIRST), pc.less_equal(instants, _LAST))
    return pc.all(inside).as_py() is not False


def _words(vocabulary: type[StrEnum], texts: pa.Array) -> pa.DictionaryArray:
    encoded = texts.dictionary_encode()
    return recode(vocabulary, encoded.dictionary.to_pylist(), encoded.indices)
