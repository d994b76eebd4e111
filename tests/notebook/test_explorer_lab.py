"""The explorer in JupyterLab: by mouse and by keys, in light and dark; what is done there reaches Python."""

from __future__ import annotations

import pytest

from tests._helpers.jupyterlab import Lab, Notebook

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("lab")]

WORLD = """\
from conv_analytics import Conversations, Filters, explore, export
from conv_analytics.sandbox import Sandbox
sandbox = Sandbox(seed=7, conversations=180).start()
client = Conversations(sandbox.application_id, sandbox.private_key, base_url=sandbox.base_url)
frames = export(client, rate=0, progress=False)
"""
#: Every text that the table shows is one that would run if it were taken for markup.
NASTY = """\
bad = "</script><img src=x onerror=alert(1)><svg onload=alert(1)>\\u202e"
tables = {name: table.copy() for name, table in frames.items()}
texts = [name for name in ("to_number", "from_number", "network_code", "reason_text") if name in tables["hangups"]]
tables["hangups"] = tables["hangups"].astype(dict.fromkeys(texts, "str")).assign(**dict.fromkeys(texts, bad))
explore(tables, mask=False)
"""
TABLE = ".ca-explore[data-live=yes]"
#: The colour of the canvas where nothing is drawn.
GROUND = "document.querySelector('[data-ca-timeline] canvas')?.getContext('2d').getImageData(2, 30, 1, 1).data.join()"


def shown(notebook: Notebook, count: int) -> None:
    """Wait until so many calls pass the filters."""
    notebook.until_value("len(x.calls)", count)
    notebook.until(f"document.querySelector('{TABLE} .ca-numbers b').textContent === '{count}'")


def test_the_explorer(lab: Lab) -> None:
    import nbformat

    notebook = lab.open(lab.write(WORLD, "x = explore(frames, tz='Europe/London')\nx"))
    notebook.run_all()
    page = notebook.page
    notebook.until(f"document.querySelector('{TABLE}')")
    total = notebook.value("len(x.calls)")
    notebook.screenshot("explorer-light")

    filter_calls(notebook, total)
    order_calls(notebook)
    use_keys(notebook, total)
    use_the_mouse(notebook)
    use_the_timeline(notebook)

    notebook.screenshot("explorer-open-light")
    assert page.evaluate(GROUND) == "255,255,255,255"
    notebook.theme("dark")
    # While JupyterLab changes its theme the page has no layout; what is drawn follows all the same.
    notebook.until(f"{GROUND} === '20,24,29,255'")
    notebook.screenshot("explorer-open-dark")

    set_from_python(notebook)
    saved = notebook.save()
    html = saved.cells[1].outputs[0].data["text/html"]
    assert "data:image/svg+xml" in html
    assert f"{total}</b> calls" in html

    # The file as others get it: nobody here has run it, and no kernel knows the widget. Picture and rows are there.
    notebook.page.close()
    sent = lab.write()
    saved.cells.append(nbformat.v4.new_markdown_cell("Have a look."))
    nbformat.write(saved, sent)
    again = lab.open(sent)
    again.until("document.querySelector('.ca-explore img')?.naturalWidth > 100")
    assert again.page.locator(".ca-explore tbody tr").count() == 25
    again.screenshot("explorer-sent-light")


def filter_calls(notebook: Notebook, total: int) -> None:
    page = notebook.page
    page.locator(f"{TABLE} select[name=direction], {TABLE} select[name=directions]").select_option("inbound")
    shown(notebook, notebook.value("int((x._view.frame['direction'] == 'inbound').sum())"))
    page.locator(f"{TABLE} .ca-chip[name=fair]").click()
    notebook.until_value("list(x.filters.verdicts)", ["fair"])
    notebook.until_value("sorted(set(x.calls['verdict']))", ["fair"])
    page.get_by_role("button", name="show all").click()
    shown(notebook, total)
    some = notebook.value("x.calls['conversation_id'].iloc[7]")
    page.get_by_label("Search calls").press_sequentially(some[4:17])
    shown(notebook, notebook.value(f"int((x._view.frame['conversation_id'] == {some!r}).sum())"))
    assert page.get_by_label("Search calls").input_value() == some[4:17]
    page.get_by_label("Search calls").fill("")
    shown(notebook, total)


