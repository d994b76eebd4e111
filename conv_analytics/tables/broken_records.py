"""Records that could not be read as declared, in the form of the quarantine."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa

from conv_analytics.tables.column_decoder import Cell
from conv_analytics.tables.redact import redact_record


@dataclass(frozen=True)
class Problem:
    """Why a value cannot be read into its column."""

    table: str
    column: str
    """Empty when the record as a whole could not be read."""
    reason: str


@dataclass(frozen=True)
class BrokenRecord:
    """A record of the API with at least one unreadable value."""

    list: str
    """The list that it belongs to: ``events``, ``members``, ``conversations``, ``users``, ``sessions``."""
    conversation_id: str | None
    event_id: int | None
    problems: tuple[Problem, ...]
    has_row: bool
    """Whether the record has its row anyway, with those cells null."""
    raw: bytes
    """The record as received, secrets included; `to_json` redacts them."""

    def to_json(self) -> str:
        """One line for the quarantine file; bytes that are not UTF-8 are written in base64."""
        values: dict[str, Any] = asdict(self)
        values["kept"] = values.pop("has_row")
        clean = redact_record(self.raw, self.list)
        try:
            values["raw"] = clean.decode()
        except UnicodeDecodeError:
            values["raw"] = None
            values["raw_base64"] = base64.b64encode(clean).decode()
        return json.dumps(values, ensure_ascii=False, sort_keys=True)


class ProblemLog:
    """Collects the unreadable cells of some records, in whichever table they are."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._by_row: dict[int, list[Problem]] = {}

    def add(self, table: str, cells: Iterable[Cell]) -> None:
        """Add cells; their row is the number of the record."""
        for cell in cells:
            self._by_row.setdefault(cell.row, []).append(Problem(table, cell.column, cell.reason))

    def __contains__(self, row: int) -> bool:
        return row in self._by_row

    def broken(
        self, document: Callable[[int], bytes], arrays: Mapping[str, pa.Array], lost: Collection[int]
    ) -> list[BrokenRecord]:
        """The records with unreadable cells.

        Parameters
        ----------
        document
            Returns a record as received.
        arrays
            Columns of the records, from which their ids are taken.
        lost
            The records that have no row.
        """
        owners, events = arrays.get("conversation_id"), arrays.get("event_id")
        return [
            BrokenRecord(
                self._name,
                owners[row].as_py() if owners is not None else None,
                events[row].as_py() if events is not None else None,
                tuple(problems),
                row not in lost,
                document(row),
            )
            for row, problems in sorted(self._by_row.items())
        ]
