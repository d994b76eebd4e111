"""`conv-analytics status`: what the last runs of a folder did."""

from __future__ import annotations

import argparse
import shlex
from typing import TYPE_CHECKING, Any

from conv_analytics import markup
from conv_analytics.cli.answers import add_unmasked
from conv_analytics.cli.exits import Exit
from conv_analytics.cli.folders import add_work, folder
from conv_analytics.cli.output import say, say_json
from conv_analytics.errors import ConfigError

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from conv_analytics.dataset import Dataset

_DESCRIPTION = """\
Show what the last runs of an export folder did, newest last, and what the folder contains. Makes no request. Times are
UTC, of the start of a run; events are those that were new; a run with --since or --until shows its window. A warning
says when files of runs are missing (not in a bucket: verify looks there).
"""

_EPILOG = """\
examples:
  conv-analytics status exports/
  conv-analytics status exports/ --last 30
  conv-analytics status exports/ --json | jq '.runs[-1].warning'
"""

#: Columns of the table in their order, and how a value is formatted.
_COLUMNS = {
    "commit": "{:d}",
    "when": "{}",
    "status": "{}",
    "window": "{}",
    "listed": "{:,}",
    "events": "{:,}",
    "requests": "{:,}",
    "retries": "{:,}",
    "quarantined": "{:,}",
    "gone": "{:,}",
    "seconds": "{:,.1f}",
}
_WORDS = {"when", "status", "window"}


def add(
    commands: _SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser
) -> argparse.ArgumentParser:
    """Declare the command."""
    command = commands.add_parser(
        "status", help="show the last runs of a folder", description=_DESCRIPTION, epilog=_EPILOG, parents=[common]
    )
    command.add_argument("dest", metavar="DEST", help="folder of an export")
    add_work(command)
    command.add_argument("--last", metavar="N", type=int, default=10, help="number of runs to show (10)")
    command.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    add_unmasked(command)
    return command


def run(options: argparse.Namespace) -> int:
    """Print the last runs and the totals."""
    if options.last < 1:
        raise ConfigError(f"--last is {options.last}; it must be 1 or more.")
    path = folder(options.dest, work=options.work)

    from conv_analytics.dataset import open_dataset
    from conv_analytics.dataset.storage import history
    from conv_analytics.dataset.storage.backlog import backlog
    from conv_analytics.dataset.storage.layout import Layout
    from conv_analytics.dataset.storage.missing_files import ADVICE, describe_missing, missing_files
    from conv_analytics.privacy.display import Display

    dataset = open_dataset(path)
    layout = Layout(path)
    waiting, missing = backlog(layout, dataset.commits), missing_files(layout, dataset.commits)
    if missing:
        # Unless a prune that ended meanwhile has deleted them.
        dataset = open_dataset(path)
        missing = missing_files(layout, dataset.commits)
    display = Display(on=not options.unmasked)
    last, totals = history.runs(dataset.commits)[-options.last :], _totals(dataset)
    # A warning may quote the API's answer.
    last = [{**entry, "warning": display.text(entry["warning"] or "") or entry["warning"]} for entry in last]
    if options.json:
        say_json({"runs": last, "totals": totals, "inbox": waiting._asdict(), "missing_files": missing})
        return Exit.COMPLETE
    for line in _table([_cells(entry) for entry in last]):
        say(line)
    say()
    for line in _summary(totals):
        say(line)
    if waiting.receipts:
        command = f"conv-analytics ingest {shlex.quote(options.dest)}"
        say(f"{waiting.receipts:,} live events ({waiting.bytes / 1e6:,.1f} MB) wait in the inbox for {command}")
    if missing:
        say(f"warning: {describe_missing(missing)}. {ADVICE}")
    return Exit.COMPLETE


def _totals(dataset: Dataset) -> dict[str, Any]:
    """What the folder contains, and the sums over all runs."""
    from conv_analytics.dataset.storage import history

    every = history.runs(dataset.commits)
    files = [file for commit in dataset.commits for file in commit.files]
    return {
        "runs": len(every),
        "first": every[0]["at"],
        "last": every[-1]["at"],
        "rows": {name: dataset.rows(name) for name in dataset.tables},
        "files": len(files),
        "bytes": sum(file.bytes for file in files),
        **{name: sum(entry[name] for entry in every) for name in ("requests", "retries", "quarantined", "gone")},
        "seconds": round(sum(entry["seconds"] for entry in every), 3),
    }


def _cells(entry: dict[str, Any]) -> dict[str, str]:
    """The cells of one run, and its warning."""
    since, until = (_minute(entry[name]) for name in ("since", "until"))
    words = {
        "when": _minute(entry["at"]),
        "status": markup.line(entry["status"] or "-"),
        "window": f"{since or '...'} to {until or '...'}" if since or until else "all",
    }
    cells = {name: form.format((entry | words)[name]) for name, form in _COLUMNS.items()}
    return {**cells, "warning": markup.line(entry["warning"] or "")}


def _table(rows: list[dict[str, str]]) -> list[str]:
    """The runs as lines with aligned columns; warnings come last, because they are long and rare."""
    widths = {name: max(len(name), *(len(row[name]) for row in rows)) for name in _COLUMNS}
    lines = []
    for row in [{name: name for name in [*_COLUMNS, "warning"]}, *rows]:
        cells = [f"{row[name]:{'<' if name in _WORDS else '>'}{width}}" for name, width in widths.items()]
        lines.append("  ".join([*cells, row["warning"]]).rstrip())
    return lines


def _summary(totals: dict[str, Any]) -> list[str]:
    width = max(map(len, totals["rows"]), default=0)
    did = (
        f"{totals['runs']:,} runs from {_minute(totals['first'])} to {_minute(totals['last'])}:"
        f" {totals['requests']:,} requests ({totals['retries']:,} repeated), {totals['seconds']:,.1f} s,"
        f" {totals['quarantined']:,} records quarantined, {totals['gone']:,} conversations gone;"
        f" {totals['files']:,} files, {totals['bytes'] / 1e6:,.1f} MB"
    )
    rows = [f"{name:<{width}} {rows:>12,}" for name, rows in totals["rows"].items()]
    return [*rows, "", did, "Conversations and members have a row for each run that saw them."]


def _minute(text: str | None) -> str:
    """A time to the minute."""
    return text[:16].replace("T", " ") if text else ""
