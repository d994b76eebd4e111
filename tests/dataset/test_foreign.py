"""What is not ours stays as it is, and no name in a file leads out of the folder."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import stat
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from conv_analytics import durable, open_dataset
from conv_analytics.dataset import DatasetWriter
from conv_analytics.dataset.maintenance.compact import compact
from conv_analytics.dataset.maintenance.finding import Level
from conv_analytics.dataset.maintenance.verify import verify
from conv_analytics.dataset.storage import commit as log
from conv_analytics.dataset.storage.commit import Commit
from conv_analytics.dataset.storage.layout import Layout
from conv_analytics.dataset.storage.watermarks import Watermark
from conv_analytics.errors import ConfigError, CorruptFile, DatasetError, DestinationError, SchemaChanged
from conv_analytics.tables import TABLES
from tests._helpers.table_rows import DAY, rows

NAMES = ["conversations", "hangups"]


def write(root: Path, start: int = 0) -> Commit:
    writer = DatasetWriter(root, DAY, NAMES)
    for name in NAMES:
        writer.write(name, rows(TABLES[name], 4, start=start))
    writer.quarantine([json.dumps({"start": start})])
    return writer.commit([Watermark(f"CON-{start}", 1)], {"status": "complete"})


def lying(folder: Path) -> dict[str, bytes | None]:
    """Everything in a folder, with what it holds."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


def photos(folder: Path) -> dict[str, bytes | None]:
    """A folder of somebody else."""
    (folder / "photos").mkdir(parents=True)
    (folder / "photos" / "one.jpg").write_bytes(b"one")
    (folder / "notes.txt").write_text("mine")
    return lying(folder)


def test_a_work_folder_of_somebody_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    before = photos(tmp_path / "_work")
    with pytest.raises(DestinationError, match=r"_work holds what no run of ours left \('notes.txt'\); move it away"):
        DatasetWriter(tmp_path, DAY, NAMES)
    assert lying(tmp_path / "_work") == before
    assert not (tmp_path / "_commits").exists()


def test_what_somebody_puts_into_our_work_folder_is_not_swept(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "_work" / "lock").touch()
    before = photos(tmp_path / "_work")
    # Of the name of a run, and yet none: no run keeps such a file.
    (tmp_path / "_work" / "deadbeef").mkdir()
    (tmp_path / "_work" / "deadbeef" / "thesis.tex").write_text("all of it")
    killed = tmp_path / "_work" / "0123abcd"
    (killed / "hangups").mkdir(parents=True)
    write(tmp_path, 10)
    assert not killed.exists()
    assert before.items() <= lying(tmp_path / "_work").items()
    assert (tmp_path / "_work" / "deadbeef" / "thesis.tex").read_text() == "all of it"


@pytest.mark.parametrize("name", ["_work", "_commits", "_quarantine"])
def test_a_link_in_place_of_our_folders_is_refused(name: str, tmp_path: Path) -> None:
    before = photos(tmp_path / "other")
    (tmp_path / "exports").mkdir()
    (tmp_path / "exports" / name).symlink_to(tmp_path / "other", target_is_directory=True)
    with pytest.raises(DatasetError, match=rf"{name} is a link, and has to be a folder of its own"):
        DatasetWriter(tmp_path / "exports", DAY, NAMES)
    assert lying(tmp_path / "other") == before


def test_a_link_in_the_work_folder_is_not_followed(tmp_path: Path) -> None:
    write(tmp_path / "exports")
    before = photos(tmp_path / "other")
    (tmp_path / "exports" / "_work" / "lock").touch()
    (tmp_path / "exports" / "_work" / "0123abcd").symlink_to(tmp_path / "other", target_is_directory=True)
    write(tmp_path / "exports", 10)
    assert lying(tmp_path / "other") == before


def test_a_copy_goes_to_no_folder_with_somebody_elses_work(tmp_path: Path) -> None:
    write(tmp_path / "exports")
    before = photos(tmp_path / "copy" / "_work")
    with pytest.raises((ConfigError, DestinationError)):
        compact(tmp_path / "exports", tmp_path / "copy")
    assert lying(tmp_path / "copy" / "_work") == before


@pytest.mark.parametrize("name", ["lock", "journal", "owner.json", "plan.json"])
@pytest.mark.parametrize("kind", ["a folder", "a link", "a pipe"])
def test_something_else_under_the_name_of_our_files_is_named(name: str, kind: str, tmp_path: Path) -> None:
    write(tmp_path / "exports")
    path = tmp_path / "exports" / "_work" / name
    path.unlink(missing_ok=True)
    target = tmp_path / "other"
    target.write_text("mine")
    {"a folder": path.mkdir, "a link": lambda: path.symlink_to(target), "a pipe": lambda: os.mkfifo(path)}[kind]()
    with pytest.raises(
        DestinationError, match=rf"_work/{name} is {kind}, not the file that runs keep there; delete it"
    ):
        DatasetWriter(tmp_path / "exports", DAY, NAMES)
    assert target.read_text() == "mine"


# -- names that lead out


