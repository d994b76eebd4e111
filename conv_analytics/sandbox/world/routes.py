"""Where calls go: countries, networks, prices, and the routes that are known to be bad.

Numbers come only from ranges reserved for fiction (Ofcom drama numbers, NANP 555-01xx, ACMA, ARCEP, BNetzA,
PTS), so that no sandbox number can ever be dialled.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conv_analytics.sandbox.world.dice import Dice


@dataclass(frozen=True, slots=True)
class Route:
    """A network calls are sent over, with its price and how often its legs are flawed.

    `network` is MCC-MNC digits or `GB-FIXED` style; `rate` is the price per minute in 1e-8 units of the
    account's currency; `trouble` is the share of legs with audible loss; `fault` names what is wrong there.
    """

    country: str
    network: str
    ranges: tuple[tuple[str, int], ...]
    rate: int
    weight: float
    trouble: float = 0.02
    fault: str = ""
    fault_from_day: int = 0

    def number(self, dice: Dice) -> str:
        """Draw a number: E.164 digits without plus sign."""
        prefix, digits = dice.pick(self.ranges)
        return f"{prefix}{dice.between(0, 10**digits - 1):0{digits}d}"


_US, _GB_MOBILE = (("120255501", 2), ("121255501", 2), ("141555501", 2)), (("447700900", 3),)
ROUTES = (
    Route("GB", "23410", _GB_MOBILE, 1_390_000, 14),
    Route("GB", "23415", _GB_MOBILE, 1_420_000, 9),
    Route("GB", "23430", _GB_MOBILE, 1_400_000, 9),
    Route("GB", "GB-FIXED", (("442079460", 3), ("441632960", 3)), 680_000, 12),
    Route("US", "310410", _US, 1_270_000, 12),
    Route("US", "310260", _US, 1_270_000, 8),
    Route("US", "US-FIXED", _US, 700_000, 6),
    Route("FR", "20801", (("3363998", 4),), 2_950_000, 6),
    Route("FR", "20810", (("33639985", 3),), 3_050_000, 5, 0.55, "loss", 4),
    Route("FR", "FR-FIXED", (("3319900", 4),), 1_150_000, 4),
    Route("DE", "26201", (("4917139200", 2),), 2_400_000, 5),
    Route("DE", "DE-FIXED", (("4930231253", 2),), 990_000, 4),
    Route("AU", "50501", (("61491570", 3),), 3_900_000, 4, 0.35, "one_way"),
    Route("AU", "AU-FIXED", (("61370101", 3),), 1_800_000, 2),
    Route("SE", "24001", (("467017406", 2),), 1_950_000, 3, 0.30, "fails"),
    Route("IE", "27201", (("35320910", 4),), 2_100_000, 3),
)
_WEIGHTED = tuple((route, route.weight) for route in ROUTES)


def draw_route(dice: Dice) -> Route:
    """Draw a route by its traffic."""
    return dice.weighted(_WEIGHTED)
