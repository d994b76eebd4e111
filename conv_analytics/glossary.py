"""The terms of the trade, declared once: standard name, plain words, unit, note and source.

Reports, plots, tooltips, ``--help`` and the documentation take their titles and explanations from here. A term is found
by its own name (``asr``), or by the name of the column, case or key figure that it explains (``jitter_sd_max_ms``).
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Term:
    """A term, and what it means.

    Attributes
    ----------
    name
        Its name in code: that of a rate of `kpi` or of a case, or another word.
    title
        The standard term, with its abbreviation: the heading of a card, a column or an axis.
    words
        Its meaning in plain words: the line below the title.
    unit
        The unit of its numbers: ``%``, ``s``, ``ms``, ``MOS``, or "" for a number without one.
    label
        The term within a sentence, a table or a legend.
    note
        A caveat for reading the number.
    source
        The standard or the product that defines it.
    names
        Other columns and key figures that it explains.
    """

    name: str
    title: str
    words: str
    unit: str = ""
    label: str = ""
    note: str = ""
    source: str = ""
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.label:
            object.__setattr__(self, "label", self.title[0].lower() + self.title[1:])

    @property
    def tooltip(self) -> str:
        """Title, plain words, note and source in one paragraph.

        >>> term("pdd").tooltip.partition(". ")[0]
        'Post-dial delay (PDD): from the start of a call attempt until it rings, or is answered without ringing'
        """
        source = f" Source: {self.source}." if self.source else ""
        return f"{self.title}: {self.words}.{f' {self.note}' if self.note else ''}{source}"


_PACKETS = "Counted on what the platform received: what was lost on the way to a listener is not in the data."
_E425 = "ITU-T E.425"
_6076 = "RFC 6076"

#: Every term, in the order in which the documentation lists them.
TERMS: tuple[Term, ...] = (
    Term("leg", "Leg", "one party's connection to the platform; a call has one or more", label="leg",
         note="Media statistics are per leg and cover one direction: the audio that the platform received."),
    Term("call", "Call", "legs of a conversation that overlap, or follow each other within 5 seconds", label="call"),
    Term("attempt", "Call attempt (bid)", "a leg that was started, whatever became of it", label="call attempt"),
    Term("seizure", "Seizure", "a call attempt that was sent to the network, whoever refused it", source=_E425,
         note="Attempts that the platform itself kept back (no credit, number banned) are bids, but not seizures."),
    Term("asr", "Answer-seizure ratio (ASR)", "answered calls, as a share of the attempts sent to the network", "%",
         "answered (ASR)", "Calls that the far end refused count as seizures. Compare it only with itself: same route,"
         " normal traffic.", "ITU-T E.411, E.425"),
    Term("abr", "Answer-bid ratio (ABR)", "answered calls, as a share of all attempts", "%", "answered (ABR)",
         "Never above ASR.", _E425),
    Term("answered", "Answered calls", "outbound call attempts that were answered, as a share of all of them", "%",
         "answered", "The same as ABR: ASR leaves out attempts that the platform kept back.", _E425),
    Term("ner", "Network effectiveness ratio (NER)",
         "attempts that the network delivered, whatever the called party did with them", "%", "delivered (NER)",
         "Counts answer, busy, ring no answer and rejection by the called party. Invalid numbers (404) and refusals on"
         " the way (400, 403, 488) lower it.", _E425, ("effective",)),
    Term("ner_terminal", "Network effectiveness ratio, with terminal rejection (NER)",
         "the same, counting calls that the called equipment rejects as delivered", "%", "delivered (NER, terminal)",
         "Takes 406, 415, 488 and 606 for the terminal rejection of ISDN.", f"{_E425}, read widely"),
    Term("ner_isa", "Network effectiveness as 100 % - ISA", "attempts without 408, 500, 503 and 504", "%",
         "100 % - ISA", "Higher than NER: invalid numbers and cancelled calls count as effective.",
         "in use beside E.425"),
    Term("ser", "Session establishment ratio (SER)", "answered attempts, as a share of attempts without redirections",
         "%", "answered (SER)", source=_6076),
    Term("seer", "Session establishment effectiveness ratio (SEER)",
         "attempts answered, or ended by the called party (480, 486, 600, 603), of those without redirections", "%",
         "delivered (SEER)", "Never below SER.", _6076),
    Term("seer_487", "Session establishment effectiveness ratio, with 487 (SEER)",
         "the same, counting calls that the caller cancelled as effective", "%", "delivered (SEER, 487)",
         "The RFC's list does not contain 487.", f"variant of {_6076}"),
    Term("isa", "Ineffective session attempts (ISA)", "attempts that ended with 408, 500, 503 or 504", "%",
         "ineffective (ISA)", "502 is not on the RFC's list; redirections stay in the denominator.", _6076),
    Term("scr", "Session completion ratio (SCR)", "attempts that were answered and ended with a normal hangup", "%",
         "completed (SCR)", "A missing hangup is not a failure: such calls are not counted.", _6076),
    Term("ccr", "Call completion ratio (CCR)", "attempts that no server or network failure ended", "%",
         "completed (CCR)", "Leaves out 5xx, 6xx, and 408 before ringing.", "OpenSIPS qrouting"),
    Term("setup_failure", "Call setup failures", "answered calls on which no media ever flowed", "%",
         "setup failures", source="Microsoft Teams CQD"),
    Term("drop_failure", "Dropped calls", "answered calls with media that ended by a time-out or failure, not by a"
         " hangup", "%", "dropped calls", "SIP 408, 481, 5xx or a reason such as REMOTE_FAILURE after the answer, of"
         " the calls whose end is known.", "Microsoft Teams CQD", ("dropped",)),
    Term("abandoned", "Abandonment rate", "inbound calls that the caller gave up before an answer", "%", "abandoned",
         "Callers who misdialled are in it; `service_level` can leave out those who give up within some seconds.",
         "contact centres"),
    Term("undecided", "Attempts without a result", "attempts with neither an answer nor a known code or reason", "%",
         "without a result", "Still ringing, or their last events are missing. They count in every rate.",
         "this package"),
    Term("unanswered", "Unanswered calls", "outbound attempts without an answer, for whatever reason", "%",
         "no answer"),
    Term("failed", "Failed calls", "outbound attempts that the network, the signalling or the platform failed", "%",
         "failed", "Redirections (3xx), busy, declined and invalid numbers are not failures."),
    Term("pdd", "Post-dial delay (PDD)",
         "from the start of a call attempt until it rings, or is answered without ringing", "s", "post-dial delay",
         "RFC 6076 calls it session request delay (SRD). Early media (183) is not visible in API events.",
         f"ITU-T E.721; {_6076}", ("pdd_s",)),
    Term("ring_time", "Ringing time", "from ringing to the answer", "s", names=("ring_s",)),
    Term("setup_time", "Call setup time", "from the start of a call attempt to the answer", "s", names=("setup_s",)),
    Term("service_level", "Service level", "inbound calls answered within a time such as 20 seconds", "%",
         note="Of the calls answered, failed or abandoned; those abandoned at once can be left out.",
         source="contact centres (80/20)"),
    Term("aloc", "Average length of conversation (ALOC, ACD)", "mean talk time of answered calls", "s",
         "average length of conversation", "A few long calls raise it: see the median talk time as well. ACD stands for"
         " average call duration.", f"carriers' term; {_6076} (SDT)", ("acd",)),
    Term("talk", "Talk time", "from the answer to the end of the call", "s", names=("talk_s",),
         note="Its mean is the ALOC (ACD)."),
    Term("short", "Short calls (≤ 6 s)", "answered calls that lasted 6 seconds or less", "%", "short calls",
         "Carriers surcharge or block traffic with too many of them; 10 to 15 % is a usual limit. Calls of 0 s count.",
         "carriers' rules (Telnyx: 6 s, 15 %)"),
    Term("mos", "MOS (E-model estimate)", "mean opinion score from 1 to 4.5, computed from packet loss", "MOS",
         "MOS (E-model)", "ITU-T G.107 for G.711 with packet loss concealment. Delay, echo and codec are not in the"
         " data and are taken as perfect: real calls are at best this good.", "ITU-T G.107, G.113", ("mos_emodel",)),
    Term("mos_low", "MOS (E-model, no concealment)", "the same without packet loss concealment", "MOS",
         "MOS (no concealment)", "The lower end of the estimate.", "ITU-T G.107, G.113", ("mos_emodel_low",)),
    Term("mos_reported", "MOS (reported by the API)", "the score that the platform sent with the hangup", "MOS",
         "reported MOS", "4.5 is also the start value of a leg without packets. Where the score is only FreeSWITCH's"
         " curve of flawed packets it decides no verdict.", "Vonage; FreeSWITCH", ("mos_score", "mos_independent")),
    Term("loss", "Packet loss", "RTP packets that did not arrive, as a share of those expected", "%", "packet loss",
         _PACKETS, "RFC 3550; the API's packet_loss_perc", ("loss_pct",)),
    Term("jitter", "Jitter (max SD)", "how unevenly packets arrive: the largest standard deviation of their"
         " inter-arrival times on a leg", "ms", "max jitter (SD)", "The API reports a variance of packet inter-arrival"
         " times (jitter_max_var, ms²); this is its square root. It is not the interarrival jitter of RFC 3550, which"
         " is a smoothed mean, and usually lower.", "FreeSWITCH's RTP statistics", ("jitter_sd_max_ms",)),
    Term("jitter_min", "Jitter (min SD)", "the smallest standard deviation of the packets' inter-arrival times on a"
         " leg", "ms", "min jitter (SD)", "The square root of the API's jitter_min_var (ms²).",
         "FreeSWITCH's RTP statistics", ("jitter_sd_min_ms",)),
    Term("poor", "Poor audio", "measured legs whose audio is beyond a limit of the profile", "%", "poor audio",
         "Legs, not calls: a call is as poor as its worst leg. Legs with too few packets to judge are not in the"
         " denominator.", "profiles; Microsoft Teams CQD (poor streams)"),
    Term("fair", "Fair audio", "measured legs within the limits for poor, but not for good", "%", "fair audio",
         source="profiles"),
    Term("good", "Good audio", "measured legs within all limits of the profile", "%", "good audio",
         source="profiles"),
    Term("unmeasured", "Unmeasured legs", "legs with too few packets, or too little known of them, to judge their"
         " audio", "%", "unmeasured", "Never counted as good."),
    Term("measured", "Measured legs", "answered legs with enough packets to judge their audio", "%", "measured legs",
         "A rise means that more is known, not that calls got better."),
    Term("silent", "One-way or no audio", "legs of 5 s or more without audio in at least one direction", "%",
         "one-way or no audio", "Less than 1 kbit/s. Silence that mute, earmuff, a websocket or being alone explains"
         " is left out.", "this package", ("silent_directions",)),
    Term("no_in", "No audio from the far end", "legs of 5 s or more that sent the platform no audio", "%",
         "no audio from the far end", "Less than 1 kbit/s received."),
    Term("no_out", "No audio to the far end", "legs of 5 s or more to which the platform sent no audio", "%",
         "no audio to the far end", "Less than 1 kbit/s sent."),
    Term("ghost", "No media", "legs of 5 s or more without audio in either direction", "%", "no media"),
    Term("erlang", "Traffic (erlangs)", "the average number of calls in progress over an hour", "erlang",
         "traffic", "One erlang is one line in use for the whole hour.", "ITU-T E.600"),
    Term("cps", "Calls per second (CPS)", "call attempts that start within one second", "1/s", "calls per second"),
    Term("concurrency", "Concurrent calls", "calls in progress at the same time", "", "concurrent calls"),
    Term("fas", "False answer supervision (FAS)", "calls charged as answered although the called party never answered",
         "%", "false answer supervision", "Shows as a high ASR with very short or silent calls.", "carriers' term",
         ("false_answer",)),
    Term("bad_number", "Invalid numbers", "calls to numbers that do not exist or are incomplete (404, 410, 484)", "%",
         "invalid numbers"),
    Term("not_good", "Poor or fair audio", "measured legs beyond a limit for good", "%", "poor or fair audio"),
    Term("cliff", "Timer cliffs", "calls that all end at the same length, as if a timer cut them off", "%",
         "timer cliffs", "Such as 32 s (no ACK, RFC 3261), 30 min (session timer, RFC 4028) or a maximum of the"
         " application.", "RFC 3261, RFC 4028"),
    Term("constant_score", "Constant MOS", "legs that keep the start value of the MOS, whatever their audio was like",
         "%", "constant MOS", "Seen with clients that do not count packets."),
    Term("premium", "Premium-rate fraud", "long or expensive calls to a destination that is hardly called otherwise",
         "%", "premium-rate fraud", source="GSMA, CFCA (international revenue share fraud)"),
    Term("redials", "Redial storms", "attempts that repeat one to the same number within ten minutes", "%",
         "redials"),
    Term("no_calls", "Missing calls", "own numbers that are no longer called while others are", "",
         "missing calls"),
    Term("ci", "95 % confidence interval", "the range that the rate may lie in, given the number of cases", "%",
         "95 % interval", "Wilson's score interval; of differences Newcombe's.", "Wilson 1927, Newcombe 1998",
         ("lo", "hi")),
)  # fmt: skip

_BY_NAME: Mapping[str, Term] = {name: each for each in TERMS for name in (each.name, *each.names)}


def term(name: str) -> Term:
    """The term of that name.

    Parameters
    ----------
    name
        Name of a term, or of a column, rate, case or key figure that a term explains.

    Raises
    ------
    KeyError
        If there is no such term; `is_term` checks for one.

    Examples
    --------
    >>> term("asr").title, term("jitter_sd_max_ms").title, term("loss").unit
    ('Answer-seizure ratio (ASR)', 'Jitter (max SD)', '%')
    """
    return _BY_NAME[name]


def is_term(name: str) -> bool:
    """Whether a term has that name.

    >>> is_term("ner"), is_term("nerd")
    (True, False)
    """
    return name in _BY_NAME


def as_help(names: Iterable[str] | Mapping[str, str], width: int = 100) -> str:
    """Names with their titles and plain words, one below the other: for ``--help``.

    Parameters
    ----------
    names
        Names to explain; a mapping has the name of the term for each.
    width
        The longest line.

    Examples
    --------
    >>> print(as_help({"loss": "loss", "effective": "ner"}))
      loss       Packet loss [%]: RTP packets that did not arrive, as a share of those expected
      effective  Network effectiveness ratio (NER) [%]: attempts that the network delivered, whatever
                 the called party did with them
    """
    terms = names if isinstance(names, Mapping) else {name: name for name in names}
    wide = max(map(len, terms), default=0)
    lines: list[str] = []
    for name, of in terms.items():
        each = term(of)
        unit = f" [{each.unit}]" if each.unit and each.unit not in each.title.split() else ""
        first, rest = f"  {name:<{wide}}  ", " " * (wide + 4)
        lines += textwrap.wrap(f"{each.title}{unit}: {each.words}", width, initial_indent=first, subsequent_indent=rest)
    return "\n".join(lines)


def as_markdown(terms: Iterable[Term] = TERMS) -> str:
    """The glossary as a table, for the documentation.

    >>> as_markdown([term("seizure")]).splitlines()[-1][:44]
    '| Seizure | `seizure` | a call attempt that '
    """
    lines = ["| term | in code | what it is | unit | note | source |", "|---|---|---|---|---|---|"]
    for each in terms:
        names = ", ".join(f"`{name}`" for name in (each.name, *each.names))
        cells = (each.title, names, each.words, each.unit, each.note, each.source)
        lines.append(f"| {' | '.join(cells)} |".replace("|  |", "| |"))
    return "\n".join(lines) + "\n"


__all__ = ["TERMS", "Term", "as_help", "as_markdown", "is_term", "term"]
