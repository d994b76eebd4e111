"""The timeline in a real browser: live, by mouse and by keys, and nothing runs that stands in the data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from conv_analytics import show_ladder, show_timeline
from conv_analytics.analysis.engine.zones import zone_info
from conv_analytics.notebook.html import resource
from conv_analytics.notebook.timeline.axis import ticks
from conv_analytics.notebook.timeline.layout import clusters
from conv_analytics.notebook.timeline.page import payload
from conv_analytics.notebook.timeline.widget import TimelineWidget
from tests._helpers.drawn_conversations import events, many, of_type
from tests.notebook.conftest import Open

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("browser")]

T = "document.querySelector('[data-ca-timeline]').timeline"


def until(page: Page, expression: str) -> None:
    """Wait until it is true. The page's policy allows no polling by words of a script within it."""
    for _ in range(1000):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(20)
    raise AssertionError(f"never true: {expression}")


def live(page: Page, count: int = 1) -> Page:
    until(page, f"document.querySelectorAll('[data-live=yes]').length === {count}")
    until(page, f"{T}.painter.size && !{T}.pending")
    return page


@pytest.fixture(scope="module")
def transfer(frames: Any) -> Any:
    return show_timeline(frames, of_type(frames, "rtc:transfer"), tz="Europe/London")


@pytest.fixture
def page(open_page: Open, transfer: Any, tmp_path: Path) -> Page:
    return live(open_page(transfer.save(tmp_path / "call.html")))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_drawn_in_light_and_dark(
    open_page: Open, transfer: Any, frames: Any, tmp_path: Path, scheme: str
) -> None:
    ladder = show_ladder(frames, transfer.conversation_id)
    page = live(open_page(transfer.save_with(ladder, tmp_path / "call.html"), color_scheme=scheme))
    page.screenshot(path=tmp_path / f"call-{scheme}.png", full_page=True)
    assert page.evaluate(f"{T}.painter.theme.name") == scheme
    colours = page.evaluate(
        "() => { const c = document.querySelector('canvas'), s = new Set(),"
        " d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
        " for (let i = 0; i < d.length; i += 4) s.add(d[i] << 16 | d[i+1] << 8 | d[i+2]); return s.size; }"
    )
    assert colours > 50
    assert not page.locator(".ca-still").is_visible()
    assert page.locator(".ca-ladder img").evaluate("image => image.naturalWidth") > 300


def test_a_change_of_the_theme_is_followed(open_page: Open, transfer: Any) -> None:
    page = live(open_page(transfer._repr_mimebundle_()["text/html"]))
    assert page.evaluate(f"{T}.painter.theme.name") == "light"
    page.evaluate("document.body.dataset.jpThemeLight = 'false'")
    until(page, f"{T}.painter.theme.name === 'dark'")


def test_without_a_script_there_is_a_picture_and_a_table(open_page: Open, transfer: Any, tmp_path: Path) -> None:
    page = open_page(transfer.save(tmp_path / "call.html"), java_script_enabled=False)
    assert page.locator("img").is_visible()
    box = page.locator("img").bounding_box()
    assert box is not None
    assert box["height"] > 100
    assert "3 legs" in str(page.locator("img").get_attribute("alt"))
    assert page.locator(".ca-rows tbody tr").count() == min(50, len(transfer.frame))


def test_untrusted_html_keeps_the_picture(open_page: Open, transfer: Any) -> None:
    """What JupyterLab leaves of a notebook that it does not trust."""
    page = open_page(transfer._repr_mimebundle_()["text/html"], java_script_enabled=False)
    page.locator("img").wait_for(state="visible")
    # No inline SVG, whose words would be left when its tags are not.
    assert page.locator("svg").count() == 0


