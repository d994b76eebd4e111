"""What type checkers see: `typing_clients.py` is checked with mypy --strict."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from conv_analytics import api

HERE = Path(__file__).parent


@pytest.mark.slow
@pytest.mark.xdist_group("mypy")
def test_types_of_the_clients() -> None:
    command = [sys.executable, "-m", "mypy", "--strict", str(HERE / "typing_clients.py")]
    checked = subprocess.run(command, capture_output=True, text=True, check=False, cwd=HERE.parents[1])
    ours = [line for line in checked.stdout.splitlines() if "typing_clients" in line or "conv_analytics/api" in line]
    assert ours == []
    assert checked.returncode in {0, 1}, checked.stderr


def test_exported_names() -> None:
    assert api.__all__ == sorted(api.__all__)
    assert all(hasattr(api, name) for name in api.__all__)
