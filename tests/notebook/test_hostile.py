"""Nothing that stands in a text of the API runs, asks another host, forges a line or spoils a page, in any output."""

from __future__ import annotations

import csv
import io
import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt

from conv_analytics import explore
from conv_analytics.cli.formats import CONTROL_CHARACTERS
from tests._helpers.anywidget_host import WidgetHost
from tests._helpers.hostile_world import PAYLOADS, untouched, world
from tests.notebook.conftest import Open
from tests.notebook.outputs import OUTPUTS, Given, unregistered

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("hostile")]

#: What a page, its pictures and those of matplotlib are made of. No link, no frame, no form, no object.
TAGS = frozenset(re.findall(r"\S+", """
    article body b bdi br button canvas caption circle code dd defs desc details div dl dt em figcaption figure g
    h1 h2 h3 h4 head header html i image img input label li link main meta option p path pattern pre progress rect
    section select span strong style summary svg table tbody td text th thead title tr tspan ul use clippath metadata
    script rdf:rdf cc:work dc:type dc:date dc:format dc:creator dc:title cc:agent
"""))  # fmt: skip
#: Whatever of these is in a page came out of a text.
FOUND = """() => {
  const every = [...document.querySelectorAll('*')], wrong = [];
  for (const node of every) for (const { name, value } of node.attributes) {
    if (name.startsWith('on')) wrong.push(`${node.localName} ${name}`);
    if (['src', 'href', 'xlink:href', 'action', 'formaction', 'srcdoc', 'data', 'poster'].includes(name)
        && !/^(data:image\\/|#|blob:)/.test(value)) wrong.push(`${node.localName} ${name}=${value.slice(0, 60)}`);
  }
  return { wrong, tags: [...new Set(every.map(node => node.localName.toLowerCase()))], hacked: window.hacked,
           scripts: document.querySelectorAll('script').length };
}"""
#: Outputs that mask people.
MASKED = ("timeline", "ladder", "report", "dossier", "explorer")
#: A diagram line is one of these, to the letter.
MERMAID = re.compile(r"sequenceDiagram|    (participant P\d+ as|Note over P0:|P\d+-(-)?>>P\d+:) [\w .,+*@()/-]+")


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Given:
    """The hostile world, and in it the conversation with legs that has the most kinds of events, yet can be read."""
    room = tmp_path_factory.mktemp("hostile")
    dataset = world(room)
    assert untouched(dataset) == []
    events = dataset["events"]
    legged = events[events["conversation_id"].isin(dataset["hangups"]["conversation_id"])]
    found = legged.groupby("conversation_id")["type"].agg(["nunique", "size"])
    one = found[found["size"] < 200].sort_values(["nunique", "size"], kind="stable").index[-1]
    return Given(dataset, str(one), mask=True, room=room)


def test_every_output_is_tried() -> None:
    assert unregistered() == set(), "show texts of the API, and are not in tests/notebook/outputs.py"


def _made(given: Given, name: str, mask: bool) -> str:
    return OUTPUTS[name].make(Given(given.dataset, given.conversation, mask, given.room))


