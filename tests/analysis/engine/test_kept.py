"""What is kept between questions changes no answer: in the session, and in the cache of a folder, damaged or not."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import conv_analytics
from conv_analytics import Conversations, analysis, explore, export, open_dataset
from conv_analytics.analysis.audio import profiles
from conv_analytics.analysis.engine import source
from conv_analytics.analysis.engine.source import Source
from conv_analytics.dataset import Dataset, snapshot
from conv_analytics.dataset.maintenance.compact import compact
from conv_analytics.dataset.storage import cache, conversation_index
from conv_analytics.errors import ConfigError, CorruptFile
from conv_analytics.notebook import Explorer, show_ladder, show_timeline
from conv_analytics.sandbox import Sandbox
from conv_analytics.tables import TABLES

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("kept")]

CACHE = "_cache"


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kept") / "exports"
    with Sandbox(seed=5, conversations=12) as sandbox:
        client = Conversations(sandbox.application_id, sandbox.private_key, base_url=sandbox.base_url)
        export(client, folder, rate=0)
    return folder


@pytest.fixture
def folder(exported: Path, tmp_path: Path) -> Path:
    """A copy, so that each test has a cache of its own."""
    return Path(shutil.copytree(exported, tmp_path / "exports"))


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Folders are read by DuckDB, as if they did not fit into memory."""
    monkeypatch.setattr(source, "IN_MEMORY", 0)


def answers(dataset: Any, conversation: str) -> dict[str, pd.DataFrame]:
    """One question of each entry that is kept, and two more that read the kept legs."""
    kept = of_each_entry(dataset, conversation)
    return kept | {"kpi": analysis.kpi(dataset, by="network_code"), "quality": analysis.quality(dataset)}


def of_each_entry(dataset: Any, conversation: str) -> dict[str, pd.DataFrame]:
    """One question of each entry that is kept: the legs, and the index of conversations."""
    return {"legs": analysis.legs(dataset), "timeline": analysis.timeline(dataset, conversation)}


def frames_of(folder: Path) -> tuple[dict[str, pd.DataFrame], str]:
    frames = dict(open_dataset(folder))
    return frames, str(frames["hangups"]["conversation_id"].iloc[0])


@pytest.fixture(scope="module")
def of_frames(exported: Path) -> tuple[dict[str, pd.DataFrame], str]:
    """The answers of the frames in memory, and the conversation that they are about."""
    frames, conversation = frames_of(exported)
    return answers(frames, conversation), conversation


def same(found: dict[str, pd.DataFrame], expected: dict[str, pd.DataFrame]) -> None:
    """Answers by name are those expected."""
    assert found
    for name, answer in found.items():
        pd.testing.assert_frame_equal(answer, expected[name], rtol=1e-12, obj=name)


