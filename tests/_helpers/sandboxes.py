"""Sandboxes, clients for them, and what an export of one must hold."""

from __future__ import annotations

import json
import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from conv_analytics import Conversations
from conv_analytics.api import Retry
from conv_analytics.dataset import Dataset
from conv_analytics.exporter import Exported, Frames
from conv_analytics.sandbox import Fault, Reply, Request, Sandbox, Truth
from conv_analytics.settings import Credentials, Settings
from conv_analytics.tables import TABLES
from tests._helpers.patience import PATIENCE_S

#: Repeats like the default policy, without its waits.
QUICK = Retry(base_s=0.005, cap_s=0.02)

FAULTS = "5xx=0.03,reset=0.02,truncate=0.02,html=0.02,object=0.01,429=0.03,expired=0.01,gone=3,retry_after_s=0"

PAGE = 100

#: Longer than any test takes: an answer that comes so late never comes.
NEVER = Fault(delay_s=86_400.0)
LATER = Reply(429, b"{}", headers={"Retry-After": "1800"})


def client_of(sandbox: Sandbox, **options: Any) -> Conversations:
    options.setdefault("retries", QUICK)
    settings = Settings(sandbox.base_url, _credentials(sandbox.application_id, sandbox.private_key))
    return Conversations(settings=settings, **options)


@cache
def _credentials(application: str, key: str) -> Credentials | None:
    """Resolved once: checking a key takes 70 ms."""
    return Settings.resolve(application, key).credentials


@dataclass(frozen=True)
class Contents:
    """What an export returned, to a folder or to memory: rows by table, and the lines of the quarantine."""

    frames: Mapping[str, pd.DataFrame]
    prices: pa.Array
    lines: list[dict[str, Any]]
    report: Any


class _Once(dict[str, pd.DataFrame]):
    """The tables of a dataset, each read once."""

    def __init__(self, dataset: Dataset) -> None:
        super().__init__()
        self._dataset = dataset

    def __missing__(self, name: str) -> pd.DataFrame:
        self[name] = frame = self._dataset[name]
        return frame


def contents_of(result: Frames | Exported) -> Contents:
    if isinstance(result, Frames):
        prices = pa.array(map(cents, result["call_records"]["price"].dropna().tolist()), pa.decimal128(18, 8))
        return Contents(result, prices, [json.loads(line) for line in result.broken], result.report)
    kept = sorted((result.dataset.path / "_quarantine").glob("*.jsonl"))
    lines = [json.loads(line) for path in kept for line in path.read_text().splitlines()]
    prices = result.dataset.arrow("call_records")["price"].combine_chunks()
    return Contents(_Once(result.dataset), prices, lines, result.report)


def cents(price: float) -> Decimal:
    return round(Decimal(price), 8)


