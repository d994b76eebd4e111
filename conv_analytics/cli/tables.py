"""`conv-analytics tables`: the data dictionary."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from conv_analytics.cli.exits import Exit
from conv_analytics.cli.output import say

if TYPE_CHECKING:
    from argparse import _SubParsersAction

_EXAMPLES = """\
examples:
  conv-analytics tables                          all tables, one line each
  conv-analytics tables hangups                  the columns of one table: type, meaning, unit
  conv-analytics tables --format md              the whole dictionary, as in the documentation
  conv-analytics tables --format json | jq .     the same for programs
"""


def add(
    commands: _SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser
) -> argparse.ArgumentParser:
    """Declare the command."""
    text = "Print the columns of each table, with type, unit, meaning and place in the API's JSON."
    command = commands.add_parser("tables", help="print the data dictionary", description=text, parents=[common])
    command.epilog = _EXAMPLES
    command.add_argument("name", metavar="NAME", nargs="?", help="one table; all when left out")
    command.add_argument(
        "--format", choices=("text", "md", "json"), default="text", help="text (the default), Markdown or JSON"
    )
    return command


def run(options: argparse.Namespace) -> int:
    """Print the dictionary."""
    from conv_analytics.tables import dictionary

    if options.format == "text" and options.name is None:
        say(dictionary.overview())
        say("\nconv-analytics tables NAME shows the columns of one table.")
        return Exit.COMPLETE
    writers = {"text": dictionary.as_text, "md": dictionary.as_markdown, "json": dictionary.as_json}
    say(writers[options.format](dictionary.select(options.name)))
    return Exit.COMPLETE
