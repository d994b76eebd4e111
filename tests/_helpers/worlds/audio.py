"""What FreeSWITCH measures on a leg, from its losses and the spacing of its packets (call-quality.md, M3 to M5)."""

from __future__ import annotations

import numpy as np

from tests._helpers.worlds.legs import Legs

PACKETS_PER_SECOND = 50
#: Legs that nobody answered report start values in some events, and nothing in others.
_RATE_AFTER_S = 5


def measured(legs: Legs) -> dict[str, np.ndarray]:
    """The quality and the bandwidth of each leg; NaN where a hangup has neither.

    A gap of k packets costs k + 2 flaws; R is the share of packets without a flaw, whole and truncated, and more flaws
    than packets report the start values again.
    """
    sent = np.floor(legs.talk * PACKETS_PER_SECOND * 0.985)
    lost = np.round(sent * np.where(legs.heard, legs.loss, 0.0))
    received = np.where(legs.heard, sent - lost, 0.0)
    flaws = lost + 2 * np.ceil(lost / np.maximum(legs.burst, 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        r = np.floor(100 * (received - flaws) / received)
        percent = np.where(sent > 0, np.round(100 * lost / sent, 2), 0.0)
        rate = np.where((received > 0) & (legs.talk >= _RATE_AFTER_S), np.round(lost / received, 4), 0.0)
    r = np.where((received > 0) & (r >= 0) & (r < 100), r, 100.0)
    mos = np.minimum(np.round(1 + 0.035 * r + 7e-6 * r * (r - 60) * (100 - r), 2), 4.5)
    columns = {
        "mos_score": mos,
        "quality_percentage": r,
        "jitter_min_var": np.round(np.minimum(legs.jitter, 4.0) ** 2 / 16, 2),
        "jitter_max_var": np.round(legs.jitter**2, 2),
        "jitter_loss_rate": rate,
        "jitter_burst_rate": np.where(rate > 0, np.round(np.abs(1 - rate), 2), 0.0),
        "flaw_total": flaws,
        "packet_cnt": received,
        "packet_loss_perc": percent,
    }
    nothing = ~legs.counted | (received <= 0)
    start = dict.fromkeys(columns, 0.0) | {"mos_score": 4.5, "quality_percentage": 100.0}
    columns = {name: np.where(nothing, start[name], values) for name, values in columns.items()}
    columns["byte_in"] = np.where(legs.heard, received, 0) * legs.size
    columns["byte_out"] = np.where(legs.sent, sent, 0) * legs.size
    return {name: np.where(legs.answered, values, np.nan) for name, values in columns.items()}


__all__ = ["PACKETS_PER_SECOND", "measured"]
