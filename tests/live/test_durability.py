"""What was answered is on the disk: after SIGKILL, on a full disk, in a burst, and at an orderly end."""

from __future__ import annotations

import asyncio
import os
import random
import resource
import signal
from collections import Counter
from multiprocessing.process import BaseProcess
from pathlib import Path

import aiohttp
import httpx
import pytest

from conv_analytics.dataset.storage import inbox
from conv_analytics.dataset.storage.layout import Layout
from tests._helpers.listeners import bodies, start
from tests._helpers.patience import PATIENCE_S
from tests._helpers.webhooks import rtc_event, signed, voice_event

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL")]

#: More on request.
KILLS = int(os.environ.get("LISTENER_KILLS", "15"))
SENDERS = 16
#: Senders never ask twice, so that whatever is there twice was stored twice.
ONCE = aiohttp.ClientTimeout(total=PATIENCE_S)
#: A burst takes as long as the machine needs: a sender that gives up would look like an event that was dropped.
WHOLE_BURST = aiohttp.ClientTimeout(total=None)


class Load:
    """Senders of distinct events; remembers which were answered with what."""

    def __init__(self, first: int = 0) -> None:
        self.answers: dict[bytes, int] = {}
        self.sent = first
        self._answered = asyncio.Event()

    async def one(self, client: aiohttp.ClientSession, url: str) -> None:
        self.sent += 1
        body = rtc_event(self.sent) if self.sent % 2 else voice_event(self.sent)
        try:
            place = "rtc" if self.sent % 2 else "voice"
            async with client.post(f"{url}/{place}", data=body, headers=signed(body)) as answer:
                await answer.read()
                self.answers[body] = answer.status
                self._answered.set()
        except (aiohttp.ClientError, OSError):
            self.answers[body] = 0

    async def until_refused(self, url: str) -> None:
        """Send until nobody answers any more."""

        async def sender() -> None:
            while 0 not in (last := list(self.answers.values())[-SENDERS:]) or not last:
                await self.one(client, url)

        async with aiohttp.ClientSession(timeout=ONCE) as client:
            await asyncio.gather(*(sender() for _ in range(SENDERS)))

    async def at_least(self, number: int) -> None:
        """Wait until so many events are stored."""
        while len(self.stored()) < number:
            self._answered.clear()
            await self._answered.wait()

    def stored(self) -> list[bytes]:
        return [body for body, status in self.answers.items() if status in {200, 204}]


def test_everything_answered_before_kills_is_there_once(tmp_path: Path) -> None:
    dice = random.Random(50)
    answered: list[bytes] = []

    async def killed(load: Load, process: BaseProcess, url: str) -> None:
        sending = asyncio.create_task(load.until_refused(url))
        await load.at_least(1)
        await asyncio.sleep(dice.uniform(0, 0.15))
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        await sending

    for number in range(KILLS):
        process, url = start(tmp_path)
        load = Load(number * 100_000)
        asyncio.run(killed(load, process, url))
        answered += load.stored()
        process.join(PATIENCE_S)
        assert process.exitcode == -signal.SIGKILL, number
    kept = Counter(bodies(tmp_path))
    assert len(answered) > KILLS * SENDERS
    assert [body for body in answered if kept[body] != 1] == []
    # What was not answered may be there, too, and is not there twice.
    assert max(kept.values()) == 1
    segments = inbox.segments(Layout(tmp_path))
    assert len(segments) == KILLS
    assert all(segment.sealed for segment in segments)


def test_a_full_disk_is_a_503_and_room_lets_it_go_on(tmp_path: Path) -> None:
    process, url = start(tmp_path)
    pid = process.pid
    assert pid is not None
    free = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    answers: dict[bytes, int] = {}
    with httpx.Client(base_url=url, timeout=PATIENCE_S) as client:

        def send(number: int) -> int:
            body = rtc_event(number)
            answers[body] = client.post("/rtc", content=body, headers=signed(body)).status_code
            return answers[body]

        assert [send(n) for n in range(5)] == [204] * 5
        for limit in (10, 3000):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (limit, free[1]))
            base, number = limit * 1000, 0
            while send(base + number) != 503:
                number += 1
            state = client.get("/healthz")
            # With room for a new file, it is well again.
            assert state.status_code == (503 if limit == 10 else 200)
            voice = client.post("/voice", content=b"{}", headers=signed(b"{}"))
            assert voice.content == b""
            resource.prlimit(pid, resource.RLIMIT_FSIZE, free)
            assert client.get("/healthz").json()["status"] == "ok"
            assert [send(base + 500 + n) for n in range(5)] == [204] * 5
        assert client.get("/healthz").json()["refused"]["disk"] >= 2
    process.terminate()
    process.join(PATIENCE_S)
    kept = [body for body in bodies(tmp_path) if body != b"{}"]
    assert kept == [body for body, status in answers.items() if status == 204]


def test_a_burst_is_taken_or_refused_and_nothing_is_dropped(tmp_path: Path) -> None:
    number = min(5000, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 500)
    process, url = start(tmp_path)
    load = Load()

    async def burst() -> None:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=WHOLE_BURST) as client:
            await asyncio.gather(*(load.one(client, url) for _ in range(number)))

    asyncio.run(burst())
    assert len(load.answers) == number
    assert set(load.answers.values()) <= {200, 204, 503}
    process.terminate()
    process.join(PATIENCE_S)
    assert Counter(bodies(tmp_path)) == Counter(load.stored())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_it(number: signal.Signals, tmp_path: Path) -> None:
    process, url = start(tmp_path)
    load = Load()

    async def stopped() -> None:
        sending = asyncio.create_task(load.until_refused(url))
        await load.at_least(100)
        assert process.pid is not None
        os.kill(process.pid, number)
        await sending

    asyncio.run(stopped())
    process.join(PATIENCE_S)
    assert process.exitcode == 0
    assert set(load.answers.values()) <= {0, 200, 204}
    kept = Counter(bodies(tmp_path))
    assert [body for body in load.stored() if kept[body] != 1] == []
    assert list((tmp_path / "_inbox").glob("*.lock")) == []


def test_two_listeners_share_a_folder(tmp_path: Path) -> None:
    processes = [start(tmp_path) for _ in range(2)]
    load = Load()

    async def both() -> None:
        async with aiohttp.ClientSession(timeout=ONCE) as client:
            await asyncio.gather(*(load.one(client, url) for _, url in processes for _ in range(200)))

    asyncio.run(both())
    assert Counter(bodies(tmp_path)) == Counter(load.stored())
    assert len(load.stored()) == 400
    for process, _ in processes:
        process.terminate()
        process.join(PATIENCE_S)
    assert len(inbox.segments(Layout(tmp_path))) == 2
