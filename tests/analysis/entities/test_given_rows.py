"""A leg that a frame of legs has twice counts once, whoever asks, and a verdict of the frame itself is the one."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import pandas as pd
import pytest

from conv_analytics import analysis, quality_report
from conv_analytics.analysis import calls, check, kpi, legs, offenders, quality
from conv_analytics.analysis.engine.columns import CALLS, LEGS
from conv_analytics.analysis.engine.rows import Rows
from conv_analytics.analysis.engine.source import Source
from conv_analytics.analysis.entities.given_rows import read_each_once
from conv_analytics.analysis.problems.reading import read_observations
from conv_analytics.notebook.explorer.calls import judged_calls
from tests._helpers import rate_legs
from tests.analysis import frozen
from tests.analysis.test_every_function import ASKED

#: Questions that take tables only.
OF_TABLES = {
    "conversations", "dtmf", "dtmf_paths", "event_log", "first_responses", "message_funnel", "message_latency", "mute",
    "receipts", "recognition", "responses", "talk", "timeline", "turns",
}  # fmt: skip
#: Questions that are about both ends of numbers of a frame: it keeps the rows that it has.
OF_ROWS = {"match_counts"}
ASKED_OF_LEGS: dict[str, Callable[[Any], Any]] = {
    name: ask for name, ask in ASKED.items() if name not in OF_TABLES | OF_ROWS
} | {
    "offenders of silence": lambda data: offenders(data, "network_code", case="silent", min_n=2),
    "kpi of calls": lambda data: kpi(data, unit="call"),
}  # fmt: skip


@cache
def world() -> pd.DataFrame:
    made: pd.DataFrame = legs(frozen.world())
    return made


@cache
def with_repeats() -> pd.DataFrame:
    """Every leg twice in one order and the other, and some as they were before they ended."""
    before = world().head(20).copy()
    before[["ended_at", "talk_s", "packet_cnt", "hangup_event_id"]] = None
    before = before.assign(open=pd.array([True] * 20, "boolean")).astype(world().dtypes)
    return pd.concat([before, world(), world().iloc[::-1]], ignore_index=True)


def ordered(answer: Any) -> pd.DataFrame:
    shown = rate_legs.plain(rate_legs.back(answer))
    return shown.sort_values(list(shown), ignore_index=True, key=lambda column: column.astype("str"))


@pytest.mark.slow
@pytest.mark.parametrize("name", ASKED_OF_LEGS)
def test_a_leg_that_is_twice_in_a_frame_counts_once(name: str) -> None:
    ask = ASKED_OF_LEGS[name]
    expected, given = (ordered(ask(each)) for each in (world(), with_repeats()))
    pd.testing.assert_frame_equal(given, expected, check_dtype=False)


#: Functions that read a frame each by a call of its own of `read_each_once`; other calls are those of the tests below.
READING = ("calls", "check", "detect_units", "kpi", "reconcile")


@pytest.mark.slow
@pytest.mark.parametrize("kind", sorted({*rate_legs.KINDS} - {"pandas"}))
def test_every_engine_reads_each_leg_and_each_call_once(kind: str) -> None:
    """All questions read by the same function: what it gives is the same on each engine."""
    make = rate_legs.KINDS[kind]
    once = calls(world())
    twice = pd.concat([once, once.iloc[::-1]], ignore_index=True)
    for columns, of_each, with_more in ((LEGS, world(), with_repeats()), (CALLS, once, twice)):
        read = read_each_once(Source.of(make(with_more)), columns, needed=(), maker="legs()")
        every = Rows.read_single(Source.of(of_each), columns, needed=(), maker="legs()")
        pd.testing.assert_frame_equal(ordered(read.collect()), ordered(every.collect()), check_dtype=False)
    for name in READING:
        expected, given = (ordered(ASKED_OF_LEGS[name](each)) for each in (world(), make(with_repeats())))
        pd.testing.assert_frame_equal(given, expected, check_dtype=False, rtol=1e-12, obj=name)


@pytest.mark.parametrize("kind", rate_legs.KINDS)
def test_a_case_of_the_frame_counts_legs_once_and_other_rows_as_they_are(kind: str) -> None:
    legs_ = [each.assign(bad=each["sip_code"].eq(200).fillna(value=False)) for each in (world(), with_repeats())]
    once, twice = (offenders(rate_legs.KINDS[kind](each), "direction", case="bad") for each in legs_)
    rate_legs.same(twice, once)
    turns = legs_[0][["conversation_id", "leg_id", "direction", "bad"]]
    of_turns = offenders(rate_legs.KINDS[kind](pd.concat([turns, turns])), "direction", case="bad")
    assert rate_legs.back(of_turns)["n"].sum() == 2 * len(turns)


@pytest.mark.parametrize("kind", rate_legs.KINDS)
def test_a_call_that_is_twice_in_a_frame_counts_once(kind: str) -> None:
    once = calls(world())
    twice = rate_legs.KINDS[kind](pd.concat([once, once], ignore_index=True))
    rate_legs.same(kpi(twice, unit="call"), kpi(once, unit="call"))
    assert len(rate_legs.back(analysis.redials(twice))) == len(analysis.redials(once))


@pytest.mark.parametrize("kind", rate_legs.KINDS)
def test_legs_without_an_id_are_legs_of_their_own(kind: str) -> None:
    nameless = world().head(10).assign(conversation_id="CON-1", leg_id=pd.Series([None] * 10, dtype="str"))
    given = rate_legs.KINDS[kind](pd.concat([nameless, with_repeats()], ignore_index=True))
    every = len(world()) + 10
    assert len(rate_legs.back(legs(given))) == every
    assert len(rate_legs.back(quality(given))) == every
    seen = read_observations(Source.of(given), since=None, until=None, tz="UTC", profile="recommended", units=None)
    assert len(seen) == every
    table = rate_legs.back(kpi(given, metrics="abr", scope="all"))
    assert table["n"].tolist() == [every]


def test_a_frame_without_ids_is_as_it_is() -> None:
    rows = pd.concat([world(), world()]).drop(columns=["conversation_id", "leg_id"])
    assert kpi(rows, metrics="abr", scope="all")["n"].tolist() == [2 * len(world())]


@pytest.mark.parametrize("kind", rate_legs.KINDS)
def test_a_verdict_of_the_frame_counts_whoever_asks(kind: str) -> None:
    up = world()[world()["answered"].astype(bool)].head(10).reset_index(drop=True)
    own = up.assign(verdict=["poor", "good"] * (len(up) // 2), flow="both", silent_directions=0.0)
    given, poor = rate_legs.KINDS[kind](own), len(up) // 2
    counted = rate_legs.back(offenders(given, "direction", profile="strict", scope="all"))
    assert (counted["k"].sum(), counted["n"].sum()) == (poor, 2 * poor)
    seen = read_observations(Source.of(given), since=None, until=None, tz="UTC", profile="strict", units=None)
    assert int(seen.texts["verdict"].is_in("poor").sum()) == poor
    assert int(seen.texts["verdict"].is_in("good").sum()) == poor
    assert not len(seen.texts["rule"].labels), "what the rulebook says explains no other verdict"
    assert check(given, "poor < 100%", profile="strict")["k"].tolist() == [poor]
    explored = judged_calls(given)
    assert set(explored["verdict"]) == {"poor", "good"}
    assert "poor" not in set(quality(own.assign(verdict="poor").query("packet_cnt.isna()"))["verdict"]), (
        "quality judges"
    )


def test_a_report_shows_the_verdicts_of_its_frame() -> None:
    up = world()[world()["answered"].astype(bool)]
    numbers = quality_report(up.assign(verdict="good")).numbers
    assert numbers.poor_legs == 0
    assert quality_report(up.assign(verdict="poor")).numbers.poor_legs == len(up)
