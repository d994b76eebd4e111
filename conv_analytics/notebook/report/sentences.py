"""The sentences of a report: the verdict, its details, and each number in words."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from conv_analytics.analysis.audio.profiles import MEASURES, Profile
from conv_analytics.glossary import term
from conv_analytics.notebook.report.formatting import (
    amount,
    count,
    difference,
    is_or_are,
    none_was,
    percent,
    probability,
    was_or_were,
)
from conv_analytics.notebook.report.numbers import Change, Figure, Finding, Findings, Numbers, Rate, Values

#: Share of poor legs that is acceptable: the target of Teams' dashboard over all networks.
TARGET = 0.03
#: There is no verdict if a larger share of the answered legs is unmeasured.
MOST_UNMEASURED = 0.5
#: Maximum number of problems in the details.
NAMED = 3
NO_VERDICT = "No verdict on audio quality"
_UNMEASURED = {
    "not_answered": "not answered", "no_packets": "no packets", "packets_unknown": "packet count missing",
    "too_few_packets": "too few packets", "loss_unit_unknown": "unit of packet loss unknown",
    "mos_scale_unknown": "scale of MOS unknown",
}  # fmt: skip


def timeline_command(conversation_id: str) -> str:
    """The command that opens a timeline.

    It does not name the folder: a page that is passed on should not reveal its path.
    """
    return f"conv-analytics timeline DEST {shlex.quote(conversation_id)} -o timeline.html"


def change_words(figure: Figure) -> str:
    """A change in words: by how much, and whether it is better, worse or unclear."""
    change = figure.change
    if change is None or change.by is None:
        return "no earlier data to compare with"
    share = isinstance(figure.now, Rate)
    by = difference(change.by, _unit(figure), share=share)
    if change.lo is None or change.hi is None:
        return f"{by} (difference of medians)"
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
    'packet loss 12.3 % (limit 5 %)'
    >>> reason("mos_emodel_poor", 3.2, 3.6, PROFILES["recommended"])
    'MOS (E-model) 3.20 (limit 3.6)'
    """
    rule = next((each for each in profile.rules if each.id == rule_id), None)
    if rule is None:
        return _UNMEASURED.get(rule_id or "", (rule_id or "unknown").replace("_", " "))
    if rule.column == "silent_directions":
        return "no audio in either direction" if value == 2 else "one-way audio"  # noqa: PLR2004
    unit, label = MEASURES[rule.column]
    unit = "" if unit in label.split() else unit
    return f"{label} {amount(value, unit)} (limit {limit:g} {unit})".replace(" )", ")")


