"""Complete means that nothing is missing: watermarks stay at what is in hand, and the rest is asked for again."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq
import pytest

from conv_analytics import export, open_dataset
from conv_analytics.dataset.maintenance.finding import Level
from conv_analytics.dataset.maintenance.verify import verify
from conv_analytics.dataset.memory.watermark_index import WatermarkIndex
from conv_analytics.dataset.storage.watermarks import Watermark
from conv_analytics.errors import ExportIncomplete
from conv_analytics.exporter import Report
from conv_analytics.exporter.audit import audit
from conv_analytics.sandbox import Reply, Request, Sandbox
from conv_analytics.tables import TABLES
from tests._helpers import list_fuzzing
from tests._helpers.sandboxes import Serve, agree, client_of, contents_of, holds_twice

pytestmark = pytest.mark.slow

DAY = timedelta(days=1)
Change = Callable[[dict[str, Any], Request], None]


def alter(sandbox: Sandbox, path: str, change: Change, *, ask: Callable[[Request], Request] = lambda r: r) -> None:
    """Let a server change its answers to some requests, or mishear what it is asked."""

    def answer(request: Request) -> Reply:
        assert sandbox._app is not None
        reply = sandbox._app.answer(ask(request))
        page = json.loads(reply.body)
        change(page, request)
        return Reply(reply.status, msgspec.json.encode(page))

    sandbox.script(lambda request: request.path.endswith(path), answer, times=-1)


def mend(sandbox: Sandbox) -> None:
    """The server is as it should be again."""
    sandbox._scripts.clear()


def long_one(sandbox: Sandbox) -> str:
    """A conversation with more than two pages of events."""
    world = sandbox.world
    return next(each.id for each in map(world.conversation, world.ordinals) if len(each.rendered) > 250)


def run(sandbox: Sandbox, folder: Path, **options: Any) -> Report:
    """Export, complete or not; nothing is in the folder twice for a plain reader."""
    try:
        report: Report = export(client_of(sandbox), folder, rate=0, allow_empty=True, **options).report
    except ExportIncomplete as error:
        report = error.report
    for name, table in TABLES.items():
        if (folder / name).exists():
            key = [*table.key, *([] if table.latest is None else ["exported_at"])]
            assert not holds_twice(folder / name, key), name
    return report


def mark(folder: Path, conversation: str) -> Watermark:
    known = WatermarkIndex(folder, open_dataset(folder).commits)
    found = known[conversation]
    known.close()
    return found


def smaller(request: Request) -> Request:
    """A server that has at most 20 items on a page."""
    return replace(request, query={**request.query, "page_size": "20"})


def heights(folder: Path) -> dict[str, int]:
    return {
        name: pq.read_table(folder / name, columns=list(table.key)).num_rows
        for name, table in TABLES.items()
        if (folder / name).exists()
    }


# -- links

MANGLED = {
    "page": lambda href: href.partition("?")[0] + "?page=2",
    "capital": lambda href: href.replace("cursor=", "Cursor="),
    "none": lambda href: href.partition("&cursor")[0],
}


@pytest.mark.parametrize("link", MANGLED)
@pytest.mark.parametrize("name", ["events", "members"])
def test_a_list_that_warns_is_read_again_by_the_next_run(link: str, name: str, serve: Serve, tmp_path: Path) -> None:
    sandbox = serve(conversations=6)
    conversation = long_one(sandbox)

    def mangle(page: dict[str, Any], _request: Request) -> None:
        following = page["_links"].get("next")
        if following:
            following["href"] = MANGLED[link](following["href"])

    def one(request: Request) -> Request:
        return replace(request, query={**request.query, "page_size": "1" if name == "members" else "20"})

    alter(sandbox, f"{conversation}/{name}", mangle, ask=one)
    first = run(sandbox, tmp_path)
    assert first.status == "incomplete"
    assert "may be incomplete" in first.incomplete[conversation]
    assert mark(tmp_path, conversation).unread
    assert mark(tmp_path, conversation).last_event == (20 if name == "events" else first_last(sandbox, conversation))
    told = [finding for finding in verify(tmp_path) if "not read to their end" in finding.what]
    assert [finding.level for finding in told] == [Level.WARNING]
    assert conversation in told[0].what
    assert audit(client_of(sandbox), tmp_path, rate=0).unread == [conversation]
    mend(sandbox)
    second = run(sandbox, tmp_path)
    assert second.status == "complete"
    agree(contents_of(export(client_of(sandbox), tmp_path, rate=0, allow_empty=True)), sandbox.truth())
    assert not mark(tmp_path, conversation).unread
    assert not [each for each in verify(tmp_path) if "not read to their end" in each.what]
    assert run(sandbox, tmp_path).requests == 1 + 6


def first_last(sandbox: Sandbox, conversation: str) -> int:
    return sandbox.truth().sequence_numbers[conversation]


def test_a_link_that_was_escaped_for_html_is_followed(serve: Serve, tmp_path: Path) -> None:
    sandbox = serve(conversations=24)

    def escape(page: dict[str, Any], _request: Request) -> None:
        following = page["_links"].get("next")
        if following:
            following["href"] = following["href"].replace("&", "&amp;")

    for path in ("/members", "/events", "/v1/conversations"):
        alter(sandbox, path, escape, ask=smaller)
    agree(contents_of(export(client_of(sandbox), tmp_path, rate=0)), sandbox.truth())


# -- a list that lags behind


def lag(sandbox: Sandbox, conversation: str, last: int) -> None:
    """The list of events ends there, whatever the conversation says."""

    def cut(page: dict[str, Any], _request: Request) -> None:
        page["_embedded"]["events"] = [each for each in page["_embedded"]["events"] if each["id"] <= last]
        page["_links"].pop("next", None)

    alter(sandbox, f"{conversation}/events", cut)


def short_one(sandbox: Sandbox) -> str:
    world = sandbox.world
    return next(each.id for each in map(world.conversation, world.ordinals) if 5 < each.sequence_number < 90)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> dict[str, datetime]:
    """What time the runs take it to be."""
    at = {"now": datetime(2026, 11, 21, 3, tzinfo=UTC)}

    class Watch(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return at["now"]

    monkeypatch.setattr("conv_analytics.exporter.run.datetime", Watch)
    return at


@pytest.mark.parametrize("place", ["before others", "at the end"])
@pytest.mark.parametrize("damage", ["no id", "no object"])
def test_what_lags_comes_though_something_has_no_id(damage: str, place: str, serve: Serve, tmp_path: Path) -> None:
    """What is in the quarantine has no id: it does not explain what is missing, and is not stored again."""
    sandbox = serve(conversations=6)
    conversation = short_one(sandbox)
    last = sandbox.truth().sequence_numbers[conversation]
    bad = last - 1 if place == "at the end" else last - 4
    nights = {"most": last - 1}

    def answer(page: dict[str, Any], _request: Request) -> None:
        events = [each for each in page["_embedded"]["events"] if each["id"] <= nights["most"]]
        for at, each in enumerate(events):
            if each["id"] == bad:
                events[at] = {**each, "id": None} if damage == "no id" else 17
        page["_embedded"]["events"] = events

    alter(sandbox, f"{conversation}/events", answer)
    rows = sandbox.truth().events - (damage == "no object")
    run(sandbox, tmp_path)
    assert len(open_dataset(tmp_path)["events"]) == rows - 1
    nights["most"] = last
    assert run(sandbox, tmp_path).pending == {}
    assert len(open_dataset(tmp_path)["events"]) == rows
    assert run(sandbox, tmp_path).requests == 1 + 6


def test_events_without_an_id_are_told_apart(serve: Serve, tmp_path: Path) -> None:
    """Equal bodies do not make them one; read again, each is there once."""
    sandbox = serve(conversations=6)
    conversation = short_one(sandbox)
    ordinal = sandbox.world.ordinal_of(conversation)
    assert ordinal is not None

    def nameless(page: dict[str, Any], _request: Request) -> None:
        for each in page["_embedded"]["events"]:
            if each["type"] == "custom:later":
                each["id"] = None

    alter(sandbox, f"{conversation}/events", nameless)
    for _ in range(3):
        add(sandbox, ordinal)
        run(sandbox, tmp_path)
        run(sandbox, tmp_path, full=True)
        assert len(open_dataset(tmp_path)["events"]) == sandbox.truth().events


@pytest.mark.parametrize("options", [{}, {"lookback": DAY}])
def test_what_is_missing_at_the_end_comes_with_the_next_run(
    options: dict[str, Any], clock: dict[str, datetime], serve: Serve, tmp_path: Path
) -> None:
    sandbox = serve(conversations=6)
    conversation = short_one(sandbox)
    last = sandbox.truth().sequence_numbers[conversation]
    lag(sandbox, conversation, last - 2)
    report = run(sandbox, tmp_path, **options)
    assert (report.status, report.pending) == ("complete", {conversation: 2})
    assert f"1 conversations end before the event that they name as their last ({conversation})" in str(report)
    assert report.summary()["pending"] == 1
    assert mark(tmp_path, conversation)[3:6] == (last, "2026-11-21T03:00:00Z", False)
    assert mark(tmp_path, conversation).last_event == last - 2
    assert audit(client_of(sandbox), tmp_path, rate=0).newer_in_api == [conversation]
    mend(sandbox)
    clock["now"] += DAY
    sandbox.requests.clear()
    second = run(sandbox, tmp_path, **options)
    assert second.pending == {}
    asked = [seen.path for seen in sandbox.requests if seen.path.startswith(f"/v1/conversations/{conversation}/")]
    assert asked == [f"/v1/conversations/{conversation}/events"], "one request, and not for its members"
    agree(contents_of(export(client_of(sandbox), tmp_path, rate=0, allow_empty=True)), sandbox.truth())


@pytest.mark.parametrize("few", [0, 1000])
def test_what_never_comes_is_not_asked_for_for_ever(
    few: int, clock: dict[str, datetime], serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ephemeral events have numbers, but no list has them (contract 2.7)."""
    monkeypatch.setattr("conv_analytics.dataset.writer.FEW", few)
    sandbox = serve(conversations=6)
    conversation = short_one(sandbox)
    lag(sandbox, conversation, sandbox.truth().sequence_numbers[conversation] - 1)
    found = []
    for night in range(5):
        clock["now"] = datetime(2026, 11, 21, 3, tzinfo=UTC) + night * DAY
        report = run(sandbox, tmp_path)
        found.append((report.status, report.pending.get(conversation), report.requests))
    assert found[1:] == [("complete", 1, 8), ("complete", None, 8), ("complete", None, 7), ("complete", None, 7)]
    assert audit(client_of(sandbox), tmp_path, rate=0).equal == 6
    # A later event is asked for all the same, and what comes in between with it.
    world = sandbox.world
    mend(sandbox)
    before = len(open_dataset(tmp_path)["events"])
    assert before == sandbox.truth().events - 1
    ordinal = world.ordinal_of(conversation)
    assert ordinal is not None
    add(sandbox, ordinal)
    clock["now"] += DAY
    run(sandbox, tmp_path)
    clock["now"] += DAY
    agree(contents_of(export(client_of(sandbox), tmp_path, rate=0, allow_empty=True)), sandbox.truth())


