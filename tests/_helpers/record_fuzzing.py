"""Mutated answers of the API, and what must hold of them in every function that an export hands them to.

One number is one mutated page, the same on every machine: `check([number])` repeats a finding.
"""

from __future__ import annotations

import base64
import functools
import io
import json
import random
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pyarrow as pa
import pyarrow.parquet as pq

from conv_analytics.api.page import Unusable, check_document, loads, read_page
from conv_analytics.dataset.memory.journal import Header, Journal
from conv_analytics.exporter.summaries import summary_of
from conv_analytics.resources.links import cursor_of, next_href
from conv_analytics.sandbox import Sandbox
from conv_analytics.tables import TABLES
from conv_analytics.tables.broken_records import BrokenRecord
from conv_analytics.tables.flatten import Rows, flatten_conversations, flatten_events, flatten_records
from conv_analytics.tables.pages import records
from conv_analytics.tables.seen_events import SeenEvents
from tests._helpers.document_reading import FIXTURES, NOW, Page, page

#: Stands under keys whose values may reach nothing that is kept.
PLANTED = "planted-3141592653"
SECRETS = frozenset({"password", "api_key", "sdp"})

DEPTH = 1500
#: Values as they are written, to be put in anywhere.
WILD: list[bytes] = [
    b"null", b"true", b"false", b"0", b"-1", b"7", b"1.5", b"-0.0", b"1e400", b"-1e400", b"NaN", b"-Infinity", b"1E2",
    b"9007199254740993", b"9223372036854775807", b"9223372036854775808", b"18446744073709551616", b"9" * 19, b"9" * 40,
    b"9" * 5000, b"-9223372036854775809", b"0.1234567890123456789", b"1234567890.123456789", b"01", b"+1", b".5",
    b'""', b'" "', b'"7"', b'"007"', b'"nan"', b'"1e3"', b'"true"', b'"\\ud83d"', b'"\\ude00\\ud83d"', b'"\\u0000"',
    b'"\x00"', b'"\xff\xfe"', '"\u00e9\U0001f600"'.encode(), b'"\n"', b'"\\x"', b'"' + b"x" * 70_000 + b'"',
    b'"2026-02-30T00:00:00Z"', b'"0001-01-01T00:00:00+14:00"', b'"9999-12-31T23:59:59.9999999-12:00"',
    b'"2026-02-03T08:14:10"', b'"2026-02-03T08:14:10.1234567+05:30"', b'"custom:x"', b'"message"',
    b'"leg:status:update"',
    b'"audio:asr:done"', b'"sip:hangup"', b'"\\u0063ustom:x"', b"[]", b"{}", b"[null]", b"[{}]", b"[[]]", b'{"":null}',
    b'{"a":1,"a":2}', b'{"id":"x","Id":"y","i.d":"z","i:d":0}', b'[1,"x",{"id":1}]', b'{"data":{"events":[{"id":1}]}}',
    b"[" * DEPTH + b"]" * DEPTH, b'{"from":' * DEPTH + b"1" + b"}" * DEPTH, b"[" * 30, b"}", b",", b":", b"", b"nul",
]  # fmt: skip
KEYS = ("id", "ID", "events", "data", "_embedded", "_links", "type", "body", "timestamp", "from", "", "\ud83d", "a.b",
        "a:b", "password", "channel", "results", "history", "next", "x" * 300)  # fmt: skip


@dataclass(frozen=True)
class Answer:
    """A body, and of which list it is; ``conversation`` for the answer to a GET of one."""

    list: str
    body: bytes


@dataclass
class Tally:
    """What became of some mutated pages."""

    pages: int = 0
    refused: int = 0
    """No pages any more: the client repeats the request and then says so."""
    records: int = 0
    rows: int = 0
    quarantined: int = 0
    lost: int = 0
    duplicates: int = 0
    counted: int = 0
    """Pages whose records another reader could count."""

    def __iadd__(self, other: Tally) -> Tally:  # noqa: PYI034  there are no subclasses
        for name in self.__dataclass_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        return self


