"""Own dimensions of one frame: against a plain search by hand, on every kind of frame."""

from __future__ import annotations

from typing import Any

import duckdb
import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conv_analytics.analysis import enrich, match_counts
from conv_analytics.errors import ColumnNotFound, ConfigError

#: Few digits, so that prefixes meet; lengths of real numbers and of prefixes up to all of one.
_DIGITS = st.text("0124", min_size=6, max_size=9)
_NUMBERS = st.one_of(
    _DIGITS.map(lambda digits: f"4{digits}"),
    _DIGITS.map(lambda digits: f"+4 {digits}"),
    _DIGITS.map(lambda digits: f"004-{digits}"),
    st.text("0124", min_size=6, max_size=6).map(lambda text: f"4{text[:1]}x{text}a"),
    st.sampled_from(
        ["anonymous", "sip:4012@pbx.example.org", "", " ", "04120000", "4x3f9a0c", "412", "4120\u00a0000", None]
    ),
)
_PREFIXES = st.lists(st.text("0124", max_size=7).map(lambda digits: f"4{digits}"), min_size=1, max_size=12, unique=True)


def kinds(frame: pd.DataFrame) -> dict[str, Any]:
    """The same frame as every library has it."""
    connection = duckdb.connect()
    connection.execute("set TimeZone = 'UTC'")
    connection.register("given", pa.Table.from_pandas(frame, preserve_index=False))
    arrow = pa.Table.from_pandas(frame, preserve_index=False)
    return {"pandas": frame, "pyarrow": arrow, "polars": pl.from_arrow(arrow), "duckdb": connection.table("given")}


def column(found: Any, name: str) -> list[Any]:
    """A column in the order of the rows, None for null."""
    if isinstance(found, duckdb.DuckDBPyRelation):
        found = found.order("row").to_arrow_table()
    if isinstance(found, pd.DataFrame):
        return [None if pd.isna(value) else value for value in found[name]]
    return list(found[name].to_pylist() if isinstance(found, pa.Table) else found[name].to_list())


def longest_by_hand(address: str | None, prefixes: list[str]) -> tuple[str | None, str]:
    """The prefix of an address, else why there is none."""
    plain = (address or "").strip().replace(" ", "").replace("-", "").replace("\u00a0", "")
    if not plain:
        return None, "no_key"
    code, masked, _ = plain.partition("x")
    if masked and code.isdigit():
        if any(each.startswith(code) and each != code for each in prefixes):
            return None, "undecided"
        plain = code
    else:
        plain = plain.removeprefix("+").removeprefix("00")
        if not (plain.isdigit() and 7 <= len(plain) <= 15 and plain[0] != "0"):
            return None, "no_row"
    fitting = [each for each in prefixes if plain.startswith(each)]
    return (max(fitting, key=len), "matched") if fitting else (None, "no_row")


@pytest.mark.slow
@given(st.lists(_NUMBERS, min_size=1, max_size=30), _PREFIXES)
@settings(max_examples=30, deadline=None)
def test_the_longest_prefix_is_that_of_a_search_by_hand_on_every_kind(
    addresses: list[str | None], prefixes: list[str]
) -> None:
    frame = pd.DataFrame({"row": range(len(addresses)), "remote_address": pd.Series(addresses, dtype="str")})
    carriers = pd.DataFrame({"prefix": prefixes, "carrier": [f"of {each}" for each in prefixes]})
    by_hand = [longest_by_hand(each, prefixes) for each in addresses]
    expected = [None if found is None else f"of {found}" for found, _ in by_hand]
    reasons = [reason for _, reason in by_hand]
    for kind, data in kinds(frame).items():
        assert column(enrich(data, carriers), "carrier") == expected, kind
        counts = match_counts(data, carriers).iloc[0]
        assert {name: counts[name] for name in ("matched", "no_key", "no_row", "undecided")} == {
            name: reasons.count(name) for name in ("matched", "no_key", "no_row", "undecided")
        }, kind
        assert counts["rows"] == len(addresses)


@pytest.mark.slow
@given(st.lists(_NUMBERS, min_size=1, max_size=30), st.lists(_NUMBERS.filter(lambda text: bool(text and text.strip())),
                                                            min_size=1, max_size=8))  # fmt: skip
@settings(max_examples=30, deadline=None)
def test_equal_numbers_are_found_however_they_are_written(addresses: list[str | None], known: list[str]) -> None:
    def plain(text: str | None) -> str:
        digits = (text or "").strip().replace(" ", "").replace("-", "").replace("\u00a0", "")
        bare = digits.removeprefix("+").removeprefix("00")
        return bare if bare.isdigit() and 7 <= len(bare) <= 15 else (text or "").strip()

    sites = {plain(text): f"site {place}" for place, text in reversed(list(enumerate(known)))}
    rows = {plain(text): text for text in reversed(known)}
    table = pd.DataFrame({"number": list(rows.values()), "site": [sites[key] for key in rows]})
    frame = pd.DataFrame({"row": range(len(addresses)), "remote_address": pd.Series(addresses, dtype="str")})
    for kind, data in kinds(frame).items():
        assert column(enrich(data, table), "site") == [sites.get(plain(each)) for each in addresses], kind


