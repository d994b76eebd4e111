"""A dataset as an older reader would have left it: of some records it had no row, of others not every cell.

It is made from a whole export by taking out rows and cells, and putting the records, as the API sends them, into the
quarantine of their run. So the whole export tells what must be there once they are read again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq

from conv_analytics import Conversations, durable, export
from conv_analytics.dataset import DatasetWriter, open_dataset
from conv_analytics.dataset.storage.commit import Commit, File
from conv_analytics.dataset.storage.layout import Layout
from conv_analytics.dataset.storage.watermarks import watermarks_from
from conv_analytics.sandbox import Sandbox
from conv_analytics.tables import TABLES
from conv_analytics.tables.broken_records import BrokenRecord, Problem
from conv_analytics.tables.kinds import EARLIER_MONEY, MONEY
from conv_analytics.tables.pages import records

Event = tuple[str, int]


@dataclass
class Raw:
    """Records as the API sends them."""

    events: dict[Event, bytes] = field(default_factory=dict)
    members: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    """By member: its conversation, and the record."""
    conversations: dict[str, bytes] = field(default_factory=dict)


@dataclass
class Older:
    """What an older reader could not read."""

    lost: set[Event] = field(default_factory=set)
    cells: dict[Event, list[tuple[str, str]]] = field(default_factory=dict)
    """Per event, tables and columns; a table with several rows per event loses its rows where it names itself."""
    lost_members: set[str] = field(default_factory=set)
    member_cells: dict[str, str] = field(default_factory=dict)
    conversation_cells: dict[str, str] = field(default_factory=dict)


def whole(folder: Path, *, conversations: int = 25) -> Raw:
    """Two runs; the second has new events and calls of some conversations."""
    with Sandbox(seed=7, conversations=conversations, days=2) as sandbox:
        client = Conversations(sandbox.application_id, sandbox.private_key, base_url=sandbox.base_url)
        export(client, folder, rate=0)
        world = sandbox.world
        active = [each.id for each in map(world.conversation, world.ordinals) if each.state == "ACTIVE"][:5]
        with httpx.Client(base_url=sandbox.base_url, headers=sandbox.headers()) as http:
            body = {"type": "message", "body": {"message_type": "text", "text": "later ✅"}}
            for name in active * 3:
                assert http.post(f"/v1/conversations/{name}/events", json=body).status_code == 201
            export(client, folder, rate=0)
            raw = Raw()
            for name in open_dataset(folder)["conversations"]["conversation_id"]:
                raw.conversations[name] = http.get(f"/v1/conversations/{name}").content
                for kind in ("events", "members"):
                    for record in _listed(http, name, kind):
                        if kind == "events":
                            raw.events[name, json.loads(record)["id"]] = record
                        else:
                            raw.members[json.loads(record)["id"]] = (name, record)
    return raw


def _listed(http: httpx.Client, name: str, kind: str) -> list[bytes]:
    found: list[bytes] = []
    url: str | None = f"/v1/conversations/{name}/{kind}?page_size=100"
    while url:
        page = http.get(url).raise_for_status().content
        found += map(bytes, records(page, kind))
        href = (json.loads(page).get("_links", {}).get("next") or {}).get("href")
        url = href and "/v1" + href.partition("/v1")[2]
    return found


def aged(source: Path, folder: Path, raw: Raw, older: Older) -> Path:
    """The same runs, as an older reader would have written them."""
    for commit in open_dataset(source).commits:
        started = datetime.fromisoformat(commit.report["started_at"])
        writer = DatasetWriter(folder, started.date(), commit.report["selected"])
        lines: list[str] = []
        for file in commit.files:
            rows = pq.ParquetFile(source / file.path).read()
            kept, told = _without(file.table, rows, raw, older)
            writer.write(file.table, kept)
            lines += told
        # A conversation's events come in their order.
        lines.sort(key=lambda text: (json.loads(text)["list"], json.loads(json.loads(text)["raw"])["id"]))
        writer.quarantine(lines)
        report: Mapping[str, Any] = {**commit.report, "quarantined": len(lines)}
        writer.commit(watermarks_from(commit.watermarks), report)
    return folder


def _without(name: str, rows: pa.Table, raw: Raw, older: Older) -> tuple[pa.Table, list[str]]:
    table, lines, kept = TABLES[name], [], []
    for row in rows.to_pylist():
        if name == "members":
            keep = row["member_id"] not in older.lost_members
            cells = (
                [("members", older.member_cells[row["member_id"]])] if row["member_id"] in older.member_cells else []
            )
            if not keep or cells:
                lines.append(line("members", *raw.members[row["member_id"]], cells, kept=keep))
        elif name == "conversations":
            own = row["conversation_id"]
            keep, column = True, older.conversation_cells.get(own)
            cells = [("conversations", column)] if column else []
            if cells:
                lines.append(line("conversations", own, raw.conversations[own], cells))
        else:
            event = (row["conversation_id"], row["event_id"])
            cells = older.cells.get(event, [])
            keep = event not in older.lost and (name, name) not in cells
            if name == "events" and event in older.lost:
                lines.append(line("events", event[0], raw.events[event], [], kept=False))
            elif name == "events" and cells:
                lines.append(line("events", event[0], raw.events[event], cells, event=event[1]))
        if keep:
            kept.append(row | {column: None for where, column in cells if where == name})
    return pa.Table.from_pylist(kept, schema=table.schema), lines


def line(
    name: str,
    owner: str | None,
    record: bytes,
    cells: list[tuple[str, str]],
    *,
    event: int | None = None,
    kept: bool = True,
) -> str:
    problems = tuple(Problem(table, column, "made up") for table, column in cells or [(name, "")])
    return BrokenRecord(name, owner, event, problems, kept, record).to_json()


def narrowed(folder: Path) -> Path:
    """The same folder with money of eight decimals in its files, as version 0.1 wrote them."""
    layout = Layout(folder)
    for commit in open_dataset(folder).commits:
        files = tuple(_narrow(layout, file) for file in commit.files)
        layout.commit(commit.number).write_text(replace(commit, files=files, format=3).to_json())
    return folder


def _narrow(layout: Layout, file: File) -> File:
    path = layout.file(file.path)
    rows = pq.ParquetFile(path).read()
    kinds = [EARLIER_MONEY if each.type == MONEY else each.type for each in rows.schema]
    if kinds == rows.schema.types:
        return file
    fields = [each.with_type(kind) for each, kind in zip(rows.schema, kinds, strict=True)]
    pq.write_table(rows.cast(pa.schema(fields, rows.schema.metadata)), path, compression="zstd")
    return replace(file, bytes=path.stat().st_size, sha256=durable.sha256(path))


def content(folder: Path) -> dict[str, list[tuple[Any, ...]]]:
    """The rows of every table with their days, in an order of their own: of records as last seen the latest."""
    dataset = open_dataset(folder)
    result = {}
    for name in dataset.tables:
        rows = dataset.arrow(name).to_pylist()
        if latest := TABLES[name].latest:
            rows.sort(key=lambda row: row[latest])
            rows = list({tuple(row[column] for column in TABLES[name].key): row for row in rows}.values())
        result[name] = sorted((tuple(row.values()) for row in rows), key=repr)
    return result


def added(
    root: Path,
    lines: list[str],
    *,
    report: Mapping[str, Any] | None = None,
    rows: Mapping[str, pa.Table] | None = None,
    watermarks: Mapping[str, int] | None = None,
) -> Commit:
    """One more run, which brought something unreadable, and mostly nothing else."""
    last = open_dataset(root).commits[0].report
    writer = DatasetWriter(root, datetime.now(UTC).date(), last["selected"])
    for name, part in (rows or {}).items():
        writer.write(name, part)
    writer.quarantine(lines)
    at = datetime.fromisoformat(last["started_at"]) + timedelta(days=1)
    told = {**last, "started_at": at.isoformat(), "tables": {}, "quarantined": len(lines), **(report or {})}
    return writer.commit(watermarks_from(watermarks or {}), told)
