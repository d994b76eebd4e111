"""Legs: one row per leg of every call, from whatever tables there are (M7, M9)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import narwhals as nw

from conv_analytics.analysis import leg_parts as parts
from conv_analytics.analysis.columns import LEGS
from conv_analytics.analysis.frames import Source
from conv_analytics.analysis.parties import countries, kind_expr
from conv_analytics.analysis.sip import chain, class_expr, outcome_expr
from conv_analytics.errors import TableNotFound

Rows = nw.LazyFrame[Any]

#: Tables that tell of legs; one of them is enough.
TABLES = ("leg_statuses", "call_events", "hangups", "call_records")
#: A record that ends this far from the events is odd. [s]
CLOCK_S = 5
_MARKS: dict[str, tuple[str, ...]] = {
    "this_leg": (
        "REMOTE_HANGUP", "REMOTE_CANCEL", "REMOTE_REJECTED", "REMOTE_BUSY", "REMOTE_NO_ANSWER",
    ),
    "other": ("LOCAL_HANGUP", "LOCAL_CANCEL"),
    "platform": ("LENGTH_TIMER", "RING_TIMER", "REMOTE_NOT_FOUND", "REMOTE_FAILURE"),
}  # fmt: skip


def legs(data: Any) -> Any:
    """One row per leg: its ends, instants, delays, outcome, quality as reported, price, and what is odd.

    Parameters
    ----------
    data
        A `Dataset`, `Frames`, or a mapping of table name to frame with at least one of ``leg_statuses``,
        ``call_events``, ``hangups`` and ``call_records``. A frame of legs stays as it is.

    Returns
    -------
    pandas.DataFrame or the caller's kind
        Key ``conversation_id, leg_id``; the columns are those of `conv_analytics.analysis.columns.LEGS`, described
        in the reference. pandas is sorted by the key.

    Raises
    ------
    TableNotFound
        If no table tells of legs.
    ConfigError
        If a column holds what it cannot, such as instants without a time zone.

    Notes
    -----
    Instants come from the leg's statuses, else from its call events, else its hangup, else its billing record, whose
    instants are whole seconds. ``started_at`` is the first event where neither a status nor a record tells the start;
    delays are null then. Durations that would be negative are null, and the leg is flagged. Events without a leg are
    matched by their member within the conversation; those that cannot be stand as legs of their own, flagged.

    ``answered`` is true for a leg whose answer is missing but whose end says that there was one (SIP code 200, reason
    ``ok``, a billed duration); its ``talk_s`` is null. ``hung_up_by`` reads the hangup's reason as seen from the
    platform: REMOTE is the leg's far end, LOCAL the platform, on behalf of the other party (inferred). Of several
    hangups the first counts, of several records the last.

    Examples
    --------
    >>> from conv_analytics import Conversations, export
    >>> from conv_analytics.sandbox import Sandbox
    >>> with Sandbox(conversations=20) as sandbox:
    ...     client = Conversations(sandbox.application_id, sandbox.private_key, base_url=sandbox.base_url)
    ...     frames = export(client, rate=0)
    >>> all_legs = legs(frames)
    >>> len(all_legs) == frames["leg_statuses"]["leg_id"].nunique()
    True
    >>> bool((all_legs["talk_s"].notna() == (all_legs["answered"] & ~all_legs["open"])).all())
    True
    """
    source = Source.of(data)
    return source.give(leg_rows(source), LEGS, by=parts.KEY)


def leg_rows(source: Source) -> Rows:
    """The legs as a lazy frame, for further questions; with ``hung_up_at``, the instant of the hangup."""
    if source.single:
        given = source.frame(LEGS, needed=parts.KEY, maker="legs()")
        return given.with_columns(nw.col("ended_at").alias("hung_up_at"))
    rows = parts.rows_of(source)
    if not rows:
        raise TableNotFound(" or ".join(TABLES), source.tables, where="the data")
    made = []
    if "leg_statuses" in rows:
        made.append(parts.statuses(rows["leg_statuses"]))
    if "call_events" in rows:
        made.append(parts.call_events(rows["call_events"]))
    if "hangups" in rows:
        made.append(parts.hangups(source, rows["hangups"]))
    if "call_records" in rows:
        made.append(parts.call_records(source, rows["call_records"]))
    joined = source.with_nulls(parts.outer(made), _PARTS)
    joined = _parties(source, _instants(joined), rows)
    if "call_events" in rows:
        joined = joined.join(parts.replaced(rows["call_events"]), on=["conversation_id", "member_id"], how="left")
    joined = source.with_nulls(joined, {"replaced": int})
    return _flagged(_outcome(joined), rows)


#: The columns of all parts: null where their table is missing.
_AT, _TEXT, _INT, _FLOAT, _FLAG = datetime, str, int, float, bool
_PARTS: dict[str, Any] = {
    **dict.fromkeys(("s_first", "s_started", "s_ringing", "s_answered", "s_detected", "s_ended"), _AT),
    **dict.fromkeys(("c_first", "c_ringing", "c_answered", "h_at"), _AT),
    **dict.fromkeys(("r_requested_at", "r_started_at", "r_ended_at"), _AT),
    **dict.fromkeys(("s_last", "s_other", "s_reason", "s_machine"), _TEXT),
    **dict.fromkeys(("s_direction", "s_channel_type", "s_member_id"), _TEXT),
    **dict.fromkeys(("c_machine_type", "h_reason_code", "r_status", "r_reason", "r_currency", "r_network_code"), _TEXT),
    **{
        f"{part}_{name}": _TEXT
        for part in "chr"
        for name in (
            "from_member_id", "from_user_id", "technology", "direction", "channel_type",
            "from_address", "from_type", "to_address", "to_type",
        )
    },
    **dict.fromkeys(("s_unnamed", "c_unnamed", "h_unnamed", "r_unnamed"), _FLAG),
    **dict.fromkeys(("c_moved", "h_event_id", "h_events", "r_events", "h_sip_code", "r_duration_s"), _INT),
    **dict.fromkeys((f"h_{name}" for name in ("flaw_total", "packet_cnt", "byte_in", "byte_out")), _INT),
    **dict.fromkeys((f"h_{name}" for name in parts.MEASURED[:6]), _FLOAT),
    **dict.fromkeys(("h_packet_loss_perc", "r_price", "r_rate"), _FLOAT),
}  # fmt: skip


def _seconds(later: str, earlier: str) -> nw.Expr:
    """The time between two instants; null when it would be negative."""
    span = (nw.col(later) - nw.col(earlier)).dt.total_microseconds()
    return nw.when(span >= 0).then(span.abs() / 1_000_000)


def _instants(rows: Rows) -> Rows:
    col = nw.col
    # A record without duration has a start all the same in some events: it was not answered then.
    billed = nw.when(col("r_duration_s") > 0).then(col("r_started_at"))
    rows = rows.with_columns(
        nw.coalesce("s_started", "r_requested_at").alias("known_start"),
        nw.coalesce("s_ringing", "c_ringing").alias("ringing_at"),
        nw.coalesce("s_answered", "c_answered", "s_detected", billed).alias("answered_at"),
        nw.coalesce("s_ended", "h_at", "r_ended_at").alias("ended_at"),
        nw.coalesce("s_direction", "c_direction", "h_direction", "r_direction").alias("direction"),
        nw.coalesce("s_member_id", "h_from_member_id", "c_from_member_id", "r_from_member_id").alias("member_id"),
    )
    first = nw.when(col("c_first").is_null() | (col("s_first") <= col("c_first"))).then(col("s_first"))
    return rows.with_columns(
        nw.coalesce("known_start", first, "c_first", "answered_at", "ended_at").alias("started_at"),
    ).with_columns(
        col("ended_at").is_null().alias("open"),
        col("known_start").is_null().alias("no_start"),
        nw.coalesce(
            nw.when(~col("ringing_at").is_null()).then(_seconds("ringing_at", "known_start")),
            nw.when(col("ringing_at").is_null()).then(_seconds("answered_at", "known_start")),
        ).alias("pdd_s"),
        _seconds("answered_at", "ringing_at").alias("ring_s"),
        _seconds("answered_at", "known_start").alias("setup_s"),
        _seconds("ended_at", "answered_at").alias("talk_s"),
        col("r_duration_s").cast(nw.Float64).alias("billed_s"),
    )


def _parties(source: Source, rows: Rows, tables: dict[str, Rows]) -> Rows:
    col = nw.col
    mine = [
        nw.when(col(f"{part}_from_member_id") == col("member_id")).then(col(f"{part}_from_user_id")) for part in "hcr"
    ]
    rows = rows.with_columns(
        nw.coalesce(*mine).alias("user_id"),
        nw.coalesce("s_channel_type", "c_channel_type", "h_channel_type", "r_channel_type").alias("channel_type"),
        *(nw.coalesce(*(f"{part}_{end}" for part in "chr")).alias(end)
          for end in ("technology", "from_address", "from_type", "to_address", "to_type")),
        col("r_network_code").alias("network_code"),
    )  # fmt: skip
    outbound = col("direction") == "outbound"
    inbound = col("direction") == "inbound"
    kinds = {end: kind_expr(col(f"{end}_address"), col(f"{end}_type")) for end in ("from", "to")}
    app = col("channel_type") == "app"
    rows = rows.with_columns(
        *(nw.when(~col(f"{end}_address").is_null() | ~col(f"{end}_type").is_null()).then(kind).alias(f"{end}_kind")
          for end, kind in kinds.items()),
        nw.coalesce(
            "technology", nw.when(app).then(nw.lit("rtc")), nw.when(~col("channel_type").is_null()).then(nw.lit("sip"))
        ).alias("technology"),
    ).with_columns(
        nw.when(outbound).then(col("to_address")).when(inbound).then(col("from_address")).alias("remote_address"),
        nw.when(outbound).then(col("to_kind")).when(inbound).then(col("from_kind")).alias("remote_kind"),
    )  # fmt: skip
    numbered = col("remote_kind").is_in(["e164", "masked"])
    known = source.lazy(_countries(source, tables), rows)
    nets = known.rename({"address": "network", "country_of_address": "country_of_network"}).drop("source_of_address")
    rows = rows.with_columns(
        nw.when(numbered).then(col("remote_address")).otherwise(nw.lit("")).alias("address"),
        nw.concat_str([nw.lit("network "), col("network_code").fill_null("")], separator="").alias("network"),
    )
    rows = rows.join(known, on="address", how="left").join(nets, on="network", how="left")
    phone = numbered | col("remote_kind").is_in(["anonymous", "other"])
    rows = rows.with_columns(nw.when(phone).then(col("country_of_network")).alias("country_of_network"))
    by_network = col("country_of_address").is_null() & ~col("country_of_network").is_null()
    return rows.with_columns(
        nw.coalesce("country_of_address", "country_of_network").alias("country"),
        nw.when(by_network).then(nw.lit("network")).otherwise(
            nw.coalesce("source_of_address", nw.lit("none"))
        ).alias("country_source"),
    )  # fmt: skip


def _countries(source: Source, tables: dict[str, Rows]) -> Any:
    """The countries of all numbers and networks that occur, each looked at once."""
    names = ("call_events", "hangups", "call_records")
    columns = [(tables[name], f"{end}_number") for name in names for end in ("from", "to") if name in tables]
    if "call_records" in tables:
        columns += [(tables["call_records"], end) for end in ("from", "to")]
    found = source.distinct(columns)
    networks = source.distinct([(tables["call_records"], "network_code")]) if "call_records" in tables else []
    return countries(found, networks)


def _outcome(rows: Rows) -> Rows:
    col = nw.col
    fine = (col("h_sip_code") == 200) | (col("s_reason") == "ok") | (col("r_reason") == "ok")  # noqa: PLR2004
    fine = fine.fill_null(False) | (col("r_duration_s") > 0).fill_null(False)  # noqa: FBT003
    rows = rows.with_columns(
        (~col("answered_at").is_null() | fine).alias("answered"),
        nw.coalesce("s_reason", "r_reason").alias("reason"),
        col("h_sip_code").alias("sip_code"),
        col("h_reason_code").alias("reason_code"),
        nw.coalesce(
            "s_last",
            nw.when(~col("ended_at").is_null()).then(col("r_status")),
            nw.when(~col("ended_at").is_null()).then(nw.lit("completed")),
            nw.when(~col("answered_at").is_null()).then(nw.lit("answered")),
            nw.when(~col("ringing_at").is_null()).then(nw.lit("ringing")),
            "s_other",
            nw.lit("started"),
        ).alias("status"),
    )
    words = (col("reason"), col("status"), col("reason_code"))
    outcome = outcome_expr(
        answered=col("answered"), rang=~col("ringing_at").is_null(), code=col("sip_code"), words=words
    )
    return rows.with_columns(
        outcome.alias("outcome"),
        chain([(col("reason_code").is_in(codes), who) for who, codes in _MARKS.items()], "unknown").alias("hung_up_by"),
    ).with_columns(class_expr(col("outcome")).alias("outcome_class"))


def _flagged(rows: Rows, tables: dict[str, Rows]) -> Rows:
    col = nw.col

    def yes(condition: nw.Expr) -> nw.Expr:
        return condition.fill_null(False)  # noqa: FBT003

    steps = ("known_start", "ringing_at", "answered_at", "ended_at")
    pairs = [(early, late) for place, early in enumerate(steps) for late in steps[place + 1 :]]
    # An answered leg of a later ring is no disorder of the end: that has a flag of its own.
    disorder = [yes(col(late) < col(early)) for early, late in pairs if (early, late) != ("answered_at", "ended_at")]
    off = (col("r_ended_at") - nw.coalesce("s_ended", "h_at")).dt.total_microseconds() / 1_000_000
    unnamed = [yes(col(f"{part}_unnamed")) for part in "schr"]
    found = {
        "no_leg_id": nw.any_horizontal(*unnamed, ignore_nulls=True),
        "no_start": col("no_start"),
        **({"no_hangup": col("h_events").is_null()} if "hangups" in tables else {}),
        **({"no_record": col("r_events").is_null()} if "call_records" in tables else {}),
        **({"no_status": col("s_first").is_null()} if "leg_statuses" in tables else {}),
        "duplicate_hangup": yes(col("h_events") > 1),
        "duplicate_record": yes(col("r_events") > 1),
        "out_of_order": nw.any_horizontal(*disorder, ignore_nulls=True),
        "hangup_before_answer": yes(col("ended_at") < col("answered_at")),
        "answer_imputed": col("answered") & col("answered_at").is_null(),
        "clock": yes((off > CLOCK_S) | (off < -CLOCK_S)),
    }
    words = [nw.when(there).then(nw.lit(f",{name}")).otherwise(nw.lit("")) for name, there in found.items()]
    return rows.with_columns(
        nw.concat_str(words, separator="").str.slice(1).alias("flags"),
        ((col("c_moved") == 1).fill_null(False) | ~col("replaced").is_null()).alias("transferred"),  # noqa: FBT003
        nw.coalesce("c_machine_type", "s_machine").alias("machine"),
        col("h_event_id").alias("hangup_event_id"),
        *(col(f"h_{name}").alias(name) for name in parts.MEASURED),
        *(col(f"r_{name}").alias(name) for name in ("price", "rate", "currency")),
        nw.when(col("conversation_id") != "").then(col("conversation_id")).alias("conversation_id"),
        col("h_at").alias("hung_up_at"),
    ).select(*(column.name for column in LEGS), "hung_up_at")


__all__ = ["TABLES", "leg_rows", "legs"]
