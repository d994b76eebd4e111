"""Colours: on a real terminal, and nowhere else; what they stand for; and that they change no column."""

from __future__ import annotations

import os
import pty
import re
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from conv_analytics import export
from conv_analytics.cli.colours import Coloured, has_colours, painted_table
from conv_analytics.cli.formats import table
from conv_analytics.sandbox import Sandbox
from tests._helpers.command_line import call, environment, forked, run
from tests._helpers.patience import PATIENCE_S
from tests._helpers.sandboxes import client_of

_SGR = re.compile(r"\x1b\[[0-9;]*m")
RED, YELLOW, BOLD = (f"\x1b[{number}m" for number in (31, 33, 1))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("coloured")
    with Sandbox(seed=3, conversations=60, days=2) as sandbox:
        export(client_of(sandbox), root / "out", rate=0, progress=False)
    return root


def on_a_terminal(*arguments: object, cwd: Path) -> str:
    """What a command writes to both streams when these are a terminal."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        forked(*arguments), cwd=cwd, env=environment(TERM="xterm-256color"), stdin=subprocess.DEVNULL,
        stdout=theirs, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    written = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # how Linux says that the other end was closed
            break
        if not part:
            break
        written += part
    process.wait(timeout=PATIENCE_S)
    os.close(ours)
    return written.decode().replace("\r\n", "\n")


@pytest.mark.slow
def test_a_terminal_gets_colours_and_a_pipe_gets_the_same_text_without(folder: Path) -> None:
    arguments = ("kpi", "out", "--by", "network_code", "--metrics", "asr,ner")
    shown, piped = on_a_terminal(*arguments, cwd=folder), run(*arguments, cwd=folder)
    assert "\x1b" not in piped.out + piped.err
    assert BOLD in shown
    assert YELLOW in shown, "rates of few cases are uncertain"
    assert piped.out in _SGR.sub("", shown)


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ({"TERM": "xterm"}, True),
        ({"TERM": "xterm", "NO_COLOR": "1"}, False),
        ({"TERM": "xterm", "NO_COLOR": ""}, True),
        ({"TERM": "dumb"}, False),
        ({"TERM": "dumb", "FORCE_COLOR": "1"}, True),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, False),
    ],
)
def test_a_terminal_shows_colours_unless_it_cannot_or_should_not(
    env: dict[str, str], expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TERM", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w", encoding="utf-8") as terminal:
        assert has_colours(terminal) is expected
    os.close(ours)
    with Path(os.devnull).open("w", encoding="utf-8") as file:
        assert has_colours(file) is bool(env.get("FORCE_COLOR") and not env.get("NO_COLOR"))
        closed = file
    assert has_colours(closed) is bool(env.get("FORCE_COLOR") and not env.get("NO_COLOR"))
    assert has_colours(None) is bool(env.get("FORCE_COLOR") and not env.get("NO_COLOR"))


@pytest.mark.slow
def test_colours_can_be_asked_for_and_never_go_where_they_would_be_data(folder: Path) -> None:
    forced = call("quality", "out", cwd=folder, env={"FORCE_COLOR": "1"})
    assert RED in forced.out
    assert _SGR.sub("", forced.out) == call("quality", "out", cwd=folder).out
    for style in ("csv", "json", "md"):
        assert "\x1b" not in call("quality", "out", "--format", style, cwd=folder, env={"FORCE_COLOR": "1"}).out
    wrong = call("kpi", "nowhere", cwd=folder, env={"FORCE_COLOR": "1"})
    assert wrong.err.startswith(f"{RED}conv-analytics: ")
    empty = call("kpi", "out", "--by", "direction", cwd=folder, env={"NO_COLOR": "", "FORCE_COLOR": ""})
    assert "\x1b" not in empty.out
    logged = call("kpi", "nowhere", "--log-format", "json", cwd=folder, env={"FORCE_COLOR": "1"})
    assert "\x1b" not in logged.err
    assert "\\u001b" not in logged.err


def test_judging_cells_are_coloured_and_others_that_read_the_same_are_not() -> None:
    frame = pd.DataFrame({
        "site": ["poor", "fair town", "broken"], "verdict": ["poor", "fair", "good"],
        "offender": pd.array([True, False, None], "boolean"),
        "rate": ["1 %", "2 % *", "3 %"],
    })  # fmt: skip
    text = table(frame, "text")
    assert isinstance(text, Coloured)
    head, first, second, third = text.in_colours.split("\n")
    assert head.startswith(BOLD)
    assert first.count(RED) == 2
    assert first.index("poor") < first.index(RED)
    assert second.count(YELLOW) == 2
    assert "\x1b" not in third
    assert _SGR.sub("", text.in_colours) == str(text)


def test_columns_stay_where_they_are_whatever_the_cells_hold() -> None:
    frame = pd.DataFrame({
        "na me": ["日本語", "a\nb", "\x1b[31mred"], "x": [1, 2, 3], "verdict": ["poor"] * 3, "verdict ": ["fair"] * 3,
    })  # fmt: skip
    text = table(frame, "text")
    assert "\x1b" not in text
    shown = text.in_colours if isinstance(text, Coloured) else text
    assert _SGR.sub("", shown) == str(text)
    assert "\x1b[31mred" not in shown


def test_a_text_that_is_no_table_stays_as_it_is() -> None:
    frame = pd.DataFrame({"a": [1, 2]})
    assert not isinstance(painted_table("a\n1", frame), Coloured)
    assert not isinstance(painted_table("b\n1\n2", frame), Coloured)
    assert table(frame.head(0), "text") == "no rows (a)"
