"""The units of quality numbers, for commands that judge: how they are told, and what was decided."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from conv_analytics.cli.output import note

if TYPE_CHECKING:
    from conv_analytics.analysis import Units

#: As `conv_analytics.analysis.audio.units` has them; they are told here without importing pandas.
_SCALES = ("1", "10", "100")
_LOSS = ("percent", "fraction", "count", "ignore")
_JITTER = ("ms2", "ms")


def add_units(command: argparse.ArgumentParser) -> None:
    """Declare what the caller knows about units better than the data."""
    group = command.add_argument_group("units", "found in the data when left out; what was decided is printed")
    group.add_argument("--mos-scale", choices=_SCALES, help="what reported scores are divided by")
    group.add_argument(
        "--loss-unit", choices=_LOSS, help="unit of packet_loss_perc; ignore reads losses from jitter_loss_rate"
    )
    group.add_argument("--jitter-unit", choices=_JITTER, help="jitter as variances (ms2) or as deviations (ms)")


def units_of(options: argparse.Namespace, data: Any) -> Units:
    """The units of some data: what the caller says, and what the data decide."""
    from conv_analytics.analysis import detect_units

    return detect_units(
        data,
        mos_scale=None if options.mos_scale is None else float(options.mos_scale),
        loss_unit=options.loss_unit,
        jitter_unit=options.jitter_unit,
    )


def tell_units(units: Units) -> None:
    """Say what is read in which unit, and on what that was decided; of what is not known, with which option to say it.

    Parameters
    ----------
    units
        What `units_of` gave.
    """
    for each in units.evidence:
        if each.what not in units.undecided and each.what != "mos_model":
            note(f"{each.what}: {each.decided} ({each.why})")
    for name in units.undecided:
        note(f"{units.missing(name)} On the command line: --{name.replace('_', '-')}.")


def blocked(units: Units, profile: str) -> bool:
    """Whether verdicts by a profile cannot be made, because a unit that they need is not known."""
    from conv_analytics.analysis.audio.profiles import profile_of

    return bool(units.undecided_of(profile_of(profile).required))
