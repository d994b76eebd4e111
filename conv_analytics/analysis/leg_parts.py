"""What each table tells of the legs: one row per leg and table, to be joined by `legs`."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from typing import Any

import narwhals as nw

from conv_analytics.analysis.frames import Source

Rows = nw.LazyFrame[Any]

KEY = ("conversation_id", "leg_id")
ENDS = ("number", "uri", "user", "extension")
#: Words of statuses that end a leg.
LAST = ("completed", "failed", "busy", "timeout", "cancelled", "rejected", "unanswered", "disconnected")
MEASURED = (
    "mos_score", "quality_percentage", "jitter_min_var", "jitter_max_var", "jitter_loss_rate", "jitter_burst_rate",
    "flaw_total", "packet_cnt", "packet_loss_perc", "byte_in", "byte_out",
)  # fmt: skip

_PARTIES = [f"{end}_{part}" for end in ("from", "to") for part in ("type", *ENDS)]
_COLUMNS = {
    "leg_statuses": ["status", "at", "direction", "channel_type", "reason", "member_id"],
    "call_events": [
        "event_id", "type", "at", "from_member_id", "from_user_id", "technology", "direction", "channel_type",
        "machine_type", "was_member_id", *_PARTIES,
    ],
    "hangups": [
        "event_id", "at", "from_member_id", "from_user_id", "technology", "direction", "channel_type", "reason_code",
        "sip_code", *MEASURED, *_PARTIES,
    ],
    "call_records": [
        "event_id", "at", "from_member_id", "from_user_id", "technology", "direction", "channel_type", "status",
        "requested_at", "started_at", "ended_at", "duration_s", "price", "rate", "currency", "network_code",
        "reason", "from", "to", *_PARTIES,
    ],
}  # fmt: skip


def rows_of(source: Source) -> dict[str, Rows]:
    """The rows of the tables that tell of legs, each with a leg: those that name none are matched by their member."""
    read = {
        name: source.table(name, [*KEY, *columns], needed=())
        .with_columns(nw.col("conversation_id").fill_null(""))
        .with_columns(nw.lit(False).alias("unnamed"))  # noqa: FBT003
        for name, columns in _COLUMNS.items()
        if name in source.tables
    }
    lost = {name: rows for name, rows in read.items() if source.count(rows.filter(nw.col("leg_id").is_null()))}
    if lost:
        known = _by_member(read)
        read = {name: _named(name, rows, known) if name in lost else rows for name, rows in read.items()}
    return read


def _member(name: str) -> nw.Expr:
    return nw.col("member_id" if name == "leg_statuses" else "from_member_id")


def _by_member(read: dict[str, Rows]) -> Rows:
    """The leg of each member that has just one."""
    pairs = [
        rows.select(*KEY, _member(name).alias("of_member")).filter(
            ~nw.col("leg_id").is_null(), ~nw.col("of_member").is_null()
        )
        for name, rows in read.items()
    ]
    grouped = nw.concat(pairs).unique().group_by("conversation_id", "of_member")
    found = grouped.agg(nw.col("leg_id").min().alias("its_leg"), nw.len().alias("its_legs"))
    return found.with_columns(nw.when(nw.col("its_legs") == 1).then(nw.col("its_leg")).alias("its_leg"))


def _named(name: str, rows: Rows, known: Rows) -> Rows:
    """Rows with the leg they belong to: that of their member, or else one of their own."""
    by_member = nw.when(nw.col("its_legs").is_null()).then(
        nw.concat_str([nw.lit("member:"), _member(name)], separator="")
    )
    alone = []
    if name != "leg_statuses":
        alone.append(nw.concat_str([nw.lit("event:"), nw.col("event_id").cast(nw.String)], separator=""))
    joined = rows.with_columns(_member(name).fill_null("").alias("of_member")).join(
        known, on=["conversation_id", "of_member"], how="left"
    )
    leg = nw.coalesce("leg_id", "its_leg", by_member, *alone)
    named = joined.with_columns(nw.col("leg_id").is_null().alias("unnamed")).with_columns(leg.alias("leg_id"))
    return named.drop("its_leg", "its_legs", "of_member").filter(~nw.col("leg_id").is_null())


def statuses(rows: Rows) -> Rows:
    """Of every leg the instants of its statuses, and how it ended."""
    status, at = nw.col("status"), nw.col("at")
    last = status.is_in(LAST)
    known = last | status.is_in(["started", "ringing", "answered", "machine", "human"])
    marked = rows.with_columns(
        nw.when(status == "started").then(at).alias("s_started"),
        nw.when(status == "ringing").then(at).alias("s_ringing"),
        nw.when(status == "answered").then(at).alias("s_answered"),
        nw.when(status.is_in(["machine", "human"])).then(at).alias("s_detected"),
        nw.when(last).then(at).alias("s_ended"),
        nw.when(last).then(status).alias("s_last"),
        nw.when(~known).then(status).alias("s_other"),
        nw.when(last).then(nw.col("reason")).alias("s_reason"),
        nw.when(status == "machine").then(status).alias("s_machine"),
    )
    return marked.group_by(*KEY).agg(
        at.min().alias("s_first"),
        *_least(
            "s_started",
            "s_ringing",
            "s_answered",
            "s_detected",
            "s_ended",
            "s_last",
            "s_other",
            "s_reason",
            "s_machine",
        ),
        *_least("direction", "channel_type", "member_id", prefix="s_"),
        nw.col("unnamed").max().alias("s_unnamed"),
    )


def call_events(rows: Rows) -> Rows:
    """Of every leg when it rang and was answered, its ends, who answered, and whether it was transferred."""
    kind, at = nw.col("type"), nw.col("at")
    marked = rows.with_columns(
        nw.when(kind.is_in(["sip:ringing", "rtc:ringing"])).then(at).alias("c_ringing"),
        nw.when(kind.is_in(["sip:answered", "rtc:answered"])).then(at).alias("c_answered"),
        nw.when(kind == "rtc:transfer").then(nw.lit(1)).otherwise(nw.lit(0)).alias("c_moved"),
        *_ends(),
    )
    return marked.group_by(*KEY).agg(
        at.min().alias("c_first"),
        *_least("c_ringing", "c_answered"),
        *_least("machine_type", "direction", "technology", "channel_type", prefix="c_"),
        *_least("from_member_id", "from_user_id", "from_address", "from_type", "to_address", "to_type", prefix="c_"),
        nw.col("c_moved").max(),
        nw.col("unnamed").max().alias("c_unnamed"),
    )


def replaced(rows: Rows) -> Rows:
    """The members whose legs were replaced by a transfer."""
    found = rows.filter(nw.col("type") == "rtc:transfer", ~nw.col("was_member_id").is_null())
    return found.select("conversation_id", nw.col("was_member_id").alias("member_id")).unique().with_columns(
        nw.lit(1).alias("replaced")
    )  # fmt: skip


def hangups(source: Source, rows: Rows) -> Rows:
    """Of every leg its first hangup."""
    return _renamed(_one(source, rows, keep="first").with_columns(*_ends()), "h_")


def call_records(source: Source, rows: Rows) -> Rows:
    """Of every leg its last billing record."""
    shared = [nw.coalesce(f"{end}_address", end).alias(f"{end}_address") for end in ("from", "to")]
    return _renamed(_one(source, rows, keep="last").with_columns(*_ends()).with_columns(*shared), "r_")


def _one(source: Source, rows: Rows, *, keep: Any) -> Rows:
    """One row per leg, and how many events there were.

    Nearly always there is just one: then nothing has to be sorted.
    """
    repeated = rows.group_by(*KEY).agg(nw.len().alias("rows")).filter(nw.col("rows") > 1)
    if not source.count(repeated):
        return rows.with_columns(nw.lit(1).alias("events"))
    events = rows.select(*KEY, "event_id").unique().group_by(*KEY).agg(nw.len().alias("events"))
    one = rows.unique(subset=list(KEY), keep=keep, order_by=["at", "event_id"])
    return one.join(events, on=list(KEY), how="left")


def _least(*names: str, prefix: str = "") -> list[nw.Expr]:
    """One value of each column: the same whatever the order of rows, and however often they are repeated."""
    return [nw.col(name).min().alias(f"{prefix}{name}") for name in names]


def _ends() -> list[nw.Expr]:
    return [nw.coalesce(*(f"{end}_{part}" for part in ENDS)).alias(f"{end}_address") for end in ("from", "to")]


def _renamed(rows: Rows, prefix: str) -> Rows:
    names = rows.collect_schema().names()
    return rows.rename({name: f"{prefix}{name}" for name in names if name not in KEY})


def outer(parts: Iterable[Rows]) -> Rows:
    """All legs of all parts."""
    return reduce(_with, parts)


def _with(left: Rows, right: Rows) -> Rows:
    joined = left.join(right, on=list(KEY), how="full", suffix="_of_other")
    both = [nw.coalesce(name, f"{name}_of_other").alias(name) for name in KEY]
    return joined.with_columns(*both).drop([f"{name}_of_other" for name in KEY])


__all__ = ["KEY", "MEASURED", "call_events", "call_records", "hangups", "outer", "replaced", "rows_of", "statuses"]
