"""Units are detected once per dataset: one query counts the evidence for each, and the counts decide."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import narwhals as nw

from conv_analytics.analysis.audio.unit_decisions import JITTER_BAD_MS, JITTER_UNLIKELY_MS, LONG, decide
from conv_analytics.analysis.audio.units import MEASURED, READABLE, SCALES, Units
from conv_analytics.analysis.engine.data import Data
from conv_analytics.analysis.engine.event_rows import distinct_events
from conv_analytics.analysis.engine.rows import Rows
from conv_analytics.analysis.engine.source import Source
from conv_analytics.analysis.entities.given_rows import read_each_once
from conv_analytics.analysis.entities.leg_tables import KEY, one_row_per_leg
from conv_analytics.analysis.maths import emodel
from conv_analytics.errors import ConvAnalyticsError
from conv_analytics.tables import TABLES

#: Two-decimal rounding of the score, and a whole R for a fractional one.
MOS_TOLERANCE = 0.011
#: Flaws are one to three times the losses, counted by other clocks: losses lie between these multiples of the flaws.
OF_FLAWS = (0.2, 2.0)
#: ``jitter_loss_rate`` counts the same losses in its own way.
OF_RATE = (0.2, 5.0)
#: No usable line has a larger standard deviation of packet spacing. [ms]
JITTER_IMPOSSIBLE_MS = 10_000.0


def detect_units(
    data: Data,
    *,
    mos_scale: float | None = None,
    mos_model: str | None = None,
    loss_unit: str | None = None,
    jitter_unit: str | None = None,
) -> Units:
    """Detect the units of a dataset's quality numbers, with the evidence.

    One query of counts, extremes and medians, run where the data is.

    Parameters
    ----------
    data
        A `Dataset`, `Frames`, a mapping with the table ``hangups``, or a frame of legs.
    mos_scale, mos_model, loss_unit, jitter_unit
        Units that you know, instead of detecting them; see `Units`.

    Returns
    -------
    Units
        The decisions and their evidence; prints as a list, shows as a table. ``undecided`` names the units that the
        data do not decide: such a measure gives no verdict. ``assumed`` names those that nothing decides and nothing
        contradicts.

        - Scale: 80 % of the scores lie in 1 to 5, in 10 to 50 or in 100 to 500. 0 and -1 are not scores.
        - Model: at least 95 % of at least 20 legs with flaws lie on FreeSWITCH's curve within 0.011, or not.
        - Loss: flaws are one to three times the losses, so each leg with flaws says which unit its loss is in. Without
          flaws: losses of less than one packet are not percentages, ``jitter_loss_rate`` is a fraction, and values
          above 100 or not whole exclude units. More than two legs and 5 % in another unit are a mixture: unknown.
        - Jitter: more than 5 % of the values above 200 are variances; otherwise variances are assumed.

        Values outside the range of the unit are counted as odd; their legs do not have that measure.

    Raises
    ------
    ConfigError
        If a unit that is passed does not exist.

    Examples
    --------
    >>> import pandas as pd
    >>> q = list(range(60, 100))
    >>> legs = pd.DataFrame({"conversation_id": "CON-1", "hangup_event_id": range(40), "quality_percentage": q,
    ...     "mos_score": [round(1 + 0.035 * r + 7e-6 * r * (r - 60) * (100 - r), 2) for r in q],
    ...     "jitter_min_var": 1.0, "jitter_max_var": 100.0, "jitter_loss_rate": 0.0, "packet_cnt": 1000,
    ...     "flaw_total": [1000 - 10 * r for r in q], "packet_loss_perc": [(100 - r) / 2 for r in q]})
    >>> units = detect_units(legs)
    >>> units.mos_scale, units.mos_model, units.loss_unit
    (1.0, 'freeswitch_r', 'percent')
    >>> units.evidence[1].n, units.evidence[1].share
    (40, 1.0)
    """
    source = Source.of(data)
    known = {"mos_scale": mos_scale, "mos_model": mos_model, "loss_unit": loss_unit, "jitter_unit": jitter_unit}
    if not source.single:
        return decide(_numbers_of_hangups(source), known)
    declared = {column.name: column for column in TABLES["hangups"].columns}
    wanted = [declared[name] for name in ("conversation_id", *MEASURED)]
    return _units(read_each_once(source, wanted, needed=[*MEASURED], maker="legs()"), known)


def units_of_all(data: Any) -> Units | None:
    """The units that `detect_units` finds in all data, for verdicts on part of it; None where there are no hangups."""
    try:
        return detect_units(data)
    except ConvAnalyticsError:
        return None


def units_of(source: Source, legs: Rows) -> Units:
    """The units of legs: those of the hangups they were made from, or of the legs themselves without hangups."""
    return decide(_numbers_of_hangups(source), {}) if "hangups" in source.tables else _units(legs, {})


def _numbers_of_hangups(source: Source) -> Mapping[str, float]:
    """The counts over all hangups that the decisions need; computed once."""
    if ("units",) not in source.cache:
        source.cache["units",] = _numbers(_hangups(source))
    numbers: Mapping[str, float] = source.cache["units",]
    return numbers


def _hangups(source: Source) -> Rows:
    """The measured columns, one row per hangup."""
    key = ["conversation_id", "event_id"]
    rows = Rows.read(source, "hangups", [*key, *MEASURED])
    legs = Rows.read(source, "hangups", KEY, needed=())
    return rows if one_row_per_leg("hangups", legs) else distinct_events(rows, "hangups", key)


def _units(rows: Rows, from_caller: Mapping[str, Any]) -> Units:
    """Decide from rows with the measured columns; units that the caller passed are kept."""
    return decide(_numbers(rows), from_caller)


def _numbers(rows: Rows) -> Mapping[str, float]:
    row = next(_questions(rows).records())
    return {name: float(value) for name, value in row.items() if not math.isnan(value)}


def _questions(rows: Rows) -> Rows:
    """Every number that the decisions need, as one row of aggregates.

    Inputs that several of them share are computed once, as columns: pandas takes time for every step of an expression.
    """
    mos, q = nw.col("mos_score"), nw.col("quality_percentage")
    loss, packets, flaws = nw.col("packet_loss_perc"), nw.col("packet_cnt"), nw.col("flaw_total")
    low, high, rate = nw.col("jitter_min_var"), nw.col("jitter_max_var"), nw.col("jitter_loss_rate")
    scored, positive, sent = mos > 0, loss > 0, packets > 0
    rated = positive & sent & (rate > 0) & (rate <= 1)
    rows = rows.select(
        *MEASURED,
        _scored=scored,
        _flawed=scored & (q >= 0) & (q < 100),  # noqa: PLR2004  percent
        _curve=emodel.r_to_mos(q),
        _long=(packets >= LONG) & (flaws <= packets) & (q >= 0),
        _positive=positive,
        _beyond_percent=loss > 100,  # noqa: PLR2004  percent
        _beyond_fraction=loss > 1,
        _beyond_count=positive & (loss.floor() != loss),
        _heard=high.is_between(0.0, JITTER_IMPOSSIBLE_MS**2),
        _rate_told=(rate > 0) & sent & (flaws > 0),
        _flaws_told=_has_flaws(),
        **{f"_flaws_{unit}": _loss_fits(unit) for unit in READABLE},
        **{f"_rate_{unit}": rated & _loss_between(unit, packets * rate, packets * 1.0, OF_RATE) for unit in READABLE},
        **{f"_fit_{scale:g}": (mos >= scale) & (mos <= 5.0 * scale) for scale in SCALES},
    )
    rows = rows.with_columns(
        _heard_long=nw.col("_heard") & (packets >= LONG),
        **{f"_{by}_some": _any(f"_{by}_{unit}" for unit in READABLE) for by in ("flaws", "rate")},
        **{f"_flawed_{scale:g}": nw.col("_flawed") & nw.col(f"_fit_{scale:g}") for scale in SCALES},
    )
    rows = rows.with_columns(**{
        f"_{by}_not_{unit}": nw.col(f"_{by}_some") & ~nw.col(f"_{by}_{unit}")
        for by in ("flaws", "rate") for unit in READABLE
    })  # fmt: skip
    counted = {
        "mos_n": nw.col("_scored"),
        "mos_none": mos <= 0,
        "long": nw.col("_long"),
        "as_counted": nw.col("_long") & ((q - (flaws * 100.0 / packets * -1.0 + 100.0).floor()).abs() <= 2),  # noqa: PLR2004
        "loss_n": loss >= 0,
        "loss_some": nw.col("_positive"),
        **{f"loss_outside_{unit}": nw.col(f"_beyond_{unit}") for unit in READABLE},
        "loss_small": nw.col("_positive") & sent & (loss * packets < emodel.ONE_PACKET * 100.0),
        "flaws_told": nw.col("_flaws_told"),
        "rate_some": rate > 0,
        "rate_checked": nw.col("_rate_told"),
        "rate_beyond": nw.col("_rate_told") & ((rate > 1) | (rate * packets > flaws * OF_RATE[1])),
        "rate_flawed": (rate == 0) & (flaws > 0) & sent,
        "jitter_n": high >= 0,
        "jitter_ordered": low <= high,
        "jitter_unlikely": nw.col("_heard") & (high > JITTER_UNLIKELY_MS),
        "jitter_bad_ms": nw.col("_heard_long") & (high > JITTER_BAD_MS),
        "jitter_bad_ms2": nw.col("_heard_long") & (high > JITTER_BAD_MS**2),
        "jitter_outside_ms": high > JITTER_IMPOSSIBLE_MS,
        "jitter_outside_ms2": high > JITTER_IMPOSSIBLE_MS**2,
    }
    for by in ("flaws", "rate"):
        counted[f"{by}_votes"] = nw.col(f"_{by}_some")
        for unit in READABLE:
            counted[f"{by}_{unit}"] = nw.col(f"_{by}_{unit}")
            counted[f"{by}_not_{unit}"] = nw.col(f"_{by}_not_{unit}")
            counted[f"{by}_odd_{unit}"] = nw.col(f"_{by}_not_{unit}") & ~nw.col(f"_beyond_{unit}")
    for scale in SCALES:
        at = f"{scale:g}"
        counted[f"fit_{at}"] = nw.col(f"_fit_{at}")
        counted[f"flawed_{at}"] = nw.col(f"_flawed_{at}")
        counted[f"curve_{at}"] = nw.col(f"_flawed_{at}") & ((mos / scale - nw.col("_curve")).abs() <= MOS_TOLERANCE)
    return rows.select(
        mos_max=nw.when(nw.col("_scored")).then(mos).max(),
        loss_max=nw.when(loss >= 0).then(loss).max(),
        loss_median=nw.when(nw.col("_positive")).then(loss).median(),
        # As numbers: Spark does not sum conditions.
        **{name: condition.cast(nw.Int64).sum() for name, condition in counted.items()},
    )


def _any(names: Iterable[str]) -> nw.Expr:
    first, *others = map(nw.col, names)
    for each in others:
        first |= each
    return first


def _loss_fits(unit: str) -> nw.Expr:
    """Whether the loss of a leg, read in a unit, agrees with its flaws; null or false without a comparison.

    Columns: ``packet_loss_perc``, ``packet_cnt``, ``flaw_total``.
    """
    return _has_flaws() & _loss_between(unit, nw.col("flaw_total") * 1.0, nw.col("packet_cnt") * 1.0, OF_FLAWS)


def loss_contradicts(unit: str) -> nw.Expr:
    """Whether the flaws of a leg contradict this unit of its loss."""
    others = [_loss_fits(each).fill_null(value=False) for each in READABLE if each != unit]
    return (others[0] | others[1]) & ~_loss_fits(unit).fill_null(value=False)


def _has_flaws() -> nw.Expr:
    """Whether a leg has both losses and flaws, so that they can be compared."""
    loss, packets, flaws = nw.col("packet_loss_perc"), nw.col("packet_cnt"), nw.col("flaw_total")
    return (loss > 0) & (packets > 0) & (flaws > 0) & (flaws <= packets)


def _loss_between(unit: str, flaws: nw.Expr, packets: nw.Expr, bounds: tuple[float, float]) -> nw.Expr:
    """Whether a loss lies between two multiples of the share of flaws in the packets; never divides by zero."""
    loss = nw.col("packet_loss_perc")
    lost = loss * packets
    if unit == "count":
        expected = flaws * (loss + packets)
        return (loss.floor() == loss) & (lost >= expected * bounds[0]) & (lost <= expected * bounds[1])
    times = 100.0 if unit == "percent" else 1.0
    return (lost >= flaws * (times * bounds[0])) & (lost <= flaws * (times * bounds[1]))


__all__ = ["JITTER_IMPOSSIBLE_MS", "detect_units", "loss_contradicts", "units_of", "units_of_all"]