def add(sandbox: Sandbox, ordinal: int) -> None:
    from conv_analytics.sandbox.world.records import Event

    world = sandbox.world
    last = world.conversation(ordinal).sequence_number
    world.append_event(ordinal, Event(last + 1, "custom:later", None, {}, world.tick(), {}))


def test_a_conversation_of_ephemeral_events_alone_is_complete_in_the_end(
    clock: dict[str, datetime], serve: Serve, tmp_path: Path
) -> None:
    sandbox = serve(conversations=6)
    conversation = short_one(sandbox)
    lag(sandbox, conversation, 0)
    found = []
    for night in range(4):
        clock["now"] = datetime(2026, 11, 21, 3, tzinfo=UTC) + night * DAY
        found.append(list(run(sandbox, tmp_path).incomplete))
    assert found == [[conversation], [conversation], [], []]


def test_an_empty_page_that_a_link_led_to_settles_nothing(serve: Serve, tmp_path: Path) -> None:
    sandbox = serve(conversations=6)
    conversation = long_one(sandbox)

    def hollow(page: dict[str, Any], request: Request) -> None:
        if "cursor" in request.query:
            page["_embedded"]["events"] = []
            page["_links"].pop("next", None)

    alter(sandbox, f"{conversation}/events", hollow)
    run(sandbox, tmp_path)
    mend(sandbox)
    run(sandbox, tmp_path)
    agree(contents_of(export(client_of(sandbox), tmp_path, rate=0, allow_empty=True)), sandbox.truth())


