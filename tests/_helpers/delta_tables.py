"""Commits of a dataset, and what Delta tables have of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable

from conv_analytics import open_dataset
from conv_analytics.dataset import Commit, Dataset, DatasetWriter
from conv_analytics.tables import TABLES
from tests._helpers.table_rows import DAY, rows

#: An application, as a report names it.
APPLICATION = "A1B2C3D4-0000-4000-8000-000000000001"
OTHER = "a1b2c3d4-0000-4000-8000-000000000002"
#: A table of records, one of events, and one of both kinds of columns.
FEW = ("conversations", "events", "hangups")
SOURCES = "event_sources"


def commit(root: Path, made: dict[str, pa.Table], application: str | None = APPLICATION, **report: Any) -> Commit:
    """A run that adds some rows."""
    writer = DatasetWriter(root, DAY, [name for name in TABLES if name in made])
    for name, table in made.items():
        writer.write(name, table)
    about = {} if application is None else {"application": {"id": application, "host": "https://api.nexmo.com"}}
    return writer.commit({}, {"status": "complete", **about, **report})


def grown(root: Path, start: int, names: Sequence[str] = FEW, application: str | None = APPLICATION) -> Commit:
    """A run that sees two records again, and a new one; its events are new."""
    return commit(
        root,
        {name: rows(TABLES[name], 3, start=start if TABLES[name].latest else 3 * start) for name in names},
        application,
    )


def from_source(name: str, height: int, start: int, source: str) -> pa.Table:
    """Rows of a table that came another way."""
    made = rows(TABLES[name], height, start=start)
    place = made.schema.get_field_index("source")
    if place < 0:
        return made
    field = made.schema.field(place)
    return made.set_column(place, field, pa.array([source] * height).cast(field.type))


def given_twice(start: int, differs: Sequence[bool]) -> pa.Table:
    """Events that came live and from a list, and whether the two differ."""
    made = rows(TABLES[SOURCES], len(differs), start=start - 1000)
    place = made.schema.get_field_index("differs")
    return made.set_column(place, made.schema.field(place), pa.array(list(differs)))


def delta(lake: Path | str, name: str, **options: Any) -> DeltaTable:
    """A Delta table."""
    return DeltaTable(f"{lake}/{name}", **options)


def plain(table: pa.Table, names: Sequence[str]) -> list[tuple[Any, ...]]:
    """Rows as values of Python, in an order of their own; days are days, whatever type a reader has for them."""
    done = []
    for row in table.select(list(names)).to_pylist():
        for name, value in row.items():
            if isinstance(value, datetime):
                row[name] = value.astimezone(UTC).date() if name == "date" else value.astimezone(UTC)
        done.append(tuple(row.values()))
    return sorted(done, key=repr)


def read(lake: Path | str, name: str, application: str, **options: Any) -> pa.Table:
    """What a Delta table has of an application."""
    mine = [("application_id", "=", application.lower())]
    return delta(lake, name, **options).to_pyarrow_table(filters=mine)


def is_same(
    dataset: Dataset,
    lake: Path | str,
    application: str = APPLICATION,
    names: Sequence[str] | None = None,
    **options: Any,
) -> None:
    """Each Delta table has the rows of the dataset, each once."""
    for name in dataset.tables if names is None else names:
        expected = dataset.table(name).to_arrow()
        columns = expected.schema.names
        found = read(lake, name, application, **options)
        assert plain(found, columns) == plain(expected, columns), name
    numbers = read(lake, "commits", application, **options)["commit"].to_pylist()
    assert len(numbers) == len(set(numbers))
    assert max(numbers) == dataset.commits[-1].number


def publish(root: Path, lake: Path | str, **options: Any) -> Any:
    """Publish a folder as it is now."""
    return open_dataset(root).publish(f"delta://{lake}", **options)
