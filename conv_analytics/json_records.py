"""Frames as JSON without loss: every digit of a number, every microsecond of an instant.

`pandas.DataFrame.to_json` writes ten decimals, so that a small p value becomes 0, and milliseconds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import pandas as pd

Unit = Literal["milliseconds", "microseconds", "nanoseconds"]


def json_records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    r"""The rows as objects that `json.dumps` writes, and that have the values of the frame when they are read.

    Missing and infinite values are null. Instants are ISO 8601 text in UTC, with microseconds where they have any.
    Bytes are text in which those that are no plain ASCII are written like ``\x00``, as DuckDB does.

    >>> import pandas as pd
    >>> at = pd.to_datetime(["2026-11-02T10:00:00.123456Z", "2026-11-02T10:00:00Z"], format="ISO8601")
    >>> json_records(pd.DataFrame({"p": [3e-12, float("nan")], "at": at}))[0]
    {'p': 3e-12, 'at': '2026-11-02T10:00:00.123456Z'}
    """
    names = [str(name) for name in frame.columns]
    return [dict(zip(names, row, strict=True)) for row in json_rows(frame)]


def json_rows(frame: pd.DataFrame, unit: Unit = "milliseconds") -> list[list[Any]]:
    """The rows as lists of values, in the order of the columns; see `json_records`.

    Parameters
    ----------
    frame
        The rows.
    unit
        What every instant has, also where it is 0: ``milliseconds`` or ``microseconds``.
    """
    columns = [[_json_value(value, unit) for value in column.astype("object")] for _, column in frame.items()]
    return [list(row) for row in zip(*columns, strict=True)]


def _json_value(value: Any, unit: Unit) -> Any:  # noqa: PLR0911  one return per kind
    import pandas as pd  # noqa: PLC0415  slow to import

    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, str | bool):
        return value
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real | Decimal):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, date):
        return _instant(pd.Timestamp(value), unit)
    if isinstance(value, timedelta):
        return pd.Timedelta(value).isoformat()
    if isinstance(value, Mapping):
        return {str(key): _json_value(each, unit) for key, each in value.items()}
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list | tuple | set | frozenset):
        return [_json_value(each, unit) for each in value]
    return value if isinstance(value, bool) else _text(value)


def _text(value: Any) -> str:
    r"""Anything else as text; bytes as DuckDB writes them.

    >>> _text(b"a'\x00b")
    'a\\x27\\x00b'
    """
    if not isinstance(value, bytes | bytearray):
        return str(value)
    return "".join(chr(byte) if 0x20 <= byte < 0x7F and byte not in b"\\'\"" else f"\\x{byte:02X}" for byte in value)  # noqa: PLR2004


def _instant(at: pd.Timestamp, unit: Unit) -> str:
    zone = "Z" if at.tzinfo else ""
    if at.tzinfo:
        at = at.tz_convert("UTC").tz_localize(None)
    unit = "nanoseconds" if at.nanosecond else "microseconds" if at.microsecond % 1000 else unit
    return at.isoformat(timespec=unit) + zone


__all__ = ["json_records", "json_rows"]
