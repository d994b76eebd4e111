"""How different colours look, to most people and to those with colour blindness."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import combinations

from conv_analytics.notebook.palette import dot, linear_rgb

#: How people who lack one kind of cones see colours (Machado, Oliveira and Fernandes 2009, severity 1), on linear RGB.
BLINDNESS = {
    "protan": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deutan": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    "tritan": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),
}  # fmt: skip
_XYZ = ((0.4124564, 0.3575761, 0.1804375), (0.2126729, 0.7151522, 0.0721750), (0.0193339, 0.1191920, 0.9503041))
_WHITE = (0.95047, 1.0, 1.08883)


def lab_of(colour: str, blindness: str | None = None) -> tuple[float, float, float]:
    """A colour in CIE L*a*b* as it is seen, by most people or with a kind of `BLINDNESS`."""
    rgb = linear_rgb(colour)
    if blindness is not None:
        rows = (dot(row, rgb) for row in BLINDNESS[blindness])
        rgb = tuple(min(max(value, 0.0), 1.0) for value in rows)
    x, y, z = (_root(dot(row, rgb) / white) for row, white in zip(_XYZ, _WHITE, strict=True))
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def difference(one: str, other: str, blindness: str | None = None) -> float:
    """How different two colours look (CIE 1976); below about 10, small marks are easily confused."""
    return math.dist(lab_of(one, blindness), lab_of(other, blindness))


def nearest(colours: Iterable[str], blindness: str | None = None) -> float:
    """The difference between the two most similar colours."""
    return min(difference(one, other, blindness) for one, other in combinations(colours, 2))


def _root(value: float) -> float:
    return float(value ** (1 / 3)) if value > 216 / 24389 else (24389 / 27 * value + 16) / 116


__all__ = ["BLINDNESS", "difference", "nearest"]