# -- servers that do not listen


def unheard(*names: str) -> Callable[[Request], Request]:
    """A server that ignores some parameters."""
    return lambda request: replace(request, query={k: v for k, v in request.query.items() if k not in names})


def test_a_server_that_ignores_start_id_brings_nothing_twice(serve: Serve, tmp_path: Path) -> None:
    sandbox = serve(conversations=20, broken=0.05)
    run(sandbox, tmp_path)
    before = heights(tmp_path)
    conversation = long_one(sandbox)
    alter(sandbox, "/events", lambda *_: None, ask=unheard("start_id"))
    ordinal = sandbox.world.ordinal_of(conversation)
    assert ordinal is not None
    for night in range(1, 3):
        add(sandbox, ordinal)
        report = run(sandbox, tmp_path)
        assert (report.status, report.tables["events"]) == ("complete", 1)
        assert report.already_stored > 250
        after = heights(tmp_path)
        final = {name for name, table in TABLES.items() if table.latest is None and name in after}
        assert {name: after[name] - before[name] for name in final if after[name] != before[name]} == {"events": night}


def test_events_in_the_wrong_order_leave_no_hole_when_their_list_fails(serve: Serve, tmp_path: Path) -> None:
    sandbox = serve(conversations=6)
    conversation = long_one(sandbox)

    def backwards(request: Request) -> Request:
        return replace(request, query={**request.query, "order": "desc"})

    def late(request: Request) -> bool:
        return request.path.endswith(f"{conversation}/events") and "cursor" in request.query

    sandbox.script(late, Reply(500), times=-1)
    alter(sandbox, f"{conversation}/events", lambda *_: None, ask=backwards)
    first = run(sandbox, tmp_path)
    assert list(first.incomplete) == [conversation]
    rows = open_dataset(tmp_path)["events"].query("conversation_id == @conversation")
    assert len(rows) == 100
    assert mark(tmp_path, conversation)[1:6] == (0, None, max(rows["event_id"]), None, True)
    assert Level.ERROR not in {each.level for each in verify(tmp_path)}
    mend(sandbox)
    assert run(sandbox, tmp_path).status == "complete"
    agree(contents_of(export(client_of(sandbox), tmp_path, rate=0, allow_empty=True)), sandbox.truth())


