"""The page of a report: one file that is light, dark or printed, and loads nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from conv_analytics.glossary import term
from conv_analytics.notebook import html
from conv_analytics.notebook.report import pictures, sentences, turns
from conv_analytics.notebook.report.formatting import DASH, amount, count, percent
from conv_analytics.notebook.report.numbers import CallCoverage, Figure, Finding, Leg, Numbers, Questions, Rate

#: The verdict in one word.
_VERDICTS = {"good": "good", "poor": "poor", "unclear": "unclear", "unmeasured": "no verdict", "empty": "no calls"}
_MARKS = {"better": "▲ better", "worse": "▼ worse", "changed": "● changed"}


def page(numbers: Numbers, links: Mapping[str, str] = MappingProxyType({})) -> str:
    """The whole page. The same numbers give the same bytes; `links` lead from conversations to their timelines."""
    body = html.render("report/page.html.j2", **_context(numbers, links))
    return html.page(
        f"Call quality, {span(numbers)}", body, scripts=[html.module("dom.js", "report/page.js")],
        style=html.resource("charts.css") + html.resource("report/page.css"),
    )  # fmt: skip


def span(numbers: Numbers) -> str:
    """The period in words."""
    if numbers.since is None or numbers.until is None:
        return f"empty period ({numbers.tz})"
    return f"{_day_or_minute(numbers.since)} to {_day_or_minute(numbers.until)} ({numbers.tz})"


def _context(numbers: Numbers, links: Mapping[str, str]) -> dict[str, Any]:
    worst_note = f"{len(numbers.worst):,} of {count(numbers.poor_legs, 'poor leg')}, the worst of each reason first."
    before = None
    if numbers.before is not None and numbers.since is not None:
        before = f"{_day_or_minute(numbers.before)} to {_day_or_minute(numbers.since)}"
    return {
        "n": numbers,
        "span": span(numbers),
        "size": f"{count(numbers.legs, 'leg')} in {count(numbers.conversations, 'conversation')}",
        "before": before,
        "masked": numbers.masked,
        "word": _VERDICTS[numbers.verdict],
        "cards": [_card(figure) for figure in numbers.figures] if numbers.legs else [],
        "sections": [*pictures.sections(numbers), *turns.sections(numbers)],
        "codes_chart": pictures.codes(numbers),
        "codes": [
            (code.code or DASH, code.meaning, f"{code.n:,}", percent(code.share.rate),
             _SIDES.get(code.owner, code.owner), code.advice)
            for code in numbers.codes
        ],
        "details": [line for line in numbers.details if line not in sentences.finding_sentences(numbers)],
        **_findings(numbers, links),
        "worst": [_leg(leg) | {"link": links.get(leg.conversation_id, "")} for leg in numbers.worst],
        "worst_note": worst_note,
        "basis": _basis(numbers),
        "ledger": [
            (entry.metric, *(f"{each:,}" for each in (entry.n, entry.missing, entry.odd, entry.imputed,
                                                      entry.unmeasured)), entry.why)
            for entry in numbers.ledger.entries
        ],
        "method": _method(numbers),
        "terms": [term(figure.term) for figure in numbers.figures] if numbers.legs else [],
    }  # fmt: skip


#: Whose side an owner of `explain` is.
_SIDES = {
    "callee": "called party",
    "caller": "caller",
    "you": "own application",
    "carrier": "route or carrier",
    "nobody": DASH,
}


def _findings(numbers: Numbers, links: Mapping[str, str]) -> dict[str, Any]:
    """The cards of problems, and what was tested."""
    named = numbers.findings
    if named is None:
        return {"findings": None, "nothing_found": "", "looked_at": []}
    return {
        "findings": [_finding(each, links) for each in named.problems],
        "nothing_found": sentences.nothing_found(named),
        "looked_at": [
            (each.title, f"{each.groups:,}", f"{each.calls:,}", ", ".join(each.by) or DASH, _not_asked(each))
            for each in named.questions
        ],
    }


def _not_asked(questions: Questions) -> str:
    """The groupings that could not be tested, by reason."""
    reasons: dict[str, list[str]] = {}
    for by, reason in questions.not_asked.items():
        reasons.setdefault(reason, []).append(by)
    return "; ".join(f"{', '.join(filter(None, by))} ({reason})".lstrip() for reason, by in reasons.items())


def _finding(one: Finding, links: Mapping[str, str]) -> dict[str, Any]:
    return {
        "number": one.problem, "title": one.title, "where": one.where, "what": one.what, "python": one.python,
        "facts": [(name, text) for name, text in sentences.finding_facts(one) if text],
        "id": one.conversation_id, "link": links.get(one.conversation_id, ""),
        "command": sentences.timeline_command(one.conversation_id), "chart": pictures.finding(one),
    }  # fmt: skip


def _card(figure: Figure) -> dict[str, Any]:
    way = sentences.direction(figure.good, figure.change) if figure.change else ""
    now = figure.now
    return {
        "title": figure.title,
        "tooltip": term(figure.term).tooltip,
        "meaning": figure.meaning,
        "value": sentences.now_words(figure),
        "interval": sentences.interval_words(figure),
        "n": sentences.n_words(figure),
        "enough": now.enough if isinstance(now, Rate) else now.p5 is not None,
        "change": sentences.change_words(figure) if figure.change else "",
        "direction": way if way in _MARKS else "",
        "mark": _MARKS.get(way, ""),
    }


def _leg(leg: Leg) -> dict[str, str]:
    return {
        "at": leg.started_at, "why": leg.why, "remote": leg.remote, "network": leg.network,
        "talk": amount(leg.talk_s, "s"), "loss": amount(leg.loss_pct, "%"), "mos": amount(leg.mos),
        "id": leg.conversation_id, "command": leg.command,
    }  # fmt: skip


def _basis(numbers: Numbers) -> list[str]:
    ledger = numbers.ledger
    lines = []
    if ledger.complete is not None:
        state = "complete" if ledger.complete else "INCOMPLETE: calls may be missing"
        last = f"last of {ledger.runs:,} export runs" if ledger.runs > 1 else "only export run"
        lines.append(f"The {last}, at {ledger.last_run}, was {state}.")
    else:
        lines.append("This data does not record whether the export was complete.")
    if ledger.warning:
        lines.append(f"Warning of the last run: {ledger.warning}")
    lines.append(f"{count(ledger.quarantined, 'record')} could not be read.")
    if ledger.untimed:
        one = "has no start time and is" if ledger.untimed == 1 else "have no start time and are"
        lines.append(f"{count(ledger.untimed, 'leg')} {one} in no hour, day or period.")
    lines += _coverage(ledger.coverage)
    figure = numbers.figure("measured")
    if figure and isinstance(figure.now, Rate):
        rate = figure.now
        lines.append(f"{rate.k:,} of {count(rate.n, 'answered leg')} had enough data to judge their audio.")
    if numbers.legs and not ledger.entries:
        lines.append("No leg has missing, odd or imputed values.")
    return lines


def _coverage(coverage: CallCoverage | None) -> list[str]:
    """How many of the calls the folder has."""
    if coverage is None or not coverage.days:
        return ["Which calls are missing is unknown: conv-analytics coverage has not been run for this period."]
    share, lines = coverage.share, []
    if share.n:
        interval = f"{percent(share.rate)}, {percent(share.lo)} to {percent(share.hi)}"
        lines.append(
            f"{share.k:,} of {count(share.n, 'leg')} in the Voice API's call list are in the export ({interval})."
        )
    else:
        lines.append("The Voice API's call list has no leg in this period.")
    if coverage.unknown_days:
        days = count(coverage.unknown_days, "day")
        lines.append(f"What is missing on {days} is unknown: conv-analytics coverage has not been run for them.")
    return lines


def _method(numbers: Numbers) -> list[str]:
    method = numbers.method
    if method is None:
        return []
    scores = {
        "freeswitch_r": "The MOS that the API reports is only FreeSWITCH's curve of flawed packets, without codec and"
        " delay: no verdict here depends on it.",
        "other": "The MOS that the API reports is from a model of its own, and counts towards verdicts.",
    }.get(method.scores, "The model of the MOS that the API reports is unknown: too few legs had flawed packets.")
    target = f"{percent(sentences.TARGET, 0)}, the target of Microsoft's call quality dashboard"
    units = [f"{_UNITS[each.what]}: {each.decided} ({each.why})." for each in method.units if each.what in _UNITS]
    return [
        "Intervals are Wilson's score intervals at 95 %; those of differences are Newcombe's.",
        "Rates of fewer than 30 cases are grey and not judged; p5 and p95 (linear interpolation) need 20 values.",
        f"Audio is judged by the profile {method.profile!r}: {'; '.join(method.rules)}.",
        "A leg with too few packets is not judged; an unmeasured leg never counts as good.",
        f"The verdict is good or poor only if the whole interval of poor audio is below or above {target}.",
        f"Attempts are {_SCOPES.get(method.scope, method.scope)}; a forwarded call has several.",
        *units,
        scores,
        "MOS here is the E-model's estimate (ITU-T G.107) for G.711 with packet loss concealment and no delay.",
        "Delay, echo, codec, and when during a call its audio went bad are not in the data.",
        "Packet loss and jitter are of the audio that the platform received, not of what a listener heard.",
        f"conv-analytics {method.version}; hours, days and weeks are in {numbers.tz}.",
    ]  # fmt: skip


#: The quantity of each unit.
_UNITS = {
    "mos_scale": "Scale of the reported MOS",
    "loss_unit": "Unit of packet_loss_perc",
    "jitter_unit": "Unit of jitter_max_var (ms2: a variance, ms: a standard deviation)",
}
_SCOPES = {"outbound": "outbound legs", "all": "all legs, as none is outbound"}


def _day_or_minute(text: str) -> str:
    day, _, clock = text.partition("T")
    return day if clock.startswith(("00:00:00+", "00:00:00-")) else f"{day} {clock[:5]}"


__all__ = ["page", "span"]
