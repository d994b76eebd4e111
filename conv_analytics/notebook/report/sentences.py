"""The sentences of a report: the verdict, its details, and each number in words."""

from __future__ import annotations

from collections.abc import Sequence

from conv_analytics.analysis.audio.profiles import MEASURES, Profile
from conv_analytics.notebook.report.formatting import amount, count, difference, percent
from conv_analytics.notebook.report.numbers import Change, Figure, Numbers, Offender, Rate, Values

#: Share of poor legs that is acceptable: the target of Teams' dashboard over all networks.
TARGET = 0.03
#: There is no verdict if a larger share of the answered legs is unmeasured.
MOST_UNMEASURED = 0.5
_NARROWEST_FIRST = ("network_code", "country", "user_id", "remote_address", "channel_type")
_UNMEASURED = {
    "not_answered": "not answered", "no_packets": "no packets", "packets_unknown": "packets not counted",
    "too_few_packets": "too few packets", "loss_unit_unknown": "unit of the losses not known",
    "mos_scale_unknown": "scale of the scores not known",
}  # fmt: skip


def change_words(figure: Figure) -> str:
    """A change in words: by how much, and whether it is better, worse or not clear."""
    change = figure.change
    if change is None or change.by is None:
        return "nothing before to compare with"
    share = isinstance(figure.now, Rate)
    by = difference(change.by, figure.unit, share=share)
    if change.lo is None or change.hi is None:
        return f"{by} (median; no interval)"
    between = f"{difference(change.lo, figure.unit, share=share)} to {difference(change.hi, figure.unit, share=share)}"
    return f"{by} ({between}): {direction(figure.good, change)}"


def direction(good: str, change: Change) -> str:
    """``better``, ``worse``, ``changed``, or ``may be chance``."""
    if not change.clear or change.by is None:
        return "may be chance"
    if not good:
        return "changed"
    return "better" if (change.by > 0) == (good == "up") else "worse"


def reason(rule_id: str | None, value: float | None, limit: float | None, profile: Profile) -> str:
    """The reason for a verdict.

    >>> from conv_analytics.analysis import PROFILES
    >>> reason("loss_poor", 12.34, 5.0, PROFILES["recommended"])
    'lost packets 12.3 % (limit 5 %)'
    """
    rule = next((each for each in profile.rules if each.id == rule_id), None)
    if rule is None:
        return _UNMEASURED.get(rule_id or "", (rule_id or "not known").replace("_", " "))
    if rule.column == "silent_directions":
        return "no audio in both directions" if value == 2 else "no audio in one direction"  # noqa: PLR2004
    unit, meaning = MEASURES[rule.column]
    short = {
        "jitter_sd_max_ms": "spacing of packets varies by", "jitter_sd_min_ms": "spacing of packets varies by at least",
        "mos_emodel": "score of the loss (E-model)", "mos_emodel_low": "score of the loss without concealment",
        "mos_reported": "reported score", "mos_independent": "reported score", "loss_pct": "lost packets",
    }.get(rule.column, meaning)  # fmt: skip
    return f"{short} {amount(value, unit)} (limit {limit:g} {unit})".replace(" )", ")")


def verdict(
    legs: int, poor: Rate, judged_of: Rate, undecided: Sequence[str] = (), unknown: Sequence[str] = ()
) -> tuple[str, str]:
    """The verdict on all calls and its sentence, which claims no more than the interval does.

    Parameters
    ----------
    legs
        How many there are.
    poor
        Poor ones among the measured.
    judged_of
        Measured ones among the answered.
    undecided
        A sentence for each unit that verdicts need but is not known.
    unknown
        The same for each unit that is not known, whether verdicts need it or not: the sentence ends with these.

    >>> no_legs = Rate(0, 0, None, None, None)
    >>> verdict(0, no_legs, no_legs)
    ('empty', 'There are no calls in this period.')
    """
    if not legs:
        return "empty", "There are no calls in this period."
    word, sentence = _verdict(legs, poor, judged_of, undecided)
    return word, " ".join([sentence, *(each for each in unknown if each not in sentence)])


