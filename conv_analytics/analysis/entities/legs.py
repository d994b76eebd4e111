"""Legs: one row per leg of every call, from whatever tables there are (M7, M9)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import narwhals as nw

from conv_analytics.analysis.engine import gather, recipes
from conv_analytics.analysis.engine.columns import LEGS
from conv_analytics.analysis.engine.source import Source
from conv_analytics.analysis.entities import leg_parts as parts
from conv_analytics.analysis.entities.leg_recipes import COUNTRY, COUNTRY_KEYS, RECIPES, TRANSFERRED, flags
from conv_analytics.analysis.entities.moved_legs import homes_of
from conv_analytics.analysis.entities.parties import countries
from conv_analytics.errors import ColumnNotFound, TableNotFound

Rows = nw.LazyFrame[Any]

#: Tables that tell of legs; one of them is enough.
TABLES = ("leg_statuses", "call_events", "hangups", "call_records")
_NAMES = tuple(column.name for column in LEGS)
_INSTANTS = ("started_at", "ringing_at", "answered_at", "ended_at", "hung_up_at")


def legs(data: Any, columns: Sequence[str] | None = None) -> Any:
    """One row per leg: its ends, instants, delays, outcome, quality as reported, price, and what is odd.

    Parameters
    ----------
    data
        A `Dataset`, `Frames`, or a mapping of table name to frame with at least one of ``leg_statuses``,
        ``call_events``, ``hangups`` and ``call_records``. A frame of legs stays as it is.
    columns
        The columns wanted beside the key; all when absent. Only what they need is read and computed: of a large
        dataset ask for those that you need. ``country`` takes longest: every number is looked at.

    Returns
    -------
    pandas.DataFrame or the caller's kind
        Key ``conversation_id, leg_id``; the columns are those of `conv_analytics.analysis.engine.columns.LEGS`,
        described in the reference. pandas is sorted by the key.

    Raises
    ------
    TableNotFound
        If no table tells of legs.
    ColumnNotFound
        If a column is asked for that legs do not have.
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
    hangups the first counts, of several records the last. A leg that was moved into another conversation is one leg:
    its ``conversation_id`` is that which knows the last of it.

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
    rows = leg_rows(source, None if columns is None else {*columns, *parts.KEY})
    wanted = set(_NAMES if columns is None else columns) | set(parts.KEY)
    return source.give(rows, [column for column in LEGS if column.name in wanted], by=parts.KEY)


def leg_rows(source: Source, columns: Collection[str] | None = None) -> Rows:
    """The legs as a lazy frame, for further questions, with the wanted columns.

    All columns, when absent, with ``hung_up_at``: the instant of the hangup. The key is there if a part of it is among
    the wanted columns, or nothing else is wanted; it is long, and questions about groups do without.
    """
    wanted = set(columns or ()) if columns is not None else {*_NAMES, "hung_up_at"}
    for name in sorted(wanted):
        if name not in {*_NAMES, "hung_up_at"}:
            raise ColumnNotFound("of legs()", name, _NAMES)
    texts = not wanted or bool({*parts.KEY, "transferred"} & wanted)
    wanted |= set(parts.KEY) if texts or source.single else set()
    order = [name for name in (*_NAMES, "hung_up_at") if name in wanted]
    if source.single:
        given = source.frame(LEGS, needed=parts.KEY, maker="legs()")
        return given.with_columns(nw.col("ended_at").alias("hung_up_at")).select(*order)
    if not set(TABLES) & set(source.tables):
        raise TableNotFound(" or ".join(TABLES), source.tables, where="the data")
    rows = _made(source, wanted - set(parts.KEY), texts=texts)
    rows = gather.instants(source, rows.select(*order), [name for name in _INSTANTS if name in wanted])
    if not texts:
        return rows
    named = nw.when(nw.col("conversation_id") != "").then(nw.col("conversation_id"))
    return rows.with_columns(named.alias("conversation_id"))


def _made(source: Source, wanted: set[str], *, texts: bool) -> Rows:
    """The columns wanted: first those of the tables, then what is looked up and joined."""
    made = {**RECIPES, **COUNTRY_KEYS, "flags": flags(source.tables)}
    places, moved = wanted & set(COUNTRY), "transferred" in wanted
    first = wanted - set(COUNTRY) - {"transferred"}
    first |= set(COUNTRY_KEYS) if places else set()
    first |= {"member_id", "c_moved"} if moved else set()
    rows = parts.legs_of(source, recipes.inputs(made, first) - set(parts.KEY), texts=texts)
    rows = recipes.make(source, rows, made, first, keep=parts.KEY if texts else ())
    if places:
        rows = _with_countries(source, source.settled(rows))
        rows = recipes.add(source, rows, {name: COUNTRY[name].value for name in sorted(places)})
    if moved:
        rows = _with_transfers(source, rows)
    return rows


def _with_countries(source: Source, rows: Rows) -> Rows:
    """The countries of all numbers and networks that occur, each looked at once."""
    found = source.collect(rows.select(*COUNTRY_KEYS).unique())
    known = countries(*(found[name].dropna().unique() for name in COUNTRY_KEYS))
    by_address = known[known["of"] == "address"].rename(
        columns={"text": "address", "country": "of_address", "source": "address_source"}
    )
    by_network = known[known["of"] == "network"].rename(columns={"text": "network", "country": "of_network"})
    rows = rows.with_columns(nw.col(name).fill_null("") for name in COUNTRY_KEYS)
    for frame, name in ((by_address.drop(columns="of"), "address"), (by_network[["network", "of_network"]], "network")):
        rows = rows.join(source.lazy(frame, rows), on=name, how="left")
    return rows


def _with_transfers(source: Source, rows: Rows) -> Rows:
    if "call_events" in source.tables:
        rows = rows.join(parts.moved(source), on=["conversation_id", "member_id"], how="left")
    homes = homes_of(source, [name for name in TABLES if name in source.tables])
    if homes is not None:
        rows = rows.join(source.lazy(homes[["leg_id"]].assign(rehomed=1), rows), on="leg_id", how="left")
    rows = source.with_nulls(rows, {"replaced": int, "rehomed": int})
    return recipes.add(source, rows, {"transferred": TRANSFERRED.value})


__all__ = ["TABLES", "leg_rows", "legs"]
