"""The copies of the log in the work folder of a bucket: never fewer than the bucket has, whoever reads at once."""

from __future__ import annotations

import errno
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from conv_analytics import ingest, open_dataset
from conv_analytics.dataset.maintenance.finding import Level
from conv_analytics.dataset.storage import backends
from conv_analytics.dataset.storage.commit import commits, numbers
from conv_analytics.dataset.storage.inbox_writer import InboxWriter
from conv_analytics.dataset.storage.layout import Layout
from conv_analytics.dataset.store import bucket
from conv_analytics.dataset.store.address import parse
from conv_analytics.dataset.store.bucket import BucketStore, Listed
from conv_analytics.dataset.store.work_folder import dataset_folder
from conv_analytics.errors import DatasetError, DestinationError
from tests._helpers.killed_commit import write
from tests._helpers.killed_ingest import receipts
from tests._helpers.object_stores import Proxy
from tests._helpers.patience import PATIENCE_S
from tests._helpers.webhooks import rtc_event

# One S3 server serves the whole group.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("buckets")]


class SlowReader:
    """A reader of the log whose list of the bucket is answered, and which goes on with it only when it is told to."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._own, self._listed, self._go = threading.local(), threading.Event(), threading.Event()
        real, slow = BucketStore.list, self

        def list_(store: BucketStore, folder: str) -> list[Listed]:
            answer = real(store, folder)
            if getattr(slow._own, "waits", False):
                slow._listed.set()
                assert slow._go.wait(PATIENCE_S)
            return answer

        monkeypatch.setattr(BucketStore, "list", list_)
        self._pool = ThreadPoolExecutor(1)
        self._result = self._pool.submit(self._read, root)
        assert self._listed.wait(PATIENCE_S)

    def _read(self, root: Path) -> list[int]:
        self._own.waits = True
        return numbers(Layout(root))

    def end(self) -> list[int]:
        """Let it end, once; return the commits that it found."""
        self._go.set()
        self._pool.shutdown()
        return self._result.result()


def test_a_record_that_came_after_the_list_of_another_reader_stays(
    url: str, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = dataset_folder(url)
    write(root, 0)
    assert numbers(Layout(root)) == [1]
    slow = SlowReader(root, monkeypatch)
    write(root, 1)
    assert numbers(Layout(root)) == [1, 2]
    assert set(slow.end()) >= {1}
    assert sorted(path.name for path in (root / "_commits").glob("0*.json")) == ["000001.json", "000002.json"]
    assert numbers(Layout(root)) == [1, 2]


def test_a_run_counts_what_it_read_last_while_another_reads_the_log(
    url: str, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The segment of the inbox that a listener is writing is read on from where the run before stopped."""
    root = dataset_folder(url)
    with InboxWriter(Layout(root)) as listener:
        listener.append(receipts("rtc", [rtc_event(1)]))
        ingest(url)
        slow = SlowReader(root, monkeypatch)
        listener.append(receipts("rtc", [rtc_event(2)]))
        ingest(url)
        listener.append(receipts("rtc", [rtc_event(3)]))
        refresh, ended = backends.BucketBackend.refresh, list[list[int]]()

        def and_the_slow_one(backend: backends.BucketBackend) -> None:
            refresh(backend)
            if not ended:
                ended.append([])
                ended[0] += slow.end()

        def read(layout: Layout) -> object:
            # Between the run's list of the bucket and its reading of the records.
            monkeypatch.setattr(backends.BucketBackend, "refresh", and_the_slow_one)
            return commits(layout)

        monkeypatch.setattr("conv_analytics.exporter.ingestion.commits", read)
        assert ingest(url).tables["hangups"] == 1
    assert ended
    assert sorted(open_dataset(url)["hangups"]["event_id"]) == [1, 2, 3]


@pytest.mark.parametrize("in_place", [True, False])
def test_a_promised_run_that_lacks_a_staged_file_is_finished_only_if_the_bucket_has_it(
    url: str, proxy: Proxy, monkeypatch: pytest.MonkeyPatch, *, in_place: bool
) -> None:
    monkeypatch.setattr(bucket, "PATIENCE_S", 0.3)
    root, store = dataset_folder(url), BucketStore(parse(url))
    write(root, 0)
    before = store.list("events")
    proxy.fault = lambda method, path: "slow down" if method == "PUT" and "_commits/" in path else None
    with pytest.raises(DestinationError, match="The run is kept, and the next one commits it"):
        write(root, 1)
    proxy.fault = lambda *_: None
    (staging,) = Layout(root).runs()
    (lost,) = (staging / "hangups").rglob("*.parquet")
    lost.unlink()
    if not in_place:
        store.delete(lost.relative_to(staging).as_posix())
    write(root, 2)
    found = open_dataset(url)
    assert [commit.report["start"] for commit in found.commits] == ([0, 1, 2] if in_place else [0, 2])
    assert not [each for each in found.verify() if each.level is Level.ERROR]
    assert len(store.list("events")) == len(before) + 1 + in_place


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
def test_a_work_folder_that_cannot_be_written_is_named_and_not_the_bucket(
    number: int, url: str, proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(dataset_folder(url), 0)
    other = dataset_folder(url, tmp_path / "other")
    real = Path.write_bytes

    def fails(path: Path, body: bytes) -> int:
        if number == errno.ENOSPC:
            real(path, body[:10])
        raise OSError(number, "it cannot be written", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", fails)
        with pytest.raises(DatasetError) as caught:
            open_dataset(url, work=other)
    assert str(caught.value) == (
        f"The work folder {other} cannot be written: it cannot be written. Name another one (--work, work=)."
    )
    assert not list((other / "_commits").iterdir())
    assert [commit.number for commit in open_dataset(url, work=other).commits] == [1]


def test_a_bucket_that_cannot_be_read_is_named_and_not_the_work_folder(
    url: str, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(dataset_folder(url), 0)

    def fails(_store: BucketStore, name: str) -> bytes:
        raise FileNotFoundError(errno.ENOENT, "there is no such object", name)

    monkeypatch.setattr(BucketStore, "read", fails)
    with pytest.raises(DatasetError, match=f"^{url} cannot be read: there is no such object"):
        numbers(Layout(dataset_folder(url)))
