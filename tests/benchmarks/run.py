"""The measured numbers of the README: ratios within one run, on this machine.

Run it with ``python tests/benchmarks/run.py``; name parts (convert, export, one-core, requests, memory, listener) to
run only these. Each ratio is the median over several rounds in which both sides take turns, so that a machine that
slows down slows down both. The sandbox runs in a process of its own.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import httpx
import orjson

sys.path.insert(0, str(Path(__file__).parents[2]))

from conv_analytics import Conversations, export
from conv_analytics.dataset import DatasetWriter
from conv_analytics.defaults import SAMPLE
from conv_analytics.exporter.estimate import Range, estimate_total
from conv_analytics.exporter.plan import plan
from conv_analytics.sandbox import World
from conv_analytics.tables import TABLES
from conv_analytics.tables.flatten import Page, flatten_events
from conv_analytics.tables.seen_events import SeenEvents

ROUNDS = 5
CONVERSATIONS = 2000
IN_FLIGHT = 20
SAMPLES = 2000


@contextmanager
def served(conversations: int = CONVERSATIONS, prepare: str = "") -> Iterator[dict[str, str]]:
    """A sandbox in another process: where it is, and how to get in; `prepare` is code that may change it first."""
    code = (
        f"import json, os, sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from conv_analytics.sandbox import Sandbox\n"
        f"with Sandbox(seed=7, conversations={conversations}) as sandbox:\n"
        f"    {prepare or 'sandbox.truth()'}\n"
        "    print(json.dumps({'base_url': sandbox.base_url, 'application_id': sandbox.application_id,\n"
        "        'private_key': sandbox.private_key, 'token': sandbox.token(life_s=80000),\n"
        "        'pid': str(os.getpid())}), flush=True)\n"
        "    sys.stdin.read()\n"
    )
    with _running([sys.executable, "-c", code]) as server:
        yield server


@contextmanager
def replayed(conversations: int = CONVERSATIONS) -> Iterator[dict[str, str]]:
    """A server in another process that answers again what the sandbox answered, and takes little time itself."""
    with _running([sys.executable, "-m", "tests.benchmarks.replay_server", str(conversations)]) as server:
        yield server


@contextmanager
def _running(command: list[str]) -> Iterator[dict[str, str]]:
    """A process that prints where its server is, and ends with its standard input."""
    home = Path(__file__).parents[2]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=home)
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        yield json.loads(process.stdout.readline())
    finally:
        process.stdin.close()
        process.wait()


def client_of(server: dict[str, str]) -> Conversations:
    return Conversations(server["application_id"], server["private_key"], base_url=server["base_url"])


async def download(server: dict[str, str]) -> list[tuple[str, str | None, bytes]]:
    """Every document that an export needs, by bare aiohttp: kind, conversation, body."""
    found: list[tuple[str, str | None, bytes]] = []
    slots = asyncio.Semaphore(IN_FLIGHT)
    headers = {"authorization": f"Bearer {server['token']}"}

    async with aiohttp.ClientSession(headers=headers, connector=aiohttp.TCPConnector(limit=0)) as session:

        async def get(path: str, kind: str, conversation: str | None = None) -> Any:
            async with slots, session.get(server["base_url"] + path) as answer:
                body = await answer.read()
            found.append((kind, conversation, body))
            return orjson.loads(body)

        async def pages(path: str, kind: str, conversation: str | None = None) -> Any:
            more = f"{path}?page_size=100"
            while more:
                page = await get(more, kind, conversation)
                yield page
                href = page["_links"].get("next", {}).get("href", "")
                more = href.removeprefix(server["base_url"]) if href else ""

        async def conversation(name: str) -> None:
            base = f"/v1/conversations/{name}"
            if (await get(base, "conversation", name))["sequence_number"]:
                async for _ in pages(f"{base}/members", "members", name):
                    pass
                async for _ in pages(f"{base}/events", "events", name):
                    pass

        async with asyncio.TaskGroup() as group:
            async for page in pages("/v1/conversations", "conversations"):
                for item in page["_embedded"]["conversations"]:
                    group.create_task(conversation(item["id"]))
    return found


def timed(call: Callable[[], Any]) -> float:
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def turns(name: str, ours: Callable[[], Any], floor: Callable[[], Any], note: str) -> None:
    """Both sides in turns; prints a row of the table."""
    ours()
    floor()
    _row(name, note, [(timed(ours), timed(floor)) for _ in range(ROUNDS)])


def convert() -> None:
    """Pages in memory to all tables to Parquet, against decoding the same bytes."""
    with served() as server:
        found = asyncio.run(download(server))
    pages = [Page(conversation, body) for kind, conversation, body in found if kind == "events"]
    size = sum(len(page.body) for page in pages) / 1e6
    root = Path(tempfile.mkdtemp())

    def floor() -> None:
        for page in pages:
            orjson.loads(page.body)

    def tables() -> Iterator[Any]:
        seen = SeenEvents()
        for start in range(0, len(pages), 300):
            yield flatten_events(pages[start : start + 300], seen)

    def to_tables() -> None:
        for _ in tables():
            pass

    def to_parquet() -> None:
        shutil.rmtree(root, ignore_errors=True)
        writer = DatasetWriter(root, date(2026, 11, 22), list(TABLES))
        for rows in tables():
            for name, table in rows.tables.items():
                writer.write(name, table)
        writer.commit({}, {})

    note = f"`orjson.loads` of the same {size:.0f} MB"
    turns("pages in memory -> all tables", to_tables, floor, note)
    turns("pages in memory -> all tables -> Parquet", to_parquet, floor, note)
    shutil.rmtree(root, ignore_errors=True)


def whole() -> None:
    """The whole export, against a bare download with decoding: the time, and the processor time of each process."""
    for server, words in ((served, "local server"), (replayed, "local server that replays its answers")):
        with server() as where:
            _whole(where, words)


def _whole(server: dict[str, str], where: str) -> None:
    against = "aiohttp download + `orjson.loads`"
    client = client_of(server)
    root = Path(tempfile.mkdtemp())

    def ours(processes: int) -> None:
        shutil.rmtree(root, ignore_errors=True)
        export(client, root, rate=0, concurrency=IN_FLIGHT, processes=processes)

    def floor() -> None:
        asyncio.run(download(server))

    ours(2)
    floor()
    rounds = [
        (worked(floor, server), worked(partial(ours, 2), server), worked(partial(ours, 1), server))
        for _ in range(ROUNDS)
    ]
    shutil.rmtree(root, ignore_errors=True)
    for words, side, shares in (("two processes", 1, _SHARES), ("one process", 2, _SHARES[:1])):
        name = f"whole export into Parquet in {words}, {where}, no latency"
        _row(name, against, [(each[side].wall, each[0].wall) for each in rounds])
        for part, of in shares:
            times = [(of(each[side]), each[0].own) for each in rounds]
            _row(f"its processor time, {part}", f"that of the {against}", times)
    server_s = [statistics.median(each[side].server for each in rounds) for side in range(3)]
    print("processor time of the server: " + ", ".join(f"{seconds:.2f} s" for seconds in server_s), flush=True)


def one_core() -> None:
    """The whole export, and the bare download, where both and the server have one core."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        with served() as server:
            client = client_of(server)
            root = Path(tempfile.mkdtemp())

            def ours() -> None:
                shutil.rmtree(root, ignore_errors=True)
                export(client, root, rate=0, concurrency=IN_FLIGHT)

            turns(
                "whole export into Parquet on one core, server included", ours, lambda: asyncio.run(download(server)),
                "aiohttp download + `orjson.loads`, likewise",
            )  # fmt: skip
            shutil.rmtree(root, ignore_errors=True)
    finally:
        os.sched_setaffinity(0, cores)


