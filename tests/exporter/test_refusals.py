"""What is refused, cannot be asked for, or has no end costs only itself; what is refused altogether ends the run."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conv_analytics import export
from conv_analytics.api.list_guard import MAX_IDLE_PAGES
from conv_analytics.cli.exits import Exit, exit_of
from conv_analytics.errors import AuthError, CursorLoop, ExportIncomplete
from conv_analytics.exporter.audit import audit
from conv_analytics.exporter.engine import MAX_EXTRA_PAGES
from conv_analytics.exporter.options import MAX_CONSECUTIVE_FAILURES
from conv_analytics.exporter.plan import plan
from conv_analytics.sandbox import Reply, Request, Sandbox
from tests._helpers.sandboxes import Serve, agree, client_of, contents_of

pytestmark = pytest.mark.slow

CLOSED = Reply(403, b'{"title": "Forbidden", "code": "http:error:forbidden", "detail": "no"}')
DENIED = Reply(401, b'{"title": "Unauthorized", "code": "system:error:invalid-token", "detail": "no"}')


def busy(sandbox: Sandbox) -> list[str]:
    return [each for each, number in sandbox.truth().sequence_numbers.items() if number > 2]


def incomplete(sandbox: Sandbox, folder: Path | None = None, **options: Any) -> ExportIncomplete:
    with pytest.raises(ExportIncomplete) as caught:
        export(client_of(sandbox), folder, rate=0, **options)
    return caught.value


def whatever(sandbox: Sandbox, folder: Path) -> Any:
    """What a run wrote, complete or not."""
    try:
        return export(client_of(sandbox), folder, rate=0)
    except ExportIncomplete as error:
        return error.result


def page(name: str, *items: bytes, cursor: str = "") -> Reply:
    links = b'{"next": {"href": "?cursor=%b"}}' % cursor.encode() if cursor else b"{}"
    return Reply(200, b'{"page_size": 100, "_embedded": {"%b": [%b]}, "_links": %b}' % (
        name.encode(), b", ".join(items), links,
    ))  # fmt: skip


# -- refused


@pytest.mark.parametrize("reply", [CLOSED, DENIED], ids=["403", "401"])
@pytest.mark.parametrize("way", ["", "/members", "/events"])
def test_one_that_is_refused_costs_only_itself(way: str, reply: Reply, serve: Serve, tmp_path: Path) -> None:
    sandbox = serve(conversations=8)
    closed = busy(sandbox)[3]
    sandbox.script(lambda r: r.path == f"/v1/conversations/{closed}{way}", reply, times=-1)
    error = incomplete(sandbox, tmp_path)
    assert list(error.report.incomplete) == [closed]
    assert str(reply.status) in error.report.incomplete[closed]
    counts = error.result.dataset["events"].groupby("conversation_id").size().to_dict()
    wanted = {each: number for each, number in sandbox.truth().events_per_conversation.items() if number}
    assert counts == {each: number for each, number in wanted.items() if each != closed}
    assert (closed in audit(client_of(sandbox), tmp_path, rate=0).not_compared) == (not way)
    assert plan(client_of(sandbox), tmp_path / "other", rate=0).listed == 8
    sandbox._scripts.clear()
    agree(contents_of(export(client_of(sandbox), tmp_path, rate=0)), sandbox.truth())


def test_a_single_refusal_of_a_token_costs_one_conversation(serve: Serve, tmp_path: Path) -> None:
    sandbox = serve(conversations=30)
    asked = itertools.count()
    sandbox.script(lambda _: next(asked) == 47, DENIED)
    assert len(incomplete(sandbox, tmp_path).report.incomplete) == 1
    agree(contents_of(export(client_of(sandbox), tmp_path, rate=0)), sandbox.truth())


def test_many_that_are_closed_one_after_the_other_do_not_stop_a_run(serve: Serve) -> None:
    """Once something was read the key is good: 403 is about each of them."""
    sandbox = serve(conversations=80)
    closed = busy(sandbox)[2 : MAX_CONSECUTIVE_FAILURES + 22]
    sandbox.script(lambda r: r.path.rpartition("/")[2] in closed, CLOSED, times=-1)
    assert set(incomplete(sandbox, concurrency=1).report.incomplete) == set(closed)


@pytest.mark.parametrize("number", [2, 100])
@pytest.mark.parametrize("reply", [CLOSED, DENIED], ids=["403", "401"])
def test_a_key_that_may_list_and_read_none_is_a_wrong_key(
    number: int, reply: Reply, serve: Serve, tmp_path: Path
) -> None:
    sandbox = serve(conversations=number)
    sandbox.script(lambda r: r.path != "/v1/conversations", reply, times=-1)
    with pytest.raises(AuthError) as caught:
        export(client_of(sandbox), tmp_path, rate=0, concurrency=5)
    assert exit_of(caught.value) is Exit.USAGE
    assert len(sandbox.requests) <= 1 + MAX_CONSECUTIVE_FAILURES + 5
    assert not list((tmp_path / "_commits").iterdir())


@pytest.mark.parametrize("reply", [CLOSED, DENIED], ids=["403", "401"])
def test_users_that_are_refused_cost_no_conversation(reply: Reply, serve: Serve, tmp_path: Path) -> None:
    sandbox = serve(conversations=6)
    sandbox.script(lambda r: r.path == "/v1/users", reply, times=-1)
    error = incomplete(sandbox, tmp_path, tables="all")
    assert list(error.report.incomplete) == ["users"]
    agree(contents_of(error.result), sandbox.truth())


def test_sessions_that_are_refused_cost_no_other_ones(serve: Serve) -> None:
    sandbox = serve(conversations=12)
    users = sandbox.truth().users
    assert users > MAX_CONSECUTIVE_FAILURES + 2
    seen: list[str] = []

    def second(request: Request) -> bool:
        if not request.path.endswith("/sessions"):
            return False
        seen.append(request.path)
        return len(seen) == 2

    sandbox.script(second, CLOSED, times=-1)
    assert list(incomplete(sandbox, tables=["sessions"]).report.incomplete) == [seen[1]]
    assert len(seen) == users
    sandbox._scripts.clear()
    sandbox.requests.clear()
    sandbox.script(lambda r: r.path.endswith("/sessions"), CLOSED, times=-1)
    report = incomplete(sandbox, tables=["sessions"]).report
    assert "in a row" in report.incomplete["sessions"]
    assert sum(each.path.endswith("/sessions") for each in sandbox.requests) == MAX_CONSECUTIVE_FAILURES


# -- cannot be asked for


@pytest.mark.parametrize("odd", ["..", ".", " ", "\t"])
def test_an_id_that_fits_no_path_costs_only_itself(odd: str, serve: Serve, tmp_path: Path) -> None:
    sandbox = serve(conversations=5)
    heads = [json.dumps({"id": each}).encode() for each in (odd, *sandbox.truth().sequence_numbers)]
    sandbox.script(lambda r: r.path == "/v1/conversations", page("conversations", *heads), times=-1)
    sandbox.script(lambda r: r.path == "/v1/users", page("users", json.dumps({"id": odd}).encode()), times=-1)
    error = incomplete(sandbox, tmp_path, tables="all")
    assert all(" id " in why for why in error.report.incomplete.values())
    names = set(error.result.dataset["conversations"]["conversation_id"].dropna()) - {odd}
    assert names == set(sandbox.truth().sequence_numbers)
    assert error.result.dataset.rows("events") == sandbox.truth().events
    assert plan(client_of(sandbox), tmp_path / "other", rate=0).listed == 5
    assert len(audit(client_of(sandbox), tmp_path, rate=0).not_compared) == 1


# -- numbers, cursors and dates that no program can take


@pytest.mark.parametrize("number", ["9" * 5000, f'"{"9" * 5000}"', "1e400"])
def test_a_sequence_number_of_thousands_of_digits(number: str, serve: Serve, tmp_path: Path) -> None:
    sandbox = serve(conversations=6)
    chosen = busy(sandbox)[0]
    body = f'{{"id": "{chosen}", "sequence_number": {number}, "state": "ACTIVE"}}'.encode()
    sandbox.script(lambda r: r.path.endswith(chosen), Reply(200, body), times=-1)
    result = whatever(sandbox, tmp_path)
    assert set(result.report.incomplete) <= {chosen}
    assert result.dataset.rows("events") == sandbox.truth().events, "all can be read without it"
    sandbox._scripts.clear()
    again = export(client_of(sandbox), tmp_path, rate=0)
    assert again.dataset["conversations"].set_index("conversation_id")["sequence_number"].notna().all()
    assert again.dataset.rows("events") == sandbox.truth().events


@pytest.mark.parametrize("identity", ["9" * 5000, f'"{"9" * 5000}"'])
def test_an_id_of_thousands_of_digits(identity: str, serve: Serve, tmp_path: Path) -> None:
    sandbox = serve(conversations=3)
    chosen = busy(sandbox)[0]
    odd = page("events", b'{"id": %b, "type": "custom:odd"}' % identity.encode(), b'{"id": "1"}')
    sandbox.script(lambda r: r.path.endswith(f"{chosen}/events"), odd, times=-1)
    with client_of(sandbox) as client:
        assert [each.id for each in client.list_all_events(chosen)][1] == 1
    result = whatever(sandbox, tmp_path)
    assert set(result.report.incomplete) <= {chosen}
    assert result.dataset.commits[-1].watermarks.get(chosen, 0) <= sandbox.truth().sequence_numbers[chosen]
    sandbox._scripts.clear()
    export(client_of(sandbox), tmp_path, rate=0)


@pytest.mark.parametrize("cursor", ["\\ud800", "%00", "a%0ab"])
@pytest.mark.parametrize("where", ["conversations", "members", "events"])
def test_a_cursor_that_no_request_can_say(cursor: str, where: str, serve: Serve, tmp_path: Path) -> None:
    sandbox = serve(conversations=6)
    chosen = busy(sandbox)[0]
    path = "/v1/conversations" if where == "conversations" else f"/v1/conversations/{chosen}/{where}"

    def tampered(request: Request) -> Reply:
        answer = sandbox._app.answer(request)  # type: ignore[union-attr]
        whole = json.loads(answer.body)
        whole["_links"] = {"next": {"href": "CURSOR"}}
        return Reply(200, json.dumps(whole).replace("CURSOR", f"?cursor={cursor}").encode())

    sandbox.script(lambda r: r.path == path, tampered, times=-1)
    error = incomplete(sandbox, tmp_path)
    assert any("without saying which" in why for why in error.report.incomplete.values())
    sandbox._scripts.clear()
    again = export(client_of(sandbox), tmp_path, rate=0)
    assert set(again.dataset["conversations"]["conversation_id"]) == set(sandbox.truth().sequence_numbers)


@pytest.mark.parametrize(
    "date", ["Fri, 31 Dec 9999 23:59:59 -2359", "Fri, 31 Dec 9999 23:59:59 GMT", "Mon, 01 Jan 1900 00:00:00 +2359"]
)
def test_a_date_at_the_end_of_the_calendar(date: str, serve: Serve) -> None:
    sandbox = serve(conversations=6)
    asked = itertools.count(1)

    def dated(request: Request) -> Reply:
        if next(asked) % 5 == 0:
            return Reply(429, b"{}", headers={"Date": date})
        answer = sandbox._app.answer(request)  # type: ignore[union-attr]
        return Reply(answer.status, answer.body, headers={"Date": date})

    sandbox.script(lambda _: True, dated, times=-1)
    result = export(client_of(sandbox), rate=0)
    agree(contents_of(result), sandbox.truth())
    assert result.report.clock_offset_s is None


# -- lists without an end


def _empty(number: int) -> tuple[bytes, ...]:
    return ()


def _same(number: int) -> tuple[bytes, ...]:
    return (b'{"id": "7"}',)


def _shuffled(number: int) -> tuple[bytes, ...]:
    return tuple(b'{"id": "%d", "n": %d}' % (each, number) for each in range(3))


def _new(number: int) -> tuple[bytes, ...]:
    return (b'{"id": "%d"}' % number,)


@pytest.mark.parametrize("items", [_empty, _same, _shuffled, _new])
@pytest.mark.parametrize("name", ["members", "events", "sessions", "users", "conversations"])
def test_a_list_with_ever_new_cursors_ends(
    name: str, items: Callable[[int], tuple[bytes, ...]], serve: Serve, tmp_path: Path
) -> None:
    """By what it can hold at all, or by pages in a row that bring nothing new; only that list is incomplete."""
    if items is _new and name in {"users", "conversations"}:
        pytest.skip("nobody can tell it from a very large account")
    sandbox = serve(conversations=3)
    chosen = busy(sandbox)[0]
    user = sandbox.world.people.user(0).id
    path = {
        "users": "/v1/users",
        "conversations": "/v1/conversations",
        "sessions": f"/v1/users/{user}/sessions",
    }.get(name, f"/v1/conversations/{chosen}/{name}")
    seen = itertools.count(1)

    def endless(request: Request) -> Reply:
        number = next(seen)
        return page(name, *items(number), cursor=f"c{number}")

    sandbox.script(lambda r: r.path == path, endless, times=-1)
    if items is _empty and name == "conversations":
        with pytest.raises(CursorLoop, match="goes on after"):
            export(client_of(sandbox), tmp_path, rate=0)
        return
    error = incomplete(sandbox, tmp_path, tables="all")
    kept = {"users": "users", "conversations": "conversations", "sessions": path}.get(name, chosen)
    assert "goes on after" in error.report.incomplete[kept]
    assert next(seen) <= MAX_EXTRA_PAGES + sandbox.truth().events + 5
    if name not in {"users", "conversations"}:
        assert list(error.report.incomplete) == [kept]


def test_the_blocking_client_ends_it_too(serve: Serve) -> None:
    sandbox = serve(conversations=1)
    seen = itertools.count(1)
    sandbox.script(lambda _: True, lambda _: page("users", cursor=f"c{next(seen)}"), times=-1)
    with client_of(sandbox) as client, pytest.raises(CursorLoop, match="goes on after"):
        list(client.list_all_users())
    assert next(seen) <= MAX_IDLE_PAGES + 5