def test_a_list_in_the_wrong_order_that_fails_twice_is_stored_once(serve: Serve, tmp_path: Path) -> None:
    """First from its end, then from its beginning: what lies between comes with the third run."""
    sandbox = serve(conversations=6)
    conversation = long_one(sandbox)

    def late(request: Request) -> bool:
        return request.path.endswith(f"{conversation}/events") and "cursor" in request.query

    for order in ("desc", "asc"):
        mend(sandbox)
        sandbox.script(late, Reply(500), times=-1)
        alter(
            sandbox,
            f"{conversation}/events",
            lambda *_: None,
            ask=lambda request, order=order: replace(request, query={**request.query, "order": order}),
        )
        assert list(run(sandbox, tmp_path).incomplete) == [conversation]
    assert (mark(tmp_path, conversation).last_event, mark(tmp_path, conversation).unread) == (100, True)
    mend(sandbox)
    assert run(sandbox, tmp_path).status == "complete"
    agree(contents_of(export(client_of(sandbox), tmp_path, rate=0, allow_empty=True)), sandbox.truth())


# -- pages smaller than asked for


def unlinked(page: dict[str, Any], _request: Request) -> None:
    page["_links"].pop("next", None)


@pytest.mark.parametrize("name", ["/v1/conversations", "/members", "/v1/users"])
def test_a_short_page_without_a_link_is_no_end(name: str, serve: Serve, tmp_path: Path) -> None:
    sandbox = serve(conversations=24)
    world = sandbox.world
    if name == "/members":
        each = max(map(world.conversation, world.ordinals), key=lambda one: len(one.members))
        name = f"{each.id}/members"
    alter(sandbox, name, unlinked, ask=smaller)
    report = run(sandbox, tmp_path, tables=["users", "conversations", "members", "events"])
    if name.endswith("/members") and len(each.members) < 20:
        assert report.status == "complete"
        return
    assert report.status == "incomplete"
    assert "no link" in str(report.incomplete)


