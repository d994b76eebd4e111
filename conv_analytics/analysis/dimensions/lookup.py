"""Adds the columns of a map to rows, never more or fewer rows: array lookups in memory, one join in DuckDB or Spark."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import narwhals as nw
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from conv_analytics.analysis.dimensions import numbers
from conv_analytics.analysis.dimensions.map_table import MapTable
from conv_analytics.analysis.dimensions.prefixes import NO_ROW, UNDECIDED, PrefixIndex
from conv_analytics.analysis.dimensions.validity import Validity
from conv_analytics.analysis.engine.engines.lazy import LazyEngine
from conv_analytics.analysis.engine.evaluate import INSTANT
from conv_analytics.analysis.engine.expressions import is_true, one_if
from conv_analytics.analysis.engine.memory_frame import MemoryFrame
from conv_analytics.analysis.engine.rows import Rows

Ints = npt.NDArray[np.int64]

_KEY, _AT, _SINCE, _UNTIL, _PLACE = (f"conv_analytics_{name}" for name in ("key", "at", "since", "until", "place"))
#: Prefix of the map's columns while they are beside those of the rows.
_OF_MAP = "conv_analytics_of_map_"
#: Marks a head that is the whole text of an address, because it is not a plain number.
_WHOLE = "?"


@dataclass(frozen=True, eq=False)
class Lookup:
    """A map that is joined to rows; see `Dimension`.

    Attributes
    ----------
    at
        The column with the instant at which a row of the map has to hold.
    """

    table: MapTable
    at: str
    _last: list[tuple[list[pa.Array], Ints]] = field(default_factory=list)
    """The last input columns and their result: consecutive questions are often about the same legs."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it adds."""
        return tuple(self.table.values)

    @property
    def needs(self) -> tuple[str, ...]:
        """The columns that it needs."""
        return (self.table.key.on, self.at) if isinstance(self.table.index, Validity) else (self.table.key.on,)

    @property
    def fingerprint(self) -> str:
        """A hash of everything that decides the result."""
        return f"{self.table.fingerprint} {self.at}"

    def __str__(self) -> str:
        return str(self.table)

    def renamed(self, names: Mapping[str, str]) -> Lookup:
        """The same map, for rows in which the columns that it needs have other names."""
        key = self.table.key._replace(on=names[self.table.key.on])
        return replace(self, table=replace(self.table, key=key), at=names.get(self.at, self.at))

    def added_to(self, rows: Rows, columns: Sequence[str]) -> Rows:
        """The same rows with some of its columns."""
        values = {name: self.table.values[name] for name in columns}
        if isinstance(rows.frame, MemoryFrame):
            places = self._places(rows.frame)
            taken = pa.array(places, mask=places < 0)
            return Rows.of(rows.source, rows.frame.assign({name: each.take(taken) for name, each in values.items()}))
        return self._joined(rows, values)

    def counts(self, rows: Rows) -> dict[str, int]:
        """Numbers of rows: all, matched, without a key, not in the map, outside the validity, undecided."""
        if isinstance(rows.frame, MemoryFrame):
            places = self._places(rows.frame)
            keys = numbers.spelled_alike(_text(rows.frame.arrow(self.table.key.on)))
            total, no_key = len(places), keys.null_count
            matched, special = (int(np.count_nonzero(each)) for each in (places >= 0, places == UNDECIDED))
        else:
            total, matched, no_key, special = self._lazy_counts(rows)
        outside = special if isinstance(self.table.index, Validity) else 0
        return {
            "rows": total, "matched": matched, "no_key": no_key, "no_row": total - matched - no_key - special,
            "outside_validity": outside, "undecided": special - outside,
        }  # fmt: skip

    # In memory.

    def _places(self, frame: MemoryFrame) -> Ints:
        """The place in the map of each row, negative where there is none."""
        looked_at = [frame.arrow(name) for name in self.needs]
        if not (self._last and all(map(operator.is_, self._last[0][0], looked_at))):
            self._last[:] = [(looked_at, self._places_of_texts(*looked_at))]
        return self._last[0][1]

    def _places_of_texts(self, texts: pa.Array, instants: pa.Array | None = None) -> Ints:
        # Each distinct text is looked up once.
        encoded = _text(texts).dictionary_encode()
        codes = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)
        labels = encoded.dictionary
        index = self.table.index
        if isinstance(index, Validity):
            assert instants is not None
            of_rows = self._spelled(labels).take(encoded.indices)
            at = instants.cast(INSTANT)
            at_us = pc.fill_null(at.cast(pa.int64()), 0).to_numpy(zero_copy_only=False)
            return index.places(of_rows, at_us, at.is_valid().to_numpy(zero_copy_only=False))
        result: Ints = np.append(self._of_texts(labels), NO_ROW)[codes]
        return result

    def _of_texts(self, texts: pa.Array) -> Ints:
        """The places of distinct texts."""
        if isinstance(self.table.index, PrefixIndex):
            return self.table.index.places(pc.fill_null(numbers.spelled_alike(texts), ""))
        places = pc.fill_null(pc.index_in(self._spelled(texts), value_set=self.table.keys, skip_nulls=True), NO_ROW)
        result: Ints = places.to_numpy(zero_copy_only=False).astype(np.int64)
        return result

    def _spelled(self, texts: pa.Array) -> pa.Array:
        return numbers.spelled_alike(texts) if self.table.as_numbers else texts

    # As lazy frames.

    def _joined(self, rows: Rows, values: Mapping[str, pa.Array], *, place: bool = False) -> Rows:
        """The rows joined with the map, or with the part of it that matches the rows' texts."""
        engine = _lazy(rows)
        text, head, condition = self._text, self._text, f"r.{_KEY} = m.{_KEY}_of_map"
        keys, places = self.table.keys, np.arange(len(self.table.keys))
        more: dict[str, pa.Array] = {}
        before, names = rows.columns, [*values, *((_PLACE,) if place else ())]
        if isinstance(self.table.index, PrefixIndex):
            head = _head(text, self.table.index)
            keys, places = self._matched_heads(rows, head)
        elif self.table.as_numbers:
            keys, places = self._matched_texts(rows)
        rows = rows.with_columns(head.alias(_KEY))
        if isinstance(self.table.index, Validity):
            more = {_SINCE: pa.array(self.table.index.since[places]), _UNTIL: pa.array(self.table.index.until[places])}
            rows = rows.with_columns(nw.col(self.at).alias(_AT)).with_micros(_AT, suffix="")
            condition += f" and r.{_AT} >= m.{_SINCE} and r.{_AT} < m.{_UNTIL}"
        of_map = pa.array(places, mask=places < 0)
        table = {f"{_KEY}_of_map": keys, **more, **{f"{_OF_MAP}{name}": values[name].take(of_map) for name in values}}
        table |= {f"{_OF_MAP}{_PLACE}": pa.array(places)} if place else {}
        joined = replace(rows, frame=engine.joined_where(rows.frame, pa.table(table), condition))
        return joined.select(*before, *(nw.col(f"{_OF_MAP}{name}").alias(name) for name in names))

    @property
    def _text(self) -> nw.Expr:
        """The rows' column as plain text to look up."""
        return nw.col(self.table.key.on).cast(nw.String)

    def _matched_heads(self, rows: Rows, head: nw.Expr) -> tuple[pa.Array, Ints]:
        """The distinct heads of rows that have a place or are undecided, and their places."""
        index = self.table.index
        assert isinstance(index, PrefixIndex)
        heads = _different(rows, head)
        places = np.full(len(heads), NO_ROW, dtype=np.int64)
        whole, masked = (pc.starts_with(heads, _WHOLE), pc.ends_with(heads, "x"))
        masked = pc.and_(masked, pc.invert(whole))
        for chosen, of in (
            (pc.and_(pc.invert(whole), pc.invert(masked)), index.of_heads),
            (masked, lambda codes: index.places(pc.binary_join_element_wise(codes, pa.scalar("000000"), ""))),
            (whole, lambda texts: self._of_texts(pc.utf8_slice_codeunits(texts, len(_WHOLE)))),
        ):
            places[chosen.to_numpy(zero_copy_only=False)] = of(heads.filter(chosen))
        matched = places != NO_ROW
        return heads.filter(pa.array(matched)), places[matched]

    def _matched_texts(self, rows: Rows) -> tuple[pa.Array, Ints]:
        """The map's spellings of numbers, and the other spellings in the rows."""
        texts = _different(rows, nw.when(~_is_like(self._text, f"{numbers.E164}|{numbers.MASKED}")).then(self._text))
        spelled = numbers.spelled_alike(texts)
        usual = numbers.matches(self.table.keys, f"{numbers.E164}|{numbers.MASKED}").to_numpy(zero_copy_only=False)
        mine = np.flatnonzero(usual)
        # A key may have several rows, each valid for a period.
        of_key: dict[str, list[int]] = {}
        if len(texts):
            wanted = pc.is_in(self.table.keys, value_set=spelled).to_numpy(zero_copy_only=False)
            for place in np.flatnonzero(wanted):
                of_key.setdefault(self.table.keys[int(place)].as_py(), []).append(int(place))
        pairs = [(text, place) for text, key in zip(texts.to_pylist(), spelled.to_pylist(), strict=True)
                 for place in of_key.get(key or "", ())]  # fmt: skip
        keys = pa.concat_arrays(
            [self.table.keys.take(pa.array(mine)), pa.array([each for each, _ in pairs], pa.string())]
        )
        return keys, np.append(mine, np.array([place for _, place in pairs], dtype=np.int64)).astype(np.int64)

    def _lazy_counts(self, rows: Rows) -> tuple[int, int, int, int]:
        engine, place, text = _lazy(rows), nw.col(_PLACE), self._text
        no_key = is_true(text.is_null() | (text.str.strip_chars() == ""))
        joined = self._joined(rows, {}, place=True)
        counted = joined.select(
            nw.len().alias("total"),
            one_if(is_true(place >= 0)).sum().alias("matched"),
            one_if(no_key).sum().alias("without"),
            one_if(is_true(place == UNDECIDED)).sum().alias("special"),
        )
        row = engine.arrow(counted.native).to_pylist()[0]
        total, matched, without, special = (int(value or 0) for value in row.values())
        if isinstance(self.table.index, Validity):
            special = self._with_any_row(rows) - matched
        return total, matched, without, special

    def _with_any_row(self, rows: Rows) -> int:
        """Rows whose key the map has at any time."""
        keys = self._matched_texts(rows)[0] if self.table.as_numbers else self.table.keys
        theirs = Rows.of(rows.source, _lazy(rows).of_arrow(pa.table({_KEY: pc.unique(keys)})))
        return rows.select(self._text.alias(_KEY)).join(theirs, on=_KEY, how="semi").count()


