"""Damage done to a real export is found and named; an export without any is found to be whole."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from conv_analytics import Conversations, durable, export
from conv_analytics.dataset import DatasetWriter
from conv_analytics.dataset.maintenance import key_scan
from conv_analytics.dataset.maintenance.finding import Finding, Level
from conv_analytics.dataset.maintenance.verify import verify
from conv_analytics.dataset.storage import commit as log
from conv_analytics.dataset.storage.commit import Commit, File
from conv_analytics.dataset.storage.layout import Layout
from conv_analytics.dataset.storage.watermarks import Watermark
from conv_analytics.errors import DatasetError
from conv_analytics.sandbox import Sandbox
from conv_analytics.tables import TABLES
from tests._helpers.command_line import call, credentials
from tests._helpers.table_rows import DAY, rows

Change = Callable[[dict[str, Any]], None]


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs: the second has new events of one conversation, and both have something in quarantine."""
    folder = tmp_path_factory.mktemp("verify") / "exports"
    with Sandbox(seed=7, conversations=30, days=2, broken=0.05) as sandbox:
        client = Conversations(sandbox.application_id, sandbox.private_key, base_url=sandbox.base_url)
        export(client, folder, rate=0)
        world = sandbox.world
        active = next(each.id for each in map(world.conversation, world.ordinals) if each.state == "ACTIVE")
        with httpx.Client(base_url=sandbox.base_url, headers=sandbox.headers()) as http:
            body = {"type": "message", "body": {"message_type": "text", "text": "later"}}
            for _ in range(3):
                assert http.post(f"/v1/conversations/{active}/events", json=body).status_code == 201
        export(client, folder, rate=0)
    return folder


@pytest.fixture
def folder(pristine: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(pristine, tmp_path / "exports"))


def of(findings: list[Finding], level: Level) -> list[Finding]:
    return [finding for finding in findings if finding.level is level]


def errors(folder: Path) -> list[Finding]:
    return of(verify(folder), Level.ERROR)


def the_error(folder: Path) -> Finding:
    found = errors(folder)
    assert len(found) == 1, found
    assert found[0].advice
    return found[0]


def record(folder: Path, number: int = 1) -> Commit:
    return Commit.read(Layout(folder).commit(number))


def largest(folder: Path, table: str = "events") -> File:
    return max((file for file in record(folder).files if file.table == table), key=lambda file: file.rows)


def rewrite(folder: Path, number: int, change: Change) -> None:
    path = Layout(folder).commit(number)
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values))


def replace(folder: Path, file: File, table: pa.Table) -> None:
    """Change a file's rows, and its record with it: only the rows themselves can tell."""
    path = folder / file.path
    pq.write_table(table, path)
    new = dataclasses.replace(file, rows=len(table), bytes=path.stat().st_size, sha256=durable.sha256(path))

    def change(values: dict[str, Any]) -> None:
        values["files"] = [dataclasses.asdict(new) if each["path"] == file.path else each for each in values["files"]]

    rewrite(folder, 1, change)


def content(folder: Path, file: File) -> pa.Table:
    return pq.ParquetFile(folder / file.path).read()


def add_commit(folder: Path, files: tuple[File, ...]) -> None:
    commit = Commit(3, "0badcafe", "2026-11-22T00:00:00Z", files, {})
    Layout(folder).commit(3).write_text(commit.to_json())


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    found = ((path, path.stat()) for path in folder.rglob("*"))
    return {str(path): (stat.st_size, stat.st_mtime_ns) for path, stat in found}


@pytest.mark.slow
def test_a_whole_export_has_no_error_and_is_not_touched(folder: Path) -> None:
    before = snapshot(folder)
    findings = verify(folder)
    assert of(findings, Level.ERROR) == []
    # Ephemeral events leave holes: the only thing to remark.
    assert [finding.where for finding in of(findings, Level.WARNING)] == ["events"]
    assert len(findings) == 7, "every check says something"
    assert snapshot(folder) == before
    counted = sum(len(record(folder, number).files) for number in (1, 2))
    assert f"{counted} files are as recorded" in "\n".join(map(str, findings))


