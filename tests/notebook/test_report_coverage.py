"""Reports and the ledger name the share of calls that a folder has, by day, or say that it is not known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from conv_analytics import Dataset, coverage, export, open_dataset, quality_report
from conv_analytics.analysis import ledger
from conv_analytics.notebook.report import coverage as module
from conv_analytics.notebook.report.coverage import coverage_of
from conv_analytics.notebook.report.gather import gather
from conv_analytics.notebook.report.period import midnight, period_of
from conv_analytics.sandbox import Sandbox
from conv_analytics.time_zones import EARLIEST, LATEST
from tests._helpers.sandboxes import client_of

pytestmark = pytest.mark.slow

#: Coverage looks at these days and the half of the next one.
FIRST, LAST = datetime(2026, 11, 14, tzinfo=UTC), datetime(2026, 11, 17, 12, tzinfo=UTC)
PERIOD: dict[str, Any] = {"since": "2026-11-14", "until": "2026-11-20"}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Sandbox, Dataset, Dataset]]:
    """A sandbox, its export, and the same folder after a run of coverage."""
    folder = tmp_path_factory.mktemp("exports")
    with Sandbox(conversations=150, transient=0.3) as sandbox:
        client = client_of(sandbox)
        before = export(client, folder, rate=0, progress=None).dataset
        coverage(client, folder, since=FIRST, until=LAST, rate=0)
        yield sandbox, before, open_dataset(folder)


@pytest.mark.slow
def test_without_a_run_of_coverage_it_is_not_known(world: tuple[Sandbox, Dataset, Dataset], tmp_path: Path) -> None:
    _, before, _ = world
    assert gather(before, **PERIOD).ledger.coverage is None
    quality_report(before, **PERIOD).write(tmp_path / "report.html")
    assert "Which calls are missing is unknown" in (tmp_path / "report.html").read_text(encoding="utf-8")
    rows = ledger(before).set_index(["table", "metric"]).loc["voice_calls"]
    assert list(rows.index) == ["calls"]
    assert (rows.loc["calls", "n"], rows.loc["calls", "why"].startswith("unknown")) == (0, True)
    assert pd.isna(rows.loc["calls", "share"])


@pytest.mark.slow
def test_a_period_of_all_times_builds_only_the_days_that_were_looked_at(
    world: tuple[Sandbox, Dataset, Dataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, _, after = world
    built = []
    monkeypatch.setattr(module, "midnight", lambda day, zone: built.append(day) or midnight(day, zone))
    for tz in ("UTC", "America/New_York", "Pacific/Auckland"):
        built.clear()
        found = coverage_of(after, period_of(EARLIEST, LATEST, tz))
        assert found is not None
        assert 2 <= len(found.days) <= 3
        assert abs(found.unknown_days - 3_652_059) <= 4
        assert len(built) < 20


@pytest.mark.slow
def test_the_days_that_were_looked_at_have_their_share(world: tuple[Sandbox, Dataset, Dataset], tmp_path: Path) -> None:
    sandbox, before, after = world
    exported = set(before["events"]["conversation_id"])
    there, all_legs = Counter[str](), Counter[str]()
    for leg in sandbox.truth().calls:
        day = leg.began.date().isoformat()
        all_legs[day] += 1
        there[day] += leg.conversation_id in exported
    known = ["2026-11-14", "2026-11-15", "2026-11-16"]
    numbers = gather(after, **PERIOD)
    found = numbers.ledger.coverage
    assert found is not None
    # A call around midnight is of the day on which it was answered.
    assert {day.day: (day.share.k, day.share.n) for day in found.days} == {
        day: (there[day], all_legs[day]) for day in known
    }
    assert found.unknown_days == 3
    assert found.share.k == sum(there[day] for day in known) < found.share.n
    missing = {entry.metric: entry.missing for entry in numbers.ledger.entries if entry.metric.startswith("calls of")}
    assert missing == {f"calls of {day}": all_legs[day] - there[day] for day in known if all_legs[day] > there[day]}
    quality_report(after, **PERIOD).write(tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert f"{found.share.k} of {found.share.n} legs in the Voice API" in page
    assert "What is missing on 3 days is unknown" in page
    assert f"{found.share.n - found.share.k} legs of the {found.share.n} in the Voice API" in page


def test_the_ledger_has_a_line_per_day_on_every_engine(world: tuple[Sandbox, Dataset, Dataset]) -> None:
    _, _, after = world
    answers = [ledger(after), ledger({name: after[name] for name in after})]
    rows = [answer.query("table == 'voice_calls'").set_index("metric") for answer in answers]
    pd.testing.assert_frame_equal(*rows)
    calls = after["voice_calls"]
    assert list(rows[0].index) == ["calls", *(f"calls {day}" for day in sorted(set(calls["at"].dt.date.astype(str))))]
    lost = (calls["coverage_class"] == "transient_missed").sum()
    assert (rows[0].loc["calls", "n"], rows[0].loc["calls", "missing"]) == (len(calls), lost)
    assert rows[0].loc["calls", "share"] == pytest.approx(1 - lost / len(calls))
