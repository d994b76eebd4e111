"""Tables of Ibis are asked in their own DuckDB; those of other engines are refused, with what to do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pytest

from conv_analytics.analysis import enrich, kpi, legs
from conv_analytics.errors import ConfigError
from tests._helpers.leg_tables import as_pandas, hangup, statuses, tables

ibis = pytest.importorskip("ibis", reason="Ibis is for whoever has it")
# Ibis 12 uses a name that DuckDB 2 warns of.
pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")

FEW = tables(
    leg_statuses=[
        *statuses("a", ("started", 0), ("ringing", 2.25), ("answered", 9.5), ("completed", 70.125), reason="ok"),
        *statuses("b", ("started", 4), ("ringing", 5), ("busy", 9)),
    ],
    hangups=[hangup("a", 70, 40, packet_cnt=900, mos_score=4.1), hangup("b", 9, 41, sip_code=486)],
)


@pytest.fixture
def backend() -> Iterator[Any]:
    backend = ibis.duckdb.connect()
    yield backend
    backend.disconnect()


def created(backend: Any, name: str, given: pa.Table) -> Any:
    """A table of its DuckDB, as a file or another program makes it."""
    backend.con.from_arrow(given).create(name)
    return backend.table(name)


@pytest.fixture
def data(backend: Any) -> dict[str, Any]:
    return {name: created(backend, name, pa.Table.from_pandas(frame)) for name, frame in FEW.items()}


def test_questions_run_in_its_duckdb_and_create_nothing_there(backend: Any, data: dict[str, Any]) -> None:
    before = backend.con.execute("show all tables").fetchall()
    found = kpi(data, scope="all")
    assert isinstance(found, duckdb.DuckDBPyRelation)
    pd.testing.assert_frame_equal(as_pandas(found, []), kpi(FEW, scope="all"), check_dtype=False)
    hangups = data["hangups"]
    some = {**data, "hangups": hangups.filter(hangups.sip_code == 486).order_by("event_id")}
    pd.testing.assert_frame_equal(
        as_pandas(legs(some, ["sip_code"]), ["leg_id"]),
        legs({**FEW, "hangups": FEW["hangups"][1:]}, ["sip_code"]),
        check_dtype=False,
    )
    assert backend.con.execute("show all tables").fetchall() == before


def test_one_table_of_legs_and_a_map(backend: Any) -> None:
    one = created(backend, "legs", pa.Table.from_pandas(legs(FEW)))
    carriers = created(backend, "carriers", pa.table({"prefix": ["44"], "carrier": ["BT"]}))
    assert set(as_pandas(enrich(one, carriers), [])["carrier"]) == {"BT"}
    found = as_pandas(kpi(one, scope="all"), [])
    pd.testing.assert_frame_equal(found, kpi(legs(FEW), scope="all"), check_dtype=False)


def test_tables_of_other_engines_are_refused() -> None:
    other = ibis.sqlite.connect()
    other.raw_sql("create table hangups (leg_id text, sip_code int)")
    with pytest.raises(ConfigError, match=r"hangups is an Ibis table of sqlite.*table\.to_pyarrow\(\)"):
        legs({"hangups": other.table("hangups")})


def test_tables_of_python_may_be_joined(data: dict[str, Any]) -> None:
    far = data["hangups"].semi_join(ibis.memtable(pa.table({"leg_id": ["b"]})), "leg_id")
    found = as_pandas(legs({"hangups": far}), [])
    assert found["leg_id"].to_list() == ["b"]
