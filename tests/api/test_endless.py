"""Servers that never end, or send more than they say: every request ends, within bounds of time, bytes and work."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import re
import socket
import time
import tracemalloc
import zlib
from collections.abc import Callable
from typing import Any

import pytest

from conv_analytics import errors
from conv_analytics.api import Retry
from conv_analytics.api.content_coding import MAX_MEMBERS, Content, DamagedContent, TooLong
from conv_analytics.api.large_bodies import LARGE_BYTES, MAX_AT_ONCE
from conv_analytics.exporter.event_pieces import documents_inside, event_pieces
from conv_analytics.exporter.json_pieces import json_pieces
from conv_analytics.settings import Settings
from conv_analytics.tables.webhook_bodies import outline
from tests._helpers.proxy import read_head, serving
from tests._helpers.scripted_server import Answer, Face, Server

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"


def _dripping(connection: socket.socket, first: bytes, drop: Callable[[int], bytes], pause_s: float = 0.01) -> None:
    read_head(connection)
    connection.sendall(first)
    for n in itertools.count():
        connection.sendall(drop(n))
        time.sleep(pause_s)


ENDLESS: dict[str, tuple[bytes, Callable[[int], bytes]]] = {
    "status line": (b"HTTP/1.1 200 ", lambda _: b"O"),
    "headers": (HEAD, lambda n: b"x-%d: y\r\n" % (n % 20) if n % 5 == 0 else b""),
    "a header": (HEAD + b"x: ", lambda _: b"y"),
    "interim answers": (b"", lambda _: b"HTTP/1.1 100 Continue\r\n\r\n"),
    "early hints": (b"", lambda _: b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n"),
    "body": (HEAD + b"content-length: 1000000\r\n\r\n", lambda _: b" "),
    "chunks": (HEAD + b"transfer-encoding: chunked\r\n\r\n", lambda _: b"1\r\n \r\n"),
    "a chunk's size": (HEAD + b"transfer-encoding: chunked\r\n\r\n", lambda n: b"0" if n % 100 == 0 else b""),
    "trailers": (HEAD + b"transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n", lambda n: b"x: y\r\n" * (n % 50 == 0)),
    "empty gzip members": (
        HEAD + b"content-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n",
        lambda _: b"14\r\n" + gzip.compress(b"", mtime=0) + b"\r\n",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ENDLESS)
def test_an_answer_that_never_ends_is_given_up(name: str, face: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    # Every pause is far shorter than the timeout: only the time of the whole request can end it.
    monkeypatch.setattr("conv_analytics.api.driver.TOTAL_TIMEOUT_FACTOR", 0.025)
    first, drop = ENDLESS[name]
    with serving(lambda connection: _dripping(connection, first, drop)) as address:
        options = {"base_url": f"http://{address}", "timeout": 10.0, "retries": Retry(repeats=0)}
        with pytest.raises(errors.TransportError) as caught:
            face.call("get_conversation", "CON-1", options=options)
    # Some libraries notice sooner that this is no HTTP.
    assert re.search(r"was not complete after 0\.25 s|is not HTTP|cannot be decompressed", str(caught.value))


def test_a_body_may_take_ten_times_the_timeout(settings: Settings) -> None:
    from conv_analytics import Conversations

    client = Conversations(settings=settings, timeout=7.0)
    assert client._wire.limit_s == 70.0


# -- compressed bodies


def _packed(body: bytes, *ways: str) -> bytes:
    for way in ways:
        if way == "raw":
            packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
            body = packer.compress(body) + packer.flush()
        else:
            body = gzip.compress(body, mtime=0) if way == "gzip" else zlib.compress(body)
    return body


@pytest.mark.parametrize("step", [1, 7, 1 << 20])
@pytest.mark.parametrize(
    ("encoding", "ways"),
    [
        (None, ()),
        ("identity", ()),
        ("gzip", ("gzip",)),
        ("X-GZIP", ("gzip",)),
        ("deflate", ("deflate",)),
        ("gzip, gzip", ("gzip", "gzip")),
        ("deflate, gzip", ("deflate", "gzip")),
        ("gzip,identity,deflate,gzip", ("gzip", "deflate", "gzip")),
    ],
)
def test_bodies_are_unpacked(encoding: str | None, ways: tuple[str, ...], step: int) -> None:
    body = bytes(range(256)) * 3000
    packed = _packed(body[: 700 * step], *ways)
    content = Content(encoding, 1 << 20)
    for start in range(0, len(packed), step):
        content.feed(packed[start : start + step])
    assert content.whole() == body[: 700 * step]


@pytest.mark.parametrize("step", [1, 2, 7, 1 << 20])
@pytest.mark.parametrize(("encoding", "ways"), [("deflate", ("raw",)), ("deflate, gzip", ("raw", "gzip"))])
@pytest.mark.parametrize("body", [b"", b"hello", b'{"id":1}' * 50, bytes(range(256))])
def test_deflate_without_its_header_is_unpacked(encoding: str, ways: tuple[str, ...], body: bytes, step: int) -> None:
    packed = _packed(body, *ways)
    for first in (0, 1, 2):
        content = Content(encoding, 1000)
        for piece in (b"", packed[:first], *(packed[at : at + step] for at in range(first, len(packed), step))):
            content.feed(piece)
        assert content.whole() == body


@pytest.mark.parametrize("step", [1, 2, 7, 1 << 20])
@pytest.mark.parametrize("end", [b"", bytes(512), b"\n", b"\r\n", b"\x1f", b"\n\x1f\x8b", b"\0\0\n", b"padding"])
def test_gzip_in_several_members_and_padded(end: bytes, step: int) -> None:
    for between in (b"", b"\0\0"):
        whole = gzip.compress(b"one ") + between + gzip.compress(b"two") + end
        content = Content("gzip", 1000)
        for at in range(0, len(whole), step):
            content.feed(whole[at : at + step])
        assert content.whole() == b"one two"


@pytest.mark.parametrize("step", [1, 1 << 20])
def test_a_member_that_is_cut_off_is_no_padding(step: int) -> None:
    whole = gzip.compress(b"one ") + gzip.compress(b"two" * 100)[:-9]
    content = Content("gzip", 1000)
    for at in range(0, len(whole), step):
        content.feed(whole[at : at + step])
    with pytest.raises(DamagedContent):
        content.whole()


BOMB = b"0" * (40 << 20)


@pytest.mark.parametrize("ways", [("gzip",), ("deflate",), ("gzip", "gzip"), ("gzip",) * 3, ("gzip",) * 4])
def test_a_bomb_ends_at_the_limit_however_often_it_is_packed(ways: tuple[str, ...]) -> None:
    packed = _packed(BOMB, *ways)
    tracemalloc.start()
    content = Content(", ".join(ways), 1 << 20)
    with pytest.raises(TooLong):
        content.feed(packed)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 << 20


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", b"not packed at all"),
        ("gzip", gzip.compress(b"hello" * 1000)[:-20]),
        ("gzip, gzip", gzip.compress(b"hello")),
        ("br", b"brotli"),
        ("gzip, " * 5, b""),
        ("deflate", b"\x78\x9c\xff\xff"),
        # Parts without end, within each other, too: nothing comes out, and the work ends.
        ("gzip", gzip.compress(b"") * (MAX_MEMBERS + 1)),
        ("gzip, gzip", gzip.compress(gzip.compress(b"") * (MAX_MEMBERS + 1))),
        ("deflate, gzip", gzip.compress(b"\x78\x9c" + b"\0\0\0\xff\xff" * (1 << 18))),
    ],
    ids=[
        "no gzip",
        "cut off",
        "packed once",
        "unknown",
        "too often",
        "damaged",
        "members",
        "inner members",
        "no output",
    ],
)
def test_damaged_bodies(encoding: str, body: bytes) -> None:
    def read() -> bytes:
        content = Content(encoding, 1 << 20)
        content.feed(body)
        return content.whole()

    with pytest.raises((DamagedContent, TooLong)):
        read()


def test_a_bomb_over_the_wire(face: Face, server: Server) -> None:
    server.script = [Answer(body=_packed(BOMB, "gzip", "gzip"), headers={"content-encoding": "gzip, gzip"})]
    with pytest.raises(errors.ResponseTooLarge):
        face.call("get_conversation", "CON-1", options={"max_body_bytes": 1 << 20})
    server.script = [Answer(body=b"{}", headers={"content-encoding": "br"})]
    with pytest.raises(errors.TransportError, match="cannot be decompressed"):
        face.call("get_conversation", "CON-1")


# -- many large bodies


@pytest.fixture
def large(server: Server) -> Server:
    text = "x" * (2 * LARGE_BYTES)
    server.script = [lambda asked: {"id": asked.path.rpartition("/")[2], "name": text}]
    return server


@pytest.mark.slow
@pytest.mark.parametrize("keep", [False, True], ids=["client", "bulk"])
def test_few_large_bodies_are_read_at_a_time_and_all_of_them_come(
    keep: bool, large: Server, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    from conv_analytics import Conversations
    from conv_analytics.api.large_bodies import LargeBodies

    most = 0
    entered = LargeBodies.enter

    async def watched(self: LargeBodies) -> None:
        nonlocal most
        await entered(self)
        most = max(most, self._busy())

    async def gate() -> None:
        """Let every request go."""

    async def ask(client: Any, n: int) -> int:
        body = await client.raw(_call(n))
        # Whoever has a body in hand does something with it.
        await asyncio.sleep(0)
        return len(body)

    async def ask_all() -> list[int]:
        blocking = Conversations(settings=Settings(large.base_url, settings.credentials))
        client = blocking.bulk(gate=gate, on_event=lambda _: None)
        client._driver.large.keep = keep
        async with client:
            return await asyncio.gather(*(ask(client, n) for n in range(8)))

    monkeypatch.setattr(LargeBodies, "enter", watched)
    assert min(asyncio.run(ask_all())) > LARGE_BYTES
    assert most == MAX_AT_ONCE


def _call(n: int) -> Any:
    from conv_analytics.resources import endpoints

    return endpoints.get_conversation(f"CON-{n}")


# -- texts that take a regular expression for ever


def _texts() -> dict[str, Callable[[int], object]]:
    from conv_analytics.api.page import Unusable, read_page
    from conv_analytics.privacy import Mask
    from conv_analytics.privacy.safe_patterns import LINK

    def page(body: bytes) -> object:
        try:
            return read_page(body, "/", None, "events")
        except Unusable as refused:
            return refused

    mask = Mask(b"a key of the tests, long enough")
    return {
        "<": lambda n: errors.ProblemDetails.read(b"<" * n),
        "< in a page": lambda n: page(b"<" * n),
        "eyJ": lambda n: errors.redact("eyJ" * n),
        "eyJ.": lambda n: errors.redact("eyJ." * n),
        "http://": lambda n: errors.redact("http://x" * n),
        "bearer": lambda n: errors.redact("bearer " * n),
        "BEGIN": lambda n: errors.redact("-----BEGIN PRIVATE KEY" * n),
        "cursor": lambda n: LINK.fullmatch("?" + "cursor=" * n + " "),
        "link": lambda n: LINK.fullmatch("/v1" + "/members" * n + " "),
        "data": lambda n: page(b'{"_embedded":' + b'{"data":' * n + b"1" + b"}" * (n + 1)),
        "data, cut off": lambda n: page(b'{"data":' * n),
        "a text of escaped quotes, cut off": lambda n: page(b'{"_embedded":["' + b'\\"' * n),
        "a key of escaped quotes, cut off": lambda n: page(b'{"_embedded":{"' + b'\\"' * n),
        "an object of escaped quotes, cut off": lambda n: outline(b'{"id": "\xff' + b'\\"' * n),
        "a line of escaped quotes, cut off": lambda n: list(json_pieces(iter([b'{"id": "' + b'\\"' * n + b"\n"]))),
        "pages in pages, cut off": lambda n: list(json_pieces(iter([b'{"_embedded":[' * n]))),
        "a query": lambda n: list(event_pieces(iter([b"a=&" * n]))),
        "queries that are no events": lambda n: list(event_pieces(iter([b"uuid=1&conversation_uuid=CON-1\n" * n]))),
        "targets": lambda n: list(event_pieces(iter([b'GET "/?a=1&uuid=' * n]))),
        "a log inside an envelope": lambda n: documents_inside(b'"' + b'INFO {\\"a=1&' * n + b'"'),
        "data, masked": lambda n: mask.page(b'{"_embedded":' + b'{"data":' * n + b"1" + b"}" * (n + 1)),
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", _texts())
def test_the_time_for_a_text_grows_with_its_length_only(name: str) -> None:
    # CPU time, the best of three: eight times the text takes eight times as long, not sixty-four.
    read = _texts()[name]

    def took(n: int) -> float:
        best = float("inf")
        for _ in range(3):
            began = time.process_time()
            read(n)
            best = min(best, time.process_time() - began)
        return best

    assert took(8_000) < 24 * took(1_000) + 0.1


def test_tokens_are_cut_out_wherever_they_stand() -> None:
    token = "eyJhbGciOi.eyJpYXQ.c2ln"
    for text in (token, f"x{token}", f"a.b-{token}", f"{token}.more", f"({token})", f"{token} {token}", f"...{token}"):
        assert not re.search("eyJhbG|c2ln", errors.redact(text)), text
    assert errors.redact("eyJ.a eyJabc. eyJab.cd.ef") == "eyJ.a eyJabc. eyJab.cd.ef"