# -- where mutations begin


@functools.cache
def answers() -> tuple[Answer, ...]:
    """Real answers: of a sandbox with every quirk and broken cells, in both shapes, and the recorded ones."""
    found: list[Answer] = []
    for shape in ("object", "list"):
        with Sandbox(seed=4, conversations=6, quirks=True, broken=0.1, events_shape=shape) as sandbox:
            found += _served(sandbox)
    events = [path.read_bytes() for path in sorted(FIXTURES.glob("event_*.json"))]
    found += [Answer("events", page(events[start : start + 3])) for start in range(0, len(events), 3)]
    for name in ("members", "users", "sessions", "conversations"):
        found += [Answer(name, path.read_bytes()) for path in sorted(FIXTURES.glob(f"page_{name}*.json"))]
    found += [Answer("conversation", path.read_bytes()) for path in sorted(FIXTURES.glob("conversation_*.json"))]
    return (*found, *map(_planted, range(3)))


def _served(sandbox: Sandbox) -> list[Answer]:
    found: list[Answer] = []

    def take(name: str, path: str, most: int = 6) -> None:
        target = f"{path}?page_size=4"
        for _ in range(most):
            body = _anywhere(sandbox, http.get(target).content)
            found.append(Answer(name, body))
            cursor = cursor_of(next_href(json.loads(body).get("_links")) or "")
            if cursor is None:
                return
            target = f"{path}?page_size=4&cursor={quote(cursor)}"

    with httpx.Client(base_url=sandbox.base_url, headers=sandbox.headers()) as http:
        take("conversations", "/v1/conversations")
        take("users", "/v1/users", 2)
        for ordinal in sandbox.world.ordinals:
            path = f"/v1/conversations/{sandbox.world.head(ordinal).id}"
            found.append(Answer("conversation", _anywhere(sandbox, http.get(path).content)))
            take("members", f"{path}/members", 2)
            take("events", f"{path}/events")
    return found


def _anywhere(sandbox: Sandbox, body: bytes) -> bytes:
    # The port of the sandbox is another one each time.
    return body.replace(sandbox.base_url.encode(), b"https://api.example")


def _planted(number: int) -> Answer:
    """Pages with secrets where the API puts them."""
    channel = {"type": "sip", "to": {"type": "sip", "uri": "sip:a@b.example", "password": PLANTED}, "api_key": PLANTED}
    body = {"channel": channel, "sdp": PLANTED, "direction": "inbound"}
    kinds = ["sip:ringing", "rtc:answered", "new:kind"]
    items = [{"id": 5 + place, "type": kind, "body": body} for place, kind in enumerate(kinds)]
    items.append({"id": 9, "type": kinds[number], "body": body, "undeclared": {"password": PLANTED}})
    if number == 1:
        member = {"id": "MEM-1", "state": "JOINED", "channel": channel, "undeclared": {"api_key": PLANTED}}
        return Answer("members", page([member, member], "members"))
    return Answer("events", page(items))


# -- mutations


def mutated(number: int) -> Answer:
    """A real answer after one to four mutations."""
    start = random.Random(number).choice(answers())
    return Answer(start.list, mutate(start.body, number))


def mutate(body: bytes, number: int) -> bytes:
    """A body after one to four mutations."""
    dice = random.Random(~number)
    for _ in range(dice.choice((1, 1, 1, 2, 2, 3, 4))):
        body = dice.choice(_MUTATIONS)(body, dice)
    return body


def _span(body: bytes, dice: random.Random, longest: int = 200) -> tuple[int, int]:
    start = dice.randrange(len(body) + 1)
    return start, min(len(body), start + dice.randint(1, longest))


def _flip(body: bytes, dice: random.Random) -> bytes:
    found = bytearray(body)
    for _ in range(dice.randint(1, 3) if found else 0):
        found[dice.randrange(len(found))] = dice.choice((dice.randrange(256), *b'{}[]",:\\0'))
    return bytes(found)


def _delete(body: bytes, dice: random.Random) -> bytes:
    start, end = _span(body, dice)
    return body[:start] + body[end:]


