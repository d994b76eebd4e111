"""A run is there as a whole or not at all, whatever happens to the process, the disk or the files."""

from __future__ import annotations

import errno
import json
import os
import stat
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from conv_analytics import durable, open_dataset
from conv_analytics.dataset import DatasetWriter
from conv_analytics.dataset import writer as writing
from conv_analytics.dataset.storage import commit as log
from conv_analytics.dataset.storage import staged_files
from conv_analytics.dataset.storage.watermarks import Watermark
from conv_analytics.errors import (
    CorruptFile,
    DatasetError,
    DatasetLocked,
    DestinationError,
    SchemaChanged,
    TableNotFound,
)
from conv_analytics.tables import TABLES
from tests._helpers.table_rows import DAY, rows, watermarks

NAMES = ["events", "hangups", "leg_statuses"]


def write(root: Path, start: int = 0, height: int = 6, watermark: int = 1) -> log.Commit:
    writer = DatasetWriter(root, DAY, NAMES)
    fill(writer, start, height)
    return writer.commit([Watermark(f"CON-{start}", watermark)], {"start": start})


def fill(writer: DatasetWriter, start: int = 0, height: int = 6) -> None:
    for name in NAMES:
        writer.write(name, rows(TABLES[name], height, start=start))
    writer.quarantine([json.dumps({"start": start})])


def heights(root: Path) -> list[int]:
    return [len(pd.read_parquet(root / name)) for name in NAMES]


def state(root: Path) -> dict[str, int]:
    """Every file that counts, with its length."""
    work = root / "_work"
    return {
        str(path.relative_to(root)): path.stat().st_size
        for path in root.rglob("*")
        if path.is_file() and work not in path.parents
    }


def swept(root: Path) -> None:
    assert not [path for path in (root / "_work").iterdir() if path.is_dir() or path.name == "owner.json"]


def test_a_commit_says_what_it_added(tmp_path: Path) -> None:
    commit = write(tmp_path)
    assert commit.number == 1
    assert commit.rows == {"events": 6, "hangups": 6, "leg_statuses": 6}
    assert open_dataset(tmp_path).commits == (commit,)
    for file in commit.files:
        path = tmp_path / file.path
        assert (path.stat().st_size, durable.sha256(path), pq.read_metadata(path).num_rows) == (
            file.bytes,
            file.sha256,
            file.rows,
        )
    assert json.loads((tmp_path / str(commit.quarantine)).read_text()) == {"start": 0}
    assert commit.to_json() == (tmp_path / "_commits/000001.json").read_text()
    swept(tmp_path)


def test_watermarks_are_those_of_the_latest_commit_that_names_them(tmp_path: Path) -> None:
    for start, watermark in ((0, 3), (1, 5), (0, 9)):
        write(tmp_path, start, watermark=watermark)
    assert watermarks(tmp_path) == {"CON-0": 9, "CON-1": 5}


@pytest.mark.slow
def test_a_table_folder_never_holds_anything_but_finished_files(tmp_path: Path) -> None:
    """Watched while it is written, in many small row groups."""
    write(tmp_path)
    found: list[str] = []
    stop = threading.Event()
    looks = 0

    def watch() -> None:
        nonlocal looks
        while not stop.is_set():
            looks += 1
            for name in NAMES:
                for path in (tmp_path / name).rglob("*"):
                    if path.is_file():
                        try:
                            pq.ParquetFile(path).read(columns=["event_id"])
                        except Exception as error:  # noqa: BLE001  whatever a reader would see
                            found.append(f"{path}: {error}")
                    if path.is_file() and path.suffix != ".parquet":
                        found.append(str(path))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        for number in range(1, 5):
            writer = DatasetWriter(tmp_path, DAY, NAMES)
            for part in range(8):
                fill(writer, 100 * number + 10 * part)
                writer._files._flush()
            writer.commit({}, {})
    finally:
        stop.set()
        watcher.join()
    assert not found
    assert looks > 3
    assert heights(tmp_path) == [6 + 4 * 8 * 6] * 3


