"""The units of a dataset, decided by counts: a few odd values change nothing, a mixture decides nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from conv_analytics.analysis.audio.units import READABLE, SCALES, Evidence, Units
from conv_analytics.errors import ConfigError

#: Minimum number of rows, and share of them, that must agree before a model is named.
ENOUGH, NEARLY_ALL = 20, 0.95
#: Share of the scores that must lie on one scale. No score lies on two, so the others are odd, not misread.
MAJORITY = 0.8
#: Up to this number or share, rows that disagree are odd; more of them indicate another unit.
ODD_ROWS, ODD_SHARE = 2, 0.05
#: The same where rows cannot be checked one by one.
CLEAR_SHARE = 0.01
#: Minimum number of rows that vote for a unit to be decided; with fewer it is assumed.
VOTES = 3
#: Standard deviations of the spacing above this [ms] are common as variances and next to impossible as deviations.
JITTER_UNLIKELY_MS = 200.0
#: Limit of a bad packet spacing. [ms]
JITTER_BAD_MS = 30.0
#: Minimum number of packets to compare flaws with a score, and to judge jitter.
LONG = 500
#: On no usable network do half of the legs lose more than this share of their packets.
LOSS_UNLIKELY = 0.1
#: What the values of each unit of jitter are called.
_JITTER = {"ms2": "variances", "ms": "deviations"}


def decide(numbers: Mapping[str, float], from_caller: Mapping[str, Any]) -> Units:
    """The decisions, from counts alone; a count is missing if no row had it. Units that the caller passed are kept."""
    evidence = {name: _evidence_of(name, value, numbers) for name, value in from_caller.items() if value is not None}
    scale = evidence.get("mos_scale") or _scale_of(numbers)
    model = evidence.get("mos_model") or _model_of(numbers, scale.decided)
    loss = evidence.get("loss_unit") or _loss_of(numbers)
    jitter = evidence.get("jitter_unit") or _jitter_of(numbers)
    return Units(
        None if scale.decided == "unknown" else float(scale.decided),
        model.decided,
        loss.decided,
        jitter.decided,
        loss_told=numbers.get("loss_some", 0) > 0 or "loss_unit" in evidence,
        rate_told=_rate_is_share(numbers) and (numbers.get("rate_some", 0) > 0 or not numbers.get("rate_flawed", 0)),
        loss_checked="loss_unit" not in evidence and not loss.assumed and _flaws_decide(numbers),
        evidence=(scale, model, loss, jitter),
    )


def _evidence_of(what: str, value: Any, numbers: Mapping[str, float]) -> Evidence:
    if what == "mos_scale" and (isinstance(value, bool) or value not in SCALES):
        raise ConfigError(f"mos_scale is 1, 10 or 100, not {value!r}.")
    decided = f"{value:g}" if what == "mos_scale" else str(value)
    n, odd = _out_of_range(numbers, what, decided)
    why = f"; {odd:,} of {n:,} values cannot be in it and are treated as unmeasured" if odd else ""
    return Evidence(what, decided, n if odd else 0, None, f"given by the caller{why}", odd)


def _rate_is_share(counts: Mapping[str, float]) -> bool:
    """Whether ``jitter_loss_rate`` makes sense as a share: unless most legs lost far more packets than had flaws.

    Some rates are above 1 because sequence numbers jumped; if most are, they are percentages, or something else.
    """
    beyond = counts.get("rate_beyond", 0)
    return not (beyond > ODD_ROWS and beyond * 2 > counts.get("rate_checked", 0))


def _too_many(k: float, n: float) -> bool:
    """Whether `k` of `n` rows are too many to be just odd values."""
    return k > ODD_ROWS and k > ODD_SHARE * n


def _scale_of(counts: Mapping[str, float]) -> Evidence:
    """The divisor of scores: the scale on which most of them lie."""
    n, none = int(counts.get("mos_n", 0)), int(counts.get("mos_none", 0))
    if not n:
        return Evidence("mos_scale", "1", 0, None, f"no leg has a score ({none:,} are 0 or less)")
    fits = {scale: int(counts.get(f"fit_{scale:g}", 0)) for scale in SCALES}
    best = max(fits, key=lambda each: fits[each])
    if fits[best] < MAJORITY * n:
        shares = ", ".join(f"{number:,} fit 1 to 5 times {scale:g}" for scale, number in fits.items())
        why = f"ambiguous: of {n:,} scores {shares}; the largest is {counts.get('mos_max', 0.0):g}"
        return Evidence("mos_scale", "unknown", n, fits[best] / n, why)
    odd = n - fits[best]
    why = f"{fits[best]:,} of {n:,} scores lie in {best:g} to {5 * best:g}"
    why += f"; {odd:,} do not and are treated as unmeasured" if odd else ""
    why += f"; {none:,} are 0 or less" if none else ""
    return Evidence("mos_scale", f"{best:g}", n, fits[best] / n, why, odd)


def _model_of(counts: Mapping[str, float], scale: str) -> Evidence:
    """Whether scores are only the curve of ``quality_percentage``."""
    n, on_curve = int(counts.get(f"flawed_{scale}", 0)), counts.get(f"curve_{scale}", 0)
    share = on_curve / n if n else None
    if scale == "unknown":
        return Evidence("mos_model", "undetermined", n, None, "the scale of the scores is unknown")
    if n < ENOUGH or share is None:
        return Evidence("mos_model", "undetermined", n, share, f"{n} legs with a score and flaws; {ENOUGH} are needed")
    long = int(counts.get("long", 0))
    why = f"{int(on_curve):,} of {n:,} legs with flaws lie on the curve of quality_percentage"
    if long:
        share_of_long = counts.get("as_counted", 0) / long
        why += f"; of {long:,} legs with {LONG} packets, {share_of_long:.1%} match their flaws as well"
    return Evidence("mos_model", "freeswitch_r" if share >= NEARLY_ALL else "other", n, share, why)


def _loss_of(counts: Mapping[str, float]) -> Evidence:
    """The unit of ``packet_loss_perc``: by the flaws of each leg, single packets, ``jitter_loss_rate``, or size."""
    n, some = int(counts.get("loss_n", 0)), int(counts.get("loss_some", 0))
    if not some:
        why = f"all {n:,} values are 0, which is not the same as no loss" if n else "no leg has a value"
        return Evidence("loss_unit", "unknown", n, None, why)
    evidence = _vote(counts, "flaws") if _flaws_speak(counts) else None
    evidence = evidence or _by_packets(counts) or _vote(counts, "rate") or _by_size(counts)
    beyond = int(counts.get(f"loss_outside_{evidence.decided}", 0))
    if _too_many(beyond, some):
        why = f"mixed: {evidence.why}; but {beyond:,} of {some:,} losses cannot be in that unit"
        return Evidence("loss_unit", "unknown", n, evidence.share, why)
    if not beyond:
        return evidence
    why = f"{evidence.why}; {beyond:,} of {some:,} losses cannot be in that unit and are treated as unmeasured"
    return Evidence("loss_unit", evidence.decided, n, evidence.share, why, evidence.odd + beyond, evidence.assumed)


def _flaws_decide(counts: Mapping[str, float]) -> bool:
    """Whether the flaws of enough legs show the unit of their loss; legs that contradict it are then odd."""
    return _flaws_speak(counts) and counts.get("flaws_votes", 0) >= VOTES


def _flaws_speak(counts: Mapping[str, float]) -> bool:
    return counts.get("flaws_votes", 0) * 2 >= counts.get("flaws_told", 0)


def _vote(counts: Mapping[str, float], by: str) -> Evidence | None:
    """The unit of losses by a vote of the legs; None where too few legs can vote."""
    votes, n = int(counts.get(f"{by}_votes", 0)), int(counts["loss_n"])
    if not votes:
        return None
    best = max(READABLE, key=lambda unit: counts.get(f"{by}_{unit}", 0))
    agree, against = int(counts.get(f"{by}_{best}", 0)), int(counts.get(f"{by}_not_{best}", 0))
    what = "flaws" if by == "flaws" else "jitter_loss_rate"
    why = f"{agree:,} of {votes:,} losses agree with their {what} as {best}"
    if _too_many(against, votes):
        return Evidence("loss_unit", "unknown", n, agree / votes, f"mixed: {why}, {against:,} only in another unit")
    if votes < VOTES:
        if against:
            return None
        return Evidence("loss_unit", best, n, agree / votes, f"assumed: {why}, and {VOTES} are needed", assumed=True)
    odd = int(counts.get(f"flaws_odd_{best}", 0)) if by == "flaws" else 0
    why += f"; {odd:,} agree only with another unit and are treated as unmeasured" if odd else ""
    return Evidence("loss_unit", best, n, agree / votes, why, odd)


def _by_packets(counts: Mapping[str, float]) -> Evidence | None:
    """Fractions, because some losses would be less than one packet as percents."""
    some, n = int(counts["loss_some"]), int(counts["loss_n"])
    small, big = int(counts.get("loss_small", 0)), int(counts.get("loss_outside_fraction", 0))
    why = f"as percentages, {small:,} of {some:,} losses would be less than one packet"
    # The few that cannot be fractions may not be the only ones in another unit, and nothing else would show it.
    if _too_many(small, some) and big > ODD_ROWS and big > CLEAR_SHARE * some:
        return Evidence("loss_unit", "unknown", n, None, f"mixed: {why}, and as fractions {big:,} would be above 1")
    if some >= ENOUGH and small * 2 > some and not _too_many(big, some):
        return Evidence("loss_unit", "fraction", n, small / some, why)
    return None


def _by_size(counts: Mapping[str, float]) -> Evidence:
    """By values too large for a unit, or not whole; the column's name says percents."""
    some, n, median = int(counts["loss_some"]), int(counts["loss_n"]), counts.get("loss_median", 0.0)
    above, big, part = (int(counts.get(f"loss_outside_{unit}", 0)) for unit in ("percent", "fraction", "count"))
    if _too_many(above, some):
        if _too_many(part, some):
            why = f"{above:,} of {some:,} losses are above 100, and {part:,} are not whole"
            return Evidence("loss_unit", "unknown", n, None, why)
        why = f"{above:,} of {some:,} losses are above 100, and no share is"
        return Evidence("loss_unit", "count", n, above / some, why)
    if _too_many(big, some) and _too_many(part, some):
        why = f"{big:,} of {some:,} losses are above 1, so no fractions, and {part:,} are not whole, so no counts"
        return Evidence("loss_unit", "percent", n, (some - above) / some, why)
    if median > LOSS_UNLIKELY:
        why = f"assumed, as the column is called: the median of {some:,} losses is {median:g}; nothing else decides"
        return Evidence("loss_unit", "percent", n, None, why, assumed=True)
    why = f"ambiguous: the median of {some:,} losses is {median:g}, which may be percents or fractions"
    return Evidence("loss_unit", "unknown", n, None, why)


