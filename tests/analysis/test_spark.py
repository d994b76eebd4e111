"""Questions to Spark DataFrames: the numbers of pandas, whatever the session; nothing of the session is changed.

On request: ``CONV_ANALYTICS_TEST_SPARK=1 pytest -n0 tests/analysis/test_spark.py`` (pyspark is 400 MB, and its Java
takes minutes of processor time). ``CONV_ANALYTICS_TEST_SPARK=100000`` asks of so many events.
"""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from conv_analytics import Conversations, analysis, export
from conv_analytics.analysis.engine.rows import Rows
from conv_analytics.analysis.engine.source import Source
from conv_analytics.errors import ConfigError
from conv_analytics.sandbox import Sandbox
from tests._helpers.leg_tables import hangup, statuses, tables
from tests.analysis import frozen, test_same
from tests.analysis.test_every_function import ASKED, plain

VARIABLE = "CONV_ANALYTICS_TEST_SPARK"
EVENTS = int(os.environ.get(VARIABLE) or 0)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not EVENTS, reason=f"asked for by {VARIABLE}=1"),
    pytest.mark.filterwarnings("default"),
]
#: Events of a conversation of the sandbox's world, on average.
_PER_CONVERSATION = 66
#: What gives frames in memory, as it does for every kind of data.
_PANDAS = {"answer_curve", "detect_units", "findings", "match_counts", "mos_audit", "reconcile", "compare", "check"}


@pytest.fixture(scope="module")
def session() -> Iterator[Any]:
    sql = pytest.importorskip("pyspark.sql", reason="the extra spark; takes Java 17")
    options = {
        "spark.ui.enabled": "false", "spark.ui.showConsoleProgress": "false", "spark.driver.memory": "2g",
        "spark.sql.session.timeZone": "America/New_York", "spark.sql.shuffle.partitions": "2",
        # Of so few rows most of the time would be for compiling; `tests.benchmarks.engines` compares compiled answers.
        "spark.sql.codegen.wholeStage": "false", "spark.sql.codegen.factoryMode": "NO_CODEGEN",
        "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
    }  # fmt: skip
    builder = sql.SparkSession.builder.master("local[2]")
    for name, value in options.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("OFF")
    yield session
    session.stop()