@pytest.mark.parametrize("size", ["told", "counted", "untold"])
@pytest.mark.parametrize("most", [1, 3, 10])
def test_however_short_a_full_page_without_a_link_is_no_end(most: int, size: str, serve: Serve, tmp_path: Path) -> None:
    sandbox = serve(conversations=most + 2)

    def cap(request: Request) -> Request:
        asked = min(most, int(request.query.get("page_size", "10")))
        return replace(request, query={**request.query, "page_size": str(asked)})

    def cut(page: dict[str, Any], request: Request) -> None:
        unlinked(page, request)
        if size == "untold":
            del page["page_size"]
        elif size == "counted":
            page["page_size"] = len(page["_embedded"]["conversations"])

    alter(sandbox, "/v1/conversations", cut, ask=cap)
    report = run(sandbox, tmp_path, tables=["conversations"])
    assert (report.status, report.listed) == ("incomplete", most)
    assert "no link to a next page" in report.incomplete["conversations"]
    mend(sandbox)
    assert run(sandbox, tmp_path).listed == most + 2


@pytest.mark.parametrize("empty", [0, 1])
@pytest.mark.parametrize("few", [1, 2, 3, 100])
def test_a_full_page_that_is_all_there_is_is_complete(few: int, empty: int, serve: Serve, tmp_path: Path) -> None:
    """Whatever it says of its size, with an empty record (contract 9, no. 4) or without; it costs a request or two."""
    sandbox = serve(conversations=few)

    def count(page: dict[str, Any], request: Request) -> None:
        if "page_size" not in request.query or int(request.query["page_size"]) >= few:
            page["_embedded"]["conversations"] += [{}] * empty
        page["page_size"] = len(page["_embedded"]["conversations"])

    alter(sandbox, "/v1/conversations", count)
    report = run(sandbox, tmp_path, tables=["conversations"])
    assert (report.status, report.listed, report.requests) == ("complete", few, few + 2)


def test_short_pages_of_events_without_a_link_are_gone_on_with_by_their_ids(serve: Serve, tmp_path: Path) -> None:
    sandbox = serve(conversations=6)
    alter(sandbox, "/events", unlinked, ask=smaller)
    agree(contents_of(export(client_of(sandbox), tmp_path, rate=0)), sandbox.truth())


def test_a_server_that_repeats_its_short_page_is_told(serve: Serve, tmp_path: Path) -> None:
    sandbox = serve(conversations=6)
    conversation = long_one(sandbox)
    alter(sandbox, f"{conversation}/events", unlinked, ask=lambda request: unheard("start_id")(smaller(request)))
    report = run(sandbox, tmp_path)
    assert report.incomplete[conversation].startswith("its events end at 20, but its last one is")
    assert mark(tmp_path, conversation).last_event == 20