def order_calls(notebook: Notebook) -> None:
    page = notebook.page
    page.locator(f"{TABLE} th button[name=talk_s]").press("Enter")
    notebook.until(f"document.querySelector('{TABLE} th[aria-sort=ascending] button')?.name === 'talk_s'")
    page.locator(f"{TABLE} th button[name=talk_s]").press("Enter")
    notebook.until(f"document.querySelector('{TABLE} th[aria-sort=descending] button')?.name === 'talk_s'")


def use_keys(notebook: Notebook, total: int) -> None:
    """By keys alone: a row, Enter, the timeline of the call."""
    page = notebook.page
    longest = notebook.value("x._view.frame.sort_values('talk_s', ascending=False)['conversation_id'].iloc[0]")
    page.locator(f"{TABLE} tbody tr[tabindex='0']").focus()
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    notebook.until_value("x.selected['conversation_id'].to_list()", [longest])
    notebook.until_value("x.timeline and x.timeline.conversation_id", longest)
    notebook.until("document.querySelector('[data-ca-timeline][data-live=yes]')")
    for _ in range(2):
        page.keyboard.press("ArrowDown")
    page.keyboard.press(" ")
    notebook.until_value("len(x.selected)", 2)
    page.keyboard.press("Shift+ArrowDown")
    notebook.until_value("len(x.selected)", 2)
    page.keyboard.press("Control+a")
    notebook.until_value("len(x.selected)", total)
    page.keyboard.press("Escape")
    notebook.until_value("len(x.selected)", 0)
    page.keyboard.press("End")
    page.keyboard.press("ArrowDown")
    notebook.until_value("x._view.first", 100)
    page.get_by_role("button", name="Previous page").click()
    notebook.until_value("x._view.first", 0)


def use_the_mouse(notebook: Notebook) -> None:
    """A click opens, Ctrl and click adds."""
    page = notebook.page
    rows = page.locator(f"{TABLE} tbody tr")
    rows.nth(1).click()
    notebook.until_value(
        "x.selected['conversation_id'].to_list()", [notebook.value("x.calls['conversation_id'].iloc[1]")]
    )
    rows.nth(4).click(modifiers=["Control"])
    both = notebook.value("x.calls['conversation_id'].iloc[[1, 4]].to_list()")
    notebook.until_value("x.selected['conversation_id'].to_list()", both)
    notebook.until_value("x.timeline.conversation_id", both[0])


def use_the_timeline(notebook: Notebook) -> None:
    """Its own selection, by keys, is a frame in Python; JupyterLab's keys rest all the while."""
    page = notebook.page
    cells = page.locator(".jp-Notebook .jp-Cell").count()
    notebook.until(
        "document.querySelector('[data-ca-timeline]').timeline?.data.id === "
        f"'{notebook.value('x.timeline.conversation_id')}'"
    )
    page.locator("[data-ca-timeline] canvas").focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    notebook.until_value("x.timeline.selected.index.to_list()", [1])
    page.keyboard.press("ArrowDown")
    assert page.locator(".jp-Notebook .jp-Cell").count() == cells
    assert page.evaluate("document.activeElement.tagName") == "CANVAS"


def set_from_python(notebook: Notebook) -> None:
    """What Python sets is shown; what cannot be is said."""
    page = notebook.page
    assert notebook.value("len(x.filter(outcomes=['busy', 'no_answer'], since='2026-01-01').calls)") > 0
    notebook.until(f"document.querySelector('{TABLE} input[name=since]').value === '2026-01-01'")
    notebook.until(f"document.querySelector('{TABLE} select[name=outcomes]').selectedOptions[0].text === '2 of them'")
    # In one go: what Python still tells of its own filter may come between two, and set the field back.
    page.locator(f"{TABLE} input[name=until]").evaluate(
        "field => { field.value = '2025-01-01'; field.dispatchEvent(new Event('change', {bubbles: true})); }"
    )
    notebook.until(f"!document.querySelector('{TABLE} .ca-wrong').hidden")


def test_nothing_in_the_data_runs(lab: Lab) -> None:
    notebook = lab.open(lab.write(WORLD, NASTY))
    notebook.run_all()
    notebook.until(f"document.querySelector('{TABLE}')")
    notebook.page.locator(f"{TABLE} tbody tr").nth(0).click()
    notebook.until("document.querySelector('[data-ca-timeline][data-live=yes]')")
    notebook.settle()
    assert "onerror=alert" in notebook.page.locator(f"{TABLE} tbody").inner_text()
    assert "UNMASKED" in notebook.page.locator(f"{TABLE} .ca-numbers").inner_text()
    assert notebook.page.evaluate("window.hacked") is None
    assert notebook.page.locator(f"{TABLE} img").count() == 0
