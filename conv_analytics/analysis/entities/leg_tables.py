"""The contribution of each table to legs: one row of extracts per leg, from which the columns are computed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

import narwhals as nw
import pandas as pd

from conv_analytics.analysis.engine.event_rows import by_event
from conv_analytics.analysis.engine.memory_frame import MemoryFrame
from conv_analytics.analysis.engine.merge_by_key import Part, merge_by_key
from conv_analytics.analysis.engine.rows import Rows
from conv_analytics.analysis.engine.source import Source
from conv_analytics.analysis.entities.transferred_legs import final_conversations, in_final_conversation
from conv_analytics.tables import TABLES as DECLARED

KEY = ("conversation_id", "leg_id")
ENDS = ("number", "uri", "user", "extension")
#: Statuses that end a leg.
FINAL_STATUSES = (
    "completed", "failed", "busy", "timeout", "cancelled", "rejected", "unanswered", "disconnected",
)  # fmt: skip
MEASURED = (
    "mos_score", "quality_percentage", "jitter_min_var", "jitter_max_var", "jitter_loss_rate", "jitter_burst_rate",
    "flaw_total", "packet_cnt", "packet_loss_perc", "byte_in", "byte_out",
)  # fmt: skip
_ABOUT = ("at", "from_member_id", "from_user_id", "technology", "direction", "channel_type", "from_type", "to_type")


class Extract(NamedTuple):
    """A value that a row of a table has for its leg.

    Attributes
    ----------
    kind
        Its kind; instants are microseconds.
    reads, value
        The columns it is read from, and how.
    where, then
        A condition on the row's status or type for the value to apply, and the value then; None for no condition.
    """

    kind: Any
    reads: tuple[str, ...]
    value: nw.Expr
    where: nw.Expr | None = None
    then: nw.Expr | None = None


def _when(condition: nw.Expr, value: nw.Expr | None = None) -> nw.Expr:
    return nw.when(condition).then(nw.lit(1) if value is None else value)


def _where(kind: Any, reads: tuple[str, ...], condition: nw.Expr, value: nw.Expr | None = None) -> Extract:
    return Extract(kind, reads, _when(condition, value), condition, value)


def _copies(table: str, prefix: str, names: Iterable[str]) -> dict[str, Extract]:
    kinds = {column.name: column.kind for column in DECLARED[table].columns}
    return {
        f"{prefix}{name}": Extract(int if kinds[name] is datetime else kinds[name], (name,), nw.col(name))
        for name in names
    }


def _ends(prefix: str, *more: str) -> dict[str, Extract]:
    """The addresses of both ends, from any column."""
    reads = {end: (*(f"{end}_{part}" for part in ENDS), *(end for _ in more)) for end in ("from", "to")}
    return {f"{prefix}{end}_address": Extract(str, names, nw.coalesce(*names)) for end, names in reads.items()}


def _statuses() -> dict[str, Extract]:
    status, at = nw.col("status"), nw.col("at")
    last = status.is_in(FINAL_STATUSES)
    known = last | status.is_in(["started", "ringing", "answered", "machine", "human"])
    both = ("status", "at")
    return {
        "s_first": Extract(int, ("at",), at),
        **{f"s_{word}": _where(int, both, status == word, at) for word in ("started", "ringing", "answered")},
        "s_detected": _where(int, both, status.is_in(["machine", "human"]), at),
        "s_ended": _where(int, both, last, at),
        "s_last": _where(str, ("status",), last, status),
        "s_other": _where(str, ("status",), ~known, status),
        "s_reason": _where(str, ("status", "reason"), last, nw.col("reason")),
        "s_machine": _where(str, ("status",), status == "machine", status),
        **_copies("leg_statuses", "s_", ("direction", "channel_type", "member_id")),
    }


def _call_events() -> dict[str, Extract]:
    kind, at = nw.col("type"), nw.col("at")
    extracts = _copies("call_events", "c_", (*_ABOUT, "machine_type"))
    return {
        "c_first": extracts.pop("c_at"),
        "c_ringing": _where(int, ("type", "at"), kind.is_in(["sip:ringing", "rtc:ringing"]), at),
        "c_answered": _where(int, ("type", "at"), kind.is_in(["sip:answered", "rtc:answered"]), at),
        # `replaced_members` reads the second column.
        "c_transferred": _where(int, ("type", "was_member_id"), kind == "rtc:transfer"),
        **extracts,
        **_ends("c_"),
    }


_RECORDED = (
    "status", "requested_at", "started_at", "ended_at", "duration_s", "price", "rate", "currency", "network_code",
    "reason",
)  # fmt: skip
#: Per table, the extracts of its rows: `s_` from statuses, `c_` call events, `h_` hangups, `r_` records.
EXTRACTS: Mapping[str, Mapping[str, Extract]] = {
    "leg_statuses": _statuses(),
    "call_events": _call_events(),
    "hangups": {
        **_copies("hangups", "h_", (*_ABOUT, "event_id", "reason_code", "sip_code", *MEASURED)), **_ends("h_"),
    },
    "call_records": {**_copies("call_records", "r_", (*_ABOUT, *_RECORDED)), **_ends("r_", "itself")},
}  # fmt: skip
#: Tables with one event per leg, and which one counts where there are more.
_KEEP: Mapping[str, Any] = {"hangups": "first", "call_records": "last"}
#: The column that `Extract.where` tests.
_WORD = {"leg_statuses": "status", "call_events": "type"}
_PREFIX = {"leg_statuses": "s_", "call_events": "c_", "hangups": "h_", "call_records": "r_"}


def read_tables(source: Source, marks: Collection[str]) -> dict[str, Rows]:
    """The tables of legs, with the columns that the wanted extracts are read from; instants as microseconds."""
    names = [name for name in EXTRACTS if name in source.tables]
    by_member = any(source.has_null(name, "leg_id") for name in names)
    return {name: _read(source, name, marks, by_member=by_member) for name in names}


def _read(source: Source, name: str, marks: Collection[str], *, by_member: bool) -> Rows:
    # Without ids, all values together tell events apart, whichever of them are wanted.
    every = (
        name in _KEEP and any(mark.startswith(_PREFIX[name]) for mark in marks) and source.has_null(name, "event_id")
    )
    wanted = [extract for mark, extract in EXTRACTS[name].items() if every or mark in marks]
    reads = [column for extract in wanted for column in extract.reads]
    columns = dict.fromkeys((*KEY, "at", *reads))
    if name != "leg_statuses":
        columns["event_id"] = None
    member = "member_id" if name == "leg_statuses" else "from_member_id"
    if by_member:
        columns[member] = None
    kinds = {column.name: column.kind for column in DECLARED[name].columns}
    rows = Rows.read(source, name, columns, needed=()).with_columns(nw.col("conversation_id").fill_null(""))
    if by_member:
        rows = rows.with_columns(nw.col(member).alias("of_member"))
    return rows.with_micros(*(column for column in columns if kinds[column] is datetime), suffix="")


def merge_tables(tables: Mapping[str, Rows], marks: Collection[str], *, with_keys: bool = True) -> Rows:
    """One row per leg in any table, with the wanted extracts; without keys see `merge_by_key`.

    Further extracts are, per prefix, ``events`` (1 where the table has the leg; the number of hangups and records) and
    ``unnamed`` (1 where a row names no leg: it is matched by its member).
    """
    kinds: dict[str, Any] = {mark: extract.kind for each in EXTRACTS.values() for mark, extract in each.items()}
    kinds |= {f"{prefix}{name}": int for prefix in _PREFIX.values() for name in ("events", "unnamed")}
    unnamed = [name for name, rows in tables.items() if rows.source.has_null(name, "leg_id")]
    of_members = _legs_of_members(tables.values()) if unnamed else None
    final = final_conversations(tables)
    parts = [_part(name, rows, marks, of_members if name in unnamed else None, final) for name, rows in tables.items()]
    return merge_by_key(parts, KEY, {name: kind for name, kind in kinds.items() if name in marks}, with_keys=with_keys)


def _part(name: str, rows: Rows, marks: Collection[str], of_members: Rows | None, final: pd.DataFrame | None) -> Part:
    prefix = _PREFIX[name]
    values = {mark: extract.value for mark, extract in _occurring(name, rows, marks).items()}
    values[f"{prefix}events"] = nw.lit(1)
    as_read = rows
    if of_members is not None:
        rows = _with_leg_ids(rows, of_members)
        values[f"{prefix}unnamed"] = nw.col("unnamed")
    if final is not None:
        rows = in_final_conversation(rows, final)
    unique = name in _KEEP and (one_row_per_leg(name, rows) if rows is as_read else not rows.repeats(KEY))
    if name in _KEEP and not unique and any(mark.startswith(prefix) for mark in marks):
        rows, unique = _one_per_leg(rows, name), True
        values[f"{prefix}events"] = nw.col("events")
    return Part(rows.select(*KEY, *(value.alias(mark) for mark, value in values.items() if mark in marks)), unique)


def one_row_per_leg(name: str, rows: Rows) -> bool:
    """Whether every row of a table, read with its key, names a leg of its own; computed once per source."""
    source, question = rows.source, ("one row per leg", name)
    if question not in source.cache:
        source.cache[question] = not source.has_null(name, "leg_id") and not rows.repeats(KEY)
    return bool(source.cache[question])


def _occurring(name: str, rows: Rows, marks: Collection[str]) -> dict[str, Extract]:
    """The wanted extracts of a table that occur, each restricted to the statuses or types that occur.

    Values that no row has need no search per leg, and a comparison is faster than a list of all possible words.
    """
    extracts = {mark: extract for mark, extract in EXTRACTS[name].items() if mark in marks}
    conditions = {mark: extract.where for mark, extract in extracts.items() if extract.where is not None}
    if not conditions:
        return extracts
    word = _WORD[name]
    words = pd.DataFrame({word: pd.Series(rows.distinct(word), dtype="str")})
    met = MemoryFrame.of(words).conditions_met(list(conditions.values()))
    for place, mark in enumerate(conditions):
        occurring = words[word][met[:, place]].to_list()
        if occurring:
            equal = nw.any_horizontal(*(nw.col(word) == each for each in occurring), ignore_nulls=True)
            extracts[mark] = extracts[mark]._replace(value=_when(equal, extracts[mark].then))
        else:
            del extracts[mark]
    return extracts


def replaced_members(call_events: Rows) -> Rows:
    """The members whose legs were replaced by a transfer; needs ``c_transferred`` among the extracts read."""
    transfers = call_events.filter(nw.col("type") == "rtc:transfer", ~nw.col("was_member_id").is_null())
    return transfers.select(
        "conversation_id", nw.col("was_member_id").alias("member_id"), nw.lit(1).alias("replaced")
    ).unique()


def _legs_of_members(tables: Iterable[Rows]) -> Rows:
    """The leg of each member that has just one."""
    pairs = Rows.concat([
        rows.select(*KEY, "of_member").filter(~nw.col("leg_id").is_null(), ~nw.col("of_member").is_null())
        for rows in tables
    ])  # fmt: skip
    grouped = pairs.unique().group(
        ("conversation_id", "of_member"), nw.col("leg_id").min().alias("its_leg"), nw.len().alias("its_legs")
    )
    return grouped.with_columns(nw.when(nw.col("its_legs") == 1).then(nw.col("its_leg")).alias("its_leg"))


def _with_leg_ids(rows: Rows, of_members: Rows) -> Rows:
    """Rows with their leg: that of their member, else a new one."""
    by_member = nw.when(nw.col("its_legs").is_null()).then(
        nw.concat_str([nw.lit("member:"), nw.col("was_of")], separator="")
    )
    joined = rows.with_columns(nw.col("of_member").alias("was_of"), nw.col("of_member").fill_null("")).join(
        of_members, on=["conversation_id", "of_member"], how="left"
    )
    alone = []
    if "event_id" in rows.columns:
        alone.append(nw.concat_str([nw.lit("event:"), nw.col("event_id").cast(nw.String)], separator=""))
    named = joined.with_columns(
        _when(nw.col("leg_id").is_null()).alias("unnamed"),
        nw.coalesce("leg_id", "its_leg", by_member, *alone).alias("leg_id"),
    )
    return named.drop("its_leg", "its_legs", "of_member", "was_of").filter(~nw.col("leg_id").is_null())


def _one_per_leg(rows: Rows, name: str) -> Rows:
    """One row per leg from rows of a table that may repeat a leg, with the number of events."""
    again = rows.group(KEY, nw.len().alias("rows")).filter(nw.col("rows") > 1).select(*KEY)
    several, event = by_event(rows.join(again, on=list(KEY), how="semi"), name, [*KEY, "event_id"])
    events = several.select(*event).unique().group(KEY, nw.len().alias("events"))
    # Where no id orders events of one instant, their values do.
    order = ["at", *(column for column in event if column not in KEY)]
    chosen = several.unique(list(KEY), keep=_KEEP[name], order_by=order).select(*rows.columns)
    chosen = chosen.join(events, on=list(KEY), how="left").with_columns(nw.col("events").cast(nw.Int64))
    rest = rows.with_columns(nw.lit(1).cast(nw.Int64).alias("events")).join(again, on=list(KEY), how="anti")
    return Rows.concat([rest.select(*chosen.columns), chosen])


__all__ = [
    "EXTRACTS",
    "FINAL_STATUSES",
    "KEY",
    "MEASURED",
    "merge_tables",
    "one_row_per_leg",
    "read_tables",
    "replaced_members",
]
