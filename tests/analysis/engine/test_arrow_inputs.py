"""Whatever speaks Arrow, or is known to narwhals, is data; only the columns that a question asks for are converted."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import duckdb
import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from conv_analytics.analysis import kpi, kpi_values, legs, timeline
from conv_analytics.analysis.engine.rows import Rows
from conv_analytics.analysis.engine.source import Source
from conv_analytics.errors import ConfigError
from tests._helpers.leg_tables import hangup, statuses, tables

TABLES = tables(
    leg_statuses=[
        *statuses("a", ("started", 0), ("ringing", 2.25), ("answered", 9.5), ("completed", 70.125), reason="ok"),
        *statuses("b", ("started", 4), ("ringing", 5), ("busy", 9)),
    ],
    hangups=[hangup("a", 70, 40, packet_cnt=900, mos_score=4.1), hangup("b", 9, 41, sip_code=486)],
)


class Stream:
    """A frame of a library that nobody here knows: all it has is Arrow's C interface."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self._table = pa.Table.from_pandas(frame, preserve_index=False)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._table.__arrow_c_stream__(requested_schema)


KINDS: dict[str, Callable[[pd.DataFrame], Any]] = {
    "pyarrow": lambda frame: pa.Table.from_pandas(frame, preserve_index=False),
    "record batch": lambda frame: pa.RecordBatch.from_pandas(frame, preserve_index=False),
    "stream": Stream,
    "polars": pl.DataFrame,
    "lazy polars": lambda frame: pl.DataFrame(frame).lazy(),
    "narwhals": lambda frame: nw.from_native(pl.DataFrame(frame)),
    "lazy narwhals": lambda frame: nw.from_native(pl.DataFrame(frame)).lazy(),
    "narwhals of pandas": nw.from_native,
}
ANSWERS = {"stream": pa.Table, "record batch": pa.Table, "pyarrow": pa.Table, "narwhals of pandas": pd.DataFrame}


def as_pandas(answer: Any) -> pd.DataFrame:
    return answer if isinstance(answer, pd.DataFrame) else pa.table(answer).to_pandas()


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_asked_alike_and_answered_in_its_kind(kind: str) -> None:
    data = {name: KINDS[kind](frame) for name, frame in TABLES.items()}
    for ask in (legs, kpi, kpi_values):
        found = ask(data)
        assert isinstance(found, ANSWERS.get(kind, pl.DataFrame))
        pd.testing.assert_frame_equal(as_pandas(found), ask(TABLES), check_dtype=False)
    pd.testing.assert_frame_equal(timeline(data, "CON-1"), timeline(TABLES, "CON-1"))


@pytest.mark.slow
def test_dask_is_computed_and_answered_with_arrow() -> None:
    dd = pytest.importorskip("dask.dataframe", reason="the extra dask")
    found = legs({name: dd.from_pandas(frame, npartitions=2) for name, frame in TABLES.items()})
    assert isinstance(found, pa.Table)
    pd.testing.assert_frame_equal(as_pandas(found), legs(TABLES), check_dtype=False)


def test_answers_and_frames_offer_arrow_themselves() -> None:
    found = legs(TABLES)
    assert pa.table(found).schema.field("started_at").type == pa.timestamp("us", "UTC")
    assert pl.DataFrame(found)["sip_code"].to_list() == [200, 486]
    pd.testing.assert_frame_equal(as_pandas(kpi(pl.DataFrame(found))), kpi(found), check_dtype=False)


def exact() -> pa.Table:
    """Types that tables of an export do not have, of the same values."""
    return pa.table({
        "event_id": pa.array([Decimal(5), None], pa.decimal128(20, 0)),
        "type": pa.array(["sip:status", None]).dictionary_encode(),
        "at": pa.array([datetime(2026, 1, 1, tzinfo=UTC), None], pa.timestamp("ns", "Europe/Vienna")),
        "started_at": pa.nulls(2),
        "ended_at": pa.array([datetime(2026, 1, 1, tzinfo=UTC), None], pa.timestamp("ms", "UTC")),
        "duration_s": pa.array(["12", None]),
        "price": pa.array([Decimal("0.1"), None], pa.decimal128(28, 18)),
        "currency": pa.nulls(2),
        "mos": pa.array([4.5, None], pa.float32()),
        "successful": pa.array([1, None], pa.int8()),
        "from_number": pa.array([442079460000.0, None]),
        "to_number": pa.array([442079460000, None], pa.uint64()),
    })  # fmt: skip


