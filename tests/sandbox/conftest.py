"""A tiny, independent reader of the API, and sandboxes to read."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote

import httpx
import pytest

from conv_analytics.sandbox import Sandbox
from tests._helpers.patience import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Json = dict[str, Any]


def client_of(sandbox: Sandbox, **claims: object) -> httpx.Client:
    """Open a client with a token of the sandbox."""
    return httpx.Client(base_url=sandbox.base_url, headers=sandbox.headers(**claims), timeout=PATIENCE_S)


def pages(client: httpx.Client, path: str, **query: object) -> Iterator[Json]:
    """Walk a list page by page, taking only the cursor out of `next`."""
    cursor, seen = None, set()
    while True:
        params: Any = {**query, **({"cursor": cursor} if cursor else {})}
        answer = client.get(path, params=params)
        assert answer.status_code == 200, answer.text
        page = json.loads(answer.text)
        yield page
        href = ((page.get("_links") or {}).get("next") or {}).get("href", "")
        if "cursor=" not in href:
            return
        cursor = unquote(href.split("cursor=")[1].split("&")[0])
        assert cursor not in seen, "cursor loop"
        seen.add(cursor)


def items(client: httpx.Client, path: str, name: str, **query: object) -> list[Json]:
    """Walk a list and give its items, whatever the shape of the page."""
    found: list[Json] = []
    for page in pages(client, path, **query):
        inner = page.get("_embedded", {})
        found += inner if isinstance(inner, list) else inner.get(name, [])
    return found


def first(of: Json, *names: str) -> Any:
    """Give the first present of several spellings."""
    return next((of[name] for name in names if name in of), None)


@dataclass
class Count:
    """What an export would add up, from JSON alone."""

    types: Counter[str] = field(default_factory=Counter)
    sums: Counter[str] = field(default_factory=Counter)
    sip_codes: Counter[int] = field(default_factory=Counter)
    messages: Counter[str] = field(default_factory=Counter)
    legs: set[tuple[str, str, str]] = field(default_factory=set)
    users: set[str] = field(default_factory=set)
    price: Decimal = Decimal(0)
    mos: float = 0.0
    confidence: float = 0.0
    transcripts: int = 0
    without_id: int = 0

    def number(self, name: str, value: object) -> None:
        """Add an integer that may be text; anything else is not a number."""
        if isinstance(value, int | str) and str(value).lstrip("-").isdigit() and int(value) < 2**63:
            self.sums[name] += int(value)
            self.sums[f"{name}_count"] += 1

    def add(self, event: Json) -> None:
        """Read one event."""
        if "id" not in event:
            self.without_id += 1
            return
        kind, body = event["type"], event["body"]
        self.types[kind] += 1
        user = event.get("_embedded", {}).get("from_user", {}).get("id")
        if user:
            self.users.add(user)
        if kind in {"sip:hangup", "rtc:hangup"}:
            self.hangup(body)
        elif kind in {"sip:status", "rtc:status"}:
            self.number("duration_s", body["duration"])
            try:
                self.price += Decimal(body["price"])
                self.sums["price_count"] += 1
            except InvalidOperation:
                pass
        elif kind == "message":
            self.messages[body["message_type"]] += 1
        elif kind == "leg:status:update":
            self.leg(body)
        elif kind == "audio:asr:done":
            results = first(body["asr"], "results", "result")
            for one in results if isinstance(results, list) else []:
                self.transcripts += 1
                self.confidence += float(one["confidence"])

    def hangup(self, body: Json) -> None:
        """Read a hangup."""
        code = str(body["reason"]["sip_code"])
        if code.isdigit():
            self.sip_codes[int(code)] += 1
        quality, bandwidth = body.get("quality", {}), body.get("bandwidth", {})
        self.number("packet_cnt", quality.get("packet_cnt"))
        self.number("flaw_total", quality.get("flaw_total"))
        self.number("byte_in", first(bandwidth, "byte_in", "bytes_in"))
        self.number("byte_out", first(bandwidth, "byte_out", "bytes_out"))
        if quality and quality["mos_score"] != "n/a":
            self.mos += float(quality["mos_score"])
            self.sums["mos_count"] += 1

    def leg(self, body: Json) -> None:
        """Read a leg's history; the same instant may be spelled in several ways."""
        history = first(body, "statusHistory", "status_history")
        for entry in [history] if isinstance(history, dict) else history if isinstance(history, list) else []:
            at = entry["date"].replace("+00:00", "Z").rstrip("Z")
            at = at.rstrip("0").rstrip(".") if "." in at else at
            self.legs.add((body["leg_id"], entry["status"], at))


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    """Serve a regular world; tests must not change it."""
    with Sandbox(seed=7, conversations=160) as running:
        yield running


