"""Which conversations a run asks for when it passes over those that have long been quiet."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from conv_analytics import export, open_dataset
from conv_analytics.errors import ConfigError, ExportIncomplete
from conv_analytics.exporter import Report
from conv_analytics.sandbox import Reply, Request, Sandbox
from tests._helpers.sandboxes import Serve, client_of, counted

pytestmark = pytest.mark.slow

DAY = timedelta(days=1)
#: The made-up world ends here; its conversations are of the seven days before.
END = datetime(2026, 11, 20, tzinfo=UTC)
COUNT = 40


class Clock:
    """A folder, a sandbox, and the time that one sets."""

    def __init__(self, sandbox: Sandbox, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sandbox, self.folder, self.now = sandbox, folder, END
        clock = self

        class Watch(datetime):
            @classmethod
            def now(cls, tz: Any = None) -> Any:
                return clock.now

        monkeypatch.setattr("conv_analytics.exporter.run.datetime", Watch)

    def run(self, day: float, **options: Any) -> Report:
        self.now = END + day * DAY
        self.sandbox.requests.clear()
        options.setdefault("lookback", 3 * DAY)
        return export(client_of(self.sandbox), self.folder, rate=0, allow_empty=True, **options).report

    def asked(self) -> set[str]:
        """The conversations that the last run asked for."""
        paths = (seen.path.split("/") for seen in self.sandbox.requests)
        return {parts[3] for parts in paths if len(parts) == 4}

    def say(self, conversation: str) -> None:
        with httpx.Client(base_url=self.sandbox.base_url, headers=self.sandbox.headers()) as http:
            body = {"type": "message", "body": {"message_type": "text", "text": "late"}}
            assert http.post(f"/v1/conversations/{conversation}/events", json=body).status_code == 201

    def active(self) -> str:
        world = self.sandbox.world
        found = map(world.conversation, world.ordinals)
        return next(each.id for each in found if each.state == "ACTIVE" and each.sequence_number > 5)

    def tell_little(self) -> None:
        """Let lists tell no more of a conversation than its name and when it was created."""

        def answer(request: Request) -> Reply:
            assert self.sandbox._app is not None
            page = json.loads(self.sandbox._app.answer(request).body)
            for each in page["_embedded"]["conversations"]:
                each["timestamp"] = {"created": each.get("timestamp", {}).get("created")}
            return Reply(200, msgspec.json.encode(page))

        self.sandbox.script(lambda request: request.path == "/v1/conversations", answer, times=-1)


@pytest.fixture
def clock(serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(serve(days=7, conversations=COUNT, quirks=True), tmp_path / "out", monkeypatch)


def test_only_what_moved_lately_is_asked_for(clock: Clock) -> None:
    first = clock.run(0)
    assert (first.not_probed, first.swept_at) == (0, "2026-11-20T00:00:00Z")
    second = clock.run(0)
    world, limit = clock.sandbox.world, (END - 3 * DAY).timestamp() * 1000
    events = export(client_of(clock.sandbox), rate=0)["events"].groupby("conversation_id")["at"].max()
    lately = set()
    for head in map(world.head, world.ordinals):
        at = events.get(head.id)
        instants = [head.created, head.updated or 0, at.timestamp() * 1000 if at is not None else 0]
        if max(instants) >= limit:
            lately.add(head.id)
    assert 0 < len(lately) < COUNT
    clock.run(0)
    assert clock.asked() == lately
    assert second.not_probed == COUNT - len(lately)
    assert second.requests == 1 + len(lately)
    assert f"{second.not_probed} conversations were not requested: quiet for longer" in str(second)
    assert second.swept_at == first.swept_at
    assert clock.run(0, lookback=None).not_probed == 0, "without a lookback all are asked for"
    assert clock.run(0, sweep=timedelta()).not_probed == 0, "so often"
    assert clock.run(5).requests == 1, "nothing moved for three days"


def test_a_change_that_the_list_tells_is_seen_at_once(clock: Clock) -> None:
    clock.run(4)
    conversation = clock.active()
    clock.say(conversation)
    third = clock.run(5)
    assert (clock.asked(), third.tables["events"]) == ({conversation}, 1)
    # A change is as old as the run that saw it.
    clock.run(7.9)
    assert clock.asked() == {conversation}
    clock.run(8.1)
    assert clock.asked() == set()
    events = open_dataset(clock.folder)["events"]
    assert counted(events["conversation_id"]) == {
        name: count for name, count in clock.sandbox.truth().events_per_conversation.items() if count
    }


def test_what_the_list_does_not_tell_is_seen_by_the_sweep(clock: Clock) -> None:
    clock.tell_little()
    clock.run(4)
    clock.say(clock.active())
    shutil.rmtree(clock.folder / "_work")
    for day in (5, 6, 10.9):
        report = clock.run(day)
        assert (report.not_probed, report.swept_at) == (COUNT, "2026-11-24T00:00:00Z")
    report = clock.run(11)
    assert (report.not_probed, report.tables["events"], report.swept_at) == (0, 1, "2026-12-01T00:00:00Z")
    assert clock.run(15).not_probed == COUNT


def test_a_sweep_of_a_clock_that_was_ahead_puts_off_no_other(clock: Clock) -> None:
    clock.run(0)
    clock.run(3650)
    assert clock.run(8).not_probed == 0, "the clock is right again, and the last sweep is of the future"
    assert clock.run(9).not_probed > 0
    assert clock.run(16).not_probed == 0


def test_a_sweep_that_fails_is_done_again(clock: Clock) -> None:
    clock.tell_little()
    clock.run(4)
    conversation = clock.active()
    clock.say(conversation)
    clock.sandbox.script(lambda request: request.path.endswith(conversation), Reply(500), times=-1)
    with pytest.raises(ExportIncomplete) as caught:
        clock.run(11)
    assert caught.value.report.swept_at == "2026-11-24T00:00:00Z"
    clock.sandbox._scripts.pop()
    assert clock.run(12).tables["events"] == 1


def test_one_that_was_not_read_to_its_end_is_asked_for_again(clock: Clock) -> None:
    clock.tell_little()
    clock.run(4)
    conversation = clock.active()
    clock.say(conversation)
    clock.sandbox.script(lambda request: request.path.endswith(f"{conversation}/events"), Reply(500), times=-1)
    with pytest.raises(ExportIncomplete):
        clock.run(5, lookback=None)
    clock.sandbox._scripts.pop()
    done = clock.run(6)
    assert (clock.asked(), done.tables["events"]) == ({conversation}, 1)


def test_folders_of_versions_without_lookback_go_on(clock: Clock) -> None:
    clock.run(4)
    record = next((clock.folder / "_commits").iterdir())
    values = json.loads(record.read_text())
    assert len(values.pop("settled")) == COUNT
    for name in ("swept_at", "not_probed", "full", "already_stored", "changed", "planned"):
        values["report"].pop(name)
    record.write_text(json.dumps({**values, "format": 1}))
    report = clock.run(5)
    assert (report.not_probed, report.swept_at) == (0, "2026-11-25T00:00:00Z"), "which of them are quiet is not known"
    assert clock.run(7).not_probed == 0, "nor since when: since that run"
    assert clock.run(9).not_probed == COUNT


def test_a_full_run_settles_nothing_anew(clock: Clock) -> None:
    clock.run(4)
    assert clock.run(5, lookback=None, full=True).already_stored > 0
    assert clock.run(6).requests == 1


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"full": True, "lookback": DAY}, "give only one of them"),
        ({"lookback": timedelta()}, "lookback is 0:00:00; it must be positive"),
        ({"sweep": -DAY}, "sweep is -1 day"),
    ],
)
def test_what_cannot_be_meant_is_refused(options: dict[str, Any], says: str, calm: Sandbox, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=says):
        export(client_of(calm), tmp_path, rate=0, **options)


def test_a_lookback_longer_than_time_passes_over_nothing(clock: Clock) -> None:
    clock.run(4)
    assert clock.run(5, lookback=timedelta(days=999_999)).not_probed == 0
