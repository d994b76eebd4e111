"""`conv-analytics prune`: remove data older than a given age from an export."""

from __future__ import annotations

import argparse
import shlex
from typing import TYPE_CHECKING

from conv_analytics.cli.exits import Exit
from conv_analytics.cli.folders import add_work, folder
from conv_analytics.cli.output import say, say_json
from conv_analytics.cli.times import duration

if TYPE_CHECKING:
    from argparse import _SubParsersAction
    from collections.abc import Iterator

    from conv_analytics.dataset.maintenance.prune import Expired

_DESCRIPTION = """\
Show the data of an export that is older than an age, and with --yes remove it for good: whole conversations, all of
whose rows are from earlier days (UTC). Nothing else ever removes anything. What is left stays readable and verifiable,
and no later run exports the removed conversations again. Removes nothing from other copies, and nothing at the API.
"""

_EPILOG = """\
examples:
  conv-analytics prune exports/ --older-than 400d          what would be removed
  conv-analytics prune exports/ --older-than 400d --yes    removes it
  conv-analytics prune s3://exports/vonage --older-than 52w --yes --json
"""


def add(
    commands: _SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser
) -> argparse.ArgumentParser:
    """Declare the command."""
    command = commands.add_parser(
        "prune",
        help="show what is older than an age, or remove it",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        parents=[common],
    )
    command.add_argument("dest", metavar="DEST", help="folder of an export")
    add_work(command)
    command.add_argument("--older-than", metavar="AGE", required=True, help="such as 400d or 52w; a day or more")
    command.add_argument("--yes", action="store_true", help="remove it; without this nothing is changed")
    command.add_argument("--json", action="store_true", help="print one JSON object instead of lines")
    return command


def run(options: argparse.Namespace) -> int:
    """Show what is expired, and remove it with --yes."""
    path, age = folder(options.dest, work=options.work), duration(options.older_than)

    from conv_analytics.dataset.maintenance.prune import expired, prune

    removal = prune(path, age) if options.yes else expired(path, age)
    if options.json:
        say_json(removal.to_dict())
        return Exit.COMPLETE
    for line in _lines(removal):
        say(line)
    if removal and not options.yes:
        again = f"conv-analytics prune {shlex.quote(options.dest)} --older-than {shlex.quote(options.older_than)} --yes"
        say(f"\nNothing was changed. To remove it: {again}")
    return Exit.COMPLETE


def _lines(removal: Expired) -> Iterator[str]:
    """What is expired, in sentences."""
    if not removal:
        yield f"Nothing is older than {removal.first_day}."
    else:
        did = f"commit {removal.removed_by} removed" if removal.removed_by else "can be removed"
        yield f"kept from {removal.first_day} (UTC) on; of what is older, {did}:"
        yield f"  {removal.conversations:,} conversations, {sum(removal.rows.values()):,} rows"
        yield f"  {removal.files:,} files, {removal.bytes / 1e6:,.1f} MB" + (
            f"; {sum(removal.kept_rows.values()):,} of their rows stay, in new files" if removal.kept_rows else ""
        )
        for name, rows in removal.rows.items():
            yield f"  {name:18} {rows:>12,}"
        if removal.quarantined:
            yield f"  {removal.quarantined:,} quarantine files of runs of that time"
    if removal.deleted:
        yield f"{removal.deleted:,} files were deleted"
