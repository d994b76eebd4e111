"""A listener under load, beside a bare handler that only appends and syncs in groups: latency, processor time, memory.

Run it with ``python tests/benchmarks/live.py [SECONDS] [RATE]`` (60 s, 500/s). Both are served by the same server, in a
process of its own, and get the same signed events at the same pace over connections that stay open; the listener folds
them into its tables as it does at work. Then a burst of 5,000 at once, and the tee beside a direct request.
``--servers`` compares servers instead, and ``--fuzz 100000`` sends so many mutated webhooks.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

sys.path.insert(0, str(Path(__file__).parents[2]))

from conv_analytics.privacy import Mask
from tests._helpers.webhook_fuzzing import check
from tests._helpers.webhooks import SECRET, rtc_event, signed, voice_event

BURST = 5_000
CONNECTIONS = 50
#: The parser and the loop that uvicorn chooses by itself.
BEST = "auto+auto"


# -- what is served


class Bare:
    """The floor: reads the body, appends it, and answers when a group is synced."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = (folder / "bodies").open("ab", buffering=0)
        self._waiting: deque[tuple[bytes, asyncio.Future[None]]] = deque()
        self._writing: asyncio.Task[None] | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        durable = asyncio.get_running_loop().create_future()
        self._waiting.append((body, durable))
        self._writing = self._writing or asyncio.create_task(self._write())
        await durable
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def _write(self) -> None:
        while self._waiting:
            group, self._waiting = self._waiting, deque()
            await asyncio.get_running_loop().run_in_executor(None, self._append, b"\n".join(body for body, _ in group))
            for _, durable in group:
                durable.set_result(None)
        self._writing = None

    def _append(self, content: bytes) -> None:
        self._file.write(content)
        os.fdatasync(self._file.fileno())


async def upstream(scope: Any, receive: Any, send: Any) -> None:
    """Stands for the server that answers calls."""
    if scope["type"] == "http":
        while (await receive()).get("more_body"):
            pass
        headers = [(b"content-type", b"application/json"), (b"content-length", b"24")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b'[{"action": "hangup"}]  '})


def serve(kind: str, server: str, folder: Path, every_s: float, tee: str | None) -> None:
    """Serve in this process: `kind` is bare, upstream or listener; `server` is parser and loop, or hypercorn."""
    from conv_analytics.live import app
    from conv_analytics.live.server import bound

    listening = bound("127.0.0.1", 0)
    print(listening.getsockname()[1], flush=True)
    what: Any = {
        "bare": lambda: Bare(folder),
        "upstream": lambda: upstream,
        "listener": lambda: app(folder, secrets=SECRET, commit_every=every_s, tee=tee),
    }[kind]()
    if server == "hypercorn":
        import hypercorn.asyncio
        import hypercorn.config

        config = hypercorn.config.Config()
        config.bind = [f"fd://{listening.fileno()}"]
        asyncio.run(hypercorn.asyncio.serve(what, config))
        return
    import uvicorn

    http, loop = server.split("+")
    uvicorn.Server(
        uvicorn.Config(what, http=http, loop=loop, access_log=False, log_config=None, backlog=8192)  # type: ignore[arg-type]
    ).run(sockets=[listening])


@dataclass
class Process:
    """A server in a process of its own."""

    url: str
    pid: int
    resident: list[int] = field(default_factory=list)

    def look(self) -> None:
        self.resident.append(int(_status(self.pid, "VmRSS")) >> 10)

    def processor_s(self) -> float:
        values = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return sum(map(int, values[11:13])) / os.sysconf("SC_CLK_TCK")


def _status(pid: int, name: str) -> str:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(line.split()[1] for line in lines if line.startswith(f"{name}:"))


@contextlib.contextmanager
def served(kind: str, server: str, folder: Path, *, every_s: float = 0, tee: str = "") -> Iterator[Process]:
    command = [sys.executable, __file__, "serve", kind, server, str(folder), str(every_s), tee]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        try:
            yield Process(f"http://127.0.0.1:{port}", process.pid)
        finally:
            process.terminate()


# -- who sends


@dataclass
class Result:
    """What senders saw."""

    times_s: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)

    def percentile(self, share: float) -> float:
        ordered = sorted(self.times_s)
        return ordered[min(int(len(ordered) * share), len(ordered) - 1)]

    def line(self) -> str:
        marks = "  ".join(f"p{share * 100:g} {self.percentile(share) * 1e3:6.1f}" for share in (0.5, 0.99, 0.999))
        return f"{marks}  max {max(self.times_s) * 1e3:6.1f} ms  {dict(self.statuses)}"


@contextlib.asynccontextmanager
async def session(connections: int = CONNECTIONS) -> AsyncIterator[aiohttp.ClientSession]:
    connector = aiohttp.TCPConnector(limit=connections)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=60)) as made:
        yield made


async def send(client: aiohttp.ClientSession, url: str, number: int, result: Result, begun: float) -> None:
    voice = url.endswith("/voice") or number % 2 == 0
    body, url = (voice_event(number) if voice else rtc_event(number)), url.removesuffix("/voice")
    place = "voice" if voice else "rtc"
    try:
        async with client.post(f"{url}/{place}", data=body, headers=signed(body)) as response:
            await response.read()
            result.statuses[response.status] += 1
    except aiohttp.ClientError:
        result.statuses[0] += 1
    result.times_s.append(time.monotonic() - begun)


