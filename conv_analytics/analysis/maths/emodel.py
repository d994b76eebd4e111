"""The E-model: from loss and delay to a rating R, from R to a mean opinion score, and back.

Every formula is written once and works for a number, a NumPy array, a pandas Series and a narwhals expression, so a
million legs in DuckDB are rated by the same lines that the tests check against the standard's values.

Sources: ITU-T G.107 (R, its curve, the inverse of appendix I), G.113 appendix I (the codecs' Ie and Bpl), Cole and
Rosenbluth 2001 (the short form of the delay), and FreeSWITCH's RTP statistics (``switch_rtp.c``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from conv_analytics.errors import ConfigError

#: R of a call without any impairment (G.107, default values).
R_DEFAULT = 93.2
#: R is on a scale from 0 to 100, and the curve ends at 4.5.
R_MAX, MOS_MAX = 100.0, 4.5
#: Below this R the cubic gives less than 1, a score that no listener can give.
R_MIN = 6.5
#: The smallest possible loss is one packet; a percentage cut to few digits may show a third less.
ONE_PACKET = 0.6


@dataclass(frozen=True)
class Codec:
    """A codec's impairment: ``ie`` without loss, and ``bpl``, its robustness against loss [percent] (G.113 app. I)."""

    name: str
    ie: float
    bpl: float


#: Codecs by name. ``g711`` with packet loss concealment is usual on phone legs; without it is the worst case.
CODECS = {
    codec.name: codec
    for codec in (
        Codec("g711", 0.0, 25.1),
        Codec("g711_no_plc", 0.0, 4.3),
        Codec("g729a", 11.0, 19.0),
        Codec("g723_1", 15.0, 16.1),
        Codec("gsm_efr", 5.0, 10.0),
    )
}


def r_to_mos(r: Any) -> Any:
    """Mean opinion score of a rating R (G.107 annex B).

    Parameters
    ----------
    r
        Rating, 0 to 100: a number, array, Series or narwhals expression.

    Returns
    -------
    float, numpy.ndarray, pandas.Series or narwhals.Expr
        1.0 to 4.5, of the same kind as `r`; null stays null. ``1 + 0.035 R + 7e-6 R (R - 60) (100 - R)``, with 1 for
        every R up to 6.5, where the cubic would fall below 1, and 4.5 for every R from 100.

    Examples
    --------
    >>> round(r_to_mos(93.2), 6), r_to_mos(3.222), r_to_mos(120)
    (4.409286, 1.0, 4.5)
    """
    x, back = _as_array(r)
    curve = x * 0.035 + x * (x - 60.0) * (x * -1.0 + R_MAX) * 7e-6 + 1.0
    return back(_choose((x <= R_MIN) | (curve < 1.0), 1.0, _choose(x >= R_MAX, MOS_MAX, curve)))


def mos_to_r(mos: Any) -> Any:
    """Rating R of a mean opinion score: the inverse of `r_to_mos` (G.107 appendix I).

    Parameters
    ----------
    mos
        Mean opinion score, 1 to 4.5: a number, array or Series. Expressions are not accepted: the formula needs an arc
        tangent, which not every engine has.

    Returns
    -------
    float, numpy.ndarray or pandas.Series
        6.5 to 100; null outside of 1 to 4.5, where no R gives such a score.

    Examples
    --------
    >>> round(mos_to_r(3.6), 4), round(mos_to_r(4.5), 4)
    (70.064, 100.0)
    """
    if isinstance(mos, nw.Expr):
        raise ConfigError("mos_to_r takes numbers, arrays and Series, not expressions: collect the column first.")
    x, back = _as_array(mos)
    valid = (x >= 1.0) & (x <= MOS_MAX)
    inside = np.where(valid, x, MOS_MAX)
    root = np.sqrt(np.maximum(-903522.0 + 1113960.0 * inside - 202500.0 * inside**2, 0.0))
    h = np.arctan2(15.0 * root, 18566.0 - 6750.0 * inside) / 3.0
    return back(np.where(valid, 20.0 / 3.0 * (8.0 - math.sqrt(226.0) * np.cos(h + math.pi / 3.0)), np.nan))


def ie_eff(loss_pct: Any, *, ie: float = 0.0, bpl: float = 25.1, burst_r: float = 1.0, packets: Any = None) -> Any:
    """Effective equipment impairment by packet loss (G.107, 7.5).

    Parameters
    ----------
    loss_pct
        Lost packets in **percent**, 0 to 100: a number, array, Series or narwhals expression.
    ie, bpl
        The codec's impairment, and its robustness against loss [percent]; see `CODECS`. G.711 with concealment when
        absent.
    burst_r
        Burst ratio: 1 for losses that come at random, more for losses that come together.
    packets
        How many packets were expected, if that is known. A loss of less than one packet then shows that fractions
        were passed for percents, and is refused.

    Returns
    -------
    float, numpy.ndarray, pandas.Series or narwhals.Expr
        ``Ie + (95 - Ie) Ppl / (Ppl / BurstR + Bpl)``, from Ie to 95.

    Raises
    ------
    ConfigError
        If a loss is negative, above 100, or impossible as a percentage of ``packets``. Nothing is checked within an
        expression.

    Examples
    --------
    >>> round(ie_eff(5), 4), round(ie_eff(5, bpl=4.3), 4)
    (15.7807, 51.0753)
    >>> ie_eff(0.05, packets=1000)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    conv_analytics.errors.tree.ConfigError: A loss of 0.05 % of 1000 packets is less than one packet, so it is ...
    """
    if burst_r <= 0 or bpl <= 0:
        raise ConfigError("burst_r and bpl must be above 0.")
    x, back = _as_array(loss_pct)
    if not isinstance(x, nw.Expr):
        _check_percent(x, packets)
    return back((95.0 - ie) * x / (x / burst_r + bpl) + ie)