@pytest.fixture(scope="module")
def world() -> dict[str, pd.DataFrame]:
    if EVENTS < 1000:
        return frozen.world()
    with Sandbox(seed=11, conversations=EVENTS // _PER_CONVERSATION) as sandbox:
        client = Conversations(sandbox.application_id, sandbox.private_key, base_url=sandbox.base_url)
        frames = export(client, rate=0, progress=False)
    return {name: frames[name] for name in frames}


def spark_frame(session: Any, frame: pd.DataFrame) -> Any:
    """A pandas frame in Spark, without categories, which Spark does not have."""
    table = pa.Table.from_pandas(frame, preserve_index=False)
    flat = {name: pa.types.is_dictionary(table.schema.field(name).type) for name in table.column_names}
    flat |= {name: True for name in table.column_names if pa.types.is_null(table.schema.field(name).type)}
    columns = [each.cast(pa.string()) if flat[name] else each
               for name, each in zip(table.column_names, table.columns, strict=True)]  # fmt: skip
    return session.createDataFrame(pa.table(columns, names=table.column_names))


@pytest.fixture(scope="module")
def frames(session: Any, world: dict[str, pd.DataFrame]) -> dict[str, Any]:
    done = {name: spark_frame(session, frame).cache() for name, frame in world.items()}
    assert all(frame.count() == len(world[name]) for name, frame in done.items())
    return done


def kept(session: Any) -> int:
    """How many sets of rows Spark keeps."""
    return int(session.sparkContext._jsc.getPersistentRDDs().size())


def is_released(session: Any, before: int) -> bool:
    """Whether Spark keeps no more than before, once Java has collected frames that nobody looks at."""
    deadline = time.monotonic() + 300
    while kept(session) > before and time.monotonic() < deadline:
        gc.collect()
        session._jvm.System.gc()
        # Spark's cleaner hears of them a moment later.
        time.sleep(0.2)
    return kept(session) <= before


@pytest.mark.parametrize("name", ASKED)
def test_every_function_gives_the_numbers_of_pandas(
    name: str, session: Any, world: dict[str, pd.DataFrame], frames: dict[str, Any]
) -> None:
    conf = session.conf.getAll
    found = ASKED[name](frames)
    assert isinstance(found, pd.DataFrame) or hasattr(found, "toArrow")
    pd.testing.assert_frame_equal(plain(found), plain(ASKED[name](world).copy()), check_dtype=False, rtol=1e-9)
    assert session.conf.getAll == conf


def test_what_questions_kept_is_released(session: Any, frames: dict[str, Any]) -> None:
    """Of all questions so far, and of one more."""
    asked = analysis.quality(frames)
    assert len(plain(asked))
    assert kept(session) > len(frames)
    del asked
    assert is_released(session, len(frames))


@pytest.mark.parametrize("name", sorted(set(test_same.OPTIONS) - {"answer_curve"}))
def test_so_do_questions_with_options(name: str, world: dict[str, pd.DataFrame], frames: dict[str, Any]) -> None:
    expected, found = (test_same._asked(None, name, data) for data in (world, frames))  # type: ignore[arg-type]
    pd.testing.assert_frame_equal(found, expected, check_dtype=False, rtol=1e-9)


def test_answers_are_frames_of_spark(frames: dict[str, Any]) -> None:
    for name in sorted(set(ASKED) - _PANDAS):
        if name in {"legs", "calls", "kpi", "quality", "cost"}:
            assert type(ASKED[name](frames)).__module__.startswith("pyspark.sql"), name


FEW = tables(
    leg_statuses=[
        *statuses("a", ("started", 0), ("ringing", 2.25), ("answered", 9.5), ("completed", 70.125), reason="ok"),
        *statuses("b", ("started", 4), ("ringing", 5), ("busy", 9)),
    ],
    hangups=[hangup("a", 70, 40, packet_cnt=900, mos_score=4.1), hangup("b", 9, 41, sip_code=486, mos_score=None)],
)


def test_nan_is_null(session: Any) -> None:
    frame = session.createDataFrame([("CON-1", 1, float("nan")), ("CON-2", 2, 4.5)], "conversation_id string, "
                                    "event_id bigint, mos_score double")  # fmt: skip
    rows = Rows.read(Source.of({"hangups": frame}), "hangups").collect()
    assert rows["mos_score"].fillna(-1).to_list() == [-1, 4.5]
    assert rows["mos_score"].max() == 4.5
    found = Rows.read(Source.of({"hangups": frame}), "hangups").native.selectExpr("max(mos_score) as m").collect()
    assert found[0]["m"] == 4.5


@pytest.mark.parametrize("ansi", ["true", "false"])
def test_texts_of_numbers_are_read_and_others_refused_with_ansi_or_without(session: Any, ansi: str) -> None:
    own = session.newSession()
    own.conf.set("spark.sql.ansi.enabled", ansi)
    schema = "conversation_id string, event_id bigint, leg_id string, sip_code string"
    good = own.createDataFrame([("CON-1", 1, "a", "486"), ("CON-1", 2, "b", None)], schema)
    codes = Rows.read(Source.of({"hangups": good}), "hangups", ["sip_code"]).collect()["sip_code"]
    assert sorted(codes.dropna()) == [486]
    assert codes.isna().sum() == 1
    bad = own.createDataFrame([("CON-1", 1, "a", "busy")], schema)
    with pytest.raises(Exception, match="a text that is not a bigint: busy"):
        Rows.read(Source.of({"hangups": bad}), "hangups", ["sip_code"]).collect()
    few = {name: spark_frame(own, frame) for name, frame in FEW.items()}
    found = plain(analysis.kpi(few, scope="all"))
    pd.testing.assert_frame_equal(found, plain(analysis.kpi(FEW, scope="all")), check_dtype=False)


@pytest.mark.parametrize("ansi", ["true", "false"])
def test_values_of_other_types_are_read_as_in_memory_or_refused(session: Any, ansi: str) -> None:
    own = session.newSession()
    own.conf.set("spark.sql.ansi.enabled", ansi)

    def read(value: str, table: str, column: str) -> Any:
        frame = own.sql(f"select {value} as {column}")
        return Rows.read(Source.of({table: frame}), table, [column]).collect()[column].astype("object").iloc[0]

    for value, expected in (("'486.0'", 486), ("486d", 486), (f"'{2**53 + 1}'", 2**53 + 1), ("486.00", 486)):
        assert read(value, "hangups", "sip_code") == expected
    for value in ("''", "'Infinity'", "double('NaN')", "double('-Infinity')"):
        assert pd.isna(read(value, "hangups", "mos_score"))
    for value, expected in (("1", True), ("0d", False), ("1.0", True)):
        assert read(value, "call_records", "successful") == expected
    for value in ("'200.5'", "200.5d", "200.5", "'1_000'", "1e30d", "double('Infinity')"):
        with pytest.raises(Exception, match=r"no whole number|no number|not a bigint"):
            read(value, "hangups", "sip_code")
    with pytest.raises(Exception, match="no number"):
        read("'NaN'", "hangups", "mos_score")
    for value in ("2", "0.5d", "'true'"):
        with pytest.raises(Exception, match=r"cannot be read as boolean: .* is neither true nor false"):
            read(value, "call_records", "successful")


def test_instants_are_those_of_utc_and_need_a_zone(session: Any) -> None:
    few = {name: spark_frame(session, frame) for name, frame in FEW.items()}
    since = datetime(2026, 5, 4, 9, tzinfo=UTC)
    found = plain(analysis.legs(few, ["started_at", "ended_at"]))
    assert found["started_at"].min() == pd.Timestamp(since)
    row = analysis.legs(few, ["started_at"]).selectExpr("min(unix_micros(started_at)) as at").collect()[0]
    assert row["at"] == pd.Timestamp(since).value // 1000
    local = few["hangups"].selectExpr("conversation_id", "event_id", "leg_id", "cast(at as timestamp_ntz) as at")
    with pytest.raises(ConfigError, match="instants without a time zone"):
        analysis.legs({"hangups": local})
    text = few["hangups"].selectExpr("conversation_id", "event_id", "leg_id", "cast(at as string) as at")
    with pytest.raises(ConfigError, match="holds string, not instants"):
        analysis.legs({"hangups": text})


def test_what_the_caller_has_in_the_cache_stays(session: Any) -> None:
    legs = spark_frame(session, analysis.legs(FEW)).cache()
    legs.count()
    before = kept(session)
    assert before
    assert set(plain(analysis.kpi(legs, by="day", scope="all"))["day"]) == {"2026-05-04"}
    assert is_released(session, before)
    assert legs.storageLevel.useMemory
    legs.unpersist()


def test_parts_split_no_conversation(frames: dict[str, Any], world: dict[str, pd.DataFrame]) -> None:
    columns = ["conversation_id", "event_id", "at"]
    size = max(len(world["audio_events"]) // 5, 1)
    parts = list(Rows.read(Source.of(frames), "audio_events", columns).batches(size=size))
    assert len(parts) > 3
    homes = pd.concat([part[["conversation_id"]].drop_duplicates() for part in parts])
    assert homes["conversation_id"].is_unique
    found = pd.concat(parts).sort_values(columns[:2]).reset_index(drop=True)
    whole = world["audio_events"][columns].sort_values(columns[:2]).reset_index(drop=True)
    pd.testing.assert_frame_equal(found, whole, check_dtype=False)


def test_a_map_that_is_a_frame_of_spark(session: Any) -> None:
    few = {name: spark_frame(session, frame) for name, frame in FEW.items()}
    numbers = pd.DataFrame({"prefix": ["44", "447"], "carrier": ["BT", "Vodafone"]})
    teams = pd.DataFrame({"user_id": ["USR-a"], "team": ["sales"], "valid_from": ["2026-01-01"], "valid_to": [""]})
    for given in (numbers, teams):
        column = str(given.columns[1])
        here, there = analysis.enrich(FEW, given), analysis.enrich(few, spark_frame(session, given))
        expected = plain(analysis.legs(here, [column]))
        assert expected[column].notna().any()
        pd.testing.assert_frame_equal(plain(analysis.legs(there, [column])), expected, check_dtype=False)
        assert analysis.match_counts(there).iloc[0, 4:].to_list() == analysis.match_counts(here).iloc[0, 4:].to_list()
    legs = spark_frame(session, analysis.legs(FEW))
    assert np.isin("Vodafone", plain(analysis.enrich(legs, numbers))["carrier"].to_list())


def test_frames_of_different_kinds_are_refused(session: Any) -> None:
    mixed = {"hangups": spark_frame(session, FEW["hangups"]), "leg_statuses": FEW["leg_statuses"]}
    with pytest.raises(ConfigError, match="different kinds: pandas, spark"):
        analysis.legs(mixed)
