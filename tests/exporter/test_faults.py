"""The faults of notebooks/reference/faults.md that no other test shows, by their numbers there.

Each over real HTTP or with a real failure of the file system; the truth of the sandbox says what must be there.
"""

from __future__ import annotations

import errno
import gzip
import json
import os
import shutil
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pandas as pd
import polars as pl
import pyarrow.parquet as pq
import pytest

from conv_analytics import Conversations, export, open_dataset
from conv_analytics.api import Retry
from conv_analytics.dataset.maintenance.verify import verify
from conv_analytics.errors import CorruptFile, DatasetLocked, DestinationError, ExportIncomplete, InvalidRequest
from conv_analytics.sandbox import Fault, Reply, Request, Sandbox
from tests._helpers.broken_http_gateway import head, reset, rude, short
from tests._helpers.killed_export import content, same, start
from tests._helpers.patience import PATIENCE_S
from tests._helpers.sandboxes import QUICK, Serve, agree, client_of, contents_of, soon

pytestmark = pytest.mark.slow


def lively(sandbox: Sandbox) -> str:
    """An ACTIVE conversation with events and members."""
    world = sandbox.world
    found = (world.conversation(ordinal) for ordinal in world.ordinals)
    return next(each.id for each in found if each.state == "ACTIVE" and each.sequence_number > 5 and each.members)


def events_of(conversation: str) -> Callable[[Request], bool]:
    return lambda request: request.method == "GET" and request.path == f"/v1/conversations/{conversation}/events"


def page(*events: bytes, links: bytes = b"{}", name: bytes = b"events") -> bytes:
    return b'{"page_size": 100, "_embedded": {"%b": [%b]}, "_links": %b}' % (name, b", ".join(events), links)


def event(
    number: object, kind: str = "sip:hangup", body: bytes = b"{}", at: bytes = b'"2026-11-19T10:00:00Z"'
) -> bytes:
    return b'{"id": %b, "type": "%b", "timestamp": %b, "body": %b}' % (str(number).encode(), kind.encode(), at, body)


def mine(frame: Any, conversation: str) -> Any:
    return frame[frame["conversation_id"] == conversation].sort_values("event_id").reset_index(drop=True)


def nothing_twice(folder: Path) -> None:
    """No key is there twice for whoever reads the plain files, and the folder agrees with its log."""
    for name in ("events", "hangups", "messages"):
        assert not pd.read_parquet(folder / name).duplicated(["conversation_id", "event_id"]).any(), name
    assert not [finding for finding in verify(folder) if finding.level.name == "ERROR"]


# -- 2: lists that lead nowhere


@pytest.mark.parametrize("way", ["a-b-a", "constant", "constant and empty"])
@pytest.mark.parametrize("name", ["members", "events"])
def test_fault_02_cursors_that_lead_in_a_circle(way: str, name: str, serve: Serve, tmp_path: Path) -> None:
    sandbox = serve(conversations=5)
    conversation = lively(sandbox)

    def circle(request: Request) -> Reply:
        following = {"a": b"b"}.get(request.query.get("cursor", ""), b"a") if way == "a-b-a" else b"a"
        items = () if way == "constant and empty" else (b'{"id": "7"}',)
        return Reply(200, page(*items, links=b'{"next": {"href": "?cursor=%b"}}' % following, name=name.encode()))

    sandbox.script(lambda r: r.path == f"/v1/conversations/{conversation}/{name}", circle, times=-1)
    with pytest.raises(ExportIncomplete) as caught:
        export(client_of(sandbox), tmp_path, rate=0)
    assert list(caught.value.report.incomplete) == [conversation]
    assert "already read" in caught.value.report.incomplete[conversation]
    assert sum(seen.path.endswith(f"{conversation}/{name}") for seen in sandbox.requests) <= 3
    sandbox._scripts.clear()
    done = export(client_of(sandbox), tmp_path, rate=0)
    assert done.report.status == "complete"
    assert set(done.dataset["conversations"]["conversation_id"]) == set(sandbox.truth().sequence_numbers)


# -- 3: parents read at once