def delay_impairment(delay_ms: Any) -> Any:
    """Impairment of a one-way delay: ``0.024 d + 0.11 (d - 177.3)`` from 177.3 ms on (Cole and Rosenbluth).

    The export holds no delay, so this is for delays from other sources.

    Parameters
    ----------
    delay_ms
        One-way delay [ms], mouth to ear: a number, array, Series or narwhals expression.

    Examples
    --------
    >>> round(delay_impairment(150), 4), round(delay_impairment(400), 4)
    (3.6, 34.097)
    """
    x, back = _as_array(delay_ms)
    return back(x * 0.024 + _choose(x > 177.3, (x - 177.3) * 0.11, x * 0.0))  # noqa: PLR2004  the formula's bend


def mos_emodel(
    loss_pct: Any,
    *,
    codec: str | Codec = "g711",
    burst_r: float = 1.0,
    delay_ms: float = 0.0,
    packets: Any = None,
) -> Any:
    """Mean opinion score that the E-model expects for a loss: ``r_to_mos(93.2 - Id - Ie_eff)``.

    Loss only: echo, noise and delay (unless given) are taken as absent, so it is an upper bound of the perceived
    quality.

    Parameters
    ----------
    loss_pct
        Lost packets in **percent**: a number, array, Series or narwhals expression.
    codec
        A name of `CODECS`, or a `Codec`.
    burst_r
        Burst ratio, 1 for random loss.
    delay_ms
        One-way delay [ms]; 0 when it is not known.
    packets
        Packets expected, to catch fractions passed as percents (see `ie_eff`).

    Examples
    --------
    >>> round(mos_emodel(5), 4), round(mos_emodel(5, codec="g711_no_plc"), 4)
    (3.9228, 2.1693)
    """
    which = _codec(codec)
    cost = ie_eff(loss_pct, ie=which.ie, bpl=which.bpl, burst_r=burst_r, packets=packets)
    return r_to_mos(cost * -1.0 + (R_DEFAULT - delay_impairment(delay_ms)))


def freeswitch_r(received: Any, flaws: Any) -> Any:
    """``quality_percentage`` as FreeSWITCH computes it: packets without flaws in whole percent.

    No packets, and more flaws than packets, both give 100, the start value: a perfect score without evidence.
    `mos_audit` looks for these.

    Parameters
    ----------
    received, flaws
        Packets received, and flaws counted: numbers, arrays or Series.

    Examples
    --------
    >>> freeswitch_r(1000, 1), freeswitch_r(4490, 1054), freeswitch_r(1000, 1001), freeswitch_r(0, 0)
    (99.0, 76.0, 100.0, 100.0)
    """
    packets, back = _as_array(received)
    bad, _ = _as_array(flaws)
    bad = np.where(bad > packets, 0.0, bad)
    share = (packets - bad) / np.where(packets > 0, packets, 1.0) * 100.0
    known = ~(np.isnan(packets) | np.isnan(bad))
    return back(np.where(known, np.where(packets > 0, np.floor(share), R_MAX), np.nan))


def _codec(codec: str | Codec) -> Codec:
    if isinstance(codec, Codec):
        return codec
    if codec not in CODECS:
        raise ConfigError(f"There is no codec {codec!r}. Known: {', '.join(CODECS)}; or pass Codec(name, ie, bpl).")
    return CODECS[codec]


def _check_percent(loss: np.ndarray[Any, Any], packets: Any) -> None:
    wrong = loss[(loss < 0) | (loss > 100)]  # noqa: PLR2004  percent
    if wrong.size:
        raise ConfigError(f"A loss of {wrong[0]:g} is not a percentage: pass percents from 0 to 100.")
    if packets is None:
        return
    expected = np.broadcast_to(_as_array(packets)[0], loss.shape)
    small = (loss > 0) & (loss * expected < ONE_PACKET * 100)
    if small.any():
        raise ConfigError(
            f"A loss of {loss[small][0]:g} % of {expected[small][0]:g} packets is less than one packet, so it is "
            "probably a fraction: multiply by 100, or leave packets= out if it is a percentage."
        )


def _as_array(value: Any) -> tuple[Any, Any]:
    """The values as an array, and a function that converts a result to the kind of the input."""
    if isinstance(value, nw.Expr):
        return value, lambda result: result
    if isinstance(value, pd.Series):
        numbers = value.astype("Float64").to_numpy(dtype="float64", na_value=np.nan)
        return numbers, lambda result: pd.Series(result, index=value.index, name=value.name)
    if value is None or value is pd.NA:
        value = math.nan
    array = np.asarray(value, dtype="float64")
    if array.ndim:
        return array, lambda result: result
    return array, float


def _choose(condition: Any, then: Any, otherwise: Any) -> Any:
    """``then`` where the condition holds, ``otherwise`` elsewhere; a null value stays one through ``otherwise``."""
    if isinstance(condition, nw.Expr):
        return nw.when(condition).then(_literal(then)).otherwise(_literal(otherwise))
    return np.where(condition, then, otherwise)


def _literal(value: Any) -> Any:
    return value if isinstance(value, nw.Expr) else nw.lit(value)


__all__ = [
    "CODECS",
    "Codec",
    "delay_impairment",
    "freeswitch_r",
    "ie_eff",
    "mos_emodel",
    "mos_to_r",
    "r_to_mos",
]
