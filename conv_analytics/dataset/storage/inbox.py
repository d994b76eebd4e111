"""The inbox of a dataset folder: live events on their way into the tables.

A listener appends what it receives to a segment of its own, and answers when that is on the disk. A run folds the
segments in: it reads them from where the last run stopped, active ones too, and removes those that are sealed and read
to their end. A segment is sealed when its writer closed it, or died.

Nothing is ever appended behind a failed write, so an offset that a run has reached stays true: the next record goes to
a new segment.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
import uuid
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, BinaryIO, NamedTuple, Self

import msgspec
from filelock import FileLock, Timeout

from conv_analytics import durable
from conv_analytics.dataset.storage import frames
from conv_analytics.dataset.storage.frames import Frame
from conv_analytics.dataset.storage.layout import Layout, other_kind
from conv_analytics.errors import DatasetError, DestinationError
from conv_analytics.instants import from_micros, micros

FORMAT = 1
#: A segment that is larger, or older, is sealed before the next group.
LARGEST_SEGMENT, OLDEST_SEGMENT_S = 64 << 20, 600.0

_SUFFIX, _LOCK = ".segment", ".lock"
_NAME = re.compile(r"\d{8}T\d{12}-[0-9a-f]{8}")
#: How the keys of frames begin. Behind damage, the next whole frame is found by it.
_MAGIC = b"\x00inbox:"
_HEADER, _RECEIPT = _MAGIC + b"header", _MAGIC + b"1"
#: Data and size are enough: nobody asks when the file was changed.
_sync: Callable[[int], None] = getattr(os, "fdatasync", os.fsync)

_About = tuple[str, int, str, str | None, str, str, str]
_about = msgspec.json.Decoder(_About)


class Receipt(NamedTuple):
    """A request that a listener took in."""

    interface: str
    """``rtc`` or ``voice``."""
    received_at: datetime
    """[UTC, us]"""
    verification: str
    """``ok``, ``unsigned``, ``stale``, ``hash_mismatch``, ``hash_missing`` or ``unchecked``."""
    application_id: str | None
    """From the token; None without one."""
    method: str
    """``POST`` or ``GET``."""
    query: str
    """The parameters of a GET, percent-encoded as they came; empty for a POST, and when they are masked: then the body
    holds them."""
    content_type: str
    """Empty when there was none."""
    body: bytes
    """As it came, or masked."""


class Header(msgspec.Struct, frozen=True):
    """The first frame of a segment."""

    format: int
    mask: dict[str, Any] | None
    """The settings of the mask that the bodies were masked with; see `conv_analytics.privacy.Mask.settings`."""
    process: int
    """The listener."""


class Segment(NamedTuple):
    """A file of the inbox."""

    name: str
    """Unique for all time."""
    path: Path
    size: int
    """When it was listed. [B]"""
    sealed: bool
    """Whether nothing will be appended."""


class Damage(NamedTuple):
    """Bytes of a segment that are not a whole record."""

    segment: str
    start: int
    """[B]"""
    size: int
    """[B]"""
    torn: bool
    """Whether the segment ends with them: the last write was cut short, before it was answered."""

    def __str__(self) -> str:
        what = "end in the midst of a record" if self.torn else "are damaged"
        return f"{self.segment}: {self.size:,} bytes from {self.start:,} on {what}"


class InboxWriter:
    """Appends to the inbox of a folder; one writer per process, as many processes as there are listeners.

    Parameters
    ----------
    layout
        The folder; it and the inbox are made when they do not exist.
    mask
        The settings of the mask that bodies are masked with before they come here.
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
            # Events lie there unmasked, for nobody else to read.
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
            If the disk is full or fails. Nothing of the group is kept then, and the next call may work.
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
        """End writing."""
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
            # Somebody deleted it, such as a run on a machine that does not see this one's locks.
            self._abandon()
        raise FileNotFoundError(2, "segments vanish while they are written")

    def _abandon(self) -> None:
        """Give up the segment after a failure, without what came after its last whole group."""
        part, self._open = self._open, None
        if part is not None:
            part.cut()


class _OpenSegment:
    """The segment that a listener writes."""

    def __init__(self, folder: Path, header: bytes) -> None:
        self.name = f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{uuid.uuid4().hex[:8]}"
        self.begun = time.monotonic()
        self._path, self._seed = folder / f"{self.name}{_SUFFIX}", _seed(self.name)
        # The lock comes first: a segment without one is sealed. Closing may be another thread's business.
        self._lock = FileLock(folder / f"{self.name}{_LOCK}", timeout=0, mode=durable.PRIVATE, thread_local=False)
        self._lock.acquire()
        self._file: IO[bytes] | None = None
        try:
            self._file = open(self._path, "xb", buffering=0, opener=durable.private)  # noqa: SIM115 - until it is sealed
            first = frames.encode(Frame(_HEADER, header), self._seed)
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
        group = b"".join([_encoded(receipt, self._seed) for receipt in receipts])
        frames.write_all(self._file.fileno(), group)
        _sync(self._file.fileno())
        self.end += len(group)
        return len(group)

    def exists(self) -> bool:
        """Whether the file still has a name."""
        return self._file is not None and os.fstat(self._file.fileno()).st_nlink > 0

    def cut(self) -> None:
        """Close it, without what came after the last whole group; remove it if nothing is left."""
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
        _release(self._lock)


