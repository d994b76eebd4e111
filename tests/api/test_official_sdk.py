"""Clients of Vonage's own library, as it comes from the registry, in the place of application and key."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import pytest

from conv_analytics import AsyncConversations, Conversations, export
from conv_analytics.api import Retry
from conv_analytics.api.official_sdk import OfficialSDKAuth
from conv_analytics.errors import ConfigError
from conv_analytics.sandbox import Sandbox

with warnings.catch_warnings():
    # Its models are written for an older pydantic.
    warnings.simplefilter("ignore")
    from vonage import Auth, HttpClientOptions, Vonage
    from vonage_http_client import HttpClient


@pytest.fixture(scope="module")
def auth(small_sandbox: Sandbox) -> Auth:
    return Auth(application_id=small_sandbox.application_id, private_key=small_sandbox.private_key)


CLIENTS: dict[str, Callable[[Auth], Any]] = {
    "Vonage": Vonage,
    "HttpClient": HttpClient,
    "Auth": lambda auth: auth,
    "a part": lambda auth: Vonage(auth).voice,
}


@pytest.mark.parametrize("form", CLIENTS)
def test_each_object_exports_the_sandbox(form: str, auth: Auth, small_sandbox: Sandbox, tmp_path: Path) -> None:
    with Conversations(CLIENTS[form](auth), base_url=small_sandbox.base_url) as client:
        done = export(client, tmp_path, rate=0, progress=False)
        assert (client.base_url, client.application_id) == (small_sandbox.base_url, small_sandbox.application_id)
        assert client.config["application_id"] == f"{small_sandbox.application_id} (from the package vonage)"
        assert client.config["auth"] == "OfficialSDKAuth"
        assert client._driver.wire.auth.covers(small_sandbox.base_url)
    assert len(done.dataset["events"]) == small_sandbox.truth().events


async def _first(client: AsyncConversations) -> str | None:
    async with client:
        return (await client.get_conversation_page(page_size=1)).conversations[0].id


def test_the_async_client_takes_it_too(auth: Auth, small_sandbox: Sandbox) -> None:
    import asyncio

    name = asyncio.run(_first(AsyncConversations(Vonage(auth), base_url=small_sandbox.base_url)))
    assert name == small_sandbox.world.head(0).id


def test_its_host_counts_where_it_was_chosen(auth: Auth, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = Vonage(auth, HttpClientOptions(api_host="api-ap.vonage.com"))
    assert Conversations(chosen).config["base_url"] == "https://api-ap.vonage.com (from the package vonage)"
    assert Conversations(chosen, base_url="us").config["base_url"] == "https://api-us.vonage.com (from base_url=)"
    monkeypatch.setenv("VONAGE_API_HOST", "eu")
    # A key of the environment that is broken is none of its business.
    monkeypatch.setenv("VONAGE_APPLICATION_ID", "A")
    monkeypatch.setenv("VONAGE_PRIVATE_KEY", "/nowhere")
    assert Conversations(Vonage(auth)).config["base_url"] == "https://api-eu.vonage.com (from VONAGE_API_HOST)"


def claims(header: str) -> dict[str, Any]:
    return dict(jwt.decode(header.removeprefix("Bearer "), options={"verify_signature": False}))


class Hourly(Auth):
    """An Auth of somebody's own, whose tokens live for an hour and may do little."""

    made = 0

    def generate_application_jwt(self, claims: Any = None) -> bytes:
        self.made += 1
        own = {"iat": int(time.time()), "exp": int(time.time()) + 3600, "acl": {"paths": {"/*/conversations/**": {}}}}
        return super().generate_application_jwt({**own, "sub": "ada"})


def test_a_token_is_renewed_by_its_own_expiry(small_sandbox: Sandbox) -> None:
    now_s = time.time()
    signer = Hourly(application_id=small_sandbox.application_id, private_key=small_sandbox.private_key)
    token = OfficialSDKAuth(signer, clock=lambda: now_s, origin=small_sandbox.base_url)
    first = token.header()
    assert claims(first)["sub"] == "ada"
    expires = claims(first)["exp"]
    now_s = expires - 61
    assert token.header() == first
    assert signer.made == 1
    now_s = expires - 59
    token.header()
    assert signer.made == 2


def test_a_wrong_clock_of_this_machine_is_overcome() -> None:
    with Sandbox(seed=3, conversations=2, clock_offset_s=4000.0) as sandbox:
        auth = Auth(application_id=sandbox.application_id, private_key=sandbox.private_key)
        with Conversations(auth, base_url=sandbox.base_url, retries=Retry(repeats=0)) as client:
            assert len(list(client.list_all_conversations())) == 2


def test_one_without_an_application_says_so() -> None:
    basic = Auth(api_key="a1b2c3d4", api_secret="topsecretvalue")
    for client in (basic, Vonage(basic)):
        with pytest.raises(ConfigError, match=r"no application, only an API key.*Auth\(application_id=") as caught:
            Conversations(client)
        assert "topsecretvalue" not in str(caught.value)


def test_other_objects_are_no_clients(auth: Auth, small_sandbox: Sandbox) -> None:
    for other in (object(), 7, {"application_id": "A"}, Path("private.key")):
        with pytest.raises(ConfigError, match="application_id= is an object of the class"):
            Conversations(other)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="leave private_key= and auth= out"):
        Conversations(Vonage(auth), small_sandbox.private_key)


def test_a_key_that_cannot_sign_is_found_at_once_and_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "private.key"
    path.write_text("-----BEGIN PRIVATE KEY-----\nc2VjcmV0c2VjcmV0\n-----END PRIVATE KEY-----")
    with pytest.raises(ConfigError, match=r"could not sign a token \(\w+\): check the private key") as caught:
        Conversations(Vonage(Auth(application_id="A", private_key=str(path))))
    assert caught.value.__cause__ is None
    assert "c2VjcmV0" not in str(caught.value)

    class Odd:
        application_id = "A"

        def generate_application_jwt(self, claims: object = None) -> bytes:
            return b"\xff no token"

    with pytest.raises(ConfigError, match="something other than a token"):
        Conversations(Odd())
