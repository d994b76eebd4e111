"""Worlds with something wrong, and worlds without: what is planted is there, is named, and nothing else is.

The whole table, 60 worlds of every kind, is made by ``python -m tests._helpers.worlds``.
"""

from __future__ import annotations

import itertools
from functools import cache

import numpy as np
import pandas as pd
import pytest

from conv_analytics.analysis import legs, quality
from tests._helpers.worlds import CAUSES, CLEAN, KINDS, make
from tests._helpers.worlds.__main__ import problems_of
from tests._helpers.worlds.planted import place_of
from tests._helpers.worlds.scores import ENOUGH, Row, named_in

# In one group: what is found in a world is looked for once.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("worlds")]

#: A world for each of some causes of every sort.
PLANTED = {
    "post_dial_delay": 0, "caller_503": 1, "carrier_outage": 0, "country_blocked": 1, "spam_number": 0, "cliff_45": 1,
    "false_answer": 1, "user_headset": 1, "network_ghost": 0, "jitter_by_length": 1, "trunk_cliff": 1,
    "version_cliff": 0, "application_jitter": 0, "version_of_few": 25, "day_network_poor": 0, "schedule_shift": 24,
    "volume_drop": 20,
}  # fmt: skip
QUIET = (
    "contact_centre", "repeated_callers", "bursts", "export_gaps", "small_networks", "recorded_prompt", "one_night",
    "other_clocks",
)  # fmt: skip


@cache
def _named(kind: str, seed: int) -> Row:
    return named_in(kind, seed, problems_of)


def test_most_causes_are_named_among_the_first_three() -> None:
    missed = [kind for kind, seed in PLANTED.items() if (_named(kind, seed)["rank"] or 99) > 3]
    assert len(missed) <= 2, missed


def test_a_cause_is_seldom_named_twice() -> None:
    twice = [kind for kind, seed in PLANTED.items() if _named(kind, seed)["repeated"]]
    assert len(twice) <= 3, twice


def test_where_nothing_is_wrong_nothing_is_named() -> None:
    loud = {name: _named(f"clean:{name}", 1)["named"] for name in QUIET}
    assert sum(bool(problems) for problems in loud.values()) <= 1, loud


def test_a_user_whose_whole_network_is_down_is_no_problem_of_the_user() -> None:
    named = _named("day_network_down", 0)["named"]
    assert [list(each["keys"]) for each in named] == [["network_code"]]


@pytest.mark.parametrize(("kind", "seed"), [("spam_number", 6), ("schedule_shift", 7)])
def test_a_change_of_what_most_calls_have_is_found(kind: str, seed: int) -> None:
    assert _named(kind, seed)["rank"] == 1


# -- the worlds themselves


def test_there_are_many_kinds() -> None:
    assert len(CAUSES) >= 25
    assert len(CLEAN) >= 8
    assert len(KINDS) == len(CAUSES) + len(CLEAN)


@pytest.mark.parametrize("kind", CAUSES)
def test_a_cause_makes_calls_bad_at_its_place(kind: str) -> None:
    causes = (make(kind, seed).cause for seed in range(8))
    three = list(itertools.islice(causes, 3))
    for cause in three:
        assert cause is not None
        assert cause.excess >= 5
        assert len(cause.hit) == len(cause.target) == len(cause.among)
        assert (cause.hit & cause.target).sum() >= 0.9 * cause.hit.sum()
    assert any(cause and cause.excess >= ENOUGH for cause in itertools.chain(three, causes))


@pytest.mark.parametrize(
    ("kind", "case"),
    [("network_change", "failed"), ("line_full", "poor"), ("network_ghost", "silent"), ("agent_hangs_up", "short")],
)
def test_the_analysis_sees_the_calls_that_were_made_bad(kind: str, case: str) -> None:
    made = make(kind, 4)
    assert made.cause is not None
    seen = legs(made.tables).merge(quality(made.tables)[["leg_id", "verdict", "silent_directions"]], on="leg_id")
    bad = {
        "failed": seen["outcome_class"].isin(["network", "signalling", "platform"]),
        "poor": seen["verdict"] == "poor",
        "silent": seen["silent_directions"] > 0,
        "short": seen["talk_s"] <= 6,
    }[case].to_numpy(dtype=bool)
    # Ids count the legs of the world in its order.
    place = seen["leg_id"].str[-12:].map(lambda text: int(text, 16)).to_numpy()
    hit = np.isin(place, np.flatnonzero(made.cause.hit))
    others = np.isin(place, np.flatnonzero(made.cause.among & ~made.cause.hit))
    assert bad[hit].mean() > 0.95
    assert bad[others].mean() < 0.08


def test_a_seed_makes_the_same_world_again() -> None:
    first, second, other = (make("codec_change", seed) for seed in (7, 7, 8))
    for name, frame in first.tables.items():
        pd.testing.assert_frame_equal(frame, second.tables[name])
    assert not first.tables["hangups"].equals(other.tables["hangups"])


def test_only_the_right_place_counts() -> None:
    made = make("network_change", 2)
    cause, groups, networks = made.cause, made.groups, made.world.networks
    assert cause is not None
    place = int(made.world.legs.network[cause.hit][0])
    assert place_of(cause, groups, {"network_code": networks.codes[place]}, None, None) == "right"
    for code in set(networks.codes) - {networks.codes[place]}:
        assert place_of(cause, groups, {"network_code": code}, None, None) == "other"
    assert place_of(cause, groups, {}, None, None) == "other"
    with pytest.raises(KeyError):
        place_of(cause, groups, {"moon": "full"}, None, None)
