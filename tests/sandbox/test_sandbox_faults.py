"""Tokens, limits, and every way to fail."""

from __future__ import annotations

import email.utils
import logging
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from conv_analytics.sandbox import Fault, Faults, Reply
from conv_analytics.sandbox.faults import FaultPlan
from conv_analytics.sandbox.problems import ProblemError
from conv_analytics.sandbox.tokens import Verifier, key_pair, sign
from conv_analytics.sandbox.wire import Request

PATH = "/v1/conversations"

if TYPE_CHECKING:
    from collections.abc import Callable

    from conv_analytics.sandbox import Sandbox

    Serve = Callable[..., tuple[Sandbox, httpx.Client]]
    Walk = Callable[..., list[dict[str, Any]]]
    Export = Callable[[Any], Any]
    Agree = Callable[[Any, Any], None]


def code_of(sandbox: Sandbox, header: str | None) -> Any:
    headers = {} if header is None else {"Authorization": header}
    answer = httpx.get(f"{sandbox.base_url}{PATH}", headers=headers)
    return answer.status_code, answer.json().get("code")


@pytest.mark.slow
def test_tokens_are_checked(sandbox: Sandbox) -> None:
    missing, invalid = (401, "system:error:missing-token"), (401, "system:error:invalid-token")
    assert code_of(sandbox, None) == missing
    assert code_of(sandbox, "Basic abc") == missing
    assert code_of(sandbox, "Bearer abc.def.ghi") == invalid
    assert code_of(sandbox, f"Bearer {sandbox.token()}") == (200, None)
    assert code_of(sandbox, f"Bearer {sandbox.token(life_s=-10)}") == (401, "system:error:expired-token")
    for claims in ({"application_id": "other"}, {"jti": None}, {"iat": None}, {"exp": None},
                   {"application_id": None}, {"nbf": int(time.time()) + 900}):  # fmt: skip
        assert code_of(sandbox, f"Bearer {sandbox.token(**claims)}") == invalid
    assert code_of(sandbox, f"Bearer {sandbox.token(life_s=25 * 3600)}") == invalid


def test_another_key_and_another_algorithm_are_refused(sandbox: Sandbox) -> None:
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    forged = sign(other.decode(), sandbox.application_id)
    assert code_of(sandbox, f"Bearer {forged}") == (401, "system:error:invalid-token")
    now = int(time.time())
    claims = {"application_id": sandbox.application_id, "iat": now, "exp": now + 60, "jti": "x"}
    weak = jwt.encode(claims, "secret-secret-secret-secret-secret", algorithm="HS256")
    assert code_of(sandbox, f"Bearer {weak}") == (401, "system:error:invalid-token")


def test_a_remembered_token_still_expires() -> None:
    clock = [time.time()]
    verifier = Verifier(key_pair().public, "app", now=lambda: clock[0])
    header = f"Bearer {sign(key_pair().private, 'app', life_s=60, sub='me')}"
    assert verifier.check(header).sub == "me"
    clock[0] += 61
    with pytest.raises(ProblemError, match="expired-token"):
        verifier.check(header)