def _double(body: bytes, dice: random.Random) -> bytes:
    start, end = _span(body, dice)
    return body[:end] + body[start:]


def _splice(body: bytes, dice: random.Random) -> bytes:
    other = dice.choice(answers()).body
    start, end = _span(other, dice, 2000)
    place = dice.randrange(len(body) + 1)
    return body[:place] + other[start:end] + body[place:]


def _cut(body: bytes, dice: random.Random) -> bytes:
    return body[: dice.randrange(len(body) + 1)]


def _encode(body: bytes, dice: random.Random) -> bytes:
    text = body.decode("utf-8", "replace")
    code = dice.choice(("utf-8-sig", "utf-16", "utf-32", "latin-1", "bom twice", "spaces"))
    if code == "bom twice":
        return b"\xef\xbb\xbf" * 2 + body
    if code == "spaces":
        return b" \r\n\t" + body.replace(b":", b" :\t").replace(b",", b"\r\n, ") + b"\n "
    return text.encode(code, "replace")


def _shallow(body: bytes) -> Any:
    """The JSON of a body; None where it is none, or deeper than can be read on every stack."""
    try:
        return None if any(deep in body for deep in (b"[" * 50, b'{"from":' * 50)) else json.loads(body)
    except (ValueError, RecursionError):
        return None


def _change(body: bytes, dice: random.Random) -> bytes:
    """Change the JSON: a value, a key, a whole part; nothing where it is no JSON any more."""
    document = _shallow(body)
    places: list[tuple[Any, Any]] = []
    waiting = [document]
    while waiting:
        found = waiting.pop()
        inside = found.items() if isinstance(found, dict) else enumerate(found) if isinstance(found, list) else ()
        for key, value in inside:
            places.append((found, key))
            waiting.append(value)
    if not places:
        return body
    holder, key = dice.choice(places)
    way = dice.randrange(6)
    mark = '"@@wild@@"'
    wild = dice.choice(WILD)
    if way <= 2:
        holder[key] = "@@wild@@"
    elif way == 3:
        other, where = dice.choice(places)
        holder[key] = json.loads(json.dumps(other[where]))
    elif isinstance(holder, list):
        holder.insert(key, json.loads(json.dumps(holder[key])) if way == 4 else "@@wild@@")
    elif way == 4:
        holder[dice.choice(KEYS)] = holder.pop(key)
    else:
        # The same key twice: the second is the one that counts.
        mark, wild = '"@@twice@@": 0', json.dumps(key).encode() + b": " + wild
        holder["@@twice@@"] = 0
    try:
        text = json.dumps(document, ensure_ascii=dice.random() < 0.5)
        return text.encode("utf-8", "surrogatepass").replace(mark.encode(), wild)
    except (ValueError, RecursionError):
        return body


_MUTATIONS: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    *[_change] * 14, _flip, _flip, _delete, _double, _splice, _cut, _encode,
)  # fmt: skip


# -- what must hold


@dataclass
class _Taken:
    """The pages of one list that are pages still."""

    pages: list[Page] = field(default_factory=list)
    wanted: list[int | None] = field(default_factory=list)


def check(numbers: Sequence[int]) -> Tally:
    """Take mutated pages the way of an export; raise when something does not hold."""
    return check_answers([mutated(number) for number in numbers])


def check_answers(arrived: Sequence[Answer]) -> Tally:
    """Take pages the way of an export; raise when something does not hold."""
    tally = Tally()
    lists: dict[str, _Taken] = {}
    kept: list[bytes] = []
    for answer in arrived:
        tally.pages += 1
        body = _received(answer)
        if body is None:
            tally.refused += 1
            continue
        kept.append(body)
        taken = lists.setdefault(answer.list, _Taken())
        wanted = 1 if answer.list == "conversation" else count(body, answer.list)
        tally.counted += wanted is not None
        taken.pages.append(Page(f"CON-{len(taken.pages)}", body))
        taken.wanted.append(wanted)
    _journal(kept)
    for name, taken in lists.items():
        tally += _flattened(name, taken)
    return tally


