"""`conv-analytics tables`: the data dictionary."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from conv_analytics.cli.exits import Exit
from conv_analytics.cli.folders import add_work, folder
from conv_analytics.cli.output import say
from conv_analytics.errors import ConfigError, TableNotFound

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from conv_analytics.tables.column import Table

_EXAMPLES = """\
examples:
  conv-analytics tables                          all tables, one line each
  conv-analytics tables hangups                  the columns of one table: type, meaning, unit
  conv-analytics tables --format md              the whole dictionary, as in the documentation
  conv-analytics tables --format json | jq .     the same for programs
  conv-analytics tables --format odcs > contract.yaml
  conv-analytics tables --format datapackage --dest exports/ > exports/datapackage.json
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
        "--format",
        choices=("text", "md", "json", "datapackage", "odcs"),
        default="text",
        help="text (the default), Markdown, JSON, a Frictionless data package of the files in --dest, or an Open Data "
        "Contract",
    )
    command.add_argument(
        "--dest", metavar="DEST", help="with datapackage and odcs: the folder of the export whose files are described"
    )
    add_work(command)
    return command


def run(options: argparse.Namespace) -> int:
    """Print the dictionary."""
    from conv_analytics.tables import dictionary

    chosen = dictionary.select(options.name)
    if options.format in {"datapackage", "odcs"}:
        say(_described(options, chosen))
        return Exit.COMPLETE
    if options.work is not None and options.dest is None:
        raise ConfigError("--work goes with --dest: the dictionary is that of every export.")
    if options.dest is not None:
        raise ConfigError(
            "--dest is for --format datapackage and --format odcs: the dictionary is that of every export."
        )
    if options.format == "text" and options.name is None:
        say(dictionary.overview())
        say("\nconv-analytics tables NAME shows the columns of one table.")
        return Exit.COMPLETE
    writers = {"text": dictionary.as_text, "md": dictionary.as_markdown, "json": dictionary.as_json}
    say(writers[options.format](chosen))
    return Exit.COMPLETE


def _described(options: argparse.Namespace, chosen: list[Table]) -> str:
    """The tables in the formats of other tools."""
    from conv_analytics.tables import data_contracts

    if options.dest is None:
        if options.format == "datapackage":
            raise ConfigError("A data package describes files: name the folder of an export with --dest.")
        return data_contracts.as_odcs(chosen)
    path = folder(options.dest, "--dest", work=options.work)
    from conv_analytics.dataset import open_dataset

    dataset = open_dataset(path)
    there = [table for table in chosen if table.name in dataset.tables]
    if not there:
        raise TableNotFound(options.name, dataset.tables, where=options.dest)
    if options.format == "odcs":
        return data_contracts.as_odcs(there, options.dest)
    files = [
        data_contracts.DataFile(table.name, file.path, file.bytes, file.sha256)
        for table in there
        for _, file in dataset.numbered(table.name)
    ]
    return data_contracts.as_datapackage(there, files)
