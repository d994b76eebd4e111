"""Values of other types than the declared ones: every kind of frame reads or refuses the same."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from conv_analytics import analysis
from conv_analytics.analysis import kpi, kpi_values, offenders
from conv_analytics.analysis.engine.rows import Rows
from conv_analytics.analysis.engine.source import Source
from conv_analytics.errors import ConfigError
from tests._helpers.leg_tables import as_pandas, relations
from tests.analysis import frozen

BIG = 2**53 + 1
#: Ways of giving a table.
GIVEN: dict[str, Callable[[pa.Table], Any]] = {
    "pandas": lambda table: table.to_pandas(),
    "objects": lambda table: pd.DataFrame({name: pd.Series(values, dtype="object")
                                           for name, values in table.to_pydict().items()}),
    "arrow dtypes": lambda table: table.to_pandas(types_mapper=pd.ArrowDtype),
    "nullable": lambda table: table.to_pandas().convert_dtypes(),
    "pyarrow": lambda table: table,
    "polars": pl.from_arrow,
    "duckdb": duckdb.from_arrow,
}  # fmt: skip


def column(given: str, name: str, values: Any, table: str = "hangups") -> list[Any]:
    """A column of a table as questions read it, with None for nulls."""
    frame = GIVEN[given](pa.table({name: values}))
    read = Rows.read(Source.of({table: frame}), table, [name]).collect()[name]
    return [None if pd.isna(value) else value for value in read]


@pytest.mark.parametrize("given", GIVEN)
@pytest.mark.parametrize(
    "values",
    [[200.5, None], ["200.5", None], ["1e-1"], [Decimal("200.5"), None], ["1_000"]],
    ids=str,
)
def test_what_is_no_whole_number_is_refused(given: str, values: list[Any]) -> None:
    with pytest.raises(ConfigError, match=r"'sip_code' of hangups cannot be read as Int64: .* Convert it first\."):
        column(given, "sip_code", pa.array(values))


@pytest.mark.parametrize("given", GIVEN)
@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["486.0", " 486 ", "2e2", "", None], [486, 486, 200, None, None]),
        ([str(BIG), None, f"-{BIG}"], [BIG, None, -BIG]),
        ([Decimal(BIG), None], [BIG, None]),
        ([486.0, None, -1.0], [486, None, -1]),
        ([True, None], [1, None]),
    ],
    ids=str,
)
def test_whole_numbers_of_any_type_are_read_exactly(given: str, values: list[Any], expected: list[Any]) -> None:
    assert column(given, "sip_code", pa.array(values)) == expected


@pytest.mark.parametrize("given", GIVEN)
@pytest.mark.parametrize("text", ["NaN", "nan", "1_000", "1,5", "0x1F", "many", " "])
def test_a_text_that_is_no_number_is_refused(given: str, text: str) -> None:
    for name in ("mos_score", "sip_code"):
        with pytest.raises(ConfigError, match="cannot be read"):
            column(given, name, ["4", text])


@pytest.mark.parametrize("given", GIVEN)
@pytest.mark.parametrize(
    "values", [[4.5, float("inf"), float("-inf"), None], ["4.5", "Infinity", "-inf", ""], ["4.5", "1e400", "inf", None]]
)
def test_infinity_is_null_as_in_tables_of_an_export(given: str, values: list[Any]) -> None:
    assert column(given, "mos_score", values) == [4.5, None, None, None]
    assert column(given, "mos_score", pa.array([4.5, float("inf")], pa.float32())) == [4.5, None]


@pytest.mark.parametrize("given", GIVEN)
def test_measures_with_infinity_have_the_same_quantiles(given: str) -> None:
    legs = pa.table({
        "conversation_id": list("abc"), "leg_id": list("abc"), "direction": ["outbound"] * 3, "answered": [True] * 3,
        "talk_s": [1.0, 3.0, float("inf")],
    })  # fmt: skip
    found = as_pandas(kpi_values(GIVEN[given](legs), unit="leg"), ["measure"]).set_index("measure").loc["talk_s"]
    assert found[["n", "mean", "p50", "max"]].tolist() == [2, 2, 2, 3]


@pytest.mark.parametrize("given", GIVEN)
@pytest.mark.parametrize(
    "values", [[1, 0, None], [1.0, 0.0, None], [Decimal(1), Decimal(0), None], [True, False, None]], ids=str
)
def test_0_and_1_are_truth_values(given: str, values: list[Any]) -> None:
    assert column(given, "successful", pa.array(values), "call_records") == [True, False, None]
    frame = GIVEN[given](pa.table({"route": list("aab"), "bad": pa.array(values)}))
    counts = as_pandas(offenders(frame, by="route", case="bad", min_n=1), ["route"])
    assert counts[["k", "n"]].to_numpy().tolist() == [[1, 2]]


@pytest.mark.parametrize("given", GIVEN)
@pytest.mark.parametrize("value", [2, -1, 0.5, Decimal("0.5"), "yes", "True", "t", "1", ""], ids=repr)
def test_no_other_value_is_a_truth_value(given: str, value: Any) -> None:
    wrong = pa.array([value, None, value])
    with pytest.raises(ConfigError, match=r"'successful' .* cannot be read as boolean: .* Convert it first\."):
        column(given, "successful", wrong, "call_records")
    with pytest.raises(ConfigError, match=r"'bad' of the frame cannot be read as boolean"):
        offenders(GIVEN[given](pa.table({"route": list("aab"), "bad": wrong})), by="route", case="bad", min_n=1)


def test_a_column_of_a_quoted_name_is_named_in_the_error() -> None:
    relation = duckdb.sql("""select 'a' as route, 2 as "is it 'bad'" """)
    with pytest.raises(ConfigError, match=r"is it 'bad'.* cannot be read as boolean: 2 is neither true nor false"):
        offenders(relation, by="route", case="is it 'bad'", min_n=1)


@pytest.mark.parametrize("kind", ["tinyint", "hugeint", "uhugeint", "usmallint", "decimal(9, 3)", "float", "enum"])
def test_numbers_of_duckdb_of_any_width(kind: str) -> None:
    value = "'486'::enum('486')" if kind == "enum" else f"48::{kind}"
    relation = duckdb.sql(f"select {value} as sip_code, {value} as mos_score")
    names = ["sip_code", "mos_score"]
    found = Rows.read(Source.of({"hangups": relation}), "hangups", names).result().fetchall()
    assert found == [(486, 486.0) if kind == "enum" else (48, 48.0)]


@pytest.mark.parametrize("kind", [each for each in ("Int128", "UInt128") if hasattr(pl, each)])
@pytest.mark.parametrize("lazy", [False, True])
def test_integers_of_polars_with_128_bits(kind: str, *, lazy: bool) -> None:
    def read(value: int, name: str) -> Any:
        frame = pl.DataFrame({name: pl.Series([value, None], dtype=getattr(pl, kind))})
        data = {"hangups": frame.lazy() if lazy else frame}
        return Rows.read(Source.of(data), "hangups", [name]).collect()[name].iloc[0]

    assert read(BIG, "sip_code") == BIG
    assert read(4, "mos_score") == 4
    assert read(2**70, "from_number") == str(2**70)
    assert read(442079460000, "from_number") == "442079460000"
    with pytest.raises(ConfigError, match=r"'sip_code' of hangups cannot be read as Int64: .* does not fit in 64 bits"):
        read(2**63, "sip_code")


def test_integers_with_128_bits_beside_the_columns_of_a_question() -> None:
    rows = {
        "conversation_id": ["a", "b"],
        "leg_id": ["a", "b"],
        "direction": ["outbound"] * 2,
        "answered": [True, False],
    }
    frame = pl.DataFrame(rows).with_columns(total=pl.Series([1, 2**100], dtype=pl.Int128))
    assert kpi(frame, metrics=["asr"], unit="leg")["k"].to_list() == [1]
    assert offenders(frame, by="total", case="answered", min_n=1)["total"].to_list() == ["1", str(2**100)]


#: Questions whose answers to relations are relations that are not computed yet.
NOT_COMPUTED = (
    "audio_flow", "call_quality", "calls", "compare_profiles", "conversations", "fault_side", "legs", "quality",
    "receipts", "recognition", "redials",
)  # fmt: skip


@pytest.fixture(scope="module")
def world() -> dict[str, pd.DataFrame]:
    return frozen.world()


@pytest.mark.slow
@pytest.mark.parametrize("question", NOT_COMPUTED)
def test_answers_of_duckdb_have_the_types_of_those_in_memory(question: str, world: dict[str, pd.DataFrame]) -> None:
    ask = getattr(analysis, question)
    expected = pa.Table.from_pandas(ask(world), preserve_index=False).schema
    found = pa.table(ask(relations(world)).limit(0)).schema
    assert found.names == expected.names
    assert {field.name: str(field.type) for field in found} == {
        field.name: str(field.type).removeprefix("large_") for field in expected
    }
