"""Users are asked for one by one: lists of them tell little more than names (contract 6.5)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from conv_analytics import export
from conv_analytics.errors import ExportIncomplete
from conv_analytics.exporter.plan import plan
from conv_analytics.sandbox import Reply, Sandbox
from tests._helpers.sandboxes import Serve, client_of

pytestmark = pytest.mark.slow


def in_full(sandbox: Sandbox) -> dict[str, dict[str, Any]]:
    people = sandbox.world.people
    with httpx.Client(base_url=sandbox.base_url, headers=sandbox.headers()) as http:
        found = [http.get(f"/v1/users/{people.user(n).id}").raise_for_status().json() for n in range(people.count)]
    return {user["id"]: user for user in found}


def asked(sandbox: Sandbox) -> list[str]:
    return sorted(seen.path for seen in sandbox.requests if seen.path.startswith("/v1/users/"))


def test_a_row_holds_what_a_get_tells(serve: Serve, tmp_path: Path) -> None:
    sandbox = serve(conversations=8)
    users = in_full(sandbox)
    sandbox.requests.clear()
    rows = export(client_of(sandbox), tmp_path, rate=0, tables=["users"]).dataset.arrow("users").to_pylist()
    assert len(rows) == len(users) == sandbox.truth().users > 5
    assert asked(sandbox) == sorted(f"/v1/users/{user_id}" for user_id in users)
    for row in rows:
        user = users[row["user_id"]]
        assert row["image_url"] == user["image_url"]
        assert json.loads(row["custom_data"]) == user["properties"]["custom_data"]
        assert row["ttl_s"] == user["properties"]["ttl"]
        assert f"{row['created_at']:%Y-%m-%dT%H:%M:%S}" == user["timestamp"]["created"][:19]
        assert json.loads(row["channels"]).keys() == user["channels"].keys()
        assert row["extra"] is None


def test_the_plan_tells_what_they_cost(serve: Serve, tmp_path: Path) -> None:
    sandbox = serve(conversations=8)
    cost = {
        name: plan(client_of(sandbox), tmp_path, rate=0, tables=[name]).list_requests.expected
        for name in ("users", "events")
    }
    assert cost["users"] == cost["events"] + 1 + sandbox.truth().users
    assert not asked(sandbox)
    export(client_of(sandbox), rate=0, tables=["sessions"])
    assert all(path.endswith("/sessions") for path in asked(sandbox)), "nobody wanted the users themselves"


def test_who_cannot_be_read_stays_as_the_list_has_them(serve: Serve, tmp_path: Path) -> None:
    sandbox = serve(conversations=8)
    gone, broken, other, *_ = in_full(sandbox)
    sandbox.script(lambda request: request.path.endswith(gone), Reply(404, b'{"title": "Not found."}'), times=-1)
    sandbox.script(lambda request: request.path.endswith(broken), Reply(200, b"<html>", "text/html"), times=-1)
    sandbox.script(lambda request: request.path.endswith(other), Reply(200, b'{"id": "USR-9"}'), times=-1)
    with pytest.raises(ExportIncomplete) as caught:
        export(client_of(sandbox), tmp_path, rate=0, tables=["users"])
    assert set(caught.value.report.incomplete) == {f"/v1/users/{broken}", f"/v1/users/{other}"}
    rows = caught.value.result.dataset["users"].set_index("user_id")
    assert len(rows) == sandbox.truth().users
    assert rows.loc[[gone, broken, other], "name"].notna().all()
    assert rows.loc[[gone, broken, other], "created_at"].isna().all()
