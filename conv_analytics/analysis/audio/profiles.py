"""Rulebooks: what makes a leg fair or poor, as limits that can be read, compared and replaced.

Each vendor sets its limits elsewhere. The named profiles state the published limits for what this export can measure;
round-trip time, which most of them also limit, is not in the data, so no profile has a rule for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from conv_analytics.analysis.entities.verdicts import Verdict
from conv_analytics.errors import ConfigError
from conv_analytics.errors.redaction import safe_repr
from conv_analytics.glossary import term

Comparison = Literal[">", ">=", "<", "<="]

#: Levels of a rule, worst first.
LEVELS = (Verdict.POOR, Verdict.FAIR)
_LOOKED_AT = ("loss_pct", "jitter_sd_max_ms", "jitter_sd_min_ms", "mos_reported", "mos_independent", "mos_emodel",
              "mos_emodel_low")  # fmt: skip
#: Columns of `quality` that rules may limit, their unit, and their name in a sentence.
MEASURES = {
    **{name: (term(name).unit, term(name).label) for name in _LOOKED_AT},
    "silent_directions": ("", "directions without audio, 0 to 2, of an answered leg"),
}
#: Judged by seconds and bytes, not by packets received: silence has no packets.
NO_PACKETS_NEEDED = frozenset({"silent_directions"})


@dataclass(frozen=True)
class Rule:
    """One limit: a leg whose ``column`` is beyond ``limit`` has this ``level``.

    ``also`` names a second condition that must hold at the same time, as (column, comparison, limit). A leg whose
    column of an ``optional`` rule is null can be good nevertheless.
    """

    id: str
    column: str
    comparison: Comparison
    limit: float
    level: str = Verdict.POOR
    source: str = ""
    also: tuple[str, Comparison, float] | None = None
    optional: bool = False

    def __post_init__(self) -> None:
        for column, comparison in ((self.column, self.comparison), *([self.also[:2]] if self.also else [])):
            if column not in MEASURES:
                raise ConfigError(f"Rule {self.id!r}: there is no measure {column!r}. Known: {', '.join(MEASURES)}.")
            if comparison not in {">", ">=", "<", "<="}:
                raise ConfigError(f"Rule {self.id!r}: {comparison!r} is not a comparison; use >, >=, < or <=.")
        if self.level not in LEVELS:
            raise ConfigError(f"Rule {self.id!r}: the level is 'fair' or 'poor', not {self.level!r}.")
        object.__setattr__(self, "level", str(self.level))  # Plain text in frames and when printed.

    @property
    def unit(self) -> str:
        """Unit of the limit."""
        return MEASURES[self.column][0]

    def __str__(self) -> str:
        text = f"{self.column} {self.comparison} {self.limit:g} {self.unit}".rstrip()
        if self.also:
            column, comparison, limit = self.also
            text += f" and {column} {comparison} {limit:g} {MEASURES[column][0]}"
        return text


@dataclass(frozen=True)
class Profile:
    """A rulebook: rules in order, and how many packets a leg needs before it is judged.

    The first poor rule that applies decides, else the first fair one. A leg is good only if every column of a rule
    that is not optional was measured; otherwise it is unmeasured.

    Examples
    --------
    >>> Profile("ours", (Rule("loss", "loss_pct", ">", 2, "poor"),), min_packets=250)
    Profile 'ours' (250 packets or more)
      loss  poor  loss_pct > 2 %
    """

    name: str
    rules: tuple[Rule, ...]
    min_packets: int = 500
    source: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "rules", tuple(self.rules))
        if not self.rules:
            raise ConfigError(f"Profile {self.name!r} has no rules: it needs at least one to judge anything.")
        ids = [rule.id for rule in self.rules]
        if len(set(ids)) < len(ids):
            raise ConfigError(f"Profile {self.name!r} has two rules of one id; ids name the reason of a verdict.")
        if self.min_packets < 1:
            raise ConfigError(f"Profile {self.name!r}: min_packets is at least 1, so that no packets are never good.")

    @property
    def required(self) -> tuple[str, ...]:
        """Columns that must have been measured before a leg can be called good."""
        columns = (column for rule in self.rules if not rule.optional for column in _columns(rule))
        return tuple(dict.fromkeys(columns))

    def limits(self, column: str) -> dict[str, float]:
        """The limit of each level for a column; empty if no rule looks at it.

        >>> PROFILES["recommended"].limits("loss_pct")
        {'poor': 5.0, 'fair': 3.0}
        """
        return {rule.level: float(rule.limit) for rule in self.rules if rule.column == column}

    @safe_repr
    def __repr__(self) -> str:
        width = max(len(rule.id) for rule in self.rules)
        lines = [f"  {rule.id:<{width}}  {rule.level}  {rule}" for rule in self.rules]
        return "\n".join((f"Profile {self.name!r} ({self.min_packets} packets or more)", *lines))


def _columns(rule: Rule) -> Iterable[str]:
    return (rule.column, rule.also[0]) if rule.also else (rule.column,)


_SILENT = Rule("no_audio", "silent_directions", ">=", 1, source="M25: under 1 kbit/s one way", optional=True)

#: Twilio's tag wants a mean of 5 ms as well; the smallest deviation stands in for it, being never above the mean.
_TWILIO = (
    Rule("high_packet_loss", "loss_pct", ">", 5, source="call tags"),
    Rule("high_jitter", "jitter_sd_max_ms", ">=", 30, source="call tags", also=("jitter_sd_min_ms", ">=", 5)),
)

#: Profiles by name.
PROFILES = {
    profile.name: profile
    for profile in (
        Profile(
            "recommended",
            (
                _SILENT,
                Rule("loss_poor", "loss_pct", ">", 5),
                Rule("jitter_poor", "jitter_sd_max_ms", ">", 30),
                Rule("mos_emodel_poor", "mos_emodel", "<", 3.6, source="G.109: some users dissatisfied"),
                Rule("mos_reported_poor", "mos_independent", "<", 3.6, optional=True),
                Rule("loss_fair", "loss_pct", ">", 3, Verdict.FAIR),
                Rule("jitter_fair", "jitter_sd_max_ms", ">", 20, Verdict.FAIR),
                Rule("mos_emodel_fair", "mos_emodel", "<", 4.03, Verdict.FAIR, "G.109: satisfied"),
                Rule("mos_reported_fair", "mos_independent", "<", 4.03, Verdict.FAIR, optional=True),
            ),
            source="this package",
        ),
        Profile(
            "strict",
            (
                _SILENT,
                Rule("loss_poor", "loss_pct", ">", 3),
                Rule("jitter_poor", "jitter_sd_max_ms", ">", 20),
                Rule("mos_low_poor", "mos_emodel_low", "<", 3.1, source="G.109: many users dissatisfied"),
                Rule("mos_reported_poor", "mos_independent", "<", 4.03, optional=True),
                Rule("loss_fair", "loss_pct", ">", 1, Verdict.FAIR),
                Rule("jitter_fair", "jitter_sd_max_ms", ">", 10, Verdict.FAIR),
                Rule("mos_low_fair", "mos_emodel_low", "<", 4.03, Verdict.FAIR, "G.109: satisfied"),
            ),
            source="this package, for lines that should have no trouble at all",
        ),
        Profile(
            "cqd",
            (
                Rule("packet_loss", "loss_pct", ">", 10, source="stream classification"),
                # Microsoft's limit is of the average; the API tells the largest and the smallest spacing only.
                Rule(
                    "jitter",
                    "jitter_sd_max_ms",
                    ">",
                    30,
                    source="stream classification; its limit is of the average jitter, this is the largest: stricter",
                ),
            ),
            min_packets=501,
            source="Microsoft Teams call quality dashboard; its limit is of the average jitter, here of the largest; "
            "round-trip time > 500 ms left out",
        ),
        Profile("twilio_gateway", _TWILIO, source="Twilio Voice Insights, gateway edges; latency > 150 ms left out"),
        Profile(
            "twilio_sdk",
            (*_TWILIO, Rule("low_mos", "mos_reported", "<", 3.5, source="call tags")),
            source="Twilio Voice Insights, client edges; round-trip time > 400 ms left out",
        ),
        Profile(
            "plivo",
            (
                Rule("loss_bad", "loss_pct", ">=", 0.9),
                Rule("jitter_bad", "jitter_sd_max_ms", ">=", 30),
                Rule("loss_average", "loss_pct", ">=", 0.5, Verdict.FAIR),
                Rule("jitter_average", "jitter_sd_max_ms", ">", 10, Verdict.FAIR),
            ),
            source="Plivo call insights; round-trip time > 300 ms left out",
        ),
        Profile(
            "vonage",
            (
                Rule("mos_poor", "mos_reported", "<", 3.5),
                Rule("mos_fair", "mos_reported", "<=", 4, Verdict.FAIR),
            ),
            source="Vonage, a draft page on MOS",
        ),
        Profile(
            "genesys",
            (
                Rule("mos_unacceptable", "mos_reported", "<", 3.5),
                Rule("mos_below_high", "mos_reported", "<", 4.3, Verdict.FAIR),
            ),
            source="Genesys Cloud call quality",
        ),
    )
}


def profile_of(profile: str | Profile) -> Profile:
    """A profile by its name, or the passed profile itself.

    Examples
    --------
    >>> profile_of("vonage").rules[0].limit
    3.5
    """
    if isinstance(profile, Profile):
        return profile
    if profile not in PROFILES:
        raise ConfigError(
            f"There is no profile {profile!r}. Known: {', '.join(PROFILES)}; or pass a Profile of your own."
        )
    return PROFILES[profile]


def as_markdown(profiles: Iterable[Profile] = tuple(PROFILES.values())) -> str:
    """The profiles as a table, for the documentation.

    Examples
    --------
    >>> print(as_markdown([PROFILES["vonage"]]))
    | profile | rule | level | limit | packets |
    |---|---|---|---|---|
    | `vonage` | `mos_poor` | poor | mos_reported < 3.5 MOS | 500 |
    | `vonage` | `mos_fair` | fair | mos_reported <= 4 MOS | 500 |
    """
    lines = ["| profile | rule | level | limit | packets |", "|---|---|---|---|---|"]
    for profile in profiles:
        for rule in profile.rules:
            needed = "any" if rule.column in NO_PACKETS_NEEDED else str(profile.min_packets)
            lines.append(f"| `{profile.name}` | `{rule.id}` | {rule.level} | {rule} | {needed} |")
    return "\n".join(lines)


__all__ = ["LEVELS", "MEASURES", "NO_PACKETS_NEEDED", "PROFILES", "Profile", "Rule", "as_markdown", "profile_of"]
