"""Verdicts: by which rule, on what evidence, and never good without any."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conv_analytics.analysis import call_quality, compare_profiles, detect_units, quality
from conv_analytics.analysis.audio.profiles import PROFILES, Profile, Rule, as_markdown
from conv_analytics.analysis.audio.units import Units
from conv_analytics.errors import ColumnNotFound, ConfigError
from tests._helpers.leg_frames import flawed, legs, pandas_of, relation, same

UNITS = Units(1.0, "freeswitch_r", "percent", "ms2")
KEYS = ["conversation_id", "leg_id"]


def judged(profile: str | Profile = "recommended", units: Units = UNITS, **change: Any) -> pd.Series[Any]:
    made: pd.DataFrame = quality(legs(change), profile, units=units)
    row: pd.Series[Any] = made.iloc[0]
    return row


def test_a_good_leg() -> None:
    leg = judged()
    assert (leg["verdict"], leg["flow"], leg["codec_guess"], leg["mos_trust"]) == ("good", "both", "g711", "ok")
    assert pd.isna(leg["rule"])
    assert pd.isna(leg["value"])
    assert (leg["loss_pct"], leg["loss_source"]) == (0.2, "packet_loss_perc")
    assert leg["mos_emodel"] == pytest.approx(4.3942, abs=5e-4)
    assert leg["media_ratio"] == pytest.approx(0.998)
    assert leg["evidence_event_id"] == 9
    assert leg["confidence"] == 1


@pytest.mark.parametrize(
    ("change", "verdict", "rule", "value", "limit"),
    [({"packet_loss_perc": 5.1}, "poor", "loss_poor", 5.1, 5),
     ({"packet_loss_perc": 5.0}, "fair", "loss_fair", 5.0, 3),
     ({"packet_loss_perc": 3.0}, "good", None, None, None),
     ({"jitter_max_var": 900.0}, "fair", "jitter_fair", 30, 20),
     ({"jitter_max_var": 900.1}, "poor", "jitter_poor", 30.0017, 30),
     ({"jitter_max_var": 400.0}, "good", None, None, None),
     ({"packet_loss_perc": 9.0, "jitter_max_var": 6716.71}, "poor", "loss_poor", 9.0, 5),
     ({"byte_in": 0}, "poor", "no_audio", 1, 1),
     # Alone in its conversation, nobody speaks to it.
     ({"byte_in": 0, "byte_out": 100}, "poor", "no_audio", 1, 1)],
)  # fmt: skip
def test_rules_name_themselves(
    change: dict[str, Any], verdict: str, rule: str | None, value: float | None, limit: float | None
) -> None:
    leg = judged(**change)
    assert leg["verdict"] == verdict
    for name, expected in (("rule", rule), ("value", value), ("limit", limit)):
        if expected is None:
            assert pd.isna(leg[name])
        elif isinstance(expected, str):
            assert leg[name] == expected
        else:
            assert leg[name] == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(("variance", "deviation"), [(400, 20), (900, 30), (6716.71, 81.96)])
def test_jitter_is_the_root_of_the_variance(variance: float, deviation: float) -> None:
    assert judged(jitter_max_var=variance)["jitter_sd_max_ms"] == pytest.approx(deviation, abs=5e-3)
    assert judged(jitter_max_var=variance, units=Units(jitter_unit="ms"))["jitter_sd_max_ms"] == variance


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "rule"),
    [({"packet_cnt": 0, "flaw_total": 0}, "no_packets"), ({"packet_cnt": None, "flaw_total": None}, "no_packets"),
     ({"packet_cnt": 0, "flaw_total": 1054, "quality_percentage": 76.0, "mos_score": 3.86}, "packets_unknown"),
     ({"packet_cnt": 499}, "too_few_packets"), ({"packet_cnt": -5, "flaw_total": None}, "no_packets"),
     ({"jitter_max_var": None}, "no_jitter_sd_max_ms"),
     ({"packet_loss_perc": None, "jitter_loss_rate": None}, "no_loss_pct"),
     ({"answered": False, "packet_cnt": 0, "flaw_total": 0, "talk_s": None}, "not_answered")],
)  # fmt: skip
def test_what_was_not_measured_is_never_good(change: dict[str, Any], rule: str) -> None:
    for profile in ("recommended", "strict", "cqd"):
        leg = judged(profile, **change)
        assert (leg["verdict"], leg["rule"], leg["confidence"]) == ("unmeasured", rule, 0)


def test_a_leg_of_nulls_is_unmeasured_by_every_rulebook() -> None:
    nothing: dict[str, Any] = {name: None for name in legs({}) if name not in {*KEYS, "direction"}}
    compared = compare_profiles(legs(nothing)).iloc[0]
    assert {compared[name] for name in PROFILES} == {"unmeasured"}
    assert compared["good"] == 0


def test_start_values_are_unmeasured_by_profiles_of_scores_too() -> None:
    dead = {"packet_cnt": 0, "flaw_total": 0, "mos_score": 4.5, "quality_percentage": 100.0, "byte_in": 0}
    assert judged("genesys", **dead)["verdict"] == "unmeasured"
    assert judged("vonage", **dead)["verdict"] == "unmeasured"
    assert judged("recommended", **dead)["rule"] == "no_audio"


@pytest.mark.parametrize(
    ("unit", "said", "percent"),
    [("percent", 4.0, 4.0), ("fraction", 0.04, 4.0), ("count", 125.0, 4.0077), ("ignore", 4.0, None),
     ("percent", 250.0, None), ("count", 2.5, None), ("fraction", 4.0, None), ("percent", -1.0, None)],
)  # fmt: skip
def test_loss_in_every_unit(unit: str, said: float, percent: float | None) -> None:
    leg = judged(units=Units(loss_unit=unit), packet_loss_perc=said)
    if percent is None:  # the next best source
        assert (leg["loss_source"], leg["loss_pct"]) == ("jitter_loss_rate", pytest.approx(0.2))
    else:
        assert leg["loss_pct"] == pytest.approx(percent, abs=1e-4)
        assert leg["confidence"] == 1


def test_a_loss_whose_unit_is_not_known_is_none() -> None:
    leg = judged(units=Units(loss_unit="unknown"), packet_loss_perc=4.0)
    assert pd.isna(leg["loss_pct"])
    assert (leg["verdict"], leg["rule"]) == ("unmeasured", "loss_unit_unknown")
    # Were bad spacing and silence judged all the same, every leg with a verdict would be poor.
    for bad in ({"jitter_max_var": 1000.0}, {"byte_in": 0}):
        assert judged(units=Units(loss_unit="unknown"), packet_loss_perc=4.0, **bad)["verdict"] == "unmeasured"
    # A rulebook of scores does not need it.
    assert judged("vonage", units=Units(loss_unit="unknown"), packet_loss_perc=4.0)["verdict"] == "good"
    assert judged("vonage", units=Units(None), mos_score=45.0)["rule"] == "mos_scale_unknown"


def test_losses_where_the_column_says_nothing() -> None:
    silent = Units(loss_unit="unknown", loss_told=False)
    assert judged(units=silent, packet_loss_perc=0.0, jitter_loss_rate=0.07)["loss_pct"] == pytest.approx(7)
    assert judged(units=silent, jitter_loss_rate=243.0)["verdict"] == "unmeasured"
    unflawed = judged(units=silent, jitter_loss_rate=None, flaw_total=0)
    assert (unflawed["loss_pct"], unflawed["loss_source"]) == (0, "no_flaws")
    assert pd.isna(judged(units=silent, jitter_loss_rate=243.0, flaw_total=0)["loss_pct"])


@pytest.mark.parametrize(
    ("bytes_", "packets", "codec"),
    [(110080, 640, "g711"), (216548, 1259, "g711"), (78628, 1748, "gsm"), (32000, 1000, "g729"), (80000, 1000, "opus"),
     (640000, 1000, "l16"), (900, 1, None), (300000, 1000, "other")],
)  # fmt: skip
def test_codecs_are_guessed_from_the_size_of_packets(bytes_: int, packets: int, codec: str | None) -> None:
    guess = judged(byte_in=bytes_, packet_cnt=packets)["codec_guess"]
    assert guess == codec if codec else pd.isna(guess)


@pytest.mark.parametrize("times", [10.0, 100.0])
def test_scaled_scores_judge_alike(times: float) -> None:
    leg = judged("vonage", Units(times, "other", "percent"), mos_score=3.4 * times)
    assert (leg["mos_reported"], leg["rule"]) == (pytest.approx(3.4), "mos_poor")


@pytest.mark.parametrize("mos", [0.0, -1.0, 0.7, 5.3, 45.0])
def test_scores_off_the_scale_are_none(mos: float) -> None:
    leg = judged(mos_score=mos)
    assert pd.isna(leg["mos_reported"])
    assert leg["mos_trust"] == "unmeasured"
    assert judged("genesys", mos_score=mos)["rule"] == "no_mos_reported"


def test_reported_scores_decide_only_where_they_are_more_than_flaws() -> None:
    assert judged(mos_score=3.0)["verdict"] == "good"  # the losses are known, and the score is only their image
    assert judged(units=Units(1.0, "other", "percent"), mos_score=3.0)["rule"] == "mos_reported_poor"


@pytest.mark.slow
def test_evidence_grows_with_packets() -> None:
    sure = [judged(packet_cnt=packets, packet_loss_perc=9.0)["confidence"] for packets in (500, 750, 1000, 5000)]
    assert sure == [0.5, 0.75, 1, 1]
    assert judged(jitter_loss_rate=5.0)["confidence"] == 0.5  # reset sequence numbers
    assert judged(byte_in=0, talk_s=6.0)["confidence"] == pytest.approx(0.6)


def test_the_worst_measured_leg_is_the_calls_and_partial_says_the_rest() -> None:
    three = legs(
        {"mos_score": 4.4}, {"mos_score": 2.0, "packet_loss_perc": 12.0}, {"packet_cnt": 0, "flaw_total": 0},
        {"conversation_id": "CON-2"}, {"conversation_id": "CON-3", "packet_cnt": 3},
    )  # fmt: skip
    one, two, none = (row for _, row in call_quality(three, units=UNITS).iterrows())
    assert (one["mos_reported"], one["measured"], one["legs"], one["partial"]) == (2.0, 2, 3, True)
    assert (one["verdict"], one["worst_leg_id"], one["rule"]) == ("poor", "b", "loss_poor")
    lost, expected = 2994 / 0.88 * 0.12 + 2994 / 0.998 * 0.002, 2994 / 0.88 + 2994 / 0.998
    assert one["loss_pct"] == pytest.approx(100 * lost / expected)
    assert (two["verdict"], two["partial"]) == ("good", False)
    assert (none["verdict"], none["measured"], none["partial"]) == ("unmeasured", 0, False)
    assert pd.isna(none["mos_reported"])
    assert pd.isna(none["loss_pct"])


def test_one_leg_under_every_rulebook() -> None:
    leg = compare_profiles(legs({"packet_loss_perc": 6.0}), units=UNITS).iloc[0]
    assert {name: leg[name] for name in PROFILES} == {
        "recommended": "poor", "strict": "poor", "cqd": "good", "twilio_gateway": "poor", "twilio_sdk": "poor",
        "plivo": "poor", "vonage": "good", "genesys": "good",
    }  # fmt: skip
    assert (leg["poor"], leg["good"], leg["disagree"]) == (5, 3, True)


def test_twilio_wants_two_kinds_of_jitter() -> None:
    assert judged("twilio_gateway", jitter_max_var=900.0, jitter_min_var=24.0)["verdict"] == "good"
    assert judged("twilio_gateway", jitter_max_var=900.0, jitter_min_var=25.0)["rule"] == "high_jitter"


def test_own_rulebooks() -> None:
    own = Profile("own", (Rule("any_loss", "loss_pct", ">", 0.1),), min_packets=5000)
    assert judged(own)["rule"] == "too_few_packets"
    assert judged(Profile("own", own.rules, 100))["rule"] == "any_loss"
    for wrong in (
        lambda: Rule("x", "loudness", ">", 1), lambda: Rule("x", "loss_pct", "=", 1),  # type: ignore[arg-type]
        lambda: Rule("x", "loss_pct", ">", 1, "awful"),  # type: ignore[arg-type]
        lambda: Profile("x", ()), lambda: Profile("x", own.rules * 2), lambda: Profile("x", own.rules, 0),
        lambda: quality(legs({}), "teams"),
    ):  # fmt: skip
        with pytest.raises(ConfigError):
            wrong()


@pytest.mark.slow
def test_empty_frames_keep_their_columns() -> None:
    for function in (quality, call_quality, compare_profiles):
        none, some = function(legs()), function(legs({}))
        assert len(none) == 0
        assert list(none.dtypes.items()) == list(some.dtypes.items())


def test_nan_of_a_relation_changes_no_verdict() -> None:
    numbers = ["mos_score", "jitter_min_var", "jitter_loss_rate", "quality_percentage", "flaw_total", "packet_cnt"]
    frame = legs({}, dict.fromkeys(numbers), {"byte_in": None}, {"packet_loss_perc": None, "jitter_max_var": None})
    with_nan = [f"coalesce({name}::double, 'nan'::double) as {name}" for name in
                (*numbers, "byte_in", "packet_loss_perc", "jitter_max_var")]  # fmt: skip
    given = relation(frame).project(f"* replace ({', '.join(with_nan)})")
    same(quality(frame, units=UNITS), pandas_of(quality(given, units=UNITS), KEYS))


def test_a_missing_column_is_named() -> None:
    with pytest.raises(ColumnNotFound, match=r"packet_cnt.*legs|legs.*packet_cnt"):
        quality(legs({}).drop(columns="packet_cnt"))


NUMBER = st.one_of(st.none(), st.sampled_from([0.0, -1.0, 1.0, 4.5, 30.0, 100.0, 900.0]), st.floats(0, 1000))
COUNT = st.one_of(st.none(), st.integers(0, 20_000), st.sampled_from([0, 99, 100, 499, 500]))
UGLY = st.fixed_dictionaries({
    "answered": st.sampled_from([True, True, False, None]), "talk_s": NUMBER, "mos_score": st.floats(-1, 5),
    "quality_percentage": NUMBER, "jitter_min_var": NUMBER, "jitter_max_var": NUMBER, "jitter_loss_rate": NUMBER,
    "packet_loss_perc": NUMBER, "flaw_total": COUNT, "packet_cnt": COUNT, "byte_in": COUNT, "byte_out": COUNT,
})  # fmt: skip


@pytest.mark.slow
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(UGLY, min_size=1, max_size=5), st.sampled_from(["percent", "fraction", "count", "unknown"]))
def test_whatever_the_numbers_two_engines_agree_and_nothing_is_good_without_packets(
    rows: list[dict[str, Any]], unit: str
) -> None:
    frame, units = legs(*rows), Units(loss_unit=unit)
    mine = quality(frame, units=units)
    same(mine, pandas_of(quality(relation(frame), units=units), KEYS))
    same(call_quality(frame, units=units), pandas_of(call_quality(relation(frame), units=units), KEYS[:1]))
    good = mine[mine["verdict"] == "good"]
    assert (frame.set_index("leg_id").loc[good["leg_id"], "packet_cnt"] >= 500).all()
    assert mine["verdict"].isin(["good", "fair", "poor", "unmeasured"]).all()
    assert mine["confidence"].between(0, 1).all()


@pytest.mark.slow
def test_order_and_duplicates_change_no_verdict() -> None:
    frame = legs(*flawed(30), {"packet_cnt": 0}, {"packet_loss_perc": 40.0, "byte_in": 1})
    shuffled = pd.concat([frame, frame]).sample(frac=1, random_state=3).reset_index(drop=True)
    units = detect_units(frame)
    same(quality(shuffled, units=units), quality(frame, units=units))
    same(call_quality(shuffled, units=units), call_quality(frame, units=units))


@pytest.mark.slow
@settings(max_examples=8, deadline=None)
@given(st.floats(0, 50), st.floats(0, 50))
def test_more_loss_is_never_a_better_verdict(one: float, other: float) -> None:
    ranks = {"good": 0, "fair": 1, "poor": 2}
    less, more = sorted((one, other))
    made = quality(legs({"packet_loss_perc": less}, {"packet_loss_perc": more}), units=UNITS)
    assert ranks[made["verdict"][0]] <= ranks[made["verdict"][1]]


@pytest.mark.parametrize(("bad", "mean", "p5"), [(5, 4.35, 4.35), (6, 4.32, 1.5)])
def test_a_mean_hides_what_a_percentile_shows(bad: int, mean: float, p5: float) -> None:
    rows = [{"mos_score": 4.5, "leg_id": str(n)} for n in range(100 - bad)]
    rows += [{"mos_score": 1.5, "leg_id": f"bad {n}"} for n in range(bad)]
    scores = quality(legs(*rows), units=UNITS)["mos_reported"]
    assert scores.mean() == pytest.approx(mean)
    assert np.quantile(scores, 0.05) == pytest.approx(p5)


def test_the_documented_profiles_are_those_of_the_code(repository: Path) -> None:
    page = (repository / "notebooks" / "reference" / "call-quality.md").read_text(encoding="utf-8")
    written = page.partition("<!-- profiles -->")[2].partition("<!-- /profiles -->")[0]
    assert written.strip() == as_markdown()
