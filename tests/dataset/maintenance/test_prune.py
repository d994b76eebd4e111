"""What is too old is removed conversation by conversation; the rest is as it was, and nothing comes back."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from conv_analytics import Conversations, export, ingest, open_dataset
from conv_analytics.cli import main
from conv_analytics.dataset import Dataset, DatasetWriter
from conv_analytics.dataset.maintenance import prune as module
from conv_analytics.dataset.maintenance.finding import Level
from conv_analytics.dataset.storage.watermarks import Watermark
from conv_analytics.errors import ConfigError, DatasetError, DatasetLocked
from conv_analytics.sandbox import Sandbox
from conv_analytics.tables import TABLES
from tests._helpers.older_dataset import line
from tests._helpers.table_rows import watermarks

FIRST = date(2025, 3, 1)
NAMES = ["conversations", "members", "events", "hangups", "users"]
#: Which conversations have events in which night, and which of them the night's run saw.
NIGHTS: list[tuple[list[str], list[str]]] = [
    (["old", "long", "quiet"], ["old", "long", "quiet", "seen"]),
    (["old", "long"], ["old", "long"]),
    (["late"], ["late", "seen"]),
    (["long", "late"], ["long", "late"]),
]


def at(night: int) -> datetime:
    return datetime(2025, 3, 1, 12, tzinfo=UTC) + timedelta(days=night)


def table(name: str, made: Iterable[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(list(made), schema=TABLES[name].schema)


def write_night(root: Path, night: int, talked: list[str], seen: list[str]) -> None:
    writer = DatasetWriter(root, at(night).date(), NAMES)
    when = at(night)
    ids = {"exported_at": when}
    writer.write("conversations", table("conversations", ({"conversation_id": each, **ids} for each in seen)))
    writer.write(
        "members",
        table("members", ({"conversation_id": each, "member_id": f"MEM-{each}", **ids} for each in seen)),
    )
    writer.write("users", table("users", [{"user_id": f"USR-{night % 2}", **ids}]))
    event = [
        {"conversation_id": each, "event_id": night + 1, "type": "sip:hangup", "at": when, "source": "list"}
        for each in talked
    ]
    writer.write("events", table("events", event))
    writer.write("hangups", table("hangups", ({**each, "leg_id": f"leg-{each['conversation_id']}"} for each in event)))
    writer.quarantine([line("events", talked[0], b'{"id": 1}', [("events", "type")], event=night + 1)])
    report = {"status": "complete", "selected": NAMES, "started_at": when.isoformat(), "quarantine_lines": 1}
    commit = writer.commit([Watermark(each, night + 1) for each in talked], report)
    record = writer.layout.commit(commit.number)
    # As if it had run then.
    record.write_text(json.dumps(json.loads(record.read_text()) | {"committed_at": when.isoformat()}))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for night, (talked, seen) in enumerate(NIGHTS):
        write_night(tmp_path / "exports", night, talked, seen)
    return tmp_path / "exports"


def owners(dataset: Dataset, name: str) -> list[str]:
    return sorted(dataset[name]["conversation_id"])


def errors(dataset: Dataset) -> list[str]:
    return [f"{each.where} {each.what}" for each in dataset.verify() if each.level is not Level.OK]


def test_whole_conversations_go(root: Path) -> None:
    before = open_dataset(root)
    plan = before.expired(FIRST + timedelta(days=2))
    assert plan.conversations == 2
    assert plan.rows == {"conversations": 6, "members": 6, "events": 3, "hangups": 3, "users": 2}
    assert plan.kept_rows == {"events": 2, "hangups": 2}
    assert plan.quarantined == 2
    assert plan
    assert open_dataset(root).commits == before.commits
    done = before.prune(FIRST + timedelta(days=2))
    assert {**plan.to_dict(), "seconds": 0} == {**done.to_dict(), "removed_by": None, "deleted": 0, "seconds": 0}
    assert (done.removed_by, done.deleted) == (5, plan.files + 2)
    after = open_dataset(root)
    # All of what is left: `long` has its first events still, and `seen` was seen by a run that is kept.
    assert owners(after, "events") == ["late", "late", "long", "long", "long"]
    assert owners(after, "hangups") == owners(after, "events")
    assert owners(after, "conversations") == owners(after, "members") == ["late", "long", "seen"]
    assert after["users"]["user_id"].tolist() == ["USR-0", "USR-1"]
    # The row that the latest run saw, not the one that was written last.
    seen = after["conversations"].set_index("conversation_id")["exported_at"]
    assert (seen["long"], seen["seen"]) == (pd.Timestamp(at(3)), pd.Timestamp(at(2)))
    assert after["events"].set_index("conversation_id").loc["long", "date"].dt.day.tolist() == [1, 2, 4]
    on_disk = {path.relative_to(root).as_posix() for name in NAMES for path in (root / name).rglob("*.parquet")}
    assert on_disk == {file.path for commit in after.commits for file in commit.files}
    assert not list((root / "events").glob("date=*/000001-*"))


@pytest.mark.slow
def test_the_folder_is_whole_and_its_history_is_there(root: Path) -> None:
    known = watermarks(root)
    open_dataset(root).prune(FIRST + timedelta(days=2))
    after = open_dataset(root)
    assert watermarks(root) == known
    assert not [each for each in errors(after) if "no gaps" in each or "event ids" not in each]
    history = after.history()
    assert history["status"].tolist() == ["complete"] * 4 + ["pruned"]
    for name in after:
        counted = after.duckdb().sql(f'select count(*) from "{name}"').fetchall()[0][0]
        assert counted == len(after[name]) == len(after.table(name).to_arrow())
    copied = after.compact(root.parent / "copy")
    assert copied.quarantined == 2
    copy = open_dataset(root.parent / "copy")
    assert {name: len(copy[name]) for name in copy} == {name: len(after[name]) for name in after}
    assert watermarks(root.parent / "copy") == known


def test_a_second_time_there_is_nothing_to_do(root: Path) -> None:
    dataset = open_dataset(root)
    dataset.prune(FIRST + timedelta(days=2))
    again = dataset.prune(FIRST + timedelta(days=2))
    # `long` lives on, and so do its earlier days.
    assert not again
    assert (again.removed_by, again.deleted) == (None, 0)
    assert len(open_dataset(root).commits) == 5
    # When it is old, too, what the first call wrote goes as well.
    done = dataset.prune(FIRST + timedelta(days=30))
    assert done.conversations == 3
    after = open_dataset(root)
    assert {name: len(after[name]) for name in after} == dict.fromkeys(sorted(after, key=list(TABLES).index), 0)
    assert set(after) == set(NAMES)
    assert not [each for each in after.verify() if each.level is Level.ERROR]


def test_what_a_killed_call_left_is_deleted_by_the_next(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:

        def killed(_layout: object) -> int:
            raise KeyboardInterrupt

        patch.setattr(module, "delete_removed", killed)
        with pytest.raises(KeyboardInterrupt):
            open_dataset(root).prune(FIRST + timedelta(days=2))
    after = open_dataset(root)
    assert owners(after, "events") == ["late", "late", "long", "long", "long"]
    left = [each for each in after.verify() if "prune again" in each.advice]
    assert len(left) == len({each.where for each in left}) > 5
    assert {each.level for each in left} == {Level.WARNING}
    done = after.prune(FIRST + timedelta(days=2))
    assert (bool(done), done.deleted) == (False, len(left))
    assert not [each for each in open_dataset(root).verify() if "prune again" in each.advice]


def test_it_is_a_run_with_the_lock(root: Path) -> None:
    dataset = open_dataset(root)
    writer = DatasetWriter(root, FIRST, NAMES)
    with pytest.raises(DatasetLocked):
        dataset.prune(FIRST + timedelta(days=2))
    writer.abandon()
    assert open_dataset(root).rows("events") == dataset.rows("events")


@pytest.mark.parametrize("age", [timedelta(0), timedelta(days=-3), timedelta(hours=0)])
def test_today_is_not_old(root: Path, age: timedelta) -> None:
    for ask in (open_dataset(root).expired, open_dataset(root).prune):
        with pytest.raises(ConfigError, match="is not in the past"):
            ask(age)


@pytest.mark.parametrize("instant", [datetime(2026, 11, 1, 23, 30), pd.Timestamp("2026-11-01 23:30")])  # noqa: DTZ001
def test_an_instant_without_a_time_zone_is_no_age(root: Path, instant: datetime) -> None:
    for ask in (open_dataset(root).expired, open_dataset(root).prune):
        with pytest.raises(ConfigError, match="has no time zone"):
            ask(instant)


def test_a_damaged_file_is_not_rewritten(root: Path) -> None:
    (file,) = (root / "events" / f"date={FIRST}").iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole[:200] + b"X" + whole[201:])
    with pytest.raises(DatasetError):
        open_dataset(root).prune(FIRST + timedelta(days=2))
    file.write_bytes(whole)
    assert open_dataset(root).rows("events") == 8
    assert not [each for each in open_dataset(root).verify() if each.level is Level.ERROR]


@pytest.mark.slow
def test_no_run_exports_it_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Sandbox(conversations=12, days=2) as box:
        client = Conversations(box.application_id, box.private_key, base_url=box.base_url)
        dataset = export(client, tmp_path / "exports", rate=0, progress=None, processes=1).dataset
        assert len(dataset["events"]) > 50
        with monkeypatch.context() as patch:
            tomorrow = datetime.now(UTC).date() + timedelta(days=1)
            patch.setattr(module, "first_day_kept", lambda _: tomorrow)
            assert dataset.prune(timedelta(days=1)).conversations == 12
        done = export(client, tmp_path / "exports", rate=0, progress=None, processes=1, allow_empty=True)
    assert done.report.tables.get("events", 0) == 0
    after = open_dataset(tmp_path / "exports")
    assert len(after["events"]) == 0
    assert not [each for each in after.verify() if each.level is Level.ERROR]


def event(conversation: str, number: int, day: int, kind: str = "sip:hangup", **body: Any) -> dict[str, Any]:
    return {
        "type": kind,
        "id": number,
        "conversation_id": conversation,
        "timestamp": at(day).isoformat(),
        "body": body or {"channel": {"id": f"leg-{conversation}"}, "quality": {"mos_score": 4.0}},
    }


def leg_update(conversation: str, number: int, day: int, *statuses: str) -> dict[str, Any]:
    history = [
        {"status": status, "date": f"2025-03-01T10:00:{second:02}Z", "member_id": "MEM-1"}
        for second, status in enumerate(statuses)
    ]
    body = {"leg_id": f"leg-{conversation}", "status": statuses[-1], "statusHistory": history}
    return event(conversation, number, day, "leg:status:update", **body)


def ingested(root: Path, *events: dict[str, Any]) -> Any:
    file = root.parent / "events.jsonl"
    file.write_text("\n".join(map(json.dumps, events)))
    return ingest(root, file)


def test_rows_that_stay_are_known_to_later_runs(tmp_path: Path) -> None:
    """`old` goes; rows of `long` in the same files are moved to new ones."""
    root = tmp_path / "exports"
    of_long = [event("long", 1, 0), leg_update("long", 2, 0, "started", "ringing"), event("long", 3, 3)]
    ingested(root, event("old", 1, 0), leg_update("old", 2, 0, "started"), *of_long)
    done = open_dataset(root).prune(FIRST + timedelta(days=2))
    assert (done.conversations, done.kept_rows["events"], done.kept_rows["leg_statuses"]) == (1, 2, 2)
    again = ingested(root, *of_long)
    assert (again.duplicates, again.tables, again.commit) == (3, {}, None)
    # A later update of the leg repeats its history.
    later = ingested(root, leg_update("long", 4, 3, "started", "ringing", "answered"))
    assert (later.tables["events"], later.tables["leg_statuses"]) == (1, 1)
    after = open_dataset(root)
    assert after["events"]["event_id"].tolist() == [1, 2, 3, 4]
    assert sorted(after["leg_statuses"]["status"]) == ["answered", "ringing", "started"]
    assert not [each for each in after.verify() if each.level is Level.ERROR]


def test_what_was_removed_stays_removed(tmp_path: Path) -> None:
    root = tmp_path / "exports"
    call = {"uuid": "leg", "conversation_uuid": "spoken", "status": "answered", "timestamp": at(0).isoformat()}
    knocking = {"type": "app:knocking", "application_id": "a", "timestamp": at(0).isoformat(), "body": {"user": {}}}
    of_old = [event("old", 1, 0), leg_update("old", 2, 0, "started"), event("old", 3, 1, quality={"mos_score": "bad"})]
    created = event("old", 4, 0, "conversation:created", id="old", name="a name", state="ACTIVE")
    file = [*of_old, created, call, knocking, event("long", 1, 0), event("long", 3, 3)]
    ingested(root, *file)
    open_dataset(root).prune(FIRST + timedelta(days=2))
    assert owners(open_dataset(root), "events") == ["long", "long"]
    again = ingested(root, *file, {"id": "MEM-1", "conversation_id": "old", "state": "LEFT", "user": {"id": "USR-1"}})
    assert (again.tables, again.quarantined, again.duplicates, again.commit) == ({}, 0, 8, None)
    # Also once there is more of it; a conversation that was never there is new, however old.
    newer, others = event("old", 9, 5), [event("other", 1, 0), event("long", 2, 0)]
    assert ingested(root, newer, *others).tables == {"events": 3, "hangups": 3}
    assert ingested(root, *file, newer, *others).tables == {}
    after = open_dataset(root)
    assert owners(after, "events") == ["long", "long", "long", "old", "other"]
    assert not [each for each in after.verify() if each.level is Level.ERROR]


@pytest.mark.parametrize("compacted", [False, True])
def test_of_several_prunes_the_last_one_since_counts(tmp_path: Path, *, compacted: bool) -> None:
    root = tmp_path / "exports"
    file = [event("old", 1, 0), event("old", 2, 1), event("mid", 1, 2), event("long", 1, 0), event("long", 3, 5)]
    ingested(root, *file)
    for days in (2, 3):
        assert open_dataset(root).prune(FIRST + timedelta(days=days)).removed_by
    if compacted:
        open_dataset(root).compact(tmp_path / "compacted")
        root = tmp_path / "compacted"
    again = ingested(root, *file)
    assert (again.duplicates, again.tables, again.commit) == (5, {}, None)
    ingested(root, event("old", 3, 2), event("old", 4, 3), event("long", 2, 0))
    assert open_dataset(root)["events"].sort_values(["conversation_id", "event_id"])["event_id"].tolist() == [
        1,
        2,
        3,
        4,
    ]


@pytest.mark.slow
def test_a_full_export_adds_no_row_that_stayed(tmp_path: Path) -> None:
    root = tmp_path / "exports"
    with Sandbox(conversations=6, days=2, seed=7) as box:
        client = Conversations(box.application_id, box.private_key, base_url=box.base_url)
        whole = export(client, tmp_path / "whole", rate=0, progress=None, processes=1).dataset["events"]
        days = whole.groupby("conversation_id")["date"].agg(["min", "max"])
        first_day = days["max"].max().date()
        expired = event("expired", 1, 0) | {"timestamp": f"{days['min'].min().date()}T09:00:00Z"}
        assert (days["min"] < days["max"].max()).any()
        (tmp_path / "webhooks.jsonl").write_bytes(
            b"\n".join([*(each.body.replace(b"\n", b" ") for each in box.deliveries()), json.dumps(expired).encode()])
        )
        ingest(root, tmp_path / "webhooks.jsonl")
        export(client, root, rate=0, progress=None, processes=1)
        assert open_dataset(root).prune(first_day).kept_rows["events"]
        kept = {name: len(open_dataset(root)[name]) for name in ("events", "hangups", "leg_statuses")}
        export(client, root, rate=0, progress=None, processes=1, full=True)
    after = open_dataset(root)
    assert {name: len(after[name]) for name in kept} == kept
    assert not [each for each in after.verify() if each.level is Level.ERROR]


def test_the_command_shows_first_and_removes_when_told(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    age = f"{(datetime.now(UTC).date() - FIRST).days - 2}d"
    assert main(["prune", str(root), "--older-than", age]) == 0
    shown = capsys.readouterr().out
    assert "2 conversations, 20 rows" in shown
    assert f"Nothing was changed. To remove it: conv-analytics prune {root} --older-than {age} --yes" in shown
    assert len(open_dataset(root).commits) == 4
    assert main(["prune", str(root), "--older-than", age, "--yes", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["removed_by"], told["conversations"], told["first_day"]) == (5, 2, str(FIRST + timedelta(days=2)))
    assert main(["prune", str(root), "--older-than", age]) == 0
    assert "Nothing is older than 2025-03-03." in capsys.readouterr().out
    assert main(["prune", str(root), "--older-than", "soon"]) == 2
    assert "not a length of time" in capsys.readouterr().err
