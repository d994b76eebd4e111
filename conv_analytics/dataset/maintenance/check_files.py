"""Checks of the files of a dataset: commits, tables and quarantine exist as recorded, and nothing else does."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator, Mapping

import pyarrow as pa
import pyarrow.parquet as pq

from conv_analytics.dataset.maintenance.finding import Level
from conv_analytics.dataset.maintenance.folder_state import RESTORE, FolderState
from conv_analytics.dataset.storage import commit as log
from conv_analytics.dataset.storage.backends import backend_of
from conv_analytics.dataset.storage.backlog import backlog
from conv_analytics.dataset.storage.batches import first_line
from conv_analytics.dataset.storage.commit import Commit, File
from conv_analytics.dataset.storage.layout import COMMITS, QUARANTINE, Layout
from conv_analytics.dataset.storage.parquet import as_recorded
from conv_analytics.dataset.storage.quarantine import LINES
from conv_analytics.dataset.store.stored_object import open_binary, parquet_source
from conv_analytics.errors import CorruptFile
from conv_analytics.tables import TABLES
from conv_analytics.tables.kinds import lacked_by_earlier, reads_as

_TABLE_FILE = re.compile(r"(?P<table>\w+)/date=\d{4}-\d\d-\d\d/[^/\\]+\.parquet")
_FINISH = "Run the export again: it finishes them first."
_PRUNE = "Run prune again: it deletes what an earlier one left."
_OWN_NAME = re.compile(r"(?P<commit>\d{6,})-(?P<run>[0-9a-f]{8})-\d+\.parquet")


def check_commits(folder: FolderState) -> None:
    """Every commit can be read, and no number is missing."""
    for number in folder.numbers:
        path = folder.layout.commit(number)
        try:
            commit = Commit.read(path)
        except CorruptFile as error:
            folder.add(Level.ERROR, f"is damaged: {_reason(error)}", folder.relative(path), RESTORE)
            continue
        if commit.number != number:
            folder.add(Level.ERROR, f"says that it is commit {commit.number}", folder.relative(path), RESTORE)
        folder.commits.append(commit)
    folder.removed = log.removed_by(folder.commits)
    folder.commits = [commit.without(folder.removed) for commit in folder.commits]
    if not folder.numbers:
        # Each file of a run whose record is missing is an error of its own: see `check_leftovers`.
        what = "there is no commit record, and so no row that open_dataset reads"
        folder.add(Level.WARNING, what, COMMITS, _FINISH if folder.finishing else RESTORE)
        return
    last = max(folder.numbers, default=0)
    # A number may be anything, so all that are missing between two of them make one finding.
    for first, last_missing in log.gaps(folder.numbers, folder.commits):
        one = f"commit {first} is missing, and with it every row that its run added"
        several = f"commits {first} to {last_missing} are missing, and with them every row that their runs added"
        what = one if first == last_missing else several
        folder.add(Level.ERROR, what, folder.relative(folder.layout.commit(first)), RESTORE)
    folder.all_well(f"commits 1 to {last} are all there", 0)


def check_table_files(folder: FolderState) -> None:
    """Every file that a commit names is as it was recorded, and no commit adds the rows of another."""
    before, count = len(folder.findings), 0
    contents: dict[tuple[str, str], str] = {}
    for commit in folder.commits:
        for file in commit.files:
            count += 1
            level, what = _fault(folder.layout, file)
            if level is Level.ERROR:
                folder.add(level, what, file.path, RESTORE)
                continue
            if level is Level.WARNING:
                folder.add(level, what, file.path)
            # Rows of different runs differ at least in when they were exported, or in their events.
            first = contents.setdefault((file.table, file.sha256), file.path)
            if file.rows and (first != file.path or file in folder.sound.get(file.table, ())):
                what = f"commit {commit.number} adds the rows of {first} a second time"
                folder.add(Level.ERROR, what, file.path, "Restore the folder from a copy, or export to a new one.")
            folder.sound.setdefault(file.table, []).append(file)
        if commit.conversations is None:
            folder.watermarks.add(commit)
        else:
            count += 1
            _check_watermarks_file(folder, commit, commit.conversations)
    folder.all_well(f"{count:,} files are as recorded: size, checksum, rows and columns", before)


def _check_watermarks_file(folder: FolderState, commit: Commit, file: File) -> None:
    try:
        what = as_recorded(folder.layout, file)
        if what is None:
            folder.watermarks.add(commit)
    except FileNotFoundError:
        what = "is missing"
    except (OSError, CorruptFile) as error:
        what = f"cannot be read ({_reason(error)})"
    if what:
        folder.unknown += 1
        more = f"{what}; it has the watermarks of commit {commit.number}"
        folder.add(Level.ERROR, more, file.path, RESTORE)


def _fault(layout: Layout, file: File) -> tuple[Level, str]:
    """The first fault of a file."""
    path = _TABLE_FILE.fullmatch(file.path)
    if path is None or path["table"] != file.table:
        return Level.ERROR, f"is not where a file of table {file.table} belongs"
    try:
        if what := as_recorded(layout, file):
            return Level.ERROR, what
        with pq.ParquetFile(parquet_source(layout.file(file.path))) as opened:
            rows, columns = opened.metadata.num_rows, opened.schema_arrow
    except FileNotFoundError:
        return Level.ERROR, "is missing"
    except (OSError, CorruptFile, pa.ArrowException) as error:
        return Level.ERROR, f"cannot be read ({_reason(error)})"
    if rows != file.rows:
        return Level.ERROR, f"has {rows:,} rows; {file.rows:,} were recorded"
    return _columns_fault(file, columns)


def _columns_fault(file: File, schema: pa.Schema) -> tuple[Level, str]:
    if file.table not in TABLES:
        return Level.WARNING, f"table {file.table} is not known to this version: columns and keys were not checked"
    declared = TABLES[file.table].schema
    present = {column.name: column.type for column in schema}
    for column in declared:
        if column.name not in present:
            if lacked_by_earlier(column):
                continue
            return Level.ERROR, f"has no column {column.name}, which its table has"
        if not reads_as(present[column.name], column.type):
            return Level.ERROR, f"column {column.name} is {present[column.name]}, not {column.type}"
    if more := present.keys() - set(declared.names):
        return Level.WARNING, f"has columns that this version does not know: {', '.join(sorted(more))}"
    return Level.OK, ""


def check_leftovers(folder: FolderState) -> None:
    """No file is in the folder of a table that no commit names."""
    before = len(folder.findings)
    named = {file.path for commit in folder.commits for file in commit.files}
    for path in folder.table_files:
        if path not in named:
            folder.add(*_leftover(folder, path))
    if folder.finishing:
        what = f"{len(folder.finishing)} run(s) wrote their commit, but did not enter it in the log"
        folder.add(Level.WARNING, what, "_work", _FINISH)
    folder.all_well("every file in the folder of a table is named by a commit", before)


def is_own_name(path: str) -> bool:
    """Whether a file of a table is called as runs call theirs."""
    return _OWN_NAME.fullmatch(path.rsplit("/", 1)[-1]) is not None


def _leftover(folder: FolderState, path: str) -> tuple[Level, str, str, str]:
    if path in folder.removed:
        what = "is no longer part of the dataset, and not deleted yet"
        return Level.WARNING, what, path, _PRUNE
    own = _OWN_NAME.fullmatch(path.rsplit("/", 1)[-1])
    if own and own["run"] in folder.finishing:
        what = "belongs to a run that is not committed yet"
        return Level.WARNING, what, path, "Run the export again: it finishes that run first."
    if own and int(own["commit"]) not in {commit.number for commit in folder.commits}:
        number = int(own["commit"])
        what = f"belongs to commit {number}, whose record is missing or damaged: open_dataset does not read it"
        return Level.ERROR, what, path, "Restore the record in _commits from a copy, or move the file away."
    what = "no commit names it: open_dataset does not read it, but whoever reads the whole folder of the table does"
    return Level.WARNING, what, path, "Move it away."


def check_inbox(folder: FolderState) -> None:
    """The events that a listener received and no run has folded in yet can be read."""
    waiting = backlog(folder.layout, folder.commits)
    for damage in waiting.damaged:
        folder.add(Level.ERROR, f"{damage}, and cannot be read", "_inbox", "What they held is lost: run coverage.")
    if waiting.receipts:
        what = f"{waiting.receipts:,} live events wait to be folded in"
        folder.add(Level.OK, what, "_inbox")


def check_quarantine(folder: FolderState) -> None:
    """Every quarantine file exists, with as many records as its run counted."""
    before, lines = len(folder.findings), 0
    named = {commit.quarantine: commit for commit in folder.commits if commit.quarantine}
    for name, commit in named.items():
        try:
            count = sum(1 for _ in quarantined(folder.layout, name))
        except (OSError, ValueError, RecursionError, CorruptFile) as error:
            what = "is missing" if isinstance(error, FileNotFoundError) else "cannot be read"
            folder.add(Level.ERROR, f"{what}; it holds what commit {commit.number} could not read", name, RESTORE)
            continue
        lines += count
        expected = commit.report.get(LINES, commit.report.get("quarantined", count))
        if count != expected:
            folder.add(Level.ERROR, f"has {count:,} records; {expected:,} were counted", name, RESTORE)
    for name in backend_of(folder.layout).files(QUARANTINE):
        if name not in named:
            advice = _PRUNE if name in folder.removed else "A run that was given up left it; delete it."
            folder.add(Level.WARNING, "no commit names it", name, advice)
    folder.all_well(f"{len(named):,} quarantine files are there, with {lines:,} records", before)


def quarantined(layout: Layout, name: str) -> Iterator[Mapping[str, object]]:
    """The records in a quarantine file."""
    path = layout.file(name)
    with io.TextIOWrapper(open_binary(path), encoding="utf-8") as file:
        for line in file:
            record = json.loads(line)
            if not isinstance(record, dict):
                raise ValueError(path)  # noqa: TRY004  damaged, like what is not JSON at all
            yield record


def _reason(error: Exception) -> str:
    """Why a file cannot be read, without its name and advice, which the finding has already."""
    said = first_line(error)
    return said.partition(" is damaged: ")[2].partition(". Restore")[0] if isinstance(error, CorruptFile) else said
