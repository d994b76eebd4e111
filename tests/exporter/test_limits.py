"""How hard a run may ask, and how much it may hold: measured at the server, and with a sink that is too slow."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from conv_analytics import Conversations, export
from conv_analytics.api.notices import RequestSent
from conv_analytics.dataset.storage.watermarks import Watermark
from conv_analytics.errors import ConfigError
from conv_analytics.exporter import convert
from conv_analytics.exporter.conversation_states import ConversationStates
from conv_analytics.exporter.convert import Converter
from conv_analytics.exporter.report import Report
from conv_analytics.sandbox import Fault, Reply, Request, Sandbox
from tests._helpers.patience import PATIENCE_S
from tests._helpers.sandboxes import client_of

pytestmark = pytest.mark.slow


class Counting(Sandbox):
    """Counts the requests it works on."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.in_flight = self.most = 0

    def _answer(self, *asked: Any) -> tuple[Reply | None, Fault | None]:
        self.in_flight += 1
        self.most = max(self.most, self.in_flight)
        return super()._answer(*asked)

    def _log(self, request: Request, target: str, status: int) -> None:
        self.in_flight -= 1
        super()._log(request, target, status)


@pytest.mark.parametrize("concurrency", [1, 4, 20])
def test_never_more_requests_in_flight_than_allowed(concurrency: int) -> None:
    with Counting(conversations=30) as sandbox:
        # So late that all of them can be sent before the first answer comes, on a busy machine, too: a few rounds.
        sandbox.script(lambda _request: True, Fault(delay_s=0.02 * concurrency), times=5 * concurrency)
        export(client_of(sandbox), rate=0, concurrency=concurrency, tables="all")
    assert sandbox.most == concurrency


def test_the_rate_is_obeyed() -> None:
    times: list[float] = []

    def note(event: object) -> None:
        # When it was sent: a server on a busy machine may get several at once.
        if isinstance(event, RequestSent):
            times.append(time.monotonic())

    with Sandbox(conversations=20, days=2) as sandbox:
        report = export(client_of(sandbox), rate=60, on_event=note).report
        assert len(sandbox.requests) == len(times) == report.requests > 50
    burst = 5 + 1
    for start in times:
        # One more may fall into a window when the process is held up between its turn and here.
        assert sum(start <= moment < start + 0.5 for moment in times) <= 30 + burst + 1
    # That it is used, too, is shown on a counted clock: test_pace.
    assert (len(times) - burst) / 60 * 0.95 <= times[-1] - times[0]


def test_a_limit_below_the_servers_is_never_refused() -> None:
    with Sandbox(conversations=12, days=2, rate=100) as sandbox:
        report = export(client_of(sandbox), rate=50).report
    assert report.retries == 0
    assert all(seen.status == 200 for seen in sandbox.requests)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"concurrency": 0}, "concurrency is 0"),
        ({"rate": -1.0}, "rate is -1.0"),
        ({"rate": float("nan")}, "rate is nan"),
        ({"tables": "event"}, "no table 'event'.*events"),
        ({"since": datetime(2026, 2, 2, tzinfo=UTC), "until": datetime(2026, 2, 2)}, "not before until"),  # noqa: DTZ001
    ],
)
def test_wrong_options_are_refused_before_anything_is_asked(
    options: dict[str, Any], message: str, client: Conversations, calm: Sandbox
) -> None:
    with pytest.raises(ConfigError, match=message):
        export(client, **options)
    assert not calm.requests


def test_since_and_until_bound_the_conversations(client: Conversations, calm: Sandbox) -> None:
    whole = export(client, rate=0, tables="conversations")["conversations"].sort_values("created_at")
    since, until = (whole["created_at"].iloc[place].to_pydatetime() for place in (9, 20))
    calm.requests.clear()
    some = export(client, rate=0, since=since, until=until + timedelta(seconds=1))
    expected = whole[(whole["created_at"] >= since.replace(microsecond=0)) & (whole["created_at"] <= until)]
    assert set(some["conversations"]["conversation_id"]) == set(expected["conversation_id"])
    assert len(expected) == 12
    assert set(some["events"]["conversation_id"]) <= set(expected["conversation_id"])
    assert "date_start=" in calm.requests[0].query
    assert "date_end=" in calm.requests[0].query
    naive = export(client, rate=0, since=since.replace(tzinfo=None), tables="conversations")
    assert set(naive["conversations"]["conversation_id"]) == set(whole["conversation_id"].iloc[9:])


class Slow:
    """A sink that takes nothing until it is told to."""

    def __init__(self) -> None:
        self.watermarks: dict[str, Watermark] = {}
        self.open = threading.Event()
        self.rows = 0

    def writes(self, name: str) -> bool:
        return bool(name)

    def write(self, name: str, rows: pa.Table) -> None:
        self.open.wait(PATIENCE_S)
        self.rows += rows.num_rows if name == "events" else 0

    def quarantine(self, lines: list[str]) -> None:
        assert not lines

    def repeated(self, conversations: Any) -> Any:
        return ()


def test_who_brings_pages_to_a_slow_sink_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(convert, "BATCH_BYTES", 10_000)
    with closing(ConversationStates()) as states:
        asyncio.run(_back_pressure(states, producers=8, pages=20))


async def _turns(count: Callable[[], int]) -> int:
    """What is counted after as many turns of the loop as anybody can need."""
    for _ in range(1000):
        await asyncio.sleep(0)
    return count()


async def _back_pressure(states: ConversationStates, producers: int, pages: int) -> None:
    sink, taken = Slow(), 0
    converter = Converter(sink, Report(), states, datetime.now(UTC))
    body = b'{"_embedded": [{"id": %d, "type": "custom", "body": {"text": "%s"}}]}'
    size = len(body % (pages, b"x" * 2000))

    async def produce(number: int) -> None:
        nonlocal taken
        for page in range(pages):
            await converter.event_page(f"CON-{number}", body % (page, b"x" * 2000))
            taken += 1

    tasks = [asyncio.create_task(produce(number)) for number in range(producers)]
    stuck = await _turns(lambda: taken)
    assert taken == await _turns(lambda: taken) == stuck < pages * producers
    # One batch that is converted, one that is full, and the page in the hands of each who waits.
    assert stuck * size <= 2 * (10_000 + size) + producers * size
    sink.open.set()
    await asyncio.gather(*tasks)
    await converter.drain()
    await converter.close()
    assert sink.rows == pages * producers


@pytest.mark.parametrize("concurrency", [1, 3, 12])
def test_large_bodies_wait_for_each_other_and_never_for_ever(
    concurrency: int, small_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Every page is large now, and who waits for a place waits as long as it takes.
    monkeypatch.setattr("conv_analytics.api.transport.LARGE_BYTES", 500)
    monkeypatch.setattr("conv_analytics.api.large_bodies.PATIENCE_S", 3600.0)
    monkeypatch.setattr("conv_analytics.api.large_bodies._LOOK_S", 0.001)
    job = export(client_of(small_sandbox), rate=0, tables="all", concurrency=concurrency, progress=False, wait=False)
    frames = job.result(timeout=120)
    truth = small_sandbox.truth()
    assert {name: len(frame) for name, frame in frames.items()} == {name: truth.rows[name] for name in frames}
