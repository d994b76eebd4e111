"""Files of events of every form give the tables that an export gives."""

from __future__ import annotations

import asyncio
import bz2
import gzip
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from conv_analytics import AsyncConversations, Frames, export, ingest, read_events
from conv_analytics.analysis import kpi, legs, quality
from conv_analytics.analysis.dialogue.timeline import timeline
from conv_analytics.errors import ConfigError
from conv_analytics.exporter import event_objects
from conv_analytics.exporter import json_pieces as pieces_module
from conv_analytics.exporter.event_objects import EventFiles
from conv_analytics.exporter.json_pieces import json_pieces
from conv_analytics.notebook import quality_report
from conv_analytics.privacy import Mask
from conv_analytics.resources import endpoints
from conv_analytics.sandbox import Sandbox
from conv_analytics.tables import TABLES
from conv_analytics.tables.webhook_bodies import split
from tests._helpers.document_reading import FIXTURES
from tests._helpers.sandboxes import agree, client_of, contents_of

LIVE = FIXTURES / "live"
HANGUP = json.loads((LIVE / "rtc_sip_hangup.json").read_text(encoding="utf-8"))


def hangup(number: int, **body: object) -> dict[str, Any]:
    return {**HANGUP, "id": number, "body": HANGUP["body"] | body}


def ids(frames: Frames) -> list[int]:
    return sorted(frames["hangups"]["event_id"].tolist())


# -- whole exports


@pytest.fixture(scope="module")
def pages(small_sandbox: Sandbox) -> list[bytes]:
    """Every page that an export of the sandbox reads, as it is sent."""

    async def read() -> list[bytes]:
        box = small_sandbox
        async with AsyncConversations(box.application_id, box.private_key, base_url=box.base_url) as client:
            found = [page.body async for page in client.raw_pages(endpoints.list_all_conversations())]
            names = [each.id async for each in client.list_all_conversations()]
            for name in names:
                found.append(await client.raw(endpoints.get_conversation(name)))
                for listing in (endpoints.list_all_members(name), endpoints.list_all_events(name)):
                    found += [page.body async for page in client.raw_pages(listing)]
            return found

    return asyncio.run(read())


@pytest.mark.slow
def test_pages_as_the_api_gave_them(pages: list[bytes], small_sandbox: Sandbox, tmp_path: Path) -> None:
    half = len(pages) // 2
    (tmp_path / "first.jsonl.gz").write_bytes(gzip.compress(b"\n".join(pages[:half])))
    indented = [json.dumps(json.loads(page), indent=2) for page in pages[half:]]
    (tmp_path / "second.json").write_text(json.dumps(list(map(json.loads, indented)), indent=1), encoding="utf-8")
    frames = read_events(tmp_path)
    agree(contents_of(frames), small_sandbox.truth())
    assert frames.report.status == "complete"
    assert set(frames["events"]["source"]) == {"file"}
    assert "2 files" in frames.report.sentence()
    # The questions that an export answers, and the same answers.
    with client_of(small_sandbox) as client:
        exported = export(client, rate=0, progress=None)
    for question in (legs, kpi, quality):
        pd.testing.assert_frame_equal(question(frames), question(exported))
    busiest = frames["events"]["conversation_id"].mode()[0]
    pd.testing.assert_frame_equal(timeline(frames, busiest), timeline(exported, busiest))
    assert "<html" in quality_report(frames).html[:500]


@pytest.mark.slow
def test_events_once_from_a_page_and_once_from_a_webhook(pages: list[bytes], tmp_path: Path) -> None:
    listed = [page for page in pages if b"/events/" in page]
    delivered = [
        event | {"conversation_id": event["_links"]["self"]["href"].split("/")[-3], "application_id": "c0ffee00"}
        for page in listed
        for event in json.loads(page)["_embedded"]["events"]
    ]
    random.Random(2).shuffle(delivered)
    (tmp_path / "a-pages.jsonl").write_bytes(b"\n".join(listed))
    (tmp_path / "b-webhooks.log").write_text(
        "\n".join(json.dumps(event, ensure_ascii=False, separators=(",", ":")) for event in delivered), encoding="utf-8"
    )
    by_page, both = read_events(tmp_path / "a-pages.jsonl"), read_events(str(tmp_path / "*"))
    assert both.report.duplicates == len(delivered) == len(by_page["events"])
    webhooks = read_events(tmp_path / "b-webhooks.log")
    for name in ("hangups", "call_records", "messages", "member_events", "audio_events", "transcripts"):
        pd.testing.assert_frame_equal(both[name], by_page[name])
        key = ["conversation_id", "event_id", *(["alternative"] if name == "transcripts" else [])]
        one, other = (frames[name].drop(columns="source").sort_values(key, ignore_index=True)
                      for frames in (by_page, webhooks))  # fmt: skip
        pd.testing.assert_frame_equal(one, other, check_categorical=False)


