"""`conv-analytics replay` and `compact`: what they print, how they end, and what is left when they are killed."""

from __future__ import annotations

import json
import resource
import shutil
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from filelock import FileLock

from conv_analytics import open_dataset
from conv_analytics.cli import main
from conv_analytics.errors import DatasetError
from conv_analytics.sandbox import Sandbox
from conv_analytics.tables.flatten import flatten_events
from conv_analytics.tables.pages import Page
from conv_analytics.tables.seen_events import SeenEvents
from tests._helpers.command_line import commits, credentials, run, run_after
from tests._helpers.disk_changes import die_before_call
from tests._helpers.older_dataset import added, line
from tests.cli.bad_input import _obey_permissions

pytestmark = pytest.mark.slow

#: An event that today's reader reads, as an older one put it into the quarantine: without a row, and with empty cells.
NEW = b'{"id": 1, "type": "sip:hangup", "timestamp": "2026-11-19T12:00:00Z", "body": {"quality": {"mos_score": "4.1"}}}'
HALF = NEW.replace(b'"id": 1', b'"id": 2')


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli") / "exports"
    with Sandbox(seed=7, conversations=6, days=2) as sandbox:
        assert main([*map(str, ["export", folder, *credentials(sandbox), "--quiet"])]) == 0
    lines = [line("events", "CON-1", NEW, [], kept=False)]
    lines += [line("events", "CON-1", HALF, [("hangups", "mos_score")], event=2)]
    # To the older reader, this was no number.
    page = b'{"_embedded": {"events": [' + HALF.replace(b"4.1", b"n/a") + b"]}}"
    rows = flatten_events([Page("CON-1", page)], SeenEvents()).tables
    assert rows["hangups"]["mos_score"].to_pylist() == [None]
    added(folder, lines, rows=rows, watermarks={"CON-1": 2})
    added(folder, [line("events", "CON-1", b"[]", [], kept=False)])
    return folder


@pytest.fixture
def folder(exported: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(exported, tmp_path / "exports"))


@pytest.fixture
def held(folder: Path) -> Iterator[Path]:
    """A folder that another run writes to."""
    with FileLock(folder / "_work" / "lock"):
        yield folder


def call(*arguments: object) -> int:
    return main(list(map(str, arguments)))


