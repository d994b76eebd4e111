"""Who shows an export's progress, and what is shown."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from conv_analytics import Conversations, export
from conv_analytics.errors import ConfigError
from conv_analytics.exporter.progress import (
    NotebookBlock,
    Progress,
    ProgressChoice,
    TerminalBar,
    TextLines,
    default_listener,
    listener_for,
    silent,
)
from conv_analytics.exporter.progress.notebook import EVERY_S, as_html, as_text, in_kernel
from conv_analytics.sandbox import Sandbox

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def at(done: int, listed: int, elapsed_s: float, **more: Any) -> Progress:
    more.setdefault("listing_done", True)
    counts = {"events": 10 * done, "requests": 3 * done, "retries": 0, "waiting_s": 0.0}
    return Progress(listed=listed, done=done, elapsed_s=elapsed_s, **counts, **more)


# -- what is chosen


@pytest.mark.parametrize(
    ("wanted", "terminal", "kind"),
    [
        (None, True, TerminalBar),
        (None, False, TextLines),
        ("auto", True, TerminalBar),
        ("plain", True, TextLines),
        ("rich", False, TerminalBar),
        (" RICH ", False, TerminalBar),
        ("", False, TextLines),
    ],
)
def test_the_listener_fits_the_stream(
    wanted: str | None, terminal: bool, kind: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CONV_ANALYTICS_PROGRESS", raising=False)
    if wanted is not None:
        monkeypatch.setenv("CONV_ANALYTICS_PROGRESS", wanted)
    stream = Terminal() if terminal else io.StringIO()
    assert type(default_listener(stream)) is kind
    monkeypatch.setattr(sys, "stderr", stream)
    choices: list[ProgressChoice] = ["auto", True, False, None]
    assert [type(listener_for(choice)) for choice in choices[:2]] == [kind, kind]
    assert [listener_for(choice) for choice in choices[2:]] == [silent, silent]
    assert not in_kernel()


def test_none_shows_nothing_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONV_ANALYTICS_PROGRESS", "none")
    assert default_listener(Terminal()) is silent
    monkeypatch.delenv("CONV_ANALYTICS_PROGRESS")
    monkeypatch.setattr(sys, "stderr", None)
    assert default_listener() is silent


def test_what_is_no_choice_is_told_before_anything_is_asked(
    client: Conversations, calm: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError, match="progress is 'loud'; it must be 'auto', False, None, or something"):
        export(client, progress="loud")  # type: ignore[call-overload]
    monkeypatch.setenv("CONV_ANALYTICS_PROGRESS", "loud")
    with pytest.raises(ConfigError, match="CONV_ANALYTICS_PROGRESS is 'loud'; it must be auto, plain, rich or none"):
        export(client)
    assert not calm.requests


def test_an_export_shows_lines_on_the_standard_error_unless_told_not_to(
    client: Conversations, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CONV_ANALYTICS_PROGRESS", raising=False)
    export(client, rate=0)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("30 of 30 conversations, ")
    export(client, rate=0, progress=None)
    assert capsys.readouterr() == ("", "")


# -- what is shown


def test_rate_and_time_left_are_told_when_they_are_known() -> None:
    assert (at(19, 100, 60.0).rate, at(50, 100, 1.9).rate) == (None, None), "too little to tell"
    assert (at(50, 100, 10.0).rate, at(50, 100, 10.0).left_s) == (5.0, 10.0)
    assert at(50, 100, 10.0, listing_done=False).left_s is None, "more may be listed"
    assert at(100, 100, 10.0, finished=True).left_s is None
    assert "5.0 conversations/s, about 10 s left" in as_text(at(50, 100, 10.0))


def test_a_bar_keeps_out_of_a_display_that_is_there_already() -> None:
    from rich.console import Console
    from rich.live import Live

    stream = Terminal()
    bar = TerminalBar(stream)
    console = Console(file=stream)
    with Live("the program's own", console=console), pytest.MonkeyPatch.context() as patch:
        patch.setattr("rich.console.Console", lambda **_: console)
        bar(at(1, 2, 1.0))
        bar(at(2, 2, 1.0, finished=True))
    assert "2 of 2 conversations" in stream.getvalue()


def test_no_color_takes_the_colours_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)

    def drawn() -> str:
        stream = Terminal()
        bar = TerminalBar(stream)
        bar(at(1, 2, 1.0))
        bar(at(2, 2, 1.0, finished=True))
        return stream.getvalue()

    assert "\x1b[38;5;" in drawn() or "\x1b[3" in drawn()
    monkeypatch.setenv("NO_COLOR", "1")
    plain = drawn()
    assert "2 of 2 conversations" in plain
    assert "\x1b[38;5;" not in plain
    assert "\x1b[3" not in plain


def test_a_bar_that_was_never_moved_leaves_nothing() -> None:
    stream = Terminal()
    TerminalBar(stream)
    assert stream.getvalue() == ""


# -- in a notebook


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_a_block_is_drawn_five_times_a_second_and_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[str] = []

    class Handle:
        def update(self, shown: dict[str, str], *, raw: bool) -> None:
            drawn.append(shown["text/plain"])

    def display(shown: dict[str, str], *, raw: bool, display_id: bool) -> Handle:
        drawn.append(shown["text/plain"])
        return Handle()

    monkeypatch.setattr("IPython.display.display", display)
    clock = Clock()
    block = NotebookBlock(clock)
    for done in range(101):
        block(at(done, 100, 1.0, finished=done == 100))
        clock.now_s += 0.01
    assert len(drawn) == 1 + int(0.99 / EVERY_S) + 1
    assert drawn[-1].startswith("100 of 100 conversations")


def test_a_block_knows_no_end_until_everything_is_listed() -> None:
    assert as_html(at(3, 10, 1.0, listing_done=False)).startswith("<progress></progress> 3 of 10+ conv")
    assert as_html(at(0, 0, 1.0, finished=True)).startswith('<progress max="1" value="0"></progress> 0 of 0 conv')


def cell_outputs(cells: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[Any]]:
    """Run cells in a real kernel; what stays in the saved notebook."""
    import nbformat
    from nbclient import NotebookClient

    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep))
    monkeypatch.setenv("JUPYTER_PATH", str(folder / "jupyter"))
    spec = folder / "jupyter" / "kernels" / "tested" / "kernel.json"
    spec.parent.mkdir(parents=True)
    argv = f'["{sys.executable}", "-m", "ipykernel_launcher", "-f", "{{connection_file}}"]'
    spec.write_text(f'{{"argv": {argv}, "display_name": "tested", "language": "python"}}')
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    NotebookClient(notebook, timeout=300, kernel_name="tested").execute()
    saved = nbformat.reads(nbformat.writes(notebook), as_version=4)
    return [cell.outputs for cell in saved.cells]


# A kernel speaks over sockets that the interpreter closes late, and jupyter_client warns of its own plans.
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning", "ignore::RuntimeWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_notebook_keeps_the_last_state_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CONV_ANALYTICS_PROGRESS", raising=False)
    with Sandbox(conversations=20, days=2, latency_ms=20) as sandbox:
        client = f"Conversations({sandbox.application_id!r}, {str(sandbox.key_path)!r}, base_url={sandbox.base_url!r})"
        outputs = cell_outputs(
            [
                "from conv_analytics import Conversations, aexport, export",
                f"client = {client}\nframes = export(client, rate=0, concurrency=2)",
                "frames = await aexport(client, rate=0, concurrency=2)",
                "frames = export(client, rate=0, progress=False)",
                "import os\nos.environ['CONV_ANALYTICS_PROGRESS'] = 'none'\nframes = export(client, rate=0)",
            ],
            tmp_path,
            monkeypatch,
        )
    # From the thread of the export's loop, and from the kernel's own loop.
    for shown in outputs[1:3]:
        assert [output.output_type for output in shown] == ["display_data"]
        assert shown[0].data["text/html"].startswith('<progress max="20" value="20"></progress> 20 of 20 conversations')
        assert shown[0].data["text/plain"].startswith("20 of 20 conversations")
        assert ", in " in shown[0].data["text/plain"], "the last state, not one before it"
    assert outputs[0] == outputs[3] == outputs[4] == []


def test_ipython_is_not_imported_to_find_out_that_it_is_not_there() -> None:
    code = (
        "import sys; from conv_analytics.exporter.progress import default_listener; default_listener();"
        "sys.exit('IPython' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
