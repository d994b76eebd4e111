"""The ledger: how many values are missing, odd, inferred from others or unmeasured, per table and metric."""

from __future__ import annotations

from typing import Any, NamedTuple

import narwhals as nw
import pandas as pd

from conv_analytics.analysis.engine import coerce
from conv_analytics.analysis.engine.columns import LEDGER, LEG_FLAGS
from conv_analytics.analysis.engine.data import question
from conv_analytics.analysis.engine.expressions import is_true, one_if
from conv_analytics.analysis.engine.rows import Rows
from conv_analytics.analysis.engine.source import Source
from conv_analytics.analysis.entities.legs import TABLES as LEG_TABLES
from conv_analytics.analysis.entities.legs import leg_rows
from conv_analytics.tables import TABLES
from conv_analytics.tables.voice_calls import MISSING, CoverageClass

_CALLS = "voice_calls"


class _Entry(NamedTuple):
    """A line about legs: its counts as conditions; None where there is nothing to count."""

    metric: str
    scope: nw.Expr | None
    missing: nw.Expr | None
    odd: nw.Expr | None
    imputed: nw.Expr | None
    unmeasured: nw.Expr | None
    why: str


@question
def ledger(data: Any) -> Any:
    """How many values are missing, odd, inferred from others or unmeasured, per table and metric.

    Parameters
    ----------
    data
        As for `legs`.

    Returns
    -------
    pandas.DataFrame or the caller's kind
        One row per table and metric: ``table``, ``metric``, ``n`` (rows that could have it), ``missing``, ``odd``,
        ``imputed``, ``unmeasured``, ``share`` (of n that is neither missing, odd nor unmeasured) and ``why``.
        ``table`` is a table of the export, or ``legs`` for the result of `legs`.

    Examples
    --------
    >>> import pandas as pd
    >>> hangups = pd.DataFrame({"conversation_id": ["CON-1", "CON-1"], "event_id": [1, 1], "leg_id": ["a", "a"]})
    >>> table = ledger({"hangups": hangups}).set_index(["table", "metric"])
    >>> int(table.loc[("hangups", "rows"), "odd"]), int(table.loc[("legs", "ended_at"), "missing"])
    (1, 1)
    """
    source = Source.of(data)
    rows = [_table(source, name) for name in LEG_TABLES if not source.single]
    rows += [_coverage(source)] if not source.single else []
    frame = pd.DataFrame([row for part in rows for row in part] + _legs(source), columns=[c.name for c in LEDGER[:-2]]
                         + ["why"])  # fmt: skip
    good = frame["n"] - frame["missing"] - frame["odd"] - frame["unmeasured"]
    frame.insert(len(LEDGER) - 2, "share", (good / frame["n"]).where(frame["n"] > 0))
    return source.result(coerce.with_answer_dtypes(frame, {column.name: column.kind for column in LEDGER}))


def _table(source: Source, name: str) -> list[tuple[Any, ...]]:
    key = list(TABLES[name].key)
    if name not in source.tables:
        return [(name, "table", 0, 0, 0, 0, 0, "there is no such table")]
    rows = Rows.read(source, name, list(dict.fromkeys(["conversation_id", "leg_id", *key])), needed=())
    total = rows.count()
    # Voice events have no id: nothing says that two of their rows are one.
    named = rows.filter(~nw.col(column).is_null() for column in key)
    repeated = named.count() - named.select(*key).unique().count()
    unnamed = rows.filter(nw.col("leg_id").is_null()).count()
    return [
        (name, "rows", total, 0, repeated, 0, 0, f"odd: repeated rows of a key ({', '.join(key)})"),
        (name, "leg_id", total, unnamed, 0, 0, 0, "missing: matched by their member, or legs of their own"),
    ]


def _coverage(source: Source) -> list[tuple[Any, ...]]:
    """The calls missing from the data, by day (UTC), according to the runs of coverage."""
    if _CALLS not in source.tables:
        return [(_CALLS, "calls", 0, 0, 0, 0, 0, "unknown: conv-analytics coverage finds which calls are missing")]
    word = nw.col("coverage_class").cast(nw.String)
    counts = {
        "n": nw.lit(1),
        "missing": one_if(is_true(word.is_in([str(name) for name in MISSING]))),
        "waiting": one_if(is_true(word == str(CoverageClass.NOT_YET))),
    }
    rows = Rows.read(source, _CALLS, ["at", "coverage_class"], needed=()).with_time_keys(["day"], "UTC", at="at")
    rows = rows.with_columns(expr.alias(name) for name, expr in counts.items())
    days = rows.grouped(["day"], [nw.col(name).sum() for name in counts])
    total = [int(days[name].sum()) for name in counts]
    why = (
        "missing: in the Voice API's call list, and not or not wholly here; unmeasured: had not ended, or not read yet"
    )
    named = [
        ("calls", *total),
        *((f"calls {day}", *map(int, numbers)) for day, *numbers in days.itertuples(index=False)),
    ]
    return [(_CALLS, name, n, missing, 0, 0, waiting, why) for name, n, missing, waiting in named]


