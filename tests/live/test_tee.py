"""The tee: the server behind it gets the very bytes, and the sender gets that server's very answer."""

from __future__ import annotations

import gzip
import json
import socket
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import pytest
from yarl import URL

from conv_analytics.live import Application, app
from conv_analytics.live import tee as module
from conv_analytics.live.server import bound
from tests._helpers.listeners import bodies, receipts, served
from tests._helpers.upstream import Upstream
from tests._helpers.webhooks import SECRET, rtc_event, signed, voice_event

#: What belongs to the connection to the server behind.
OWN = {"host", "connection", "content-length", "transfer-encoding"}


def _app(dest: Path, url: str, **options: Any) -> Application:
    return app(dest, secrets=SECRET, commit_every=0, tee=url, **options)


def _sent(client: httpx.Client, path: str, body: bytes, **more: str) -> httpx.Response:
    return client.post(httpx.URL(path), content=body, headers={**signed(body), **more})


def _raw(client: httpx.Client, request: bytes) -> bytes:
    """Send bytes, and return the bytes of the answer."""
    url = client.base_url
    with socket.create_connection((url.host, url.port)) as connection:
        connection.sendall(request)
        with connection.makefile("rb") as answer:
            return answer.read()


def test_method_path_query_headers_and_body_arrive_as_they_were_sent(tmp_path: Path) -> None:
    body = b' {"status":  "completed", "text": "\\u00e9\xc3\xa9", "price": 0.10}\r\n'
    more = [
        b"X-Custom: a,  b; c=\xc3\xa9", b"X-Custom: twice", b"Accept: x/y", b"User-Agent: Apache-HttpAsyncClient/4.1",
        b"Cookie: a=b", b"Content-Type: application/json", b"Authorization: " + signed(body)["Authorization"].encode(),
    ]  # fmt: skip
    own = [b"Host: listener.example", b"Connection: close", b"Content-Length: %d" % len(body)]
    post = [b'POST /voice/a%2Fb/~c?x=1+2&y=%5B%5D&z={"q":1} HTTP/1.1', *more, *own, b"", body]
    query = 'status=ringing&to=+4477&speech={"results":[]}'
    texts = {"status": "ringing", "to": "+4477", "speech": '{"results":[]}'}
    bearer = signed(json.dumps(texts, separators=(",", ":")).encode())["Authorization"].encode()
    get = [b"GET /voice?" + query.encode() + b" HTTP/1.1", b"Authorization: " + bearer, *own[:2], b"", b""]
    with Upstream() as upstream, served(_app(tmp_path, f"{upstream.url}/hooks/voice?tenant=%2F1")) as client:
        for request in (post, get):
            assert _raw(client, b"\r\n".join(request)).startswith(b"HTTP/1.1 200 OK\r\n")
        # RTC events have no other receiver.
        assert client.post("/rtc", content=rtc_event(1), headers=signed(rtc_event(1))).status_code == 204
    assert len(upstream.seen) == 2
    first, second = upstream.seen
    assert first.head.startswith(b'POST /hooks/voice/a%2Fb/~c?tenant=%2F1&x=1+2&y=%5B%5D&z={"q":1} HTTP/1.1\r\n')
    assert first.body == body
    assert _theirs(first.head.split(b"\r\n")[1:]) == _theirs(more)
    assert second.head.startswith(b"GET /hooks/voice?tenant=%2F1&" + query.encode() + b" HTTP/1.1\r\n")
    assert second.body == b""
    assert _theirs(second.head.split(b"\r\n")[1:]) == [(b"authorization", bearer)]
    assert [(each.body, each.query) for each in receipts(tmp_path)] == [(body, ""), (b"", query), (rtc_event(1), "")]


def _theirs(lines: list[bytes]) -> list[tuple[bytes, bytes]]:
    """The headers that are not of one connection."""
    pairs = ((name.lower(), value.strip()) for name, _, value in (line.partition(b":") for line in lines))
    return sorted(pair for pair in pairs if pair[0].decode() not in OWN)


