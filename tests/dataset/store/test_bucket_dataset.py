"""What is true of a dataset in a folder is true of one in a bucket: rows, answers, checks, commands."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from conv_analytics import Conversations, analysis, coverage, explore, export, export_panel, open_dataset
from conv_analytics.dataset import Dataset, DatasetWriter
from conv_analytics.dataset.maintenance.finding import Level
from conv_analytics.dataset.storage.inbox import Receipt
from conv_analytics.dataset.storage.inbox_writer import InboxWriter
from conv_analytics.dataset.storage.layout import Layout
from conv_analytics.dataset.store.work_folder import dataset_folder
from conv_analytics.errors import CorruptFile, DatasetError
from conv_analytics.exporter.ingestion import ingest
from conv_analytics.mcp_server.sql import run_sql
from conv_analytics.sandbox import Sandbox
from conv_analytics.tables import TABLES
from tests._helpers.command_line import call
from tests._helpers.object_stores import BUCKET, Proxy, variables
from tests._helpers.patience import PATIENCE_S
from tests._helpers.table_rows import DAY, rows
from tests._helpers.webhooks import rtc_event

# One S3 server serves the whole group.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("buckets")]


class Exported(NamedTuple):
    """The same application, exported to a bucket and to a folder, twice each."""

    sandbox: Sandbox
    url: str
    folder: Path
    environment: dict[str, str]

    @property
    def both(self) -> tuple[Dataset, Dataset]:
        return open_dataset(self.url), open_dataset(self.folder)


@pytest.fixture(scope="module")
def exported(server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exported]:
    path = tmp_path_factory.mktemp("exported")
    with pytest.MonkeyPatch.context() as patch, Sandbox(conversations=40, days=2, broken=0.03) as box:
        environment = variables(server) | {"XDG_STATE_HOME": str(path / "state")}
        for name, value in environment.items():
            patch.setenv(name, value)
        client = Conversations(box.application_id, box.private_key, base_url=box.base_url)
        made = Exported(box, f"s3://{BUCKET}/vonage/night", path / "folder", environment)
        # What a process of its own converts, goes there as well.
        for destination, processes in ((made.url, 2), (made.folder, 1)) * 2:
            export(client, destination, rate=0, progress=False, processes=processes)
        yield made


def test_the_explorer_shows_the_exports_of_its_panel(exported: Exported, tmp_path: Path) -> None:
    box = exported.sandbox
    client = Conversations(box.application_id, box.private_key, base_url=box.base_url)
    calls = explore(open_dataset(exported.folder)).calls["conversation_id"].to_list()
    # A panel's folder may have gone through `Path`, which removes a slash.
    for folder in (exported.url, Path(exported.url)):
        assert explore(panel=export_panel(client, folder)).calls["conversation_id"].to_list() == calls
    x = explore(panel=export_panel(client, f"s3://{BUCKET}/vonage/panel", rate=0, work=tmp_path / "work"))
    assert x.panel is not None
    assert len(x.calls) == 0
    assert x.panel.start().wait(PATIENCE_S)
    assert (x.panel.status, x.calls["conversation_id"].to_list()) == ("complete", calls)
    assert (tmp_path / "work" / "_bucket.json").is_file()


def test_every_table_has_the_same_rows(exported: Exported) -> None:
    bucket, folder = exported.both
    assert bucket.tables == folder.tables
    for name in bucket:
        frames = [each[name].drop(columns="exported_at", errors="ignore").astype(str) for each in (bucket, folder)]
        mine, yours = (frame.sort_values(list(frame.columns)).reset_index(drop=True) for frame in frames)
        pd.testing.assert_frame_equal(mine, yours, obj=name)
        count = f'select count(*) from "{name}"'
        assert bucket.duckdb().sql(count).fetchall() == folder.duckdb().sql(count).fetchall()
    assert repr(bucket).startswith(f"Dataset('{exported.url}', commit 2: ")
    assert exported.url in bucket._repr_html_()


def test_questions_have_the_same_answers(exported: Exported) -> None:
    bucket, folder = exported.both
    conversation = folder["hangups"]["conversation_id"].min()
    for ask in (
        analysis.kpi,
        analysis.quality,
        lambda data: analysis.offenders(data, by="network_code"),
        analysis.legs,
        lambda data: analysis.timeline(data, conversation),
    ):
        pd.testing.assert_frame_equal(ask(bucket), ask(folder))


def test_files_are_urls_that_others_read(exported: Exported) -> None:
    bucket, folder = exported.both
    files = bucket.files("hangups")
    assert all(isinstance(file, str) and file.startswith(f"{exported.url}/hangups/date=") for file in files)
    with duckdb.connect() as connection:
        bucket.let_read(connection)
        count = connection.execute("select count(*) from read_parquet(?)", [files]).fetchone()
    assert count == (folder.rows("hangups"),)
    assert run_sql(bucket, "select count(*) as n from hangups")["n"].tolist() == [folder.rows("hangups")]


def test_it_is_checked(exported: Exported) -> None:
    mine, yours = (
        [(each.level, each.what.partition(":")[0], each.where) for each in data.verify()] for data in exported.both
    )
    assert mine == yours
    assert Level.ERROR not in {level for level, *_ in mine}


def test_nothing_of_the_tables_is_in_the_work_folder(exported: Exported) -> None:
    work = open_dataset(exported.url).path
    assert sorted(path.name for path in work.iterdir() if path.name != "_cache") == [
        "_bucket.json", "_commits", "_work",
    ]  # fmt: skip
    assert {path.name for path in (work / "_work").iterdir()} == {"lock", "tried"}


def test_copies_from_and_to_a_bucket(exported: Exported, tmp_path: Path) -> None:
    bucket, folder = exported.both
    target = f"{exported.url}-compact"
    bucket.compact(target)
    folder.compact(tmp_path / "there")
    open_dataset(target).compact(tmp_path / "back")
    for name in folder:
        assert len(open_dataset(target)[name]) == len(open_dataset(tmp_path / "back")[name]) == len(folder[name])
    for command in (("compact", exported.url, "--to", target), ("compact", exported.folder, "--to", target)):
        ended = call(*command, env=exported.environment)
        assert (ended.code, f"{target} is not empty" in ended.err) == (2, True)
    inside = call("compact", exported.url, "--to", f"{exported.url}/copy", env=exported.environment)
    assert "is inside" in inside.err


def test_commands_take_a_bucket(exported: Exported, tmp_path: Path) -> None:
    box = exported.sandbox
    key = tmp_path / "private.key"
    key.write_text(box.private_key)
    where = ("--application-id", box.application_id, "--private-key", key, "--base-url", box.base_url)
    conversation = open_dataset(exported.folder)["hangups"]["conversation_id"].min()
    work = ("--work", tmp_path / "work")
    for command, rest in {
        "export": (*where, "--rate", "0", "--quiet"),
        "plan": (*where, "--rate", "0"),
        "status": (),
        "verify": (),
        "replay": (),
        "kpi": (),
        "quality": (),
        "offenders": (),
        "findings": (),
        "report": ("--out", tmp_path / "report.html"),
        "timeline": (conversation,),
        "doctor": where,
    }.items():
        ended = call(command, exported.url, *rest, *work, cwd=tmp_path, env=exported.environment)
        assert ended.code == 0, (command, ended)
    assert json.loads((tmp_path / "work" / "_bucket.json").read_text())["url"] == exported.url
    # The work folder itself stands for the bucket.
    assert call("verify", tmp_path / "work", env=exported.environment).code == 0
    assert call("verify", exported.folder, *work).code == 2
    assert (tmp_path / "report.html").stat().st_size > 10_000


def test_the_call_list_is_compared_with_a_bucket(exported: Exported) -> None:
    box = exported.sandbox
    client = Conversations(box.application_id, box.private_key, base_url=box.base_url)
    window: dict[str, Any] = {"since": datetime(2026, 11, 1, tzinfo=UTC), "until": datetime(2026, 12, 1, tzinfo=UTC)}
    mine, yours = (coverage(client, where, rate=0, **window) for where in (exported.url, exported.folder))
    assert mine.counts == yours.counts
    assert open_dataset(exported.url).rows("voice_calls") == open_dataset(exported.folder).rows("voice_calls")


def test_live_events_are_folded_into_a_bucket(url: str, proxy: Proxy, tmp_path: Path) -> None:
    work = dataset_folder(url)
    with InboxWriter(Layout(work), mask=None) as writer:
        for number in range(1, 4):
            writer.append([Receipt("rtc", datetime.now(UTC), "ok", None, "POST", "", "", rtc_event(number))])
    assert ingest(url).commit == 1
    assert open_dataset(url).rows("events") == 3
    assert not list((work / "_inbox").glob("*.segment"))
    assert ingest(url).commit is None
    (tmp_path / "events.json").write_bytes(rtc_event(9))
    assert ingest(url, tmp_path / "events.json").commit == 2
    assert sorted(open_dataset(url)["events"]["event_id"]) == [1, 2, 3, 9]


def test_readers_ask_for_the_columns_that_they_need(url: str, proxy: Proxy) -> None:
    writer = DatasetWriter(dataset_folder(url), DAY, ["events"])
    some, count = rows(TABLES["events"], 1), 300_000
    noise = pa.array(np.random.default_rng(1).integers(0, 2**62, count).astype(str))
    many = some.take(pa.array(np.zeros(count, np.int64)))
    writer.write("events", many.set_column(many.schema.get_field_index("body"), many.schema.field("body"), noise))
    size = sum(file.bytes for file in writer.commit([], {}).files)
    assert size > 2_000_000
    for ask in (
        lambda data: data.arrow("events", columns=["type"])["type"].length(),
        lambda data: data.duckdb().sql("select count(type) from events").fetchall()[0][0],
    ):
        proxy.sent = 0
        assert ask(open_dataset(url)) == count
        assert proxy.sent < size / 5


def test_a_store_that_does_not_answer_is_no_damage(url: str, proxy: Proxy) -> None:
    writer = DatasetWriter(dataset_folder(url), DAY, ["hangups"])
    writer.write("hangups", rows(TABLES["hangups"], 30))
    writer.commit([], {"selected": ["hangups"]})
    data = open_dataset(url)
    proxy.fault = lambda _, path: "slow down" if "/hangups/" in path else None
    for ask in (lambda: data["hangups"], data.verify, data.duckdb):
        with pytest.raises(DatasetError, match=f"^{url}/hangups/.*Check the network and the store") as told:
            ask()
        assert not isinstance(told.value, CorruptFile)
    proxy.fault = lambda _, path: "slow down" if "_commits" in path else None
    with pytest.raises(DatasetError, match=f"^{url} cannot be read: "):
        open_dataset(url)


def test_a_file_that_was_replaced_is_found(url: str, proxy: Proxy) -> None:
    writer = DatasetWriter(dataset_folder(url), DAY, ["events"])
    writer.write("events", rows(TABLES["events"], 3))
    (first, *_) = writer.commit([], {"selected": ["events"]}).files
    store = Layout(dataset_folder(url)).bucket
    assert store is not None
    whole = store.read(first.path)
    for damaged, what in (
        (whole[:-1] + b"X", "has other bytes than were recorded (SHA-256)"),
        (whole[:100], f"has 100 bytes; {first.bytes:,} were recorded"),
        (None, "is missing"),
    ):
        store.delete(first.path)
        if damaged is not None:
            store.create(first.path, damaged)
        errors = [each for each in open_dataset(url).verify() if each.level is Level.ERROR]
        assert [(each.where, each.what) for each in errors][:1] == [(first.path, what)]
