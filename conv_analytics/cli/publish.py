"""`conv-analytics publish`: a folder as Delta Lake tables."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from conv_analytics.cli.answers import dataset_of
from conv_analytics.cli.exits import Exit
from conv_analytics.cli.folders import add_work
from conv_analytics.cli.formats import table
from conv_analytics.cli.output import note, say, say_json

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from conv_analytics.dataset.publish.published import PublishedTable

_DESCRIPTION = """\
Bring Delta Lake tables up to an export folder: the commits that they lack, each in one transaction per table. Events
are appended; conversations and members take the place of their earlier rows. Nothing is published twice: when a run is
killed or a store does not answer, the same command publishes the rest. Several applications may share the tables, which
are partitioned by application_id, also when they are published at the same time. Makes no request to the API, and only
reads the folder. Needs the package deltalake: pip install 'conv-analytics[delta]'.
"""

_EPILOG = """\
targets:
  delta://lake                     a folder of this machine, here below the working folder
  delta:///data/lake               the same, as an absolute path
  delta://s3://BUCKET/PATH         a bucket of S3, with the variables of the environment that DEST takes, too
  delta://az://CONTAINER/PATH      Azure Blob Storage

examples:
  conv-analytics publish exports/ --to delta:///data/lake
  conv-analytics publish s3://exports/vonage --to delta://s3://lake/vonage --json | jq .commits
  conv-analytics publish exports/ --to delta:///data/lake --dry-run      what the tables lack
"""


def add(
    commands: _SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser
) -> argparse.ArgumentParser:
    """Declare the command."""
    command = commands.add_parser(
        "publish",
        help="bring Delta Lake tables up to a folder",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        parents=[common],
    )
    command.add_argument("dest", metavar="DEST", help="folder of an export, or the root of several applications")
    add_work(command)
    command.add_argument("--to", metavar="TARGET", required=True, help="where the tables are: delta:// and a place")
    command.add_argument(
        "--application-id", metavar="ID", help="the application: of a folder whose runs recorded none, or one of a root"
    )
    command.add_argument("--dry-run", action="store_true", help="only print what would be published")
    command.add_argument("--quiet", action="store_true", help="show no progress")
    command.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    return command


def run(options: argparse.Namespace) -> int:
    """Publish, and print what was written."""
    published = dataset_of(options).publish(
        options.to,
        application_id=options.application_id,
        dry_run=options.dry_run,
        on_table=None if options.quiet or options.json else _show,
    )
    if options.json:
        say_json(published.to_dict())
    elif not published.tables:
        say(f"{published.target} is up to date")
    else:
        say(table(published.to_frame(), "text"))
        count = "1 commit" if published.commits == 1 else f"{published.commits:,} commits"
        verb = "would be" if options.dry_run else "was" if published.commits == 1 else "were"
        say(f"\n{count} {verb} published to {published.target}")
    return Exit.COMPLETE


def _show(written: PublishedTable) -> None:
    note(f"commit {written.commit}: {written.table}, {written.rows:,} rows ({written.action})")
