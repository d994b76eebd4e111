"""SIP codes and reason words as outcomes of a call, with the party that must act and the advice.

SIP codes are those of RFC 3261 and its extensions (607: RFC 8197, 608: RFC 8688), Q.850 causes those of the table in
RFC 3398, section 8.2.6.1: it maps 487 to no cause, and leaves 488 and 606 to the Warning header. The SIP meaning of the
platform's words is inferred from their names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import narwhals as nw
import pandas as pd

from conv_analytics.analysis.engine.expressions import CaseWhen
from conv_analytics.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Code:
    """The meaning of one SIP code.

    Attributes
    ----------
    sip_code
        The code.
    outcome, outcome_class
        The outcome of the call, and the class that says whose doing it was.
    q850
        The cause in ISDN networks, or None where RFC 3398 names none.
    owner
        Who must act: ``caller``, ``callee``, ``you`` (numbers, account, application), ``carrier`` or ``nobody``.
    meaning, advice
        In plain words.
    """

    sip_code: int
    outcome: str
    outcome_class: str
    q850: int | None
    owner: str
    meaning: str
    advice: str


#: Outcome -> class: whose doing it was.
CLASSES: Mapping[str, str] = {
    "answered": "success",
    "busy": "user",
    "no_answer": "user",
    "declined": "user",
    "cancelled": "caller",
    "bad_number": "number",
    "blocked": "policy",
    "network_failure": "network",
    "redirected": "redirect",
    "signalling_failure": "signalling",
    "failed": "platform",
    "unknown": "unknown",
}

_OWNERS: Mapping[str, tuple[str, str]] = {
    "answered": ("nobody", "Nothing to do."),
    "busy": ("callee", "Call again later, or offer voicemail or a message."),
    "no_answer": ("callee", "Call again at another time of day, or let it ring longer."),
    "declined": ("callee", "Do not call again at once; check how your number is shown, it may be marked as spam."),
    "cancelled": ("caller", "Look at the time to answer: callers give up when it rings too long."),
    "bad_number": ("you", "Remove the number from the list, or correct its format (E.164)."),
    "blocked": ("you", "Check the account's balance, its permissions for the country, and the caller's number."),
    "network_failure": ("carrier", "Try again; if it persists, send the time, the number and the code to the carrier."),
    "redirected": ("carrier", "Ask the carrier where the call was sent; the platform does not follow."),
    "signalling_failure": (
        "you",
        "Compare codecs and SIP settings of both sides: one did not accept what the other sent.",
    ),
    "failed": ("you", "Check the call flow and the events of the leg: nothing is known but that it failed."),
    "unknown": ("you", "Look at the events of the leg: they have no code and no reason."),
}

# code, Q.850 cause or 0, outcome, meaning
_CODES = """\
200 16 answered|answered, and ended normally
300 0 redirected|the network offers several other destinations
301 0 redirected|the number has moved for good
302 0 redirected|the call was forwarded elsewhere
305 0 redirected|the call must go through a proxy
380 0 redirected|another service is offered instead
400 41 signalling_failure|the request was malformed
401 21 blocked|the far end asks for credentials
402 21 blocked|payment is required
403 21 blocked|the call is not allowed
404 1 bad_number|the number does not exist
405 63 signalling_failure|the method is not allowed
406 79 signalling_failure|what was offered is not accepted
407 21 blocked|a proxy asks for credentials
408 102 no_answer|no answer in time, from the phone or from the network
410 22 bad_number|the number is no longer in use
413 127 signalling_failure|the request was too large
414 127 signalling_failure|the address was too long
415 79 signalling_failure|the codec or the format is not supported
416 127 signalling_failure|the kind of address is not supported
420 127 bad_number|the extension is not understood
421 127 signalling_failure|an extension is required
423 127 signalling_failure|the interval is too brief
480 18 no_answer|nobody answered, or the phone is off
481 41 signalling_failure|the call does not exist any more
482 25 network_failure|a routing loop
483 25 network_failure|too many hops
484 28 bad_number|the number is incomplete
485 1 bad_number|the number is ambiguous
486 17 busy|busy
487 0 cancelled|the caller gave up before an answer
488 0 signalling_failure|no codec or format in common
491 0 signalling_failure|two requests crossed
493 0 signalling_failure|the body could not be decrypted
500 41 network_failure|an internal server error
501 79 network_failure|a server does not support the call
502 38 network_failure|a gateway got an invalid response
503 41 network_failure|a service is overloaded or out of service
504 102 network_failure|a server did not answer in time
505 127 network_failure|the SIP version is not supported
513 127 network_failure|the message was too large
600 17 busy|busy everywhere
603 21 declined|the called party declined
604 1 bad_number|the number does not exist anywhere
606 0 signalling_failure|no codec or format in common anywhere
607 0 declined|the called party blocks calls from this number
608 0 blocked|a call screening service refused the call
"""


def _code(line: str) -> Code:
    numbers, meaning = line.split("|")
    code, cause, outcome = numbers.split()
    owner, advice = _OWNERS[outcome]
    return Code(int(code), outcome, CLASSES[outcome], int(cause) or None, owner, meaning, advice)


#: Every known SIP code.
CODES: Mapping[int, Code] = {code.sip_code: code for code in map(_code, _CODES.splitlines())}

#: Reason word of a leg's state, status of a leg, and reason code of a hangup -> SIP code it stands for.
WORDS: Mapping[str, int] = {
    "ok": 200,
    "busy": 486,
    "busy_here": 486,
    "temporarily_unavailable": 480,
    "timeout": 480,
    "unanswered": 480,
    "request_timeout": 408,
    "cancelled": 487,
    "request_terminated": 487,
    "rejected": 603,
    "not_found": 404,
    "gone": 410,
    "address_incomplete": 484,
    "bad_extension": 420,
    "forbidden": 403,
    "payment_required": 402,
    "banned_call_ended": 403,
    "server_internal_error": 500,
    "not_implemented": 501,
    "bad_gateway": 502,
    "service_unavailable": 503,
    "server_timeout": 504,
    "version_not_supported": 505,
    # Details of Voice events.
    "unavailable": 480,
    "carrier_timeout": 480,
    "invalid_number": 404,
    "number_out_of_service": 410,
    "restricted": 403,
    "declined": 603,
    "cannot_route": 502,
    # Codes of hangups.
    "REMOTE_BUSY": 486,
    "REMOTE_NO_ANSWER": 480,
    "RING_TIMER": 480,
    "REMOTE_REJECTED": 603,
    "REMOTE_NOT_FOUND": 404,
    "REMOTE_FAILURE": 503,
    "LOCAL_CANCEL": 487,
    "REMOTE_CANCEL": 487,
}
#: Refusals by the platform itself, before anything was sent: the account, a ban, the call flow.
NOT_SENT_WORDS = ("payment_required", "banned_call_ended", "flow_failed")
#: Words of a last status, of its reason and of a hangup that say that nobody answered.
NOT_ANSWERED_WORDS = (
    "busy", "timeout", "cancelled", "rejected", "unanswered", "failed", "LOCAL_CANCEL", "REMOTE_CANCEL", "REMOTE_BUSY",
    "REMOTE_NO_ANSWER", "REMOTE_REJECTED", "REMOTE_NOT_FOUND", "RING_TIMER", "busy_here", "request_terminated",
    "temporarily_unavailable", "not_found", "gone", "address_incomplete", "forbidden", "payment_required",
)  # fmt: skip
#: Outcomes after which an answer might still have come, had the caller or the timer waited longer.
GIVEN_UP = ("no_answer", "cancelled", "unknown")
#: Words that only say that the call failed.
FAILED_WORDS = ("failed", "flow_failed", "internal_error")


def explain(code: int | str, *, override: Mapping[int, int] | None = None) -> Code:
    """The meaning of a SIP code or a reason word, who must act, and what to do.

    Parameters
    ----------
    code
        A SIP code (486), or a word: ``reason`` of a leg or record, ``reason_code`` of a hangup.
    override
        SIP code to Q.850 cause where your equipment differs from RFC 3398, as some vendors do.

    Raises
    ------
    ConfigError
        If it is not a final SIP code or a known word.

    Examples
    --------
    >>> explain(486).outcome, explain("busy_here").q850
    ('busy', 17)
    >>> explain(486).advice
    'Call again later, or offer voicemail or a message.'
    >>> explain(400, override={400: 31}).q850
    31
    """
    if isinstance(code, str) and not code.isdigit():
        if code in FAILED_WORDS:
            return Code(0, "failed", CLASSES["failed"], None, *_OWNERS["failed"][:1], "it failed", _OWNERS["failed"][1])
        if code not in WORDS:
            known = ", ".join((*WORDS, *FAILED_WORDS))
            raise ConfigError(f"{code!r} is not a known reason. Known are SIP codes and: {known}.")
        code = WORDS[code]
    code = int(code)
    entry = CODES.get(code) or _unlisted(code)
    if override and code in override:
        values = {field.name: getattr(entry, field.name) for field in fields(entry)}
        return Code(**{**values, "q850": override[code]})
    return entry


def _unlisted(code: int) -> Code:
    first = code // 100
    outcomes = {2: "answered", 3: "redirected", 4: "signalling_failure", 5: "network_failure", 6: "signalling_failure"}
    if first not in outcomes:
        raise ConfigError(f"{code} is not a final SIP code: these go from 200 to 699.")
    outcome = outcomes[first]
    owner, advice = _OWNERS[outcome]
    return Code(code, outcome, CLASSES[outcome], None, owner, f"a code of class {first}xx that is not listed", advice)


def sip_codes(override: Mapping[int, int] | None = None) -> pd.DataFrame:
    """Every known SIP code, as a table.

    Parameters
    ----------
    override
        SIP code to Q.850 cause where your equipment differs from RFC 3398.

    Returns
    -------
    pandas.DataFrame
        One row per code: ``sip_code``, ``outcome``, ``outcome_class``, ``q850``, ``owner``, ``meaning``, ``advice``.

    Examples
    --------
    >>> sip_codes().set_index("sip_code").loc[503, ["outcome", "owner"]].to_list()
    ['network_failure', 'carrier']
    """
    rows = [explain(code, override=override) for code in CODES]
    names = [field.name for field in fields(Code)]
    table = pd.DataFrame([[getattr(row, name) for name in names] for row in rows], columns=names)
    return table.astype({"sip_code": "Int64", "q850": "Int64"})


def word_expr(words: tuple[str, ...]) -> nw.Expr:
    """The first word with an outcome among some columns, else the first one that indicates a failure."""
    known = [word for listed in _words_by_outcome().values() for word in listed]
    return nw.coalesce(*(
        nw.when(nw.col(name).is_in(these)).then(nw.col(name)) for these in (known, FAILED_WORDS) for name in words
    ))  # fmt: skip


def outcome_of(*, answered: nw.Expr, rang: nw.Expr, code: nw.Expr, word: nw.Expr) -> CaseWhen:
    """The outcome of a leg.

    An answered leg is a success, whatever its code. Otherwise the SIP code decides, then the word of
    `word_expr`. 408 means that the phone did not answer if it rang, else that the network did not.
    """
    by_outcome: dict[str, list[int]] = {}
    for known in CODES.values():
        if known.sip_code not in {200, 408}:
            by_outcome.setdefault(known.outcome, []).append(known.sip_code)
    branches = [(answered, "answered"), ((code == 408) & rang, "no_answer"), (code == 408, "network_failure")]  # noqa: PLR2004
    branches += [(code.is_in(codes), outcome) for outcome, codes in by_outcome.items()]
    branches += [
        (code.is_between(low, high), outcome)
        for low, high, outcome in (
            (300, 399, "redirected"), (400, 499, "signalling_failure"), (500, 599, "network_failure"),
            (600, 699, "signalling_failure"),
        )
    ]  # fmt: skip
    branches += [(word.is_in(listed), outcome) for outcome, listed in _words_by_outcome().items()]
    return CaseWhen([*branches, (word.is_in(FAILED_WORDS), "failed")], "unknown")


def class_of(outcome: nw.Expr) -> CaseWhen:
    """The class of an outcome."""
    by_class: dict[str, list[str]] = {}
    for name, owner in CLASSES.items():
        by_class.setdefault(owner, []).append(name)
    return CaseWhen([(outcome.is_in(names), owner) for owner, names in by_class.items()], "unknown")


def _words_by_outcome() -> dict[str, list[str]]:
    words: dict[str, list[str]] = {}
    for word, code in WORDS.items():
        outcome = {"ok": "answered", "request_timeout": "network_failure"}.get(word, CODES[code].outcome)
        if outcome != "answered":
            words.setdefault(outcome, []).append(word)
    return words


__all__ = [
    "CLASSES",
    "CODES",
    "GIVEN_UP",
    "NOT_ANSWERED_WORDS",
    "NOT_SENT_WORDS",
    "WORDS",
    "Code",
    "explain",
    "sip_codes",
]
