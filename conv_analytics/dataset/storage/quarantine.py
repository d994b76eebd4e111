"""The quarantine of a dataset: one line for each record that a run could not read, or not in full."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from conv_analytics.dataset.storage.commit import Commit
from conv_analytics.dataset.storage.layout import Layout
from conv_analytics.dataset.store.stored_object import open_binary
from conv_analytics.errors import CorruptFile
from conv_analytics.instants import utc_text
from conv_analytics.resources.cells import Unreadable, instant
from conv_analytics.tables.broken_records import BrokenRecord

#: Lists whose records the quarantine keeps, and the tables of records that are in no list of the Conversation API.
LISTS = frozenset({"conversations", "events", "members", "sessions", "users", "voice_events", "voice_calls"})

#: In the report of a commit: the lines of quarantine files that it resolved, as ranges per file.
RESOLVED = "resolved"
#: In the report of a commit: how many records its quarantine file holds, if its run did not count them itself.
LINES = "quarantine_lines"


@dataclass(frozen=True)
class Line:
    """One record of a quarantine file."""

    file: str
    """Relative to the dataset."""
    number: int
    """From 1."""
    text: str
    """The text of the line."""
    list: str
    conversation_id: str | None
    event_id: int | None
    cells: frozenset[tuple[str, str]]
    """The unreadable cells: tables and columns."""
    has_row: bool
    """Whether the record has its row, with these cells null."""
    raw: bytes | None
    """The record; None where only a digest of it was stored."""
    run_at: datetime
    """When the run that met the record began. [UTC]"""


@dataclass(frozen=True)
class Damage:
    """A quarantine file, or a line of it, that is missing or damaged."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


def lines(layout: Layout, commits: Sequence[Commit]) -> Iterator[Line | Damage]:
    """Every line of the quarantine that no later commit resolved, oldest first, and what is damaged."""
    resolved = _resolved(commits)
    for commit in commits:
        if commit.quarantine:
            yield from _of_commit(layout, commit, resolved.get(commit.quarantine, []))


def to_text(broken: BrokenRecord, run_at: datetime) -> str:
    """A record as a line for the commit of another run, with the start of its own run."""
    return json.dumps(json.loads(broken.to_json()) | {"run_at": utc_text(run_at)}, ensure_ascii=False, sort_keys=True)


def with_run(line: Line) -> str:
    """A line for the quarantine file of another commit, with the start of its own run."""
    return json.dumps(json.loads(line.text) | {"run_at": utc_text(line.run_at)}, ensure_ascii=False, sort_keys=True)


def ranges(ordered: Iterable[Line]) -> dict[str, list[list[int]]]:
    """Lines, in their order, as ranges per file, the form that a report stores."""
    result: dict[str, list[list[int]]] = {}
    for line in ordered:
        spans = result.setdefault(line.file, [])
        if spans and spans[-1][1] == line.number - 1:
            spans[-1][1] = line.number
        else:
            spans.append([line.number, line.number])
    return result


def started(commit: Commit) -> datetime:
    """When the run of a commit began."""
    try:
        started_at = instant(commit.report.get("started_at"))
    except Unreadable:
        started_at = None
    return started_at or datetime.fromisoformat(commit.committed_at)


def _resolved(commits: Sequence[Commit]) -> dict[str, list[list[int]]]:
    result: dict[str, list[list[int]]] = {}
    for commit in commits:
        for file, spans in (commit.report.get(RESOLVED) or {}).items():
            result.setdefault(file, []).extend(spans)
    return result


def _of_commit(layout: Layout, commit: Commit, resolved: list[list[int]]) -> Iterator[Line | Damage]:
    name, run_at = str(commit.quarantine), started(commit)
    spans = sorted(map(tuple, resolved), reverse=True)
    try:
        with open_binary(layout.file(name)) as file:
            for number, raw in enumerate(file, start=1):
                while spans and spans[-1][1] < number:
                    spans.pop()
                if not spans or number < spans[-1][0]:
                    yield _line(name, number, raw, run_at)
    except FileNotFoundError:
        yield Damage(name, f"is missing; it holds what commit {commit.number} could not read")
    except CorruptFile as error:
        yield Damage(name, str(error))
    except OSError as error:
        yield Damage(name, f"cannot be read ({error.strerror or type(error).__name__})")


def _line(file: str, number: int, raw: bytes, run_at: datetime) -> Line | Damage:
    try:
        text = raw.decode().rstrip("\n")
        record = json.loads(text)
        return Line(file, number, text, **_values(record, run_at))
    except (ValueError, TypeError, KeyError, RecursionError):
        return Damage(file, f"line {number} is not a quarantined record")


def _values(record: Any, run_at: datetime) -> dict[str, Any]:
    """The fields of a line; raises for anything else."""
    conversation, event, has_row = record["conversation_id"], record["event_id"], record["kept"]
    if record["list"] not in LISTS or not isinstance(has_row, bool):
        raise ValueError(record["list"])
    if not isinstance(conversation, str | None) or not isinstance(event, int | None):
        raise TypeError(conversation)
    own = record.get("run_at")
    return {
        "list": record["list"],
        "conversation_id": conversation,
        "event_id": event,
        "cells": frozenset((problem["table"], problem["column"]) for problem in record["problems"]),
        "has_row": has_row,
        "raw": _raw(record),
        "run_at": run_at if own is None else datetime.fromisoformat(own),
    }


def _raw(record: Mapping[str, Any]) -> bytes | None:
    raw, coded = record.get("raw"), record.get("raw_base64")
    if isinstance(raw, str):
        return raw.encode()
    return base64.b64decode(coded, validate=True) if isinstance(coded, str) else None
