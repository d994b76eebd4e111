"""What a run and the process that converts its pages say to each other: pickled, over a pair of pipes.

The run sends a `ConversionTask` and waits for `READY`; then batches, each answered by what its conversion adds to the
run; at last `FINISH`, answered by the files. An error is answered as `Failed`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

READY = "ready"
FINISH = "finish"


@dataclass(frozen=True)
class ConversionTask:
    """What the process has to know of its run."""

    root: Path
    """The dataset folder, which the run has locked."""
    number: int
    """The number that the run's commit takes."""
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
    """The number of the run's process; without it there is nothing to do."""


@dataclass(frozen=True)
class Failed:
    """The answer to what could not be done."""

    error: Exception
