"""A folder without the table ``events``: its counts are those of the tables that it has."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from conv_analytics import export, ingest, open_dataset
from conv_analytics.dataset import DatasetWriter
from conv_analytics.errors import ConfigError
from conv_analytics.exporter import entry, folder_checks, ingestion
from conv_analytics.exporter.anomaly import volume_warning
from conv_analytics.sandbox import Sandbox
from tests._helpers.sandboxes import client_of
from tests._helpers.webhooks import rtc_event

TABLES = "conversations,hangups,leg_statuses,call_records"


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One with four tables and one with all, each with the events of the list and of webhooks."""
    root = tmp_path_factory.mktemp("folders")
    with Sandbox(conversations=8, days=2, seed=7) as sandbox:
        (root / "webhooks.jsonl").write_bytes(
            b"\n".join(each.body.replace(b"\n", b" ") for each in sandbox.deliveries())
        )
        for name, tables in (("four", TABLES), ("all", None)):
            report = export(client_of(sandbox), root / name, rate=0, tables=tables).report
            assert report.events == sandbox.truth().events
            dataset = open_dataset(root / name)
            counted = {table: rows for table, rows in report.tables.items() if rows}
            assert counted == {table: len(dataset[table]) for table in dataset if len(dataset[table])}
            assert dataset.history()["events"].tolist() == [report.events]
        assert export(client_of(sandbox), rate=0, tables=TABLES).report.tables.keys() <= set(TABLES.split(","))
    return {name: root / name for name in ("four", "all")} | {"webhooks": root / "webhooks.jsonl"}


def test_unknown_content_is_no_difference(folders: dict[str, Path]) -> None:
    counted, found = {}, {}
    for name in ("four", "all"):
        counted[name] = ingest(folders[name], folders["webhooks"])
        sources = open_dataset(folders[name])["event_sources"].set_index(["conversation_id", "event_id"])["differs"]
        hangups = open_dataset(folders[name])["hangups"].set_index(["conversation_id", "event_id"]).index
        found[name] = sources[sources.index.isin(hangups)].sort_index()
        # Twice tells nothing new.
        assert not (again := ingest(folders[name], folders["webhooks"])).corrected + again.uncompared + again.confirmed
        assert again.events == 0
    assert len(found["four"]) > 5
    assert found["four"].to_dict() == found["all"].to_dict()
    four, everything = counted["four"], counted["all"]
    assert (four.corrected, four.confirmed, everything.uncompared) == (0, 0, 0)
    assert 0 < four.uncompared <= everything.confirmed
    assert f"{four.duplicates + four.uncompared:,} known before" in str(four)
    assert everything.events == everything.tables["events"] > 0
    # The new ones have rows in other tables than these four.
    assert four.events == 0
    assert f"{four.events:,} events, " in str(four)
    for name in ("four", "all"):
        assert open_dataset(folders[name]).history()["events"].tolist()[1] == counted[name].events


@pytest.mark.parametrize("tables", [TABLES, "all"])
def test_new_events_are_counted_whatever_tables_the_folder_has(tables: str, tmp_path: Path) -> None:
    file, folder = tmp_path / "events.jsonl", tmp_path / "exports"
    with Sandbox(conversations=2) as sandbox:
        export(client_of(sandbox), folder, rate=0, tables=tables)
        numbers = (10_001, 10_002, 10_001)
        file.write_bytes(b"\n".join(rtc_event(each, application_id=sandbox.application_id) for each in numbers))
    done = ingest(folder, file)
    assert done.events == done.tables["hangups"] == 2
    assert ("events" in done.tables) == (tables == "all")
    assert str(done).startswith("complete: 2 events, 0 Voice events new, 1 known before")
    assert open_dataset(folder).history()["events"].tolist()[1] == 2
    assert ingest(folder, file).events == 0


def test_a_night_without_the_table_is_judged_by_its_events() -> None:
    def night(day: int, events: int) -> dict[str, object]:
        at = f"2026-11-{day}T03:00:00Z"
        return {"started_at": at, "status": "complete", "tables": {"hangups": 3}, "events": events}

    before = [night(17, 900), night(18, 1000), night(19, 1100)]
    assert volume_warning(night(20, 12), before)
    assert volume_warning(night(20, 700), before) is None


def few(sandbox: Sandbox, folder: Path) -> None:
    """Another first export, in a thread of its own: one that calls another would wait for itself."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(export, client_of(sandbox), folder, rate=0, tables=TABLES, progress=False).result()


@pytest.mark.parametrize("requested", ["conversations,events", None])
def test_tables_that_come_between_the_check_and_the_lock_are_the_folders(
    requested: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A watermark of one run would be wrong for a table of the other only."""
    check, folder = folder_checks.resolve_tables, tmp_path / "exports"
    with Sandbox(conversations=3) as sandbox:
        first = [few]

        def passed_too_early(root: Path, *rest: Any) -> Any:
            found = check(root, *rest)
            if first:
                first.pop()(sandbox, root)
            return found

        monkeypatch.setattr(entry, "resolve_tables", passed_too_early)
        if requested is None:
            report = export(client_of(sandbox), folder, rate=0).report
            assert report.tables.keys() <= {*TABLES.split(",")}
        else:
            asked = len(sandbox.requests)
            with pytest.raises(ConfigError, match="holds the tables conversations, hangups"):
                export(client_of(sandbox), folder, rate=0, tables=requested)
            few_asked = len(sandbox.requests) - asked
            sandbox.requests.clear()
            few(sandbox, tmp_path / "other")
            assert few_asked == len(sandbox.requests), "the refused run asked for nothing"
    commits = open_dataset(folder).commits
    assert {tuple(sorted(commit.report["selected"])) for commit in commits} == {tuple(sorted(TABLES.split(",")))}
    assert len(commits) == (1 if requested else 2)
    assert not (folder / "events").exists()


def test_an_ingest_takes_the_tables_that_the_folder_has_when_it_is_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, file = tmp_path / "exports", tmp_path / "events.jsonl"
    with Sandbox(conversations=3) as sandbox:
        file.write_bytes(rtc_event(1, application_id=sandbox.application_id))

        def late(root: Path, *rest: Any, **named: Any) -> DatasetWriter:
            few(sandbox, folder)
            return DatasetWriter(root, *rest, **named)

        monkeypatch.setattr(ingestion, "DatasetWriter", late)
        ingest(folder, file)
    selected = [set(commit.report["selected"]) for commit in open_dataset(folder).commits]
    assert selected == [set(TABLES.split(","))] * 2
    assert not (folder / "events").exists()
