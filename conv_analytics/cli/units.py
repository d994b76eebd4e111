"""The units of quality numbers, for commands with verdicts: the flags, and the decisions."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from conv_analytics.cli.output import note

if TYPE_CHECKING:
    from conv_analytics.analysis import Units

#: As `conv_analytics.analysis.audio.units` has them; repeated here so that help does not import pandas.
_SCALES = ("1", "10", "100")
_LOSS = ("percent", "fraction", "count", "ignore")
_JITTER = ("ms2", "ms")


def add_units(command: argparse.ArgumentParser) -> None:
    """Declare the flags that override the detected units."""
    group = command.add_argument_group("units", "detected in the data when left out; what was decided is printed")
    group.add_argument("--mos-scale", choices=_SCALES, help="divide reported scores by this")
    group.add_argument(
        "--loss-unit", choices=_LOSS, help="unit of packet_loss_perc; ignore: take losses from jitter_loss_rate"
    )
    group.add_argument("--jitter-unit", choices=_JITTER, help="jitter is variances (ms2) or standard deviations (ms)")


def units_of(options: argparse.Namespace, data: Any) -> Units:
    """The units of the data: those given on the command line, the others detected."""
    from conv_analytics.analysis import detect_units

    return detect_units(
        data,
        mos_scale=None if options.mos_scale is None else float(options.mos_scale),
        loss_unit=options.loss_unit,
        jitter_unit=options.jitter_unit,
    )


def print_units(units: Units) -> None:
    """Print the unit of each number and why it was decided; for an unknown one, the option that sets it.

    Parameters
    ----------
    units
        The result of `units_of`.
    """
    for each in units.evidence:
        if each.what not in units.undecided and each.what != "mos_model":
            note(f"{each.what}: {each.decided} ({each.why})")
    for name in units.undecided:
        note(f"{units.missing(name)} On the command line: --{name.replace('_', '-')}.")


def blocked(units: Units, profile: str) -> bool:
    """Whether a profile cannot give verdicts because a unit that it needs is not known."""
    from conv_analytics.analysis.audio.profiles import profile_of

    return bool(units.undecided_of(profile_of(profile).required))
