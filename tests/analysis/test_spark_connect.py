"""Questions to frames of Spark Connect: the numbers of pandas.

On request, as `tests.analysis.test_spark`, and in a process of its own: a process has sessions of one kind.
``CONV_ANALYTICS_TEST_SPARK=1 pytest -n0 tests/analysis/test_spark_connect.py``; takes ``pyspark[connect]``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest

from conv_analytics import analysis
from tests.analysis import frozen
from tests.analysis.test_every_function import ASKED, plain
from tests.analysis.test_spark import pytestmark as on_request
from tests.analysis.test_spark import spark_frame

pytestmark = on_request
#: One of each kind: legs, verdicts, rates, cases, lookups, parts, what is collected.
SOME = ("legs", "kpi", "quality", "offenders", "talk", "concurrency", "redials")


@pytest.fixture(scope="module")
def session() -> Iterator[Any]:
    sql = pytest.importorskip("pyspark.sql", reason="the extra spark; takes Java 17")
    pytest.importorskip("grpc", reason="pyspark[connect]")
    if (running := sql.SparkSession.getActiveSession()) is not None and hasattr(running, "_jvm"):
        pytest.skip("this process has a classic session")
    session = sql.SparkSession.builder.remote("local[2]").getOrCreate()
    session.conf.set("spark.sql.session.timeZone", "America/New_York")
    session.conf.set("spark.sql.shuffle.partitions", "2")
    yield session
    session.stop()


@pytest.fixture(scope="module")
def frames(session: Any) -> dict[str, Any]:
    return {name: spark_frame(session, frame) for name, frame in frozen.world().items()}


@pytest.mark.parametrize("name", [name for name in SOME if name in ASKED])
def test_the_numbers_are_those_of_pandas(name: str, frames: dict[str, Any]) -> None:
    found = ASKED[name](frames)
    assert hasattr(found, "toArrow")
    assert type(found).__module__.startswith("pyspark.sql.connect")
    pd.testing.assert_frame_equal(plain(found), plain(ASKED[name](frozen.world())), check_dtype=False, rtol=1e-9)


def test_one_frame_of_legs(session: Any) -> None:
    legs = analysis.legs(frozen.world())
    found = plain(analysis.kpi(spark_frame(session, legs), by="day", scope="all"))
    pd.testing.assert_frame_equal(found, plain(analysis.kpi(legs, by="day", scope="all")), check_dtype=False)
