"""Mix against rate, cliffs, change points and redials: by hand, by properties, on every engine."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from conv_analytics.analysis import change_points, compare, newcombe, redials, timer_cliffs
from conv_analytics.analysis.finders.compare import decomposed
from conv_analytics.errors import ColumnNotFound, ConfigError
from tests._helpers.leg_tables import as_pandas, relations

COUNTS = st.integers(0, 50).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
PERIOD = st.tuples(COUNTS, COUNTS)


def calls(**routes: tuple[int, int]) -> pd.DataFrame:
    rows = [(route, place < k) for route, (k, n) in routes.items() for place in range(n)]
    return pd.DataFrame(rows, columns=["route", "ok"]).astype({"route": "str", "ok": "boolean"})


BEFORE, AFTER = calls(A=(640, 800), B=(60, 200)), calls(A=(410, 500), B=(160, 500))


# -- compare


def test_a_shift_of_the_mix_by_hand() -> None:
    told = compare(BEFORE, AFTER, by="route", case="ok")
    total = told.total.set_index("part")
    assert total["change"].to_numpy() == pytest.approx([-0.13, -0.15, 0.02])
    _, lo, hi = newcombe(570, 1000, 700, 1000)
    assert total.loc["total", ["lo", "hi"]].tolist() == pytest.approx([float(lo), float(hi)])
    assert total.loc["total", ["k0", "n0", "k1", "n1"]].tolist() == [700, 1000, 570, 1000]
    assert told.why == "mix"
    groups = told.groups.set_index("route")
    assert groups["rate"].to_dict() == pytest.approx({"A": 0.65 * 0.02, "B": 0.35 * 0.02})
    overall = (0.7 + 0.57) / 2
    assert groups["mix"].to_dict() == pytest.approx({"A": -0.3 * (0.81 - overall), "B": 0.3 * (0.31 - overall)})
    assert not groups["changed"].any()
    assert "mix" in repr(told)
    assert "<table" in told._repr_html_()


def test_a_route_that_became_worse_is_rate() -> None:
    told = compare(calls(A=(400, 500), B=(400, 500)), calls(A=(400, 500), B=(250, 500)), by="route", case="ok")
    assert told.why == "rate"
    assert told.groups["route"][0] == "B"
    assert told.groups.set_index("route")["changed"].to_dict() == {"A": False, "B": True}


def test_a_new_route_is_mix() -> None:
    told = compare(calls(A=(400, 500)), calls(A=(400, 500), New=(10, 500)), by="route", case="ok")
    assert told.why == "mix"
    assert told.groups.set_index("route")["rate"].to_dict() == pytest.approx({"A": 0, "New": 0})
    assert pd.isna(told.groups.set_index("route").loc["New", "rate0"])


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        # The lady tasting tea, and the convictions of twins: one-sided 0.2428571 and 0.0004652 by R's fisher.test.
        ((3, 4), (1, 4), 2 * 0.2428571),
        ((2, 17), (10, 13), 2 * 0.0004652),
        # Of 4 draws without replacement from 3 cases among 10: none of them, C(7, 4) / C(10, 4).
        ((0, 4), (3, 6), 2 * 35 / 210),
        ((5, 10), (5, 10), 1.0),
        ((0, 10), (0, 20), 1.0),
    ],
)
def test_p_is_fishers_exact_test(before: tuple[int, int], after: tuple[int, int], expected: float) -> None:
    for one, two in ((before, after), (after, before)):
        groups = compare(calls(A=one), calls(A=two), by="route", case="ok", min_n=1).groups
        assert groups["p"].tolist() == pytest.approx([expected], rel=1e-4)


def test_two_rare_cases_in_a_short_period_are_no_change() -> None:
    rare = compare(calls(A=(30, 3000)), calls(A=(2, 30)), by="route", case="ok")
    assert rare.groups["p"].tolist() == pytest.approx([2 * 0.0391], rel=0.01)
    assert rare.total["clear"].tolist()[1:] == [False, False]
    assert compare(calls(A=(30, 3000)), calls(A=(6, 30)), by="route", case="ok").groups["changed"].all()
    gone = compare(calls(A=(30, 3000), B=(1, 30)), calls(A=(0, 30)), by="route", case="ok").groups
    assert gone.set_index("route")["p"].isna().to_dict() == {"A": False, "B": True}


def test_few_of_many_comparisons_without_a_change_find_one() -> None:
    draw, found = np.random.default_rng(1), 0
    for _ in range(40):
        k0, k1 = draw.binomial(3000, 0.01, 20), draw.binomial(30, 0.01, 20)
        counts = pd.DataFrame({"route": list("abcdefghijklmnopqrst"), "k0": k0, "n0": 3000, "k1": k1, "n1": 30})
        found += bool(decomposed(counts, ["route"])[1]["changed"].any())
    assert found <= 4, "q up to 0.1"


def test_millions_of_calls_are_tested_exactly() -> None:
    counts = pd.DataFrame(
        {"route": ["a", "b"], "k0": [500_000, 10], "n0": 1_000_000, "k1": [501_400, 40], "n1": 1_000_000}
    )
    groups = decomposed(counts, ["route"])[1].set_index("route")
    # There the normal approximation is as good: z = 1,400 / sqrt(2 * 1,000,000 / 4).
    assert groups.loc["a", "p"] == pytest.approx(0.0477, rel=0.01)
    assert groups.loc["b", "p"] == pytest.approx(2 * 1.19e-5, rel=0.01), "40 or more of 50, by the binomial"


@pytest.mark.slow
@given(st.dictionaries(st.sampled_from("abcdef"), PERIOD, min_size=1))
@example({"a": ((0, 0), (0, 0)), "b": ((0, 1), (1, 1))})
@settings(max_examples=60, deadline=None)
def test_mix_and_rate_are_the_whole_change(groups: dict[str, Any]) -> None:
    rows = [(name, *zero, *one) for name, (zero, one) in groups.items()]
    counts = pd.DataFrame(rows, columns=["route", "k0", "n0", "k1", "n1"])
    total, parts, _ = decomposed(counts, ["route"])
    change, mix, rate = total["change"]
    if not counts["n0"].sum() or not counts["n1"].sum():
        assert np.isnan([change, mix, rate]).all()
        return
    assert mix + rate == pytest.approx(change, abs=1e-12)
    assert [parts["mix"].sum(), parts["rate"].sum()] == pytest.approx([mix, rate], abs=1e-12)
    back = decomposed(counts.rename(columns={"k0": "k1", "n0": "n1", "k1": "k0", "n1": "n0"}), ["route"])[0]
    assert back["change"].to_numpy() == pytest.approx(-total["change"].to_numpy(), abs=1e-12)
    again = decomposed(counts.iloc[::-1].reset_index(drop=True), ["route"])[0]
    assert again["change"].to_numpy() == pytest.approx(total["change"].to_numpy(), abs=1e-12)


def test_compare_on_duckdb() -> None:
    one, two = relations({"one": BEFORE, "two": AFTER}).values()
    told, expected = compare(one, two, by="route", case="ok"), compare(BEFORE, AFTER, by="route", case="ok")
    assert told.why == expected.why
    for name, key in (("total", "part"), ("groups", "route")):
        given_back = as_pandas(getattr(told, name), [key])
        wanted = getattr(expected, name).sort_values(key, ignore_index=True)
        pd.testing.assert_frame_equal(given_back, wanted, check_dtype=False)


def test_compare_of_nothing_and_of_what_does_not_fit() -> None:
    told = compare(calls(), AFTER, by="route", case="ok")
    assert told.why == "none"
    assert told.total["change"].isna().all()
    with pytest.raises(ConfigError, match="by names no column"):
        compare(BEFORE, AFTER, by=(), case="ok")
    with pytest.raises(ConfigError, match="confidence"):
        compare(BEFORE, AFTER, by="route", case="ok", confidence=1)
    with pytest.raises(ConfigError, match="give both as one kind"):
        compare(BEFORE, relations({"two": AFTER})["two"], by="route", case="ok")


# -- timer cliffs


def lasting(lengths: list[float | None], network: str = "23410") -> pd.DataFrame:
    names = [f"{network}-{place}" for place in range(len(lengths))]
    return pd.DataFrame({"conversation_id": names, "leg_id": names, "answered": True,
                         "talk_s": pd.array(lengths, "Float64"), "network_code": network})  # fmt: skip


EVEN = [float(second) for second in range(4, 404)]


def test_a_cliff_by_hand() -> None:
    data = pd.concat([lasting([*EVEN, *([31.8] * 20)]), lasting(EVEN, "20801")], ignore_index=True)
    found = timer_cliffs(data)
    cliff = found.iloc[0]
    assert found["cliff"].sum() == 1
    assert (cliff["network_code"], cliff["timer_s"]) == ("23410", 32)
    # 32, 33 and the twenty in two seconds. Beside them one call a second, as far as there are twenty: eight seconds to
    # either side, and as many again beyond, less those before the first second.
    assert (cliff["k"], cliff["n"]) == (22, 420)
    assert cliff["expected"] == pytest.approx(2, rel=0.15)
    assert cliff["likely"].startswith("SIP: the ACK to the 200 never came")
    assert not found[found["network_code"] == "20801"]["cliff"].any()


def test_no_cliff_in_a_few_calls_or_none() -> None:
    assert not timer_cliffs(lasting([32.0] * 20))["cliff"].any(), "fewer than min_n"
    empty = timer_cliffs(lasting([]))
    assert len(empty) == 0
    assert "likely" in empty
    unknown = timer_cliffs(lasting([*EVEN, *([None] * 50)]))
    assert not unknown["cliff"].any()
    assert set(unknown["n"]) == {400}


def drawn(seed: int, make: Any, networks: int = 8, count: int = 4000) -> pd.DataFrame:
    """Calls of several networks whose lengths are made by the same dice."""
    dice = np.random.default_rng(seed)
    place = dice.integers(0, networks, count)
    return lasting(list(make(dice, count)), "x").assign(network_code=[f"n{each}" for each in place])


ROUND_TOPS = {
    "talk of half a minute": lambda dice, count: np.maximum(dice.normal(31, 6, count), 1),
    "in whole seconds": lambda dice, count: np.ceil(dice.lognormal(4, 0.9, count)),
    "a recording of 29.5 s": lambda dice, count: np.where(
        dice.random(count) < 0.4, 29.5 + dice.normal(0, 0.1, count), dice.exponential(90, count)
    ),
    "a recording of 29.5 s, and who hangs up then": lambda dice, count: np.where(
        dice.random(count) < 0.4, 29.5 + dice.gamma(2, 0.6, count), dice.exponential(90, count)
    ),
}


@pytest.mark.parametrize("kind", ROUND_TOPS)
def test_what_people_and_recordings_do_is_no_cliff(kind: str) -> None:
    for seed in range(3):
        found = timer_cliffs(drawn(seed, ROUND_TOPS[kind]))
        assert not found["cliff"].any(), (kind, seed)


@pytest.mark.parametrize("cut", [45.0, 75.0, 210.5])
def test_a_cliff_at_no_known_timer(cut: float) -> None:
    data = drawn(5, lambda dice, count: dice.lognormal(4.2, 0.9, count))
    dice = np.random.default_rng(6)
    ended = (data["network_code"] == "n3") & (data["talk_s"] > cut) & (dice.random(len(data)) < 0.3)
    data["talk_s"] = data["talk_s"].mask(ended, cut + pd.Series(dice.uniform(0, 0.4, len(data))))
    found = timer_cliffs(data)
    cliffs = found[found["cliff"].astype(bool)]
    assert cliffs[["network_code", "timer_s"]].to_numpy().tolist() == [["n3", cut]]
    assert "no known timer" in cliffs["likely"].iloc[0]
    assert not timer_cliffs(data, anywhere=False)["cliff"].any()


def two_legs(own: list[float], others: list[float], shared: int = 30) -> pd.DataFrame:
    """A route that cuts calls after 32 s, and the network of their other legs, which also has calls of its own."""
    cut = lasting([31.8] * 30, "cuts")
    other_leg = cut.head(shared).assign(leg_id=cut["leg_id"] + "-other", network_code="other")
    rest = [lasting(own, "cuts"), lasting(others, "other"), lasting(EVEN, "far")]
    # The calls of their own come after those that were cut.
    rest = [frame.assign(conversation_id=frame["conversation_id"] + "-own") for frame in rest]
    return pd.concat([cut, other_leg, *rest], ignore_index=True)


def test_the_other_legs_of_calls_that_were_cut_are_no_cliff() -> None:
    data = two_legs(EVEN, EVEN * 2)
    found = timer_cliffs(data)
    assert found.loc[found["cliff"], ["network_code", "timer_s"]].to_numpy().tolist() == [["cuts", 32.0]]
    other = found[(found["network_code"] == "other") & (found["timer_s"] == 32)].iloc[0]
    assert (other["k"], other["shared"]) == (34, 30)
    assert other["excess"] == pytest.approx(4 - other["expected"])
    assert other["expected"] == pytest.approx(4, rel=0.15)
    assert timer_cliffs(data[data["network_code"] != "cuts"])["cliff"].sum() == 1, "alone it would be one"
    (relation,) = relations({"legs": data}).values()
    keys = ["network_code", "timer_s"]
    pd.testing.assert_frame_equal(
        as_pandas(timer_cliffs(relation), keys), found.sort_values(keys, ignore_index=True), check_dtype=False
    )


def test_two_networks_that_cut_calls_of_their_own_are_both_named() -> None:
    found = timer_cliffs(two_legs(EVEN, [*EVEN, *([32.2] * 25)], shared=15))
    assert sorted(found.loc[found["cliff"], "network_code"]) == ["cuts", "other"]


def test_cliffs_do_not_depend_on_the_order_and_run_on_duckdb() -> None:
    data = pd.concat([lasting([*EVEN, *([31.8] * 20)]), lasting([*EVEN, *([300.2] * 40)], "20801")], ignore_index=True)
    expected = timer_cliffs(data)
    assert expected["cliff"].sum() == 2
    pd.testing.assert_frame_equal(expected, timer_cliffs(data.iloc[::-1]))
    (relation,) = relations({"legs": data}).values()
    keys = ["network_code", "timer_s"]
    given_back = as_pandas(timer_cliffs(relation), keys)
    pd.testing.assert_frame_equal(given_back, expected.sort_values(keys, ignore_index=True), check_dtype=False)


@pytest.mark.parametrize("options", [{"timers_s": ()}, {"timers_s": [0.5]}, {"before_s": -1}, {"fdr": 0}, {"min_n": 0}])
def test_cliffs_of_malformed_options(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        timer_cliffs(lasting(EVEN), **options)


# -- change points


def daily(*days: tuple[int, int], start: str = "2026-11-02T12:00Z") -> pd.DataFrame:
    first = pd.Timestamp(start)
    rows = [(first + pd.Timedelta(days=place), n < k) for place, (k, total) in enumerate(days) for n in range(total)]
    return pd.DataFrame(rows, columns=["started_at", "ok"]).assign(
        started_at=lambda frame: pd.to_datetime(frame["started_at"], utc=True).dt.as_unit("us")
    )


def test_a_bad_day_and_a_slow_drift() -> None:
    bad = change_points(daily(*[(80, 100)] * 9, (50, 100)), case="ok")
    assert bad["flag"].tolist() == [""] * 9 + ["below"]
    last = bad.iloc[-1]
    assert (last["base_k"], last["base_n"], last["baseline"]) == (80, 100, "same_weekday")
    assert last["limit_lo"] > 0.5
    drift = change_points(daily(*[(320, 400)] * 8, *[(298, 400)] * 6), case="ok")
    assert "drift_down" in set(drift["flag"])
    assert "below" not in set(drift["flag"])


def test_steady_days_are_not_flagged_and_few_calls_are_no_day() -> None:
    noise = np.random.default_rng(3).binomial(200, 0.7, 28)
    steady = change_points(daily(*[(int(k), 200) for k in noise]), case="ok")
    assert set(steady["flag"]) == {""}
    few = change_points(daily(*[(80, 100)] * 8, (0, 12)), case="ok")
    assert few["flag"].iloc[-1] == ""


def test_change_points_per_group_hour_and_zone() -> None:
    data = pd.concat([daily(*[(80, 100)] * 8).assign(route="a"), daily((8, 10)).assign(route="b")])
    chart = change_points(data, by="route", case="ok", per="hour", tz="Asia/Kolkata")
    assert chart["period"].iloc[0] == "2026-11-02 17:00"
    assert chart.groupby("route").size().to_dict() == {"a": 8, "b": 1}
    assert chart["baseline"].tolist() == ["none", *["earlier"] * 4, "none", "earlier", "same_weekday", "none"]
    (relation,) = relations({"calls": data}).values()
    keys = ["route", "period"]
    again = as_pandas(change_points(relation, by="route", case="ok", per="hour", tz="Asia/Kolkata"), keys)
    pd.testing.assert_frame_equal(again, chart.sort_values(keys, ignore_index=True), check_dtype=False)


def test_change_points_of_nothing_and_malformed() -> None:
    assert len(change_points(daily(), case="ok")) == 0
    for options in ({"per": "minute"}, {"weeks": 0}, {"limit": 0}, {"weight": 0}, {"tz": "Nowhere"}):
        with pytest.raises(ConfigError):
            change_points(daily((8, 10)), case="ok", **options)
    with pytest.raises(ColumnNotFound):
        change_points(pd.DataFrame({"ok": [True]}), case="ok")


# -- redials


def dialled(*rows: tuple[float, float | None, str | None, str | None]) -> pd.DataFrame:
    first = pd.Timestamp("2026-11-02T09:00:00Z")
    frame = pd.DataFrame(
        [(f"CON-{place}", 0, begin, end, one, two) for place, (begin, end, one, two) in enumerate(rows)],
        columns=["conversation_id", "call", "started_at", "ended_at", "from_address", "to_address"],
    ).astype({"from_address": "str", "to_address": "str"})
    for name in ("started_at", "ended_at"):
        frame[name] = (first + pd.to_timedelta(frame[name].astype("float64"), unit="s")).dt.as_unit("us")
    return frame


def test_redials_by_hand() -> None:
    data = dialled(
        (0, 60, "a", "b"),  # called back by b after 240 s
        (300, 360, "b", "a"),  # next after 600 s exactly
        (960, 1000, "b", "a"),  # next after 601 s
        (1601, None, "a", "b"),  # no end known
        (10, 20, "a", "c"),  # never again
        (30, 40, None, "c"),  # an end without an address
    )
    expected = [True, True, False, None, False, None]
    for given_data in (data, data.iloc[::-1], relations({"x": data})["x"]):
        found = as_pandas(redials(given_data), ["conversation_id"])
        assert [None if pd.isna(value) else bool(value) for value in found["redialled"]] == expected
        assert found["gap_s"].tolist()[:3] == [240, 600, 601]
        assert found["next_conversation_id"].tolist()[:2] == ["CON-1", "CON-2"]
        assert [bool(value) for value in found["reversed"][:2]] == [True, False]
    assert len(redials(dialled())) == 0


def test_redials_malformed() -> None:
    with pytest.raises(ConfigError, match="within_s"):
        redials(dialled((0, 1, "a", "b")), within_s=0)
    with pytest.raises(ColumnNotFound, match="from_address"):
        redials(dialled((0, 1, "a", "b")).drop(columns="from_address"))
