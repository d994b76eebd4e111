"""Opaque cursors: a position in a list that only this world can read (contract 2.4)."""

from __future__ import annotations

import base64
import binascii
import struct
from dataclasses import dataclass
from hashlib import blake2b

HEX_LENGTH = 64  # bytes; members' cursors are long lower-case hex
_PACKED = struct.Struct(">BBBq")
_SUM = 6


@dataclass(frozen=True, slots=True)
class Position:
    """Where a page begins: after `after`, in the order of the list."""

    after: int
    descending: bool
    page_size: int


class Cursors:
    """Write and read cursors; they are bound to the list they were made for (its path)."""

    def __init__(self, seed: int) -> None:
        """Derive the key from the world's seed, so that cursors are reproducible too."""
        self._key = f"cursor/{seed}".encode()

    def write(self, scope: str, position: Position, *, as_hex: bool = False) -> str:
        """Write a cursor: base64 with `+`, `/` and `=`, or hex."""
        flags = 1 if position.descending else 0
        plain = _PACKED.pack(1, flags, position.page_size, position.after)
        check = self._check(scope, plain)
        text = check + _mix(plain, self._stream(check))
        if as_hex:
            return (text + self._stream(text)[: HEX_LENGTH - len(text)]).hex()
        return base64.b64encode(text).decode()

    def read(self, scope: str, cursor: str) -> Position | None:
        """Read a cursor; None when it is not one of ours or belongs to another list."""
        try:
            is_hex = len(cursor) == 2 * HEX_LENGTH
            raw = bytes.fromhex(cursor) if is_hex else base64.b64decode(cursor, validate=True)
        except (ValueError, binascii.Error):
            return None
        check, hidden = raw[:_SUM], raw[_SUM : _SUM + _PACKED.size]
        plain = _mix(hidden, self._stream(check))
        if len(plain) != _PACKED.size or self._check(scope, plain) != check:
            return None
        _, flags, page_size, after = _PACKED.unpack(plain)
        return Position(after, bool(flags), page_size)

    def _check(self, scope: str, plain: bytes) -> bytes:
        return blake2b(scope.encode() + plain, key=self._key, digest_size=_SUM).digest()

    def _stream(self, salt: bytes) -> bytes:
        return blake2b(salt, key=self._key, digest_size=64).digest()


def _mix(text: bytes, stream: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(text, stream, strict=False))
