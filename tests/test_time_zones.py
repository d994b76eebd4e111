"""Days on the clocks of zones, counted by quarters of an hour."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from conv_analytics.time_zones import EARLIEST, LATEST, QUARTER_US, day_of_quarter

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ZONES = (
    "UTC", "Europe/London", "America/New_York", "America/Vancouver", "America/St_Johns", "Asia/Kathmandu",
    "Pacific/Chatham", "Pacific/Apia", "Australia/Lord_Howe", "Africa/Casablanca", "Africa/Cairo", "Asia/Pyongyang",
)  # fmt: skip


@pytest.mark.parametrize("name", ZONES)
def test_the_day_of_an_instant_is_that_of_its_quarter(name: str) -> None:
    zone, dice = ZoneInfo(name), random.Random(7)
    instants = [
        datetime(1972, 6, 1, tzinfo=UTC) + timedelta(seconds=dice.randrange(4_000_000_000)) for _ in range(5_000)
    ]
    # The last and the first second of a day, where a quarter could be of two.
    midnights = [datetime(at.year, at.month, at.day, tzinfo=zone).astimezone(UTC) for at in instants[:1_000]]
    edges = [at + timedelta(seconds=by) for at in midnights for by in (-1, 0)]
    for at in (*instants, *edges):
        quarter = (at - EPOCH) // timedelta(microseconds=QUARTER_US)
        assert day_of_quarter(quarter, zone) == at.astimezone(zone).date().isoformat(), at


@pytest.mark.parametrize("name", ["UTC", "America/New_York", "Pacific/Auckland"])
def test_the_ends_of_the_calendar_have_a_day(name: str) -> None:
    ends = [
        day_of_quarter((at - EPOCH) // timedelta(microseconds=QUARTER_US), ZoneInfo(name)) for at in (EARLIEST, LATEST)
    ]
    assert [end[:4] for end in ends] == ["0001", "9999"]
