"""The exporter: from the API to DataFrames or to a folder of Parquet files."""

from __future__ import annotations

from conv_analytics.exporter.entry import aexport, export
from conv_analytics.exporter.event_files import read_events
from conv_analytics.exporter.ingest import ingest
from conv_analytics.exporter.ingest_report import Ingested
from conv_analytics.exporter.job import Job
from conv_analytics.exporter.progress import Progress
from conv_analytics.exporter.report import Report
from conv_analytics.exporter.results import Exported, Frames

__all__ = [
    "Exported",
    "Frames",
    "Ingested",
    "Job",
    "Progress",
    "Report",
    "aexport",
    "export",
    "ingest",
    "read_events",
]
