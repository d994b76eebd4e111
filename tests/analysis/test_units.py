"""Units are found by evidence, said when they cannot be found, and refused where a guess would turn answers around."""

from __future__ import annotations

import html
from typing import Any

import pandas as pd
import pytest

from conv_analytics.analysis import detect_units
from conv_analytics.analysis.units import Units
from conv_analytics.errors import ColumnNotFound, ConfigError
from tests.analysis.made_legs import flawed, legs, relation


def changed(column: str, by: Any, n: int = 40) -> pd.DataFrame:
    frame = legs(*flawed(n))
    return frame.assign(**{column: frame[column].map(by)})


def test_the_usual_dataset() -> None:
    units = detect_units(legs(*flawed()))
    assert units == Units(1.0, "freeswitch_r", "percent", "ms2")
    scale, model, loss, jitter = units.evidence
    assert (scale.n, scale.share) == (40, 1.0)
    assert (model.n, model.share) == (40, 1.0)
    assert "0.333" in loss.why
    assert "assumed" in jitter.why


@pytest.mark.parametrize("times", [1, 10, 100])
def test_scales_of_scores(times: int) -> None:
    units = detect_units(changed("mos_score", lambda mos: round(mos * times) if times == 100 else mos * times))
    assert units.mos_scale == times
    assert units.mos_model == "freeswitch_r"


def test_sentinels_are_no_scores() -> None:
    units = detect_units(legs(*flawed(), {"mos_score": 0.0}, {"mos_score": -1.0}))
    assert units.mos_scale == 1
    assert "2 say 0 or less" in units.evidence[0].why


def test_one_broken_score_does_not_divide_all_others() -> None:
    units = detect_units(legs(*flawed(), {"mos_score": 45.0}))
    assert units.mos_scale == 1
    assert "1 do not, and count as not measured" in units.evidence[0].why


@pytest.mark.parametrize("times", [20, 0.1, 1000])
def test_an_ambiguous_scale_is_asked_for(times: float) -> None:
    frame = changed("mos_score", lambda mos: mos * times)
    with pytest.raises(ConfigError, match="mos_scale=1, 10 or 100"):
        detect_units(frame)
    assert detect_units(frame, mos_scale=100).mos_scale == 100


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
    assert {each.why for each in units.evidence} == {"told by the caller"}


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
