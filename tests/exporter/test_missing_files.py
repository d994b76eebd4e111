"""A folder that lacks files, as a copy that was made while a run committed: what is not there is read again, or named.

Nothing is counted as read whose rows are in no file.
"""

from __future__ import annotations

import json
import logging
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from conv_analytics import export, ingest, open_dataset
from conv_analytics.cli import main
from conv_analytics.dataset import writer as writing
from conv_analytics.dataset.maintenance.finding import Level
from conv_analytics.dataset.maintenance.verify import verify
from conv_analytics.dataset.storage import commit as log
from conv_analytics.dataset.storage.layout import Layout
from conv_analytics.errors import CorruptFile, ExportIncomplete
from conv_analytics.log import Entry
from tests._helpers.killed_export import content, same
from tests._helpers.killed_ingest import receive
from tests._helpers.sandboxes import Serve, client_of
from tests._helpers.webhooks import rtc_event


def promise(root: Path, source: Path, number: int) -> log.Commit:
    """Put a run of another folder into this one as it is when its files were moved and its record is not created."""
    record = Layout(source).commit(number)
    commit = log.Commit.read(record)
    staging = Layout(root).staging(commit.run)
    staging.mkdir(parents=True)
    shutil.copy(record, staging / "commit.json")
    return commit


def errors(root: Path) -> list[str]:
    return [str(each) for each in verify(root) if each.level is Level.ERROR]


def dropped(caplog: pytest.LogCaptureFixture) -> list[int]:
    """How many files each dropped run lacked."""
    entries = [record.msg for record in caplog.records if isinstance(record.msg, Entry)]
    return [each.fields["missing"] for each in entries if each.event == "dropped"]


@pytest.mark.parametrize("days", [True, False], ids=["with the folders of days", "without"])
@pytest.mark.parametrize("there", ["nothing", "some files", "a file cut off"])
def test_events_of_a_promised_run_without_its_files_stay_in_the_inbox_until_they_are_read(
    there: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, *, days: bool
) -> None:
    source, root = tmp_path / "source", tmp_path / "copy"
    if days:
        receive(source, [rtc_event(1)])
        ingest(source)
    receive(source, [rtc_event(number) for number in range(2, 12)])
    if days:
        shutil.copytree(source, root)
    else:
        shutil.copytree(source / "_inbox", root / "_inbox")
    done = ingest(source)
    commit = promise(root, source, done.commit or 0)
    missing = len(commit.files)
    if there != "nothing":
        for file in commit.files[:1]:
            target = root / file.path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source / file.path, target)
            missing -= 1
        if there == "a file cut off":
            target.write_bytes(target.read_bytes()[:-1])
            missing += 1
    with caplog.at_level(logging.WARNING):
        again = ingest(root)
    assert (again.status, again.tables, again.commit) == ("complete", done.tables, done.commit)
    assert dropped(caplog) == [missing]
    assert not list((root / "_inbox").iterdir())
    assert not Layout(root).runs()
    same(content(root), content(source))
    assert not errors(root)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("few", "earlier", "journal"), [(writing.FEW, True, True), (writing.FEW, False, False), (0, True, False)]
)
def test_what_a_promised_export_without_its_files_has_read_is_read_again(
    few: int,
    serve: Serve,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    *,
    earlier: bool,
    journal: bool,
) -> None:
    """From the journal if it is there, else from the API."""
    monkeypatch.setattr(writing, "FEW", few)
    sandbox, root, whole = serve(seed=8, conversations=6), tmp_path / "out", tmp_path / "whole"
    export(client_of(sandbox), whole, rate=0)
    if earlier:
        export(client_of(sandbox), root, rate=0, until=datetime(2020, 1, 1, tzinfo=UTC))

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(log, "finish", killed)
        with pytest.raises(KeyboardInterrupt):
            export(client_of(sandbox), root, rate=0)
    (staging,) = Layout(root).runs()
    for path in staging.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
    if not journal:
        Layout(root).journal.unlink()
    sandbox.requests.clear()
    with caplog.at_level(logging.WARNING):
        done = export(client_of(sandbox), root, rate=0)
    assert done.report.status == "complete"
    assert done.report.commit == 1 + earlier
    assert len(dropped(caplog)) == 1
    assert bool(sandbox.requests) != journal
    assert bool(done.report.resumed) == journal
    same(content(root), content(whole))
    assert not errors(root)


