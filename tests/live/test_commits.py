"""Folding in while events arrive: when the folder is free, once more at the end, and never at their cost."""

from __future__ import annotations

import asyncio
import logging
import signal
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from conv_analytics.dataset import open_dataset
from conv_analytics.dataset.storage import inbox
from conv_analytics.dataset.storage.inbox import Receipt
from conv_analytics.dataset.storage.layout import Layout
from conv_analytics.dataset.storage.lock import WriterLock
from conv_analytics.errors import DatasetLocked
from conv_analytics.live import app
from conv_analytics.live.counts import Counts
from conv_analytics.live.recorder import Outcome, Recorder
from tests._helpers.command_line import environment, forked
from tests._helpers.listeners import bodies, served, until
from tests._helpers.patience import PATIENCE_S
from tests._helpers.webhooks import SECRET, rtc_event, signed, voice_event


class Folding:
    """A run that ends when and how a test says: what it does to the folder is not the listener's business.

    Parameters
    ----------
    results
        What the runs raise, one after the other.
    waiting
        Whether each waits until `may_end` is released.
    """

    def __init__(self, *results: Exception, waiting: bool = False) -> None:
        self.results = list(results)
        self.calls: list[Path] = []
        self.may_end = threading.Semaphore(0 if waiting else 1_000)

    def __call__(self, dest: Path) -> None:
        self.calls.append(dest)
        assert self.may_end.acquire(timeout=PATIENCE_S)
        if self.results:
            raise self.results.pop(0)


def _post(client: httpx.Client, number: int) -> int:
    body = rtc_event(number)
    return client.post("/rtc", content=body, headers=signed(body)).status_code


def test_what_arrived_is_folded_in_and_what_arrives_meanwhile_stays_in_the_backlog(tmp_path: Path) -> None:
    folding = Folding(waiting=True)
    application = app(tmp_path, secrets=SECRET, commit_every=0.02, commit=folding)
    backlog = application.counts.backlog
    with served(application) as client:
        assert _post(client, 1) == 204
        until(lambda: folding.calls == [tmp_path])
        first = backlog.oldest
        assert [_post(client, n) for n in (2, 3)] == [204] * 2
        assert (backlog.events, backlog.oldest) == (3, first)
        folding.may_end.release()
        until(lambda: len(folding.calls) == 2)
        assert backlog.events == 2
        assert first is not None
        assert backlog.oldest is not None
        assert backlog.oldest > first
        assert "conv_analytics_live_backlog_events 2\n" in client.get("/metrics").text
        folding.may_end.release()
        until(lambda: application.counts.commits["done"] == 2)
        assert (backlog.events, backlog.size, backlog.oldest) == (0, 0, None)
    # Nothing was left for a last run.
    assert len(folding.calls) == 2


def test_another_run_or_a_failure_costs_nothing_and_is_counted_and_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folding = Folding(DatasetLocked(tmp_path, "another run"), RuntimeError("it failed, token=planted"))
    application = app(tmp_path, secrets=SECRET, commit_every=0.02, commit=folding)
    with caplog.at_level(logging.INFO, "conv_analytics"), served(application) as client:
        assert _post(client, 1) == 204
        until(lambda: application.counts.commits["done"] == 1)
        assert dict(application.counts.commits) == {"locked": 1, "failed": 1, "done": 1}
        assert application.counts.backlog.events == 0
        assert client.get("/healthz").status_code == 200
    assert "it failed" in caplog.text
    assert "planted" not in caplog.text


def test_a_run_under_way_at_the_end_is_waited_for_and_the_rest_is_folded_in(tmp_path: Path) -> None:
    folding = Folding(waiting=True)
    application = app(tmp_path, secrets=SECRET, commit_every=0.02, commit=folding)

    with served(application) as client:
        assert _post(client, 1) == 204
        until(lambda: len(folding.calls) == 1)
        assert _post(client, 2) == 204
        folding.may_end.release(2)
    assert application.counts.commits["done"] == len(folding.calls) == 2
    assert application.counts.backlog.events == 0
    assert [segment.sealed for segment in inbox.segments(Layout(tmp_path))] == [True]


def test_what_earlier_listeners_left_is_folded_in(tmp_path: Path) -> None:
    with served(app(tmp_path, secrets=SECRET, commit_every=0)) as client:
        assert _post(client, 1) == 204
    folding = Folding()
    with served(app(tmp_path, secrets=SECRET, commit_every=0.02, commit=folding)) as client:
        assert client.get("/healthz").json()["backlog_events"] <= 1
        until(lambda: folding.calls == [tmp_path])


def test_more_than_may_wait_is_refused(tmp_path: Path) -> None:
    receipt = Receipt("rtc", datetime.now(UTC), "ok", None, "POST", "", "", b"{}" * 100)

    async def at_once(**limits: Any) -> list[Outcome]:
        recorder = Recorder(tmp_path, Counts(), **limits)
        outcomes = await asyncio.gather(*(recorder.keep(receipt) for _ in range(10)))
        again = await recorder.keep(receipt)
        await recorder.close()
        return [*outcomes, again]

    for limits in ({"waiting": 3}, {"waiting_bytes": 700}):
        outcomes = asyncio.run(at_once(**limits))
        assert outcomes == [Outcome.STORED] * 3 + [Outcome.OVERLOADED] * 7 + [Outcome.STORED]
    assert len(bodies(tmp_path)) == 8


# -- the command


@pytest.fixture
def listening(tmp_path: Path) -> Iterator[tuple[httpx.Client, subprocess.Popen[str]]]:
    arguments = forked("listen", tmp_path / "out", "--port", 0, "--commit-every", "1s", "--log-format", "json")
    with subprocess.Popen(
        arguments,
        env=environment(VONAGE_SIGNATURE_SECRET=SECRET),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1].removesuffix("/rtc")
        with httpx.Client(base_url=url, timeout=PATIENCE_S, trust_env=False) as client:
            yield client, process
        process.kill()


@pytest.mark.slow
def test_the_command_folds_in_when_the_folder_is_free_and_ends_in_order(
    listening: tuple[httpx.Client, subprocess.Popen[str]], tmp_path: Path
) -> None:
    client, process = listening
    layout = Layout(tmp_path / "out")
    layout.prepare()
    lock = WriterLock(layout)
    lock.acquire()
    for number in range(1, 4):
        assert _post(client, number) == 204
    body = voice_event(1)
    assert client.post("/voice", content=body, headers=signed(body)).status_code == 200
    until(lambda: client.get("/healthz").json()["commits"].get("locked", 0) > 0)
    lock.release()
    until(lambda: client.get("/healthz").json()["backlog_events"] == 0)
    held = open_dataset(layout.root)
    assert sorted(held["events"]["event_id"]) == [1, 2, 3]
    assert len(held["voice_events"]) == 1
    assert _post(client, 4) == 204
    process.send_signal(signal.SIGTERM)
    said = process.communicate(timeout=PATIENCE_S)[1]
    assert process.returncode == 0, said
    assert sorted(open_dataset(layout.root)["events"]["event_id"]) == [1, 2, 3, 4]
    assert SECRET not in said
    assert list(layout.inbox.iterdir()) == []
