"""`conv-analytics replay`: read the quarantine of a folder again, after an upgrade."""

from __future__ import annotations

import argparse
import json
import shlex
from typing import TYPE_CHECKING

from conv_analytics.cli.compact import copied_lines, to_copy
from conv_analytics.cli.exits import Exit
from conv_analytics.cli.output import say
from conv_analytics.errors import ConfigError
from conv_analytics.paths import expand_user

if TYPE_CHECKING:
    from argparse import _SubParsersAction
    from collections.abc import Iterator

    from conv_analytics.dataset.maintenance.replay import Replayed

_DESCRIPTION = """\
Read again, with this version, the records that earlier runs could not read (_quarantine/). Nothing is asked of the API.
Records without a row get theirs, in a commit like any other; a second replay passes them over. A record whose row has
empty cells is only counted, because no file is ever rewritten: with --to, a corrected and compacted copy of the folder
is written. What stays unreadable stays in the quarantine, and is no failure: the code is 0. It is 3 when quarantine
files are missing or damaged; the rest is done all the same.
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
        help="read again what could not be read, after an upgrade",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        parents=[common],
    )
    command.add_argument("dest", metavar="DEST", help="the folder of an export")
    command.add_argument("--to", metavar="NEW", help="write a corrected, compacted copy to this new folder")
    command.add_argument("--json", action="store_true", help="print one JSON object instead of lines")
    return command


def run(options: argparse.Namespace) -> int:
    """Read the quarantine again, and say what came of it."""
    if options.to is not None:
        copied = to_copy(options, replay=True)
        if options.json:
            say(json.dumps(copied.to_dict()))
        else:
            for line in (*told(copied.replayed, copy=True), *copied_lines(copied)):
                say(line)
        return Exit.INCOMPLETE if copied.replayed.damaged else Exit.COMPLETE
    if not options.dest.strip():
        raise ConfigError("DEST is empty: name the folder of an export.")

    from conv_analytics.dataset.maintenance.replay import replay

    found = replay(expand_user(options.dest))
    if options.json:
        say(json.dumps(found.to_dict()))
    else:
        for line in told(found):
            say(line)
        if found.cells:
            say(f"Cells are filled in a copy only: conv-analytics replay {shlex.quote(options.dest)} --to NEW")
    return Exit.INCOMPLETE if found.damaged else Exit.COMPLETE


def told(found: Replayed, *, copy: bool = False) -> Iterator[str]:
    """What came of the quarantine, in sentences."""
    yield f"{found.records:,} records of the quarantine were read again"
    yield f"  {found.added:,} had no row, and have one now" + (f": commit {found.commit}" if found.commit else "")
    if found.held:
        yield f"  {found.held:,} had no row, and need none: a later run brought them"
    yield f"  {found.cells:,} have a row with empty cells that " + ("are filled now" if copy else "can be read now")
    yield f"  {found.unreadable:,} are as unreadable as before" + (
        f", {found.digests:,} of them for good: only a digest was kept" if found.digests else ""
    )
    for damage in found.damaged:
        yield f"not read: {damage}"
    if not (found.added or found.held or found.cells or found.damaged):
        yield "Nothing to do."