def test_no_record_is_created_over_a_hole(tmp_path: Path) -> None:
    receive(tmp_path, [rtc_event(1)])
    ingest(tmp_path)
    layout = Layout(tmp_path)
    commit = promise(tmp_path, tmp_path, 1)
    layout.commit(1).unlink()
    (tmp_path / commit.files[0].path).unlink()
    prepared = log.promised(layout.staging(commit.run))
    assert prepared is not None
    with pytest.raises(CorruptFile, match=rf"1 of its files are missing or cut off, like {commit.files[0].path}"):
        log.finish(layout, prepared, commit)
    assert not log.numbers(layout)
    assert prepared.exists()


ADVICE = (
    "`conv-analytics verify` names them. Restore them from a copy of the folder; without one, export to a new folder"
    " what the API still has."
)


def lose(root: Path, *tables: str) -> dict[str, int]:
    """Delete the files of some tables, as a restore does that ended early; return how many of each."""
    lost = {}
    for table in tables:
        paths = list((root / table).rglob("*.parquet"))
        for path in paths:
            path.unlink()
        lost[table] = len(paths)
    return lost


@pytest.mark.slow
def test_an_export_to_a_folder_that_lacks_files_says_so(serve: Serve, tmp_path: Path) -> None:
    sandbox, root = serve(seed=8, conversations=6), tmp_path / "out"
    export(client_of(sandbox), root, rate=0)
    kept = {path: path.read_bytes() for path in (root / "hangups").rglob("*.parquet")}
    lost = lose(root, "events", "hangups")
    total = sum(lost.values())
    receive(root, [rtc_event(1)])
    with pytest.raises(ExportIncomplete) as caught:
        export(client_of(sandbox), root, rate=0)
    report = caught.value.report
    counts = f"events: {lost['events']}, hangups: {lost['hangups']}"
    text = f"{total} files of the folder are missing or cut off ({counts})"
    assert str(caught.value) == f"{text}. {ADVICE}"
    assert report.missing_files == lost
    assert (report.status, report.commit) == ("complete", 2)
    assert report.summary()["warning"] == text
    assert f"warning: {text}" in str(report).splitlines()
    # What it says is right: what is requested again in full does not bring them back, a copy of them does.
    with pytest.raises((ExportIncomplete, CorruptFile)):
        export(client_of(sandbox), root, rate=0, full=True)
    for path, content_ in kept.items():
        path.write_bytes(content_)
    path.write_bytes(content_[:-1])
    with pytest.raises(ExportIncomplete) as caught:
        export(client_of(sandbox), root, rate=0)
    assert caught.value.report.missing_files == {"events": lost["events"], "hangups": 1}


def test_a_run_that_folds_in_events_says_what_the_folder_lacks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    receive(tmp_path, [rtc_event(1)])
    ingest(tmp_path)
    lose(tmp_path, "messages")
    receive(tmp_path, [rtc_event(2)])
    assert main(["ingest", str(tmp_path), "--json"]) == 3
    told = capsys.readouterr()
    assert json.loads(told.out)["missing_files"] == {"messages": 1}
    assert f"1 file of the folder is missing or cut off (messages: 1). {ADVICE}" in " ".join(told.err.split())
    assert len(open_dataset(tmp_path)["hangups"]) == 2
    assert not list((tmp_path / "_inbox").iterdir())


def test_status_says_what_a_folder_lacks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    receive(tmp_path, [rtc_event(1)])
    ingest(tmp_path)
    assert main(["status", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["missing_files"] == {}
    assert main(["status", str(tmp_path)]) == 0
    assert "missing" not in capsys.readouterr().out
    lost = lose(tmp_path, "events", "messages")
    assert main(["status", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["missing_files"] == lost
    assert main(["status", str(tmp_path)]) == 0
    expected = f"warning: 2 files of the folder are missing or cut off (events: 1, messages: 1). {ADVICE}"
    assert capsys.readouterr().out.splitlines()[-1] == expected
