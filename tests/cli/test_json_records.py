"""JSON of tables: read back, it has the values of the frame."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest

from conv_analytics.cli.formats import table
from conv_analytics.json_records import json_records
from conv_analytics.mcp_server.answers import answer
from conv_analytics.privacy.display import Display


def read_back(**columns: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(table(pd.DataFrame(columns), "json"))
    return rows


@pytest.mark.parametrize("p", [3e-12, 7.17e-11, 5e-324, 0.1 + 0.2, 1e300, -0.0, 123456789.123456789])
def test_every_digit_of_a_number_is_kept(p: float) -> None:
    assert repr(read_back(p=[p])[0]["p"]) == repr(p)


def test_numbers_and_what_is_missing() -> None:
    big = 2**63 - 1
    rows = read_back(
        n=pd.array([big, None], "Int64"), p=[np.inf, np.nan], yes=pd.array([True, None], "boolean"),
        word=pd.Categorical(["a", None]), text=pd.array(["\x9b", None], "str"), price=[Decimal("0.0127"), None],
        several=[["a", 1, None], {"k": np.float64(3e-12)}], flag=[np.bool_(True), np.int64(3)],  # noqa: FBT003
        array=[np.array([1, 2]), pd.NaT],
    )  # fmt: skip
    assert rows == [
        {"n": big, "p": None, "yes": True, "word": "a", "text": "\x9b", "price": 0.0127, "several": ["a", 1, None],
         "flag": True, "array": [1, 2]},
        {"n": None, "p": None, "yes": None, "word": None, "text": None, "price": None, "several": {"k": 3e-12},
         "flag": 3, "array": None},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("2026-11-02T10:00:00.123456Z", "2026-11-02T10:00:00.123456Z"),
        ("2026-11-02T10:00:00.123Z", "2026-11-02T10:00:00.123Z"),
        ("2026-11-02T12:00:00+02:00", "2026-11-02T10:00:00.000Z"),
        ("2026-11-02T10:00:00.123456789Z", "2026-11-02T10:00:00.123456789Z"),
        ("2026-11-02T10:00:00", "2026-11-02T10:00:00.000"),
    ],
)
def test_instants_are_in_utc_with_their_microseconds(text: str, shown: str) -> None:
    assert read_back(at=[pd.Timestamp(text)])[0]["at"] == shown


def test_bytes_are_as_duckdb_writes_them() -> None:
    every = bytes(range(256))
    with duckdb.connect() as connection:
        row = connection.execute("select ?::blob::varchar", [every]).fetchone()
    assert row is not None
    assert read_back(b=[every, b"plain"], several=[[b"\xff"], None]) == [
        {"b": row[0], "several": ["\\xFF"]}, {"b": "plain", "several": None}
    ]  # fmt: skip


def test_what_was_exact_is_as_pandas_writes_it() -> None:
    frame = pd.DataFrame({
        "at": pd.to_datetime(pd.Series(["2026-11-02T10:00:00Z", None])), "n": pd.array([1, None], "Int64"),
        "x": [0.5, np.nan],
        "ok": [True, False], "day": [date(2026, 11, 2), None], "text": ["a", "b"], "none": [None, None],
        "took": [timedelta(seconds=90), None],
    })  # fmt: skip
    assert json_records(frame) == json.loads(frame.to_json(orient="records", date_format="iso"))
    assert json_records(frame.iloc[:0]) == []
    assert json_records(pd.DataFrame({"at": [datetime.min.replace(tzinfo=UTC)]})) == [
        {"at": "0001-01-01T00:00:00.000Z"}
    ]


def test_assistants_see_small_numbers() -> None:
    made = json.loads(answer(pd.DataFrame({"p": [3.123456789e-12]}), "x", display=Display()))
    assert made["rows"] == [[3.12346e-12]]