def state(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_replay_says_what_came_of_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("replay", folder) == 0
    told = capsys.readouterr()
    assert told.err == ""
    assert told.out.splitlines() == [
        "3 records of the quarantine were read again",
        "  1 had no row, and have one now: commit 4",
        "  1 have a row with empty cells that can be read now",
        "  1 are as unreadable as before",
        f"Cells are filled in a copy only: conv-analytics replay {folder} --to NEW",
    ]
    assert call("replay", folder, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert {"records": 2, "added": 0, "cells": 1, "unreadable": 1, "commit": None}.items() <= found.items()
    assert commits(folder) == 4


def test_replay_without_anything_to_do_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Sandbox(seed=7, conversations=1, days=2) as sandbox:
        assert call("export", tmp_path / "out", *credentials(sandbox), "--quiet") == 0
    capsys.readouterr()
    assert call("replay", tmp_path / "out") == 0
    assert capsys.readouterr().out.splitlines()[-1] == "Nothing to do."


@pytest.mark.parametrize("command", ["replay", "compact"])
def test_a_copy_is_made_verified_and_shown(command: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    new, before = folder.parent / "new", state(folder)
    assert call(command, folder, "--to", new) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == f"{1 if command == 'replay' else 3} records are in the quarantine of the copy"
    assert "were copied to" in lines[-3]
    assert state(folder) == before
    assert call("verify", new) == 0
    assert call("status", new, "--last", 2) == 0
    assert "compacted" in capsys.readouterr().out
    rows = open_dataset(new)["hangups"]
    assert rows[rows["conversation_id"] == "CON-1"]["mos_score"].sum() == (8.2 if command == "replay" else 0)
    assert call(command, folder, "--to", folder.parent / "newer", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["commit"] == 4
    assert found["files"] < found["files_before"]
    assert found["replayed"]["added"] == (command == "replay")


def test_a_missing_quarantine_file_ends_with_3(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / str(open_dataset(folder).commits[-1].quarantine)).unlink()
    assert call("compact", folder, "--to", folder.parent / "copy") == 3
    assert "not copied: _quarantine/000003-" in capsys.readouterr().out
    assert call("replay", folder) == 3
    assert "not read: _quarantine/000003-" in capsys.readouterr().out
    assert call("replay", folder, "--to", folder.parent / "new") == 3
    assert commits(folder) == 4


@pytest.mark.parametrize("to", ["", ".", "inside", "..", "../other", "../file"])
@pytest.mark.parametrize("command", ["replay", "compact"])
def test_a_wrong_place_for_the_copy_ends_with_2(command: str, to: str, folder: Path) -> None:
    (folder.parent / "other").mkdir()
    (folder.parent / "other" / "something").write_text("else")
    (folder.parent / "file").write_text("else")
    before = state(folder.parent)
    assert call(command, folder, "--to", folder / to if to else "") == 2
    assert state(folder.parent) == before


@pytest.mark.parametrize("command", ["replay", "compact"])
def test_no_dataset_ends_with_2(command: str, tmp_path: Path) -> None:
    assert call(command, tmp_path / "nowhere", "--to", tmp_path / "new") == 2
    assert call(command, "", "--to", tmp_path / "new") == 2
    assert call("replay", tmp_path / "nowhere") == call("replay", "") == 2
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_written_to_ends_with_75_and_can_be_copied(held: Path) -> None:
    assert call("replay", held) == 75
    assert call("replay", held, "--to", held.parent / "new") == 0


@pytest.mark.parametrize("offset", [100, -100, -6])
def test_a_damaged_file_is_not_copied(offset: int, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its rows, its footer, and the length of the footer."""
    path = max((folder / "events").rglob("*.parquet"), key=lambda each: each.stat().st_size)
    content = bytearray(path.read_bytes())
    content[offset] ^= 1
    path.write_bytes(content)
    assert call("compact", folder, "--to", folder.parent / "new") == 2
    assert "SHA-256" in capsys.readouterr().err
    assert commits(folder.parent / "new") == 0


def test_a_full_disk_ends_with_3(folder: Path) -> None:
    little = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (2_000, 2_000))
    before = state(folder)
    done = run_after(little, "replay", folder)
    assert done.code == 3, done.err
    assert "Nothing was committed" in done.err
    assert commits(folder) == 3
    done = run_after(little, "replay", folder, "--to", folder.parent / "new")
    assert done.code == 3, done.err
    assert commits(folder.parent / "new") == 0
    assert {name: content for name, content in state(folder).items() if "_work" not in name}.items() <= before.items()
    # With room again the same commands work.
    assert call("replay", folder, "--to", folder.parent / "new") == call("replay", folder) == 0


def test_a_folder_that_may_not_be_written_can_be_copied(folder: Path) -> None:
    shutil.rmtree(folder / "_work")
    folder.chmod(0o500)
    try:
        done = run("replay", folder, before=_obey_permissions)
        assert (done.code, "Cannot write to" in done.err) == (2, True)
        assert run("replay", folder, "--to", folder.parent / "new", before=_obey_permissions).code == 0
    finally:
        folder.chmod(0o700)


STEPS = {
    "before the first file": ("writer", "write_table", 0),
    "between files": ("writer", "write_table", 1),
    "before the promise": ("os", "replace", 0),
    "before the first rename": ("os", "replace", 1),
    "between renames": ("os", "replace", 5),
    "before the commit": ("os", "link", 0),
}


def killed(step: str, *arguments: object) -> None:
    done = run_after(partial(die_before_call, *STEPS[step]), *arguments)
    assert done.code == -9, done.err


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
@pytest.mark.parametrize("step", STEPS)
def test_a_copy_that_is_killed_has_no_commit(step: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    new, before = folder.parent / "new", state(folder)
    killed(step, "replay", folder, "--to", new)
    assert state(folder) == before
    assert commits(new) == 0
    with pytest.raises(DatasetError):
        open_dataset(new)
    code = call("replay", folder, "--to", new)
    if "rename" in step or "commit" in step:
        assert code == 2
        assert "Delete the folder" in capsys.readouterr().err
        shutil.rmtree(new)
        code = call("replay", folder, "--to", new)
    assert code == 0
    assert call("verify", new) == 0


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
@pytest.mark.parametrize("step", ["between files", "before the first rename", "before the commit"])
def test_a_replay_that_is_killed_is_finished_or_done_again(step: str, folder: Path) -> None:
    killed(step, "replay", folder)
    assert call("replay", folder) == call("replay", folder) == 0
    events = open_dataset(folder)["events"]
    assert events[events["conversation_id"] == "CON-1"]["event_id"].tolist() == [2, 1]
    assert call("verify", folder) == 0
