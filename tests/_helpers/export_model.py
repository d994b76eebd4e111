"""The invariant of an export as a state machine: whatever a server does, what a run says of its folder is true.

*Complete* means that the folder has all that an honest server would have listed, but for events at the end of a
conversation that the report names as pending. No key is there twice, no row disappears, the folder agrees with its log;
and once the server is honest, the next run is complete and has everything. A conversation with ephemeral events
alone is said to be incomplete for two days: it looks like one whose list is lost.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd
from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from conv_analytics import export
from conv_analytics.api import Retry
from conv_analytics.dataset.maintenance.verify import verify
from conv_analytics.errors import APIError, ExportIncomplete
from conv_analytics.exporter.audit import audit
from conv_analytics.exporter.report import Report
from conv_analytics.sandbox import Request, Sandbox
from tests._helpers.misbehaving_server import (
    LINKS,
    LISTS,
    MAX_CONSECUTIVE_FAILURES,
    PASSING,
    Failure,
    Link,
    List,
    Manners,
    Misbehaving,
)
from tests._helpers.sandboxes import client_of

#: A hiccup is got over, and what fails for good is soon given up.
BRIEF = Retry(repeats=2, base_s=0.0, cap_s=0.0)

#: Conversations of the world that have a way in the rules.
PLACES = st.integers(0, 4)
#: Tables with a row per event.
EVENT_TABLES = (
    "events",
    "hangups",
    "call_events",
    "call_records",
    "messages",
    "message_statuses",
    "member_events",
    "audio_events",
)

#: What is drawn: the name of a method, and its arguments.
Drawn = tuple[str, tuple[Any, ...]]


def _drawn(name: str, *arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[Drawn]:
    return st.tuples(st.just(name), st.tuples(*arguments))


CHANGES = st.one_of(
    _drawn("create", st.integers(0, 9)),
    _drawn("talk", PLACES, st.integers(1, 9), st.sampled_from(["message", "custom:n", "ephemeral", "audio:say"])),
    _drawn("join", PLACES, st.integers(0, 5)),
    _drawn("delete", PLACES),
    _drawn("edit", PLACES),
)
MANNERS = st.one_of(
    _drawn("cap", st.sampled_from(LISTS), st.integers(1, 9), st.sampled_from(LINKS)),
    _drawn("shake", st.sampled_from(LISTS), st.integers(0, 9)),
    _drawn("lag", PLACES, st.integers(1, 4)),
    _drawn("ignore", st.sampled_from(["start_id", "order"])),
    _drawn("write_ids_as_text"),
    _drawn("scar", st.sampled_from(["half \ud83d", float("nan"), float("inf"), "nul \0"])),
    _drawn("go_on", PLACES, st.integers(1, 9)),
    _drawn(
        "fail",
        PLACES,
        st.sampled_from(["", "/members", "/events"]),
        st.sampled_from(MAX_CONSECUTIVE_FAILURES),
        st.integers(0, 12),
    ),
    _drawn("fail_the_list", st.sampled_from(MAX_CONSECUTIVE_FAILURES), st.integers(1, 4)),
    _drawn("stumble", st.sampled_from(PASSING)),
)


class Exports(RuleBasedStateMachine):
    """A world that changes, a server that misbehaves, and runs in between."""

    #: Where the folders are made; where the system has its temporary ones if None.
    parent: ClassVar[Path | None] = None

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="conv-analytics-model-", dir=self.parent))
        self.ever: dict[str, set[int]] = {}
        self.before: set[tuple[str, int]] = set()
        self.files: dict[str, set[Path]] = {}
        self.checked: set[tuple[Path, int, int]] = set()
        self.runs = 0

    @initialize(seed=st.sampled_from([4, 5, 8, 10]))
    def _world(self, seed: int) -> None:
        self.sandbox = Sandbox(seed=seed, conversations=2, days=1).start()
        self.server = Misbehaving(self.sandbox)
        self.authorization = self.sandbox.headers()["Authorization"]
        self.client = client_of(self.sandbox, retries=BRIEF)
        self._create(3)

    def teardown(self) -> None:
        try:
            if hasattr(self, "sandbox"):
                self._mend()
        finally:
            if hasattr(self, "sandbox"):
                self.sandbox.close()
            shutil.rmtree(self.folder, ignore_errors=True)

    # -- nights

    @rule(
        changes=st.lists(CHANGES, max_size=3),
        manners=st.lists(MANNERS, min_size=1, max_size=4),
        full=st.integers(0, 5).map(lambda number: number == 5),
        concurrency=st.sampled_from([1, 5]),
    )
    def night(self, changes: list[Drawn], manners: list[Drawn], full: bool, concurrency: int) -> None:
        """The world changes, the server finds new ways, and somebody exports."""
        for name, arguments in changes:
            getattr(self, f"_{name}")(*arguments)
        self.server.manners = Manners()
        for name, arguments in manners:
            getattr(self, f"_{name}")(*arguments)
        self._run(full=full, concurrency=concurrency)

    @rule(changes=st.lists(CHANGES, max_size=3))
    def mend(self, changes: list[Drawn]) -> None:
        """The world changes, and the server is honest."""
        for name, arguments in changes:
            getattr(self, f"_{name}")(*arguments)
        self._mend()

    # -- the world changes

    def _talk(self, place: int, events: int, kind: str) -> None:
        if conversation := self._at(place):
            for number in range(events):
                self._ask("POST", f"/{conversation}/events", {"type": kind, "body": {"n": number}})

    def _join(self, place: int, user: int) -> None:
        if conversation := self._at(place):
            who = self.sandbox.world.people.user(user % self.sandbox.world.people.count).id
            member = {"state": "joined", "user": {"id": who}, "channel": {"type": "app"}}
            self._ask("POST", f"/{conversation}/members", member)

    def _delete(self, place: int) -> None:
        if conversation := self._at(place):
            self._ask("DELETE", f"/{conversation}")

    def _edit(self, place: int) -> None:
        """Empty the last message of a conversation, which adds an event."""
        if conversation := self._at(place):
            found = self.sandbox.world.conversation(self.sandbox.world.ordinal_of(conversation) or 0)
            kinds = zip(found.event_ids, found.event_types, strict=True)
            if messages := [number for number, kind in kinds if kind == "message"]:
                self._ask("DELETE", f"/{conversation}/events/{messages[-1]}")

    # -- the server finds new ways

    def _cap(self, name: List, size: int, link: Link) -> None:
        if name != "events" and size == 1 and link == "missing":
            self.server.manners.noise.pop(name, None)
        self.server.manners.cap[name] = size
        self.server.manners.link[name] = link

    def _shake(self, name: List, seed: int) -> None:
        """Keep no order. A list of one record without a link could be any of many: nothing tells, but ids of events."""
        manners = self.server.manners
        if name == "events" or (manners.cap.get(name), manners.link.get(name)) != (1, "missing"):
            manners.noise[name] = seed

    def _lag(self, place: int, events: int) -> None:
        if conversation := self._at(place):
            self.server.manners.lag[conversation] = events

    def _ignore(self, what: str) -> None:
        self.server.manners.ignores.add(what)

    def _write_ids_as_text(self) -> None:
        self.server.manners.text_ids = True

    def _scar(self, value: object) -> None:
        self.server.manners.scar = value

    def _go_on(self, place: int, events: int) -> None:
        if conversation := self._at(place):
            self.server.manners.meanwhile[conversation] = events

    def _fail(self, place: int, where: str, failure: Failure, item: int) -> None:
        """A conversation cannot be read, or a list of it only to some item."""
        if conversation := self._at(place):
            self.server.manners.failing[f"{conversation}{where}"] = (failure, item if where else 0)

    def _fail_the_list(self, failure: Failure, item: int) -> None:
        self.server.manners.failing[""] = (failure, item)

    def _stumble(self, failure: Failure) -> None:
        self.server.manners.hiccup = failure

    # -- runs

    def _mend(self) -> None:
        """Once the server is honest, one run is complete and has everything."""
        self.server.manners = Manners()
        report = self._run(full=False, concurrency=5)
        assert report is not None
        listed = self._listed()
        # Where nothing but ephemeral events was sent none is listed, as by a server that is broken: said for two days.
        silent = {conversation for conversation, (events, _) in listed.items() if not events} & report.pending.keys()
        assert report.incomplete.keys() <= silent, report.incomplete
        self._has_everything(listed, report)
        found = audit(self.client, self.folder, rate=0)
        assert [*found.missing, *found.newer_in_folder, *found.unread, *found.not_compared] == [], found
        assert set(found.newer_in_api) <= set(report.pending), found

    def _run(self, **options: Any) -> Report | None:
        """Export once and look at what the report says; None when nothing could be listed."""
        self.runs += 1
        self.server.begin()
        listed = self._listed()
        try:
            report: Report = export(self.client, self.folder, rate=0, progress=None, **options).report
        except ExportIncomplete as error:
            report = error.report
        except APIError as error:
            note(f"run {self.runs}: {error}")
            return None
        finally:
            for conversation, (events, _) in (listed | self._listed()).items():
                self.ever.setdefault(conversation, set()).update(events)
        note(f"run {self.runs}: {report}")
        if report.status == "complete":
            self._has_everything(listed, report)
        return report

    def _has_everything(self, listed: Mapping[str, tuple[set[int], set[str]]], report: Report) -> None:
        held = self._events()
        conversations, members = self._column("conversations"), self._column("members", "member_id")
        gone = set(report.gone)
        for conversation, (events, ids) in listed.items():
            assert conversation in conversations, f"{conversation} is not there"
            if conversation in gone:
                continue
            lacking = events - {number for name, number in held if name == conversation}
            if lacking:
                assert conversation in getattr(report, "pending", {}), (
                    f"{conversation} silently lacks {sorted(lacking)}"
                )
                tail = {number for number in events if number >= min(lacking)}
                assert lacking == tail, f"{conversation} lacks {sorted(lacking)} in the middle"
            assert ids <= members, f"{conversation} lacks members {sorted(ids - members)}"

    # -- always

    @invariant()
    def nothing_twice_and_nothing_lost(self) -> None:
        if not (self.folder / "_commits").exists():
            return
        stats = ((path, path.lstat()) for path in self.folder.rglob("*"))
        state = {(path, stat.st_size, stat.st_mtime_ns) for path, stat in stats}
        # A run that could list nothing leaves the folder as it was.
        if state == self.checked:
            return
        self.checked = state
        for name in EVENT_TABLES:
            files = set((self.folder / name).rglob("*.parquet"))
            # Files never change: where there are no new ones nothing can have become wrong.
            if files == self.files.get(name, set()):
                continue
            self.files[name] = files
            keys = pd.read_parquet(self.folder / name, columns=["conversation_id", "event_id"])
            twice = keys[keys.duplicated()]
            assert twice.empty, f"{name} has {twice.to_dict('records')[:5]} twice"
        held = self._events()
        assert self.before <= held, f"gone from the folder: {sorted(self.before - held)[:5]}"
        self.before = held
        made_up = {(name, number) for name, number in held if number not in self.ever.get(name, ())}
        assert not made_up, f"nobody ever listed {sorted(made_up)[:5]}"
        wrong = [finding for finding in verify(self.folder) if finding.level.name == "ERROR"]
        assert not wrong, wrong

    # -- what there is

    def _events(self) -> set[tuple[str, int]]:
        if not (self.folder / "events").exists():
            return set()
        frame = pd.read_parquet(self.folder / "events", columns=["conversation_id", "event_id"])
        return set(frame.itertuples(index=False, name=None))

    def _column(self, table: str, column: str = "conversation_id") -> set[str]:
        return (
            set(pd.read_parquet(self.folder / table, columns=[column])[column])
            if (self.folder / table).exists()
            else set()
        )

    def _listed(self) -> dict[str, tuple[set[int], set[str]]]:
        """What an honest server lists now, by conversation: events and members."""
        world = self.sandbox.world
        found = (world.conversation(ordinal) for ordinal in world.ordinals)
        return {each.id: (set(each.event_ids), {member.id for member in each.members}) for each in found}

    def _at(self, place: int) -> str | None:
        world = self.sandbox.world
        return world.head(world.ordinals[place % len(world.ordinals)]).id if world.ordinals else None

    def _create(self, events: int) -> None:
        self._ask("POST", "", {"name": f"made {len(self.sandbox.world.ordinals)} {self.sandbox.world.tick()}"})
        conversation = self._at(-1)
        for number in range(events):
            self._ask(
                "POST",
                f"/{conversation}/events",
                {"type": "message", "body": {"message_type": "text", "text": f"{number}"}},
            )

    def _ask(self, method: str, path: str, body: object = None) -> None:
        """Change the world, by the way that a client would go."""
        app = self.sandbox._app
        assert app is not None
        whole = b"" if body is None else json.dumps(body).encode()
        app.answer(Request(method, f"/v1/conversations{path}", {}, self.authorization, whole))
