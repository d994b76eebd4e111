"""The verdicts on the legs of one conversation, for its timeline and ladder."""

from __future__ import annotations

from typing import Any

import pandas as pd

from conv_analytics.analysis import quality
from conv_analytics.analysis.audio.detect_units import units_of_all
from conv_analytics.analysis.audio.units import Units
from conv_analytics.analysis.engine.source import Source
from conv_analytics.errors import ConvAnalyticsError


def leg_verdicts(tables: Source, data: Any, units: Units | None) -> pd.DataFrame | None:
    """The verdicts on the legs in some tables; None if the tables have no legs.

    Parameters
    ----------
    tables
        The tables of one conversation.
    data
        All data: units are detected on it, because one conversation is not enough.
    units
        The units, if they are already known.
    """
    units = units or units_of_all(data)
    known = tables.cache.get(("verdicts",))
    if known is None or known[0] != units:
        try:
            known = units, quality(tables, units=units)
        except ConvAnalyticsError:
            known = units, None
        tables.cache["verdicts",] = known
    verdicts: pd.DataFrame | None = known[1]
    return verdicts


__all__ = ["leg_verdicts"]
