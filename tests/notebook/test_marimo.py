"""What this package shows, in marimo itself: what is done in the browser runs the cells that depend on it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests._helpers.jupyterlab import artefacts
from tests._helpers.marimo_server import MarimoNotebook, MarimoServer
from tests._helpers.patience import PATIENCE_S

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("marimo")]

#: What waits for a cell to run, a call to be read, or an export to end. [ms]
PATIENCE_MS = PATIENCE_S * 1000

CELLS = {
    "world": """\
import marimo as mo
from conv_analytics import (
    Conversations, explore, export, export_panel, quality_report, show_ladder, show_timeline, show_verdicts,
)
from conv_analytics.sandbox import Sandbox
sandbox = Sandbox(seed=7, conversations=60).start()
client = Conversations(sandbox.application_id, sandbox.private_key, base_url=sandbox.base_url)
frames = export(client, rate=0)
one = frames["conversations"]["conversation_id"].iloc[3]
frames""",
    "explorer": "x = mo.ui.anywidget(explore(frames, tz='Europe/London'))\nx",
    "selected": "mo.md(f\"selected {','.join(x.selected['conversation_id'])}; of {len(x.calls)}\")",
    "events": 'mo.md(f"events {None if x.timeline is None else x.timeline.selected.index.to_list()}")',
    "python": "button = mo.ui.button(label='busy ones', on_click=lambda _: x.filter(outcomes='busy'))\nbutton",
    "bare": "explore(frames).filter(outcomes='busy')",
    "timeline": "show_timeline(frames, one)",
    "ladder": "show_ladder(frames, one)",
    "report": "quality_report(frames)",
    "verdicts": "show_verdicts(frames)",
    "panel": "panel = export_panel(client, 'exports', rate=0)\nexplore(panel=panel)",
    "panel_alone": "export_panel(client, 'others', rate=0)",
    "hostile": """\
_bad = "</script><img src=x onerror=alert(1)><svg onload=alert(1)>\\u202e"
_tables = {_name: _table.copy() for _name, _table in frames.items()}
for _name in ("hangups", "call_events", "call_records", "leg_statuses"):
    _wanted = {"to_number", "from_number", "network_code", "reason_text", "to_user", "from_user"}
    _texts = dict.fromkeys(_wanted & set(_tables[_name]), _bad)
    _tables[_name] = _tables[_name].astype(dict.fromkeys(_texts, "str")).assign(**_texts)