class Crash(BaseException):
    """The process dies here: nothing of ours runs any more."""


def dies_at(monkeypatch: pytest.MonkeyPatch, owner: object, name: str, call: int) -> None:
    """Let a function end everything at its n-th call."""
    real: Callable[..., object] = getattr(owner, name)
    calls = 0

    def step(*args: object, **kwargs: object) -> object:
        nonlocal calls
        calls += 1
        if calls == call:
            raise Crash
        return real(*args, **kwargs)

    monkeypatch.setattr(owner, name, step)


def run(writer: DatasetWriter) -> None:
    fill(writer, 50)
    writer.commit([Watermark("CON-50", 1)], {})


STEPS: dict[str, tuple[object, str, int, bool]] = {
    # where it dies, and whether the next writer finishes the run
    "while staging": (pq.ParquetWriter, "write_table", 2, False),
    "closing a file": (pq.ParquetWriter, "close", 2, False),
    "before the commit is prepared": (log, "prepare", 1, False),
    "writing the prepared commit": (durable, "write_atomically", 1, False),
    "before the first rename": (log, "finish", 1, True),
    "after the first rename": (durable, "publish", 4, True),
    "after the second rename": (durable, "publish", 5, True),
    "before the entry in the log": (durable, "create", 1, True),
    "while it has both names": (Path, "unlink", 1, True),
    "after the entry in the log": (writing.shutil, "rmtree", 1, True),
}


@pytest.mark.slow
@pytest.mark.parametrize("few", [writing.FEW, 0])
@pytest.mark.parametrize("step", STEPS)
def test_a_run_that_dies_is_finished_or_swept_by_the_next(
    step: str, few: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether its conversations are in its record or in a file beside it."""
    monkeypatch.setattr(writing, "FEW", few)
    owner, name, call, finished = STEPS[step]
    write(tmp_path)
    before = state(tmp_path)
    writer = DatasetWriter(tmp_path, DAY, NAMES)
    with monkeypatch.context() as patch:
        dies_at(patch, owner, name, call)
        with pytest.raises(Crash):
            run(writer)
    writer._lock.release()

    # What was there is there, and readers see it.
    now = state(tmp_path)
    assert before.items() <= now.items()
    entered = step in {"while it has both names", "after the entry in the log"}
    assert len(open_dataset(tmp_path)["events"]) == (12 if entered else 6)
    assert all(6 <= height <= 12 for height in heights(tmp_path))

    for _ in range(2):
        DatasetWriter(tmp_path, DAY, NAMES).abandon()
        swept(tmp_path)
        expected = 12 if finished else 6
        assert heights(tmp_path) == [expected] * 3
        dataset = open_dataset(tmp_path)
        assert [len(dataset[each]) for each in NAMES] == [expected] * 3
        assert len(dataset.commits) == 1 + finished
        assert ("CON-50" in watermarks(tmp_path)) == finished
        for commit in dataset.commits:
            assert (tmp_path / str(commit.quarantine)).exists()
    write(tmp_path, 90)
    assert heights(tmp_path) == [expected + 6] * 3
    assert [commit.number for commit in open_dataset(tmp_path).commits] == list(range(1, 3 + finished))


KILLED = """
    import os, signal, sys
    from pathlib import Path
    from conv_analytics.dataset import DatasetWriter
    from conv_analytics import durable
    from tests._helpers.table_rows import DAY
    from tests.dataset.storage.test_commits import NAMES, fill
    root, after = Path(sys.argv[1]), int(sys.argv[2])
    renames, real = 0, os.replace
    def replace(*args):
        global renames
        renames += 1
        if renames > after:
            os.kill(os.getpid(), signal.SIGKILL)
        real(*args)
    os.replace = replace
    link = os.link
    def linked(*args):
        if after == 99:
            os.kill(os.getpid(), signal.SIGKILL)
        link(*args)
    os.link = linked
    writer = DatasetWriter(root, DAY, NAMES)
    fill(writer, 50)
    writer.commit({}, {})
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
@pytest.mark.parametrize("after", [0, 1, 3, 99])
def test_a_killed_process_blocks_nobody_and_loses_nothing(after: int, tmp_path: Path) -> None:
    write(tmp_path)
    killed = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(KILLED), tmp_path, str(after)], check=False, timeout=120
    )
    assert killed.returncode == -9
    assert len(open_dataset(tmp_path)["events"]) == 6
    write(tmp_path, 90)
    # The promise is the first that gets its name: dying there gives the run up, with its quarantine.
    expected = 12 if after == 0 else 18
    assert len(list((tmp_path / "_quarantine").iterdir())) == len(open_dataset(tmp_path).commits)
    assert heights(tmp_path) == [expected] * 3
    assert [len(open_dataset(tmp_path)[name]) for name in NAMES] == [expected] * 3
    swept(tmp_path)


