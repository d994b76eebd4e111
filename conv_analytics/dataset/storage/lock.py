"""One writer per dataset: a second run stops at once and says who holds the folder."""

from __future__ import annotations

import json
import os
import socket
import time
from datetime import UTC, datetime

from filelock import FileLock, Timeout

from conv_analytics.dataset.storage.layout import LOCK, OWNER, Layout
from conv_analytics.errors import DatasetLocked, DestinationError
from conv_analytics.instants import utc_text

#: How long a run waits for a short one and for one without a name, and how often it checks. [s]
PATIENCE_S, _UNNAMED_S, _LOOK_S = 60.0, 0.5, 0.05


class WriterLock:
    """The lock of a dataset folder, from the first staged file to the commit.

    The operating system releases it when the process ends for any reason, so a killed run blocks nobody.

    Parameters
    ----------
    layout
        The folder.
    short
        Whether it is held for seconds, so that others may wait: see `wait_for_short_run`.
    """

    def __init__(self, layout: Layout, *, short: bool = False) -> None:
        self._short = short
        # Not of a thread: a run may commit in another thread than the one it began in.
        self._lock = FileLock(layout.work / LOCK, timeout=0, thread_local=False)
        self._owner = layout.work / OWNER
        self._root = layout.name

    def acquire(self) -> None:
        """Take the lock, or raise `DatasetLocked` naming the owner."""
        # The owner writes its name just after it takes the lock, and removes it just before it releases it.
        unnamed = time.monotonic() + _UNNAMED_S
        try:
            while True:
                try:
                    self._lock.acquire()
                    break
                except Timeout:
                    if self._owner.exists() or time.monotonic() > unnamed:
                        raise DatasetLocked(self._root, self._describe()) from None
                    time.sleep(_LOOK_S)
        except OSError as error:
            # Usually the lock of another user's run, which this user may not open.
            reason = (
                f"the lock in its work folder cannot be taken ({error.strerror or error}); run as its user, or delete"
                " it when no run is under way"
            )
            raise DestinationError(self._root, reason) from error
        since = utc_text(datetime.now(UTC), "seconds")
        owner = {"pid": os.getpid(), "host": socket.gethostname(), "since": since, "short": self._short}
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
        """The holder of the lock; None when it is free. Nothing is left behind."""
        # A run writes its name right after it has taken the lock, and removes it before it releases it.
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
        """The time since when the lock is held, as written by its holder; None if that cannot be read."""
        try:
            moment = datetime.fromisoformat(json.loads(self._owner.read_text(encoding="utf-8"))["since"])
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)

    def is_short(self) -> bool:
        """Whether its holder announced a short run."""
        try:
            return json.loads(self._owner.read_text(encoding="utf-8"))["short"] is True
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return False

    def _describe(self) -> str:
        try:
            owner = json.loads(self._owner.read_text(encoding="utf-8"))
            return f"process {owner['pid']} on {owner['host']} since {owner['since']}"
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return "another process"


def wait_for_short_run(layout: Layout, patience_s: float = PATIENCE_S) -> None:
    """Return when no short run holds the lock of a folder, or after `patience_s` seconds."""
    lock, end = WriterLock(layout), time.monotonic() + patience_s
    while time.monotonic() < end and lock.is_short() and lock.holder() is not None:
        time.sleep(_LOOK_S)