def segments(layout: Layout) -> list[Segment]:
    """The segments of a folder's inbox, oldest first.

    Raises
    ------
    DatasetError
        If the inbox cannot be read.
    """
    layout.check()
    try:
        paths = sorted(path for path in layout.inbox.glob(f"*{_SUFFIX}") if _NAME.fullmatch(path.stem))
    except OSError as error:
        raise DatasetError(f"The inbox {layout.inbox} cannot be read: {error.strerror or error}.") from error
    listed = []
    for path in paths:
        if other_kind(path) is not None:
            continue
        # In this order: the size of a sealed segment is final.
        sealed = _is_sealed(path)
        with contextlib.suppress(FileNotFoundError):
            listed.append(Segment(path.stem, path, path.stat().st_size, sealed))
    return listed


def header(segment: Segment) -> Header | None:
    """The header of a segment; None when it is damaged.

    Raises
    ------
    DatasetError
        If a later version of this package wrote it.
    """
    with segment.path.open("rb") as file:
        frame = frames.read(file, segment.size, _seed(segment.name))
    if frame is None or frame.key != _HEADER:
        return None
    try:
        first = msgspec.json.decode(frame.payload, type=Header)
    except msgspec.MsgspecError:
        return None
    if first.format > FORMAT:
        raise DatasetError(f"{segment.path} was written by a later version of conv-analytics. Use that one to read it.")
    return first


def read(segment: Segment, offset: int = 0) -> Iterator[tuple[int, Receipt | Damage]]:
    """The records of a segment, each with the offset where it ends, up to the last whole one.

    Of an active segment an unfinished record at the end is not there yet. Of a sealed one it is damage, so that
    whoever reads on always comes to the size of a sealed segment, or finds nothing more.

    Parameters
    ----------
    segment
        As it was listed: what was appended since then is left out.
    offset
        Where the last reading ended. [B]

    Raises
    ------
    FileNotFoundError
        If it was removed.
    """
    seed = _seed(segment.name)
    with segment.path.open("rb") as file:
        file.seek(offset)
        while offset < segment.size:
            frame = frames.read(file, segment.size, seed)
            receipt = _decoded(frame) if frame is not None else None
            if frame is None or (receipt is None and frame.key != _HEADER):
                following = _next_frame(file, offset, segment, seed)
                if following is None and not segment.sealed:
                    return
                end = segment.size if following is None else following
                yield end, Damage(segment.name, offset, end - offset, torn=following is None)
                offset = end
                file.seek(offset)
                continue
            offset = file.tell()
            if receipt is not None:
                yield offset, receipt


def is_consumed(segment: Segment, offset: int) -> bool:
    """Whether a segment is sealed, and has nothing more behind an offset."""
    return segment.sealed and next(read(segment, offset), None) is None


def remove(segment: Segment) -> bool:
    """Remove a segment that was read to its end; return False, and leave it, when it grew since it was listed."""
    try:
        if not segment.sealed or segment.path.stat().st_size > segment.size:
            return False
    except FileNotFoundError:
        return True
    segment.path.unlink(missing_ok=True)
    return True


def _encoded(receipt: Receipt, seed: int) -> bytes:
    about = msgspec.json.encode((receipt.interface, micros(receipt.received_at), *receipt[2:-1]))
    return frames.encode(Frame(_RECEIPT + about, receipt.body), seed)


def _decoded(frame: Frame) -> Receipt | None:
    if not frame.key.startswith(_RECEIPT):
        return None
    try:
        interface, received_us, verification, application, method, query, content_type = _about.decode(
            frame.key[len(_RECEIPT) :]
        )
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    received_at = from_micros(received_us)
    return Receipt(interface, received_at, verification, application, method, query, content_type, frame.payload)


def _next_frame(file: BinaryIO, start: int, segment: Segment, seed: int) -> int | None:
    """Where the first whole frame behind damage begins."""
    file.seek(start)
    rest = file.read(segment.size - start)
    place = rest.find(_MAGIC, frames.HEAD.size + 1)
    while place >= 0:
        begin = start + place - frames.HEAD.size
        file.seek(begin)
        if frames.read(file, segment.size, seed) is not None:
            return begin
        place = rest.find(_MAGIC, place + 1)
    return None


def _seed(name: str) -> int:
    """The checksums of a segment begin with its name, which no sender knows: no body can pass for a record."""
    return zlib.crc32(name.encode())


def _is_sealed(path: Path) -> bool:
    lock = FileLock(path.with_suffix(_LOCK), timeout=0, mode=durable.PRIVATE)
    if not path.with_suffix(_LOCK).exists():
        return True
    try:
        lock.acquire()
    except Timeout:
        return False
    except OSError:
        # Another user's listener, or a folder that may only be read: nobody knows, so nothing is removed.
        return False
    _release(lock)
    return True


def _release(lock: FileLock) -> None:
    """Release a lock, and remove its file."""
    lock.release()
    with contextlib.suppress(OSError):
        Path(lock.lock_file).unlink()
