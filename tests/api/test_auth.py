"""The token: minted once, renewed in time, and after a refusal."""

from __future__ import annotations

from typing import Any

import httpx
import jwt
import pytest

from conv_analytics.api import BodyKeySecretAuth, JWTAuth
from conv_analytics.errors import ConfigError

URL = "https://api.nexmo.com/v1/x"


class Clock:
    now_s = 1_795_000_000.0

    def __call__(self) -> float:
        return self.now_s


def claims(header: str) -> dict[str, Any]:
    return dict(jwt.decode(header.removeprefix("Bearer "), options={"verify_signature": False}))


def test_minted_once_and_renewed_a_minute_early(pem: str) -> None:
    clock = Clock()
    auth = JWTAuth("APP", pem, ttl=600, clock=clock)
    first = auth.header()
    assert claims(first)["iat"] == clock.now_s - 5
    assert claims(first)["exp"] == clock.now_s + 600
    clock.now_s += 539
    assert auth.header() == first
    clock.now_s += 1
    second = auth.header()
    assert claims(second)["jti"] != claims(first)["jti"]


def test_claims(pem: str) -> None:
    acl: dict[str, Any] = {"paths": {"/*/users/**": {}}}
    sent = claims(JWTAuth("APP", pem, subject="ada", acl=acl).header())
    assert (sent["sub"], sent["acl"]) == ("ada", acl)
    assert "sub" not in claims(JWTAuth("APP", pem).header())
    for ttl in (0, 119, 86_401):
        with pytest.raises(ConfigError, match="ttl of a token"):
            JWTAuth("APP", pem, ttl=ttl)


def answer(code: str, date: str | None = None) -> httpx.Response:
    return httpx.Response(401, json={"code": code}, headers={"date": date} if date else {})


def test_flow_renews_once(pem: str) -> None:
    flow = JWTAuth("APP", pem, clock=Clock()).auth_flow(httpx.Request("GET", URL))
    first = next(flow).headers["authorization"]
    second = flow.send(answer("system:error:expired-token")).headers["authorization"]
    assert first != second
    with pytest.raises(StopIteration):
        flow.send(answer("system:error:expired-token"))
    flow = JWTAuth("APP", pem).auth_flow(httpx.Request("GET", URL))
    next(flow)
    with pytest.raises(StopIteration):
        flow.send(answer("system:error:invalid-token"))


def test_clock_of_the_platform_is_learnt(pem: str) -> None:
    clock = Clock()
    auth = JWTAuth("APP", pem, clock=clock)
    auth.refused(auth.header(), b'{"code": "system:error:expired-token"}', "Sat, 21 Nov 2026 12:00:00 GMT")
    assert claims(auth.header())["iat"] == 1_795_262_400 - 5
    clock.now_s += 100
    assert claims(auth.header())["iat"] == 1_795_262_400 - 5


def test_many_refused_together_mint_once(pem: str) -> None:
    auth = JWTAuth("APP", pem)
    old = auth.header()
    expired = b'{"code": "jwt-expired"}'
    assert auth.refused(old, expired, None)
    new = auth.header()
    assert auth.refused(old, expired, "garbage")
    assert auth.header() == new


@pytest.mark.parametrize(
    "url",
    [
        "http://api.nexmo.com/x",
        "https://api.nexmo.com:8443/x",
        "https://api.nexmo.com.evil.example/",
        "https://nexmo.com/",
    ],
)
def test_other_origins_get_nothing(pem: str, url: str) -> None:
    request = next(JWTAuth("APP", pem).auth_flow(httpx.Request("GET", url)))
    assert "authorization" not in request.headers


@pytest.mark.parametrize("url", ["https://api.nexmo.com:443/x", "HTTPS://API.NEXMO.COM/x"])
def test_same_origin_in_other_words(pem: str, url: str) -> None:
    assert "authorization" in next(JWTAuth("APP", pem).auth_flow(httpx.Request("GET", url))).headers


def test_body_must_be_an_object() -> None:
    flow = BodyKeySecretAuth("k", "s").auth_flow(httpx.Request("POST", URL, json=[1]))
    with pytest.raises(ConfigError):
        next(flow)
