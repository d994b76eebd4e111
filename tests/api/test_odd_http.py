"""Headers, chunks and status lines of every kind of damage: the same error tree, and nothing of them in any message.

A small fuzz beside that of pages: the same examples each time.
"""

from __future__ import annotations

import gzip
import logging
import random
import traceback
from collections.abc import Iterator
from typing import Any

import pytest

from conv_analytics import errors
from conv_analytics.api import Retry
from tests._helpers.proxy import read_head, serving
from tests._helpers.scripted_server import Face

#: In every example; what a library quotes of the damage would hold it.
PLANTED = b"Trillian-447700900123"
GOOD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ndate: Sat, 21 Nov 2026 12:00:00 GMT\r\n"
    b"x-note: " + PLANTED + b"\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"
)
BODY = b'{"id":"CON-1","name":"' + PLANTED + b'"}'
TOTAL_TIMEOUT_FACTOR = GOOD + b"%x\r\n" % len(BODY) + BODY + b"\r\n0\r\n\r\n"
PLAIN = TOTAL_TIMEOUT_FACTOR.replace(b"transfer-encoding: chunked", b"content-length: %d" % len(BODY)).partition(
    b"\r\n\r\n"
)[0]

#: What is put in, or in the place of something.
PIECES = (
    b"\0", b"\r", b"\n", b"\r\n", b"\r\n\r\n", b":", b" ", b"\t", b"\xff\xfe", b"-1", b"9" * 30, b"0x10", b"zz",
    PLANTED, PLANTED + b":" + PLANTED, b"\r\n " + PLANTED, b"\r\ncontent-length: " + PLANTED, b"\r\ncontent-length: 5",
    b"\r\ntransfer-encoding: " + PLANTED, b"\r\ncontent-encoding: " + PLANTED, b"\r\ncontent-encoding: gzip",
    b"\r\ndate: " + PLANTED, b"\r\ndate: Fri, 31 Dec 9999 23:59:59 -2359", b"\r\ndate: Mon, 1 Jan 0001 00:00:00 +2359",
    b"\r\nretry-after: " + b"9" * 5000, b"\r\nretry-after: Fri, 31 Dec 9999 23:59:59 -2359", b"\r\nage: x",
    b"\r\nset-cookie: " + PLANTED, b"\r\nlocation: http://" + PLANTED, b"\r\nx: " + PLANTED * 1000,
    b"\r\n" + PLANTED * 500 + b": y", b"\r\nx: y" * 200, b"HTTP/1.1 103 " + PLANTED + b"\r\n\r\n",
)  # fmt: skip
STATUS = (
    b"200",
    b"099",
    b"1",
    b"2000",
    b"204",
    b"301",
    b"304",
    b"429",
    b"503",
    b"520",
    b"999",
    b"-12",
    b"two",
    PLANTED,
)


def _examples(count: int) -> Iterator[bytes]:
    for piece in PIECES:
        yield TOTAL_TIMEOUT_FACTOR.replace(b"\r\ndate", piece + b"\r\ndate", 1)
        yield TOTAL_TIMEOUT_FACTOR.replace(b"chunked\r\n\r\n", b"chunked\r\n\r\n" + piece, 1)
        yield PLAIN + piece + b"\r\n\r\n" + BODY
    for status in STATUS:
        yield TOTAL_TIMEOUT_FACTOR.replace(b"200 OK", status + b" " + PLANTED, 1)
    dice = random.Random(7)
    for _ in range(count):
        text = bytearray(dice.choice((TOTAL_TIMEOUT_FACTOR, PLAIN + b"\r\n\r\n" + BODY)))
        for _ in range(dice.randint(1, 3)):
            at = dice.randrange(len(text))
            text[at : at + dice.choice((0, 0, 1, 5, 40))] = dice.choice(PIECES)
        yield bytes(text[: dice.choice((len(text), dice.randrange(len(text))))])


EXAMPLES = tuple(_examples(120))


def test_the_examples_begin_with_an_answer_that_is_read(face: Face) -> None:
    assert _outcome(face, TOTAL_TIMEOUT_FACTOR) is None


@pytest.mark.slow
def test_odd_http_is_an_error_of_ours_that_quotes_nothing(
    face: Face, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.WARNING)
    for text in EXAMPLES:
        error = _outcome(face, text)
        if error is not None:
            told = "".join(traceback.format_exception(error)) + str(vars(error))
            # What a status says in words is the API's own; this one says nothing.
            assert PLANTED.decode() not in told, (text, told)
    assert PLANTED.decode() not in caplog.text
    out, err = capfd.readouterr()
    assert PLANTED.decode() not in out + err


def _outcome(face: Face, text: bytes) -> errors.APIError | None:
    """The error that an answer makes, if it does; any other exception fails the test."""

    def handle(connection: Any) -> None:
        read_head(connection)
        connection.sendall(text)

    with serving(handle) as address:
        options = {"base_url": f"http://{address}", "timeout": 2.0, "retries": Retry(repeats=0, max_retry_after_s=5)}
        try:
            face.call("get_conversation", "CON-1", options=options)
        except errors.APIError as error:
            return error
    return None


@pytest.mark.parametrize("given", [b"retry-after: 9\r\nRetry-After: 3600", b"retry-after: 3600\r\nretry-after: 9"])
def test_of_a_repeated_retry_after_both_clients_take_the_longest(face: Face, given: bytes) -> None:
    error = _outcome(face, b"HTTP/1.1 429 Too Many Requests\r\n" + given + b"\r\ncontent-length: 0\r\n\r\n")
    assert isinstance(error, errors.RateLimited)
    assert error.retry_after == 3600.0


def test_repeated_content_encodings_are_undone_one_after_the_other(face: Face) -> None:
    body = gzip.compress(gzip.compress(BODY))
    head = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n"
    assert _outcome(face, head % len(body) + body) is None
