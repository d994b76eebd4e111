"""The application of a leg in data of several applications: looked up by the conversation when it is needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol

import narwhals as nw
import pyarrow as pa
import pyarrow.compute as pc

from conv_analytics.analysis.engine.memory_frame import MemoryFrame

_CONVERSATION, _APPLICATION = "conversation_id", "application_id"


class SeveralApplications(Protocol):
    """A dataset of several applications."""

    @property
    def applications(self) -> Mapping[str, Any]:
        """The dataset of each application, by its id."""

    def application_ids(self) -> pa.Table:
        """Each conversation with its application."""

    def application_ids_statement(self) -> str:
        """The same mapping as a DuckDB statement."""


@dataclass(frozen=True, eq=False)
class ApplicationIds:
    """The column ``application_id`` of legs; see `Dimension`."""

    dataset: SeveralApplications

    @property
    def columns(self) -> tuple[str, ...]:
        """The column that it adds."""
        return (_APPLICATION,)

    @property
    def needs(self) -> tuple[str, ...]:
        """The column that it needs."""
        return (_CONVERSATION,)

    @property
    def fingerprint(self) -> str:
        """The application ids; their conversations follow from the commits."""
        return " ".join((_APPLICATION, *sorted(self.dataset.applications)))

    def __str__(self) -> str:
        return _APPLICATION

    @cached_property
    def _table(self) -> pa.Table:
        return self.dataset.application_ids()

    def added_to(self, rows: Any, columns: Sequence[str]) -> Any:
        """The same rows with the application of each."""
        del columns
        if isinstance(rows.frame, MemoryFrame):
            known = self._table[_CONVERSATION].combine_chunks()
            places = pc.index_in(rows.frame.arrow(_CONVERSATION).cast(pa.string()), value_set=known, skip_nulls=True)
            values = self._table[_APPLICATION].combine_chunks().take(places)
            return replace(rows, frame=rows.frame.assign({_APPLICATION: values}))
        # Several applications are datasets of this package: their own connection knows the views.
        theirs = rows.source.engine.query(self.dataset.application_ids_statement()).set_alias("m")
        mine = rows.native.set_alias("r")
        joined = mine.join(theirs, f"r.{_CONVERSATION} = m.{_CONVERSATION}", how="left")
        return replace(rows, frame=nw.from_native(joined.project(f"r.*, m.{_APPLICATION}")).lazy())


__all__ = ["ApplicationIds", "SeveralApplications"]
