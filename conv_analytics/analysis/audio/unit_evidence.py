"""In which units quality numbers are, decided by majority: a few odd values change nothing, a mixture decides nothing.

One query counts what speaks for each unit; the decisions are made on these counts alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import narwhals as nw

from conv_analytics.analysis.engine.rows import Rows
from conv_analytics.analysis.maths import emodel

#: What hangups say of the audio.
MEASURED = (
    "mos_score",
    "quality_percentage",
    "jitter_min_var",
    "jitter_max_var",
    "jitter_loss_rate",
    "flaw_total",
    "packet_cnt",
    "packet_loss_perc",
)
SCALES = (1.0, 10.0, 100.0)
#: Units in which losses can be read.
READABLE = ("percent", "fraction", "count")
#: How many rows must agree before a model is called by its name, and which share of them.
ENOUGH, NEARLY_ALL = 20, 0.95
#: Share of the scores that must lie on one scale. No score lies on two, so the others are odd, not misread.
MAJORITY = 0.8
#: Rows that disagree are odd ones up to this number or this share; more of them are another unit.
ODD_ROWS, ODD_SHARE = 2, 0.05
#: The same where rows cannot be checked one by one.
CLEAR_SHARE = 0.01
#: How many rows must vote before a unit is decided by votes; by fewer it is assumed.
VOTES = 3
#: Two-decimal rounding of the score, and a whole R for a fractional one.
MOS_TOLERANCE = 0.011
#: Flaws are one to three times the losses, counted by other clocks: losses lie between these multiples of the flaws.
OF_FLAWS = (0.2, 2.0)
#: ``jitter_loss_rate`` counts the same losses in its own way.
OF_RATE = (0.2, 5.0)
#: Standard deviations of the spacing above the first [ms] are common as variances and next to impossible as
#: deviations; nobody talks over a line above the second.
JITTER_UNLIKELY_MS, JITTER_IMPOSSIBLE_MS = 200.0, 10_000.0
#: Half of the legs losing more than this share of their packets is no network that anybody would use.
LOSS_UNLIKELY = 0.1
#: From here on the spacing of packets is bad. [ms]
JITTER_BAD_MS = 30.0
#: Packets that it takes to compare flaws with a score, and to judge jitter.
LONG = 500


@dataclass(frozen=True)
class Evidence:
    """Why something was decided.

    Attributes
    ----------
    what, decided
        Which unit, and what it is; ``unknown`` where the data do not decide.
    n, share
        How many values were looked at, and which share of them agrees; None where shares do not apply.
    why
        In words.
    odd
        Values outside of what the unit allows: they count as not measured.
    assumed
        Whether it was assumed, because nothing decides.
    """

    what: str
    decided: str
    n: int
    share: float | None
    why: str
    odd: int = 0
    assumed: bool = False


def loss_fits(unit: str) -> nw.Expr:
    """Whether the loss of a leg, read in a unit, goes with its flaws; null or false where there is nothing to compare.

    Columns: ``packet_loss_perc``, ``packet_cnt``, ``flaw_total``.
    """
    return _flaws_told() & _between(unit, nw.col("flaw_total") * 1.0, nw.col("packet_cnt") * 1.0, OF_FLAWS)


def loss_contradicts(unit: str) -> nw.Expr:
    """Whether the flaws of a leg say that its loss is in another unit than this one."""
    others = [loss_fits(each).fill_null(value=False) for each in READABLE if each != unit]
    return (others[0] | others[1]) & ~loss_fits(unit).fill_null(value=False)


def _flaws_told() -> nw.Expr:
    loss, packets, flaws = nw.col("packet_loss_perc"), nw.col("packet_cnt"), nw.col("flaw_total")
    return (loss > 0) & (packets > 0) & (flaws > 0) & (flaws <= packets)


def rate_is_share(x: Mapping[str, float]) -> bool:
    """Whether ``jitter_loss_rate`` says something as a share: so unless most legs lost many more than had flaws.

    Some rates are above 1 after sequence numbers jumped; most are in percent, or of something else.
    """
    beyond = x.get("rate_beyond", 0)
    return not (beyond > ODD_ROWS and beyond * 2 > x.get("rate_checked", 0))


def _between(unit: str, flaws: nw.Expr, packets: nw.Expr, bounds: tuple[float, float]) -> nw.Expr:
    """Whether a loss lies between two multiples of some flaws of so many packets; without a division by nothing."""
    loss = nw.col("packet_loss_perc")
    lost = loss * packets
    if unit == "count":
        expected = flaws * (loss + packets)
        return (loss.floor() == loss) & (lost >= expected * bounds[0]) & (lost <= expected * bounds[1])
    times = 100.0 if unit == "percent" else 1.0
    return (lost >= flaws * (times * bounds[0])) & (lost <= flaws * (times * bounds[1]))


def questions(rows: Rows) -> Rows:
    """Every number that the decisions need, as one row of aggregates.

    What several of them look at is made once, as a column: pandas takes time for every step of every expression.
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
        _flaws_told=_flaws_told(),
        **{f"_flaws_{unit}": loss_fits(unit) for unit in READABLE},
        **{f"_rate_{unit}": rated & _between(unit, packets * rate, packets * 1.0, OF_RATE) for unit in READABLE},
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
        **{name: condition.sum() for name, condition in counted.items()},
    )