@pytest.mark.parametrize("size", [1, None])
@pytest.mark.parametrize("place", [-1, 0])
def test_one_event_of_many_is_no_whole_list(place: int, size: int | None, serve: Serve, tmp_path: Path) -> None:
    """A list that is cut, unlinked and in no order may show its last event alone: its gap is asked for."""
    sandbox = serve(conversations=3)

    def show_one(page: dict[str, Any], request: Request) -> None:
        unlinked(page, request)
        page["_embedded"]["events"] = page["_embedded"]["events"][place:][:1]
        page["page_size"] = size

    def whole(request: Request) -> Request:
        return replace(request, query={**request.query, "page_size": "100"})

    alter(sandbox, "/events", show_one, ask=whole)
    report = run(sandbox, tmp_path)
    if place == -1:
        assert report.status == "incomplete"
        assert "its list skips events between 1 and" in str(report.incomplete)
    mend(sandbox)
    agree(contents_of(export(client_of(sandbox), tmp_path, rate=0)), sandbox.truth())


@pytest.mark.parametrize("ask", [smaller, lambda request: request])
def test_pages_that_tell_how_many_records_they_have_are_complete(
    ask: Callable[[Request], Request], serve: Serve, tmp_path: Path
) -> None:
    """`page_size` may be the number of records (contract 2.1): a last page is no sign of a lost link."""
    sandbox = serve(conversations=24)

    def count(page: dict[str, Any], _request: Request) -> None:
        found = page["_embedded"]
        page["page_size"] = len(next(iter(found.values())))

    for path in ("/members", "/events", "/v1/conversations"):
        alter(sandbox, path, count, ask=ask)
    agree(contents_of(export(client_of(sandbox), tmp_path, rate=0)), sandbox.truth())


# -- ids as text


def test_ids_as_text_are_ids(serve: Serve, tmp_path: Path) -> None:
    """A last, full page whose highest id is a text ends where it says."""
    sandbox = serve(conversations=6)
    conversation = long_one(sandbox)

    def written(page: dict[str, Any], _request: Request) -> None:
        page["page_size"] = "100"
        page["_embedded"]["events"] = [{**each, "id": str(each["id"])} for each in page["_embedded"]["events"]][:100]
        page["_links"].pop("next", None)

    def hundred(page: dict[str, Any], _request: Request) -> None:
        page["sequence_number"] = "100"

    alter(sandbox, f"{conversation}/events", written)
    alter(sandbox, f"/v1/conversations/{conversation}", hundred)
    report = run(sandbox, tmp_path)
    assert (report.status, report.pending) == ("complete", {})
    assert mark(tmp_path, conversation).last_event == 100
    assert run(sandbox, tmp_path).requests == 1 + 6


# -- the same record twice


def test_a_record_that_comes_twice_is_one_row(serve: Serve, tmp_path: Path) -> None:
    """In a page, and on two pages of a list that moved while it was read."""
    sandbox = serve(conversations=12)

    def twice(page: dict[str, Any], _request: Request) -> None:
        for name, found in page["_embedded"].items():
            page["_embedded"][name] = found + found[:3]

    for name in ("conversations", "members", "users"):
        alter(sandbox, f"/{name}", twice)
    report = run(sandbox, tmp_path, tables="all")
    truth = sandbox.truth()
    after = heights(tmp_path)
    assert (after["conversations"], after["members"], after["users"]) == (12, truth.members, truth.users)
    assert report.duplicates > 12
    mend(sandbox)
    agree(contents_of(export(client_of(sandbox), tmp_path, rate=0, allow_empty=True)), truth)


# -- records of the list that are damaged

CONVERSATION = b'{"id": "%b", "name": "x", "timestamp": {"created": "2026-11-19T10:00:00Z"}'
DAMAGES = {
    "lone surrogate": b', "display_name": "half \\ud83d"}',
    "raw newline": b', "display_name": "one\ntwo"}',
    "raw NUL": b', "display_name": "nul\x00"}',
    "NaN": b', "x": NaN}',
    "beyond doubles": b', "x": 1e400}',
    "deep": b', "x": ' + b"[" * 2000 + b"]" * 2000 + b"}",
    "deep objects": b', "x": ' + b'{"a":' * 2000 + b"1" + b"}" * 2000 + b"}",
    "surrogate in a time": b', "timestamp": {"created": "\\ud83d"}}',
    "no UTF-8": b', "display_name": "\xff\xfe"}',
    "number beyond all": b', "sequence_number": ' + b"9" * 400 + b"}",
    "escaped key": b', "\\u0069d2": NaN}',
}


