"""Traps that what is drawn could fall into, and that no other test has: the table in drawing.md names them all."""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from packaging.requirements import Requirement

from conv_analytics import Conversations, export, open_dataset, show_ladder, show_timeline
from conv_analytics.errors import ConfigError
from conv_analytics.exporter.progress.notebook import as_html
from conv_analytics.exporter.progress.snapshot import Progress
from conv_analytics.sandbox import Sandbox
from tests._helpers import report_legs as made
from tests._helpers.drawn_conversations import NINE, events, many, of_type
from tests._helpers.jupyterlab import Lab
from tests.notebook.conftest import Open
from tests.test_faults import functions_of

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "notebooks" / "reference" / "drawing.md"
T = "document.querySelector('[data-ca-timeline]').timeline"


def until(page: Any, expression: str) -> None:
    for _ in range(1500):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(20)
    raise AssertionError(f"never true: {expression}")


def saved(frames: Any, folder: Path) -> Path:
    """A notebook with everything that is drawn in its outputs, as somebody mails it: nobody here has run it."""
    import nbformat

    one = of_type(frames, "rtc:transfer")
    timeline = show_timeline(frames, one)
    widget = timeline.widget()._repr_mimebundle_()
    bundles = [
        timeline._repr_mimebundle_(), timeline._repr_mimebundle_(), show_ladder(frames, one)._repr_mimebundle_(),
        {"text/html": made.week_report()._repr_html_(), "text/plain": "report"},
        widget[0] if isinstance(widget, tuple) else widget,
        {"text/html": as_html(Progress(9, listing_done=True, done=9, events=9, requests=8, retries=1, waiting_s=0.0,
                                       elapsed_s=1.0, finished=True)), "text/plain": "9 of 9"},
    ]  # fmt: skip
    cells = []
    for bundle in bundles:
        cell = nbformat.v4.new_code_cell("drawn")
        cell.outputs = [nbformat.v4.new_output("display_data", data=dict(bundle))]
        cells.append(cell)
    notebook = nbformat.v4.new_notebook(cells=cells)
    # What a front end with widgets leaves behind: stock nbconvert asks another host for it.
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": {"version_major": 2, "state": {}}}
    path = folder / "mailed.ipynb"
    nbformat.write(notebook, path)
    return path


ROWS = [line for line in REFERENCE.read_text(encoding="utf-8").splitlines() if re.match(r"\| \d+ \|", line)]


def test_the_table_is_complete_and_its_tests_are_there() -> None:
    assert [int(row.split("|")[1]) for row in ROWS] == list(range(1, 18))
    for row in ROWS:
        named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", row)
        assert named, row
        for path, name in named:
            assert name in functions_of(path), f"{path}::{name}"
    for name in functions_of("tests/notebook/test_traps.py"):
        for number in re.findall(r"(?<=trap_)(\d\d)(?=_)", name):
            assert name in ROWS[int(number) - 1], name


# -- 3. the button that uploads


def test_trap_03_no_dependency_brings_plotly_and_no_output_names_it(frames: Any) -> None:
    """Its figures have a button that sends them to a cloud."""
    seen, waiting = set(), ["conv-analytics"]
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        try:
            wanted = importlib.metadata.requires(name) or ()
        except importlib.metadata.PackageNotFoundError:
            continue
        for line in wanted:
            needed = Requirement(line)
            if needed.marker is None or needed.marker.evaluate({"extra": ""}):
                waiting.append(re.sub(r"[-_.]+", "-", needed.name).lower())
    assert "pandas" in seen
    assert not {name for name in seen if "plotly" in name or name in {"altair", "bokeh", "pygwalker"}}
    shown = show_timeline(frames, of_type(frames, "rtc:transfer"))
    assert "plotly" not in f"{shown.html()}{made.week_report().html}".lower()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    dest = tmp_path_factory.mktemp("traps") / "exports"
    with Sandbox(conversations=12) as sandbox:
        client = Conversations(sandbox.application_id, sandbox.private_key, base_url=sandbox.base_url)
        export(client, dest, rate=0, progress=False)
    return dest


# -- 5. a notebook that is not trusted


