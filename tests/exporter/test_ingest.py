"""Events of webhooks, files and lists in one folder: each is stored once, and the list's version is right."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest

from conv_analytics import export, ingest, open_dataset
from conv_analytics.dataset.maintenance.finding import Level
from conv_analytics.dataset.maintenance.verify import verify
from conv_analytics.dataset.storage.inbox import Receipt
from conv_analytics.dataset.storage.inbox_writer import InboxWriter
from conv_analytics.dataset.storage.layout import Layout
from conv_analytics.sandbox import Sandbox
from conv_analytics.tables import TABLES
from conv_analytics.tables.pages import records
from tests._helpers.command_line import call
from tests._helpers.sandboxes import client_of

pytestmark = pytest.mark.slow

#: What tells the ways by which an event came apart, and nothing else.
PROVENANCE = ["source", "received_at", "event_key", "verification"]
#: Filled by exports alone.
LISTED_ONLY = ("conversations", "members")


def listed(sandbox: Sandbox) -> list[dict[str, Any]]:
    """Every event of every conversation, as a webhook has it."""
    events = []
    with httpx.Client(base_url=sandbox.base_url, headers=sandbox.headers()) as http:
        for conversation in map(sandbox.world.conversation, sandbox.world.ordinals):
            url: str | None = f"/v1/conversations/{conversation.id}/events?page_size=100"
            while url:
                page = http.get(url).raise_for_status().content
                for record in map(json.loads, map(bytes, records(page, "events"))):
                    record.pop("_links", None)
                    events.append(
                        {**record, "conversation_id": conversation.id, "application_id": sandbox.application_id}
                    )
                href = (json.loads(page).get("_links", {}).get("next") or {}).get("href")
                url = href and "/v1" + href.partition("/v1")[2]
    return events


def written(folder: Path, events: Iterable[Mapping[str, Any]], name: str = "webhooks.jsonl") -> Path:
    path = folder / name
    # As the API writes them: their bodies stay verbatim.
    path.write_text("\n".join(json.dumps(each, separators=(",", ":"), ensure_ascii=False) for each in events))
    return path


def content(folder: Path) -> dict[str, pd.DataFrame]:
    """The rows of all tables of events, in an order of their own, without where they came from."""
    dataset, result = open_dataset(folder), {}
    for name in dataset.tables:
        if name not in {*LISTED_ONLY, "event_sources", "voice_events"}:
            frame = dataset[name].drop(columns=PROVENANCE, errors="ignore")
            key = list(dict.fromkeys(["conversation_id", *TABLES[name].key]))
            result[name] = frame.sort_values(key, ignore_index=True)
    return result


def viewed(folder: Path, tables: Iterable[str]) -> dict[str, int]:
    """How many rows DuckDB's views have."""
    connection = open_dataset(folder).duckdb()
    return {name: connection.table(name).aggregate("count(*)").fetchall()[0][0] for name in tables}


def agree(folder: Path, expected: Mapping[str, pd.DataFrame]) -> None:
    found = content(folder)
    assert found.keys() == expected.keys()
    for name, frame in expected.items():
        # The first event that tells of a leg's status is whichever came first.
        drop = ["event_id"] if name == "leg_statuses" else []
        pd.testing.assert_frame_equal(
            found[name].drop(columns=drop), frame.drop(columns=drop), check_categorical=False, obj=name
        )
    assert viewed(folder, found) == {name: len(frame) for name, frame in expected.items()}
    assert not [each for each in verify(folder) if each.level is Level.ERROR]


@pytest.fixture(scope="module")
def sandbox() -> Iterable[Sandbox]:
    with Sandbox(conversations=25, days=2) as running:
        yield running


@pytest.fixture(scope="module")
def events(sandbox: Sandbox) -> list[dict[str, Any]]:
    return listed(sandbox)