def test_a_second_writer_is_told_who_holds_the_folder(tmp_path: Path) -> None:
    first = DatasetWriter(tmp_path, DAY, NAMES)
    with pytest.raises(DatasetLocked, match=rf"is being written by process {os.getpid()} on .+ since 20") as caught:
        DatasetWriter(tmp_path, DAY, NAMES)
    assert f"process {os.getpid()}" in caught.value.owner
    fill(first)
    first.commit({}, {})
    write(tmp_path, 10)


@pytest.mark.slow
def test_another_process_is_told_too(tmp_path: Path) -> None:
    first = DatasetWriter(tmp_path, DAY, NAMES)
    code = f"""
        from pathlib import Path
        from conv_analytics.dataset import DatasetWriter
        from conv_analytics.errors import DatasetLocked
        from tests._helpers.table_rows import DAY
        try:
            DatasetWriter(Path({str(tmp_path)!r}), DAY, ["events"])
        except DatasetLocked as error:
            print(error)
    """
    said = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True, timeout=120
    )
    assert f"is being written by process {os.getpid()}" in said.stdout
    first.abandon()


def test_abandoning_leaves_nothing(tmp_path: Path) -> None:
    write(tmp_path)
    before = state(tmp_path)
    writer = DatasetWriter(tmp_path, DAY, NAMES)
    fill(writer, 50)
    writer._files._flush()
    writer.abandon()
    assert state(tmp_path) == before
    swept(tmp_path)
    fresh = tmp_path / "fresh"
    DatasetWriter(fresh, DAY, NAMES).abandon()
    assert state(fresh) == {}


# -- damage


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}", '{"format": 1}', '{"format": "x"}', "\x00\xff"])
def test_a_damaged_commit_is_named(text: str, tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "_commits/000001.json").write_text(text)
    with pytest.raises(CorruptFile, match=r"000001\.json is damaged.*Restore it"):
        open_dataset(tmp_path)
    with pytest.raises(DatasetError):
        watermarks(tmp_path)


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    write(tmp_path)
    path = tmp_path / "_commits/000001.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": log.FORMAT + 1, "new_key": True}))
    with pytest.raises(CorruptFile, match=rf"newer version \(format {log.FORMAT + 1}\); upgrade"):
        open_dataset(tmp_path)