@given(
    st.lists(st.tuples(st.sampled_from(["ann", "bob", "eve", None]), st.none() | st.integers(0, 60)), max_size=25),
    st.lists(
        st.tuples(st.sampled_from(["ann", "bob"]), st.integers(0, 60), st.integers(0, 60)), min_size=1, max_size=9
    ),
)
@settings(max_examples=40, deadline=None)
def test_the_row_that_holds_is_that_of_a_search_by_hand(
    asked: list[tuple[str | None, int | None]], periods: list[tuple[str, int, int]]
) -> None:
    begin = pd.Timestamp("2026-03-29T00:00Z")

    def minute(at: int | None) -> Any:
        return pd.NaT if at is None else begin + pd.Timedelta(minutes=at)

    teams = pd.DataFrame(periods, columns=["user_id", "first", "last"])
    table = pd.DataFrame({
        "user_id": teams["user_id"], "team": [f"team {place}" for place in range(len(teams))],
        "valid_from": teams["first"].map(minute), "valid_to": teams["last"].map(minute),
    })  # fmt: skip
    frame = pd.DataFrame({
        "row": range(len(asked)), "user_id": pd.Series([user for user, _ in asked], dtype="str"),
        "started_at": pd.Series([minute(at) for _, at in asked], dtype="datetime64[us, UTC]"),
    })  # fmt: skip
    wrong = any(first >= last for _, first, last in periods) or any(
        one[0] == other[0] and one[1] < other[2] and other[1] < one[2]
        for place, one in enumerate(periods) for other in periods[:place]
    )  # fmt: skip
    if wrong:
        with pytest.raises(ConfigError, match="valid_from is the first instant"):
            enrich(frame, table)
        return
    expected = [
        next((f"team {place}" for place, (key, first, last) in enumerate(periods)
              if key == user and at is not None and first <= at < last), None)
        for user, at in asked
    ]  # fmt: skip
    outside = sum(team is None and user in {key for key, *_ in periods}
                  for team, (user, _) in zip(expected, asked, strict=True))  # fmt: skip
    for kind, data in kinds(frame).items():
        assert column(enrich(data, table), "team") == expected, kind
        counts = match_counts(data, table).iloc[0]
        assert (counts["outside_validity"], counts["no_key"]) == (outside, [user for user, _ in asked].count(None)), (
            kind
        )


def test_a_frame_keeps_its_rows_their_order_and_their_labels() -> None:
    frame = pd.DataFrame({"network_code": ["23410", "26201", None, "23410"], "n": [1, 2, 3, 4]}, index=list("dbca"))
    frame.attrs["mine"] = 7
    found = enrich(frame, {"network_code": ["234-10", "262 01"], "network": ["O2", "Telekom"]})
    pd.testing.assert_frame_equal(found[["network_code", "n"]], frame, check_flags=False)
    assert found["network"].to_list()[:2] == ["O2", "Telekom"]
    assert found["network"].dtype == "str"
    assert found.attrs["mine"] == 7
    assert found.attrs["match_counts"][0]["no_key"] == 1
    assert "network" not in frame
    assert enrich(frame.head(0), {"network_code": ["23410"], "network": ["O2"]})["network"].dtype == "str"


def test_two_maps_of_one_frame_are_counted_each() -> None:
    frame = pd.DataFrame({"user_id": ["USR-1", "USR-2"]})
    teams = enrich(frame, {"user_id": ["USR-1"], "team": ["sales"]})
    regions = enrich(teams, {"team": ["sales"], "region": ["EMEA"]}, on="team")
    assert regions["region"].to_list()[0] == "EMEA"
    assert [each["matched"] for each in regions.attrs["match_counts"]] == [1, 1]


def test_a_lazy_frame_of_polars_is_collected() -> None:
    frame = pl.LazyFrame({"network_code": ["23410"]})
    found: Any = enrich(frame, pl.DataFrame({"network_code": ["23410"], "network": ["O2"]}))
    assert found.to_dicts() == [{"network_code": "23410", "network": "O2"}]