def listing(sandbox: Sandbox, record: Callable[[str], bytes]) -> list[str]:
    """Serve a list of conversations of such records."""
    names = [sandbox.world.head(ordinal).id for ordinal in sandbox.world.ordinals]
    body = b'{"page_size": 100, "_embedded": {"conversations": [' + b", ".join(map(record, names)) + b"]}}"
    sandbox.script(lambda request: request.path == "/v1/conversations", Reply(200, body), times=-1)
    return names


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_damaged_record_of_the_list_costs_no_event(kind: str, calm: Sandbox, tmp_path: Path) -> None:
    listing(calm, lambda name: CONVERSATION % name.encode() + DAMAGES[kind])
    try:
        agree(contents_of(export(client_of(calm), tmp_path, rate=0)), calm.truth())
        assert audit(client_of(calm), tmp_path, rate=0).equal == calm.truth().conversations
    finally:
        mend(calm)


@pytest.mark.parametrize("kind", ["lone surrogate", "NaN", "deep"])
def test_a_conversation_that_is_damaged_when_asked_for_is_compared_all_the_same(
    kind: str, serve: Serve, tmp_path: Path
) -> None:
    """What the export can read of a record is enough to compare it."""
    sandbox = serve(conversations=6)
    conversation = short_one(sandbox)
    path, last = f"/v1/conversations/{conversation}", sandbox.truth().sequence_numbers[conversation]
    body = b'{"id": "%b", "sequence_number": %d' % (conversation.encode(), last) + DAMAGES[kind]
    sandbox.script(lambda request: request.path == path, Reply(200, body), times=-1)
    assert run(sandbox, tmp_path).status == "complete"
    found = audit(client_of(sandbox), tmp_path, rate=0)
    assert (found.equal, found.not_compared) == (6, {})


@pytest.mark.parametrize(
    "found", [b'""', b'" "', b"true", b"null", b"[]", b'{"a": 1}', b'"\\ud83d"', b'"\xff"', b"1e999"]
)
def test_a_record_whose_id_cannot_be_read_leaves_the_run_incomplete(
    found: bytes, calm: Sandbox, tmp_path: Path
) -> None:
    bad = CONVERSATION.replace(b'"%b"', found) + b"}"
    first = calm.world.head(0).id
    listing(calm, lambda name: bad if name == first else b'{"id": "%b"}' % name.encode())
    try:
        report = run(calm, tmp_path)
        assert report.incomplete == {"conversations": "it has a record without an id that can be read"}
        assert report.listed == calm.truth().conversations - 1
        assert audit(client_of(calm), tmp_path, rate=0).not_compared == {
            "the list": "it has a record without an id that can be read"
        }
    finally:
        mend(calm)


@pytest.mark.parametrize(("found", "name"), [(b"0", "0"), (b"5", "5"), (b"1.5", "1.5"), (b'"0"', "0")])
def test_an_id_that_is_a_number_is_asked_for(found: bytes, name: str, calm: Sandbox, tmp_path: Path) -> None:
    calm.requests.clear()
    listing(calm, lambda _: b'{"id": %b, "name": "x"}' % found)
    try:
        report = run(calm, tmp_path)
        assert (report.listed, report.gone, report.status) == (1, [name], "complete")
        assert f"/v1/conversations/{name}" in {path for _, path, *_ in calm.requests}
    finally:
        mend(calm)


def test_records_that_say_nothing_are_no_conversations(calm: Sandbox, tmp_path: Path) -> None:
    names = listing(calm, lambda name: b'{"id": "%b"}, {}, null, {"_embedded": {}}' % name.encode())
    try:
        report = run(calm, tmp_path)
        assert (report.status, report.listed) == ("complete", len(names))
    finally:
        mend(calm)


def test_mutated_records_of_the_list_keep_their_ids() -> None:
    tally = list_fuzzing.check(range(3000))
    assert tally.compared > tally.records
    assert tally.refused > 100
    assert tally.nameless > 50
