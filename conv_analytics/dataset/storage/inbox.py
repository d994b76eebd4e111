"""The inbox of a dataset folder: live events on their way into the tables.

A listener appends received events to its own segment, and answers when they are on the disk. A run folds the segments
in: it reads them from where the last run stopped, active ones too, and removes those that are sealed and read to their
end. A segment is sealed when its writer closed it, or died.

Nothing is ever appended after a failed write, so an offset that a run has reached stays valid: the next record goes to
a new segment.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec
from filelock import Timeout

from conv_analytics.dataset.storage import frames
from conv_analytics.dataset.storage.inbox_format import (
    DAMAGED,
    FORMAT,
    HEADER,
    MAGIC,
    NAME,
    SUFFIX,
    Header,
    Receipt,
    decoded,
    lock_of,
    release,
    seed_of,
)
from conv_analytics.dataset.storage.layout import Layout, other_kind
from conv_analytics.errors import DatasetError

__all__ = ["Damage", "Header", "Receipt", "Segment", "header", "is_consumed", "read", "remove", "segments", "set_aside"]


class Segment(NamedTuple):
    """A file of the inbox."""

    name: str
    """Unique for all time."""
    path: Path
    size: int
    """Its size when it was listed. [B]"""
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
    """Whether they are the beginning of a record at the end: the last write was cut short, before it was answered."""

    def __str__(self) -> str:
        what = "end in the middle of a record" if self.torn else "are damaged"
        return f"{self.segment}: {self.size:,} bytes from {self.start:,} on {what}"


def segments(layout: Layout) -> list[Segment]:
    """The segments of a folder's inbox, oldest first.

    Raises
    ------
    DatasetError
        If the inbox cannot be read.
    """
    layout.check()
    try:
        paths = sorted(path for path in layout.inbox.glob(f"*{SUFFIX}") if NAME.fullmatch(path.stem))
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
        frame = frames.read(file, segment.size, seed_of(segment.name))
    if frame is None or frame.key != HEADER:
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

    Of an active segment an unfinished record at the end is not there yet. Of a sealed one it is damage, so that a
    reader always reaches the size of a sealed segment, or finds nothing more.

    Parameters
    ----------
    segment
        As listed: records appended since then are left out.
    offset
        Where the last reading ended. [B]

    Raises
    ------
    FileNotFoundError
        If it was removed.
    """
    seed = seed_of(segment.name)
    with segment.path.open("rb") as file:
        file.seek(offset)
        while offset < segment.size:
            frame = frames.read(file, segment.size, seed)
            receipt = decoded(frame) if frame is not None else None
            if frame is None or (receipt is None and frame.key != HEADER):
                following = _next_frame(file, offset, segment, seed)
                if following is None and not segment.sealed:
                    return
                end = segment.size if following is None else following
                torn = following is None and _is_cut(file, offset, segment.size)
                yield end, Damage(segment.name, offset, end - offset, torn)
                offset = end
                file.seek(offset)
                continue
            offset = file.tell()
            if receipt is not None:
                yield offset, receipt


def is_consumed(segment: Segment, offset: int) -> bool:
    """Whether a segment is sealed, and has nothing after an offset."""
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


def set_aside(segment: Segment) -> None:
    """Keep a segment with damage that was read to its end, under a name that no run reads."""
    with contextlib.suppress(FileNotFoundError):
        segment.path.replace(segment.path.with_suffix(DAMAGED))


def _is_cut(file: BinaryIO, start: int, end: int) -> bool:
    """Whether the file ends in the middle of a frame."""
    file.seek(start)
    head, key = file.read(frames.HEAD.size), file.read(len(MAGIC))
    if len(head) < frames.HEAD.size:
        return True
    # Bytes that do not begin as a frame are not a truncated frame, whatever their sizes say.
    return MAGIC.startswith(key) and start + frames.HEAD.size + sum(frames.HEAD.unpack(head)[:2]) > end


def _next_frame(file: BinaryIO, start: int, segment: Segment, seed: int) -> int | None:
    """The offset of the first whole frame after damage."""
    file.seek(start)
    rest = file.read(segment.size - start)
    place = rest.find(MAGIC, frames.HEAD.size + 1)
    while place >= 0:
        begin = start + place - frames.HEAD.size
        file.seek(begin)
        if frames.read(file, segment.size, seed) is not None:
            return begin
        place = rest.find(MAGIC, place + 1)
    return None


def _is_sealed(path: Path) -> bool:
    lock = lock_of(path)
    if not Path(lock.lock_file).exists():
        return True
    try:
        lock.acquire()
    except Timeout:
        return False
    except OSError:
        # Another user's listener, or a read-only folder: its state is unknown, so nothing is removed.
        return False
    release(lock)
    return True