NCCO = b'[{"action": "talk", "text": "Hello"}]'
ANSWERS = [
    (b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-A: 1\r\nX-A: 2\r\nServer: their own\r\n"
     b"Date: Sat, 21 Nov 2026 09:00:00 GMT\r\nContent-Length: %d\r\n\r\n" % len(NCCO) + NCCO, NCCO),
    (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    (b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n", b""),
    (b"HTTP/1.1 500 Oops\r\nContent-Length: 4\r\n\r\nhelp", b"help"),
    (b"HTTP/1.1 503 Busy\r\nRetry-After: 3\r\nContent-Length: 0\r\n\r\n", b""),
    (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(gzip.compress(NCCO, mtime=0))
     + gzip.compress(NCCO, mtime=0), NCCO),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n[{}, \r\n3\r\n{}]\r\n0\r\n\r\n", b"[{}, {}]"),
    (b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: 0\r\n\r\n", b""),
]  # fmt: skip


@pytest.mark.parametrize(("raw", "body"), ANSWERS, ids=[str(n) for n in range(len(ANSWERS))])
def test_the_answer_comes_back_unchanged(raw: bytes, body: bytes, tmp_path: Path) -> None:
    with Upstream(raw) as upstream, served(_app(tmp_path, upstream.url)) as client:
        answer = _sent(client, "/voice", voice_event(1))
        client.cookies.clear()
        again = _sent(client, "/voice", voice_event(2))
        assert "cookie" not in dict(upstream.seen[-1].headers)
        assert upstream.connections == 1
    head = raw.partition(b"\r\n\r\n")[0].decode().split("\r\n")
    wanted = sorted((name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in head[1:]))
    for each in (answer, again):
        assert each.status_code == int(head[0].split()[1])
        assert each.content == body
        got = sorted((name.lower(), value) for name, value in each.headers.multi_items())
        assert [pair for pair in got if pair[0] not in OWN] == [pair for pair in wanted if pair[0] not in OWN]
    assert len(bodies(tmp_path)) == 2


@pytest.mark.slow
def test_a_server_that_fails_costs_no_event(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Upstream() as gone:
        url = gone.url
    application = _app(tmp_path / "gone", url)
    with served(application) as client:
        answer = _sent(client, "/voice", voice_event(1))
        assert (answer.status_code, answer.content) == (502, b"")
    assert dict(application.counts.tee) == {"failed": 1}
    monkeypatch.setattr(module, "LARGEST_ANSWER", 1000)
    for number, (raw, status) in enumerate(
        [
            (b"this is not HTTP\r\n\r\n", 502),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n" + b"x" * 2000, 502),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", None),
        ]
    ):
        dest = tmp_path / str(number)
        with Upstream(raw, per_connection=1) as upstream, served(_app(dest, upstream.url)) as client:
            answer = _sent(client, "/voice", voice_event(1))
            assert (answer.status_code, answer.content) == (status or 502, b"")
        assert bodies(dest) == [voice_event(1)]
    assert bodies(tmp_path / "gone") == [voice_event(1)]


@pytest.mark.parametrize("base", ["http://127.0.0.1", "http://127.0.0.1:1", "http://[::1]:1", "http://localhost?a=1"])
def test_a_path_never_decides_on_the_server(base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def request(_session: object, _method: str, url: URL, **_: object) -> None:
        asked.append(f"{url.origin()}{url.raw_path_qs}")
        raise aiohttp.ClientError

    with Upstream() as other:
        host = other.url.removeprefix("http://")
        forged = [f"/voice%2F@{host}/latest", f"/voice%2f.{host}/", f"/voice%2F:{host}", f"/voice%2F@{host}?a=b"]
        application = _app(tmp_path, base)
        with served(application) as client:
            for target in forged:
                assert _targeted(client, target).startswith(b"HTTP/1.1 502 ")
            assert (other.seen, other.connections) == ([], 0)
            monkeypatch.setattr(aiohttp.ClientSession, "request", request)
            for target in forged:
                assert _targeted(client, target).startswith(b"HTTP/1.1 502 ")
            assert asked == []
            for target in ("/voice", "/voice/x", "/voice?q=1", "/voice//@h/x"):
                _targeted(client, target)
    root, _, query = base.partition("?")
    more, joined = (f"?{query}", f"?{query}&q=1") if query else ("", "?q=1")
    assert asked == [f"{root}/{more}", f"{root}/x{more}", f"{root}/{joined}", f"{root}//@h/x{more}"]
    assert dict(application.counts.tee) == {"failed": 12}
    assert bodies(tmp_path) == [voice_event(1)] * 12


def test_paths_below_the_webhook_arrive_as_they_were_sent(tmp_path: Path) -> None:
    with Upstream() as upstream:
        for number, path in enumerate(("", "/hooks")):
            with served(_app(tmp_path / str(number), f"{upstream.url}{path}")) as client:
                for target in ("/voice", "/voice/x", "/voice?q", "/voice/%2F@h/x", "/voice/../x"):
                    assert _targeted(client, target).startswith(b"HTTP/1.1 200 ")
        with served(_app(tmp_path / "more", f"{upstream.url}/hooks")) as client:
            assert _targeted(client, "/voice%2F@h/x").startswith(b"HTTP/1.1 200 ")
    below = ["/x", "?q", "/%2F@h/x", "/../x"]
    assert [each.target for each in upstream.seen] == [
        "/", "/x", "/?q", *below[2:], "/hooks", *(f"/hooks{each}" for each in below), "/hooks%2F@h/x",
    ]  # fmt: skip


def _targeted(client: httpx.Client, target: str) -> bytes:
    """The answer to an event that is sent to a target as it stands."""
    body = voice_event(1)
    lines = [
        f"POST {target} HTTP/1.1", "Host: listener.example", "Connection: close, authorization",
        f"Authorization: {signed(body)['Authorization']}", f"Content-Length: {len(body)}", "", "",
    ]  # fmt: skip
    return _raw(client, "\r\n".join(lines).encode() + body)


def test_a_server_that_is_silent_is_a_timeout(tmp_path: Path) -> None:
    application = _app(tmp_path, "http://127.0.0.1:1")
    with Upstream(None) as upstream:
        application.tee = module.Tee(upstream.url, application.counts, timeout_s=0.2)
        with served(application) as client:
            answer = _sent(client, "/voice", voice_event(1))
            assert (answer.status_code, answer.content) == (504, b"")
    assert dict(application.counts.tee) == {"timeout": 1}
    assert bodies(tmp_path) == [voice_event(1)]


def test_a_connection_that_the_server_closed_while_it_was_idle_costs_no_answer(tmp_path: Path) -> None:
    with Upstream(per_connection=1) as upstream, served(_app(tmp_path, upstream.url)) as client:
        assert [_sent(client, "/voice", voice_event(n)).status_code for n in range(20)] == [200] * 20
        assert len(upstream.seen) == 20


def test_what_is_refused_is_not_passed_on(tmp_path: Path) -> None:
    with Upstream() as upstream, served(_app(tmp_path, upstream.url)) as client:
        assert client.post("/voice", content=voice_event(1)).status_code == 503
        assert _sent(client, "/voice", voice_event(1), Authorization="Bearer forged").status_code == 401
        assert upstream.seen == []


def test_an_answer_with_a_body_does_not_wait_for_an_acknowledgement() -> None:
    with bound("127.0.0.1", 0) as listening, socket.create_connection(listening.getsockname()):
        connection, _ = listening.accept()
        with connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