# -- forms of files

EVENTS = [hangup(number) for number in range(1, 40)]
FORMS: dict[str, Callable[[], bytes]] = {
    "one per line": lambda: "\n".join(map(json.dumps, EVENTS)).encode(),
    "windows": lambda: b"\xef\xbb\xbf" + "\r\n".join(map(json.dumps, EVENTS)).encode(),
    "powershell": lambda: "\r\n".join(map(json.dumps, EVENTS)).encode("utf-16"),
    "array": lambda: json.dumps(EVENTS).encode(),
    "indented array": lambda: json.dumps(EVENTS, indent=2).encode(),
    "array, not indented": lambda: json.dumps(EVENTS, indent=0).encode(),
    "one behind the other": lambda: "".join(map(json.dumps, EVENTS)).encode(),
    "json sequence": lambda: "".join(f"\x1e{json.dumps(event)}\n" for event in EVENTS).encode(),
    "page without links": lambda: json.dumps({"_embedded": {"data": {"events": EVENTS}}}, indent=4).encode(),
    "envelopes": lambda: "\n".join(
        json.dumps({"received_at": "2026-11-20T10:00:00Z", "request": {"headers": {}, "body": json.dumps(event)}})
        for event in EVENTS
    ).encode(),
    "own dump": lambda: json.dumps({"exported": "yesterday", "events": EVENTS}).encode(),
}
PACKINGS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": lambda data: gzip.compress(data[:1000]) + gzip.compress(data[1000:]),
    "zstd": lambda data: pa.Codec("zstd").compress(data, asbytes=True),
    "bz2": bz2.compress,
}


@pytest.mark.parametrize("form", FORMS)
def test_forms(form: str, tmp_path: Path) -> None:
    for number, (name, pack) in enumerate(PACKINGS.items()):
        path = tmp_path / f"{number}.dat"
        path.write_bytes(pack(FORMS[form]()))
        frames = read_events(path)
        assert ids(frames) == list(range(1, 40)), name
        assert (frames.report.quarantined, frames.report.status) == (0, "complete"), frames.broken[:2]
    if form == "envelopes":
        assert frames["events"]["received_at"].notna().all()


def test_a_log_with_events_in_it(tmp_path: Path) -> None:
    lines = [
        "[2026-11-20 09:15:00] INFO started {pid=7}",
        f"[2026-11-20 09:15:01] INFO POST /rtc {json.dumps(hangup(1))} 200 OK",
        json.dumps(hangup(2))[:180],
        json.dumps(hangup(3)),
        json.dumps(hangup(4), indent=2)[:300],
        json.dumps(hangup(5), indent=2),
        '{"level": "info", "message": "nothing of the API"}',
        "\x00\xff\x1b[31m\u202e",
        json.dumps(hangup(6)),
        json.dumps(hangup(7))[:-40],
    ]
    path = tmp_path / "webhook.log"
    path.write_text("\n".join(lines), encoding="utf-8")
    frames = read_events(path)
    assert ids(frames) == [1, 3, 5, 6]
    assert frames.report.quarantined == frames.report.lost == len(frames.broken)
    kept = [json.loads(line) for line in frames.broken]
    reasons = {line["problems"][0]["reason"] for line in kept}
    assert reasons == {"not a JSON object", "neither an event nor a page of a list"}
    # Nothing vanishes: what is no event is in the quarantine.
    text = "".join(line["raw"] or "" for line in kept)
    for part in ("started", "POST /rtc", "200 OK", lines[2], '"nothing of the API"', lines[9][:200]):
        assert part in text


