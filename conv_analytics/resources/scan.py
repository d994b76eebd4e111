"""Take JSON apart without decoding it.

The fallback when a decoder refuses a document because of one record in it (half a surrogate pair, a thousand brackets):
the records are cut out as bytes, so that the others are read and the bad one is quarantined as received.
Nothing here recurses, and string contents are never examined.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import msgspec

#: The depth at which a list is looked for in ``_embedded``. One ``data`` around it is all that was ever seen.
LEVELS = 8

#: A string. Between backslashes it is skipped at once: character by character took five times as long.
_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
#: From any place to the next comma or bracket, and to the next run of opening or of closing brackets; where neither
#: follows, to the end, or to a quote that nothing closes.
_OUTSIDE_STRINGS = (
    re.compile(rb'(?:[^",\[\]{}]++|%s)*+([\[\]{},])?+' % _STRING, re.DOTALL),
    re.compile(rb'(?:[^"\[\]{}]++|%s)*+([\[{]++|[\]}]++)?+' % _STRING, re.DOTALL),
)
#: The same after a quote that nothing closes: there are no strings any more, and to look for the end of one at each
#: escaped quote would take time that grows with the square of the length.
_ANYWHERE = (re.compile(rb"[^,\[\]{}]*+([\[\]{},])?+"), re.compile(rb"[^\[\]{}]*+([\[{]++|[\]}]++)?+"))
#: The key of a member.
_KEY = re.compile(rb'[^"\[\]{},:]*+(%s)' % _STRING, re.DOTALL)

#: Splits an object that is JSON throughout, in a tenth of the time.
_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])


def items(array: bytes) -> list[bytes]:
    r"""The items of a JSON array, each as written.

    >>> items(b'[1, {"a": [2, "]"]}, "x"]')
    [b'1', b'{"a": [2, "]"]}', b'"x"']
    """
    return [array[start:end].strip() for start, end in _spans(array, b"[")]


def members(document: bytes) -> dict[str, bytes]:
    """The members of a JSON object, values as written; the last of equal keys wins.

    >>> members(b'{"id": 7, "body": {"a": 1}}')
    {'id': b'7', 'body': b'{"a": 1}'}
    """
    try:
        return {name: bytes(value) for name, value in _MEMBERS.decode(document).items()}
    except (ValueError, RecursionError):
        return _members_by_hand(document)


def members_of_whole(document: bytes) -> dict[str, bytes]:
    """The members of an object that its last character closes; see `is_whole`. One look where both take two.

    Raises
    ------
    ValueError
        If the text is anything else.

    Examples
    --------
    >>> members_of_whole(b'{"id": 7}')
    {'id': b'7'}
    """
    if document[-1:] not in {b"}", b"]"}:
        raise ValueError("something follows the object")
    try:
        return {name: bytes(value) for name, value in _MEMBERS.decode(document).items()}
    except (ValueError, RecursionError):
        return _members_by_hand(document, whole=True)


def _members_by_hand(document: bytes, *, whole: bool = False) -> dict[str, bytes]:
    result = {}
    for start, end in _spans(document, b"{", whole=whole):
        member = document[start:end]
        key = _KEY.match(member)
        if key is None:
            raise ValueError("not a JSON object")
        colon = member.index(b":", key.end())
        result[_key(key.group(1))] = member[colon + 1 :].strip()
    return result


def is_whole(document: bytes) -> bool:
    """Whether a text is one object or array, closed by its last character; its content is not examined.

    >>> is_whole(b'{"a": [1, "]"]}'), is_whole(b'{"a": [1'), is_whole(b"[1], 2]")
    (True, False, False)
    """
    body = document.lstrip()
    if body[:1] not in {b"[", b"{"}:
        return False
    try:
        *_, end = _separators(body, 0)
    except ValueError:
        return False
    return end == len(body) - 1


def _key(text: bytes) -> str:
    name = text[1:-1].decode("utf-8", "replace")
    if "\\" not in name:
        return name
    try:
        return str(json.loads(f'"{name}"', strict=False))
    except ValueError:
        return name


def listed(embedded: bytes, name: str) -> bytes:
    """The list that a page embeds, as written, in any of its shapes (contract 2.3); empty when there is none.

    Raises
    ------
    ValueError
        If something else is there, or the text is cut off.

    Examples
    --------
    >>> listed(b'{"data": {"events": [1]}}', "events"), listed(b'{"events": {}}', "events")
    (b'[1]', b'')
    """
    part = embedded.strip()
    # Each level is scanned in full, so thousands of them would take thousands of times as long.
    for _ in range(LEVELS):
        if not part.startswith(b"{"):
            break
        inner = members(part)
        own = inner.get(name, b"null")
        if own.startswith(b"{"):
            if members(own):
                raise ValueError(f"{name} are not a list")
            return b""
        part = inner.get("data", b"") if own == b"null" else own
    if part in {b"", b"null"}:
        return b""
    if not part.startswith(b"["):
        raise ValueError(f"{name} are not a list")
    return part


def _spans(document: bytes, opening: bytes, *, whole: bool = False) -> Iterator[tuple[int, int]]:
    """The positions of the parts of the outermost array or object, which ends the document if it is to be whole."""
    body = document.strip()
    offset = document.index(body) if body else 0
    if body[:1] != opening:
        raise ValueError(f"not a JSON {'array' if opening == b'[' else 'object'}")
    start = offset + 1
    for place in _separators(document, offset):
        if document[start:place].strip():
            yield start, place
        start = place + 1
    if whole and start != len(document):
        raise ValueError("something follows the object")


def _separators(document: bytes, place: int) -> Iterator[int]:
    """The positions of the commas between the parts of the outermost array or object, and of its last bracket."""
    patterns, depth = _OUTSIDE_STRINGS, 0
    while token := patterns[depth > 1].match(document, place):
        mark, place = token[1], token.end()
        if mark is None:
            if place == len(document):
                break
            patterns = _ANYWHERE
        elif mark[:1] in b"[{":
            depth += len(mark)
        elif depth > 1:
            # Those that close a part; the next one may close the whole.
            closing = min(len(mark), depth - 1)
            depth, place = depth - closing, token.start(1) + closing
        else:
            yield place - 1
            if mark != b",":
                return
    raise ValueError("the JSON text is cut off")