def agree(contents: Contents, truth: Truth) -> None:
    """Every count and every sum of the truth, from the tables alone."""
    frames, broken = contents.frames, truth.broken
    events = frames["events"]
    named = events[events["event_id"].notna()]
    assert len(events) - len(named) == broken.get("without_id", 0)
    assert len(named) == truth.events == truth.rows["events"]
    assert counted(named["type"]) == dict(truth.events_by_type)
    assert not named.duplicated(["conversation_id", "event_id"]).any()
    assert counted(named["conversation_id"]) == {k: n for k, n in truth.events_per_conversation.items() if n}
    assert named["from_user_id"].nunique() == truth.distinct_from_users

    last = named.groupby("conversation_id")["event_id"].max().to_dict()
    conversations = frames["conversations"]
    present = conversations[~conversations["gone"].astype(bool)]
    assert present.set_index("conversation_id")["sequence_number"].to_dict() == dict(truth.sequence_numbers)
    assert all(last.get(each, 0) <= number for each, number in truth.sequence_numbers.items())
    assert len(present) == truth.conversations
    assert len(conversations) - len(present) == truth.gone == len(contents.report.gone)
    assert len(frames["members"]) == frames["members"]["member_id"].nunique() == truth.members

    for name, table in TABLES.items():
        if table.types and table.item_list is None:
            typed = frames[name][frames[name]["event_id"].notna()]
            assert len(typed) == sum(truth.events_by_type.get(kind, 0) for kind in table.types), name
    for name in ("hangups", "call_events", "call_records", "messages", "message_statuses", "member_events"):
        assert frames[name]["event_id"].notna().sum() == truth.rows.get(name, 0), name
    assert len(frames["leg_statuses"]) == truth.rows.get("leg_statuses", 0)
    assert not frames["leg_statuses"].duplicated(["leg_id", "status", "at"]).any()

    hangups, records, transcripts = frames["hangups"], frames["call_records"], frames["transcripts"]
    for name in ("packet_cnt", "flaw_total", "byte_in", "byte_out"):
        assert hangups[name].sum() == getattr(truth, name) > 0, name
    assert math.isclose(hangups["mos_score"].sum(), truth.mos_score_sum, rel_tol=1e-12)
    assert hangups["mos_score"].count() == truth.mos_score_count
    assert counted(hangups["sip_code"].dropna()) == dict(truth.hangups_by_sip_code)
    assert (pc.sum(contents.prices).as_py() or 0) == truth.price_sum > 0
    assert records["price"].count() == truth.price_count
    assert records["duration_s"].sum() == truth.duration_s_sum
    assert records["duration_s"].count() == truth.duration_s_count
    assert counted(frames["messages"]["message_type"].dropna()) == dict(truth.messages_by_type)
    # The sandbox calls {"word": 3} in place of the list broken; the reader takes one object for a list of one, and
    # digits for text (contract 9, no. 13), so it is a row without confidence.
    certain = transcripts[transcripts["confidence"].notna()]
    assert len(transcripts) - len(certain) == broken.get("results", 0)
    assert len(certain) == truth.rows.get("transcripts", 0)
    assert math.isclose(certain["confidence"].sum(), truth.confidence_sum, rel_tol=1e-12)

    quarantined = Counter(line["list"] for line in contents.lines)
    assert contents.report.quarantined == len(contents.lines)
    assert quarantined.pop("events", 0) == sum(broken.values()) - broken.get("results", 0)
    # Everything else that may be there are the empty items of lists, which quirks put in.
    assert all(
        json.loads(line["raw"]) in ({}, {"_embedded": {}}) for line in contents.lines if line["list"] != "events"
    )
    assert contents.report.duplicates == 0


def counted(words: pd.Series[Any]) -> dict[Any, int]:
    return {word: int(n) for word, n in words.value_counts().items() if n}


def least(truth: Truth, members: Mapping[str, int], *, gone: int = 0, users: bool = False) -> int:
    """The fewest requests that can bring everything: see the contract's section 2 and design D5."""
    total = max(1, pages(truth.conversations + gone)) + truth.conversations + gone
    for conversation, number in truth.sequence_numbers.items():
        if number:
            total += max(1, pages(truth.events_per_conversation[conversation])) + max(1, pages(members[conversation]))
    return total + (max(1, pages(truth.users)) if users else 0)


def pages(items: int) -> int:
    return -(-items // PAGE)


def after(sandbox: Sandbox, requests: int, then: Reply | Fault, *, path: str = "", times: int = -1) -> threading.Event:
    """Let a sandbox answer so many requests, and all later ones to paths with this end, or so many, with `then`.

    Gives what is set at the first of these: a run is in the middle of its work then, and cannot come to its end.
    """
    met, seen = threading.Event(), 0

    def late(request: Request) -> bool:
        nonlocal seen
        seen += 1
        if seen > requests and request.path.endswith(path):
            met.set()
            return True
        return False

    sandbox.script(late, then, times=times)
    return met


def soon(condition: Callable[[], object]) -> None:
    """Wait until it is so; fail when it takes beyond all patience."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.01)


def members_of(sandbox: Sandbox) -> dict[str, int]:
    world = sandbox.world
    return {world.head(ordinal).id: len(world.conversation(ordinal).members) for ordinal in world.ordinals}


Serve = Callable[..., Sandbox]
