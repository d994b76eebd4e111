"""What is wrong with the arguments of a listener is said before it listens."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests._helpers.command_line import call
from tests._helpers.webhooks import SECRET

ENV = {"VONAGE_SIGNATURE_SECRET": SECRET}

WRONG: list[tuple[list[object], str]] = [
    (["--port", 65536], "it must be from 0 to 65535"),
    (["--port", "http"], "invalid int value"),
    (["--host", "no.such.host.example"], "cannot be used"),
    (["--host", "203.0.113.7"], "cannot be used"),
    (["--secret-file", "missing"], "missing cannot be read"),
    (["--secret-file", "empty"], "has no signature secret"),
    (["--unsigned", "maybe"], "invalid choice"),
    (["--tee", "app.example.com/hooks"], "must be a URL"),
    (["--tee", "ftp://app.example.com/hooks"], "must be a URL"),
    (["--commit-every", "soon"], "must be a time such as 30s"),
    (["--commit-every", "5"], "must be a time such as 30s"),
    (["--allow-from", "everybody"], "is not a network"),
    (["--trust-forwarded", -1], "must not be negative"),
    (["--mask-key-file", "empty"], "--mask-key-file is for --mask"),
    (["--mask"], "A mask needs a key"),
]


@pytest.mark.parametrize(("arguments", "message"), WRONG, ids=[" ".join(map(str, each[0])) for each in WRONG])
def test_wrong_arguments_end_with_two(arguments: list[object], message: str, tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("# nothing\n")
    ended = call("listen", "out", "--port", 0, *arguments, cwd=tmp_path, env=ENV)
    assert (ended.code, ended.out) == (2, ""), ended.err
    assert message in ended.err
    assert SECRET not in ended.err
    assert not (tmp_path / "out").exists()


def test_without_a_secret_it_says_where_one_may_be_named(tmp_path: Path) -> None:
    ended = call("listen", "out", "--port", 0, cwd=tmp_path)
    assert ended.code == 2
    for name in ("--secret-file", "VONAGE_SIGNATURE_SECRET", "--unsigned record"):
        assert name in ended.err


def test_a_port_in_use_and_a_folder_that_is_a_file(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ended = call("listen", tmp_path / "out", "--port", taken.getsockname()[1], env=ENV)
    assert ended.code == 2
    assert "Choose others with --host and --port" in ended.err
    (tmp_path / "file").write_text("")
    ended = call("listen", tmp_path / "file", "--port", 0, env=ENV)
    assert (ended.code, ended.out) == (2, "")
    assert "it is a file" in ended.err


def test_a_tee_to_itself_is_refused(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    ended = call("listen", tmp_path / "out", "--port", port, "--tee", f"http://localhost:{port}/voice", env=ENV)
    assert ended.code == 2
    assert "names this listener itself" in ended.err