@pytest.mark.xdist_group("lab")
def test_trap_05_jupyterlab_shows_a_mailed_notebook_without_trusting_it(lab: Lab, frames: Any, tmp_path: Path) -> None:
    notebook = lab.open(lab.copy(saved(frames, tmp_path)))
    notebook.until("document.querySelectorAll('.jp-OutputArea-output img').length >= 4")
    page = notebook.page
    drawn = "[...document.querySelectorAll('.jp-OutputArea-output img')]"
    until(page, f"{drawn}.every(image => image.complete && image.naturalWidth > 300)")
    # Nothing of a script, a style sheet or a drawing has become words.
    words = page.evaluate("[...document.querySelectorAll('.jp-OutputArea-output')].map(n => n.innerText).join('\\n')")
    for soup in ("{fill", "convAnalyticsTimelines", "export default", "@media", "<svg", "var(--", '{"gz"'):
        assert soup not in words, soup
    assert page.locator(".jp-OutputArea-output canvas").count() == 0
    assert page.locator(".jp-OutputArea-output table").count() >= 5
    assert "Poor audio" in words
    notebook.screenshot("mailed, not trusted")


# -- 6. nbconvert


def offline() -> Any:
    """The configuration of drawing.md."""
    from traitlets.config import Config

    code = re.search(r"```python\n(c = get_config\(\).*?)```", REFERENCE.read_text(encoding="utf-8"), re.DOTALL)
    assert code is not None
    config = Config()
    exec(code[1], {"get_config": lambda: config})
    return config


@pytest.mark.xdist_group("browser")
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::PendingDeprecationWarning")
def test_trap_06_nbconvert_shows_every_display_and_asks_nobody(open_page: Open, frames: Any, tmp_path: Path) -> None:
    import nbformat
    from nbconvert import HTMLExporter

    exporter = HTMLExporter(config=offline())
    for path in [saved(frames, tmp_path), *sorted((ROOT / "notebooks").glob("*.ipynb"))]:
        notebook = nbformat.read(path, as_version=4)
        html, _ = exporter.from_notebook_node(notebook)
        assert "Loading" not in re.sub(r"<(script|style).*?</\1>", "", html, flags=re.DOTALL)
        target = tmp_path / f"{path.stem}.html"
        target.write_text(html, encoding="utf-8")
        page = open_page(target)
        shown = [output for cell in notebook.cells for output in cell.get("outputs", ()) if "data" in output]
        assert page.locator(".jp-OutputArea-output").count() >= len(shown)
        heights = page.evaluate(
            "[...document.querySelectorAll('.jp-OutputArea-output')].map(n => n.getBoundingClientRect().height)"
        )
        assert min(heights, default=1) > 0
        if path.stem == "mailed":
            until(page, "document.querySelectorAll('[data-live=yes]').length === 3")


# -- 7. reading files


@pytest.mark.parametrize("backend", [None, "numpy_nullable", "pyarrow"])
def test_trap_07_every_backend_and_any_columns(folder: Path, backend: Any) -> None:
    told = {} if backend is None else {"dtype_backend": backend}
    for name in ("events", "hangups", "messages", "leg_statuses", "call_records"):
        whole = pd.read_parquet(folder / name, **told)
        names = [str(column) for column in whole.columns]
        assert len(whole) == open_dataset(folder).rows(name)
        some = pd.read_parquet(folder / name, columns=names[1::3], **told)
        assert list(some.columns)[: len(names[1::3])] == names[1::3]
        pd.testing.assert_frame_equal(some[names[1::3]], whole[names[1::3]])


# -- 10. loops and threads


def test_trap_10_two_at_once_and_one_within_another() -> None:
    with Sandbox(conversations=12) as sandbox:
        client = Conversations(sandbox.application_id, sandbox.private_key, base_url=sandbox.base_url)
        told: dict[str, int] = {}

        def run(name: str) -> None:
            told[name] = len(export(client, rate=0, progress=False)["events"])

        def listener(_progress: Progress) -> None:
            # This is the thread of the outer export's own loop: whatever waits here holds it up for ever.
            with pytest.raises(ConfigError, match="in the thread of a running export"):
                run("within")

        threads = [threading.Thread(target=run, args=(name,)) for name in ("one", "two")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        told["outer"] = len(export(client, rate=0, progress=listener)["events"])
        assert told == dict.fromkeys(("one", "two", "outer"), sandbox.truth().events)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_trap_10_after_a_fork() -> None:
    """A child has none of its parent's threads: nothing of an earlier export may be waited for."""
    with Sandbox(conversations=8) as sandbox:
        code = f"""
import os, warnings
warnings.simplefilter("ignore")
from conv_analytics import Conversations, export
client = Conversations({sandbox.application_id!r}, {str(sandbox.key_path)!r}, base_url={sandbox.base_url!r})
count = lambda: len(export(client, rate=0, progress=False)["events"])
first = count()
child = os.fork()
if child == 0:
    os._exit(0 if count() == first else 1)
_, status = os.waitpid(child, 0)
print(first, os.waitstatus_to_exitcode(status))
"""
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=300, cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        assert done.stdout.split() == [str(sandbox.truth().events), "0"], done.stderr


# -- 11. no terminal


def test_trap_11_without_a_terminal_lines_are_lines(tmp_path: Path) -> None:
    with Sandbox(conversations=20) as sandbox:
        key = ["--application-id", sandbox.application_id, "--private-key", str(sandbox.key_path)]
        done = subprocess.run(
            [sys.executable, "-m", "conv_analytics", "export", str(tmp_path), *key, "--base-url", sandbox.base_url],
            capture_output=True, check=False, timeout=300, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)},
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert b"20 of 20 conversations" in done.stderr
    assert not re.search(rb"[\r\x1b]", done.stdout + done.stderr)


