"""Map files as spreadsheets and databases write them: CSV with any usual separator, and Parquet."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pyarrow as pa

from conv_analytics.errors import ConfigError
from conv_analytics.paths import expand_user

_SEPARATORS = (",", ";", "\t", "|")
#: Metadata key under which a table has the name of its file, for messages.
MAP_NAME = b"conv_analytics.map"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


def read_map(path: str | Path) -> pa.Table:
    """The rows of a map; in a CSV file all cells are text, and empty ones null.

    Raises
    ------
    ConfigError
        If it does not exist, is empty, is not text in UTF-8 or UTF-16, or a row has more or fewer cells than there are
        columns.
    """
    file = expand_user(path)
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or error}.") from None
    if raw[:4] == b"PAR1":
        return _parquet(file).replace_schema_metadata({MAP_NAME: file.name.encode()})
    if raw[:4] in {b"PK\x03\x04", b"\xd0\xcf\x11\xe0"}:
        raise ConfigError(f"{path} is a workbook. Save its sheet as CSV (in Excel: 'CSV UTF-8'), and give that file.")
    text = _decoded(raw, path).lstrip("\r\n")
    first, _, rest = text.partition("\n")
    if first.strip().lower().startswith("sep=") and len(first.strip()) == len("sep=;"):
        separator, text = first.strip()[-1], rest
    else:
        separator = max(_SEPARATORS, key=first.count)
    if not text.strip():
        raise ConfigError(f"{path} is empty. Its first line names the columns, such as number,site.")
    return _rows(text, separator, path).replace_schema_metadata({MAP_NAME: file.name.encode()})


def _parquet(file: Path) -> pa.Table:
    import pyarrow.parquet as pq  # noqa: PLC0415  seldom needed

    try:
        return pq.read_table(file)
    except (pa.ArrowException, OSError) as error:
        raise ConfigError(f"{file} is not a complete Parquet file: {str(error).splitlines()[0]}") from None


def _decoded(raw: bytes, path: Any) -> str:
    encoding = "utf-16" if raw[:2] in _UTF16 else "utf-8-sig"
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise ConfigError(
            f"{path} is not UTF-8: line {line} has the byte 0x{raw[error.start]:02x}. Save it as UTF-8 (in Excel: 'CSV "
            "UTF-8'), or read it yourself: pd.read_csv(path, encoding='cp1252', dtype=str)."
        ) from None
    if "\0" in text:
        raise ConfigError(f"{path} is not text: it has NUL characters. Save it as CSV in UTF-8.")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _rows(text: str, separator: str, path: Any) -> pa.Table:
    from pyarrow import csv  # noqa: PLC0415  seldom needed

    if text.count('"') % 2:
        raise ConfigError(f"{path} has a cell in quotes that is not closed: what follows would all be part of it.")
    parse = csv.ParseOptions(delimiter=separator, newlines_in_values=True)
    raw = text.encode()
    try:
        names = csv.open_csv(io.BytesIO(raw), parse_options=parse).schema.names
        convert = csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=True, null_values=[""]
        )
        table = csv.read_csv(io.BytesIO(raw), parse_options=parse, convert_options=convert)
    except pa.ArrowException as error:
        raise ConfigError(
            f"{path} cannot be read as CSV with {separator!r} between its cells: {str(error).splitlines()[0]}. Quote "
            "cells that have this character in them."
        ) from None
    # Spreadsheets write columns without a name beside the last one.
    named = [place for place, name in enumerate(table.column_names) if name.strip()]
    return table.select(named)


__all__ = ["MAP_NAME", "read_map"]
