"""What a timeline shows, without a browser: masked, the same each time, small, and with everything in it."""

from __future__ import annotations

import base64
import csv
import gzip
import io
import itertools
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from conv_analytics import export, show_ladder, show_timeline
from conv_analytics.api import Conversations
from conv_analytics.errors import ConfigError, DestinationError, TableNotFound
from conv_analytics.instants import from_micros, micros
from conv_analytics.notebook.timeline.axis import LABEL_PX, SECOND, STEPS, ticks
from conv_analytics.notebook.timeline.page import script
from conv_analytics.notebook.timeline.widget import TimelineWidget
from conv_analytics.privacy.safe_patterns import PHRASES
from conv_analytics.sandbox import Sandbox
from tests._helpers.command_line import call
from tests._helpers.drawn_conversations import (
    CLOCK_CHANGES,
    at_the_ends_of_the_calendar,
    events,
    instants,
    many,
    of_type,
)
from tests._helpers.leg_tables import statuses
from tests._helpers.leg_tables import tables as leg_tables


@pytest.fixture(scope="module")
def transfer(frames: Any) -> Any:
    return show_timeline(frames, of_type(frames, "rtc:transfer"))


def _payload(html: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json">(.*?)</script>', html)
    assert found
    unpacked: dict[str, Any] = json.loads(gzip.decompress(base64.b64decode(json.loads(found[1])["gz"])))
    return unpacked


@pytest.mark.slow
def test_the_page_is_the_same_each_time(frames: Any, transfer: Any) -> None:
    assert show_timeline(frames, transfer.conversation_id).html() == transfer.html()


def test_everything_of_the_frame_is_in_the_page(transfer: Any) -> None:
    payload = _payload(transfer.html())
    assert len(payload["items"]["start"]) == len(payload["details"]) == len(transfer.frame)
    placed = [line for line in payload["items"]["line"] if line >= 0]
    assert len(placed) == transfer.frame["start_at"].notna().sum()
    assert [event for event in payload["items"]["event"] if event is not None] == [
        event for event in transfer.frame["event_id"].tolist() if isinstance(event, int)
    ]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["rtc:transfer", "audio:dtmf", "message"])
def test_no_person_is_in_a_masked_page(frames: Any, kind: str) -> None:
    one = of_type(frames, kind)
    drawn, ladder = show_timeline(frames, one), show_ladder(frames, one)
    parts = [drawn.html(), drawn.svg(), drawn.text(), drawn.table().to_csv(), ladder.html(), ladder.svg(),
             ladder.text(), ladder.to_mermaid(), json.dumps(_payload(drawn.html()), ensure_ascii=False)]  # fmt: skip
    everything = "\n".join(parts)
    table = frames["events"]
    bodies = " ".join(table[table["conversation_id"] == one]["body"].dropna())
    secrets = set(re.findall(r'"(?:number|display_name|text|uri)": ?"([^"]{4,})"', bodies))
    named = drawn.frame[drawn.frame["lane_kind"] == "member"]["lane_name"].unique()
    secrets |= {name for name in named if not name.startswith(("NAM-", "MEM-"))}
    assert secrets
    # A reason in the platform's own words is nobody's.
    assert [secret for secret in secrets if secret in everything and secret.lower() not in PHRASES] == []


@pytest.mark.slow
def test_unmasked_says_so(frames: Any, transfer: Any) -> None:
    shown = show_timeline(frames, transfer.conversation_id, mask=False)
    assert "UNMASKED" in repr(shown)
    assert "UNMASKED" in shown.html()
    assert "masked" in repr(transfer)


def test_digits_are_dots() -> None:
    data = events((0, "member:joined", {}), (1, "audio:dtmf", {"digit": "7", "dtmf_seq": 1}))
    assert "digit •" in show_timeline(data, "CON-1").text()
    assert "digit 7" in show_timeline(data, "CON-1", mask=False).text()


@pytest.mark.parametrize("count", [1, 2, 3000])
def test_few_and_many(count: int) -> None:
    drawn = show_timeline(many(count, members=1), "CON-1")
    root = ET.fromstring(drawn.svg().encode())
    assert root.tag.endswith("svg")
    assert drawn.layout.events == count


def test_forty_members_and_what_has_no_instant() -> None:
    data = many(200, members=40)
    data["events"].loc[150, "at"] = None
    drawn = show_timeline(data, "CON-1")
    assert drawn.layout.counts()["member"] == 40
    assert drawn.layout.counts()["without an instant"] >= 1
    assert "1 without an instant" in repr(drawn)
    assert "no instant" in drawn.text()


def test_a_page_of_2500_events_is_small() -> None:
    assert len(show_timeline(many(2500), "CON-1").html().encode()) < 200_000
    assert len(script().encode()) < 37_000


