"""The application over HTTP: what it stores, what it refuses, and that it never answers a call."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from conv_analytics.errors import ConfigError
from conv_analytics.live import Application, app
from tests._helpers.listeners import bodies, receipts, served
from tests._helpers.webhooks import API_KEY, APPLICATION, FIXTURES, SECRET, rtc_event, signed, voice_event

MASK_KEY = "a key of the tests, long enough"


def _app(dest: Path, **options: Any) -> Application:
    return app(dest, **{"secrets": SECRET, "application_ids": [APPLICATION], "commit_every": 0, **options})


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[tuple[httpx.Client, Application, Path]]:
    application = _app(tmp_path / "out")
    with served(application) as client:
        yield client, application, tmp_path / "out"


def _deliveries(prefix: str) -> list[bytes]:
    found: list[bytes] = []
    for path in sorted(FIXTURES.glob(f"{prefix}_*.json")):
        document = json.loads(path.read_text(encoding="utf-8"))
        found += [json.dumps(each).encode() for each in document.get("deliveries", [document])]
    return found


def test_every_known_webhook_is_stored_as_it_came(listener: tuple[httpx.Client, Application, Path]) -> None:
    client, application, dest = listener
    sent = []
    for interface, status in (("rtc", 204), ("voice", 200)):
        for number, body in enumerate(_deliveries(interface)):
            path = f"/{interface}" + ("/any/path?tenant=1" if number % 2 else "")
            answer = client.post(path, content=body, headers=signed(body))
            assert (answer.status_code, answer.content) == (status, b"")
            sent.append((interface, body))
    assert len(sent) > 30
    kept = receipts(dest)
    assert [(each.interface, each.body) for each in kept] == sent
    assert {(each.verification, each.application_id, each.method, each.query) for each in kept} == {
        ("ok", APPLICATION, "POST", "")
    }
    assert {each.content_type for each in kept} == {"application/json"}
    assert all(0 <= time.time() - each.received_at.timestamp() < 60 for each in kept)
    health = client.get("/healthz").json()
    assert (health["status"], health["received"], health["stored"]) == ("ok", len(sent), len(sent))
    assert health["backlog_events"] == application.counts.backlog.events == len(sent)


def test_a_get_is_stored_with_its_parameters(listener: tuple[httpx.Client, Application, Path]) -> None:
    client, _, dest = listener
    query = 'status=completed&to=+447700900101&speech={"results":[{"text":"a%20b"}]}&network='
    texts = {"status": "completed", "to": "+447700900101", "speech": '{"results":[{"text":"a b"}]}', "network": ""}
    headers = signed(json.dumps(texts, separators=(",", ":")).encode())
    for path in ("/voice", "/rtc"):
        answer = client.get(httpx.URL(path, query=query.encode()), headers=headers)
        assert (answer.status_code, answer.content) == (200 if path == "/voice" else 204, b"")
    assert [(each.method, each.query.replace("%22", '"'), each.body) for each in receipts(dest)] == [
        ("GET", query, b"")
    ] * 2


REFUSED: list[tuple[str, int, dict[str, Any]]] = [
    ("unsigned", 503, {"headers": {}}),
    ("bad_signature", 401, {"sign": {"secret": "another-invented-secret-fedcba9876543210"}}),
    ("bad_algorithm", 401, {"sign": {"algorithm": None}}),
    ("wrong_application", 401, {"sign": {"application_id": "another"}}),
    ("hash_mismatch", 401, {"change": True}),
    ("stale", 401, {"sign": {"iat": int(time.time()) - 10_000}}),
]


@pytest.mark.parametrize(("reason", "status", "how"), REFUSED, ids=[each[0] for each in REFUSED])
def test_what_is_not_ours_is_refused_with_an_empty_body_and_leaves_nothing(
    reason: str, status: int, how: dict[str, Any], listener: tuple[httpx.Client, Application, Path]
) -> None:
    client, application, dest = listener
    for number, interface in enumerate(("rtc", "voice")):
        body = rtc_event(number)
        headers = how.get("headers", signed(body, **how.get("sign", {})))
        sent = body.replace(b"inbound", b"outbound") if how.get("change") else body
        answer = client.post(f"/{interface}", content=sent, headers=headers)
        assert (answer.status_code, answer.content) == (status, b"")
    assert dict(application.counts.refused) == {reason: 2}
    assert f'conv_analytics_live_refused_total{{reason="{reason}"}} 2' in client.get("/metrics").text
    assert bodies(dest) == []


def test_record_stores_with_a_mark_and_refuses_forgeries_all_the_same(tmp_path: Path) -> None:
    application = _app(tmp_path, unsigned="record")
    body = rtc_event(1)
    deliveries = [
        ({}, 204),
        (signed(body, iat=int(time.time()) - 10_000), 204),
        (signed(rtc_event(2)), 204),
        (signed(body, payload_hash=None), 204),
        (signed(body, secret="another-invented-secret-fedcba9876543210"), 401),
        (signed(body, algorithm=None), 401),
        (signed(body, api_key=API_KEY, application_id="another"), 401),
    ]
    with served(application) as client:
        for headers, status in deliveries:
            assert client.post("/rtc", content=body, headers=headers).status_code == status
        # Without a signature, the event itself says whose it is.
        foreign = body.replace(APPLICATION.encode(), b"another")
        assert client.post("/rtc", content=foreign).status_code == 401
    assert [each.verification for each in receipts(tmp_path)] == ["unsigned", "stale", "hash_mismatch", "hash_missing"]


def test_bodies_of_every_kind_are_stored_and_long_ones_refused(tmp_path: Path) -> None:
    application = _app(tmp_path, unsigned="record", max_body=1000)
    event = rtc_event(1)
    with served(application) as client:
        for body in (b"", b"not json", b"\xff\xfe", b"[" + event + b"," + event + b"]", b"a=1&b=%7B%7D"):
            answer = client.post("/voice", content=body, headers={"Content-Type": "text/html"})
            assert (answer.status_code, answer.content) == (200, b"")
        packed = gzip.compress(event)
        assert client.post("/rtc", content=packed, headers={"Content-Encoding": "gzip"}).status_code == 204
        sent = {**signed(packed), "Content-Encoding": "gzip"}
        assert client.post("/rtc", content=packed, headers=sent).status_code == 204
        assert client.post("/rtc", content=event, headers={"Content-Encoding": "br"}).status_code == 204
        bomb = gzip.compress(b" " * 10_000)
        for long, headers in ((b" " * 1001, {}), (bomb, {"Content-Encoding": "gzip"})):
            for path in ("/rtc", "/voice"):
                answer = client.post(path, content=long, headers=headers)
                assert (answer.status_code, answer.content) == (413, b"")
                assert client.post(path, content=iter([long] * 2), headers=headers).status_code == 413
        assert client.get("/voice").status_code == 400
        for method in ("PUT", "DELETE", "HEAD", "PATCH"):
            answer = client.request(method, "/voice", content=event)
            assert (answer.status_code, answer.content, answer.headers["allow"]) == (405, b"", "GET, POST")
        for path in ("/", "/voices", "/rtcx", "//voice", "/healthz/x"):
            assert (client.post(path).status_code, client.post(path).content) == (404, b"")
        assert client.post("/healthz").status_code == 405
        assert client.head("/metrics").content == b""
    assert bodies(tmp_path)[:5] == [b"", b"not json", b"\xff\xfe", b"[" + event + b"," + event + b"]", b"a=1&b=%7B%7D"]
    assert bodies(tmp_path)[5:] == [event] * 3
    counts = application.counts
    assert sum(counts.received.values()) == sum(counts.stored.values()) + sum(counts.refused.values())


def test_an_error_of_ours_asks_for_the_event_again_and_is_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from conv_analytics.live import intake

    application, body = _app(tmp_path), voice_event(1)
    with served(application) as client, caplog.at_level("ERROR", "conv_analytics"):
        with monkeypatch.context() as patched:
            patched.setattr(intake, "decompressed", lambda *_: 1 / 0)
            answer = client.post("/voice", content=body, headers=signed(body))
        assert (answer.status_code, answer.content) == (503, b"")
        assert client.post("/voice", content=body, headers=signed(body)).status_code == 200
    assert dict(application.counts.refused) == {"error": 1}
    assert "ZeroDivisionError" in caplog.text


def test_only_allowed_senders_and_the_header_of_our_own_proxy(tmp_path: Path) -> None:
    body = voice_event(1)
    direct = _app(tmp_path / "direct", allow_from=["216.147.0.0/18"])
    with served(direct) as client:
        headers = signed(body) | {"X-Forwarded-For": "216.147.3.4"}
        assert client.post("/voice", content=body, headers=headers).status_code == 403
        assert client.get("/healthz").status_code == 200
    behind = _app(tmp_path / "behind", allow_from=["216.147.0.0/18", "2001:db8::/32"], trust_forwarded=2)
    with served(behind) as client:
        for forwarded, status in (
            ("216.147.3.4, 10.0.0.1", 200),
            ("1.2.3.4, 216.147.3.4:1234, 10.0.0.1", 200),
            ("[2001:db8::1]:80, 10.0.0.1", 200),
            ("::ffff:216.147.3.4, 10.0.0.1", 200),
            ("216.147.3.4", 403),
            ("216.147.3.4, 1.2.3.4, 10.0.0.1", 403),
            ("nonsense, 10.0.0.1", 403),
            ("", 403),
        ):
            headers = signed(body) | {"X-Forwarded-For": forwarded}
            assert client.post("/voice", content=body, headers=headers).status_code == status, forwarded
    assert len(bodies(tmp_path / "behind")) == 4


PEOPLE = ("Exampleson", "447700900142")


def test_with_a_mask_nobody_reaches_the_disk(tmp_path: Path) -> None:
    from conv_analytics.dataset.storage import inbox
    from conv_analytics.dataset.storage.layout import Layout
    from conv_analytics.privacy import Mask

    mask = Mask(MASK_KEY)
    application = _app(tmp_path, unsigned="record", mask=mask)
    person = rtc_event(1, _embedded={"from_user": {"id": "USR-1", "name": "Exampleson"}}, to="447700900142")
    with served(application) as client:
        for path in ("/rtc", "/voice"):
            for body, kind in (
                (person, "application/json"),
                (b"[" + person + b"]", "application/json"),
                (voice_event(1, detail="Exampleson declined", speech={"results": [{"text": "Exampleson"}]}), ""),
                (b"from=447700900142&speech=%7B%22results%22%3A%5B%7B%22text%22%3A%22Exampleson%22%7D%5D%7D",
                 "application/x-www-form-urlencoded"),
                (b"Exampleson called 447700900142", "text/plain"),
                (b'{"from": "447700900142", "name": "Exampleson', "application/json"),
                (b"\xff\xfe447700900142", ""),
            ):  # fmt: skip
                assert client.post(path, content=body, headers={"Content-Type": kind}).status_code in {200, 204}
            assert client.get(f"{path}?from=447700900142&from_user=Exampleson").status_code in {200, 204}
    written = b"".join(path.read_bytes() for path in (tmp_path / "_inbox").iterdir())
    assert [name for name in PEOPLE if name.encode() in written] == []
    (segment,) = inbox.segments(Layout(tmp_path))
    header = inbox.header(segment)
    assert header is not None
    assert header.mask == mask.settings()
    kept = receipts(tmp_path)
    assert len(kept) == 16
    parsed = [json.loads(each.body) for each in kept]
    # What happened stays, and of what is no JSON a digest and a length; an object would pass for an event.
    assert {each["type"] for each in parsed if isinstance(each, dict) and "id" in each} == {"sip:hangup"}
    assert [type(each) for each in parsed[4:7]] == [str] * 3
    assert parsed[8 + 7]["from"].startswith("44x")


def test_no_secret_of_the_api_reaches_the_disk(tmp_path: Path) -> None:
    application = _app(tmp_path, unsigned="record")
    offer = rtc_event(1, "rtc:offer", body={"sdp": "v=0 planted", "password": "planted"})
    vote = rtc_event(2, "custom:vote", body={"answer": "yes", "password": "mine"})
    with served(application) as client:
        for body in (offer, vote, b"[" + offer + b"," + vote + b"]", offer[:-20]):
            client.post("/rtc", content=body, headers={"Authorization": "Basic planted-too"})
        client.post("/rtc?token=planted", content=vote)
    kept = bodies(tmp_path)
    assert b"planted" not in b"".join(path.read_bytes() for path in (tmp_path / "_inbox").iterdir())
    assert kept[1] == kept[4] == vote


def test_it_is_mounted_in_another_application_and_starts_with_its_first_event(tmp_path: Path) -> None:
    application = _app(tmp_path / "out")
    outer = Starlette(routes=[Mount("/hooks/live", app=application)])
    body = voice_event(1)
    with served(outer) as client:
        assert client.get("/hooks/live/healthz").json()["status"] == "ok"
        assert not (tmp_path / "out").exists()
        for path, status in (("/hooks/live/voice/x", 200), ("/hooks/live/rtc", 204), ("/hooks/live/nothing", 404)):
            assert client.post(path, content=body, headers=signed(body)).status_code == status
        assert client.post("/voice", content=body, headers=signed(body)).status_code == 404
    # Nobody told it to end: what it answered is there all the same.
    assert bodies(tmp_path / "out") == [body] * 2
    asyncio.run(application.close())


def test_it_ends_with_the_lifespan_of_the_application_around_it(tmp_path: Path) -> None:
    application = _app(tmp_path)

    def outer() -> Any:
        @contextlib.asynccontextmanager
        async def lifespan(_outer: Starlette) -> Any:
            async with application:
                yield

        return Starlette(routes=[Mount("/live", app=application)], lifespan=lifespan)

    with served(outer()) as client:
        client.post("/live/rtc", content=rtc_event(1), headers=signed(rtc_event(1)))
        assert len(list((tmp_path / "_inbox").glob("*.lock"))) == 1
    assert list((tmp_path / "_inbox").glob("*.lock")) == []
    assert len(bodies(tmp_path)) == 1


def test_a_folder_that_cannot_be_written_to_stops_the_server_from_starting(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(AssertionError, match="SystemExit"), served(_app(tmp_path / "out")):
        pass


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"secrets": {}}, "no signature secret"),
        ({"secrets": ""}, "is empty"),
        ({"unsigned": "maybe"}, "require or record"),
        ({"tee": "app.example.com"}, "must be a URL"),
        ({"tee": "https://user:word@app.example.com"}, "Leave it out"),
        ({"allow_from": ["everybody"]}, "not a network"),
        ({"max_body": 0}, "must be positive"),
        ({"commit_every": -1}, "must not be negative"),
        ({"commit_every": float("nan")}, "must not be negative"),
    ],
)
def test_what_is_wrong_is_said_when_it_is_made(options: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        _app(tmp_path, **options)
