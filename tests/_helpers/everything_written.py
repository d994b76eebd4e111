"""Everything that a run left to be seen: what was printed, the names and bytes of files, what is inside of Parquet."""

from __future__ import annotations

import base64
import gzip
import json
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tests._helpers.command_line import Ended

_PACKED = re.compile(rb'"gz": ?"([A-Za-z0-9+/=]+)"')
_PICTURE = re.compile(rb"data:image/svg\+xml;base64,([A-Za-z0-9+/=]+)")


def pieces(folder: Path, *ended: Ended) -> Iterator[bytes]:
    """All of it, piece by piece: a cell of a table is a piece of its own."""
    for end in ended:
        yield end.out.encode()
        yield end.err.encode()
    for path in folder.rglob("*"):
        yield str(path.relative_to(folder)).encode()
        if path.is_file():
            content = path.read_bytes()
            yield content
            yield from _inside(path, content)


def _inside(path: Path, content: bytes) -> Iterator[bytes]:
    if path.suffix == ".parquet" and content.endswith(b"PAR1"):
        table = pq.read_table(path)
        yield repr(table.schema.metadata).encode()
        for column in table.columns:
            for value in pa.chunked_array(column).to_pylist():
                yield str(value).encode("utf-8", "surrogatepass")
    if path.suffix == ".jsonl":
        for line in content.splitlines():
            yield base64.b64decode(json.loads(line).get("raw_base64", ""))
    yield from unpacked(content)


def unpacked(content: bytes) -> Iterator[bytes]:
    """What a page holds packed: the events of timelines, and pictures."""
    for found in _PACKED.findall(content):
        yield gzip.decompress(base64.b64decode(found))
    for found in _PICTURE.findall(content):
        yield base64.b64decode(found)


def bare(piece: bytes) -> str:
    """A text as somebody compares it who does not care how it is spelled: letters and digits alone."""
    text = piece.decode("utf-8", "replace")
    if "\\u" in text:
        text = re.sub(r"\\u([0-9a-fA-F]{4})", lambda found: chr(int(found[1], 16)), text)
    if text.isascii():
        return text.casefold()
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(str(unicodedata.decimal(char, char)) for char in folded if unicodedata.category(char) != "Cf")
