"""Colours: which there are, how well they can be seen, and by whom.

Nothing is told by colour alone: states have patterns and words, kinds have shapes. The figures are tested.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations
from types import MappingProxyType

from conv_analytics.analysis.entities.verdicts import MEASURED, Verdict


@dataclass(frozen=True)
class Theme:
    """The colours of one theme, as ``#rrggbb``.

    Attributes
    ----------
    ground, raised, line, text, quiet, accent
        Page, panels and stripes, rules, text, text that is less important, focus and links.
    quality
        By verdict: ``good``, ``fair``, ``poor``, ``unmeasured``.
    states
        By state of a member or a leg.
    kinds
        By kind of event.
    """

    name: str
    ground: str
    raised: str
    line: str
    text: str
    quiet: str
    accent: str
    quality: Mapping[str, str]
    states: Mapping[str, str]
    kinds: Mapping[str, str]

    @property
    def edges(self) -> Mapping[str, str]:
        """What verdicts and states are outlined with: their colour, or as much darker or lighter as 3 to 1 takes."""
        return {name: edge(colour, self.ground) for name, colour in {**self.states, **self.quality}.items()}

    def plain(self) -> dict[str, object]:
        """As JSON takes it."""
        told = {name: dict(value) if isinstance(value, Mapping) else value for name, value in vars(self).items()}
        return told | {"edges": dict(self.edges)}


def _theme(*plain: str, quality: str, states: str, kinds: str) -> Theme:
    def named(names: Iterable[str], colours: str) -> Mapping[str, str]:
        return MappingProxyType(dict(zip(names, colours.split(), strict=True)))

    name, ground, raised, line, text, quiet, accent = plain
    return Theme(
        name, ground, raised, line, text, quiet, accent,
        named(QUALITY, quality), named(STATES, states), named(KINDS, kinds),
    )  # fmt: skip


QUALITY = tuple(verdict.value for verdict in (*MEASURED, Verdict.UNMEASURED))
STATES = ("joined", "answered", "ringing", "invited", "muted")
KINDS = ("message", "control", "media", "end", "other")

#: Quality: the high-contrast scheme of Paul Tol; light states: his bright one. The others are made for these grounds,
#: so that they differ for every kind of eyes and stand out by 3 to 1.
LIGHT = _theme(
    "light", "#ffffff", "#f4f6f8", "#c9d1d9", "#1f2328", "#57606a", "#0b5cad",
    quality="#004488 #ddaa33 #bb5566 #7d8590",
    states="#4477aa #228833 #ccbb44 #bbbbbb #aa3377",
    kinds="#0b3a75 #de640a #139088 #6e0d10 #9250de",
)  # fmt: skip
DARK = _theme(
    "dark", "#14181d", "#1d232a", "#3d4651", "#e6edf3", "#a3adb8", "#79b8ff",
    quality="#66a3e0 #e8bd55 #ee7f90 #8b949e",
    states="#4f76d2 #71e981 #8d8a1c #d3d7dc #c9488a",
    kinds="#42cbfb #e07a1c #12936a #f3b9bc #8f63e2",
)  # fmt: skip
THEMES: Mapping[str, Theme] = MappingProxyType({"light": LIGHT, "dark": DARK})

#: How people without one kind of cones see colours (Machado, Oliveira and Fernandes 2009, severity 1), on linear RGB.
BLINDNESS: Mapping[str, tuple[tuple[float, float, float], ...]] = MappingProxyType({
    "protan": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deutan": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    "tritan": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),
})  # fmt: skip

#: Below it sRGB is linear (IEC 61966-2-1).
_DARK = 0.04045
_LUMINANCE = (0.2126, 0.7152, 0.0722)
_XYZ = ((0.4124564, 0.3575761, 0.1804375), (0.2126729, 0.7151522, 0.0721750), (0.0193339, 0.1191920, 0.9503041))
_WHITE = (0.95047, 1.0, 1.08883)


def contrast(one: str, other: str) -> float:
    """Contrast of two colours, 1 to 21 (WCAG 2.2): text needs 4.5, shapes need 3.

    >>> round(contrast("#000000", "#ffffff"))
    21
    """
    low, high = sorted(_dot(_LUMINANCE, _linear(colour)) for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


def edge(colour: str, ground: str, least: float = 3.0) -> str:
    """A colour, drawn towards black or white until it stands out from a ground.

    >>> edge("#ddaa33", "#ffffff"), edge("#004488", "#ffffff")
    ('#b18829', '#004488')
    """
    towards = 0 if contrast(ground, "#000000") > contrast(ground, "#ffffff") else 255
    parts = [int(colour[place : place + 2], 16) for place in (1, 3, 5)]
    for step in range(21):
        mixed = "#" + "".join(f"{round(part + (towards - part) * step / 20):02x}" for part in parts)
        if contrast(mixed, ground) >= least:
            return mixed
    return mixed


def seen(colour: str, blindness: str | None = None) -> tuple[float, float, float]:
    """A colour in CIE L*a*b*, as it is seen: by everybody, or with a kind of `BLINDNESS`."""
    rgb = _linear(colour)
    if blindness is not None:
        rows = (_dot(row, rgb) for row in BLINDNESS[blindness])
        rgb = tuple(min(max(value, 0.0), 1.0) for value in rows)
    x, y, z = (_root(_dot(row, rgb) / white) for row, white in zip(_XYZ, _WHITE, strict=True))
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def difference(one: str, other: str, blindness: str | None = None) -> float:
    """How different two colours look (CIE 1976); below about 10 they are taken for one another in small marks.

    >>> round(difference("#228833", "#bb5566")), round(difference("#228833", "#bb5566", "deutan"))
    (93, 18)
    """
    return math.dist(seen(one, blindness), seen(other, blindness))


def nearest(colours: Iterable[str], blindness: str | None = None) -> float:
    """The difference of the two colours that look most alike."""
    return min(difference(one, other, blindness) for one, other in combinations(colours, 2))


def _linear(colour: str) -> tuple[float, ...]:
    parts = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    return tuple(part / 12.92 if part <= _DARK else ((part + 0.055) / 1.055) ** 2.4 for part in parts)


def _dot(row: Iterable[float], values: Iterable[float]) -> float:
    return sum(a * b for a, b in zip(row, values, strict=True))


def _root(value: float) -> float:
    return float(value ** (1 / 3)) if value > 216 / 24389 else (24389 / 27 * value + 16) / 116


__all__ = [
    "BLINDNESS", "DARK", "KINDS", "LIGHT", "QUALITY", "STATES", "THEMES", "Theme",
    "contrast", "difference", "edge", "nearest", "seen",
]  # fmt: skip
