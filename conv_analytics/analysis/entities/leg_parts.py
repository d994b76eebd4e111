"""What each table tells of the legs: one row per leg, to be made into columns of legs."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

import narwhals as nw

from conv_analytics.analysis.engine import gather
from conv_analytics.analysis.engine.source import Source
from conv_analytics.analysis.entities.moved_legs import at_home, homes_of
from conv_analytics.tables import TABLES as DECLARED

Rows = nw.LazyFrame[Any]

KEY = ("conversation_id", "leg_id")
ENDS = ("number", "uri", "user", "extension")
#: Words of statuses that end a leg.
LAST = ("completed", "failed", "busy", "timeout", "cancelled", "rejected", "unanswered", "disconnected")
MEASURED = (
    "mos_score", "quality_percentage", "jitter_min_var", "jitter_max_var", "jitter_loss_rate", "jitter_burst_rate",
    "flaw_total", "packet_cnt", "packet_loss_perc", "byte_in", "byte_out",
)  # fmt: skip
_ABOUT = ("at", "from_member_id", "from_user_id", "technology", "direction", "channel_type", "from_type", "to_type")


class Mark(NamedTuple):
    """What a row tells.

    Attributes
    ----------
    kind
        Instants are microseconds.
    reads, value
        The columns it is read from, and how.
    where, then
        A condition on the row's word (its status, its type) without which it tells nothing, and what it tells then;
        None if it needs no condition.
    """

    kind: Any
    reads: tuple[str, ...]
    value: nw.Expr
    where: nw.Expr | None = None
    then: nw.Expr | None = None


def _when(condition: nw.Expr, value: nw.Expr | None = None) -> nw.Expr:
    return nw.when(condition).then(nw.lit(1) if value is None else value)


def _told(kind: Any, reads: tuple[str, ...], where: nw.Expr, value: nw.Expr | None = None) -> Mark:
    return Mark(kind, reads, _when(where, value), where, value)


def _copies(table: str, prefix: str, names: Iterable[str]) -> dict[str, Mark]:
    kinds = {column.name: column.kind for column in DECLARED[table].columns}
    return {
        f"{prefix}{name}": Mark(int if kinds[name] is datetime else kinds[name], (name,), nw.col(name))
        for name in names
    }


def _ends(prefix: str, *more: str) -> dict[str, Mark]:
    """The addresses of both ends: whichever way they are told."""
    reads = {end: (*(f"{end}_{part}" for part in ENDS), *(end for _ in more)) for end in ("from", "to")}
    return {f"{prefix}{end}_address": Mark(str, names, nw.coalesce(*names)) for end, names in reads.items()}


def _statuses() -> dict[str, Mark]:
    status, at = nw.col("status"), nw.col("at")
    last = status.is_in(LAST)
    known = last | status.is_in(["started", "ringing", "answered", "machine", "human"])
    both = ("status", "at")
    return {
        "s_first": Mark(int, ("at",), at),
        **{f"s_{word}": _told(int, both, status == word, at) for word in ("started", "ringing", "answered")},
        "s_detected": _told(int, both, status.is_in(["machine", "human"]), at),
        "s_ended": _told(int, both, last, at),
        "s_last": _told(str, ("status",), last, status),
        "s_other": _told(str, ("status",), ~known, status),
        "s_reason": _told(str, ("status", "reason"), last, nw.col("reason")),
        "s_machine": _told(str, ("status",), status == "machine", status),
        **_copies("leg_statuses", "s_", ("direction", "channel_type", "member_id")),
    }


def _call_events() -> dict[str, Mark]:
    kind, at = nw.col("type"), nw.col("at")
    marks = _copies("call_events", "c_", (*_ABOUT, "machine_type"))
    return {
        "c_first": marks.pop("c_at"),
        "c_ringing": _told(int, ("type", "at"), kind.is_in(["sip:ringing", "rtc:ringing"]), at),
        "c_answered": _told(int, ("type", "at"), kind.is_in(["sip:answered", "rtc:answered"]), at),
        "c_moved": _told(int, ("type",), kind == "rtc:transfer"),
        **marks,
        **_ends("c_"),
    }


_RECORDED = (
    "status", "requested_at", "started_at", "ended_at", "duration_s", "price", "rate", "currency", "network_code",
    "reason",
)  # fmt: skip
#: Per table, what its rows tell of their leg.
MARKS: Mapping[str, Mapping[str, Mark]] = {
    "leg_statuses": _statuses(),
    "call_events": _call_events(),
    "hangups": {
        **_copies("hangups", "h_", (*_ABOUT, "event_id", "reason_code", "sip_code", *MEASURED)), **_ends("h_"),
    },
    "call_records": {**_copies("call_records", "r_", (*_ABOUT, *_RECORDED)), **_ends("r_", "itself")},
}  # fmt: skip
#: Tables with one event per leg, and which one counts where there are more.
_ONCE = {"hangups": "first", "call_records": "last"}
#: The column whose words `Mark.where` is about.
_WORD = {"leg_statuses": "status", "call_events": "type"}
_PREFIX = {"leg_statuses": "s_", "call_events": "c_", "hangups": "h_", "call_records": "r_"}


def legs_of(source: Source, wanted: Collection[str], *, texts: bool = True) -> Rows:
    """One row per leg that any table knows, with the wanted marks; instants are microseconds.

    Without `texts` there is no key: see `gather.least`.

    Further marks are, per prefix, ``events`` (1 where the table tells of the leg; of hangups and records how many) and
    ``unnamed`` (1 where a row names no leg: it is matched by its member).
    """
    names = [name for name in MARKS if name in source.tables]
    kinds: dict[str, Any] = {name: mark.kind for marks in MARKS.values() for name, mark in marks.items()}
    kinds |= {f"{prefix}{name}": int for prefix in _PREFIX.values() for name in ("events", "unnamed")}
    lost = [name for name in names if source.has_null(name, "leg_id")]
    read = {name: _read(source, name, wanted, also=bool(lost)) for name in names}
    known = _by_member(list(read.values())) if lost else None
    homes = homes_of(source, names)
    parts = []
    for name, rows in read.items():
        prefix, told = _PREFIX[name], _occurring(source, name, wanted)
        values = {mark: how.value for mark, how in told.items()} | {f"{prefix}events": nw.lit(1)}
        once = False
        if known is not None and name in lost:
            rows = _named(rows, known)  # noqa: PLW2901  the same table
            values[f"{prefix}unnamed"] = nw.col("unnamed")
        if homes is not None:
            rows = at_home(source, rows, homes)  # noqa: PLW2901
        if name in _ONCE:
            changed = name in lost or homes is not None
            once = not gather.repeated(source, rows, KEY) if changed else gather.once(source, name)
            if not once and _asked(name, wanted):
                rows, once = _one(rows, keep=_ONCE[name]), True  # noqa: PLW2901
                values[f"{prefix}events"] = nw.col("events")
        rows = rows.select(*KEY, *(value.alias(mark) for mark, value in values.items() if mark in wanted))  # noqa: PLW2901
        parts.append(gather.Part(rows, once))
    found = {name: kind for name, kind in kinds.items() if name in wanted}
    return gather.least(source, parts, KEY, found, texts=texts)


def _occurring(source: Source, name: str, wanted: Collection[str]) -> dict[str, Mark]:
    """The marks of a table that are wanted and that some row sets, each looking for the words that occur.

    What no row tells need not be looked for leg by leg, and a comparison is faster than a list of all words there are.
    """
    marks = {mark: how for mark, how in MARKS[name].items() if mark in wanted}
    asked = {mark: how.where for mark, how in marks.items() if how.where is not None}
    if not asked:
        return marks
    word = nw.col(_WORD[name])
    words = gather.words(source, name, _WORD[name])
    holds = nw.from_native(words).with_columns(**asked)
    for mark in asked:
        found = holds.filter(nw.col(mark))[_WORD[name]].to_list()
        if found:
            equal = nw.any_horizontal(*(word == each for each in found), ignore_nulls=True)
            marks[mark] = marks[mark]._replace(value=_when(equal, marks[mark].then))
        else:
            del marks[mark]
    return marks


def moved(source: Source) -> Rows:
    """The members whose legs were replaced by a transfer."""
    rows = source.table("call_events", ["conversation_id", "type", "was_member_id"], needed=())
    found = rows.filter(nw.col("type") == "rtc:transfer", ~nw.col("was_member_id").is_null())
    return found.select(
        nw.col("conversation_id").fill_null(""), nw.col("was_member_id").alias("member_id"), nw.lit(1).alias("replaced")
    ).unique()


def _read(source: Source, name: str, wanted: Collection[str], *, also: bool) -> Rows:
    """The columns of a table that are needed; `also` those that tell the leg of rows that name none."""
    marks = {mark: how for mark, how in MARKS[name].items() if mark in wanted}
    columns = dict.fromkeys((*KEY, *(column for mark in marks.values() for column in mark.reads)))
    if (name in _ONCE and _asked(name, wanted)) or (also and name != "leg_statuses"):
        columns |= dict.fromkeys(("event_id", "at"))
    if also:
        columns[_member(name)] = None
    kinds = {column.name: column.kind for column in DECLARED[name].columns}
    rows = source.table(name, list(columns), needed=()).with_columns(nw.col("conversation_id").fill_null(""))
    if also:
        rows = rows.with_columns(nw.col(_member(name)).alias("of_member"))
    return gather.micros(source, rows, [column for column in columns if kinds[column] is datetime])


def _asked(name: str, wanted: Collection[str]) -> bool:
    """Whether anything is asked of a table but that it knows a leg."""
    return any(mark.startswith(_PREFIX[name]) for mark in wanted)


def _member(name: str) -> str:
    return "member_id" if name == "leg_statuses" else "from_member_id"


def _by_member(tables: list[Rows]) -> Rows:
    """The leg of each member that has just one."""
    pairs = [
        rows.select(*KEY, "of_member").filter(~nw.col("leg_id").is_null(), ~nw.col("of_member").is_null())
        for rows in tables
    ]
    grouped = nw.concat(pairs).unique().group_by("conversation_id", "of_member")
    found = grouped.agg(nw.col("leg_id").min().alias("its_leg"), nw.len().alias("its_legs"))
    return found.with_columns(nw.when(nw.col("its_legs") == 1).then(nw.col("its_leg")).alias("its_leg"))


def _named(rows: Rows, known: Rows) -> Rows:
    """Rows with the leg they belong to: that of their member, or else one of their own."""
    by_member = nw.when(nw.col("its_legs").is_null()).then(
        nw.concat_str([nw.lit("member:"), nw.col("was_of")], separator="")
    )
    joined = rows.with_columns(nw.col("of_member").alias("was_of"), nw.col("of_member").fill_null("")).join(
        known, on=["conversation_id", "of_member"], how="left"
    )
    alone = []
    if "event_id" in rows.collect_schema().names():
        alone.append(nw.concat_str([nw.lit("event:"), nw.col("event_id").cast(nw.String)], separator=""))
    named = joined.with_columns(
        _when(nw.col("leg_id").is_null()).alias("unnamed"),
        nw.coalesce("leg_id", "its_leg", by_member, *alone).alias("leg_id"),
    )
    return named.drop("its_leg", "its_legs", "of_member", "was_of").filter(~nw.col("leg_id").is_null())


def _one(rows: Rows, *, keep: Any) -> Rows:
    """One row per leg of rows of which some legs have several, and how many events there were."""
    one = rows.with_columns(nw.lit(1).alias("events"))
    again = rows.group_by(*KEY).agg(nw.len().alias("rows")).filter(nw.col("rows") > 1).select(*KEY)
    several = rows.join(again, on=list(KEY), how="semi")
    events = several.select(*KEY, "event_id").unique().group_by(*KEY).agg(nw.len().alias("events"))
    chosen = several.unique(subset=list(KEY), keep=keep, order_by=["at", "event_id"])
    chosen = chosen.join(events, on=list(KEY), how="left").with_columns(nw.col("events").cast(nw.Int64))
    rest = one.join(again, on=list(KEY), how="anti").with_columns(nw.col("events").cast(nw.Int64))
    return nw.concat([rest.select(*chosen.collect_schema().names()), chosen])


__all__ = ["KEY", "LAST", "MARKS", "MEASURED", "legs_of", "moved"]
