"""Units that the API's reference leaves open, detected once per dataset, never per row and never in silence.

The scale of the reported score, the model behind it, and the units of loss and jitter differ between platforms and have
changed before. Each is decided on all rows together by a majority that a few odd values cannot change, with numbers
that the answer carries along, and each can be told instead. Where the rows do not decide, nothing is read in that unit:
no verdict comes out of it.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from conv_analytics.analysis.audio import unit_evidence as ev
from conv_analytics.analysis.audio.unit_evidence import MEASURED, SCALES, Evidence
from conv_analytics.analysis.engine.data import Data
from conv_analytics.analysis.engine.rows import Rows
from conv_analytics.analysis.engine.source import Source
from conv_analytics.analysis.entities.leg_tables import KEY, one_row_per_leg
from conv_analytics.errors import ConfigError, ConvAnalyticsError
from conv_analytics.tables import TABLES

MODELS = ("freeswitch_r", "other", "undetermined")
LOSS_UNITS = (*ev.READABLE, "unknown", "ignore")
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
class Units:
    """What the numbers of a dataset are in.

    Attributes
    ----------
    mos_scale
        What a reported score is divided by to be on the scale of 1 to 5: 1, 10 or 100; None where the data do not
        decide: no score is read then.
    mos_model
        ``freeswitch_r``: the score is only the G.107 curve of ``quality_percentage``, without codec, delay and
        bursts. ``other``: it is not. ``undetermined``: too few flawed legs to tell.
    loss_unit
        Unit of ``packet_loss_perc``: ``percent``, ``fraction``, ``count``, or ``unknown``: no loss is read then, from
        no column. ``ignore`` leaves the column out: losses are those of ``jitter_loss_rate``.
    jitter_unit
        ``ms2`` (variances, as FreeSWITCH makes them) or ``ms`` (standard deviations).
    loss_told
        False if every known ``packet_loss_perc`` is 0: a column that says nothing.
    rate_told
        False if every known ``jitter_loss_rate`` is 0 although packets were flawed: likewise. So it is if
        most are no shares: as shares, far more packets would be lost than had flaws.
    loss_checked
        Whether legs whose flaws say that their loss is in another unit are left out: so where flaws decided the unit.
    evidence
        What each was decided by.
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
        """Names of the units that the data do not decide, although there are values: nothing is read in them."""
        loss = self.loss_unit == "unknown" and self.loss_told
        return tuple(name for name, holds in (("mos_scale", self.mos_scale is None), ("loss_unit", loss)) if holds)

    def undecided_of(self, measures: Iterable[str]) -> tuple[str, ...]:
        """Which of the undecided units some measures are read in: with them there is no verdict on the whole.

        >>> Units(mos_scale=None, loss_unit="percent").undecided_of(["loss_pct", "mos_reported"])
        ('mos_scale',)
        """
        needed = {UNIT_OF.get(name) for name in measures}
        return tuple(name for name in self.undecided if name in needed)

    def why(self, name: str) -> str:
        """What a unit was decided by, in words, or why it was not."""
        return next((each.why for each in self.evidence if each.what == name), "nobody said it")

    def missing(self, name: str) -> str:
        """A sentence about a unit that the data do not decide, with what to do."""
        known = "1, 10 or 100" if name == "mos_scale" else "percent, fraction or count (ignore leaves it out)"
        return f"The unit of {_COLUMN[name]} is not known ({self.why(name)}); say {name}: {known}."

    def doubts(self) -> tuple[str, ...]:
        """A sentence for each unit that is not known, is assumed, or has odd values."""
        said = [self.missing(name) for name in self.undecided]
        said += [
            f"{_COLUMN[each.what]} is read as {each.decided}: {each.why}."
            for each in self.evidence
            if each.what in _COLUMN and each.what not in self.undecided and each.n and (each.assumed or each.odd)
        ]
        return tuple(said)

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


