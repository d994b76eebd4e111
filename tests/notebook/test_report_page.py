"""The page of a report: in a browser, as a file, as a command."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit
from urllib.request import url2pathname

import pytest
from playwright.sync_api import Browser

from conv_analytics import Conversations, export, open_dataset
from conv_analytics.cli import main
from conv_analytics.errors import DestinationError
from conv_analytics.notebook.report import Report, quality_report
from conv_analytics.notebook.report.timelines import file_name
from conv_analytics.sandbox import Sandbox
from tests._helpers import report_legs as made

pytestmark = pytest.mark.slow

Seen = Callable[..., Any]


@pytest.fixture
def shown(browser: Browser, tmp_path: Path) -> Iterator[Seen]:
    """Opens a report from a file. Any request but for that file, and anything on the console, fails the test."""
    asked: list[str] = []
    said: list[str] = []
    contexts = []

    def open_(report: Report, scheme: str = "light") -> Any:
        page, _ = report.write(tmp_path / f"{len(contexts)}.html")
        context = browser.new_context(color_scheme=scheme, viewport={"width": 1200, "height": 900})
        contexts.append(context)
        tab = context.new_page()
        tab.on("request", lambda request: asked.append(request.url))
        tab.on("console", lambda message: said.append(message.text))
        tab.on("pageerror", lambda error: said.append(str(error)))
        tab.on("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))
        tab.goto(page.as_uri())
        tab.wait_for_timeout(50)
        return tab

    yield open_
    assert [url for url in asked if not url.startswith((tmp_path.as_uri(), "data:"))] == []
    assert said == []
    for context in contexts:
        context.close()


EVIL = [
    "<img src=x onerror=alert(1)>", "</script><script>alert(2)</script>", '"><svg onload=alert(3)>', "{{ 7 * 7 }}",
    "\u202egnp.exe\x00", "']});alert(4)//", "😀" * 40, "x" * 5000,
]  # fmt: skip
TEXTS = ("conversation_id", "leg_id", "member_id", "user_id", "from_address", "to_address", "remote_address", "country",
         "network_code", "channel_type", "reason", "status", "reason_code", "technology", "outcome")  # fmt: skip


def evil() -> Any:
    """Legs with markup in every text."""
    rows = []
    for number in range(240):
        text = EVIL[number % len(EVIL)]
        values = dict.fromkeys(TEXTS, text) | {"conversation_id": f"{text}{number}", "leg_id": f"{number}{text}"}
        bad = number % 8 < 2
        rows.append({**made.call(number, quality=made.POOR if bad else made.GOOD), **values})
    return made.legs([*rows, *({**made.missed(n), "reason": EVIL[n % 8], "status": EVIL[n % 8]} for n in range(9))])


@pytest.mark.parametrize("mask", [True, False])
def test_no_text_of_the_data_becomes_a_script(shown: Seen, *, mask: bool) -> None:
    report = quality_report(evil(), mask=mask)
    tab = shown(report)
    assert tab.locator("script").count() == 1
    assert tab.locator("img, iframe, object, embed, link[rel=stylesheet]").count() == 0
    assert tab.locator("[onerror], [onload], [onclick]").count() == 0
    assert "49" not in tab.locator(".worst").inner_text().split()
    assert "\x00" not in report.html
    assert "\u202e" not in report.html
    # Masked, it is shown as no word of the API.
    assert (EVIL[0] in tab.locator("body").inner_text()) is not mask


def test_the_page_has_what_was_asked_for(shown: Seen) -> None:
    report = quality_report(made.week(), since="2026-03-27", until="2026-03-30", tz="Europe/London")
    tab = shown(report)
    text = tab.locator("body").inner_text()
    assert report.numbers.sentence in text
    for heading in ("Findings", "Trend by day", "Distributions", "Hours of the week", "By country, network",
                    "Unanswered attempts by SIP code",
                    "Worst legs", "Data completeness", "Method", "Terms"):  # fmt: skip
        assert heading in text
    assert tab.locator(".card").count() == len(report.numbers.figures) == 12
    assert "Clocks change: a day of 23 hours" in text
    # Each chart has its numbers beside it.
    assert tab.locator("figure").count() == tab.locator("figure svg[role=img]").count()
    assert tab.locator("figure").count() == tab.locator("figure details table").count()
    button = tab.locator("button[data-copy]").first
    button.click()
    tab.wait_for_function("document.querySelector('button[data-copy]').textContent === 'copied'")


def test_light_dark_and_paper_differ(shown: Seen) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    light, dark = (shown(made.week_report(), scheme) for scheme in ("light", "dark"))
    assert light.evaluate(ground) != dark.evaluate(ground)
    dark.emulate_media(media="print")
    assert dark.evaluate(ground) == light.evaluate(ground)
    assert dark.locator("button").first.is_hidden()
    assert len(dark.pdf(format="A4")) > 10_000


@pytest.mark.parametrize("legs", [0, 1, 30])
def test_small_reports_open(shown: Seen, legs: int) -> None:
    data = made.legs([made.call(n, quality=dict.fromkeys(made.GOOD)) for n in range(legs)]) if legs else {}
    report = quality_report(data)
    assert report.numbers.sentence in shown(report).locator("body").inner_text()


def test_the_policy_allows_one_script_and_no_host() -> None:
    page = made.week_report().html
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy is not None
    assert policy[1].startswith("default-src &#x27;none&#x27;; img-src data:")
    assert "script-src &#x27;sha256-" in policy[1]
    assert re.findall(r"https?://(?!www\.w3\.org/2000/svg)[^\s\"<]+", page) == []


def test_the_same_data_give_the_same_bytes(tmp_path: Path) -> None:
    shuffled = made.week().sample(frac=1, random_state=7)
    for name, data in (("a", made.week()), ("b", shuffled)):
        quality_report(data, tz="Europe/London").write(tmp_path / f"{name}.html")
    for kind in ("html", "json"):
        assert (tmp_path / f"a.{kind}").read_bytes() == (tmp_path / f"b.{kind}").read_bytes()


def test_files_are_replaced_whole(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "report.html"
    page, numbers = made.week_report().write(target)
    assert (page, numbers) == (target, target.with_suffix(".json"))
    assert sorted(path.name for path in target.parent.iterdir()) == ["report.html", "report.json"]
    assert json.loads(numbers.read_text(encoding="utf-8"))["legs"] == 150
    with pytest.raises(DestinationError, match="name the page"):
        made.week_report().write(tmp_path / "report.json")
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    with pytest.raises(DestinationError, match="Cannot write"):
        made.week_report().write(tmp_path / "file" / "report.html")


def test_a_notebook_shows_the_key_figures_as_text() -> None:
    shown = quality_report(evil())._repr_html_()
    assert "<script" not in shown
    assert "<svg" not in shown
    assert "<img" not in shown
    assert "Poor audio" in shown


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    dest = tmp_path_factory.mktemp("report") / "exports"
    with Sandbox(conversations=60) as sandbox:
        client = Conversations(sandbox.application_id, sandbox.private_key, base_url=sandbox.base_url)
        export(client, dest, rate=0, progress=False)
    return dest


def test_the_command_writes_the_page_and_judges(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = str(tmp_path / "report.html")
    asked = ["report", str(folder), "-o", target, "--tz", "Europe/London"]
    assert main([*asked, "--fail-on", "measured<1%"]) == 0
    said = capsys.readouterr()
    assert said.out.startswith(quality_report(open_dataset(folder), tz="Europe/London").numbers.sentence)
    assert "measured<1%: kept" in said.err
    assert str(folder) not in Path(target).read_text(encoding="utf-8")
    Path(target).unlink()
    assert main([*asked, "--fail-on", "answered>0%"]) == 4
    assert Path(target).is_file(), "a broken rule does not keep the report from being written"
    assert "answered>0%: BROKEN" in capsys.readouterr().err
    assert main([*asked, "--fail-on", "nonsense"]) == 2
    assert main([*asked, "--since", "never"]) == 2
    assert main(["report", str(tmp_path / "nothing")]) == 2


def test_the_worst_legs_lead_to_their_timelines(folder: Path, tmp_path: Path, browser: Browser) -> None:
    target = tmp_path / "night.html"
    assert main(["report", str(folder), "-o", str(target), "--timelines"]) == 0
    worst = quality_report(open_dataset(folder)).numbers.worst
    page = browser.new_page()
    page.goto(target.as_uri())
    links = page.locator(".worst a")
    assert links.count() == len(worst) > 0
    assert len(list((tmp_path / "night-timelines").iterdir())) == len({leg.conversation_id for leg in worst})
    links.first.click()
    page.locator("[data-live=yes]").wait_for()
    assert page.url.startswith((tmp_path / "night-timelines").as_uri())
    assert worst[0].conversation_id in page.title()
    assert "people masked" in page.locator("main").inner_text()
    assert page.locator(".ca-ladder img").count() == 1
    page.close()
    assert "<a " not in quality_report(open_dataset(folder)).html, "without them there is nothing to link to"


def test_links_to_timelines_hold_whatever_the_name_of_the_page(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "report #3, 100% of a&b.html"
    data = open_dataset(folder)
    quality_report(data).write(target, timelines=data)
    links = [unescape(link) for link in re.findall(r'<a href="([^"]+)"', target.read_text(encoding="utf-8"))]
    linked = {Path(url2pathname(urlsplit(urljoin(target.as_uri(), link)).path)) for link in links}
    assert linked == set(target.with_name(f"{target.stem}-timelines").iterdir()) != set()


@pytest.mark.parametrize(
    "identifier", ["../../escaped", "CON/../x", "", ".", "a" * 300, "javascript:alert(1)", "\ud800"]
)
def test_no_id_leads_out_of_the_folder(identifier: str) -> None:
    assert re.fullmatch(r"[0-9a-f]{16}", file_name(identifier))


def test_a_dataset_tells_of_its_runs(folder: Path) -> None:
    ledger = quality_report(open_dataset(folder)).numbers.ledger
    assert (ledger.complete, ledger.runs) == (True, 1)


def test_duckdb_and_pandas_give_the_same_numbers(folder: Path) -> None:
    dataset = open_dataset(folder)
    one, two = (quality_report(data).numbers.as_dict() for data in (dataset, {n: dataset[n] for n in dataset.tables}))
    assert _close(one, two)


def _close(one: Any, two: Any) -> bool:
    """The same values, floats within rounding; the ledger's runs aside."""
    if isinstance(one, dict):
        return all(_close(one[name], two[name]) for name in one if name not in {"complete", "runs", "last_run"})
    if isinstance(one, list):
        return len(one) == len(two) and all(_close(each, other) for each, other in zip(one, two, strict=True))
    return one == (pytest.approx(two) if isinstance(one, float) else two)
