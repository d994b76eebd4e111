"""Check a dataset folder: every byte is there that a commit promised, every row once, and nothing else.

Nothing is written and nothing is repaired. Files are read one at a time, and of the rows only the keys.
"""

from __future__ import annotations

import itertools
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from conv_analytics.dataset.maintenance import keys
from conv_analytics.dataset.maintenance.finding import Finding, Level, some
from conv_analytics.dataset.memory.watermarks import Known
from conv_analytics.dataset.storage import commit as log
from conv_analytics.dataset.storage.commit import Commit, File
from conv_analytics.dataset.storage.history import every
from conv_analytics.dataset.storage.layout import QUARANTINE, Layout
from conv_analytics.dataset.storage.parquet import as_recorded
from conv_analytics.dataset.storage.quarantine import LINES
from conv_analytics.errors import CorruptFile, DatasetError
from conv_analytics.tables import TABLES
from conv_analytics.tables.kinds import reads_as

#: So many conversations with holes are told by name.
_SHOWN = 5

_PLACE = re.compile(r"(?P<table>\w+)/date=\d{4}-\d\d-\d\d/[^/\\]+\.parquet")
_OWN_NAME = re.compile(r"(?P<commit>\d{6,})-(?P<run>[0-9a-f]{8})-\d+\.parquet")

_RESTORE = "Restore it from a copy of the folder; without one, export to a new folder what the API still has."


@dataclass
class _Folder:
    """What lies in a dataset folder, looked at once."""

    layout: Layout
    lying: list[str]
    """Every file in the folder of a table, relative to the dataset."""
    finishing: set[str]
    """Runs that have written their commit, but not entered it in the log."""
    numbers: list[int]
    known: Known
    history: list[Commit] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    sound: dict[str, list[File]] = field(default_factory=dict)
    """Files that are as recorded, by table."""
    unknown: int = 0
    """Commits whose watermarks cannot be read."""

    @classmethod
    def look(cls, path: Path) -> _Folder:
        """Look at a folder, which a run may be writing to."""
        layout = Layout(path)
        # In this order: a file that is published after the first look is not seen, and one that was published
        # before it belongs to a run that is still finishing at the second look, or committed at the third.
        lying = sorted(
            file.relative_to(path).as_posix()
            for table in TABLES
            for file in (path / table).rglob("*")
            if file.is_file()
        )
        finishing = {staging.name for staging in layout.runs() if log.promised(staging)}
        return cls(layout, lying, finishing, log.numbers(layout), Known(path))

    def add(self, level: Level, what: str, where: str = "", advice: str = "") -> None:
        """Note a finding."""
        self.findings.append(Finding(level, what, where, advice))

    def all_well(self, what: str, since: int) -> None:
        """Say that a check found nothing, if nothing was found since."""
        if len(self.findings) == since:
            self.add(Level.OK, what)

    def paths(self, table: str) -> list[Path]:
        """The files of a table that can be read."""
        return [self.layout.root / file.path for file in self.sound.get(table, ())]


def verify(path: str | Path) -> list[Finding]:
    """Check a dataset folder against its commits, and its rows against each other.

    Parameters
    ----------
    path
        The folder that `export` wrote.

    Returns
    -------
    list of Finding
        At least one per check; a dataset without a finding of level ``error`` is whole.

    Raises
    ------
    DatasetError
        If the folder is no dataset.

    Examples
    --------
    >>> from conv_analytics import Conversations, export
    >>> from conv_analytics.sandbox import Sandbox
    >>> from tempfile import TemporaryDirectory
    >>> with Sandbox(conversations=3) as sandbox, TemporaryDirectory() as folder:
    ...     client = Conversations(sandbox.application_id, sandbox.private_key, base_url=sandbox.base_url)
    ...     done = export(client, folder, rate=0)
    ...     {str(finding.level) for finding in verify(folder)}
    {'ok'}
    """
    folder = _Folder.look(Path(path))
    with closing(folder.known):
        return _checked(folder)


def _checked(folder: _Folder) -> list[Finding]:
    path = folder.layout.root
    if not folder.numbers and not (folder.lying and folder.layout.commits.is_dir()):
        raise DatasetError(f"{path} is no dataset: there is no commit in it. Name a folder that an export wrote.")
    for check in (_commits, _files, _leftovers, _quarantine, _keys, _watermarks, _holes):
        check(folder)
    return folder.findings


