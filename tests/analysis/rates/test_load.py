"""Load: Erlang's formulas against published values, sweeps against counting, hours of days when clocks change."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conv_analytics.analysis import busy_hour, change_points, concurrency, findings, heatmap, kpi, responses, traffic
from conv_analytics.analysis.maths import erlang
from conv_analytics.analysis.maths.sweep import Steps
from conv_analytics.errors import ColumnNotFound, ConfigError
from tests._helpers import rate_legs
from tests._helpers.rate_legs import NINE, frame, leg, same

# -- Erlang


@pytest.mark.parametrize(
    ("load", "lines", "lost"),
    [(1, 1, 0.5), (2, 5, 0.03669725), (5, 10, 0.01838457), (10, 10, 0.21458234), (20, 30, 0.0084575),
     (100, 117, 0.00979007), (0, 3, 0.0), (5, 0, 1.0)],
)  # fmt: skip
def test_erlang_b(load: float, lines: int, lost: float) -> None:
    assert erlang.erlang_b(load, lines) == pytest.approx(lost, abs=5e-9)
    if lines and load:
        assert erlang.offered(load * (1 - lost), lines) == pytest.approx(load, rel=1e-4)
        assert erlang.trunks_needed(load, blocking=lost * 1.000001) == lines


def test_erlang_c() -> None:
    assert erlang.erlang_c(10, 14) == pytest.approx(0.174132, abs=5e-7)
    level = erlang.expected_service_level(10, 14, within_s=20, handling_s=180)
    assert level == pytest.approx(0.888350, abs=5e-7)
    assert erlang.expected_wait(10, 14, 180) == pytest.approx(7.836, abs=5e-4)
    assert erlang.agents_needed(10, handling_s=180) == 14
    assert erlang.expected_service_level(10, 13, within_s=20, handling_s=180) < 0.8
    # Agents no more than the load: the queue grows for ever.
    assert (erlang.erlang_c(10, 10), erlang.expected_wait(10, 10, 180)) == (1.0, math.inf)
    assert erlang.expected_service_level(10, 10, within_s=20, handling_s=180) == 0
    assert (erlang.erlang_c(0, 0), erlang.agents_needed(0, handling_s=60), erlang.trunks_needed(0)) == (0.0, 0, 1)


@pytest.mark.parametrize(
    "ask",
    [
        lambda: erlang.erlang_b(-1, 3), lambda: erlang.erlang_b(math.nan, 3), lambda: erlang.erlang_b(1, -3),
        lambda: erlang.trunks_needed(1, blocking=1), lambda: erlang.agents_needed(1, handling_s=0),
        lambda: erlang.agents_needed(1, handling_s=10, target=1), lambda: erlang.offered(11, 10),
        lambda: erlang.expected_service_level(1, 2, within_s=-1, handling_s=1),
    ],
)  # fmt: skip
def test_what_is_no_load_is_refused(ask: Any) -> None:
    with pytest.raises(ConfigError):
        ask()


# -- sweeps

SIX = [(0, 600), (300, 600), (600, 300), (900, 60), (899, 2), (3570, 120)]


def legs_of(spans: list[tuple[Any, Any]], **also: Any) -> pd.DataFrame:
    return frame([
        leg(n, started_at=None if start is None else NINE + pd.Timedelta(seconds=start),
            ended_at=None if start is None or length is None else NINE + pd.Timedelta(seconds=start + length), **also)
        for n, (start, length) in enumerate(spans)
    ])  # fmt: skip


@pytest.mark.parametrize("kind", rate_legs.KINDS)
def test_six_calls(kind: str) -> None:
    given_legs = rate_legs.KINDS[kind](legs_of(SIX))
    row = rate_legs.back(busy_hour(given_legs)).iloc[0]
    assert (row["n"], row["unplaced"], row["open"], row["peak"]) == (6, 0, 0, 3)
    assert row["peak_at"] == NINE + pd.Timedelta(seconds=899)
    assert row["busy_s"] == sum(length for _, length in SIX)
    hours = rate_legs.back(traffic(given_legs))
    assert hours["local"].tolist() == ["2026-11-02 09:00+00:00", "2026-11-02 10:00+00:00"]
    assert hours["busy_s"].tolist() == [1592, 90]
    assert hours["erlangs"][0] == pytest.approx(0.442222, abs=5e-7)
    assert hours["peak"].tolist() == [3, 1]
    assert hours["starts"].tolist() == [6, 0]
    steps = rate_legs.back(concurrency(given_legs))
    assert steps["concurrent"].max() == 3
    assert steps["concurrent"].iloc[-1] == 0


def test_the_busy_hour_slides() -> None:
    row = busy_hour(legs_of([(1800, 1800), (3600, 1800), (7200, 60)])).iloc[0]
    assert row["busy_hour_erlangs"] == 1.0
    assert row["busy_hour_at"] == NINE + pd.Timedelta(seconds=1800)


def test_a_call_that_ends_where_another_starts_is_not_up_with_it() -> None:
    assert busy_hour(legs_of([(0, 10), (10, 10), (10, 0)]))["peak"].tolist() == [1]


def test_open_and_unplaced_calls_are_counted() -> None:
    given_legs = legs_of([(0, 100), (50, None), (None, None), (20, -5), (90, None)], answered=True)
    row = busy_hour(given_legs).iloc[0]
    assert (row["n"], row["unplaced"], row["open"], row["peak"]) == (3, 2, 2, 3)
    later = busy_hour(given_legs, until=NINE.to_pydatetime() + pd.Timedelta(seconds=200)).iloc[0]
    assert later["busy_s"] == 100 + 150 + 110
    early = busy_hour(given_legs, until=NINE.to_pydatetime() + pd.Timedelta(seconds=60)).iloc[0]
    assert (early["n"], early["busy_s"], early["open"]) == (2, 60 + 10, 2)
    steps = concurrency(given_legs)
    assert steps["open"].tolist() == [0, 1, 2, 1, 0][-len(steps) :] or steps["open"].max() == 2
    with pytest.raises(ConfigError, match="until has no time zone"):
        concurrency(given_legs, until=datetime(2026, 1, 1))  # noqa: DTZ001


@pytest.mark.parametrize(
    "wrong", ["2026-01-01", date(2026, 1, 1), np.datetime64("2026-01-01"), pd.Series([NINE]), 5], ids=repr
)
def test_what_is_no_instant_is_refused(wrong: Any) -> None:
    for ask in (concurrency, busy_hour, traffic, heatmap):
        with pytest.raises(ConfigError, match=rf"^until is a {type(wrong).__name__}, not an instant.*tzinfo=UTC"):
            ask(frame([leg(1)]), until=wrong)
    with pytest.raises(ConfigError, match=r"^since is a .*, not an instant"):
        heatmap(frame([leg(1)]), since=wrong)
    with pytest.raises(ConfigError, match=r"^since is a .*, not an instant"):
        findings({}, since=wrong)
    with pytest.raises(ConfigError, match=r"^until is a .*, not an instant"):
        responses({"messages": pd.DataFrame({"conversation_id": [], "event_id": [], "at": []})}, {}, until=wrong)


@pytest.mark.slow
@pytest.mark.parametrize("kind", rate_legs.KINDS)
def test_what_was_never_answered_does_not_last_for_ever(kind: str) -> None:
    # Thirty calls of a minute in a month, and one of which only the start is known, on its first day.
    spans = [(day * 86_400, 60) for day in range(30)]
    table = legs_of([*spans, (30, None)])
    table["ringing_at"] = table["ringing_at"].where(table["leg_id"] != "0030", NINE + pd.Timedelta(seconds=40))
    row = rate_legs.back(busy_hour(rate_legs.KINDS[kind](table))).iloc[0]
    # It ends at the last that is known of it, as in calls: it rang 10 s after it had started.
    assert (row["n"], row["open"], row["unplaced"], row["busy_s"]) == (31, 0, 0, 30 * 60 + 10)
    assert row["busy_hour_erlangs"] == pytest.approx(70 / 3600)
    steps = rate_legs.back(concurrency(rate_legs.KINDS[kind](table)))
    assert (steps["concurrent"].max(), steps["open"].max()) == (2, 0)
    for unit in ("call", "conversation"):
        other = rate_legs.back(busy_hour(rate_legs.KINDS[kind](table), unit=unit)).iloc[0]
        assert (other["busy_s"], other["open"]) == (1810, 0), unit
    assert rate_legs.back(traffic(rate_legs.KINDS[kind](table)))["busy_s"].sum() == 1810


def test_a_call_lasts_as_long_as_its_legs() -> None:
    # An inbound leg that is up for a minute, and an outbound one of which only the start is known.
    rows = [leg(1, leg_id="a", direction="inbound", answered=True, answered_at=NINE, outcome="answered",
                ended_at=NINE + pd.Timedelta(seconds=60)),
            leg(1, leg_id="b", open=True, started_at=NINE + pd.Timedelta(seconds=5))]  # fmt: skip
    for kind in ("pandas", "duckdb"):
        row = rate_legs.back(busy_hour(rate_legs.KINDS[kind](frame(rows)), unit="call")).iloc[0]
        assert (row["n"], row["open"], row["busy_s"]) == (1, 0, 60)


def test_units_differ() -> None:
    rows = [
        leg(1, leg_id="a", direction="inbound", answered=True, answered_at=NINE, outcome="answered"),
        leg(1, leg_id="b", answered=True, answered_at=NINE, outcome="answered"),
        leg(1, leg_id="c", answered=True, outcome="answered"),
    ]
    for row, (start, end) in zip(rows, [(0, 60), (5, 60), (300, 400)], strict=True):
        row |= {"started_at": NINE + pd.Timedelta(seconds=start), "ended_at": NINE + pd.Timedelta(seconds=end)}
    table = frame(rows)
    peaks = {unit: busy_hour(table, unit=unit).iloc[0] for unit in ("leg", "call", "conversation")}
    assert {unit: (row["n"], row["peak"]) for unit, row in peaks.items()} == {
        "leg": (3, 2), "call": (2, 1), "conversation": (1, 1),
    }  # fmt: skip
    assert peaks["conversation"]["busy_s"] == 400
    assert busy_hour(table, scope="inbound")["n"].tolist() == [1]
    grouped = busy_hour(table, by="direction")
    assert grouped[["direction", "peak"]].to_numpy().tolist() == [["inbound", 1], ["outbound", 1]]
    # Answered without an instant has no place in time when only talk counts.
    assert busy_hour(table, busy_from="answered")[["n", "unplaced"]].to_numpy().tolist() == [[2, 0]]


@pytest.mark.parametrize("kind", rate_legs.KINDS)
def test_legs_without_a_conversation_are_not_one(kind: str) -> None:
    alone = legs_of([(0, 1), (3 * 3600, 1)], conversation_id=None)
    row = rate_legs.back(busy_hour(rate_legs.KINDS[kind](alone), unit="conversation")).iloc[0]
    assert (row["n"], row["peak"], row["busy_s"]) == (2, 1, 2)
    # Groups, and legs that have a conversation, as before.
    both = pd.concat([alone, legs_of([(10, 5), (20, 5)], conversation_id="CON-1")], ignore_index=True)
    rows = rate_legs.back(busy_hour(rate_legs.KINDS[kind](both), by="direction", unit="conversation"))
    assert rows[["n", "busy_s"]].to_numpy().tolist() == [[3, 17]]


def test_nothing_is_up() -> None:
    for nothing in (frame([]), legs_of([(None, None)]), legs_of([(5, 0)])):
        row = busy_hour(nothing).iloc[0]
        assert (row["peak"], row["busy_hour_erlangs"], row["busy_s"]) == (0, 0.0, 0.0)
        assert pd.isna(row["peak_at"])
        assert concurrency(nothing)["concurrent"].sum() == 0
        assert traffic(nothing)["busy_s"].sum() == 0
    assert len(busy_hour(frame([]), by="country")) == 0
    assert concurrency(frame([])).dtypes.astype("str").to_dict() == {
        "at": "datetime64[us, UTC]", "concurrent": "Int64", "open": "Int64",
    }  # fmt: skip


def test_what_load_cannot_be_told() -> None:
    table = legs_of(SIX)
    for options, says in [
        ({"unit": "trunk"}, "unit"),
        ({"busy_from": "dialled"}, "busy_from"),
        ({"scope": "x"}, "scope"),
    ]:
        with pytest.raises(ConfigError, match=says):
            concurrency(table, **options)
    with pytest.raises(ConfigError, match=r"traffic\(\)"):
        busy_hour(table, by="hour")
    with pytest.raises(ConfigError, match="not a time zone"):
        traffic(table, tz="nowhere")
    with pytest.raises(ColumnNotFound, match="'ended_at'"):
        concurrency(table.drop(columns="ended_at"))


SPANS = st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 3000)), max_size=25)


@settings(max_examples=100, deadline=None)
@given(SPANS)
def test_the_area_is_the_sum_of_the_durations(spans: list[tuple[int, int]]) -> None:
    starts = np.array([start for start, _ in spans], dtype="int64") * 1_000_000
    ends = starts + np.array([length for _, length in spans], dtype="int64") * 1_000_000
    steps = Steps.of(starts, ends)
    assert steps.seconds() == sum(length for _, length in spans)
    # Against counting at every instant.
    for at, up in zip(steps.since, steps.up, strict=True):
        assert up == ((starts <= at) & (at < ends)).sum()
    erlangs, since = steps.busiest()
    every = [int(second) * 1_000_000 for second in range(-3600, 8001, 100)]
    slow = max((sum(max(0, min(e, at + 3_600_000_000) - max(s, at)) for s, e in zip(starts, ends, strict=True))
                for at in every), default=0)  # fmt: skip
    assert erlangs * 3_600_000_000 >= slow - 1e-3
    assert (since is None) == (erlangs == 0)


def test_legs_of_millennia_do_not_overflow() -> None:
    first, last = -62_135_596_800_000_000, 253_402_300_799_999_999
    n = 1_000
    steps = Steps.of(np.full(n, first, dtype="int64"), np.full(n, last, dtype="int64"))
    assert steps.seconds() == pytest.approx(n * (last - first) / 1e6)
    assert steps.until([first, 0, last]) == pytest.approx([0.0, -n * first / 1e6, n * (last - first) / 1e6])
    erlangs, since = steps.busiest()
    assert erlangs == pytest.approx(n, rel=1e-3)
    assert since is not None
    # To the microsecond where that fits.
    assert Steps.of(np.array([0, 1]), np.array([3, 2_000_001])).seconds() == 2.000003


# -- hours of the week

DAYS = [
    ("Europe/London", "2024-03-31", {0: 1.0, 1: 0.0, 2: 1.0}),
    ("Europe/London", "2024-10-27", {0: 1.0, 1: 2.0, 2: 1.0}),
    ("Australia/Lord_Howe", "2024-04-07", {0: 1.0, 1: 1.5, 2: 1.0}),
    ("Australia/Lord_Howe", "2024-10-06", {1: 1.0, 2: 0.5, 3: 1.0}),
    ("Asia/Kathmandu", "2024-10-27", {0: 1.0, 1: 1.0}),
]


@pytest.mark.parametrize(("tz", "day", "hours"), DAYS)
def test_hours_that_existed(tz: str, day: str, hours: dict[int, float]) -> None:
    since = pd.Timestamp(day, tz=tz)
    until = (since + pd.Timedelta(hours=26)).normalize()
    instants = pd.date_range(since, until, freq="10min", inclusive="left").tz_convert("UTC")
    table = frame([leg(n, started_at=instant) for n, instant in enumerate(instants)])
    period = {"since": since.to_pydatetime(), "until": until.to_pydatetime()}
    for kind in (rate_legs.KINDS["pandas"], rate_legs.KINDS["duckdb"]):
        cells = rate_legs.back(heatmap(kind(table), tz=tz, **period)).set_index(["weekday", "hour"])
        assert len(cells) == 168
        assert cells["hours"].sum() == (until - since).total_seconds() / 3600
        assert cells["starts"].sum() == len(instants)
        for hour, existed in hours.items():
            cell = cells.loc[(6, hour)]
            assert cell["hours"] == existed
            assert cell["starts"] == 6 * existed
            assert (cell["per_hour"] == 6.0) if existed else pd.isna(cell["per_hour"])
    # The clock's hours in a row last as long as the day.
    by_hour = traffic(table.assign(ended_at=table["started_at"] + pd.Timedelta(seconds=60)), tz=tz)
    assert by_hour["seconds"].sum() == (until - since).total_seconds()
    assert by_hour["starts"].sum() == len(instants)


#: Instants of a single call in or beside the hour that clocks change by half an hour, and how long that hour is. [h]
LORD_HOWE = [
    ("2026-04-05T01:15+11:00", 1, 1.5), ("2026-04-05T01:45+11:00", 1, 1.5), ("2026-04-05T01:45+10:30", 1, 1.5),
    ("2026-04-05T02:00+10:30", 2, 1.0), ("2026-04-05T00:59+11:00", 0, 1.0), ("2026-10-04T02:30+11:00", 2, 0.5),
    ("2026-10-04T02:45+11:00", 2, 0.5), ("2026-10-04T03:00+11:00", 3, 1.0), ("2026-10-04T01:59+10:30", 1, 1.0),
]  # fmt: skip


@pytest.mark.parametrize(("at", "hour", "length"), LORD_HOWE)
def test_the_hour_of_a_call_is_whole_where_clocks_change_by_half_an_hour(at: str, hour: int, length: float) -> None:
    start = pd.Timestamp(at).tz_convert("UTC")
    table = frame([leg(1, started_at=start, ended_at=start + pd.Timedelta(seconds=1))])
    for kind in (rate_legs.KINDS["pandas"], rate_legs.KINDS["duckdb"]):
        cells = rate_legs.back(heatmap(kind(table), tz="Australia/Lord_Howe")).query("hours > 0")
        assert cells[["weekday", "hour", "hours", "starts"]].to_numpy().tolist() == [[6, hour, length, 1]]
    hours = traffic(table, tz="Australia/Lord_Howe")
    assert hours["seconds"].to_list() == [length * 3600]
    assert hours["at"].iloc[0] <= start < hours["at"].iloc[0] + pd.Timedelta(hours=length)


def test_hours_around_two_changes_by_half_an_hour() -> None:
    for first, last, seconds in [
        ("2026-04-05T00:30+11:00", "2026-04-05T03:30+10:30", [3600, 5400, 3600, 3600]),
        ("2026-10-04T00:30+10:30", "2026-10-04T03:30+11:00", [3600, 3600, 1800, 3600]),
    ]:
        ends = [pd.Timestamp(at).tz_convert("UTC") for at in (first, last)]
        table = frame([leg(n, started_at=at, ended_at=at + pd.Timedelta(seconds=1)) for n, at in enumerate(ends)])
        assert traffic(table, tz="Australia/Lord_Howe")["seconds"].to_list() == seconds
        assert heatmap(table, tz="Australia/Lord_Howe")["hours"].sum() * 3600 == sum(seconds)


def test_half_hours_of_london() -> None:
    instants = pd.date_range("2024-10-27T00:00Z", periods=5, freq="30min")
    local = [text[11:16] for text in instants.tz_convert("Europe/London").astype("str")]
    assert local == ["01:00", "01:30", "01:00", "01:30", "02:00"]
    table = frame([leg(n, started_at=instant) for n, instant in enumerate(instants)])
    cells = heatmap(table, tz="Europe/London").query("hours > 0")
    assert cells[["hour", "hours", "starts", "per_hour"]].to_numpy().tolist() == [[1, 2.0, 4, 2.0], [2, 1.0, 1, 1.0]]


def test_a_rate_of_each_hour() -> None:
    rows = rate_legs.with_codes({200: 3, 486: 1})
    cells = heatmap(frame(rows), "asr", tz="Europe/Vienna")
    cell = cells.set_index(["weekday", "hour"]).loc[(0, 10)]
    assert (cell["k"], cell["n"], cell["rate"], bool(cell["enough"])) == (3, 4, 0.75, False)
    assert cells["rate"].notna().sum() == 1
    assert set(cells["metric"]) == {"asr"}
    same(cells, heatmap(rate_legs.relation(frame(rows)), "asr", tz="Europe/Vienna"))


def test_weeks_of_no_calls_count() -> None:
    at = [datetime(2026, 1, 5, 9, 5, tzinfo=UTC), datetime(2026, 1, 26, 9, 55, tzinfo=UTC)]
    cells = heatmap(frame([leg(n, started_at=instant) for n, instant in enumerate(at)])).set_index(["weekday", "hour"])
    assert cells.loc[(0, 9), ["hours", "starts", "per_hour"]].tolist() == [4.0, 2, 0.5]
    assert cells.loc[(0, 8), "hours"] == 3.0


def test_a_period_without_data_has_no_hours() -> None:
    table = frame([leg(1, started_at=pd.Timestamp("2026-11-02T09:27:00Z"))])
    for period in (
        {"until": datetime(2026, 11, 1, 8, 33, tzinfo=UTC)},
        {"since": datetime(2026, 11, 3, 8, tzinfo=UTC)},
    ):
        cells = heatmap(table, **period)
        assert (cells["hours"].sum(), cells["starts"].sum()) == (0.0, 0), period


def test_heatmaps_of_nothing() -> None:
    for nothing in (frame([]), frame([leg(1, started_at=None)])):
        cells = heatmap(nothing, "asr", tz="Europe/London")
        assert len(cells) == 168
        assert cells[["hours", "starts", "n"]].sum().tolist() == [0, 0, 0]
        assert cells[["per_hour", "rate"]].isna().all().all()
    for options, says in [
        ({"tz": "Europe/Londinium"}, "Europe/Londinium"),
        ({"metric": "mos"}, "metrics='mos'"),
        ({"since": datetime(2026, 1, 1)}, "since has no time zone"),  # noqa: DTZ001
        ({"since": datetime(2026, 2, 1, tzinfo=UTC), "until": datetime(2026, 1, 1, tzinfo=UTC)}, "is after"),
    ]:
        with pytest.raises(ConfigError, match=says):
            heatmap(frame([]), **options)


# -- wrong clocks

ZERO, LAST = "0001-01-01T00:00:00Z", "9999-12-31T23:59:58Z"


def wrong_clocks(*instants: str) -> pd.DataFrame:
    """A leg of half an hour, and one of a second at each of the instants."""
    starts = [NINE, *(pd.Timestamp(at) for at in instants)]
    lengths = [1800, *(1 for _ in instants)]
    return frame([
        leg(n, started_at=start.isoformat(), ended_at=(start + pd.Timedelta(seconds=length)).isoformat())
        for n, (start, length) in enumerate(zip(starts, lengths, strict=True))
    ])  # fmt: skip


@cache
def usual_hours(tz: str) -> pd.DataFrame:
    """The hours where no clock is wrong."""
    hours: pd.DataFrame = traffic(wrong_clocks(), tz=tz)
    return hours


@pytest.mark.parametrize("tz", ["UTC", "America/New_York", "Asia/Kolkata"])
@pytest.mark.parametrize("instants", [(ZERO,), (LAST,), (ZERO, LAST), ("5000-01-01T00:00:00Z",)])
def test_a_wrong_clock_stops_no_answer(instants: tuple[str, ...], tz: str) -> None:
    given_legs = wrong_clocks(*instants)
    n = len(given_legs)
    hours = traffic(given_legs, tz=tz)
    assert (hours["starts"].sum(), hours["busy_s"].sum()) == (n, 1800 + n - 1)
    usual = usual_hours(tz)
    rows = hours[hours["at"].dt.year == 2026].reset_index(drop=True)
    pd.testing.assert_frame_equal(rows, usual)
    assert len(hours) == len(usual) + len(instants)
    assert hours["at"].is_monotonic_increasing
    cells = heatmap(given_legs, tz=tz)
    assert cells["starts"].sum() == n
    assert not cells.loc[cells["starts"] > 0, "per_hour"].isna().any()
    by_day = kpi(given_legs, by="day", metrics=["asr"], tz=tz)
    assert by_day["n"].sum() == n
    assert "2026-11-02" in by_day["day"].to_list()
    if tz == "UTC":
        assert busy_hour(given_legs)["n"].to_list() == [n]
    assert len(change_points(given_legs, per="hour", case="answered", tz=tz)) == n


def test_labels_of_wrong_clocks() -> None:
    hours = traffic(wrong_clocks(ZERO, LAST), tz="America/New_York")
    assert hours["local"].to_list() == ["0000-12-31 19:00-05:00", "2026-11-02 04:00-05:00", "9999-12-31 18:00-05:00"]
    by_day = kpi(wrong_clocks(ZERO, LAST), by="day", metrics=["asr"], tz="America/New_York")
    assert sorted(by_day["day"]) == ["0000-12-31", "2026-11-02", "9999-12-31"]
    by_day = kpi(wrong_clocks(ZERO, LAST), by="day", metrics=["asr"], tz="Asia/Tokyo")
    assert sorted(by_day["day"]) == ["0001-01-01", "10000-01-01", "2026-11-02"]


def test_the_very_last_microsecond_stops_no_answer() -> None:
    given_legs = wrong_clocks("9999-12-31T23:59:58Z").assign(
        ended_at=pd.Timestamp("9999-12-31T23:59:59.999999Z").as_unit("us")
    )
    assert len(traffic(given_legs.iloc[[1]])) == 1
    started = given_legs.assign(started_at=given_legs["ended_at"])
    assert heatmap(started)["hours"].sum() > 0


def test_hours_between_changes_years_apart_are_left_out() -> None:
    years = [(0, 60), (11 * 365 * 86400, 60)]
    assert len(traffic(legs_of(years))) == 2
    assert len(traffic(legs_of([(0, 60), (365 * 86400, 60)]))) == 365 * 24 + 1
