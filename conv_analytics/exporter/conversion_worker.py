"""The process that converts the pages of a run and writes their rows, while the run's own process downloads.

It ends when the run does, for whatever reason: the pipe that it reads from is closed then.
"""

from __future__ import annotations

import gc
import os
import pickle
import signal
import threading
from collections.abc import Collection, Hashable, Iterable, Mapping
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, BinaryIO

from conv_analytics.child_process import end_with, standard_streams
from conv_analytics.dataset.memory.event_index import StoredEvents
from conv_analytics.dataset.storage.commit import commits
from conv_analytics.dataset.storage.layout import Layout
from conv_analytics.dataset.storage.staged_files import StagedFiles
from conv_analytics.exporter.batch_converter import BatchConverter
from conv_analytics.exporter.conversion_task import FINISH, READY, ConversionTask, Failed
from conv_analytics.exporter.stored_rows import StoredRows

#: New objects after which the interpreter collects reference cycles; its default is 700.
_COLLECT_EVERY = 50_000


class _Sink:
    """Writes rows to the staging folder of a run; reads from the folder what earlier runs wrote."""

    def __init__(self, task: ConversionTask) -> None:
        layout = Layout(task.root)
        self.files = StagedFiles(layout, task.number, task.run, task.day, task.tables)
        self._stored = StoredRows(task.root, list(commits(layout, before=task.number)), full=task.full)
        self.watermarks = self._stored.watermarks
        self.writes, self.write, self.quarantine = self.files.writes, self.files.write, self.files.quarantine

    def stored_items(self, conversations: Collection[str]) -> Iterable[tuple[str, Hashable]]:
        return self._stored.items(conversations)

    def stored_events(self, conversations: Collection[str], *, required: bool = False) -> Mapping[str, StoredEvents]:
        return self._stored.events(conversations, required=required)


def main() -> None:
    """Serve one run, over the standard streams."""
    # A signal to all processes of a service is meant for the run, which may want to commit what it has.
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    # Batches are lists of many values without cycles: a collector that scans them again and again finds nothing.
    gc.freeze()
    gc.set_threshold(_COLLECT_EVERY, 10, 10)
    requests, answers = standard_streams()
    with suppress(BrokenPipeError):
        _serve(requests, answers)
    os._exit(1)


def _serve(requests: BinaryIO, answers: BinaryIO) -> None:
    task: ConversionTask = pickle.load(requests)  # noqa: S301  from the run that started this process
    waiting: SimpleQueue[Any] = SimpleQueue()
    threading.Thread(target=_read, args=(requests, waiting), daemon=True).start()
    threading.Thread(target=end_with, args=(task.parent,), daemon=True).start()
    try:
        sink = _Sink(task)
        converter = BatchConverter(sink, task.exported_at)
    except Exception as error:  # noqa: BLE001  raised where the run waits
        _answer(answers, Failed(error))
        return
    _answer(answers, READY)
    while True:
        message = waiting.get()
        try:
            answer: Any = sink.files.finish() if message == FINISH else converter.convert(message)
        except Exception as error:  # noqa: BLE001  raised where the run waits
            answer = Failed(error)
        # The next message is a long time away, and the pages of this one are large.
        del message
        _answer(answers, answer)


def _read(requests: BinaryIO, waiting: SimpleQueue[Any]) -> None:
    """Read messages; end the process at once when there will be no more, whatever it is doing."""
    try:
        while True:
            waiting.put(pickle.load(requests))  # noqa: S301  from the run that started this process
    except (EOFError, OSError, pickle.UnpicklingError):
        os._exit(0)


def _answer(answers: BinaryIO, answer: Any) -> None:
    try:
        content = pickle.dumps(answer, pickle.HIGHEST_PROTOCOL)
    except Exception:  # noqa: BLE001  an error may hold anything
        content = pickle.dumps(Failed(RuntimeError(repr(answer))))
    answers.write(content)
    answers.flush()
