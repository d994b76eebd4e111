"""The retry policy and the flows, stepped by hand: no network, no sleep."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from conv_analytics import errors
from conv_analytics.api.clock import ServerClock
from conv_analytics.api.flow import MAX_SLEEP_S, Reply, Rules, Send, Sleep, fetch
from conv_analytics.api.retry import Retry, retry_after
from conv_analytics.resources.endpoint import Call

NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)


def read(payload: Mapping[str, Any]) -> Any:
    return payload["id"]


GET = Call("GET", "/v1/x", read)
POST = Call("POST", "/v1/x", read, json={"a": 1})
GOOD = Reply(200, {}, b'{"id": 7}')


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def step(call: Call[Any], outcomes: list[Any], **policy: Any) -> tuple[Any, list[float]]:
    """Run a flow against prepared outcomes; its result or error, and the waits between the tries."""
    clock = Clock()
    retry = Retry(random=lambda: 1.0, clock=clock, **policy)
    flow = fetch(call, Rules(retry, clock=ServerClock(NOW.timestamp)))
    waits: list[float] = []
    asked = next(flow)
    remaining = iter(outcomes)
    try:
        while True:
            if isinstance(asked, Sleep):
                waits.append(asked.seconds)
                clock.now_s += asked.seconds
                asked = flow.send(None)
            else:
                assert asked == Send(call.method, "/v1/x", b'{"a":1}' if call.json else None)
                asked = flow.send(next(remaining))
    except StopIteration as end:
        return end.value, waits
    except errors.APIError as error:
        return error, waits


def answer(status: int, **headers: str) -> Reply:
    return Reply(status, {name.replace("_", "-"): value for name, value in headers.items()}, b"")


def lost(*, before_send: bool = False) -> errors.TransportError:
    return errors.TransportError("ReadError", method="GET", url="/v1/x", before_send=before_send)


def test_waits_double_up_to_the_cap() -> None:
    result, waits = step(GET, [answer(500)] * 9 + [GOOD], repeats=9)
    assert result == 7
    assert waits == [0.5, 1, 2, 4, 8, 16, 32, 60, 60]


def test_jitter_is_full() -> None:
    retry = Retry(random=lambda: 0.25)
    assert retry.start().wait_after(lost()) == 0.125


def test_tries_are_counted() -> None:
    result, waits = step(GET, [answer(503)] * 3, repeats=2)
    assert isinstance(result, errors.ServerError)
    assert len(waits) == 2
    result, waits = step(GET, [lost()], repeats=0)
    assert isinstance(result, errors.TransportError)
    assert waits == []


@pytest.mark.parametrize("status", [408, 425, 500, 520, 521, 522, 524, 529, 530, 598])
def test_answers_that_pass(status: int) -> None:
    assert step(GET, [answer(status), GOOD]) == (7, [0.5])


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 451, 501, 505, 511, 600, 999, 301, 304, 307])
def test_final_answers(status: int) -> None:
    result, waits = step(GET, [answer(status)])
    assert isinstance(result, errors.StatusError)
    assert waits == []


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("3", 3.0),
        (" 1.5 ", 1.5),
        ("0", 0.0),
        ("-7", -7.0),
        ("Sat, 21 Nov 2026 09:31:00 GMT", 60.0),
        ("Sat, 21 Nov 2026 09:29:00 GMT", -60.0),
        ("Saturday, 21-Nov-26 09:31:00 GMT", 60.0),
        ("soon", None),
        ("", None),
        ("1e3", None),
        ("٣", None),
        (None, None),
        ("Sat, 99 Nov 2026 09:31:00 GMT", None),
        ("7, 7", 7.0),
        ("7,30 , 1.5", 30.0),
        ("soon, 7", 7.0),
        (", ,", None),
        ("7, Sat, 21 Nov 2026 09:31:00 GMT", 7.0),
    ],
)
def test_retry_after_forms(header: str | None, seconds: float | None) -> None:
    assert retry_after(header, NOW) == seconds


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
@pytest.mark.parametrize(("header", "wait"), [("90", 90.0), ("Sat, 21 Nov 2026 09:32:00 GMT", 120.0)])
def test_retry_after_is_obeyed_exactly_and_does_not_count(status: int, header: str, wait: float) -> None:
    result, waits = step(GET, [answer(status, retry_after=header)] * 20 + [GOOD], repeats=1)
    assert result == 7
    assert waits == [wait] * 20


@pytest.mark.parametrize("header", ["0", "-5", "Sat, 21 Nov 2026 09:00:00 GMT", "never"])
def test_retry_after_that_is_over_backs_off_and_counts(header: str) -> None:
    result, waits = step(GET, [answer(429, retry_after=header)] * 3, repeats=2)
    assert isinstance(result, errors.RateLimited)
    assert waits == [0.5, 1.0]


def test_huge_retry_after_is_slept_in_parts() -> None:
    asked = answer(429, retry_after=str(int(2.5 * MAX_SLEEP_S)))
    result, waits = step(GET, [asked, GOOD], max_retry_after_s=None)
    assert result == 7
    assert waits == [MAX_SLEEP_S, MAX_SLEEP_S, MAX_SLEEP_S / 2]


@pytest.mark.parametrize("header", ["3601", "31536000", "9" * 5000, "Fri, 31 Dec 9999 23:59:59 GMT"])
@pytest.mark.parametrize("status", [429, 503])
def test_a_wait_beyond_the_bound_is_not_waited_for(status: int, header: str) -> None:
    result, waits = step(GET, [answer(status, retry_after=header), GOOD])
    assert isinstance(result, errors.StatusError)
    assert waits == []
    assert "It asks to wait" in str(result)
    assert len(str(result)) < 200
    assert step(GET, [answer(status, retry_after="3600"), GOOD]) == (7, [3600.0])


def test_deadline_is_not_waited_for() -> None:
    result, waits = step(GET, [answer(429, retry_after="40")] * 9, deadline_s=100)
    assert isinstance(result, errors.RateLimited)
    assert result.retry_after == 40
    assert waits == [40, 40]
    assert step(GET, [answer(500)] * 9, deadline_s=4)[1] == [0.5, 1, 2]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    ("outcome", "again"),
    [
        (answer(429), True),
        (answer(503, retry_after="1"), True),
        (answer(503), False),
        (answer(500), False),
        (answer(502, retry_after="1"), False),
        ("lost", False),
        ("unreachable", True),
        (Reply(200, {}, b"<html>"), False),
    ],
)
def test_changes(method: str, outcome: Any, *, again: bool) -> None:
    call = Call(method, "/v1/x", read, json={"a": 1})
    if isinstance(outcome, str):
        outcome = errors.TransportError("x", method=method, url="/v1/x", before_send=outcome == "unreachable")
    result, waits = step(call, [outcome, GOOD])
    assert (result == 7) is again
    assert bool(waits) is again


def test_certificate_is_not_tried_again() -> None:
    error = errors.CertificateError("self-signed certificate", method="GET", url="/v1/x")
    assert step(GET, [error]) == (error, [])


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "an empty body"),
        (b"<!doctype html><p>Sign in", "a page of HTML"),
        (b'{"id": 7', "cut off or damaged"),
        (b"hello", "not JSON"),
        (b"null", "a JSON null"),
        (b"[1]", "a JSON array"),
        (b"{}", "an empty object"),
        (
            b'{"title": "Internal Error.", "code": "system:error:internal"}',
            "an error object .system:error:internal",
        ),
        (b'{"error-code": "420", "error-code-label": "bad"}', "an error object .420: bad"),
    ],
)
def test_successes_that_are_none(body: bytes, told: str) -> None:
    result, waits = step(GET, [Reply(200, {}, body)] * 2, repeats=1)
    assert isinstance(result, errors.UnexpectedPayload)
    assert len(waits) == 1
    with pytest.raises(errors.UnexpectedPayload, match=told):
        raise result


@pytest.mark.parametrize(
    "body",
    [
        b'\xef\xbb\xbf{"id": 7}',
        b'{"id": 7, "x": "\\ud800"}',
        b'{"id": 7, "x": NaN}',
        b'{"id": 7, "x": "\x01\xff"}',
    ],
)
def test_odd_json_is_read(body: bytes) -> None:
    assert step(GET, [Reply(200, {}, body)]) == (7, [])


def test_no_reader_means_no_reading() -> None:
    assert step(Call("DELETE", "/v1/x"), [Reply(204, {}, b"")]) == (None, [])
    assert step(Call("DELETE", "/v1/x"), [Reply(200, {}, b"gone")]) == (None, [])
