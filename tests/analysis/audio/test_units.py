"""Units are found by a majority that odd values cannot turn, and nothing is read where the data do not decide."""

from __future__ import annotations

import html
from typing import Any

import pandas as pd
import pytest

from conv_analytics.analysis import detect_units, quality
from conv_analytics.analysis.audio.units import Units
from conv_analytics.errors import ColumnNotFound, ConfigError
from tests._helpers.leg_frames import flawed, legs, relation


def changed(column: str, by: Any, n: int = 40) -> pd.DataFrame:
    frame = legs(*flawed(n))
    return frame.assign(**{column: frame[column].map(by)})


def test_the_usual_dataset() -> None:
    units = detect_units(legs(*flawed()))
    assert units == Units(1.0, "freeswitch_r", "percent", "ms2")
    scale, model, loss, jitter = units.evidence
    assert (scale.n, scale.share) == (40, 1.0)
    assert (model.n, model.share) == (40, 1.0)
    assert loss.why == "40 of 40 losses agree with their flaws as percent"
    assert "assumed" in jitter.why
    assert units.assumed == ("jitter_unit",)
    assert not units.undecided


@pytest.mark.parametrize("times", [1, 10, 100])
def test_scales_of_scores(times: int) -> None:
    units = detect_units(changed("mos_score", lambda mos: round(mos * times) if times == 100 else mos * times))
    assert units.mos_scale == times
    assert units.mos_model == "freeswitch_r"


def test_sentinels_are_no_scores() -> None:
    units = detect_units(legs(*flawed(), {"mos_score": 0.0}, {"mos_score": -1.0}))
    assert units.mos_scale == 1
    assert "2 are 0 or less" in units.evidence[0].why


@pytest.mark.parametrize("odd", [[45.0], [687268.9], [0.97] * 6, [60.0, 0.97, 1e300]])
def test_a_few_broken_scores_count_as_odd_and_change_nothing_for_others(odd: list[float]) -> None:
    frame = legs(*flawed(), *({"mos_score": score, "leg_id": f"odd {n}"} for n, score in enumerate(odd)))
    units = detect_units(frame)
    assert (units.mos_scale, units.mos_model) == (1, "freeswitch_r")
    assert units.evidence[0].odd == len(odd)
    assert f"{len(odd)} do not and are treated as unmeasured" in units.evidence[0].why
    judged = quality(frame).set_index("leg_id")["mos_reported"]
    assert judged[judged.index.str.startswith("odd")].isna().all()
    assert judged[~judged.index.str.startswith("odd")].notna().all()


@pytest.mark.parametrize("times", [20, 0.1, 1000])
def test_scores_on_no_scale_are_not_read_until_somebody_says_which(times: float) -> None:
    frame = changed("mos_score", lambda mos: mos * times)
    units = detect_units(frame)
    assert (units.mos_scale, units.mos_model, units.undecided) == (None, "undetermined", ("mos_scale",))
    assert "ambiguous: of 40 scores" in units.why("mos_scale")
    assert "say mos_scale: 1, 10 or 100" in units.doubts()[0]
    assert quality(frame, "genesys")["rule"].unique().tolist() == ["mos_scale_unknown"]
    assert detect_units(frame, mos_scale=100).mos_scale == 100


def test_scores_on_two_scales_are_a_mixture() -> None:
    others = legs(*flawed(12))
    others = others.assign(leg_id="other " + others["leg_id"])
    frame = pd.concat([changed("mos_score", lambda mos: mos * 10, 28), others], ignore_index=True)
    assert detect_units(frame).mos_scale is None


def test_other_models_and_too_little_to_tell() -> None:
    assert detect_units(changed("mos_score", lambda mos: min(5.0, mos + 0.3))).mos_model == "other"
    assert detect_units(legs(*flawed(19))).mos_model == "undetermined"
    perfect = legs(*({"mos_score": 4.5, "quality_percentage": 100.0} for _ in range(500)))
    assert detect_units(perfect).mos_model == "undetermined"  # 4.5 and 100 prove nothing