@pytest.mark.slow
@pytest.mark.parametrize("table", ["events", "conversations", "hangups"])
@pytest.mark.parametrize("where", [5, 0.5, -5])
def test_a_flipped_bit_is_found(folder: Path, table: str, where: float) -> None:
    file = largest(folder, table)
    content = bytearray((folder / file.path).read_bytes())
    content[int(where if isinstance(where, int) else where * len(content))] ^= 1
    (folder / file.path).write_bytes(content)
    found = the_error(folder)
    assert found.where == file.path
    assert "SHA-256" in found.what


@pytest.mark.slow
@pytest.mark.parametrize("left", [0, 3, 0.5, 0.99])
def test_a_file_that_is_cut_off_is_found(folder: Path, left: float) -> None:
    file = largest(folder)
    content = (folder / file.path).read_bytes()
    (folder / file.path).write_bytes(content[: int(left if isinstance(left, int) else left * len(content))])
    found = the_error(folder)
    assert found.where == file.path
    assert f"{file.bytes:,} were recorded" in found.what


def test_a_deleted_file_is_found(folder: Path) -> None:
    file = largest(folder)
    (folder / file.path).unlink()
    found = the_error(folder)
    assert (found.where, found.what) == (file.path, "is missing")


def test_a_file_that_was_never_parquet_is_found(folder: Path) -> None:
    file = largest(folder)
    noise = b"no Parquet" * 20
    (folder / file.path).write_bytes(noise)

    def agreeing(values: dict[str, Any]) -> None:
        mine = next(each for each in values["files"] if each["path"] == file.path)
        mine |= {"bytes": len(noise), "sha256": durable.sha256(folder / file.path)}

    rewrite(folder, 1, agreeing)
    assert "cannot be read" in the_error(folder).what


def test_a_wrong_number_of_rows_is_found(folder: Path) -> None:
    file = largest(folder)

    def more(values: dict[str, Any]) -> None:
        next(each for each in values["files"] if each["path"] == file.path)["rows"] += 1

    rewrite(folder, 1, more)
    assert the_error(folder).what == f"has {file.rows:,} rows; {file.rows + 1:,} were recorded"


@pytest.mark.slow
def test_a_column_that_is_missing_or_of_another_type_is_found(folder: Path) -> None:
    file = largest(folder, "hangups")
    held = content(folder, file)
    replace(folder, file, held.drop_columns(["mos_score"]))
    assert the_error(folder).what == "has no column mos_score, which its table has"
    place = held.schema.get_field_index("mos_score")
    replace(folder, file, held.set_column(place, "mos_score", held["mos_score"].cast(pa.string())))
    assert the_error(folder).what == "column mos_score is string, not double"
    replace(folder, file, held.append_column("later", pa.nulls(len(held))))
    assert errors(folder) == []
    assert any("later" in finding.what for finding in of(verify(folder), Level.WARNING))


def test_a_commit_in_the_middle_that_is_deleted_leaves_a_hole(folder: Path) -> None:
    files = record(folder).files
    Layout(folder).commit(1).unlink()
    found = errors(folder)
    assert found[0].where == "_commits/000001.json"
    assert "commit 1 is missing" in found[0].what
    assert {file.path for file in files} <= {finding.where for finding in found}


@pytest.mark.parametrize("command", ["status", "kpi", "export", "ingest", "prune", "compact", "copy", "publish"])
def test_without_a_commit_in_the_middle_nothing_is_answered_or_written(
    command: str, folder: Path, tmp_path: Path
) -> None:
    Layout(folder).commit(1).unlink()
    (tmp_path / "events.jsonl").write_text("{}")
    before = {path for path in folder.rglob("*") if "_work" not in path.parts}
    options: dict[str, list[object]] = {
        "ingest": [tmp_path / "events.jsonl"], "prune": ["--older-than", "1d", "--yes"],
        "compact": ["--to", tmp_path / "compacted"], "copy": [tmp_path / "copied"],
        "publish": ["--to", f"delta://{tmp_path / 'lake'}"],
    }  # fmt: skip
    with Sandbox(seed=7, conversations=1) as sandbox:
        options["export"] = [*credentials(sandbox), "--quiet"]
        done = call(command, folder, *options.get(command, []))
        assert not sandbox.requests
    assert done.code == 2
    assert "000001.json is damaged: commit 1 is missing" in done.err
    assert {path for path in folder.rglob("*") if "_work" not in path.parts} == before


