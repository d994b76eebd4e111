"""Where rows come from: every kind of data gives the same rows, with the same types, and says what is missing."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from conv_analytics.analysis import legs
from conv_analytics.analysis.engine.rows import Rows
from conv_analytics.analysis.engine.source import Source
from conv_analytics.errors import ColumnNotFound, ConfigError, TableNotFound

COLUMNS = ["conversation_id", "event_id", "type", "at", "mos_score"]


def hangups() -> pd.DataFrame:
    return pd.DataFrame({
        "conversation_id": ["CON-1", "CON-2", None],
        "event_id": pd.array([1, None, 3], "Int64"),
        "type": pd.Categorical(["sip:hangup", None, "rtc:hangup"]),
        "at": pd.to_datetime(["2026-01-01T10:00:00.000001Z", None, "2026-01-01T12:00:00Z"], utc=True, format="ISO8601"),
        "mos_score": [4.5, None, 3.0],
    })  # fmt: skip


def as_relation(frame: pd.DataFrame) -> Any:
    connection = duckdb.connect()
    connection.register("given", frame.astype({"type": "str"}))
    return connection.table("given")


KINDS = {
    "pandas": hangups,
    "pyarrow": lambda: pa.Table.from_pandas(hangups(), preserve_index=False),
    "polars": lambda: pl.from_arrow(pa.Table.from_pandas(hangups(), preserve_index=False)),
    "lazy polars": lambda: pl.from_arrow(pa.Table.from_pandas(hangups(), preserve_index=False)).lazy(),
    "duckdb": lambda: as_relation(hangups()),
}


def shown(given: Any) -> pd.DataFrame:
    """Whatever came back, as pandas."""
    if isinstance(given, pl.DataFrame):
        given = given.to_arrow()
    if isinstance(given, pd.DataFrame):
        return given
    return Rows.read(Source.of({"hangups": given}), "hangups", COLUMNS).collect()


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_gives_the_same_rows_and_gets_its_kind_back(kind: str) -> None:
    data = {"hangups": KINDS[kind]()}
    source = Source.of(data)
    given = Rows.read(source, "hangups", COLUMNS).result()
    assert type(given).__module__.split(".")[0].strip("_") == kind.rsplit(" ", maxsplit=1)[-1]
    expected = hangups().astype({"type": "str"})
    pd.testing.assert_frame_equal(shown(given), expected)


@pytest.mark.parametrize("kind", ["pandas", "duckdb"])
def test_a_missing_table_or_column_is_empty_or_an_error(kind: str) -> None:
    source = Source.of({"hangups": KINDS[kind]()})
    with pytest.raises(TableNotFound, match="Available: hangups"):
        Rows.read(source, "call_events", ["conversation_id"])
    with pytest.raises(ColumnNotFound, match=r"'packet_cnt' is needed.*'hangups'"):
        Rows.read(source, "hangups", ["event_id", "packet_cnt"])
    rows = Rows.read(source, "hangups", ["event_id", "packet_cnt", "leg_id"], needed=["event_id"]).collect()
    assert rows["packet_cnt"].isna().all()
    assert rows["leg_id"].isna().all()
    assert list(map(str, rows.dtypes)) == ["Int64", "Int64", "str"]
    empty = Rows.read(source, "call_events", ["at", "machine_confidence"], needed=()).collect()
    assert (len(empty), list(map(str, empty.dtypes))) == (0, ["datetime64[us, UTC]", "float64"])


def test_a_small_frame_joins_whatever_the_data_is() -> None:
    names = pd.DataFrame({"conversation_id": ["CON-1"], "n": [5], "x": [0.5], "flag": [True]})
    for kind in ("pandas", "duckdb"):
        source = Source.of({"hangups": KINDS[kind]()})
        rows = Rows.read(source, "hangups", ["conversation_id", "mos_score"])
        joined = rows.join(Rows.of_pandas(source, names), on="conversation_id", how="inner")
        assert joined.collect().to_dict("records") == [
            {"conversation_id": "CON-1", "mos_score": 4.5, "n": 5, "x": 0.5, "flag": True}
        ]


AT = "2026-01-01T10:00:00"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (pd.Series([pd.Timestamp(AT, tz="Europe/Vienna")]), pd.Timestamp("2026-01-01T09:00:00Z")),
        (pd.Series([pd.Timestamp(AT, tz="UTC")]).astype("datetime64[ns, UTC]"), pd.Timestamp(AT, tz="UTC")),
        (pd.Series([pd.Timestamp(AT, tz="UTC"), None], dtype="object"), pd.Timestamp(AT, tz="UTC")),
        (
            pd.Series([pd.Timestamp(AT, tz="UTC")]).astype(pd.ArrowDtype(pa.timestamp("ns", "UTC"))),
            pd.Timestamp(AT, tz="UTC"),
        ),
    ],
)
def test_instants_of_any_zone_become_utc(given: pd.Series, expected: pd.Timestamp) -> None:
    source = Source.of({"hangups": pd.DataFrame({"at": given})})
    at = Rows.read(source, "hangups", ["at"]).collect()["at"]
    assert str(at.dtype) == "datetime64[us, UTC]"
    assert at[0] == expected


def test_mixed_zones_are_instants_too() -> None:
    given = pd.Series([pd.Timestamp(AT, tz="Europe/Vienna"), pd.Timestamp(AT, tz="UTC")], dtype="object")
    source = Source.of({"hangups": pd.DataFrame({"at": given})})
    at = Rows.read(source, "hangups", ["at"]).collect()["at"]
    assert list(at) == [pd.Timestamp("2026-01-01T09:00:00Z"), pd.Timestamp("2026-01-01T10:00:00Z")]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (pd.Series([pd.Timestamp(AT)]), "without a time zone"),
        (pd.Series([pd.Timestamp(AT)], dtype="object"), "without a time zone"),
        (pd.Series([AT]), "not instants"),
        (pd.Series([1767261600]), "not instants"),
    ],
)
def test_what_is_no_instant_is_refused(given: pd.Series, says: str) -> None:
    frame = pd.DataFrame({"at": given})
    with pytest.raises(ConfigError, match=says):
        Rows.read(Source.of({"hangups": frame}), "hangups", ["at"])
    if given.dtype != "object":
        connection = duckdb.connect()
        connection.register("given", frame)
        with pytest.raises(ConfigError, match=says):
            Rows.read(Source.of({"hangups": connection.table("given")}), "hangups", ["at"])


def test_columns_of_other_tools_become_what_they_are() -> None:
    frame = pd.DataFrame({
        "event_id": [1.0, None],
        "from_number": [442079460000.0, None],
        "to_number": pd.Series([442079460000, 1], dtype="int64"),
        "packet_cnt": ["12", None],
        "mos_score": pd.Series(["4.5", None], dtype="object"),
        "leg_id": [None, None],
    })  # fmt: skip
    source = Source.of({"hangups": frame})
    rows = Rows.read(source, "hangups", list(frame.columns)).collect()
    assert list(map(str, rows.dtypes)) == ["Int64", "str", "str", "Int64", "float64", "str"]
    assert rows.iloc[0].dropna().tolist() == [1, "442079460000", "442079460000", 12, 4.5]
    assert rows.iloc[1].dropna().tolist() == ["1"]
    with pytest.raises(ConfigError, match=r"'packet_cnt' of hangups cannot be read as Int64"):
        Rows.read(Source.of({"hangups": pd.DataFrame({"packet_cnt": ["many"]})}), "hangups", ["packet_cnt"])


@pytest.mark.parametrize("value", ["18446744073709551615::ubigint", "'infinity'::double", "1e30", "'many'"])
def test_a_value_of_a_relation_that_does_not_fit_is_an_error_with_advice(value: str) -> None:
    with pytest.raises(ConfigError, match=r"cannot be read: .* Convert it first\."):
        column(duckdb.sql(f"select {value} as event_id"), "event_id")


@pytest.mark.parametrize("texts", [["", ""], ["", "486"]])
def test_an_empty_text_is_no_number(texts: list[str]) -> None:
    known = [float(text) for text in texts if text.isdigit()]
    for name in ("sip_code", "mos_score"):
        assert [value for value in column(pd.DataFrame({name: texts}), name) if value is not None] == known


@pytest.mark.parametrize("kind", ["double", "float"])
def test_nan_of_a_relation_is_null_and_whole_numbers_are_texts_without_a_point(kind: str) -> None:
    with duckdb.connect() as connection:
        rows = connection.sql(f"""
            select 'CON-1' as conversation_id, 1 as event_id, 'nan'::{kind} as mos_score, 'nan'::{kind} as sip_code,
                   23410.0::{kind} as from_number, 23410.50::decimal(9, 2) as to_number
            union all select 'CON-2', 2, 4.5, 486, 'nan'::{kind}, 23410 union all select null, 3, null, null, null, null
        """)
        names = ["mos_score", "sip_code", "from_number", "to_number"]
        found = Rows.read(Source.of({"hangups": rows}), "hangups", names).result()
        assert sorted(found.fetchall(), key=str) == [
            (4.5, 486, None, "23410"), (None, None, "23410", "23410.50"), (None, None, None, None)
        ]  # fmt: skip


#: Ways of giving a column of a pandas frame, and frames of other libraries with it.
GIVEN = {
    "pandas": lambda frame: frame,
    "objects": lambda frame: frame.astype("object").where(frame.notna(), None),
    "categories": lambda frame: frame.astype("category"),
    "arrow dtypes": lambda frame: frame.convert_dtypes(dtype_backend="pyarrow"),
    "pyarrow": lambda frame: pa.Table.from_pandas(frame, preserve_index=False),
    "polars": lambda frame: pl.from_arrow(pa.Table.from_pandas(frame, preserve_index=False)),
}


def column(frame: Any, name: str, table: str = "hangups") -> list[Any]:
    """A column as questions read it, with None for nulls."""
    values = Rows.read(Source.of({table: frame}), table, [name]).collect()[name]
    return [None if pd.isna(value) else value for value in values]


@pytest.mark.parametrize("given", GIVEN)
def test_durations_are_numbers_only_in_columns_of_seconds(given: str) -> None:
    frame = pd.DataFrame({"duration_s": pd.to_timedelta([3, None], unit="s")})
    assert column(GIVEN[given](frame), "duration_s", "call_records") == [3, None]
    frame = pd.DataFrame({"price": pd.to_timedelta([3, None], unit="s")})
    with pytest.raises(ConfigError, match=r"'price' of call_records holds durations, not numbers.*total_seconds"):
        column(GIVEN[given](frame), "price", "call_records")
    frame = pd.DataFrame({"duration_s": pd.to_timedelta([0.5, None], unit="s")})
    with pytest.raises(ConfigError, match="'duration_s' of call_records cannot be read as Int64"):
        column(GIVEN[given](frame), "duration_s", "call_records")


@pytest.mark.parametrize("given", GIVEN)
@pytest.mark.parametrize("zone", ["UTC", None])
def test_instants_are_no_numbers(given: str, zone: str | None) -> None:
    frame = pd.DataFrame({"duration_s": pd.DatetimeIndex(["2026-01-01", None], tz=zone)})
    with pytest.raises(ConfigError, match="'duration_s' of call_records holds instants, not numbers"):
        column(GIVEN[given](frame), "duration_s", "call_records")


@pytest.mark.parametrize("value", ["interval 3 second", "timestamp '2026-01-01'", "current_timestamp"])
def test_types_of_duckdb_that_are_no_numbers_are_refused(value: str) -> None:
    with pytest.raises(ConfigError, match=r"'duration_s' of call_records holds .*, not numbers"):
        column(duckdb.sql(f"select {value} as duration_s"), "duration_s", "call_records")


def test_advice_about_intervals_is_sql_that_works() -> None:
    frame = duckdb.sql("select interval '1 day 2.5 second' as duration_s")
    with pytest.raises(ConfigError, match="for example in SQL") as caught:
        column(frame, "duration_s", "call_records")
    advice = str(caught.value).partition("in SQL: ")[2].rstrip(".")
    assert duckdb.sql(f"select {advice} from frame").fetchall() == [(86402.5,)]


BIG = 2**53 + 1


@pytest.mark.parametrize(
    "given",
    [
        pd.Series([str(BIG), None]),
        pd.Series([str(BIG), None], dtype="object"),
        pd.Series([str(BIG), None], dtype="category"),
        pd.Series([BIG, None], dtype="object"),
        pd.Series([BIG, None], dtype="object").astype("category"),
        pd.Series([Decimal(BIG), None], dtype="object"),
        pd.Series([Decimal(BIG), None], dtype=pd.ArrowDtype(pa.decimal128(20, 0))),
        pd.Series([BIG, None], dtype="UInt64"),
    ],
)
def test_large_whole_numbers_stay_exact(given: pd.Series) -> None:
    frame = pd.DataFrame({"event_id": given})
    assert column(frame, "event_id") == [BIG, None]
    arrow = pa.Table.from_pandas(frame, preserve_index=False)
    assert column(arrow, "event_id") == [BIG, None]
    assert column(pl.from_arrow(arrow), "event_id") == [BIG, None]


@pytest.mark.parametrize(
    "given",
    [
        pd.Series([2**63, None], dtype="UInt64"),
        pd.Series([2**63], dtype="uint64"),
        pd.Series([2**63, None], dtype="object"),
        pd.Series([str(2**65), None]),
        pd.Series([float("inf"), 1]),
        pd.Series([Decimal("Infinity"), None], dtype="object"),
        pd.Series([4.5, None]),
    ],
)
def test_numbers_that_are_no_64_bit_integers_are_refused(given: pd.Series) -> None:
    frame = pd.DataFrame({"event_id": given})
    with pytest.raises(ConfigError, match="'event_id' of hangups cannot be read as Int64"):
        column(frame, "event_id")
    if given.dtype != "object":
        with pytest.raises(ConfigError, match="'event_id' of hangups cannot be read as Int64"):
            column(pa.Table.from_pandas(frame, preserve_index=False), "event_id")


@pytest.mark.parametrize("given", [*GIVEN, "duckdb"])
def test_phone_numbers_that_a_file_made_floats_are_numbers_again(given: str) -> None:
    frame = pd.DataFrame({"to_number": [447700900123.0, None]})
    give = GIVEN.get(given, lambda frame: duckdb.from_arrow(pa.Table.from_pandas(frame, preserve_index=False)))
    assert column(give(frame), "to_number") == ["447700900123", None]


def test_objects_of_several_types_are_texts() -> None:
    mixed = pd.Series(["+447700900123", 447700900124.0, 447700900125, None], dtype="object")
    expected = ["+447700900123", "447700900124", "447700900125", None]
    for given in (mixed, mixed.astype("category")):
        assert column(pd.DataFrame({"to_number": given}), "to_number") == expected


def test_columns_with_the_same_name_are_refused_if_they_are_asked_for() -> None:
    arrow = pa.Table.from_arrays([pa.array(["CON-1"]), pa.array(["a"]), pa.array(["b"])], ["conversation_id", "x", "x"])
    for frame in (
        arrow.to_pandas(),
        arrow,
        duckdb.from_arrow(arrow),
        duckdb.sql("select 'CON-1' conversation_id, 1 x, 2 x"),
    ):
        assert column(frame, "conversation_id") == ["CON-1"]
        twice = frame.rename_columns(["conversation_id", "leg_id", "leg_id"]) if frame is arrow else (
            frame.set_axis(["conversation_id", "leg_id", "leg_id"], axis="columns") if isinstance(frame, pd.DataFrame)
            else frame.project("conversation_id, #2 as leg_id, #3 as leg_id")
        )  # fmt: skip
        with pytest.raises(ConfigError, match="Columns of hangups have the same name: leg_id"):
            column(twice, "leg_id")
        with pytest.raises(ConfigError, match="Columns of hangups have the same name: leg_id"):
            Source.of({"hangups": twice}).of_conversation("CON-1").typed("hangups", {"leg_id": str})


@pytest.mark.parametrize("data", [3, "hangups", {"hangups": [1]}, None])
def test_what_is_no_data_is_refused(data: Any) -> None:
    with pytest.raises(ConfigError, match="cannot be analysed"):
        Source.of(data)


def test_kinds_are_not_mixed() -> None:
    with pytest.raises(ConfigError, match="different kinds: duckdb, pandas"):
        Source.of({"hangups": hangups(), "members": KINDS["duckdb"]()})


@pytest.mark.parametrize("temporary", ["", "temporary "])
def test_tables_of_other_schemas_and_databases_are_no_tables_of_a_connection(temporary: str) -> None:
    with duckdb.connect() as connection:
        connection.execute(f"""
            create schema other;
            create table other.extra as select 1 as x;
            create table other.leg_statuses as select 1 as x;
            attach ':memory:' as elsewhere;
            create table elsewhere.main.hangups as select 1 as x;
            create {temporary}table leg_statuses as
            select 'CON-1' as conversation_id, 'a' as leg_id, 'answered' as status, now() as at, 1 as event_id;
        """)
        assert set(Source.of(connection).tables) == {"leg_statuses"}
        assert legs(connection, ["answered"]).fetchall() == [("CON-1", "a", True)]
