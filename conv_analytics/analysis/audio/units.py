"""Units that the API's reference leaves open: what they are in a dataset, and why.

The scale of the reported score, the model behind it, and the units of loss and jitter differ between platforms and have
changed before. `detect_units` decides each once per dataset; where it cannot, the values are not used, and there is no
verdict.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from conv_analytics.errors import ConfigError

#: Columns of hangups about the audio.
MEASURED = (
    "mos_score",
    "quality_percentage",
    "jitter_min_var",
    "jitter_max_var",
    "jitter_loss_rate",
    "flaw_total",
    "packet_cnt",
    "packet_loss_perc",
)
SCALES = (1.0, 10.0, 100.0)
#: Units in which losses can be read.
READABLE = ("percent", "fraction", "count")
MODELS = ("freeswitch_r", "other", "undetermined")
LOSS_UNITS = (*READABLE, "unknown", "ignore")
JITTER_UNITS = ("ms2", "ms")

#: Which unit each measure is read in.
UNIT_OF: Mapping[str, str] = {
    "loss_pct": "loss_unit", "mos_emodel": "loss_unit", "mos_emodel_low": "loss_unit",
    "mos_reported": "mos_scale", "mos_independent": "mos_scale",
    "jitter_sd_max_ms": "jitter_unit", "jitter_sd_min_ms": "jitter_unit",
}  # fmt: skip
#: The column of each unit.
_COLUMN = {"mos_scale": "mos_score", "loss_unit": "packet_loss_perc", "jitter_unit": "jitter_max_var"}


@dataclass(frozen=True)
class Evidence:
    """Why a unit was decided.

    Attributes
    ----------
    what, decided
        Name of the unit, and the decision; ``unknown`` where the data do not decide.
    n, share
        How many values were examined, and which share of them agrees; None where shares do not apply.
    why
        The reason, in words.
    odd
        Values outside the range of the unit: they are treated as unmeasured.
    assumed
        Whether it was assumed, because nothing decides.
    """

    what: str
    decided: str
    n: int
    share: float | None
    why: str
    odd: int = 0
    assumed: bool = False


@dataclass(frozen=True)
class Units:
    """The units of a dataset's numbers.

    Attributes
    ----------
    mos_scale
        Divisor that brings a reported score to the scale of 1 to 5: 1, 10 or 100; None where the data do not decide: no
        score is used then.
    mos_model
        ``freeswitch_r``: the score is only the G.107 curve of ``quality_percentage``, without codec, delay and
        bursts. ``other``: it is not. ``undetermined``: too few flawed legs to tell.
    loss_unit
        Unit of ``packet_loss_perc``: ``percent``, ``fraction``, ``count``, or ``unknown``: no loss is used then, from
        any column. ``ignore`` leaves the column out: losses are those of ``jitter_loss_rate``.
    jitter_unit
        ``ms2`` (variances, as FreeSWITCH computes them) or ``ms`` (standard deviations).
    loss_told
        False if every known ``packet_loss_perc`` is 0: the column carries no information.
    rate_told
        False if every known ``jitter_loss_rate`` is 0 although packets were flawed: likewise. Also False if most values
        are not shares: as shares, far more packets would be lost than had flaws.
    loss_checked
        Whether legs whose flaws show that their loss is in another unit are left out: the case where flaws decided the
        unit.
    evidence
        The evidence for each decision.
    """

    mos_scale: float | None = 1.0
    mos_model: str = "undetermined"
    loss_unit: str = "unknown"
    jitter_unit: str = "ms2"
    loss_told: bool = True
    rate_told: bool = True
    loss_checked: bool = field(default=False, compare=False)
    evidence: tuple[Evidence, ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        for name, value, known in (
            ("mos_scale", self.mos_scale, (*SCALES, None)),
            ("mos_model", self.mos_model, MODELS),
            ("loss_unit", self.loss_unit, LOSS_UNITS),
            ("jitter_unit", self.jitter_unit, JITTER_UNITS),
        ):
            if value not in known:
                raise ConfigError(f"{name} is one of {', '.join(map(str, known))}, not {value!r}.")

    @property
    def assumed(self) -> tuple[str, ...]:
        """Names of the units that were assumed, because nothing in the data decides."""
        return tuple(each.what for each in self.evidence if each.assumed)

    @property
    def undecided(self) -> tuple[str, ...]:
        """Names of the units that the data do not decide although there are values: those values are not used."""
        loss = self.loss_unit == "unknown" and self.loss_told
        return tuple(name for name, holds in (("mos_scale", self.mos_scale is None), ("loss_unit", loss)) if holds)

    def undecided_of(self, measures: Iterable[str]) -> tuple[str, ...]:
        """The undecided units of some measures: without them there is no overall verdict.

        >>> Units(mos_scale=None, loss_unit="percent").undecided_of(["loss_pct", "mos_reported"])
        ('mos_scale',)
        """
        needed = {UNIT_OF.get(name) for name in measures}
        return tuple(name for name in self.undecided if name in needed)

    def why(self, name: str) -> str:
        """Why a unit was decided, or why it was not, in words."""
        return next((each.why for each in self.evidence if each.what == name), "not determined")

    def missing(self, name: str) -> str:
        """A sentence about a unit that the data do not decide, with what to do."""
        known = "1, 10 or 100" if name == "mos_scale" else "percent, fraction or count (ignore leaves it out)"
        return f"The unit of {_COLUMN[name]} is not known ({self.why(name)}); say {name}: {known}."

    def doubts(self) -> tuple[str, ...]:
        """A sentence for each unit that is not known, is assumed, or has odd values."""
        sentences = [self.missing(name) for name in self.undecided]
        sentences += [
            f"{_COLUMN[each.what]} is read as {each.decided}: {each.why}."
            for each in self.evidence
            if each.what in _COLUMN and each.what not in self.undecided and each.n and (each.assumed or each.odd)
        ]
        return tuple(sentences)

    def __str__(self) -> str:
        lines = [f"{each.what:<12} {each.decided:<13} {each.why}" for each in self.evidence]
        return "\n".join(lines) or repr(self)

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th>{html.escape(e.what)}</th><td>{html.escape(e.decided)}</td><td>{e.n:,}</td>"
            f"<td>{'' if e.share is None else f'{e.share:.1%}'}</td><td>{html.escape(e.why)}</td></tr>"
            for e in self.evidence
        )
        head = "<tr><th>unit</th><th>decided</th><th>n</th><th>share</th><th>why</th></tr>"
        return f"<table><thead>{head}</thead><tbody>{rows}</tbody></table>"


__all__ = ["JITTER_UNITS", "LOSS_UNITS", "MEASURED", "MODELS", "READABLE", "SCALES", "UNIT_OF", "Evidence", "Units"]
