"""Reads data into observations: tables through one query, a frame of legs as it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from conv_analytics.analysis.audio.profiles import Profile
from conv_analytics.analysis.audio.quality import judged_legs
from conv_analytics.analysis.audio.quality_columns import OWN
from conv_analytics.analysis.audio.units import Units
from conv_analytics.analysis.engine import coerce, zones
from conv_analytics.analysis.engine.columns import LEGS
from conv_analytics.analysis.engine.engines.lazy import LazyEngine
from conv_analytics.analysis.engine.expressions import is_true
from conv_analytics.analysis.engine.rows import Rows
from conv_analytics.analysis.engine.source import Source
from conv_analytics.analysis.problems import countries, versions
from conv_analytics.analysis.problems.observations import NO_INSTANT, Codes, Ints, Observations
from conv_analytics.analysis.problems.versions import VERSIONS
from conv_analytics.analysis.problems.wrong_clocks import without_wrong_clocks
from conv_analytics.instants import from_micros
from conv_analytics.tables.column import Column

TEXTS = (
    "conversation_id", "leg_id", "channel_type", "direction", "user_id", "from_address", "to_address",
    "remote_address", "remote_kind", "country", "network_code", "reason_code", "outcome", "outcome_class",
    "hung_up_by",
)  # fmt: skip
JUDGED_TEXTS = ("verdict", "rule", "flow", "codec_guess")
NUMBERS = ("pdd_s", "ring_s", "talk_s", "sip_code", "mos_score", "quality_percentage", "packet_cnt", "byte_in",
           "byte_out", "price")  # fmt: skip
JUDGED_NUMBERS = ("silent_directions", "loss_pct", "jitter_sd_max_ms")
FLAGS = ("answered",)
INSTANTS = ("started_at", "answered_at", "ended_at")
_BATCH = 100_000


def read_observations(
    source: Source, *, since: datetime | None, until: datetime | None, tz: str, profile: str | Profile,
    units: Units | None,
) -> Observations:  # fmt: skip
    """The legs that started from `since` on and before `until`."""
    rows, texts = _rows(source, profile, units)
    if since is not None:
        rows = rows.filter(nw.col("started_at") >= since)
    if until is not None:
        rows = rows.filter(nw.col("started_at") < until)
    engine = source.engine
    columns = _from_lazy(rows, texts, engine) if isinstance(engine, LazyEngine) else _from_pandas(rows, texts)
    if not source.single:
        # Looked up here: the countries of numbers take most of the time of `legs` on a large dataset.
        ends = ("remote_address", "remote_kind", "network_code")
        columns["country"] = countries.of_legs(*(columns[name] for name in ends))
        columns = versions.of_users(source, columns["user_id"]) | columns
    return _observations(columns, [name for name, each in columns.items() if isinstance(each, Codes)], tz)


def _rows(source: Source, profile: str | Profile, units: Units | None) -> tuple[Rows, tuple[str, ...]]:
    if not source.single:
        texts = (*(name for name in TEXTS if name != "country"), *source.dimension_columns)
        rows, _ = judged_legs(source, profile, units, {*texts, *NUMBERS, *FLAGS, *INSTANTS})
        texts = (*texts, *JUDGED_TEXTS)
        return rows.select(*texts, *NUMBERS, *JUDGED_NUMBERS, *FLAGS, *INSTANTS), texts
    there = source.columns()
    version_names = tuple(name for name in VERSIONS if name in there)
    declared = {column.name: column.kind for column in LEGS} | dict.fromkeys(version_names, str)
    names = (*TEXTS, *version_names, *NUMBERS, *FLAGS, *INSTANTS)
    more = [Column(name, declared[name], "") for name in names if name in there]
    more += [OWN[name] for name in (*JUDGED_TEXTS, *JUDGED_NUMBERS) if name in there]
    rows, _ = judged_legs(source, profile, units, more=more)
    rows = rows.with_nulls({name: declared[name] for name in names})
    texts = (*TEXTS, *version_names, *JUDGED_TEXTS)
    return rows.select(*texts, *NUMBERS, *JUDGED_NUMBERS, *FLAGS, *INSTANTS), texts


def _from_pandas(rows: Rows, texts: Sequence[str]) -> dict[str, Any]:
    frame = rows.collect()
    columns: dict[str, Any] = {}
    for name in texts:
        codes, labels = pd.factorize(frame[name])
        columns[name] = Codes(codes.astype("int32"), [str(label) for label in labels])
    for name in (*NUMBERS, *JUDGED_NUMBERS):
        columns[name] = frame[name].astype("float64").to_numpy(dtype="float64", na_value=np.nan)
    for name in FLAGS:
        columns[name] = frame[name].astype("boolean").fillna(value=False).to_numpy(dtype=bool)
    for name in INSTANTS:
        values = coerce.micros(frame[name])
        columns[name] = values.fillna(NO_INSTANT).astype("int64").to_numpy()
    return columns


def _from_lazy(rows: Rows, texts: Sequence[str], engine: LazyEngine) -> dict[str, Any]:
    """The same through Arrow, batch by batch: texts become codes before the next batch is read."""
    rows = rows.with_micros(*INSTANTS, suffix="").select(
        *texts,
        *(nw.col(name).cast(nw.Float64) for name in (*NUMBERS, *JUDGED_NUMBERS)),
        *(is_true(nw.col(name)) for name in FLAGS),
        *(nw.col(name).fill_null(NO_INSTANT) for name in INSTANTS),
    )
    return engine.run(lambda: _read_batches(engine.arrow_batches(rows.frame, _BATCH), texts))


def _read_batches(batches: Iterator[pa.RecordBatch], texts: Sequence[str]) -> dict[str, Any]:
    chunks_by_column: dict[str, list[Any]] = {}
    for batch in batches:
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            # Copies: a view of one column would keep the whole batch in memory.
            if name == "leg_id":
                values = pa.concat_arrays([column, column.slice(0, 0)])
            else:
                values = pc.dictionary_encode(column) if name in texts else np.array(column)
            chunks_by_column.setdefault(name, []).append(values)
    columns: dict[str, Any] = {}
    for name in list(chunks_by_column):
        chunks = chunks_by_column.pop(name)
        if name == "leg_id":
            columns[name] = _one_by_one(chunks)
        else:
            columns[name] = _codes(chunks) if name in texts else np.concatenate(chunks)
        # Arrow's pool keeps freed memory for reuse, which is not needed any more.
        pa.default_memory_pool().release_unused()
    return columns


def _one_by_one(chunks: list[Any]) -> Codes:
    """Nearly unique texts that nothing is grouped by: a code for each row."""
    whole = pa.chunked_array(chunks).combine_chunks()
    chunks.clear()
    codes = np.arange(len(whole), dtype=np.int32)
    return Codes(np.where(whole.is_null().to_numpy(zero_copy_only=False), np.int32(-1), codes), _Labels(whole))


def _codes(chunks: list[Any]) -> Codes:
    whole = pa.chunked_array(chunks).unify_dictionaries().combine_chunks()
    chunks.clear()
    if isinstance(whole, pa.ChunkedArray):
        whole = whole.chunk(0)
    codes = pc.fill_null(whole.indices, -1).to_numpy(zero_copy_only=False)
    return Codes(codes.astype("int32", copy=False), _Labels(whole.dictionary))


class _Labels(Sequence[str]):
    """Labels that stay in Arrow; only those that are shown become Python texts."""

    def __init__(self, array: Any) -> None:
        self.array = array

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, place: Any) -> Any:
        return str(self.array[place].as_py())


def _observations(columns: Mapping[str, Any], texts: Iterable[str], tz: str) -> Observations:
    texts = tuple(texts)
    instants, misdated = without_wrong_clocks({name: columns[name] for name in INSTANTS})
    unanswered_end = np.where(columns["answered"], NO_INSTANT, instants["ended_at"])
    instants["rang_until"] = np.maximum(unanswered_end, instants["started_at"])
    known = {name for name in texts if len(columns[name].labels)}
    numbers = {name: columns[name] for name in (*NUMBERS, *JUDGED_NUMBERS)}
    known |= {name for name, values in numbers.items() if not np.isnan(values).all()}
    return Observations(
        texts={name: columns[name] for name in texts},
        numbers=numbers,
        flags={name: columns[name] for name in FLAGS},
        instants=instants,
        local_us=_local(instants["started_at"], tz),
        columns=frozenset(known),
        misdated=misdated,
    )


def _local(utc: Ints, tz: str) -> Ints:
    known = utc[utc != NO_INSTANT]
    if not len(known):
        return utc
    zone = zones.Zone.over(tz, from_micros(int(known.min())), from_micros(int(known.max())))
    starts = np.array([at for at, _ in zone.steps], dtype=np.int64)
    shifts = np.array([shift for _, shift in zone.steps], dtype=np.int64)
    place = np.maximum(np.searchsorted(starts, utc, side="right") - 1, 0)
    return np.where(utc == NO_INSTANT, 0, utc + shifts[place])


__all__ = ["read_observations"]