def _commits(folder: _Folder) -> None:
    for number in folder.numbers:
        path = folder.layout.commit(number)
        try:
            commit = Commit.read(path)
        except CorruptFile as error:
            folder.add(Level.ERROR, f"is damaged: {_reason(error)}", _relative(folder, path), _RESTORE)
            continue
        if commit.number != number:
            folder.add(Level.ERROR, f"says that it is commit {commit.number}", _relative(folder, path), _RESTORE)
        folder.history.append(commit)
    last = max(folder.numbers, default=0)
    there = sorted({0, *folder.numbers, *(commit.number for commit in every(folder.history))})
    # A number may be anything: what is missing between two of them is told in one go.
    for before, after in itertools.pairwise(there):
        if after - before > 1:
            first, last_one = before + 1, after - 1
            one = f"commit {first} is missing, and with it every row that its run added"
            several = f"commits {first} to {last_one} are missing, and with them every row that their runs added"
            what = one if first == last_one else several
            folder.add(Level.ERROR, what, _relative(folder, folder.layout.commit(first)), _RESTORE)
    folder.all_well(f"commits 1 to {last} are there, without a hole", 0)


def _files(folder: _Folder) -> None:
    before, count = len(folder.findings), 0
    contents: dict[tuple[str, str], str] = {}
    for commit in folder.history:
        for file in commit.files:
            count += 1
            level, what = _fault(folder.layout, file)
            if level is Level.ERROR:
                folder.add(level, what, file.path, _RESTORE)
                continue
            if level is Level.WARNING:
                folder.add(level, what, file.path)
            # Rows of different runs differ at least in when they were exported, or which events they are of.
            first = contents.setdefault((file.table, file.sha256), file.path)
            if file.rows and (first != file.path or file in folder.sound.get(file.table, ())):
                what = f"commit {commit.number} adds the rows of {first} a second time"
                folder.add(Level.ERROR, what, file.path, "Restore the folder from a copy, or export to a new one.")
            folder.sound.setdefault(file.table, []).append(file)
        if commit.conversations is None:
            folder.known.add(commit)
        else:
            count += 1
            _conversations(folder, commit, commit.conversations)
    folder.all_well(f"{count:,} files are as recorded: size, checksum, rows and columns", before)


def _conversations(folder: _Folder, commit: Commit, file: File) -> None:
    """Check the file in which a commit keeps how far it came with each conversation."""
    try:
        what = as_recorded(folder.layout, file)
        if what is None:
            folder.known.add(commit)
    except FileNotFoundError:
        what = "is missing"
    except (OSError, CorruptFile) as error:
        what = f"cannot be read ({_reason(error)})"
    if what:
        folder.unknown += 1
        more = f"{what}; it has the watermarks of commit {commit.number}"
        folder.add(Level.ERROR, more, file.path, _RESTORE)


def _fault(layout: Layout, file: File) -> tuple[Level, str]:
    """The first thing that is wrong with a file."""
    place = _PLACE.fullmatch(file.path)
    if place is None or place["table"] != file.table:
        return Level.ERROR, f"is no place for a file of table {file.table}"
    try:
        if what := as_recorded(layout, file):
            return Level.ERROR, what
        with pq.ParquetFile(layout.file(file.path)) as held:
            rows, columns = held.metadata.num_rows, held.schema_arrow
    except FileNotFoundError:
        return Level.ERROR, "is missing"
    except (OSError, CorruptFile, pa.ArrowException) as error:
        return Level.ERROR, f"cannot be read ({_reason(error)})"
    if rows != file.rows:
        return Level.ERROR, f"has {rows:,} rows; {file.rows:,} were recorded"
    return _columns_fault(file, columns)


def _columns_fault(file: File, held: pa.Schema) -> tuple[Level, str]:
    if file.table not in TABLES:
        return Level.WARNING, f"table {file.table} is not known to this version: columns and keys were not checked"
    declared = {column.name: column.type for column in TABLES[file.table].schema}
    present = {column.name: column.type for column in held}
    for name, kind in declared.items():
        if name not in present:
            return Level.ERROR, f"has no column {name}, which its table has"
        if not reads_as(present[name], kind):
            return Level.ERROR, f"column {name} is {present[name]}, not {kind}"
    if more := present.keys() - declared.keys():
        return Level.WARNING, f"has columns that this version does not know: {', '.join(sorted(more))}"
    return Level.OK, ""