@pytest.fixture(scope="module")
def asked_folder(
    exported: Path, of_frames: tuple[dict[str, pd.DataFrame], str], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A large folder that the questions of `answers` were asked of: what is kept of them is in its cache."""
    folder = Path(shutil.copytree(exported, tmp_path_factory.mktemp("asked") / "exports"))
    expected, conversation = of_frames
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source, "IN_MEMORY", 0)
        same(answers(open_dataset(folder), conversation), expected)
    assert {path.name.split("-")[0] for path in cached(folder)} == {"conversations", "legs"}
    return folder


@pytest.fixture
def asked(asked_folder: Path, tmp_path: Path) -> Path:
    """A copy of it, whose files are as old as they were: what is kept is still believed."""
    return Path(shutil.copytree(asked_folder, tmp_path / "asked"))


@pytest.fixture(scope="module")
def explored_frames(exported: Path) -> Explorer:
    """The explorer of the frames in memory."""
    return explore(frames_of(exported)[0])


@pytest.fixture(scope="module")
def explored_folder(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A large folder that was explored."""
    folder = Path(shutil.copytree(exported, tmp_path_factory.mktemp("explored") / "exports"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source, "IN_MEMORY", 0)
        explore(open_dataset(folder))
    assert {path.name.split("-")[0] for path in cached(folder)} == {"calls", "legs", "verdicts"}
    return folder


@pytest.fixture
def explored(explored_folder: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(explored_folder, tmp_path / "explored"))


def cached(folder: Path) -> list[Path]:
    return sorted((folder / CACHE).glob("*.parquet"))


def test_every_conversation_is_the_same_by_its_rows_alone(folder: Path, large: None) -> None:
    frames, _ = frames_of(folder)
    dataset, opened = Source.of(open_dataset(folder)), Source.of(frames)
    unknown = 0
    for conversation in [*frames["conversations"]["conversation_id"], "CON-unknown"]:
        try:
            expected = analysis.timeline(opened, conversation)
        except ConfigError:
            with pytest.raises(ConfigError, match="nothing about conversation"):
                analysis.timeline(dataset, conversation)
            unknown += 1
            continue
        pd.testing.assert_frame_equal(analysis.timeline(dataset, conversation), expected, rtol=1e-12)
    assert 0 < unknown < len(frames["conversations"])
    assert [path.name.split("-")[0] for path in cached(folder)].count("conversations") == 1


def test_the_index_of_conversations_grows_with_the_folder(
    tmp_path: Path, large: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The export keeps it; a further night reads its own files alone and keeps the same as if all had been read."""
    monkeypatch.setattr(snapshot, "IN_MEMORY", 0)
    read: list[int] = []
    write = conversation_index._write
    monkeypatch.setattr(
        conversation_index, "_write", lambda files, *rest: (read.append(len(files)), write(files, *rest))
    )
    folder = tmp_path / "exports"
    with Sandbox(seed=5, conversations=8, now=datetime(2026, 11, 17, tzinfo=UTC)) as sandbox:
        client = Conversations(sandbox.application_id, sandbox.private_key, base_url=sandbox.base_url)
        export(client, folder, rate=0)
        sandbox.clock.set(datetime(2026, 11, 20, tzinfo=UTC))
        export(client, folder, rate=0)
    dataset = open_dataset(folder)
    having = [
        [file for file in commit.files if "conversation_id" in TABLES[file.table].schema.names]
        for commit in dataset.commits
    ]
    assert read == [len(files) for files in having]
    assert all(read)
    frames, conversation = frames_of(folder)
    grown = cached(folder)
    pd.testing.assert_frame_equal(
        analysis.timeline(dataset, conversation), analysis.timeline(frames, conversation), rtol=1e-12
    )
    assert cached(folder) == grown
    before = sorted(path.read_bytes() for path in grown)
    shutil.rmtree(folder / CACHE)
    open_dataset(folder).index_conversations()
    (anew,) = cached(folder)
    assert anew.read_bytes() in before
    assert read[-1] == sum(map(len, having))


def test_an_index_of_another_past_is_not_grown(folder: Path, large: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was kept before a file changed is not the beginning of the folder as it is now."""
    monkeypatch.setattr(snapshot, "IN_MEMORY", 0)
    open_dataset(folder).index_conversations()
    (note,) = (folder / CACHE).glob("*.json")
    kept = json.loads(note.read_text())
    assert kept["of"]["after"] == 1
    note.write_text(json.dumps({**kept, "of": {**kept["of"], "after": 0, "state": ""}}))
    dataset = open_dataset(folder)
    assert dataset.cache(kept["of"]["engine"]).earlier("conversations") is not None
    note.write_text(json.dumps({**kept, "of": {**kept["of"], "after": 0, "state": "0" * 64}}))
    assert dataset.cache(kept["of"]["engine"]).earlier("conversations") is None


def test_the_index_is_made_in_silence(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """DuckDB shows its progress where it takes the program for an interactive one, `python -c` included."""
    monkeypatch.setattr(snapshot, "IN_MEMORY", 0)
    connect, write, shown = duckdb.connect, conversation_index._write, []

    def interactive() -> duckdb.DuckDBPyConnection:
        connection = connect()
        connection.execute("set enable_progress_bar = true")
        return connection

    def looked_at(*given: Any) -> None:
        shown.append(given[2].execute("select current_setting('enable_progress_bar')").fetchall())
        write(*given)

    monkeypatch.setattr(duckdb, "connect", interactive)
    monkeypatch.setattr(conversation_index, "_write", looked_at)
    open_dataset(folder).index_conversations()
    assert shown == [[(False,)]]


def test_a_compacted_folder_is_indexed(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot, "IN_MEMORY", 0)
    compact(folder, tmp_path / "compacted")
    assert [path.name.split("-")[0] for path in cached(tmp_path / "compacted")] == ["conversations"]
    assert not cached(folder)


def test_every_conversation_is_the_same_in_memory(folder: Path) -> None:
    frames, _ = frames_of(folder)
    dataset, opened = open_dataset(folder), Source.of(frames)
    for conversation in frames["hangups"]["conversation_id"].unique()[:5]:
        assert str(show_timeline(dataset, conversation)) == str(show_timeline(opened, conversation))
        pd.testing.assert_frame_equal(
            analysis.timeline(dataset, conversation), analysis.timeline(opened, conversation), rtol=1e-12
        )
        ladder, expected = show_ladder(dataset, conversation), show_ladder(opened, conversation)
        assert ladder.text() == expected.text()
        pd.testing.assert_frame_equal(ladder.legs, expected.legs, rtol=1e-12)
    assert not (folder / CACHE).exists()


def test_a_changed_answer_changes_no_later_one(folder: Path) -> None:
    dataset = open_dataset(folder)
    before = analysis.legs(dataset)
    spoilt = analysis.legs(dataset)
    spoilt.loc[:, "country"] = "XX"
    del spoilt["leg_id"]
    hangups = dataset["hangups"]
    hangups["leg_id"] = "other"
    pd.testing.assert_frame_equal(analysis.legs(dataset), before)


def test_changed_frames_give_new_answers(folder: Path) -> None:
    frames, _ = frames_of(folder)
    before = int(analysis.kpi(frames, metrics="asr", scope="all")["n"].sum())
    left_out = frames["hangups"]["leg_id"].iloc[0]
    for name in frames:
        if "leg_id" in frames[name]:
            frames[name] = frames[name][frames[name]["leg_id"] != left_out]
    assert int(analysis.kpi(frames, metrics="asr", scope="all")["n"].sum()) == before - 1
    mutated = frames["leg_statuses"]
    mutated["leg_id"] = None
    assert analysis.legs(frames)["flags"].str.contains("no_leg_id").any()


def test_few_conversations_are_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frames, _ = frames_of(folder)
    dataset = open_dataset(folder)
    monkeypatch.setattr(source, "CONVERSATIONS", 3)
    for conversation in frames["hangups"]["conversation_id"].unique()[: source.CONVERSATIONS + 3]:
        analysis.timeline(dataset, conversation)
    kept = [each for each in Source.of(dataset).cache if each[0] == "conversation"]
    assert len(kept) == source.CONVERSATIONS


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def _flip(path: Path) -> None:
    """A byte in each eighth of the file: where one alone is, a reader may not notice."""
    content = bytearray(path.read_bytes())
    for place in range(1, 8):
        content[place * len(content) // 8] ^= 0xFF
    path.write_bytes(content)


def _other_rows(path: Path) -> None:
    """A sound file with the same columns that holds nothing."""
    with duckdb.connect() as connection:
        empty = connection.sql(f"select * from read_parquet('{path}') limit 0").to_arrow_table()
    pq.write_table(empty, path)


def _remove(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("damage", [_cut, _flip, _other_rows, _remove])
def test_damaged_entries_are_made_again(
    asked: Path, large: None, of_frames: tuple[dict[str, pd.DataFrame], str], damage: Callable[[Path], None]
) -> None:
    expected, conversation = of_frames
    for path in cached(asked):
        damage(path)
    same(of_each_entry(open_dataset(asked), conversation), expected)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 99}', '{"format": 1, "file": "../../escape"}'])
def test_damaged_notes_are_not_believed(
    asked: Path, large: None, of_frames: tuple[dict[str, pd.DataFrame], str], text: str
) -> None:
    notes = list((asked / CACHE).glob("*.json"))
    assert notes
    for note in notes:
        note.write_text(text)
    same({"kpi": analysis.kpi(open_dataset(asked), by="network_code")}, of_frames[0])


def test_the_second_question_reads_the_kept_legs_alone(
    asked: Path, large: None, of_frames: tuple[dict[str, pd.DataFrame], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = open_dataset(asked)
    monkeypatch.setattr(Dataset, "statement", lambda *_: pytest.fail("a table was read"))
    same({"kpi": analysis.kpi(dataset, by="network_code")}, of_frames[0])


def test_entries_of_another_version_or_state_are_not_believed(
    folder: Path, large: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    analysis.kpi(open_dataset(folder))
    (before,) = cached(folder)
    monkeypatch.setattr(conv_analytics, "__version__", "99.0")
    made: list[str] = []
    keep = cache.FolderCache.keep
    monkeypatch.setattr(
        cache.FolderCache, "keep", lambda self, kind, *more: made.append(kind) or keep(self, kind, *more)
    )
    expected = analysis.kpi(dict(open_dataset(folder)))
    pd.testing.assert_frame_equal(analysis.kpi(open_dataset(folder)), expected)
    assert made == ["legs"]
    # A night later the folder holds more: the legs of the night before are not those of today.
    with Sandbox(seed=5, conversations=16) as sandbox:
        client = Conversations(sandbox.application_id, sandbox.private_key, base_url=sandbox.base_url)
        export(client, folder, rate=0, full=True)
    expected = analysis.kpi(dict(open_dataset(folder)))
    pd.testing.assert_frame_equal(analysis.kpi(open_dataset(folder)), expected)
    assert made == ["legs", "legs"]
    assert before.exists(), "a question of another process may be reading it"
    old = time.time() - cache.YOUNG_S - 60
    for path in (folder / CACHE).iterdir():
        os.utime(path, (old, old))
    analysis.legs(open_dataset(folder))
    assert not before.exists()


def test_after_some_questions_all_columns_are_kept(folder: Path, large: None) -> None:
    frames = dict(open_dataset(folder))
    for columns in ([], ["reason"], ["price"], ["talk_s"], ["status"], ["transferred"]):
        answer = analysis.legs(open_dataset(folder), columns)
        pd.testing.assert_frame_equal(answer, analysis.legs(frames, columns))
    notes = [json.loads(path.with_suffix(".json").read_bytes())["about"] for path in cached(folder)]
    # The key alone, the key and one column twice, then everything but what is looked up by telephone number.
    counts = sorted(len(about["columns"]) for about in notes)
    assert counts[:3] == [2, 3, 3]
    assert len(counts) == 4
    assert counts[-1] > 40


def test_where_no_more_is_kept_a_question_makes_only_what_it_needs(
    folder: Path, large: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "ENTRIES", 3)
    counts: list[int] = []
    keep = cache.FolderCache.keep

    def counted(self: cache.FolderCache, kind: str, about: Any, *more: Any) -> Path | None:
        counts.append(len(about["columns"]))
        return keep(self, kind, about, *more)

    monkeypatch.setattr(cache.FolderCache, "keep", counted)
    for columns in ([], ["reason"], ["price"], ["talk_s"], ["status"]):
        analysis.legs(open_dataset(folder), columns)
    assert counts == [2, 3, 3, 3, 3]
    assert len(cached(folder)) == cache.ENTRIES


def test_few_entries_are_kept(folder: Path, large: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "ENTRIES", 2)
    assert list(analysis.legs(open_dataset(folder), [])) == ["conversation_id", "leg_id"]
    for column in ("reason", "status", "price"):
        assert len(analysis.legs(open_dataset(folder), [column])) > 0
    assert len(cached(folder)) == cache.ENTRIES


def test_a_folder_that_cannot_be_written_is_asked_all_the_same(
    folder: Path, large: None, of_frames: tuple[dict[str, pd.DataFrame], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected, conversation = of_frames
    # A file where the cache would be: also for root, whom no mode stops.
    (folder / CACHE).write_text("")
    same(answers(open_dataset(folder), conversation), expected)
    (folder / CACHE).unlink()
    monkeypatch.setattr(Path, "touch", lambda *_, **__: (_ for _ in ()).throw(PermissionError()))
    same(of_each_entry(open_dataset(folder), conversation), expected)
    assert cached(folder) == []


def test_a_link_in_the_place_of_the_cache_is_not_followed(folder: Path, large: None, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (folder / CACHE).symlink_to(elsewhere)
    assert len(analysis.legs(open_dataset(folder))) > 0
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize("damage", [_cut, _remove])
def test_kept_answers_hide_no_damage_of_the_tables(asked: Path, large: None, damage: Callable[[Path], None]) -> None:
    damage(open_dataset(asked).files("hangups")[0])
    with pytest.raises(CorruptFile):
        analysis.kpi(open_dataset(asked), by="network_code")


def test_a_table_that_was_touched_is_read_again(folder: Path, large: None, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = analysis.kpi(open_dataset(folder))
    made: list[str] = []
    keep = cache.FolderCache.keep
    monkeypatch.setattr(
        cache.FolderCache, "keep", lambda self, kind, *more: made.append(kind) or keep(self, kind, *more)
    )
    pd.testing.assert_frame_equal(analysis.kpi(open_dataset(folder)), expected)
    assert made == []
    os.utime(open_dataset(folder).files("hangups")[0])
    pd.testing.assert_frame_equal(analysis.kpi(open_dataset(folder)), expected)
    assert made == ["legs"]


@pytest.mark.parametrize("damage", [None, _cut, _flip, _remove])
def test_the_explorer_shows_the_same_calls_from_the_cache(  # noqa: PLR0917  fixtures
    explored: Path,
    large: None,
    explored_frames: Explorer,
    of_frames: tuple[dict[str, pd.DataFrame], str],
    monkeypatch: pytest.MonkeyPatch,
    damage: Callable[[Path], None] | None,
) -> None:
    expected, (_, conversation) = explored_frames, of_frames
    if damage is None:
        monkeypatch.setattr(Dataset, "statement", lambda *_: pytest.fail("a table was read"))
    else:
        for path in cached(explored):
            damage(path)
    found = explore(open_dataset(explored))
    pd.testing.assert_frame_equal(found.calls, expected.calls, rtol=1e-12)
    monkeypatch.undo()
    monkeypatch.setattr(source, "IN_MEMORY", 0)
    shown, drawn = (each.select(conversation).timeline for each in (found, expected))
    assert shown is not None
    assert drawn is not None
    assert shown.drawn() == drawn.drawn()


def test_the_explorer_of_another_profile_is_made_anew(explored: Path, large: None, explored_frames: Explorer) -> None:
    strict = profiles.profile_of("recommended")
    strict = replace(strict, min_packets=strict.min_packets * 3)
    found = explore(open_dataset(explored), profile=strict)
    pd.testing.assert_frame_equal(found.calls, explore(dict(open_dataset(explored)), profile=strict).calls, rtol=1e-12)
    assert not found.calls["verdict"].equals(explored_frames.calls["verdict"])


def _asked(folder: str, start: Any, results: Any) -> None:
    source.IN_MEMORY = 0
    start.wait()
    results.put(analysis.kpi(open_dataset(folder), by="network_code").to_json())


def test_two_processes_may_make_it_at_once(folder: Path, large: None) -> None:
    context = multiprocessing.get_context("spawn")
    start, results = context.Barrier(2), context.Queue()
    processes = [context.Process(target=_asked, args=(str(folder), start, results)) for _ in range(2)]
    for process in processes:
        process.start()
    found = {results.get(timeout=300) for _ in processes}
    for process in processes:
        process.join()
    assert found == {analysis.kpi(dict(open_dataset(folder)), by="network_code").to_json()}
    for note in (folder / CACHE).glob("*.json"):
        assert (folder / CACHE / json.loads(note.read_text())["file"]).exists()
    assert not list((folder / CACHE).glob(".*.part"))


def test_whatever_reads_the_folder_does_not_mind_the_cache(
    folder: Path, asked: Path, large: None, of_frames: tuple[dict[str, pd.DataFrame], str], tmp_path: Path
) -> None:
    expected, conversation = of_frames
    dataset = open_dataset(asked)
    assert len(cached(asked)) > 1
    found = [str(finding).replace(str(asked), str(folder)) for finding in dataset.verify()]
    assert found == [str(finding) for finding in open_dataset(folder).verify()]
    dataset.compact(tmp_path / "copy")
    assert not (tmp_path / "copy" / CACHE).exists()
    same(of_each_entry(open_dataset(tmp_path / "copy"), conversation), expected)
    assert dataset.replay().commit is None
    shutil.rmtree(asked / CACHE)
    same(of_each_entry(open_dataset(asked), conversation), expected)


class _OtherDataset:
    """What gives a connection with its tables, and nothing else."""

    def __init__(self, frames: dict[str, pd.DataFrame]) -> None:
        self.tables, self._frames = tuple(frames), frames

    def duckdb(self) -> duckdb.DuckDBPyConnection:
        connection = duckdb.connect()
        for name, frame in self._frames.items():
            connection.register("given", pa.Table.from_pandas(frame))
            connection.execute(f'create table "{name}" as select * from given')
        return connection


def test_other_things_with_a_connection_are_asked_without_a_cache(folder: Path) -> None:
    frames, _ = frames_of(folder)
    found = analysis.kpi(_OtherDataset(frames), by="network_code")
    pd.testing.assert_frame_equal(found, analysis.kpi(frames, by="network_code"), rtol=1e-12)
