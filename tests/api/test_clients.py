"""Both clients over real sockets: one suite."""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
import pickle
import threading
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest

from conv_analytics import errors
from conv_analytics.api import (
    AsyncConversations,
    BasicAuth,
    BodyKeySecretAuth,
    Conversations,
    JWTAuth,
    QueryKeySecretAuth,
    RequestSent,
    ResponseReceived,
    Retried,
    Retry,
)
from conv_analytics.resources import endpoints
from tests._helpers.patience import PATIENCE_S
from tests._helpers.scripted_server import Answer, Face, Server


def test_document(face: Face, server: Server) -> None:
    server.script = [{"id": "CON-1", "name": "support", "sequence_number": 7}]
    conversation = face.call("get_conversation", "CON-1")
    assert (conversation.id, conversation.name, conversation.sequence_number) == ("CON-1", "support", 7)
    assert server.asked[0].target == "/v1/conversations/CON-1"
    assert server.asked[0].headers["accept"] == "application/json"


def test_token(face: Face, server: Server, pem: str) -> None:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    server.script = [{"id": "CON-1"}]
    face.call("get_conversation", "CON-1")
    token = server.asked[0].headers["authorization"].removeprefix("Bearer ")
    public = load_pem_private_key(pem.encode(), None).public_key()
    claims = jwt.decode(token, public, algorithms=["RS256"])  # type: ignore[arg-type]
    assert claims["application_id"] == "APP"
    assert claims["exp"] - claims["iat"] in {905, 906}
    assert len(claims["jti"]) == 36
    assert jwt.get_unverified_header(token) == {"typ": "JWT", "alg": "RS256"}


def test_body_and_delete(face: Face, server: Server) -> None:
    server.script = [Answer(201, {"id": 3, "type": "custom:x", "body": {"Key": "é"}}), Answer(204)]
    event = face.call("create_event", "CON-1", {"type": "custom:x", "from": "MEM-1", "body": {"Key": "é"}})
    assert event.id == 3
    assert json.loads(server.asked[0].body) == {"type": "custom:x", "from": "MEM-1", "body": {"Key": "é"}}
    assert server.asked[0].headers["content-type"] == "application/json"
    assert face.call("delete_event", "CON-1", 3) is None
    assert (server.asked[1].method, server.asked[1].target) == ("DELETE", "/v1/conversations/CON-1/events/3")


def test_gzip(face: Face, server: Server) -> None:
    server.script = [Answer(body={"id": "CON-1", "name": "zip" * 1000}, zipped=True)]
    assert face.call("get_conversation", "CON-1").name == "zip" * 1000


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (302, errors.StatusError),
        (400, errors.InvalidRequest),
        (401, errors.AuthError),
        (403, errors.AuthError),
        (404, errors.NotFound),
        (409, errors.Conflict),
        (418, errors.StatusError),
        (422, errors.InvalidRequest),
    ],
)
def test_refusals_are_not_repeated(face: Face, server: Server, status: int, kind: type[errors.StatusError]) -> None:
    server.script = [Answer(status, {"title": "No.", "code": "x:error:y"}, {"location": "/elsewhere"})]
    with pytest.raises(kind) as caught:
        face.call("get_conversation", "CON-1")
    assert type(caught.value) is kind
    assert (caught.value.status, caught.value.code) == (status, "x:error:y")
    assert len(server.asked) == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    "fault",
    [
        Answer(429),
        Answer(500, b"<html>oops"),
        Answer(502),
        Answer(503),
        Answer(504),
        Answer(reset=True),
        Answer(body={"id": "CON-1", "name": "x" * 5000}, cut=3000),
        Answer(body=b"<html>please log in</html>"),
        Answer(body=b'{"id": "CON-'),
        Answer(body=b""),
        Answer(204),
        Answer(body=[]),
        Answer(body={}),
        Answer(body={"title": "Internal Error.", "code": "system:error:internal-error"}),
    ],
    ids=lambda fault: f"{fault.status}-{'reset' if fault.reset else str(fault.body)[:12]}-{fault.cut}",
)
def test_passing_failures_are_repeated(face: Face, server: Server, fault: Answer) -> None:
    server.script = [fault, fault, {"id": "CON-1"}]
    seen: list[Any] = []
    assert face.call("get_conversation", "CON-1", options={"on_event": seen.append}).id == "CON-1"
    assert len(server.asked) == 3
    # Each request that the server saw was reported: nothing is repeated behind our back.
    assert sum(isinstance(notice, RequestSent) for notice in seen) == 3
    assert sum(isinstance(notice, Retried) for notice in seen) == 2