def _leftovers(folder: _Folder) -> None:
    before = len(folder.findings)
    named = {file.path for commit in folder.history for file in commit.files}
    for path in folder.lying:
        if path not in named:
            folder.add(*_leftover(folder, path))
    if folder.finishing:
        what = f"{len(folder.finishing)} run(s) wrote their commit, but did not enter it in the log"
        folder.add(Level.WARNING, what, "_work", "Run the export again: it finishes them first.")
    folder.all_well("no file lies in the folder of a table that no commit names", before)


def _leftover(folder: _Folder, path: str) -> tuple[Level, str, str, str]:
    own = _OWN_NAME.fullmatch(path.rsplit("/", 1)[-1])
    if own and own["run"] in folder.finishing:
        what = "belongs to a run that is not committed yet"
        return Level.WARNING, what, path, "Run the export again: it finishes that run first."
    if own and int(own["commit"]) not in {commit.number for commit in folder.history}:
        what = f"is of commit {int(own['commit'])}, whose record is missing or damaged: open_dataset does not read it"
        return Level.ERROR, what, path, "Restore the record in _commits from a copy, or move the file away."
    what = "no commit names it: open_dataset does not read it, but whoever reads the whole folder of the table does"
    return Level.WARNING, what, path, "Move it away."


def _quarantine(folder: _Folder) -> None:
    before, lines = len(folder.findings), 0
    named = {commit.quarantine: commit for commit in folder.history if commit.quarantine}
    for name, commit in named.items():
        try:
            found = sum(1 for _ in _records(folder.layout, name))
        except (OSError, ValueError, RecursionError, CorruptFile) as error:
            what = "is missing" if isinstance(error, FileNotFoundError) else "cannot be read"
            folder.add(Level.ERROR, f"{what}; it holds what commit {commit.number} could not read", name, _RESTORE)
            continue
        lines += found
        expected = commit.report.get(LINES, commit.report.get("quarantined", found))
        if found != expected:
            folder.add(Level.ERROR, f"has {found:,} records; {expected:,} were counted", name, _RESTORE)
    lying = sorted(f"{QUARANTINE}/{path.name}" for path in folder.layout.quarantine.glob("*"))
    for name in lying:
        if name not in named:
            folder.add(Level.WARNING, "no commit names it", name, "A run that was given up left it; delete it.")
    folder.all_well(f"{len(named):,} quarantine files are there, with {lines:,} records", before)


def _records(layout: Layout, name: str) -> Iterator[Mapping[str, object]]:
    path = layout.file(name)
    with path.open(encoding="utf-8") as file:
        for line in file:
            record = json.loads(line)
            if not isinstance(record, dict):
                raise ValueError(path)  # noqa: TRY004  damaged like what is no JSON at all
            yield record


def _keys(folder: _Folder) -> None:
    before = len(folder.findings)
    for name, table in TABLES.items():
        key = keys.key_of(table)
        for where, files in _sets(folder, name):
            paths = [folder.layout.root / file.path for file in files]
            count, examples = keys.repeated(paths, key, sum(file.rows for file in files))
            if count:
                shown = some([" ".join(map(str, found)) for found in examples], keys.SHOWN)
                what = f"{count:,} rows repeat the key ({', '.join(key)}) of another row, as {shown}"
                # Of rows as last seen, readers take one per key anyway: a list that moved while it was read.
                level = Level.ERROR if table.latest is None else Level.WARNING
                folder.add(level, what, where, _REPEATED if table.latest is None else "")
    folder.all_well(f"keys are unique in {len(folder.sound.keys() & TABLES.keys()):,} tables", before)


_REPEATED = "Look for files that were copied into the folder; without any, please report it with the commit log."


def _sets(folder: _Folder, table: str) -> Iterator[tuple[str, Sequence[File]]]:
    """Files among which a key is there once: of rows as last seen, those of one run."""
    files = folder.sound.get(table, [])
    if TABLES[table].latest is None:
        yield table, files
        return
    for commit in folder.history:
        if mine := [file for file in commit.files if file in files]:
            yield f"{table} of commit {commit.number}", mine


