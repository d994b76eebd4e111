"""Coverage: each leg of the call list has its class, no other leg is named, and no request is superfluous."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from conv_analytics import Coverage, coverage, export, ingest, open_dataset
from conv_analytics.errors import APIError, ConfigError, DatasetError, DatasetLocked, UnexpectedPayload
from conv_analytics.exporter.coverage.window import SETTLING, last_end, window_of
from conv_analytics.privacy import Mask
from conv_analytics.sandbox import Sandbox, Truth
from conv_analytics.sandbox.calls import plain_id
from conv_analytics.sandbox.webhooks.delivery import Deliveries, legs
from tests._helpers.call_list import EARLY, LATE, Calls, call, calls_of, listing
from tests._helpers.sandboxes import client_of

pytestmark = pytest.mark.slow

MISSING = {"partial", "transient_missed", "expired", "other_region"}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(conversations=60, days=2, faults="gone=3") as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def exported(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nobody's folder: each test has a copy of its own."""
    folder = tmp_path_factory.mktemp("exported") / "exports"
    export(client_of(sandbox), folder, rate=0, progress=None)
    return folder


@pytest.fixture
def folder(exported: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(exported, tmp_path / "exports"))


@pytest.fixture
def host(sandbox: Sandbox, folder: Path) -> Iterator[Calls]:
    with listing(sandbox, calls_of(open_dataset(folder))) as host:
        yield host


def check(host: Calls, folder: Path, **options: Any) -> Coverage:
    return coverage(host.client(), folder, **{"since": EARLY, "until": LATE, "rate": 0} | options)


def kept(folder: Path) -> dict[str, str]:
    """The class of each leg, as the folder keeps it."""
    rows = open_dataset(folder)["voice_calls"]
    assert rows["leg_id"].is_unique
    return dict(zip(rows["leg_id"].map(plain_id), rows["coverage_class"].astype(str), strict=True))


def named(found: Coverage) -> dict[str, str]:
    """The legs that it says are missing."""
    missing = found.missing
    return dict(zip(missing["leg_id"].map(plain_id), missing["coverage_class"].astype(str), strict=True))


def created(sandbox: Sandbox, name: str) -> str:
    with client_of(sandbox) as client:
        return str(client.create_conversation({"name": name}).id)


# -- worlds of the sandbox


