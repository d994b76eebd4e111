"""The E-model against its published values, in numbers, arrays, Series and expressions."""

from __future__ import annotations

import math
from typing import Any

import duckdb
import narwhals as nw
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conv_analytics.analysis.maths import emodel
from conv_analytics.analysis.maths.emodel import delay_impairment, freeswitch_r, ie_eff, mos_emodel, mos_to_r, r_to_mos
from conv_analytics.errors import ConfigError


@pytest.mark.parametrize(
    ("r", "mos"),
    [(-5, 1), (0, 1), (3.222, 1), (6.5, 1), (50, 2.575), (60, 3.1), (70, 3.597), (80, 4.024), (90, 4.339),
     (93.2, 4.409286), (100, 4.5), (120, 4.5)],
)  # fmt: skip
def test_rating_to_score(r: float, mos: float) -> None:
    assert r_to_mos(r) == pytest.approx(mos, abs=5e-7 if r == 93.2 else 5e-4)


@pytest.mark.parametrize(
    ("mos", "r"),
    [(2.58, 50.0952), (3.1, 60.0), (3.5, 67.9615), (3.6, 70.0640), (4.03, 80.1591), (4.34, 90.0409), (4.5, 100.0)],
)
def test_score_to_rating(mos: float, r: float) -> None:
    assert mos_to_r(mos) == pytest.approx(r, abs=5e-5)


@pytest.mark.parametrize(
    ("codec", "loss", "cost", "mos"),
    [("g711", 1, 3.6398, 4.3281), ("g711", 5, 15.7807, 3.9228), ("g711_no_plc", 1, 17.9245, 3.8337),
     ("g711_no_plc", 5, 51.0753, 2.1693), ("g729a", 0, 11, 4.1044), ("g729a", 2, 19, 3.7873)],
)  # fmt: skip
def test_losses_cost_what_the_codec_says(codec: str, loss: float, cost: float, mos: float) -> None:
    which = emodel.CODECS[codec]
    assert ie_eff(loss, ie=which.ie, bpl=which.bpl) == pytest.approx(cost, abs=5e-5)
    assert mos_emodel(loss, codec=codec) == pytest.approx(mos, abs=5e-5)


def test_losses_that_come_together_cost_more() -> None:
    assert ie_eff(5, burst_r=2) == pytest.approx(17.2101, abs=5e-5)
    assert mos_emodel(5, burst_r=2) == pytest.approx(3.8639, abs=5e-5)


def test_a_fraction_for_a_percentage_is_refused_where_packets_tell() -> None:
    assert mos_emodel(0.05) == pytest.approx(4.4056, abs=5e-5)  # a good line, as far as anyone can know
    with pytest.raises(ConfigError, match="less than one packet"):
        mos_emodel(0.05, packets=1000)
    with pytest.raises(ConfigError, match="fraction"):
        mos_emodel(pd.Series([0.0, 0.08]), packets=pd.Series([1000, 600]))
    assert mos_emodel(0.05, packets=4000) == mos_emodel(0.05)  # two packets of four thousand


@pytest.mark.parametrize("loss", [-0.1, 101, 4700])
def test_what_is_no_percentage_is_refused(loss: float) -> None:
    with pytest.raises(ConfigError, match="percent"):
        ie_eff(loss)


@pytest.mark.parametrize(("delay", "cost"), [(0, 0), (150, 3.6), (177.3, 4.2552), (200, 7.297), (400, 34.097)])
def test_delay(delay: float, cost: float) -> None:
    assert delay_impairment(delay) == pytest.approx(cost, abs=5e-5)


@pytest.mark.parametrize(
    ("received", "flaws", "q", "mos"),
    [(0, 0, 100, 4.5), (1000, 0, 100, 4.5), (1000, 1, 99, 4.492027), (1000, 100, 90, 4.339), (4490, 1054, 76, 3.864288),
     (1000, 1001, 100, 4.5), (990, 30, 96, 4.456768), (990, 12, 98, 4.482136)],
)  # fmt: skip
def test_freeswitch(received: int, flaws: int, q: int, mos: float) -> None:
    assert freeswitch_r(received, flaws) == q
    assert r_to_mos(freeswitch_r(received, flaws)) == pytest.approx(mos, abs=5e-7)


@given(st.floats(6.5, 100))
def test_there_and_back(r: float) -> None:
    # Up to 6.5153 the curve lies below 1 and is held there.
    assert mos_to_r(r_to_mos(r)) == pytest.approx(r, abs=0.016 if r < 6.52 else 1e-6)
    assert r_to_mos(r) >= 1


@given(st.floats(0, 100), st.floats(0, 100), st.sampled_from(sorted(emodel.CODECS)), st.floats(1, 8))
def test_more_loss_never_raises_the_score(one: float, other: float, codec: str, burst: float) -> None:
    less, more = sorted((one, other))
    assert mos_emodel(more, codec=codec, burst_r=burst) <= mos_emodel(less, codec=codec, burst_r=burst) + 1e-12


def test_numbers_arrays_series_and_engines_agree() -> None:
    losses: list[float | None] = [0.0, 0.3, 5.0, None, 42.0, 100.0]
    one_by_one = [mos_emodel(loss) for loss in losses]
    frame = pd.DataFrame({"loss": losses})
    in_pandas = nw.from_native(frame).select(mos=mos_emodel(nw.col("loss")))["mos"].to_list()
    asked = nw.from_native(duckdb.sql("select loss from frame")).select(mos=mos_emodel(nw.col("loss")))
    in_duckdb = [math.nan if mos is None else mos for (mos,) in nw.to_native(asked).fetchall()]
    for many in (mos_emodel(frame["loss"]), mos_emodel(np.array(losses, float)), in_pandas, in_duckdb):
        np.testing.assert_allclose(list(many), one_by_one, rtol=1e-14)


def test_series_keep_their_index_and_null_stays_null() -> None:
    given_ = pd.Series([5, None], index=["x", "y"], dtype="Int64", name="loss")
    got = mos_emodel(given_)
    assert list(got.index) == ["x", "y"]
    assert got["x"] == pytest.approx(3.9228, abs=5e-5)
    assert math.isnan(got["y"])
    assert math.isnan(r_to_mos(None))
    assert len(r_to_mos(pd.Series([], dtype="float64"))) == 0


@pytest.mark.parametrize("mos", [0.99, 4.51, -1, 0, math.nan])
def test_no_rating_gives_such_a_score(mos: float) -> None:
    assert math.isnan(mos_to_r(mos))


def test_bad_arguments_say_what_to_do() -> None:
    with pytest.raises(ConfigError, match="collect the column"):
        mos_to_r(nw.col("mos"))
    with pytest.raises(ConfigError, match="Known: g711"):
        mos_emodel(1, codec="mp3")
    arguments: dict[str, Any]
    for arguments in ({"burst_r": 0}, {"bpl": -1}):
        with pytest.raises(ConfigError, match="above 0"):
            ie_eff(1, **arguments)
