"""The last import of the fork server: what it has made is the same to all its processes, and never collected."""

from __future__ import annotations

import gc

from conv_analytics.resources.bodies import BODIES
from conv_analytics.tables import TABLES
from conv_analytics.tables.read_bodies import decoder


def make_decoders() -> None:
    """Make what reads the bodies of events: each process that exports would take a quarter of its time for it."""
    for name, table in TABLES.items():
        for kind in table.types or ():
            decoder(name, BODIES.get(kind))


make_decoders()
gc.freeze()