@pytest.mark.parametrize("quirks", [False, True])
def test_a_world_with_transient_calls_without_a_listener(tmp_path: Path, quirks: bool) -> None:
    with Sandbox(conversations=150, transient=0.3, quirks=quirks) as sandbox:
        client = client_of(sandbox)
        done = export(client, tmp_path, rate=0, progress=None)
        before = len(sandbox.requests)
        found = coverage(client, tmp_path, since=EARLY, until=LATE, rate=0)
        truth = sandbox.truth().calls
        requests = Counter(request.path.split("/")[2] for request in list(sandbox.requests)[before:])
    exported = set(done.dataset["events"]["conversation_id"])
    expected = {plain_id(leg.leg_id): leg.expected_class(exported=exported) for leg in truth}
    assert kept(tmp_path) == expected
    assert named(found) == {leg: name for leg, name in expected.items() if name in MISSING}
    assert len(named(found)) > 20
    assert (found.complete, found.extra, len(truth)) == (True, 0, sum(found.counts.values()))
    # Pages of 100 calls in two parts of a week; the lost conversations are more than their list has pages.
    middle = EARLY + timedelta(days=7)
    parts = Counter(leg.began < middle for leg in truth)
    assert requests == {
        "calls": sum(-(-count // 100) for count in parts.values()),
        "conversations": -(-len(exported) // 100),
    }
    prices = open_dataset(tmp_path)["voice_calls"]["price"].sum()
    assert float(sum(leg.price or 0 for leg in truth)) == pytest.approx(float(prices))


@pytest.fixture(scope="module")
def heard() -> Iterator[tuple[Sandbox, Deliveries, Truth, Truth]]:
    """A world, the webhooks that came, and its truth: all of it, and what lists have."""
    with Sandbox(conversations=60, days=2, transient=0.3) as sandbox:
        sent = sandbox.deliveries(drop=0.5, duplicates=0.05, shuffle=True)
        yield sandbox, sent, sandbox.truth(), sandbox.truth(listed=True)


@pytest.mark.parametrize("interfaces", [{"rtc"}, {"voice"}, {"rtc", "voice"}], ids=lambda each: "+".join(sorted(each)))
@pytest.mark.parametrize("first", ["list", "live"])
def test_with_a_listener_only_what_was_never_delivered_is_missing(
    tmp_path: Path, interfaces: set[str], first: str, heard: tuple[Sandbox, Deliveries, Truth, Truth]
) -> None:
    folder, file = tmp_path / "exports", tmp_path / "webhooks.jsonl"
    sandbox, sent, whole, listed = heard
    told = [each for each in sent.accepted if each.interface in interfaces and each.method == "POST"]
    file.write_bytes(b"\n".join(json.dumps(json.loads(each.body)).encode() for each in told))
    client = client_of(sandbox)
    for step in (first, "live" if first == "list" else "list"):
        if step == "live":
            ingest(folder, [file])
        else:
            frames = export(client, folder, rate=0, progress=None).dataset
    found = coverage(client, folder, since=EARLY, until=LATE, rate=0)
    calls, truth = listed.events_per_conversation, whole.calls
    assert set(frames.tables) >= {"hangups", "leg_statuses"}
    live = {
        "seen_live": legs(each for each in told if each.begins_leg),
        "ended_live": legs(each for each in told if each.ends_leg),
    }
    expected = {plain_id(leg.leg_id): leg.expected_class(exported=calls.keys(), **live) for leg in truth}
    assert kept(folder) == expected
    assert named(found) == {leg: name for leg, name in expected.items() if name in MISSING}
    assert set(expected.values()) >= {"covered", "covered_live", "partial"}


def test_a_world_without_transient_calls_is_covered(host: Calls, folder: Path) -> None:
    found = check(host, folder)
    assert (found.share, len(found.missing), found.extra, found.incomplete) == (1.0, 0, 0, {})
    assert set(kept(folder).values()) == {"covered"}
    assert len(kept(folder)) == len(host.listed)
    # Twelve days in two parts, and no conversation is asked for.
    assert host.asked == {"list": 2}
    assert (found.shares["k"].iloc[0], found.shares["n"].iloc[0]) == (len(host.listed),) * 2
    for part in ("day", "direction", "channel"):
        assert found.shares.loc[found.shares["part"] == part, "n"].sum() == len(host.listed)


def test_each_class_is_planted_and_found_and_nothing_else(sandbox: Sandbox, host: Calls, folder: Path) -> None:
    dataset = open_dataset(folder)
    exported = str(dataset["events"]["conversation_id"].min())
    gone = dataset["conversations"].query("gone")["conversation_id"].min()
    fresh = created(sandbox, "after the export")
    before = {plain_id(call["uuid"]) for call in host.listed}
    begin, end = datetime(2026, 11, 17, 10, tzinfo=UTC), datetime(2026, 11, 17, 10, 3, tzinfo=UTC)
    planted = {
        "partial": [call("aa-1", exported, begin, end)],
        "transient_missed": [
            call("bb-1", "CON-transient-1", begin, end),
            # Not answered: without times and price.
            call("bb-2", "CON-transient-1", begin, status="busy", direction="outbound"),
            call("bb-3", "CON-transient-2", begin, end, channel="sip"),
            call("bb-4", "..", begin, end),
        ],
        "expired": [call("cc-1", str(gone), begin, end)],
        "not_yet": [
            call("dd-1", fresh, begin, end),
            call("dd-2", "CON-live", begin, status="answered"),
            # A word that no version knows, of a call that goes on.
            call("dd-3", "CON-live", begin, status="parked"),
        ],
        "other_region": [call("ee-1", "CON-there", begin, end), call("ee-2", "CON-there", begin, end)],
    }
    host.listed += [each for calls in planted.values() for each in calls]
    host.listed.sort(key=lambda each: each["began"])
    with listing(None) as other:
        other.elsewhere = {"CON-there"}
        found = check(host, folder, base_urls=[other.base_url])
    expected = {plain_id(each["uuid"]): name for name, calls in planted.items() for each in calls}
    assert kept(folder) == dict.fromkeys(before, "covered") | expected
    assert named(found) == {leg: name for leg, name in expected.items() if name in MISSING}
    assert {name: count for name, count in found.counts.items() if count} == Counter(kept(folder).values())
    total = len(before) + len(expected) - 3
    assert (found.share, found.shares["n"].iloc[0]) == (len(before) / total, total)
    # Four conversations are unknown: one page lists all that this host has. The other host is asked for the rest.
    assert host.asked == {"list": 2, "conversations": 1}
    assert sorted(other.conversations) == ["CON-there", "CON-transient-1", "CON-transient-2"]
    assert other.asked == {"list": 2, "conversation": 3}
    assert sum(host.asked.values()) + sum(other.asked.values()) == found.requests
    rows = open_dataset(folder)["voice_calls"].set_index("leg_id")
    assert rows.loc["ee-1", "host"] == other.base_url
    assert abs(rows.loc["bb-2", "at"] - begin) < timedelta(hours=6)
    assert found.shares.set_index(["part", "value"]).loc[("channel", "sip"), "transient_missed"] == 1


def test_one_request_for_each_conversation_where_that_is_shorter_than_their_list(host: Calls, folder: Path) -> None:
    begin, end = datetime(2026, 11, 17, 10, tzinfo=UTC), datetime(2026, 11, 17, 10, 3, tzinfo=UTC)
    host.listed += [call(f"aa-{number}", "CON-transient", begin, end) for number in range(5)]
    found = check(host, folder)
    assert (found.counts["transient_missed"], host.conversations) == (5, ["CON-transient"])
    assert host.asked == {"list": 2, "conversation": 1}


def test_a_leg_without_its_end_is_partial(host: Calls, folder: Path, tmp_path: Path) -> None:
    dataset = open_dataset(folder)
    statuses, hangups = dataset["leg_statuses"], dataset["hangups"]
    answered = statuses.query("status == 'answered'").sort_values(["at", "leg_id"]).iloc[20]
    # In the middle of a call: the folder has what came before.
    cut = (answered["at"] + timedelta(seconds=1)).to_pydatetime()
    with Sandbox(conversations=60, days=2, faults="gone=3", now=cut) as sandbox:
        export(client_of(sandbox), tmp_path / "earlier", rate=0, progress=None)
    begun = set(statuses.loc[statuses["at"] < cut, "leg_id"])
    ended = set(
        statuses.loc[(statuses["at"] < cut) & ~statuses["status"].isin(["started", "ringing", "answered"]), "leg_id"]
    )
    ended |= set(hangups.loc[hangups["at"] < cut, "leg_id"])
    assert answered["leg_id"] in begun - ended
    found = check(host, tmp_path / "earlier", until=cut)
    assert named(found) == {plain_id(leg): "partial" for leg in begun - ended}
    assert found.counts["covered"] == len(ended)


def test_legs_that_only_the_folder_has_are_counted(host: Calls, folder: Path) -> None:
    lost = host.listed.pop(30)
    found = check(host, folder)
    assert (found.extra, found.share) == (1, 1.0)
    assert [plain_id(leg) for leg in found.extra_legs["leg_id"]] == [plain_id(lost["uuid"])]


# -- from run to run


def test_what_could_not_be_judged_is_looked_at_again(sandbox: Sandbox, host: Calls, folder: Path) -> None:
    now = datetime.now(UTC)
    begin = now - timedelta(hours=2)
    fresh = created(sandbox, "a conversation to come")
    host.listed = [
        call("aa-1", "CON-live", begin, status="answered"),
        call("aa-2", "CON-gone-1", begin, status="ringing"),
        call("aa-3", fresh, begin, begin + timedelta(minutes=1)),
        call("aa-4", "CON-gone-2", begin, begin + timedelta(minutes=1)),
    ]
    first = coverage(host.client(), folder, rate=0)
    assert (first.counts["not_yet"], first.share) == (3, 0.0)
    assert kept(folder) == {"aa1": "not_yet", "aa2": "not_yet", "aa3": "not_yet", "aa4": "transient_missed"}
    assert first.until <= datetime.now(UTC) - SETTLING
    host.listed[0] = call("aa-1", "CON-live", begin, begin + timedelta(minutes=90))
    host.listed.pop(1)
    host.asked.clear()
    # The next window has no call at all.
    second = coverage(host.client(), folder, rate=0, since=first.until - timedelta(seconds=1), until=first.until)
    assert kept(folder) == {"aa1": "transient_missed", "aa2": "not_yet", "aa3": "not_yet", "aa4": "transient_missed"}
    assert named(second) == {"aa1": "transient_missed"}
    # The two that had not ended, and a page of the conversations that might be read by now.
    assert host.asked == {"list": 1, "call": 2, "conversations": 1}


def test_the_next_run_begins_where_the_last_one_ended(host: Calls, folder: Path) -> None:
    first = coverage(host.client(), folder, rate=0)
    assert first.until - first.since == timedelta(days=1)
    later = coverage(host.client(), folder, rate=0, since=EARLY, until=LATE)
    assert later.complete
    with pytest.raises(ConfigError, match="nothing to check"):
        coverage(host.client(), folder, rate=0, until=first.until)
    assert host.windows[0][1] == first.until.strftime("%Y-%m-%dT%H:%M:%SZ")


def test_an_export_goes_on_after_it_as_if_it_had_not_been(sandbox: Sandbox, host: Calls, folder: Path) -> None:
    check(host, folder)
    before = open_dataset(folder)
    done = export(client_of(sandbox), folder, rate=0, progress=None)
    assert (done.report.status, done.report.tables.get("events", 0)) == ("complete", 0)
    after = open_dataset(folder)
    assert "voice_calls" not in done.report.tables
    assert "voice_calls" in after.tables
    assert after.commits[-1].report["selected"] == before.commits[0].report["selected"]
    assert list(after.history()["status"]) == ["complete", "checked", "complete"]
    assert [str(each.level) for each in after.verify() if str(each.level) == "error"] == []
    copied = after.compact(folder.parent / "copy")
    assert copied.rows["voice_calls"] == len(host.listed)
    assert kept(folder.parent / "copy") == kept(folder)
    # The copy knows up to where the call list was read.
    with pytest.raises(ConfigError, match="nothing to check"):
        coverage(host.client(), folder.parent / "copy", until=LATE - timedelta(seconds=1), since=None, rate=0)


def test_a_locked_folder_is_left_alone(host: Calls, folder: Path) -> None:
    from filelock import FileLock

    with FileLock(folder / "_work" / "lock"), pytest.raises(DatasetLocked):
        check(host, folder)
    assert len(open_dataset(folder).commits) == 1


# -- what cannot be read


def test_a_page_that_cannot_be_read_is_said_and_the_window_comes_again(host: Calls, folder: Path) -> None:
    begin = datetime.now(UTC) - timedelta(hours=5)
    host.listed = [call(f"a-{number:04}", "CON-1", begin, begin + timedelta(minutes=1)) for number in range(250)]
    host.failing = 200
    found = coverage(host.client(), folder, rate=0)
    assert not found.complete
    assert re.search("HTML", next(iter(found.incomplete.values())))
    assert found.counts["transient_missed"] == 200
    report = open_dataset(folder).commits[-1].report
    assert report["warning"].startswith("not read to the end")
    host.failing = None
    again = coverage(host.client(), folder, rate=0)
    assert (again.since, again.counts["transient_missed"], again.complete) == (found.since, 250, True)


def test_a_list_that_cannot_be_read_at_all_is_an_error_and_leaves_the_folder(host: Calls, folder: Path) -> None:
    host.failing = 0
    with pytest.raises(UnexpectedPayload):
        check(host, folder)
    assert len(open_dataset(folder).commits) == 1


def test_another_hosts_failure_is_said(host: Calls, folder: Path) -> None:
    with listing(None) as other:
        other.failing = 0
        found = check(host, folder, base_urls=[other.base_url])
    assert (found.share, len(found.incomplete)) == (1.0, 2)
    assert all(other.base_url in what for what in found.incomplete)


def test_unreadable_calls_are_quarantined_and_replayed(host: Calls, folder: Path) -> None:
    host.listed[0]["price"] = "much"
    host.listed[1]["uuid"] = {"no": "text"}
    host.listed[2] |= {"to": [{"type": ["a", "list"]}], "extra": "\ud83d"}
    found = check(host, folder)
    assert found.quarantined == 3
    assert sum(found.counts.values()) == len(host.listed) - 1
    lines = [json.loads(line) for line in next((folder / "_quarantine").iterdir()).read_text().splitlines()]
    assert [(line["list"], line["kept"]) for line in lines] == [
        ("voice_calls", True), ("voice_calls", False), ("voice_calls", True),
    ]  # fmt: skip
    replayed = open_dataset(folder).replay()
    assert (replayed.records, replayed.unreadable, replayed.added) == (3, 3, 0)


@pytest.fixture
def running(host: Calls, folder: Path) -> datetime:
    """A leg that a run saw before it had ended, but with a price; the host will be asked for it."""
    begin = datetime.now(UTC) - timedelta(hours=2)
    leg = call("aa-1", "CON-live", begin, begin + timedelta(minutes=1), status="answered")
    leg = {name: value for name, value in leg.items() if name not in {"end_time", "duration"}}
    host.listed = [leg]
    assert coverage(host.client(), folder, rate=0).counts["not_yet"] == 1
    return begin


def again(host: Calls, folder: Path, answer: dict[str, Any], *others: str) -> tuple[Coverage, dict[str, Any]]:
    """A run over a window without calls, in which the leg that had not ended has this answer; and its row then."""
    listed = host.answer

    def answering(target: str, headers: Any) -> tuple[int, bytes]:
        return (200, json.dumps(answer).encode()) if "/v1/calls/" in target else listed(target, headers)

    host.answer, host.listed = answering, []  # type: ignore[method-assign]
    until = datetime.now(UTC) - SETTLING
    since = until - timedelta(seconds=2)
    found = coverage(host.client(), folder, rate=0, since=since, until=until, base_urls=others)
    return found, open_dataset(folder)["voice_calls"].set_index("leg_id").loc["aa-1"].to_dict()


@pytest.mark.parametrize("answer", [{"title": "No such thing"}, {"uuid": ["aa-1"]}, {"uuid": ""}])
def test_an_answer_that_is_no_call_is_quarantined(
    host: Calls, folder: Path, running: datetime, answer: dict[str, Any]
) -> None:
    found, row = again(host, folder, answer)
    assert (found.quarantined, row["coverage_class"], row["status"]) == (1, "not_yet", "answered")
    lines = [line for path in (folder / "_quarantine").iterdir() for line in path.read_text().splitlines()]
    assert [json.loads(json.loads(line)["raw"]) for line in lines] == [answer]


def test_an_answer_of_another_leg_is_said(host: Calls, folder: Path, running: datetime) -> None:
    other = call("AA-2", "CON-live", running, running + timedelta(minutes=1))
    found, row = again(host, folder, other)
    assert (row["coverage_class"], found.quarantined) == ("not_yet", 0)
    assert found.incomplete == {"calls": "the answer to the request for leg aa-1 is of another leg"}


def test_another_leg_of_one_host_is_no_matter_if_the_next_has_the_right_one(
    host: Calls, folder: Path, running: datetime
) -> None:
    ended = running + timedelta(minutes=1)
    with listing(None) as other:
        answer = other.answer
        right = json.dumps(call("aa-1", "CON-live", running, ended)).encode()
        other.answer = lambda target, headers: (  # type: ignore[method-assign]
            (200, right) if "/v1/calls/" in target else answer(target, headers)
        )
        found, row = again(host, folder, call("AA-2", "CON-live", running, ended), other.base_url)
    assert (row["status"], found.incomplete) == ("completed", {})


def test_an_answer_with_less_keeps_what_was_known(host: Calls, folder: Path, running: datetime) -> None:
    ended = (running + timedelta(minutes=90)).isoformat()
    found, row = again(host, folder, {"uuid": "AA1", "status": "completed", "end_time": ended, "price": "much"})
    assert (row["status"], row["coverage_class"], found.quarantined) == ("completed", "transient_missed", 1)
    assert row["ended_at"] == datetime.fromisoformat(ended)
    assert (row["network"], str(row["price"])[:6], row["conversation_id"]) == ("GB-FIXED", "0.0114", "CON-live")
    assert abs(row["started_at"] - running) < timedelta(seconds=1)


def test_calls_without_an_id_are_not_one_leg(host: Calls, folder: Path) -> None:
    listed = len(host.listed)
    host.listed += [call("", "CON-1", LATE - timedelta(hours=n), LATE - timedelta(minutes=9)) for n in (3, 2, 1)]
    found = check(host, folder)
    assert (found.quarantined, sum(found.counts.values())) == (3, listed)
    assert "" not in kept(folder)


def test_a_folder_without_ends_of_legs_is_refused(sandbox: Sandbox, tmp_path: Path) -> None:
    export(client_of(sandbox), tmp_path / "few", rate=0, progress=None, tables="conversations,messages")
    with listing(sandbox) as host, pytest.raises(ConfigError, match="neither hangups nor leg_statuses"):
        check(host, tmp_path / "few")
    with listing(sandbox) as host, pytest.raises(DatasetError, match="holds no export"):
        check(host, tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()


# -- people


def test_a_masked_folder_needs_its_mask_and_gets_masked_numbers(sandbox: Sandbox, tmp_path: Path) -> None:
    mask = Mask(b"a key for this test only")
    done = export(client_of(sandbox), tmp_path, rate=0, progress=None, mask=mask)
    with listing(sandbox, calls_of(done.dataset)) as host:
        host.listed.append(call("a-1", "CON-447700900123", EARLY + timedelta(days=5), EARLY + timedelta(days=6)))
        with pytest.raises(ConfigError, match="is masked"):
            check(host, tmp_path)
        found = check(host, tmp_path, mask=mask)
        # The API is asked for the conversation by its own name.
        assert host.conversations == ["CON-447700900123"]
    assert named(found) == {"a1": "transient_missed"}
    written = b"".join(path.read_bytes() for path in (tmp_path / "voice_calls").rglob("*.parquet"))
    rows = open_dataset(tmp_path)["voice_calls"].astype(object).fillna("").astype(str)
    assert b"4477009001" not in written
    assert not rows.map(lambda cell: "4477009001" in cell or "442079460201" in cell).to_numpy().any()
    assert rows["from_number"].str.fullmatch(r"44x[0-9a-f]{16}|").all()


def test_a_key_that_is_refused_ends_it(sandbox: Sandbox, host: Calls, folder: Path) -> None:
    def refuse(target: str, headers: Any) -> tuple[int, bytes]:
        return 401, b'{"title": "Unauthorized"}'

    host.answer = refuse  # type: ignore[method-assign]
    with pytest.raises(APIError, match="401"):
        check(host, folder)


def _run_of_coverage(since: str | None, read_until: str) -> dict[str, Any]:
    return {"command": "coverage", "since": since, "coverage": {"read_until": f"2026-11-{read_until}T00:00:00Z"}}


@pytest.mark.parametrize(
    ("runs", "day"),
    [
        ([("2026-11-20T00:00:00Z", "20"), ("2026-11-24T00:00:00Z", "25")], 20),  # a page failed: the gap stays
        ([("2026-11-20T00:00:00Z", "21"), ("2026-11-24T00:00:00Z", "25")], 21),
        ([("2026-11-20T00:00:00Z", "21"), ("2026-11-24T00:00:00Z", "25"), ("2026-11-21T00:00:00Z", "26")], 26),
        ([("2026-11-20T00:00:00Z", "21"), ("2026-11-21T00:00:00Z", "25")], 25),
        ([("2026-11-20T00:00:00Z", "24"), ("2026-11-21T00:00:00Z", "22")], 24),
        ([(None, "20"), (None, "24")], 24),  # of an earlier version
    ],
)
def test_a_later_window_does_not_close_a_gap(runs: list[tuple[str | None, str]], day: int) -> None:
    now = datetime(2026, 11, 30, tzinfo=UTC)
    assert last_end((_run_of_coverage(*each) for each in runs), now) == datetime(2026, 11, day, tzinfo=UTC)


def test_a_clock_that_was_ahead_moves_no_window() -> None:
    def run(day: int, month: int = 11) -> dict[str, Any]:
        at = datetime(2026, month, day, tzinfo=UTC)
        end = {"read_until": (at - SETTLING).isoformat()}
        return {"command": "coverage", "since": None, "started_at": at.isoformat(), "coverage": end}

    def end(day: int) -> datetime:
        return datetime(2026, 11, day, tzinfo=UTC) - SETTLING

    ahead, now = run(9, month=12), datetime(2026, 11, 13, tzinfo=UTC)
    assert last_end([ahead], now) is None
    assert last_end([run(10), ahead], now) == end(10)
    assert last_end([run(10), ahead, run(11), run(12)], now) == end(12)
    # Nor does it when its day has come.
    assert last_end([run(10), ahead, run(11), run(12)], datetime(2026, 12, 10, tzinfo=UTC)) == end(12)
    assert window_of(None, None, now, [run(10), ahead]).since == end(10)
