"""The demo of coverage: one world exported twice, with a listener's webhooks and without, against its call list."""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import pandas as pd

    from conv_analytics.exporter.coverage import Coverage
    from conv_analytics.sandbox import Sandbox
    from conv_analytics.sandbox.webhooks.delivery import Deliveries

#: A small world: its webhooks are received one by one.
CONVERSATIONS = 30
#: Share of its calls whose conversations cannot be read once they have ended.
TRANSIENT = 0.3
#: Webhooks in flight at a time.
_AT_ONCE = 64


class Part(NamedTuple):
    """The lines to print, and those that differ from what the sandbox knows."""

    lines: list[str]
    wrong: list[str]


def coverage_with_and_without_webhooks(seed: int) -> Part:
    """Export a small world with transient calls twice, and compare both folders with its call list."""
    from conv_analytics.sandbox import Sandbox

    with (
        tempfile.TemporaryDirectory(prefix="conv_analytics-") as room,
        Sandbox(seed=seed, conversations=CONVERSATIONS, transient=TRANSIENT) as sandbox,
    ):
        alone, live = Path(room, "alone"), Path(room, "live")
        without = _exported(sandbox, alone)
        delivered = sandbox.deliveries()
        refused = asyncio.run(_received(sandbox, live, delivered))
        both = _exported(sandbox, live)
        wrong = [
            *([f"{refused:,} of {len(delivered):,} webhooks were refused"] if refused else []),
            *_wrong(sandbox, alone, seen=frozenset(), ended=frozenset()),
            *_wrong(sandbox, live, seen=delivered.begun, ended=delivered.ended),
        ]
        transient = sum(call.transient for call in sandbox.truth().calls)
    return Part(list(_lines(without, both, len(delivered), transient)), wrong)


def _exported(sandbox: Sandbox, folder: Path) -> Coverage:
    """Export to a folder, as a nightly job does, and compare the folder with the call list."""
    from conv_analytics.api import Conversations
    from conv_analytics.exporter.coverage import coverage
    from conv_analytics.exporter.entry import export
    from conv_analytics.exporter.progress import silent

    # The days of the world, and one more on either side: the last calls may end after them.
    end, day = datetime.fromtimestamp(sandbox.world.end_ms / 1000, UTC), timedelta(days=1)
    since, until = end - (sandbox.world.days + 1) * day, end + day
    with Conversations(sandbox.application_id, sandbox.private_key, base_url=sandbox.base_url) as client:
        export(client, folder, rate=0, progress=silent, allow_empty=True)
        return coverage(client, folder, since=since, until=until, rate=0)


async def _received(sandbox: Sandbox, folder: Path, delivered: Deliveries) -> int:
    """Pass the webhooks to the application that `listen` serves, without a server; return how many it refused."""
    import httpx

    from conv_analytics.live import app

    received = app(
        folder,
        secrets={sandbox.api_key: sandbox.signature_secret},
        application_ids=[sandbox.application_id],
        commit_every=0,
    )
    free, refused = asyncio.Semaphore(_AT_ONCE), 0
    transport = httpx.ASGITransport(received)
    async with received, httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:

        async def send(method: str, path: str, headers: dict[str, str], body: bytes) -> None:
            nonlocal refused
            async with free:
                answer = await client.request(method, path, headers=headers, content=body)
            refused += not answer.is_success

        async with asyncio.TaskGroup() as group:
            for each in delivered.sent:
                group.create_task(send(each.method, each.path, each.headers, each.body))
    return refused


def _wrong(sandbox: Sandbox, folder: Path, *, seen: frozenset[str], ended: frozenset[str]) -> Iterator[str]:
    """A line for each leg whose class is not the one that the sandbox expects."""
    from conv_analytics.dataset import open_dataset

    exported = sandbox.truth(listed=True).sequence_numbers
    kept = open_dataset(folder)["voice_calls"]
    classes = dict(zip(_plain(kept["leg_id"]), kept["coverage_class"].astype(str), strict=True))
    for call in sandbox.truth().calls:
        expected = call.expected_class(exported=exported, seen_live=seen, ended_live=ended)
        actual = classes.pop(call.leg_id.replace("-", ""), None)
        if actual != expected:
            yield f"coverage of leg {call.leg_id} in {folder.name}: {actual}, and in truth {expected}"
    yield from (f"coverage of leg {leg} in {folder.name}: {name}, and there is none" for leg, name in classes.items())


def _plain(legs: pd.Series[str]) -> pd.Series[str]:
    return legs.str.replace("-", "", regex=False)


def _lines(without: Coverage, both: Coverage, webhooks: int, transient: int) -> Iterator[str]:
    total = int(without.shares.iloc[0]["n"])
    yield f"{transient:,} of its {total:,} legs were in transient conversations: no list has them once they have ended"
    yield f"an export alone has {_share(without)}; coverage names what is missing: {_missing(without)}"
    yield f"with {webhooks:,} webhooks that a listener received it has {_share(both)}; missing: {_missing(both)}"


def _share(result: Coverage) -> str:
    total = result.shares.iloc[0]
    return f"{int(total['k']):,} of {int(total['n']):,} legs of the call list, {result.share:.0%}".replace("%", " %")


def _missing(result: Coverage) -> str:
    counts = Counter(result.missing["coverage_class"].astype(str))
    return ", ".join(f"{count:,} {name}" for name, count in counts.most_common()) or "none"


__all__ = ["Part", "coverage_with_and_without_webhooks"]
