"""A copy has the same files and commits, goes on where it was interrupted, and holds nothing that was damaged."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from conv_analytics import durable, open_dataset
from conv_analytics.cli import main
from conv_analytics.dataset import DatasetWriter
from conv_analytics.dataset.maintenance import copy as module
from conv_analytics.dataset.storage import commit as log
from conv_analytics.dataset.storage.watermarks import Watermark
from conv_analytics.dataset.writer import FEW
from conv_analytics.errors import ConfigError, CorruptFile, DatasetLocked
from conv_analytics.tables import TABLES
from tests._helpers.table_rows import DAY, rows, watermarks


def run(root: Path, number: int, *, marks: int = 1) -> None:
    writer = DatasetWriter(root, DAY + timedelta(days=number), ["events", "members"])
    for name in ("events", "members"):
        writer.write(name, rows(TABLES[name], 5, start=10 * number))
    writer.quarantine([f'{{"night": {number}}}'])
    writer.commit((Watermark(f"CON-{each}", number) for each in range(marks)), {"status": "complete"})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The second run has its watermarks in a file."""
    for number in range(3):
        run(tmp_path / "exports", number, marks=FEW + 1 if number == 1 else 1)
    return tmp_path / "exports"


def content(root: Path) -> dict[str, bytes]:
    """All that a dataset is; what is of a machine and a run is left out."""
    parts = {path.relative_to(root): path for path in root.rglob("*") if path.is_file()}
    return {name.as_posix(): path.read_bytes() for name, path in parts.items() if name.parts[0] != "_work"}


def test_it_is_the_same_byte_by_byte(root: Path, tmp_path: Path) -> None:
    copied = open_dataset(root).copy_to(tmp_path / "copy")
    assert content(tmp_path / "copy") == content(root)
    assert (copied.commits, copied.commits_before, copied.commit) == (3, 0, 3)
    assert copied.files == len(content(root)) - 3
    assert watermarks(tmp_path / "copy") == watermarks(root)
    assert not (tmp_path / "copy" / "_work" / "copy").exists()


def test_again_brings_what_is_new(root: Path, tmp_path: Path) -> None:
    open_dataset(root).copy_to(tmp_path / "copy")
    nothing = open_dataset(root).copy_to(tmp_path / "copy")
    assert (nothing.commits, nothing.files, nothing.commits_before) == (0, 0, 3)
    run(root, 4)
    assert open_dataset(root).copy_to(tmp_path / "copy").commits == 1
    assert content(tmp_path / "copy") == content(root)
    # A run goes on there; then it is another export.
    run(tmp_path / "copy", 5)
    run(root, 6)
    with pytest.raises(ConfigError, match=r"holds another export .* its commit 5 is not that"):
        open_dataset(root).copy_to(tmp_path / "copy")


