"""An object is created once and whole, whatever becomes of requests and answers."""

from __future__ import annotations

import errno
import random
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from conv_analytics.dataset.store.address import parse
from conv_analytics.dataset.store.bucket import BucketStore, StoreError
from conv_analytics.dataset.store.probe import require_create_once
from conv_analytics.errors import ConfigError, DestinationError
from tests._helpers.object_stores import FAULTS, Proxy, some_of
from tests._helpers.patience import PATIENCE_S

# One S3 server serves the whole group.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("buckets")]


def test_objects_are_created_read_listed_and_deleted(url: str, proxy: Proxy) -> None:
    store = BucketStore(parse(url))
    store.create("events/a", b"0123456789")
    store.create("events/a", b"0123456789")
    with pytest.raises(FileExistsError):
        store.create("events/a", b"012345678X")
    assert store.read("events/a") == b"0123456789"
    assert store.read_range("events/a", 3, 4) == b"3456"
    assert b"".join(store.chunks("events/a")) == b"0123456789"
    assert store.about("events/a")[0] == 10
    store.create("events/b", b"")
    assert [(each.name, each.size) for each in store.list("events")] == [("events/a", 10), ("events/b", 0)]
    assert store.list("event") == []
    store.delete("events/a")
    store.delete("events/a")
    for read in (store.read, store.about, lambda name: store.read_range(name, 0, 1)):
        with pytest.raises(FileNotFoundError):
            read("events/a")


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_on_its_own(url: str, proxy: Proxy, fault: str) -> None:
    store, left = BucketStore(parse(url)), [2]

    def twice(method: str, _path: str) -> str | None:
        left[0] -= method == "PUT"
        return fault if method == "PUT" and left[0] >= 0 else None

    proxy.fault = twice
    store.create("record", b"mine")
    assert proxy.counted[fault]
    assert store.read("record") == b"mine"
    left[0] = 2
    with pytest.raises(FileExistsError):
        store.create("record", b"yours")
    assert store.read("record") == b"mine"


def test_of_two_writers_one_takes_each_number(url: str, proxy: Proxy) -> None:
    stores = [BucketStore(parse(url)) for _ in range(2)]
    proxy.fault = some_of(1, 0.25)
    gate = threading.Barrier(2)

    def write(writer: int) -> list[int]:
        won, dice = [], random.Random(writer)
        for number in range(40):
            gate.wait(PATIENCE_S)
            try:
                stores[writer].create(f"{number:06d}.json", f"{writer} {number} {dice.random()}".encode())
            except FileExistsError:
                continue
            won.append(number)
        return won

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(write, range(2))
    proxy.fault = lambda *_: None
    assert sorted(first + second) == list(range(40))
    for number in range(40):
        owner = 0 if number in first else 1
        assert stores[0].read(f"{number:06d}.json").startswith(f"{owner} {number} ".encode())
    assert set(FAULTS) <= set(proxy.counted)


def test_what_stays_unknown_is_said(url: str, proxy: Proxy) -> None:
    proxy.fault = lambda method, _: "conflict" if method == "PUT" else None
    with pytest.raises(StoreError, match=r"whether it was written is not known after 0\.5 s") as told:
        BucketStore(parse(url), patience_s=0.5).create("record", b"mine")
    assert str(told.value.strerror).startswith(f"{url}/record: ")


def test_a_store_that_ignores_conditions_is_refused(url: str, proxy: Proxy) -> None:
    store = BucketStore(parse(url))
    require_create_once(store)
    proxy.conditional = False
    with pytest.raises(DestinationError, match="ignores If-None-Match"):
        require_create_once(store)
    assert store.list("_probe") == []


def test_a_bucket_that_is_not_there(proxy: Proxy) -> None:
    with pytest.raises(StoreError, match="there is no such bucket"):
        BucketStore(parse("s3://nobody-made-it/night")).create("record", b"mine")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gs://exports/night", r"^gs://exports/night is a URL; a dataset is a local folder, or in a bucket"),
        ("s3://", r"names no bucket: write s3://BUCKET/PATH"),
        ("s3://Exports/night", r"names no bucket"),
        ("s3://exports/../night", r"'\.\.' is not"),
        ("s3://exports/a?b", r"'a\?b' is not"),
    ],
)
def test_urls_that_are_none_of_ours(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse(text)


def test_without_the_extra_it_is_named(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore.store", None)
    with pytest.raises(ConfigError, match=r"^s3://exports/night needs an extra: pip install 'conv-analytics\[s3\]'\."):
        BucketStore(parse("s3://exports/night"))


def test_a_store_that_refuses_says_so_at_once(url: str, proxy: Proxy) -> None:
    proxy.fault = lambda *_: "denied"
    store = BucketStore(parse(url))
    with pytest.raises(StoreError, match="the store refuses") as told:
        store.create("record", b"mine")
    assert told.value.errno == errno.EACCES
    assert proxy.counted["PUT"] == 1