def _lazy(rows: Rows) -> LazyEngine:
    engine = rows.source.engine
    assert isinstance(engine, LazyEngine)
    return engine


def _is_like(text: nw.Expr, pattern: str) -> nw.Expr:
    """Whether the whole of a text matches."""
    return text.str.contains(rf"^(?:{pattern})\z")


def _head(text: nw.Expr, index: PrefixIndex) -> nw.Expr:
    """The part of an address that decides its longest prefix."""
    calling_code = text.str.replace_all("x.*", "x")
    other = nw.concat_str([nw.lit(_WHOLE), text], separator="")
    masked = nw.when(_is_like(text, numbers.MASKED)).then(calling_code).otherwise(other)
    return nw.when(_is_like(text, numbers.E164)).then(text.str.slice(0, index.longest)).otherwise(masked)


def _text(column: pa.Array) -> pa.Array:
    return column if pa.types.is_string(column.type) else column.cast(pa.string())


def _different(rows: Rows, expression: nw.Expr) -> pa.Array:
    """The distinct values of an expression over rows, without null."""
    name = "conv_analytics_value"
    values = rows.select(expression.alias(name)).group([name], nw.len().alias("conv_analytics_rows")).select(name)
    column = _lazy(rows).arrow(values.native)[name]
    return pc.drop_null(column.cast(pa.string()).combine_chunks())


__all__ = ["Lookup"]