@pytest.mark.parametrize("damage", ["missing", "truncated", "empty", "foreign"])
def test_a_damaged_file_is_named(damage: str, tmp_path: Path) -> None:
    commit = write(tmp_path)
    path = tmp_path / next(file.path for file in commit.files if file.table == "events")
    whole = path.read_bytes()
    {
        "missing": path.unlink,
        "truncated": lambda: path.write_bytes(whole[: len(whole) // 2]),
        "empty": lambda: path.write_bytes(b""),
        "foreign": lambda: path.write_bytes(b"PK\x03\x04" * 100),
    }[damage]()
    dataset = open_dataset(tmp_path)
    with pytest.raises(CorruptFile, match=r"\.parquet is damaged: .+\. Restore it") as caught:
        dataset["events"]
    assert caught.value.path == str(path)
    with pytest.raises(CorruptFile):
        dataset.arrow("events")
    assert len(dataset["hangups"]) == 6


def test_a_file_without_a_column_is_named(tmp_path: Path) -> None:
    commit = write(tmp_path)
    path = tmp_path / next(file.path for file in commit.files if file.table == "events")
    pq.write_table(pq.ParquetFile(path).read().drop_columns(["body"]), path)
    with pytest.raises(SchemaChanged, match=r"'body' of table 'events' is not in events/date="):
        open_dataset(tmp_path)["events"]


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"holds no export.*Run `conv-analytics export"):
        open_dataset(tmp_path)
    write(tmp_path)
    with pytest.raises(TableNotFound, match=r"no table 'event'.*Available: events, hangups, leg_statuses"):
        open_dataset(tmp_path)["event"]
    with pytest.raises(KeyError if issubclass(TableNotFound, KeyError) else TableNotFound):
        open_dataset(tmp_path)["messages"]


# -- places that cannot be written


def test_a_destination_that_is_a_file(tmp_path: Path) -> None:
    path = tmp_path / "exports"
    path.write_text("mine")
    with pytest.raises(DestinationError, match="it is a file; name a folder"):
        DatasetWriter(path, DAY, NAMES)
    with pytest.raises(DestinationError, match=r"Cannot write to"):
        DatasetWriter(path / "inside", DAY, NAMES)
    assert path.read_text() == "mine"


FULL = """
    import resource, signal, sys
    from pathlib import Path
    from conv_analytics.dataset import DatasetWriter
    from conv_analytics.dataset.storage import staged_files
    from conv_analytics.errors import DestinationError
    from tests._helpers.table_rows import DAY
    from tests.dataset.storage.test_commits import NAMES, fill
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
    staged_files.BUFFER_BYTES = int(sys.argv[3])
    writer = DatasetWriter(Path(sys.argv[1]), DAY, NAMES)
    try:
        for part in range(30):
            fill(writer, part, 4)
        writer.commit({}, {})
        print("committed")
    except DestinationError as error:
        writer.abandon()
        print(error)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")
@pytest.mark.parametrize(("limit", "buffer"), [(2_000, 1), (12_000, 1), (2_000, 10**9), (10, 1)])
def test_a_full_disk_leaves_everything_as_it_was(limit: int, buffer: int, tmp_path: Path) -> None:
    write(tmp_path)
    before = state(tmp_path)
    command = [sys.executable, "-c", textwrap.dedent(FULL), str(tmp_path), str(limit), str(buffer)]
    said = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    if limit == 10:
        # Not even the owner's name can be written.
        assert "DestinationError: Cannot write to" in said.stderr
    else:
        assert "File too large" in said.stdout, said
        assert "Nothing was committed" in said.stdout
        assert said.stderr == ""
    assert state(tmp_path) == before
    write(tmp_path, 90)
    assert heights(tmp_path) == [12] * 3
    swept(tmp_path)


@pytest.mark.slow
def test_rows_of_many_days_keep_few_files_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staged_files, "OPEN_FILES", 3)
    monkeypatch.setattr(staged_files, "BUFFER_BYTES", 1)
    writer = DatasetWriter(tmp_path, DAY, NAMES)
    for part in range(4):
        fill(writer, 8 * part, 40)
    commit = writer.commit({}, {})
    assert heights(tmp_path) == [160] * 3
    assert commit.rows == dict.fromkeys(NAMES, 160)
    assert len({file.path for file in commit.files}) == len(commit.files) > 30


def test_files_are_closed_before_they_have_many_row_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staged_files, "ROW_GROUPS", 3)
    writer = DatasetWriter(tmp_path, DAY, ["events"])
    for part in range(10):
        writer.place("events", DAY, rows(TABLES["events"], 4, start=10 * part))
        writer._files._flush()
    commit = writer.commit({}, {})
    groups = [pq.read_metadata(tmp_path / file.path).num_row_groups for file in commit.files]
    assert groups == [3, 3, 3, 1]
    whole = pq.read_table(tmp_path / "events", columns=["event_id"])
    assert len(set(whole["event_id"].to_pylist())) == commit.rows["events"] == 40


@pytest.mark.parametrize(
    ("heights", "codec"), [([6], "SNAPPY"), ([250, 6], "SNAPPY"), ([250, 7], "ZSTD"), ([4000], "ZSTD")]
)
def test_only_files_that_stay_small_are_compressed_by_snappy(tmp_path: Path, heights: list[int], codec: str) -> None:
    assert staged_files.SMALL_FILE_ROWS == 256
    writer = DatasetWriter(tmp_path, DAY, ["events"])
    for part, height in enumerate(heights):
        writer.place("events", DAY, rows(TABLES["events"], height, start=1000 * part))
    (file,) = writer.commit({}, {}).files
    group = pq.read_metadata(tmp_path / file.path).row_group(0)
    assert {group.column(number).compression for number in range(group.num_columns)} == {codec}
    assert len(open_dataset(tmp_path)["events"]) == sum(heights)


def test_few_rows_of_a_file_that_may_still_grow_are_compressed_by_zstd(tmp_path: Path) -> None:
    writer = DatasetWriter(tmp_path, DAY, ["events"])
    writer.place("events", DAY, rows(TABLES["events"], 4))
    writer._files._flush()
    writer._files._settle()
    (file,) = writer.commit({}, {}).files
    assert pq.read_metadata(tmp_path / file.path).row_group(0).column(0).compression == "ZSTD"


def test_the_next_number_is_never_taken_twice(tmp_path: Path) -> None:
    for number in range(3):
        assert write(tmp_path, number).number == number + 1
    (tmp_path / "_commits/notes.txt").write_text("not a commit")
    assert write(tmp_path, 9).number == 4
    taken = tmp_path / "taken.json"
    taken.write_text("{}")
    with pytest.raises(FileExistsError):
        durable.create(taken, tmp_path / "_commits/000002.json")
    assert open_dataset(tmp_path).commits[1].number == 2


@pytest.mark.parametrize("taken", [False, True])
def test_without_hard_links_a_commit_is_whole_or_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, taken: bool
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    source, target = tmp_path / "commit.json", tmp_path / "000001.json"
    source.write_text("new")
    if taken:
        target.write_text("old")
    monkeypatch.setattr(os, "link", refuse)
    if taken:
        with pytest.raises(FileExistsError):
            durable.create(source, target)
    else:
        durable.create(source, target)
    assert (target.read_text(), source.exists()) == (("old", True) if taken else ("new", False))


@pytest.mark.skipif(os.name == "nt", reason="folders are not synced there")
@pytest.mark.parametrize("number", [errno.EINVAL, errno.EBADF, errno.ENOTSUP, errno.EIO])
def test_a_file_system_that_syncs_no_folders_has_commits(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsync = os.fsync

    def refusing(handle: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(number, os.strerror(number))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", refusing)
    if number == errno.EIO:
        with pytest.raises(DestinationError):
            write(tmp_path)
        return
    assert write(tmp_path).number == 1
    assert heights(tmp_path) == [6, 6, 6]
    swept(tmp_path)


def test_a_disk_that_fails_is_not_taken_for_one_without_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "link", fail)
    source = tmp_path / "commit.json"
    source.write_text("new")
    with pytest.raises(OSError, match="full"):
        durable.create(source, tmp_path / "000001.json")
    assert [path.name for path in tmp_path.iterdir()] == ["commit.json"]


def test_a_dataset_is_read_on_from_another_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "exports")
    monkeypatch.chdir(tmp_path)
    dataset = open_dataset("exports")
    monkeypatch.chdir(tmp_path / "exports")
    assert str(dataset.path) == "exports"
    assert len(dataset["events"]) == 6
    with dataset.duckdb() as connection:
        assert connection.execute("select count(*) from events").fetchone() == (6,)
    assert all(path.is_file() for path in dataset.files("hangups"))
