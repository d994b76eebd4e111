"""Appends to the inbox of a dataset folder: one writer per process, one segment at a time."""

from __future__ import annotations

import contextlib
import os
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Self

import msgspec

from conv_analytics import durable
from conv_analytics.dataset.storage import frames
from conv_analytics.dataset.storage.frames import Frame
from conv_analytics.dataset.storage.inbox_format import (
    FORMAT,
    HEADER,
    SUFFIX,
    Header,
    Receipt,
    encoded,
    lock_of,
    release,
    seed_of,
)
from conv_analytics.dataset.storage.layout import Layout
from conv_analytics.errors import DestinationError

#: A segment that is larger, or older, is sealed before the next group.
LARGEST_SEGMENT, OLDEST_SEGMENT_S = 64 << 20, 600.0

#: Data and size are enough: the time of the last change is not used.
_sync: Callable[[int], None] = getattr(os, "fdatasync", os.fsync)


class InboxWriter:
    """Appends to the inbox of a folder; one writer per process, any number of processes.

    Parameters
    ----------
    layout
        The folder; it and the inbox are created when absent.
    mask
        The settings of the mask that bodies are masked with before they are appended.
    largest, oldest_s
        When a segment is sealed, and the next one begun. [B, s]

    Raises
    ------
    DestinationError
        If nothing can be written there.
    """

    def __init__(
        self,
        layout: Layout,
        mask: Mapping[str, Any] | None = None,
        *,
        largest: int = LARGEST_SEGMENT,
        oldest_s: float = OLDEST_SEGMENT_S,
    ) -> None:
        self._folder = layout.inbox
        self._header = msgspec.json.encode(Header(FORMAT, dict(mask) if mask is not None else None, os.getpid()))
        self._largest, self._oldest_s = largest, oldest_s
        self._open: _OpenSegment | None = None
        if layout.root.exists() and not layout.root.is_dir():
            raise DestinationError(layout.root, "it is a file; name a folder")
        layout.check()
        try:
            layout.root.mkdir(parents=True, exist_ok=True)
            # Events are stored there unmasked, so nobody else may read it.
            self._folder.mkdir(mode=durable.PRIVATE_FOLDER, exist_ok=True)
            durable.sync_folder(layout.root)
        except OSError as error:
            raise DestinationError(self._folder, error.strerror or str(error)) from error

    @property
    def segment(self) -> str | None:
        """The name of the segment that is being written; None before the first record."""
        return self._open.name if self._open else None

    def append(self, receipts: Sequence[Receipt]) -> int:
        """Append a group of receipts, and return the bytes written when they are durable: one write, one sync.

        Raises
        ------
        DestinationError
            If the disk is full or fails. None of the group is stored then, and the next call may succeed.
        """
        if not receipts:
            return 0
        self.seal_old()
        with self._failing():
            return self._append(receipts)

    def probe(self) -> None:
        """Raise `DestinationError` unless something can be written now; for a listener whose last append failed."""
        if self._open is None:
            with self._failing():
                self._open = _OpenSegment(self._folder, self._header)

    def seal_old(self) -> None:
        """Seal the segment if it is large or old enough; for a listener that receives nothing, too."""
        part = self._open
        if part and (part.end >= self._largest or time.monotonic() - part.begun >= self._oldest_s):
            self.seal()

    def seal(self) -> None:
        """Close the segment, so that a run may remove it; the next record begins another."""
        part, self._open = self._open, None
        if part is not None:
            part.close()

    def close(self) -> None:
        """Seal the segment, and stop writing."""
        self.seal()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextlib.contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._abandon()
            raise DestinationError(self._folder, error.strerror or str(error)) from error

    def _append(self, receipts: Sequence[Receipt]) -> int:
        for _ in range(2):
            if self._open is None:
                self._open = _OpenSegment(self._folder, self._header)
            written = self._open.append(receipts)
            if self._open.exists():
                return written
            # It was deleted, for example by a run on a machine that does not see this one's locks.
            self._abandon()
        raise FileNotFoundError(2, "segments vanish while they are written")

    def _abandon(self) -> None:
        """Abandon the segment after a failure, cut after its last whole group."""
        part, self._open = self._open, None
        if part is not None:
            part.cut()


class _OpenSegment:
    """The segment that a listener writes."""

    def __init__(self, folder: Path, header: bytes) -> None:
        self.name = f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{uuid.uuid4().hex[:8]}"
        self.begun = time.monotonic()
        self._path, self._seed = folder / f"{self.name}{SUFFIX}", seed_of(self.name)
        # It comes first: a segment without one is sealed.
        self._lock = lock_of(self._path)
        self._lock.acquire()
        self._file: IO[bytes] | None = None
        try:
            self._file = open(self._path, "xb", buffering=0, opener=durable.private)  # noqa: SIM115 - until it is sealed
            first = frames.encode(Frame(HEADER, header), self._seed)
            frames.write_all(self._file.fileno(), first)
            _sync(self._file.fileno())
            durable.sync_folder(folder)
            self.start = self.end = len(first)
        except OSError:
            self.start = self.end = 0
            self.cut()
            raise

    def append(self, receipts: Sequence[Receipt]) -> int:
        """Write and sync."""
        assert self._file is not None
        group = b"".join([encoded(receipt, self._seed) for receipt in receipts])
        frames.write_all(self._file.fileno(), group)
        _sync(self._file.fileno())
        self.end += len(group)
        return len(group)

    def exists(self) -> bool:
        """Whether the file still has a name."""
        return self._file is not None and os.fstat(self._file.fileno()).st_nlink > 0

    def cut(self) -> None:
        """Close it, cut after the last whole group; remove it if nothing is left."""
        file = self._file
        with contextlib.suppress(OSError):
            if file is not None and self.end > self.start:
                file.truncate(self.end)
                os.fsync(file.fileno())
            else:
                self._path.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Close it; from now on it is sealed."""
        if self._file is not None:
            # A network file system may fail here; what was synced is safe.
            with contextlib.suppress(OSError):
                self._file.close()
        release(self._lock)
