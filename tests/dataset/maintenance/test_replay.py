"""The quarantine read again: in place what has no row, in a copy every cell; the whole export tells what must come."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from conv_analytics import Conversations, export, open_dataset
from conv_analytics.dataset import DatasetWriter
from conv_analytics.dataset.maintenance import file_rows, latest_rows
from conv_analytics.dataset.maintenance import reread as rereading
from conv_analytics.dataset.maintenance.compact import compact
from conv_analytics.dataset.maintenance.finding import Level
from conv_analytics.dataset.maintenance.replay import replay
from conv_analytics.dataset.maintenance.verify import verify
from conv_analytics.dataset.storage import staged_files
from conv_analytics.dataset.storage.layout import Layout
from conv_analytics.errors import DatasetError, DatasetLocked
from conv_analytics.sandbox import Sandbox
from tests._helpers.older_dataset import Event, Older, Raw, added, aged, content, line, whole
from tests._helpers.table_rows import watermarks

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def today(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Raw]:
    """What the reader of today makes of it."""
    folder = tmp_path_factory.mktemp("replay") / "whole"
    return folder, whole(folder, conversations=12)


@pytest.fixture(scope="module")
def plan(today: tuple[Path, Raw]) -> Older:
    """Something unreadable of every kind."""
    folder, raw = today
    dataset, older = open_dataset(folder), Older()
    every = sorted(raw.events)
    legs = events_of(dataset["leg_statuses"])
    hangups = events_of(dataset["hangups"])
    older.lost = {*every[5::29], *legs[1::7], *hangups[1::5]}
    free = [event for event in every if event not in older.lost]
    for number, event in enumerate(free[3::31]):
        older.cells[event] = [("events", ("at", "type", "from_user_id", "body")[number % 4])]
    for event in set(hangups[::4]) - older.lost:
        older.cells[event] = [("hangups", "mos_score"), ("hangups", "sip_code"), ("hangups", "direction")]
    for number, event in enumerate(sorted(set(legs[::3]) - older.lost)):
        older.cells[event] = [("leg_statuses", "leg_statuses" if number % 2 else "at")]
    members = sorted(raw.members)
    older.lost_members = set(members[::9])
    older.member_cells = dict.fromkeys(members[1::9], "state")
    older.conversation_cells = dict.fromkeys(sorted(raw.conversations)[::6], "created_at")
    return older


@pytest.fixture(scope="module")
def old(today: tuple[Path, Raw], plan: Older, tmp_path_factory: pytest.TempPathFactory) -> Path:
    source, raw = today
    return aged(source, tmp_path_factory.mktemp("old") / "exports", raw, plan)


@pytest.fixture
def folder(old: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(old, tmp_path / "exports"))


def events_of(frame: pd.DataFrame) -> list[Event]:
    return sorted(set(zip(frame["conversation_id"], frame["event_id"].astype(int), strict=True)))


def errors(folder: Path) -> list[str]:
    return [str(finding) for finding in verify(folder) if finding.level is Level.ERROR]


def files(folder: Path) -> dict[str, tuple[int, int]]:
    found = ((path, path.stat()) for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): (stat.st_size, stat.st_mtime_ns) for path, stat in found}


def test_the_older_reader_is_one(folder: Path, today: tuple[Path, Raw], plan: Older) -> None:
    """The tests below show something: rows are missing, cells are empty, and the folder is sound all the same."""
    assert errors(folder) == []
    now, then = content(today[0]), content(folder)
    for name in ("events", "hangups", "leg_statuses", "members"):
        assert len(then[name]) < len(now[name]), name
        assert set(then[name]) - set(now[name]), name
    assert set(then["conversations"]) - set(now["conversations"])


def test_records_without_a_row_are_added_in_a_commit(folder: Path, today: tuple[Path, Raw], plan: Older) -> None:
    before = files(folder)
    found = replay(folder)
    assert found.commit == 3
    assert (found.added, found.unreadable) == (len(plan.lost) + len(plan.lost_members), 0)
    # A member that both runs saw, and could not read, has one row.
    lines = quarantined(folder)
    assert found.added + found.already_stored == sum(not each["kept"] for each in lines)
    assert found.cells == sum(each["kept"] for each in lines)
    assert before.items() <= files(folder).items(), "nothing was rewritten"
    assert errors(folder) == []
    held = pd.read_parquet(folder / "events")
    assert set(zip(held["conversation_id"], held["event_id"].astype(int), strict=True)) == today[1].events.keys()
    now = content(today[0])["hangups"]
    assert {row for row in content(folder)["hangups"] if row[:2] in plan.lost} == {
        row for row in now if row[:2] in plan.lost
    }
    assert set(open_dataset(folder)["members"]["member_id"]) == today[1].members.keys()
    assert {"command": "replay", "requests": 0, "status": "replayed"}.items() <= open_dataset(folder).commits[
        -1
    ].report.items()


def quarantined(folder: Path) -> list[dict[str, Any]]:
    paths = sorted((folder / "_quarantine").iterdir())
    return [json.loads(text) for path in paths for text in path.read_text().splitlines()]


def test_a_second_replay_does_nothing(folder: Path) -> None:
    first = replay(folder)
    before = files(folder)
    again = replay(folder)
    assert (again.commit, again.added, again.already_stored) == (None, 0, 0)
    assert again.cells == first.cells > 0
    assert again.records == first.records - first.added - first.already_stored
    assert {name for name in files(folder) if not name.startswith("_work")} == {
        name for name in before if not name.startswith("_work")
    }


@pytest.mark.parametrize("first", [False, True], ids=["at-once", "after-a-replay"])
def test_a_copy_is_what_the_reader_of_today_would_have_written(
    *, first: bool, folder: Path, today: tuple[Path, Raw], tmp_path: Path
) -> None:
    if first:
        replay(folder)
    before = files(folder)
    copied = compact(folder, tmp_path / "new", replay=True)
    assert files(folder) == before
    new, now = content(tmp_path / "new"), content(today[0])
    for name in now:
        assert new[name] == now[name], name
    assert copied.quarantined == copied.replayed.unreadable == 0
    assert errors(tmp_path / "new") == []
    assert not list((tmp_path / "new").glob("_quarantine/*"))


def test_a_copy_without_replay_keeps_the_rows_and_the_quarantine(
    folder: Path, today: tuple[Path, Raw], tmp_path: Path
) -> None:
    copied = compact(folder, tmp_path / "new")
    assert content(tmp_path / "new") == content(folder)
    assert errors(tmp_path / "new") == []
    assert copied.quarantined == len(quarantined(folder)) > 0
    # And from the copy everything can still be read again, as of the run that met it.
    assert compact(tmp_path / "new", tmp_path / "newer", replay=True).quarantined == 0
    assert content(tmp_path / "newer") == content(today[0])
    assert replay(tmp_path / "new").added > 0
    assert errors(tmp_path / "new") == []


def test_what_is_larger_than_a_file_a_batch_or_a_pass(
    folder: Path, today: tuple[Path, Raw], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, name, value in (
        (file_rows, "_BATCH_ROWS", 7), (latest_rows, "PASS_ROWS", 5), (rereading, "BATCH_BYTES", 2_000),
        (staged_files, "BUFFER_BYTES", 5_000), (staged_files, "KEPT_BYTES", 1_000),
        (staged_files, "FILE_BYTES", 20_000),
    ):  # fmt: skip
        monkeypatch.setattr(module, name, value)
    copied = compact(folder, tmp_path / "new", replay=True)
    monkeypatch.undo()
    assert content(tmp_path / "new") == content(today[0])
    assert errors(tmp_path / "new") == []
    paths = [file.path for file in open_dataset(tmp_path / "new").commits[0].files]
    assert len(set(paths)) == copied.files
    assert any(path.startswith("events/") and path.endswith("-1.parquet") for path in paths)


def test_a_copy_has_a_file_per_table_and_day(folder: Path, tmp_path: Path) -> None:
    replay(folder)
    copied = compact(folder, tmp_path / "new", replay=True)
    held = open_dataset(tmp_path / "new").commits[0].files
    places = [file.path.rsplit("/", 1)[0] for file in held]
    assert len(places) == len(set(places)) == copied.files < copied.files_before


def test_what_is_still_unreadable_stays(folder: Path, tmp_path: Path) -> None:
    replay(folder)
    half = b'{"id": 77, "type": "sip:hangup", "body": {"quality": {"mos_score": "n/a"}}}'
    digest = json.dumps({**json.loads(line("events", "CON-1", b"", [], kept=False)), "raw": None, "raw_digest": "ab"})
    lines = [
        line("events", "CON-1", b"[1, 2]", [], kept=False),
        line("events", "CON-1", b'{"id": 78, "type": "cut o', [], kept=False),
        line("events", "CON-1", b"1, 2", [], kept=False),
        line("events", "CON-1", b"", [], kept=False),
        line("events", "CON-1", b"\xff\xfe", [], kept=False),
        line("members", "CON-1", b"{}", [], kept=False),
        line("events", "CON-1", half, [("hangups", "mos_score")], event=77),
        digest,
    ]
    added(folder, lines)
    found = replay(folder)
    assert (found.commit, found.added, found.unreadable, found.digests) == (None, 0, len(lines), 1)
    copied = compact(folder, tmp_path / "new", replay=True)
    assert copied.quarantined == copied.replayed.unreadable == len(lines)
    held = quarantined(tmp_path / "new")
    for each, own in zip(sorted(held, key=str), sorted(map(json.loads, lines), key=str), strict=True):
        assert own.items() <= each.items()
    assert replay(tmp_path / "new").unreadable == len(lines)
    assert errors(tmp_path / "new") == []


def test_a_record_that_is_read_in_part_gets_its_row_and_stays_in_quarantine(folder: Path, tmp_path: Path) -> None:
    replay(folder)
    half = (
        b'{"id": 9, "type": "sip:hangup", "timestamp": "2026-11-19T12:00:00Z", "body": {"quality": {"mos_score": []}}}'
    )
    half = half.replace(b"[]", b'"n/a"')
    added(folder, [line("events", "CON-1", half, [], kept=False)])
    assert replay(folder).added == 1
    last = open_dataset(folder).commits[-1]
    text = (folder / str(last.quarantine)).read_text()
    assert json.loads(text)["kept"] is True
    assert errors(folder) == []
    again = replay(folder)
    assert (again.commit, again.unreadable) == (None, 1)
    assert watermarks(folder)["CON-1"] == 9
    assert compact(folder, tmp_path / "new", replay=True).quarantined == 1


def test_what_a_later_run_brought_is_not_added_again(folder: Path, today: tuple[Path, Raw], plan: Older) -> None:
    replay(folder)
    rows = len(pd.read_parquet(folder / "leg_statuses"))
    raw = today[1]
    legs = events_of(open_dataset(folder)["leg_statuses"])
    lines = [line("events", event[0], raw.events[event], [], kept=False) for event in legs]
    lines += [line("members", owner, record, [], kept=False) for owner, record in raw.members.values()]
    members = open_dataset(folder).arrow("members").drop_columns("date")
    added(folder, lines)
    # A later run saw the members again; its clock was behind.
    added(folder, [], rows={"members": members}, report={"started_at": "2020-01-01T00:00:00Z"})
    found = replay(folder)
    assert (found.added, found.already_stored) == (0, len(lines))
    assert found.commit is not None, "so that it need not be found out again"
    assert len(pd.read_parquet(folder / "leg_statuses")) == rows
    assert errors(folder) == []
    assert replay(folder).records == found.records - len(lines)


@pytest.fixture
def live(tmp_path: Path) -> Iterator[tuple[Sandbox, Path]]:
    with Sandbox(seed=7, conversations=12, days=2) as sandbox:
        export(client_of(sandbox), tmp_path / "exports", rate=0)
        yield sandbox, tmp_path / "exports"


def client_of(sandbox: Sandbox) -> Conversations:
    return Conversations(sandbox.application_id, sandbox.private_key, base_url=sandbox.base_url)


def test_an_export_goes_on_from_the_copy(live: tuple[Sandbox, Path], tmp_path: Path) -> None:
    sandbox, folder = live
    export(client_of(sandbox), folder, rate=0)
    compact(folder, tmp_path / "new")
    new = tmp_path / "new"
    done = export(client_of(sandbox), new, rate=0)
    assert (done.report.tables.get("events", 0), done.report.commit) == (0, 4)
    assert done.report.unchanged == sandbox.truth().conversations
    assert len(open_dataset(new)["events"]) == sandbox.truth().events
    assert watermarks(new) == watermarks(folder)
    assert errors(new) == []
    history = open_dataset(new).history()
    assert history["commit"].tolist() == [1, 2, 3, 4]
    assert history["status"].tolist() == ["complete", "complete", "compacted", "complete"]
    assert history["events"].tolist() == [sandbox.truth().events, 0, 0, 0]
    pd.testing.assert_frame_equal(history[:2], open_dataset(folder).history())
    # Once more: the history grows, and nothing is lost.
    again = compact(new, tmp_path / "newer")
    assert again.commit == 5
    assert open_dataset(tmp_path / "newer").history()["commit"].tolist() == [1, 2, 3, 4, 5]
    assert content(tmp_path / "newer") == content(new)
    assert errors(tmp_path / "newer") == []


def test_a_night_is_measured_by_the_nights_that_were_copied(live: tuple[Sandbox, Path], tmp_path: Path) -> None:
    sandbox, folder = live
    for _ in range(3):
        export(client_of(sandbox), folder, rate=0)
    for commit in open_dataset(folder).commits:
        at = f"2026-0{commit.number}-01T03:00:00Z"
        report = {**commit.report, "started_at": at, "tables": {"events": 1000}, "events": 1000}
        Layout(folder).commit(commit.number).write_text(replace(commit, report=report).to_json())
    compact(folder, tmp_path / "new")
    done = export(client_of(sandbox), tmp_path / "new", rate=0, allow_empty=True)
    assert "where 1,000 are usual" in str(done.report.warning)


def test_a_quarantine_file_that_is_missing_or_torn_is_told(
    folder: Path, today: tuple[Path, Raw], tmp_path: Path
) -> None:
    first, second = sorted((folder / "_quarantine").iterdir())
    lost = sum(not json.loads(text)["kept"] for text in first.read_text().splitlines()[1:-1])
    text = first.read_bytes()
    lines = text.splitlines(keepends=True)
    first.write_bytes(b"\x00\xff garbage\n" + b"".join(lines[1:-1]) + lines[-1][:20])
    second.unlink()
    copied = compact(folder, tmp_path / "new", replay=True)
    found = replay(folder)
    for damaged in (found.damaged, copied.replayed.damaged):
        assert damaged == [
            f"_quarantine/{first.name}: line 1 is not a quarantined record",
            f"_quarantine/{first.name}: line {len(lines)} is not a quarantined record",
            f"_quarantine/{second.name}: is missing; it holds what commit 2 could not read",
        ]
    assert found.added == copied.replayed.added == lost
    assert errors(tmp_path / "new") == []


@pytest.mark.parametrize(
    "text",
    [
        "7", "[]", "{}", '"x"', "null",
        '{"list": "calls", "conversation_id": null, "event_id": null, "problems": [], "kept": true, "raw": "{}"}',
        '{"list": "events", "conversation_id": 7, "event_id": null, "problems": [], "kept": true, "raw": "{}"}',
        '{"list": "events", "conversation_id": null, "event_id": null, "problems": [7], "kept": true, "raw": "{}"}',
        '{"list": "events", "conversation_id": null, "event_id": null, "problems": [], "kept": true, "raw": "\\ud83d"}',
    ],
)  # fmt: skip
def test_a_line_that_is_no_record_is_told(text: str, folder: Path) -> None:
    replay(folder)
    name = added(folder, [text]).quarantine
    assert replay(folder).damaged == [f"{name}: line 1 is not a quarantined record"]


def test_a_folder_that_is_none_is_not_made_one(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="holds no export"):
        replay(tmp_path / "nowhere")
    assert list(tmp_path.iterdir()) == []


def test_one_writer_at_a_time(folder: Path) -> None:
    writer = DatasetWriter(folder, pd.Timestamp("2026-11-21").date(), ["events"])
    try:
        with pytest.raises(DatasetLocked):
            replay(folder)
    finally:
        writer.abandon()
    assert replay(folder).commit == 3


def test_a_pristine_folder_has_nothing_to_replay(today: tuple[Path, Raw], tmp_path: Path) -> None:
    copy = Path(shutil.copytree(today[0], tmp_path / "copy"))
    found = replay(copy)
    assert (found.records, found.commit, found.damaged) == (0, None, [])
