from .entry import aexport as aexport, export as export
from .event_files import read_events as read_events
from .ingest_report import Ingested as Ingested
from .ingestion import ingest as ingest
from .job import Job as Job
from .progress import Progress as Progress
from .report import Report as Report
from .results import Exported as Exported, Frames as Frames

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
