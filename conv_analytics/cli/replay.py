"""`conv-analytics replay`: read the quarantine of a folder again, after an upgrade."""

from __future__ import annotations

import argparse
import shlex
from typing import TYPE_CHECKING

from conv_analytics.cli.compact import copied_lines, to_copy
from conv_analytics.cli.exits import Exit
from conv_analytics.cli.folders import add_work, folder
from conv_analytics.cli.output import say, say_json

if TYPE_CHECKING:
    from argparse import _SubParsersAction
    from collections.abc import Iterator

    from conv_analytics.dataset.maintenance.replay import Replayed

_DESCRIPTION = """\
Read again, with this version, the records that earlier runs could not read (_quarantine/). Makes no request. Records
without a row get one, in a commit like any other; a second replay skips them. Records whose row has empty cells are
only counted, because files are never rewritten: --to writes a corrected and compacted copy of the folder. Records that
are still unreadable stay in the quarantine; that is not a failure, and the exit code is 0. It is 3 if quarantine files
are missing or damaged; the others are read all the same.
"""

_EPILOG = """\
examples:
  conv-analytics replay exports/
  conv-analytics replay exports/ --to exports-2027/        then export to exports-2027/ from now on
  conv-analytics replay exports/ --json | jq .unreadable
"""


def add(
    commands: _SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser
) -> argparse.ArgumentParser:
    """Declare the command."""
    command = commands.add_parser(
        "replay",
        help="read quarantined records again, after an upgrade",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        parents=[common],
    )
    command.add_argument("dest", metavar="DEST", help="folder of an export")
    add_work(command)
    command.add_argument("--to", metavar="NEW", help="write a corrected, compacted copy to this new folder")
    command.add_argument("--json", action="store_true", help="print one JSON object instead of lines")
    return command


def run(options: argparse.Namespace) -> int:
    """Read the quarantine again, and print the result."""
    if options.to is not None:
        copied = to_copy(options, replay=True)
        if options.json:
            say_json(copied.to_dict())
        else:
            for line in (*lines(copied.replayed, copy=True), *copied_lines(copied)):
                say(line)
        return Exit.INCOMPLETE if copied.replayed.damaged else Exit.COMPLETE
    path = folder(options.dest, work=options.work)

    from conv_analytics.dataset.maintenance.replay import replay

    replayed = replay(path)
    if options.json:
        say_json(replayed.to_dict())
    else:
        for line in lines(replayed):
            say(line)
        if replayed.cells:
            say(f"Cells are filled in a copy only: conv-analytics replay {shlex.quote(options.dest)} --to NEW")
    return Exit.INCOMPLETE if replayed.damaged else Exit.COMPLETE


def lines(replayed: Replayed, *, copy: bool = False) -> Iterator[str]:
    """The result of a replay in sentences."""
    yield f"{replayed.records:,} records of the quarantine were read again"
    yield f"  {replayed.added:,} had no row, and have one now" + (
        f": commit {replayed.commit}" if replayed.commit else ""
    )
    if replayed.already_stored:
        yield f"  {replayed.already_stored:,} had no row, and need none: a later run brought them"
    yield f"  {replayed.cells:,} have a row with empty cells that " + ("are filled now" if copy else "can be read now")
    yield f"  {replayed.unreadable:,} are as unreadable as before" + (
        f", {replayed.digests:,} of them for good: only a digest was kept" if replayed.digests else ""
    )
    for damage in replayed.damaged:
        yield f"not read: {damage}"
    if not (replayed.added or replayed.already_stored or replayed.cells or replayed.damaged):
        yield "Nothing to do."
