"""How commands write: results to standard output, everything else to standard error."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import sys
from io import TextIOWrapper
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import unquote, urlsplit

from conv_analytics.cli import logs
from conv_analytics.cli.colours import RED, Coloured, has_colours, painted
from conv_analytics.cli.formats import json_text, plain


def say(text: str = "") -> None:
    """Write a line of a result.

    A reader that has gone away (``| head``) is not a failure: the command goes on, and writes nothing more.
    """
    _write(sys.stdout, text)


def say_json(value: Any) -> None:
    """Write a result as one line of JSON."""
    say(json_text(value))


def note(text: str) -> None:
    """Write a remark for the person at the terminal, or to the log if standard error is one."""
    if logs.as_json():
        logs.remark("note", text)
    else:
        _write(sys.stderr, text)


def complain(message: str, *, kind: str | None = None, code: int | None = None, trace: str | None = None) -> None:
    """Write why a command failed, as one paragraph, with arguments named as on the command line.

    In a log, the error's name, the exit code and a traceback are added.
    """
    text = " ".join(as_flags(message).split())
    if logs.as_json():
        logs.remark("ended", text, error=kind, exit_code=code, traceback=trace)
    else:
        for line in (trace or "").splitlines():
            note(line)
        note(painted(plain(f"conv-analytics: {text}"), RED))


def as_flags(text: str) -> str:
    """A message with arguments named as on the command line.

    >>> as_flags("The private key (private_key=) is empty.")
    'The private key (--private-key) is empty.'
    """
    flags = {"application_id=": "--application-id", "private_key=": "--private-key", "timeout=": "--timeout"}
    flags |= {"pass allow_empty=True": "add --allow-empty", "listener=": "--listener"}
    flags |= {"base_url=": "--base-url", "check base_url": "check --base-url", "the same call": "the same command"}
    for name, flag in flags.items():
        text = text.replace(name, flag)
    return text


def program() -> str:
    """The command that runs this program again, in the way it was started.

    >>> program().split()[-1] in {"conv-analytics", "conv_analytics"}
    True
    """
    if "archive-v0" in Path(sys.prefix).parts:
        return _by_uvx()
    script = Path(sys.argv[0])
    if script.stem == "conv-analytics":
        return "conv-analytics" if shutil.which("conv-analytics") == str(script) else shlex.quote(str(script))
    return f"{python()} -m conv_analytics"


def _by_uvx() -> str:
    """The uvx command that runs this program, whose environment is not on the PATH."""
    from importlib import metadata

    direct_url = json.loads(metadata.distribution("conv-analytics").read_text("direct_url.json") or "{}")
    url = urlsplit(direct_url.get("url", ""))
    origin = unquote(url.path) if url.scheme == "file" else url.geturl()
    return f"uvx --from {shlex.quote(origin)} conv-analytics" if origin else "uvx conv-analytics"


def python() -> str:
    """The path of the interpreter, relative to the working folder where possible."""
    path, here = Path(sys.executable), Path.cwd()
    return shlex.quote(str(path.relative_to(here) if path.is_relative_to(here) else path))


def _write(stream: TextIO | None, text: str) -> None:
    # The stream of a process that was started without it (``>&-``) is None.
    if stream is None:
        return
    # The text may quote names and messages from the API: none of them may control the terminal.
    text = text.in_colours if isinstance(text, Coloured) and has_colours(stream) else plain(text)
    try:
        print(text, file=stream, flush=True)
    except BrokenPipeError:
        _mute(stream)
    except UnicodeEncodeError:
        if text.startswith("\ufeff") and isinstance(stream, TextIOWrapper):
            # A UTF-8 byte order mark belongs only before UTF-8.
            stream.reconfigure(encoding="utf-8")
            print(text, file=stream, flush=True)
            return
        encoding = stream.encoding or "ascii"
        print(text.encode(encoding, "backslashreplace").decode(encoding), file=stream, flush=True)


def _mute(stream: TextIO) -> None:
    """Discard further output, or Python would complain again when it exits."""
    with contextlib.suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)