@pytest.mark.parametrize("step", [2, 7, 8, 12])
def test_an_interrupted_copy_goes_on(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """Ended at any of its steps, it holds whole commits alone, and does not fetch again what it has."""
    target, steps = tmp_path / "copy", iter(range(1, 100))
    fetched: list[str] = []
    ended: list[Any] = []
    copy_bytes = module._copy_bytes

    def counted(call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **options: Any) -> Any:
            if next(steps) == step:
                ended.append(call)
                raise KeyboardInterrupt
            if call is copy_bytes:
                fetched.append(str(arguments[0]))
            return call(*arguments, **options)

        return wrapped

    with monkeypatch.context() as patch:
        patch.setattr(module, "_copy_bytes", counted(copy_bytes))
        patch.setattr(module.log, "prepare", counted(log.prepare))
        patch.setattr(module.log, "finish", counted(log.finish))
        with pytest.raises(KeyboardInterrupt):
            open_dataset(root).copy_to(target)
    before = set(content(target))
    commits = {name for name in before if name.endswith(".json")}
    for name in commits:
        assert {file["path"] for file in json.loads((target / name).read_bytes())["files"]} <= before
    monkeypatch.setattr(module, "_copy_bytes", counted(copy_bytes))
    open_dataset(root).copy_to(target)
    assert content(target) == content(root)
    again = {name for name in fetched if fetched.count(name) > 1}
    # No checksum is recorded of quarantines; between the last fetch and its promise, a commit is fetched once more.
    assert all("_quarantine" in name for name in again) or ended == [log.prepare]


def test_damage_is_not_copied(root: Path, tmp_path: Path) -> None:
    path = next((root / "events").rglob("000002-*"))
    whole = path.read_bytes()
    path.write_bytes(whole[:100] + bytes([whole[100] ^ 1]) + whole[101:])
    with pytest.raises(CorruptFile, match=r"other bytes than were recorded \(SHA-256\)"):
        open_dataset(root).copy_to(tmp_path / "copy")
    assert [commit.number for commit in open_dataset(tmp_path / "copy").commits] == [1]
    path.unlink()
    with pytest.raises(CorruptFile, match="it is missing"):
        open_dataset(root).copy_to(tmp_path / "copy")
    path.write_bytes(whole)
    open_dataset(root).copy_to(tmp_path / "copy")
    assert content(tmp_path / "copy") == content(root)


def test_what_was_pruned_is_not_in_the_copy_either(root: Path, tmp_path: Path) -> None:
    first_copy = tmp_path / "first"
    dataset = open_dataset(root)
    dataset.copy_to(first_copy)
    assert dataset.prune(DAY + timedelta(days=1)).files > 0
    for target in (first_copy, tmp_path / "second"):
        open_dataset(root).copy_to(target)
        assert content(target) == content(root)
        assert not [each for each in open_dataset(target).verify() if "prune" in each.advice]


@pytest.mark.parametrize("lost", [False, True])
def test_an_interrupted_copy_of_what_was_pruned_goes_on(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, lost: bool
) -> None:
    """The record of a pruned commit names files that no copy fetches; one that is lost meanwhile is fetched again."""
    target = tmp_path / "copy"
    assert open_dataset(root).prune(DAY + timedelta(days=1)).files > 0

    def ends(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(durable, "create", ends)
        with pytest.raises(KeyboardInterrupt):
            open_dataset(root).copy_to(target)
    there = [path for path in target.rglob("*.parquet") if path.parts[-3] in TABLES]
    if lost:
        there[0].unlink()
    open_dataset(root).copy_to(target)
    assert content(target) == content(root)


def test_other_places_are_refused(root: Path, tmp_path: Path) -> None:
    dataset = open_dataset(root)
    for target in (root, root / "copy", tmp_path):
        with pytest.raises(ConfigError, match="is inside"):
            dataset.copy_to(target)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match=r"is not empty: notes\.txt"):
        dataset.copy_to(tmp_path / "full")
    writer = DatasetWriter(tmp_path / "busy", DAY, ["events"])
    with pytest.raises(DatasetLocked):
        dataset.copy_to(tmp_path / "busy")
    writer.abandon()


def test_the_command(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["copy", str(root), str(tmp_path / "copy")]) == 0
    shown = capsys.readouterr().out
    assert "3 commits with 18 files" in shown
    assert f"{tmp_path / 'copy'} is at commit 3, as {root}" in shown
    assert main(["copy", str(root), str(tmp_path / "copy"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["commits_before"] == 3
    assert main(["copy", str(tmp_path / "nothing"), str(tmp_path / "other")]) == 2


@pytest.mark.parametrize("damage", ["", "\n", '{"night": 1}\n{"night": 1}\n', "[]\n", "{", "\udcff"])
def test_a_quarantine_that_has_not_the_records_of_its_run_is_not_copied(
    damage: str, root: Path, tmp_path: Path
) -> None:
    run_of_two = DatasetWriter(root, DAY + timedelta(days=9), ["events"])
    run_of_two.write("events", rows(TABLES["events"], 5, start=90))
    run_of_two.quarantine(['{"night": 9}', '{"night": 10}'])
    commit = run_of_two.commit({}, {"status": "complete", "quarantined": 2})
    file = root / str(commit.quarantine)
    whole = file.read_bytes()
    file.write_bytes(damage.encode("utf-8", "surrogateescape") if damage else whole.splitlines(keepends=True)[0])
    if damage != '{"night": 1}\n{"night": 1}\n':
        with pytest.raises(CorruptFile, match="records"):
            open_dataset(root).copy_to(tmp_path / "copy")
        assert len(open_dataset(tmp_path / "copy").commits) == 3
        file.write_bytes(whole)
    open_dataset(root).copy_to(tmp_path / "copy")
    assert content(tmp_path / "copy") == content(root)
