"""Mutated webhooks over HTTP into a listener and from there into tables: each is stored, quarantined or refused.

One number is one mutated webhook, the same on every machine.
"""

from __future__ import annotations

import asyncio
import functools
import gzip
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import aiohttp

from conv_analytics.errors import ExportIncomplete
from conv_analytics.exporter.ingest_report import Ingested
from conv_analytics.exporter.ingestion import ingest
from conv_analytics.live import app
from conv_analytics.privacy import Mask
from conv_analytics.tables.webhook_bodies import split
from tests._helpers.listeners import receipts, served
from tests._helpers.record_fuzzing import mutate
from tests._helpers.webhooks import FIXTURES, SECRET, rtc_event, signed

AT_ONCE = 32
#: Every status that a listener may answer with.
STATUSES = {200, 204, 400, 401, 413, 503}


@dataclass
class Tally:
    """What became of some mutated webhooks."""

    statuses: Counter[int] = field(default_factory=Counter)
    objects: int = 0
    folded: Ingested = field(default_factory=Ingested)

    def __str__(self) -> str:
        folded = self.folded
        rows = {name: folded.tables.get(name, 0) for name in ("events", "voice_events")}
        counts = f"{self.objects} objects: {rows}, {folded.duplicates} twice, {folded.quarantined} quarantined"
        return f"{dict(self.statuses)}; {counts}, {folded.lost} of them without a row"


@functools.cache
def sources() -> tuple[bytes, ...]:
    """Real webhooks of both kinds, and forms of bodies that the contract allows."""
    found = [rtc_event(7, "rtc:offer", body={"sdp": "v=0", "leg_id": "L"})]
    for path in sorted((*FIXTURES.glob("rtc_*.json"), *FIXTURES.glob("voice_*.json"))):
        document = json.loads(path.read_text(encoding="utf-8"))
        found += [json.dumps(each).encode() for each in document.get("deliveries", [document])]
    return (*found, b"[" + b",".join(found[:3]) + b"]", b"status=completed&uuid=9f2c&dtmf=%7B%22digits%22%3A%221%22%7D")


async def _send(client: aiohttp.ClientSession, url: str, number: int) -> int:
    body = mutate(sources()[number % len(sources())], number)
    place = ("rtc", "voice")[number // len(sources()) % 2]
    way = number % 12
    if way == 0:
        sending = client.post(f"{url}/{place}", data=body)
    elif way == 1:
        headers = signed(body, secret="another-invented-secret-fedcba9876543210")
        sending = client.post(f"{url}/{place}", data=body, headers=headers)
    elif way == 2:
        sending = client.post(f"{url}/{place}", data=body, headers=signed(body + b"changed"))
    elif way == 3:
        query = quote(body[:4000], safe="=&{}:,[]+%")
        sending = client.get(f"{url}/{place}?{query}", headers=signed(b"", payload_hash=None))
    elif way == 4:
        packed = gzip.compress(body) if number % 5 else body
        headers = {**signed(packed), "Content-Encoding": "gzip"}
        sending = client.post(f"{url}/{place}/x", data=packed, headers=headers)
    else:
        sending = client.post(f"{url}/{place}", data=body, headers=signed(body))
    async with sending as answer:
        # Whatever comes, a call is never told what to do.
        assert await answer.read() == b""
        assert answer.status in STATUSES, (number, answer.status)
        return answer.status


def check(numbers: Sequence[int], dest: Path, mask: Mask | None = None) -> Tally:
    """Send mutated webhooks, fold them in, and raise when one is nowhere."""
    tally = Tally()
    application = app(dest, secrets=SECRET, commit_every=0, mask=mask)

    async def send_all(url: str) -> None:
        waiting = iter(numbers)

        async def sender() -> None:
            for number in waiting:
                tally.statuses[await _send(client, url, number)] += 1

        async with aiohttp.ClientSession() as client:
            await asyncio.gather(*(sender() for _ in range(AT_ONCE)))

    with served(application) as client:
        asyncio.run(send_all(str(client.base_url).rstrip("/")))
        state = client.get("/healthz").json()
    kept = receipts(dest)
    stored = tally.statuses[200] + tally.statuses[204]
    assert state["received"] == len(numbers) == stored + sum(state["refused"].values())
    assert state["stored"] == stored == len(kept)
    tally.objects = sum(len(list(split(each.body or each.query.encode()))) for each in kept)
    try:
        tally.folded = ingest(dest)
    except ExportIncomplete as incomplete:
        raise AssertionError("the inbox is damaged") from incomplete
    folded = tally.folded
    assert folded.receipts == stored
    rows = sum(folded.tables.get(name, 0) for name in ("events", "voice_events"))
    # An event about a conversation has a row of its own; that of the conversation may be lost besides.
    assert rows + folded.duplicates + folded.lost >= tally.objects, str(tally)
    assert not list((dest / "_inbox").iterdir())
    return tally