def test_keys_alone_do_everything(page: Page) -> None:
    page.locator("canvas").focus()
    before = page.evaluate(f"[...{T}.view]")
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    assert page.evaluate(f"{T}.picked") == 2
    assert page.locator(".ca-voice").text_content() == page.evaluate(f"{T}.describe(2)")
    assert page.locator("tr[aria-selected]").get_attribute("data-item") == "2"
    page.keyboard.press("+")
    after = page.evaluate(f"[...{T}.view]")
    assert after[1] - after[0] == pytest.approx((before[1] - before[0]) * 0.6)
    page.keyboard.press("Shift+ArrowRight")
    assert page.evaluate(f"{T}.view[0]") > after[0]
    page.keyboard.press("ArrowDown")
    lanes = page.evaluate(f"[{T}.data.items.lane[2], {T}.data.items.lane[{T}.picked]]")
    assert lanes[1] > lanes[0]
    page.keyboard.press("End")
    assert page.evaluate(f"{T}.picked === {T}.count - 1 && {T}.view[1] >= {T}.data.items.start[{T}.picked]")
    page.keyboard.press("f")
    assert page.evaluate(f"[...{T}.view]") == before
    page.keyboard.press("Escape")
    assert page.evaluate(f"{T}.picked") == -1
    assert not page.locator(".ca-pane").is_visible()
    page.keyboard.press("/")
    page.keyboard.type("hangup")
    found = page.evaluate(f"{T}.shown.length")
    assert 0 < found < page.evaluate(f"{T}.count")
    assert page.locator(".ca-live tbody tr[data-item]").count() == found


def test_the_mouse_pins_zooms_moves_and_measures(page: Page) -> None:
    box = page.locator("canvas").bounding_box()
    assert box is not None
    target = page.evaluate(f"{T}.painter.targets.find(target => !target.band)")
    each, left, top, right, bottom = (target[name] for name in ("item", "left", "top", "right", "bottom"))
    x, y = box["x"] + (left + right) / 2, box["y"] + 52 + (top + bottom) / 2
    page.mouse.move(x, y)
    assert page.locator(".ca-tip").is_visible()
    page.mouse.click(x, y)
    assert page.evaluate(f"{T}.picked") == each
    assert page.locator(".ca-pane").is_visible()
    whole = page.evaluate(f"{T}.view[1] - {T}.view[0]")
    page.keyboard.down("Control")
    page.mouse.wheel(0, -300)
    page.keyboard.up("Control")
    until(page, f"{T}.view[1] - {T}.view[0] < {whole} * 0.9")
    start = page.evaluate(f"{T}.view[0]")
    page.mouse.move(box["x"] + 700, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + 600, box["y"] + 100, steps=3)
    page.mouse.up()
    assert page.evaluate(f"{T}.view[0]") > start
    page.keyboard.down("Shift")
    page.mouse.move(box["x"] + 400, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + 800, box["y"] + 100, steps=3)
    page.mouse.up()
    page.keyboard.up("Shift")
    assert "begin in it" in page.locator(".ca-bar > .ca-quiet").inner_text()
    page.locator(".ca-live tbody tr[data-item]").nth(3).click()
    assert str(page.evaluate(f"{T}.picked")) == page.locator("tr[aria-selected]").get_attribute("data-item")


def test_the_wheel_scrolls_the_page_over_a_timeline(open_page: Open, transfer: Any) -> None:
    page = live(open_page(transfer._repr_mimebundle_()["text/html"] + "<div style='height:3000px'></div>"))
    view = page.evaluate(f"[...{T}.view]")
    page.mouse.move(600, 300)
    page.mouse.wheel(0, 400)
    until(page, "window.scrollY > 100")
    assert page.evaluate(f"[...{T}.view]") == view


def test_zone_filter_and_copy(page: Page) -> None:
    first = page.locator(".ca-live tbody tr[data-item] td:nth-child(2)").first
    assert first.inner_text().endswith("+00:00")
    page.get_by_label("Time zone").select_option("Asia/Kolkata")
    assert first.inner_text().endswith("+05:30")
    page.locator(".ca-chip").first.click()
    assert page.locator(".ca-chip").first.get_attribute("aria-pressed") == "false"
    assert page.evaluate(f"{T}.shown.length < {T}.count")
    # Where a page may not use the clipboard, as from a file in some browsers, the old way is gone.
    page.evaluate(
        "Object.defineProperty(navigator, 'clipboard', {value: undefined});"
        "window.copied = ''; document.execCommand = () => { window.copied = document.activeElement.value; };"
    )
    page.locator("canvas").focus()
    page.keyboard.press("End")
    page.get_by_role("button", name="copy").click()
    assert page.evaluate("window.copied.length") > 10


