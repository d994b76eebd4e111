"""A folder belongs to one application and one host, and lies on this machine: what would mix is refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from conv_analytics import Conversations, coverage, export, ingest, open_dataset
from conv_analytics.dataset.maintenance.compact import compact
from conv_analytics.dataset.storage.application import recorded_application
from conv_analytics.dataset.storage.inbox import Receipt
from conv_analytics.dataset.storage.inbox_writer import InboxWriter
from conv_analytics.dataset.storage.layout import Layout
from conv_analytics.errors import ConfigError
from conv_analytics.exporter import entry
from conv_analytics.exporter.audit import audit
from conv_analytics.exporter.coverage import run as coverage_run
from conv_analytics.exporter.plan import plan
from conv_analytics.live import app
from conv_analytics.sandbox import Sandbox, World
from tests._helpers.sandboxes import client_of
from tests._helpers.webhooks import APPLICATION, SECRET, rtc_event, voice_event

OTHER = "0ff1ce00-1d0c-4a2b-8a57-6f0e5d1b2a90"


@pytest.fixture(scope="module")
def two() -> Iterator[tuple[Sandbox, Sandbox]]:
    """Two applications, each on a server of its own."""
    with ExitStack() as stack:
        yield tuple(stack.enter_context(Sandbox(World(seed, 4))) for seed in (1, 2))  # type: ignore[misc] # of two


def exported(sandbox: Sandbox, folder: Path) -> Path:
    export(client_of(sandbox), folder, rate=0, progress=False)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.*") if path.is_file()}


CALLS: dict[str, Callable[[Conversations, Path], Any]] = {
    "export": lambda client, folder: export(client, folder, rate=0, progress=False),
    "plan": lambda client, folder: plan(client, folder, rate=0),
    "coverage": lambda client, folder: coverage(client, folder, rate=0),
    "audit": lambda client, folder: audit(client, folder, rate=0),
}


@pytest.mark.parametrize("name", CALLS)
def test_another_application_is_refused_before_anything_is_asked_or_written(
    name: str, two: tuple[Sandbox, Sandbox], tmp_path: Path
) -> None:
    mine, other = two
    folder = exported(mine, tmp_path / "exports")
    before, asked = contents(folder), len(other.requests)
    with pytest.raises(ConfigError, match=f"{mine.application_id}.*{other.application_id}"):
        CALLS[name](client_of(other), folder)
    assert contents(folder) == before
    assert len(other.requests) == asked


@pytest.mark.parametrize(("name", "module"), [("export", entry), ("coverage", coverage_run)])
def test_one_that_comes_between_the_check_and_the_lock_is_refused(
    name: str, module: Any, two: tuple[Sandbox, Sandbox], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, other = two
    folder, check = tmp_path / "exports", module.require_same_application
    checked: list[Path] = []
    if name == "coverage":
        exported(mine, folder)

    def passed_too_early(root: Path, *rest: Any) -> None:
        checked.append(root)
        if len(checked) > 1:
            check(root, *rest)
        elif name == "export":
            # In a thread of its own: an export that calls another one would wait for itself.
            with ThreadPoolExecutor(1) as pool:
                pool.submit(exported, mine, folder).result()

    monkeypatch.setattr(module, "require_same_application", passed_too_early)
    asked = len(other.requests)
    with pytest.raises(ConfigError, match="holds the application"):
        CALLS[name](client_of(other), folder)
    assert len(other.requests) == asked
    assert [commit.report["application"]["id"] for commit in open_dataset(folder).commits] == [mine.application_id]


@pytest.mark.parametrize("name", CALLS)
def test_another_host_is_refused(name: str, two: tuple[Sandbox, Sandbox], tmp_path: Path) -> None:
    mine = two[0]
    folder = exported(mine, tmp_path / "exports")
    elsewhere = client_of(mine).at_host(mine.base_url.replace("127.0.0.1", "localhost"))
    with pytest.raises(ConfigError, match=r"127\.0\.0\.1, and this client reads localhost"):
        CALLS[name](elsewhere, folder)


def test_a_compacted_folder_still_knows_its_application(two: tuple[Sandbox, Sandbox], tmp_path: Path) -> None:
    folder = exported(two[0], tmp_path / "exports")
    compact(folder, tmp_path / "small")
    assert recorded_application(tmp_path / "small") == (two[0].application_id, "127.0.0.1")
    with pytest.raises(ConfigError, match="holds the application"):
        exported(two[1], tmp_path / "small")


def test_a_folder_of_a_version_that_recorded_none_takes_the_next(two: tuple[Sandbox, Sandbox], tmp_path: Path) -> None:
    folder = exported(two[0], tmp_path / "exports")
    commit = next(Layout(folder).commits.glob("*.json"))
    record = json.loads(commit.read_text())
    del record["report"]["application"]
    commit.write_text(json.dumps(record))
    assert recorded_application(folder) == (None, None)
    exported(two[0], folder)
    assert recorded_application(folder) == (two[0].application_id, "127.0.0.1")


def test_events_of_another_application_are_quarantined(tmp_path: Path) -> None:
    mine, other = rtc_event(1), json.loads(rtc_event(2, conversation="CON-2")) | {"application_id": OTHER.upper()}
    unnamed = {key: value for key, value in json.loads(rtc_event(3)).items() if key != "application_id"}
    lines = [mine.decode(), json.dumps(other), json.dumps(unnamed)]
    (tmp_path / "events.jsonl").write_text("\n".join(lines))
    done = ingest(tmp_path / "exports", tmp_path / "events.jsonl")
    assert done.other_applications == {OTHER.upper(): 1}
    assert "1 quarantined (1 of other applications)" in str(done)
    assert open_dataset(tmp_path / "exports")["events"]["event_id"].tolist() == [1, 3]
    (line,) = "".join(path.read_text() for path in (tmp_path / "exports" / "_quarantine").iterdir()).splitlines()
    assert OTHER.upper() in line
    assert recorded_application(tmp_path / "exports") == (APPLICATION, None)


def test_voice_events_that_another_application_signed_are_quarantined(tmp_path: Path) -> None:
    with InboxWriter(Layout(tmp_path), mask=None) as writer:
        for number, application in enumerate((APPLICATION, OTHER, None), start=1):
            at = datetime.now(UTC)
            writer.append([Receipt("voice", at, "ok", application, "POST", "", "", voice_event(number))])
    done = ingest(tmp_path)
    assert done.other_applications == {OTHER: 1}
    assert len(open_dataset(tmp_path)["voice_events"]) == 2


def test_what_is_not_signed_does_not_decide_whose_folder_it_is(tmp_path: Path) -> None:
    with InboxWriter(Layout(tmp_path), mask=None) as writer:
        for verification, application in (("unsigned", OTHER), ("ok", APPLICATION), ("unsigned", OTHER)):
            event = rtc_event(1, conversation=f"CON-{verification}-{application}", application_id=application)
            writer.append([Receipt("rtc", datetime.now(UTC), verification, None, "POST", "", "", event)])
    assert ingest(tmp_path).other_applications == {OTHER: 1}
    assert recorded_application(tmp_path) == (APPLICATION, None)


def test_a_listener_takes_in_its_folders_application_only(tmp_path: Path) -> None:
    (tmp_path / "events.json").write_bytes(rtc_event(1))
    ingest(tmp_path / "exports", tmp_path / "events.json")
    app(tmp_path / "exports", secrets=SECRET, application_ids=[APPLICATION.upper()])
    with pytest.raises(ConfigError, match=f"holds the application {APPLICATION}, not {OTHER}"):
        app(tmp_path / "exports", secrets=SECRET, application_ids=[OTHER])
    with pytest.raises(ConfigError, match="A folder belongs to one application, and 2 are named"):
        app(tmp_path / "new", secrets=SECRET, application_ids=[APPLICATION, OTHER])


@pytest.mark.parametrize("name", ["http://host/exports", "abfs://container/exports", "file:///tmp/exports", "gs://b"])
@pytest.mark.parametrize("kind", [str, Path])
def test_urls_are_refused_by_name(
    name: str, kind: type, two: tuple[Sandbox, Sandbox], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "events.json").write_bytes(rtc_event(1))
    client, where = client_of(two[0]), kind(name)
    exported(two[0], tmp_path / "exports")
    scheme = name.partition(":")[0]
    for call in (
        lambda: export(client, where, rate=0, progress=False), lambda: plan(client, where, rate=0),
        lambda: ingest(where, tmp_path / "events.json"), lambda: open_dataset(where),
        lambda: compact(tmp_path / "exports", where), lambda: coverage(client, where),
        lambda: app(where, secrets=SECRET),
    ):  # fmt: skip
        with pytest.raises(ConfigError, match=f"^{scheme}://.* is a URL; a dataset is a local folder"):
            call()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["events.json", "exports"]
