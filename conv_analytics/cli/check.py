"""`conv-analytics check`: thresholds for a nightly job."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from conv_analytics.cli.answers import add_folder, add_zone, dataset_of, show
from conv_analytics.cli.exits import Exit
from conv_analytics.cli.maps import MAPS, add_maps, enriched
from conv_analytics.cli.units import add_units, blocked, print_units, units_of

if TYPE_CHECKING:
    from argparse import _SubParsersAction

_DESCRIPTION = """\
Compare what was measured with limits. Exits with 4 if a rule is certainly broken (the whole 95 % interval is beyond the
limit); with --fail-on any also if that may be chance. Exits with 3 if no rule is broken but one could not be judged
because a unit that it needs is not known, and with 0 if every rule holds or has too few cases to tell, as the table
says.
"""

_EPILOG = f"""\
rules:
  METRIC OP LIMIT [by COLUMN,...] [min_n N], where METRIC is one of
    poor, fair, good, unmeasured, measured, silent, no_in, no_out, ghost, short   shares of legs: 3% or 0.03
    poor_count, fair_count, ...                                                  numbers of legs
    answered (asr), effective (ner), dropped, and every rate of `conv-analytics kpi`
    mos_p5, loss_p95, jitter_p95, pdd_p95, talk_p50, p95(COLUMN), median(COLUMN), max(COLUMN)   values of legs
  `conv-analytics report --fail-on` takes the same rules, without groups.

{MAPS}
examples:
  conv-analytics check exports/ --rule "poor > 3% by network_code min_n 30"
  conv-analytics check exports/ --rule "answered < 40%" --rule "p95(pdd_s) > 8 by country" --format json
  conv-analytics check exports/ --map sites.csv --rule "poor > 3% by site"
"""


def add(
    commands: _SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser
) -> argparse.ArgumentParser:
    """Declare the command."""
    command = commands.add_parser(
        "check",
        help="compare measurements with limits",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        parents=[common],
    )
    add_folder(command)
    command.add_argument("--rule", metavar="RULE", action="append", required=True, help="a limit; may be repeated")
    command.add_argument("--profile", default="recommended", help="rulebook of verdicts (recommended)")
    command.add_argument(
        "--scope",
        choices=("outbound", "inbound", "all"),
        default="outbound",
        help="attempts that rates count (outbound)",
    )
    command.add_argument(
        "--fail-on",
        choices=("sure", "any"),
        default="sure",
        help="when to exit with 4: only if certainly broken (the default), or also if that may be chance",
    )
    add_zone(command)
    add_maps(command)
    add_units(command)
    return command


def run(options: argparse.Namespace) -> int:
    """Print each rule with its groups; the exit code says whether all rules hold."""
    from conv_analytics.analysis.finders.check import BROKEN, MAYBE, Threshold, check

    rules = [Threshold.parse(text) for text in options.rule]
    dataset = dataset_of(options)
    judged = any(rule.of_verdicts for rule in rules)
    units = units_of(options, dataset) if judged else None
    if units is not None:
        print_units(units)
    data = enriched(options, dataset, {name for rule in rules for name in rule.by})
    table = check(data, rules, profile=options.profile, scope=options.scope, tz=options.tz, units=units)
    show(table, options)
    if table["outcome"].isin([BROKEN] if options.fail_on == "sure" else [BROKEN, MAYBE]).any():
        return Exit.BEYOND
    return Exit.INCOMPLETE if units is not None and blocked(units, options.profile) else Exit.COMPLETE
