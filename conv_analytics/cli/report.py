"""`conv-analytics report`: how the calls in an export folder are, as a page and as an exit code."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from conv_analytics import markup
from conv_analytics.cli.exits import Exit
from conv_analytics.cli.output import note, say
from conv_analytics.cli.units import add_units, blocked, tell_units, units_of
from conv_analytics.errors import ConfigError
from conv_analytics.paths import expand_user

if TYPE_CHECKING:
    from argparse import _SubParsersAction

_DESCRIPTION = """\
Write a page about the calls in an export folder: a verdict in a sentence, key figures with their intervals, trends,
countries, networks, codes, the worst legs, and what the numbers stand on. One file that asks nobody for anything, and
its numbers as JSON beside it. Nothing is asked of the API.
"""

_EPILOG = """\
rules:
  poor>3%   answered<50%   effective<95%   silent>1%   dropped>3%   short>15%   measured<50%
  mos_p5<3.5   loss_p95>5   jitter_p95>30   pdd_p95>8   talk_p50<60
  Those of `conv-analytics check` without groups, as far as a report tells them: _p5, _p50, _p95 of distributions.
  The command ends with 4 if a rule holds, so that cron mails. Of fewer cases than min_n (30, or `poor>3% min_n 100`)
  nothing is said and nothing broken; the standard error says so. Where none holds, but a unit that verdicts need is not
  known, the command ends with 3.

times:
  2026-11-20 (midnight in --tz), 2026-11-20T14:30:00+01:00, 36h, 7d, 2w, today, yesterday

examples:
  conv-analytics report exports/ -o report.html --since 7d --tz Europe/London
  conv-analytics report exports/ -o report.html --since 7d --timelines
  conv-analytics report exports/ -o report.html --since yesterday --until today --fail-on 'poor>3%'
"""


def add(
    commands: _SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser
) -> argparse.ArgumentParser:
    """Declare the command."""
    command = commands.add_parser(
        "report", help="write a page about the quality of calls", description=_DESCRIPTION, epilog=_EPILOG,
        parents=[common],
    )  # fmt: skip
    command.add_argument("dest", metavar="DEST", help="folder that export wrote")
    command.add_argument("-o", "--output", metavar="FILE", default="report.html", help="the page (report.html)")
    command.add_argument("--since", metavar="T", help="only legs that started from this time on; compared with before")
    command.add_argument("--until", metavar="T", help="only legs that started before this time")
    command.add_argument("--tz", metavar="ZONE", default="UTC", help="time zone of days and hours, as Europe/London")
    command.add_argument("--profile", metavar="NAME", default="recommended", help="rulebook of verdicts (recommended)")
    command.add_argument(
        "--fail-on", metavar="RULE", action="append", default=[], help="end with 4 if this holds; may be repeated"
    )
    command.add_argument(
        "--timelines", action="store_true", help="write the timelines of the worst legs beside the page, and link them"
    )
    add_units(command)
    command.add_argument("--unmasked", action="store_true", help="show numbers, names and addresses as they are")
    return command


def run(options: argparse.Namespace) -> int:
    """Write the page; say the verdict; judge the rules."""
    if not options.dest.strip() or not options.output.strip():
        raise ConfigError("DEST or --output is empty: name the folder to read, and the page to write.")

    from conv_analytics.analysis.engine.zones import zone_info
    from conv_analytics.cli.when import instant
    from conv_analytics.dataset import open_dataset
    from conv_analytics.notebook.report import quality_report

    zone, now = zone_info(options.tz), datetime.now(UTC)
    since, until = (None if text is None else instant(text, now, zone) for text in (options.since, options.until))
    dataset = open_dataset(expand_user(options.dest))
    units = units_of(options, dataset)
    report = quality_report(
        dataset, since=since, until=until, tz=options.tz, profile=options.profile, mask=not options.unmasked,
        units=units,
    )  # fmt: skip
    judged = report.judge(*options.fail_on)
    page, numbers = report.write(options.output, timelines=dataset if options.timelines else None, units=units)
    tell_units(units)
    say(markup.line(report.numbers.sentence))
    for detail in report.numbers.details:
        say(f"  {markup.line(detail)}")
    say(f"{page} and {numbers}")
    for each in judged:
        note(f"conv-analytics: {each}")
    if any(each.broken for each in judged):
        return Exit.BEYOND
    unknown = report.numbers.verdict == "unmeasured" and blocked(units, options.profile)
    return Exit.INCOMPLETE if unknown else Exit.COMPLETE
