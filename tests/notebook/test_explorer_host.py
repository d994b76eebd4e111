"""The explorer in the least that a front end does: what it sends, what it needs, what it leaves behind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nbformat
import pytest
from playwright.sync_api import Locator, Page, expect

from conv_analytics import Conversations, Filters, explore, export_panel, show_timeline
from conv_analytics.analysis import legs
from conv_analytics.notebook.explorer.view import COLUMNS
from conv_analytics.sandbox import Sandbox
from tests._helpers.anywidget_host import WidgetHost
from tests._helpers.patience import PATIENCE_S
from tests.notebook.conftest import Open
from tests.notebook.test_traps import offline

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("explorer host")]

#: What a click, a filter or a search may cost on the wire; a page of a hundred rows is the largest part. [bytes]
SMALL, ROWS = 2_000, 30_000


@pytest.fixture(params=["shadow root", "page"])
def host(request: pytest.FixtureRequest, open_page: Open, frames: Any) -> WidgetHost:
    return WidgetHost(open_page(""), explore(frames), shadow=request.param == "shadow root")


def rows(page: Page) -> Locator:
    return page.locator(".ca-explore tbody tr[data-place]")


def selected(page: Page) -> Locator:
    return page.locator(".ca-explore tbody tr[aria-selected=true]")


def test_it_works_in_a_page_and_in_a_shadow_root(host: WidgetHost) -> None:
    page, x = host.page, host.widget
    expect(rows(page)).to_have_count(min(len(x.calls), 100))
    rows(page).nth(2).click()
    page.locator("[data-ca-timeline][data-live=yes]").wait_for()
    assert x.timeline.conversation_id == x.calls["conversation_id"].iloc[2]
    # Keys: the focus is found within a shadow root, too, and stays on the row when others are drawn.
    page.keyboard.press("ArrowDown")
    page.keyboard.press(" ")
    expect(selected(page)).to_have_count(2)
    assert len(x.selected) == 2
    page.locator("th button[name=talk_s]").press("Enter")
    expect(page.locator("th[aria-sort=ascending] button")).to_have_attribute("name", "talk_s")
    expect(page.locator("th button[name=talk_s]")).to_be_focused()
    page.locator("canvas").focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    host.until("host.model.get('picked').rows?.join() === '1'")
    assert x.timeline.selected.index.to_list() == [1]
    assert host.value("host.globals()") == []


def test_each_thing_that_is_done_is_one_small_message(host: WidgetHost) -> None:
    page, x = host.page, host.widget

    def cost(act: Any, wait: Any) -> list[int]:
        asked, sent = len(host.received), len(host.sent)
        act()
        wait()
        assert len(host.received) - asked == 1
        return [len(json.dumps(state)) for state in host.sent[sent:]]

    answered = iter(range(1, 100))

    def done() -> None:
        host.until(f"host.model.get('answered') === {next(answered)}")

    rows(page).nth(0).click()
    done()
    select = cost(lambda: rows(page).nth(3).click(modifiers=["Control"]), done)
    assert len(select) == 1
    assert select[0] < SMALL
    everything = cost(lambda: page.keyboard.press("Control+a"), done)
    assert len(everything) == 1
    assert everything[0] < SMALL
    filtered = cost(lambda: page.locator(".ca-chip[name=poor]").click(), done)
    assert len(filtered) == 1
    assert filtered[0] < ROWS
    assert x.filters == Filters(verdicts="poor")
    searched = cost(lambda: page.get_by_label("Search calls").fill("no such thing"), done)
    assert len(searched) == 1
    assert searched[0] < SMALL
    page.get_by_role("button", name="show all", exact=True).click()
    done()
    opened = cost(lambda: rows(page).nth(5).click(), done)
    assert len(opened) == 1
    assert set(host.sent[-1]) == {"answered", "conversation", "selection"}


def test_no_request_is_lost_or_done_twice(host: WidgetHost) -> None:
    """A front end that keeps values back while Python is busy sends the last one only, and may send one again."""
    page, x = host.page, host.widget
    done: list[Any] = []
    handle = x._handle
    x._handle = lambda request: (done.append(request["place"]), handle(request))
    held: list[Any] = host.value(
        """(() => {
          const saved = [], { model } = host, save = model.save_changes;
          model.save_changes = () => saved.push(model.get("requests"));
          for (const row of [...host.el.querySelectorAll("[data-place]")].slice(0, 3))
            row.dispatchEvent(new MouseEvent("click", { bubbles: true, ctrlKey: true }));
          model.save_changes = save;
          return saved;
        })()"""
    )
    assert [len(each) for each in held] == [1, 2, 3]
    before = len(host.sent)
    for requests in (held[2], held[0], held[2]):
        x.set_state({"requests": requests})
    host.push(before)
    assert len(done) == 3
    assert x.selected["conversation_id"].to_list() == x.calls["conversation_id"].iloc[:3].to_list()
    expect(selected(page)).to_have_count(3)
    rows(page).nth(0).click(modifiers=["Control"])
    expect(selected(page)).to_have_count(2)
    assert len(host.received[-1]["requests"]) == 1, "what is answered is not asked again"


def test_masked_filters_are_shown_and_stay(open_page: Open, frames: Any) -> None:
    """A filter that Python sets by a number is shown by its mask, and stays when another one is changed."""
    number = "447700900123"
    x = explore(legs(frames).assign(network_code=number, to_address=number)).filter(networks=number, text=number)
    host = WidgetHost(open_page(""), x)
    page = host.page
    field, search = page.locator("select[name=networks]"), page.get_by_label("Search calls")
    shown = x.filtering["filters"]["networks"][0]
    assert "***" in shown
    expect(field).to_have_value(shown)
    expect(field).to_have_class("ca-set")
    expect(field.locator("option:checked")).to_contain_text(shown)
    expect(search).to_have_value(shown)
    found = x.calls.index.to_list()
    assert found
    page.locator("select[name=directions]").select_option("outbound")
    host.until("host.model.get('answered') === 1")
    assert x.filters.directions == ("outbound",)
    assert x.calls.index.to_list() == [row for row in found if x._view.frame["direction"][row] == "outbound"]
    expect(field).to_have_value(shown)
    # What is typed is in nothing that the page keeps, once it is answered.
    search.fill(number)
    host.until("host.model.get('answered') === 2")
    host.until("host.model.get('requests').length === 0")
    expect(search).to_have_value(number)
    kept = ["requests", "filtering", "table", "selection", "conversation", "error", "picked", "export"]
    assert number not in str(host.value(f"{kept}.map((name) => JSON.stringify(host.model.get(name)))"))
    page.locator("th button[name=talk_s]").click()
    host.until("host.model.get('answered') === 3")
    expect(search).to_have_value(shown)
    assert number not in page.content()


def test_it_is_as_light_or_dark_as_the_page(host: WidgetHost) -> None:
    page = host.page
    rows(page).nth(0).click()
    page.locator("[data-ca-timeline][data-live=yes]").wait_for()
    ground = "getComputedStyle(host.el.querySelector('.ca-explore')).backgroundColor"
    light = host.value(ground)
    for dark, back in (
        ("document.body.dataset.jpThemeLight = 'false'", "document.body.dataset.jpThemeLight = 'true'"),
        ("delete document.body.dataset.jpThemeLight; document.body.dataset.vscodeThemeKind = 'vscode-dark'",
         "document.body.dataset.vscodeThemeKind = 'vscode-light'"),
        ("delete document.body.dataset.vscodeThemeKind; document.documentElement.setAttribute('theme', 'dark')",
         "document.documentElement.removeAttribute('theme')"),
        ("document.body.className = 'dark dark-theme'", "document.body.className = 'light light-theme'"),
    ):  # fmt: skip
        page.evaluate(dark)
        expect(page.locator(".ca-widget")).to_have_attribute("data-ca-theme", "dark")
        assert host.value(ground) != light
        host.until("host.el.querySelector('[data-ca-timeline]').style.colorScheme === 'dark'")
        page.evaluate(back)
        expect(page.locator(".ca-widget")).to_have_attribute("data-ca-theme", "light")
        assert host.value(ground) == light


def test_it_leaves_nothing_behind(host: WidgetHost) -> None:
    rows(host.page).nth(0).click()
    host.page.locator("[data-ca-timeline][data-live=yes]").wait_for()
    assert host.value("host.listening()") > 5
    host.value("host.end()")
    assert host.value("host.listening()") == 0
    assert host.page.locator("canvas").count() == 0


def test_a_timeline_needs_no_more(open_page: Open, frames: Any) -> None:
    widget = show_timeline(frames, frames["conversations"]["conversation_id"].iloc[3]).widget()
    host = WidgetHost(open_page(""), widget)
    host.page.locator("[data-live=yes] canvas").focus()
    host.page.keyboard.press("Home")
    host.page.keyboard.press("ArrowRight")
    host.until("host.model.get('rows').join() === '1'")
    assert widget.selected.index.to_list() == [1]
    assert host.value("host.globals()") == []
    host.value("host.end()")
    assert host.value("host.listening()") == 0


def test_an_export_starts_from_there(open_page: Open, small_sandbox: Sandbox, tmp_path: Path) -> None:
    client = Conversations(small_sandbox.application_id, small_sandbox.private_key, base_url=small_sandbox.base_url)
    x = explore(panel=export_panel(client, tmp_path / "exports", rate=0))
    host = WidgetHost(open_page(""), x)
    expect(host.page.locator(".ca-export")).to_have_attribute("data-status", "ready")
    before = len(host.sent)
    host.page.get_by_role("button", name="Start", exact=True).click()
    host.until("host.model.get('answered') === 1")
    assert x.panel.job.wait(PATIENCE_S)
    ended = len(x.calls)
    assert ended > 5
    host.push(before)
    expect(host.page.locator(".ca-export")).to_have_attribute("data-status", "complete")
    expect(rows(host.page)).to_have_count(ended)


def test_a_page_without_a_kernel_shows_every_column(open_page: Open, frames: Any, tmp_path: Path) -> None:
    from nbconvert import HTMLExporter

    bundle = explore(frames)._repr_mimebundle_()
    output = nbformat.v4.new_output("display_data", {name: bundle[name] for name in ("text/html", "text/plain")})
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("explore(frames)", outputs=[output])])
    made.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    html, _ = HTMLExporter(config=offline()).from_notebook_node(made)
    (tmp_path / "page.html").write_text(html, encoding="utf-8")
    page = open_page(tmp_path / "page.html")
    cells = page.locator(".ca-explore tbody tr").first.locator("td")
    widths = cells.evaluate_all("cells => cells.map(cell => cell.getBoundingClientRect().width)")
    assert len(widths) == len(COLUMNS)
    assert min(widths) > 20
    assert cells.last.evaluate("cell => getComputedStyle(cell).textAlign") == "left"
