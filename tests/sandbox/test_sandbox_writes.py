"""Writing: conversations, members and events really change, and the truth with them."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import httpx

    from conv_analytics.sandbox import Sandbox

    Serve = Callable[..., tuple[Sandbox, httpx.Client]]
    Walk = Callable[..., list[dict[str, Any]]]
    WalkPages = Callable[..., Iterator[dict[str, Any]]]


@pytest.fixture
def pair(serve: Serve) -> Any:
    return serve(conversations=40)


def first_user(client: httpx.Client) -> Any:
    return client.get("/v1/users").json()["_embedded"]["users"][0]


def make(client: httpx.Client, **body: Any) -> Any:
    answer = client.post("/v1/conversations", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_conversations_are_created_replaced_and_deleted(pair: tuple[Sandbox, httpx.Client], walk: Walk) -> None:
    sandbox, client = pair
    made = make(client, name="mine", display_name="Mine", properties={"ttl": 60, "custom_data": {"A b": "1"}})
    assert made["sequence_number"] == 0
    assert made["state"] == "ACTIVE"
    path = f"/v1/conversations/{made['id']}"
    assert client.get(path).json() == made
    assert walk(client, "/v1/conversations", "conversations")[-1]["id"] == made["id"]
    assert sandbox.truth().conversations == 41
    changed = client.put(path, json={"name": "ours"})
    assert changed.status_code == 200
    assert (changed.json()["name"], changed.json()["display_name"]) == ("ours", None)
    assert [e["type"] for e in walk(client, f"{path}/events", "events")] == ["conversation:updated"]
    deleted = client.delete(path)
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert client.get(path).status_code == 404
    assert sandbox.truth().conversations == 40
    assert make(client, name="ours")["name"] == "ours"


def test_names_are_unique_and_fields_are_checked(pair: tuple[Sandbox, httpx.Client]) -> None:
    _, client = pair
    make(client, name="one")
    answer = client.post("/v1/conversations", json={"name": "one"})
    assert (answer.status_code, answer.json()["code"]) == (409, "conversation:error:duplicate-name")
    assert make(client)["name"].startswith("NAM-")
    for body, name in (({"name": "x" * 101}, "name"), ({"display_name": 3}, "display_name"),
                       ({"properties": {"ttl": -1}}, "properties.ttl")):  # fmt: skip
        answer = client.post("/v1/conversations", json=body)
        assert answer.status_code == 400
        assert [one["name"] for one in answer.json()["invalid_parameters"]] == [name]
    assert client.post("/v1/conversations", content=b"[").status_code == 400


def test_members_are_invited_join_and_leave(pair: tuple[Sandbox, httpx.Client], walk: Walk) -> None:
    sandbox, client = pair
    before = sandbox.truth().members
    user = first_user(client)
    path = f"/v1/conversations/{make(client)['id']}"
    body = {"state": "invited", "user": {"id": user["id"]}, "channel": {"type": "app"}}
    answer = client.post(f"{path}/members", json=body)
    assert (answer.status_code, answer.json()["state"]) == (201, "INVITED")
    one = f"{path}/members/{answer.json()['id']}"
    assert client.patch(one, json={"state": "joined"}).json()["state"] == "JOINED"
    again = client.patch(one, json={"state": "joined"})
    assert (again.status_code, again.json()["code"]) == (400, "conversation:error:member-already-joined")
    assert client.post(f"{path}/members", json=body).json()["code"] == "conversation:error:member-already-joined"
    left = client.patch(one, json={"state": "left", "reason": {"code": "x", "text": "y"}}).json()
    assert left["state"] == "LEFT"
    assert set(left["timestamp"]) == {"invited", "joined", "left"}
    back = client.patch(one, json={"state": "joined"})
    assert (back.status_code, back.json()["title"]) == (400, "Conflict.")
    events = walk(client, f"{path}/events", "events")
    assert [event["type"] for event in events] == ["member:invited", "member:joined", "member:left"]
    assert events[-1]["body"]["reason"] == {"code": "x", "text": "y"}
    assert sandbox.truth().members == before + 1
    assert client.get(path).json()["sequence_number"] == 3
    assert path.rsplit("/", 1)[-1] in {
        item["id"] for item in walk(client, f"/v1/users/{user['id']}/conversations", "conversations")
    }


def test_members_need_a_state_a_user_and_a_channel(pair: tuple[Sandbox, httpx.Client]) -> None:
    _, client = pair
    path = f"/v1/conversations/{make(client)['id']}/members"
    answer = client.post(path, json={"state": "left"})
    assert [one["name"] for one in answer.json()["invalid_parameters"]] == ["state", "user", "channel"]
    body = {"state": "joined", "user": {"name": "nobody"}, "channel": {"type": "app"}}
    assert client.post(path, json=body).json()["code"] == "user:error:not-found"


def test_a_state_in_capitals_is_the_same(pair: tuple[Sandbox, httpx.Client]) -> None:
    """The Node SDK's enum is sent as it is written; this package sends lower case (contract 1.4)."""
    _, client = pair
    path = f"/v1/conversations/{make(client)['id']}/members"
    body = {"state": "INVITED", "user": {"id": first_user(client)["id"]}, "channel": {"type": "app"}}
    made = client.post(path, json=body)
    assert (made.status_code, made.json()["state"]) == (201, "INVITED")
    one = f"{path}/{made.json()['id']}"
    assert client.patch(one, json={"state": "JOINED"}).json()["state"] == "JOINED"
    assert client.patch(one, json={"state": "LEFT"}).json()["state"] == "LEFT"


