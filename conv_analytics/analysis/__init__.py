"""Questions about an export, answered as frames.

Every function takes the result of an export, a `Dataset` or `Frames`, or any mapping of table name to frame: pandas,
pyarrow, Polars, Spark, or DuckDB relations. pandas in, pandas out; a dataset larger than memory is computed by DuckDB.
Importing this package adds an accessor to pandas frames: ``frames["hangups"].conv.legs()``.

>>> from conv_analytics.analysis.engine.source import Source
>>> Source.of({}).tables
()
"""

from __future__ import annotations

import importlib

import lazy_loader

# The public names and where they live are listed once, in `__init__.pyi`; each is imported when it is first used.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

importlib.import_module("conv_analytics.analysis.accessor")