# -- 13. few and many, and what does not fit


@pytest.mark.xdist_group("browser")
def test_trap_13_a_hundred_thousand_events_and_forty_members(open_page: Open, tmp_path: Path) -> None:
    drawn = show_timeline(many(100_000, members=40), "CON-1")
    page = open_page(drawn.save(tmp_path / "many.html"))
    until(page, "document.querySelector('[data-live=yes]') !== null")
    assert page.evaluate(f"{T}.count") == len(drawn.frame)
    # Every event is in the part of the picture that can be scrolled to: as a mark, in a group, or in a bar.
    told = page.evaluate(
        f"""() => {{ const t = {T}, seen = new Set(); let sum = 0;
          for (let top = 0; top <= t.stage.scrollHeight; top += 200) {{
            t.stage.scrollTop = top; t.paint();
            for (const {{ item, count }} of t.painter.targets) if (count) {{
              if (!seen.has(item)) {{ seen.add(item); sum += count; }}
            }}
          }}
          return [sum, t.data.items.mark.reduce((a, b) => a + b)]; }}"""
    )
    assert told[0] == told[1]
    page.locator("canvas").focus()
    page.keyboard.press("End")
    assert page.evaluate(f"{T}.picked === {T}.count - 1")
    assert page.locator(".ca-live tbody tr[data-item]").count() < 60, "rows that cannot be seen are not in the page"


@pytest.mark.xdist_group("browser")
def test_trap_13_what_does_not_fit_is_drawn(open_page: Open, tmp_path: Path) -> None:
    """No event at all, none with a member, an end before its start, and a leg without a measure."""
    hangup = {"leg_id": "leg-1", "direction": "outbound", "sip_code": 200, "technology": "sip"}
    odd = events(
        (5, "audio:speaking:on", {}), (3, "audio:speaking:off", {}), (4, "custom:x", {"member": None}),
        (9, "sip:hangup", hangup), (2, "sip:answered", {"leg_id": "leg-1", "direction": "outbound"}),
    )  # fmt: skip
    page = open_page(show_timeline(odd, "CON-1").save(tmp_path / "odd.html"))
    until(page, "document.querySelector('[data-live=yes]') !== null")
    assert page.evaluate(f"{T}.data.items.lasts.every(each => each >= 0)")
    assert page.evaluate(f"{T}.count") >= 4
    empty = pd.DataFrame({"conversation_id": ["CON-2"], "created_at": [NINE]})
    none = show_timeline(odd | {"conversations": empty}, "CON-2")
    page = open_page(none.save(tmp_path / "none.html"))
    until(page, "document.querySelector('[data-live=yes]') !== null")
    page.locator("canvas").focus()
    for key in ("ArrowRight", "End", "ArrowDown", "+", "f", "/", "Escape"):
        page.keyboard.press(key)
    assert "no events" in str(page.locator(".ca-still").get_attribute("alt"))


# -- 16. the same cell again and again


@pytest.mark.xdist_group("browser")
def test_trap_16_fifty_runs_leave_no_listener_and_no_node(open_page: Open, frames: Any) -> None:
    html = show_timeline(frames, of_type(frames, "rtc:transfer"))._repr_mimebundle_()["text/html"]
    page = open_page("")
    session = page.context.new_cdp_session(page)

    def counted(runs: int) -> dict[str, int]:
        page.evaluate(
            """async ([html, runs]) => {
              for (let run = 0; run < runs; run++) {
                document.body.innerHTML = html;
                const old = document.querySelector('script[type=module]'), fresh = document.createElement('script');
                fresh.type = 'module'; fresh.textContent = old.textContent; old.replaceWith(fresh);
                while (!document.querySelector('[data-live=yes]')) await new Promise(requestAnimationFrame);
              }
            }""",
            [html, runs],
        )
        session.send("HeapProfiler.collectGarbage")
        found: dict[str, int] = session.send("Memory.getDOMCounters")
        return found

    few, more = counted(5), counted(45)
    assert page.locator("canvas").count() == 1
    assert more["jsEventListeners"] <= few["jsEventListeners"] + 10
    assert more["nodes"] <= 1.2 * few["nodes"]
