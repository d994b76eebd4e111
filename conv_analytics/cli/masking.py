"""Flags of a mask, for the commands that write to a folder."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from conv_analytics.cli.output import note
from conv_analytics.errors import ConfigError

if TYPE_CHECKING:
    from conv_analytics.privacy import Mask

#: `conv_analytics.privacy.KEY_VARIABLE`, which is not imported for a help text.
_KEY_VARIABLE = "CONV_ANALYTICS_MASK_KEY"


def add_mask(group: argparse._ArgumentGroup) -> None:
    """Declare the mask and its key."""
    group.add_argument(
        "--mask",
        metavar="RULES",
        nargs="?",
        const="",
        help="replace personal data with tokens; RULES such as phone=keep,text=drop, or @FILE",
    )
    group.add_argument(
        "--mask-key-file", metavar="FILE", help=f"file with the key of the tokens (the variable {_KEY_VARIABLE})"
    )


def mask_of(options: argparse.Namespace) -> Mask | None:
    """The mask that the flags describe."""
    if options.mask is None:
        if options.mask_key_file is not None:
            raise ConfigError("--mask-key-file is for --mask, which is missing: nothing would be masked.")
        return None
    from conv_analytics.privacy import Mask, exposed, read_rules

    try:
        rules = read_rules(options.mask)
    except ConfigError as error:
        raise ConfigError(f"--mask: {error} (Write DEST before --mask, or --mask=RULES.)") from None
    mask = Mask.load(rules, options.mask_key_file)
    if options.mask_key_file is not None and exposed(options.mask_key_file):
        note(f"{options.mask_key_file} can be read by every user of this machine; make it private with chmod 600.")
    return mask