@pytest.fixture(scope="module")
def truth(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> dict[str, pd.DataFrame]:
    folder = tmp_path_factory.mktemp("truth")
    export(client_of(sandbox), folder, rate=0)
    return content(folder)


def sources(folder: Path) -> dict[str, int]:
    return open_dataset(folder)["events"]["source"].value_counts().loc[lambda counts: counts > 0].to_dict()


def test_webhooks_before_the_list(sandbox: Sandbox, events: Any, truth: Any, tmp_path: Path) -> None:
    shuffled = random.Random(1).sample(events, len(events))
    done = ingest(tmp_path / "exports", written(tmp_path, [*shuffled, *shuffled[:100]]))
    assert (done.tables["events"], done.duplicates, done.quarantined) == (len(events), 100, 0)
    agree(tmp_path / "exports", truth)
    assert sources(tmp_path / "exports") == {"live": len(events)}
    result = export(client_of(sandbox), tmp_path / "exports", rate=0)
    assert (result.report.confirmed, result.report.corrected) == (len(events), 0)
    assert not result.report.tables["events"]
    agree(tmp_path / "exports", truth)
    assert sources(tmp_path / "exports") == {"both": len(events)}
    # Nothing is new, for either.
    again = export(client_of(sandbox), tmp_path / "exports", rate=0)
    assert again.report.unchanged == 25
    assert ingest(tmp_path / "exports", tmp_path / "webhooks.jsonl").duplicates == len(events) + 100
    agree(tmp_path / "exports", truth)


def test_the_list_before_webhooks(sandbox: Sandbox, events: Any, truth: Any, tmp_path: Path) -> None:
    export(client_of(sandbox), tmp_path / "exports", rate=0)
    done = ingest(tmp_path / "exports", written(tmp_path, [*events, *events[:100]]))
    assert (done.confirmed, done.corrected, done.duplicates, done.tables.get("events")) == (len(events), 0, 100, None)
    agree(tmp_path / "exports", truth)
    assert sources(tmp_path / "exports") == {"both": len(events)}


def test_some_before_and_some_after(sandbox: Sandbox, events: Any, truth: Any, tmp_path: Path) -> None:
    shuffled = random.Random(2).sample(events, len(events))
    folder, half = tmp_path / "exports", len(events) // 2
    for part in (shuffled[:200], shuffled[100:half]):
        ingest(folder, written(tmp_path, part))
    export(client_of(sandbox), folder, rate=0)
    agree(folder, truth)
    ingest(folder, written(tmp_path, shuffled[half:-50]))
    agree(folder, truth)
    assert sources(folder) == {"both": len(events) - 50, "list": 50}
    result = export(client_of(sandbox), folder, rate=0, full=True)
    assert (result.report.changed, result.report.duplicates, result.report.already_stored) == (0, 0, len(events))
    agree(folder, truth)


def test_what_the_list_says_is_right(sandbox: Sandbox, events: Any, truth: Any, tmp_path: Path) -> None:
    folder, other = tmp_path / "exports", []
    hangups = [each for each in events if each["type"] in {"sip:hangup", "rtc:hangup"}]
    for number, event in enumerate(hangups):
        body = json.loads(json.dumps(event["body"]))
        body.setdefault("quality", {})["mos_score"] = 1.25
        other.append({**event, "body": body} if number % 2 else event)
    rest = [each for each in events if each not in hangups]
    ingest(folder, written(tmp_path, [*other, *rest]))
    assert (open_dataset(folder)["hangups"]["mos_score"] == 1.25).sum() >= len(hangups) // 2
    result = export(client_of(sandbox), folder, rate=0)
    assert (result.report.corrected, result.report.confirmed) == (len(hangups) // 2, len(events) - len(hangups) // 2)
    agree(folder, truth)
    # Both versions are on disk; a copy has one.
    assert open_dataset(folder).rows("hangups") == len(hangups) + len(hangups) // 2
    copied = open_dataset(folder).compact(tmp_path / "copy")
    assert copied.rows["hangups"] == len(hangups)
    agree(tmp_path / "copy", truth)
    # The list's version comes first this time, and stays.
    done = ingest(tmp_path / "copy", written(tmp_path, [{**hangups[0], "body": {"quality": {"mos_score": 2.0}}}]))
    assert (done.corrected, done.confirmed) == (0, 0), "it has come both ways already"
    agree(tmp_path / "copy", truth)
    export(client_of(sandbox), tmp_path / "listed", rate=0)
    done = ingest(tmp_path / "listed", tmp_path / "webhooks.jsonl")
    assert (done.corrected, done.confirmed) == (1, 0)
    agree(tmp_path / "listed", truth)


def test_what_waits_in_the_inbox_is_shown_and_folded_in_once(sandbox: Sandbox, events: Any, tmp_path: Path) -> None:
    folder = tmp_path / "exports"
    export(client_of(sandbox), folder, rate=0)
    now = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
    # Of one conversation, whose ids are different ones.
    longest = max({each["conversation_id"] for each in events}, key=[each["conversation_id"] for each in events].count)
    of_one = [each for each in events if each["conversation_id"] == longest]
    later = [{**each, "conversation_id": "CON-transient"} for each in of_one[:40]]
    bodies = [json.dumps(each).encode() for each in [*later, *later[:3]]]
    with InboxWriter(Layout(folder)) as writer:
        writer.append([Receipt("rtc", now, "ok", None, "POST", "", "application/json", body) for body in bodies])
        writer.append([Receipt("rtc", now, "unsigned", None, "POST", "", "", b"no JSON")])
        shown = call("status", str(folder))
        assert "44 live events" in shown.out
        assert open_dataset(folder).compact(tmp_path / "copy").waiting == 44
        first = ingest(folder)
        assert (first.tables["events"], first.duplicates, first.quarantined, first.receipts) == (40, 3, 1, 44)
        assert first.verification == {"ok": 43, "unsigned": 1}
        # The segment is still being written: it stays, and is read on from there.
        writer.append([Receipt("rtc", now, "ok", None, "POST", "", "", json.dumps({**later[0], "id": 4000}).encode())])
        assert ingest(folder).tables["events"] == 1
        assert ingest(folder).commit is None
    done = export(client_of(sandbox), folder, rate=0)
    assert done.ingested is None
    assert not list(Layout(folder).inbox.glob("*.segment"))
    rows = open_dataset(folder)["events"].query("conversation_id == 'CON-transient'")
    assert (len(rows), set(rows["verification"]), set(rows["received_at"])) == (41, {"ok"}, {pd.Timestamp(now)})
    assert not [each for each in verify(folder) if each.level is Level.ERROR]
