"""Processes that kill themselves right before a chosen change of the disk."""

from __future__ import annotations

import os
import signal
import sys
from multiprocessing.process import BaseProcess
from typing import Any

import pyarrow.parquet as pq

from tests._helpers.patience import PATIENCE_S

#: What changes the files of a folder, as Python itself reports it, beside opening them to write.
_CHANGES = {"os.rename", "os.remove", "os.link", "os.truncate", "shutil.rmtree"}


def die_at(change: int, changes: Any) -> None:
    """Let this process count its changes in shared memory, and kill itself before one of them, counted from 1."""

    def look(event: str, args: tuple[Any, ...]) -> None:
        writes = event == "open" and isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if event in _CHANGES or writes:
            changes.value += 1
            if changes.value == change:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(look)


def changes_made(process: BaseProcess, change: int, changes: Any) -> int:
    """Wait for a process that dies at a change, or ends as usual if it comes to fewer; return how many it came to."""
    process.join(PATIENCE_S)
    made = int(changes.value)
    assert process.exitcode == (-signal.SIGKILL if made == change else 0), process.exitcode
    return made


def die_before_call(owner: str, name: str, after: int) -> None:
    """Let this process kill itself before a call of a function of `os`, or of a Parquet writer, after so many."""
    where: Any = {"os": os, "writer": pq.ParquetWriter}[owner]
    real, calls = getattr(where, name), 0

    def step(*args: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls > after:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **options)

    setattr(where, name, step)
