"""Files of the Reports API, downloaded by the user: one table of billed legs, from any format.

No request is sent to that API here: each record that it returns costs money.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import warnings
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from conv_analytics.errors import ConfigError, PagingWarning
from conv_analytics.paths import expand_user

#: Products whose records are legs; those of the others are extras of a leg, messages or reports about reports.
PRODUCTS = ("VOICE-CALL", "VOICE-FAILED", "IN-APP-VOICE", "WEBSOCKET-CALL")

_TEXTS = {
    "record_id": "id",
    "call_id": "call_id",
    "direction": "direction",
    "from": "from",
    "to": "to",
    "network_code": "network",
    "network_name": "network_name",
    "country": "country",
    "status": "status",
    "currency": "currency",
    "conversation_id": "conversation_id",
}
_NUMBERS = {"duration_s": "duration", "price_per_minute": "price", "price": "total_price"}
_INSTANTS = {"started_at": "date_start", "ended_at": "date_end"}
_FIELDS = tuple({**_TEXTS, **_INSTANTS, **_NUMBERS}.values())
#: Fields that show the product of a record that does not name it, in order of precedence.
_SIGNS = (
    ("ASR", {"asr_type"}),
    ("AMD", {"amd_detection_result"}),
    ("VOICE-TTS", {"tts_type"}),
    ("IN-APP-VOICE", {"leg_id"}),
    ("VOICE-CALL", {"call_id", "network", "duration"}),
    ("VOICE-FAILED", {"call_id", "network"}),
    ("WEBSOCKET-CALL", {"call_id"}),
)
_NAMED = re.compile(
    r"(?<![A-Z])(VOICE-CALL|VOICE-FAILED|IN-APP-VOICE|WEBSOCKET-CALL|VOICE-TTS|ASR|AMD|SMS|MESSAGES"
    r"|CONVERSATION-EVENT|CONVERSATION-MESSAGE|REPORTS-USAGE)(?![A-Z])"
)
#: 32 hex digits or a whole uuid, and perhaps a suffix of digits.
_LEG = r"^([0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?:-[0-9]+)?$"
#: Form that a spreadsheet gives to 32 digits.
_ROUNDED = r"^[0-9][.,][0-9]+E\+[0-9]+$"


class _Part(NamedTuple):
    """The records of one file: fields as texts, and the number of unusable rows."""

    product: str
    frame: pd.DataFrame
    damaged: int


def read_reports(files: str | Path | Iterable[str | Path]) -> pd.DataFrame:
    r"""Read call records that were downloaded from the Reports API.

    Parameters
    ----------
    files
        Files of the products ``VOICE-CALL``, ``VOICE-FAILED``, ``IN-APP-VOICE`` or ``WEBSOCKET-CALL``: the CSV of an
        asynchronous report, JSON pages as the API gave them or JSON Lines, each as it is, in a zip, or with gzip.

    Returns
    -------
    pandas.DataFrame
        A row per record, only once if it is in several files: ``product``, ``record_id``, ``call_id`` as it was
        written, ``leg_key`` (to compare leg ids by: see `leg_keys`), ``conversation_id``, ``direction``, ``from``,
        ``to``, ``network_code``, ``network_name``, ``country``, ``started_at``, ``ended_at`` (UTC), ``duration_s``
        [s], ``status``, ``price`` (of the whole leg), ``price_per_minute``, ``currency``, ``problem`` (fields that
        could not be read, or ``row``; null where all could).

    Raises
    ------
    ConfigError
        If a file cannot be read, or holds no records of calls.

    Notes
    -----
    A report that was cut off by the API (``TRUNCATED``) gives a `PagingWarning`. Source: Reports API 3.1.

    Examples
    --------
    >>> import tempfile
    >>> lines = ["call_id,network,duration,total_price", "9F2C4E6A8B0D1F3557799BBDDFF01123-1,23410,61,0.02"]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "report_VOICE-CALL_a1b2c3d4_20261121.csv"
    ...     _ = path.write_text("\n".join(lines))
    ...     read_reports(path)[["leg_key", "duration_s", "price"]].values.tolist()
    [['9f2c4e6a8b0d1f3557799bbddff01123', 61.0, 0.02]]
    """
    named = [files] if isinstance(files, str | Path) else list(files)
    if not named:
        raise ConfigError("No file of the Reports API is named: give one or more.")
    parts = [part for file in named for part in _parts(expand_user(file))]
    whole = pd.concat([_typed(part) for part in parts], ignore_index=True)
    repeated = whole["record_id"].notna() & whole.duplicated(["product", "record_id"])
    return whole[~repeated].reset_index(drop=True)


def leg_keys(ids: pd.Series[Any]) -> pd.Series[Any]:
    """Leg ids for comparison: in lower case, without dashes, and without the ``-1`` that bills add.

    The suffix goes only where 32 hex digits or a whole uuid remain; ids of any other form keep everything.

    >>> leg_keys(pd.Series(["9F2C4E6A8B0D1F3557799BBDDFF01123-1", "4b7e1c90-2d3f-4a58-9c61-700802050306"])).tolist()
    ['9f2c4e6a8b0d1f3557799bbddff01123', '4b7e1c902d3f4a589c61700802050306']
    """
    # Arrow is ten times as fast here as the methods of pandas, which would go from text to text in Python.
    lower = pc.utf8_lower(pc.utf8_trim_whitespace(pa.array(ids, pa.large_string(), from_pandas=True)))
    bare = pc.replace_substring(pc.replace_substring_regex(lower, _LEG, r"\1"), "-", "")
    keys = pc.if_else(pc.match_substring_regex(lower, _LEG), bare, lower)
    return pd.Series(keys.to_pandas().to_numpy(), index=ids.index, dtype="str")


def _parts(path: Path) -> Iterator[_Part]:
    """The records of a file, or of each file in a zip."""
    try:
        content = path.read_bytes()
        if content[:4] == b"PK\x03\x04":
            with zipfile.ZipFile(io.BytesIO(content)) as packed:
                inner = [name for name in packed.namelist() if name.lower().endswith((".csv", ".json", ".jsonl"))]
                if not inner:
                    raise ConfigError(f"{path} is a zip without a CSV or JSON file: name one of the Reports API.")
                for name in inner:
                    yield _part(packed.read(name), f"{path.name}/{name}", path)
            return
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error.strerror or error}): name a file that is there.") from None
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError, zlib.error) as error:
        reason = "it has a password" if "password" in str(error) else type(error).__name__
        raise ConfigError(f"{path} cannot be unpacked ({reason}): download it again, or unpack it.") from None
    yield _part(content, path.name, path)


def _part(content: bytes, name: str, path: Path) -> _Part:
    if content[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        content = content.decode("utf-16", "replace").encode()
    content = content.removeprefix(b"\xef\xbb\xbf")
    if not content.strip():
        raise ConfigError(f"{path} holds nothing: download it again.")
    # The product of records that do not name it may be in the file's name.
    match = _NAMED.search(name.upper())
    product = match[1] if match else None
    if content.lstrip()[:1] in {b"{", b"["}:
        return _of_json(content, product, path)
    return _of_csv(content, product, path)


def _of_csv(content: bytes, product: str | None, path: Path) -> _Part:
    """The records of a CSV file with a header."""
    head = content[: content.find(b"\n") if b"\n" in content else len(content)].decode("utf-8", "replace")
    separator = max(",;\t", key=head.count)
    names = [name.strip().lower() for name in next(csv.reader([head], delimiter=separator))]
    damaged = 0

    def skip(_row: Any) -> str:
        nonlocal damaged
        damaged += 1
        return "skip"

    kind = _kind(names, product, path)
    fields = [*_FIELDS, "leg_id"]
    options = pyarrow.csv.ConvertOptions(
        include_columns=fields,
        include_missing_columns=True,
        column_types=dict.fromkeys(fields, pa.string()),
        strings_can_be_null=True,
        null_values=["", "null", "NULL"],
    )
    parsing = pyarrow.csv.ParseOptions(delimiter=separator, newlines_in_values=True, invalid_row_handler=skip)
    for encoding in ("utf-8", "latin-1"):
        damaged = 0
        reading = pyarrow.csv.ReadOptions(column_names=names, skip_rows=1, encoding=encoding)
        try:
            table = pyarrow.csv.read_csv(io.BytesIO(content), reading, parsing, options)
        except pa.ArrowInvalid as error:
            if "empty" in str(error).lower():
                table = pa.table({name: pa.array([], pa.string()) for name in fields})
                break
            if encoding != "utf-8":
                raise ConfigError(f"{path} is not readable CSV: download it again.") from None
        else:
            break
    return _Part(kind, table.to_pandas(), damaged)


def _of_json(content: bytes, product: str | None, path: Path) -> _Part:
    """The records of JSON: pages of the API, lists of records, or JSON Lines of either."""
    values = _values(content)
    if values is None:
        raise ConfigError(f"{path} is not readable JSON: download it again.")
    records: list[Mapping[str, Any]] = []
    damaged = 0
    for value in _flat(values):
        if not isinstance(value, dict):
            damaged += 1
        elif isinstance(value.get("records"), list):
            product = value.get("product") or product
            records += [each for each in value["records"] if isinstance(each, dict)]
            damaged += sum(not isinstance(each, dict) for each in value["records"])
            if value.get("request_status") == "TRUNCATED":
                text = f"{path.name} was cut off by the API (TRUNCATED): records are missing; ask for shorter periods."
                warnings.warn(text, PagingWarning, stacklevel=5)
        elif "call_id" in value or "leg_id" in value:
            records.append(value)
        elif "request_id" in value and "records" not in value:
            raise ConfigError(f"{path} is the state of a report, not the report: download it from its link.")
        else:
            damaged += 1
    names = list(records[0]) if records else [*_FIELDS] if product else []
    kind = _kind(names, product, path)
    fields = [*_FIELDS, "leg_id"]
    columns = {name: [_text(record.get(name)) for record in records] for name in fields}
    return _Part(kind, pd.DataFrame(columns, dtype="str"), damaged)


def _values(content: bytes) -> list[Any] | None:
    """The values of JSON, or of JSON Lines; None if it is neither."""
    with suppress(msgspec.DecodeError, RecursionError):
        return [msgspec.json.decode(content)]
    # Other programs write a missing value as NaN, which is no JSON.
    with suppress(ValueError, RecursionError):
        return [json.loads(content)]
    with suppress(ValueError, RecursionError):
        return [json.loads(line) for line in content.splitlines() if line.strip()]
    return None


def _flat(values: Iterable[Any]) -> Iterator[Any]:
    """The values, lists of pages or of records taken apart."""
    for value in values:
        if isinstance(value, list):
            yield from value
        else:
            yield value


def _text(value: object) -> str | None:
    return None if value is None or value == "" or value != value else str(value)  # noqa: PLR0124  NaN is not itself


def _kind(names: Iterable[str], product: str | None, path: Path) -> str:
    """The product of a file's records, which must be one of calls."""
    present = set(names)
    kind = product or next((name for name, signs in _SIGNS if signs <= present), None)
    if kind is None:
        shown = ", ".join(sorted(present)[:8]) or "none"
        raise ConfigError(f"{path} is not a report of calls (its fields: {shown}): name one of {', '.join(PRODUCTS)}.")
    if kind not in PRODUCTS:
        raise ConfigError(f"{path} is a report of {kind}, which are not legs: name one of {', '.join(PRODUCTS)}.")
    return kind


