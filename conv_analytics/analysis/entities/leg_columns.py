"""How each column of legs is computed from the extracts of the tables; instants are microseconds here (M7, M9)."""

from __future__ import annotations

from collections.abc import Collection

import narwhals as nw

from conv_analytics.analysis.engine.columns import LEG_FLAGS
from conv_analytics.analysis.engine.computed_columns import Computed, first_of
from conv_analytics.analysis.engine.expressions import CaseWhen, JoinedNames, is_true, seconds_between
from conv_analytics.analysis.entities.leg_tables import MEASURED
from conv_analytics.analysis.entities.parties import kind_of, plain_expr
from conv_analytics.analysis.entities.sip import NOT_ANSWERED_WORDS, class_of, outcome_of, word_expr

#: Limit between the ends of a billing record and of the events; more is odd. [s]
CLOCK_S = 5
_REASON_CODES: dict[str, tuple[str, ...]] = {
    "this_leg": (
        "REMOTE_HANGUP", "REMOTE_CANCEL", "REMOTE_REJECTED", "REMOTE_BUSY", "REMOTE_NO_ANSWER",
    ),
    "other": ("LOCAL_HANGUP", "LOCAL_CANCEL"),
    "network": ("REMOTE_NOT_FOUND", "REMOTE_FAILURE"),
    "platform": ("LENGTH_TIMER", "RING_TIMER"),
}  # fmt: skip
#: Columns whose words may say that no one answered.
_LAST_WORDS = ("s_last", "s_reason", "r_status", "r_reason", "h_reason_code")
_STEPS = ("known_start", "ringing_at", "answered_at", "ended_at")
_col = nw.col


def _text(condition: nw.Expr, text: str) -> nw.Expr:
    return nw.when(condition).then(nw.lit(text))


def _seconds(later: str, earlier: str) -> Computed:
    return Computed((later, earlier), seconds_between(earlier, later))


def _of_parts(name: str, parts: str) -> Computed:
    return first_of(*(f"{part}_{name}" for part in parts))


def _record_off() -> nw.Expr:
    """Whether the record ends too far from the events to share their clock, or their leg."""
    off = _col("r_ended_at") - nw.coalesce("s_ended", "h_at")
    far = CLOCK_S * 1_000_000
    return is_true((off > far) | (off < -far))


#: Inputs of `_record_off`.
_ENDS_OF_RECORD = ("r_ended_at", "s_ended", "h_at")


def _instants() -> dict[str, Computed]:
    # In some events a record without a duration has a start nevertheless: the leg was not answered then.
    billed = nw.when((_col("r_duration_s") > 0) & ~_record_off()).then(_col("r_started_at"))
    requested = nw.when(~_record_off()).then(_col("r_requested_at"))
    first = nw.when(_col("c_first").is_null() | (_col("s_first") <= _col("c_first"))).then(_col("s_first"))
    return {
        # No delay is computed between two clocks.
        "known_start": Computed(("s_started", "r_requested_at", *_ENDS_OF_RECORD), nw.coalesce("s_started", requested)),
        "ringing_at": first_of("s_ringing", "c_ringing"),
        "answered_at": Computed(
            ("s_answered", "c_answered", "s_detected", "r_duration_s", "r_started_at", *_ENDS_OF_RECORD),
            nw.coalesce("s_answered", "c_answered", "s_detected", billed),
        ),
        "ended_at": first_of("s_ended", "h_at", "r_ended_at"),
        "hung_up_at": first_of("h_at"),
        "started_at": Computed(
            ("known_start", "s_first", "c_first", "answered_at", "ended_at"),
            nw.coalesce("known_start", first, "c_first", "answered_at", "ended_at"),
        ),
        "open": Computed(("ended_at",), _col("ended_at").is_null()),
        "first_sign": first_of("ringing_at", "answered_at"),
        "pdd_s": _seconds("first_sign", "known_start"),
        "rang_until": Computed(
            ("answered", "answered_at", "ended_at"),
            nw.coalesce("answered_at", nw.when(~_col("answered")).then(_col("ended_at"))),
        ),
        "ring_s": _seconds("rang_until", "ringing_at"),
        "setup_s": _seconds("answered_at", "known_start"),
        "talk_s": _seconds("ended_at", "answered_at"),
        # A negative duration is an error of the record.
        "billed_s": Computed(
            ("r_duration_s",), nw.when(_col("r_duration_s") >= 0).then(_col("r_duration_s").cast(nw.Float64))
        ),
    }