OUTSIDE = [
    "../outside.parquet",
    "hangups/../../outside.parquet",
    "{outside}",
    "link/outside.parquet",
    "C:x",
    "a\0b",
    ".",
]


@pytest.mark.parametrize("name", OUTSIDE)
def test_no_name_leads_out_of_the_folder(name: str, tmp_path: Path) -> None:
    outside = tmp_path / "outside.parquet"
    outside.write_bytes(b"mine")
    root = tmp_path / "exports"
    root.mkdir()
    (root / "link").symlink_to(tmp_path, target_is_directory=True)
    with pytest.raises(CorruptFile, match="is damaged"):
        Layout(root).file(name.format(outside=outside))


def test_a_file_over_a_link_is_refused_by_every_reader(tmp_path: Path) -> None:
    root = tmp_path / "exports"
    write(root)
    moved = tmp_path / "elsewhere"
    shutil.move(root / "hangups", moved)
    (root / "hangups").symlink_to(moved, target_is_directory=True)
    dataset = open_dataset(root)
    for question in (
        lambda: dataset["hangups"],
        dataset.duckdb,
        lambda: dataset.files("hangups"),
        lambda: compact(root, tmp_path / "copy"),
    ):
        with pytest.raises(CorruptFile, match=r"a link leads out of"):
            question()
    found = [finding for finding in verify(root) if finding.level is Level.ERROR]
    assert found
    assert all("a link leads out of" in finding.what for finding in found)


def test_a_promise_that_names_files_outside_moves_nothing(tmp_path: Path) -> None:
    root = tmp_path / "exports"
    commit = write(root)
    writer = DatasetWriter(root, DAY, NAMES)
    writer.write("hangups", rows(TABLES["hangups"], 2, start=50))
    writer._lock.release()
    staging = root / "_work" / writer.run
    victim = tmp_path / "victim"
    victim.write_text("mine")
    file = dataclasses.replace(commit.files[0], path="../victim")
    promise = dataclasses.replace(commit, number=2, run=writer.run, files=(file,), quarantine=None)
    (staging / "commit.json").write_text(promise.to_json())
    with pytest.raises(CorruptFile, match=r"no file of .+ is called that"):
        DatasetWriter(root, DAY, NAMES)
    assert victim.read_text() == "mine"
    assert len(open_dataset(root).commits) == 1


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "_work/0123abcd").mkdir()
    os.mkfifo(tmp_path / "_work/0123abcd/commit.json")
    with pytest.raises(CorruptFile, match="it is a pipe, not a file"):
        DatasetWriter(tmp_path, DAY, NAMES)
    os.mkfifo(tmp_path / "_commits/000002.json")
    with pytest.raises(CorruptFile, match="it is a pipe, not a file"):
        open_dataset(tmp_path)


@pytest.mark.parametrize("name", ["/dev/zero", "../../../../../../dev/zero", "_quarantine/zero"])
def test_a_quarantine_without_an_end_is_not_read(name: str, tmp_path: Path) -> None:
    commit = write(tmp_path)
    (tmp_path / "_quarantine" / "zero").symlink_to("/dev/zero")
    (tmp_path / "_commits/000001.json").write_text(dataclasses.replace(commit, quarantine=name).to_json())
    found = [str(finding) for finding in verify(tmp_path) if finding.level is Level.ERROR]
    assert any("cannot be read; it holds what commit 1 could not read" in text for text in found), found


@pytest.mark.parametrize("name", [f"{10**30}.json", f"{'9' * 200}.json", "0000000000001.json"])
def test_a_number_that_no_commit_has_is_said(name: str, tmp_path: Path) -> None:
    commit = write(tmp_path)
    (tmp_path / "_commits" / name).write_text(commit.to_json())
    for question in (open_dataset, verify):
        with pytest.raises(CorruptFile, match="no commit has such a number"):
            question(tmp_path)


def test_a_large_gap_in_the_numbers_is_told_in_one_go(tmp_path: Path) -> None:
    commit = dataclasses.replace(write(tmp_path), number=999_999_999, files=(), quarantine=None, watermarks={})
    (tmp_path / "_commits/999999999.json").write_text(commit.to_json())
    found = [finding.what for finding in verify(tmp_path) if finding.level is Level.ERROR]
    assert "commits 2 to 999999998 are missing, and with them every row that their runs added" in found


def test_a_commit_under_another_number_is_refused(tmp_path: Path) -> None:
    commit = write(tmp_path)
    (tmp_path / "_commits/000002.json").write_text(commit.to_json())
    with pytest.raises(CorruptFile, match=r"000002\.json is damaged: it says that it is commit 1"):
        open_dataset(tmp_path)


