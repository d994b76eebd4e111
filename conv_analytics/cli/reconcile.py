"""`conv-analytics reconcile`: compares bills downloaded from the Reports API with the legs of a folder."""

from __future__ import annotations

import argparse
import operator
import re
import warnings
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from conv_analytics.cli.answers import add_folder, dataset_of, show
from conv_analytics.cli.exits import Exit
from conv_analytics.cli.output import note
from conv_analytics.cli.times import ACCEPTED, instant
from conv_analytics.errors import ConfigError

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from conv_analytics.analysis import Reconciliation
    from conv_analytics.dataset.storage.commit import Commit

_DESCRIPTION = """\
Compare bills with the legs of a folder, leg by leg: what was billed but never seen, what was seen but not billed, and
where duration, price or currency differ. The bills are files of the Reports API that you downloaded; this command never
calls that API, whose records cost money.
"""

_EPILOG = f"""\
files:
  reports of VOICE-CALL, VOICE-FAILED, IN-APP-VOICE and WEBSOCKET-CALL: CSV, JSON or JSON Lines, as they are, zipped, or
  with gzip

outcomes:
  billed_not_seen  a bill without a leg: of another application, or of a call that neither events nor coverage have
  seen_not_billed  an answered leg without a bill
  conflict         the same id, but another direction, or starts more than 5 s apart
  differs          in duration (more than 1 s), price (more than the last of six decimals) or currency
  not_in_folder    as the call list says, which coverage keeps, but without events in the folder: see coverage
  unreadable       a record whose id, start or price cannot be read
  not_compared     outside the period, or of a product that the files do not hold
  same             as it should be; listed with --all only

rules:
  OUTCOME OP LIMIT: a number, or with % a share of all that was compared: --fail-on "billed_not_seen > 1%"

times:
  {ACCEPTED}

examples:
  conv-analytics reconcile exports/ --reports report_VOICE-CALL_*.zip
  conv-analytics reconcile exports/ --reports bills/*.json --table days --format csv > days.csv
  conv-analytics reconcile exports/ --reports bills.csv --since 2026-11-01 --until 2026-12-01 --fail-on "differs > 0"
"""

_COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    ">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le,
}  # fmt: skip
_RULE = re.compile(r"\s*([a-z_]+)\s*([<>]=?)\s*(\d+(?:\.\d+)?)\s*(%?)\s*")


def add(
    commands: _SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser
) -> argparse.ArgumentParser:
    """Declare the command."""
    command = commands.add_parser(
        "reconcile", help="compare bills with what was seen", description=_DESCRIPTION, epilog=_EPILOG, parents=[common]
    )
    add_folder(command)
    command.add_argument("--reports", metavar="FILE", nargs="+", required=True, help="files of the Reports API")
    command.add_argument(
        "--table", choices=("legs", "days", "networks"), default="legs",
        help="what to print: legs that are not the same (the default), sums by day, or names of networks",
    )  # fmt: skip
    command.add_argument("--all", action="store_true", help="also list legs that are the same or not compared")
    command.add_argument("--last", metavar="N", type=int, default=50, help="list at most N legs (50; 0: all)")
    command.add_argument("--since", metavar="T", help="only legs that started from this time on")
    command.add_argument("--until", metavar="T", help="only legs that started before this time (the last export)")
    command.add_argument("--fail-on", metavar="RULE", action="append", default=[], help="exit with 4; may be repeated")
    return command


def run(options: argparse.Namespace) -> int:
    """Print how many legs have which outcome, and the table; the exit code says whether a rule is broken."""
    rules = [_rule(text) for text in options.fail_on]
    if options.last < 0:
        raise ConfigError(f"--last is {options.last}; it must be 0 or more.")
    now = datetime.now(UTC)
    since, until = (text and instant(text, now) for text in (options.since, options.until))
    dataset = dataset_of(options)

    from conv_analytics.analysis import reconcile
    from conv_analytics.errors import PagingWarning
    from conv_analytics.tables.report_files import read_reports

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", PagingWarning)
        reports = read_reports(options.reports)
    for each in caught:
        note(str(each.message))
    result = reconcile(dataset, reports, since=since or None, until=until or last_export_began(dataset.commits))
    counts = ", ".join(f"{name} {count:,}" for name, count in result.counts.items() if count)
    note(f"{len(reports):,} records: {counts or 'nothing to compare'}")
    table = {"legs": result.legs, "days": result.days, "networks": result.networks}[options.table]
    if options.table == "legs":
        table = table if options.all else table[~table["outcome"].isin(["same", "not_compared"])]
        table = table.head(options.last or len(table))
    show(table, options)
    broken = [text for text, is_broken in rules if is_broken(result)]
    for text in broken:
        note(f"broken: {text}")
    return Exit.BEYOND if broken else Exit.COMPLETE


def last_export_began(commits: Iterable[Commit]) -> datetime | None:
    """When the last export of the newest conversations began: later calls are not in the folder yet."""
    from conv_analytics.dataset.storage.history import with_carried
    from conv_analytics.exporter.coverage.window import last_export

    report = last_export(commit.report for commit in with_carried(commits))
    return None if report is None else datetime.fromisoformat(report["started_at"])


def _rule(text: str) -> tuple[str, Callable[[Reconciliation], bool]]:
    """A rule, as text and as a function."""
    from conv_analytics.analysis.finders.reconcile import OUTCOMES

    match = _RULE.fullmatch(text)
    if match is None or match[1] not in OUTCOMES:
        raise ConfigError(
            f"--fail-on: {text!r} is not a rule. Write OUTCOME OP LIMIT, as in 'billed_not_seen > 1%';"
            f" outcomes are {', '.join(OUTCOMES)}."
        )
    name, beyond, percent = match[1], _COMPARE[match[2]], bool(match[4])
    limit = float(match[3]) / (100 if percent else 1)

    def broken(result: Any) -> bool:
        return beyond(result.share(name) if percent else result.counts[name], limit)

    return text.strip(), broken
