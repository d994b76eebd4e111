"""Whether the reported score can be trusted: the score that the losses alone would give, and what contradicts it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import narwhals as nw

from conv_analytics.analysis.audio import measures as m
from conv_analytics.analysis.audio.profiles import LEVELS, Profile
from conv_analytics.analysis.audio.quality import judged_legs
from conv_analytics.analysis.audio.quality_columns import LEG_COLUMNS, VERDICT_COLUMNS
from conv_analytics.analysis.audio.units import Units
from conv_analytics.analysis.engine.data import Data
from conv_analytics.analysis.engine.expressions import is_true
from conv_analytics.analysis.engine.source import Source
from conv_analytics.errors.redaction import safe_repr
from conv_analytics.tables.column import Column

#: A score from here up looks good on a dashboard.
GREEN = 4.0
#: A score this far outside the band is above or below it, which rounding does not explain.
MARGIN = 0.05

_FROM_QUALITY = (
    *m.KEYS, "network_code", "country", "mos_reported", "mos_model", "mos_emodel_low", "mos_emodel", "mos_trust",
)  # fmt: skip
COLUMNS = (
    *(column for name in _FROM_QUALITY for column in LEG_COLUMNS if column.name == name),
    Column("why", str, "The reason for the trust."),
    Column("band", str, "The reported score is above, within or below the E-model's band."),
    Column("gap", float, "Reported score less the E-model's with concealment."),
    Column("green_but_bad", bool, "The score looks good (4.0 and more), but the leg is not, or nothing supports it."),
    *(column for column in VERDICT_COLUMNS if column.name in {"verdict", "rule", "value", "evidence_event_id"}),
)
SUMMARY = (
    Column("mos_trust", str, "How far to trust the scores."),
    Column("legs", int, "Legs with this trust."),
    Column("green", int, "Legs whose score is 4.0 or more."),
    Column("green_but_bad", int, "Of these, the ones that are bad or without support."),
)


@dataclass(frozen=True)
class MosAudit:
    """The audit: a row per leg, counts per trust, and the units that were detected."""

    legs: Any
    summary: Any
    units: Units

    @safe_repr
    def __repr__(self) -> str:
        return f"MosAudit\n{self.units}\n\n{self.summary}"

    def _repr_html_(self) -> str:
        shown = getattr(self.summary, "_repr_html_", None)
        return f"{self.units._repr_html_()}{shown() if shown else ''}"


def mos_audit(data: Data, profile: str | Profile = "recommended", *, units: Units | None = None) -> MosAudit:
    """Compare the reported scores with what was measured.

    A score of 4.5 is also what a leg starts with, what it shows after its sequence numbers were reset, and what it
    hardly leaves when losses come in bursts. A dashboard of reported scores is green on all of these.

    Parameters
    ----------
    data, profile, units
        As for `quality`.

    Returns
    -------
    MosAudit
        ``legs`` has a row per leg with ``mos_reported``, the band of the E-model from ``mos_emodel_low`` (G.711 without
        concealment) to ``mos_emodel`` (with it; delay is not in the data and taken as 0), and ``mos_trust``:

        - ``unmeasured``: no packets and no flaws, fewer than 100 packets, or no score at all;
        - ``reset``: ``jitter_loss_rate`` is above 1, which happens when sequence numbers jump;
        - ``contradicted``: 4.4 or more despite 3 % loss, a jitter_loss_rate of 0.03 to 1, a packet spacing whose
          deviation is over 60 ms, or no audio in a direction; or flaws of 3 % or more, but losses of 0 in every column
          with values;
        - ``default``: 4.5 and 100 % on fewer than 500 packets, the start values;
        - ``ok``: none of these.

        ``summary`` counts them.

    Examples
    --------
    >>> import pandas as pd
    >>> legs = pd.DataFrame({"conversation_id": "CON-1", "leg_id": ["a", "b"], "answered": True, "talk_s": 60.0,
    ...     "hangup_event_id": [8, 9], "mos_score": 4.5, "quality_percentage": 100.0, "jitter_min_var": 1.0,
    ...     "jitter_max_var": [6716.71, 25.0], "jitter_loss_rate": [0.0, 243.0], "flaw_total": 0, "packet_cnt": 2950,
    ...     "packet_loss_perc": 0.0, "byte_in": 507400, "byte_out": 507400})
    >>> mos_audit(legs).legs[["leg_id", "mos_trust", "why"]]
      leg_id     mos_trust                                         why
    0      a  contradicted  packets spaced with a deviation over 60 ms
    1      b         reset                     jitter_loss_rate over 1
    """
    rows, detected = judged_legs(Source.of(data), profile, units, set(_FROM_QUALITY) & {*m.KEYS, *m.DESCRIBING})
    green = is_true(nw.col("mos_reported") >= GREEN)
    bad = nw.col("verdict").is_in(LEVELS) | nw.col("mos_trust").is_in(["contradicted", "reset"])
    gap = nw.col("mos_reported") - nw.col("mos_emodel")
    rows = rows.with_columns(
        why=_why(),
        gap=gap,
        band=nw.when(gap > MARGIN).then(nw.lit("above")).otherwise(
            nw.when(nw.col("mos_reported") < nw.col("mos_emodel_low") - MARGIN).then(nw.lit("below")).otherwise(
                nw.when(~gap.is_null()).then(nw.lit("within")))),
        green_but_bad=green & (bad | ((nw.col("mos_trust") == "unmeasured") & (nw.col("_answered") == 1))),
        _green=nw.when(green).then(nw.lit(1)).otherwise(nw.lit(0)),
    )  # fmt: skip
    rows = rows.select(*(column.name for column in COLUMNS), "_green").materialized()
    counts = rows.with_columns(_bad=nw.when(nw.col("green_but_bad")).then(nw.lit(1)).otherwise(nw.lit(0)))
    counts = counts.group(
        ["mos_trust"], nw.len().alias("_n"), nw.col("_green").sum().alias("_g"), nw.col("_bad").sum().alias("_b")
    )
    counts = counts.with_columns(
        legs=nw.col("_n").cast(nw.Int64()),
        green=nw.col("_g").cast(nw.Int64()),
        green_but_bad=nw.col("_b").cast(nw.Int64()),
    )
    return MosAudit(rows.result(COLUMNS, by=m.KEYS), counts.result(SUMMARY, by=("mos_trust",)), detected)


def _why() -> nw.Expr:
    """The trust in words: what was missing, or the first contradiction of the score."""
    against: nw.Expr = nw.lit("flaws of 3 % or more beside losses of 0")
    for words, condition in reversed(m.contradictions().items()):
        against = nw.when(condition).then(nw.lit(words)).otherwise(against)
    trust = nw.col("mos_trust")
    lacking = nw.when(nw.col("mos_reported").is_null()).then(nw.lit("no score on the scale")).otherwise(
        nw.when(nw.col("_heard") == 0).then(nw.lit("no packets and no flaws: the start value")).otherwise(
            nw.lit("fewer than 100 packets")))  # fmt: skip
    return nw.when(trust == "unmeasured").then(lacking).otherwise(
        nw.when(trust == "reset").then(nw.lit("jitter_loss_rate over 1")).otherwise(
            nw.when(trust == "default").then(nw.lit("the start value, on fewer than 500 packets")).otherwise(
                nw.when(trust == "contradicted").then(against).otherwise(nw.lit("nothing speaks against it"))))
    )  # fmt: skip


__all__ = ["COLUMNS", "SUMMARY", "MosAudit", "mos_audit"]
