"""`conv-analytics` as a program that starts in milliseconds: a server has imported it, and forks for each call.

Importing pandas and Arrow takes a processor second, many times what most commands take that tests start. A call has
the arguments, folder, variables and streams of its caller, a process id of its own, gets the caller's signals, and
ends with the exit code, or by the signal, that `python -m conv_analytics` would end with. When the caller is killed, so
is the call. The file that calls takes the place of an interpreter, too: ``FILE -m conv_analytics ...``; the runs that a
listener starts are such calls.

``python -m tests._helpers.program_server SOCKET FILE`` is the server; it ends with its standard input.
"""

from __future__ import annotations

import atexit
import importlib
import json
import os
import pkgutil
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import conv_analytics
from conv_analytics.live import commits

_ROOT = Path(__file__).parents[2]
_BYTES = 2**17
#: What `program` gives, in a few modules that are imported at once.
_CLIENT = """#!{python} -SEs
import json, os, signal, socket, sys
with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server:
    server.connect({path!r})
    given = sys.argv[1:]
    arguments = given[2:] if given[:2] == ["-m", "conv_analytics"] else given
    call = {{"arguments": arguments, "folder": os.getcwd(), "variables": dict(os.environ)}}
    socket.send_fds(server, [json.dumps(call).encode()], [0, 1, 2])
    process = int(server.recv(64))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: os.kill(process, number))
    code = int(server.recv(64))
if code < 0:
    signal.signal(-code, signal.SIG_DFL)
    os.kill(os.getpid(), -code)
os._exit(code)
"""


def program() -> str:
    """The text of an executable file that is `conv-analytics`."""
    return program_file().read_text(encoding="utf-8")


@cache
def program_file() -> Path:
    """An executable file that is `conv-analytics`, and whose server is running."""
    folder = tempfile.TemporaryDirectory(prefix="program-")
    path = str(Path(folder.name) / "socket")
    file = Path(folder.name) / "conv-analytics"
    file.write_text(_CLIENT.format(python=sys.executable, path=path), encoding="utf-8")
    file.chmod(0o755)
    command = [sys.executable, "-m", "tests._helpers.program_server", path, str(file)]
    server = subprocess.Popen(command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert server.stdin is not None
    assert server.stdout is not None
    assert server.stdout.readline() == b"ready\n"

    def end() -> None:
        server.communicate()
        folder.cleanup()

    atexit.register(end)
    return file


def start_runs_with(file: str) -> None:
    """Let the listeners of this process start their runs with this file in place of the interpreter."""
    commits.sys = SimpleNamespace(executable=file)  # type: ignore[assignment]


def _serve(path: str, file: str) -> None:
    for module in pkgutil.walk_packages(conv_analytics.__path__, "conv_analytics."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    start_runs_with(file)
    importlib.import_module("tests._helpers.forked")
    # Processes that watch a call end unseen.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(path)
        listener.listen(64)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        threading.Thread(target=_end_with_input, daemon=True).start()
        while True:
            caller, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                _watch(caller)
            caller.close()


def _end_with_input() -> None:
    sys.stdin.read()
    os._exit(0)


def _watch(caller: socket.socket) -> NoReturn:
    """Start a call, tell its process id, wait for its end, and tell how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    message, streams, *_ = socket.recv_fds(caller, _BYTES, 3)
    if (process := os.fork()) == 0:
        caller.close()
        _run(json.loads(message), streams)
    for stream in (0, 1, 2, *streams):
        os.close(stream)
    caller.send(str(process).encode())
    threading.Thread(target=_end_with_caller, args=(caller, process), daemon=True).start()
    _, status = os.waitpid(process, 0)
    caller.send(str(os.waitstatus_to_exitcode(status)).encode())
    os._exit(0)


def _end_with_caller(caller: socket.socket, process: int) -> None:
    """Kill a call whose caller is gone; one that waits says nothing."""
    if not caller.recv(1):
        os.kill(process, signal.SIGKILL)


def _run(call: dict[str, Any], streams: list[int]) -> NoReturn:
    """What ``python -m conv_analytics`` does, with the streams, the folder and the variables of the caller."""
    for place, stream in enumerate(streams):
        os.dup2(stream, place)
        os.close(stream)
    os.chdir(call["folder"])
    os.environ.clear()
    os.environ.update(call["variables"])
    time.tzset()
    sys.argv = ["conv-analytics", *call["arguments"]]
    sys.stdin, sys.stdout, sys.stderr = (
        os.fdopen(stream, mode, buffering, encoding="utf-8", errors=errors, closefd=False)
        for stream, mode, buffering, errors in (
            (0, "r", -1, "surrogateescape"), (1, "w", -1, "surrogateescape"), (2, "w", 1, "backslashreplace"),
        )
    )  # fmt: skip
    code: Any = 1
    try:
        runpy.run_module("conv_analytics", run_name="__main__", alter_sys=True)
    except SystemExit as end:
        code = end.code
    except BaseException:  # noqa: BLE001  as the interpreter does it
        sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    os._exit(code or 0)


if __name__ == "__main__":
    _serve(*sys.argv[1:])