def test_giving_up(face: Face, server: Server) -> None:
    server.script = [Answer(500, {"title": "Internal Error.", "instance": "abc"})]
    with pytest.raises(errors.ServerError, match="answered 500: Internal Error") as caught:
        face.call("get_conversation", "CON-1")
    assert len(server.asked) == 4
    assert caught.value.problem.instance == "abc"
    assert pickle.loads(pickle.dumps(caught.value)).problem == caught.value.problem


def test_changes_are_not_repeated_when_unsure(face: Face, server: Server) -> None:
    server.script = [Answer(reset=True)]
    with pytest.raises(errors.TransportError) as caught:
        face.call("create_conversation", {"name": "x"})
    assert not caught.value.before_send
    assert len(server.asked) == 1


def test_lost_keepalive_connection_of_a_change(face: Face, server: Server) -> None:
    """A pooled connection that dies under a POST must not be taken for a failure to connect."""
    server.script = [{"id": "CON-1"}, Answer(reset=True), Answer(201, {"id": "CON-2"})]

    async def both() -> None:
        async with face.make() as client:
            await client.get_conversation("CON-1")
            await client.create_conversation({"name": "x"})

    with pytest.raises(errors.TransportError) as caught:  # noqa: PT012  which of two statements depends on the mode
        if face.mode == "async":
            asyncio.run(both())
        else:
            with face.make() as client:
                client.get_conversation("CON-1")
                client.create_conversation({"name": "x"})
    assert not caught.value.before_send
    assert len(server.asked) == 2


def test_changes_are_repeated_when_safe(face: Face, server: Server) -> None:
    server.script = [Answer(429), Answer(503, headers={"retry-after": "0"}), Answer(201, {"id": "CON-1"})]
    assert face.call("create_conversation", {"name": "x"}).id == "CON-1"


def test_nobody_listens(face: Face) -> None:
    with pytest.raises(errors.TransportError) as caught:
        face.call("create_conversation", {}, options={"base_url": "http://127.0.0.1:9"})
    assert caught.value.before_send


def test_timeout(face: Face, server: Server) -> None:
    given_up = threading.Event()

    def slow(_asked: Any) -> Answer:
        given_up.wait(PATIENCE_S)
        return Answer(body={})

    server.script = [slow]
    with pytest.raises(errors.TransportError, match="Timeout"):
        face.call("get_conversation", "CON-1", options={"timeout": 0.1, "retries": 0})
    given_up.set()


def test_expired_token_is_renewed_once(face: Face, server: Server) -> None:
    expired = Answer(401, {"title": "Unauthorized.", "code": "system:error:expired-token"})
    server.script = [expired, {"id": "CON-1"}]
    assert face.call("get_conversation", "CON-1").id == "CON-1"
    assert server.asked[0].headers["authorization"] != server.asked[1].headers["authorization"]
    server.script, server.asked = [expired], []
    with pytest.raises(errors.AuthError, match="clock"):
        face.call("get_conversation", "CON-1")
    assert len(server.asked) == 2


def test_headers_in_other_alphabets_stop_no_authentication(face: Face, server: Server) -> None:
    for text in ("Z\xfcrich", "Zürich".encode().decode("latin-1")):
        odd = {"X-Cache": text}
        expired = Answer(401, {"code": "system:error:expired-token"}, headers=odd)
        server.script, server.asked = [expired, Answer(200, {"id": "CON-1"}, headers=odd)], []
        assert face.call("get_conversation", "CON-1").id == "CON-1"
        assert server.asked[0].headers["authorization"] != server.asked[1].headers["authorization"]
        # The caller's own scheme gets every response.
        server.script, basic = [Answer(200, {"id": "CON-1"}, headers=odd)], {"auth": httpx.BasicAuth("u", "p")}
        assert face.call("get_conversation", "CON-1", options=basic).id == "CON-1"
        server.script = [Answer(401, {}, headers=odd)]
        with pytest.raises(errors.AuthError):
            face.call("get_conversation", "CON-1", options=basic)


def test_body_limit(face: Face, server: Server) -> None:
    big = b'{"id": "' + b"x" * 200_000 + b'"}'
    for answer in (Answer(body=big), Answer(body=big, zipped=True)):
        server.script, server.asked = [answer], []
        with pytest.raises(errors.ResponseTooLarge, match="100,000"):
            face.call("get_conversation", "CON-1", options={"max_body_bytes": 100_000})
        assert len(server.asked) == 1


def test_raw(face: Face, server: Server) -> None:
    body = b'{ "id": "CON-1",  "odd": "\\ud800" }'
    server.script = [body]
    assert face.call("raw", endpoints.get_conversation("CON-1")) == body
    deep = b'{"id": 1, "x": ' + b"[" * 50_000 + b"]" * 50_000 + b"}"
    server.script = [deep]
    assert face.call("raw", endpoints.get_event("CON-1", 1)) == deep


