"""mypy, run once for all tests that ask for its verdict: most of its time goes into the stubs of pandas."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
#: The package, and programs of users whose types are a claim.
CHECKED = ("conv_analytics", "tests/api/typing_clients.py", "tests/analysis/typing_questions.py")


@cache
def mypy_lines() -> tuple[str, ...]:
    """What `mypy --strict` says of all of `CHECKED`, a line each, without the line of the total.

    Tests that call this are in the group `mypy`, so that one worker runs it.
    """
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", *CHECKED]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    # Anything but "clean" and "there are errors" is a mypy that did not get to its end.
    assert done.returncode in {0, 1}, done.stdout + done.stderr
    lines = tuple(done.stdout.splitlines())
    assert bool(lines) == (done.returncode == 1), done.stdout + done.stderr
    assert all(line.startswith(CHECKED) for line in lines), done.stdout
    return lines


def errors_in(place: str) -> list[str]:
    """What mypy says of a file, or of all files of a folder."""
    assert (ROOT / place).exists()
    return [line for line in mypy_lines() if line.startswith(place)]
