"""The tables of one conversation, and the verdicts on its legs: what a timeline and a ladder are drawn from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from conv_analytics.analysis import quality
from conv_analytics.analysis.audio.units import Units, units_of_all
from conv_analytics.analysis.engine.rows import Rows
from conv_analytics.analysis.engine.source import Source
from conv_analytics.errors import ConvAnalyticsError


def conversation_tables(source: Source) -> dict[str, pd.DataFrame]:
    """Every table of a source as a pandas frame."""
    return {name: Rows.read(source, name, needed=()).collect() for name in source.tables}


def leg_verdicts(tables: Mapping[str, pd.DataFrame], data: Any, units: Units | None) -> pd.DataFrame | None:
    """The verdicts on the legs in some tables; None if the tables have no legs.

    Parameters
    ----------
    tables
        Those of one conversation.
    data
        All data: units are detected on it, because one conversation is not enough for that.
    units
        The units, where they are known already.
    """
    try:
        verdicts: pd.DataFrame = quality(tables, units=units or units_of_all(data))
    except ConvAnalyticsError:
        return None
    return verdicts


__all__ = ["conversation_tables", "leg_verdicts"]