def test_the_file_of_another_table_is_told_by_its_footer(tmp_path: Path) -> None:
    """Length and checksum may be those that are recorded: whoever put it there wrote the record, too."""
    commit = write(tmp_path)
    file = next(file for file in commit.files if file.table == "hangups")
    path = tmp_path / file.path
    content = pq.ParquetFile(path).read()

    def put(table: pa.Table) -> None:
        pq.write_table(table, path)
        new = dataclasses.replace(file, rows=len(table), bytes=path.stat().st_size, sha256=durable.sha256(path))
        files = tuple(new if each == file else each for each in commit.files)
        (tmp_path / "_commits/000001.json").write_text(dataclasses.replace(commit, files=files).to_json())

    put(content.replace_schema_metadata({**content.schema.metadata, b"conv_analytics.table": b"call_events"}))
    for question in (open_dataset(tmp_path).duckdb, lambda: open_dataset(tmp_path)["hangups"]):
        with pytest.raises(CorruptFile, match="it is a file of table call_events, not of hangups"):
            question()
    place = content.schema.get_field_index("mos_score")
    put(content.set_column(place, "mos_score", content["mos_score"].cast(pa.string())))
    with pytest.raises(SchemaChanged, match=r"'mos_score' of table 'hangups' is string in .+, not double"):
        open_dataset(tmp_path).duckdb()


# -- two writers that no lock keeps apart


def without_lock(root: Path) -> DatasetWriter:
    """A second writer, on a file system whose locks keep nobody away."""
    for held in (root / "_work").glob("lock"):
        held.unlink()
    saved = list((root / "_work").iterdir())
    aside = root.parent / "aside"
    aside.mkdir()
    for path in saved:
        shutil.move(path, aside / path.name)
    writer = DatasetWriter(root, DAY, NAMES)
    for path in saved:
        if path.name not in {"lock", "owner.json"}:
            shutil.move(aside / path.name, path)
    return writer


def test_of_two_writers_without_a_lock_the_second_to_commit_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    root = tmp_path / "exports"
    write(root)
    first = DatasetWriter(root, DAY, NAMES)
    first.write("hangups", rows(TABLES["hangups"], 4, start=10))
    second = without_lock(root)
    second.write("hangups", rows(TABLES["hangups"], 4, start=10))
    second.commit([Watermark("CON-1", 1)], {})
    before = lying(root / "hangups")
    with pytest.raises(DestinationError, match=r"another run entered its commit 2 meanwhile.+Let one run at a time"):
        first.commit([Watermark("CON-1", 1)], {})
    first.abandon()
    assert lying(root / "hangups") == before
    # The folder goes on.
    assert write(root, 50).number == 3
    assert len(open_dataset(root)["hangups"]) == 4 + 4 + 4
    assert not [finding for finding in verify(root) if "no commit names it" in finding.what]


@pytest.mark.parametrize("taken", [True, False])
def test_a_promise_that_was_overtaken_is_dropped_with_its_files(taken: bool, tmp_path: Path) -> None:
    """Its number was taken; or the log is an older copy, and the runs before it are not there any more."""
    write(tmp_path)
    run = DatasetWriter(tmp_path, DAY, NAMES)
    run.write("hangups", rows(TABLES["hangups"], 4, start=10))
    before = lying(tmp_path / "hangups")
    run.number = 2 if taken else 5
    number, run._lock = run.number, run._lock
    commit = run.commit([Watermark("CON-1", 1)], {})
    record = tmp_path / f"_commits/{number:06d}.json"
    staging = tmp_path / "_work" / commit.run
    staging.mkdir()
    shutil.move(record, staging / "commit.json")
    assert lying(tmp_path / "hangups") != before
    if taken:
        other = dataclasses.replace(commit, run="0badcafe", files=(), quarantine=None)
        record.write_text(other.to_json())
    assert write(tmp_path, 50).number == (3 if taken else 2)
    assert not staging.exists()
    assert not list(tmp_path.glob(f"hangups/*/*-{commit.run}-*"))
    assert len(open_dataset(tmp_path)["hangups"]) == 8


def test_a_promise_whose_log_was_copied_with_it_is_not_entered_twice(tmp_path: Path) -> None:
    """A copy of a folder has both names of a commit as two files."""
    commit = write(tmp_path)
    staging = tmp_path / "_work" / commit.run
    staging.mkdir()
    (staging / "commit.json").write_text(commit.to_json())
    assert write(tmp_path, 50).number == 2
    assert not staging.exists()
    assert len(open_dataset(tmp_path)["hangups"]) == 8


# -- who may read


def test_answers_as_they_come_are_for_their_user_alone(tmp_path: Path) -> None:
    from datetime import UTC, datetime

    before = os.umask(0o022)
    try:
        writer = DatasetWriter(tmp_path, DAY, NAMES)
        writer.journal("source", datetime.now(UTC))
        writer.quarantine(["{}"])
        writer.write("hangups", rows(TABLES["hangups"], 2))
        assert stat.S_IMODE((tmp_path / "_work" / "journal").stat().st_mode) == 0o600
        commit = writer.commit([], {}, whole=False)
    finally:
        os.umask(before)
    modes = {name: stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("_work", "_quarantine", "hangups")}
    assert modes == {"_work": 0o700, "_quarantine": 0o700, "hangups": 0o755}
    assert stat.S_IMODE((tmp_path / str(commit.quarantine)).stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "_work" / "journal").stat().st_mode) == 0o600


def test_the_log_is_read_once_it_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "_commits").write_text("a file")
    with pytest.raises(DatasetError, match="_commits is a file, and has to be a folder of its own"):
        log.numbers(Layout(tmp_path))
