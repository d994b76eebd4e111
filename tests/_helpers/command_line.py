"""Run the command line: by `call` in this process, by `run` in one of its own, forked from one with all imports."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from conv_analytics.cli import main
from conv_analytics.sandbox import Sandbox
from tests._helpers.fork_server import fork_server
from tests._helpers.patience import PATIENCE_S
from tests._helpers.program_server import program_file

ROOT = Path(__file__).parents[2]
#: Nothing listens on the discard port of this machine: a proxy there lets nothing out.
NO_WAY_OUT = "http://127.0.0.1:9"


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def last(self) -> Any:
        """The last line of the standard output, as JSON."""
        return json.loads(self.out.splitlines()[-1])


def environment(**more: str) -> dict[str, str]:
    """The variables a command gets: no credentials, and a dead proxy for all that leaves this machine."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("VONAGE_", "VCR_"))
        and not name.lower().endswith("_proxy")
        and name not in {"FORCE_COLOR", "NO_COLOR"}
    }
    proxies = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"), NO_WAY_OUT)
    return kept | proxies | {"PYTHONPATH": str(ROOT), "PYTHONUTF8": "1", "COLUMNS": "100"} | more


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "conv_analytics", *map(str, arguments)]


def forked(*arguments: object) -> list[str]:
    """The same command, by a process that is forked from one with all imports; it gets the signals of its caller."""
    return [str(program_file()), *map(str, arguments)]


def call(*arguments: object, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> Ended:
    """Run a command in this process, which costs a second less than `run`: with streams and variables of its own."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="") for _ in range(2))
    with (
        contextlib.chdir(cwd or Path.cwd()),
        mock.patch.dict(os.environ, environment(**(env or {})), clear=True),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        code = main(list(map(str, arguments)))
    return Ended(code, *map(_text, (out, err)))


def _text(stream: io.TextIOWrapper) -> str:
    stream.seek(0)
    return io.TextIOWrapper(stream.detach(), encoding="utf-8").read()


def run(
    *arguments: object,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    before: Callable[[], None] | None = None,
) -> Ended:
    """Run a command to its end; `before` runs in its process first.

    What a fork cannot have, `before` and variables of Python's own, is given to a new process.
    """
    can_fork = before is None and not any(name.startswith("PYTHON") for name in env or {})
    done = subprocess.run(
        forked(*arguments) if can_fork else command(*arguments),
        cwd=cwd,
        env=environment(**(env or {})),
        preexec_fn=before,
        capture_output=True,
        encoding="utf-8",
        stdin=subprocess.DEVNULL,
        timeout=300,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def run_after(before: Callable[[], None], *arguments: object) -> Ended:
    """Run a command in a process where something is done first that changes the process: limits, or a patch."""
    with tempfile.TemporaryDirectory() as folder:
        written = [Path(folder, name) for name in ("out", "err")]
        process = fork_server().Process(
            target=_forked,
            args=(before, list(map(str, arguments)), written),
        )
        process.start()
        process.join(PATIENCE_S)
        assert process.exitcode is not None, "it did not end"
        return Ended(process.exitcode, *(path.read_text(encoding="utf-8") for path in written))


def _forked(before: Callable[[], None], arguments: list[str], written: list[Path]) -> None:
    os.environ.clear()
    os.environ.update(environment())
    for stream, path in zip((sys.stdout, sys.stderr), written, strict=True):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), stream.fileno())
        stream.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    before()
    sys.exit(main(arguments))


def credentials(sandbox: Sandbox) -> list[object]:
    """The arguments that point an export at a sandbox."""
    return [
        "--base-url", sandbox.base_url, "--application-id", sandbox.application_id,
        "--private-key", sandbox.key_path, "--rate", 0,
    ]  # fmt: skip


def commits(folder: Path) -> int:
    """How many commits a folder holds."""
    return len(list((folder / "_commits").glob("*.json"))) if folder.is_dir() else 0
