"""`conv-analytics status`, and how a run ends that brings next to nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from conv_analytics.cli import main
from conv_analytics.dataset import Commit, open_dataset
from conv_analytics.sandbox import Sandbox
from tests._helpers.command_line import call, credentials


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(seed=5, conversations=6, days=2) as running:
        yield running


@pytest.fixture
def folder(sandbox: Sandbox, tmp_path: Path) -> Path:
    """Three runs, the second a backfill."""
    for more in ([], ["--since", "2020-01-01"], []):
        assert export(sandbox, tmp_path / "out", *more) == 0
    return tmp_path / "out"


def export(sandbox: Sandbox, dest: Path, *more: str) -> int:
    return main([*map(str, ["export", dest, *credentials(sandbox), "--quiet"]), *more])


def nights_before(folder: Path, events: int) -> None:
    """Let the runs that there are be those of the nights before, with so many new events each."""
    for number, commit in enumerate(open_dataset(folder).commits):
        at = f"2026-0{number + 1}-01T03:00:00Z"
        report = {**commit.report, "started_at": at, "since": None, "tables": {"events": events},
                  "events": events}  # fmt: skip
        (folder / "_commits" / f"{commit.number:06d}.json").write_text(replace(commit, report=report).to_json())


def test_status_shows_a_line_per_run_and_the_totals(
    sandbox: Sandbox, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert main(["status", str(folder)]) == 0
    told = capsys.readouterr()
    assert told.err == ""
    lines = told.out.splitlines()
    names = ["commit", "when", "status", "window", "listed", "events", "requests", "retries", "quarantined", "gone",
             "seconds", "warning"]  # fmt: skip
    assert lines[0].split() == names
    commits = open_dataset(folder).commits
    for line, commit in zip(lines[1:4], commits, strict=True):
        report = commit.report
        assert line.split()[0] == str(commit.number)
        assert report["started_at"][:16].replace("T", " ") in line
        assert "complete" in line
        assert f"{report['tables'].get('events', 0):,}" in line.split()
        assert f"{report['requests']:,}" in line.split()
    assert "2020-01-01 00:00 to ..." in lines[2]
    assert " all " in lines[1]
    assert f"events {sandbox.truth().events:>21,}".split() in [line.split() for line in lines[4:]]
    requests = sum(commit.report["requests"] for commit in commits)
    assert f"3 runs from {commits[0].report['started_at'][:10]}" in told.out
    assert f"{requests:,} requests (0 repeated)" in told.out


def test_status_as_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["status", str(folder), "--last", "2", "--json"]) == 0
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    dataset = open_dataset(folder)
    assert [entry["commit"] for entry in told["runs"]] == [2, 3]
    assert told["runs"][0]["since"] == "2020-01-01T00:00:00Z"
    assert list(told["runs"][0]) == list(dataset.history().columns)
    assert told["totals"]["runs"] == 3
    assert told["totals"]["rows"] == {name: dataset.rows(name) for name in dataset.tables}
    sizes = [path.stat().st_size for path in folder.rglob("*.parquet")]
    assert (told["totals"]["files"], told["totals"]["bytes"]) == (len(sizes), sum(sizes))


def test_last_chooses_how_many(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["status", str(folder), "--last", "1"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[1].split()[0] == "3"
    assert shown[2] == ""
    assert main(["status", str(folder), "--last", "0"]) == 2
    assert "--last is 0; it must be 1 or more" in capsys.readouterr().err


def test_a_folder_without_an_export_is_wrong_usage(tmp_path: Path) -> None:
    for dest in (tmp_path, tmp_path / "nowhere"):
        ended = call("status", dest)
        assert (ended.code, ended.out) == (2, "")
        assert "holds no export" in ended.err
    assert not (tmp_path / "nowhere").exists()
    assert call("status", " ").code == 2


def test_commits_that_tell_less_are_shown(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder / "_commits" / "000002.json"
    path.write_text(replace(Commit.read(path), report={"selected": ["events"]}).to_json())
    capsys.readouterr()
    assert main(["status", str(folder)]) == 0
    assert capsys.readouterr().out.splitlines()[2].split()[0] == "2"


def test_an_odd_night_ends_with_3_and_shows_in_the_status(
    sandbox: Sandbox, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nights_before(folder, 1000)
    capsys.readouterr()
    assert export(sandbox, folder, "--json") == 3
    told = capsys.readouterr()
    sentence = "No new event, where 1,000 are usual (median of the last 3 nights)"
    summary = json.loads(told.out)
    assert (summary["warning"], summary["commit"]) == (sentence, 4)
    assert told.err.startswith(f"conv-analytics: {sentence}. What there was is committed.")
    assert "add --allow-empty" in told.err
    assert told.err.count("\n") == 1
    assert main(["status", str(folder), "--last", "1"]) == 0
    assert capsys.readouterr().out.splitlines()[1].endswith(sentence)


def test_an_odd_night_can_be_allowed(sandbox: Sandbox, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nights_before(folder, 1000)
    capsys.readouterr()
    assert export(sandbox, folder, "--allow-empty") == 0
    told = capsys.readouterr()
    assert "warning: No new event, where 1,000 are usual" in told.out
    assert told.err == ""
