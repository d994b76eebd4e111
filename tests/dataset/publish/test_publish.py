"""Delta tables have the rows of the dataset, commit by commit, in types that are documented."""

from __future__ import annotations

import json
import os
import random
from datetime import date
from decimal import Decimal
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
import pytest

from conv_analytics import open_dataset
from conv_analytics.dataset.publish.delta_schema import delta_schema
from conv_analytics.exporter.ingestion import ingest
from conv_analytics.tables import TABLES
from tests._helpers.delta_tables import (
    APPLICATION,
    FEW,
    SOURCES,
    commit,
    delta,
    from_source,
    given_twice,
    grown,
    is_same,
    publish,
    read,
)  # fmt: skip
from tests._helpers.table_rows import EVERY, all_null, rows

pytestmark = pytest.mark.slow

DELTA_TYPES = {
    pa.string(), pa.int64(), pa.float64(), pa.bool_(), pa.timestamp("us", "UTC"), pa.decimal128(28, 18), pa.date32(),
}  # fmt: skip
LISTED = [name for name in EVERY if name != SOURCES]
#: Tables of each kind: records, events, several rows per event, rows of legs, and of webhooks.
KINDS = ("conversations", "events", "hangups", "transcripts", "leg_statuses", "voice_events")


@pytest.fixture(scope="module")
def hard(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Every table: records seen twice, live events and their versions in a list, nulls; published after each run."""
    folder = tmp_path_factory.mktemp("publish")
    root, lake = folder / "exports", folder / "lake"
    for made in (
        {name: rows(TABLES[name], 5, start=20) for name in LISTED},
        {name: from_source(name, 6, 0, "live") for name in KINDS},
        {SOURCES: given_twice(0, [True, True, False, False])} | {name: rows(TABLES[name], 4) for name in KINDS},
        {name: all_null(TABLES[name], 2) for name in ("events", "members")},
    ):  # fmt: skip
        commit(root, made)
        publish(root, lake)
    return root, lake


def test_every_table_has_the_rows_of_the_dataset(hard: tuple[Path, Path]) -> None:
    root, lake = hard
    dataset = open_dataset(root)
    assert set(dataset.tables) == set(EVERY)
    is_same(dataset, lake)
    # What makes it hard is there: replaced rows, and events of two sources.
    assert dataset.rows("events") > len(read(lake, "events", APPLICATION))
    assert "both" in read(lake, "events", APPLICATION)["source"].to_pylist()


def test_the_first_call_gives_the_same_as_call_after_call(hard: tuple[Path, Path], tmp_path: Path) -> None:
    root, _ = hard
    done = publish(root, tmp_path / "lake")
    assert {each.action for each in done.tables} == {"replace", "append"}
    assert {each.version for each in done.tables} == {1}
    is_same(open_dataset(root), tmp_path / "lake", names=KINDS)
    assert read(tmp_path / "lake", "commits", APPLICATION)["commit"].to_pylist() == [1, 2, 3, 4]


def test_other_readers(hard: tuple[Path, Path]) -> None:
    root, lake = hard
    expected = open_dataset(root).table("call_records").to_arrow()
    prices = sorted(filter(None, expected["price"].to_pylist()))
    assert prices[-1] == Decimal("9999999979.123456789012345678")
    frame = pl.scan_delta(str(lake / "call_records")).filter(pl.col("application_id") == APPLICATION.lower()).collect()
    assert sorted(frame["price"].drop_nulls()) == prices
    assert frame.schema["at"] == pl.Datetime("us", "UTC")
    seen = delta(lake, "call_records").to_pyarrow_dataset()
    with duckdb.connect() as connection:
        connection.register("seen", seen)
        found = connection.sql("select price from seen where price is not null order by 1").fetchall()
    assert [price for (price,) in found] == prices


def test_types_units_and_meanings(hard: tuple[Path, Path]) -> None:
    _, lake = hard
    for name, table in TABLES.items():
        declared = delta_schema(table)
        assert set(declared.schema.types) <= DELTA_TYPES, name
        found = delta(lake, name)
        about = found.metadata()
        assert (about.name, about.description) == (name, table.doc)
        assert about.partition_columns == list(declared.partitions)
        assert json.loads(about.configuration["conv_analytics.key"]) == ["application_id", *table.key]
        fields = {field.name: field for field in found.schema().fields}
        assert list(fields) == declared.schema.names
        for column in table.columns:
            notes = fields[column.name].metadata
            assert notes["doc"] == column.doc
            assert notes.get("unit") == column.unit
            assert notes["comment"] == column.doc + (f" [{column.unit}]" if column.unit else "")
    assert delta(lake, "events").protocol().min_reader_version == 1


def test_the_log_keeps_no_texts_of_people(hard: tuple[Path, Path]) -> None:
    _, lake = hard
    (row, *_) = pa.table(delta(lake, "events").get_add_actions(flatten=True)).to_pylist()
    kept = {name.split(".", 1)[1] for name in row if name.startswith(("min.", "max."))}
    assert kept == {"conversation_id", "event_id", "at"}


def test_a_second_call_writes_nothing(hard: tuple[Path, Path]) -> None:
    root, lake = hard
    before = {name: delta(lake, name).version() for name in TABLES}
    done = publish(root, lake)
    assert (done.tables, done.commits) == ((), 0)
    assert {name: delta(lake, name).version() for name in TABLES} == before


def test_what_a_call_says_it_did(tmp_path: Path) -> None:
    root, lake = tmp_path / "exports", tmp_path / "lake"
    grown(root, 0)
    planned = publish(root, lake, dry_run=True)
    assert not lake.exists()
    heard = []
    done = publish(root, lake, on_table=heard.append)
    assert list(done.tables) == heard
    assert [(each.table, each.rows) for each in planned.tables] == [
        (each.table, each.rows) for each in done.tables if each.table != "commits"
    ]
    grown(root, 1)
    grown(root, 2)
    planned, done = publish(root, lake, dry_run=True), publish(root, lake)
    assert planned.commits == done.commits == 2
    frame = done.to_frame()
    assert frame[["commit", "table", "action", "rows", "version"]].to_numpy().tolist() == [
        [2, "conversations", "merge", 3, 2], [2, "events", "append", 3, 2], [2, "hangups", "append", 3, 2],
        [2, "commits", "append", 1, 2],
        [3, "conversations", "merge", 3, 3], [3, "events", "append", 3, 3], [3, "hangups", "append", 3, 3],
        [3, "commits", "append", 1, 3],
    ]  # fmt: skip
    assert set(frame["application_id"]) == {APPLICATION.lower()}
    assert "2 commits published" in done._repr_html_()
    is_same(open_dataset(root), lake)
    assert len(read(lake, "conversations", APPLICATION)) == 5
    days = read(lake, "events", APPLICATION)["date"]
    assert (days.type, min(days.to_pylist())) == (pa.date32(), date(2026, 11, 21))


def test_a_table_that_comes_later(tmp_path: Path) -> None:
    root, lake = tmp_path / "exports", tmp_path / "lake"
    grown(root, 0, ["conversations"])
    publish(root, lake)
    grown(root, 1)
    publish(root, lake)
    is_same(open_dataset(root), lake)


def test_new_columns_are_added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from conv_analytics.dataset.publish import publish as module

    root, lake = tmp_path / "exports", tmp_path / "lake"
    earlier = {"events": "verification", "conversations": "gone"}

    def of_earlier_version(table: object) -> object:
        declared = delta_schema(table)  # type: ignore[arg-type]
        if (lacking := earlier.get(declared.name)) is None:
            return declared
        fields = [field for field in declared.schema if field.name != lacking]
        return type(declared)(
            declared.name, declared.doc, pa.schema(fields), declared.key, declared.partitions, declared.indexed
        )

    monkeypatch.setattr(module, "delta_schema", of_earlier_version)
    grown(root, 0)
    publish(root, lake)
    assert "gone" not in read(lake, "conversations", APPLICATION).schema.names
    monkeypatch.undo()
    grown(root, 1)
    publish(root, lake)
    for name, added in earlier.items():
        field = {field.name: field for field in delta(lake, name).schema().fields}[added]
        assert field.metadata["doc"] == TABLES[name][added].doc
        found = read(lake, name, APPLICATION)
        # Rows of before have no value there; they are not written again.
        assert 0 < found[added].null_count < len(found)
    monkeypatch.setattr(module, "delta_schema", of_earlier_version)
    with pytest.raises(ValueError, match=r"does not know .*Upgrade conv_analytics"):
        publish(root, lake)


@pytest.mark.parametrize("seed", range(int(os.environ.get("DELTA_HISTORIES", "1"))))
def test_any_history_of_events_from_two_sources(tmp_path: Path, seed: int) -> None:
    """Live and listed events in any order, on several days, with corrections; published now and then."""
    dice = random.Random(seed)
    root, lake = tmp_path / "exports", tmp_path / "lake"
    names = ("events", "hangups")
    live, listed, told = set[int](), set[int](), set[int]()
    for _ in range(6):
        made: dict[str, list[pa.Table]] = {name: [] for name in (*names, SOURCES)}
        for number in dice.sample(range(12), 4):
            if number in told or (number in live and number in listed):
                continue
            source = dice.choice(["live", "list", "file"])
            mine, others = (listed, live) if source == "list" else (live, listed)
            if number in mine:
                continue
            mine.add(number)
            differs = dice.random() < 0.5
            if number in others:
                told.add(number)
                made[SOURCES].append(given_twice(number, [differs]))
                if not differs or source != "list":
                    continue
            for name in names:
                made[name].append(from_source(name, 1, number, source))
        commit(root, {name: pa.concat_tables(parts) for name, parts in made.items() if parts})
        if dice.random() < 0.6:
            publish(root, lake)
    publish(root, lake)
    dataset = open_dataset(root)
    is_same(dataset, lake)
    assert dataset.rows(SOURCES) > 2


def test_two_commits_that_contradict_each_other(tmp_path: Path) -> None:
    root, lake = tmp_path / "exports", tmp_path / "lake"
    commit(root, {name: from_source(name, 2, 0, "live") for name in ("events", "hangups")})
    publish(root, lake)
    commit(root, {SOURCES: given_twice(0, [False, False])})
    publish(root, lake)
    assert read(lake, "events", APPLICATION)["source"].to_pylist() == ["both", "both"]
    commit(root, {SOURCES: given_twice(0, [True]), **{name: rows(TABLES[name], 1) for name in ("events", "hangups")}})
    done = publish(root, lake)
    assert {each.table: each.action for each in done.tables}["events"] == "replace"
    is_same(open_dataset(root), lake)


def test_a_compacted_folder_goes_on(tmp_path: Path) -> None:
    root, lake, copy = tmp_path / "exports", tmp_path / "lake", tmp_path / "copy"
    for start in range(2):
        grown(root, start)
    publish(root, lake)
    open_dataset(root).compact(copy)
    done = publish(copy, lake)
    assert [(each.commit, each.table) for each in done.tables] == [(3, "commits")]
    grown(copy, 2)
    done = publish(copy, lake)
    assert {each.action for each in done.tables} == {"append", "merge"}
    is_same(open_dataset(copy), lake)


def test_a_compacted_folder_with_more_than_was_published(tmp_path: Path) -> None:
    root, lake, copy = tmp_path / "exports", tmp_path / "lake", tmp_path / "copy"
    grown(root, 0, [*FEW, "members"])
    publish(root, lake)
    grown(root, 1)
    open_dataset(root).compact(copy)
    done = publish(copy, lake)
    assert {each.action for each in done.tables if each.table != "commits"} == {"replace"}
    is_same(open_dataset(copy), lake)


def test_a_folder_from_which_rows_were_removed(tmp_path: Path) -> None:
    """A copy that is no plain compaction replaces the application's rows, also those of tables that it lacks."""
    root, lake, copy = tmp_path / "exports", tmp_path / "lake", tmp_path / "copy"
    grown(root, 0, [*FEW, "members"])
    publish(root, lake)
    from conv_analytics.dataset.storage import history

    kept = commit(tmp_path / "made", {name: rows(TABLES[name], 1) for name in FEW})
    source = open_dataset(root)
    writer_report = {"command": "remove", "history": history.carry(source.commits)}
    (tmp_path / "made").rename(copy)
    path = copy / "_commits" / "000001.json"
    record = json.loads(path.read_text())
    path.unlink()
    record["number"], record["report"] = 2, record["report"] | writer_report
    path.with_name("000002.json").write_text(json.dumps(record))
    assert kept.run == open_dataset(copy).commits[0].run
    publish(copy, lake)
    is_same(open_dataset(copy), lake)
    assert len(read(lake, "members", APPLICATION)) == 0
    assert len(read(lake, "events", APPLICATION)) == 1


def _ingested(root: Path, *events: tuple[str, int, str]) -> None:
    """A run that reads some hangups from a file."""
    lines = [
        {"type": "sip:hangup", "id": number, "conversation_id": name, "application_id": APPLICATION,
         "timestamp": f"{day}T09:00:00Z", "body": {"reason": {"sip_code": 486}}}
        for name, number, day in events
    ]  # fmt: skip
    file = root.parent / "events.jsonl"
    file.write_text("\n".join(map(json.dumps, lines)))
    ingest(root, file)


@pytest.mark.parametrize("published_between", [True, False])
def test_pruned_rows_leave_the_delta_tables(tmp_path: Path, published_between: bool) -> None:
    root, lake = tmp_path / "exports", tmp_path / "lake"
    _ingested(root, ("CON-A", 1, "2026-11-01"), ("CON-B", 1, "2026-11-01"), ("CON-B", 2, "2026-11-28"))
    publish(root, lake)
    # Another run before the rows are removed, whose commit is published with that of the removal, or before it.
    _ingested(root, ("CON-C", 1, "2026-11-02"), ("CON-D", 1, "2026-11-02"), ("CON-D", 2, "2026-11-29"))
    if published_between:
        publish(root, lake)
    removed = open_dataset(root).prune(date(2026, 11, 20))
    assert removed.rows["events"] == removed.kept_rows["events"] == 2
    publish(root, lake)
    is_same(open_dataset(root), lake, names=("events", "hangups"))
    for name in ("events", "hangups"):
        assert sorted(read(lake, name, APPLICATION)["conversation_id"].to_pylist()) == ["CON-B"] * 2 + ["CON-D"] * 2
    # What follows is added to it.
    _ingested(root, ("CON-B", 3, "2026-11-29"))
    publish(root, lake)
    is_same(open_dataset(root), lake, names=("events", "hangups"))