def test_the_conversation_of_a_listed_event(tmp_path: Path) -> None:
    event = {"id": 1, "type": "sip:hangup", "timestamp": "2026-11-20T09:00:00Z", "body": HANGUP["body"]}
    mine, named = "CON-7d1f3c52-9b8a-4c1e-a5d3-2f6b8e90c411", "CON-b3a6d8e1-40f2-4d77-9e15-c8a2f1047b36"
    link = {"self": {"href": f"https://api.nexmo.com/v1/conversations/{mine}/events/1"}}
    for number, (name, document, conversation) in enumerate((
        ("own link", event | {"_links": link}, mine),
        # As PHP writes it.
        ("page link", {"_embedded": [event], "_links": link}, mine),
        (f"{named}", event, named),
        (f"{named}-page", {"_embedded": {"events": [event]}, "_links": link}, mine),
        ("unknown", event, None),
    )):  # fmt: skip
        path = tmp_path / str(number) / f"{name}.json"
        path.parent.mkdir()
        path.write_text(json.dumps(document).replace("/", "\\/"), encoding="utf-8")
        (row,) = read_events(path)["events"].to_dict("records")
        assert (row["conversation_id"] if isinstance(row["conversation_id"], str) else None) == conversation, name
        assert pd.isna(row["event_id"]) == (conversation is None)


