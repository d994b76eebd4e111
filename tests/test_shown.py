"""What things show of themselves in a cell: a line as text, a small escaped table as HTML, no secret in either."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from conv_analytics import Conversations, export, markup, open_dataset, show_ledger, show_verdicts
from conv_analytics.exporter.plan import plan
from conv_analytics.exporter.report import Report
from conv_analytics.exporter.results import Frames
from conv_analytics.sandbox import Sandbox

NASTY = ("<img src=x onerror=alert(1)>", "</td></table><script>alert(1)</script>", "\x00\x1b[2J", "\u202egnp.exe",
         "\ud800", "\"'><svg onload=alert(1)>", "]]>", "&amp;", "\u2028")  # fmt: skip


@pytest.fixture(scope="module")
def things(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """One of each, of a running sandbox."""
    folder = tmp_path_factory.mktemp("<b> & 'co'")
    with Sandbox(seed=7, conversations=40, rate=500.0) as sandbox:
        client = Conversations(sandbox.application_id, sandbox.private_key, base_url=sandbox.base_url)
        done = export(client, folder, rate=0, progress=False)
        frames = export(client, rate=0, progress=False)
        yield {
            "sandbox": sandbox, "client": client, "exported": done, "report": done.report, "dataset": done.dataset,
            "frames": frames, "verdicts": show_verdicts(frames), "ledger": show_ledger(frames),
            "plan": plan(client, folder, rate=0),
        }  # fmt: skip
        client.close()


def _html(thing: Any) -> ET.Element:
    """What it shows; parsing it as XML fails for whatever is not escaped or not closed."""
    return ET.fromstring(thing._repr_html_().encode())


NAMES = ("sandbox", "client", "exported", "report", "dataset", "frames", "verdicts", "ledger", "plan")


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_thing_shows_itself(name: str, things: dict[str, Any]) -> None:
    thing = things[name]
    assert "\n" not in repr(thing)
    assert len(repr(thing)) < 400
    shown = thing._repr_html_()
    assert len(shown) < 12_000
    root = _html(thing)
    assert {element.tag for element in root.iter()} <= {
        "div", "p", "strong", "table", "thead", "tbody", "tr", "th", "td", "ul", "li",
    }  # fmt: skip
    # No colour of its own: what is around it decides, light or dark.
    assert "color" not in shown
    assert "background" not in shown


@pytest.mark.parametrize("name", NAMES)
def test_nothing_shows_a_secret(name: str, things: dict[str, Any]) -> None:
    key = things["sandbox"].private_key.splitlines()[1]
    for text in (repr(things[name]), str(things[name]), things[name]._repr_html_()):
        assert "PRIVATE KEY" not in text
        assert key not in text
        assert "Bearer" not in text


def test_numbers_are_those_of_the_thing(things: dict[str, Any]) -> None:
    texts = [element.text for element in _html(things["dataset"]).iter("td")]
    dataset = things["dataset"]
    for table in dataset.tables:
        assert texts[texts.index(table) + 1] == f"{dataset.rows(table):,}"
    verdicts = things["verdicts"]
    assert sum(row[2] for row in verdicts._rows) == len(verdicts.frame)
    for verdict, rule, count, worst, *_ in verdicts._rows:
        part = verdicts.frame[verdicts.frame["verdict"] == verdict]
        part = part[part["rule"].fillna("") == ("" if rule == "no rule applies" else rule)]
        assert len(part) == count
        assert not worst or float(worst) in (float(f"{part['value'].min():.4g}"), float(f"{part['value'].max():.4g}"))
    assert {row[0] for row in verdicts._rows} >= {"good", "unmeasured"}


def test_the_same_from_a_folder(things: dict[str, Any]) -> None:
    dataset = open_dataset(things["dataset"].path)
    assert str(show_verdicts(dataset)) == str(things["verdicts"])
    assert str(show_ledger(dataset)) == str(things["ledger"])
    assert isinstance(show_ledger(dataset).frame, pd.DataFrame)


@pytest.mark.slow
@pytest.mark.parametrize("text", NASTY)
def test_no_text_becomes_markup(text: str, tmp_path: Path) -> None:
    report = Report(incomplete={text: text}, warning=text, tables={"events": 1})
    root = ET.fromstring(markup.block(text, text, markup.grid([text], [[text]]), markup.facts({text: text}),
                                      markup.notes([text])).encode())  # fmt: skip
    for shown in (root, _html(report), _html(Frames({text: pd.DataFrame({"a": [1]})}, report, []))):
        assert not {"script", "img", "svg"} & {element.tag for element in shown.iter()}
    legs = pd.DataFrame({
        "conversation_id": [text], "leg_id": [text], "answered": True, "talk_s": 60.0, "hangup_event_id": 8,
        "mos_score": 4.4, "quality_percentage": 95.0, "jitter_min_var": 1.0, "jitter_max_var": 100.0,
        "jitter_loss_rate": 0.06, "flaw_total": 150, "packet_cnt": 2900, "packet_loss_perc": 6.0, "byte_in": 498_800,
        "byte_out": 500_000,
    }) if text != "\ud800" else None  # fmt: skip
    if legs is not None:  # half a surrogate pair cannot stand in an Arrow-backed column
        assert markup.escape(text) in show_verdicts(legs, mask=False)._repr_html_()
        _html(show_verdicts(legs))