@pytest.mark.parametrize("numbers", [[2], [1, 2]])
def test_the_last_commits_leave_their_files_when_they_are_deleted(folder: Path, numbers: list[int]) -> None:
    files = [file.path for number in numbers for file in record(folder, number).files]
    for number in numbers:
        Layout(folder).commit(number).unlink()
    assert sorted(files) == [finding.where for finding in errors(folder)]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 1}', '{"format": 999}'])
def test_a_damaged_commit_is_found(folder: Path, text: str) -> None:
    Layout(folder).commit(2).write_text(text)
    found = errors(folder)[0]
    assert found.where == "_commits/000002.json"
    assert found.what.startswith("is damaged")


def test_a_commit_cannot_lead_out_of_the_folder(folder: Path) -> None:
    file = largest(folder)
    shutil.copy(folder / file.path, folder.parent / "outside.parquet")
    add_commit(folder, (dataclasses.replace(file, path="../outside.parquet"),))
    assert the_error(folder).what == "is not where a file of table events belongs"


def test_a_foreign_file_is_a_warning(folder: Path) -> None:
    path = folder / "events" / "date=2026-11-21" / "mine.parquet"
    path.parent.mkdir(exist_ok=True)
    pq.write_table(TABLES["events"].empty(), path)
    findings = verify(folder)
    assert of(findings, Level.ERROR) == []
    found = next(each for each in of(findings, Level.WARNING) if each.where.endswith("mine.parquet"))
    assert "no commit names it" in found.what
    assert found.advice == "Move it away."


@pytest.mark.parametrize("table", ["events", "leg_statuses", "transcripts", "conversations"])
def test_a_file_under_a_second_commit_is_found(folder: Path, table: str) -> None:
    file = largest(folder, table)
    copy = file.path.replace("/000001-", "/000003-")
    shutil.copy(folder / file.path, folder / copy)
    add_commit(folder, (dataclasses.replace(file, path=copy),))
    found = errors(folder)
    assert found[0].where == copy
    assert f"adds the rows of {file.path} a second time" in found[0].what
    if TABLES[table].latest is None:
        assert any(f"{file.rows:,} rows repeat the key" in each.what and each.where == table for each in found)


def test_the_same_file_named_by_two_commits_is_found(folder: Path) -> None:
    file = largest(folder)
    add_commit(folder, (file,))
    assert any("a second time" in found.what for found in errors(folder))


def test_one_row_that_is_there_twice_is_found_and_named(folder: Path) -> None:
    file = largest(folder)
    held = content(folder, file)
    (conversation, event), row = sorted(_places(held).items())[3]
    replace(folder, file, pa.concat_tables([held, held.slice(row, 1)]))
    found = the_error(folder)
    assert found.where == "events"
    assert "1 rows repeat the key (conversation_id, event_id)" in found.what
    assert f"{conversation} {event}" in found.what


def _places(held: pa.Table) -> dict[tuple[str, int], int]:
    """Where the event of each key is: rows are in the order in which they came, and some have no id."""
    keys = zip(held["conversation_id"].to_pylist(), held["event_id"].to_pylist(), strict=True)
    return {(conversation, event): row for row, (conversation, event) in enumerate(keys) if event is not None}


def test_a_missing_event_is_a_hole_with_its_number(folder: Path) -> None:
    file = largest(folder)
    held = content(folder, file)
    places = _places(held)
    # The last event of a conversation would leave no hole.
    conversation, event = next(key for key in sorted(places) if (key[0], key[1] + 1) in places)
    row = places[conversation, event]
    before = next(each for each in verify(folder) if each.where == "events").what
    replace(folder, file, pa.concat_tables([held.slice(0, row), held.slice(row + 1)]))
    after = next(each for each in verify(folder) if each.where == "events").what
    assert int(after.split()[0]) == int(before.split()[0]) + 1, (conversation, event)