def _out_of_range(counts: Mapping[str, float], what: str, unit: str) -> tuple[int, int]:
    """For a unit set by the caller: how many values there are, and how many of them are outside its range."""
    if what == "mos_scale":
        n = int(counts.get("mos_n", 0))
        return n, n - int(counts.get(f"fit_{unit}", 0))
    name = what.removesuffix("_unit")
    return int(counts.get(f"{name}_n", 0)), int(counts.get(f"{name}_outside_{unit}", 0))


def _jitter_of(counts: Mapping[str, float]) -> Evidence:
    """Whether spacing is reported as variances; small variances look like deviations, so variances are assumed."""
    n = int(counts.get("jitter_n", 0))
    if not n:
        return Evidence("jitter_unit", "ms2", 0, None, "assumed: no leg has a value", assumed=True)
    odd, unlikely = int(counts.get("jitter_outside_ms2", 0)), int(counts.get("jitter_unlikely", 0))
    left_out = f"; {odd:,} are impossible and are treated as unmeasured" if odd else ""
    if _too_many(unlikely, n):
        why = f"{unlikely:,} of {n:,} values are above {JITTER_UNLIKELY_MS:g}: too many for deviations in ms{left_out}"
        return Evidence("jitter_unit", "ms2", n, unlikely / n, why, odd)
    readings = " and ".join(f"{int(counts.get(f'jitter_bad_{each}', 0)):,} as {name}" for each, name in _JITTER.items())
    why = f"assumed, as FreeSWITCH counts: of {n:,} values {readings} would be above {JITTER_BAD_MS:g} ms{left_out}"
    return Evidence("jitter_unit", "ms2", n, counts.get("jitter_ordered", 0) / n, why, odd, assumed=True)


__all__ = ["JITTER_BAD_MS", "JITTER_UNLIKELY_MS", "LONG", "decide"]
