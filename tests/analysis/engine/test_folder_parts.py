"""A large folder whose legs are made in parts has the same legs: whatever crosses days, conversations and sources."""

from __future__ import annotations

import random
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from conv_analytics import analysis, open_dataset
from conv_analytics.analysis.engine import source
from conv_analytics.analysis.engine.engines import folder_parts
from conv_analytics.dataset import DatasetWriter
from conv_analytics.tables import TABLES
from tests._helpers.leg_tables import event, hangup, record, statuses, tables

COLUMNS = ["started_at", "talk_s", "outcome", "from_address", "transferred", "packet_cnt"]
HOUR_S, DAY_S = 3600, 86_400
ROWS, LEAST_PARTS = 500, 3

pytestmark = pytest.mark.slow


def rows_of_a_leg(dice: random.Random, number: int, begin: float, **where: Any) -> dict[str, list[dict[str, Any]]]:
    """What the tables have of a leg: now and then it lasts over midnight, or its record comes a day later."""
    leg, up = f"0000-LEG{number:04}", dice.random() < 0.6
    end = begin + dice.choice([*[90, 300] * 8, 5 * HOUR_S])
    steps = [("started", begin), ("ringing", begin + 2), *([("answered", begin + 9)] if up else []),
             ("completed" if up else "failed", end)]  # fmt: skip
    made = {
        "leg_statuses": statuses(leg, *steps, reason="ok" if up else "busy", **where),
        "call_events": [event("sip:ringing", leg, begin + 3, 20, **where)],
        "hangups": [hangup(leg, end, 40, **{"sip_code": 200 if up else 486, "packet_cnt": number, **where})],
        "call_records": [record(leg, end + dice.choice([*[1] * 30, DAY_S]), 50, **where)],
    }
    if dice.random() < 0.1:
        made["hangups"] += [hangup(leg, end + 1, 41, **where)]
    return made


MOVED, BEFORE, NO_LEG, VOICE, NEITHER = ODDITIES = (
    "moved", "before the conversation", "without a leg", "told by Voice events", "without both",
)  # fmt: skip


def world(seed: int, *oddities: str) -> dict[str, pd.DataFrame]:
    """Eighty conversations of a week, with an oddity in some of the legs."""
    dice = random.Random(seed)
    every: dict[str, list[dict[str, Any]]] = {
        name: [] for name in ("leg_statuses", "call_events", "hangups", "call_records")
    }
    for number in range(160):
        conversation = number // 2
        begin = conversation * 2 * HOUR_S + number % 2 * 20.0
        made = rows_of_a_leg(dice, number, begin, conversation_id=f"CON-{conversation:02}", source="list")
        odd = dice.choice([*oddities, *["none"] * 30])
        if odd == MOVED:
            other = f"CON-{(conversation * 7 + 3) % 80:02}"
            made |= {
                name: [row | {"conversation_id": other} for row in made[name]] for name in ("hangups", "call_records")
            }
        if odd == BEFORE:
            made["leg_statuses"][0]["conversation_id"] = made["call_events"][0]["conversation_id"] = None
        if odd in {NO_LEG, NEITHER}:
            made["call_events"][0]["leg_id"] = None
        if odd == NEITHER:
            made["call_events"][0]["conversation_id"] = None
        if odd == VOICE:
            told = [row | {"source": "voice", "event_id": None, "leg_id": row["leg_id"].replace("-", "").lower(),
                           "at": row["at"] + pd.Timedelta(days=dice.choice([0, 1]))}
                    for row in made["leg_statuses"]]  # fmt: skip
            made["leg_statuses"] = [*made["leg_statuses"][: dice.choice([0, 1, 4])], *told]
        for name, rows in made.items():
            every[name] += rows
    return tables(**every)