@pytest.mark.parametrize("mask", [True, False], ids=["masked", "unmasked"])
@pytest.mark.parametrize("name", [name for name, output in OUTPUTS.items() if output.kind == "page"])
def test_pages(open_page: Open, given: Given, name: str, mask: bool, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    text = _made(given, name, mask)
    path.write_text(text, encoding="utf-8")
    assert "\x00" not in text
    page = open_page(path)
    allowed = text.count("<script")
    live = page.locator("[data-ca-timeline]").count()
    for _ in range(1500 if live else 0):
        if page.locator("[data-live=yes]").count() == live:
            break
        page.wait_for_timeout(20)
    assert page.locator("[data-live=yes]").count() == live
    _nothing_found(page, allowed)
    # What is on it still works: keys step through every event, buttons copy.
    if live:
        page.locator("canvas").focus()
        for _ in range(40):
            page.keyboard.press("ArrowRight")
        assert page.locator(".ca-pane pre").first.inner_text()
        page.keyboard.press("/")
        page.keyboard.type("<img")
    elif page.locator("button").count():
        page.locator("button").first.click()
    for summary in page.locator("summary").all():
        summary.evaluate("node => node.parentElement.open = true")
    _nothing_found(page, allowed)


def test_outputs_in_one_notebook(open_page: Open, given: Given) -> None:
    """All of them below each other, as cells have them, masked and not."""
    texts = [
        _made(given, name, mask)
        for name, output in OUTPUTS.items() if output.kind in {"fragment", "svg"}
        for mask in ((True, False) if name.startswith(MASKED) else (False,))
    ]  # fmt: skip
    for name, output in OUTPUTS.items():
        if output.kind == "svg":
            ET.fromstring(_made(given, name, mask=False).encode())
    page = open_page("".join(f"<div class=cell>{text.partition('?>')[2] or text}</div>" for text in texts))
    assert page.locator("body > .cell").count() == len(texts), "no text closed an element around it"
    count = page.locator("[data-ca-timeline]").count()
    for _ in range(1500):
        if page.locator("[data-live=yes]").count() == count:
            break
        page.wait_for_timeout(20)
    assert page.locator("[data-live=yes]").count() == count == 4
    _nothing_found(page, sum(text.count("<script") for text in texts))
    page.mouse.move(500, 300)
    page.locator("canvas").first.focus()
    for _ in range(60):
        page.keyboard.press("ArrowRight")
    _nothing_found(page, sum(text.count("<script") for text in texts))


def test_the_explorer_alive(open_page: Open, given: Given) -> None:
    explorer = explore(given.dataset, mask=False).select(given.conversation)
    page = open_page("")
    WidgetHost(page, explorer, shadow=False)
    page.locator("[data-ca-timeline][data-live=yes]").wait_for()
    assert page.locator(".ca-explore tbody tr").count() > 5
    assert page.evaluate("document.body.innerText.includes('onerror=')"), "what is hostile is shown as text"
    _nothing_found(page, 0)


def _nothing_found(page: Any, scripts: int) -> None:
    found = page.evaluate(FOUND)
    assert found["wrong"] == []
    assert found["hacked"] is None
    assert found["scripts"] == scripts
    assert set(found["tags"]) <= TAGS


@pytest.mark.parametrize("name", [name for name, output in OUTPUTS.items() if output.kind == "markdown"])
def test_markdown_is_a_table_and_nothing_else(given: Given, name: str) -> None:
    text = _made(given, name, mask=False)
    html = MarkdownIt("commonmark", {"html": True}).enable("table").enable("strikethrough").render(text)
    assert set(re.findall(r"<([a-z0-9]+)", html)) == {"table", "thead", "tbody", "tr", "th", "td"}
    heights = {line.count("<td>") for line in html.split("<tr>")[2:]}
    assert heights == {html.count("<th>")}
    assert not CONTROL_CHARACTERS.search(text)


@pytest.mark.parametrize("name", [name for name, output in OUTPUTS.items() if output.kind == "csv"])
def test_no_cell_of_csv_is_a_formula(given: Given, name: str) -> None:
    rows = list(csv.reader(io.StringIO(_made(given, name, mask=False))))
    assert {len(row) for row in rows} == {len(rows[0])}
    cells = {cell for row in rows for cell in row}
    wild = {cell for cell in cells if cell.lstrip(" ").startswith(tuple("=+-@\t\r\n"))}
    assert not {cell for cell in wild if not re.fullmatch(r"[+-]?[\d.,]+(e[+-]?\d+)?|\+[\d*]+(#\w+)?", cell)}


@pytest.mark.parametrize("name", [name for name, output in OUTPUTS.items() if output.kind == "text"])
def test_text_steers_no_terminal_and_forges_no_line(given: Given, name: str) -> None:
    for mask in (True, False):
        text = _made(given, name, mask)
        assert not CONTROL_CHARACTERS.search(text)
        assert "\r" not in text
        assert "\n    P0->>P1: forged" not in text


@pytest.mark.parametrize("name", [name for name, output in OUTPUTS.items() if output.kind == "json"])
def test_json_is_json_and_verbatim(given: Given, name: str) -> None:
    text = _made(given, name, mask=False)
    texts = set(_texts(json.loads(text)))
    # What is printed may meet a terminal; the report's numbers are a file.
    assert name == "report, numbers" or not CONTROL_CHARACTERS.search(text)
    if name.startswith(("timeline", "quality")):
        assert any(payload in each for payload in PAYLOADS for each in texts)


def _texts(value: Any) -> Any:
    if isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _texts(each)
    elif isinstance(value, str):
        yield value


def test_a_diagram_has_only_lines_of_its_own(given: Given) -> None:
    for mask in (True, False):
        lines = _made(given, "ladder, mermaid", mask).splitlines()
        assert [line for line in lines if not MERMAID.fullmatch(line)] == []
        assert not any("forged" in line and line.startswith("    P") for line in lines)
