"""`conv-analytics report`: the quality of calls in an export, as a page and as an exit code."""

from __future__ import annotations

import argparse
import webbrowser
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from conv_analytics import glossary, markup
from conv_analytics.cli.colours import BOLD, RED, YELLOW, painted
from conv_analytics.cli.exits import Exit
from conv_analytics.cli.folders import add_work, folder
from conv_analytics.cli.formats import plain
from conv_analytics.cli.maps import MAPS, add_maps, enriched
from conv_analytics.cli.output import note, say
from conv_analytics.cli.units import add_units, blocked, print_units, units_of
from conv_analytics.errors import ConfigError

if TYPE_CHECKING:
    from argparse import _SubParsersAction

_DESCRIPTION = """\
Write a page about the quality of calls in an export: a verdict in one sentence, the problems that were found (where,
since when, and what to do), key figures with confidence intervals, trends, distributions, countries, networks, SIP
codes, the worst legs, and how complete the data is. The page is one file that loads nothing from elsewhere; its numbers
are written as JSON next to it. Makes no request.
"""

#: What rules may limit, and the term of each.
LIMITED = {
    "answered": "asr", "effective": "ner", "dropped": "drop_failure",
    **{name: name for name in ("poor", "silent", "short", "measured", "mos", "loss", "jitter", "pdd", "talk")},
}  # fmt: skip
_EPILOG = f"""\
rules:
  poor>3%   answered<50%   effective<95%   silent>1%   dropped>3%   short>15%   measured<50%
  mos_p5<3.5   loss_p95>5   jitter_p95>30   pdd_p95>8   talk_p50<60
  The rules of `conv-analytics check` without groups, for numbers that the report has: _p5, _p50, _p95 of distributions.
  The command exits with 4 if a rule matches, so that cron sends a mail. A rule with fewer cases than min_n (30, or
  `poor>3% min_n 100`) is not judged, and standard error says so. If no rule matches, but a unit that verdicts need is
  not known, the command exits with 3.

  What they limit:
{glossary.as_help(LIMITED)}

{MAPS}
times:
  2026-11-20 (midnight in --tz), 2026-11-20T14:30:00+01:00, 36h, 7d, 2w, today, yesterday

examples:
  conv-analytics report exports/ -o report.html --since 7d --tz Europe/London
  conv-analytics report exports/ -o report.html --since 7d --timelines
  conv-analytics report exports/ -o report.html --map sites.csv --map carriers.csv
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
    command.add_argument("dest", metavar="DEST", help="folder of an export")
    add_work(command)
    command.add_argument("-o", "--output", metavar="FILE", default="report.html", help="the page (report.html)")
    command.add_argument(
        "--since", metavar="T", help="only legs that started from this time on; compared with the period before"
    )
    command.add_argument("--until", metavar="T", help="only legs that started before this time")
    command.add_argument(
        "--tz", metavar="ZONE", default="UTC", help="time zone of days and hours, such as Europe/London (UTC)"
    )
    command.add_argument("--profile", metavar="NAME", default="recommended", help="rulebook of verdicts (recommended)")
    command.add_argument(
        "--fail-on", metavar="RULE", action="append", default=[], help="exit with 4 if this matches; may be repeated"
    )
    command.add_argument(
        "--timelines", action="store_true", help="also write timelines of the worst legs, and link them"
    )
    command.add_argument("--open", action="store_true", help="open the page in a browser")
    add_maps(command)
    add_units(command)
    command.add_argument("--unmasked", action="store_true", help="show phone numbers, names and addresses unmasked")
    return command


def run(options: argparse.Namespace) -> int:
    """Write the page, print the verdict, and judge the rules."""
    path = folder(options.dest, work=options.work)
    if not options.output.strip():
        raise ConfigError("--output is empty: name the page to write.")

    from conv_analytics.analysis.engine.zones import zone_info
    from conv_analytics.cli.times import instant
    from conv_analytics.dataset import open_dataset
    from conv_analytics.notebook.report import quality_report

    zone, now = zone_info(options.tz), datetime.now(UTC)
    since, until = (None if text is None else instant(text, now, zone) for text in (options.since, options.until))
    dataset = open_dataset(path)
    units = units_of(options, dataset)
    report = quality_report(
        enriched(options, dataset), since=since, until=until, tz=options.tz, profile=options.profile,
        mask=not options.unmasked, units=units,
    )  # fmt: skip
    judged = report.judge(*options.fail_on)
    page, numbers = report.write(options.output, timelines=dataset if options.timelines else None, units=units)
    print_units(units)
    sentence = plain(markup.line(report.numbers.sentence))
    say(painted(sentence, {"poor": RED, "good": BOLD}.get(report.numbers.verdict, YELLOW)))
    for detail in report.numbers.details:
        say(f"  {markup.line(detail)}")
    say(f"{page} and {numbers}")
    if options.open and not webbrowser.open(Path(page).absolute().as_uri()):
        note(f"conv-analytics: no browser could be started; open {page} yourself.")
    for each in judged:
        note(f"conv-analytics: {each}")
    if any(each.broken for each in judged):
        return Exit.BEYOND
    unknown = report.numbers.verdict == "unmeasured" and blocked(units, options.profile)
    return Exit.INCOMPLETE if unknown else Exit.COMPLETE
