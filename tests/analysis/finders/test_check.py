"""Limits: what is beyond them, what is not, and of what there is too little to say."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from conv_analytics.analysis import Threshold, check, detect_units, kpi
from conv_analytics.errors import ConfigError
from conv_analytics.notebook import quality_report


def _legs(poor: int, good: int, network: str = "23410", **more: Any) -> pd.DataFrame:
    number = poor + good
    lost = [12.0] * poor + [0.1] * good
    return pd.DataFrame({
        "conversation_id": [f"CON-{network}-{place}" for place in range(number)],
        "leg_id": [f"{network}-{place}" for place in range(number)],
        "network_code": network,
        "direction": "outbound",
        "started_at": pd.Timestamp("2026-11-20T09:30:00Z"),
        "answered": True,
        "talk_s": 60.0,
        "pdd_s": [float(place) for place in range(number)],
        "hangup_event_id": range(number),
        "mos_score": 4.2,
        "quality_percentage": 90.0,
        "jitter_min_var": 1.0,
        "jitter_max_var": 100.0,
        "jitter_loss_rate": [value / 100 for value in lost],
        "flaw_total": [int(value * 30) for value in lost],
        "packet_cnt": 3000,
        "packet_loss_perc": lost,
        "byte_in": 500_000,
        "byte_out": 500_000,
        "sip_code": 200,
        "outcome": "answered",
        **more,
    })  # fmt: skip


def test_a_rule_reads_as_it_is_written() -> None:
    rule = Threshold.parse("  poor_ratio>3% by network_code , country min_n 50 ")
    assert rule == Threshold("poor_ratio", ">", 0.03, ("network_code", "country"), 50)
    assert Threshold.parse(str(rule)) == rule
    assert Threshold.parse("p95(pdd_s) >= 8").metric == "p95(pdd_s)"


@pytest.mark.parametrize(
    "text", ["", "poor_ratio", "poor_ratio > x", "nothing > 1", "p95 > 3", "asr < 40% by", "asr = 4"]
)
def test_what_is_no_rule_is_refused_with_what_there_is(text: str) -> None:
    with pytest.raises(ConfigError, match=r"not a rule|no metric"):
        Threshold.parse(text)


@pytest.mark.parametrize(
    ("short", "long"),
    [
        ("poor>3%", "poor_ratio > 0.03"),
        ("POOR > 3.0 %", "poor_ratio > 3%"),
        ("answered<40%", "asr < 0.4 min_n 30"),
        ("effective < 95%", "ner < 0.95"),
        ("dropped>3%", "drop_failure > 3%"),
        ("silent >= 1%", "silent_ratio >= 0.01"),
        ("mos_p5<3.5", "p5(mos) < 3.5"),
        ("talk_median < 60", "median(talk) < 60"),
    ],
)
def test_a_rule_has_a_short_and_a_long_form(short: str, long: str) -> None:
    assert Threshold.parse(short) == Threshold.parse(long)
    assert Threshold.parse(short).text == short


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("poor > 3", "write it like poor > 3%"),
        ("asr < 1.5 by country", "write it like asr < 1.5%"),
        ("poor > 300%", "never above 100 %"),
        ("mos_p5 < 3%", "mos_p5 is not a share; leave % out"),
        ("poor_count > 3%", "poor_count is not a share"),
    ],
)
def test_a_limit_that_means_something_else_is_refused(text: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        Threshold.parse(text)


def test_a_report_and_a_check_say_the_same_of_the_same_rules() -> None:
    legs = pd.concat([_legs(10, 30, "a"), _legs(3, 60, "b", byte_in=0, talk_s=5.5, answered=True)], ignore_index=True)
    rules = [
        "answered<50%", "effective<95%", "poor>3%", "silent>1%", "dropped>3%", "short>15%", "measured<50%",
        "mos_p5<3.5", "loss_p95>5", "jitter_p95>30", "pdd_p95>8", "talk_p50<60", "poor > 1% min_n 200",
    ]  # fmt: skip
    table = check(legs, rules).set_index("rule")
    judged = quality_report(legs).judge(*rules)
    words = {True: "broken", False: "kept", None: "too_few"}
    for each in judged:
        row = table.loc[str(each.rule)]
        assert (words[each.broken], each.n) == (row["outcome"], row["n"]), each.rule
        assert each.value is None or each.value == pytest.approx(row["value"]), each.rule
    # What is asked is not all the same.
    assert {each.broken for each in judged} == {True, False, None}


def test_shares_are_compared_group_by_group() -> None:
    legs = pd.concat([_legs(10, 30, "a"), _legs(0, 40, "b"), _legs(3, 3, "c")], ignore_index=True)
    table = check(legs, "poor_ratio > 10% by network_code").set_index("group")
    assert table["outcome"].to_dict() == {
        "network_code=a": "broken",
        "network_code=b": "kept",
        "network_code=c": "too_few",
    }
    bad = table.loc["network_code=a"]
    assert (bad["k"], bad["n"], bad["value"]) == (10, 40, 0.25)
    # Wilson, 95 %: 10 of 40.
    assert (round(bad["lo"], 4), round(bad["hi"], 4)) == (0.1419, 0.4019)
    assert bad["sure"]


def test_a_verdict_of_the_frame_counts_whatever_the_profile() -> None:
    own = _legs(10, 10).assign(verdict=["fair", "good"] * 10, flow="no_in", silent_directions=1.0)
    found = check(own, ["poor < 100%", "fair < 100%", "no_in < 100%"]).set_index("metric")
    assert found["k"].to_dict() == {"poor_ratio": 0, "fair_ratio": 10, "no_in_ratio": 20}
    grouped = check(own, "fair < 100% by verdict").set_index("group")
    assert grouped["k"].to_dict() == {"verdict=fair": 10, "verdict=good": 0}


def test_a_leg_that_is_twice_in_a_frame_counts_once() -> None:
    own = _legs(5, 35)
    rules = ["poor < 100%", "asr < 50%", "poor_count > 1", "mos_p5 < 3.5"]
    expected = check(own, rules)
    pd.testing.assert_frame_equal(check(pd.concat([own, own]), rules), expected)
    unknown = own.assign(leg_id=pd.Series([None] * len(own), dtype="str"), conversation_id="CON-1")
    assert check(unknown, "asr < 50%")["n"].to_list() == [40], "legs without an id may be different ones"


def test_a_value_beyond_its_limit_by_chance_is_not_sure() -> None:
    table = check(_legs(4, 36), "poor_ratio > 9%")
    assert table[["outcome", "sure"]].to_numpy().tolist() == [["broken_may_be_chance", False]]
    assert check(_legs(40, 360), "poor_ratio > 5%")["outcome"].to_list() == ["broken"]


def test_a_quantile_is_beyond_for_sure_when_enough_values_are() -> None:
    legs = _legs(0, 100)  # Post-dial delays of 0 to 99 s.
    rules = ["median(pdd_s) > 45", "median(pdd_s) > 30", "median(pdd_s) < 60", "median(pdd_s) < 55", "max(pdd_s) > 98"]
    table = check(legs, rules).set_index("rule")
    assert table.loc[[str(Threshold.parse(rule)) for rule in rules], "outcome"].to_list() == [
        "broken_may_be_chance", "broken", "broken_may_be_chance", "broken_may_be_chance", "broken",
    ]  # fmt: skip
    assert table.loc["median(pdd_s) > 45 min_n 30", ["lo", "hi"]].to_list() == [39.0, 60.0]


def test_counts_need_no_minimum_and_quantiles_do() -> None:
    table = check(
        _legs(3, 7), ["poor_count > 2", "median(pdd_s) > 1", "max(pdd_s) > 1 min_n 5", "p95(pdd_s) > 1 min_n 5"]
    )
    found = table.set_index("metric")
    assert found.loc["poor_count", ["k", "value", "outcome"]].to_list() == [3, 3.0, "broken"]
    assert found.loc["median(pdd_s)", ["n", "value", "outcome"]].to_list() == [10, 4.5, "too_few"]
    assert found.loc["max(pdd_s)", ["value", "outcome"]].to_list() == [9.0, "broken"]
    # Of ten values nobody can tell the 95th percentile.
    assert found.loc["p95(pdd_s)", "outcome"] == "too_few"


def test_keys_of_time_are_those_of_the_start_whatever_columns_the_frame_has() -> None:
    rules = ["asr > 0.5 by hour min_n 1", "poor_ratio < 0.5 by hour min_n 1", "asr > 0.5 by weekday min_n 1"]
    given = _legs(10, 30)
    expected = check(given, rules)
    assert expected["group"].str.contains("hour=").any()
    pd.testing.assert_frame_equal(check(given.assign(hour="late", weekday="some day"), rules), expected)


def test_keys_of_time_are_those_of_the_zone() -> None:
    table = check(_legs(0, 30), "poor_ratio > 1% by hour, weekday", tz="Europe/Paris")
    assert table["group"].to_list() == ["hour=10, weekday=4"]


@pytest.mark.slow
def test_weeks_begin_on_mondays_when_clocks_change() -> None:
    """The night of a change of clocks is in the week of its Monday, however the key is asked for."""
    # Monday 00:30, Sunday 23:30 and the hours around the changes in London, New York and, at midnight, Santiago.
    instants = ["2026-10-25T00:30Z", "2026-10-25T01:30Z", "2026-10-26T00:30Z", "2026-03-29T23:30Z", "2026-11-02T05:15Z",
                "2026-11-01T05:30Z", "2026-09-06T03:30Z", "2026-09-06T04:30Z", "2026-03-30T00:30Z"]  # fmt: skip
    legs = pd.concat([_legs(1, 29, str(n), started_at=pd.Timestamp(at)) for n, at in enumerate(instants)])
    legs = legs.assign(outcome_class="success")
    for zone in ("Europe/London", "America/New_York", "America/Santiago", "Pacific/Apia"):
        found = check(legs, "poor_ratio > 1% by week", tz=zone)["group"]
        mondays = {name.removeprefix("week=") for name in found}
        assert all(pd.Timestamp(day).day_name() == "Monday" for day in mondays), zone
        assert mondays == set(kpi(legs, by="week", metrics="asr", tz=zone)["week"])
        days = {name.removeprefix("day=") for name in check(legs, "poor_ratio > 1% by day", tz=zone)["group"]}
        assert days == set(kpi(legs, by="day", metrics="asr", tz=zone)["day"])


def test_verdicts_in_units_that_nobody_knows_are_no_pass() -> None:
    legs = _legs(10, 30)
    mixed = legs.assign(packet_loss_perc=legs["packet_loss_perc"].where(legs.index % 2 == 0, lambda loss: loss / 100))
    table = check(mixed, ["poor > 3%", "poor_count > 0", "loss_p95 > 5"])
    assert table.set_index("metric")["outcome"].to_dict() == {
        "poor_ratio": "too_few", "p95(loss)": "too_few", "poor_count": "too_few",
    }  # fmt: skip
    told = check(legs, "poor > 3%", units=detect_units(legs, loss_unit="count"))
    assert told["outcome"].tolist() == ["kept"]


def test_no_legs_are_no_pass() -> None:
    table = check(_legs(0, 1).head(0), ["poor_ratio > 1%", "poor_count > 3", "asr < 10%"])
    assert table.set_index("metric")["outcome"].to_dict()["poor_ratio"] == "too_few"


def test_columns_that_are_not_there_are_named() -> None:
    with pytest.raises(ConfigError, match="no column 'moon'"):
        check(_legs(1, 30), "poor_ratio > 1% by moon")
    with pytest.raises(ConfigError, match="'network_code' is not a number"):
        check(_legs(1, 30), "p95(network_code) > 1")
    with pytest.raises(ConfigError, match="no rule to check"):
        check(_legs(1, 30), [])
