"""The exporter: from the API to DataFrames or to a folder of Parquet files.

The package can be called: importing it, or anything in it, binds it to the name that the function `export` has in
`conv_analytics`, so ``from conv_analytics import Frames, export`` would otherwise get a module.
"""

from __future__ import annotations

import inspect
import sys
from types import ModuleType

from conv_analytics.export.job import Job
from conv_analytics.export.progress import Progress
from conv_analytics.export.report import Report
from conv_analytics.export.run import aexport, export
from conv_analytics.export.targets import Exported, Frames

__all__ = ["Exported", "Frames", "Job", "Progress", "Report", "aexport", "export"]


class _Callable(ModuleType):
    __call__ = staticmethod(export)


__signature__ = inspect.signature(export)
sys.modules[__name__].__class__ = _Callable