def _verdict(legs: int, poor: Rate, judged_of: Rate, undecided: Sequence[str]) -> tuple[str, str]:
    if not judged_of.n:
        return "unmeasured", f"No verdict: none of {count(legs, 'leg')} was answered."
    if undecided or not poor.n:
        none = f"none of {count(judged_of.n, 'answered leg')} was measured."
        return "unmeasured", f"No verdict on the audio: {' '.join(undecided) or none}"
    share = (
        f"{percent(poor.rate)} of {count(poor.n, 'measured leg')} had poor audio"
        f" ({percent(poor.lo)} to {percent(poor.hi)})"
    )
    if not poor.enough:
        return "unclear", f"Too few measured legs for a verdict: {share}."
    missing = 1 - (judged_of.rate or 0)
    if missing > MOST_UNMEASURED:
        return (
            "unclear",
            f"No verdict: {percent(missing, 0)} of the answered legs were not measured. Of others, {share}.",
        )
    return _against_target(share, poor.lo or 0, poor.hi or 0)


def _against_target(share: str, lo: float, hi: float) -> tuple[str, str]:
    """The verdict that the whole interval allows."""
    if lo > TARGET:
        return "poor", f"Too many calls are poor: {share}; {percent(TARGET, 0)} would be acceptable."
    if hi <= TARGET:
        return "good", f"Calls are good: {share}."
    return "unclear", f"Calls are close to the limit of {percent(TARGET, 0)}: {share}."


def details(numbers: Numbers) -> tuple[str, ...]:
    """The sentences after the verdict: calls answered, changes, offenders, and what is missing."""
    sentences = []
    answered = numbers.figure("answered")
    if answered and isinstance(answered.now, Rate) and answered.now.n:
        rate = answered.now
        sentences.append(f"{percent(rate.rate)} of {count(rate.n, 'attempt')} were answered.")
    clear = [
        figure for figure in numbers.figures if figure.change and figure.change.clear and figure.change.by is not None
    ]
    for figure in clear:
        assert figure.change is not None
        assert figure.change.by is not None
        word = direction(figure.good, figure.change)
        by = difference(abs(figure.change.by), figure.unit, share=isinstance(figure.now, Rate)).lstrip("+")
        sentences.append(f"{figure.title}: {word} by {by}.")
    if numbers.before is not None and not clear:
        sentences.append("Nothing changed clearly against the period before.")
    sentences += [f"{each.reason}." for each in _top_offenders(numbers)]
    # The first sentence says already what prevented a verdict.
    sentences += [each for each in (numbers.method.doubts if numbers.method else ()) if each not in numbers.sentence]
    ledger = numbers.ledger
    if ledger.complete is False:
        sentences.append("The last run of the export was incomplete: numbers may be missing.")
    share = ledger.coverage.share if ledger.coverage else None
    if share is not None and share.k < share.n:
        missing = count(share.n - share.k, "leg")
        sentences.append(f"{missing} of {share.n:,} in the call list are missing here: the numbers are of the others.")
    if ledger.quarantined:
        sentences.append(f"{count(ledger.quarantined, 'record')} could not be read and are not in here.")
    return tuple(sentences)


def _top_offenders(numbers: Numbers) -> list[Offender]:
    """The offenders that the details name: one per problem, a network before its country."""
    ranked = sorted(numbers.offenders or (), key=lambda each: (_NARROWEST_FIRST.index(each.column), -each.excess))
    return list({each.what: each for each in reversed(ranked)}.values())[::-1]


def now_words(figure: Figure) -> str:
    """The current number."""
    now = figure.now
    return percent(now.rate) if isinstance(now, Rate) else amount(now.p50, figure.unit)


def interval_words(figure: Figure) -> str:
    """The line below the number: the interval of a rate, the ends of a distribution."""
    now = figure.now
    if isinstance(now, Rate):
        return "no cases" if not now.n else f"{percent(now.lo)} to {percent(now.hi)}"
    return ends_words(now, figure.unit)


def ends_words(now: Values, unit: str) -> str:
    """The 5 % and 95 % quantiles, or the extremes of few values."""
    if not now.n:
        return "not measured"
    if now.p5 is None:
        return f"from {amount(now.low)} to {amount(now.high, unit)} (too few for quantiles)"
    return f"5 % below {amount(now.p5)}, 5 % above {amount(now.p95, unit)}"


def n_words(figure: Figure) -> str:
    """How many cases the number is based on."""
    now = figure.now
    if isinstance(now, Rate):
        rest = f"; {now.unknown:,} not known" if now.unknown else ""
        return f"{now.k:,} of {now.n:,}{rest}"
    return f"{now.n:,} of {count(now.of, 'leg')} had data"


__all__ = ["TARGET", "change_words", "details", "direction", "ends_words", "interval_words", "n_words", "now_words",
           "reason", "verdict"]  # fmt: skip
