"""The process that converts the pages of an export: found, watched and killed from outside."""

from __future__ import annotations

import time
from pathlib import Path

from tests._helpers.patience import PATIENCE_S

#: What stands in its command line, and in no other.
_MARK = b"conversion_worker import main"


def conversion_processes(parent: int | None = None) -> list[int]:
    """The processes that convert for an export, or for any; a zombie counts."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            marked = _MARK in (folder / "cmdline").read_bytes()
            stat = (folder / "stat").read_text()
        except OSError:
            continue
        state, of = stat.rpartition(")")[2].split()[:2]
        if parent is None:
            found += [int(folder.name)] if marked else []
        elif int(of) == parent and (marked or state == "Z"):
            found.append(int(folder.name))
    return found


def wait_for(parent: int) -> int:
    """The process that converts for an export, as soon as there is one."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        if found := conversion_processes(parent):
            return found[0]
        time.sleep(0.005)
    raise AssertionError("no process was started")


def gone(pid: int) -> bool:
    """Whether a process ends within moments, and is no zombie that somebody should have waited for."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        if not Path(f"/proc/{pid}").exists():
            return True
        time.sleep(0.02)
    return False
