"""`conv-analytics verify`: what it prints, how it ends, and what it asks the API."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from conv_analytics.cli import main
from conv_analytics.dataset.storage.layout import Layout
from conv_analytics.sandbox import Reply, Sandbox
from tests._helpers.command_line import credentials, run

pytestmark = pytest.mark.slow


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(seed=7, conversations=12, days=2) as running:
        yield running


@pytest.fixture
def exported(sandbox: Sandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    call("export", tmp_path / "out", *credentials(sandbox), "--quiet")
    capsys.readouterr()
    return tmp_path / "out"


def call(*arguments: object) -> int:
    return main(list(map(str, arguments)))


def printed(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def said(capsys: pytest.CaptureFixture[str]) -> str:
    return "\n".join(f"{each['level']}: {each['what']}" for each in printed(capsys)["findings"])


def damage(folder: Path) -> Path:
    path = next((folder / "events").rglob("*.parquet"))
    path.write_bytes(path.read_bytes()[:-1])
    return path


def writer(sandbox: Sandbox) -> httpx.Client:
    return httpx.Client(base_url=sandbox.base_url, headers=sandbox.headers())


def lively(sandbox: Sandbox) -> str:
    found = map(sandbox.world.conversation, sandbox.world.ordinals)
    return next(each.id for each in found if each.state == "ACTIVE" and each.sequence_number > 5)


def test_a_whole_folder_ends_with_0_and_needs_no_credentials(exported: Path) -> None:
    done = run("verify", exported)
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[-1].startswith("errors: 0, ")
    assert all(re.match(r"(ok|warning) ", line) for line in lines[:-2])


def test_damage_ends_with_3_and_says_where_and_what_to_do(exported: Path) -> None:
    path = damage(exported)
    done = run("verify", exported)
    assert done.code == 3
    line = next(line for line in done.out.splitlines() if line.startswith("error "))
    assert path.relative_to(exported).as_posix() in line
    assert "Restore it" in line
    assert "errors: 1" in done.out


def test_json_is_one_object(exported: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("verify", exported, "--json") == 0
    found = printed(capsys)
    assert list(found) == ["status", "errors", "warnings", "findings"]
    assert (found["status"], found["errors"]) == ("whole", 0)
    assert all(list(each) == ["level", "what", "where", "advice"] for each in found["findings"])
    damage(exported)
    assert call("verify", exported, "--json") == 3
    found = printed(capsys)
    assert (found["status"], found["errors"]) == ("damaged", 1)


@pytest.mark.parametrize("dest", ["", "nowhere"])
def test_what_is_no_dataset_ends_with_2(dest: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert call("verify", dest) == 2
    assert list(tmp_path.iterdir()) == []


def test_a_lost_log_ends_with_3(exported: Path) -> None:
    Layout(exported).commit(1).unlink()
    assert call("verify", exported) == 3


def test_the_api_is_asked_once_for_each_conversation(
    sandbox: Sandbox, exported: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sandbox.requests.clear()
    assert call("verify", exported, "--against-api", *credentials(sandbox), "--json") == 0
    assert len(sandbox.requests) == 1 + 12
    assert "ok: 12 of 12 conversations listed end where the folder's end; 0 expired" in said(capsys)


def test_what_is_new_in_the_api_is_a_warning_until_it_is_exported(
    sandbox: Sandbox, exported: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = lively(sandbox)
    body = {"type": "message", "body": {"message_type": "text", "text": "later"}}
    with writer(sandbox) as http:
        assert http.post(f"/v1/conversations/{name}/events", json=body).status_code == 201
        made = http.post("/v1/conversations", json={"name": "made-later"}).json()["id"]
    assert call("verify", exported, "--against-api", *credentials(sandbox), "--json") == 0
    text = said(capsys)
    assert f"warning: 1 conversations have later events than the folder: {name}" in text
    assert f"warning: 1 conversations are not in the folder yet: {made}" in text
    assert call("export", exported, *credentials(sandbox), "--quiet") == 0
    capsys.readouterr()
    assert call("verify", exported, "--against-api", *credentials(sandbox), "--json") == 0
    assert "13 of 13 conversations" in said(capsys)


def test_a_conversation_that_a_complete_run_should_have_met_is_an_error(
    sandbox: Sandbox, exported: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, name = Layout(exported).commit(1), lively(sandbox)
    values = json.loads(path.read_text())
    values["watermarks"].pop(name)
    path.write_text(json.dumps(values))
    assert call("verify", exported, "--against-api", *credentials(sandbox), "--json") == 3
    assert f"error: 1 conversations are not in the folder, though older than a complete run: {name}" in said(capsys)
    # A run of which it was not to be expected: it began after the conversation was made, but read another time.
    values["report"]["until"] = "2001-01-01T00:00:00Z"
    path.write_text(json.dumps(values))
    call("verify", exported, "--against-api", *credentials(sandbox), "--json")
    assert f"warning: 1 conversations are not in the folder yet: {name}" in said(capsys)


def test_a_folder_ahead_of_the_api_is_an_error(
    sandbox: Sandbox, exported: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, name = Layout(exported).commit(1), lively(sandbox)
    values = json.loads(path.read_text())
    values["watermarks"][name] += 100
    path.write_text(json.dumps(values))
    assert call("verify", exported, "--against-api", *credentials(sandbox), "--json") == 3
    assert f"error: 1 conversations end before the folder's last event: {name}" in said(capsys)


def test_expired_conversations_are_only_counted(
    sandbox: Sandbox, exported: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = lively(sandbox)
    gone = Reply(404, b'{"title": "Not found"}')
    sandbox.script(lambda request: request.path.endswith(name), gone)
    assert call("verify", exported, "--against-api", *credentials(sandbox), "--json") == 0
    assert "11 of 12 conversations listed end where the folder's end; 1 expired" in said(capsys)
    with writer(sandbox) as http:
        http.delete(f"/v1/conversations/{name}")
    assert call("verify", exported, "--against-api", *credentials(sandbox), "--json") == 0
    assert "11 of 11 conversations listed end where the folder's end; 1 expired" in said(capsys)


def test_what_cannot_be_compared_is_an_error(
    sandbox: Sandbox, exported: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = lively(sandbox)
    sandbox.script(lambda request: request.path.endswith(name), Reply(500, b"{}"), times=9)
    arguments = ["--against-api", *credentials(sandbox), "--retries", 0, "--json"]
    assert call("verify", exported, *arguments) == 3
    assert f"error: 1 conversations could not be compared: {name}" in said(capsys)


def test_an_api_that_does_not_answer_ends_with_69(exported: Path, sandbox: Sandbox) -> None:
    arguments = credentials(sandbox)
    # Nothing listens on the discard port.
    arguments[1] = "http://127.0.0.1:9"
    assert call("verify", exported, "--against-api", *arguments, "--retries", 0) == 69


def test_a_wrong_number_ends_with_2(exported: Path, sandbox: Sandbox) -> None:
    assert call("verify", exported, "--against-api", *credentials(sandbox), "--retries", -1) == 2
    assert call("verify", exported, "--against-api", *credentials(sandbox), "--concurrency", 0) == 2


def test_a_mask_is_for_the_comparison_with_the_api(exported: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("verify", exported, "--mask") == 2
    assert "--against-api" in capsys.readouterr().err