def test_me_is_the_user_of_the_token(pair: tuple[Sandbox, httpx.Client]) -> None:
    sandbox, client = pair
    user = first_user(client)
    path = f"/v1/conversations/{make(client)['id']}/members"
    made = client.post(path, json={"state": "joined", "user": {"name": user["name"]}, "channel": {"type": "app"}})
    me = client.get(f"{path}/me", headers=sandbox.headers(sub=user["name"]))
    assert me.json()["id"] == made.json()["id"]
    assert client.get(f"{path}/me", headers=sandbox.headers(sub="other")).status_code == 404


def test_events_are_created_with_the_next_id_and_deleted(pair: tuple[Sandbox, httpx.Client], walk: Walk) -> None:
    sandbox, client = pair
    before = sandbox.truth()
    path = f"/v1/conversations/{make(client)['id']}/events"
    text = {"type": "message", "body": {"message_type": "text", "text": "hi"}}
    answer = client.post(path, json=text)
    assert (answer.status_code, answer.json()["id"]) == (201, 1)
    assert client.post(path, json={"type": "ephemeral", "body": {"x": 1}}).json()["id"] == 2
    assert client.post(path, json={"type": "custom:my-type", "body": {"Keep": {"Case": 1}}}).json()["id"] == 3
    assert [event["id"] for event in walk(client, path, "events")] == [1, 3]
    assert client.delete(f"{path}/1").status_code == 204
    events = walk(client, path, "events")
    assert events[0]["body"]["text"] == ""
    assert "deleted" in events[0]["body"]["timestamp"]
    assert (events[-1]["type"], events[-1]["id"], events[-1]["body"]) == (
        "event:delete",
        4,
        {"event_id": "1"},
    )
    assert client.delete(f"{path}/4").json()["code"] == "event:error:delete-not-allowed"
    after = sandbox.truth()
    assert after.events == before.events + 3
    assert after.messages_by_type["text"] == before.messages_by_type["text"] + 1
    assert after.deleted_events == before.deleted_events + 1
    for bad in (
        {"type": "sip:hangup", "body": {}},
        {"type": "custom:", "body": {}},
        {"type": "message", "body": 1},
    ):
        assert client.post(path, json=bad).status_code == 400


def test_new_events_appear_while_paging(pair: tuple[Sandbox, httpx.Client], walk_pages: WalkPages) -> None:
    sandbox, client = pair
    counts = sandbox.truth().events_per_conversation
    found = max(counts, key=lambda key: counts[key])
    path, ids = f"/v1/conversations/{found}/events", []
    for number, page in enumerate(walk_pages(client, path, page_size=50)):
        ids += [event["id"] for event in page["_embedded"]["events"]]
        if number == 0:
            added = client.post(path, json={"type": "custom:late", "body": {}}).json()["id"]
    assert ids == sorted(set(ids))
    assert ids[-1] == added


def test_inactive_conversations_only_allow_get_and_delete(pair: tuple[Sandbox, httpx.Client]) -> None:
    sandbox, client = pair
    world = sandbox.world
    found = next(c for c in map(world.conversation, world.ordinals) if c.state == "INACTIVE")
    path = f"/v1/conversations/{found.id}"
    assert client.get(path).json()["state"] == "INACTIVE"
    answer = client.post(f"{path}/events", json={"type": "custom:x", "body": {}})
    assert (answer.status_code, answer.json()["code"]) == (400, "conversation:error:not-allowed")
    assert client.put(path, json={}).json()["code"] == "conversation:error:not-allowed"
    assert client.delete(path).status_code == 204