def _watermarks(folder: _Folder) -> None:
    if folder.unknown:
        return
    before = len(folder.findings)
    for name, table in TABLES.items():
        if not table.types and name != "events":
            continue
        spans = keys.spans(folder.paths(name))
        above = (each for each, span in sorted(spans.items()) if span.last > folder.known.reached(each, 0))
        # What is above the watermark of one that was not read to its end is looked up before more is added.
        low = [each for each in above if not (mark := folder.known.get(each)) or not mark.unread]
        if low:
            what = f"{len(low):,} conversations hold events above their watermark: {some(low)}"
            folder.add(Level.ERROR, what, name, "The next export would add them a second time; export to a new folder.")
    _missing(folder)
    folder.all_well(f"watermarks of {len(folder.known):,} conversations are not below the events held", before)


def _missing(folder: _Folder) -> None:
    """What the last runs know to be missing."""
    unread, pending = [], []
    for mark in folder.known.marks():
        unread += [mark.conversation_id] if mark.unread else []
        pending += [mark.conversation_id] if mark.pending_since is not None else []
    for found, what in (
        (unread, "{:,} conversations were not read to their end by the last run: {}"),
        (pending, "{:,} conversations end before the event that they named as their last: {}"),
    ):
        if found:
            folder.add(Level.WARNING, what.format(len(found), some(found)), "", "The next export asks for the rest.")


def _holes(folder: _Folder) -> None:
    before, paths = len(folder.findings), folder.paths("events")
    spans = keys.spans(paths)
    holes = {name: span.missing for name, span in spans.items() if span.missing > 0}
    unread = _lost_events(folder) if holes else Counter()
    unexplained = {name: count for name, count in holes.items() if count > unread[name]}
    if unexplained:
        largest = sorted(unexplained, key=lambda name: (-unexplained[name], name))[:_SHOWN]
        ids = keys.missing_ids(paths, {name: spans[name].last for name in largest})
        shown = [f"{name} ({_ids(ids[name], unexplained[name])})" for name in largest]
        rest = len(unexplained) - len(shown)
        what = f"{sum(unexplained.values()):,} event ids are held by no event, in {len(unexplained):,} conversations"
        places = ", ".join(shown) + (f" and {rest:,} more" if rest else "")
        advice = "Normal for ephemeral events, which the API never stores, and for events deleted before the export."
        folder.add(Level.WARNING, f"{what}: {places}", "events", advice)
    elif holes:
        what = f"event ids of {len(spans):,} conversations have no hole but for {sum(holes.values()):,} in quarantine"
        folder.add(Level.OK, what)
    folder.all_well(f"event ids of {len(spans):,} conversations have no hole", before)


def _lost_events(folder: _Folder) -> Counter[str]:
    """Events per conversation that are in the quarantine only."""
    lost: Counter[tuple[str, str]] = Counter()
    for commit in folder.history:
        told: Counter[tuple[str, str]] = Counter()
        # A file that is missing or damaged was told before.
        with suppress(OSError, ValueError, RecursionError, CorruptFile):
            for record in _records(folder.layout, commit.quarantine) if commit.quarantine else ():
                if record.get("list") == "events" and not record.get("kept"):
                    raw = str(record.get("raw") or record.get("raw_base64"))
                    told[str(record.get("conversation_id")), raw] += 1
        # A full run meets them again; they fill no second hole.
        lost |= told
    result: Counter[str] = Counter()
    for (name, _), count in lost.items():
        result[name] += count
    return result


def _ids(first: list[int], count: int) -> str:
    return ", ".join(map(str, first)) + (", ..." if count > len(first) else "")


def _reason(error: Exception) -> str:
    """Why a file cannot be read, without its name and what to do, which a finding has already."""
    said = (str(error).splitlines() or [type(error).__name__])[0]
    return said.partition(" is damaged: ")[2].partition(". Restore")[0] if isinstance(error, CorruptFile) else said


def _relative(folder: _Folder, path: Path) -> str:
    return path.relative_to(folder.layout.root).as_posix()
