"""Without a mouse, without colours, without seeing, in the dark, on paper: what is drawn can be used all the same."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from conv_analytics import quality_report, show_ladder, show_timeline
from conv_analytics.notebook import palette
from conv_analytics.notebook.palette import THEMES
from tests._helpers import report_legs as made
from tests._helpers.drawn_conversations import of_type
from tests.notebook.colours import BLINDNESS, nearest
from tests.notebook.conftest import Open

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("browser")]

REFERENCE = Path(__file__).parents[2] / "notebooks" / "reference" / "drawing.md"
T = "document.querySelector('[data-ca-timeline]').timeline"
#: All of a page that answers to keys.
CONTROLS = "button, select, input, canvas, summary, a[href], [tabindex='0']"
#: The text whose contrast is smallest, and that contrast: of each element with words of its own that can be seen.
CONTRAST = """() => {
  const part = (v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  const rgba = (text) => { const n = text.match(/[\\d.]+/g).map(Number); return [n[0], n[1], n[2], n[3] ?? 1]; };
  const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3]));
  const ground = (node) => {
    const layers = [];
    for (let each = node; each; each = each.parentElement) layers.push(rgba(getComputedStyle(each).backgroundColor));
    return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255]);
  };
  let worst = [99, ''];
  for (const node of document.querySelectorAll('body *')) {
    const own = [...node.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    const style = getComputedStyle(node), box = node.getBoundingClientRect();
    if (!own || !box.width || style.visibility === 'hidden') continue;
    if (['SCRIPT', 'STYLE', 'title', 'desc', 'OPTION'].includes(node.nodeName)) continue;
    const drawn = node.namespaceURI.endsWith('svg'), below = ground(node);
    const colour = over(rgba(drawn ? style.fill : style.color), below);
    const [low, high] = [light(colour), light(below)].sort((a, b) => a - b), found = (high + 0.05) / (low + 0.05);
    const who = `${node.nodeName}.${node.getAttribute("class")}: ${node.textContent.slice(0, 40)}`;
    if (found < worst[0]) worst = [found, who];
  }
  return worst;
}"""


@pytest.fixture(scope="module")
def pages(frames: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A dossier and a report, as files."""
    room = tmp_path_factory.mktemp("pages")
    one = of_type(frames, "rtc:transfer")
    dossier = show_timeline(frames, one).save_with(show_ladder(frames, one), room / "call.html")
    report, _ = quality_report(frames, tz="Europe/London").write(room / "report.html")
    changed, _ = quality_report(made.week(), since="2026-03-28", until="2026-03-30").write(room / "changed.html")
    return {"dossier": dossier, "report": report, "changed": changed}


def live(page: Page) -> Page:
    for _ in range(1500):
        if page.evaluate(
            f"!document.querySelector('[data-ca-timeline]') || !!({T} && {T}.painter.size && !{T}.pending)"
        ):
            return page
        page.wait_for_timeout(20)
    raise AssertionError("never live")


# -- without a mouse


@pytest.mark.parametrize("name", ["dossier", "report"])
def test_tab_reaches_every_control_and_shows_where_it_is(open_page: Open, pages: dict[str, Path], name: str) -> None:
    page = live(open_page(pages[name]))
    count = page.evaluate(
        f"""() => {{ let number = 0; for (const node of document.querySelectorAll("{CONTROLS}"))
          if (node.checkVisibility() && node.tabIndex >= 0) node.dataset.number = number++; return number; }}"""
    )
    reached, unseen = set[str](), []
    for _ in range(count + 2):
        page.keyboard.press("Tab")
        told = page.evaluate(
            """() => { const node = document.activeElement, style = getComputedStyle(node);
              const width = parseFloat(style.outlineWidth);
              return [node.dataset.number ?? '', style.outlineStyle, width, node.outerHTML.slice(0, 80)]; }"""
        )
        if told[0]:
            reached.add(told[0])
            if told[1] == "none" or told[2] < 1:
                unseen.append(told[3])
    assert len(reached) == count
    assert unseen == []


def test_keys_select_pin_and_leave(open_page: Open, pages: dict[str, Path]) -> None:
    page = live(open_page(pages["dossier"]))
    page.locator("canvas").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.textContent") == "copy"
    page.keyboard.press("Escape")
    assert page.evaluate(f"[document.activeElement.nodeName, {T}.picked]") == ["CANVAS", -1]
    # The table is a second way to the same.
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "ca-list"
    for _ in range(3):
        page.keyboard.press("ArrowDown")
    assert page.evaluate(f"{T}.picked") == 2
    assert page.locator("tr[aria-selected]").get_attribute("data-item") == "2"
    assert page.locator(".ca-voice").text_content() == page.evaluate(f"{T}.describe(2)")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Close the details").press("Enter")
    assert page.evaluate(f"[document.activeElement.className, {T}.picked]") == ["ca-list", -1]