explore(_tables, mask=False)""",
}


@pytest.fixture(scope="module")
def opened(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MarimoNotebook]:
    """One notebook for all tests of this module."""
    with MarimoServer(tmp_path_factory.mktemp("marimo"), CELLS) as server:
        notebook = MarimoNotebook(server, browser, artefacts())
        notebook.output("hostile").locator("tbody tr").first.wait_for(timeout=PATIENCE_MS)
        yield notebook
        notebook.close()
        assert notebook.wrong == []


@pytest.fixture
def notebook(opened: MarimoNotebook) -> Iterator[MarimoNotebook]:
    yield opened
    assert opened.page.locator(".marimo-error").count() == 0
    assert opened.wrong == []


def text(notebook: MarimoNotebook, cell: str, expected: Any) -> None:
    expect(notebook.output(cell)).to_contain_text(expected, timeout=PATIENCE_MS)


def test_what_is_done_in_the_explorer_runs_the_cells_that_depend_on_it(notebook: MarimoNotebook) -> None:
    page, shown = notebook.page, notebook.output("explorer")
    rows = shown.locator(".ca-explore tbody tr[data-place]")
    count = rows.count()
    assert count > 20
    ids = [row[-1] for row in shown.locator(".ca-explore tbody").evaluate(
        "body => [...body.rows].map(row => [...row.cells].map(cell => cell.innerText))")]  # fmt: skip
    # A click opens a timeline, and the cell that shows what is selected runs.
    rows.nth(1).click()
    text(notebook, "selected", f"selected {ids[1]}; of {count}")
    shown.locator("[data-ca-timeline][data-live=yes] canvas").wait_for()
    # By keys alone.
    rows.nth(1).focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press(" ")
    text(notebook, "selected", f"selected {ids[1]},{ids[2]};")
    page.keyboard.press("Control+a")
    expect(shown.locator(".ca-pager")).to_contain_text(f"{count} calls selected")
    page.keyboard.press("Escape")
    text(notebook, "selected", "selected ;")
    # Filters, chips and the search.
    shown.locator(".ca-chip[name=good]").click()
    good = int(shown.locator(".ca-chip[name=good]").inner_text().split()[-1])
    text(notebook, "selected", f"of {good}")
    shown.get_by_role("button", name="show all", exact=True).click()
    text(notebook, "selected", f"of {count}")
    shown.get_by_label("Search calls").press_sequentially(ids[5][4:17])
    text(notebook, "selected", "of 1")
    assert shown.get_by_label("Search calls").input_value() == ids[5][4:17]
    shown.get_by_role("button", name="show all", exact=True).click()
    text(notebook, "selected", f"of {count}")
    shown.locator("th button[name=talk_s]").click()
    expect(shown.locator("th[aria-sort=ascending] button")).to_have_attribute("name", "talk_s")


def test_the_timeline_in_it_selects_events(notebook: MarimoNotebook) -> None:
    shown = notebook.output("explorer")
    row = shown.locator("tbody tr[data-place]").nth(3)
    row.click()
    shown.get_by_role("region", name=f"Timeline of {row.locator('td').last.inner_text()}").locator("canvas").focus()
    notebook.page.keyboard.press("Home")
    notebook.page.keyboard.press("ArrowRight")
    text(notebook, "events", "events [1]")
    notebook.screenshot("marimo-explorer-light", notebook.cell("explorer"))


def test_what_python_sets_is_shown(notebook: MarimoNotebook) -> None:
    shown = notebook.output("explorer")
    notebook.output("python").get_by_role("button", name="busy ones").click()
    expect(shown.locator("select[name=outcomes]")).to_have_value("busy", timeout=PATIENCE_MS)
    expect(shown.locator(".ca-numbers b").first).to_have_text(str(shown.locator("tbody tr[data-place]").count()))
    field = shown.locator("input[name=since]")
    field.fill("2030-01-02")
    field.dispatch_event("change")
    expect(shown.locator(".ca-explore tbody")).to_contain_text("No call passes these filters.", timeout=PATIENCE_MS)
    last = shown.locator("input[name=until]")
    last.fill("2030-01-01")
    last.dispatch_event("change")
    expect(shown.locator(".ca-wrong").first).to_contain_text("no time between", timeout=PATIENCE_MS)


def test_it_is_dark_where_marimo_is(notebook: MarimoNotebook) -> None:
    widget = notebook.output("bare").locator(".ca-widget")
    expect(widget).to_have_attribute("data-ca-theme", "light")
    notebook.page.evaluate("document.body.className = 'dark dark-theme'; document.body.dataset.theme = 'dark'")
    expect(widget).to_have_attribute("data-ca-theme", "dark")
    expect(widget.locator(".ca-explore")).to_have_css("color-scheme", "dark")
    notebook.screenshot("marimo-explorer-dark", notebook.cell("bare"))
    notebook.page.evaluate("document.body.className = 'light light-theme'; document.body.dataset.theme = 'light'")
    expect(widget).to_have_attribute("data-ca-theme", "light")


@pytest.mark.parametrize(
    ("cell", "part", "words"),
    [
        ("world", "table", "60 of 60 conversations"),
        ("bare", ".ca-explore tbody tr[data-place]", "people masked"),
        ("timeline", "[data-ca-timeline][data-live=yes] canvas", "bands and events"),
        ("ladder", "img", "Table: "),
        ("report", "table", "Answer-seizure ratio"),
        ("verdicts", "table", "Verdicts by recommended"),
        ("panel_alone", ".ca-export[data-live=yes][data-status=ready] progress", "Start reads what is new."),
    ],
)
def test_everything_else_is_shown(notebook: MarimoNotebook, cell: str, part: str, words: str) -> None:
    notebook.output(cell).locator(part).first.wait_for(state="attached")
    expect(notebook.cell(cell)).to_contain_text(words)
    notebook.screenshot(f"marimo-{cell}", notebook.cell(cell))


def test_an_export_starts_there_and_its_calls_appear(notebook: MarimoNotebook) -> None:
    shown = notebook.output("panel")
    panel, calls = shown.locator(".ca-export"), shown.locator(".ca-explore:not(.ca-export)")
    expect(calls).to_contain_text("There are no calls in this data.")
    panel.locator("input[name=folder]").fill(str(notebook.server.folder / "elsewhere"))
    panel.get_by_role("button", name="Start", exact=True).click()
    expect(panel).to_have_attribute("data-status", "complete", timeout=PATIENCE_MS)
    expect(panel).to_contain_text("60 of 60 conversations")
    expect(calls.locator("tbody tr[data-place]")).to_have_count(48, timeout=PATIENCE_MS)
    assert (notebook.server.folder / "elsewhere/_commits").is_dir()
    notebook.screenshot("marimo-panel", notebook.cell("panel"))


def test_nothing_in_the_data_runs(notebook: MarimoNotebook) -> None:
    shown = notebook.output("hostile")
    shown.locator("tbody tr[data-place]").first.click()
    shown.locator("[data-ca-timeline][data-live=yes]").wait_for()
    assert "onerror=alert" in shown.locator(".ca-explore tbody").inner_text()
    assert "UNMASKED" in shown.locator(".ca-numbers").inner_text()
    assert notebook.page.evaluate("window.hacked") is None
    assert shown.locator(".ca-explore img").count() == 0