def _has_flag(flag: str) -> nw.Expr:
    return nw.col("flags").fill_null("").str.contains(rf"\b{flag}\b")


#: Columns that the entries read, without the keys of legs, which are long.
_READ = (
    "started_at", "answered_at", "ended_at", "answered", "pdd_s", "talk_s", "outcome", "direction", "remote_kind",
    "country", "country_source", "price", "mos_score", "packet_cnt", "byte_in", "flags",
)  # fmt: skip


def _entries() -> list[_Entry]:
    col = nw.col
    up, ended = is_true(col("answered")), ~col("ended_at").is_null()
    number = col("remote_kind").is_in(["e164", "masked", "anonymous"])
    hidden = col("remote_kind") == "anonymous"
    measured = col("packet_cnt").fill_null(0) > 0
    early = _has_flag("out_of_order") | _has_flag("hangup_before_answer")
    entries = [
        _Entry("started_at", None, col("started_at").is_null(), None, _has_flag("no_start"), None,
               "imputed: the first event of the leg"),
        _Entry("pdd_s", None, col("pdd_s").is_null() & ~early, col("pdd_s").is_null() & early, None, None,
               "missing: no start, ringing or answer; odd: negative"),
        _Entry("answered_at", up, None, None, col("answered_at").is_null(), None,
               "imputed: only the hangup shows that it was answered, not when"),
        _Entry("ended_at", None, ~ended, None, None, None, "missing: open, or its hangup was lost"),
        _Entry("talk_s", up, col("talk_s").is_null() & ~early, col("talk_s").is_null() & early, None, None,
               "missing: no instant of the answer or the end; odd: negative"),
        _Entry("outcome", None, (col("outcome") == "unknown"), None, None, None, "missing: no code and no reason"),
        _Entry("direction", None, col("direction").is_null(), None, None, None, "missing: no event has it"),
        _Entry("country", number, col("country").is_null() & ~hidden, None,
               col("country_source").is_in(["calling_code", "network"]) & ~col("country").is_null(),
               col("country").is_null() & hidden,
               "imputed: from the calling code or the network; unmeasured: the number is withheld"),
        _Entry("price", None, col("price").is_null(), None, None, None, "missing: not billed, or no record"),
        _Entry("mos_score", up, col("mos_score").is_null(), None, None, ~col("mos_score").is_null() & ~measured,
               "unmeasured: no packets, so the MOS is its start value"),
        _Entry("packet_cnt", up, col("packet_cnt").is_null(), None, None, None, "missing: no quality in the hangup"),
        _Entry("byte_in", up, col("byte_in").is_null(), None, None, None, "missing: no bytes in the hangup"),
    ]  # fmt: skip
    return entries + [_Entry(flag, None, None, _has_flag(flag), None, None, doc) for flag, doc in LEG_FLAGS.items()]


def _legs(source: Source) -> list[tuple[Any, ...]]:
    if not source.single and not any(name in source.tables for name in LEG_TABLES):
        return []
    entries, counted = _entries(), {}
    for place, entry in enumerate(entries):
        scope = nw.lit(value=True) if entry.scope is None else is_true(entry.scope)
        for name, condition in (("n", None), *((name, getattr(entry, name)) for name in _Entry._fields[2:6])):
            if name == "n" or condition is not None:
                met = scope if condition is None else scope & is_true(condition)
                counted[f"{name}_{place}"] = one_if(met)
    rows = leg_rows(source, _READ).with_columns(expr.alias(name) for name, expr in counted.items())
    sums = rows.select(nw.col(name).sum() for name in counted).collect().iloc[0]
    totals = sums.fillna(0).astype("int64").to_dict()
    return [
        ("legs", entry.metric, *(totals.get(f"{name}_{place}", 0) for name in ("n", *_Entry._fields[2:6])), entry.why)
        for place, entry in enumerate(entries)
    ]


__all__ = ["ledger"]
