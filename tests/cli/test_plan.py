"""`conv-analytics plan`, and the flags that it shares with `export`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from conv_analytics.cli import main
from conv_analytics.dataset import open_dataset
from conv_analytics.sandbox import Sandbox
from tests._helpers.command_line import credentials

pytestmark = pytest.mark.slow


def _run(sandbox: Sandbox, command: str, dest: Path, *arguments: str) -> int:
    return main([*map(str, [command, dest, *credentials(sandbox)]), *arguments])


def test_a_plan_is_printed_and_the_export_tells_how_far_off_it_was(
    small_sandbox: Sandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dest = tmp_path / "out"
    assert _run(small_sandbox, "plan", dest) == 0
    told = capsys.readouterr()
    assert told.err == ""
    assert "conversations  30 listed, 30 of them new; 30 will be requested" in told.out
    assert "looked at 20 of 30 new ones" in told.out
    assert [path.name for path in dest.iterdir() if list(path.iterdir())] == ["_work"]
    assert _run(small_sandbox, "plan", dest, "--json", "--sample", "30") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["requests"]["low"] == found["requests"]["high"]
    assert _run(small_sandbox, "export", dest, "--json", "--quiet") == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["planned"]["error"] == 0
    assert summary["requests"] == found["requests"]["expected"]
    assert open_dataset(dest).commits[-1].report["planned"] == summary["planned"]


def test_full_and_lookback(small_sandbox: Sandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dest = tmp_path / "out"
    for flags in ([], ["--lookback", "48h"], ["--lookback", "48h", "--sweep", "0d"], ["--full"]):
        assert _run(small_sandbox, "export", dest, "--json", "--quiet", "--allow-empty", *flags) == 0
    runs = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [run["not_probed"] > 0 for run in runs] == [False, True, False, False]
    assert open_dataset(dest).commits[-1].report["already_stored"] == small_sandbox.truth().events


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--lookback", "soon"], "--lookback: 'soon' is not a length of time. Accepted forms: "),
        (["--sweep", "1"], "--sweep: '1' is not a length of time."),
        (["--lookback", "0d"], "lookback is 0:00:00; it must be positive"),
        (["--full", "--lookback", "7d"], "give only one of them"),
    ],
)
def test_wrong_flags_are_told(
    flags: list[str], says: str, small_sandbox: Sandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in ("export", "plan"):
        assert _run(small_sandbox, command, tmp_path / "out", *flags) == 2
        assert says in capsys.readouterr().err
        assert not (tmp_path / "out").exists()
