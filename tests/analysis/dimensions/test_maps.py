"""Maps as spreadsheets, databases and people write them: read rightly, or refused with what to do."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from conv_analytics.analysis import enrich
from conv_analytics.errors import ConfigError

LEGS = pd.DataFrame({
    "remote_address": ["442079460000", "447700900123", "4930123456", None],
    "network_code": ["23410", "GB-FIXED", "26201", None],
    "user_id": ["USR-1", "USR-2", None, "USR-1"],
})  # fmt: skip


def found(table: Any, **options: Any) -> list[Any]:
    """The column that a map adds to the legs, None for null."""
    enriched = enrich(LEGS, table, **options)
    return [None if pd.isna(value) else value for value in enriched.iloc[:, -1]]


@pytest.mark.parametrize(
    "text",
    [
        "number,site\n442079460000,Zürich\n4930123456,Bonn\n",
        "\ufeffnumber,site\r\n442079460000,Zürich\r\n4930123456,Bonn\r\n",
        "number;site\r+442079460000;Zürich\r+4930123456;Bonn",
        "sep=;\r\nnumber;site\r\n+44 20 7946 0000;Zürich\r\n0049 (0)30 123456;Bonn\r\n;\r\n;\r\n",
        'site\tnumber\nZürich\t"=""00442079460000"""\nBonn\t\'+4930123456\n',
        '\n\nnumber,site,\n 442079460000 , Zürich ,\n"4930123456","Bonn",\n,,\n',
        "NUMBER|site\n\u202a+442079460000\u202c|Zürich\n\uff0b4930123456|Bonn\n",
    ],
    ids=["plain", "BOM", "semicolons and CR", "Excel", "formulas", "spaces and empty columns", "invisible characters"],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_file_is_read_however_it_was_saved(tmp_path: Path, text: str, encoding: str) -> None:
    path = tmp_path / "sites.csv"
    path.write_bytes(text.encode(encoding))
    assert found(path) == ["Zürich", None, "Bonn", None]
    assert found(str(path)) == ["Zürich", None, "Bonn", None]


def test_a_cell_may_hold_separators_and_ends_of_lines(tmp_path: Path) -> None:
    path = tmp_path / "sites.csv"
    path.write_text('number,site\n442079460000,"Main, 1st floor\nLondon ""City"""\n4930123456,NA\n')
    assert found(path) == ['Main, 1st floor\nLondon "City"', None, "NA", None]


def test_a_parquet_file_is_a_map(tmp_path: Path) -> None:
    path = tmp_path / "sites.parquet"
    pd.DataFrame({"number": [442079460000], "site": pd.Categorical(["London"])}).to_parquet(path)
    assert found(path)[0] == "London"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ConfigError, match="not a complete Parquet file"):
        found(path)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is empty"),
        (b"\r\n \r\n", "is empty"),
        (b"number,site\n", "has no rows"),
        (b"number,site\n,\n", "has no rows"),
        (b"number\n442079460000\n", "no column to look up by number"),
        ("number,site\n442079460000,Zürich\n".encode("cp1252"), "not UTF-8: line 2 has the byte 0xfc"),
        ("number,site\n44,a\n".encode("utf-16-le"), "NUL characters"),
        (b"PK\x03\x04rest", "is a workbook"),
        (b"number,site\n442079460000,a,b\n", "cannot be read as CSV"),
        (b'number,site\n442079460000,"a\n', "quotes that is not closed"),
        (b"number,site\n4.42079E+11,a\n", "rounded these numbers"),
        (b"number;site\n4,42079E+11;a\n", "rounded these numbers"),
        (b"number,site\n442079460000,a\n+44 20 7946 0000,b\n", "more than once, such as '442079460000', written"),
        (b"number,site\n442079460000,a\n442079460000,a\n", r"more than once.*valid_from"),
        (b"number,site\n,a\n", "empty in row 1"),
        (b"number,site,site\n442079460000,a,b\n", "two columns 'site'"),
        (b"number, number\n442079460000,a\n", "two columns 'number'"),
        (b"number,prefix,site\n442079460000,44,a\n", "several columns that it could be joined on"),
        (b"phone,site\n442079460000,a\n", "none of them says what it is joined on"),
        (b"prefix,carrier\n020,BT\n", "not prefixes of international numbers"),
        (b"prefix,carrier\n44*,BT\n", "not prefixes of international numbers"),
        (b"prefix,carrier\n4420794600001234,BT\n", "not prefixes of international numbers"),
        (b"prefix,carrier\n44,BT\n+44,O2\n", "more than once"),
        (b"prefix,carrier,valid_from\n44,BT,2026-01-01\n", "ignores"),
        (b"number,_n\n442079460000,a\n", "reserved for internal use"),
        (b"number,opened_at_us\n442079460000,a\n", "'opened_at_us', which is reserved for internal use"),
        (b"number,user_id\n442079460000,a\n", "has a column 'user_id', and so has the frame"),
    ],
)
def test_what_is_wrong_with_a_map_is_said(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "sites.csv"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=f"(?s){told}") as raised:
        found(path)
    assert "sites.csv" in str(raised.value)


