"""The exporter: from the API to DataFrames or to a folder of Parquet files."""

from __future__ import annotations

from conv_analytics.export.progress import Progress
from conv_analytics.export.report import Report
from conv_analytics.export.run import aexport, export
from conv_analytics.export.targets import Exported, Frames

__all__ = ["Exported", "Frames", "Progress", "Report", "aexport", "export"]
