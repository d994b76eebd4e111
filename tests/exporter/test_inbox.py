"""The inbox of a folder comes into its tables once, whatever happens to the run, to the inbox, or between runs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from conv_analytics import export, ingest, open_dataset
from conv_analytics.dataset import DatasetWriter
from conv_analytics.dataset.maintenance.finding import Level
from conv_analytics.dataset.maintenance.verify import verify
from conv_analytics.dataset.storage import inbox, inbox_writer
from conv_analytics.dataset.storage.inbox_writer import InboxWriter
from conv_analytics.dataset.storage.layout import Layout
from conv_analytics.dataset.storage.lock import WriterLock
from conv_analytics.errors import ConfigError, ExportIncomplete
from conv_analytics.exporter import ingestion
from conv_analytics.exporter.options import DEFAULT_TABLES
from conv_analytics.privacy import Mask
from conv_analytics.sandbox import Sandbox
from tests._helpers.killed_export import content, same
from tests._helpers.killed_ingest import ingest_until, receipts, receive
from tests._helpers.sandboxes import client_of
from tests._helpers.webhooks import FIXTURES, rtc_event, voice_event

MASK = Mask(b"a key of the tests, long enough")
NUMBER = "447700900101"
#: What a run writes that is killed at every change of the disk: events, their bodies and items, voice calls.
FEW_TABLES = [
    "events",
    "hangups",
    "call_records",
    "member_events",
    "messages",
    "leg_statuses",
    "voice_events",
    "event_sources",
]


def bodies(interface: str) -> list[bytes]:
    """What the fixtures have of an interface."""
    paths = sorted(FIXTURES.glob(f"{interface}_*.json"))
    return [json.dumps(event).encode() for path in paths for event in _events(json.loads(path.read_text()))]


def _events(value: Any) -> list[Any]:
    if isinstance(value, dict) and value.keys() & {"type", "uuid", "status"}:
        return [value]
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [event for each in inside for event in _events(each)]


def fill(dest: Path) -> None:
    """An inbox with every kind of event, in several segments, some of them twice, and with what is none."""
    receive(dest, [*bodies("rtc"), b"not JSON", b"[1, 2"])
    receive(dest, bodies("voice"), interface="voice")
    receive(dest, [rtc_event(number, conversation=f"CON-{number % 3}") for number in range(1, 40)] + bodies("rtc"))


def segments(dest: Path) -> list[str]:
    return sorted(path.name for path in (dest / "_inbox").iterdir())


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL")
def test_a_run_killed_before_any_change_of_the_disk_loses_nothing_and_repeats_nothing(tmp_path: Path) -> None:
    first = tmp_path / "first"
    # Each table is written the same way; further ones would be more of the same changes.
    DatasetWriter(first, datetime.now(UTC).date(), FEW_TABLES).commit([], {"selected": FEW_TABLES})
    # The folder has something already: what comes again is compared with it.
    receive(first, bodies("rtc")[:5])
    ingest(first)
    fill(first)
    whole, seen = tmp_path / "whole", set[str]()
    shutil.copytree(first, whole)
    changes = ingest_until(whole, -1)
    wanted, quarantined = content(whole), _quarantined(whole)
    assert changes > 30
    assert len(wanted["voice_events"]) > 10
    assert not segments(whole)
    before = content(first)
    for change in range(1, changes + 1):
        dest = tmp_path / f"at-{change}"
        shutil.copytree(first, dest)
        assert ingest_until(dest, change) == change
        # A reader finds all of the run or nothing of it; what is not there is in the inbox.
        committed = len(open_dataset(dest).commits) > 2
        assert len(open_dataset(dest)["events"]) == len((wanted if committed else before)["events"])
        assert committed or len(segments(dest)) == 3
        seen |= {
            "committed" if committed else "promised" if _promised(dest) else "staged",
            f"{len(segments(dest))} left",
        }
        ingest(dest)
        same(content(dest), wanted)
        assert _quarantined(dest) == quarantined
        assert not segments(dest)
        assert not [each for each in verify(dest) if each.level is Level.ERROR]
        shutil.rmtree(dest)
    assert seen == {"staged", "promised", "committed", "3 left", "2 left", "1 left"}


def _promised(dest: Path) -> bool:
    return any((dest / "_work").glob("*/commit.json"))


def _quarantined(dest: Path) -> list[str]:
    names = [commit.quarantine for commit in open_dataset(dest).commits if commit.quarantine]
    return sorted(line for name in names for line in (dest / name).read_text().splitlines())


def test_segments_that_another_run_removes_are_no_fault_of_this_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    receive(tmp_path, [rtc_event(1), rtc_event(2)])
    lock_taken = DatasetWriter.__init__

    def slow(self: DatasetWriter, *args: Any, **options: Any) -> None:
        # Between what this run saw of the inbox and its lock, the listener's own run is done with it.
        monkeypatch.undo()
        assert ingest(tmp_path).tables["events"] == 2
        lock_taken(self, *args, **options)

    monkeypatch.setattr(DatasetWriter, "__init__", slow)
    assert not ingest(tmp_path).tables
    assert len(open_dataset(tmp_path)["events"]) == 2


def test_an_inbox_with_nothing_new_makes_no_commit(tmp_path: Path) -> None:
    with InboxWriter(Layout(tmp_path)) as writer:
        writer.append(receipts("rtc", [rtc_event(1)]))
        # It is still being written to: it stays, and is read on from there.
        assert [ingest(tmp_path).commit for _ in range(3)] == [1, None, None]
        writer.append(receipts("rtc", [rtc_event(2)]))
        assert ingest(tmp_path).tables["events"] == 1
    ingest(tmp_path)
    assert not segments(tmp_path)


def test_what_cannot_be_read_of_an_inbox_is_named_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    damaged = receive(tmp_path, [rtc_event(number) for number in (1, 2, 3)])
    content = bytearray(damaged.read_bytes())
    content[content.index(b'"id":2')] ^= 0xFF
    damaged.write_bytes(content)
    (foreign := damaged.with_name("20261121T093000000000-1a2b3c4d.segment")).write_bytes(b"not one of ours" * 99)
    with monkeypatch.context() as later:
        later.setattr(inbox_writer, "FORMAT", inbox.FORMAT + 1)
        future = receive(tmp_path, [rtc_event(4)])
    receive(tmp_path, [rtc_event(5)])
    with pytest.raises(ExportIncomplete, match="later version") as incomplete:
        ingest(tmp_path)
    done = incomplete.value.report
    assert open_dataset(tmp_path)["events"]["event_id"].tolist() == [1, 3, 5]
    assert (len(done.damaged), list(done.unread_segments)) == (2, [future.stem])
    kept = {path.with_suffix(".damaged").name for path in (damaged, foreign)}
    assert set(segments(tmp_path)) == {*kept, future.name}
    assert damaged.with_suffix(".damaged").read_bytes() == content
    # Nothing comes twice, and what is left is named again.
    with pytest.raises(ExportIncomplete, match="later version") as incomplete:
        ingest(tmp_path)
    assert (incomplete.value.report.damaged, incomplete.value.report.tables) == ([], {})


def test_damage_in_a_segment_that_was_read_in_two_runs_is_kept(tmp_path: Path) -> None:
    with InboxWriter(Layout(tmp_path)) as writer:
        writer.append(receipts("rtc", [rtc_event(1), rtc_event(2)]))
        path = tmp_path / "_inbox" / f"{writer.segment}.segment"
        content = path.read_bytes()
        with path.open("r+b") as file:
            file.seek(content.index(b'"id":1'))
            file.write(b"?")
        with pytest.raises(ExportIncomplete, match="are damaged"):
            ingest(tmp_path)
        writer.append(receipts("rtc", [rtc_event(3)]))
    ingest(tmp_path)
    assert open_dataset(tmp_path)["events"]["event_id"].tolist() == [2, 3]
    assert segments(tmp_path) == [path.with_suffix(".damaged").name]


def everything_in(dest: Path) -> str:
    """Every text that the tables have."""
    dataset = open_dataset(dest)
    return "".join(dataset[name].to_csv() for name in dataset.tables)


def test_a_folder_with_a_mask_gets_nothing_that_is_not_masked(tmp_path: Path) -> None:
    other = Mask(b"another key of the tests, long enough")
    receive(tmp_path, [rtc_event(1)], mask=MASK)
    plain, foreign = receive(tmp_path, [rtc_event(2)]), receive(tmp_path, [rtc_event(3)], mask=other)
    with pytest.raises(ExportIncomplete, match=r"not masked.*--mask.*in another way") as incomplete:
        ingest(tmp_path)
    assert list(incomplete.value.report.unread_segments) == [plain.stem, foreign.stem]
    assert NUMBER not in everything_in(tmp_path)
    # Whoever has the mask can give it: then both join.
    with pytest.raises(ExportIncomplete, match="in another way"):
        ingest(tmp_path, mask=MASK)
    assert NUMBER not in everything_in(tmp_path)
    bodies = open_dataset(tmp_path)["events"]["body"]
    assert (len(bodies), bodies.nunique()) == (2, 1)
    assert segments(tmp_path) == [foreign.name]


@pytest.mark.parametrize("mask", [None, Mask(b"another key of the tests, long enough")])
def test_files_do_not_begin_a_folder_in_another_way_than_its_listener(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mask: Mask | None
) -> None:
    dest, files = tmp_path / "exports", tmp_path / "events.jsonl"
    files.write_bytes(rtc_event(2))
    receive(dest, [rtc_event(1)], mask=MASK)
    with pytest.raises(ConfigError, match="masks what it receives"):
        ingest(dest, files, mask=mask)
    # The listener's segment may come between the check and the lock.
    monkeypatch.setattr(ingestion, "recorded_mask", lambda _: "checked before")
    with pytest.raises(ConfigError, match="masks what it receives"):
        ingest(dest, files, mask=mask)
    monkeypatch.undo()
    assert not [path for path in dest.rglob("*.parquet") if path.is_file()]
    ingest(dest, files, mask=MASK)
    assert open_dataset(dest)["events"]["event_id"].tolist() == [1, 2]
    assert NUMBER not in everything_in(dest)


@pytest.mark.slow
def test_an_export_is_not_lost_for_what_is_wrong_with_the_inbox(tmp_path: Path) -> None:
    with Sandbox(conversations=2, days=2) as sandbox:
        client, mine = client_of(sandbox), partial(rtc_event, application_id=sandbox.application_id)
        receive(tmp_path, [mine(1)], mask=MASK)
        with pytest.raises(ConfigError, match=r"listener .* masks"):
            export(client, tmp_path, rate=0)
        assert not sandbox.requests, "asked for nothing that would be thrown away"
        result = export(client, tmp_path, rate=0, mask=MASK)
        assert result.ingested is not None
        listed = result.report.tables["events"]
        receive(tmp_path, [mine(2)])
        assert NUMBER not in everything_in(tmp_path)
        assert len(result.dataset["events"]) == listed + 1
        foreign = receive(tmp_path, [mine(3)], mask=Mask(b"another key of the tests, long enough"))
        with pytest.raises(ExportIncomplete, match="in another way") as incomplete:
            export(client, tmp_path, rate=0, mask=MASK)
        assert incomplete.value.report.status == "complete"
        assert len(incomplete.value.result.dataset["events"]) == listed + 2
        foreign.unlink()
        environment = os.environ | {
            "VONAGE_APPLICATION_ID": sandbox.application_id,
            "VONAGE_PRIVATE_KEY": sandbox.private_key,
            "CONV_ANALYTICS_MASK_KEY": MASK.key.decode(),
        }
        (tmp_path / "_inbox" / "20261121T093000000000-1a2b3c4d.segment").write_bytes(b"not one of ours" * 99)
        command = [sys.executable, "-m", "conv_analytics", "export", str(tmp_path), "--mask", "--json"]
        command += ["--base-url", sandbox.base_url]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert (done.returncode, json.loads(done.stdout)["status"]) == (3, "complete")
        assert "damaged" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("late", [False, True])
def test_an_export_and_the_run_of_a_listener_do_not_stop_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, late: bool
) -> None:
    """Whether the run of the listener has the folder as the export begins, or as it comes to the inbox."""
    with Sandbox(conversations=2, days=2) as sandbox, ThreadPoolExecutor(1) as listener:
        receive(tmp_path, [rtc_event(1, application_id=sandbox.application_id)])
        ingest(tmp_path)
        receive(tmp_path, [rtc_event(2, application_id=sandbox.application_id)])
        # A lock is the thread's that took it.
        held: list[DatasetWriter] = []
        hold = lambda: held.append(DatasetWriter(tmp_path, datetime.now(UTC).date(), DEFAULT_TABLES, short=True))  # noqa: E731
        if late:
            committed = DatasetWriter.commit

            def commit(self: DatasetWriter, *args: Any, **options: Any) -> Any:
                entered = committed(self, *args, **options)
                listener.submit(hold).result()
                return entered

            monkeypatch.setattr(DatasetWriter, "commit", commit)
            result = export(client_of(sandbox), tmp_path, rate=0)
            monkeypatch.undo()
            assert result.ingested is None
            assert segments(tmp_path)
            listener.submit(held[0].abandon).result()
        else:
            listener.submit(hold).result()
            waiting = WriterLock.is_short

            def look(self: WriterLock) -> bool:
                # The export waits: now the run of the listener ends.
                found = waiting(self)
                monkeypatch.undo()
                listener.submit(held[0].abandon)
                return found

            monkeypatch.setattr(WriterLock, "is_short", look)
            result = export(client_of(sandbox), tmp_path, rate=0)
            assert result.ingested is not None
        ingest(tmp_path)
        assert len(open_dataset(tmp_path)["events"]) == result.report.tables["events"] + 2


def test_events_without_a_conversation_and_calls_of_several_are_stored_once(tmp_path: Path) -> None:
    knocks = [*bodies("rtc"), rtc_event(7, conversation=""), rtc_event(7, conversation="../../etc/passwd")]
    calls = [*bodies("voice"), voice_event(1), voice_event(1, conversation_uuid="CON-2"), voice_event(1, call_uuid="x")]
    for _ in range(2):
        receive(tmp_path, knocks)
        receive(tmp_path, calls, interface="voice")
    first = ingest(tmp_path)
    receive(tmp_path, knocks)
    receive(tmp_path, calls, interface="voice")
    again = ingest(tmp_path)
    assert (again.tables, again.duplicates) == ({}, len(knocks) + len(calls))
    assert (first.tables["events"], first.tables["voice_events"]) == (len(knocks), len(calls) - 1)
    assert not [each for each in verify(tmp_path) if each.level is Level.ERROR]


@pytest.mark.parametrize("replay", [False, True])
def test_a_folder_of_live_events_is_copied_whole(tmp_path: Path, *, replay: bool) -> None:
    fill(tmp_path / "exports")
    unreadable = [
        voice_event(1, "busy", timestamp="no instant"), voice_event(2, price="much"), b'{"status": "transcribed"}'
    ]  # fmt: skip
    receive(tmp_path / "exports", unreadable, interface="voice")
    done = ingest(tmp_path / "exports")
    copied = open_dataset(tmp_path / "exports").compact(tmp_path / "copy", replay=replay)
    assert done.quarantined == copied.quarantined > 2
    wanted, found = content(tmp_path / "exports"), content(tmp_path / "copy")
    same(found, wanted)
    assert len(found["voice_events"]) > len(unreadable)
    assert not [each for each in verify(tmp_path / "copy") if each.level is Level.ERROR]


def test_an_inbox_that_moves_to_a_compacted_copy_is_not_read_again(tmp_path: Path) -> None:
    folder, copy = tmp_path / "exports", tmp_path / "copy"
    with InboxWriter(Layout(folder), None) as writer:  # still open: nothing says that the segment is read to its end
        writer.append(receipts("rtc", [rtc_event(1), b"not JSON", b'{"type": "sip:hangup", "id": "x"}']))
        first = ingest(folder)
        open_dataset(folder).compact(copy)
        shutil.copytree(folder / "_inbox", copy / "_inbox")
        again = ingest(copy)
    assert (first.receipts, first.tables["events"], first.quarantined) == (3, 2, 2)
    assert (again.receipts, again.duplicates, again.quarantined, again.tables) == (0, 0, 0, {})


def test_a_folder_of_some_tables_counts_what_it_stores(tmp_path: Path) -> None:
    DatasetWriter(tmp_path, datetime.now(UTC).date(), ["hangups"]).commit([], {"selected": ["hangups"]})
    receive(tmp_path, [rtc_event(1), rtc_event(2, "sip:answered")])
    assert ingest(tmp_path).tables == {"hangups": 1}
