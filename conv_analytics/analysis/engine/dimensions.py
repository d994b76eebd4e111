"""Custom columns of legs that a caller provides: looked up when a question needs them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from conv_analytics.errors.redaction import safe_repr


class Dimension(Protocol):
    """Columns that are looked up by other columns of the rows."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it adds; all of them are text."""

    @property
    def needs(self) -> tuple[str, ...]:
        """The columns that it needs."""

    @property
    def fingerprint(self) -> str:
        """A value that is equal only if the columns are equal."""

    def added_to(self, rows: Any, columns: Sequence[str]) -> Any:
        """The same rows, none more and none fewer, with some of its columns."""


@dataclass(frozen=True, eq=False)
class EnrichedData:
    """Tables of an export with custom columns of legs, made by `enrich`; every question takes it as data.

    Attributes
    ----------
    data
        The tables, as they were passed.
    dimensions
        The lookups, in the order in which they were added.
    """

    data: Any
    dimensions: tuple[Dimension, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that legs and calls have beside their own."""
        return names_of(self.dimensions)

    @safe_repr
    def __repr__(self) -> str:
        return f"EnrichedData: {type(self.data).__name__} with {', '.join(map(str, self.dimensions))}"


def names_of(dimensions: Iterable[Dimension]) -> tuple[str, ...]:
    """The columns of some dimensions."""
    return tuple(name for each in dimensions for name in each.columns)


def needed_dimensions(dimensions: Sequence[Dimension], columns: Iterable[str]) -> tuple[list[Dimension], set[str]]:
    """The dimensions that some columns need, in their order, and all columns involved."""
    needed = set(columns)
    needed_first: list[Dimension] = []
    for each in reversed(dimensions):
        if needed & set(each.columns):
            needed_first.insert(0, each)
            needed |= set(each.needs)
    return needed_first, needed


__all__ = ["Dimension", "EnrichedData", "names_of", "needed_dimensions"]
