"""Units that the API's reference leaves open, detected once per dataset, never per row and never in silence.

The scale of the reported score, the model behind it, and the unit of the packet loss differ between platforms and
have changed before. Each is decided on all rows together by numbers that the answer carries along, and each can be
told instead. What the rows cannot tell is `undetermined` or `unknown`, and an ambiguity that would turn the answers
around is an error.
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import narwhals as nw
import pandas as pd

from conv_analytics.analysis import emodel, gather
from conv_analytics.analysis.frames import Source
from conv_analytics.errors import ConfigError
from conv_analytics.tables import TABLES

#: How many rows must agree before a model or a unit is called by its name, and which share of them.
ENOUGH, NEARLY_ALL = 20, 0.95
#: Two-decimal rounding of the score, and a whole R for a fractional one.
MOS_TOLERANCE = 0.011
SCALES = (1.0, 10.0, 100.0)
MODELS = ("freeswitch_r", "other", "undetermined")
LOSS_UNITS = ("percent", "fraction", "count", "unknown")
JITTER_UNITS = ("ms2", "ms")

#: What hangups say of the audio.
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


@dataclass(frozen=True)
class Evidence:
    """Why something was decided: from ``n`` rows, of which ``share`` agree (None where shares do not apply)."""

    what: str
    decided: str
    n: int
    share: float | None
    why: str


@dataclass(frozen=True)
class Units:
    """What the numbers of a dataset are in.

    Attributes
    ----------
    mos_scale
        What a reported score is divided by to be on the scale of 1 to 5: 1, 10 or 100.
    mos_model
        ``freeswitch_r``: the score is only the G.107 curve of ``quality_percentage``, without codec, delay and
        bursts. ``other``: it is not. ``undetermined``: too few flawed legs to tell.
    loss_unit
        Unit of ``packet_loss_perc``: ``percent``, ``fraction``, ``count`` or ``unknown`` (taken as percent, with less
        confidence; if every value is 0, not taken at all).
    jitter_unit
        ``ms2`` (variances, as FreeSWITCH makes them) or ``ms``. Assumed, not proved.
    loss_told
        False if every known ``packet_loss_perc`` is 0: a column that says nothing.
    evidence
        What each was decided by.
    """

    mos_scale: float = 1.0
    mos_model: str = "undetermined"
    loss_unit: str = "unknown"
    jitter_unit: str = "ms2"
    loss_told: bool = True
    evidence: tuple[Evidence, ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        for name, value, known in (
            ("mos_scale", self.mos_scale, SCALES),
            ("mos_model", self.mos_model, MODELS),
            ("loss_unit", self.loss_unit, LOSS_UNITS),
            ("jitter_unit", self.jitter_unit, JITTER_UNITS),
        ):
            if value not in known:
                raise ConfigError(f"{name} is one of {', '.join(map(str, known))}, not {value!r}.")

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
    data: Any,
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
        The decisions and their evidence; prints as a list, shows as a table.

        - Scale: the largest score up to 5 is a scale of 1, up to 50 of 10, above 100 and up to 500 of 100. 0 and -1
          are no scores.
        - Model: at least 95 % of at least 20 legs with flaws lie on FreeSWITCH's curve within 0.011, or not.
        - Loss: anything above 100 is a count. Otherwise the median of loss by flawed packets decides: flaws are one to
          three times the losses.

    Raises
    ------
    ConfigError
        If the scale is ambiguous: scores between 50 and 100 could be several things, and a few odd ones among many
        could be errors.

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
    return units_of(source, measured_rows(source), known)


def measured_rows(source: Source) -> nw.LazyFrame[Any]:
    """What was measured, once per hangup."""
    if source.single:
        kinds = {column.name: column for column in TABLES["hangups"].columns}
        wanted = [kinds[name] for name in ("conversation_id", *MEASURED)]
        return source.frame(wanted, needed=[*MEASURED], maker="legs()")
    key = ["conversation_id", "event_id"]
    rows = source.table("hangups", [*key, *MEASURED])
    return rows if gather.once(source, "hangups") else rows.unique(subset=key, keep="any")


def units_of(source: Source, rows: nw.LazyFrame[Any], known: Mapping[str, Any] | None = None) -> Units:
    """Decide on rows that hold the measured columns; what is given is not asked."""
    row = source.collect(rows.select(**_questions())).iloc[0]
    numbers = {str(name): float(value) for name, value in row.items() if pd.notna(value)}
    return decide(numbers, known or {})


def _questions() -> dict[str, nw.Expr]:
    """Every number the decisions need, as one row of aggregates."""
    mos, q = nw.col("mos_score"), nw.col("quality_percentage")
    loss, packets, flaws = nw.col("packet_loss_perc"), nw.col("packet_cnt"), nw.col("flaw_total")
    low, high = nw.col("jitter_min_var"), nw.col("jitter_max_var")
    scored = mos > 0
    flawed = scored & (q >= 0) & (q < 100)  # noqa: PLR2004  percent
    curve = emodel.r_to_mos(q)
    told = (loss > 0) & (packets > 0) & (flaws > 0) & (flaws <= packets)
    share = flaws * 100.0 / packets
    long = (packets >= 500) & (flaws <= packets) & (q >= 0)  # noqa: PLR2004  enough to compare
    asked = {
        "mos_n": _count(scored),
        "mos_none": _count(mos <= 0),
        "mos_max": nw.when(scored).then(mos).max(),
        "flawed": _count(flawed),
        "long": _count(long),
        "as_counted": _count(long & ((q - (share * -1.0 + 100.0).floor()).abs() <= 2)),  # noqa: PLR2004
        "loss_n": _count(loss >= 0),
        "loss_some": _count(loss > 0),
        "loss_max": nw.when(loss >= 0).then(loss).max(),
        "loss_above": _count(loss > 100),  # noqa: PLR2004  percent
        "loss_whole": _count((loss > 0) & (loss.floor() == loss)),
        "loss_small": _count((loss > 0) & (packets > 0) & (loss * packets < emodel.ONE_PACKET * 100.0)),
        "ratio_n": _count(told),
        "ratio": nw.when(told).then(loss / share).median(),
        "ratio_count": nw.when(told).then(loss / (loss + packets) * 100.0 / share).median(),
        "jitter_n": _count(high >= 0),
        "jitter_ordered": _count(low <= high),
        "jitter_median": nw.when(high >= 0).then(high).median(),
    }
    for scale in SCALES:
        at = f"{scale:g}"
        asked[f"fit_{at}"] = _count((mos >= scale) & (mos <= 5.0 * scale))
        asked[f"curve_{at}"] = _count(flawed & ((mos / scale - curve).abs() <= MOS_TOLERANCE))
    return asked


def _count(condition: nw.Expr) -> nw.Expr:
    return nw.when(condition).then(nw.lit(1)).sum()


def decide(numbers: Mapping[str, float], known: Mapping[str, Any]) -> Units:
    """The decisions, from numbers alone; a missing number is one that no row gave. What is known is not asked."""
    told = {name: _told(name, value) for name, value in known.items() if value is not None}
    scale = told.get("mos_scale") or _scale(numbers)
    divisor = float(scale.decided)
    model = told.get("mos_model") or _model(numbers, divisor)
    loss = told.get("loss_unit") or _loss(numbers)
    jitter = told.get("jitter_unit") or _jitter(numbers)
    said = numbers.get("loss_some", 0) > 0 or "loss_unit" in told
    return Units(divisor, model.decided, loss.decided, jitter.decided, said, (scale, model, loss, jitter))


def _told(what: str, value: Any) -> Evidence:
    if what == "mos_scale" and (isinstance(value, bool) or value not in SCALES):
        raise ConfigError(f"mos_scale is 1, 10 or 100, not {value!r}.")
    decided = f"{value:g}" if what == "mos_scale" else str(value)
    return Evidence(what, decided, 0, None, "told by the caller")


def _scale(x: Mapping[str, float]) -> Evidence:
    n, none, top = int(x.get("mos_n", 0)), int(x.get("mos_none", 0)), x.get("mos_max", 0.0)
    if not n:
        return Evidence("mos_scale", "1", 0, None, f"no leg has a score ({none:,} say 0 or less)")
    fits = {scale: x.get(f"fit_{scale:g}", 0) / n for scale in SCALES}
    by_top = 1.0 if top <= 5 else 10.0 if top <= 50 else 100.0 if 100 < top <= 500 else None  # noqa: PLR2004
    # One broken row among thousands must not divide all others by ten.
    best = by_top if by_top and fits[by_top] >= NEARLY_ALL else max(fits, key=lambda each: fits[each])
    if by_top is None and best != 1.0:
        best = 0.0
    if not best or fits[best] < NEARLY_ALL:
        shares = ", ".join(f"{share:.0%} fit a scale of 1 to {5 * scale:g}" for scale, share in fits.items())
        raise ConfigError(
            f"The scale of mos_score is ambiguous: the largest of {n:,} scores is {top:g}, and {shares}. "
            "Look at the column, then say which: mos_scale=1, 10 or 100."
        )
    odd = n - int(x.get(f"fit_{best:g}", 0))
    why = f"{fits[best]:.1%} of {n:,} scores lie in {best:g} to {5 * best:g}, the largest is {top:g}"
    why += f"; {odd:,} do not, and count as not measured" if odd else ""
    return Evidence("mos_scale", f"{best:g}", n, fits[best], f"{why}; {none:,} say 0 or less" if none else why)


def _model(x: Mapping[str, float], scale: float) -> Evidence:
    n, on_curve = int(x.get("flawed", 0)), x.get(f"curve_{scale:g}", 0)
    share = on_curve / n if n else None
    if n < ENOUGH or share is None:
        return Evidence("mos_model", "undetermined", n, share, f"{n} legs with a score and flaws; {ENOUGH} are needed")
    long = int(x.get("long", 0))
    why = f"{share:.1%} of {n:,} legs with flaws lie on the curve of quality_percentage"
    if long:
        why += f"; of {long:,} legs with 500 packets, {x.get('as_counted', 0) / long:.1%} match their flaws as well"
    return Evidence("mos_model", "freeswitch_r" if share >= NEARLY_ALL else "other", n, share, why)


def _loss(x: Mapping[str, float]) -> Evidence:
    n, some, top = int(x.get("loss_n", 0)), int(x.get("loss_some", 0)), x.get("loss_max", 0.0)
    ratio, as_count, told = x.get("ratio"), x.get("ratio_count"), int(x.get("ratio_n", 0))

    def say(unit: str, why: str, share: float | None = None) -> Evidence:
        return Evidence("loss_unit", unit, n, share, why)

    if not some:
        return say(
            "unknown", f"all {n:,} values are 0, which is not the same as no loss" if n else "no leg has a value"
        )
    above = x.get("loss_above", 0) / n
    percent = ratio is not None and 0.2 <= ratio <= 2  # noqa: PLR2004  flaws are one to three times the losses
    if above and not (percent and told >= ENOUGH and above < 1 - NEARLY_ALL):
        return say("count", f"the largest of {n:,} values is {top:g}, and no share is above 100", above)
    if ratio is not None and told:
        why = f"the median of loss by flaws is {ratio:.3g} over {told:,} legs, the largest value {top:g}"
        whole = x.get("loss_whole", 0) == some and ratio > 2 and as_count is not None  # noqa: PLR2004
        unit = (
            "percent"
            if percent
            else "fraction"
            if top <= 1 and 0.002 <= ratio <= 0.02  # noqa: PLR2004  the same, a hundred times less
            else "count"
            if whole and as_count is not None and 0.2 <= as_count <= 2  # noqa: PLR2004
            else ""
        )
        if unit:
            return say(unit, f"{why}, and {as_count:.2g} if these are counts" if unit == "count" else why)
    small = x.get("loss_small", 0) / some
    if top <= 1 and some >= ENOUGH and small > 0.5:  # noqa: PLR2004  most of them
        return say("fraction", f"as percents, {small:.0%} of {some:,} losses would be less than one packet", small)
    return say("unknown", f"{some:,} of {n:,} values are above 0, the largest is {top:g}; nothing tells their unit")


def _jitter(x: Mapping[str, float]) -> Evidence:
    n = int(x.get("jitter_n", 0))
    if not n:
        return Evidence("jitter_unit", "ms2", 0, None, "no leg has a value; variances are assumed")
    median, share = x.get("jitter_median", 0.0), x.get("jitter_ordered", 0) / n
    why = f"assumed, as FreeSWITCH counts: the median of {n:,} is {median:g}, a deviation of {median**0.5:.3g} ms"
    return Evidence("jitter_unit", "ms2", n, share, why)


__all__ = ["ENOUGH", "JITTER_UNITS", "LOSS_UNITS", "MEASURED", "MODELS", "SCALES", "Evidence", "Units", "decide",
           "detect_units", "measured_rows", "units_of"]  # fmt: skip
