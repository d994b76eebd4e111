"""The tables in the formats of other tools: a Frictionless data package, and an Open Data Contract.

Both follow from the declarations. Words of a vocabulary are listed as examples, not as the only ones allowed: the API
adds words, and rows with new ones are kept.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import conv_analytics
from conv_analytics.tables import dictionary
from conv_analytics.tables.column import Column, Table
from conv_analytics.tables.envelope import SOURCE

_TITLE = "Export of the Vonage Conversation API"
#: Per kind: the type of a Table Schema, the logical type of a data contract, and the type of DuckDB. Others are texts.
_TYPES: dict[Any, tuple[str, str, str]] = {
    int: ("integer", "integer", "BIGINT"),
    float: ("number", "number", "DOUBLE"),
    bool: ("boolean", "boolean", "BOOLEAN"),
    datetime: ("datetime", "timestamp", "TIMESTAMP WITH TIME ZONE"),
    Decimal: ("number", "number", "DECIMAL(28,18)"),
}
_TEXT = ("string", "string", "VARCHAR")
_ODCS = "v3.1.0"


class DataFile(NamedTuple):
    """A file of a table, for a data package."""

    table: str
    path: str
    """Relative to the folder, with slashes."""
    size: int
    """[B]"""
    sha256: str


def as_datapackage(tables: Iterable[Table], files: Collection[DataFile]) -> str:
    """The descriptor of a data package (Frictionless, version 1): a resource per file, with its schema and checksum.

    Parameters
    ----------
    tables
        The tables.
    files
        Their files, with paths relative to the folder where the descriptor will be.
    """
    resources = []
    for table in tables:
        mine = [file for file in files if file.table == table.name]
        resources += [_resource(table, file, sole=len(mine) == 1) for file in mine]
    package = {"name": "conv-analytics", "title": _TITLE, "version": conv_analytics.__version__, "resources": resources}
    return json.dumps(package, ensure_ascii=False, indent=1)


def file_key(table: Table) -> list[str]:
    """The key of rows in the files: a record occurs once per run that saw it, an event once per source."""
    if table.latest is not None:
        return [*table.key, table.latest]
    return [*table.key, SOURCE.name] if SOURCE in table.columns else list(table.key)


def _resource(table: Table, file: DataFile, *, sole: bool) -> dict[str, Any]:
    part = "" if sole else f"-{file.path.split('date=')[-1].removesuffix('.parquet').replace('/', '-')}"
    return {
        "name": f"{table.name}{part}",
        "title": table.name,
        "description": " ".join([table.doc, *table.notes]),
        "path": file.path,
        "format": "parquet",
        "mediatype": "application/vnd.apache.parquet",
        # Not as `bytes` and `hash`: Frictionless would check them, and counts no bytes of a Parquet file.
        "fileSize": file.size,
        "sha256": file.sha256,
        "schema": {"fields": [_field(column) for column in table.columns], "primaryKey": file_key(table)},
    }


def _field(column: Column) -> dict[str, Any]:
    known = {"unit": column.unit, "source": column.source, "knownValues": dictionary.words(column)}
    return {
        "name": column.name,
        "type": _TYPES.get(column.kind, _TEXT)[0],
        "description": column.doc,
        **{name: value for name, value in known.items() if value},
    }


def as_odcs(tables: Iterable[Table], folder: str | None = None) -> str:
    """A data contract (Open Data Contract Standard, 3.1), as JSON, which is YAML.

    Parameters
    ----------
    tables
        The tables.
    folder
        The folder of the export; it becomes the contract's server.
    """
    contract: dict[str, Any] = {
        "apiVersion": _ODCS,
        "kind": "DataContract",
        "id": "conv-analytics",
        "name": _TITLE,
        "version": conv_analytics.__version__,
        "status": "active",
        "description": {
            "purpose": "Every conversation, member and event of an application, for analysis.",
            "limitations": "An enumeration lists the words known today; rows with other words are kept.",
        },
        "schema": [_object(table) for table in tables],
    }
    if folder is not None:
        # The tool puts the name of a table where {model} is.
        path = f"{Path(folder).as_posix()}/{{model}}/*/*.parquet"
        contract["servers"] = [{"server": "local", "type": "local", "path": path, "format": "parquet"}]
    return json.dumps(contract, ensure_ascii=False, indent=1)


def _object(table: Table) -> dict[str, Any]:
    key = file_key(table)
    return {
        "name": table.name,
        "physicalName": table.name,
        "logicalType": "object",
        "physicalType": "parquet",
        "description": " ".join([table.doc, *table.notes]),
        "properties": [_property(column, key) for column in table.columns],
    }


def _property(column: Column, key: list[str]) -> dict[str, Any]:
    _, logical, physical = _TYPES.get(column.kind, _TEXT)
    notes = {"unit": column.unit, "source": column.source}
    custom = [{"property": name, "value": value} for name, value in notes.items() if value]
    words = dictionary.words(column)
    return {
        "name": column.name,
        "logicalType": logical,
        "physicalType": physical,
        "description": column.doc,
        **({"primaryKey": True, "primaryKeyPosition": key.index(column.name) + 1} if column.name in key else {}),
        **({"examples": words} if words else {}),
        **({"customProperties": custom} if custom else {}),
    }


__all__ = ["DataFile", "as_datapackage", "as_odcs", "file_key"]