def test_two_in_one_page_and_a_cell_run_fifty_times(open_page: Open, transfer: Any) -> None:
    html = transfer._repr_mimebundle_()["text/html"]
    page = live(open_page(html + html), count=2)
    assert (
        page.evaluate("new Set([...document.querySelectorAll('[id]')].map(e => e.id)).size")
        == page.locator("[id]").count()
    )
    page.evaluate(
        """async (html) => {
          for (let run = 0; run < 50; run++) {
            document.body.innerHTML = html;
            const old = document.querySelector('script[type=module]'), fresh = document.createElement('script');
            fresh.type = 'module'; fresh.textContent = old.textContent; old.replaceWith(fresh);
            while (!document.querySelector('[data-live=yes]')) await new Promise(requestAnimationFrame);
          }
        }""",
        html,
    )
    assert page.evaluate("convAnalyticsTimelines.live.size") == 1
    assert page.locator("canvas").count() == 1


NASTY = "</script><img src=x onerror=alert(1)><svg onload=alert(1)>\u202e'\"`${alert(1)}\u2028"


def _nasty() -> Any:
    fields = {"text", "message_type", "reason", "display_name", "name", "custom_data", "leg_id", "digit", "digits",
              "url", "invited_by", "user_id", "channel", "language"}  # fmt: skip
    body = dict.fromkeys(fields, NASTY) | {"user": {"name": NASTY, "display_name": NASTY, "id": NASTY}}
    body |= {"channel": {"id": NASTY, "type": NASTY, "to": {"number": NASTY}, "from": {"user": NASTY}}, NASTY: NASTY}
    body |= {"reason": {"text": NASTY, "code": NASTY, "sip_code": 486}}
    kinds = ("member:invited", "member:joined", "message", "audio:dtmf", "audio:say", "sip:hangup", "leg:status:update",
             "rtc:transfer", "custom:x", NASTY, "member:left", "audio:speaking:on", "event:delete")  # fmt: skip
    return events(
        *((n, kind, body | {"member": f"MEM-{NASTY}"}) for n, kind in enumerate(kinds)), conversation=f"CON-{NASTY}"
    )


@pytest.mark.parametrize("mask", [True, False])
def test_nothing_in_the_data_runs(open_page: Open, tmp_path: Path, mask: bool) -> None:
    data, one = _nasty(), f"CON-{NASTY}"
    drawn = show_timeline(data, one, mask=mask)
    shown = [open_page(drawn._repr_mimebundle_()["text/html"]), open_page(drawn.save(tmp_path / "nasty.html"))]
    for page in shown:
        live(page)
        page.locator("canvas").focus()
        for _ in range(len(drawn.frame)):
            page.keyboard.press("ArrowRight")
        page.mouse.move(500, 300)
        page.wait_for_timeout(50)
        assert page.evaluate("window.hacked") is None
        assert page.locator("img").count() == 1
        assert page.evaluate("document.querySelectorAll('script').length") == 2
    leg = {"direction": "outbound", "technology": "sip", "to_number": NASTY, "leg_id": NASTY, "sip_code": 486}
    hangups = data["events"].iloc[:1].assign(type="sip:hangup", **leg)
    ladder = show_ladder({"hangups": hangups}, one, mask=mask)
    page = open_page(ladder.fragment())
    assert page.evaluate("window.hacked") is None
    assert page.locator("img").count() == 1
    assert "<" not in ladder.to_mermaid().replace("<<", "").replace("->>", "")


@pytest.mark.parametrize("count", [1, 2, 400])
def test_few_and_many_events(open_page: Open, tmp_path: Path, count: int) -> None:
    drawn = show_timeline(many(count, members=min(count, 40)), "CON-1")
    page = live(open_page(drawn.save(tmp_path / "many.html")))
    assert page.evaluate(f"{T}.count") == len(drawn.frame)
    assert page.evaluate(f"{T}.painter.targets.length") > 0


