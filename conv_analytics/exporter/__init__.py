"""The exporter: from the API to DataFrames or to a folder of Parquet files."""

from __future__ import annotations

import lazy_loader

# Imported when first used: the process that converts pages needs neither HTTP nor pandas.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
