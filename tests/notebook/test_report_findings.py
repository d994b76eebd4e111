"""The findings of a report: masked, of its period and what came before, each with a picture and its evidence."""

from __future__ import annotations

import json
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import pytest

from conv_analytics.notebook.report import quality_report
from conv_analytics.notebook.report.numbers import Finding
from conv_analytics.notebook.report.period import period_of
from conv_analytics.notebook.report.pictures import _slot_of
from conv_analytics.time_zones import on_clock
from tests._helpers import report_legs as made

pytestmark = pytest.mark.slow
FIRST = pd.Timestamp("2026-03-02T00:00Z")
_DAYS = 14


def _legs(bad: Any) -> pd.DataFrame:
    """Twenty calls a day over two weeks, from four callers; `bad` says which of them had poor audio."""
    rows = []
    for n in range(20 * _DAYS):
        at = FIRST + pd.Timedelta(minutes=72 * n + 13 * (n % 5))
        caller = ("AliceSmith", "442079460991", "442079460992", "442079460993")[n % 4]
        network = ("23410", "20801", "26201")[n % 3]
        to = f"4477009{n:05d}"
        poor = bad(at, caller, network)
        talk_s = 20.0 + 41.7 * n % 307.3
        rows.append(made.call(
            n, at, quality=made.POOR if poor else made.GOOD, network_code=network, from_address=caller,
            remote_address=to, to_address=to, talk_s=talk_s, ended_at=at + pd.Timedelta(seconds=10 + talk_s),
        ))  # fmt: skip
    return made.legs(rows)


def _problems(data: pd.DataFrame, **options: Any) -> tuple[Finding, ...]:
    findings = quality_report(data, **options).numbers.findings
    assert findings is not None
    return findings.problems


def test_a_name_is_masked_in_every_sentence() -> None:
    data = _legs(lambda at, caller, network: caller == "AliceSmith")
    masked, shown = (quality_report(data, mask=mask) for mask in (True, False))
    assert [problem.keys for problem in shown.numbers.findings.problems] == [{"from_address": "AliceSmith"}]
    for text in (masked.html, masked.json, repr(masked), masked._repr_html_()):
        assert "AliceSmith" not in text
    (problem,) = masked.numbers.findings.problems
    assert problem.keys["from_address"].startswith("name#")
    assert problem.keys["from_address"] in problem.what
    assert "AliceSmith" in shown.html


def test_the_period_before_shows_what_is_new() -> None:
    """In its own week every call of the network is bad: only the week before shows when that began."""
    change = FIRST + pd.Timedelta(days=7)
    data = _legs(lambda at, caller, network: network == "20801" and at >= change)
    (problem,) = _problems(data, since="2026-03-09", until="2026-03-16")
    assert problem.keys == {"network_code": "20801"}
    assert problem.since is not None
    assert abs(pd.Timestamp(problem.since) - change) < pd.Timedelta(hours=12)
    assert [slot.rate.rate for slot in problem.trend] == [0.0] * 7 + [1.0] * 7


@pytest.mark.parametrize(
    ("tz", "change", "label"),
    [
        ("Europe/London", "2026-10-25T00:30Z", "2026-10-25 01:00+01:00"),
        ("Europe/London", "2026-10-25T01:30Z", "2026-10-25 01:00+00:00"),
        ("America/St_Johns", "2010-11-07T02:40Z", "2010-11-06 23:01-03:30"),
        ("Australia/Lord_Howe", "2026-04-04T15:15Z", "2026-04-05 01:00+11:00"),
        ("Europe/London", "2026-10-25T00:00Z", "2026-10-25 01:00+01:00"),
        ("Europe/London", "2026-10-24T23:59Z", "2026-10-25 00:00+01:00"),
    ],
)
def test_a_problem_begins_in_its_own_pass_of_an_hour_that_comes_twice(tz: str, change: str, label: str) -> None:
    at, zone = pd.Timestamp(change), ZoneInfo(tz)
    period = period_of((at - pd.Timedelta(hours=7)).isoformat(), (at + pd.Timedelta(hours=7)).isoformat(), tz)
    labels = [period.label(start) for start in period.slots()[:-1]]
    since = on_clock(at.to_pydatetime(), zone).isoformat()
    assert labels[_slot_of(since, labels)] == label
    days = ["2010-11-06", "2010-11-07", "2026-04-05", "2026-10-25"]
    assert days[_slot_of(since, days)] == since[:10]


def test_what_had_ended_before_the_period_is_not_in_it() -> None:
    data = _legs(lambda at, caller, network: network == "20801" and at < FIRST + pd.Timedelta(days=4))
    assert _problems(data, since="2026-03-09", until="2026-03-16") == ()
    assert [problem.keys for problem in _problems(data)] == [{"network_code": "20801"}]


def test_the_page_and_the_json_have_it() -> None:
    report = quality_report(_legs(lambda at, caller, network: network == "20801"))
    (problem,) = report.numbers.findings.problems
    kept = json.loads(report.json)["findings"]
    assert kept["problems"][0]["what"] == problem.what
    assert {"poor", "silent", "failed"} <= {each["case"] for each in kept["questions"]}
    page = report.html
    assert page.index("<h2>Findings</h2>") < page.index('class="cards"')
    assert f"conv-analytics timeline DEST {problem.conversation_id}" in page
    assert problem.advice in page
    assert problem.what not in page.partition("</section>")[0], "said once, on its card"