def verdict(
    legs: int, poor: Rate, judged_of: Rate, undecided: Sequence[str] = (), unknown: Sequence[str] = ()
) -> tuple[str, str]:
    """The verdict on the audio of all legs, and its sentence, which claims no more than the interval does.

    Parameters
    ----------
    legs
        Number of legs.
    poor
        Poor legs of the measured ones.
    judged_of
        Measured legs of the answered ones.
    undecided
        A sentence for each unit that verdicts need but is not known.
    unknown
        The same for each unknown unit, whether verdicts need it or not: the sentence ends with these.

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
        return "unmeasured", f"{NO_VERDICT}: {none_was(legs, 'leg', 'answered')}."
    if undecided or not poor.n:
        none = f"{none_was(judged_of.n, 'answered leg', 'measured')}."
        return "unmeasured", f"{NO_VERDICT}: {' '.join(undecided) or none}"
    share = (
        f"{percent(poor.rate)} of {count(poor.n, 'measured leg')} had poor audio"
        f" (95 % interval {percent(poor.lo)} to {percent(poor.hi)})"
    )
    if not poor.enough:
        return "unclear", f"Too few measured legs for a verdict: {share}."
    missing = 1 - (judged_of.rate or 0)
    if missing > MOST_UNMEASURED:
        return (
            "unclear",
            f"{NO_VERDICT}: {percent(missing, 0)} of the answered legs were not measured. Of the others, {share}.",
        )
    return _against_target(share, poor.lo or 0, poor.hi or 0)


def _against_target(share: str, lo: float, hi: float) -> tuple[str, str]:
    """The verdict that the whole interval allows."""
    if lo > TARGET:
        return "poor", f"Audio quality is poor: {share}; the limit is {percent(TARGET, 0)}."
    if hi <= TARGET:
        return "good", f"Audio quality is good: {share}; the limit is {percent(TARGET, 0)}."
    return "unclear", f"Audio quality is borderline: {share}, which includes the limit of {percent(TARGET, 0)}."


def details(numbers: Numbers) -> tuple[str, ...]:
    """The sentences after the verdict: calls answered, changes, findings, and what is missing."""
    sentences = []
    answered = numbers.figure("answered")
    if answered and isinstance(answered.now, Rate) and answered.now.n:
        rate = answered.now
        sentences.append(f"{term('asr').title}: {percent(rate.rate)}, {rate.k:,} of {count(rate.n, 'seizure')}.")
    clear = [
        figure for figure in numbers.figures if figure.change and figure.change.clear and figure.change.by is not None
    ]
    for figure in clear:
        assert figure.change is not None
        assert figure.change.by is not None
        way, word = "up" if figure.change.by > 0 else "down", direction(figure.good, figure.change)
        by = difference(abs(figure.change.by), figure.unit, share=isinstance(figure.now, Rate)).lstrip("+")
        judged = f" ({word})" if figure.good else ""
        sentences.append(f"{figure.title}: {way} {by} from the period before{judged}.")
    if numbers.before is not None and not clear:
        sentences.append("No key figure differs from the period before by more than chance.")
    sentences += finding_sentences(numbers)
    # The first sentence already says what prevented a verdict.
    sentences += [each for each in (numbers.method.doubts if numbers.method else ()) if each not in numbers.sentence]
    ledger = numbers.ledger
    if ledger.complete is False:
        sentences.append("The last export run was incomplete: calls may be missing.")
    share = ledger.coverage.share if ledger.coverage else None
    if share is not None and share.k < share.n:
        missing = count(share.n - share.k, "leg")
        sentences.append(
            f"{missing} of the {share.n:,} in the Voice API's call list {is_or_are(share.n - share.k)} missing;"
            " the figures cover the others."
        )
    if ledger.quarantined:
        unread = ledger.quarantined
        sentences.append(f"{count(unread, 'record')} could not be read and {is_or_are(unread)} not counted.")
    return tuple(sentences)


def finding_sentences(numbers: Numbers) -> list[str]:
    """A sentence for each of the worst problems, or one that says there is none."""
    findings = numbers.findings
    if findings is None:
        return []
    if not findings.problems:
        return [nothing_found(findings)]
    more = len(findings.problems) - NAMED
    rest = [f"{count(more, 'more problem')} below."] if more > 0 else []
    return [each.what for each in findings.problems[:NAMED]] + rest


def finding_facts(one: Finding) -> list[tuple[str, str]]:
    """The facts about a problem, each with its heading; an empty text where nothing is known."""
    rate = one.rate
    interval = f"{percent(rate.lo)} to {percent(rate.hi)}"
    certain = ("significance", f"{probability(one.q)}, adjusted for all tests")
    if one.case == "no_calls":
        return [
            ("since", _until(one.since)), ("missing calls", f"about {round(one.excess):,}"), certain,
            ("compared with", one.compared_with), ("whose side", one.side), ("what to do", one.advice),
        ]  # fmt: skip
    return [
        ("since", _until(one.since)), ("until", _until(one.until)),
        ("rate", f"{percent(rate.rate)}, {rate.k:,} of {rate.n:,} (95 % interval {interval})"),
        ("expected", f"{percent(one.expected)}, as in {one.compared_with}"),
        ("excess", count(round(one.excess), "call")),
        certain, ("whose side", one.side), ("what to do", one.advice), ("ruled out", one.ruled_out),
        ("same calls", one.same_calls),
    ]  # fmt: skip


def _until(at: str | None) -> str:
    return "" if at is None else at.replace("T", " ")[:16]


def nothing_found(findings: Findings) -> str:
    """A sentence that says that no problem was found, and what was tested."""
    groups = findings.groups
    if not groups:
        return "No problem was found: no group of calls has enough bad ones to test."
    return f"No problem was found beyond chance: {count(groups, 'group')} of calls {was_or_were(groups)} compared."


def now_words(figure: Figure) -> str:
    """The current number."""
    now = figure.now
    return percent(now.rate) if isinstance(now, Rate) else amount(now.p50, _unit(figure))


def _unit(figure: Figure) -> str:
    """The unit, unless the title says it."""
    return "" if figure.unit in figure.title.split() else figure.unit


def interval_words(figure: Figure) -> str:
    """The line below the number: the interval of a rate, the ends of a distribution."""
    now = figure.now
    if isinstance(now, Rate):
        return "no cases" if not now.n else f"95 % interval {percent(now.lo)} to {percent(now.hi)}"
    return ends_words(now, _unit(figure))


def ends_words(now: Values, unit: str) -> str:
    """The 5th and 95th percentile, or the extremes of few values."""
    if not now.n:
        return "not measured"
    if now.p5 is None:
        return f"range {amount(now.low)} to {amount(now.high, unit)} (too few values for percentiles)"
    return f"p5 {amount(now.p5)}, p95 {amount(now.p95, unit)}"


def n_words(figure: Figure) -> str:
    """The number of cases behind a figure."""
    now = figure.now
    if isinstance(now, Rate):
        rest = f"; {now.unknown:,} unknown" if now.unknown else ""
        return f"{now.k:,} of {now.n:,}{rest}"
    return f"known for {now.n:,} of {count(now.of, 'leg')}"


__all__ = ["TARGET", "change_words", "details", "direction", "ends_words", "finding_facts", "finding_sentences",
           "interval_words", "n_words", "nothing_found", "now_words", "reason", "timeline_command",
           "verdict"]  # fmt: skip