def test_the_key_is_private(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    sandbox, client = serve()
    path = sandbox.key_path
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text() == sandbox.private_key
    assert "PRIVATE" not in repr(key_pair()) + repr(sandbox)
    client.get(PATH)
    sandbox.close()
    assert not path.exists()
    assert "PRIVATE KEY" not in caplog.text


def test_requests_are_remembered(serve: Serve) -> None:
    sandbox, client = serve()
    client.get(PATH, params={"page_size": 2})
    client.get("/v1/nothing")
    assert list(sandbox.requests) == [("GET", PATH, "page_size=2", 200), ("GET", "/v1/nothing", "", 404)]


def test_a_rate_limit_answers_429(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("conv_analytics.sandbox.faults.time", SimpleNamespace(monotonic=lambda: now[0], time=time.time))
    _, client = serve(rate=5)
    answers = [client.get(PATH, params={"page_size": 1}) for _ in range(9)]
    codes = [answer.status_code for answer in answers]
    assert codes == [200] * 5 + [429] * 4
    refused = answers[5:]
    assert int(refused[0].headers["Retry-After"]) >= 1
    assert refused[0].json()["type"].endswith("#throttled")
    now[0] += 0.21
    assert client.get(PATH).status_code == 200
    _, bare = serve(rate=1, retry_after="no")
    assert "Retry-After" not in [bare.get(PATH) for _ in range(2)][1].headers
    _, dated = serve(rate=1, retry_after="date")
    text = [dated.get(PATH) for _ in range(2)][1].headers["Retry-After"]
    assert email.utils.parsedate_to_datetime(text) > datetime(2026, 1, 1, tzinfo=UTC)


def test_latency_is_added(serve: Serve) -> None:
    _, client = serve(latency_ms=120)
    client.get(PATH)
    began = time.monotonic()
    client.get(PATH)
    assert time.monotonic() - began >= 0.12


def test_faults_are_read_from_text() -> None:
    faults = Faults.parse("5xx=0.02, reset=0.01,429=0.03,gone=3,slow=1,slow_ms=40")
    assert (faults.server_error, faults.reset, faults.too_many, faults.gone) == (0.02, 0.01, 0.03, 3)
    assert isinstance(faults.slow_ms, int)
    assert Faults.parse("") == Faults()
    with pytest.raises(ValueError, match="no fault is called 'typo'"):
        Faults.parse("typo=1")
    with pytest.raises(ValueError, match="needs a number"):
        Faults.parse("gone=many")


def test_no_request_fails_more_than_twice_in_a_row() -> None:
    plan, target = FaultPlan(Faults(server_error=1.0)), "/v1/x"
    row = [plan.decide(Request("GET", target), target) is not None for _ in range(6)]
    assert row == [True, True, False, True, True, False]
    assert plan.decide(Request("POST", target), target) is None
    once = FaultPlan(Faults(expired=1.0))
    assert [once.decide(Request("GET", target), target) is not None for _ in range(4)] == [
        True,
        False,
        True,
        False,
    ]


def test_faults_follow_from_the_seed() -> None:
    def drawn(seed: int) -> Any:
        plan = FaultPlan(Faults.parse(f"5xx=0.2,reset=0.2,429=0.2,seed={seed}"))
        return [repr(plan.decide(Request("GET", f"/{n}"), f"/{n}")) for n in range(200)]

    assert drawn(1) == drawn(1) != drawn(2)
    assert 90 <= sum(one != "None" for one in drawn(1)) <= 150


@pytest.mark.slow
def test_run_serves_until_interrupted_and_imports_late() -> None:
    program = """
import sys
import conv_analytics.sandbox as sandbox
assert "msgspec" not in sys.modules
sandbox.World(1, 40).truth()
assert "aiohttp" not in sys.modules
sandbox.run(0, "127.0.0.1", {"conversations": 40}, lambda s: print(s.base_url, s.token(), flush=True))
print("bye")
"""
    running = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert running.stdout is not None
    url, token = running.stdout.readline().split()
    answer = httpx.get(f"{url}{PATH}", headers={"Authorization": f"Bearer {token}"})
    running.send_signal(signal.SIGINT)
    rest, _ = running.communicate(timeout=120)
    assert (answer.status_code, rest, running.returncode) == (200, "bye\n", 0)


def many(serve: Serve, text: str, count: int = 40) -> Any:
    sandbox, client = serve(faults=text)
    return sandbox, [client.get(f"{PATH}?page_size={n + 1}") for n in range(count)]


def test_server_errors_come_in_four_kinds(serve: Serve) -> None:
    _, answers = many(serve, "5xx=1")
    kinds = {(a.status_code, a.headers["content-type"].split(";")[0], "Retry-After" in a.headers) for a in answers}
    assert kinds == {
        (500, "application/json", False), (502, "text/html", False), (503, "application/json", True),
        (503, "text/plain", False),
    }  # fmt: skip
    internal = next(a for a in answers if a.status_code == 500)
    assert internal.json()["code"] == "system:error:internal-error"


def test_too_many_requests_come_in_three_kinds(serve: Serve) -> None:
    _, answers = many(serve, "429=1,retry_after_s=2")
    forms = {answer.headers.get("Retry-After", "none")[:1] for answer in answers}
    assert {answer.status_code for answer in answers} == {429}
    assert forms >= {"2", "n"}
    assert forms & set("MTWFS")


def test_html_objects_and_expired_tokens(serve: Serve) -> None:
    _, answers = many(serve, "html=1", 2)
    assert (answers[0].status_code, answers[0].headers["content-type"]) == (200, "text/html; charset=utf-8")
    _, answers = many(serve, "object=1", 2)
    assert answers[0].status_code == 200
    assert "_embedded" not in answers[0].json()
    _, client = serve(faults="expired=1")
    twice = [client.get(PATH) for _ in range(2)]
    assert [answer.status_code for answer in twice] == [401, 200]
    assert twice[0].json()["code"] == "system:error:expired-token"


def test_connections_are_reset_before_and_during_the_body(serve: Serve) -> None:
    sandbox, client = serve(faults="reset=1")
    seen = set()
    for n in range(12):
        try:
            client.get(f"{PATH}?page_size={n + 1}")
        except httpx.HTTPError as error:
            seen.add(type(error))
    assert len(seen) == 2 or seen == {httpx.ReadError}
    assert all(request.status == 0 for request in sandbox.requests)
    assert len(sandbox.requests) == 12


def test_bodies_are_truncated(serve: Serve) -> None:
    _, client = serve(faults="truncate=1")
    for _ in range(2):
        with pytest.raises(httpx.RemoteProtocolError):
            client.get(PATH)
    assert len(client.get(PATH).json()["_embedded"]["conversations"]) == 10


def test_slow_answers_come_late(serve: Serve) -> None:
    _, client = serve(faults="slow=1,slow_ms=150")
    began = time.monotonic()
    assert client.get(PATH).status_code == 200
    assert time.monotonic() - began >= 0.15


def test_gone_conversations_are_listed_but_404_and_not_in_the_truth(
    serve: Serve, export: Export, agree: Agree, walk: Walk
) -> None:
    sandbox, client = serve(conversations=80, faults="gone=5")
    truth = sandbox.truth()
    assert (truth.gone, truth.conversations) == (5, 75)
    listed = {item["id"] for item in walk(client, PATH, "conversations", page_size=100)}
    assert sandbox.gone < listed
    for conversation_id in sandbox.gone:
        assert client.get(f"{PATH}/{conversation_id}").json()["code"] == "conversation:error:not-found"
        assert client.get(f"{PATH}/{conversation_id}/events").status_code == 404
    agree(truth, export(client))


def test_an_export_that_repeats_gets_everything(serve: Serve, export: Export, agree: Agree) -> None:
    sandbox, client = serve(seed=7, faults="5xx=0.1,429=0.1,reset=0.1,truncate=0.05,html=0.05,object=0.05,expired=0.05")
    plain = client.get

    class Stubborn:
        def get(self, path: str, **more: Any) -> Any:
            for _ in range(6):
                try:
                    answer = plain(path, **more)
                except httpx.HTTPError:
                    continue
                good = answer.status_code in {200, 404} and "json" in answer.headers["content-type"]
                if good and "errors#" not in answer.text[:120]:
                    return answer
            raise AssertionError(path)

    agree(sandbox.truth(), export(Stubborn()))
    assert {0, 200, 401, 429, 500} <= {request.status for request in sandbox.requests}


def test_scripts_answer_anything_once(serve: Serve) -> None:
    sandbox, client = serve()

    def match(request: Request) -> Any:
        return request.path == PATH

    sandbox.script(match, Reply(200, b"{}"))
    sandbox.script(match, Reply(200, b"<html>", "text/html"), times=2)
    sandbox.script(match, Fault(cut="before"))
    sandbox.script(match, lambda request: Reply(418, request.query.get("x", "?").encode()))
    sandbox.script(match, Reply(200, b" " * 50_000_000))
    assert client.get(PATH).text == "{}"
    assert [client.get(PATH).text for _ in range(2)] == ["<html>", "<html>"]
    with pytest.raises(httpx.HTTPError):
        client.get(PATH)
    assert (client.get(f"{PATH}?x=7").status_code, client.get(PATH).content[:1]) == (418, b" ")
    assert "_embedded" in client.get(PATH).json()
    sandbox.script(match, Reply(500), times=-1)
    assert {client.get(PATH).status_code for _ in range(5)} == {500}