def test_the_model_of_real_dumps() -> None:
    dumps = [{"mos_score": 4.492027, "quality_percentage": 99.0}, {"mos_score": 3.86, "quality_percentage": 76.0},
             {"mos_score": 4.5, "quality_percentage": 100.0}]  # fmt: skip
    units = detect_units(legs(*dumps * 10))
    assert units.mos_model == "freeswitch_r"
    assert units.evidence[1].n == 20


@pytest.mark.parametrize(
    ("by", "unit"),
    [(lambda loss: loss, "percent"), (lambda loss: loss / 100, "fraction"), (lambda loss: round(loss * 30), "count")],
)
def test_units_of_loss(by: Any, unit: str) -> None:
    assert detect_units(changed("packet_loss_perc", by)).loss_unit == unit


def test_small_counts_are_told_by_their_flaws() -> None:
    short = legs(*flawed(9))  # at most 90 of 3000: nothing above 100
    counts = short.assign(packet_loss_perc=(short["flaw_total"] / 3).round().astype(float))
    assert counts["packet_loss_perc"].max() <= 100
    assert detect_units(counts).loss_unit == "count"


def test_fractions_are_told_by_their_packets_where_flaws_are_missing() -> None:
    frame = changed("packet_loss_perc", lambda loss: loss / 100).assign(flaw_total=pd.NA, packet_cnt=300)
    units = detect_units(frame.astype({"flaw_total": "Int64", "packet_cnt": "Int64"}))
    assert units.loss_unit == "fraction"
    assert "less than one packet" in units.evidence[2].why


def test_one_loss_above_hundred_among_percents_is_a_broken_row() -> None:
    assert detect_units(legs(*flawed(), {"packet_loss_perc": 250.0})).loss_unit == "percent"


WORSE = {"packet_loss_perc": 12.0, "flaw_total": 1000, "jitter_loss_rate": 0.12}
LITTLE = {"packet_loss_perc": 0.1, "flaw_total": 6, "jitter_loss_rate": 0.001}
NO_FLAWS = {"flaw_total": None, "jitter_loss_rate": None}


@pytest.mark.parametrize("told", [{}, NO_FLAWS, {"flaw_total": None}])
def test_one_loss_above_hundred_turns_no_unit(told: dict[str, Any]) -> None:
    rows = [WORSE | told | {"leg_id": f"poor {n}"} for n in range(14)] + [LITTLE | told | {"leg_id": f"{n}"}
                                                                           for n in range(26)]  # fmt: skip
    frame = legs(*rows, WORSE | told | {"packet_loss_perc": 250.0, "jitter_loss_rate": None, "leg_id": "odd"})
    units = detect_units(frame)
    assert units.loss_unit == "percent"
    assert units.evidence[2].odd == 1
    verdicts = quality(frame).set_index("leg_id")["verdict"]
    assert verdicts.value_counts().to_dict() == {"good": 26, "poor": 14, "unmeasured": 1}
    assert verdicts["odd"] == "unmeasured"


@pytest.mark.slow
@pytest.mark.parametrize("told", [{}, {"flaw_total": None}, NO_FLAWS])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_mixed_units_of_loss_give_no_loss_at_all(share: float, told: dict[str, Any]) -> None:
    rows = []
    for n in range(200):
        row = WORSE if n % 8 == 0 else LITTLE
        ratio = n // 8 % 10 >= share * 10 if row is WORSE else n % 10 >= share * 10
        loss = row["packet_loss_perc"] / (100 if ratio else 1)
        rows.append(row | told | {"packet_loss_perc": loss, "leg_id": f"{n:03}"})
    frame = legs(*rows)
    units = detect_units(frame)
    assert (units.loss_unit, units.undecided) == ("unknown", ("loss_unit",))
    assert "mixed" in units.why("loss_unit")
    assert quality(frame)["loss_pct"].isna().all()
    # Who leaves the column out gets the losses of the other one, where there is one.
    left_out = quality(frame, units=detect_units(frame, loss_unit="ignore"))
    assert (left_out["verdict"] == "poor").sum() == (0 if told == NO_FLAWS else 25)


