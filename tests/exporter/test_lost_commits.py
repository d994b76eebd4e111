"""A folder whose commit records are gone is no new folder: nothing is written to it, and nothing answers from it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from conv_analytics import Conversations, coverage, doctor, export, ingest, open_dataset
from conv_analytics.dataset.maintenance.compact import compact
from conv_analytics.dataset.maintenance.copy import copy
from conv_analytics.dataset.maintenance.finding import Level
from conv_analytics.dataset.maintenance.prune import prune
from conv_analytics.dataset.maintenance.replay import replay
from conv_analytics.dataset.maintenance.verify import verify
from conv_analytics.dataset.storage import commit as log
from conv_analytics.dataset.storage.application_folders import application_folder
from conv_analytics.errors import ConfigError, DatasetError
from conv_analytics.exporter.applications import export_applications
from conv_analytics.exporter.audit import audit
from conv_analytics.exporter.plan import plan
from conv_analytics.live import app
from conv_analytics.notebook.explorer.folder import dataset_in
from conv_analytics.privacy import Mask
from conv_analytics.sandbox import Sandbox
from tests._helpers.command_line import call
from tests._helpers.killed_ingest import receive
from tests._helpers.sandboxes import client_of
from tests._helpers.webhooks import SECRET, rtc_event

MASK = Mask(b"a key of the tests, long enough")
LOST = r"holds Parquet files of tables \(\d+, such as \w+/date=.*\.parquet\), but no commit record in _commits"
DAY = date(2026, 11, 1)


@pytest.fixture(scope="module")
def masked(calm: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lost") / "exports"
    export(client_of(calm), folder, rate=0, progress=False, mask=MASK)
    return folder


@pytest.fixture(params=["records", "folder"])
def lost(request: pytest.FixtureRequest, masked: Path, tmp_path: Path) -> Path:
    """A masked folder whose commit records, or the folder of them, were deleted."""
    folder = Path(shutil.copytree(masked, tmp_path / "exports"))
    shutil.rmtree(folder / "_commits")
    if request.param == "records":
        (folder / "_commits").mkdir()
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.name not in {"lock", "owner.json"})
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def ingested(folder: Path) -> Any:
    file = folder.parent / "events.jsonl"
    file.write_bytes(rtc_event(1))
    return ingest(folder, file)


WRITERS: dict[str, Callable[[Conversations, Path], Any]] = {
    "export": lambda client, folder: export(client, folder, rate=0, progress=False),
    "masked export": lambda client, folder: export(client, folder, rate=0, progress=False, mask=MASK),
    "ingest": lambda _, folder: ingested(folder),
    "coverage": lambda client, folder: coverage(client, folder, rate=0),
    "plan": lambda client, folder: plan(client, folder, rate=0),
    "listen": lambda _, folder: app(folder, secrets=SECRET),
    "prune": lambda _, folder: prune(folder, DAY),
    "replay": lambda _, folder: replay(folder),
}
READERS: dict[str, Callable[[Conversations, Path], Any]] = {
    "open_dataset": lambda _, folder: open_dataset(folder),
    "audit": lambda client, folder: audit(client, folder, rate=0),
    "explorer": lambda _, folder: dataset_in(folder),
    "compact": lambda _, folder: compact(folder, folder.parent / "compacted"),
    "copy": lambda _, folder: copy(folder, folder.parent / "copy"),
}


@pytest.mark.parametrize("name", [*WRITERS, *READERS])
def test_it_is_refused_before_anything_is_asked_or_written(
    name: str, lost: Path, calm: Sandbox, client: Conversations
) -> None:
    before, asked = contents(lost), len(calm.requests)
    with pytest.raises(DatasetError, match=LOST) as caught:
        {**WRITERS, **READERS}[name](client, lost)
    assert "restore _commits from a copy" in str(caught.value)
    assert "a first run that never ended, delete them" in str(caught.value)
    assert contents(lost) == before
    assert len(calm.requests) == asked


def test_what_a_listener_received_stays_in_the_inbox(lost: Path) -> None:
    segment = receive(lost, [rtc_event(1)])
    with pytest.raises(DatasetError, match=LOST):
        ingest(lost)
    assert segment.exists()


def test_records_that_go_before_the_lock_are_missed(
    masked: Path, tmp_path: Path, client: Conversations, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, recover = Path(shutil.copytree(masked, tmp_path / "exports")), log.recover

    def too_late(layout: Any) -> None:
        shutil.rmtree(layout.commits)
        recover(layout)

    monkeypatch.setattr(log, "recover", too_late)
    with pytest.raises(DatasetError, match=LOST):
        export(client, folder, rate=0, progress=False, mask=MASK)


@pytest.mark.parametrize("command", ["kpi", "quality", "offenders", "status", "findings"])
def test_no_question_is_answered(command: str, lost: Path) -> None:
    ended = call(command, lost)
    assert ended.code != 0
    assert "no commit record in _commits" in ended.err


def test_verify_and_doctor_name_it(lost: Path) -> None:
    first, *others = verify(lost)
    assert (first.where, first.what[:25]) == ("_commits", "there is no commit record")
    assert "Restore it from a copy" in first.advice
    assert {each.where for each in others if each.level is Level.ERROR} == {
        path.relative_to(lost).as_posix() for path in lost.glob("*/*/*.parquet")
    }
    assert "no commit record in _commits" in str(doctor(lost))


def test_one_of_several_applications_is_not_just_left_out(
    lost: Path, masked: Path, calm: Sandbox, tmp_path: Path
) -> None:
    shutil.copytree(masked, application_folder(tmp_path / "root", calm.application_id))
    shutil.move(lost, application_folder(tmp_path / "root", "0ff1ce00"))
    with pytest.raises(DatasetError, match=LOST):
        open_dataset(tmp_path / "root")
    with pytest.raises(ConfigError, match="a folder for each of 2 applications"):
        export(client_of(calm), tmp_path / "root", rate=0, progress=False)


def test_it_is_no_root_of_applications(lost: Path) -> None:
    shutil.rmtree(lost / "_commits", ignore_errors=True)
    with pytest.raises(DatasetError, match=LOST):
        export_applications(lost, [], rate=0)
    assert not list(lost.glob("application_id=*"))


def test_a_restored_log_is_read_on(lost: Path, masked: Path, client: Conversations) -> None:
    shutil.copytree(masked / "_commits", lost / "_commits", dirs_exist_ok=True)
    assert export(client, lost, rate=0, progress=False, mask=MASK).report.unchanged


def test_a_promise_among_files_of_lost_commits_waits_for_the_log(
    masked: Path, tmp_path: Path, client: Conversations
) -> None:
    """Dropped, its rows would be requested again; the API may have them no longer."""
    folder = Path(shutil.copytree(masked, tmp_path / "exports"))
    record = folder / "_commits" / "000001.json"
    staging = folder / "_work" / "0123abcd"
    staging.mkdir()
    text = record.read_text().replace('"number": 1', '"number": 2')
    run = log.Commit.read(record).run
    (staging / "commit.json").write_text(text.replace(run, "0123abcd"))
    shutil.rmtree(folder / "_commits")
    with pytest.raises(DatasetError, match=LOST):
        export(client, folder, rate=0, progress=False, mask=MASK)
    assert (staging / "commit.json").exists()


def test_other_files_are_no_tables(tmp_path: Path, client: Conversations) -> None:
    for name in ("notes.txt", "events/readme.txt", "other/a.parquet", "a.parquet"):
        (tmp_path / "exports" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "exports" / name).write_text("")
    assert export(client, tmp_path / "exports", rate=0, progress=False).report.commit == 1


def test_the_first_commit_under_way_is_finished(tmp_path: Path, client: Conversations, monkeypatch: Any) -> None:
    """Killed after its files are in place: the promise says whose they are."""
    folder = tmp_path / "exports"

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("conv_analytics.durable.create", killed)
        with pytest.raises(KeyboardInterrupt):
            export(client, folder, rate=0, progress=False)
    assert list((folder / "events").rglob("*.parquet"))
    with pytest.raises(DatasetError, match="holds no export: there is no commit in it"):
        open_dataset(folder)
    assert export(client, folder, rate=0, progress=False).report.unchanged
    assert [commit.number for commit in open_dataset(folder).commits] == [1, 2]
