"""The tables of a sandbox's world without HTTP: its records as pages, through the flattening that exports use."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pandas as pd
import pyarrow as pa

from conv_analytics.sandbox import World
from conv_analytics.tables import TABLES
from conv_analytics.tables.flatten import flatten_events
from conv_analytics.tables.frame import to_frame
from conv_analytics.tables.pages import Page
from conv_analytics.tables.seen_events import SeenEvents

#: Tables that the legs, and what was said on them, are made of.
WANTED = ("hangups", "call_events", "call_records", "leg_statuses", "audio_events")
_BATCH = 400


def frames_of(world: World) -> dict[str, pd.DataFrame]:
    """What an export of the world holds of its calls."""
    seen, day = SeenEvents(), date(2026, 11, 20)
    parts: dict[str, list[pa.Table]] = {name: [] for name in WANTED}
    pages = list(_pages(world))
    for start in range(0, len(pages), _BATCH):
        rows = flatten_events(pages[start : start + _BATCH], seen)
        for name in WANTED:
            if name in rows.tables:
                parts[name].append(rows.tables[name])
    return {
        name: to_frame(TABLES[name], [(day, part) for part in found or [TABLES[name].schema.empty_table()]])
        for name, found in parts.items()
    }


def _pages(world: World) -> Iterator[Page]:
    for ordinal in world.ordinals:
        made = world.conversation(ordinal)
        if made.rendered:
            yield Page(made.id, b'{"_embedded": {"events": [%b]}}' % b",".join(made.rendered))
