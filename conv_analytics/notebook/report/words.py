"""Numbers and verdicts in words."""

from __future__ import annotations

from collections.abc import Sequence

from conv_analytics.analysis.audio.profiles import MEASURES, Profile
from conv_analytics.notebook.report.numbers import Change, Figure, Numbers, Offender, Rate, Values

#: Share of poor legs that is put up with: what Teams' dashboard aims at over all networks.
TARGET = 0.03
#: With more of the answered legs unmeasured there is no verdict.
MOST_UNMEASURED = 0.5
DASH = "\u2013"
_MINUS = "\u2212"

_NARROW = ("network_code", "country", "user_id", "remote_address", "channel_type")
_UNMEASURED = {
    "not_answered": "not answered", "no_packets": "no packets", "packets_unknown": "packets not counted",
    "too_few_packets": "too few packets", "loss_unit_unknown": "unit of the losses not known",
    "mos_scale_unknown": "scale of the scores not known",
}  # fmt: skip


def percent(share: float | None, digits: int = 1) -> str:
    """A share as people read it.

    >>> percent(0.0213), percent(None) == DASH
    ('2.1 %', True)
    """
    return DASH if share is None else f"{100 * share:.{digits}f} %"


def amount(value: float | None, unit: str = "") -> str:
    """A number with its unit: three digits that matter, thousands apart.

    >>> amount(4.3281, "MOS"), amount(1234.5, "s"), amount(12.34, "ms")
    ('4.33 MOS', '1,234 s', '12.3 ms')
    """
    if value is None:
        return DASH
    if not value:
        return f"0 {unit}".rstrip()
    large = abs(value)
    text = f"{value:,.0f}" if large >= 100 else f"{value:.1f}" if large >= 10 else f"{value:.2f}"  # noqa: PLR2004
    return f"{text} {unit}".rstrip()


def count(number: int, one: str, many: str | None = None) -> str:
    """A number of things.

    >>> count(1, "leg"), count(1200, "leg")
    ('1 leg', '1,200 legs')
    """
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def points(by: float, unit: str, *, share: bool = False) -> str:
    """A difference, with its sign.

    >>> points(0.0123, "%", share=True), points(0.2, "MOS")
    ('+1.2 points', '+0.20 MOS')
    """
    sign = "+" if by > 0 else _MINUS if by < 0 else "±"
    return f"{sign}{abs(100 * by):.1f} points" if share else f"{sign}{amount(abs(by), unit)}"


def change_words(figure: Figure) -> str:
    """What a change is worth: better, worse, or nothing that is clear."""
    change = figure.change
    if change is None or change.by is None:
        return "nothing before to compare with"
    share = isinstance(figure.now, Rate)
    told = points(change.by, figure.unit, share=share)
    if change.lo is None or change.hi is None:
        return f"{told} (median; no interval)"
    between = f"{points(change.lo, figure.unit, share=share)} to {points(change.hi, figure.unit, share=share)}"
    return f"{told} ({between}): {direction(figure.good, change)}"


def direction(good: str, change: Change) -> str:
    """``better``, ``worse``, ``changed``, or that it may be chance."""
    if not change.clear or change.by is None:
        return "may be chance"
    if not good:
        return "changed"
    return "better" if (change.by > 0) == (good == "up") else "worse"


def why(rule: str | None, value: float | None, limit: float | None, book: Profile) -> str:
    """The reason of a verdict.

    >>> from conv_analytics.analysis import PROFILES
    >>> why("loss_poor", 12.34, 5.0, PROFILES["recommended"])
    'lost packets 12.3 % (limit 5 %)'
    """
    found = next((each for each in book.rules if each.id == rule), None)
    if found is None:
        return _UNMEASURED.get(rule or "", (rule or "not known").replace("_", " "))
    if found.column == "silent_directions":
        return "no audio in both directions" if value == 2 else "no audio in one direction"  # noqa: PLR2004
    unit, meaning = MEASURES[found.column]
    short = {
        "jitter_sd_max_ms": "spacing of packets varies by", "jitter_sd_min_ms": "spacing of packets varies by at least",
        "mos_emodel": "score of the loss (E-model)", "mos_emodel_low": "score of the loss without concealment",
        "mos_reported": "reported score", "mos_independent": "reported score", "loss_pct": "lost packets",
    }.get(found.column, meaning)  # fmt: skip
    return f"{short} {amount(value, unit)} (limit {limit:g} {unit})".replace(" )", ")")


