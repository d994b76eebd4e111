"""Every rate, declared once: numerator, denominator and source (M10-M18, M21, M24)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import pandas as pd

from conv_analytics.analysis.engine.expressions import is_true
from conv_analytics.analysis.engine.options import one_of
from conv_analytics.analysis.engine.rows import Rows
from conv_analytics.analysis.engine.source import Source
from conv_analytics.analysis.entities.cases import short
from conv_analytics.analysis.entities.sip import FAILED_WORDS, NOT_SENT_WORDS, WORDS
from conv_analytics.glossary import is_term, term

#: Bounds of short calls. [s]
SHORT_BOUNDS_S = (3, 6, 10, 20, 60)
_ANSWERED = 200
_col = nw.col


@dataclass(frozen=True)
class Count:
    """A condition whose occurrences are counted.

    Attributes
    ----------
    name, words
        Its name, and its description.
    holds
        The condition; never null.
    needs, helps
        Required columns, and columns that it reads if they exist.
    """

    name: str
    words: str
    holds: nw.Expr
    needs: tuple[str, ...] = ()
    helps: tuple[str, ...] = ()


@dataclass(frozen=True)
class Metric:
    """A rate: `k` of `n`, both names of counts, where k is part of n.

    Attributes
    ----------
    unknown
        The count of attempts left out of n because their case is not known, or "" when nothing is left out.
    meaning, source, notes
        For people.
    """

    name: str
    k: str
    n: str
    unknown: str
    meaning: str
    source: str
    notes: str = ""

    @property
    def title(self) -> str:
        """The standard term; for a rate that is not in the glossary, its name.

        >>> BY_NAME["ner"].title, BY_NAME["short_10"].title
        ('Network effectiveness ratio (NER)', 'Short calls (≤ 10 s)')
        """
        if self.name.startswith("short_"):
            return term("short").title.replace("6", self.name.removeprefix("short_"))
        return term(self.name).title if is_term(self.name) else self.name.replace("_", " ").capitalize()


def with_code(rows: Rows) -> Rows:
    """The rows with the final code: 200 if answered, else that of the hangup, else that of its reason; 0 if none.

    Step by step and without nesting: an expression that is used several times would be written out each time.
    """
    known = [word for words in _by_code().values() for word in words]
    reason, status = (nw.when(is_true(_col(name).is_in(known))).then(_col(name)) for name in ("reason", "status"))
    rows = rows.with_columns(nw.coalesce(reason, status, "reason_code").alias("_word"))
    codes = [is_true(_col("_word").is_in(words)).cast(nw.Int64) * code for code, words in _by_code().items()]
    # 200 is the code of an answer, or of a CANCEL, which gives no reason.
    rows = rows.with_columns(
        nw.sum_horizontal(*codes).alias("_word_code"),
        nw.when(is_true(_col("sip_code") != _ANSWERED)).then(_col("sip_code")).otherwise(nw.lit(0)).alias("_own_code"),
    )
    # The nullable column first: pandas keeps its kind.
    rows = rows.with_columns(
        nw.when(_col("_own_code") > 0).then(_col("_own_code")).otherwise(_col("_word_code")).alias("_other")
    )
    final = nw.when(~is_true(_col("answered"))).then(_col("_other")).otherwise(nw.lit(_ANSWERED))
    return rows.with_columns(final.alias(CODE))


def final_codes(legs: pd.DataFrame) -> pd.Series[Any]:
    """The final codes of legs in memory; see `with_code`.

    >>> busy = {"answered": False, "sip_code": None, "reason": "busy", "status": None, "reason_code": None}
    >>> final_codes(pd.DataFrame([busy, busy | {"reason": None, "sip_code": 503}])).to_list()
    [486, 503]
    """
    rows = with_code(Rows.of(Source.of(legs), legs))
    return rows.select(CODE).collect()[CODE].astype("int64").set_axis(legs.index)


def _by_code() -> dict[int, list[str]]:
    words_by_code: dict[int, list[str]] = {}
    for word, code in WORDS.items():
        if code != _ANSWERED:
            words_by_code.setdefault(code, []).append(word)
    return words_by_code


def reads(counts: Iterable[Count]) -> set[str]:
    """Every column that some counts read: required ones, and optional ones."""
    counts = list(counts)
    needed = {column for count in counts for column in (*count.needs, *count.helps)}
    helping = {"sip_code": ("status", "reason", "reason_code"), "ended_at": ("flags", "reason")}
    return needed | {other for column in needed for other in helping.get(column, ())}


#: The column that `with_code` adds.
CODE = "final_code"


def _code(*codes: int) -> nw.Expr:
    return _col(CODE).is_in(codes)


def _within(low: int, high: int) -> nw.Expr:
    return (_col(CODE) >= low) & (_col(CODE) <= high)


_answered = is_true(_col("answered"))
_rang = ~_col("ringing_at").is_null()
# A SIP code, even of a refusal, answers a call that was sent. Only calls that the platform kept back are not seizures.
_not_sent = ~_answered & ~_rang & ~is_true(_col("sip_code") > 0) & is_true(_col("reason").is_in(NOT_SENT_WORDS))
_able = _answered | _code(480, 486, 600, 603)
_effective = _able | _code(607) | (_rang & _code(408, 487))
_end_unknown = _answered & (_col("ended_at").is_null() | is_true(_col("flags").str.contains("no_hangup", literal=True)))
# Codes and words that end an established call: time-outs, lost dialogues, servers. Any other end is a hangup.
_broken = (
    is_true(_col("sip_code").is_in([408, 481]) | ((_col("sip_code") >= 500) & (_col("sip_code") <= 599)))  # noqa: PLR2004
    | is_true(_col("reason_code") == "REMOTE_FAILURE")
    | is_true(_col("reason").is_in(FAILED_WORDS))
)
_media_unknown = _answered & (_col("byte_in").is_null() | _col("byte_out").is_null())
_no_media = _answered & is_true((_col("byte_in") == 0) & (_col("byte_out") == 0))
_inbound = is_true(_col("direction") == "inbound")
_gave_up = _inbound & ~_answered & (_code(487) | is_true(_col("outcome") == "cancelled"))
_talk_unknown = _answered & _col("talk_s").is_null()

_SIP = ("answered", "sip_code", "reason")
_SENT = ("sip_code", "reason", "ringing_at")
_MEDIA = ("answered", "byte_in", "byte_out")
_END = ("answered", "ended_at", "sip_code")
COUNTS: tuple[Count, ...] = (
    Count("attempts", "every attempt in scope", nw.col("_one") == 1),
    Count("answered", "answered", _answered, ("answered",)),
    Count("seizures", "attempts that were sent out, whoever refused them: all but those that the platform kept back "
          "(no SIP code, and the reason payment_required, banned_call_ended or flow_failed)",
          ~_not_sent, ("answered",), _SENT),
    Count("effective", "seizures answered, or with 480, 486, 600, 603, 607, or with 408 or 487 after ringing",
          _effective & ~_not_sent, (*_SIP, "ringing_at")),
    Count("effective_terminal", "the same, or with 406, 415, 488, 606",
          (_effective | _code(406, 415, 488, 606)) & ~_not_sent, (*_SIP, "ringing_at")),
    Count("not_redirected", "attempts without 3xx", ~_within(300, 399), _SIP),
    Count("able", "answered, or 480, 486, 600, 603", _able, _SIP),
    Count("able_487", "the same, or 487", _able | _code(487), _SIP),
    Count("ineffective", "408, 500, 503, 504", _code(408, 500, 503, 504), _SIP),
    Count("not_ineffective", "attempts without 408, 500, 503, 504", ~_code(408, 500, 503, 504), _SIP),
    Count("not_failed", "attempts without 5xx, 6xx, or 408 before ringing",
          ~(_within(500, 699) | (_code(408) & ~_rang)), (*_SIP, "ringing_at")),
    Count("completed", "answered, and ended by a hangup", _answered & ~_end_unknown & ~_broken, _END),
    Count("end_told", "attempts, without answered ones whose end is not known", ~_end_unknown, _END),
    Count("end_unknown", "answered, and the hangup is missing", _end_unknown, _END),
    Count("no_media", "answered, and no byte in or out", _no_media, _MEDIA),
    Count("media_told", "attempts, without answered ones whose bytes are not known", ~_media_unknown, _MEDIA),
    Count("media_unknown", "answered, and bytes are not known", _media_unknown, _MEDIA),
    Count("broken", "answered with media, and ended by 408, 481, 5xx or a failure",
          _answered & ~_no_media & ~_end_unknown & _broken, (*_END, "byte_in", "byte_out")),
    Count("set_up", "answered with media, and the end is known", _answered & ~_no_media & ~_end_unknown,
          (*_END, "byte_in", "byte_out")),
    Count("gave_up", "inbound, and the caller ended it before an answer", _gave_up, (*_SIP, "direction"),
          ("outcome",)),
    Count("offered", "inbound attempts", _inbound, ("direction",)),
    Count("undecided", "attempts that are neither answered nor ended with a code or reason that is known",
          ~_answered & (_col(CODE) == 0), _SIP),
    Count("talk_told", "answered, and the talk time is known", _answered & ~_talk_unknown, ("answered", "talk_s")),
    Count("talk_unknown", "answered, and the talk time is not known", _talk_unknown, ("answered", "talk_s")),
    *(Count(f"short_{bound}", f"answered, with up to {bound} s of talk", short(bound),
            ("answered", "talk_s")) for bound in SHORT_BOUNDS_S),
)  # fmt: skip

METRICS: tuple[Metric, ...] = (
    Metric("asr", "answered", "seizures", "", "Answered calls, as a share of those sent to the network.",
           "ITU-T E.411, E.425",
           "A call that the far end refused (403, 488, ...) seized the route all the same. RFC 6076 has `ser`. Compare "
           "it only with itself: same route, normal traffic."),
    Metric("abr", "answered", "attempts", "", "Answered calls, as a share of all attempts: never above ASR.",
           "ITU-T E.425"),
    Metric("ner", "effective", "seizures", "",
           "Attempts that the network delivered, whatever the called party did with them.",
           "ITU-T E.425",
           "Answer, user busy, ring no answer, and rejection by the user. Refusals on the way (400, 403, 488, 606) and "
           "bad numbers (404) count against it. RFC 6076 has `seer`; others are `ner_terminal` and `ner_isa`."),
    Metric("ner_terminal", "effective_terminal", "seizures", "",
           "NER that counts rejection by the called equipment as delivered, too.",
           "ITU-T E.425, read widely",
           "It counts the terminal rejection of ISDN: this takes 406, 415, 488 and 606 (nothing in common) for it."),
    Metric("ner_isa", "not_ineffective", "attempts", "", "Attempts that are not ineffective: 100 % less ISA.",
           "in use beside E.425", "Higher than `ner`: bad numbers and caller's cancels count for it."),
    Metric("ser", "answered", "not_redirected", "", "Answered attempts, as a share of those without redirections.",
           "RFC 6076"),
    Metric("seer", "able", "not_redirected", "", "Attempts answered or ended by the called party: never below SER.",
           "RFC 6076"),
    Metric("seer_487", "able_487", "not_redirected", "",
           "SEER that counts calls cancelled by the caller (487) as effective.",
           "variant of RFC 6076", "487 is not in the RFC's list."),
    Metric("isa", "ineffective", "attempts", "", "Attempts that a server or the network failed.", "RFC 6076",
           "502 is not in the RFC's list; 3xx stay in n."),
    Metric("scr", "completed", "end_told", "end_unknown", "Answered, and ended by a hangup.",
           "RFC 6076", "A missing hangup is not a failure: such calls are unknown."),
    Metric("ccr", "not_failed", "attempts", "",
           "Completion as routers see it: all but failures of servers and the network.",
           "OpenSIPS qrouting", "The 408 that counts is the one before ringing."),
    Metric("setup_failure", "no_media", "media_told", "media_unknown", "Answered, but no media ever flowed.",
           "Teams CQD"),
    Metric("drop_failure", "broken", "set_up", "end_unknown", "Media flowed, but the call was dropped.", "Teams CQD"),
    Metric("abandoned", "gave_up", "offered", "", "Inbound calls that the caller gave up before an answer.",
           "contact centres",
           "Ask with scope='inbound' or 'all'. See `service_level` for cut-offs."),
    Metric("undecided", "undecided", "attempts", "",
           "Attempts without a known result: still going, or their last events are missing.",
           "this package", "They stay in the n of every rate above."),
    *(Metric(f"short_{bound}", f"short_{bound}", "talk_told", "talk_unknown", f"Answered calls of up to {bound} s.",
             "carriers' rules (6 s, 10 s)", "Calls of 0 s are in it.") for bound in SHORT_BOUNDS_S),
)  # fmt: skip

BY_NAME = {metric.name: metric for metric in METRICS}
COUNT_OF = {count.name: count for count in COUNTS}


def chosen(names: str | Iterable[str] | None) -> list[Metric]:
    """The metrics of these names, all when absent."""
    if names is None:
        return list(METRICS)
    names = [names] if isinstance(names, str) else list(names)
    for name in names:
        one_of("metrics", name, BY_NAME)
    return [BY_NAME[name] for name in dict.fromkeys(names)]


def counts_of(metrics: Sequence[Metric]) -> list[Count]:
    """The counts that some metrics are made of, each once."""
    names = dict.fromkeys(name for metric in metrics for name in (metric.k, metric.n, metric.unknown) if name)
    return [COUNT_OF[name] for name in names]


def kpi_metrics() -> pd.DataFrame:
    """Every rate that `kpi` knows: name, numerator, denominator, meaning and source.

    Returns
    -------
    pandas.DataFrame
        ``metric, title, k, n, unknown, meaning, source, notes``, all text.

    Examples
    --------
    >>> kpi_metrics().set_index("metric").loc["ser", ["k", "n"]].to_list()
    ['answered', 'attempts without 3xx']
    """
    rows = [
        (metric.name, metric.title, COUNT_OF[metric.k].words, COUNT_OF[metric.n].words,
         COUNT_OF[metric.unknown].words if metric.unknown else "", metric.meaning, metric.source, metric.notes)
        for metric in METRICS
    ]  # fmt: skip
    columns = ["metric", "title", "k", "n", "unknown", "meaning", "source", "notes"]
    return pd.DataFrame(rows, columns=columns).astype("str")


def as_markdown() -> str:
    """The same for the reference."""
    lines = ["| metric | term | k | of n | not known | meaning | source |", "|---|---|---|---|---|---|---|"]
    meanings = [f"{row.meaning} {row.notes}".strip() for row in kpi_metrics().itertuples(index=False)]
    lines += [
        f"| `{row.metric}` | {row.title} | {row.k} | {row.n} | {row.unknown} | {words} | {row.source} |"
        for row, words in zip(kpi_metrics().itertuples(index=False), meanings, strict=True)
    ]
    return "\n".join(lines) + "\n"


__all__ = ["COUNTS", "METRICS", "Count", "Metric", "as_markdown", "final_codes", "kpi_metrics"]