# -- without seeing it


def test_names_roles_and_a_table_of_the_same(open_page: Open, pages: dict[str, Path]) -> None:
    page = live(open_page(pages["dossier"]))
    tree = page.locator("body").aria_snapshot()
    for named in ('combobox "Time zone"', 'searchbox "Search events"', 'button "Zoom in"',
                  'application "Timeline of CON-', 'img "Ladder of CON-', "main:"):  # fmt: skip
        assert named in tree, named
    assert page.evaluate(f"{T}.grid.getAttribute('aria-rowcount') == {T}.count + 1")
    assert page.locator(".ca-ladder details table tbody tr").count() > 5
    report = open_page(pages["report"])
    nameless = report.evaluate("[...document.querySelectorAll('svg[role=img]')].filter(n => !n.querySelector('title'))")
    assert nameless == []
    assert report.locator("th:not([scope])").count() == 0
    assert report.evaluate("[...document.querySelectorAll('h1, h2, h3')].map(n => n.nodeName)[0]") == "H1"
    assert report.locator("html").get_attribute("lang") == "en"


def test_nothing_moves_by_itself(open_page: Open, pages: dict[str, Path]) -> None:
    """So nothing has to be stopped for those who asked for less motion."""
    for path in pages.values():
        styles = "".join(re.findall(r"<style>.*?</style>", path.read_text(encoding="utf-8"), re.DOTALL))
        assert not re.search(r"transition|animation|@keyframes|scroll-behavior|<marquee|<animate", styles)
        page = live(open_page(path, reduced_motion="no-preference"))
        assert page.evaluate("document.getAnimations().length") == 0


# -- colours


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["dossier", "report", "changed"])
def test_every_text_stands_out(open_page: Open, pages: dict[str, Path], name: str, scheme: str) -> None:
    page = live(open_page(pages[name], color_scheme=scheme))
    page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
    if name == "dossier":
        page.locator("canvas").focus()
        page.keyboard.press("ArrowRight")
        page.locator(".ca-chip").first.click()
    least, where = page.evaluate(CONTRAST)
    assert least >= 4.5, where


@pytest.mark.parametrize("theme", THEMES.values(), ids=THEMES)
def test_every_mark_stands_out(theme: palette.Theme) -> None:
    """By its colour, or by the line around it."""
    for ground in (theme.ground, theme.raised):
        assert min(palette.contrast(colour, ground) for colour in theme.kinds.values()) >= 3
    assert min(palette.contrast(colour, theme.ground) for colour in theme.edges.values()) >= 3


def measured() -> str:
    """The table of drawing.md."""
    rows = []
    for theme in THEMES.values():
        verdicts = {name: theme.quality[name] for name in ("good", "fair", "poor")}
        for name, colours in (("verdicts", verdicts), ("states", theme.states), ("kinds of events", theme.kinds)):
            edges = [theme.edges.get(each, colour) for each, colour in colours.items()]
            least = min(palette.contrast(colour, theme.ground) for colour in edges)
            differences = [f"{nearest(colours.values(), kind):.0f}" for kind in (None, *BLINDNESS)]
            rows.append(f"| {theme.name} | {name} | {' | '.join(differences)} | {least:.1f} |")
        words = min(palette.contrast(colour, ground) for colour in (theme.text, theme.quiet, theme.accent)
                    for ground in (theme.ground, theme.raised))  # fmt: skip
        rows.append(f"| {theme.name} | text | | | | | {words:.1f} |")
    head = "| theme | colours | everybody | protan | deutan | tritan | contrast |\n|---|---|---|---|---|---|---|\n"
    return head + "\n".join(rows) + "\n"


def test_the_measured_table_is_the_palettes() -> None:
    assert measured() in REFERENCE.read_text(encoding="utf-8"), f"drawing.md should have\n{measured()}"


# -- on paper


@pytest.mark.parametrize("name", ["dossier", "report"])
def test_paper_is_white_and_has_everything(open_page: Open, pages: dict[str, Path], name: str) -> None:
    page = live(open_page(pages[name], color_scheme="dark"))
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.locator("button:visible, canvas:visible, select:visible").count() == 0
    if name == "dossier":
        assert page.locator(".ca-still").is_visible()
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert page.locator(".ca-rows tbody tr").first.is_visible()
        page.evaluate("dispatchEvent(new Event('afterprint'))")
        assert page.locator(".ca-rows[open]").count() == 0
    least, where = page.evaluate(CONTRAST)
    assert least >= 4.5, where
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0 or name == "dossier"
    assert len(page.pdf(format="A4")) > 20_000
