"""The way to the API: through real proxies and certificates, and never through one to this machine."""

from __future__ import annotations

import base64
import json
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from conv_analytics import errors
from conv_analytics.api import AsyncConversations, Conversations
from conv_analytics.api.proxy import Proxy, proxy_for
from conv_analytics.api.tls import VARIABLES
from conv_analytics.settings import Settings
from tests._helpers.proxy import BASE_URL, HOST, answer, ca_file, pipe, proxy, read_head, serving
from tests._helpers.scripted_server import IMMEDIATE, Answer, Face, Server

SECRET = "s3cret-of-the-proxy"
READ = Answer(body={"id": "CON-1", "name": "one"})


@pytest.fixture(params=["sync", "async"])
def client(request: pytest.FixtureRequest, settings: Settings) -> Face:
    """Both clients, asking a host that only proxies know."""

    def make(**given: Any) -> Any:
        kind = Conversations if request.param == "sync" else AsyncConversations
        base_url = given.pop("base_url", BASE_URL)
        return kind(**{"settings": Settings(base_url, settings.credentials), "retries": IMMEDIATE, **given})

    return Face(request.param, make)


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.lower().endswith("_proxy") or name in VARIABLES]:
        monkeypatch.delenv(name)


@pytest.mark.parametrize("form", ["http://{}", "{}", "HTTP://{}/", " {} "])
def test_requests_go_through_the_proxy(
    form: str, client: Face, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.script = [READ]
    with proxy(tmp_path, server.base_url) as found:
        monkeypatch.setenv("HTTPS_PROXY", form.format(f"DOM\\user:{SECRET}%23x@{found.address}"))
        monkeypatch.setenv("SSL_CERT_FILE", str(ca_file(tmp_path)))
        assert client.call("get_conversation", "CON-1").name == "one"
    assert found.heads[0].startswith(f"CONNECT {HOST}:443 ")
    pair = base64.b64encode(f"DOM\\user:{SECRET}#x".encode()).decode()
    assert f"proxy-authorization: basic {pair}".lower() in found.heads[0].lower()
    # The proxy gets what is for it, the API what is for the API.
    assert "bearer" not in found.heads[0].lower()
    assert "proxy-authorization" not in server.asked[0].headers


def test_the_environment_counts_as_it_was_when_the_client_was_made(
    server: Server, tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    import asyncio

    server.script = [READ]
    monkeypatch.setenv("SSL_CERT_FILE", str(ca_file(tmp_path)))

    async def late(address: str) -> None:
        async with AsyncConversations(settings=Settings(BASE_URL, settings.credentials), retries=0) as api:
            monkeypatch.setenv("HTTPS_PROXY", f"http://{address}")
            with pytest.raises(errors.TransportError, match=r"vonage\.test \(the name is not known\)"):
                await api.get_conversation("CON-1")

    with proxy(tmp_path, server.base_url) as found:
        asyncio.run(late(found.address))
    assert found.heads == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_this_machine_is_never_asked_through_a_proxy(
    host: str, client: Face, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.script = [READ]
    with proxy(tmp_path, server.base_url) as found:
        for name in ("http_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://{found.address}")
        base_url = server.base_url.replace("127.0.0.1", host)
        assert client.call("get_conversation", "CON-1", options={"base_url": base_url}).name == "one"
    assert found.heads == []


@pytest.mark.parametrize(
    "url",
    ["http://127.9.8.7:80", "http://[::1]:8080", "http://a.localhost", "http://LOCALHOST.:1", "https://127.0.0.1"],
)
def test_loopback_in_every_form(url: str) -> None:
    assert proxy_for(url, dict.fromkeys(["http_proxy", "https_proxy", "all_proxy"], "p:1")) is None


@pytest.mark.parametrize(
    ("no_proxy", "url", "used"),
    [
        ("", "https://api.nexmo.com", True),
        ("*", "https://api.nexmo.com", False),
        ("other.com, nexmo.com", "https://api.nexmo.com", False),
        ("other.com nexmo.com", "https://api.nexmo.com", False),
        (".nexmo.com", "https://api.nexmo.com", False),
        ("*.nexmo.com", "https://API.nexmo.com", False),
        ("API.NEXMO.COM", "https://api.nexmo.com", False),
        ("xmo.com", "https://api.nexmo.com", True),
        ("api.nexmo.com:443", "https://api.nexmo.com", False),
        ("api.nexmo.com:8443", "https://api.nexmo.com", True),
        ("api.nexmo.com:8443", "https://api.nexmo.com:8443", False),
        (".nexmo.com:443", "https://api.nexmo.com", False),
        ("10.0.0.0/8", "https://10.1.2.3", False),
        ("10.0.0.0/8", "https://11.1.2.3", True),
        ("10.1.2.3", "https://10.1.2.3:444", False),
        ("10.0.0.0/8:443", "https://10.1.2.3", False),
        ("10.0.0.0/8:443", "https://10.1.2.3:444", True),
        ("fd00::/8", "https://[fd12::1]", False),
        ("[fd12::1]:443", "https://[fd12::1]", False),
        ("[fd12::1]:444", "https://[fd12::1]", True),
        ("10.0.0.0/99,,:,[,.,/8," + "9" * 5000, "https://10.1.2.3", True),
        ("x:" + "9" * 5000, "https://x", True),
    ],
)  # fmt: skip
def test_no_proxy(no_proxy: str, url: str, used: bool) -> None:
    assert (proxy_for(url, {"HTTPS_PROXY": "p:1", "NO_PROXY": no_proxy}) is not None) is used


@pytest.mark.parametrize(
    ("env", "url"),
    [
        ({"HTTPS_PROXY": "a:1", "https_proxy": "b:2"}, "http://b:2"),
        ({"HTTPS_PROXY": "a:1", "https_proxy": ""}, None),
        ({"ALL_PROXY": "a:1"}, "http://a:1"),
        ({"ALL_PROXY": "a:1", "HTTPS_PROXY": "b"}, "http://b:80"),
        ({"HTTP_PROXY": "a:1"}, None),
        ({"HTTPS_PROXY": "https://a"}, "https://a:443"),
        ({"HTTPS_PROXY": "[::1]:8080"}, "http://[::1]:8080"),
    ],
)
def test_which_variable_counts(env: dict[str, str], url: str | None) -> None:
    found = proxy_for("https://api.nexmo.com", env)
    assert (found and found.url) == url


WRONG = [
    f"http://user:{SECRET}@h:99999",
    f"http://user:{SECRET}@h:port",
    f"http://user:{SECRET}#ret@h",
    f"http://user:12#{SECRET}@h:1",
    f"http://user:12/{SECRET}@h:1",
    f"http://user:{SECRET}@",
    f"http://user:{SECRET}@h:0",
    f"user name:{SECRET}@h:1",
    f"http://[{SECRET}",
    f"ftp://user:{SECRET}@h:1",
    f"socks://user:{SECRET}@h:1",
    f"socks4://user:{SECRET}@h:1",
]


@pytest.mark.parametrize("value", WRONG)
def test_a_proxy_that_cannot_be_is_told_and_not_quoted(
    value: str, client: Face, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", value)
    with pytest.raises(errors.ConfigError, match=r"^https_proxy ") as caught:
        client.make()
    assert SECRET not in str(caught.value)
    assert "HOST:PORT" in str(caught.value)


def test_a_proxy_shows_no_password() -> None:
    found = proxy_for("https://x", {"HTTPS_PROXY": f"user:{SECRET}@h:1"})
    assert found is not None
    assert found.auth == ("user", SECRET)
    assert SECRET not in repr(found) + repr(found.auth) + repr(vars(found))


BROKEN_PEM = b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
REFUSALS = [
    (answer(407, f"Proxy {SECRET}"), 407, "Give user and password in HTTPS_PROXY"),
    (answer(403, "Forbidden", SECRET.encode()), 403, "forbids this host"),
    (answer(502, SECRET), 502, "Check HTTPS_PROXY"),
    (SECRET.encode() + b" is not HTTP\r\n\r\n", None, "HTTP"),
    (b"HTTP/1.1 200 OK\r\n" + SECRET.encode() + b"\r\n\r\n", None, "HTTP"),
    (b"", None, "answer"),
]


@pytest.mark.parametrize(("way", "status", "says"), REFUSALS, ids=["407", "403", "502", "garbage", "header", "nothing"])
def test_a_proxy_that_refuses(  # noqa: PLR0917  what the parameters and fixtures are
    way: bytes, status: int | None, says: str, client: Face, server: Server, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    server.script = [READ]
    with proxy(tmp_path, server.base_url, way) as found:
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:{SECRET}@{found.address}")
        with pytest.raises(errors.TransportError) as caught:
            client.call("get_conversation", "CON-1")
    assert getattr(caught.value, "status", None) == status
    assert says in str(caught.value)
    assert SECRET not in _everything(caught.value)
    # A gateway's trouble passes; a refusal does not.
    assert len(found.heads) == (1 if status in {403, 407} else 4)


def _everything(error: BaseException) -> str:
    """What tracebacks, logs and pickles of an error tell, whatever led to it."""
    import traceback

    return "".join(traceback.format_exception(error)) + repr(vars(error)) + json.dumps(vars(error), default=repr)


def test_a_proxy_that_nobody_runs(client: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setenv("ALL_PROXY", f"http://user:{SECRET}@127.0.0.1:{taken.getsockname()[1]}")
    with pytest.raises(errors.ProxyError, match=r"Connection refused.*proxy of ALL_PROXY.*Check ALL_PROXY") as caught:
        client.call("get_conversation", "CON-1")
    assert caught.value.before_send
    assert SECRET not in _everything(caught.value)


def test_a_certificate_that_nobody_trusts(
    client: Face, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with proxy(tmp_path, server.base_url) as found:
        monkeypatch.setenv("HTTPS_PROXY", found.address)
        with pytest.raises(errors.CertificateError, match="SSL_CERT_FILE"):
            client.call("get_conversation", "CON-1")
    # Not repeated: a certificate that does not fit will not fit in a minute.
    assert len(found.heads) == 1


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_every_common_variable_for_certificates_is_honoured(
    variable: str, client: Face, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.script = [READ]
    with proxy(tmp_path, server.base_url) as found:
        monkeypatch.setenv("HTTPS_PROXY", found.address)
        monkeypatch.setenv(variable, str(ca_file(tmp_path)))
        assert client.call("get_conversation", "CON-1").name == "one"


@pytest.mark.parametrize(
    ("variable", "content"),
    [
        *((name, content) for name in VARIABLES for content in (None, b"", b"no PEM", BROKEN_PEM)),
        # Written to, so only a folder that is not there is wrong.
        ("SSLKEYLOGFILE", None),
    ],
)
def test_certificates_that_cannot_be_loaded(
    variable: str, content: bytes | None, client: Face, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "stale" / "ca.pem"
    if content is not None:
        file.parent.mkdir()
        file.write_bytes(content)
    monkeypatch.setenv(variable, str(file))
    with pytest.raises(errors.ConfigError, match=f"^{variable} names"):
        client.make()


@pytest.fixture
def socks(server: Server, tmp_path: Path) -> Iterator[tuple[str, list[bytes]]]:
    """A SOCKS 5 proxy (RFC 1928, 1929) before a proxy that ends TLS."""
    logins: list[bytes] = []
    with proxy(tmp_path, server.base_url) as inner:
        host, port = inner.address.split(":")

        def handle(client: socket.socket) -> None:
            _version, methods = client.recv(2)
            assert 2 in client.recv(methods)
            client.sendall(b"\x05\x02")
            logins.append(client.recv(512))
            client.sendall(b"\x01\x00")
            head = client.recv(5)
            client.recv(head[4] + 2)
            with socket.create_connection((host, int(port))) as onwards:
                onwards.sendall(f"CONNECT {HOST}:443 HTTP/1.1\r\n\r\n".encode())
                read_head(onwards)
                client.sendall(b"\x05\x00\x00\x01" + bytes(4) + struct.pack("!H", 0))
                Thread(target=pipe, args=(onwards, client), daemon=True).start()
                pipe(client, onwards)

        with serving(handle) as address:
            yield address, logins


def test_a_socks_proxy(
    socks: tuple[str, list[bytes]], client: Face, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("socksio")
    server.script = [READ]
    address, logins = socks
    monkeypatch.setenv("ALL_PROXY", f"socks5h://user:{SECRET}@{address}")
    monkeypatch.setenv("SSL_CERT_FILE", str(ca_file(tmp_path)))
    assert client.call("get_conversation", "CON-1").name == "one"
    assert logins[0].endswith(SECRET.encode())


def test_a_socks_proxy_without_the_extra(client: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1080")
    with pytest.raises(errors.ConfigError, match=r"^ALL_PROXY names a SOCKS proxy.*conv-analytics\[socks\]"):
        client.make()


def test_a_proxy_is_what_it_says() -> None:
    assert not Proxy("http://h:1", "HTTPS_PROXY").is_socks
    assert Proxy("socks5h://h:1", "ALL_PROXY").auth is None