def _received(answer: Answer) -> bytes | None:
    """What the client and the engine do with an answer; None for one that is none."""
    try:
        if answer.list == "conversation":
            body = check_document(answer.body)
            _look(body)
        else:
            body = read_page(answer.body, "/v1/x", None, answer.list).body
            for record in records(body, answer.list):
                _look(bytes(record))
    except Unusable:
        return None
    return body


def _look(record: bytes) -> None:
    summary = summary_of(record)
    assert summary.record_id is None or summary.record_id
    assert summary.last_event is None or summary.last_event >= 0
    assert len(summary.fingerprint) == 8
    assert summary.changed is None or summary.created is None or summary.changed >= summary.created


def _journal(bodies: Sequence[bytes]) -> None:
    """What is kept for the next run reads as the same number of records and holds no secret."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal"
        header = Header("https://api.example app", None, 1, NOW.isoformat())
        first = Journal(path, header)
        for number, body in enumerate(bodies):
            first.add(f"/{number}", body)
        first.close()
        with closing(Journal(path, header)) as again:
            for number, body in enumerate(bodies):
                back = again.take(f"/{number}")
                assert back is not None
                assert PLANTED.encode() not in back.body or not _only_secret(body), "a secret is in the journal"
                # Bodies of custom events are kept as they are, and an answer is secret in events of in-app legs alone:
                # what this reader does not know.
                if _only_secret(body) and not any(word in body for word in (b"custom", b"ephemeral", b'"answer"')):
                    kept, sent = _leaves(_parsed(back.body)), _leaves(_parsed(body), redacted=True)
                    assert kept == sent, "the journal changed an answer"


def _flattened(name: str, taken: _Taken) -> Tally:
    bodies = [each.body for each in taken.pages]
    if name == "events":
        rows, table = flatten_events(taken.pages, SeenEvents()), "events"
    elif name in {"conversation", "conversations"}:
        if name == "conversations":
            bodies = [bytes(record) for body in bodies for record in records(body, name)]
            taken.wanted = [None] * len(bodies)
        rows, table = flatten_conversations(bodies, NOW), "conversations"
    else:
        rows, table = flatten_records(name, taken.pages, NOW), name
    _conform(rows)
    _no_secret(rows, bodies)
    lost = [record for record in rows.broken if not record.has_row]
    found = rows.tables[table].num_rows + len(lost) + rows.duplicates
    cut = [len(bodies)] if table == "conversations" else [len(records(body, name)) for body in bodies]
    assert found == sum(cut), f"{found} of {sum(cut)} records"
    if "conversation_id" in rows.tables[table].column_names and table != "conversations":
        _each_page(rows, table, lost, taken)
    return Tally(
        records=sum(cut), rows=rows.tables[table].num_rows, quarantined=len(rows.broken), lost=len(lost),
        duplicates=rows.duplicates,
    )  # fmt: skip


def _each_page(rows: Rows, table: str, lost: Sequence[BrokenRecord], taken: _Taken) -> None:
    """Rows and lost records of each page are those that another reader counts in it."""
    found = Counter(rows.tables[table]["conversation_id"].to_pylist())
    found.update(record.conversation_id for record in lost)
    if rows.repeated is not None:
        found.update(rows.repeated["conversation_id"].to_pylist())
    for given, wanted in zip(taken.pages, taken.wanted, strict=True):
        if wanted is not None:
            assert found[given.conversation_id] == wanted, f"{found[given.conversation_id]} of {wanted} records"
    if table == "events":
        again = Counter() if rows.repeated is None else Counter(rows.repeated["conversation_id"].to_pylist())
        for given in taken.pages:
            ids = _ids(given.body)
            if ids is not None:
                assert again[given.conversation_id] <= len(ids) - len(set(ids)), "taken for a duplicate"


def _conform(rows: Rows) -> None:
    """Tables are as declared, down to the file; the quarantine's lines are JSON."""
    for name, made in rows.tables.items():
        declared = TABLES[name].schema
        assert made.schema.equals(declared, check_metadata=True), name
        made.validate(full=True)
        file = io.BytesIO()
        pq.write_table(made, file)
        back = pq.read_table(file)
        assert back.num_rows == made.num_rows
        assert back.schema.names == declared.names
    for record in rows.broken:
        line = record.to_json()
        assert "\n" not in line
        told = json.loads(line)
        assert told["problems"]
        line.encode()