def _typed(part: _Part) -> pd.DataFrame:
    """The typed records, with a row for each unusable one."""
    raw = part.frame
    texts = {name: raw[field].astype("str") for name, field in _TEXTS.items()}
    texts["call_id"] = texts["call_id"].fillna(raw["leg_id"].astype("str"))
    direction = texts["direction"].str.lower()
    texts["direction"] = direction.replace({"in": "inbound", "out": "outbound"})
    records = pd.DataFrame({"product": pd.Series(part.product, index=raw.index, dtype="str"), **texts})
    records.insert(3, "leg_key", leg_keys(texts["call_id"]))
    problems = pd.Series("", index=raw.index, dtype="str")

    def note(name: str, wrong: pd.Series[Any]) -> None:
        nonlocal problems
        if wrong.any():
            problems = problems.mask(wrong, problems + "," + name)

    for name, field in _INSTANTS.items():
        raw_values = raw[field]
        records[name] = pd.to_datetime(raw_values, utc=True, format="ISO8601", errors="coerce").astype(
            "datetime64[us, UTC]"
        )
        note(field, raw_values.notna() & records[name].isna())
    for name, field in _NUMBERS.items():
        raw_values = raw[field].astype("str")
        values = pd.to_numeric(raw_values, errors="coerce")
        lost = raw_values.notna() & values.isna()
        if lost.any():
            # A spreadsheet of another country writes the decimal point as a comma.
            values = values.fillna(pd.to_numeric(raw_values[lost].str.replace(",", "."), errors="coerce"))
        records[name] = values.astype("float64").where(values.abs() < float("inf"))
        note(field, raw_values.notna() & records[name].isna())
    if part.product != "VOICE-CALL":
        # For the other products it is the price of the whole request, or of another unit.
        records["price_per_minute"] = float("nan")
    note(
        "call_id",
        records["leg_key"].isna() | records["call_id"].str.fullmatch(_ROUNDED, case=False).fillna(value=False),
    )
    records["problem"] = problems.str.removeprefix(",").replace("", None)
    if part.damaged:
        lost_rows = pd.DataFrame({"product": [part.product] * part.damaged, "problem": ["row"] * part.damaged})
        records = pd.concat([records, lost_rows.astype("str")], ignore_index=True)
    return records


__all__ = ["PRODUCTS", "leg_keys", "read_reports"]
