"""Legs: one row per leg of every call, from the tables that exist (M7, M9)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import narwhals as nw

from conv_analytics.analysis.engine.columns import LEGS
from conv_analytics.analysis.engine.computed_columns import compute, inputs_of
from conv_analytics.analysis.engine.data import question
from conv_analytics.analysis.engine.dimensions import needed_dimensions
from conv_analytics.analysis.engine.rows import Rows
from conv_analytics.analysis.engine.source import Source
from conv_analytics.analysis.entities.given_rows import read_each_once
from conv_analytics.analysis.entities.leg_columns import COLUMNS, COUNTRY, COUNTRY_KEYS, TRANSFERRED, flags
from conv_analytics.analysis.entities.leg_tables import KEY, merge_tables, read_tables, replaced_members
from conv_analytics.analysis.entities.parties import countries, phonenumbers_version
from conv_analytics.analysis.entities.transferred_legs import final_conversations
from conv_analytics.errors import ColumnNotFound, TableNotFound
from conv_analytics.tables.column import Column

#: Tables with legs; one of them is enough.
TABLES = ("leg_statuses", "call_events", "hangups", "call_records")
_NAMES = tuple(column.name for column in LEGS)
#: Rows of tables of legs up to which further columns cost next to nothing.
AT_ONCE = 1000
#: The columns that `leg_rows` knows.
_KNOWN = (*_NAMES, "hung_up_at")
_INSTANTS = ("started_at", "ringing_at", "answered_at", "ended_at", "hung_up_at")


@question
def legs(data: Any, columns: Sequence[str] | None = None) -> Any:
    """One row per leg: its ends, instants, delays, outcome, reported quality, price, and flags.

    Parameters
    ----------
    data
        A `Dataset`, `Frames`, or a mapping of table name to frame with at least one of ``leg_statuses``,
        ``call_events``, ``hangups`` and ``call_records``. A frame of legs stays as it is, but for a leg that it has
        twice: of its rows, here as in every question about legs, the finished one counts, of several the first. A row
        without ``leg_id`` is a leg of its own.
    columns
        The columns wanted besides the key; all when absent. Only their inputs are read and computed: for a large
        dataset request just those that you need. ``country`` takes longest: every number is looked up.

    Returns
    -------
    pandas.DataFrame or the caller's kind
        Key ``conversation_id, leg_id``; the columns are those of `conv_analytics.analysis.engine.columns.LEGS`,
        described in the reference. pandas is sorted by the key.

    Raises
    ------
    TableNotFound
        If no table has legs.
    ColumnNotFound
        If a requested column is not one of legs.
    ConfigError
        If a column holds invalid values, such as instants without a time zone.

    Notes
    -----
    Instants come from the leg's statuses, else from its call events, else its hangup, else its billing record, whose
    instants are whole seconds. ``started_at`` is the first event where neither a status nor a record tells the start;
    delays are null then. Durations that would be negative are null, and the leg is flagged. Events without a leg are
    matched by their member within the conversation; those that cannot be matched become separate legs, flagged.

    ``answered`` is true for a leg whose answer is missing but whose end says that there was one (SIP code 200, reason
    ``ok``, a billed duration); its ``talk_s`` is null. ``hung_up_by`` reads the hangup's reason as seen from the
    platform: REMOTE is the leg's far end, LOCAL the platform, on behalf of the other party (inferred). Of several
    hangups the first counts, of several records the last. A leg that was moved into another conversation is one leg:
    its ``conversation_id`` is that of its last event.

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
    own = source.dimension_columns
    rows = leg_rows(source, None if columns is None else {*columns, *KEY})
    wanted = set((*_NAMES, *own) if columns is None else columns) | set(KEY)
    declared = (*LEGS, *(Column(name, str, "") for name in own))
    return rows.result([column for column in declared if column.name in wanted], by=KEY)


def leg_rows(source: Source, columns: Collection[str] | None = None, *, needed: Collection[str] = ()) -> Rows:
    """The legs for further questions, with the wanted columns; all, when absent.

    Besides the columns of legs there is ``hung_up_at``, the instant of the hangup. The key is included if a part of it
    is wanted, or nothing else is; it is long, and questions about groups do without it. A frame of legs must have the
    key and the columns of `needed`; others that it lacks are null.
    """
    own = source.dimension_columns
    names = set((*_KNOWN, *own) if columns is None else columns)
    for name in sorted(names - {*_KNOWN, *own}):
        raise ColumnNotFound("of legs()", name, (*_NAMES, *own))
    if not names.isdisjoint(own):
        return _with_dimensions(source, names)
    with_keys = not names or source.single or bool({*KEY, "transferred"} & names)
    names |= set(KEY) if with_keys else set()
    order = [name for name in _KNOWN if name in names]
    if source.single:
        rows = read_each_once(source, LEGS, needed=(*KEY, *needed), maker="legs()")
        return rows.with_columns(nw.col("ended_at").alias("hung_up_at")).select(*order)
    if not set(TABLES) & set(source.tables):
        raise TableNotFound(" or ".join(TABLES), source.tables, where="the data")
    if not source.engine.in_memory:
        return _of_folder(source, names, with_keys=with_keys).select(*order)
    return _cached(source, names, with_keys=with_keys).select(*order)


