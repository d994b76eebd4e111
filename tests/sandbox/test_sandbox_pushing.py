"""Pushing: webhooks over real HTTP, one more attempt when that may help, and what receivers must not answer."""

from __future__ import annotations

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import jwt
import pytest

from conv_analytics.sandbox import Sandbox
from conv_analytics.sandbox.webhooks.delivery import Deliveries
from tests._helpers.patience import PATIENCE_S
from tests._helpers.scripted_server import Answer, Asked, Server, start

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def receiver() -> Iterator[Server]:
    server, listener = start()
    server.script = [Answer(204)]
    yield server
    listener.shutdown()
    listener.server_close()


@pytest.fixture(scope="module")
def sandbox() -> Sandbox:
    return Sandbox(conversations=40, transient=0.3)


def some(sandbox: Sandbox, count: int = 5, interface: str = "rtc") -> Deliveries:
    return Deliveries([each for each in sandbox.deliveries() if each.interface == interface][:count])


def claims_of(sandbox: Sandbox, asked: Asked) -> dict[str, Any]:
    token = asked.headers["authorization"].removeprefix("Bearer ")
    return jwt.decode(token, sandbox.signature_secret, algorithms=["HS256"])


def test_everything_arrives_byte_for_byte_signed_anew_and_in_order(sandbox: Sandbox, receiver: Server) -> None:
    few = tuple(range(12))
    deliveries = sandbox.deliveries(drop=0.1, duplicates=0.1, get=0.5, quirks=True, shuffle=True, ordinals=few)
    report = sandbox.push(receiver.base_url, deliveries, connections=1)
    assert [each.target for each in receiver.asked] == [each.path for each in deliveries.sent]
    assert [each.body for each in receiver.asked] == [each.body for each in deliveries.sent]
    assert [each.method for each in receiver.asked] == [each.method for each in deliveries.sent]
    types = [each.headers.get("content-type") for each in receiver.asked]
    assert types == [each.headers.get("Content-Type") for each in deliveries.sent]
    assert {None, "application/json", "application/x-www-form-urlencoded"} < set(types)
    assert report.delivered == deliveries.sent
    assert (report.refused, report.retries, report.attempts) == ([], 0, len(deliveries.sent))
    for asked in (one for one in receiver.asked if one.method == "POST"):
        claims = claims_of(sandbox, asked)
        if not asked.body.startswith((b"{\n", b"[\n")):
            assert claims["payload_hash"] == hashlib.sha256(asked.body).hexdigest()


def test_many_connections_lose_nothing(sandbox: Sandbox, receiver: Server) -> None:
    deliveries = sandbox.deliveries(ordinals=tuple(range(12)))
    report = sandbox.push(receiver.base_url, deliveries, connections=8)
    assert sorted(each.body for each in receiver.asked) == sorted(each.body for each in deliveries)
    assert len(report.delivered) == len(deliveries)


@pytest.mark.parametrize(
    ("answer", "attempts"),
    [(Answer(status), 2) for status in (429, 502, 503, 504)]
    + [(Answer(status), 1) for status in (301, 400, 401, 404, 413, 500)]
    + [(Answer(reset=True), 2)],
    ids=lambda value: str(value.status if isinstance(value, Answer) and not value.reset else value)[:12],
)
def test_one_more_attempt_is_made_when_it_may_help(
    sandbox: Sandbox, receiver: Server, answer: Answer, attempts: int
) -> None:
    receiver.script = [answer]
    report = sandbox.push(receiver.base_url, some(sandbox, 1))
    assert len(receiver.asked) == report.attempts == attempts
    assert report.retries == attempts - 1
    assert not report.delivered
    assert report.refused[0][1].status == (0 if answer.reset else answer.status)
    # The second attempt is signed anew: nobody can tell it from a new event by its token.
    assert len({one.headers["authorization"] for one in receiver.asked}) == attempts


def test_the_second_attempt_can_succeed_and_retrying_can_be_switched_off(sandbox: Sandbox, receiver: Server) -> None:
    receiver.script = [Answer(503), Answer(204)]
    report = sandbox.push(receiver.base_url, some(sandbox, 3), connections=1)
    assert (len(report.delivered), report.retries, len(receiver.asked)) == (3, 1, 4)
    assert report.answers == {503: 1, 204: 3}
    receiver.script = [Answer(503)]
    assert sandbox.push(receiver.base_url, some(sandbox, 3), retry=False).attempts == 3