def _ends() -> dict[str, Computed]:
    app, other = _col("channel_type") == "app", ~_col("channel_type").is_null()
    users = [nw.when(_col(f"{p}_from_member_id") == _col("member_id")).then(_col(f"{p}_from_user_id")) for p in "hcr"]
    members = tuple(f"{part}_{name}" for part in "hcr" for name in ("from_member_id", "from_user_id"))
    outbound, inbound = _col("direction") == "outbound", _col("direction") == "inbound"
    computed = {
        "direction": _of_parts("direction", "schr"),
        "channel_type": _of_parts("channel_type", "schr"),
        "member_id": first_of("s_member_id", "h_from_member_id", "c_from_member_id", "r_from_member_id"),
        "user_id": Computed(("member_id", *members), nw.coalesce(*users)),
        "technology": Computed(
            ("channel_type", "c_technology", "h_technology", "r_technology"),
            nw.coalesce("c_technology", "h_technology", "r_technology", _text(app, "rtc"), _text(other, "sip")),
        ),
        "network_code": first_of("r_network_code"),
    }
    for end in ("from", "to"):
        address, kind = f"{end}_address", f"{end}_type"
        computed |= {
            address: _of_parts(address, "chr"),
            kind: _of_parts(kind, "chr"),
            f"{end}_plain": Computed((address,), plain_expr(address)),
            f"{end}_end": Computed((kind,), plain_expr(kind)),
            f"{end}_found": Computed((f"{end}_plain", f"{end}_end"), kind_of(_col(f"{end}_plain"), _col(f"{end}_end"))),
            f"{end}_kind": Computed(
                (address, kind, f"{end}_found"),
                nw.when(~_col(address).is_null() | ~_col(kind).is_null()).then(_col(f"{end}_found")),
            ),
        }
    for what in ("address", "kind"):
        needs = ("direction", f"to_{what}", f"from_{what}")
        value = nw.when(outbound).then(_col(f"to_{what}")).otherwise(nw.when(inbound).then(_col(f"from_{what}")))
        computed[f"remote_{what}"] = Computed(needs, value)
    return computed


def _outcome() -> dict[str, Computed]:
    # A CANCEL is answered with 200, too: that does not outweigh a reason that says that nobody answered.
    fine = is_true((_col("h_sip_code") == 200) | (_col("s_reason") == "ok") | (_col("r_reason") == "ok"))  # noqa: PLR2004
    denied = nw.any_horizontal(
        *(is_true(_col(name).is_in(NOT_ANSWERED_WORDS)) for name in _LAST_WORDS), ignore_nulls=True
    )
    rang, up = (~_col(name).is_null() for name in ("ringing_at", "answered_at"))
    ended = ~_col("h_at").is_null() | ~_col("r_ended_at").is_null()
    return {
        "answered": Computed(
            ("answered_at", "ends_well", "denied", "r_duration_s"),
            up | (_col("ends_well") & ~_col("denied")) | is_true(_col("r_duration_s") > 0),
        ),
        "ends_well": Computed(("h_sip_code", "s_reason", "r_reason"), fine),
        "denied": Computed(_LAST_WORDS, denied),
        "reason": first_of("s_reason", "r_reason"),
        "sip_code": first_of("h_sip_code"),
        "reason_code": first_of("h_reason_code"),
        # A last status has an instant: without one, only a hangup or a record can show an end.
        "status": Computed(
            ("s_last", "r_status", "h_at", "r_ended_at", "answered_at", "ringing_at", "s_other"),
            nw.coalesce(
                "s_last", nw.when(ended).then(_col("r_status")), _text(ended, "completed"), _text(up, "answered"),
                _text(rang, "ringing"), "s_other", nw.lit("started"),
            ),
        ),
        "outcome_word": Computed(("reason", "status", "reason_code"), word_expr(("reason", "status", "reason_code"))),
        "outcome": Computed(
            ("answered", "ringing_at", "sip_code", "outcome_word"),
            outcome_of(answered=_col("answered"), rang=rang, code=_col("sip_code"), word=_col("outcome_word")),
        ),
        "outcome_class": Computed(("outcome",), class_of(_col("outcome"))),
        "hung_up_by": Computed(
            ("reason_code", "answered", "outcome_class"),
            CaseWhen(
                [*((_col("reason_code").is_in(codes), who) for who, codes in _REASON_CODES.items()),
                 (~_col("answered") & _col("outcome_class").is_in(["number", "network"]), "network")],
                "unknown",
            ),
        ),
        "machine": first_of("c_machine_type", "s_machine"),
        "hangup_event_id": first_of("h_event_id"),
        **{name: first_of(f"h_{name}") for name in MEASURED},
        **{name: first_of(f"r_{name}") for name in ("price", "rate", "currency")},
    }  # fmt: skip


