"""A scripted server, a foreign one, a key, and both clients behind one face."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from conv_analytics.api import AsyncConversations, Conversations
from conv_analytics.settings import Settings
from tests._helpers.scripted_server import IMMEDIATE, Face, Server, start


@pytest.fixture
def server() -> Iterator[Server]:
    server, listener = start()
    yield server
    listener.shutdown()
    listener.server_close()


@pytest.fixture
def foreign() -> Iterator[Server]:
    """Another host: nothing may ever arrive here."""
    server, listener = start()
    server.script = [{}]
    yield server
    listener.shutdown()
    listener.server_close()


@pytest.fixture(scope="session")
def pem() -> str:
    key = rsa.generate_private_key(65537, 2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.fixture(scope="session")
def settings(pem: str) -> Settings:
    """Resolved once: checking a key takes 40 ms."""
    return Settings.resolve("APP", pem)


@pytest.fixture(params=["sync", "async", "async-httpx"])
def face(request: pytest.FixtureRequest, server: Server, settings: Settings) -> Face:
    """The blocking client, the async one, and the async one over httpx's own transport."""

    def make(**given: Any) -> Any:
        base_url = given.pop("base_url", server.base_url)
        credentials = None if "auth" in given else settings.credentials
        options = {"settings": Settings(base_url, credentials), "retries": IMMEDIATE, **given}
        if request.param == "sync":
            return Conversations(**options)
        if request.param == "async-httpx":
            options.setdefault("transport", httpx.AsyncHTTPTransport(verify=False))
        return AsyncConversations(**options)

    return Face("sync" if request.param == "sync" else "async", make)
