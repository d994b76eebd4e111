"""Reading: pages, cursors, filters, lite and full resources, errors."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import httpx

    from conv_analytics.sandbox import Sandbox

    Serve = Callable[..., tuple[Sandbox, httpx.Client]]
    Walk = Callable[..., list[dict[str, Any]]]
    WalkPages = Callable[..., Iterator[dict[str, Any]]]


def biggest(sandbox: Sandbox) -> str:
    counts = sandbox.truth().events_per_conversation
    return max(counts, key=lambda key: counts[key])


@pytest.mark.parametrize("order", ["asc", "desc", "DESC"])
@pytest.mark.parametrize("size", [1, 7, 100])
def test_conversations_come_once_and_in_order(
    sandbox: Sandbox, client: httpx.Client, walk: Walk, order: str, size: int
) -> None:
    ids = [item["id"] for item in walk(client, "/v1/conversations", "conversations", order=order, page_size=size)]
    expected = [sandbox.world.head(ordinal).id for ordinal in sandbox.world.ordinals]
    assert ids == (expected if order == "asc" else expected[::-1])


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("size", [3, 100])
def test_events_come_once_and_in_order(
    sandbox: Sandbox, client: httpx.Client, walk: Walk, order: str, size: int
) -> None:
    found = biggest(sandbox)
    ids = [
        item["id"] for item in walk(client, f"/v1/conversations/{found}/events", "events", order=order, page_size=size)
    ]
    ordinal = sandbox.world.ordinal_of(found)
    assert ordinal is not None
    kept = sandbox.world.conversation(ordinal).event_ids
    assert ids == (kept if order == "asc" else kept[::-1])


def test_the_first_page_has_ten_items_ascending_by_default(sandbox: Sandbox, client: httpx.Client) -> None:
    page = client.get("/v1/conversations").json()
    assert len(page["_embedded"]["conversations"]) == page["page_size"] == 10
    assert page["_embedded"]["conversations"][0]["id"] == sandbox.world.head(0).id
    assert client.get("/v1/conversations?cursor=").json() == page


def test_previous_links_lead_back(client: httpx.Client) -> None:
    for order in ("asc", "desc"):
        first = client.get("/v1/conversations", params={"page_size": 5, "order": order}).json()
        second = client.get(first["_links"]["next"]["href"]).json()
        third = client.get(second["_links"]["next"]["href"]).json()
        assert "prev" not in first["_links"]
        back = client.get(third["_links"]["prev"]["href"]).json()
        assert back["_embedded"] == second["_embedded"]
        again = client.get(second["_links"]["prev"]["href"]).json()
        assert again["_embedded"] == first["_embedded"]


def test_links_carry_filters_and_an_encoded_cursor(sandbox: Sandbox, client: httpx.Client) -> None:
    found = biggest(sandbox)
    page = client.get(f"/v1/conversations/{found}/events?event_type=audio:speaking:on&page_size=1&start_id=2").json()
    href = page["_links"]["next"]["href"]
    assert href.startswith(f"{sandbox.base_url}/v1/conversations/{found}/events?")
    assert "start_id=2" in href
    assert re.search(r"cursor=[\w%]+$", href)
    members = client.get(f"/v1/conversations/{found}/members?page_size=1").json()
    assert re.search(r"cursor=[0-9a-f]{128}$", members["_links"]["next"]["href"])


@pytest.mark.parametrize("cursor", ["nonsense", "AAAA", "00" * 64, "HC9qtZhtPdyNtAC0sNcaHj0="])
def test_foreign_cursors_are_refused(client: httpx.Client, cursor: str) -> None:
    answer = client.get("/v1/conversations", params={"cursor": cursor, "order": "asc"})
    if cursor.endswith("="):  # a true cursor of this seed, but for another order
        answer = client.get("/v1/conversations", params={"cursor": cursor, "order": "desc"})
    assert answer.status_code == 400
    assert answer.json()["code"] == "paginator-builder:error:invalid-cursor"


def test_a_cursor_belongs_to_its_list(sandbox: Sandbox, client: httpx.Client) -> None:
    href = client.get("/v1/conversations?page_size=1").json()["_links"]["next"]["href"]
    query = href.partition("?")[2]
    answer = client.get(f"/v1/conversations/{biggest(sandbox)}/events?{query}")
    assert answer.json()["code"] == "paginator-builder:error:invalid-cursor"


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("page_size=0", "page_size"), ("page_size=101", "page_size"), ("page_size=x", "page_size"),
        ("order=up", "order"), ("date_start=yesterday", "date_start"), ("date_end=2026-13-01", "date_end"),
    ],
)  # fmt: skip
def test_bad_parameters_are_named(client: httpx.Client, query: str, name: str) -> None:
    answer = client.get(f"/v1/conversations?{query}")
    body = answer.json()
    assert (answer.status_code, body["code"], body["title"]) == (
        400,
        "http:error:validation-fail",
        "Bad request.",
    )
    assert body["type"].endswith("#http:error:validation-fail")
    assert [one["name"] for one in body["invalid_parameters"]] == [name]
    assert re.fullmatch(r"[0-9a-f]{32}", body["instance"])


def test_date_bounds_are_exclusive_and_take_every_form(client: httpx.Client, walk: Walk) -> None:
    at = [item["timestamp"]["created"] for item in walk(client, "/v1/conversations", "conversations", page_size=100)]
    some = walk(client, "/v1/conversations", "conversations", date_start=at[10], date_end=at[20], page_size=4)
    assert [item["timestamp"]["created"] for item in some] == at[11:20]
    space = at[10].replace("T", " ").rstrip("Z")
    assert len(walk(client, "/v1/conversations", "conversations", date_start=space)) == len(at) - 11
    assert client.get("/v1/conversations", params={"date_start": "2099-01-01T00:00:00Z"}).json()["_embedded"] == {
        "conversations": []
    }


def test_lists_are_lite_and_gets_are_full(sandbox: Sandbox, client: httpx.Client, walk: Walk) -> None:
    lite = walk(client, "/v1/conversations", "conversations", page_size=100)
    assert not any({"state", "sequence_number", "properties"} & item.keys() for item in lite)
    found = biggest(sandbox)
    whole = client.get(f"/v1/conversations/{found}").json()
    assert {"state", "sequence_number", "timestamp", "id", "name"} <= whole.keys()
    assert whole["sequence_number"] == sandbox.truth().sequence_numbers[found]
    members = walk(client, f"/v1/conversations/{found}/members", "members", page_size=2)
    assert all(item.keys() == {"id", "state", "_embedded", "_links"} for item in members)
    assert "href" in members[0]["_links"]
    one = client.get(f"/v1/conversations/{found}/members/{members[0]['id']}").json()
    assert {"conversation_id", "timestamp", "initiator", "channel"} <= one.keys()
    assert any(client.get(f"/v1/conversations/{item['id']}").json().get("properties") is None for item in lite)


def test_both_shapes_of_events(serve: Serve, sandbox: Sandbox, client: httpx.Client) -> None:
    _, other = serve(seed=7, conversations=160, events_shape="list")
    path = f"/v1/conversations/{biggest(sandbox)}/events?page_size=5"
    listed, held = other.get(path).json()["_embedded"], client.get(path).json()["_embedded"]
    assert isinstance(listed, list)
    assert held == {"events": listed}


def test_event_filters(sandbox: Sandbox, client: httpx.Client, walk: Walk) -> None:
    path = f"/v1/conversations/{biggest(sandbox)}/events"
    everything = walk(client, path, "events", page_size=100)
    ids = [event["id"] for event in everything]
    some = walk(client, path, "events", start_id=ids[5], end_id=ids[30], page_size=10)
    assert [event["id"] for event in some] == ids[5:31]
    two = walk(client, path, "events", event_type="audio:speaking:on,member:joined", order="desc", page_size=9)
    wanted = [e for e in everything if e["type"] in {"audio:speaking:on", "member:joined"}]
    assert two == wanted[::-1]
    for bad in ("a,b,c,d,e,f", "custom:x", "nothing"):
        assert client.get(path, params={"event_type": bad}).json()["invalid_parameters"][0]["name"] == "event_type"
    assert client.get(path, params={"start_id": "x"}).status_code == 400


def test_deleted_events_stay_emptied_unless_excluded(sandbox: Sandbox, client: httpx.Client, walk: Walk) -> None:
    seen = 0
    for ordinal in sandbox.world.ordinals:
        made = sandbox.world.conversation(ordinal)
        if made.deleted:
            path = f"/v1/conversations/{made.id}/events"
            everything = walk(client, path, "events", page_size=100)
            gone = [event for event in everything if event["id"] in made.deleted]
            assert all("deleted" in event["body"]["timestamp"] for event in gone)
            assert all(not event["body"].get("text") for event in gone)
            deletions = {int(e["body"]["event_id"]) for e in everything if e["type"] == "event:delete"}
            assert deletions == made.deleted
            rest = walk(client, path, "events", exclude_deleted_events="true", page_size=100)
            assert [e["id"] for e in rest] == [e["id"] for e in everything if e["id"] not in made.deleted]
            seen += 1
    assert seen


def test_one_event(sandbox: Sandbox, client: httpx.Client) -> None:
    found = biggest(sandbox)
    page = client.get(f"/v1/conversations/{found}/events?page_size=1&start_id=4").json()
    event = page["_embedded"]["events"][0]
    assert client.get(f"/v1/conversations/{found}/events/{event['id']}").json() == event
    assert event["_links"]["self"]["href"].endswith(f"/v1/conversations/{found}/events/{event['id']}")


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/v1/conversations/CON-none", "conversation:error:not-found"),
        ("/v1/conversations/CON-none/events", "conversation:error:not-found"),
        ("/v1/conversations/{c}/events/999999", "event:error:not-found"),
        ("/v1/conversations/{c}/events/x", "event:error:not-found"),
        ("/v1/conversations/{c}/members/MEM-none", "conversation:error:member-not-found"),
        ("/v1/conversations/{c}/members/me", "conversation:error:member-not-found"),
        ("/v1/users/USR-none", "user:error:not-found"),
        ("/v1/users/USR-none/conversations", "user:error:not-found"),
        ("/v1/conversations/", "http:error:not-found"),
        ("/v1/conversations/{c}/", "http:error:not-found"),
        ("/v1/conversations/{c}/events/", "http:error:not-found"),
        ("/v1/users/", "http:error:not-found"),
        ("/v2/conversations", "http:error:not-found"),
        ("/", "http:error:not-found"),
    ],
)
def test_what_is_not_there(sandbox: Sandbox, client: httpx.Client, path: str, code: str) -> None:
    answer = client.get(path.replace("{c}", biggest(sandbox)))
    assert (answer.status_code, answer.json()["code"], answer.json()["title"]) == (404, code, "Not found.")


def test_users_sessions_and_their_conversations(sandbox: Sandbox, client: httpx.Client, walk: Walk) -> None:
    users = walk(client, "/v1/users", "users", page_size=50)
    truth = sandbox.truth()
    assert len(users) == len({user["id"] for user in users}) == truth.users
    assert client.get("/v1/users", params={"name": users[3]["name"]}).json()["_embedded"]["users"] == [users[3]]
    assert client.get(f"/v1/users/{users[0]['id']}").json()["name"] == users[0]["name"]
    sessions = sum(len(walk(client, f"/v1/users/{user['id']}/sessions", "sessions")) for user in users[:12])
    assert sessions == truth.sessions
    path = f"/v1/users/{users[0]['id']}/conversations"
    mine = walk(client, path, "conversations", page_size=3)
    assert mine
    assert all("sequence_number" in item and item["_embedded"]["id"].startswith("MEM-") for item in mine)
    assert not any("custom_data" in item.get("properties", {}) for item in mine)
    full = walk(client, path, "conversations", include_custom_data="true", order="desc", page_size=3)
    assert [item["id"] for item in full] == [item["id"] for item in mine][::-1]
    assert any("custom_data" in item.get("properties", {}) for item in full)
    left = walk(client, path, "conversations", state="LEFT", order_by="created")
    assert [item["id"] for item in left] == [item["id"] for item in mine if item["_embedded"]["state"] == "LEFT"]
    assert client.get(path, params={"state": "left"}).status_code == 400


@pytest.mark.slow
def test_quirky_pages(serve: Serve, walk_pages: WalkPages) -> None:
    odd, client = serve(conversations=160, quirks=True)
    ends, nexts, empties = set(), set(), 0
    for ordinal in odd.world.ordinals:
        made = odd.world.head(ordinal)
        for page in walk_pages(client, f"/v1/conversations/{made.id}/events", page_size=20):
            links = page.get("_links")
            ends.add("none" if links is None else repr(links.get("next", "absent")) if not links.get("next") else "")
            href = ((links or {}).get("next") or {}).get("href", "")
            nexts.add(href.split("/v1")[0])
    for page in walk_pages(client, "/v1/conversations", page_size=9):
        empties += sum("id" not in item for item in page["_embedded"]["conversations"])
    assert {"none", "{}", "None", "'absent'"} <= ends
    assert {"", odd.base_url, "https://api-us-3.vonage.com"} <= nexts
    assert empties
    texts = "".join(client.get(f"/v1/conversations/{odd.world.head(o).id}").text for o in range(60))
    assert '"status":' in texts
    assert re.search(r'"sequence_number":"\d+"', texts)
