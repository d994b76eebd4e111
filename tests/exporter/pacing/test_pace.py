"""The pace: limits that nobody told, found on a clock that is only counted; pauses over real HTTP."""

from __future__ import annotations

import math
import statistics
import threading
from pathlib import Path

import pytest

from conv_analytics import export
from conv_analytics.api.notices import RequestSent, Retried
from conv_analytics.exporter.pacing.concurrency_limit import ConcurrencyLimit
from conv_analytics.exporter.pacing.pacer import Pacer
from conv_analytics.exporter.pacing.rate_limit import RateLimit
from conv_analytics.exporter.pacing.request_window import RequestWindow
from conv_analytics.exporter.progress import Progress
from conv_analytics.sandbox import Reply, Sandbox
from tests._helpers.rate_limited_servers import Line, ran
from tests._helpers.sandboxes import agree, client_of, contents_of

pytestmark = pytest.mark.slow

KINDS = ["bucket", "fixed", "sliding"]
#: Latency [s] and requests in flight.
LINES = [(0.002, 20), (0.05, 20), (0.2, 20), (0.02, 4)]
MINUTES = 195.0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("latency_s", "slots"), LINES)
def test_an_unknown_limit_is_found_and_used(kind: str, latency_s: float, slots: int) -> None:
    line = Line(kind, 30, latency_s, stalls=(1.0, 0.02))
    runs = [ran(line, MINUTES, slots=slots, seed=seed) for seed in range(9)]
    assert statistics.median(run.used for run in runs) >= 0.97
    assert min(run.used for run in runs) >= 0.85
    assert max(run.share_refused for run in runs) < 0.01


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("limit", "least"), [(5, 0.93), (100, 0.94)])
def test_small_and_large_limits_are_found_too(kind: str, limit: int, least: float) -> None:
    runs = [ran(Line(kind, limit, stalls=(1.0, 0.02)), MINUTES, seed=seed) for seed in range(3)]
    assert statistics.median(run.used for run in runs) >= least
    # The burst that finds the limit is as large as what may be in flight, whatever the limit is.
    assert max(run.refused for run in runs) < 100


@pytest.mark.parametrize("kind", KINDS)
def test_requests_that_arrive_in_bunches_cost_little(kind: str) -> None:
    run = ran(Line(kind, 30, jitter_s=0.02), MINUTES)
    assert run.used >= 0.95
    assert run.share_refused < 0.01


@pytest.mark.parametrize("kind", KINDS)
def test_a_limit_that_changes_is_found_again(kind: str) -> None:
    halved = ran(Line(kind, 30, later=(60.0, 15.0)), 300.0)
    assert halved.used >= 0.92
    assert halved.share_refused < 0.015
    assert halved.rate.limit == pytest.approx(15, rel=0.15)
    doubled = ran(Line(kind, 30, later=(30.0, 60.0)), 400.0)
    assert doubled.rate.limit is not None
    assert doubled.rate.limit > 45
    assert doubled.share_refused < 0.01


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_learned_spares_refusals_and_is_tried_again(kind: str) -> None:
    known = ran(Line(kind), 100.0, learned=29.55)
    assert known.refused < ran(Line(kind), 100.0).refused
    assert known.used >= 0.96
    grown = ran(Line(kind, 60), 100.0, learned=15.0)
    assert grown.rate.limit is not None
    assert grown.rate.limit > 30


def test_one_refusal_that_bunches_explain_lowers_nothing() -> None:
    time = 100.0
    rate = RateLimit(0, learned=30.0, clock=lambda: time)
    for number in range(60):
        time = 100 + number / 30
        rate.take()
        rate.accepted(time)
    rate.refuse(time)
    rate.pause(1.0)
    time += 1.0
    assert rate.wait() == 0
    assert rate.limit == 30.0


def test_places_wait_for_the_answer_when_careful() -> None:
    places = RequestWindow()
    places.conservative = True
    for sent_at, answered_at in ((0.0, 0.1), (0.2, 0.5)):
        places.take(sent_at)
        places.answered(sent_at, answered_at, accepted=True)
    # The second took 0.2 s longer than the fastest: it may have arrived as late as that.
    assert places.wait(3, now=0.6) == 0
    places.take(0.7)
    assert places.wait(3, now=0.8) == pytest.approx(0.2, abs=0.01)
    assert places.wait(2, now=1.1) == pytest.approx(0.3, abs=0.01)
    assert places.wait(1, now=1.8) == 0


