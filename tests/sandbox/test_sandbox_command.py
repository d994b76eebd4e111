"""`conv-analytics sandbox --webhook`: a process that waits for its receiver, and sends it a whole world."""

from __future__ import annotations

import signal
import subprocess
import threading
from http.server import ThreadingHTTPServer
from pathlib import Path

import jwt
import pytest

from conv_analytics.sandbox import Sandbox
from tests._helpers.command_line import call, environment, forked
from tests._helpers.patience import PATIENCE_S
from tests._helpers.scripted_server import Answer, Server, _handler, start


@pytest.mark.slow
def test_a_world_is_sent_to_a_receiver_with_the_secret_that_the_command_writes(tmp_path: Path) -> None:
    server, listener = start()
    server.script = [lambda asked: Answer(200, []) if asked.path == "/voice" else Answer(204)]
    world = {"conversations": 10, "transient": 0.5}
    sent = Sandbox(**world).deliveries(drop=0.1, duplicates=0.2).sent
    flags = ["--port", 0, "--webhook", server.base_url, "--drop", 0.1, "--duplicates", 0.2]
    for name, value in world.items():
        flags += [f"--{name}", value]
    process = subprocess.Popen(
        forked("sandbox", *flags), cwd=tmp_path, env=environment(), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stderr is not None
        remarks: list[str] = []
        # The remark comes when everything is sent; the process ends only on a signal.
        while not any("The receiver is wrong" in line for line in remarks):
            remarks.append(process.stderr.readline())
            assert remarks[-1], remarks
        assert f"{len(sent):,} webhooks were sent" in "".join(remarks)
        (secret,) = (tmp_path / "sandbox-keys").glob("*.secret")
        assert secret.stat().st_mode & 0o777 == 0o600
        for asked in server.asked:
            jwt.decode(asked.headers["authorization"].removeprefix("Bearer "), secret.read_text(), algorithms=["HS256"])
        assert sorted(asked.body for asked in server.asked) == sorted(each.body for each in sent)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0
        assert f"--secret-file sandbox-keys/{secret.name}" in out
        assert not list((tmp_path / "sandbox-keys").iterdir())
    finally:
        process.kill()
        process.communicate()
        listener.shutdown()
        listener.server_close()


def test_a_receiver_that_comes_later_gets_everything() -> None:
    server = Server(script=[Answer(204)])
    listener = ThreadingHTTPServer(("127.0.0.1", 0), _handler(server), bind_and_activate=False)
    listener.server_bind()  # the port is ours, and refuses connections
    url = f"http://127.0.0.1:{listener.server_address[1]}"
    with Sandbox(conversations=4, webhook=url, pushing={"await_receiver": True}) as sandbox:
        assert sandbox.webhooks is not None
        assert not sandbox.webhooks.report.attempts
        listener.server_activate()
        threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        report = sandbox.webhooks.finish()
        assert len(report.delivered) == len(server.asked) == len(sandbox.deliveries())
        assert (report.refused, report.retries) == ([], 0)
    listener.shutdown()
    listener.server_close()


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--webhook", "ftp://x"], "--webhook must be an http(s) URL"),
        (["--webhook", "http://"], "--webhook must be an http(s) URL"),
        (["--drop", "1.5"], "--drop is 1.5; it must be from 0 to 1"),
        (["--transient", "-1"], "--transient is -1.0"),
        (["--webhook-rate", "-2"], "--webhook-rate is -2.0"),
    ],
)
def test_bad_values_end_with_two(tmp_path: Path, flags: list[str], said: str) -> None:
    ended = call("sandbox", "--port", 0, *flags, cwd=tmp_path)
    assert (ended.code, ended.out) == (2, "")
    assert said in ended.err