def test_a_leg_whose_flaws_say_another_unit_has_no_loss() -> None:
    others = [{"packet_loss_perc": 0.5, "flaw_total": 45, "jitter_loss_rate": None, "leg_id": f"odd {n}"}
              for n in range(2)]  # fmt: skip
    fractions = [row | {"packet_loss_perc": row["packet_loss_perc"] / 100, "jitter_loss_rate": None}
                 for row in flawed()]  # fmt: skip
    frame = legs(*fractions, *others)
    units = detect_units(frame)
    assert (units.loss_unit, units.evidence[2].odd) == ("fraction", 2)
    judged = quality(frame).set_index("leg_id")
    # As fractions, they would have lost half of their packets.
    assert judged.loc[["odd 0", "odd 1"], "verdict"].tolist() == ["unmeasured"] * 2
    assert judged["loss_pct"].max() == pytest.approx(40 / 3)


def test_what_nothing_decides_is_assumed_or_unknown() -> None:
    whole = detect_units(legs(*(NO_FLAWS | {"packet_loss_perc": float(n)} for n in range(1, 30))))
    assert (whole.loss_unit, whole.assumed) == ("percent", ("loss_unit", "jitter_unit"))
    assert "assumed" in whole.why("loss_unit")
    small = detect_units(legs(*(NO_FLAWS | {"packet_loss_perc": 0.05 + n / 1000} for n in range(5))))
    assert (small.loss_unit, small.undecided) == ("unknown", ("loss_unit",))
    judged = quality(legs(*(NO_FLAWS | {"packet_loss_perc": float(n)} for n in range(6, 20))))
    assert (judged["confidence"] == 0.5).all()


def test_a_rate_of_zeros_beside_flaws_is_no_measurement() -> None:
    bad = {"packet_cnt": 3000, "flaw_total": 1200, "quality_percentage": 60.0, "mos_score": 3.1,
           "jitter_loss_rate": 0.0, "packet_loss_perc": 0.0}  # fmt: skip
    frame = legs(*(bad | {"leg_id": f"{n}"} for n in range(25)), {**bad, "flaw_total": 0, "leg_id": "clean"})
    units = detect_units(frame)
    assert (units.loss_told, units.rate_told) == (False, False)
    judged = quality(frame).set_index("leg_id")
    assert judged.loc["clean", ["verdict", "loss_source"]].tolist() == ["good", "no_flaws"]
    others = judged.drop(index="clean")
    assert others["loss_pct"].isna().all()
    assert set(others["verdict"]) == {"unmeasured"}
    assert set(others["mos_trust"]) == {"contradicted"}
    # Also among legs whose columns say something.
    one = quality(legs(*flawed(), bad | {"leg_id": "zero"})).set_index("leg_id").loc["zero"]
    assert (one["verdict"], one["rule"], one["mos_trust"]) == ("unmeasured", "no_loss_pct", "contradicted")


def test_a_rate_in_percent_is_no_share() -> None:
    rows = [row | {"packet_loss_perc": 0.0, "leg_id": f"{n}"} for n, row in enumerate([WORSE] * 14 + [LITTLE] * 26)]
    percents = legs(*(row | {"jitter_loss_rate": row["jitter_loss_rate"] * 100} for row in rows))
    assert (detect_units(legs(*rows)).rate_told, detect_units(percents).rate_told) == (True, False)
    assert quality(legs(*rows))["verdict"].value_counts().to_dict() == {"good": 26, "poor": 14}
    # As shares, 0.1 would be a tenth of the packets, and 12 a jump of sequence numbers.
    assert set(quality(percents)["verdict"]) == {"unmeasured"}
    # Some jump, and the others still say what was lost.
    assert detect_units(legs(*({**row, "jitter_loss_rate": 243.0} for row in rows[:10]), *rows[10:])).rate_told


