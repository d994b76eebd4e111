"""Folds the inbox into the tables every few minutes, by a run in a separate process, when the folder is free."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from conv_analytics.dataset.storage import inbox
from conv_analytics.dataset.storage.layout import Layout
from conv_analytics.errors import DatasetError, DatasetLocked
from conv_analytics.errors.redaction import shorten
from conv_analytics.live.counts import Counts
from conv_analytics.log import LOGGER, Entry

#: Time after which a run that another one kept from starting is tried again. [s]
_AGAIN_S = 15.0
#: Exit codes of the command: another run has the folder; part of the inbox is damaged, and the rest committed.
_LOCKED, _INCOMPLETE = 75, 3
#: Events have priority: the run only gets the processor time that they leave.
_NICE = 10

Commit = Callable[[Path], object]


class ChildRun:
    """A run of ``conv-analytics ingest`` in a separate process, which takes no time from the event loop."""

    def __call__(self, dest: Path) -> None:
        """Run, and return when it has ended.

        Raises
        ------
        DatasetLocked
            If another run is writing to the folder.
        DatasetError
            If it failed, with the last line of its output.
        """
        with subprocess.Popen(  # noqa: S603 - this very program
            [sys.executable, "-m", "conv_analytics", "ingest", str(dest), "--json"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # Ctrl-C in a terminal is for the listener, which lets the run end. In a separate session, Linux would give
            # it as much time as the whole session of the listener, whatever its priority.
            process_group=0 if os.name == "posix" else None,
        ) as process:
            if hasattr(os, "setpriority"):
                with contextlib.suppress(OSError):
                    os.setpriority(os.PRIO_PROCESS, process.pid, _NICE)
            report, said = (text.decode("utf-8", "replace") for text in process.communicate())
        last = shorten((said.strip().splitlines() or [""])[-1].removeprefix("conv-analytics: "))
        if process.returncode == _LOCKED:
            raise DatasetLocked(dest, "another run")
        if process.returncode == _INCOMPLETE and report.strip():
            # With a full disk there is no report.
            LOGGER.warning(Entry("incomplete", {"reason": last}))
        elif process.returncode:
            raise DatasetError(f"The run that folds the inbox in ended with {process.returncode}: {last}")


class Committer:
    """Calls `commit` when there is something to fold in.

    Parameters
    ----------
    dest
        The folder.
    commit
        Folds the inbox of a folder in; raises `DatasetLocked` when another run has the folder.
    every_s
        How often. [s]
    counts
        Counters to update.
    """

    def __init__(self, dest: Path, commit: Commit, every_s: float, counts: Counts) -> None:
        self._dest, self._commit, self._every_s, self._counts = dest, commit, every_s, counts
        self._task: asyncio.Task[None] | None = None

    def start(self, before: Callable[[], Awaitable[None]]) -> None:
        """Begin, on the running event loop; `before` is called before each commit."""
        self._task = asyncio.create_task(self._run(before))

    async def stop(self) -> None:
        """Let a running commit finish, and start no other one."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def commit(self) -> bool:
        """Fold in all received events; return False when another run has the folder."""
        counts = self._counts
        if not counts.backlog.events:
            return True
        counts.backlog.committing()
        working = asyncio.create_task(asyncio.to_thread(self._commit, self._dest))
        try:
            await asyncio.shield(working)
        except asyncio.CancelledError:
            # A commit cannot be stopped halfway; a caller that cancels waits for it.
            with contextlib.suppress(Exception):
                await working
                self._count_commit()
            raise
        except DatasetLocked:
            counts.commits["locked"] += 1
            return False
        except Exception as error:  # noqa: BLE001  events come in whatever a run does; the reason is counted and logged
            counts.commits["failed"] += 1
            LOGGER.error(Entry("commit failed", {"error": type(error).__name__, "reason": shorten(str(error))}))
        else:
            self._count_commit()
        return True

    async def _run(self, before: Callable[[], Awaitable[None]]) -> None:
        wait_s = self._every_s
        while True:
            await asyncio.sleep(wait_s)
            await before()
            wait_s = self._every_s if await self.commit() else min(self._every_s, _AGAIN_S)

    def _count_commit(self) -> None:
        self._counts.backlog.committed()
        self._counts.commits["done"] += 1
        self._counts.last_commit = time.time()


def count_left(dest: Path, counts: Counts) -> None:
    """Add to the backlog what earlier listeners left in the inbox; some of it may be in the tables already."""
    for segment in inbox.segments(Layout(dest)):
        with contextlib.suppress(FileNotFoundError):
            for _, receipt in inbox.read(segment):
                if isinstance(receipt, inbox.Receipt):
                    counts.backlog.add(1, len(receipt.body), receipt.received_at.timestamp())
