"""Where things lie in a dataset folder.

::

    exports/
      events/date=2026-11-21/000042-1a2b3c4d-0.parquet   finished, immutable files and nothing else
      _commits/000042.json                               what a run added
      _commits/000042-1a2b3c4d.parquet                   how far it came, when it met many conversations
      _work/1a2b3c4d/                                    staged files of a run under way; swept by the next
      _work/journal                                      answers that are not committed yet; the next run begins there
      _quarantine/000042-1a2b3c4d.jsonl                  what could not be read, as it came

A plain reader of a table's folder therefore never meets a half-written or foreign file.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from conv_analytics.errors import DestinationError

COMMITS, WORK, QUARANTINE = "_commits", "_work", "_quarantine"


@dataclass(frozen=True)
class Layout:
    """The paths of one dataset folder."""

    root: Path

    @property
    def commits(self) -> Path:
        """The commit log."""
        return self.root / COMMITS

    @property
    def work(self) -> Path:
        """Staged files and the lock; safe to delete between runs."""
        return self.root / WORK

    @property
    def quarantine(self) -> Path:
        """What could not be read."""
        return self.root / QUARANTINE

    @property
    def journal(self) -> Path:
        """The answers of a run under way."""
        return self.work / "journal"

    def commit(self, number: int) -> Path:
        """The record of one commit."""
        return self.commits / f"{number:06d}.json"

    def staging(self, run: str) -> Path:
        """Where a run keeps its files until they are finished."""
        return self.work / run

    def prepare(self) -> None:
        """Make the folders, or raise `DestinationError` saying why that cannot be."""
        if self.root.exists() and not self.root.is_dir():
            raise DestinationError(self.root, "it is a file; name a folder")
        try:
            for folder in (self.commits, self.work):
                folder.mkdir(parents=True, exist_ok=True)
            probe = self.work / ".writable"
            probe.write_bytes(b"")
            probe.unlink()
        except OSError as error:
            raise DestinationError(self.root, error.strerror or str(error)) from error


def marks_name(commit: int, run: str) -> str:
    """Path of the file with the marks of a commit, as `file_name`."""
    return f"{COMMITS}/{commit:06d}-{run}.parquet"


def file_name(table: str, day: date, commit: int, run: str, part: int) -> str:
    """Path of a file within the dataset, with slashes on every system."""
    return f"{table}/date={day.isoformat()}/{commit:06d}-{run}-{part}.parquet"