class Work(NamedTuple):
    """What a call took: seconds of wall time, and processor time of the processes that took part. [s]"""

    wall: float
    own: float
    """Of this process."""
    others: float
    """Of those that it started and that have ended."""
    server: float


_SHARES: tuple[tuple[str, Callable[[Work], float]], ...] = (
    ("the process that downloads", lambda work: work.own),
    ("the process that converts", lambda work: work.others),
    ("both", lambda work: work.own + work.others),
)


def worked(call: Callable[[], Any], server: dict[str, str]) -> Work:
    """What a call took of each process."""
    before, server_before, begin = os.times(), _server_s(server), time.perf_counter()
    call()
    wall, after = time.perf_counter() - begin, os.times()
    return Work(
        wall,
        after.user + after.system - before.user - before.system,
        after.children_user + after.children_system - before.children_user - before.children_system,
        _server_s(server) - server_before,
    )


def _server_s(server: dict[str, str]) -> float:
    """The processor time of the server so far. [s]"""
    fields = Path(f"/proc/{server['pid']}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _row(name: str, against: str, times: list[tuple[float, float]]) -> None:
    """Print a row of the table: the ratios of ours to theirs, and what ours took."""
    ratios = [ours / theirs for ours, theirs in times]
    seconds = statistics.median(ours for ours, _ in times)
    print(
        f"| {name} | {against} | {statistics.median(ratios):.1f}x ({min(ratios):.1f} to {max(ratios):.1f}) |"
        f" {seconds:.2f} s |",
        flush=True,
    )


def requests() -> None:
    """Requests sent, against the least that the API allows; and those of the nights that follow."""
    truth = World(seed=7, conversations=CONVERSATIONS).truth()
    lists = -(-truth.conversations // 100)
    with served() as server:
        least = len(asyncio.run(download(server)))
        root = Path(tempfile.mkdtemp())

        def night(what: str, floor: int, floor_is: str, **options: Any) -> None:
            expected = plan(client_of(server), root, rate=0, **options).requests
            report = export(client_of(server), root, rate=0, allow_empty=True, **options).report
            print(
                f"| {what} | {report.requests:,} | {floor_is}: {floor:,} | {report.requests / floor:.3f}x |"
                f" {expected} | {report.seconds:.1f} s |",
                flush=True,
            )

        print("\n| run | requests | against | ratio | planned | took |\n|---|---|---|---|---|---|", flush=True)
        known = lists + truth.conversations
        night("first", least, "the fewest possible")
        night("nothing changed", known, "list + one each")
        changed = change(server, CONVERSATIONS // 100)
        night("1 % changed", known + 2 * changed, "list + one each + two per changed one")
        day = {"lookback": timedelta(hours=1)}
        lately = "list + one per conversation that changed in that time"
        night("nothing changed, with `--lookback`", lists + changed, lately, **day)
        changed = change(server, CONVERSATIONS // 100)
        night("1 % changed, with `--lookback`", lists + 3 * changed, "list + three per changed one", **day)
        night("`--full`", least, "the fewest possible at first", full=True)
        shutil.rmtree(root, ignore_errors=True)
    numbers = list(truth.sequence_numbers.values())
    costs = [(int(number > 0), -(-number // 100)) for number in numbers]
    sums, dice, holds, near = [sum(column) for column in zip(*costs, strict=True)], random.Random(3), 0, 0
    for _ in range(SAMPLES):
        sample = zip(*dice.sample(costs, SAMPLE), strict=True)
        parts = [estimate_total(values, len(costs), 1) for values in sample]
        found = Range.exactly(known) + parts[0] + parts[1]
        holds += found.low <= known + sum(sums) <= found.high
        near += abs(found.expected / (known + sum(sums)) - 1) <= 0.25
    print(
        f"\n{SAMPLES:,} plans of a first run, {SAMPLE} conversations each: the bounds hold for {holds / SAMPLES:.0%},"
        f" {near / SAMPLES:.0%} are within 25 %"
    )


def change(server: dict[str, str], count: int) -> int:
    """Say something in some conversations that are still open; give their number."""
    headers = {"authorization": f"Bearer {server['token']}"}
    body = {"type": "message", "body": {"message_type": "text", "text": "new"}}
    done = 0
    with httpx.Client(base_url=server["base_url"], headers=headers) as http:
        ids = [conversation.id for conversation in client_of(server).list_all_conversations()]
        for name in ids[:: len(ids) // (2 * count)]:
            done += done < count and http.post(f"/v1/conversations/{name}/events", json=body).status_code == 201
    return done


def memory() -> None:
    """Peak memory of a whole export in a process of its own, at about 50,000 and 500,000 events."""
    found = []
    for conversations in (760, 7600):
        with served(conversations) as server:
            found.append(apart(server))
    few, many = found
    against = f"at {few['events']:,} events: {few['mb']:.0f} MB"
    ratio = many["mb"] / few["mb"]
    print(f"| peak memory at {many['events']:,} events | {against} | {ratio:.2f}x | {many['mb']:.0f} MB |")


def apart(server: dict[str, str]) -> dict[str, Any]:
    """An export in a process of its own: events, requests, time, peak memory, and what it wrote."""
    folder = str(Path(__file__).parent)
    code = f"import json, sys; sys.path.insert(0, {folder!r}); import run; run.peak(json.load(sys.stdin))"
    done = subprocess.run(
        [sys.executable, "-c", code], input=json.dumps(server), capture_output=True, text=True, check=True
    )
    return dict(json.loads(done.stdout))


def peak(server: dict[str, str]) -> None:
    """Export, and print what it took; the peak is that of this process and of the one that converts together."""
    root = Path(tempfile.mkdtemp())
    looks: list[list[int]] = []
    over = threading.Event()
    watching = threading.Thread(target=watch, args=(looks, over))
    watching.start()
    done = export(client_of(server), root, rate=0)
    over.set()
    watching.join()
    commits = sum(path.stat().st_size for path in (root / "_commits").iterdir())
    folder = sum(path.stat().st_size for path in root.rglob("*") if path.is_file())
    shutil.rmtree(root, ignore_errors=True)
    found = {"events": done.report.tables.get("events", 0), "requests": done.report.requests}
    weights = {"commit_mb": commits / 1e6, "folder_mb": folder / 1e6, "processes": len(max(looks, key=len))}
    each = [kilobytes / 1024 for kilobytes in max(looks, key=sum)]
    print(json.dumps({**found, **weights, "seconds": done.report.seconds, "mb": sum(each), "each_mb": each}))


def watch(looks: list[list[int]], over: threading.Event) -> None:
    """Note now and then the peak memory so far of this process and of those that it started and that still run. [kB]

    The largest sum is what all took together at the most: a process that has ended takes nothing any more.
    """
    # The kernel keeps each peak, and processes live for seconds: more looks would only cost processor time.
    while not over.wait(0.2):
        processes = ["self"]
        for path in Path("/proc/self/task").glob("*/children"):
            # A thread may end in between.
            with suppress(OSError):
                processes += path.read_text().split()
        peaks = []
        for process in processes:
            # Not ``getrusage``: after a fork it still holds the parent's peak.
            with suppress(OSError, StopIteration):
                lines = Path(f"/proc/{process}/status").read_text().splitlines()
                peaks.append(int(next(line.split()[1] for line in lines if "VmHWM" in line)))
        looks.append(peaks)


def listener() -> None:
    """Events to a listener, beside a handler that only appends and syncs in groups."""
    from tests.benchmarks.live import measured

    pairs = [(measured("listener", 10, 500), measured("bare", 10, 500)) for _ in range(ROUNDS)]
    ratios = sorted(ours.cost_us / bare.cost_us for ours, bare in pairs)
    took = statistics.median(ours.cost_us for ours, _ in pairs)
    p99_ms = statistics.median(ours.result.percentile(0.99) for ours, _ in pairs) * 1e3
    print(
        f"| webhook to durable, 500/s | a handler that only appends | {statistics.median(ratios):.1f}x"
        f" ({ratios[0]:.1f} to {ratios[-1]:.1f}) | {took:.0f} us of processor time, p99 {p99_ms:.0f} ms |"
    )


PARTS = {
    "convert": convert, "export": whole, "one-core": one_core, "requests": requests, "memory": memory,
    "listener": listener,
}  # fmt: skip

if __name__ == "__main__":
    print(f"{CONVERSATIONS:,} conversations, {IN_FLIGHT} in flight, {ROUNDS} rounds, {os.cpu_count()} cores\n")
    print("| what | against | ratio, median (range) | took |")
    print("|---|---|---|---|")
    for part in sys.argv[1:] or PARTS:
        PARTS[part]()
