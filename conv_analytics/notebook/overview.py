"""`show_ledger` and `show_verdicts`: frames of the analysis at a glance in a cell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import narwhals as nw
import pandas as pd

from conv_analytics import markup
from conv_analytics.analysis import ledger, quality
from conv_analytics.analysis.audio.profiles import Profile, profile_of
from conv_analytics.analysis.engine.data import Data
from conv_analytics.analysis.entities.verdicts import Verdict
from conv_analytics.errors.redaction import safe_repr
from conv_analytics.privacy.display import Display

_PROBLEMS = ("missing", "odd", "imputed", "unmeasured")
_NEEDED = ("conversation_id", "leg_id", "verdict", "rule", "value", "limit", "evidence_event_id")


class Overview:
    """A frame at a glance; made by `show_verdicts` and `show_ledger`.

    Attributes
    ----------
    frame
        The whole frame, in pandas.
    """

    def __init__(
        self, frame: pd.DataFrame, *, title: str, line: str, head: Sequence[str], rows: Sequence[Sequence[object]]
    ) -> None:
        self.frame = frame
        self._title, self._line, self._head, self._rows = title, line, tuple(head), tuple(map(tuple, rows))

    @safe_repr
    def __repr__(self) -> str:
        return markup.clean(f"<{self._title}: {self._line}>")

    def __str__(self) -> str:
        table = pd.DataFrame(self._rows, columns=pd.Index(self._head)).astype("object").fillna("")
        return markup.clean("\n".join([f"{self._title}: {self._line}", table.to_string(index=False)]))

    def _repr_html_(self) -> str:
        return markup.block(self._title, self._line, markup.grid(self._head, self._rows))


def show_verdicts(data: Data, profile: str | Profile = "recommended", *, mask: bool = True) -> Overview:
    """How many legs are poor, fair, good or unmeasured, and by which rules.

    Parameters
    ----------
    data, profile
        As for `conv_analytics.analysis.quality`.
    mask
        False shows ids that may contain a name or a number unmasked; ids of the platform are always shown.

    Returns
    -------
    Overview
        Per rule: the legs it decided, the worst value, its limit, and the conversation and hangup event of that leg.
        ``.frame`` has a row per leg, not masked.

    Examples
    --------
    >>> legs = pd.DataFrame({"conversation_id": "CON-1", "leg_id": ["a", "b"], "answered": True, "talk_s": 60.0,
    ...     "hangup_event_id": [8, 9], "mos_score": [4.4, 4.42], "quality_percentage": [98.0, 95.0],
    ...     "jitter_min_var": 1.0, "jitter_max_var": 100.0, "jitter_loss_rate": [0.0, 0.06], "flaw_total": [0, 150],
    ...     "packet_cnt": [3000, 2900], "packet_loss_perc": [0.5, 6.0], "byte_in": 498800, "byte_out": 500000})
    >>> show_verdicts(legs)
    <Verdicts by recommended: 2 legs: 1 poor, 0 fair, 1 good, 0 unmeasured>
    """
    book = profile_of(profile)
    frame = _pandas(quality(data, book, columns=list(_NEEDED)))
    counts = {verdict: int((frame["verdict"] == verdict).sum()) for verdict in Verdict}
    falling = {rule.id for rule in book.rules if rule.comparison.startswith("<")}
    rows: list[tuple[object, ...]] = []
    for verdict in Verdict:
        legs = frame[frame["verdict"] == verdict]
        by_rule = legs.groupby(legs["rule"].fillna(""), sort=True)
        for rule, part in sorted(by_rule, key=lambda pair: -len(pair[1])):
            worst = _worst(part, Display(on=mask), falls=rule in falling)
            rows.append((verdict.value, str(rule) or "no rule applies", len(part), *worst))
    head = ("verdict", "rule", "legs", "worst value", "limit", "conversation", "event")
    line = f"{len(frame):,} legs: {', '.join(f'{count:,} {verdict}' for verdict, count in counts.items())}"
    return Overview(frame, title=f"Verdicts by {book.name}", line=line, head=head, rows=rows)


def show_ledger(data: Data) -> Overview:
    """The lines of the ledger with values that are missing, odd, imputed or unmeasured.

    Parameters
    ----------
    data
        As for `conv_analytics.analysis.ledger`.

    Returns
    -------
    Overview
        These lines, worst share first; ``.frame`` has all lines.

    Examples
    --------
    >>> hangups = pd.DataFrame({"conversation_id": ["CON-1", "CON-1"], "event_id": [1, 1], "leg_id": ["a", "a"]})
    >>> show_ledger({"hangups": hangups}).frame.query("metric == 'rows' and odd > 0")["table"].to_list()
    ['hangups']
    """
    frame = _pandas(ledger(data))
    some = frame[(frame[list(_PROBLEMS)].fillna(0) > 0).any(axis="columns")].sort_values("share", kind="stable")
    rows = [
        (row["table"], row["metric"], *(int(row[name]) for name in ("n", *_PROBLEMS)),
         "" if pd.isna(row["share"]) else f"{100 * row['share']:.1f} %", row["why"])
        for _, row in some.iterrows()
    ]  # fmt: skip
    head = ("table", "metric", "n", *_PROBLEMS, "good", "why")
    line = f"{len(some):,} of {len(frame):,} metrics have values that are missing, odd, imputed or unmeasured"
    return Overview(frame, title="Ledger", line=line, head=head, rows=rows)


def _worst(part: pd.DataFrame, display: Display, *, falls: bool) -> tuple[object, ...]:
    """The worst value among legs that a rule decided, its limit, and the conversation and event of that leg."""
    valued = part[part["value"].notna()].sort_values("value", ascending=falls, kind="stable")
    if valued.empty:
        return "", "", "", ""
    worst = valued.iloc[0]
    event = worst["evidence_event_id"]
    place = (display.column("conversation_id", worst["conversation_id"]), "" if pd.isna(event) else str(int(event)))
    return f"{worst['value']:.4g}", "" if pd.isna(worst["limit"]) else f"{worst['limit']:g}", *place


def _pandas(frame: Any) -> pd.DataFrame:
    """A result of any kind as pandas."""
    if isinstance(frame, pd.DataFrame):
        return frame
    collected: pd.DataFrame = nw.from_native(frame).lazy().collect("pandas").to_native()
    return collected


__all__ = ["Overview", "show_ledger", "show_verdicts"]