def test_no_quality_is_never_good(transfer: Any, frames: Any) -> None:
    frame = transfer.frame.assign(level=None)
    drawn = type(transfer)(frame, transfer.conversation_id, tz="UTC", mask=True, theme="light")
    assert 'class="q-none"' in drawn.svg()
    assert 'class="q-good"' not in drawn.svg()
    assert 'class="q-good"' in transfer.svg()


@pytest.mark.parametrize(
    ("zone", "start", "hours", "expected"),
    [
        ("Europe/London", 1_774_742_400, 4, ["29 Mar", "02:00", "03:00", "04:00", "05:00"]),
        ("Europe/London", 1_792_882_800, 4, ["00:00", "01:00", "01:00", "02:00", "03:00"]),
        ("Asia/Kolkata", 1_774_742_400, 3, ["06:00", "07:00", "08:00"]),
    ],
)
def test_ticks_where_clocks_change(zone: str, start: int, hours: int, expected: list[str]) -> None:
    labels = [label for _, label in ticks(start * SECOND, (start + hours * 3600) * SECOND, 84 * hours, ZoneInfo(zone))]
    assert [label.replace("25 Oct", "00:00") for label in labels] == expected


@pytest.mark.parametrize(
    ("zone", "start", "hours", "expected"),
    [
        ("Europe/London", "2026-03-28T12:00Z", 36, "12:00 18:00 29Mar 06:00 12:00 18:00 30Mar"),
        ("Europe/London", "2026-10-24T12:00Z", 36, "18:00 25Oct 06:00 12:00 18:00 26Oct"),
        ("Europe/London", "2026-03-28T22:00Z", 16, "22:00 29Mar 02:00 04:00 06:00 08:00 10:00 12:00 14:00"),
        # Midnight is skipped.
        ("America/Santiago", "2026-09-05T14:00Z", 36, "12:00 18:00 6Sep 06:00 12:00 18:00"),
        ("America/Sao_Paulo", "2018-11-04T00:00Z", 7, "21:00 22:00 23:00 4Nov 02:00 03:00 04:00 05:00"),
        # Midnight comes twice.
        ("America/Havana", "2026-11-01T00:00Z", 36, "1Nov 06:00 12:00 18:00 2Nov 06:00"),
        ("America/Havana", "2026-11-01T02:00Z", 5, "22:00 23:00 1Nov 00:00 01:00 02:00"),
        # A day is skipped.
        ("Pacific/Apia", "2011-12-29T12:00Z", 36, "06:00 12:00 18:00 31Dec 06:00 12:00"),
        ("Pacific/Apia", "2011-12-27T12:00Z", 96, "28Dec 29Dec 31Dec 1Jan"),
        ("Australia/Lord_Howe", "2026-04-04T12:00Z", 6, "23:00 5Apr 01:00 02:00 03:00 04:00"),
        ("Australia/Lord_Howe", "2026-10-03T12:30Z", 6, "23:00 4Oct 01:00 03:00 04:00 05:00"),
        ("Asia/Kathmandu", "2026-03-28T12:15Z", 24, "18:00 29Mar 06:00 12:00 18:00"),
    ],
)
def test_ticks_are_even_on_the_clock_of_a_zone(zone: str, start: str, hours: int, expected: str) -> None:
    begin, labelled = micros(datetime.fromisoformat(start)), 84.0 * len(expected.split())
    labels = [label for _, label in ticks(begin, begin + hours * 3600 * SECOND, labelled, ZoneInfo(zone))]
    assert [label.replace(" ", "") for label in labels] == expected.split()