def _any(names: Iterable[str]) -> nw.Expr:
    first, *others = map(nw.col, names)
    for each in others:
        first |= each
    return first


def many(k: float, n: float) -> bool:
    """Whether `k` of `n` rows are too many to be odd ones."""
    return k > ODD_ROWS and k > ODD_SHARE * n


def scale_of(x: Mapping[str, float]) -> Evidence:
    """What scores are divided by: the scale on which most of them lie."""
    n, none = int(x.get("mos_n", 0)), int(x.get("mos_none", 0))
    if not n:
        return Evidence("mos_scale", "1", 0, None, f"no leg has a score ({none:,} say 0 or less)")
    fits = {scale: int(x.get(f"fit_{scale:g}", 0)) for scale in SCALES}
    best = max(fits, key=lambda each: fits[each])
    if fits[best] < MAJORITY * n:
        shares = ", ".join(f"{number:,} fit 1 to 5 times {scale:g}" for scale, number in fits.items())
        why = f"ambiguous: of {n:,} scores {shares}; the largest is {x.get('mos_max', 0.0):g}"
        return Evidence("mos_scale", "unknown", n, fits[best] / n, why)
    odd = n - fits[best]
    why = f"{fits[best]:,} of {n:,} scores lie in {best:g} to {5 * best:g}"
    why += f"; {odd:,} do not, and count as not measured" if odd else ""
    why += f"; {none:,} say 0 or less" if none else ""
    return Evidence("mos_scale", f"{best:g}", n, fits[best] / n, why, odd)


def model_of(x: Mapping[str, float], scale: str) -> Evidence:
    """Whether scores are only the curve of ``quality_percentage``."""
    n, on_curve = int(x.get(f"flawed_{scale}", 0)), x.get(f"curve_{scale}", 0)
    share = on_curve / n if n else None
    if scale == "unknown":
        return Evidence("mos_model", "undetermined", n, None, "the scale of the scores is not known")
    if n < ENOUGH or share is None:
        return Evidence("mos_model", "undetermined", n, share, f"{n} legs with a score and flaws; {ENOUGH} are needed")
    long = int(x.get("long", 0))
    why = f"{int(on_curve):,} of {n:,} legs with flaws lie on the curve of quality_percentage"
    if long:
        why += f"; of {long:,} legs with {LONG} packets, {x.get('as_counted', 0) / long:.1%} match their flaws as well"
    return Evidence("mos_model", "freeswitch_r" if share >= NEARLY_ALL else "other", n, share, why)


def loss_of(x: Mapping[str, float]) -> Evidence:
    """The unit of ``packet_loss_perc``: by the flaws of each leg, single packets, ``jitter_loss_rate``, or size."""
    n, some = int(x.get("loss_n", 0)), int(x.get("loss_some", 0))
    if not some:
        why = f"all {n:,} values are 0, which is not the same as no loss" if n else "no leg has a value"
        return Evidence("loss_unit", "unknown", n, None, why)
    found = _voted(x, "flaws") if _flaws_speak(x) else None
    found = found or _by_packets(x) or _voted(x, "rate") or _by_size(x)
    beyond = int(x.get(f"loss_outside_{found.decided}", 0))
    if many(beyond, some):
        why = f"mixed: {found.why}; but {beyond:,} of {some:,} losses cannot be in that unit"
        return Evidence("loss_unit", "unknown", n, found.share, why)
    if not beyond:
        return found
    why = f"{found.why}; {beyond:,} of {some:,} losses cannot be in that unit, and count as not measured"
    return Evidence("loss_unit", found.decided, n, found.share, why, found.odd + beyond, found.assumed)


def flaws_decide(x: Mapping[str, float]) -> bool:
    """Whether enough legs say by their flaws which unit their loss is in; a leg that says another is odd then."""
    return _flaws_speak(x) and x.get("flaws_votes", 0) >= VOTES


def _flaws_speak(x: Mapping[str, float]) -> bool:
    return x.get("flaws_votes", 0) * 2 >= x.get("flaws_told", 0)