def test_many_events_become_bars_and_none_is_lost(open_page: Open, tmp_path: Path) -> None:
    page = live(open_page(show_timeline(many(5000, members=1), "CON-1").save(tmp_path / "dense.html")))
    drawn = page.evaluate(f"{T}.painter.targets.reduce((sum, target) => sum + (target.count ?? 0), 0)")
    assert drawn == page.evaluate(f"{T}.data.items.mark.reduce((a, b) => a + b)")


@pytest.mark.parametrize(
    ("zone", "start", "hours"),
    [("Europe/London", 1_774_738_800, 6), ("Asia/Kolkata", 1_774_738_800, 30), ("America/New_York", 1_772_940_000, 9),
     ("Asia/Tokyo", 1_774_738_800, 0.001), ("UTC", 1_774_738_800, 900), ("Europe/London", 1_774_000_000, 400),
     ("Australia/Lord_Howe", 1_775_308_800, 12), ("Australia/Lord_Howe", 1_775_000_000, 200),
     ("Asia/Kathmandu", 1_774_738_800, 7), ("Europe/London", 1_774_699_200, 36), ("Europe/London", 1_792_843_200, 36),
     ("America/Santiago", 1_788_616_800, 36), ("America/Santiago", 1_788_616_800, 200),
     ("Pacific/Apia", 1_325_160_000, 36), ("America/Sao_Paulo", 1_541_289_600, 7)],
)  # fmt: skip
def test_browser_and_python_agree_on_the_axis(open_page: Open, zone: str, start: int, hours: float) -> None:
    page = open_page("")
    module = "(text) => import(URL.createObjectURL(new Blob([text], {type: 'text/javascript'})))"
    span = [start * 1_000_000, int((start + hours * 3600) * 1_000_000)]
    sent = payload(show_timeline(many(1, members=1), "CON-1").layout, zone_info("UTC"))
    made = page.evaluate(
        f"async ([text, a, b, zone, axis]) => (await ({module})(text)).ticks(a, b, 900, zone, axis)",
        [resource("timeline/time.js"), *span, zone, sent["axis"]],
    )
    assert [tuple(each) for each in made] == ticks(*span, 900, zone_info(zone))
    places = [0, 5, 12, 13, 40, 41, 55, 90, 91, 92, 100, 110, 140.5]
    found = page.evaluate(
        f"async ([text, p, limits]) => {{ const out = [], m = await ({module})(text);"
        " m.clusters(p.length, i => p[i], (a, b) => out.push([a, b]), limits); return out; }",
        [resource("timeline/time.js"), places, sent["clusters"]],
    )
    assert [tuple(each) for each in found] == clusters(places)


def test_what_is_selected_in_a_widget_comes_back(open_page: Open, transfer: Any) -> None:
    widget = TimelineWidget(transfer)
    page = open_page("<div id=here></div>")
    page.evaluate(
        """async ([text, state]) => {
          const module = await import(URL.createObjectURL(new Blob([text], {type: 'text/javascript'})));
          const model = { get: (name) => state[name], set: (name, value) => { state[name] = value; }, on() {}, off() {},
                          save_changes: () => { window.saved = state.rows; } };
          await module.default.render({ model, el: document.getElementById('here') });
        }""",
        [widget._esm, {"payload": widget.payload, "frame_html": widget.frame_html}],
    )
    live(page).locator("canvas").focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    widget.rows = page.evaluate("window.saved")
    assert widget.selected.index.to_list() == [1]
    assert widget.selected["what"].to_list() == [transfer.frame["what"][1]]


def test_every_control_has_a_name(page: Page) -> None:
    nameless = page.evaluate(
        "[...document.querySelectorAll('.ca-live button, .ca-live select, .ca-live input, canvas')]"
        ".filter(e => !(e.getAttribute('aria-label') || e.textContent.trim())).length"
    )
    assert nameless == 0
    assert page.locator("canvas").get_attribute("role") == "application"
    assert page.locator(".ca-voice").get_attribute("aria-live") == "polite"
    assert page.locator(".ca-live th[scope=col]").count() == 8
    assert json.loads(page.evaluate(f"JSON.stringify({T}.count)")) == page.evaluate(f"{T}.shown.length")