def test_request_door(face: Face, server: Server, foreign: Server) -> None:
    server.script = [{"uuid": "U"}, Answer(204)]
    assert face.call("request", "put", "/v1/conversations/CON-1/record", params={"a": True}, json={"b": 1}) == {
        "uuid": "U"
    }
    assert (server.asked[0].method, server.asked[0].target) == (
        "PUT",
        "/v1/conversations/CON-1/record?a=true",
    )
    assert face.call("request", "DELETE", "/v1/x") is None
    for path in (foreign.base_url + "/v1/x", "//evil.example/x", "v1/x", "@evil.example/x", "\\\\evil"):
        with pytest.raises(errors.ConfigError):
            face.call("request", "GET", path)
    assert not foreign.asked


def test_gate_before_each_request(face: Face, server: Server) -> None:
    passed = []

    def gate() -> None:
        passed.append(len(server.asked))

    async def agate() -> None:
        gate()

    server.script = [Answer(500), Answer(401, {"code": "system:error:expired-token"}), {"id": "CON-1"}]
    face.call("get_conversation", "CON-1", options={"gate": gate if face.mode == "sync" else agate})
    assert passed == [0, 1, 2]


def test_notices(face: Face, server: Server) -> None:
    seen: list[Any] = []
    server.script = [Answer(429, headers={"retry-after": "0.01"}), {"id": "CON-1"}]
    face.call("get_conversation", "CON-1", options={"on_event": seen.append})
    assert [type(notice) for notice in seen] == [
        RequestSent,
        ResponseReceived,
        Retried,
        RequestSent,
        ResponseReceived,
    ]
    assert seen[2] == Retried("GET", "/v1/conversations/CON-1", "RateLimited 429", 0.01, 429, from_retry_after=True)
    assert (seen[4].status, seen[4].size_bytes) == (200, 15)


# Secrets and hosts


def test_token_never_leaves_its_host(face: Face, server: Server, foreign: Server) -> None:
    far = f"{foreign.base_url}/v1/conversations?cursor=c2"
    server.script = [
        {"_embedded": {"conversations": [{"id": "CON-1"}]}, "_links": {"next": {"href": far}}},
        {"_embedded": {"conversations": [{"id": "CON-2"}]}, "_links": {"self": {"href": far}}},
    ]
    assert [item.id for item in face.call("list_all_conversations")] == ["CON-1", "CON-2"]
    assert server.asked[1].params["cursor"] == "c2"
    server.script = [Answer(307, b"", {"location": f"{foreign.base_url}/v1/conversations/CON-1"})]
    with pytest.raises(errors.StatusError, match="Redirects are not followed"):
        face.call("get_conversation", "CON-1")
    assert not foreign.asked


@pytest.mark.parametrize("scheme", ["jwt", "basic", "query", "body"])
def test_schemes_leave_other_origins_alone(server: Server, foreign: Server, pem: str, scheme: str) -> None:
    auth: httpx.Auth = {
        "jwt": JWTAuth("APP", pem, origin=server.base_url),
        "basic": BasicAuth("key", "s3cr3t-s3cr3t", origin=server.base_url),
        "query": QueryKeySecretAuth("key", "s3cr3t-s3cr3t", origin=server.base_url),
        "body": BodyKeySecretAuth("key", "s3cr3t-s3cr3t", origin=server.base_url),
    }[scheme]
    server.script = [Answer(307, b"", {"location": f"{foreign.base_url}/x"})]
    with httpx.Client(auth=auth, follow_redirects=True) as client:
        client.post(f"{server.base_url}/x", json={"a": 1})
    sent = server.asked[0]
    assert "authorization" in sent.headers or "s3cr3t" in sent.target or b"s3cr3t" in sent.body
    arrived = foreign.asked[0]
    assert "authorization" not in arrived.headers
    with httpx.Client(auth=auth) as client:
        client.post(f"{foreign.base_url}/x", json={"a": 1})
    assert "authorization" not in foreign.asked[1].headers
    assert "s3cr3t" not in foreign.asked[1].target
    assert b"s3cr3t" not in foreign.asked[1].body
    assert "s3cr3t" not in repr(auth)


def test_body_secret_in_a_form(server: Server) -> None:
    server.script = [{}]
    with httpx.Client(auth=BodyKeySecretAuth("k", "s&x", origin=server.base_url)) as client:
        client.post(f"{server.base_url}/x", data={"a": "1"})
    assert server.asked[0].body == b"a=1&api_key=k&api_secret=s%26x"


