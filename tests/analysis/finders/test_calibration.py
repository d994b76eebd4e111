"""What finders say of worlds in which nothing is wrong, and of those in which something is: fixed seeds, with margin.

Over more seeds and kinds: `python tests/benchmarks/finders.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from conv_analytics.analysis import change_points, compare, offenders, traffic_changes
from conv_analytics.errors import ConfigError
from tests._helpers.leg_tables import as_pandas, relations

START = pd.Timestamp("2026-09-07T00:00Z")  # A Monday.
DAYS = 56


def legs(network: Any, bad: Any, **columns: Any) -> pd.DataFrame:
    frame = pd.DataFrame({"network_code": network, "bad": pd.array(np.asarray(bad, bool), "boolean"), **columns})
    return frame.astype({"network_code": "str"})


def named(frame: pd.DataFrame) -> list[str]:
    found = offenders(frame, case="bad")
    return list(found.loc[found["offender"].astype(bool), "network_code"])


# -- offenders


def test_the_rest_is_noisy_too() -> None:
    network = np.repeat(["a", "b"], 1000)
    rank = np.tile(np.arange(1000), 2)
    found = offenders(legs(network, rank < np.where(network == "a", 330, 300)), case="bad")
    assert found["p"].iloc[0] == pytest.approx(0.0813, abs=5e-5), "Fisher's exact test"
    assert not found["offender"].any()


def callers(dice: np.random.Generator, worse: float = 0.2, each: int = 30) -> pd.DataFrame:
    """150 numbers on five networks, each of which calls 30 times and fails as often as it does."""
    home = np.arange(150) % 5
    own = dice.beta(np.where(home == 0, worse, 0.2) * 2, np.where(home == 0, 1 - worse, 0.8) * 2)
    number = np.repeat(np.arange(150), each)
    return legs(home[number].astype(str), dice.random(150 * each) < own[number], from_address=number.astype(str))


@pytest.mark.slow
def test_thirty_calls_of_a_number_are_not_thirty_calls() -> None:
    clean = [callers(np.random.default_rng(seed)) for seed in range(20)]
    assert sum(bool(named(frame)) for frame in clean) <= 4
    alone = [frame.drop(columns="from_address") for frame in clean]
    assert sum(bool(named(frame)) for frame in alone) >= 15, "as if they were independent"
    found = offenders(clean[0], case="bad")
    assert set(found["clusters"]) == {"from_address"}
    # A correlation of 1 / (2 + 1), and 29 others of the same number.
    assert found["deff"].to_numpy() == pytest.approx(1 + 29 / 3, rel=0.4)
    worse = [named(callers(np.random.default_rng(seed), worse=0.5)) for seed in range(10)]
    assert worse.count(["0"]) >= 9


def test_clusters_are_the_same_on_duckdb() -> None:
    frame = callers(np.random.default_rng(1), worse=0.5, each=5)
    frame.loc[::7, "from_address"] = None
    expected = offenders(frame, case="bad").sort_values("network_code", ignore_index=True)
    (relation,) = relations({"legs": frame}).values()
    given_back = as_pandas(offenders(relation, case="bad"), ["network_code"])
    pd.testing.assert_frame_equal(given_back, expected, check_dtype=False, rtol=1e-9)


def test_what_one_number_does_is_no_fault_of_its_network() -> None:
    dice = np.random.default_rng(2)
    network = np.concatenate([np.arange(2000) % 5, np.zeros(200, int)]).astype(str)
    bad = np.concatenate([dice.random(2000) < 0.1, np.ones(200, bool)])
    number = np.concatenate([np.arange(2000), np.full(200, 9999)]).astype(str)
    assert named(legs(network, bad)) == ["0"]
    assert named(legs(network, bad, from_address=number)) == []
    found = offenders(legs(network, bad, from_address=number), by="from_address", case="bad", min_n=30)
    assert found.loc[found["offender"].astype(bool), "from_address"].tolist() == ["9999"]


def test_legs_whose_key_is_not_known_are_no_rest() -> None:
    network = [*("abcde" * 60), *([None] * 700)]
    bad = [place % 50 < 5 for place in range(300)] + [False] * 700
    found = offenders(legs(network, bad), case="bad")
    assert not found["offender"].any()
    assert found["network_code"].isna().tolist() == [False] * 5 + [True], "shown last"
    assert found["rest_rate"].iloc[:5].to_numpy() == pytest.approx(0.1)
    assert found.iloc[-1][["p", "q", "rest_rate", "excess", "shrunk"]].isna().all()


def ring_all(agents: int) -> pd.DataFrame:
    """Customers in FR of whom nine in ten answer, and agents in GB of whom one answers nine in ten calls."""
    at = START + pd.to_timedelta(np.arange(400) * 60, unit="s")
    taken = np.arange(400) % 10 > 0
    rows = []
    for place, (start, answered) in enumerate(zip(at, taken, strict=True)):
        ringing = range(agents) if place % 2 else range(1)
        rows += [(f"CON-{place}", "GB" if place % 2 else "FR", start, answered and agent == 0) for agent in ringing]
    frame = pd.DataFrame(rows, columns=["conversation_id", "country", "started_at", "answered"])
    until = frame["started_at"] + pd.Timedelta(seconds=8)
    return frame.assign(
        answered_at=until.where(frame["answered"]), ended_at=until, direction="outbound",
        leg_id=[str(row) for row in range(len(frame))],
    ).astype({"answered": "boolean"})  # fmt: skip


def test_agents_that_ring_at_once_are_one_attempt() -> None:
    for data in (ring_all(4), ring_all(4).sample(frac=1, random_state=3), relations({"x": ring_all(4)})["x"]):
        found = as_pandas(offenders(data, by="country", case="unanswered"), ["country"])
        assert found[["country", "k", "n"]].to_numpy().tolist() == [["FR", 40, 200], ["GB", 0, 200]]
        assert not found.loc[found["country"] == "GB", "offender"].any()
    one, four = (compare(ring_all(1), ring_all(agents), by="country").total for agents in (1, 4))
    pd.testing.assert_frame_equal(one, four)


def test_a_route_with_long_post_dial_delays() -> None:
    dice = np.random.default_rng(4)
    route = np.arange(1500) % 5
    frame = pd.DataFrame({
        "route": route.astype(str), "direction": "outbound",
        "pdd_s": dice.lognormal(0.7, 0.4, 1500) * np.where(route == 3, 1.8, 1.0),
    })  # fmt: skip
    for data in (frame, relations({"x": frame})["x"]):
        found = as_pandas(offenders(data, by="route", case="pdd"), ["route"])
        assert found["k"].sum() == 150
        assert found.loc[found["offender"].astype(bool), "route"].tolist() == ["3"]


# -- days


def days(counts: Any, bad: Any) -> pd.DataFrame:
    day = np.repeat(np.arange(len(counts)), counts)
    rank = np.arange(len(day)) - np.repeat(np.cumsum(counts) - counts, counts)
    at = (START + pd.to_timedelta(day * 86400 + 40_000 + rank, unit="s")).as_unit("us")
    return pd.DataFrame({"started_at": at, "bad": pd.array(rank < np.repeat(bad, counts), "boolean")})


def flagged(counts: Any, p: Any, seed: int) -> set[int]:
    chart = change_points(days(counts, np.random.default_rng(seed).binomial(counts, p)), case="bad")
    assert len(chart) == len(counts)
    return set(np.flatnonzero(chart["flag"] != ""))


def followed(seed: int, phi: float) -> Any:
    """Rates of days that are near those of the days before."""
    dice, levels = np.random.default_rng(seed), [0.0]
    for _ in range(DAYS - 1):
        levels.append(phi * levels[-1] + dice.normal(0, 0.25 * (1 - phi**2) ** 0.5))
    return 1 / (1 + np.exp(1.4 - np.array(levels)))


WEEKEND = np.arange(DAYS) % 7 >= 5
CLEAN = {
    "rare cases": lambda seed: flagged(np.full(DAYS, 200), 0.02, seed),
    "weekends": lambda seed: flagged(np.where(WEEKEND, 150, 500), np.where(WEEKEND, 0.42, 0.3), seed),
    "days differ": lambda seed: flagged(
        np.full(DAYS, 1000), np.random.default_rng([seed, 1]).beta(45, 105, DAYS), seed
    ),
    "days follow each other": lambda seed: flagged(np.full(DAYS, 1000), followed(seed, 0.6), seed),
}


@pytest.mark.parametrize("kind", CLEAN)
def test_days_without_a_change(kind: str) -> None:
    assert sum(bool(CLEAN[kind](seed)) for seed in range(12)) <= 2


def test_days_with_a_change() -> None:
    day = np.arange(DAYS)
    spike = [40 in flagged(np.full(DAYS, 200), np.where(day == 40, 0.14, 0.02), seed) for seed in range(10)]
    assert sum(spike) >= 9
    step = [flagged(np.full(DAYS, 500), np.where(day >= 40, 0.4, 0.3), seed) for seed in range(10)]
    assert sum(bool(found & set(range(40, 47))) for found in step) >= 9
    assert sum(bool(found & set(range(40))) for found in step) <= 2


def test_limits_are_as_many_deviations_as_are_asked() -> None:
    data = days(np.full(28, 100), [80] * 27 + [63])
    usual, shewhart = (change_points(data, case="bad", limit=limit) for limit in (None, 3.0))
    assert (usual["limit_lo"].iloc[-1], shewhart["limit_lo"].iloc[-1]) == pytest.approx((0.645, 0.667), abs=0.03)
    assert (usual["flag"].iloc[-1], shewhart["flag"].iloc[-1]) == ("", "below")


# -- numbers of calls


def called(counts: Any, **columns: Any) -> pd.DataFrame:
    return days(counts, np.zeros(len(counts), int)).drop(columns="bad").assign(direction="outbound", **columns)


def traffic_flags(counts: Any) -> set[int]:
    chart = traffic_changes(called(counts))
    assert chart["n"].tolist() == list(counts[1:-1]), "the first and the last day are seen in part"
    return {int(row) + 1 for row in np.flatnonzero(chart["flag"] != "")}


def test_traffic_without_a_change_and_with_one() -> None:
    clean = busy = 0
    for seed in range(12):
        dice = np.random.default_rng(seed)
        usual = np.where(WEEKEND, 60, 300) * dice.gamma(100, 0.01, DAYS)
        counts = dice.poisson(usual)
        clean += bool(traffic_flags(counts))
        counts[44] //= 4
        busy += 44 in traffic_flags(counts)
    assert clean <= 2
    assert busy >= 11


def test_a_day_without_a_call_is_a_day() -> None:
    counts = np.array([100] * 20 + [0] + [100] * 3)
    chart = traffic_changes(called(counts), by="direction")
    assert chart.loc[chart["flag"] != "", ["direction", "period", "n", "flag"]].to_numpy().tolist() == [
        ["outbound", "2026-09-27", 0, "below"]
    ]
    (relation,) = relations({"calls": called(counts)}).values()
    again = as_pandas(traffic_changes(relation, by="direction"), ["period"])
    pd.testing.assert_frame_equal(again, chart, check_dtype=False)


@pytest.mark.parametrize(
    ("tz", "night", "per", "periods"),
    [
        ("UTC", "2026-03-29", "hour", {"2026-03-29 01:00": 30}),
        ("Europe/London", "2026-03-29", "hour", {"2026-03-29 00:00": 30, "2026-03-29 01:00": None}),
        ("Europe/Berlin", "2026-10-25", "hour", {"2026-10-25 02:00": 60, "2026-10-25 03:00": 30}),
        ("Australia/Lord_Howe", "2026-10-04", "hour", {"2026-10-04 01:00": 30, "2026-10-04 02:00": 15}),
        ("America/Santiago", "2026-09-06", "hour", {"2026-09-05 23:00": 30, "2026-09-06 00:00": None}),
        ("Europe/London", "2026-03-29", "day", {"2026-03-28": 720, "2026-03-29": 690}),
        ("Pacific/Apia", "2011-12-30", "day", {"2011-12-29": 720, "2011-12-30": None, "2011-12-31": 720}),
    ],
)
def test_a_change_of_clocks_changes_no_traffic(tz: str, night: str, per: str, periods: dict[str, int | None]) -> None:
    middle = pd.Timestamp(night, tz="UTC")
    at = pd.date_range(middle - pd.Timedelta(days=30), middle + pd.Timedelta(days=10), freq="2min", inclusive="left")
    chart = traffic_changes(pd.DataFrame({"started_at": at, "direction": "outbound"}), per=per, tz=tz)
    assert set(chart["flag"]) == {""}
    based = chart[chart["baseline"] == "same_weekday"]
    assert np.allclose(based["n"].astype(float), based["expected"])
    counted = dict(zip(chart["period"], chart["n"], strict=True))
    assert {period: counted.get(period) for period in periods} == periods


def test_traffic_of_nothing_and_malformed() -> None:
    assert len(traffic_changes(called([]))) == 0
    assert len(traffic_changes(called([5]), by="direction")) == 0
    for options in ({"per": "minute"}, {"weeks": 0}, {"min_expected": 0}, {"weight": 2}, {"false_alarms": 0}):
        with pytest.raises(ConfigError):
            traffic_changes(called([5, 5]), **options)
    with pytest.raises(ConfigError, match="false_alarms"):
        change_points(days([5], [1]), case="bad", false_alarms=1)
