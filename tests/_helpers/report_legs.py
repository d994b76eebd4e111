"""Hand-made legs whose report can be computed by hand."""

from __future__ import annotations

from datetime import timedelta
from functools import cache
from typing import Any

import pandas as pd

from conv_analytics.notebook.report import Report, quality_report
from tests._helpers.rate_legs import frame, leg

START = pd.Timestamp("2026-03-27T09:00:00Z")
GOOD = {"packet_cnt": 3000, "packet_loss_perc": 0.5, "flaw_total": 30, "jitter_min_var": 1.0, "jitter_max_var": 100.0,
        "jitter_loss_rate": 0.005, "quality_percentage": 99.0, "mos_score": 4.492027, "byte_in": 480000,
        "byte_out": 480000}  # fmt: skip
POOR = {**GOOD, "packet_loss_perc": 8.0, "flaw_total": 400, "quality_percentage": 86.0, "mos_score": 4.22}


def call(
    number: int, at: pd.Timestamp = START, *, quality: dict[str, Any] | None = None, **values: Any
) -> dict[str, Any]:
    """An answered outbound leg of a minute."""
    told = {
        "answered": True, "started_at": at, "ringing_at": at + timedelta(seconds=2), "pdd_s": 2.0,
        "answered_at": at + timedelta(seconds=10), "ended_at": at + timedelta(seconds=70), "talk_s": 60.0,
        "sip_code": 200, "outcome": "answered", "outcome_class": "success", "country": "GB", "network_code": "23410",
        "channel_type": "phone", "remote_address": "447700900123", "hangup_event_id": number,
    }  # fmt: skip
    return leg(number, **{**told, **(GOOD if quality is None else quality), **values})


def missed(number: int, at: pd.Timestamp = START, **values: Any) -> dict[str, Any]:
    """An outbound leg that was busy."""
    told = {"started_at": at, "sip_code": 486, "outcome": "busy", "outcome_class": "user", "country": "GB"}
    return leg(number, **{**told, **values})


def legs(rows: list[dict[str, Any]]) -> pd.DataFrame:
    return frame(rows)


def week() -> pd.DataFrame:
    """Three days around the change of clocks in London: 20 good and 20 poor calls each, and 10 that were busy."""
    rows, number = [], 0
    for day in range(3):
        for place in range(50):
            at = START + timedelta(days=day, minutes=10 * place)
            made = missed(number, at) if place >= 40 else call(number, at, quality=POOR if place % 2 else GOOD)
            rows.append(made)
            number += 1
    return legs(rows)


@cache
def week_report() -> Report:
    """The report of these three days, which takes a second of a processor to make."""
    return quality_report(week())
