"""The published vectors T1 to T36 and the properties that must hold: which test holds each, and those held here.

T1-T36 are numbers of standards, of other tools' code, of dumps and of papers, each computed independently. A vector
that a test of its module holds is listed with it and with digits that must stand in that test; the others are below.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conv_analytics.analysis import quality, r_to_mos
from conv_analytics.analysis.audio.units import Units
from conv_analytics.analysis.maths.emodel import freeswitch_r
from conv_analytics.analysis.maths.published_formulas import freeswitch_flaws, rtp_jitter, twilio_mos
from conv_analytics.errors import ConfigError
from tests._helpers.leg_frames import legs

HERE = Path(__file__).parent
#: Vector: the file, the test, and digits of the vector.
VECTORS = {
    "T1": ("test_emodel.py", "test_rating_to_score", "(3.222, 1), (6.5, 1)"),
    "T2": ("test_emodel.py", "test_rating_to_score", "(70, 3.597)"),
    "T3": ("test_emodel.py", "test_rating_to_score", "(93.2, 4.409286)"),
    "T4": ("test_emodel.py", "test_score_to_rating", "(3.5, 67.9615)"),
    "T5": ("test_emodel.py", "test_losses_cost_what_the_codec_says", "15.7807, 3.9228"),
    "T6": ("test_emodel.py", "test_losses_cost_what_the_codec_says", "51.0753, 2.1693"),
    "T7": ("test_emodel.py", "test_losses_cost_what_the_codec_says", "19, 3.7873"),
    "T8": ("test_emodel.py", "test_losses_that_come_together_cost_more", "17.2101"),
    "T9": ("test_emodel.py", "test_a_fraction_for_a_percentage_is_refused_where_packets_tell", "4.4056"),
    "T10": ("test_emodel.py", "test_delay", "(400, 34.097)"),
    "T11": ("test_emodel.py", "test_freeswitch", "(1000, 1, 99, 4.492027)"),
    "T12": ("test_emodel.py", "test_freeswitch", "(1000, 1001, 100, 4.5)"),
    "T13": ("test_audio.py", "test_trust", '"jitter_max_var": 6716.71'),
    "T14": ("test_vectors.py", "test_losses_above_one_are_junk", "242.995972"),
    "T15": ("test_quality.py", "test_jitter_is_the_root_of_the_variance", "(6716.71, 81.96)"),
    "T16": ("test_vectors.py", "test_the_score_of_twilio", "2.6943"),
    "T17": ("test_kpi.py", "test_rates_of_rfc_6076", "0.612245"),
    "T18": ("test_kpi.py", "test_sessions_completed", "(580, 1000, 0.58)"),
    "T19": ("test_kpi.py", "test_nothing_to_divide_by_is_null", "(0, 5, 0.0)"),
    "T20": ("test_kpi.py", "test_intervals_stand_beside_every_rate", "0.930981"),
    "T21": ("test_stats.py", "test_wilson", "0.236593"),
    "T22": ("test_kpi.py", "test_short_calls", "0.176377"),
    "T23": ("test_times_and_cost.py", "test_service_level", "0.57142857"),
    "T24": ("test_load.py", "test_erlang_b", "0.03669725"),
    "T25": ("test_load.py", "test_erlang_c", "0.888350"),
    "T26": ("test_load.py", "test_six_calls", "0.442222"),
    "T27": ("test_talk.py", "test_the_published_turns", '"MEM-a": 35.8'),
    "T28": ("test_times_and_cost.py", "test_prices_are_rate_times_duration_or_rounded_or_not", "0.00015"),
    "T29": ("test_quality.py", "test_codecs_are_guessed_from_the_size_of_packets", "(78628, 1748"),
    "T30": ("test_compare.py", "test_a_shift_of_the_mix_by_hand", "[-0.13, -0.15, 0.02]"),
    "T31": ("test_vectors.py", "test_the_jitter_of_rtp", "2.236176"),
    "T32": ("test_same.py", "test_numbers_are_at_home_somewhere", '("447700900000", "GB")'),
    "T33": ("test_stats.py", "test_the_mean_hides_what_the_fifth_percentile_shows", "(4.32, 1.5)"),
    "T34": ("test_load.py", "test_half_hours_of_london", '"01:00", "01:30", "01:00", "01:30"'),
    "T35": (
        "test_quality.py",
        "test_the_worst_measured_leg_is_the_calls_and_partial_says_the_rest",
        "(2.0, 2, 3, True)",
    ),
    "T36": ("test_vectors.py", "test_bursts_look_better_than_they_sound", "4.482136"),
}  # fmt: skip
#: What must hold of whatever numbers, and the test that looks for a case where it does not.
PROPERTIES = {
    "ABR <= ASR, SER <= SEER, SCR <= SER": ("test_kpi.py", "test_what_must_hold_for_all_legs"),
    "R to MOS and back is R": ("test_emodel.py", "test_there_and_back"),
    "more loss never raises the score": ("test_emodel.py", "test_more_loss_never_raises_the_score"),
    "more loss is never a better verdict": ("test_quality.py", "test_more_loss_is_never_a_better_verdict"),
    "order and duplicates change no verdict": ("test_quality.py", "test_order_and_duplicates_change_no_verdict"),
    "order and duplicates of events change no leg": ("test_same.py", "test_order_and_repetition_change_nothing"),
    "the area of concurrency is the sum of durations": (
        "test_load.py", "test_the_area_is_the_sum_of_the_durations",
    ),
    "mix + rate is the whole change": ("test_compare.py", "test_mix_and_rate_are_the_whole_change"),
}  # fmt: skip


def held_by(file: str, test: str) -> str:
    """The text of a test with its decorators, and the constants of its file that it names."""
    text = next(HERE.rglob(file)).read_text(encoding="utf-8")
    tree = ast.parse(text)
    found = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == test)
    names = {
        node.id for part in (found, *found.decorator_list) for node in ast.walk(part) if isinstance(node, ast.Name)
    }
    constants = [
        node for node in tree.body if isinstance(node, ast.Assign)
        and any(isinstance(target, ast.Name) and target.id in names for target in node.targets)
    ]  # fmt: skip
    parts = [*constants, *found.decorator_list, found]
    return "\n".join(ast.get_source_segment(text, part) or "" for part in parts)


def test_every_vector_has_a_test_that_holds_it() -> None:
    assert list(VECTORS) == [f"T{number}" for number in range(1, 37)]
    for vector, (file, test, digits) in VECTORS.items():
        assert digits in held_by(file, test), vector


@pytest.mark.parametrize("holds", PROPERTIES)
def test_every_property_has_a_test_that_tries_many_cases(holds: str) -> None:
    text = held_by(*PROPERTIES[holds])
    assert "given(" in text or "sample(" in text or "duplicate" in text, "a property is tried on drawn cases"


@pytest.mark.parametrize(
    ("line", "mos"), [((0, 0, 0), 4.4333), ((100, 10, 0), 4.3744), ((100, 10, 2), 4.2447), ((400, 30, 3), 2.6943)]
)
def test_the_score_of_twilio(line: tuple[float, float, float], mos: float) -> None:
    assert twilio_mos(*line) == pytest.approx(mos, abs=5e-5)


def test_the_score_of_twilio_of_columns_and_of_nonsense() -> None:
    assert twilio_mos(np.array([0, 100]), np.array([0, 10]), np.array([0, 2])) == pytest.approx(
        [4.4333, 4.2447], abs=5e-5
    )
    assert twilio_mos(2000, 0, 0) == pytest.approx(1.0, abs=5e-5)
    assert twilio_mos(0, 0, 60) == 1.0
    assert np.isnan(twilio_mos(float("nan"), 0, 0))
    with pytest.raises(ConfigError, match="0 to 100 percent"):
        twilio_mos(0, 0, 101)


@given(st.floats(0, 100), st.floats(0, 100), st.floats(0, 900))
def test_more_loss_never_raises_the_score_of_twilio(one: float, other: float, rtt: float) -> None:
    less, more = sorted((one, other))
    assert twilio_mos(rtt, 0, more) <= twilio_mos(rtt, 0, less) + 1e-12


def test_the_jitter_of_rtp() -> None:
    told = rtp_jitter([0, 10, -10, 20, 0])
    assert told == pytest.approx([0, 0.625, 1.210938, 2.385254, 2.236176], abs=6e-7)
    assert rtp_jitter([]) == []


@pytest.mark.parametrize(
    ("lost", "packets", "flaws", "q", "mos"),
    [(range(50, 1000, 100), 990, 30, 96, 4.456768), (range(500, 510), 990, 12, 98, 4.482136), ((), 1000, 0, 100, 4.5)],
)
def test_bursts_look_better_than_they_sound(lost: Any, packets: int, flaws: int, q: int, mos: float) -> None:
    counted = freeswitch_flaws(number for number in range(1, 1001) if number not in set(lost))
    assert counted == (packets, flaws)
    assert freeswitch_r(*counted) == q
    assert r_to_mos(freeswitch_r(*counted)) == pytest.approx(mos, abs=5e-7)


@pytest.mark.parametrize(("loss", "burst"), [(242.995972, 241.995972), (334.300943, 333.300943), (1.32, 0.32)])
def test_losses_above_one_are_junk(loss: float, burst: float) -> None:
    # So FreeSWITCH makes the second out of the first: it says nothing of its own.
    assert abs(loss - 1) == pytest.approx(burst, abs=5e-7)
    given_ = legs({"packet_loss_perc": None, "jitter_loss_rate": loss, "jitter_burst_rate": burst, "flaw_total": 30})
    row = quality(given_, units=Units(loss_unit="unknown", loss_told=False)).iloc[0]
    assert (row["verdict"], row["rule"]) == ("unmeasured", "no_loss_pct")
    assert row["mos_trust"] == "reset"
