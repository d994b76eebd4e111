"""Completion at the Tab key, in a real bash."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest

from tests._helpers.command_line import call
from tests._helpers.patience import PATIENCE_S

pytestmark = [pytest.mark.slow, pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")]

_TRY = """
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
"$(complete -p conv-analytics | sed 's/.*-F \\([^ ]*\\) .*/\\1/')"
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("completion") / "conv-analytics.bash"
    path.write_text(call("completion", "bash").out)
    return path


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["kp"], {"kpi"}),
        (["re"], {"report", "reconcile", "replay"}),
        (["kpi", "--me"], {"--metrics"}),
        (["kpi", "--scope", ""], {"outbound", "inbound", "all"}),
        (["findings", "exp"], {"exports"}),
        (["kpi", "exports", "--map", "sit"], {"sites.csv"}),
        (["completion", ""], {"bash", "zsh"}),
    ],
)
def test_bash_completes(script: Path, words: list[str], expected: set[str]) -> None:
    (script.parent / "exports").mkdir(exist_ok=True)
    (script.parent / "sites.csv").touch()
    done = subprocess.run(
        ["bash", "-c", _TRY, "bash", script, "conv-analytics", *words],
        cwd=script.parent, capture_output=True, encoding="utf-8", check=True, timeout=PATIENCE_S,
    )  # fmt: skip
    assert set(done.stdout.split()) - {"-h", "--help"} == expected, done.stderr


def test_the_script_for_zsh_names_every_command() -> None:
    done = call("completion", "zsh")
    assert done.code == 0
    assert done.out.startswith("#compdef conv-analytics")
    assert '"findings:' in done.out or '"findings":' in done.out or "findings:" in done.out


def test_without_its_package_the_command_says_what_to_install() -> None:
    with mock.patch.dict(sys.modules, {"shtab": None}):
        done = call("completion", "bash")
    assert (done.code, done.out) == (2, "")
    assert "pip install 'conv-analytics[completion]'" in done.err
