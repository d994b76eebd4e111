"""The commit log: one numbered JSON record per run, written last, never changed.

A dataset is the sum of its commits: a file that no commit names is not part of it. A commit is created under the next
free number in one step that fails if the number is taken, so two runs can never both believe that they were next.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from conv_analytics.dataset import durable
from conv_analytics.dataset.layout import Layout
from conv_analytics.errors import CorruptFile

#: 2: with `Commit.settled`; records of 1 are read as before.
FORMAT = 2
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
    watermarks: Mapping[str, int]
    """Per conversation that this run completed, the id of its last event."""
    report: Mapping[str, Any]
    """What the run did: window, rows, requests, what was gone, incomplete or unreadable."""
    quarantine: str | None = None
    """The quarantine file of the run, relative to the dataset."""
    settled: Mapping[str, str] = field(default_factory=dict)
    """Per conversation that this run read to its end, and of which it learnt something: the instant of the last change
    known (UTC, ISO 8601, seconds) and, after a space, a mark of what the list said of it. See `settled`."""
    format: int = field(default=FORMAT)

    @property
    def rows(self) -> dict[str, int]:
        """Rows added per table."""
        result: dict[str, int] = {}
        for file in self.files:
            result[file.table] = result.get(file.table, 0) + file.rows
        return result

    def to_json(self) -> str:
        """The record as it is written: sorted keys, so that equal commits are equal bytes."""
        return "".join(self.pieces())

    def pieces(self) -> Iterator[str]:
        """`to_json` piece by piece: of a hundred thousand conversations the whole would be tens of megabytes."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        values["files"] = [asdict(file) for file in self.files]
        yield from json.JSONEncoder(ensure_ascii=False, indent=1, sort_keys=True).iterencode(values)
        yield "\n"

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


def watermarks(layout: Layout) -> dict[str, int]:
    """Per conversation, the id of the last event that the dataset holds."""
    result: dict[str, int] = {}
    for commit in commits(layout):
        result.update(commit.watermarks)
    return result


def settled(history: Iterable[Commit]) -> dict[str, str]:
    """Per conversation that the dataset holds to its end, what was known when it was last read: see `Commit.settled`.

    One whose watermark a later run names without settling it was not read to its end by that run, and is left out.
    """
    result: dict[str, str] = {}
    for commit in history:
        for conversation_id in commit.watermarks.keys() - commit.settled.keys():
            result.pop(conversation_id, None)
        result.update(commit.settled)
    return result


def prepare(layout: Layout, commit: Commit) -> Path:
    """Write a commit beside the log, in the run's staging folder: the promise that its files are complete."""
    path = layout.staging(commit.run) / "commit.json"
    # Under its name it is whole: a half-written promise would be in the way of every later run.
    part = path.with_suffix(".part")
    durable.write_text(part, commit.pieces())
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
    for file in commit.files:
        staged, final = layout.staging(commit.run) / file.path, layout.root / file.path
        if staged.exists():
            durable.publish(staged, final)
    with ThreadPoolExecutor() as pool:
        list(pool.map(durable.sync_folder, {(layout.root / file.path).parent for file in commit.files}))
    durable.create(prepared, layout.commit(commit.number))
