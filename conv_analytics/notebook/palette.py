"""The colours of everything drawn, and their contrast.

Nothing is said by colour alone: states have patterns and words, kinds have shapes. Tests measure how well people with
and without colour blindness can tell the colours apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from conv_analytics.analysis.entities.verdicts import MEASURED, Verdict


@dataclass(frozen=True)
class Theme:
    """The colours of one theme, as ``#rrggbb``.

    Attributes
    ----------
    ground, raised, line, text, quiet, accent
        Page, panels and stripes, rules, text, secondary text, focus and links.
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
        """The outlines of verdicts and states: their colour, darkened or lightened to a contrast of 3 to 1."""
        return {name: edge(colour, self.ground) for name, colour in {**self.states, **self.quality}.items()}

    def plain(self) -> dict[str, object]:
        """The theme as JSON values."""
        values = {name: dict(value) if isinstance(value, Mapping) else value for name, value in vars(self).items()}
        return values | {"edges": dict(self.edges)}

    @property
    def surfaces(self) -> dict[str, str]:
        """The colours of a page, without those of verdicts, states and kinds."""
        return {name: getattr(self, name) for name in ("ground", "raised", "line", "text", "quiet", "accent")}


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

#: Quality is Paul Tol's high-contrast scheme, light states are his bright one. The others were chosen so that everybody
#: can tell them apart, and for a contrast of 3 to 1 to the ground.
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

#: Below this, sRGB is linear (IEC 61966-2-1).
_DARK = 0.04045
_LUMINANCE = (0.2126, 0.7152, 0.0722)


def contrast(one: str, other: str) -> float:
    """Contrast of two colours, 1 to 21 (WCAG 2.2): text needs 4.5, shapes need 3.

    >>> round(contrast("#000000", "#ffffff"))
    21
    """
    low, high = sorted(dot(_LUMINANCE, linear_rgb(colour)) for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


def edge(colour: str, ground: str, least: float = 3.0) -> str:
    """A colour, mixed with black or white until it has enough contrast with a background.

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


def linear_rgb(colour: str) -> tuple[float, ...]:
    """Red, green and blue of a colour, 0 to 1, proportional to light."""
    parts = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    return tuple(part / 12.92 if part <= _DARK else ((part + 0.055) / 1.055) ** 2.4 for part in parts)


def dot(row: Iterable[float], values: Iterable[float]) -> float:
    """The sum of the products."""
    return sum(a * b for a, b in zip(row, values, strict=True))


__all__ = ["DARK", "KINDS", "LIGHT", "QUALITY", "STATES", "THEMES", "Theme", "contrast", "dot", "edge",
           "linear_rgb"]  # fmt: skip
