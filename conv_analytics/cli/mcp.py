"""`conv-analytics mcp`: answer an assistant's questions about an export."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from conv_analytics.cli.answers import add_unmasked
from conv_analytics.cli.exits import Exit
from conv_analytics.cli.folders import add_work, folder
from conv_analytics.cli.output import note

if TYPE_CHECKING:
    from argparse import _SubParsersAction

_DESCRIPTION = """\
Serve read-only tools over standard input and output (Model Context Protocol), so that an assistant can ask what other
commands answer: rates, bad legs, offenders, comparisons, calls, timelines, coverage, the data dictionary, and SQL on
the tables. It makes no request, writes nothing, and masks people. Needs an extra: pip install 'conv-analytics[mcp]'.
"""

_EPILOG = """\
examples:
  conv-analytics mcp exports/
  claude mcp add calls -- conv-analytics mcp /srv/exports
"""


def add(
    commands: _SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser
) -> argparse.ArgumentParser:
    """Declare the command."""
    command = commands.add_parser(
        "mcp", help="answer an assistant's questions", description=_DESCRIPTION, epilog=_EPILOG, parents=[common]
    )
    command.add_argument("dest", metavar="DEST", help="folder of an export")
    add_work(command)
    add_unmasked(command)
    return command


def run(options: argparse.Namespace) -> int:
    """Serve until standard input ends."""
    path = folder(options.dest, work=options.work)

    from conv_analytics.dataset import open_dataset
    from conv_analytics.mcp_server import server

    # A wrong folder is reported at once, not at the first question.
    open_dataset(path)
    made = server(path, mask=not options.unmasked)
    if options.unmasked:
        note("People are not masked: the assistant, and whoever runs it, sees numbers and names.")
    made.run()
    return Exit.COMPLETE