@pytest.mark.parametrize(("zone", "change"), [(zone, at) for zone, each in CLOCK_CHANGES.items() for at in each])
def test_every_tick_has_the_time_of_its_clock_and_none_is_missing(zone: str, change: str) -> None:
    clock, middle = ZoneInfo(zone), micros(datetime.fromisoformat(change))
    for hours, width, early in itertools.product(
        (1, 3, 8, 13, 24, 36, 60, 100, 400), (300, 700, 1200), (0.1, 0.5, 0.8)
    ):
        start = middle - int(hours * early * 3600) * SECOND
        end = start + hours * 3600 * SECOND
        step = next(each for each in STEPS if each >= LABEL_PX * (end - start) / width)
        made = ticks(start, end, width, clock)
        for at, label in made:
            here, before = (from_micros(each).astimezone(clock) for each in (at, at - 1))
            begins = here.date() != before.date()
            shown = f"{here.day} {here:%b}" if begins or step >= 24 * 3600 * SECOND else f"{here:%H:%M:%S}"
            assert shown.startswith(label), (hours, width, here)
            midnight = here.replace(hour=0, minute=0, second=0)
            assert begins or (here - midnight).total_seconds() * SECOND % step == 0, (hours, width, here)
        instants = [at for at, _ in made]
        assert all(after - at >= step / 2 for at, after in itertools.pairwise(instants)), "printed over each other"
        # Every even time of the clock has a tick, or one just before it.
        stride = min(step, 900 * SECOND)
        for at in range(-(-start // stride) * stride, end, stride):
            wall = micros(from_micros(at).astimezone(clock).replace(tzinfo=UTC))
            if wall % step == 0:
                assert any(at - step / 2 < each <= at for each in instants) or at - start < step / 2, (hours, width, at)


@at_the_ends_of_the_calendar
def test_clocks_at_the_ends_of_the_calendar_are_drawn(zone: str, first: str, last: str) -> None:
    data = events((0, "member:joined", {}), (1, "audio:say", {}))
    data["events"]["at"] = instants(first, last)
    drawn = show_timeline(data, "CON-1", tz=zone)
    # Where a zone has no date, the instant is written in UTC.
    assert drawn.text().count(f"\n{first[:4]}-") + drawn.text().count(f"\n{last[:4]}-") >= 2
    start, end = (int(at.timestamp() * SECOND) for at in data["events"]["at"])
    assert 1 <= len(ticks(start, end, 1000.0, ZoneInfo(zone))) <= 12
    assert ET.fromstring(drawn.svg().encode()).tag.endswith("svg")
    assert len(drawn.html()) < 100_000
    legs = {"leg_statuses": leg_tables(leg_statuses=statuses("a", ("started", 0), ("busy", 9)))["leg_statuses"]}
    legs["leg_statuses"]["at"] = instants(first, last)
    ladder = show_ladder(legs, "CON-1", tz=zone)
    assert next(words for *_, words, _ in ladder.lines()) == "INVITE"
    assert ladder.svg()


def test_days_of_a_change_are_at_midnight() -> None:
    zone = ZoneInfo("Europe/London")
    found = ticks(1_774_600_000 * SECOND, 1_775_000_000 * SECOND, 500, zone)
    assert [label for _, label in found] == ["28 Mar", "29 Mar", "30 Mar", "31 Mar", "1 Apr"][: len(found)]
    assert found[2][0] - found[1][0] == 23 * 3600 * SECOND


def test_wrong_calls_say_what_to_do(frames: Any, tmp_path: Path, transfer: Any) -> None:
    with pytest.raises(ConfigError, match="IANA name"):
        show_timeline(frames, transfer.conversation_id, tz="Mars/Olympus")
    with pytest.raises(ConfigError, match="not a theme"):
        show_timeline(frames, transfer.conversation_id, theme="blue")
    with pytest.raises(ConfigError, match="nothing about conversation"):
        show_timeline(frames, "CON-none")
    with pytest.raises(TableNotFound):
        show_timeline({}, "CON-1")
    with pytest.raises(DestinationError):
        transfer.save(tmp_path / "none" / "call.html")


def test_the_accessor_draws(frames: Any, transfer: Any) -> None:
    drawn = frames["events"].conv.timeline(transfer.conversation_id)
    assert drawn.layout.counts()["member"] == 3
    assert "timeline" in dir(frames["events"].conv)


def test_the_widget_falls_back_to_a_page(transfer: Any) -> None:
    widget = TimelineWidget(transfer)
    shown = widget._repr_mimebundle_()
    bundle: Mapping[str, Any] = shown[0] if isinstance(shown, tuple) else shown
    assert 'class="ca-still"' in bundle["text/html"]
    widget.rows = [2, 4, 99_999]
    assert widget.selected.index.to_list() == [2, 4]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("export")
    with Sandbox(seed=7, conversations=60) as sandbox:
        client = Conversations(sandbox.application_id, sandbox.private_key, base_url=sandbox.base_url)
        export(client, path, rate=0, progress=False)
    return path


@pytest.mark.slow
def test_the_command_writes_a_page_and_prints(folder: Path, transfer: Any, tmp_path: Path) -> None:
    page = tmp_path / "call.html"
    done = call("timeline", folder, transfer.conversation_id, "-o", page)
    assert (done.code, done.out) == (0, "")
    text = page.read_text(encoding="utf-8")
    assert "Content-Security-Policy" in text
    assert "Who signalled what to whom" in text
    printed = {
        form: call("timeline", folder, transfer.conversation_id, "--format", form).out for form in ("csv", "json")
    }
    rows = list(csv.DictReader(io.StringIO(printed["csv"])))
    assert len(rows) == len(json.loads(printed["json"])) == len(transfer.frame)
    assert "BYE" in call("timeline", folder, transfer.conversation_id).out
    wrong = call("timeline", folder, "CON-none")
    assert wrong.code == 2
    assert "CON-none" in wrong.err
