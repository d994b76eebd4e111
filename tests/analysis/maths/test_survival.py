"""Times with censoring and with competing events: textbooks, another implementation, of nothing, of certainty."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conv_analytics.analysis import aalen_johansen, kaplan_meier
from conv_analytics.errors import ConfigError


def test_kaplan_meier() -> None:
    # Remission of leukaemia in weeks, 6-mercaptopurine group: Gehan 1965, in every textbook.
    weeks = [6, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32, 34, 35]
    relapse = [1, 1, 1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0]
    curve = kaplan_meier(weeks, relapse)
    assert list(curve.time) == [6, 7, 10, 13, 16, 22, 23]
    assert list(curve.at_risk) == [21, 17, 15, 12, 11, 7, 6]
    expected = [0.8571, 0.8067, 0.7529, 0.6902, 0.6275, 0.5378, 0.4482]
    assert curve.survival == pytest.approx(expected, abs=5e-5)
    assert curve.lo[0] == pytest.approx(0.6197, abs=5e-5)
    assert curve.hi[0] == pytest.approx(0.9516, abs=5e-5)
    assert curve.quantile(0.5) == 23
    assert curve.quantile_interval(0.5)[0] == 13
    assert math.isnan(curve.quantile_interval(0.5)[1])
    assert math.isnan(curve.quantile(0.9))


def test_curves_of_nothing_and_of_certainty() -> None:
    assert len(kaplan_meier([], []).time) == 0
    assert len(kaplan_meier([3.0, 4.0], [False, False]).time) == 0
    sure = kaplan_meier([1.0, 2.0, math.nan], [True, True, True])
    assert (list(sure.survival), sure.quantile(0.5), sure.quantile(0.9)) == ([0.5, 0.0], 1, 2)
    # Where nobody is left there is no variance: R's survfit says NA, too.
    assert list(sure.lo) == pytest.approx([0.0060, math.nan], abs=1e-4, nan_ok=True)
    assert list(sure.hi) == pytest.approx([0.9104, math.nan], abs=1e-4, nan_ok=True)
    assert sure.quantile_interval(0.5) == (1, pytest.approx(math.nan, nan_ok=True))
    with pytest.raises(ConfigError, match="negative"):
        kaplan_meier([-1.0], [True])
    with pytest.raises(ConfigError, match="2 durations and 1 flags"):
        kaplan_meier([1.0, 2.0], [True])


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=50))
def test_without_censoring_the_curve_is_the_share(values: list[float]) -> None:
    curve = kaplan_meier(values, [True] * len(values))
    shares = [sum(value > time for value in values) / len(values) for time in curve.time]
    assert curve.survival == pytest.approx(shares, abs=1e-9)


#: Ten cases: time, and what happened (0 censored, 1 the event, 2 the other). Shares and variances of lifelines 0.30.3,
#: ``AalenJohansenFitter(calculate_variance=True)``.
TIMES = [1, 2, 3, 4, 5, 6.5, 7, 8, 9, 12]
WHAT = np.array([2, 1, 2, 1, 0, 1, 2, 0, 1, 0])


def test_aalen_johansen() -> None:
    curve = aalen_johansen(TIMES, WHAT == 1, WHAT == 2)
    assert list(curve.time) == [2, 4, 6.5, 9]
    assert list(curve.at_risk) == [9, 7, 5, 2]
    assert list(curve.events) == [1, 1, 1, 1]
    assert list(curve.others) == [1, 1, 0, 1]
    assert curve.share == pytest.approx([0.1, 0.2, 0.32, 0.5], abs=1e-12)
    assert curve.variance == pytest.approx([0.009, 0.016, 0.02368, 0.0334], abs=1e-12)
    assert curve.quantile(0.32) == 6.5
    assert math.isnan(curve.quantile(0.51))
    assert curve.quantile_interval(0.5)[0] == 2
    assert math.isnan(curve.quantile_interval(0.5)[1])


def test_what_fails_is_not_answered_later() -> None:
    # One of ten, and nine that failed before: censored they would be answered, too.
    failed = np.array([False] + [True] * 9)
    curve = aalen_johansen([10.0] + [1.0] * 9, ~failed, failed)
    assert (list(curve.time), list(curve.at_risk), list(curve.others)) == ([10], [1], [9])
    assert curve.share == pytest.approx([0.1])
    assert kaplan_meier([10.0] + [1.0] * 9, ~failed).survival == pytest.approx([0.0])
    assert curve.lo[0] < 0.1 < curve.hi[0] < 0.6


def test_curves_of_incidence_of_nothing() -> None:
    assert len(aalen_johansen([], [], []).time) == 0
    assert len(aalen_johansen([3.0, 4.0], [False, False], [True, False]).time) == 0
    one = aalen_johansen([5.0], [True], [False])
    assert (list(one.share), one.quantile(0.9)) == ([1.0], 5.0)
    assert np.isnan([*one.lo, *one.hi, *one.quantile_interval(0.5)]).all()
    for args, says in [
        (([-1.0], [True], [False]), "negative"),
        (([1.0], [True], [True]), "both"),
        (([1.0, 2.0], [True], [False]), "2 durations"),
    ]:
        with pytest.raises(ConfigError, match=says):
            aalen_johansen(*args)


CASES = st.lists(st.tuples(st.integers(0, 20), st.sampled_from([0, 1, 2])), max_size=40)


@given(CASES)
def test_the_curves_agree_where_they_answer_the_same(cases: list[tuple[int, int]]) -> None:
    time, what = np.array([t for t, _ in cases], dtype="float64"), np.array([w for _, w in cases], dtype="int64")
    both = aalen_johansen(time, what == 1, what == 2)
    # Both causes and those that are left make a whole.
    others = aalen_johansen(time, what == 2, what == 1)
    left = kaplan_meier(time, what > 0).survival
    ends = sum(curve.share[-1] if len(curve.share) else 0.0 for curve in (both, others))
    assert ends + (left[-1] if len(left) else 1.0) == pytest.approx(1.0)
    assert (np.diff(both.share) > -1e-12).all()
    known = ~np.isnan(both.lo)
    assert ((both.lo <= both.share) & (both.share <= both.hi))[known].all()
    # Without the other event it is what Kaplan and Meier say, limits included.
    alone, km = aalen_johansen(time, what == 1, what > 2), kaplan_meier(time, what == 1)
    assert alone.share == pytest.approx(1 - km.survival, abs=1e-9)
    assert alone.lo == pytest.approx(1 - km.hi, abs=1e-9, nan_ok=True)
    assert alone.hi == pytest.approx(1 - km.lo, abs=1e-9, nan_ok=True)


@pytest.mark.parametrize(
    "flags",
    [
        [True, None, math.nan],
        (True, None, False),
        pd.array([True, None, False], "boolean"),
        pd.Series([1.0, math.nan, 0.0]),
        np.array([1.0, math.nan, 0.0]),
    ],
)
def test_unknown_flags_are_refused(flags: Any) -> None:
    with pytest.raises(ConfigError, match=r"[12] flags are null"):
        kaplan_meier([1, 2, 3], flags)
    for happened, other in ((flags, [False] * 3), ([False] * 3, flags)):
        with pytest.raises(ConfigError, match=r"[12] flags are null"):
            aalen_johansen([1, 2, 3], happened, other)


def test_flags_may_be_nullable_booleans_or_numbers() -> None:
    expected = kaplan_meier([1, 2, 3], [True, False, True])
    for flags in (pd.array([True, False, True], "boolean"), pd.Series([1, 0, 1]), [1, 0, 1]):
        assert kaplan_meier([1, 2, 3], flags).survival.tolist() == expected.survival.tolist()