def test_fault_03_every_parent_has_its_own_pages(serve: Serve) -> None:
    """Uneven lists, twenty at a time: each page of each is asked for once, in its order."""
    sandbox = serve(conversations=9)
    heights = {sandbox.world.head(ordinal).id: ordinal % 5 for ordinal in sandbox.world.ordinals}
    asked: list[tuple[str, str]] = []

    def list_of(request: Request) -> Reply:
        conversation = request.path.split("/")[3]
        number = int(request.query.get("cursor", "0"))
        asked.append((conversation, request.query.get("cursor", "")))
        more = b'{"next": {"href": "?cursor=%d"}}' % (number + 1) if number < heights[conversation] else b"{}"
        return Reply(200, page(event(number + 1), links=more))

    sandbox.script(lambda r: r.path.endswith("/events"), list_of, times=-1)
    whole = b'{"id": "%b", "sequence_number": 99, "state": "ACTIVE"}'
    sandbox.script(
        lambda r: r.path.count("/") == 3, lambda r: Reply(200, whole % r.path.rpartition("/")[2].encode()), times=-1
    )
    frames = export(client_of(sandbox), rate=0, concurrency=20)
    wanted = {(each, str(n) if n else "") for each, height in heights.items() for n in range(height + 1)}
    assert Counter(asked) == Counter(wanted)
    found = frames["events"].groupby("conversation_id")["event_id"].apply(list).to_dict()
    assert found == {each: list(range(1, height + 2)) for each, height in heights.items()}


# -- 4 and 5: waits and tokens


@pytest.mark.parametrize("asked", ["1", "Sat, 21 Nov 2020 09:30:10 GMT", "-5", "soon", None])
def test_fault_04_whatever_retry_after_says_nothing_is_lost(asked: str | None, serve: Serve) -> None:
    sandbox = serve(conversations=4)
    headers = {} if asked is None else {"Retry-After": asked}
    sandbox.script(events_of(lively(sandbox)), Reply(429, b"{}", headers=headers), times=2)
    report = (result := export(client_of(sandbox), rate=0)).report
    agree(contents_of(result), sandbox.truth())
    assert report.retries == 2
    assert (report.waited_s >= 2) == (asked == "1"), "as long as it was asked to, and no longer than it needs"


def test_fault_04_a_wait_beyond_the_deadline_costs_one_conversation(serve: Serve, tmp_path: Path) -> None:
    sandbox = serve(conversations=5)
    conversation = lively(sandbox)
    sandbox.script(events_of(conversation), Reply(429, b"{}", headers={"Retry-After": "1800"}), times=-1)
    with pytest.raises(ExportIncomplete) as caught:
        export(client_of(sandbox, retries=Retry(deadline_s=60)), tmp_path, rate=0)
    assert list(caught.value.report.incomplete) == [conversation]
    assert "429" in caught.value.report.incomplete[conversation]
    sandbox._scripts.clear()
    agree(contents_of(export(client_of(sandbox), tmp_path, rate=0)), sandbox.truth())
    nothing_twice(tmp_path)


def test_fault_05_a_token_that_is_refused_once_is_renewed(serve: Serve, tmp_path: Path) -> None:
    sandbox = serve(conversations=6)
    code = b'{"code": "system:error:expired-token", "title": "Expired", "detail": "old"}'
    sandbox.script(events_of(lively(sandbox)), Reply(401, code))
    agree(contents_of(export(client_of(sandbox), tmp_path, rate=0)), sandbox.truth())
    refused = [seen for seen in sandbox.requests if seen.status == 401]
    assert len(refused) == 1
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*.json*"))
    assert b"eyJ" not in kept, "no token in what is kept"


# -- 6, 7, 8: answers that are none


@pytest.mark.parametrize("status", [404, 410])
def test_fault_06_gone_between_the_list_and_its_own_request(status: int, serve: Serve, tmp_path: Path) -> None:
    sandbox = serve(conversations=6)
    gone = lively(sandbox)
    sandbox.script(
        lambda r: r.path.endswith(gone), Reply(status, b'{"code": "conversation:error:not-found"}'), times=-1
    )
    result = export(client_of(sandbox), tmp_path, rate=0)
    assert (result.report.status, result.report.gone) == ("complete", [gone])
    row = result.dataset["conversations"].set_index("conversation_id").loc[gone]
    assert row["gone"]
    assert len(result.dataset["conversations"]) == 6


