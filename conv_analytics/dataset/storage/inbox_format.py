"""The format of the inbox: names of segments, locks, and records as frames."""

from __future__ import annotations

import contextlib
import re
import zlib
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from filelock import FileLock

from conv_analytics import durable
from conv_analytics.dataset.storage import frames
from conv_analytics.dataset.storage.frames import Frame
from conv_analytics.instants import from_micros, micros

FORMAT = 1
SUFFIX, _LOCK = ".segment", ".lock"
#: The suffix of a segment that could not be read completely.
DAMAGED = ".damaged"
NAME = re.compile(r"\d{8}T\d{12}-[0-9a-f]{8}")
#: The prefix of the keys of frames, by which the next whole frame after damage is found.
MAGIC = b"\x00inbox:"
HEADER, _RECEIPT = MAGIC + b"header", MAGIC + b"1"

_About = tuple[str, int, str, str | None, str, str, str]
_about = msgspec.json.Decoder(_About)


class Receipt(NamedTuple):
    """A request that a listener received."""

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
    """The parameters of a GET, percent-encoded as received; empty for a POST, and when they are masked: then the body
    holds them."""
    content_type: str
    """Empty when there was none."""
    body: bytes
    """As received, or masked."""


class Header(msgspec.Struct, frozen=True):
    """The first frame of a segment."""

    format: int
    mask: dict[str, Any] | None
    """The settings of the mask that the bodies were masked with; see `conv_analytics.privacy.Mask.settings`."""
    process: int
    """The listener."""


def encoded(receipt: Receipt, seed: int) -> bytes:
    """A receipt as a frame."""
    about = msgspec.json.encode((receipt.interface, micros(receipt.received_at), *receipt[2:-1]))
    return frames.encode(Frame(_RECEIPT + about, receipt.body), seed)


def decoded(frame: Frame) -> Receipt | None:
    """The receipt of a frame; None for one that has none."""
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


def seed_of(name: str) -> int:
    """The seed of a segment's checksums: its name, which no sender knows, so that no body can pass for a record."""
    return zlib.crc32(name.encode())


def lock_of(segment: Path) -> FileLock:
    """The lock that a segment's writer holds while it writes."""
    # Closing may be another thread's business.
    return FileLock(segment.with_suffix(_LOCK), timeout=0, mode=durable.PRIVATE, thread_local=False)


def release(lock: FileLock) -> None:
    """Release a lock, and remove its file."""
    lock.release()
    with contextlib.suppress(OSError):
        Path(lock.lock_file).unlink()
