"""The messages between a run and the process that converts its pages: pickled, over a pair of pipes.

The run sends a `ConversionTask` and waits for `READY`; then it sends batches, each answered with what its conversion
adds to the run; finally `FINISH`, answered with the files. The answer to a failure is `Failed`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

READY = "ready"
FINISH = "finish"


@dataclass(frozen=True)
class ConversionTask:
    """The facts about a run that its process needs."""

    root: Path
    """The dataset folder, which the run has locked."""
    number: int
    """The number of the run's commit."""
    run: str
    """The run's name: its staging folder is named after it."""
    day: date
    """The UTC day of the run."""
    tables: tuple[str, ...]
    """The tables to write."""
    exported_at: datetime
    full: bool
    """Whether the run lists every event again."""
    parent: int
    """The id of the run's process; once that has ended, there is nothing to do."""


@dataclass(frozen=True)
class Failed:
    """The answer to a message that failed."""

    error: Exception