@pytest.fixture(scope="session")
def client(sandbox: Sandbox) -> Iterator[httpx.Client]:
    """Open a client for the regular world."""
    with client_of(sandbox) as opened:
        yield opened


@pytest.fixture
def serve() -> Iterator[Callable[..., tuple[Sandbox, httpx.Client]]]:
    """Serve sandboxes of one's own, closed after the test."""
    opened: list[tuple[Sandbox, httpx.Client]] = []

    def start(**options: Any) -> tuple[Sandbox, httpx.Client]:
        options.setdefault("conversations", 40)
        running = Sandbox(**options).start()
        opened.append((running, client_of(running)))
        return opened[-1]

    yield start
    for running, open_client in opened:
        open_client.close()
        running.close()


@pytest.fixture
def walk() -> Callable[..., list[Json]]:
    """Give the reader of lists."""
    return items


@pytest.fixture
def walk_pages() -> Callable[..., Iterator[Json]]:
    """Give the reader of pages."""
    return pages


@pytest.fixture
def export() -> Callable[[httpx.Client], tuple[Count, dict[str, int], int]]:
    """Give the exporter: (counts, highest event id by conversation, members)."""

    def run(client: httpx.Client) -> tuple[Count, dict[str, int], int]:
        count, last, members = Count(), {}, 0
        for conversation in items(client, "/v1/conversations", "conversations", page_size=100):
            if "id" not in conversation:
                continue
            path = f"/v1/conversations/{conversation['id']}"
            if client.get(path).status_code == 404:
                continue
            events = items(client, f"{path}/events", "events", page_size=100)
            for event in events:
                count.add(event)
            last[conversation["id"]] = max((event.get("id", 0) for event in events), default=0)
            members += sum("id" in m for m in items(client, f"{path}/members", "members", page_size=7))
        return count, last, members

    return run


@pytest.fixture
def agree() -> Callable[[Any, tuple[Count, dict[str, int], int]], None]:
    """Give the comparison of a truth with an export."""

    def check(truth: Any, exported: tuple[Count, dict[str, int], int]) -> None:
        count, last, members = exported
        assert dict(count.types) == truth.events_by_type
        assert count.types.total() == truth.events == truth.rows["events"]
        assert members == truth.members
        assert last.keys() == truth.sequence_numbers.keys()
        assert len(last) == truth.conversations
        for name in ("packet_cnt", "flaw_total", "byte_in", "byte_out"):
            assert count.sums[name] == getattr(truth, name) > 0
        assert count.sums["duration_s"] == truth.duration_s_sum
        assert count.sums["duration_s_count"] == truth.duration_s_count
        assert count.price == truth.price_sum
        assert count.sums["price_count"] == truth.price_count
        assert count.mos == pytest.approx(truth.mos_score_sum)
        assert count.sums["mos_count"] == truth.mos_score_count
        assert dict(count.sip_codes) == truth.hangups_by_sip_code
        assert dict(count.messages) == truth.messages_by_type
        assert len(count.legs) == truth.rows["leg_statuses"]
        assert count.transcripts == truth.rows["transcripts"]
        assert count.confidence == pytest.approx(truth.confidence_sum)
        assert len(count.users) == truth.distinct_from_users
        assert count.without_id == truth.broken.get("without_id", 0)

    return check


def query_of(href: str) -> dict[str, list[str]]:
    """Read the query of a link."""
    return parse_qs(href.partition("?")[2])