def flags(tables: Collection[str]) -> Computed:
    """The column of flags; a missing event is flagged only if its table exists."""
    pairs = [(early, late) for place, early in enumerate(_STEPS) for late in _STEPS[place + 1 :]]
    # An end before the answer has its own flag.
    disorder = [
        is_true(_col(late) < _col(early)) for early, late in pairs if (early, late) != ("answered_at", "ended_at")
    ]
    unnamed = tuple(f"{part}_unnamed" for part in "schr")
    conditions = {
        "no_leg_id": (unnamed, ~nw.coalesce(*unnamed).is_null()),
        "no_start": (("known_start",), _col("known_start").is_null()),
        "no_hangup": (("h_events",), _col("h_events").is_null()),
        "no_record": (("r_events",), _col("r_events").is_null()),
        "no_status": (("s_events",), _col("s_events").is_null()),
        "duplicate_hangup": (("h_events",), is_true(_col("h_events") > 1)),
        "duplicate_record": (("r_events",), is_true(_col("r_events") > 1)),
        "out_of_order": (_STEPS, nw.any_horizontal(*disorder, ignore_nulls=True)),
        "hangup_before_answer": (("ended_at", "answered_at"), is_true(_col("ended_at") < _col("answered_at"))),
        "answer_imputed": (("answered", "answered_at"), _col("answered") & _col("answered_at").is_null()),
        "conflicting": (
            ("answered_at", "answered", "ends_well", "denied"),
            _col("answered_at").is_null() & ~_col("answered") & _col("ends_well") & _col("denied"),
        ),
        "clock": (_ENDS_OF_RECORD, _record_off()),
    }
    missing = {"no_hangup": "hangups", "no_record": "call_records", "no_status": "leg_statuses"}
    applicable = [name for name in LEG_FLAGS if missing.get(name, "") in {"", *tables}]
    needs = dict.fromkeys(need for name in applicable for need in conditions[name][0])
    return Computed(tuple(needs), JoinedNames({name: conditions[name][1] for name in applicable}))


#: Every column of legs except flags and those that are joined: countries and transfers.
COLUMNS: dict[str, Computed] = {**_instants(), **_ends(), **_outcome()}

_numbered = _col("remote_kind").is_in(["e164", "masked"])
#: Columns by which countries are looked up: numbers and networks.
COUNTRY_KEYS: dict[str, Computed] = {
    "address": Computed(("remote_kind", "remote_address"), nw.when(_numbered).then(_col("remote_address"))),
    "network": Computed(
        ("remote_kind", "network_code"),
        nw.when(_numbered | _col("remote_kind").is_in(["anonymous", "other"])).then(_col("network_code")),
    ),
}
_by_network = _col("of_address").is_null() & ~_col("of_network").is_null()
COUNTRY: dict[str, Computed] = {
    "country": first_of("of_address", "of_network"),
    "country_source": Computed(
        ("of_address", "of_network", "address_source"),
        nw.when(_by_network).then(nw.lit("network")).otherwise(nw.coalesce("address_source", nw.lit("none"))),
    ),
}
TRANSFERRED = Computed(
    ("c_transferred", "replaced", "in_several"),
    ~_col("c_transferred").is_null() | ~_col("replaced").is_null() | ~_col("in_several").is_null(),
)

__all__ = ["CLOCK_S", "COLUMNS", "COUNTRY", "COUNTRY_KEYS", "TRANSFERRED", "flags"]