async def load(process: Process, seconds: float, rate: float, place: str = "") -> Result:
    """Requests at a pace that does not wait for answers; to one place, or to both."""
    result, tasks, begun, number = Result(), set[asyncio.Task[None]](), time.monotonic(), 0
    looked = begun
    async with session() as client:
        while (now := time.monotonic()) - begun < seconds:
            while number < (now - begun) * rate:
                task = asyncio.create_task(send(client, f"{process.url}{place}", number, result, now))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
                number += 1
            if now - looked > 1:
                process.look()
                looked = now
            await asyncio.sleep(0.002)
        await asyncio.gather(*tasks)
    return result


async def burst(process: Process, number: int) -> Result:
    """Everything at once, each on a connection of its own."""
    result = Result()
    async with session(0) as client:
        begun = time.monotonic()
        await asyncio.gather(*(send(client, process.url, each, result, begun) for each in range(number)))
    return result


# -- what is printed


def compare_servers(seconds: float, rate: float) -> None:
    for server in ("h11+asyncio", "httptools+asyncio", "httptools+uvloop", "h11+uvloop", "hypercorn"):
        for kind in ("bare", "listener"):
            with tempfile.TemporaryDirectory() as folder, served(kind, server, Path(folder)) as process:
                result = asyncio.run(load(process, seconds, rate))
                cost = process.processor_s() / len(result.times_s) * 1e6
                print(f"{server:18} {kind:9} {cost:6.0f} us/event  {result.line()}", flush=True)


def fuzz(number: int) -> None:
    for start in range(0, number, 5000):
        mask = Mask(b"a key of the benchmarks, long enough") if start // 5000 % 2 else None
        with tempfile.TemporaryDirectory() as folder:
            print(start, check(range(start, min(start + 5000, number)), Path(folder), mask), flush=True)


@dataclass
class Measured:
    """One server under load."""

    cost_us: float
    """Processor time per event. [us]"""
    result: Result
    memory: str

    def line(self) -> str:
        return f"{self.cost_us:5.0f} us/event  {self.memory}  {self.result.line()}"


def measured(kind: str, seconds: float, rate: float, every_s: float = 0) -> Measured:
    """A server in a process of its own, warm, under load."""
    with tempfile.TemporaryDirectory() as folder, served(kind, BEST, Path(folder), every_s=every_s) as process:
        asyncio.run(load(process, 5, rate))
        before = process.processor_s()
        result = asyncio.run(load(process, seconds, rate))
        cost_us = (process.processor_s() - before) / len(result.times_s) * 1e6
        return Measured(cost_us, result, f"{min(process.resident)}-{max(process.resident)} MB")


def main(seconds: float, rate: float, every_s: float) -> None:
    bare = measured("bare", min(seconds, 60), rate)
    print(f"bare, {min(seconds, 60):.0f} s at {rate:.0f}/s       {bare.line()}", flush=True)
    ours = measured("listener", seconds, rate, every_s)
    print(f"listener, {seconds:.0f} s at {rate:.0f}/s  {ours.line()}", flush=True)
    latency = ours.result.percentile(0.99) / bare.result.percentile(0.99)
    print(f"ratio to the bare handler: processor time {ours.cost_us / bare.cost_us:.2f}, p99 {latency:.2f}")
    with tempfile.TemporaryDirectory() as folder, served("listener", BEST, Path(folder)) as process:
        print(f"burst of {BURST}: {asyncio.run(burst(process, BURST)).line()}", flush=True)


def tee(seconds: float, rate: float) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        served("upstream", BEST, Path(folder)) as behind,
        served("listener", BEST, Path(folder), tee=behind.url) as front,
    ):
        for _ in range(2):
            direct = asyncio.run(load(behind, seconds, rate, "/voice"))
            through = asyncio.run(load(front, seconds, rate, "/voice"))
            print(f"direct   {direct.line()}\nthrough  {through.line()}")
            added = {share: (through.percentile(share) - direct.percentile(share)) * 1e3 for share in (0.5, 0.99)}
            print(f"the tee adds {added[0.5]:.1f} ms (p50), {added[0.99]:.1f} ms (p99)", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve(sys.argv[2], sys.argv[3], Path(sys.argv[4]), float(sys.argv[5]), sys.argv[6] or None)
        sys.exit()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seconds", nargs="?", type=float, default=60)
    parser.add_argument("rate", nargs="?", type=float, default=500)
    parser.add_argument("--commit-every", type=float, default=10)
    parser.add_argument("--servers", action="store_true")
    parser.add_argument("--fuzz", type=int, default=0)
    options = parser.parse_args()
    if options.fuzz:
        fuzz(options.fuzz)
    elif options.servers:
        compare_servers(options.seconds, options.rate)
    else:
        main(options.seconds, options.rate, options.commit_every)
        tee(min(options.seconds, 20), options.rate / 2)