def test_no_secret_is_ever_shown(face: Face, server: Server, pem: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    told: list[Any] = []

    def echo(asked: Any) -> Answer:
        return Answer(
            401, {"detail": f"refused {asked.headers['authorization']}", "code": "system:error:invalid-token"}
        )

    server.script = [echo]
    shown = []
    for options in ({}, {"auth": QueryKeySecretAuth("key", "s3cr3t-s3cr3t", origin=server.base_url)}):
        if options:
            server.script = [Answer(reset=True)]
        try:
            face.call("get_conversation", "CON-1", options={"on_event": told.append, **options})
        except errors.APIError as error:
            frames = traceback.TracebackException.from_exception(error, capture_locals=True)
            ours = [frame.locals for frame in frames.stack if frame.locals and "/conv_analytics/" in frame.filename]
            shown += [
                str(error),
                repr(error),
                error.url,
                repr(vars(error)),
                repr(ours),
                repr(error.__cause__),
            ]
    client = face.make()
    shown += [
        repr(client),
        repr(client.config),
        repr(told),
        caplog.text,
        repr(client._wire.auth),
        repr(client._settings),
    ]
    token = server.asked[0].headers["authorization"].removeprefix("Bearer ")
    secrets = [token.split(".")[2], pem.splitlines()[5], "s3cr3t-s3cr3t"]
    assert [secret for secret in secrets for text in shown if secret in text] == []
    assert "SHA256:" in client.config["private_key"]


# The face of the clients


@pytest.mark.parametrize("kind", [Conversations, AsyncConversations])
def test_methods_explain_themselves(kind: Any, pem: str) -> None:
    client = kind("APP", pem)
    names = [name for name in vars(endpoints) if name.split("_")[0] in {"get", "list", "create", "update", "delete"}]
    assert len(names) == 26
    for name in names:
        method = getattr(client, name)
        function = getattr(endpoints, name)
        assert method.__name__ == name
        assert method.__doc__ == function.__doc__
        assert "Parameters\n" in method.__doc__
        assert ">>> " in method.__doc__
        assert inspect.signature(method).parameters == inspect.signature(function).parameters
        assert getattr(kind, name) is function
    assert inspect.signature(client.get_event).return_annotation == (
        "Event" if kind is Conversations else "Awaitable[Event]"
    )
    with pytest.raises(TypeError):
        client.get_conversation(con="x")


def test_arguments() -> None:
    for size in (0, 101, "10", True, 1.5):
        with pytest.raises(errors.ConfigError, match="page_size must be a whole number from 1 to 100"):
            endpoints.get_event_page("CON-1", page_size=size)  # type: ignore[arg-type]
    for bad in ("", " ", ".", "..", None):
        with pytest.raises(errors.ConfigError, match="conversation_id must be the id"):
            endpoints.get_conversation(bad)  # type: ignore[arg-type]
    assert endpoints.get_conversation("a/../b?c#d é").path == "/v1/conversations/a%2F..%2Fb%3Fc%23d%20%C3%A9"
    with pytest.raises(errors.ConfigError, match="update_conversation needs"):
        endpoints.update_conversation({"name": "x"})
    berlin = datetime.fromisoformat("2026-11-21T10:00:00.5+01:00")
    listing = endpoints.list_all_conversations(date_start=berlin, date_end=berlin, order="asc")
    assert dict(listing.params)["date_start"] == "2026-11-21T09:00:00Z"
    assert dict(listing.params)["date_end"] == "2026-11-21T09:00:01Z"
    assert datetime(2026, 1, 1, tzinfo=UTC).tzinfo is UTC


def test_other_authentication_needs_no_key(face: Face, server: Server) -> None:
    server.script = [{"users": []}]
    face.call("request", "GET", "/v2/users", options={"auth": BasicAuth("k", "s", origin=server.base_url)})
    assert server.asked[0].headers["authorization"] == "Basic azpz"


def test_no_trailing_slash_anywhere() -> None:
    modules = Path(inspect.getfile(endpoints)).parent.glob("*.py")
    lines = [line for module in modules for line in module.read_text().splitlines()]
    paths = [line.split('"')[1] for line in lines if line.startswith("_") and '"/v1' in line]
    assert len(paths) == 12
    assert not [path for path in paths if path.endswith("/")]


def test_deadline_raises_at_once(face: Face, server: Server) -> None:
    server.script = [Answer(429, headers={"retry-after": "3600"})]
    with pytest.raises(errors.RateLimited) as caught:
        face.call("get_conversation", "CON-1", options={"retries": Retry(deadline_s=5.0)})
    assert caught.value.retry_after == 3600.0