def _no_secret(rows: Rows, bodies: Sequence[bytes]) -> None:
    # A mutation may have put the planted text elsewhere, where it is no secret.
    if not any(PLANTED.encode() in body for body in bodies) or not all(map(_only_secret, bodies)):
        return
    for name, made in rows.tables.items():
        for column in made.column_names:
            if pa.types.is_string(made[column].type):
                assert not any(PLANTED in text for text in made[column].drop_null().to_pylist()), (name, column)
    for record in rows.broken:
        told = json.loads(record.to_json())
        raw = (
            told["raw"] if told["raw"] is not None else base64.b64decode(told["raw_base64"]).decode("utf-8", "replace")
        )
        assert PLANTED not in raw, "a secret is in the quarantine"


def _parsed(body: bytes) -> Any:
    """The JSON of a body by the standard library alone, or the class of what it raised."""
    try:
        return json.loads(
            body.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace"),
            strict=False,
            parse_constant=lambda word: (word,),
        )
    except (ValueError, RecursionError) as error:
        return type(error)


def _plain(value: Any) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)


def _leaves(document: Any, *, redacted: bool = False) -> list[object]:
    """Keys, values and brackets in their order, however deep: what recursion could not look through."""
    found: list[object] = []
    waiting = [(document, False)]
    while waiting:
        value, hidden = waiting.pop()
        if isinstance(value, dict):
            found.append(("object", len(value)))
            for key, inner in reversed(value.items()):
                waiting += [(inner, hidden or (redacted and key in SECRETS)), (key, False)]
        elif isinstance(value, list):
            found.append(("list", len(value)))
            waiting += [(inner, hidden) for inner in reversed(value)]
        else:
            found.append("[redacted]" if hidden and _plain(value) else value)
    return found


def _planted_in(leaves: list[object]) -> int:
    return sum(leaf.count(PLANTED) for leaf in leaves if isinstance(leaf, str))


def _only_secret(body: bytes) -> bool:
    """Whether the planted text stands nowhere but where secrets do, and no key or event is of the user's own."""
    if PLANTED.encode() not in body:
        return True
    document = _parsed(body)
    if isinstance(document, type) or b"custom" in body or b"\\u" in body:
        return False
    # Of equal keys the last one counts for this reader; the first would hide in it.
    shown = body.count(PLANTED.encode()) == _planted_in(_leaves(document))
    return shown and not _planted_in(_leaves(document, redacted=True))


def count(body: bytes, name: str) -> int | None:
    """The records of a page, by the standard library and the contract; None when that cannot tell."""
    document = _parsed(body)
    if not isinstance(document, dict):
        return None
    found = document.get("_embedded")
    while isinstance(found, dict):
        inner = found.get(name)
        found = found.get("data") if inner is None else inner
        if inner == {}:
            return 0
    return len(found) if isinstance(found, list) else 0 if found is None else -1


def _ids(body: bytes) -> list[object] | None:
    """The ids of the events of a page as whole numbers; each that is none counts as one of its own."""
    document = _parsed(body)
    if not isinstance(document, dict):
        return None
    try:
        found = loads(body).get("_embedded")
    except (Unusable, AttributeError):
        return None
    while isinstance(found, dict):
        inner = found.get("events")
        found = found.get("data") if inner is None else inner
    ids: list[object] = []
    for place, record in enumerate(found if isinstance(found, list) else ()):
        value = record.get("id") if isinstance(record, dict) else None
        try:
            ids.append(int(value) if isinstance(value, int | float | str) and float(value) == int(value) else (place,))
        except (ValueError, OverflowError):
            ids.append((place,))
    return ids