def _voted(x: Mapping[str, float], by: str) -> Evidence | None:
    """What losses are in by what each leg says itself; None where too few legs say anything."""
    votes, n = int(x.get(f"{by}_votes", 0)), int(x["loss_n"])
    if not votes:
        return None
    best = max(READABLE, key=lambda unit: x.get(f"{by}_{unit}", 0))
    agree, against = int(x.get(f"{by}_{best}", 0)), int(x.get(f"{by}_not_{best}", 0))
    what = "flaws" if by == "flaws" else "jitter_loss_rate"
    told = f"{agree:,} of {votes:,} losses go with their {what} as {best}"
    if many(against, votes):
        return Evidence("loss_unit", "unknown", n, agree / votes, f"mixed: {told}, {against:,} only in another unit")
    if votes < VOTES:
        if against:
            return None
        return Evidence("loss_unit", best, n, agree / votes, f"assumed: {told}, and {VOTES} are needed", assumed=True)
    odd = int(x.get(f"flaws_odd_{best}", 0)) if by == "flaws" else 0
    told += f"; {odd:,} go only with another unit, and count as not measured" if odd else ""
    return Evidence("loss_unit", best, n, agree / votes, told, odd)


def _by_packets(x: Mapping[str, float]) -> Evidence | None:
    """Fractions, by losses that would be less than one packet as percents."""
    some, n = int(x["loss_some"]), int(x["loss_n"])
    small, big = int(x.get("loss_small", 0)), int(x.get("loss_outside_fraction", 0))
    told = f"as percents, {small:,} of {some:,} losses would be less than one packet"
    # Nothing else would show that the few that cannot be fractions are not the only ones that are none.
    if many(small, some) and big > ODD_ROWS and big > CLEAR_SHARE * some:
        return Evidence("loss_unit", "unknown", n, None, f"mixed: {told}, and as fractions {big:,} would be above 1")
    if some >= ENOUGH and small * 2 > some and not many(big, some):
        return Evidence("loss_unit", "fraction", n, small / some, told)
    return None


def _by_size(x: Mapping[str, float]) -> Evidence:
    """By what is too large for a unit, or not whole; percents are what the column's name says."""
    some, n, median = int(x["loss_some"]), int(x["loss_n"]), x.get("loss_median", 0.0)
    above, big, part = (int(x.get(f"loss_outside_{unit}", 0)) for unit in ("percent", "fraction", "count"))
    if many(above, some):
        if many(part, some):
            why = f"{above:,} of {some:,} losses are above 100, and {part:,} are not whole"
            return Evidence("loss_unit", "unknown", n, None, why)
        why = f"{above:,} of {some:,} losses are above 100, and no share is"
        return Evidence("loss_unit", "count", n, above / some, why)
    if many(big, some) and many(part, some):
        why = f"{big:,} of {some:,} losses are above 1, so no fractions, and {part:,} are not whole, so no counts"
        return Evidence("loss_unit", "percent", n, (some - above) / some, why)
    if median > LOSS_UNLIKELY:
        why = f"assumed, as the column is called: the median of {some:,} losses is {median:g}; nothing else decides"
        return Evidence("loss_unit", "percent", n, None, why, assumed=True)
    why = f"ambiguous: the median of {some:,} losses is {median:g}, which may be percents or fractions"
    return Evidence("loss_unit", "unknown", n, None, why)


def outside(x: Mapping[str, float], what: str, unit: str) -> tuple[int, int]:
    """How many values there are of a unit that somebody said, and how many of them it does not allow."""
    if what == "mos_scale":
        n = int(x.get("mos_n", 0))
        return n, n - int(x.get(f"fit_{unit}", 0))
    name = what.removesuffix("_unit")
    return int(x.get(f"{name}_n", 0)), int(x.get(f"{name}_outside_{unit}", 0))


def jitter_of(x: Mapping[str, float]) -> Evidence:
    """Whether spacing is told as variances; deviations cannot be told from small variances, so that is assumed."""
    n = int(x.get("jitter_n", 0))
    if not n:
        return Evidence("jitter_unit", "ms2", 0, None, "assumed: no leg has a value", assumed=True)
    odd, unlikely = int(x.get("jitter_outside_ms2", 0)), int(x.get("jitter_unlikely", 0))
    left_out = f"; {odd:,} are impossible, and count as not measured" if odd else ""
    if many(unlikely, n):
        why = f"{unlikely:,} of {n:,} values are above {JITTER_UNLIKELY_MS:g}: too many for deviations in ms{left_out}"
        return Evidence("jitter_unit", "ms2", n, unlikely / n, why, odd)
    told = " and ".join(f"{int(x.get(f'jitter_bad_{each}', 0)):,} as {name}" for each, name in _JITTER.items())
    why = f"assumed, as FreeSWITCH counts: of {n:,} values {told} would be above {JITTER_BAD_MS:g} ms{left_out}"
    return Evidence("jitter_unit", "ms2", n, x.get("jitter_ordered", 0) / n, why, odd, assumed=True)


_JITTER = {"ms2": "variances", "ms": "deviations"}

__all__ = [
    "ENOUGH", "JITTER_IMPOSSIBLE_MS", "MEASURED", "READABLE", "SCALES", "Evidence", "flaws_decide", "jitter_of",
    "loss_contradicts", "loss_fits", "loss_of", "many", "model_of", "outside", "questions", "rate_is_share", "scale_of",
]  # fmt: skip