def test_refusals_of_one_burst_are_one_event_and_a_pause_holds_everyone_back() -> None:
    time = 0.0
    pace = Pacer(0, 20, learned=30.0, clock=lambda: time)
    for _ in range(5):
        pace.rate_limit.refuse(time)
    pace.rate_limit.pause(1800)
    assert pace.rate_limit.wait() == 1800
    time = 1800.0
    assert pace.rate_limit.refused == 5
    gaps = [pace.rate_limit.reserve() for _ in range(3)]
    assert gaps == sorted(gaps)
    assert gaps[2] > gaps[1] > gaps[0] == 0


def test_slots_shrink_once_per_burst_and_grow_when_used() -> None:
    time = 10.0
    slots = ConcurrencyLimit(20, clock=lambda: time)
    for _ in range(8):
        slots.failed(sent_at=9.0)
    assert slots.limit == 10
    for _ in range(200):
        slots.answered(0.05, in_flight=3)
    assert slots.limit == 10
    for _ in range(400):
        slots.answered(0.05, in_flight=slots.limit)
    assert slots.limit == 20


@pytest.mark.parametrize("reason", ["TransportError", "ProxyError"])
def test_connections_that_are_lost_together_count_once(reason: str) -> None:
    time = 10.0
    pace = Pacer(0, 20, clock=lambda: time)
    urls = [f"/v1/conversations/CON-{number}" for number in range(5)]

    def lose(at: float) -> None:
        nonlocal time
        for number, url in enumerate(urls):
            time = at + number / 1000
            pace.observe(Retried("GET", url, reason, 0.5))

    for url in urls:
        pace.observe(RequestSent("GET", url))
    lose(10.2)
    assert pace.concurrency.limit == 10
    # Lost once more, after they were sent again: the server still fails.
    for url in urls:
        pace.observe(RequestSent("GET", url))
    lose(11.0)
    assert pace.concurrency.limit == 5


def test_answers_that_take_ever_longer_take_slots_away_but_not_all() -> None:
    time = 0.0
    slots = ConcurrencyLimit(20, clock=lambda: time)
    slots.answered(0.05, in_flight=20)
    for _ in range(500):
        time += 0.1
        slots.answered(2.0, in_flight=20)
        assert slots.limit >= 5
    assert slots.limit < 20


def test_a_wait_that_the_api_asked_for_is_shown_and_kept(tmp_path: Path) -> None:
    seen: list[Progress] = []
    with Sandbox(conversations=20) as sandbox:
        sandbox.script(lambda request: "/events" in request.path, Reply(429, headers={"Retry-After": "1"}))
        result = export(client_of(sandbox), tmp_path, rate=0, progress=seen.append)
        agree(contents_of(result), sandbox.truth())
    assert any(progress.waiting_s > 0 for progress in seen)
    assert result.report.pace["limited"] == 1
    assert result.dataset.commits[-1].report["pace"] == result.report.pace


@pytest.mark.parametrize("header", ["-5", "0", "soon", "Sat, 21 Nov 2020 09:30:10 GMT"])
def test_a_wait_that_is_none_ends_no_export(header: str) -> None:
    with Sandbox(conversations=12) as sandbox:
        sandbox.script(lambda request: "/events" in request.path, Reply(429, headers={"Retry-After": header}), 3)
        frames = export(client_of(sandbox), rate=0)
        agree(contents_of(frames), sandbox.truth())
    assert frames.report.pace["limited"] == 3


def test_half_an_hour_ends_at_once_when_interrupted_and_what_was_read_is_committed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import asyncio

    from conv_analytics import aexport, open_dataset

    monkeypatch.setattr("conv_analytics.exporter.run.STOP_S", math.inf)

    async def main(sandbox: Sandbox) -> None:
        waiting = asyncio.Event()

        def show(progress: Progress) -> None:
            if progress.waiting_s > 60:
                waiting.set()

        task = asyncio.create_task(aexport(client_of(sandbox), tmp_path, rate=0, progress=show))
        while not waiting.is_set():
            await asyncio.sleep(0.05)
            assert not task.done()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with Sandbox(conversations=40, latency_ms=60) as sandbox:
        lock, count = threading.Lock(), [0]

        def late(request: object) -> bool:
            with lock:
                count[0] += 1
                return count[0] > 60

        sandbox.script(late, Reply(429, headers={"Retry-After": "1800"}), times=-1)
        asyncio.run(asyncio.wait_for(main(sandbox), 60))
        assert open_dataset(tmp_path).commits[-1].report["interrupted"]
