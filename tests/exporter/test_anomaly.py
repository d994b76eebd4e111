"""A night that brings far less than the nights before says so, and nothing else does."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from conv_analytics import Exported, export, open_dataset
from conv_analytics.errors import ExportIncomplete
from conv_analytics.exporter.anomaly import MIN_EVENTS, MIN_NIGHTS, NIGHTS, volume_warning
from conv_analytics.sandbox import Reply, Sandbox
from tests._helpers.sandboxes import Serve, client_of

pytestmark = pytest.mark.slow

#: A Tuesday.
FIRST = datetime(2026, 11, 3, 3, tzinfo=UTC)

# -- the judgement alone


def run(day: float, events: int, **more: Any) -> dict[str, Any]:
    """The report of a run so many days after the first."""
    at = (FIRST + timedelta(days=day)).isoformat().replace("+00:00", "Z")
    tables = {"events": events} if events else {}
    return {"started_at": at, "status": "complete", "tables": tables, "since": None, "until": None, **more}


WEEK = [run(day, 1006 - day) for day in range(7)]


@pytest.mark.parametrize(
    ("events", "says"),
    [
        (0, "No new event, where 1,003 are usual (median of the last 7 nights)"),
        (1, "1 new event, where 1,003 are usual (median of the last 7 nights)"),
        (200, "200 new events, where 1,003 are usual (median of the last 7 nights)"),
        (201, None),
        (50_000, None),
    ],
)
def test_a_night_is_compared_with_the_median(events: int, says: str | None) -> None:
    assert volume_warning(run(8, events), WEEK) == says


def test_one_large_night_moves_nothing() -> None:
    assert volume_warning(run(7, 300), [run(0, 900_000), *WEEK[1:]]) is None


def test_only_the_last_nights_count() -> None:
    long_ago = [run(day, 90_000) for day in range(20)]
    lately = [run(20 + day, 100) for day in range(NIGHTS)]
    assert volume_warning(run(20 + NIGHTS, 100), long_ago + lately) is None
    assert volume_warning(run(20, 100), long_ago) is not None


def test_few_nights_and_few_events_tell_nothing() -> None:
    assert volume_warning(run(7, 0), WEEK[: MIN_NIGHTS - 1]) is None
    assert volume_warning(run(7, 0), WEEK[:MIN_NIGHTS]) is not None
    assert volume_warning(run(7, 0), [run(day, MIN_EVENTS - 1) for day in range(7)]) is None
    assert volume_warning(run(7, 0), [run(day, MIN_EVENTS) for day in range(7)]) is not None
    assert volume_warning(run(0, 0), []) is None


def test_a_night_of_a_clock_that_was_ahead_hides_none() -> None:
    lately = [run(7 + day, 1000) for day in range(7)]
    for ahead in (run(372, 1000), run(20, 1000)):
        warning = volume_warning(run(14, 0), [*WEEK, ahead, *lately])
        assert warning == "No new event, where 1,000 are usual (median of the last 7 nights)"
    # Nor does it when its day has come.
    assert volume_warning(run(21, 0), [*WEEK, run(20, 1000), *lately]) is not None


def test_a_weekend_is_compared_with_the_weekend_before() -> None:
    quiet = [run(day, 40 if day % 7 in {4, 5} else 1000) for day in range(11)]
    assert volume_warning(run(11, 45), quiet) is None, "a Saturday like the last one"
    assert "1,000 are usual" in str(volume_warning(run(11, 45), [each for each in quiet if each != quiet[4]]))
    busier = [run(day, 400 if day % 7 in {4, 5} else 1000) for day in range(11)]
    assert volume_warning(run(11, 30), busier) == "30 new events, where 400 are usual (the night a week ago)"
    assert volume_warning(run(13, 150), [*busier, run(11, 400), run(12, 400)]) is not None, "a Monday is no Sunday"


@pytest.mark.parametrize("more", [{"since": "2026-11-01T00:00:00Z"}, {"until": "2026-11-01T00:00:00Z"}])
def test_a_backfill_is_no_night(more: dict[str, str]) -> None:
    assert volume_warning(run(7, 0, **more), WEEK) is None
    backfills = [run(day + 0.1, 0, **more) for day in range(7)]
    mixed = [each for pair in zip(WEEK, backfills, strict=True) for each in pair]
    assert "1,003 are usual" in str(volume_warning(run(8, 5), mixed))
    assert volume_warning(run(8, 5), backfills) is None


def test_what_is_incomplete_is_no_measure_and_is_not_judged() -> None:
    assert volume_warning(run(7, 0, status="incomplete"), WEEK) is None
    assert volume_warning(run(8, 5), [run(day, 1000, status="incomplete") for day in range(7)]) is None


def test_a_repetition_of_a_good_night_is_no_night() -> None:
    assert volume_warning(run(6.01, 0), WEEK) is None
    assert volume_warning(run(6.5, 0), WEEK) is None
    twice = [each for day in range(7) for each in (run(day, 1000), run(day + 0.01, 0), run(day + 0.4, 2))]
    assert "1,002 are usual" in str(volume_warning(run(8, 5), twice))
    assert volume_warning(run(7, 0), [*twice, run(6.9, 600)]) is None, "what came earlier that day counts"


def test_the_repetition_of_a_poor_night_has_what_the_first_try_had() -> None:
    failed = run(7, 990, status="incomplete")
    assert volume_warning(run(7.01, 10), [*WEEK, failed]) is None
    assert volume_warning(run(7.01, 10), WEEK) is not None
    nights = [each for day in range(7) for each in (run(day, 990, status="incomplete"), run(day + 0.01, 10))]
    assert "1,000 are usual" in str(volume_warning(run(7, 5), nights))


def test_poor_nights_become_usual_only_when_somebody_accepts_them() -> None:
    poor = [run(7 + night, 150, warning="150 new events") for night in range(10)]
    for night, report in enumerate(poor):
        assert volume_warning(report, WEEK + poor[:night]) is not None, "neither do they add up"
    accepted = [{**report, "allow_empty": True} for report in poor[:5]]
    assert volume_warning(run(12, 150), WEEK + accepted) is None


def test_commits_of_other_commands_are_passed_over() -> None:
    others: list[dict[str, Any]] = [{}, {"tables": {"events": 7}, "selected": ["events"]}, run(6.95, 900, requests=0)]
    assert volume_warning(run(7, 5), WEEK + others) == volume_warning(run(7, 5), WEEK) is not None


# -- real exports


class Nights:
    """A folder, a sandbox, and a clock that one turns."""

    def __init__(self, sandbox: Sandbox, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sandbox, self.folder, self.now = sandbox, folder, FIRST
        nights = self

        class Clock(datetime):
            @classmethod
            def now(cls, tz: Any = None) -> Any:
                return nights.now

        monkeypatch.setattr("conv_analytics.exporter.run.datetime", Clock)
        world = sandbox.world
        self.conversation = next(
            each.id for each in map(world.conversation, world.ordinals) if each.state == "ACTIVE" and each.members
        )

    def export(self, day: float, events: int, **options: Any) -> Exported:
        """Some events happen, and a run starts so many days after the first."""
        self.now = FIRST + timedelta(days=day)
        with httpx.Client(base_url=self.sandbox.base_url, headers=self.sandbox.headers()) as http:
            for number in range(events):
                body = {"type": "custom:night", "body": {"day": day, "number": number}}
                path = f"/v1/conversations/{self.conversation}/events"
                assert http.post(path, json=body).status_code == 201
        return export(client_of(self.sandbox), self.folder, rate=0, **options)

    def warned(self, day: float, events: int) -> str:
        """The same, of a run that must end with a warning; what it says."""
        with pytest.raises(ExportIncomplete) as caught:
            self.export(day, events)
        report = caught.value.report
        assert report.warning in str(caught.value)
        assert report.commit == caught.value.result.dataset.commits[-1].number
        return str(caught.value)


@pytest.fixture
def nights(serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Nights]:
    def start(**options: Any) -> Nights:
        made = Nights(serve(conversations=4, **options), tmp_path / "out", monkeypatch)
        for day in range(4):
            assert made.export(day, 60).report.warning is None
        return made

    return start


def test_a_quiet_night_is_committed_and_ends_with_a_warning(nights: Callable[..., Nights]) -> None:
    runs = nights()
    before = len(open_dataset(runs.folder)["events"])
    said = runs.warned(4, 3)
    sentence = "3 new events, where 60 are usual (median of the last 4 nights)"
    assert said.startswith(f"{sentence}. What there was is committed.")
    assert "allow_empty=True" in said
    dataset = open_dataset(runs.folder)
    assert len(dataset["events"]) == before + 3, "committed all the same"
    kept = dataset.commits[-1].report
    assert (kept["status"], kept["allow_empty"]) == ("complete", False)
    assert kept["warning"] == sentence


def test_the_same_run_again_warns_until_the_events_come(nights: Callable[..., Nights]) -> None:
    runs = nights()
    runs.warned(4, 0)
    assert runs.warned(4.05, 4).startswith("4 new events")
    assert runs.warned(4.1, 0).startswith("4 new events"), "those of the try before"
    assert runs.export(4.2, 60).report.warning is None
    assert runs.export(4.3, 0).report.warning is None, "the night is done"
    assert runs.warned(5.2, 0).startswith("No new event, where 60 are usual (median of the last 5 nights)")


def test_a_list_without_conversations_is_an_odd_night(nights: Callable[..., Nights]) -> None:
    runs = nights()
    runs.sandbox.script(
        lambda request: request.path == "/v1/conversations", Reply(200, b'{"_embedded":{"conversations":[]}}'), times=-1
    )
    assert runs.warned(4, 60).startswith("No new event, where 60 are usual")


def test_an_empty_night_can_be_allowed(nights: Callable[..., Nights]) -> None:
    runs = nights()
    done = runs.export(4, 0, allow_empty=True)
    assert done.report.warning == "No new event, where 60 are usual (median of the last 4 nights)"
    assert f"warning: {done.report.warning}" in str(done)
    kept = done.dataset.commits[-1].report
    assert (kept["warning"], kept["allow_empty"]) == (done.report.warning, True)
    assert runs.export(5, 60).report.warning is None


def test_backfills_are_not_judged(nights: Callable[..., Nights]) -> None:
    runs = nights()
    assert runs.export(4, 0, since=datetime(2020, 1, 1, tzinfo=UTC)).report.warning is None
    assert runs.export(4.1, 0, until=datetime(2020, 1, 1, tzinfo=UTC)).report.warning is None
    assert runs.warned(4.2, 0).endswith("allow_empty=True.")


def test_an_incomplete_run_says_what_it_is_first(nights: Callable[..., Nights]) -> None:
    runs = nights()
    runs.sandbox.script(
        lambda request: request.path.endswith("/events") and request.method == "GET", Reply(500), times=-1
    )
    with pytest.raises(ExportIncomplete, match="Run the same call again"):
        runs.export(4, 60)
    assert open_dataset(runs.folder).commits[-1].report["warning"] is None


# -- what else a report tells


def test_unknown_fields_are_counted(serve: Serve, tmp_path: Path) -> None:
    sandbox = serve(conversations=20, quirks=True)
    done = export(client_of(sandbox), tmp_path, rate=0)
    extras = done.dataset["events"]["extra"].dropna()
    counts = Counter(key for text in extras for key in json.loads(text))
    assert counts
    assert done.report.unknown_fields == counts
    assert done.dataset.commits[-1].report["unknown_fields"] == counts
    assert "unknown fields of events are in the column extra" in str(done)
    assert not export(client_of(serve(conversations=5)), rate=0).report.unknown_fields


def test_every_commit_tells_what_its_run_did(serve: Serve, tmp_path: Path) -> None:
    sandbox = serve(conversations=5)
    since = datetime(2020, 1, 1, tzinfo=UTC)
    report = export(client_of(sandbox), tmp_path, rate=0, since=since).dataset.commits[-1].report
    assert report["since"] == "2020-01-01T00:00:00Z"
    assert report["tables"]["events"] == sandbox.truth().events
    assert {"until", "requests", "retries", "gone", "gone_count", "quarantined", "incomplete", "incomplete_count",
            "unknown_types", "unknown_fields", "warning", "allow_empty"} <= report.keys()  # fmt: skip


def test_the_history_is_typed(serve: Serve, tmp_path: Path) -> None:
    sandbox = serve(conversations=5)
    first = export(client_of(sandbox), tmp_path, rate=0)
    second = export(client_of(sandbox), tmp_path, rate=0, since=datetime(2020, 1, 1, 0, 0, 0, 5, tzinfo=UTC))
    history = second.dataset.history()
    assert {name: str(dtype) for name, dtype in history.dtypes.items()} == {
        "commit": "int64", "at": "datetime64[us, UTC]", "status": "string", "since": "datetime64[us, UTC]",
        "until": "datetime64[us, UTC]", "listed": "int64", "events": "int64", "requests": "int64", "retries": "int64",
        "quarantined": "int64", "gone": "int64", "seconds": "float64", "warning": "string",
    }  # fmt: skip
    assert history["events"].tolist() == [sandbox.truth().events, 0]
    assert history["requests"].tolist() == [first.report.requests, second.report.requests]
    assert history["since"].isna().tolist() == [True, False]
    assert history["warning"].isna().all()
    assert history["at"].is_monotonic_increasing