def test_wrong_methods(pair: tuple[Sandbox, httpx.Client]) -> None:
    _, client = pair
    for method, path in (("PATCH", "/v1/conversations"), ("POST", f"/v1/conversations/{make(client)['id']}")):
        answer = client.request(method, path)
        assert (answer.status_code, answer.json()["code"]) == (405, "http:error:method-not-allowed")


def nested(depth: int, inside: str = "1") -> bytes:
    return b'{"body": ' + b'{"a": ' * depth + inside.encode() + b"}" * depth + b"}"


HOSTILE = {
    "deep": nested(300),
    "deeper than any stack": nested(100_000),
    "deep list": b'{"body": ' + b"[" * 5_000 + b"]" * 5_000 + b"}",
    "larger than any number": nested(1, "9" * 6_000),
    "half a pair": nested(1, r'"\ud83d"'),
    "not a number": nested(1, "NaN"),
    "not UTF-8": nested(1, '"x"').replace(b"x", b"\xff"),
    "cut off": b'{"body": {"a": ',
    "no object": b"[1]",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_body_that_nobody_could_give_back_is_refused(pair: tuple[Sandbox, httpx.Client], name: str) -> None:
    _, client = pair
    path = f"/v1/conversations/{make(client)['id']}"
    for method, where in (("POST", "/v1/conversations"), ("PUT", path), ("POST", f"{path}/members"),
                          ("POST", f"{path}/events")):  # fmt: skip
        answer = client.request(method, where, content=HOSTILE[name])
        assert answer.status_code == 400, (method, where)
        assert answer.json()["invalid_parameters"][0]["name"] == "body"


ODD: list[Any] = [None, True, 0, -1, 1.5, "", "x", "JOINED", [], [1], {}, {"a": [{}]}, "\u0000", 2**63 - 1, ["invited"]]
KEYS = ("type", "body", "from", "state", "user", "channel", "media", "knocking_id", "reason", "name", "display_name",
        "properties", "message_type", "id", "ttl", "custom_sort_key", "text", "timestamp")  # fmt: skip


def test_whatever_is_written_is_taken_or_refused(pair: tuple[Sandbox, httpx.Client]) -> None:
    _, client = pair
    dice = random.Random(20)
    path = f"/v1/conversations/{make(client)['id']}"
    user = {"id": first_user(client)["id"]}
    good: list[tuple[str, str, dict[str, Any]]] = [
        ("POST", "/v1/conversations", {"name": "n"}),
        ("PUT", path, {"name": "m"}),
        ("POST", f"{path}/members", {"state": "joined", "user": user, "channel": {"type": "app"}}),
        ("POST", f"{path}/events", {"type": "message", "body": {"message_type": "text", "text": "hi"}}),
        ("POST", f"{path}/events", {"type": "custom:x", "body": {}}),
    ]
    for _ in range(400):
        method, where, body = dice.choice(good)
        changed: dict[str, Any] = json.loads(json.dumps(body))
        inner = [changed, *(value for value in changed.values() if isinstance(value, dict))]
        for _ in range(dice.randint(1, 3)):
            dice.choice(inner)[dice.choice(KEYS)] = dice.choice(ODD)
        answer = client.request(method, where, json=changed)
        assert answer.status_code < 500, (method, where, changed)
    events = client.get(f"{path}/events", params={"page_size": 100}).json()["_embedded"]["events"]
    for event in events[:40]:
        assert client.delete(f"{path}/events/{event['id']}").status_code < 500
    for where in ("members", "events"):
        assert client.get(f"{path}/{where}").status_code == 200


@pytest.mark.parametrize(
    "ending",
    ["events/{}", "events?start_id={}", "events?end_id=-{}", "events?page_size={}", "members?cursor={}"],
)
def test_a_number_longer_than_any_is_refused(pair: tuple[Sandbox, httpx.Client], ending: str) -> None:
    _, client = pair
    answer = client.get(f"/v1/conversations/{make(client)['id']}/{ending.format('9' * 5_000)}")
    assert answer.status_code == 400, answer.text
    assert client.get("/v1/conversations", params={"date_start": "9999-12-31T23:59:59-23:59"}).status_code in {200, 400}