def _drip(connection: socket.socket, body: bytes) -> None:
    """A byte now and then, each well within the timeout, for ever."""
    connection.sendall(head(len(body)))
    for place in range(len(body)):
        connection.sendall(body[place : place + 1])
        time.sleep(0.1)


def _half_a_zip(connection: socket.socket, body: bytes) -> None:
    packed = gzip.compress(body)
    connection.sendall(head(len(packed) // 2, "content-encoding: gzip") + packed[: len(packed) // 2])


def _no_zip(connection: socket.socket, body: bytes) -> None:
    connection.sendall(head(len(body), "content-encoding: gzip") + body)


def _chunk_cut_off(connection: socket.socket, body: bytes) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nfff\r\n" + body[:100])


def _no_http(connection: socket.socket, body: bytes) -> None:
    connection.sendall(b"\x16\x03\x01" + body[:50])


WAYS = {
    "a length too long": short, "a reset in the body": reset, "a slow loris": _drip, "half a gzip": _half_a_zip,
    "no gzip at all": _no_zip, "a chunk cut off": _chunk_cut_off, "no http": _no_http,
    "nothing": lambda connection, body: connection.close(),
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_fault_07_a_body_that_does_not_come_whole_is_asked_for_again(
    way: str, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    if way == "a slow loris":
        # Of the timeout, which no pause comes near to: only the time of the whole request can end it.
        monkeypatch.setattr("conv_analytics.api.driver.TOTAL_TIMEOUT_FACTOR", 0.3)
    sandbox = serve(conversations=4)
    conversation = lively(sandbox)
    path = f"/v1/conversations/{conversation}/events"
    with rude(sandbox, path, WAYS[way]) as (address, asked):
        client = Conversations(
            sandbox.application_id, sandbox.private_key, base_url=address, retries=QUICK, timeout=10.0
        )
        result = export(client, rate=0)
    agree(contents_of(result), sandbox.truth())
    assert result.report.retries == 1
    assert sum(each.startswith(f"{path}?") and "cursor" not in each for each in asked) == 2


def test_fault_07_a_gzip_bomb_costs_one_conversation(serve: Serve) -> None:
    sandbox = serve(conversations=4)
    conversation = lively(sandbox)
    bomb = gzip.compress(b"[" + b"0," * 100_000_000, compresslevel=1)

    def explode(connection: socket.socket, _body: bytes) -> None:
        connection.sendall(head(len(bomb), "content-encoding: gzip") + bomb)

    with rude(sandbox, f"/v1/conversations/{conversation}/events", explode) as (address, _):
        client = Conversations(
            sandbox.application_id, sandbox.private_key, base_url=address, retries=QUICK, max_body_bytes=5_000_000
        )
        with pytest.raises(ExportIncomplete) as caught:
            export(client, rate=0)
    assert "over 5,000,000 bytes" in caught.value.report.incomplete[conversation]
    assert len(caught.value.report.incomplete) == 1


# -- 9 to 17: values


@pytest.fixture
def odd(serve: Serve, tmp_path: Path) -> Callable[..., Any]:
    """Exports a world in which one conversation has the events given; gives its rows of a table, and the run."""
    sandbox = serve(conversations=3)
    conversation = lively(sandbox)

    def run(table: str, *events: bytes) -> tuple[Any, Any]:
        sandbox.script(events_of(conversation), Reply(200, page(*events)))
        done = export(client_of(sandbox), tmp_path, rate=0)
        found = mine(done.dataset[table], conversation)
        pattern = f"{tmp_path}/{table}/*/*.parquet"
        wanted = sorted(found["event_id"])
        query = f"select event_id from read_parquet('{pattern}') where conversation_id = '{conversation}'"
        assert sorted(number for (number,) in duckdb.sql(query).fetchall()) == wanted
        polars = pl.read_parquet(pattern, columns=["conversation_id", "event_id"])
        assert sorted(polars.filter(pl.col("conversation_id") == conversation)["event_id"]) == wanted
        assert sorted(mine(pd.read_parquet(tmp_path / table), conversation)["event_id"]) == wanted
        others = sandbox.truth().events - sandbox.truth().events_per_conversation[conversation]
        assert (done.dataset["events"]["conversation_id"] != conversation).sum() == others
        return found, done

    return run


def test_fault_09_a_column_without_values_has_its_type_from_the_first_file(serve: Serve, tmp_path: Path) -> None:
    sandbox = serve(conversations=3)
    conversation = lively(sandbox)
    for each in sandbox.truth().sequence_numbers:
        sandbox.script(events_of(each), Reply(200, page(event(1)) if each == conversation else page()))
    client = client_of(sandbox)
    with pytest.raises(ExportIncomplete):
        export(client, tmp_path, rate=0)
    first = next((tmp_path / "hangups").glob("*/*.parquet"))
    assert pq.read_table(first, columns=["packet_cnt", "mos_score", "sip_code"]).drop_null().num_rows == 0
    export(client, tmp_path, rate=0)
    pattern = f"{tmp_path}/hangups/*/*.parquet"
    plain, polars = pd.read_parquet(tmp_path / "hangups"), pl.read_parquet(pattern)
    queried = duckdb.sql(f"select sum(packet_cnt) from read_parquet('{pattern}')").fetchall()
    assert len(list((tmp_path / "hangups").glob("*/*.parquet"))) > 1
    total = sandbox.truth().packet_cnt
    rest = plain.loc[plain["conversation_id"] != conversation, "packet_cnt"].sum()
    assert 0 < rest <= total
    assert str(plain["packet_cnt"].dtype) == "Int64"
    assert polars["packet_cnt"].dtype == pl.Int64
    assert plain["packet_cnt"].sum() == polars["packet_cnt"].sum() == queried[0][0]


def test_fault_10_and_11_numbers_are_exact_or_put_aside(odd: Callable[..., Any]) -> None:
    quality = b'{"quality": {"packet_cnt": %b, "mos_score": %b}}'
    numbers = [b"9007199254740993", b"9223372036854775807", b"9223372036854775808", b"18446744073709551616", b"null"]
    scores = [b"4.5", b'"4.25"', b"NaN", b"1e400", b'"n/a"']
    bodies = [quality % pair for pair in zip(numbers, scores, strict=True)]
    found, done = odd("hangups", *(event(place, body=body) for place, body in enumerate(bodies, 1)))
    assert found["packet_cnt"].tolist()[:2] == [2**53 + 1, 2**63 - 1]
    assert found["packet_cnt"].isna().tolist() == [False, False, True, True, True]
    assert found["mos_score"].tolist()[:2] == [4.5, 4.25]
    assert found["mos_score"].isna().tolist() == [False, False, True, True, True]
    assert mine(done.dataset["events"], found["conversation_id"][0])["body"].tolist() == [b.decode() for b in bodies]
    assert (done.report.quarantined, done.report.lost) == (3, 0)


def test_fault_11_money_of_nineteen_digits(odd: Callable[..., Any]) -> None:
    prices = [b'"1234567890.12345678"', b'"12345678901.12345678"', b'"0.1234567890123456789"', b"0.04218",
              b'"0.123456789"', b"0.123456789012345678", b'"0.1%b"' % (b"0" * 60)]  # fmt: skip
    events = [event(n, "sip:status", b'{"price": %b}' % p) for n, p in enumerate(prices, 1)]
    found, done = odd("call_records", *events)
    exact = done.dataset.arrow("call_records", columns=["conversation_id", "event_id", "price"]).to_pylist()
    mine_ = {row["event_id"]: row["price"] for row in exact if row["conversation_id"] == found["conversation_id"][0]}
    assert mine_ == {
        1: Decimal("1234567890.12345678"), 2: None, 3: None, 4: Decimal("0.04218"), 5: Decimal("0.123456789"),
        6: Decimal("0.123456789012345678"), 7: Decimal("0.1"),
    }  # fmt: skip
    assert done.report.quarantined == 2


def test_fault_12_a_type_that_flips_costs_its_cell(odd: Callable[..., Any]) -> None:
    bodies = [b'{"quality": {"packet_cnt": %b}, "direction": %b}' % pair for pair in (
        (b"7", b'"inbound"'), (b'"two"', b'"in"'), (b"1.5", b"7"), (b"true", b"{}"), (b'"8"', b'"sideways"'),
    )]  # fmt: skip
    found, done = odd("hangups", *(event(place, body=body) for place, body in enumerate(bodies, 1)))
    assert found["packet_cnt"].fillna(-1).tolist() == [7, -1, -1, -1, 8], "neither rounded nor guessed"
    assert found["direction"].astype(object).where(found["direction"].notna(), None).tolist() == [
        "inbound", "inbound", None, None, "sideways",
    ]  # fmt: skip
    assert (done.report.quarantined, done.report.lost) == (3, 0)
    assert str(found["packet_cnt"].dtype) == "Int64"


def test_fault_13_new_fields_and_types_are_kept_and_told(odd: Callable[..., Any]) -> None:
    newer = (
        b'{"id": 2, "type": "sip:hologram", "timestamp": "2026-11-19T10:00:00Z", "body": {"x": 1}, "depth": {"a": []}}'
    )
    found, done = odd("events", event(1, "custom:Order", b'{"Key": 1}'), newer)
    assert found["type"].tolist() == ["custom:Order", "sip:hologram"]
    assert json.loads(found["extra"][1]) == {"depth": {"a": []}}
    assert dict(done.report.unknown_types) == {"sip:hologram": 1}
    assert done.report.unknown_fields["depth"] == 1


def test_fault_14_empty_null_and_missing_stay_apart(odd: Callable[..., Any]) -> None:
    bodies = [b"{}", b'{"a": []}', b'{"a": {}}', b'{"a": null}', b'{"a": ""}', b"[]"]
    found, _ = odd("events", *(event(n, "custom:x", body) for n, body in enumerate(bodies, 1)),
                   event(7, "custom:x", b"null"), b'{"id": 8, "type": "custom:x"}')  # fmt: skip
    assert found["body"].tolist()[:6] == [body.decode() for body in bodies]
    assert found["body"].isna().tolist()[6:] == [True, True]


def test_fault_15_text_that_is_none(odd: Callable[..., Any]) -> None:
    deep = b"[" * 1500 + b"]" * 1500
    texts = [b'"half \\ud83d"', b'"a\\u0000b"', '"\U0001f600"'.encode(), b'"%b"' % (b"x" * 10_000_000), deep, b'"\xff"']
    bodies = [b'{"message_type": "text", "text": %b}' % text for text in texts]
    found, done = odd("messages", *(event(place, "message", body) for place, body in enumerate(bodies, 1)))
    assert found["event_id"].tolist() == [1, 2, 3, 4, 5, 6]
    assert found["text"].isna().tolist()[0]
    assert found["text"].tolist()[1:3] == ["a\x00b", "\U0001f600"]
    assert len(found["text"][3]) == 10_000_000
    assert found["text"].isna().tolist()[4]
    kept = mine(done.dataset["events"], found["conversation_id"][0])["body"].tolist()
    assert kept[:5] == [body.decode() for body in bodies[:5]]
    assert "\ufffd" in kept[5]
    assert done.report.lost == 0


def test_fault_16_keys_that_are_alike(odd: Callable[..., Any]) -> None:
    body = b'{"Text": "no", "text": "first", "text": "last", "message_type": "text", "a.b": 1, "a:b": 2, "a": {"b": 3}}'
    twice = b'{"id": 2, "id": 3, "type": "message", "body": %b, "Type": "x", "body.text": "y"}' % body
    found, done = odd("messages", event(1, "message", body), twice)
    assert found["event_id"].tolist() == [1, 3]
    assert found["text"].tolist() == ["last", "last"]
    events = mine(done.dataset["events"], found["conversation_id"][0])
    assert events["body"].tolist() == [body.decode()] * 2
    assert json.loads(events["extra"][1]) == {"Type": "x", "body.text": "y"}


def test_fault_17_timestamps_in_every_form(odd: Callable[..., Any]) -> None:
    forms = {
        b'"2026-11-19T10:00:00Z"': "2026-11-19T10:00:00+00:00",
        b'"2026-11-19T10:00:00.123Z"': "2026-11-19T10:00:00.123000+00:00",
        b'"2026-11-19T10:00:00.1234567Z"': "2026-11-19T10:00:00.123456+00:00",
        b'"2026-11-19T12:00:00+02:00"': "2026-11-19T10:00:00+00:00",
        b'"2026-11-19T10:00:00"': "2026-11-19T10:00:00+00:00",
        b'"2026-11-19 10:00:00"': "2026-11-19T10:00:00+00:00",
        b'"0001-01-01T00:00:00Z"': "0001-01-01T00:00:00+00:00",
        b'"9999-12-31T23:59:59Z"': "9999-12-31T23:59:59+00:00",
        b'"9999-12-31T23:59:59-12:00"': None,
        b'"yesterday"': None,
        b"1763546400": None,
    }
    found, done = odd("events", *(event(place, at=at) for place, at in enumerate(forms, 1)))
    assert [None if at is pd.NaT else at.isoformat() for at in found["at"].astype(object)] == list(forms.values())
    assert (done.report.quarantined, done.report.lost) == (3, 0)


# -- 18: two runs


def test_fault_18_two_runs_at_once_and_the_same_run_twice(serve: Serve, tmp_path: Path) -> None:
    sandbox = serve(conversations=12)
    begun, go_on = threading.Event(), threading.Event()

    def hold(_request: Request) -> bool:
        begun.set()
        return not go_on.wait(PATIENCE_S)

    # The server stands still meanwhile, and the first run with it.
    sandbox.script(hold, Reply(500))
    first = start(sandbox, tmp_path, concurrency=2)
    soon(begun.is_set)
    with pytest.raises(DatasetLocked, match=f"process {first.pid} on"):
        export(client_of(sandbox), tmp_path, rate=0)
    go_on.set()
    first.join(PATIENCE_S)
    assert first.exitcode == 0
    again = export(client_of(sandbox), tmp_path, rate=0)
    assert again.report.tables.get("events", 0) == 0
    agree(contents_of(again), sandbox.truth())
    nothing_twice(tmp_path)


# -- 19 and 21: the file system


def test_fault_19_a_file_that_cannot_be_put_in_its_place(serve: Serve, tmp_path: Path) -> None:
    """Some files are in their places, then one cannot be; the next run puts the others beside them."""
    sandbox = serve(conversations=6)
    wanted = content(export(client_of(sandbox), tmp_path / "whole", rate=0).dataset.path)
    out, days = tmp_path / "out", sorted(path.name for path in (tmp_path / "whole" / "messages").iterdir())
    (out / "messages").mkdir(parents=True)
    blocked = out / "messages" / days[-1]
    blocked.write_text("a file where a folder belongs")
    with pytest.raises(DestinationError, match="the next one commits it"):
        export(client_of(sandbox), out, rate=0)
    assert not list((out / "_commits").iterdir())
    assert list((out / "events").rglob("*.parquet")), "half of it is there"
    with pytest.raises(DestinationError):
        export(client_of(sandbox), out, rate=0)
    blocked.unlink()
    again = export(client_of(sandbox), out, rate=0)
    assert [len(commit.files) > 0 for commit in again.dataset.commits] == [True, True]
    assert again.report.tables.get("events", 0) == 0
    same(content(out), wanted)
    nothing_twice(out)


def test_fault_21_a_disk_that_is_full(serve: Serve, tmp_path: Path) -> None:
    disk, image = tmp_path / "disk", ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs"]
    disk.mkdir()
    if os.name == "nt" or subprocess.run([*image, disk], check=False, capture_output=True).returncode:
        pytest.skip("only root can make a small disk")
    try:
        sandbox = serve(conversations=12)
        with pytest.raises(DestinationError, match=r"No space left.*Nothing was committed") as caught:
            export(client_of(sandbox), disk / "out", rate=0)
        assert isinstance(caught.value.__cause__, OSError)
        assert caught.value.__cause__.errno == errno.ENOSPC
        assert not list((disk / "out" / "_commits").iterdir())
        larger = ["mount", "-o", "remount,size=50m", str(disk)]
        assert subprocess.run(larger, check=False).returncode == 0
        agree(contents_of(export(client_of(sandbox), disk / "out", rate=0)), sandbox.truth())
        nothing_twice(disk / "out")
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="a place where nobody can write")
def test_fault_21_a_folder_that_cannot_be_written(serve: Serve) -> None:
    with pytest.raises(DestinationError, match=r"Cannot write to /proc/exports.*Nothing was committed"):
        export(client_of(serve(conversations=3)), "/proc/exports", rate=0)


# -- 22: what is known is lost


def _grow(sandbox: Sandbox, conversation: str, events: int) -> None:
    with httpx.Client(base_url=sandbox.base_url, headers=sandbox.headers()) as client:
        for number in range(events):
            body = {"type": "custom:n", "body": {"n": number}}
            assert client.post(f"/v1/conversations/{conversation}/events", json=body).status_code == 201


def test_fault_22_the_work_folder_is_lost(serve: Serve, tmp_path: Path) -> None:
    sandbox = serve(conversations=6)
    export(client_of(sandbox), tmp_path, rate=0)
    _grow(sandbox, lively(sandbox), 5)
    sandbox.script(events_of(lively(sandbox)), Reply(500), times=-1)
    with pytest.raises(ExportIncomplete):
        export(client_of(sandbox), tmp_path, rate=0)
    shutil.rmtree(tmp_path / "_work")
    sandbox._scripts.clear()
    agree(contents_of(export(client_of(sandbox), tmp_path, rate=0)), sandbox.truth())
    nothing_twice(tmp_path)


def test_fault_22_a_folder_from_an_old_copy(serve: Serve, tmp_path: Path) -> None:
    sandbox = serve(conversations=6)
    export(client_of(sandbox), tmp_path / "now", rate=0)
    shutil.copytree(tmp_path / "now", tmp_path / "copy")
    _grow(sandbox, lively(sandbox), 5)
    export(client_of(sandbox), tmp_path / "now", rate=0)
    _grow(sandbox, lively(sandbox), 5)
    done = export(client_of(sandbox), tmp_path / "copy", rate=0)
    assert done.report.tables["events"] == 10
    agree(contents_of(done), sandbox.truth())
    nothing_twice(tmp_path / "copy")


def test_fault_22_a_folder_of_a_newer_version_is_left_alone(serve: Serve, tmp_path: Path) -> None:
    sandbox = serve(conversations=3)
    export(client_of(sandbox), tmp_path, rate=0)
    commit = tmp_path / "_commits" / "000001.json"
    commit.write_text(json.dumps({**json.loads(commit.read_text()), "format": 99}))
    with pytest.raises(CorruptFile, match="newer version"):
        export(client_of(sandbox), tmp_path, rate=0)
    assert [path.name for path in (tmp_path / "_commits").iterdir()] == ["000001.json"]


# -- 23, 24, 25: what the API tells late, or not at all


def test_fault_23_an_event_with_an_old_time_is_not_missed(serve: Serve, tmp_path: Path) -> None:
    sandbox = serve(conversations=4)
    conversation = lively(sandbox)
    before = export(client_of(sandbox), tmp_path, rate=0)
    last = before.dataset.commits[-1].watermarks[conversation]
    whole = b'{"id": "%b", "sequence_number": %d, "state": "ACTIVE"}' % (conversation.encode(), last + 1)
    late = event(last + 1, "custom:late", at=b'"2020-01-01T00:00:00Z"')
    sandbox.script(lambda r: r.path.endswith(conversation), Reply(200, whole))
    sandbox.script(events_of(conversation), Reply(200, page(late)))
    done = export(client_of(sandbox), tmp_path, rate=0)
    assert done.report.tables["events"] == 1
    assert (tmp_path / "events" / "date=2020-01-01").is_dir()
    nothing_twice(tmp_path)


def test_fault_24_conversations_come_and_go_while_they_are_listed(serve: Serve, tmp_path: Path) -> None:
    sandbox = serve(conversations=230)
    world, made = sandbox.world, []
    doomed = [world.head(ordinal).id for ordinal in (0, 99, 150)]

    def meanwhile(request: Request) -> bool:
        """Acts when the second page is asked for, and leaves the answer to the sandbox."""
        if request.path == "/v1/conversations" and request.method == "GET" and request.query.get("cursor") and not made:
            made.append("")
            for each in doomed:
                ordinal = world.ordinal_of(each)
                assert ordinal is not None
                world.remove(ordinal)
            answer = sandbox._app.answer(  # type: ignore[union-attr]
                Request("POST", "/v1/conversations", {}, request.authorization, b'{"name": "made meanwhile"}')
            )
            made.append(json.loads(answer.body)["id"])
        return False

    sandbox.script(meanwhile, Fault())
    result = export(client_of(sandbox), tmp_path, rate=0)
    found = result.dataset["conversations"]
    assert not found["conversation_id"].duplicated().any()
    left = set(sandbox.truth().sequence_numbers)
    assert left - set(found["conversation_id"]) <= {made[1]}, "at most the one that came after its page"
    assert set(found.loc[found["gone"].fillna(value=False).astype(bool), "conversation_id"]) <= set(doomed)
    sandbox._scripts.clear()
    done = export(client_of(sandbox), tmp_path, rate=0)
    assert left <= set(done.dataset["conversations"]["conversation_id"])
    assert (
        done.dataset["events"].groupby("conversation_id").size().to_dict().items()
        >= {each: n for each, n in sandbox.truth().events_per_conversation.items() if n}.items()
    )
    nothing_twice(tmp_path)


def test_fault_25_a_time_before_the_horizon_is_refused_not_empty(serve: Serve, tmp_path: Path) -> None:
    sandbox = serve(conversations=3)
    refused = b'{"code": "http:error:validation-fail", "title": "Bad request", "detail": "date_start is too far back"}'
    sandbox.script(lambda r: "date_start" in r.query, Reply(400, refused), times=-1)
    with pytest.raises(InvalidRequest, match="date_start is too far back"):
        export(client_of(sandbox), tmp_path, rate=0, since=datetime(2020, 1, 1, tzinfo=UTC))
    assert not list((tmp_path / "_commits").iterdir())


def test_fault_25_members_that_fail_leave_the_conversation_open(serve: Serve, tmp_path: Path) -> None:
    sandbox = serve(conversations=4)
    conversation = lively(sandbox)
    sandbox.script(lambda r: r.path.endswith(f"{conversation}/members"), Reply(500), times=-1)
    with pytest.raises(ExportIncomplete) as caught:
        export(client_of(sandbox), tmp_path, rate=0)
    assert list(caught.value.report.incomplete) == [conversation]
    assert conversation not in caught.value.result.dataset.commits[-1].watermarks
    sandbox._scripts.clear()
    agree(contents_of(export(client_of(sandbox), tmp_path, rate=0)), sandbox.truth())
    nothing_twice(tmp_path)


# -- many nights


def test_two_thousand_tiny_nights_are_one_dataset(serve: Serve, tmp_path: Path) -> None:
    """Commits are small and independent: their number is what opening costs, and nothing else."""
    sandbox = serve(conversations=3)
    export(client_of(sandbox), tmp_path, rate=0)
    first = json.loads((tmp_path / "_commits" / "000001.json").read_text())
    for number in range(2, 2001):
        night = {**first, "number": number, "files": [], "watermarks": {}, "settled": {}, "quarantine": None}
        (tmp_path / "_commits" / f"{number:06d}.json").write_text(json.dumps(night))
    assert len(open_dataset(tmp_path).commits) == 2000
    done = export(client_of(sandbox), tmp_path, rate=0)
    assert done.report.commit == 2001
    agree(contents_of(done), sandbox.truth())
