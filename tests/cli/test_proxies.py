"""Whole exports through real proxies, and past them: what those know and say is in no byte of a run."""

from __future__ import annotations

import base64
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from conv_analytics.dataset import open_dataset
from conv_analytics.sandbox import Sandbox
from tests._helpers.broken_http_gateway import rude
from tests._helpers.command_line import Ended, call, commits, credentials
from tests._helpers.proxy import BASE_URL, Way, answer, ca_file, proxy
from tests.cli.test_privacy import absent, everything

pytestmark = pytest.mark.slow

PASSWORD, PHRASE = "s3cret-of-the-proxy", "what-the-proxy-says"
PAIR = f"user:{PASSWORD}#1"
SECRETS = (PASSWORD, PHRASE, base64.b64encode(PAIR.encode()).decode(), "eyJ0eXAi")
ODD = b"HTTP/1.1 407 " + PHRASE.encode() + b"\r\nproxy-authenticate " + PHRASE.encode() + b"\r\n\r\n"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(seed=7, conversations=8, days=2) as sandbox:
        yield sandbox


def _export(sandbox: Sandbox, folder: Path, ways: tuple[Way, ...], *more: object) -> Ended:
    arguments = credentials(sandbox)
    arguments[arguments.index("--base-url") + 1] = BASE_URL
    with proxy(folder, sandbox.base_url, *ways) as found:
        env = {
            "https_proxy": f"http://user:{PASSWORD}%231@{found.address}",
            "SSL_CERT_FILE": str(ca_file(folder)),
        }
        return call("export", "out", *arguments, "--retries", 1, "--concurrency", 2, *more, cwd=folder, env=env)


LOUD = ["--debug", "--log-format", "json", "--log-level", "debug"]


@pytest.mark.parametrize(
    ("way", "code", "flags"),
    [
        (answer(407, PHRASE), 2, LOUD),
        (answer(403, "Forbidden", PHRASE.encode()), 2, ["--debug"]),
        (answer(502, PHRASE), 69, ["--quiet"]),
        (PHRASE.encode() + b"\r\n\r\n", 69, LOUD),
    ],
    ids=["407", "403", "502", "garbage"],
)
def test_a_proxy_that_refuses_from_the_start(
    way: bytes, code: int, flags: list[object], sandbox: Sandbox, tmp_path: Path
) -> None:
    done = _export(sandbox, tmp_path, (way,), *flags)
    assert done.code == code, done.err
    assert commits(tmp_path / "out") == 0
    assert "https_proxy" in done.err
    absent(SECRETS, everything(tmp_path / "out", done))


@pytest.mark.parametrize(("way", "flags"), [(answer(407, PHRASE), LOUD), (ODD, ["--debug"])], ids=["407", "odd header"])
def test_a_proxy_that_refuses_midway(way: bytes, flags: list[object], sandbox: Sandbox, tmp_path: Path) -> None:
    done = _export(sandbox, tmp_path, (7, 7, way), *flags)
    assert done.code == 3, done.err
    assert commits(tmp_path / "out") == 1
    assert "https_proxy" in (tmp_path / "out" / "_commits" / "000001.json").read_text()
    absent(SECRETS, everything(tmp_path / "out", done))
    # The next night goes on.
    done = _export(sandbox, tmp_path, (None,))
    assert done.code == 0, done.err
    assert len(open_dataset(tmp_path / "out")["events"]) == sandbox.truth().events
    absent(SECRETS, everything(tmp_path / "out", done))


# -- bytes of answers that libraries would quote

TEXT = b"Trillian of 447700900123 at the restaurant"


def _broken_chunk(connection: socket.socket, body: bytes) -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
    connection.sendall(head + b"%x\r\n" % (len(body) // 2) + body[: len(body) // 2] + b'"text":"' + TEXT + b'"\r\n')


def _broken_header(connection: socket.socket, body: bytes) -> None:
    connection.sendall(b'HTTP/1.1 200 OK\r\n"text": "' + TEXT + b'"\r\n\r\n' + body)


@pytest.mark.parametrize("way", [_broken_chunk, _broken_header])
def test_broken_http_puts_no_message_into_a_masked_run(way: object, sandbox: Sandbox, tmp_path: Path) -> None:
    world = sandbox.world
    name = next(world.head(n).id for n in range(world.size) if world.conversation(n).rendered)
    with rude(sandbox, f"/v1/conversations/{name}/events", *[way] * 9) as (base_url, _):  # type: ignore[list-item]
        arguments = credentials(sandbox)
        arguments[arguments.index("--base-url") + 1] = base_url
        more = ["--mask", "--debug", "--log-format", "json", "--log-level", "debug", "--retries", 1, "--json"]
        env = {"CONV_ANALYTICS_MASK_KEY": "a key of the tests, long enough"}
        done = call("export", "out", *arguments, *more, cwd=tmp_path, env=env)
    assert done.code == 3, done.err
    assert commits(tmp_path / "out") == 1
    absent(("Trillian", "447700900123", "restaurant"), everything(tmp_path / "out", done))
