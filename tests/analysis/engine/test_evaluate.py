"""Expressions in memory give what narwhals makes of them in DuckDB: the same numbers, texts, and nulls."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import narwhals as nw
import pandas as pd
import pyarrow as pa
import pytest

from conv_analytics import analysis
from conv_analytics.analysis.engine.evaluate import Evaluation, UnknownExpressionError
from conv_analytics.analysis.engine.memory_frame import MemoryFrame
from tests._helpers.leg_tables import tables

_TEXTS = ("", "a", "busy", "sip:a@b", "+442079460000", " X ", "ü", "0")
_DTYPES = {"i": "Int64", "j": "Int64", "x": "float64", "s": "str", "t": "str", "b": "boolean"}
_SQL = {"i": "bigint", "j": "bigint", "x": "double", "s": "varchar", "t": "varchar", "b": "boolean"}


def _number(draw: random.Random, depth: int) -> nw.Expr:
    if not depth or draw.random() < 0.1:
        return nw.col(draw.choice("ijx"))
    one, other, condition = _number(draw, depth - 1), _number(draw, depth - 1), _condition(draw, depth - 1)
    return draw.choice([
        one + draw.randint(-5, 5), one - other, one * 2, one / 1_000_000, one.abs(), one.fill_null(0),
        nw.when(condition).then(one), nw.when(condition).then(one).otherwise(other), nw.coalesce(one, other),
    ])  # fmt: skip


def _text(draw: random.Random, depth: int) -> nw.Expr:
    if not depth or draw.random() < 0.1:
        return nw.col(draw.choice("st"))
    one, other = _text(draw, depth - 1), _text(draw, depth - 1)
    return draw.choice([
        one.fill_null(""), one.str.strip_chars().str.to_lowercase(), nw.when(_condition(draw, depth - 1)).then(one),
        nw.coalesce(one, other), nw.concat_str([one, other], separator=":"),
    ])  # fmt: skip


def _condition(draw: random.Random, depth: int) -> nw.Expr:
    if not depth or draw.random() < 0.1:
        return nw.col("b")
    one, other, text = _condition(draw, depth - 1), _condition(draw, depth - 1), _text(draw, depth - 1)
    number, limit = _number(draw, depth - 1), _number(draw, depth - 1)
    # Null is in no list and matches no pattern in pandas, and nobody knows in DuckDB: no question asks that.
    return draw.choice([
        ~one, one & other, one | other, nw.any_horizontal(one, other, ignore_nulls=True), number > limit,
        number <= draw.randint(-2, 2), number.is_between(-1, 1000), number.is_null(), text == "busy", text != "",
        text.fill_null("").is_in(["a", "busy"]), text.str.contains(r"^\+?[0-9]{7,15}$"),
    ])  # fmt: skip


def _frame(draw: random.Random) -> pd.DataFrame:
    values = {"i": (-(10**12), 7, 10**12), "j": (-3, 0, 1, 3), "x": (0.0, -1.5, 2.25, 1e9), "s": _TEXTS, "t": _TEXTS,
              "b": (False, True)}  # fmt: skip
    rows = range(draw.randint(1, 8))
    return pd.DataFrame({
        name: pd.Series([draw.choice((None, *values[name])) for _ in rows], dtype=dtype)
        for name, dtype in _DTYPES.items()
    })  # fmt: skip


def _by_duckdb(
    connection: duckdb.DuckDBPyConnection, frame: pd.DataFrame, expressions: list[nw.Expr]
) -> list[tuple[Any, ...]]:
    given_rows = pa.table({name: pa.array(column, from_pandas=True) for name, column in frame.items()})
    connection.register("given_rows", given_rows)
    typed = ", ".join(f"{name}::{kind} as {name}" for name, kind in _SQL.items())
    relation = nw.from_native(connection.sql(f"select {typed} from given_rows")).lazy()
    done = relation.select(each.alias(f"value{place}") for place, each in enumerate(expressions))
    return list(zip(*nw.to_native(done).fetchall(), strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("make", [_number, _text, _condition])
def test_expressions_give_what_duckdb_gives(make: Callable[[random.Random, int], nw.Expr]) -> None:
    draw = random.Random(20261129)
    with duckdb.connect() as connection:
        for _ in range(30):
            frame, expressions = _frame(draw), [make(draw, 3) for _ in range(5)]
            columns = {name: MemoryFrame.of(frame).arrow(name) for name in _DTYPES}
            for expression, expected in zip(expressions, _by_duckdb(connection, frame, expressions), strict=True):
                found = Evaluation(columns).of(expression).to_pylist()
                assert len(found) == len(expected)
                assert all(map(_same, found, expected)), (repr(expression), frame, found, expected)


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, float) and other is not None:
        return math.isclose(one, other, rel_tol=1e-15)
    return bool(one == other)


def test_quotients_of_large_whole_numbers_are_those_of_pandas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MemoryFrame, "_by_narwhals", lambda *_: pytest.fail("evaluated by pandas"))
    # Microseconds of the first and the last instant there is, and the ends of 64 bits.
    numbers = [-62_135_596_800_000_000, 253_402_300_799_999_999, 2**53 + 1, 2**63 - 1, -(2**63), 0, None]
    frame = pd.DataFrame({"i": pd.array(numbers, "Int64")})
    rows = MemoryFrame.of(frame).with_columns(day=nw.col("i") / 86_400_000_000)
    expected = (frame["i"] / 86_400_000_000).astype("float64")
    pd.testing.assert_series_equal(rows.native["day"].astype("float64"), expected, check_names=False, rtol=0, atol=0)


@pytest.mark.parametrize("divisor", [7, -7, 1])
def test_remainders_and_whole_quotients_of_floats_are_those_of_pandas(
    monkeypatch: pytest.MonkeyPatch, divisor: int
) -> None:
    monkeypatch.setattr(MemoryFrame, "_by_narwhals", lambda *_: pytest.fail("evaluated by pandas"))
    frame = pd.DataFrame({"x": [math.nan, -8.5, -7.0, -1.0, 0.0, 3.0, 6.999, 7.0, 1e15, -1e300, math.inf, -math.inf]})
    rows = MemoryFrame.of(frame).with_columns(rest=nw.col("x") % divisor, whole=nw.col("x") // divisor)
    expected = frame.assign(rest=frame["x"] % divisor, whole=frame["x"] // divisor)
    pd.testing.assert_frame_equal(rows.native, expected, check_dtype=False)


def test_what_is_not_known_is_done_by_narwhals() -> None:
    frame = MemoryFrame.of(pd.DataFrame({"a": [3.0, 1.0, 2.0]}))
    rank = nw.col("a").rank()
    with pytest.raises(UnknownExpressionError):
        Evaluation({"a": frame.arrow("a")}).of(rank)
    assert frame.with_columns(rank.alias("rank")).native["rank"].to_list() == [3.0, 1.0, 2.0]


@pytest.mark.parametrize("how", ["left", "inner", "semi", "anti"])
def test_joins_are_those_of_narwhals(how: Any) -> None:
    left = pd.DataFrame({"k": pd.Series(["a", None, "b", "a"], dtype="str"), "n": [1, 2, 3, 4]})
    right = pd.DataFrame({"k": pd.Series(["b", "a", None], dtype="str"), "n": [10, 20, 30]})
    for keys, other in ((["k"], right), (["k", "n"], right.assign(n=[3, 1, 2]))):
        found = MemoryFrame.of(left).join(MemoryFrame.of(other), on=keys, how=how, suffix="_r").native
        expected = nw.from_native(left).join(nw.from_native(other), on=keys, how=how, suffix="_r").to_native()
        pd.testing.assert_frame_equal(found, expected.reset_index(drop=True), check_dtype=False)


def test_keys_that_are_repeated_give_a_row_each() -> None:
    left, right = pd.DataFrame({"k": ["a"], "n": [1]}), pd.DataFrame({"k": ["a", "a"], "m": [2, 3]})
    found = MemoryFrame.of(left).join(MemoryFrame.of(right), on="k", how="left", suffix="")
    assert found.native["m"].to_list() == [2, 3]


def test_groups_and_windows_are_those_of_narwhals() -> None:
    frame = pd.DataFrame({
        "g": pd.Series(["x", "y", None, "x", None], dtype="str"), "at": [5, 1, 2, 3, 2], "n": [1, 2, 3, 4, 5],
        "p": [0.1, None, 0.2, 0.7, None], "s": pd.Series(["b", None, "c", "a", "d"], dtype="str"),
    })  # fmt: skip
    col = nw.col
    sums = (col("n").sum(), col("p").sum().alias("paid"), col("s").min(), col("at").max(), col("p").count().alias("c"),
            nw.len().alias("rows"))  # fmt: skip
    found = MemoryFrame.of(frame).group(["g"], sums).native.sort_values("n", ignore_index=True)
    expected = nw.from_native(frame).group_by("g").agg(*sums).to_native().sort_values("n", ignore_index=True)
    pd.testing.assert_frame_equal(found[list(expected)], expected, check_dtype=False)
    windows = [
        col("n").cum_sum().over("g", order_by=["at", "s"]).alias("running"),
        col("at").cum_max().over("g", order_by="n").alias("top"),
        col("n").shift(1).over("g", order_by=["at", "n"]).fill_null(-1).alias("before"),
        col("n").sum().over("g").alias("all"),
    ]
    rows = MemoryFrame.of(frame[frame["g"].notna()])
    plain = nw.from_native(frame[frame["g"].notna()].reset_index(drop=True))
    pd.testing.assert_frame_equal(
        rows.with_columns(*windows).native, plain.with_columns(*windows).to_native(), check_dtype=False
    )


def test_questions_about_legs_are_evaluated_without_narwhals(monkeypatch: pytest.MonkeyPatch) -> None:
    """What falls back is a hundred times as slow: a new kind of expression has to be added to those that are known."""

    def never(*_: Any) -> Any:
        raise AssertionError("a step was left to narwhals")

    start = datetime(2026, 5, 4, 9, tzinfo=UTC)
    rows = [
        {"conversation_id": "CON-1", "leg_id": "a", "status": status, "at": start + timedelta(seconds=seconds),
         "event_id": seconds, "direction": "outbound", "channel_type": "phone"}
        for seconds, status in enumerate(("started", "ringing", "answered", "completed"))
    ]  # fmt: skip
    data = tables(leg_statuses=rows)
    monkeypatch.setattr(MemoryFrame, "_by_narwhals", never)
    assert analysis.kpi(data, metrics="asr")["k"].to_list() == [1]
    assert len(analysis.calls(data)) == len(analysis.legs(data)) == len(analysis.quality(data)) == 1