def test_a_hole_that_the_quarantine_explains_is_none(tmp_path: Path) -> None:
    def write(root: Path, lines: list[str]) -> list[Finding]:
        writer = DatasetWriter(root, DAY, ["events"])
        written = rows(TABLES["events"], 4)
        numbers = pa.array([1, 2, 4, 5])
        columns = {"conversation_id": pa.array(["CON-1"] * 4), "event_id": numbers}
        arrays = [columns.get(name, written[name]) for name in written.column_names]
        writer.write("events", pa.Table.from_arrays(arrays, schema=written.schema))
        writer.quarantine(lines)
        writer.commit([Watermark("CON-1", 5)], {})
        return of(verify(root), Level.WARNING)

    line = {"list": "events", "conversation_id": "CON-1", "event_id": None, "kept": False}
    assert write(tmp_path / "a", [json.dumps(line)]) == []
    assert "CON-1 (3)" in write(tmp_path / "b", [json.dumps(line | {"kept": True})])[0].what
    assert "CON-1 (3)" in write(tmp_path / "c", [])[0].what


def test_a_watermark_below_the_events_is_found(folder: Path) -> None:
    marks = {name: last for name, last in record(folder, 2).watermarks.items() if last > 1}
    name = max(marks, key=lambda name: (marks[name], name))
    rewrite(folder, 2, lambda values: values["watermarks"].update({name: 1}))
    found = next(each for each in errors(folder) if each.where == "events")
    assert name in found.what
    assert "export to a new folder" in found.advice


@pytest.mark.slow
def test_the_quarantine_is_checked(folder: Path) -> None:
    name = str(record(folder).quarantine)
    lines = (folder / name).read_text().splitlines(keepends=True)
    assert len(lines) > 1
    (folder / name).write_text("".join(lines[1:]))
    assert the_error(folder).what == f"has {len(lines) - 1:,} records; {len(lines):,} were counted"
    (folder / name).write_text("".join(lines)[:-20])
    assert the_error(folder).what.startswith("cannot be read")
    (folder / name).unlink()
    assert the_error(folder).what.startswith("is missing")
    (folder / name).write_text("".join(lines))
    (folder / "_quarantine" / "foreign.jsonl").write_text("")
    assert errors(folder) == []
    assert any(each.where.endswith("foreign.jsonl") for each in of(verify(folder), Level.WARNING))


def test_a_run_killed_between_its_files_and_its_commit_is_a_warning(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = DatasetWriter(folder, DAY, ["events"])
    writer.write("events", rows(TABLES["events"], 3))
    monkeypatch.setattr(durable, "create", _killed)
    with pytest.raises(KeyboardInterrupt):
        writer.commit({}, {})
    findings = verify(folder)
    assert of(findings, Level.ERROR) == []
    told = [each.advice for each in of(findings, Level.WARNING) if each.where != "events"]
    assert len(told) >= 2
    assert all(advice.startswith("Run the export again") for advice in told)


def _killed(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("kind", ["absent", "empty", "foreign", "file"])
def test_what_is_no_dataset_is_said(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "here"
    if kind == "file":
        path.write_text("")
    elif kind != "absent":
        (path / "events").mkdir(parents=True)
    if kind == "foreign":
        (path / "events" / "a.parquet").write_text("")
    with pytest.raises(DatasetError, match="not a dataset"):
        verify(path)


@pytest.fixture
def little_memory(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(key_scan, "PASS_ROWS", 300)
    monkeypatch.setattr(key_scan, "_BATCH_ROWS", 64)
    return


@pytest.mark.slow
def test_large_tables_take_several_passes_and_find_the_same(folder: Path, little_memory: None) -> None:
    file = largest(folder)
    held = content(folder, file)
    assert held.num_rows > 600
    replace(folder, file, pa.concat_tables([held, held.slice(0, 40)]))
    named = pc.sum(held.slice(0, 40)["event_id"].is_valid()).as_py()
    assert f"{named} rows repeat" in the_error(folder).what


def test_the_log_is_read_in_the_order_of_its_numbers(folder: Path) -> None:
    rewrite(folder, 2, lambda values: values.update(number=7))
    assert errors(folder)[0].what == "says that it is commit 7"
    assert log.numbers(Layout(folder)) == [1, 2]


def test_keys_that_only_share_a_hash_are_no_repeats(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_scan, "hashes", lambda batch: np.zeros(len(batch), np.uint64))
    assert errors(folder) == []