def test_a_receiver_that_is_silent_or_absent_gets_a_second_attempt(sandbox: Sandbox) -> None:
    release, asked = threading.Event(), []

    class Silent(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(self.path)
            release.wait(PATIENCE_S)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Silent)
    threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    url = f"http://127.0.0.1:{listener.server_address[1]}"
    report = sandbox.push(url, some(sandbox, 1), answer_timeout_s=0.1)
    assert asked == ["/rtc", "/rtc"]
    assert report.refused[0][1].error == "TimeoutError"
    release.set()
    listener.shutdown()
    listener.server_close()
    report = sandbox.push(url, some(sandbox, 1))
    assert (report.attempts, report.refused[0][1].error) == (2, "ConnectionRefusedError")


def test_a_receiver_that_answers_voice_events_with_a_body_is_reported(sandbox: Sandbox, receiver: Server) -> None:
    receiver.script = [Answer(200, []), Answer(200, {"ok": True}), Answer(200), Answer(204)]
    report = sandbox.push(receiver.base_url, some(sandbox, 5, "voice"), connections=1)
    first, second = report.receiver_errors
    assert "JSON array" in first
    assert "a body" in second
    assert len(report.delivered) == 5
    receiver.script = [Answer(200, {"ok": True})]
    assert sandbox.push(receiver.base_url, some(sandbox), connections=1).receiver_errors == []


def test_urls_with_a_path_and_a_query_of_their_own(sandbox: Sandbox, receiver: Server) -> None:
    voice = some(sandbox, 2, "voice")
    sandbox.push(f"{receiver.base_url}/hooks/", some(sandbox, 1), connections=1)
    sandbox.push(receiver.base_url, voice, voice_url=f"{receiver.base_url}/old?tenant=7", connections=1)
    assert [one.target for one in receiver.asked] == ["/hooks/rtc", "/old?tenant=7", "/old?tenant=7"]
    with pytest.raises(ValueError, match="ftp://x"):
        sandbox.push("ftp://x", voice)


def test_a_sandbox_pushes_its_world_from_the_start_on(receiver: Server) -> None:
    options = {"conversations": 12, "transient": 0.3, "webhook": receiver.base_url}
    with Sandbox(**options, deliveries={"drop": 0.02, "duplicates": 0.05}, pushing={"connections": 2}) as sandbox:
        assert sandbox.webhooks is not None
        report = sandbox.webhooks.finish()
        assert len(report.delivered) == len(receiver.asked) == len(sandbox.deliveries(drop=0.02, duplicates=0.05).sent)
        assert sandbox.application.rtc_event_url == f"{receiver.base_url}/rtc"


def test_what_is_written_through_the_api_is_sent_too(receiver: Server) -> None:
    import httpx

    with (
        Sandbox(conversations=0, webhook=receiver.base_url, pushing={"connections": 1}) as sandbox,
        httpx.Client(base_url=sandbox.base_url, headers=sandbox.headers()) as client,
    ):
        made = client.post("/v1/conversations", json={"name": "desk"}).json()
        path = f"/v1/conversations/{made['id']}"
        event = {"type": "message", "body": {"message_type": "text", "text": "Grüße"}}
        sent = client.post(f"{path}/events", json=event).json()
        assert client.delete(path).status_code == 204
        assert sandbox.webhooks is not None
        sandbox.webhooks.finish()
        created, message, deleted = (json.loads(each.body) for each in receiver.asked)
        assert (created["type"], created["body"]["id"]) == ("conversation:created", made["id"])
        assert (deleted["type"], deleted["body"]["id"]) == ("conversation:deleted", made["id"])
        assert "id" not in created.keys() & deleted.keys()
        assert (message["id"], message["body"]) == (sent["id"], event["body"])
        assert message["conversation_id"] == made["id"]
        assert {each["application_id"] for each in (created, message, deleted)} == {sandbox.application_id}


def test_closing_the_sandbox_ends_what_is_still_to_be_sent(receiver: Server) -> None:
    with Sandbox(conversations=40, webhook=receiver.base_url, pushing={"rate": 5, "connections": 1}) as sandbox:
        pusher = sandbox.webhooks
    assert pusher is not None
    assert len(pusher.report.delivered) == len(receiver.asked) < 200
    assert not any(thread.name.startswith("conv-analytics-webhooks") for thread in threading.enumerate())
