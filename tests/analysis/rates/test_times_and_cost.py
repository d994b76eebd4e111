"""Times with censoring, durations, service levels, prices: by hand, of nothing, of nonsense, on every engine."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
import pytest

from conv_analytics.analysis import (
    answer_curve,
    answer_times,
    calls,
    cost,
    duration_hist,
    kpi_values,
    price_audit,
    service_level,
    short_calls,
    waste,
)
from conv_analytics.errors import ColumnNotFound, ConfigError
from tests._helpers import rate_legs
from tests._helpers.rate_legs import NINE, frame, leg, same


def up(number: int, after: float | None, talk: float | None = 60.0, **also: Any) -> dict[str, Any]:
    """Answered after some seconds."""
    ended = None if talk is None or after is None else NINE + pd.Timedelta(seconds=after + talk)
    return leg(number, answered=True, setup_s=after, talk_s=talk, ended_at=ended, outcome="answered", **also)


def lost(number: int, waited: float | None, **also: Any) -> dict[str, Any]:
    ended = None if waited is None else NINE + pd.Timedelta(seconds=waited)
    return leg(number, ended_at=ended, outcome="no_answer", **also)


def mixed() -> pd.DataFrame:
    rows = [up(n, 5.0 + n, country="GB", price=0.01, rate=0.01, billed_s=60.0, currency="EUR") for n in range(25)]
    rows += [lost(n, 30.0, country="AT") for n in range(5)] + [up(40, None, None, country=None, price=0.5)]
    return frame(rows)


QUESTIONS = {
    "kpi_values": lambda data: kpi_values(data, by="country"),
    "answer_curve": lambda data: answer_curve(data, by="country"),
    "answer_times": lambda data: answer_times(data, by="country"),
    "service_level": lambda data: service_level(data, by="country", scope="all", forgiven_s=5),
    "short_calls": lambda data: short_calls(data, by="country"),
    "duration_hist": lambda data: duration_hist(data, by="country"),
    "cost": lambda data: cost(data, by="country"),
    "price_audit": price_audit,
    "waste": waste,
}


@pytest.mark.parametrize("name", QUESTIONS)
def test_every_engine_says_the_same(name: str) -> None:
    answer = QUESTIONS[name](mixed())
    assert len(answer) > 0
    for kind in ("duckdb", "pyarrow", "polars"):
        same(answer, QUESTIONS[name](rate_legs.KINDS[kind](mixed())))


@pytest.mark.parametrize("name", QUESTIONS)
def test_of_nothing_comes_a_table_without_rows(name: str) -> None:
    nothing = QUESTIONS[name](frame([]))
    assert len(nothing) == 0
    assert list(nothing.columns) == list(QUESTIONS[name](mixed()).columns)
    same(nothing, QUESTIONS[name](rate_legs.relation(frame([]))))


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_missing_column_is_named(name: str) -> None:
    with pytest.raises(ColumnNotFound):
        QUESTIONS[name](pd.DataFrame({"conversation_id": ["CON-1"], "leg_id": ["a"]}))


# -- times


def test_values_and_their_quantiles() -> None:
    talk = [float(n) for n in range(1, 22)]
    row = kpi_values(frame([up(n, 1.0, length) for n, length in enumerate(talk)]), measures="talk_s").iloc[0]
    assert row[["n", "mean", "p5", "p50", "p95", "min", "max", "total"]].tolist() == [
        21, 11.0, 2.0, 11.0, 20.0, 1.0, 21.0, 231.0,
    ]  # fmt: skip
    few = kpi_values(frame([up(n, 1.0, length) for n, length in enumerate(talk[:19])]), measures="talk_s").iloc[0]
    assert few[["p5", "p95"]].isna().all()
    assert few[["p50", "min", "max"]].tolist() == [10.0, 1.0, 19.0]
    none = kpi_values(frame([lost(1, 5.0)]), measures="talk_s").iloc[0]
    assert none["n"] == 0
    assert none[["mean", "total", "max"]].isna().all()
    with pytest.raises(ConfigError, match="measures='mos' is not one of talk_s"):
        kpi_values(mixed(), measures="mos")
    with pytest.raises(ConfigError, match="is not one of talk_s"):
        kpi_values(calls(mixed()), measures="pdd_s", unit="call")


def test_unanswered_calls_hold_the_curve_back() -> None:
    # Answers after 5, 10 and 20 s; one gave up after 10, one after 15: by hand 1/5, 2/5, then all of one left.
    rows = [up(1, 5.0), up(2, 10.0), lost(3, 10.0), lost(4, 15.0), up(5, 20.0)]
    curve = answer_curve(frame(rows))
    assert curve["after_s"].tolist() == [5, 10, 20]
    assert curve["at_risk"].tolist() == [5, 4, 1]
    assert curve["rate"].tolist() == pytest.approx([0.2, 0.4, 1.0])
    found = answer_times(frame(rows), shares=[0.4, 0.5]).set_index("share")
    assert found["after_s"].to_dict() == {0.4: 10.0, 0.5: 20.0}
    assert found["answered"].tolist() == [3, 3]
    # Without the censored ones the median would be 10.
    assert answer_times(frame([row for row in rows if row["answered"]]), shares=[0.5])["after_s"].tolist() == [10.0]
    never = answer_times(frame([lost(1, 5.0), lost(2, None), up(3, None)])).iloc[0]
    assert (never["n"], never["answered"], never["unknown"]) == (1, 0, 2)
    assert pd.isna(never["after_s"])
    for shares in ([], [0.0], [50]):
        with pytest.raises(ConfigError, match="shares"):
            answer_times(frame(rows), shares=shares)


@pytest.mark.parametrize("kind", rate_legs.KINDS)
def test_calls_that_failed_are_not_answered_later(kind: str) -> None:
    # One answered after 10 s, nine 503 after 1 s: nine in ten are never answered.
    failed = {"sip_code": 503, "outcome": "network_failure", "outcome_class": "network"}
    rows = [up(0, 10.0), *(lost(n, 1.0) | failed for n in range(1, 10))]
    data = rate_legs.KINDS[kind](frame(rows))
    found = rate_legs.back(answer_times(data, shares=[0.1, 0.5, 0.9])).set_index("share")
    assert found[["n", "answered", "failed"]].to_numpy().tolist() == [[10, 1, 9]] * 3
    assert found["after_s"][0.1] == 10
    assert found["after_s"][[0.5, 0.9]].isna().all()
    curve = rate_legs.back(answer_curve(data)).iloc[0]
    assert curve[["after_s", "at_risk", "answers", "failures", "rate"]].tolist() == pytest.approx([10, 1, 1, 9, 0.1])
    assert 0 < curve["lo"] < 0.1 < curve["hi"] < 0.6


@pytest.mark.parametrize(
    ("outcome", "rate"),
    [("network_failure", 0.5), ("busy", 0.5), ("declined", 0.5), ("blocked", 0.5), ("bad_number", 0.5),
     ("redirected", 0.5), ("signalling_failure", 0.5), ("failed", 0.5),
     ("no_answer", 1.0), ("cancelled", 1.0), ("unknown", 1.0), (None, 1.0)],
)  # fmt: skip
def test_who_gave_up_might_have_been_answered(outcome: str | None, rate: float) -> None:
    rows = [up(0, 10.0), lost(1, 5.0) | {"outcome": outcome}]
    assert answer_curve(frame(rows))["rate"].tolist() == [rate]


def test_one_call_tells_no_limits() -> None:
    curve = answer_curve(frame([up(0, 10.0)])).iloc[0]
    assert curve["rate"] == 1.0
    assert curve[["lo", "hi"]].isna().all()
    times = answer_times(frame([up(0, 10.0)]), shares=[0.5]).iloc[0]
    assert times["after_s"] == 10.0
    assert times[["lo_s", "hi_s"]].isna().all()


def test_ringing_of_lost_calls_is_no_time_to_an_answer() -> None:
    rows = [up(1, 9.0, ring_s=4.0), lost(2, 40.0, ring_s=35.0)]
    found = kpi_values(frame(rows), measures="ring_s").iloc[0]
    assert (found["n"], found["max"]) == (1, 4.0)


def test_service_level() -> None:
    rows = [up(n, 20.0) for n in range(200)] + [up(n, 20.5) for n in range(200, 300)]
    rows += [lost(n, 9.0) for n in range(300, 350)] + [lost(n, 11.0) for n in range(350, 400)]
    table = frame([{**row, "direction": "inbound"} for row in rows])
    row = service_level(table, within_s=20, forgiven_s=10).iloc[0]
    assert (row["k"], row["n"], row["forgiven"]) == (200, 350, 50)
    assert row["rate"] == pytest.approx(0.57142857, abs=5e-9)
    assert service_level(table)["n"].tolist() == [400]
    odd = frame([{**row, "direction": "inbound"} for row in (up(1, None), lost(2, None), lost(3, 5.0))])
    assert service_level(odd)[["k", "n", "unknown"]].to_numpy().tolist() == [[0, 1, 2]]
    with pytest.raises(ConfigError, match="within_s"):
        service_level(table, within_s=-1)


def test_a_call_that_failed_is_not_forgiven() -> None:
    # One answered, one given up after 3 s, eight that failed after 1 s: nobody misdialled there.
    rows = [up(0, 5.0), lost(1, 3.0) | {"outcome": "cancelled"}]
    rows += [lost(n, 1.0) | {"outcome": "network_failure"} for n in range(2, 10)]
    table = frame([{**row, "direction": "inbound"} for row in rows])
    for kind in ("pandas", "duckdb"):
        found = rate_legs.back(service_level(rate_legs.KINDS[kind](table), forgiven_s=5)).iloc[0]
        assert (found["k"], found["n"], found["forgiven"]) == (1, 9, 1)


def test_durations_fall_into_classes() -> None:
    talk = [0.0, 14.999999, 15.0, 1799.0, 1800.0, 9e6, None, -1.0]
    table = duration_hist(frame([up(n, 1.0, length) for n, length in enumerate(talk[:-2])] + [up(8, 1.0, None)]))
    assert table["from_s"].tolist() == [0, 15, 30, 60, 120, 180, 300, 600, 1200, 1800]
    assert table["k"].tolist() == [2, 1, 0, 0, 0, 0, 0, 0, 1, 2]
    assert (table["n"] == 6).all()
    assert (table["unknown"] == 1).all()
    assert table["to_s"].isna().tolist() == [False] * 9 + [True]
    for edges in ([], [3, 2], [2, 2], [-1, 5]):
        with pytest.raises(ConfigError, match="are not bounds"):
            duration_hist(frame([]), edges_s=edges)
    with pytest.raises(ConfigError, match="are not bounds"):
        short_calls(frame([]), bounds_s=[])


# -- cost


def test_spend_by_currency() -> None:
    rows = [
        up(1, 1.0, 120.0, price=0.02, currency="EUR"),
        up(2, 1.0, 60.0, price=None, currency="EUR"),
        lost(3, 5.0, price=None, currency="EUR"),
        lost(4, 5.0, price=0.01, currency="EUR"),
        up(5, 1.0, 60.0, price=1.0, currency="USD"),
        lost(6, 5.0, price=None, currency=None),
    ]
    table = cost(frame(rows)).set_index("currency")
    assert list(table.index.fillna("-")) == ["EUR", "USD", "-"]
    euro = table.loc["EUR"]
    names = ["legs", "unpriced", "unpriced_answered", "spend", "spend_unanswered", "talk_min", "per_answered_min"]
    assert euro[names].tolist() == pytest.approx([4, 2, 1, 0.03, 0.01, 3.0, 0.01])
    assert table["spend"].tolist() == pytest.approx([0.03, 1.0, 0.0])
    assert math.isnan(table["per_answered_min"].iloc[2])
    verdicts = cost(frame(rows).assign(verdict=["poor", "good"] * 3), by="verdict")
    assert verdicts[verdicts["verdict"] == "poor"]["spend"].sum() == pytest.approx(1.02)


def test_a_price_per_minute_is_of_legs_with_both() -> None:
    rows = [
        up(1, 1.0, 120.0, price=0.02, currency="EUR"),
        up(2, 1.0, None, price=5.0, currency="EUR"),  # still up
        up(3, 1.0, 600.0, price=None, currency="EUR"),
        lost(4, 5.0, price=0.01, currency="EUR"),
        up(5, 1.0, None, price=1.0, currency="USD"),
    ]
    for kind in ("pandas", "duckdb"):
        table = rate_legs.back(cost(rate_legs.KINDS[kind](frame(rows)))).set_index("currency")
        euro = table.loc["EUR", ["legs", "spend", "talk_min", "untimed", "per_answered_min"]]
        assert euro.tolist() == pytest.approx([4, 5.03, 12.0, 1, 0.01])
        assert math.isnan(table.loc["USD", "per_answered_min"])
        assert table.loc["USD", "untimed"] == 1


def test_prices_are_rate_times_duration_or_rounded_or_not() -> None:
    cases = [
        (0.0045, 2.0, 0.00015, "exact"),
        (0.01, 61.0, 0.02, "rounded up to 60 s"),
        (0.01, 31.0, 0.01, "rounded up to 30 s"),
        (0.01, 4.0, 0.001, "rounded up to 6 s"),
        (0.01, 60.0, 0.05, "differs"),
        (0.01, 60.0, None, "unpriced"),
        (None, 60.0, 0.01, "unpriced"),
    ]
    rows = [up(n, 1.0, 9.0, rate=rate, billed_s=billed, price=price, network_code=f"{n}")
            for n, (rate, billed, price, _) in enumerate(cases)]  # fmt: skip
    rows.append(lost(9, 5.0, rate=0.01, billed_s=0.0, price=0.0, network_code="9"))
    table = price_audit(frame(rows))
    assert dict(zip(table["network_code"], table["rule"], strict=True)) == {
        f"{n}": rule for n, (*_, rule) in enumerate(cases)
    }
    assert table.set_index("network_code").loc["4", "difference"] == pytest.approx(0.04)


def test_what_was_spent_for_nothing() -> None:
    rows = [
        up(1, 1.0, 3.0, price=1.0, byte_in=0, byte_out=0, currency="EUR"),
        up(2, 1.0, 60.0, price=2.0, byte_in=5, byte_out=5, currency="EUR"),
        lost(3, 5.0, price=1.0, currency="EUR"),
        up(4, 1.0, 60.0, price=None, currency="EUR"),
    ]
    table = waste(frame(rows)).set_index("kind")
    assert table["spend"].to_dict() == {"no_media": 1.0, "short": 1.0, "unanswered": 1.0, "any": 2.0, "all": 4.0}
    assert table["share"]["any"] == 0.5
    poor = waste(frame(rows).assign(verdict=["poor", "poor", "unmeasured", None])).set_index("kind")
    assert poor.loc["poor", ["legs", "spend"]].tolist() == [2, 3.0]
