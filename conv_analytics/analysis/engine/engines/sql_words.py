"""The parts of SQL in which engines differ.

>>> words = SqlWords("epoch_us({})", "make_timestamptz({})", "hash({})", 0, 2**64 - 1, {int: "BIGINT"}, "VARCHAR",
...                  untyped="NULL", instants="TIMESTAMP", mark='"', seconds="epoch({})", floats=frozenset({"DOUBLE"}),
...                  matches="regexp_full_match({}, '{}')", refused="cast({} as {})")
>>> words.null("sip_code", int)
'cast(null as BIGINT) as "sip_code"'
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class SqlWords:
    """How an engine writes, in SQL, the operations that narwhals lacks.

    Attributes
    ----------
    micros, instant, hashed
        Microseconds of an instant, the instant of microseconds, and 64 bits of some columns, with ``{}`` for these.
    least_hash, most_hash
        Range of the hash, as an integer.
    types
        The type of each kind; every other kind is `text`.
    text
        The type of texts.
    untyped
        The type of a column that has only nulls.
    instants
        Prefix of the types of instants.
    seconds
        Seconds of an interval, with ``{}`` for it.
    mark
        Quotation mark of names.
    floats
        The types that can hold NaN, which frames made of pandas have where a number is missing.
    matches, refused
        Whether a text matches a pattern, and what raises a message, with ``{}`` for these; of the latter also the type
        that it has instead of a value.
    """

    micros: str
    instant: str
    hashed: str
    least_hash: int
    most_hash: int
    types: Mapping[Any, str]
    text: str
    untyped: str
    instants: str
    seconds: str
    mark: str
    floats: frozenset[str]
    matches: str
    refused: str

    def quote(self, name: str) -> str:
        """A name as SQL writes it."""
        return f"{self.mark}{name.replace(self.mark, self.mark * 2)}{self.mark}"

    def type_of(self, kind: Any) -> str:
        """The type of a kind."""
        return self.types.get(kind, self.text)

    def null(self, name: str, kind: Any) -> str:
        """A column of nulls."""
        return f"cast(null as {self.type_of(kind)}) as {self.quote(name)}"


__all__ = ["SqlWords"]