class Stream:
    """A table of which only Arrow's C interface is known."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self._table.__arrow_c_stream__(requested_schema)


def test_what_offers_arrow_or_is_known_to_narwhals_is_a_frame_and_a_map() -> None:
    legs, names = pa.table({"network_code": ["23410", None]}), pa.table({"network_code": ["23410"], "network": ["O2"]})
    wrapped = [Stream(legs), legs.to_batches()[0], *map(nw.from_native, (legs, pl.from_arrow(legs), legs.to_pandas()))]
    for data in wrapped:
        found = enrich(data, names)
        assert column(found, "network") == ["O2", None]
        assert match_counts(data, names)["matched"].to_list() == [1]
    for table in (Stream(names), *map(nw.from_native, (names, pl.from_arrow(names), names.to_pandas()))):
        assert column(enrich(legs, table), "network") == ["O2", None]


@pytest.mark.parametrize("kind", ["pyarrow", "polars", "duckdb"])
def test_a_map_may_be_of_any_kind(kind: str) -> None:
    table = kinds(pd.DataFrame({"network_code": ["23410"], "network": ["O2"]}))[kind]
    assert enrich(pd.DataFrame({"network_code": ["23410"]}), table)["network"].to_list() == ["O2"]


def test_numbers_that_pandas_read_as_numbers_are_numbers() -> None:
    frame = pd.DataFrame({"remote_address": [442079460000.0, np.nan]})
    table = pd.DataFrame({"number": [442079460000], "site": [7]})
    assert column(enrich(frame, table), "site") == ["7", None]


@pytest.mark.parametrize("kind", ["pandas", "pyarrow", "polars", "duckdb"])
def test_numbers_with_gaps_among_them_are_numbers_on_every_kind(kind: str) -> None:
    numbers = [442079460000.0, np.nan, 447700900123.0, 5112345678.0]
    frame = kinds(pd.DataFrame({"row": range(4), "remote_address": numbers}))[kind]
    for table in (
        pd.DataFrame({"number": ["442079460000", "4420794600000", "44770090012"], "site": ["a", "b", "c"]}),
        pd.DataFrame({"prefix": ["44207", "511"], "site": ["a", "d"]}),
    ):
        found = enrich(frame, table)
        assert column(found, "site") == ["a", None, None, "d" if "prefix" in table else None]
        assert list(nw.from_native(found).columns) == ["row", "remote_address", "site"]
        counted = match_counts(frame, table).iloc[0]
        matched = 2 if "prefix" in table else 1
        assert counted[["rows", "matched", "no_key", "no_row"]].to_list() == [4, matched, 1, 3 - matched]


@pytest.mark.parametrize("kind", ["pandas", "pyarrow", "polars", "duckdb"])
@pytest.mark.parametrize(
    ("at", "told"),
    [
        (pd.Series(pd.to_datetime(["2026-05-04"])).dt.as_unit("us"), "without a time zone"),
        (pd.Series(["2026-05-04T00:00:00Z"], dtype="str"), "not instants"),
    ],
)
def test_an_instant_has_to_be_one_on_every_kind(kind: str, at: pd.Series[Any], told: str) -> None:
    frame = kinds(pd.DataFrame({"user_id": ["USR-1"], "started_at": at}))[kind]
    table = {"user_id": ["USR-1"], "team": ["a"], "valid_from": ["2026-01-01"]}
    for function in (enrich, match_counts):
        with pytest.raises(ConfigError, match=f"'started_at'.*{told}"):
            function(frame, table)


@pytest.mark.parametrize("kind", ["pandas", "pyarrow", "polars", "duckdb"])
def test_names_that_differ_in_case_only_are_refused_on_every_kind(kind: str) -> None:
    frame = kinds(pd.DataFrame({"row": [0], "network_code": ["23410"], "country": ["GB"]}))[kind]
    with pytest.raises(ConfigError, match="two columns 'Site' and 'site'"):
        enrich(frame, {"network_code": ["23410"], "Site": ["a"], "site": ["b"]})
    with pytest.raises(ConfigError, match="a column 'Country', and so has the frame \\('country'\\)"):
        enrich(frame, {"network_code": ["23410"], "Country": ["FR"]})


def test_a_column_that_is_missing_is_named() -> None:
    frame = pd.DataFrame({"user_id": ["USR-1"]})
    with pytest.raises(ColumnNotFound, match="'started_at'"):
        enrich(frame, {"user_id": ["USR-1"], "team": ["a"], "valid_from": ["2026-01-01"]})
    with pytest.raises(ConfigError, match="cannot be used to join"):
        enrich(frame, {"prefix": ["44"], "carrier": ["BT"]}, on="prefix")
    with pytest.raises(ConfigError, match="'user_id'"):
        enrich(frame, {"number": ["USR-1"], "user_id": ["x"]}, on={"user_id": "number"})


def test_days_of_a_map_begin_at_midnight_of_the_zone() -> None:
    at = pd.to_datetime(["2026-07-31T21:59Z", "2026-07-31T22:00Z"], utc=True, format="ISO8601")
    frame = pd.DataFrame({"user_id": "USR-1", "started_at": at})
    table = {"user_id": ["USR-1"], "team": ["a"], "valid_from": ["2026-08-01"]}
    assert column(enrich(frame, table, tz="Europe/Paris"), "team") == [None, "a"]
    assert column(enrich(frame, table), "team") == [None, None]
    days = pd.DataFrame(table).assign(valid_from=pd.to_datetime(["2026-08-01"]))
    assert column(enrich(frame, days, tz="Europe/Paris"), "team") == [None, "a"]
    with pytest.raises(ConfigError, match="time zone"):
        enrich(frame, {**table, "valid_from": ["2026-08-01T09:00"]})