def test_a_file_that_is_not_there_and_a_folder_are_no_maps(tmp_path: Path) -> None:
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(ConfigError, match="cannot be read"):
            found(path)


def test_a_map_is_joined_on_what_it_says(tmp_path: Path) -> None:
    path = tmp_path / "sites.csv"
    path.write_text("Rufnummer,prefix,town\n442079460000,44,London\n")
    assert found(path, on="prefix", columns=["town"]) == ["London", "London", None, None]
    assert found(path, on={"number": "Rufnummer"}, columns=["town"]) == ["London", None, None, None]
    with pytest.raises(ConfigError, match=r"'Rufnummer' cannot be used to join sites\.csv on"):
        found(path, on="Rufnummer")
    with pytest.raises(ConfigError, match="no column 'city'"):
        found(path, on="prefix", columns=["city"])
    with pytest.raises(ConfigError, match="how='nearest' is not one of equal, longest_prefix, valid_at"):
        found(path, how="nearest")
    with pytest.raises(ConfigError, match="neither 'valid_from' nor 'valid_to'"):
        found(path, on="prefix", how="valid_at")


def test_numbers_in_columns_of_a_map_are_texts_without_a_point() -> None:
    table = pd.DataFrame({"number": [442079460000.0, 4930123456.0], "floor": [3.0, None]})
    assert found(table) == ["3", None, None, None]
    with pytest.raises(ConfigError, match="not a whole number"):
        found(pd.DataFrame({"number": [4.5], "floor": [3]}))


def test_prefixes_of_masked_numbers_are_only_found_where_all_numbers_agree() -> None:
    legs = pd.DataFrame({"remote_address": ["44x3f9a0c1b2d4e", "49x3f9a0c1b2d4e", "353x3f9a0c1b2d4", "x3f9a0c1b2d4e"]})
    table = {"prefix": ["4", "44", "4420", "35"], "carrier": ["any", "BT", "City", "Eir"]}
    enriched = enrich(legs, table)
    assert enriched["carrier"].astype("object").where(enriched["carrier"].notna(), None).to_list() == [
        None, "any", "Eir", None,
    ]  # fmt: skip
    counts = enriched.attrs["match_counts"][0]
    assert (counts["undecided"], counts["no_row"], counts["matched"]) == (1, 1, 2)


def test_a_masked_map_joins_a_masked_export() -> None:
    token = "44x3f9a0c1b2d4e"
    assert enrich(pd.DataFrame({"remote_address": [token]}), {"number": [token], "site": ["a"]})["site"][0] == "a"


def test_many_prefixes_of_all_lengths_are_searched() -> None:
    dice = random.Random(3)
    prefixes = pd.Series([str(dice.randrange(10**3, 10**9)) for _ in range(100_000)]).drop_duplicates()
    carriers = pd.DataFrame({"prefix": prefixes, "carrier": "c" + prefixes})
    legs = pd.DataFrame({"remote_address": [str(dice.randrange(10**10, 10**11)) for _ in range(20_000)]})
    known = set(prefixes)
    by_hand = [next((f"c{each[:end]}" for end in range(15, 0, -1) if each[:end] in known), None)
               for each in legs["remote_address"]]  # fmt: skip
    enriched = enrich(legs, carriers)
    assert [None if pd.isna(value) else value for value in enriched["carrier"]] == by_hand
