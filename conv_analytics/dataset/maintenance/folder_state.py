"""The state of a dataset folder during a check, read once, and the findings so far."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from conv_analytics.dataset.maintenance.finding import Finding, Level
from conv_analytics.dataset.maintenance.replaced_events import ReplacedEvents
from conv_analytics.dataset.memory.watermark_index import WatermarkIndex
from conv_analytics.dataset.storage import commit as log
from conv_analytics.dataset.storage.backends import backend_of
from conv_analytics.dataset.storage.commit import Commit, File
from conv_analytics.dataset.storage.layout import Layout
from conv_analytics.dataset.store.stored_object import StoredFile
from conv_analytics.tables import TABLES
from conv_analytics.tables.event_sources import EVENT_SOURCES

#: Advice about damaged or missing files.
RESTORE = "Restore it from a copy of the folder; without one, export to a new folder what the API still has."


@dataclass
class FolderState:
    """The files and commits of a dataset folder, and the findings so far."""

    layout: Layout
    table_files: list[str]
    """Every file in the folder of a table, relative to the dataset."""
    finishing: set[str]
    """Runs that have written their commit, but not entered it in the log."""
    numbers: list[int]
    watermarks: WatermarkIndex
    commits: list[Commit] = field(default_factory=list)
    """Commits that can be read."""
    findings: list[Finding] = field(default_factory=list)
    sound: dict[str, list[File]] = field(default_factory=dict)
    """Files that are as recorded, by table."""
    removed: frozenset[str] = frozenset()
    """Files that a commit has removed."""
    unknown: int = 0
    """Commits whose watermarks cannot be read."""

    @cached_property
    def replaced(self) -> ReplacedEvents:
        """Rows that do not count, because the list's version of their event exists as well."""
        return ReplacedEvents(self.paths(EVENT_SOURCES.name))

    @classmethod
    def of(cls, path: Path) -> FolderState:
        """Read the state of a folder, which a run may be writing to."""
        layout = Layout(path)
        # In this order: a file that is published after the first look is not seen, and one that was published
        # before it belongs to a run that is still finishing at the second look, or committed at the third.
        backend = backend_of(layout)
        table_files = sorted(file for table in TABLES for file in backend.files(table))
        finishing = {staging.name for staging in layout.runs() if log.promised(staging)}
        return cls(layout, table_files, finishing, log.numbers(layout), WatermarkIndex(path))

    def add(self, level: Level, what: str, where: str = "", advice: str = "") -> None:
        """Add a finding."""
        self.findings.append(Finding(level, what, where, advice))

    def all_well(self, what: str, since: int) -> None:
        """Add a finding that nothing is wrong, unless a finding was added since."""
        if len(self.findings) == since:
            self.add(Level.OK, what)

    def paths(self, table: str) -> list[StoredFile]:
        """The files of a table that can be read."""
        return [self.layout.file(file.path) for file in self.sound.get(table, ())]

    def relative(self, path: Path) -> str:
        """A path below the folder, with slashes."""
        return path.relative_to(self.layout.root).as_posix()
