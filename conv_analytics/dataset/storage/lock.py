"""One writer per dataset: a second run stops at once and says who holds the folder."""

from __future__ import annotations

import json
import os
import socket
from datetime import UTC, datetime

from filelock import FileLock, Timeout

from conv_analytics.dataset.storage.layout import LOCK, OWNER, Layout
from conv_analytics.errors import DatasetLocked, DestinationError
from conv_analytics.instants import utc_text


class WriterLock:
    """The lock of a dataset folder, from the first staged file to the commit.

    The operating system releases it when the process ends in whatever way, so a killed run blocks nobody.
    """

    def __init__(self, layout: Layout) -> None:
        self._lock = FileLock(layout.work / LOCK, timeout=0)
        self._owner = layout.work / OWNER
        self._root = layout.root

    def acquire(self) -> None:
        """Take the lock, or raise `DatasetLocked` naming the owner."""
        try:
            self._lock.acquire()
        except Timeout:
            raise DatasetLocked(self._root, self._describe()) from None
        except OSError as error:
            # Mostly the lock of another user's run, which this one may not open.
            reason = (
                f"the lock in its work folder cannot be taken ({error.strerror or error}); run as its user, or delete"
                " it when no run is under way"
            )
            raise DestinationError(self._root, reason) from error
        since = utc_text(datetime.now(UTC), "seconds")
        owner = {"pid": os.getpid(), "host": socket.gethostname(), "since": since}
        try:
            self._owner.write_text(json.dumps(owner), encoding="utf-8")
        except OSError as error:
            self.release()
            raise DestinationError(self._root, error.strerror or str(error)) from error

    def release(self) -> None:
        """Release the lock."""
        self._owner.unlink(missing_ok=True)
        self._lock.release()

    def holder(self) -> str | None:
        """Who holds the lock; None when nobody does. Nothing is left behind."""
        # A run writes its name right after it has taken the lock, and removes it before it lets go.
        if not self._owner.exists():
            return None
        try:
            self._lock.acquire()
        except Timeout:
            return self._describe()
        except OSError as error:
            return f"a run of another user ({error.strerror or error})"
        self._lock.release()
        return None

    def since(self) -> datetime | None:
        """Since when the lock is held, as its holder wrote it; None where that cannot be read."""
        try:
            moment = datetime.fromisoformat(json.loads(self._owner.read_text(encoding="utf-8"))["since"])
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)

    def _describe(self) -> str:
        try:
            owner = json.loads(self._owner.read_text(encoding="utf-8"))
            return f"process {owner['pid']} on {owner['host']} since {owner['since']}"
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return "another process"
