"""A folder that lacks files, as a copy that was made while a run committed: what is not there is read again, or named.

Nothing is counted as read whose rows are in no file.
"""

from __future__ import annotations

import logging
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from conv_analytics import export, ingest
from conv_analytics.dataset import writer as writing
from conv_analytics.dataset.maintenance.finding import Level
from conv_analytics.dataset.maintenance.verify import verify
from conv_analytics.dataset.storage import commit as log
from conv_analytics.dataset.storage.layout import Layout
from conv_analytics.errors import CorruptFile
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