def detect_units(
    data: Data,
    *,
    mos_scale: float | None = None,
    mos_model: str | None = None,
    loss_unit: str | None = None,
    jitter_unit: str | None = None,
) -> Units:
    """Find out what the quality numbers of a dataset are in, and say by what.

    One query of counts, extremes and medians, run where the data is.

    Parameters
    ----------
    data
        A `Dataset`, `Frames`, a mapping with the table ``hangups``, or a frame of legs.
    mos_scale, mos_model, loss_unit, jitter_unit
        What you know better; see `Units`.

    Returns
    -------
    Units
        The decisions and their evidence; prints as a list, shows as a table. ``undecided`` names what the data do not
        decide: no verdict comes out of such a measure. ``assumed`` names what nothing decides and nothing contradicts.

        - Scale: 80 % of the scores lie in 1 to 5, in 10 to 50 or in 100 to 500. 0 and -1 are no scores.
        - Model: at least 95 % of at least 20 legs with flaws lie on FreeSWITCH's curve within 0.011, or not.
        - Loss: flaws are one to three times the losses, so each leg with flaws says which unit its loss is in. Without
          flaws: losses of less than one packet are no percents, ``jitter_loss_rate`` is a fraction, and what is above
          100 or not whole excludes units. More than two legs and 5 % in another unit are a mixture: unknown.
        - Jitter: more than 5 % of the values above 200 are variances; otherwise variances are assumed.

        Values outside of what the unit allows are counted as odd; that leg has no such measure.

    Raises
    ------
    ConfigError
        If a unit that is told is none.

    Examples
    --------
    >>> import pandas as pd
    >>> q = list(range(60, 100))
    >>> legs = pd.DataFrame({"conversation_id": "CON-1", "hangup_event_id": range(40), "quality_percentage": q,
    ...     "mos_score": [round(1 + 0.035 * r + 7e-6 * r * (r - 60) * (100 - r), 2) for r in q],
    ...     "jitter_min_var": 1.0, "jitter_max_var": 100.0, "jitter_loss_rate": 0.0, "packet_cnt": 1000,
    ...     "flaw_total": [1000 - 10 * r for r in q], "packet_loss_perc": [(100 - r) / 2 for r in q]})
    >>> units = detect_units(legs)
    >>> units.mos_scale, units.mos_model, units.loss_unit
    (1.0, 'freeswitch_r', 'percent')
    >>> units.evidence[1].n, units.evidence[1].share
    (40, 1.0)
    """
    source = Source.of(data)
    known = {"mos_scale": mos_scale, "mos_model": mos_model, "loss_unit": loss_unit, "jitter_unit": jitter_unit}
    return units_of(measured_rows(source), known)


def units_of_all(data: Any) -> Units | None:
    """What `detect_units` finds in all data, for verdicts on a part of them; None where there are no hangups."""
    try:
        return detect_units(data)
    except ConvAnalyticsError:
        return None


def measured_rows(source: Source) -> Rows:
    """What was measured, once per hangup."""
    if source.single:
        kinds = {column.name: column for column in TABLES["hangups"].columns}
        wanted = [kinds[name] for name in ("conversation_id", *MEASURED)]
        return Rows.read_single(source, wanted, needed=[*MEASURED], maker="legs()")
    key = ["conversation_id", "event_id"]
    rows = Rows.read(source, "hangups", [*key, *MEASURED])
    legs = Rows.read(source, "hangups", KEY, needed=())
    return rows if one_row_per_leg("hangups", legs) else rows.unique(key, keep="any")


def units_of(rows: Rows, known: Mapping[str, Any] | None = None) -> Units:
    """Decide on rows that hold the measured columns; what is given is not asked."""
    row = ev.questions(rows).collect().iloc[0]
    numbers = {str(name): float(value) for name, value in row.items() if pd.notna(value)}
    return decide(numbers, known or {})


def decide(numbers: Mapping[str, float], known: Mapping[str, Any]) -> Units:
    """The decisions, from numbers alone; a missing number is one that no row gave. What is known is not asked."""
    told = {name: _told(name, value, numbers) for name, value in known.items() if value is not None}
    scale = told.get("mos_scale") or ev.scale_of(numbers)
    model = told.get("mos_model") or ev.model_of(numbers, scale.decided)
    loss = told.get("loss_unit") or ev.loss_of(numbers)
    jitter = told.get("jitter_unit") or ev.jitter_of(numbers)
    return Units(
        None if scale.decided == "unknown" else float(scale.decided),
        model.decided,
        loss.decided,
        jitter.decided,
        loss_told=numbers.get("loss_some", 0) > 0 or "loss_unit" in told,
        rate_told=ev.rate_is_share(numbers) and (numbers.get("rate_some", 0) > 0 or not numbers.get("rate_flawed", 0)),
        loss_checked="loss_unit" not in told and not loss.assumed and ev.flaws_decide(numbers),
        evidence=(scale, model, loss, jitter),
    )


def _told(what: str, value: Any, numbers: Mapping[str, float]) -> Evidence:
    if what == "mos_scale" and (isinstance(value, bool) or value not in SCALES):
        raise ConfigError(f"mos_scale is 1, 10 or 100, not {value!r}.")
    decided = f"{value:g}" if what == "mos_scale" else str(value)
    n, odd = ev.outside(numbers, what, decided)
    why = f"; {odd:,} of {n:,} values cannot be in it, and count as not measured" if odd else ""
    return Evidence(what, decided, n if odd else 0, None, f"told by the caller{why}", odd)


__all__ = ["JITTER_UNITS", "LOSS_UNITS", "MEASURED", "MODELS", "SCALES", "UNIT_OF", "Evidence", "Units", "decide",
           "detect_units", "measured_rows", "units_of", "units_of_all"]  # fmt: skip