def verdict(legs: int, poor: Rate | None, judged_of: Rate | None, undecided: Sequence[str] = ()) -> tuple[str, str]:
    """The verdict on all calls and its sentence: it says nothing that the interval does not.

    Parameters
    ----------
    legs
        How many there are.
    poor
        Poor among the measured.
    judged_of
        Measured among the answered.
    undecided
        What there is to say about units that are not known, though verdicts need them.

    >>> verdict(0, None, None)
    ('empty', 'There are no calls in this period.')
    """
    if not legs or poor is None or judged_of is None:
        return "empty", "There are no calls in this period."
    if not judged_of.n:
        return "unmeasured", f"No verdict: none of {count(legs, 'leg')} was answered."
    if undecided or not poor.n:
        none = f"none of {count(judged_of.n, 'answered leg')} was measured."
        return "unmeasured", f"No verdict on the audio: {' '.join(undecided) or none}"
    told = (
        f"{percent(poor.rate)} of {count(poor.n, 'measured leg')} had poor audio"
        f" ({percent(poor.lo)} to {percent(poor.hi)})"
    )
    if not poor.enough:
        return "unclear", f"Too few measured legs for a verdict: {told}."
    missing = 1 - (judged_of.rate or 0)
    if missing > MOST_UNMEASURED:
        return (
            "unclear",
            f"No verdict: {percent(missing, 0)} of the answered legs were not measured. Of others, {told}.",
        )
    return _against(told, poor.lo or 0, poor.hi or 0)


def with_unknown(sentence: str, unknown: Sequence[str]) -> str:
    """The sentence, and what it leaves out because its unit is not known, though the verdict does without.

    >>> with_unknown("Calls are good.", ["The unit of mos_score is not known."])
    'Calls are good. The unit of mos_score is not known.'
    """
    return " ".join([sentence, *(each for each in unknown if each not in sentence)])


def _against(told: str, lo: float, hi: float) -> tuple[str, str]:
    """The verdict by where the whole interval lies."""
    if lo > TARGET:
        return "poor", f"Too many calls are poor: {told}; {percent(TARGET, 0)} would be acceptable."
    if hi <= TARGET:
        return "good", f"Calls are good: {told}."
    return "unclear", f"Calls are close to the limit of {percent(TARGET, 0)}: {told}."


def details(numbers: Numbers, figures: Sequence[Figure]) -> tuple[str, ...]:
    """What belongs to the verdict: answers, what changed, who stands out, what is missing."""
    by_name = {figure.name: figure for figure in figures}
    said = []
    answered = by_name.get("answered")
    if answered and isinstance(answered.now, Rate) and answered.now.n:
        rate = answered.now
        said.append(f"{percent(rate.rate)} of {count(rate.n, 'attempt')} were answered.")
    clear = [figure for figure in figures if figure.change and figure.change.clear and figure.change.by is not None]
    for figure in clear:
        assert figure.change is not None
        assert figure.change.by is not None
        word = direction(figure.good, figure.change)
        by = points(abs(figure.change.by), figure.unit, share=isinstance(figure.now, Rate)).lstrip("+")
        said.append(f"{figure.title}: {word} by {by}.")
    if numbers.before is not None and not clear:
        said.append("Nothing changed clearly against the period before.")
    said += [f"{each.reason}." for each in _named(numbers)]
    # What stopped the verdict stands in the first sentence.
    said += [each for each in (numbers.method.doubts if numbers.method else ()) if each not in numbers.sentence]
    ledger = numbers.ledger
    if ledger.complete is False:
        said.append("The last run of the export was incomplete: numbers may be missing.")
    if ledger.quarantined:
        said.append(f"{count(ledger.quarantined, 'record')} could not be read and are not in here.")
    return tuple(said)


def _named(numbers: Numbers) -> list[Offender]:
    """The offenders of the first lines: one of each kind, a network before its country."""
    ranked = sorted(numbers.offenders or (), key=lambda each: (_NARROW.index(each.column), -each.excess))
    return list({each.what: each for each in reversed(ranked)}.values())[::-1]


def now_words(figure: Figure) -> str:
    """The number itself."""
    now = figure.now
    return percent(now.rate) if isinstance(now, Rate) else amount(now.p50, figure.unit)


def interval_words(figure: Figure) -> str:
    """What stands below the number: the interval of a rate, the ends of a distribution."""
    now = figure.now
    if isinstance(now, Rate):
        return "no cases" if not now.n else f"{percent(now.lo)} to {percent(now.hi)}"
    return ends_words(now, figure.unit)


def ends_words(now: Values, unit: str) -> str:
    """The 5 % and 95 % quantiles, or the extremes of so few."""
    if not now.n:
        return "not measured"
    if now.p5 is None:
        return f"from {amount(now.low)} to {amount(now.high, unit)} (too few for quantiles)"
    return f"5 % below {amount(now.p5)}, 5 % above {amount(now.p95, unit)}"


def n_words(figure: Figure) -> str:
    """On how many cases it stands."""
    now = figure.now
    if isinstance(now, Rate):
        rest = f"; {now.unknown:,} not known" if now.unknown else ""
        return f"{now.k:,} of {now.n:,}{rest}"
    return f"{now.n:,} of {count(now.of, 'leg')} had data"


__all__ = ["TARGET", "amount", "change_words", "count", "details", "direction", "ends_words", "interval_words",
           "n_words", "now_words", "percent", "points", "verdict", "why", "with_unknown"]  # fmt: skip