@pytest.mark.parametrize("make", [pa.table, pl.DataFrame, lambda table: pl.DataFrame(table).lazy()])
def test_types_of_other_libraries_become_the_declared_ones(make: Callable[[Any], Any]) -> None:
    rows = Rows.read(Source.of({"call_records": make(exact())}), "call_records").collect()
    noon = pd.Timestamp("2026-01-01", tz="UTC")
    assert rows.iloc[0].to_dict() | {"started_at": None, "currency": None} == {
        "event_id": 5, "type": "sip:status", "at": noon, "started_at": None, "ended_at": noon, "duration_s": 12,
        "price": 0.1, "currency": None, "mos": 4.5, "successful": True, "from_number": "442079460000",
        "to_number": "442079460000",
    }  # fmt: skip
    assert rows.iloc[1].isna().all()
    texts = {"type", "currency", "from_number", "to_number"}
    assert {name for name in rows if str(rows[name].dtype) == "str"} == texts


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (pa.array([datetime(2026, 1, 1)]), "without a time zone"),  # noqa: DTZ001  that is the point
        (pa.array(["2026-01-01"]), "not instants"),
        (pa.array([5]), "not instants"),
    ],
)
def test_what_is_no_instant_is_refused(values: pa.Array, says: str) -> None:
    for make in (pa.table, pl.DataFrame):
        with pytest.raises(ConfigError, match=says):
            Rows.read(Source.of({"hangups": make(pa.table({"at": values}))}), "hangups", ["at"])


@pytest.mark.parametrize("kind", ["pandas", "pyarrow", "polars", "lazy polars", "duckdb"])
def test_a_timeline_refuses_instants_without_a_time_zone(kind: str) -> None:
    give = {"pandas": pd.DataFrame, "duckdb": lambda frame: duckdb.from_arrow(KINDS["pyarrow"](frame))} | KINDS
    instants = {name: frame.select_dtypes("datetimetz") for name, frame in TABLES.items()}
    naive = {
        name: TABLES[name].assign(**{each: values.dt.tz_localize(None) for each, values in columns.items()})
        for name, columns in instants.items()
    }
    with pytest.raises(ConfigError, match="has instants without a time zone"):
        timeline({name: give[kind](frame) for name, frame in naive.items()}, "CON-1")


@pytest.mark.parametrize("kind", ["pandas", "pyarrow", "polars", "duckdb"])
def test_a_timeline_cuts_off_fractions_of_a_microsecond(kind: str) -> None:
    give = {"pandas": pd.DataFrame, "duckdb": lambda frame: duckdb.from_arrow(KINDS["pyarrow"](frame))} | KINDS
    nanosecond, too_large = pd.Timedelta(1, unit="ns"), np.uint64(2**63)
    finer = {
        name: frame.assign(at=frame["at"].dt.as_unit("ns") + nanosecond, other=too_large)
        for name, frame in TABLES.items()
    }
    found = timeline({name: give[kind](frame) for name, frame in finer.items()}, "CON-1")
    pd.testing.assert_frame_equal(found, timeline(TABLES, "CON-1"))


def test_what_can_be_read_only_once_is_refused() -> None:
    reader = pa.Table.from_pandas(TABLES["hangups"]).to_reader()
    with pytest.raises(ConfigError, match=r"only once.*read_all\(\)"):
        kpi({"hangups": reader})


def test_what_is_no_frame_is_refused() -> None:
    for wrong in (5, [1], "hangups", object()):
        with pytest.raises(ConfigError, match="cannot be analysed"):
            legs({"hangups": wrong})
    with pytest.raises(ConfigError, match="different kinds"):
        legs({"hangups": TABLES["hangups"], "leg_statuses": pl.DataFrame(TABLES["leg_statuses"])})


def test_tables_that_no_question_asks_for_are_not_read() -> None:
    class Unreadable(Stream):
        def __arrow_c_stream__(self, requested_schema: object = None) -> object:
            raise AssertionError("it was read")

    data = {name: Stream(frame) for name, frame in TABLES.items()}
    data |= {"messages": Unreadable(TABLES["hangups"])}
    assert len(legs(data)) == 2