def written(root: Path, frames: dict[str, pd.DataFrame]) -> Path:
    """A folder with the tables, from two runs."""
    for run in (0, 1):
        writer = DatasetWriter(root, date(2026, 5, 4), list(frames))
        for name, frame in frames.items():
            columns = {column: frame.get(column) for column in TABLES[name].schema.names}
            whole = pd.DataFrame(
                {key: [None] * len(frame) if value is None else value for key, value in columns.items()}
            )
            mine = whole[[place % 5 // 4 == run for place in range(len(whole))]]
            writer.write(name, pa.Table.from_pandas(mine, schema=TABLES[name].schema, preserve_index=False))
        report = {"started_at": "2026-05-12T00:00:00+00:00", "status": "complete", "requests": 0}
        writer.commit({}, {**report, "selected": list(frames)})
    return root


@pytest.mark.parametrize(
    ("oddities", "in_parts"), [((MOVED, BEFORE, NO_LEG, VOICE), True), ((MOVED,), True), (ODDITIES, False)]
)
def test_legs_made_in_parts_are_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, oddities: tuple[str, ...], *, in_parts: bool
) -> None:
    folder = written(tmp_path / "exports", world(8, *oddities))
    expected = analysis.legs(dict(open_dataset(folder)), COLUMNS)
    assert len(expected) >= 160
    monkeypatch.setattr(source, "IN_MEMORY", 0)
    monkeypatch.setattr(folder_parts, "ROWS", ROWS)
    pd.testing.assert_frame_equal(analysis.legs(open_dataset(folder), COLUMNS), expected, rtol=1e-12)
    (kept,) = (folder / "_cache").glob("legs-*.parquet")
    assert (pq.read_metadata(kept).num_row_groups >= LEAST_PARTS) == in_parts


def test_a_folder_whose_conversations_all_last_for_days_is_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = world(3)
    for name, frame in frames.items():
        frames[name] = frame.assign(conversation_id=[f"CON-{place % 5}" for place in range(len(frame))])
    folder = written(tmp_path / "exports", frames)
    expected = analysis.legs(dict(open_dataset(folder)), ["talk_s", "flags"])
    monkeypatch.setattr(source, "IN_MEMORY", 0)
    monkeypatch.setattr(folder_parts, "ROWS", ROWS)
    pd.testing.assert_frame_equal(analysis.legs(open_dataset(folder), ["talk_s", "flags"]), expected, rtol=1e-12)
    (kept,) = (folder / "_cache").glob("legs-*.parquet")
    assert pq.read_metadata(kept).num_row_groups == 1


def test_folders_of_several_applications_are_read_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begin = pd.Timestamp("2026-05-06T00:00:00Z")
    # Only the second has rows of the first days.
    worlds = {"one": {name: frame[frame["at"] >= begin] for name, frame in world(5).items()}, "two": world(8, MOVED)}
    for name, frames in worlds.items():
        ids = ("conversation_id", "leg_id")
        mine = {table: frame.assign(**{key: f"{name}-" + frame[key] for key in ids}) for table, frame in frames.items()}
        written(tmp_path / f"application_id={name}", mine)
    columns = [*COLUMNS, "application_id"]
    opened = open_dataset(tmp_path)
    expected = analysis.kpi(opened, by="application_id"), analysis.legs(opened, columns)
    assert expected[0]["application_id"].nunique() == 2
    monkeypatch.setattr(source, "IN_MEMORY", 0)
    monkeypatch.setattr(folder_parts, "ROWS", ROWS)
    opened = open_dataset(tmp_path)
    pd.testing.assert_frame_equal(analysis.kpi(opened, by="application_id"), expected[0], rtol=1e-12)
    pd.testing.assert_frame_equal(analysis.legs(opened, columns), expected[1], rtol=1e-12)
    kept = max((tmp_path / "_cache").glob("legs-*.parquet"), key=lambda file: pq.read_metadata(file).num_row_groups)
    assert pq.read_metadata(kept).num_row_groups >= LEAST_PARTS
