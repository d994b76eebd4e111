"""The typed columns of event bodies.

A table holds several kinds of bodies, and each kind fills a few of its columns. So bodies are read kind by kind, with
the columns that the kind's record declares; the other columns are null and are not searched for.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any, cast

import numpy as np
import pyarrow as pa

from conv_analytics.resources.bodies import BODIES
from conv_analytics.resources.record import Record, fields
from conv_analytics.tables import TABLES
from conv_analytics.tables.column import Column, Table
from conv_analytics.tables.column_decoder import Cell, ColumnDecoder
from conv_analytics.tables.kinds import nulls


def read_bodies(table: Table, types: pa.DictionaryArray, bodies: pa.Array) -> tuple[dict[str, pa.Array], list[Cell]]:
    """The columns of a table that come from bodies.

    Parameters
    ----------
    table
        The table.
    types, bodies
        Type of each event, and the JSON text of its body.
    """
    parts: list[dict[str, pa.Array]] = []
    numbers: list[Any] = []
    cells: list[Cell] = []
    for record, rows in _kinds(types):
        reading = decoder(table.name, cast("Any", record)).read_texts(bodies.take(pa.array(rows)))
        parts.append(reading.arrays)
        numbers.append(rows)
        cells += [Cell(int(rows[cell.row]), cell.column, cell.reason) for cell in reading.cells]
    if len(parts) == 1:
        return _filled(table, parts[0], len(bodies)), cells
    order = pa.array(np.argsort(np.concatenate(numbers), kind="stable"))
    united = {}
    for name in {name for part in parts for name in part}:
        kind = table[name].kind
        pieces = [
            part[name] if name in part else nulls(kind, len(rows)) for part, rows in zip(parts, numbers, strict=True)
        ]
        united[name] = pa.chunked_array(pieces).unify_dictionaries().combine_chunks().take(order)
    return _filled(table, united, len(bodies)), cells


@cache
def decoder(name: str, record: Any) -> ColumnDecoder:
    """The columns of a table that a kind of body can fill; all columns for a body without a record class."""
    columns = [column for column in TABLES[name].columns if column.paths]
    if record is None:
        return ColumnDecoder(columns)
    keys = {path[0] for declared in fields(record) for path in declared.paths}
    return ColumnDecoder([fitting for column in columns if (fitting := _fitting(column, keys)).paths])


def _fitting(column: Column, keys: set[str]) -> Column:
    return replace(column, paths=tuple(path for path in column.paths if path[0] in keys))


def _kinds(types: pa.DictionaryArray) -> list[tuple[type[Record] | None, Any]]:
    """The rows of each kind of body."""
    codes = types.indices.to_numpy()
    kinds: dict[type[Record] | None, list[int]] = {}
    for code in np.unique(codes).tolist():
        kinds.setdefault(BODIES.get(types.dictionary[code].as_py()), []).append(code)
    return [(record, np.flatnonzero(np.isin(codes, wanted))) for record, wanted in kinds.items()]


def _filled(table: Table, arrays: dict[str, pa.Array], height: int) -> dict[str, pa.Array]:
    absent = (column for column in table.columns if column.paths and column.name not in arrays)
    return arrays | {column.name: nulls(column.kind, height) for column in absent}
