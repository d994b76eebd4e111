"""The commit log: one numbered JSON record per run, written last, never changed.

A dataset is the sum of its commits: a file that no commit names is not part of it. A commit is created under the next
free number in one step that fails if the number is taken, so two runs can never both believe that they were next.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from conv_analytics.dataset import durable, marks
from conv_analytics.dataset.layout import Layout
from conv_analytics.dataset.marks import Mark
from conv_analytics.errors import CorruptFile

#: 2: with `Commit.settled`; 3: with `Commit.conversations`. Records of 1 and 2 are read as before.
FORMAT = 3
_NAME = re.compile(r"(\d{6,})\.json")


@dataclass(frozen=True)
class File:
    """One Parquet file of a commit."""

    path: str
    """Relative to the dataset, with slashes."""
    table: str
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Commit:
    """What one run added to the dataset."""

    number: int
    run: str
    committed_at: str
    """UTC, ISO 8601."""
    files: tuple[File, ...]
    report: Mapping[str, Any]
    """What the run did: window, rows, requests, what was gone, incomplete or unreadable."""
    quarantine: str | None = None
    """The quarantine file of the run, relative to the dataset."""
    watermarks: Mapping[str, int] = field(default_factory=dict)
    """Per conversation that this run completed, the id of its last event."""
    settled: Mapping[str, str] = field(default_factory=dict)
    """Per conversation that this run read to its end: see `conv_analytics.dataset.marks.Mark.settled`."""
    conversations: File | None = None
    """Where there are many conversations, the file that has these two instead: see `conv_analytics.dataset.marks`."""
    format: int = field(default=FORMAT)

    def marks(self, root: Path) -> Iterator[Mark]:
        """How far the run came with each conversation; raise `CorruptFile` where that cannot be read."""
        yield from marks.of(self.watermarks, self.settled)
        if self.conversations is not None:
            yield from marks.read(root / self.conversations.path)

    @property
    def published(self) -> tuple[File, ...]:
        """All files that have to be in their places before the commit is."""
        return self.files if self.conversations is None else (*self.files, self.conversations)

    @property
    def rows(self) -> dict[str, int]:
        """Rows added per table."""
        result: dict[str, int] = {}
        for file in self.files:
            result[file.table] = result.get(file.table, 0) + file.rows
        return result

    def to_json(self) -> str:
        """The record as it is written: sorted keys, so that equal commits are equal bytes."""
        return json.dumps(asdict(self), ensure_ascii=False, indent=1, sort_keys=True) + "\n"

    @classmethod
    def read(cls, path: Path) -> Commit:
        """Read a commit; raise `CorruptFile` if it is not one."""
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            if values["format"] > FORMAT:
                raise CorruptFile(
                    path, f"written by a newer version (format {values['format']}); upgrade conv_analytics"
                )
            values["files"] = tuple(File(**file) for file in values["files"])
            if values.get("conversations"):
                values["conversations"] = File(**values["conversations"])
            return cls(**values)
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise CorruptFile(path, f"not a commit record ({type(error).__name__})") from error


def commits(layout: Layout, *, before: int | None = None) -> Iterator[Commit]:
    """All commits of a dataset, or those before a number, oldest first."""
    for number in numbers(layout):
        if before is None or number < before:
            yield Commit.read(layout.commit(number))


def numbers(layout: Layout) -> list[int]:
    """The numbers of all commits, in order."""
    if not layout.commits.is_dir():
        return []
    return sorted(int(match[1]) for path in layout.commits.iterdir() if (match := _NAME.fullmatch(path.name)))


def next_number(layout: Layout) -> int:
    """The number that the next commit takes."""
    return max(numbers(layout), default=0) + 1


def prepare(layout: Layout, commit: Commit) -> Path:
    """Write a commit beside the log, in the run's staging folder: the promise that its files are complete."""
    path = layout.staging(commit.run) / "commit.json"
    # Under its name it is whole: a half-written promise would be in the way of every later run.
    part = path.with_suffix(".part")
    durable.write_text(part, commit.to_json())
    durable.publish(part, path)
    durable.sync_folder(path.parent)
    return path


def promised(staging: Path) -> Path | None:
    """The prepared commit of a staging folder, if its run came so far."""
    path = staging / "commit.json"
    return path if path.exists() else None


def finish(layout: Layout, prepared: Path, commit: Commit) -> None:
    """Move the files of a prepared commit to their places and enter it in the log.

    May be repeated after a crash at any point: what is in place stays there.
    """
    for file in commit.published:
        staged, final = layout.staging(commit.run) / file.path, layout.root / file.path
        if staged.exists():
            durable.publish(staged, final)
    with ThreadPoolExecutor() as pool:
        list(pool.map(durable.sync_folder, {(layout.root / file.path).parent for file in commit.published}))
    durable.create(prepared, layout.commit(commit.number))
