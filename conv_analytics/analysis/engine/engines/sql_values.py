"""Columns of a caller's relations as SQL that reads them as the engines in memory do: what is no such value is refused.

A cast alone is not enough: DuckDB rounds fractions to whole numbers, reads the text ``NaN`` as a number and ``yes`` as
true, and takes every number but 0 for true.

>>> from conv_analytics.analysis.engine.engines.duckdb import DuckdbEngine
>>> import duckdb
>>> engine = DuckdbEngine({"hangups": duckdb.sql("select '486.0' as sip_code, 'infinity'::double as mos_score")})
>>> engine.read("hangups", {"sip_code": int, "mos_score": float}).fetchall()
[(486, None)]
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from conv_analytics.analysis.engine.engines.sql_words import SqlWords

_NUMBERS = re.compile(r"u?(tiny|small|big|huge)?int(eger)?|float|double|decimal\b.*", re.IGNORECASE)
_WHOLE = re.compile(r"u?(tiny|small|big|huge)?int(eger)?|boolean", re.IGNORECASE)
#: Digits alone are read directly: as floats they would be rounded above 2**53.
_DIGITS = "^ *[+-]?[0-9]+ *$"
_FRACTION = "^ *[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]+)? *$"
#: Numbers of SQL only: 0x1F, 0b1, 1_000.
_OTHER_NUMBERS = "^.*[0-9][xXoObB_].*$"


@dataclass(frozen=True)
class SqlValue:
    """A column of a relation, and how its engine casts and refuses.

    Attributes
    ----------
    words
        The engine's SQL.
    cast
        A value of an actual type as another type.
    where
        Whose column it is, for errors.
    name, actual
        The column as SQL writes it, and its type.
    """

    words: SqlWords
    cast: Callable[[str, str, str], str]
    where: str
    name: str
    actual: str

    def read(self, kind: Any) -> str:
        """The value as a kind; NaN, infinity and an empty text are no numbers, but null."""
        words = self.words
        wanted = words.type_of(kind)
        text = self.actual == words.text or self.actual.startswith("ENUM")
        if wanted == words.type_of(bool):
            return self._truth()
        if wanted == words.type_of(int):
            return self._whole_of_text() if text else self._whole(self.name, self.actual)
        if wanted == words.type_of(float):
            return self._number_of_text() if text else self._finite(self.name, self.actual)
        return self.name if self.actual == wanted else self.cast(self.name, self.actual, wanted)

    @property
    def _is_float(self) -> bool:
        return self.actual in self.words.floats

    def _truth(self) -> str:
        truth, name = self.words.type_of(bool), self.name
        if self.actual == truth:
            return name
        if self.actual == self.words.untyped:
            return self.cast(name, self.actual, truth)
        missing = f"{name} is null or isnan({name})" if self._is_float else f"{name} is null"
        refused = self._refused("boolean", "neither true nor false", truth)
        if _NUMBERS.fullmatch(self.actual) is None:
            return f"case when {missing} then cast(null as {truth}) else {refused} end"
        return f"case when {name} = 1 then true when {name} = 0 then false when {missing} then null else {refused} end"

    def _whole(self, value: str, actual: str) -> str:
        """A number as a whole number."""
        wanted = self.words.type_of(int)
        cast = value if actual == wanted else self.cast(value, actual, wanted)
        if _WHOLE.fullmatch(actual) or _NUMBERS.fullmatch(actual) is None:
            return cast
        missing = f"when isnan({value}) then null " if actual in self.words.floats else ""
        refused = self._refused("Int64", "no whole number", wanted)
        return f"case {missing}when {value} <> round({value}) then {refused} else {cast} end"

    def _finite(self, value: str, actual: str) -> str:
        number = self.words.type_of(float)
        cast = value if actual == number else self.cast(value, actual, number)
        # NaN is larger than infinity here.
        return f"case when abs({value}) < cast('Infinity' as {number}) then {cast} end" if self._is_float else cast

    def _whole_of_text(self) -> str:
        text, words = self._text, self.words
        wanted, number = words.type_of(int), words.type_of(float)
        digits, fraction, other = (words.matches.format(text, each) for each in (_DIGITS, _FRACTION, _OTHER_NUMBERS))
        return (
            f"case when {digits} then {self.cast(text, words.text, wanted)} "
            f"when {fraction} then {self._whole(self.cast(text, words.text, number), number)} "
            f"when {other} then {self._refused('Int64', 'no number', wanted)} "
            f"else {self.cast(self._filled, words.text, wanted)} end"
        )

    def _number_of_text(self) -> str:
        words = self.words
        number = words.type_of(float)
        cast = self.cast(self._filled, words.text, number)
        finite, underscores = f"abs({cast}) < cast('Infinity' as {number})", f"instr({self._text}, '_')"
        return (
            f"case when {finite} and {underscores} = 0 then {cast} "
            f"when isnan({cast}) or {underscores} > 0 then {self._refused('float64', 'no number', number)} end"
        )

    @property
    def _text(self) -> str:
        return self.name if self.actual == self.words.text else f"cast({self.name} as {self.words.text})"

    @property
    def _filled(self) -> str:
        return f"nullif({self._text}, '')"

    def _refused(self, dtype: str, problem: str, wanted: str) -> str:
        quote = "'"
        # A backslash would be an escape in Spark.
        begin = f"{self.where} cannot be read as {dtype}: ".replace("\\", "").replace(quote, quote * 2)
        message = f"concat('{begin}', cast({self.name} as {self.words.text}), ' is {problem}')"
        return self.words.refused.format(message, wanted)


__all__ = ["SqlValue"]
