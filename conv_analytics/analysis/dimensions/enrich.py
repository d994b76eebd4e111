"""Custom dimensions of calls from the caller's maps: sites, carriers, names of networks, teams."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar, overload

import narwhals as nw
import pandas as pd
import pyarrow as pa

from conv_analytics.analysis.dimensions.keys import LEG_TEXTS, TAKEN
from conv_analytics.analysis.dimensions.lookup import Lookup
from conv_analytics.analysis.dimensions.map_table import map_table
from conv_analytics.analysis.dimensions.validity import Validity
from conv_analytics.analysis.engine.data import Connection, DatasetLike, Frame
from conv_analytics.analysis.engine.dimensions import EnrichedData, names_of
from conv_analytics.analysis.engine.engines.lazy import LazyEngine
from conv_analytics.analysis.engine.memory_frame import MemoryFrame
from conv_analytics.analysis.engine.rows import Rows
from conv_analytics.analysis.engine.source import SINGLE, Source
from conv_analytics.analysis.entities.legs import leg_rows
from conv_analytics.errors import ColumnNotFound, ConfigError

FrameT = TypeVar("FrameT", bound=Frame)
#: Prefix of the columns of a lazy frame that are looked up, as text and instants.
_TYPED = "conv_analytics_typed_"


@overload
def enrich(
    data: EnrichedData | DatasetLike | Mapping[str, Frame] | Connection[Frame], table: Any,
    on: str | Mapping[str, str] | None = None, how: str | None = None, *, columns: Sequence[str] | None = None,
    at: str = "started_at", tz: str = "UTC",
) -> EnrichedData: ...  # fmt: skip
@overload
def enrich(
    data: FrameT, table: Any, on: str | Mapping[str, str] | None = None, how: str | None = None, *,
    columns: Sequence[str] | None = None, at: str = "started_at", tz: str = "UTC",
) -> FrameT: ...  # fmt: skip
def enrich(
    data: Any, table: Any, on: str | Mapping[str, str] | None = None, how: str | None = None, *,
    columns: Sequence[str] | None = None, at: str = "started_at", tz: str = "UTC",
) -> Any:  # fmt: skip
    """Add custom columns to legs: the site of a number, the carrier of a prefix, the team of an agent.

    Every question can be grouped by them: ``by="site"`` of `kpi`, `offenders`, `compare`, `check` and all others;
    `findings` and reports use them, too.

    Parameters
    ----------
    data
        Tables (a `Dataset`, `Frames`, a mapping, a DuckDB connection), whose legs and calls have the columns from then
        on; or one frame, such as the result of `legs`, which is returned with them.
    table
        The map: a frame of any kind, or the path of a CSV or Parquet file.
    on
        The column of the map that is looked up. ``number`` and ``prefix`` are of the far end (``remote_address``),
        ``from_number``, ``to_number``, ``from_prefix`` and ``to_prefix`` of the calling and the called end; any other
        is the column of legs with that name, such as ``network_code`` or ``user_id``. A column with another name:
        ``{"number": "Rufnummer"}``. When absent, the names of the map's columns decide.
    how
        ``equal``; ``longest_prefix``: the longest of the prefixes that a number begins with; ``valid_at``: equal, and
        the row holds at the start of the leg, from ``valid_from`` on and before ``valid_to``, either of which may be
        empty. When absent, the names of the columns decide.
    columns
        The columns to add; all others of the map when absent.
    at
        The column of the instant at which a row has to hold.
    tz
        Time zone of days in ``valid_from`` and ``valid_to``: each stands for its midnight.

    Returns
    -------
    EnrichedData or the caller's kind
        Tables become `EnrichedData`, which every question takes as data. A frame gets the columns at its end, as text;
        its rows and their order stay the same. Rows that match nothing have nulls; `match_counts` counts them, and a
        pandas frame has these counts in ``attrs["match_counts"]``.

    Raises
    ------
    ConfigError
        If a key occurs twice in the map or two of its rows hold at the same time, which would multiply rows; a prefix
        or an instant is malformed; an added column exists already; or the column to join on is not clear.
    ColumnNotFound
        If the frame lacks a column.

    Notes
    -----
    Numbers may be written 442079460000, +44 20 7946 0000 or 00442079460000 on either side. For a masked number only the
    calling code is known: it gets a prefix if all numbers of that code have the same one. Networks may be written
    23410, 234-10 or 234 10.

    Examples
    --------
    >>> import pandas as pd
    >>> from conv_analytics.analysis import kpi
    >>> legs = pd.DataFrame({"conversation_id": ["CON-1", "CON-2", "CON-3"], "leg_id": ["a", "b", "c"],
    ...     "direction": "outbound", "answered": [True, False, True], "sip_code": [200, 486, 200],
    ...     "remote_address": ["442079460000", "447700900123", "33140205050"]})
    >>> carriers = pd.DataFrame({"prefix": ["44", "+44 7"], "carrier": ["BT", "Vodafone"]})
    >>> named = enrich(legs, carriers, on="prefix")
    >>> named["carrier"].to_list(), named.attrs["match_counts"][0]["no_row"]
    (['BT', 'Vodafone', nan], 1)

    An agent changes the team:

    >>> teams = pd.DataFrame({"user_id": ["USR-1", "USR-1"], "team": ["sales", "support"],
    ...     "valid_from": ["", "2026-11-01"], "valid_to": ["2026-11-01", ""]})
    >>> at = pd.to_datetime(["2026-10-31T23:59Z", "2026-11-01T00:00Z"], utc=True, format="ISO8601")
    >>> enrich(pd.DataFrame({"user_id": "USR-1", "started_at": at}), teams)["team"].to_list()
    ['sales', 'support']
    """
    source, dimensions, lookup = _opened(data, table, on, how, columns=columns, at=at, tz=tz)
    if not source.single:
        return EnrichedData(data.data if isinstance(data, EnrichedData) else data, (*dimensions, lookup))
    data = nw.to_native(data, pass_through=True)
    if not source.engine.in_memory:
        return _joined(source, lookup).native
    rows = _looked_at(source, lookup)
    values = lookup.added_to(rows, lookup.columns).select(*lookup.columns).frame
    texts = {name: values.arrow(name) for name in lookup.columns}  # type: ignore[union-attr]
    if source.kind == "pandas":
        return _with_texts(data, texts, [*data.attrs.get("match_counts", ()), _counted(lookup, rows)])
    if source.kind == "pyarrow":
        frame = pa.table(data)
        for name, values in texts.items():
            frame = frame.append_column(name, values)
        return frame
    import polars as pl  # noqa: PLC0415  only who gave Polars gets it

    frame = data.collect() if hasattr(data, "collect") else data
    return frame.hstack(pl.from_arrow(pa.table(texts)))


def match_counts(
    data: Any, table: Any = None, on: str | Mapping[str, str] | None = None, how: str | None = None, *,
    at: str = "started_at", tz: str = "UTC",
) -> pd.DataFrame:  # fmt: skip
    """Count the rows that a map matches, and those that it does not match, by reason.

    Parameters
    ----------
    data
        What `enrich` returned for tables; or the data as `enrich` takes it, together with the map.
    table, on, how, at, tz
        As for `enrich`.

    Returns
    -------
    pandas.DataFrame
        A row per map: ``map``, ``on``, ``how``, ``columns``; and of ``rows`` those that are ``matched``, have
        ``no_key`` (nothing to look up), ``no_row`` in the map, ``outside_validity`` (rows, but none that holds then),
        or are ``undecided`` (masked numbers, of whose prefixes several fit).

    Examples
    --------
    >>> import pandas as pd
    >>> legs = pd.DataFrame({"network_code": ["23410", "23415", None]})
    >>> counts = match_counts(legs, {"network_code": ["234-10"], "network": ["O2"]})
    >>> counts[["rows", "matched", "no_key", "no_row"]].values.tolist()
    [[3, 1, 1, 1]]
    """
    if table is None:
        if not isinstance(data, EnrichedData):
            raise ConfigError(
                "Give the map, too: match_counts(data, table). Only data that `enrich` returned has its map."
            )
        source, dimensions = Source.of(data.data), data.dimensions
        chosen = [(dimensions[:place], each) for place, each in enumerate(dimensions) if isinstance(each, Lookup)]
    else:
        source, before, lookup = _opened(data, table, on, how, columns=None, at=at, tz=tz)
        chosen = [(before, lookup)]
    counted = []
    for before, lookup in chosen:
        if source.single:
            rows = _looked_at(source, lookup)
        else:
            rows = leg_rows(replace(source, dimensions=(*source.dimensions, *before)), lookup.needs)
        counted.append(_counted(lookup, rows))
    table_of_counts = pd.DataFrame(counted)
    numbers = table_of_counts.select_dtypes("number").columns
    return table_of_counts.astype({str(name): "Int64" if name in numbers else "str" for name in table_of_counts})


def _opened(
    data: Any, table: Any, on: Any, how: str | None, *, columns: Sequence[str] | None, at: str, tz: str
) -> tuple[Source, tuple[Any, ...], Lookup]:
    """The data, its dimensions so far, and a map that fits them."""
    dimensions = data.dimensions if isinstance(data, EnrichedData) else ()
    source = Source.of(data.data if isinstance(data, EnrichedData) else data)
    own = (*source.dimension_columns, *names_of(dimensions))
    there = source.columns() if source.single else (*LEG_TEXTS, *own)
    lookup = Lookup(map_table(table, on, how, rows=there, columns=columns, tz=tz), at)
    # Names that differ in case only are one name in DuckDB.
    taken = {name.casefold(): name for name in (there if source.single else (*TAKEN, *own))}
    for name in lookup.columns:
        if name.casefold() in taken:
            also = taken[name.casefold()]
            told = "" if also == name else f" ({also!r})"
            raise ConfigError(
                f"{lookup.table.name} has a column {name!r}, and so {'has the frame' if source.single else 'have legs'}"
                f"{told} or answers about them. Rename it, or name the columns to add: columns=['site']."
            )
    if source.single:
        for name in lookup.needs:
            if name not in there:
                raise ColumnNotFound("the frame", name, there)
    elif isinstance(lookup.table.index, Validity) and at not in {"started_at", "ringing_at", "answered_at", "ended_at"}:
        raise ConfigError(f"at={at!r} is not an instant of legs: name started_at, ringing_at, answered_at or ended_at.")
    return source, dimensions, lookup


def _kinds(lookup: Lookup) -> dict[str, Any]:
    """The columns that a map needs, and their kinds."""
    kinds: dict[str, Any] = dict.fromkeys(lookup.needs, str)
    if isinstance(lookup.table.index, Validity):
        kinds[lookup.at] = datetime
    return kinds


def _looked_at(source: Source, lookup: Lookup) -> Rows:
    """The columns of a frame that a map needs."""
    return Rows.of(source, source.typed(SINGLE, _kinds(lookup)))


def _joined(source: Source, lookup: Lookup) -> Rows:
    """A lazy frame as it came, with the columns of a map."""
    engine = source.engine
    assert isinstance(engine, LazyEngine)
    kinds = _kinds(lookup)
    names = {name: f"{_TYPED}{name}" for name in kinds}
    typed = engine.with_typed(SINGLE, {names[name]: (name, kind) for name, kind in kinds.items()})
    rows = lookup.renamed(names).added_to(Rows.of(source, typed), lookup.columns)
    return rows.select(*source.columns(), *lookup.columns)


def _counted(lookup: Lookup, rows: Rows) -> dict[str, Any]:
    key = lookup.table.key
    about = {"map": lookup.table.name, "on": key.on, "how": key.how, "columns": ", ".join(lookup.columns)}
    return about | lookup.counts(rows)


def _with_texts(frame: pd.DataFrame, texts: Mapping[str, pa.Array], counts: list[dict[str, Any]]) -> pd.DataFrame:
    done = frame.assign(**{name: pd.Series(MemoryFrame({name: each}, len(each)).native[name].array, index=frame.index)
                           for name, each in texts.items()})  # fmt: skip
    done.attrs = {**frame.attrs, "match_counts": counts}
    return done


__all__ = ["EnrichedData", "enrich", "match_counts"]
