"""Frames of files that are only ever appended to: a key and a payload, after their sizes and a checksum.

A process that is killed, or a machine that loses power, leaves whole frames and at most one torn one at the end.
"""

from __future__ import annotations

import os
import struct
import zlib
from typing import BinaryIO, NamedTuple

#: Sizes of the key and of the payload, a number for the file's use, and a checksum of these and of what follows.
HEAD = struct.Struct("<IIII")
_SIZES = struct.Struct("<III")


class Frame(NamedTuple):
    """A frame of a file."""

    key: bytes
    payload: bytes
    number: int = 0
    """A number that the file stores with each frame, below 2^32."""


def encode(frame: Frame, seed: int = 0) -> bytes:
    """The bytes of a frame.

    Parameters
    ----------
    frame
        Its content.
    seed
        Where the checksum starts: with a number known only to the file, nobody else can put bytes into a payload that
        pass for a frame.
    """
    key, payload, number = frame
    sizes = _SIZES.pack(len(key), len(payload), number)
    checksum = zlib.crc32(payload, zlib.crc32(key, zlib.crc32(sizes, seed)))
    return b"".join((HEAD.pack(len(key), len(payload), number, checksum), key, payload))


def read(file: BinaryIO, end: int, seed: int = 0) -> Frame | None:
    """The frame at the file's position; None at the end, or if there is no whole one.

    Parameters
    ----------
    file
        The file; its position is after the frame, if there is one.
    end
        Where the file ends: nothing beyond is read, whatever a damaged size says. [B]
    seed
        The seed with which the frame was encoded.
    """
    head = file.read(HEAD.size)
    if len(head) < HEAD.size:
        return None
    key_size, payload_size, number, checksum = HEAD.unpack(head)
    if file.tell() + key_size + payload_size > end:
        return None
    content = file.read(key_size + payload_size)
    if len(content) < key_size + payload_size:
        return None
    if zlib.crc32(content, zlib.crc32(head[: _SIZES.size], seed)) != checksum:
        return None
    return Frame(content[:key_size], content[key_size:], number)


def write_all(handle: int, content: bytes) -> None:
    """Write bytes at the position of an open file, in as many calls as needed."""
    # Usually one call: killed at any instant, a process leaves whole frames or a torn one at the end.
    written = os.write(handle, content)
    while written < len(content):
        written += os.write(handle, content[written:])
