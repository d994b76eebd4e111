"""`conv-analytics publish`: what it prints, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from conv_analytics import open_dataset
from conv_analytics.cli import main
from tests._helpers.delta_tables import APPLICATION, FEW, OTHER, grown, is_same


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    grown(tmp_path / "exports", 0)
    return tmp_path / "exports"


def test_a_folder(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["publish", "exports", "--to", "delta://lake"]
    assert main([*command, "--dry-run"]) == 0
    printed = capsys.readouterr()
    assert "1 commit would be published to delta://lake" in printed.out
    assert not printed.err
    assert not Path("lake").exists()
    assert main(command) == 0
    printed = capsys.readouterr()
    assert "1 commit was published to delta://lake" in printed.out
    assert "commit 1: events, 3 rows (replace)\n" in printed.err
    lines = [line.split() for line in printed.out.splitlines()]
    assert [APPLICATION.lower(), "1", "hangups", "replace", "3", "1"] in lines
    assert main(command) == 0
    assert capsys.readouterr().out == "delta://lake is up to date\n"
    grown(root, 1)
    grown(root, 2)
    assert main([*command, "--quiet"]) == 0
    printed = capsys.readouterr()
    assert "2 commits were published" in printed.out
    assert not printed.err
    is_same(open_dataset(root), Path("lake"))


def test_json(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["publish", "exports", "--to", "delta://lake", "--json"]) == 0
    printed = capsys.readouterr()
    assert not printed.err
    done = json.loads(printed.out)
    assert {name: done[name] for name in ("target", "dry_run", "commits")} == {
        "target": "delta://lake", "dry_run": False, "commits": 1,
    }  # fmt: skip
    assert [each["table"] for each in done["tables"]] == [*FEW, "commits"]
    assert done["tables"][0] == {
        "application_id": APPLICATION.lower(), "commit": 1, "table": "conversations", "action": "replace", "rows": 3,
        "version": 1,
    }  # fmt: skip


def test_a_root_of_applications(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in (APPLICATION.lower(), OTHER):
        grown(tmp_path / "root" / f"application_id={name}", 0, application=name)
    target = f"delta://{tmp_path}/lake"
    assert main(["publish", f"{tmp_path}/root", "--to", target, "--application-id", OTHER]) == 0
    assert "1 commit was published" in capsys.readouterr().out
    assert main(["publish", f"{tmp_path}/root", "--to", target]) == 0
    printed = capsys.readouterr().out
    assert APPLICATION.lower() in printed
    assert OTHER not in printed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["exports", "--to", "lake"], "write delta:// before a folder"),
        (["nothing", "--to", "delta://lake"], "holds no export"),
        (["exports", "--to", "delta://exports"], "exports holds an export"),
        (["exports", "--to", "delta://lake", "--application-id", OTHER], "holds the application"),
        (["exports"], "--to"),
    ],
)
def test_what_has_to_be_changed(
    root: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(["publish", *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not Path("lake").exists()