def test_a_file_that_is_cut_off_or_damaged(tmp_path: Path) -> None:
    packed = gzip.compress("\n".join(json.dumps(hangup(number, note=str(random.Random(number).random())))
                                     for number in range(1, 3000)).encode())  # fmt: skip
    (tmp_path / "a.json.gz").write_bytes(packed[: len(packed) * 2 // 3])
    (tmp_path / "b.json").write_text(json.dumps(hangup(5000)), encoding="utf-8")
    frames = read_events([tmp_path / "a.json.gz", tmp_path / "b.json"])
    assert frames.report.status == "incomplete"
    assert list(frames.report.incomplete) == [str(tmp_path / "a.json.gz")]
    found = ids(frames)
    assert len(found) > 1000
    assert found[-1] == 5000
    with pytest.raises(ConfigError, match="names no file"):
        read_events(tmp_path / "*.parquet")
    with pytest.raises(ConfigError, match="no files"):
        read_events([])


def rows_of(size: int) -> list[bytes]:
    """Hangups of about a size together, which do not compress well."""
    draw, result, total = random.Random(size), list[bytes](), 0
    while total < size:
        result.append(json.dumps(hangup(len(result) + 1, note=draw.randbytes(60).hex())).encode())
        total += len(result[-1])
    return result


@pytest.mark.parametrize("size", [20_000, 700_000, pytest.param(2 * 2**20, marks=pytest.mark.slow)])
def test_what_is_before_the_damage_is_read(size: int, tmp_path: Path) -> None:
    rows = rows_of(size)
    whole = b"\n".join(rows) + b"\n"
    packed = {name: PACKINGS[name](whole) for name in ("gzip", "zstd", "bz2")}
    # Name, bytes, rows, and whether that is all.
    cases = [
        (f"{name}, then {padding[:4]!r}", packed[name] + padding, len(rows), True)
        for name in ("gzip", "bz2")
        # What follows a large file is as what follows a small one.
        for padding in ((bytes(9000),) if size > 10**6 else (bytes(512), bytes(9000), b"\n", b"\r\n \n"))
    ]
    cases += [
        ("NULs inside", gzip.compress(whole[:1000]) + bytes(600) + gzip.compress(whole[1000:]), len(rows), True),
        ("gzip without checksum", packed["gzip"][:-9], len(rows) - 1, False),
        ("half of gzip", packed["gzip"][: len(packed["gzip"]) // 2], len(rows) // 6, False),
        ("gzip, then text", packed["gzip"] + b"\nnot compressed", len(rows), False),
        ("bz2 without its end", packed["bz2"][:-9], len(rows), False),
        # A block is decompressed as a whole.
        ("zstd without its end", packed["zstd"][:-9], len(rows) - 2**17 // len(rows[0]) - 1, False),
    ]
    for name, data, least, is_all in cases:
        path = tmp_path / "file"
        path.write_bytes(data)
        frames = read_events(path)
        found = ids(frames)
        assert found == list(range(1, len(found) + 1)), name
        assert least <= len(found) <= len(rows), name
        assert frames.report.status == ("complete" if is_all else "incomplete"), name
        assert list(frames.report.incomplete) == ([] if is_all else [str(path)]), name


def test_masked(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text(
        f"call from 447700900101 {json.dumps(HANGUP)}\n" + (LIVE / "voice_completed.json").read_text(encoding="utf-8"),
        encoding="utf-8",
    )
    frames = read_events(tmp_path, mask=Mask(b"a key for this test only"))
    everything = " ".join(frame.to_csv() for frame in frames.values()) + "".join(frames.broken)
    for number in ("447700900101", "442079460201", "447700900102"):
        assert number not in everything
    (call,), (leg,) = frames["voice_events"].to_dict("records"), frames["hangups"].to_dict("records")
    assert call["conversation_id"] == leg["conversation_id"] == HANGUP["conversation_id"]
    assert (call["leg_id"], call["to"]) == (leg["leg_id"], leg["to_number"])
    assert frames.report.mask is not None


# -- the stream


@pytest.mark.parametrize("form", [form for form in FORMS if form != "powershell"])
def test_chunks_of_any_size(form: str) -> None:
    data = FORMS[form]()[:6000]
    whole = list(json_pieces(iter([data])))
    for size in (1, 3, 64, 1021):
        pieces = list(json_pieces(data[start : start + size] for start in range(0, len(data), size)))
        assert [piece.text for piece in pieces if piece.outline] == [piece.text for piece in whole if piece.outline]


@pytest.mark.parametrize("between", [b"\n", b",", b" and "])
def test_an_endless_stream_is_read_as_it_comes(between: bytes) -> None:
    taken = 0
    event = json.dumps(hangup(1)).encode() + between
    chunk = event * 50

    def endless() -> Iterator[bytes]:
        nonlocal taken
        yield b"["
        while True:
            taken += len(chunk)
            yield chunk

    given = 0
    for number, piece in enumerate(json_pieces(endless())):
        given += len(piece.text)
        assert taken - given < 4 * pieces_module.MAX_TEXT + number * len(between)
        if number == 8_000:
            break
    assert given > 2 * pieces_module.MAX_TEXT


def test_an_object_that_is_too_long_is_looked_into(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces_module, "MAX_OBJECT", 20_000)
    monkeypatch.setattr(pieces_module, "MAX_TEXT", 2_000)
    data = json.dumps({"_embedded": {"events": EVENTS}, "_links": {}}).encode()
    chunks = (data[start : start + 1000] for start in range(0, len(data), 1000))
    found = [json.loads(piece.text) for piece in json_pieces(chunks) if piece.outline]
    assert [event for event in found if "id" in event] == EVENTS


@pytest.mark.parametrize(
    "junk",
    [
        b'{"a": [{}',
        b'{"a":[{"body":{',
        b'{"a": [{"type":1,"id":1}\n',
        b'{"a": {\n',
        b'{"a": "\n',
        b"{abc} ",
        b"{" * 50,
        b'{"a":\n}\n',
        b'"',
        b"text\n",
        b"}]",
        b'{"a": "\\"\\"\n',
    ],
)
def test_junk_takes_no_more_than_its_length_and_hides_nothing(junk: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at = 0
    real = pieces_module._depth

    def counting(data: bytes, start: int, depth: int, end: int) -> tuple[int, int]:
        nonlocal looked_at
        result = real(data, start, depth, end)
        looked_at += max(0, result[1] - start)
        return result

    monkeypatch.setattr(pieces_module, "_depth", counting)
    event = json.dumps(hangup(1)).encode()
    data = junk * (100_000 // len(junk)) + b"\n" + event + b"\n"
    pieces = list(json_pieces(iter([data])))
    assert [piece.text for piece in pieces if piece.outline][-1] == event
    assert looked_at < 4 * len(data)


def test_pages_in_pages_hide_no_line_that_follows() -> None:
    event = json.dumps(hangup(1)).encode()
    for pages in (1, pieces_module.MAX_OPENED, 1_000):
        data = b'{"_embedded":[' * pages + b"\n" + event + b"\n"
        pieces = list(json_pieces(iter([data])))
        assert [piece.text for piece in pieces if piece.outline] == [event]
        assert b"".join(piece.text for piece in pieces).count(b"{") == data.count(b"{")


def test_a_damaged_page_after_another_is_looked_into() -> None:
    event = json.dumps(hangup(1)).encode()
    data = (b'{"_embedded":[' + event + b",") * 100
    assert [piece.text for piece in json_pieces(iter([data])) if piece.outline] == [event] * 100


_PAGES: dict[str, Callable[[list[Any]], Any]] = {
    "list": lambda events: {"_embedded": events},
    "events": lambda events: {"page_size": 10, "_embedded": {"events": events}},
    "data": lambda events: {"_embedded": {"data": {"cursor": "x", "events": events}}},
    "links first": lambda events: {"_links": {"self": {"href": "/v1/events?a={b}"}}, "_embedded": {"data": events}},
}


def _event_ids(stream: bytes) -> list[int]:
    outlines = [piece for piece in json_pieces(iter([stream])) if piece.outline]
    return [json.loads(piece.text)["id"] for piece in outlines if b"_embedded" not in piece.text]


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("page", _PAGES)
def test_a_page_that_is_cut_anywhere_gives_its_whole_events(page: str, indent: int | None) -> None:
    events = [{"id": number, "type": "text", "body": {"text": "x"}} for number in (1, 2, 3)]
    text = json.dumps(_PAGES[page](events), indent=indent)
    starts = [text.rindex("{", 0, text.index(f'"id": {number}')) for number in (1, 2, 3)]
    ends = [json.JSONDecoder().raw_decode(text, start)[1] for start in starts]
    for cut in range(1, len(text)):
        expected = [1, 2, 3][: sum(end <= cut for end in ends)]
        for after in ("", "\n", '\n{"id": 9, "type": "text"}\n'):
            assert _event_ids(f"{text[:cut]}{after}".encode()) == expected + [9] * ("9" in after), (cut, after)


_ENVELOPES: dict[str, Callable[[list[Any]], Any]] = {
    "records": lambda events: {"records": events},
    "hits": lambda events: {
        "took": 5, "_shards": {"failed": 0, "failures": [{"shard": 1}]},
        "hits": {"total": {"value": 3}, "hits": [{"_index": "calls", "_source": each} for each in events]},
    },
    "queue": lambda events: {"Records": [{"messageId": "a", "body": json.dumps(each)} for each in events]},
    "log group": lambda events: {
        "owner": "1", "logEvents": [{"id": "3", "message": f"INFO {json.dumps(each)}"} for each in events],
    },
    "another key": lambda events: {"note": "a {brace", "data": {"of": {"calls.events": events}}, "count": 3},
    "in a list": lambda events: {"batches": [{"events": events}]},
    "beside a list": lambda events: {"tags": [{"name": "night"}], "events": events},
}  # fmt: skip


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("envelope", _ENVELOPES)
def test_a_batch_that_is_cut_anywhere_gives_its_whole_events(
    envelope: str, indent: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = [hangup(number) | {"body": {"channel": {"to": [{"type": "phone"}]}}} for number in (1, 2, 3)]
    text = json.dumps(_ENVELOPES[envelope](events), indent=indent)
    chunks: list[bytes] = []
    monkeypatch.setattr(event_objects.EventFiles, "_chunks", lambda *_: iter(chunks))
    (tmp_path / "batch.json").touch()
    before = 0
    for cut in range(1, len(text) + 1):
        for after in ("", "\n" + json.dumps(hangup(9))):
            chunks[:] = [f"{text[:cut]}{after}".encode()]
            batch = next(iter(EventFiles(tmp_path / "batch.json")))
            found = [json.loads(each.body)["id"] for each in batch.rtc]
            assert found[len(found) - bool(after) :] == [9] * bool(after)
            whole = found[: len(found) - bool(after)]
            assert whole == [1, 2, 3][: len(whole)]
            # The rest is counted, as soon as there is any.
            assert bool(batch.broken) == (cut < len(text)), (cut, after)
        assert before <= len(whole) <= before + 1, "an event is there as soon as it is whole, and stays"
        ended = text[:cut].count('"timestamp"')
        assert len(whole) >= ended - 1
        before = len(whole)
    assert before == 3


def test_lists_of_a_damaged_event_are_no_events_of_their_own() -> None:
    inside = {"type": "text", "id": 7, "timestamp": "2026-11-20T09:17:41Z"}
    for event in (
        {"type": "message", "id": 1, "body": {"custom": {"events": [inside, inside], "more": 1}}},
        {"uuid": "9f2c", "speech": {"results": [{"text": "yes", "confidence": "0.9"}, {"text": "no"}]}, "to": "44"},
        {"id": "CON-1", "members": [{"id": "MEM-1", "state": "JOINED"}, {"id": "MEM-2"}], "name": "x"},
    ):
        text = json.dumps(event).encode()
        for cut in range(1, len(text)):
            assert [piece.outline for piece in json_pieces(iter([text[:cut]]))] == [None], text[:cut]


@pytest.mark.parametrize(
    "inner", [b'"\xff{"', b'"\\ud800{"', b'"{\\"a"', b"[1]", b"[[]]", b"[]", b"{}", b'"}{"', b"1e999"]
)
def test_whatever_is_in_the_first_object_of_a_cut_batch(inner: bytes) -> None:
    event = json.dumps(hangup(1)).encode()
    data = b'{"records": [{"a": ' + inner + b"}, " + event + b", {\n" + event
    pieces = list(json_pieces(iter([data])))
    assert [piece.text for piece in pieces if piece.outline][-1] == event
    assert b"".join(piece.text for piece in pieces).count(b"{") == data.count(b"{")


@pytest.mark.parametrize("count", [1, 8, 9, 50])
@pytest.mark.parametrize("page", _PAGES)
def test_pages_that_are_cut_one_after_another_hide_no_event(page: str, count: int) -> None:
    events = [{"id": number, "type": "text", "body": {"text": "x"}} for number in range(50)]
    text = json.dumps(_PAGES[page](events))
    first = text.index('"type"')
    stream = f"{text[:first]}\n" * count + text[: text.rindex('"type"')]
    assert _event_ids(stream.encode()) == list(range(49))


# -- everything that a world sends to webhooks

#: Webhooks have neither.
NOT_DELIVERED = {"leg_statuses": {"successful", "reason"}, "call_records": {"successful", "reason"}}


@pytest.mark.slow
@pytest.mark.parametrize("quirks", [False, True])
def test_what_webhooks_received_is_what_the_lists_have(quirks: bool, tmp_path: Path) -> None:
    with Sandbox(seed=5, conversations=30, days=2, quirks=quirks) as sandbox, client_of(sandbox) as client:
        listed = export(client, rate=0, progress=None)
        sent = sandbox.deliveries(shuffle=True, duplicates=0.05, quirks=quirks)
    bodies = [body for each in sent for body in split(each.body or each.query.encode())]
    (tmp_path / "received.jsonl").write_bytes(b"\n".join(bodies))
    received = read_events(tmp_path)
    assert received.report.quarantined == 0, received.broken[:3]
    assert received.report.duplicates >= 0.03 * len(bodies)
    assert len(received["events"]) + len(received["voice_events"]) + received.report.duplicates == len(bodies)
    for name, table in TABLES.items():
        if name != "events" and (not table.types or name == "transcripts"):
            continue
        key = ["conversation_id", *[each for each in table.key if each != "conversation_id"]]
        theirs, ours = (frames[name].dropna(subset=key) for frames in (listed, received))
        ours = ours[ours["source"] == "live"]
        pairs = theirs.merge(ours, on=key, suffixes=("", " live"))
        assert len(pairs) == len(theirs) > 0, name
        differing = {
            column
            for column in set(theirs) - set(key) - {"source", "received_at", "event_key", "body", "extra"}
            if any(map(_differ, pairs[column], pairs[f"{column} live"]))
        }
        assert differing <= NOT_DELIVERED.get(name, set()), name
    by_list, live = (legs(frames).set_index("leg_id").sort_index() for frames in (listed, received))
    for column in ("conversation_id", "outcome", "answered", "talk_s", "started_at", "ended_at", "mos_score"):
        pd.testing.assert_series_equal(live[column], by_list[column])


def _differ(one: Any, other: Any) -> bool:
    """Whether two cells say different things; JSON may be spaced differently, and what is empty says nothing."""
    one, other = (None if pd.isna(each) or each == "" else each for each in (one, other))
    if isinstance(one, str) and isinstance(other, str) and one[:1] in {"[", "{"}:
        return json.loads(one) != json.loads(other)
    return one != other


_NOTE = b'{"type": "custom:note", "id": 7, "conversation_id": "CON-1", "timestamp": "2026-11-20T09:00:00Z", "body": {}}'


@pytest.mark.parametrize(
    "damaged",
    [
        b'{"_embedded": {"members": 5}}',
        b'{"_embedded": {"users": {"a": 1}}}',
        b'{"_embedded": {"sessions": "x"}}',
        b'{"_embedded": {"conversations": 5}}',
        b'{"_embedded": {"events": 5}}',
    ],
)
def test_a_page_whose_list_is_none_costs_no_other_object(damaged: bytes, tmp_path: Path) -> None:
    file = tmp_path / "objects.jsonl"
    file.write_bytes(_NOTE + b"\n" + damaged)
    frames = read_events(file)
    assert frames["events"]["event_id"].tolist() == [7]
    assert frames.report.quarantined == len(frames.broken) == 1
    report = ingest(tmp_path / "exports", file)
    assert (report.tables, report.quarantined) == ({"events": 1}, 1)


@pytest.mark.parametrize("at", [b"[" * 100_000 + b"]" * 100_000, b'"\xff"', b'"\\ud83d"', b"{}", b"1e999"])
def test_an_envelope_whose_instant_cannot_be_read(at: bytes, tmp_path: Path) -> None:
    file = tmp_path / "objects.jsonl"
    file.write_bytes(b'{"received_at": ' + at + b', "body": ' + _NOTE + b"}")
    assert read_events(file)["events"]["event_id"].tolist() == [7]


# -- documents of other forms and times

CALL = {"uuid": "aaaaaaaa-0000-4000-8000-000000000001", "conversation_uuid": "CON-1", "status": "completed",
        "timestamp": "2026-05-04T09:00:09.000Z", "direction": "inbound", "price": "0.01", "duration": "9"}  # fmt: skip
CON = "CON-7d1f3c52-9b8a-4c1e-a5d3-2f6b8e90c411"
LINK = f"https://api.example.com/beta/conversations/{CON}"


def _read(tmp_path: Path, *documents: Any) -> Frames:
    path = tmp_path / "documents.jsonl"
    path.write_text("\n".join(each if isinstance(each, str) else json.dumps(each) for each in documents))
    return read_events(path)


@pytest.mark.parametrize(
    "envelope",
    [
        lambda records: {"Records": [{"body": json.dumps(each)} for each in records]},
        lambda records: {"hits": {"total": 2, "hits": [{"_id": "x", "_source": each} for each in records]}},
    ],
)
def test_what_a_batch_has_beside_events_is_quarantined(envelope: Callable[[Any], Any], tmp_path: Path) -> None:
    frames = _read(tmp_path, envelope([CALL, {"uuid": "u9", "note": "no event"}]))
    assert len(frames["voice_events"]) == 1
    assert (frames.report.quarantined, frames.report.status) == (1, "complete")
    # Nothing is said of lists without any event.
    frames = _read(tmp_path, {"headers": [{"name": "a", "value": "b"}], "body": CALL})
    assert (len(frames["voice_events"]), frames.report.quarantined) == (1, 0)


@pytest.mark.parametrize("wrap", [lambda one: one, lambda one: [one], lambda one: {"answer": one}])
def test_answers_about_one_conversation_or_member(wrap: Callable[[Any], Any], tmp_path: Path) -> None:
    of_user = {"id": CON, "name": "NAM-1", "_embedded": {"id": "MEM-1", "state": "LEFT"}}
    frames = _read(tmp_path, wrap(of_user))
    assert frames["conversations"]["conversation_id"].to_list() == [CON]
    assert len(frames["members"]) == frames.report.quarantined == 0
    channel = {"type": "phone", "id": CALL["uuid"], "from": {"type": "phone", "number": "442079460999"}}
    member = {"id": "MEM-1", "state": "JOINED", "conversation_id": CON, "channel": channel,
              "_embedded": {"user": {"id": "USR-1", "name": "bot"}}}  # fmt: skip
    frames = _read(tmp_path, wrap(member))
    assert frames["members"][["member_id", "conversation_id"]].to_numpy().tolist() == [["MEM-1", CON]]
    assert len(frames["events"]) == frames.report.quarantined == 0


def test_the_conversation_of_a_member_is_its_own(tmp_path: Path) -> None:
    link = {"_links": {"self": {"href": "https://api.example.com/v1/conversations/CON-2/members/MEM-1"}}}
    member = {"id": "MEM-1", "state": "JOINED"}
    own = {**member, "conversation_id": CON}
    for document, expected in ((own, CON), (member | link, "CON-2"), (own | link, CON)):
        frames = _read(tmp_path, document)
        assert frames["members"]["conversation_id"].to_list() == [expected]


def test_a_conversation_of_the_beta_with_its_members(tmp_path: Path) -> None:
    channel = {"type": "phone", "id": CALL["uuid"], "from": {"type": "phone", "number": "442079460999"}}
    members = [{"member_id": "MEM-1", "state": "LEFT", "channel": channel}]
    documents = [{"uuid": uuid, "name": "NAM", "members": members, "_links": {"self": {"href": LINK}}}
                 for uuid in (CON, "CON-2")]  # fmt: skip
    frames = _read(tmp_path, *documents)
    assert sorted(frames["conversations"]["conversation_id"]) == ["CON-2", CON]
    assert len(frames["events"]) == frames.report.quarantined == 0
    # The greeting of a WebSocket is no conversation.
    frames = _read(tmp_path, {"event": "websocket:connected", "uuid": CON, "content-type": "audio/l16;rate=16000"})
    assert (len(frames["conversations"]), frames.report.quarantined) == (0, 1)


def test_events_of_the_beta_have_a_link_of_their_own(tmp_path: Path) -> None:
    kinds = ("member:joined", "leg:status:update", "member:media")
    events = [{"id": str(number), "type": kind, "from": "MEM-1", "timestamp": "2018-05-04T09:00:00.000Z",
               "body": {}, "href": f"{LINK}/events/{number}"} for number, kind in enumerate(kinds, 1)]  # fmt: skip
    frames = _read(tmp_path, events)
    assert frames["events"][["conversation_id", "event_id"]].to_numpy().tolist() == [[CON, 1], [CON, 2], [CON, 3]]


@pytest.mark.parametrize(
    "envelope",
    [
        {"type": "webhook", "timestamp": "2026-05-04T09:00:10Z", "body": CALL},
        {"specversion": "1.0", "type": "com.example.voice", "id": "A234-1234", "data": CALL},
        {"specversion": "1.0", "type": "com.example.voice", "id": "1234", "time": "2026-05-04T09:00:10Z", "data": CALL},
        {"uuid": "req-1", "status": 200, "url": "/events", "body": CALL},
    ],
)
def test_an_envelope_with_a_type_is_opened(envelope: Any, tmp_path: Path) -> None:
    frames = _read(tmp_path, envelope)
    assert frames["voice_events"]["leg_id"].to_list() == [CALL["uuid"]]
    assert len(frames["events"]) == frames.report.quarantined == 0


def test_an_event_of_your_own_is_no_envelope(tmp_path: Path) -> None:
    own = {"type": "custom:seen", "id": 4, "timestamp": "2026-05-04T09:00:10Z", "body": CALL}
    frames = _read(tmp_path, own)
    assert frames["events"]["type"].to_list() == ["custom:seen"]
    assert len(frames["voice_events"]) == 0


@pytest.mark.parametrize("first", [0, 1])
def test_a_push_notification_hides_no_event(first: int, tmp_path: Path) -> None:
    event = {"type": "member:invited", "id": 8, "application_id": "c0ffee00-1d0c-4a2b-8a57-6f0e5d1b2a90",
             "conversation_id": CON, "from": "MEM-1", "timestamp": "2026-05-04T09:00:00.000Z",
             "body": {"user": {"id": "USR-1", "name": "ann"}}}  # fmt: skip
    push = {("event_type" if key == "type" else key): value for key, value in event.items()} | {"push_info": {}}
    frames = _read(tmp_path, *((event, push) if first else (push, event)))
    assert frames["events"]["type"].to_list() == ["member:invited"]
    assert (len(frames["member_events"]), frames.report.quarantined) == (1, 1)
