"""Questions over a dataset on disk that is asked in the steps of a large one, and what is said when memory runs out."""

from __future__ import annotations

import gc
import os
import stat
import tempfile
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from conv_analytics import analysis, open_dataset
from conv_analytics.analysis.engine import folder_views, source
from conv_analytics.analysis.engine.source import Source
from conv_analytics.cli import main
from conv_analytics.dataset import Dataset
from conv_analytics.errors import MemoryExhausted
from tests.benchmarks import analysis as benchmark

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """The dataset of the benchmark, with sixty thousand events instead of twenty million."""
    root = tmp_path_factory.mktemp("made")
    benchmark.make(root, 60_000)
    return open_dataset(root)


@pytest.fixture(autouse=True)
def _as_a_large_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read by DuckDB, as if it did not fit into memory."""
    monkeypatch.setattr(source, "IN_MEMORY", 0)


@pytest.mark.parametrize("name", benchmark.QUESTIONS)
def test_every_question_of_the_benchmark_has_an_answer(made: Dataset, name: str) -> None:
    assert benchmark.QUESTIONS[name](made) or name == "mute", "nobody mutes there"


@pytest.mark.parametrize("name", benchmark.BARE)
def test_the_bare_queries_say_the_same(made: Dataset, name: str) -> None:
    for query in benchmark.BARE[name]:
        assert benchmark.bare(query, str(made.path)) == benchmark.QUESTIONS[name](made)


@pytest.mark.parametrize(
    "name", ["timer_cliffs", "redials", "ledger", "offenders", "call_quality", "fault_side", "change_points"]
)
def test_in_steps_as_in_memory(made: Dataset, name: str) -> None:
    options = {"case": "answered"} if name == "change_points" else {}
    tables = {table: made[table] for table in made}
    found, expected = (getattr(analysis, name)(data, **options) for data in (made, tables))
    assert len(found) > 0
    keys = [column for column in found if not pd.api.types.is_float_dtype(found[column])]
    both = (
        frame.sort_values(keys, ignore_index=True, key=lambda column: column.astype("str"))
        for frame in (found, expected)
    )
    pd.testing.assert_frame_equal(*both, rtol=1e-12)


def test_cliffs_of_several_networks_at_one_timer_are_told_apart_in_tables_too(made: Dataset) -> None:
    """Which calls they are is read then, and only then."""
    # Every answered leg lasts 61 s, whatever its network; of two legs of a call the second counts no more.
    found = analysis.timer_cliffs(made, timers_s=[60.0])
    assert found["k"].sum() == len(analysis.legs(made, ["talk_s"]).dropna())
    assert found["shared"].sum() > 300


def test_more_than_there_is_ends_with_advice(
    made: Dataset, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(folder_views, "MEMORY", "2MB")
    with pytest.raises(MemoryExhausted, match=r"Ask for fewer columns .*set memory_limit = '8GB'") as caught:
        analysis.legs(made)
    assert isinstance(caught.value, MemoryError)
    assert main(["kpi", str(made.path)]) == 2
    assert "needs more memory than DuckDB may use" in capsys.readouterr().err
    with made.duckdb() as own:
        own.execute("set memory_limit = '2MB'")
        with pytest.raises(MemoryExhausted):
            len(analysis.legs(own).df())


def test_what_is_too_much_for_several_threads_is_tried_with_one(made: Dataset) -> None:
    opened = Source.of(made)
    connection = opened.engine.connection
    connection.execute("set memory_limit = '8MB'")
    limits = iter(["8MB", "1GB"])

    def step() -> int:
        connection.execute(f"set memory_limit = '{next(limits)}'")
        return len(
            connection.execute("select range x, repeat('x', 100) || x y from range(500000) order by y").fetchall()
        )

    assert opened.engine.run(step) == 500_000
    assert connection.execute("select current_setting('threads')").fetchone() == (1,)
    assert next(limits, None) is None, "both were taken"


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_what_does_not_fit_into_memory_is_on_disk_for_its_owner_alone(made: Dataset) -> None:
    opened = Source.of(open_dataset(made.path))
    connection = opened.engine.connection
    spill = Path(connection.execute("select current_setting('temp_directory')").fetchall()[0][0])
    assert spill.parent == Path(tempfile.gettempdir())
    assert stat.S_IMODE(spill.stat().st_mode) == 0o700
    connection.execute("set memory_limit = '50MB'")
    connection.execute("create table many as select md5(range::varchar) as x from range(2000000)")
    assert list(spill.iterdir())
    del opened, connection
    gc.collect()
    assert not spill.exists()


def test_errors_that_are_not_about_memory_stay_what_they_are(made: Dataset) -> None:
    with pytest.raises(duckdb.CatalogException):
        Source.of(made).engine.run(lambda: Source.of(made).engine.connection.execute("select * from nothing"))