def test_variances_are_told_from_deviations_only_where_the_values_do() -> None:
    wide = detect_units(changed("jitter_max_var", lambda _: 400.0))
    assert (wide.jitter_unit, wide.assumed) == ("ms2", ())
    narrow = legs(*flawed(30), *({"jitter_max_var": 70.0, "leg_id": f"{n}"} for n in range(17)),
                  {"jitter_max_var": 1e12, "leg_id": "odd"})  # fmt: skip
    narrow.loc[:29, "jitter_max_var"] = 12.0
    units = detect_units(narrow)
    assert (units.jitter_unit, units.assumed, units.evidence[3].odd) == ("ms2", ("jitter_unit",), 1)
    assert "0 as variances and 17 as deviations would be above 30 ms" in units.why("jitter_unit")
    deviations = quality(narrow, units=detect_units(narrow, jitter_unit="ms"))
    assert (deviations["rule"] == "jitter_poor").sum() == 17
    assert quality(narrow).set_index("leg_id").loc["odd", "verdict"] == "unmeasured"


def test_a_column_of_zeros_is_not_the_same_as_no_loss() -> None:
    units = detect_units(changed("packet_loss_perc", lambda _: 0.0))
    assert (units.loss_unit, units.loss_told) == ("unknown", False)
    assert "not the same as no loss" in units.evidence[2].why


def test_nothing_at_all() -> None:
    for frame in (legs(), legs(*flawed(3)).assign(mos_score=None, packet_loss_perc=None, quality_percentage=None)):
        units = detect_units(frame)
        assert (units.mos_scale, units.mos_model, units.loss_unit) == (1.0, "undetermined", "unknown")


def test_what_is_told_is_not_asked() -> None:
    units = detect_units(legs(*flawed()), mos_scale=10, mos_model="other", loss_unit="count", jitter_unit="ms")
    assert units == Units(10.0, "other", "count", "ms")
    assert {each.why.partition(";")[0] for each in units.evidence} == {"given by the caller"}
    # None of these scores is on the scale that was told.
    assert "40 of 40 values cannot be in it" in units.why("mos_scale")


@pytest.mark.parametrize(
    "wrong", [{"mos_scale": 3}, {"mos_scale": "10"}, {"mos_model": "x"}, {"loss_unit": "%"}, {"jitter_unit": "s"}]
)
def test_what_is_told_wrong_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        detect_units(legs(*flawed()), **wrong)


def test_order_and_duplicates_change_nothing() -> None:
    frame = legs(*flawed(25)).reset_index(names="event_id")
    hangups = frame.assign(event_id=frame["event_id"].astype("Int64"))
    doubled = pd.concat([hangups, hangups.iloc[::-1]], ignore_index=True)
    once, twice = detect_units({"hangups": hangups}), detect_units({"hangups": doubled})
    assert once.evidence == twice.evidence


def test_duckdb_finds_the_same() -> None:
    frame = legs(*flawed(), {"packet_loss_perc": None, "mos_score": None, "packet_cnt": 0})
    assert detect_units(relation(frame)).evidence == detect_units(frame).evidence


def test_a_missing_column_is_named() -> None:
    with pytest.raises(ColumnNotFound, match="mos_score"):
        detect_units(legs(*flawed()).drop(columns="mos_score"))


def test_units_show_themselves() -> None:
    units = detect_units(legs(*flawed()))
    assert "freeswitch_r" in str(units)
    assert units.evidence[1].why in html.unescape(units._repr_html_())
    assert "loss_unit='percent'" in repr(units)
