"""Checks of the folder: whether an export can write there, and the results of the last runs."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

from conv_analytics.dataset.maintenance.finding import Finding
from conv_analytics.dataset.storage import history, quarantine
from conv_analytics.dataset.storage.commit import commits
from conv_analytics.dataset.storage.layout import Layout
from conv_analytics.dataset.storage.lock import WriterLock
from conv_analytics.diagnostics.setup import LAST_RUNS, NIGHTLY, Setup, error, of_error, ok, skipped, warning
from conv_analytics.errors import ConfigError, DatasetError
from conv_analytics.errors.skew import duration
from conv_analytics.privacy import KEY_VARIABLE, Mask
from conv_analytics.privacy.display import Display

#: A run that holds the folder for longer has probably stopped.
LONG_RUN = timedelta(hours=12)
#: A run is late when the last one is older than this many periods.
LATE_PERIODS = 1.5
#: Until its commit, a run also stores the API's answers: several times the size of what it adds in the end.
WORKING_ROOM = 5
#: Runs that the free disk space should suffice for.
NIGHTS_AHEAD = 30
#: Free space that counts as low where no earlier run shows how much one takes. [B]
LITTLE = 1 << 30

_NO_FOLDER, _NO_RUNS = "no folder was named", "the folder has no export yet"


def folder(setup: Setup) -> Iterator[Finding]:
    """Whether an export can write to the folder."""
    if setup.dest is None:
        yield skipped(_NO_FOLDER)
        return
    if not setup.dest.exists():
        yield _creatable(setup.dest)
        return
    if not setup.dest.is_dir():
        yield error(f"{setup.dest} is a file", "Name a folder.")
        return
    layout = Layout(setup.dest)
    try:
        layout.check()
        if layout.commits.exists():
            layout.prepare()
        # The file has no name where the system allows that, and is deleted when it is closed.
        with tempfile.TemporaryFile(dir=setup.dest):
            pass
        setup.commits = tuple(commits(layout))
    except DatasetError as problem:
        yield of_error(problem)
    except OSError as problem:
        advice = "Run as the user who owns it, or give that user the folder: chown -R USER FOLDER."
        yield error(f"{setup.dest} cannot be written to ({problem.strerror or problem})", advice)
    else:
        count = len(list(history.with_carried(setup.commits)))
        yield ok(f"{setup.dest} can be written to; it holds {count:,} runs")


def lock(setup: Setup) -> Iterator[Finding]:
    """Whether a run is writing to the folder, or was interrupted there."""
    if setup.dest is None or not setup.dest.is_dir():
        yield skipped(_NO_FOLDER if setup.dest is None else _NO_RUNS)
        return
    layout = Layout(setup.dest)
    guard = WriterLock(layout)
    holder = guard.holder()
    if holder is None:
        left = layout.journal.is_file() and layout.journal.stat().st_size
        if left:
            what = f"a run was interrupted; the answers that it read are kept ({left / 1e6:,.1f} MB)"
            yield warning(what, "Run the same export again: it goes on from there.")
        else:
            yield ok("no run is writing to the folder")
        return
    since = guard.since()
    if since is not None and setup.now - since < LONG_RUN:
        yield ok(f"the folder is being written by {holder}: until it ends, another export ends with exit code 75")
        return
    advice = "Check whether that run is still doing something; if not, end its process. No file needs to be deleted."
    yield warning(f"the folder is being written by {holder}", advice)


def last_runs(setup: Setup) -> Iterator[Finding]:
    """Whether the last run was complete and recent."""
    if not setup.commits:
        yield skipped(_NO_RUNS)
        return
    if not setup.requested:
        yield skipped("no run of the folder has read from the API")
        return
    last, exports = setup.requested[-1], setup.exports
    what = f"the last run began {_ago(setup, last)}, and was {last['status'] or 'of unknown outcome'}"
    # A later run with a window of its own does not read what the last regular one missed.
    missed = exports[-1] if exports and exports[-1]["status"] == "incomplete" else None
    period = setup.period
    if last["status"] == "incomplete":
        yield warning(what, "Run the same export again: it reads what is missing.")
    elif missed is not None:
        what = f"the last run without a window began {_ago(setup, missed)}, and was incomplete"
        yield warning(what, "Run the same export again: it reads what is missing.")
    elif exports and _age(setup, exports[-1]) > (period or NIGHTLY) * LATE_PERIODS:
        usual = f"one runs every {duration(period.total_seconds())}" if period else "exports should run every night"
        advice = "Check the job that starts it; what expires at the API meanwhile is lost."
        which = "the last run" if exports[-1] == last else "the last run without a window"
        yield warning(f"{which} began {_ago(setup, exports[-1])}, where {usual}", advice)
    else:
        yield ok(what)
    if last["warning"]:
        text = Display().text(last["warning"]).rstrip(".")
        yield warning(text, "Is a route or a recording switched off, or another application exported?")


def _age(setup: Setup, run: Mapping[str, Any]) -> timedelta:
    return setup.now - datetime.fromisoformat(run["at"])


def _ago(setup: Setup, run: Mapping[str, Any]) -> str:
    return f"{duration(_age(setup, run).total_seconds())} ago"


def quarantined(setup: Setup) -> Iterator[Finding]:
    """Whether there are records that could not be read."""
    if setup.dest is None or not setup.commits:
        yield skipped(_NO_RUNS)
        return
    count, damaged = 0, ""
    for each in quarantine.lines(Layout(setup.dest), setup.commits):
        if isinstance(each, quarantine.Damage):
            damaged = damaged or str(each)
        else:
            count += 1
    if damaged:
        yield error(damaged, "Restore it from a copy of the folder. `conv-analytics verify` checks everything.")
    if count:
        advice = "After an upgrade of this package, `conv-analytics replay` reads them again."
        yield warning(f"{count:,} records could not be read, or not in full; they are kept", advice)
    elif not damaged:
        yield ok("every record was read")


def mask(setup: Setup) -> Iterator[Finding]:
    """Whether the folder is masked, and with which key."""
    if not setup.commits:
        yield skipped(_NO_RUNS)
        return
    reports = [commit.report for commit in history.with_carried(setup.commits)]
    recorded: Mapping[str, Any] | None = next((each["mask"] for each in reversed(reports) if "mask" in each), None)
    if recorded is None:
        yield ok("none: the folder holds numbers, names and texts as they are")
        return
    what = f"personal data are masked, with the key {recorded['key_id']}"
    text = setup.env.get(KEY_VARIABLE, "")
    try:
        key_id = Mask(text.encode()).key_id if text.strip() else None
    except ConfigError as problem:
        yield of_error(problem)
        return
    if key_id is None:
        yield ok(f"{what}; {KEY_VARIABLE} is not set, so exports need --mask-key-file")
    elif key_id == recorded["key_id"]:
        yield ok(what)
    else:
        advice = "Set it to the folder's key: an export with another is refused."
        yield error(f"{what}, and {KEY_VARIABLE} holds another ({key_id})", advice)


def disk_space(setup: Setup) -> Iterator[Finding]:
    """Whether the next runs fit on the disk."""
    if setup.dest is None:
        yield skipped(_NO_FOLDER)
        return
    try:
        free = shutil.disk_usage(_existing(setup.dest)).free
    except OSError as problem:
        yield skipped(f"the free space of {setup.dest} cannot be read ({problem.strerror or problem})")
        return
    # A compacted folder begins with everything in one commit, which says nothing about the size of a run.
    exports = [commit for commit in setup.commits or () if commit.report.get("requests")]
    sizes = [sum(file.bytes for file in commit.files) for commit in exports[-LAST_RUNS:]]
    text, advice = f"{free / 1e9:,.1f} GB are free", "Free some, or move the folder to a larger disk."
    if not sizes:
        yield warning(text, advice) if free < LITTLE else ok(text)
        return
    usual, largest = median(sizes), max(sizes)
    text += f"; a run took {usual / 1e6:,.1f} MB (median of the last {len(sizes)}), at most {largest / 1e6:,.1f} MB"
    if free < WORKING_ROOM * largest:
        yield error(f"{text}: the next run may not fit", advice)
    elif free < NIGHTS_AHEAD * usual:
        yield warning(f"{text}: fewer than {NIGHTS_AHEAD} runs fit", advice)
    else:
        yield ok(text)


def _creatable(dest: Path) -> Finding:
    """Whether a folder that does not exist can be created."""
    parent = _existing(dest)
    if not parent.is_dir():
        return error(f"{parent} is a file", "Name a folder.")
    try:
        with tempfile.TemporaryFile(dir=parent):
            pass
    except OSError as problem:
        what = f"{dest} does not exist, and {parent} cannot be written to ({problem.strerror or problem})"
        return error(what, "Make it, and give it to this user.")
    return ok(f"{dest} does not exist yet; the first export makes it")


def _existing(path: Path) -> Path:
    """The nearest existing parent folder."""
    return next((each for each in (path, *path.absolute().parents) if each.exists()), path)


__all__ = ["disk_space", "folder", "last_runs", "lock", "mask", "quarantined"]
