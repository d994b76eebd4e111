"""Write the tables of one run: stage, verify, publish, commit."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from conv_analytics import durable
from conv_analytics.dataset.memory.journal import Header, Journal
from conv_analytics.dataset.memory.stale_answers import stale_paths
from conv_analytics.dataset.storage import commit as log
from conv_analytics.dataset.storage.backends import backend_of
from conv_analytics.dataset.storage.commit import Commit, File
from conv_analytics.dataset.storage.layout import (
    COMMITS,
    QUARANTINE,
    STAGED_QUARANTINE,
    Layout,
    watermarks_name,
)
from conv_analytics.dataset.storage.lock import WriterLock
from conv_analytics.dataset.storage.staged_files import (
    Staged,
    StagedFiles,
    cannot_write,
    disk_errors,
    no_deadline,
    recorded,
)
from conv_analytics.dataset.storage.watermarks import Watermark, write_watermarks
from conv_analytics.errors import DestinationError
from conv_analytics.instants import utc_text

#: With more conversations than this, a commit keeps their watermarks in a file: its record is read whenever the dataset
#: is opened.
FEW = 1000


class DatasetWriter:
    """Takes rows of any table in any order, and commits them all at once or not at all.

    Parameters
    ----------
    root
        The dataset folder; made when it does not exist.
    day
        The partition of rows that have no instant: the UTC day of the run.
    tables
        The tables to write; rows of others that lists of the API fill are skipped.
    short
        Whether the run only takes seconds, so that a longer one may wait for it.
    """

    def __init__(self, root: Path, day: date, tables: Collection[str], *, short: bool = False) -> None:
        self.layout = Layout(root)
        self.layout.prepare()
        self._lock = WriterLock(self.layout, short=short)
        self._lock.acquire()
        self.run = uuid.uuid4().hex[:8]
        self._staging = self.layout.staging(self.run)
        try:
            with disk_errors(self.layout.root):
                backend_of(self.layout).require_create_once()
                log.recover(self.layout)
                self._staging.mkdir()
        except BaseException:
            self._lock.release()
            raise
        self.number = log.next_number(self.layout)
        self._day = day
        self.select(tables)
        self._quarantine = self._staging / STAGED_QUARANTINE
        self._journal: Journal | None = None
        self._in_time: Callable[[], None] = no_deadline

    def select(self, tables: Collection[str]) -> None:
        """Write other tables, before the first row: those that the folder has, now that it is locked."""
        self._files = StagedFiles(self.layout, self.number, self.run, self._day, tables)

    def journal(
        self, source: str, started: datetime, mask: str | None = None, history: Sequence[Commit] = ()
    ) -> Journal:
        """The journal of the run: it stores every answer until it is committed.

        Parameters
        ----------
        source
            Host and application of the requests.
        started
            When the run began.
        mask
            The settings of the mask of the answers.
        history
            The commits of the folder, oldest first: those since an interrupted run make some of its answers stale.
        """
        with disk_errors(self.layout.root):
            header = Header(source, mask, self.number, started.isoformat())
            self._journal = Journal(self.layout.journal, header, partial(stale_paths, self.layout, history))
        return self._journal

    def writes(self, name: str) -> bool:
        """Whether rows of a table are written."""
        return self._files.writes(name)

    def write(self, name: str, rows: pa.Table) -> None:
        """Add rows to a table."""
        self._files.write(name, rows)

    def place(self, name: str, day: date, rows: pa.Table) -> None:
        """Add rows to one day of a table, whatever their instants say."""
        self._files.place(name, day, rows)

    def keep_table(self, name: str) -> None:
        """Make sure that a table has a file, even without rows, so that readers find its columns."""
        self._files.keep_table(name)

    def quarantine(self, lines: list[str]) -> None:
        """Keep records that could not be read: one JSON object per line."""
        self._files.quarantine(lines)

    def commit(
        self,
        watermarks: Iterable[Watermark],
        report: Mapping[str, Any],
        *,
        whole: bool = True,
        in_time: Callable[[], None] = no_deadline,
        staged: Staged | None = None,
        removed: Collection[str] = (),
    ) -> Commit:
        """Finish every file, check it, put it in its place, and enter the run in the commit log.

        The journal is removed, unless the run was interrupted: then its answers serve the next one.

        Parameters
        ----------
        watermarks
            How far the run came, one for each conversation.
        report
            Its report.
        whole
            Whether the run came to its end.
        in_time
            Called between steps, by several threads, until the commit is promised. When it raises, the commit is not
            made, and only `abandon` may follow.
        staged
            The files that another process has written to the run's staging folder, in place of this writer's.
        removed
            Files of earlier commits that are no longer part of the dataset from this one on.
        """
        self._in_time = in_time
        with disk_errors(self.layout.root):
            files = (self._files if staged is None else staged).finish(in_time)
            few, filed = self._split_off(watermarks)
            commit = Commit(
                number=self.number,
                run=self.run,
                committed_at=utc_text(datetime.now(UTC), "seconds"),
                files=files,
                report=report,
                quarantine=self._finish_quarantine(),
                watermarks={each.conversation_id: each.last_event for each in few if each.last_event is not None},
                settled={each.conversation_id: each.settled for each in few if each.settled is not None},
                unfinished={each.conversation_id: each.unfinished for each in few if each.unfinished},
                conversations=filed,
                removed=tuple(sorted(removed)),
            )
            self._finish(log.prepare(self.layout, commit), commit)
            shutil.rmtree(self._staging, ignore_errors=True)
            if self._journal is not None:
                self._journal.remove() if whole else self._journal.rebase(commit.number + 1)
        self._lock.release()
        return commit

    def abandon(self) -> None:
        """Abandon the run; the dataset stays as it was, and the journal is left for the next run."""
        self._files.drop()
        # Once promised, some files may be in place; the next writer moves the others.
        if not log.promised(self._staging):
            shutil.rmtree(self._staging, ignore_errors=True)
        if self._journal is not None:
            self._journal.close()
        self._lock.release()

    def _finish(self, prepared: Path, commit: Commit) -> None:
        try:
            log.finish(self.layout, prepared, commit)
        except log.OvertakenError as error:
            log.drop(self.layout, commit)
            prepared.unlink(missing_ok=True)
            reason = (
                f"another run entered its commit {commit.number} meanwhile: {self._why_overtaken()}. Let one run at a"
                " time write there, and run this one again: what it read is requested again"
            )
            raise DestinationError(self.layout.name, reason) from error
        except OSError as error:
            raise cannot_write(self.layout.root, error, ". The run is kept, and the next one commits it") from error

    def _why_overtaken(self) -> str:
        if self.layout.bucket is None:
            return "locks do not work on this file system"
        return "a lock on this machine does not protect a bucket from other machines"

    def _split_off(self, watermarks: Iterable[Watermark]) -> tuple[list[Watermark], File | None]:
        """The watermarks of a commit when they are few; otherwise the file that they were written to."""
        waiting = iter(watermarks)
        first = list(islice(waiting, FEW + 1))
        if len(first) <= FEW:
            return first, None
        name = watermarks_name(self.number, self.run)
        path = self._staging / name
        path.parent.mkdir(exist_ok=True)
        return [], recorded(self._staging, name, COMMITS, write_watermarks(path, self._in_turn(chain(first, waiting))))

    def _in_turn(self, watermarks: Iterable[Watermark]) -> Iterator[Watermark]:
        for watermark in watermarks:
            self._in_time()
            yield watermark

    def _finish_quarantine(self) -> str | None:
        """Sync the quarantine file; return the name that it gets with the other files, once the run is promised."""
        if not self._quarantine.exists():
            return None
        durable.sync_file(self._quarantine)
        if self.layout.bucket is None:
            self.layout.quarantine.mkdir(mode=durable.PRIVATE_FOLDER, exist_ok=True)
        return f"{QUARANTINE}/{self.number:06d}-{self.run}.jsonl"
