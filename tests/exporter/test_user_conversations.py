"""Conversations in the list of a user's conversations: the state may be that of the user's membership."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from conv_analytics import ingest, open_dataset, read_events

LISTED: dict[str, Any] = {"id": "CON-1", "name": "mega_chat", "state": "ACTIVE", "sequence_number": 7}
OF_USER: dict[str, Any] = {"id": "CON-1", "name": "mega_chat", "state": "JOINED", "member_id": "MEM-1"}


def written(folder: Path, *records: dict[str, Any]) -> Path:
    path = folder / "conversations.jsonl"
    path.write_text("\n".join(map(json.dumps, records)))
    return path


def states(conversations: pd.DataFrame) -> dict[str, str | None]:
    values = conversations.set_index("conversation_id")["state"]
    return {str(name): None if pd.isna(value) else str(value) for name, value in values.items()}


@pytest.mark.parametrize("state", ["INVITED", "JOINED", "LEFT", "UNKNOWN", "joined"])
def test_the_state_of_a_membership_is_not_that_of_its_conversation(tmp_path: Path, state: str) -> None:
    conversations = read_events(written(tmp_path, OF_USER | {"state": state}))["conversations"]
    assert states(conversations) == {"CON-1": None}
    assert list(map(json.loads, conversations["extra"])) == [{"state": state, "member_id": "MEM-1"}]


@pytest.mark.parametrize(
    "record", [LISTED | {"member_id": "MEM-1"}, OF_USER | {"member_id": None}, LISTED | {"state": "JOINED"}]
)
def test_a_state_stays_that_is_not_clearly_of_a_membership(tmp_path: Path, record: dict[str, Any]) -> None:
    assert states(read_events(written(tmp_path, record))["conversations"]) == {"CON-1": record["state"]}


@pytest.mark.parametrize("records", [[LISTED, OF_USER], [OF_USER, LISTED], [OF_USER, LISTED, OF_USER, OF_USER]])
def test_a_state_that_is_known_stays(tmp_path: Path, records: list[dict[str, Any]]) -> None:
    other = OF_USER | {"id": "CON-2"}
    expected = {"CON-1": "ACTIVE", "CON-2": None}
    file = written(tmp_path, *records, other)
    frame = read_events(file)["conversations"]
    assert (states(frame), str(frame["state"].dtype)) == (expected, "category")
    ingest(tmp_path / "at-once", file)
    assert states(open_dataset(tmp_path / "at-once")["conversations"]) == expected
    for record in (*records, other):
        ingest(tmp_path / "one-by-one", written(tmp_path, record))
    dataset = open_dataset(tmp_path / "one-by-one")
    assert states(dataset["conversations"]) == expected
    assert states(dataset.duckdb().sql("from conversations").df()) == expected


def test_a_later_state_replaces_the_known_one(tmp_path: Path) -> None:
    deleted = LISTED | {"state": "DELETED"}
    for record in (LISTED, OF_USER, deleted, OF_USER):
        ingest(tmp_path / "exports", written(tmp_path, record))
    assert states(open_dataset(tmp_path / "exports")["conversations"]) == {"CON-1": "DELETED"}