def _with_dimensions(source: Source, names: set[str]) -> Rows:
    """The legs with custom columns, each looked up on legs with the columns it needs."""
    own = source.dimension_columns
    dimensions, needed = needed_dimensions(source.dimensions, names)
    with_key = names | (set(KEY) if {*KEY, "transferred"} & names else set())

    def build() -> Rows:
        rows = leg_rows(replace(source, dimensions=()), needed - set(own))
        for each in dimensions:
            rows = each.added_to(rows, [name for name in each.columns if name in needed])
        return Rows(source, rows.frame).select(*(name for name in (*_KNOWN, *own) if name in with_key))

    if not source.engine.has_cache:
        return build()
    about = {"phonenumbers": phonenumbers_version(), "dimensions": [each.fingerprint for each in dimensions]}
    cached = source.cached("legs", about, with_key, lambda: build().native)
    return build() if cached is None else Rows.of(source, cached).select(*sorted(with_key))


def _cached(source: Source, names: set[str], *, with_keys: bool) -> Rows:
    """The legs of tables in memory with at least the wanted columns: the first question computes those, the second all.

    They are cached in the source; a dataset shares its source between all questions.
    """
    cached = source.cache.get(("legs",))
    if cached is None or not names <= set(cached.columns):
        at_once = cached is not None or source.rows(TABLES) <= AT_ONCE
        everything = {*_KNOWN, *KEY} if at_once else names
        if cached is None and not names & set(COUNTRY):
            # The parser of phone numbers takes long to load.
            everything -= set(COUNTRY)
        cached = source.cache["legs",] = _legs_of_tables(source, everything, with_keys=with_keys or at_once)
    return cached


def _of_folder(source: Source, names: set[str], *, with_keys: bool) -> Rows:
    """The legs as relations: those of a dataset from its folder's cache, which they are added to."""
    columns = names | (set(KEY) if with_keys else set())
    about = {}
    if columns & set(COUNTRY):
        about["phonenumbers"] = phonenumbers_version()
    else:
        columns = set(source.engine.columns_to_cache("legs", about, columns, {*_KNOWN, *KEY} - set(COUNTRY)))
        with_keys |= set(KEY) <= columns

    def build(part: Source) -> Any:
        return _legs_of_tables(part, columns, with_keys=with_keys).native

    if not with_keys or columns & set(COUNTRY):
        # Few columns fit into memory, and each number is looked up once, wherever it occurs.
        cached = source.cached("legs", about, columns, lambda: build(source))
    else:
        cached = source.cached_by_parts("legs", about, columns, TABLES, build)
    if cached is None:
        return _legs_of_tables(source, names, with_keys=with_keys).checkpointed()
    return Rows.of(source, cached)


def _legs_of_tables(source: Source, names: set[str], *, with_keys: bool) -> Rows:
    rows = _from_tables(source, names - set(KEY), with_keys=with_keys)
    rows = rows.select(*(name for name in _KNOWN if name in names))
    rows = rows.with_instants(*(name for name in _INSTANTS if name in names))
    if not with_keys:
        return rows
    named = nw.when(nw.col("conversation_id") != "").then(nw.col("conversation_id"))
    return rows.with_columns(named.alias("conversation_id"))


def _from_tables(source: Source, names: set[str], *, with_keys: bool) -> Rows:
    """The columns wanted: read, merged into one row per leg, computed; then countries and transfers are looked up."""
    known = {**COLUMNS, **COUNTRY_KEYS, "flags": flags(source.tables)}
    of_country, transfers = names & set(COUNTRY), "transferred" in names
    first = names - set(COUNTRY) - {"transferred"}
    first |= set(COUNTRY_KEYS) if of_country else set()
    first |= {"member_id", "c_transferred"} if transfers else set()
    inputs = inputs_of(known, first) - set(KEY)
    tables = read_tables(source, inputs)
    rows = merge_tables(tables, inputs, with_keys=with_keys)
    rows = compute(rows, known, first, keep=KEY if with_keys else ())
    if of_country:
        rows = _with_country_lookups(rows.materialized())
        rows = rows.with_values({name: COUNTRY[name].value for name in sorted(of_country)})
    return _with_transferred(rows, tables) if transfers else rows


def _with_country_lookups(rows: Rows) -> Rows:
    """The rows with the countries of their number and network; each distinct one is looked up once."""
    keys = rows.select(*COUNTRY_KEYS).unique().collect()
    known = countries(*(keys[name].dropna().unique() for name in COUNTRY_KEYS))
    by_address = known[known["of"] == "address"].rename(
        columns={"text": "address", "country": "of_address", "source": "address_source"}
    )
    by_network = known[known["of"] == "network"].rename(columns={"text": "network", "country": "of_network"})
    # Both before either is joined: a new relation makes DuckDB plan all steps that lead to the rows again.
    of_address = Rows.of_pandas(rows.source, by_address.drop(columns="of"))
    of_network = Rows.of_pandas(rows.source, by_network[["network", "of_network"]])
    rows = rows.with_columns(nw.col(name).fill_null("") for name in COUNTRY_KEYS)
    return rows.join(of_address, on="address", how="left").join(of_network, on="network", how="left")


def _with_transferred(rows: Rows, tables: Mapping[str, Rows]) -> Rows:
    if "call_events" in tables:
        rows = rows.join(replaced_members(tables["call_events"]), on=["conversation_id", "member_id"], how="left")
    final = final_conversations(tables)
    if final is not None and (moved := final[final["conversations"] > 1]).size:
        in_several = Rows.of_pandas(rows.source, moved[["leg_id"]].assign(in_several=1))
        rows = rows.join(in_several, on="leg_id", how="left")
    rows = rows.with_nulls({"replaced": int, "in_several": int})
    return rows.with_values({"transferred": TRANSFERRED.value})


__all__ = ["TABLES", "leg_rows", "legs"]
