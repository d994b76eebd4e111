"""The accessor ``df.conv``: the common questions, asked of one frame."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import partial, update_wrapper
from typing import Any

import pandas as pd

from conv_analytics.tables import TABLES

#: The functions that the accessor has: each takes the data first.
COMMON = (
    "answer_times", "busy_hour", "calls", "concurrency", "conversations", "cost", "duration_hist", "heatmap", "kpi",
    "kpi_values", "ledger", "legs", "service_level", "short_calls", "traffic",
)  # fmt: skip


@pd.api.extensions.register_dataframe_accessor("conv")
class Conv:
    """Questions to one frame: a table of an export, or legs.

    Examples
    --------
    >>> import pandas as pd, conv_analytics.analysis
    >>> hangups = pd.DataFrame({"conversation_id": ["CON-1"], "event_id": [1], "leg_id": ["a"], "sip_code": [486]})
    >>> hangups.conv.legs()["outcome"].to_list()
    ['busy']
    """

    def __init__(self, frame: pd.DataFrame) -> None:
        self._frame = frame

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name not in COMMON:
            raise AttributeError(f"conv has no {name!r}; it has {', '.join(COMMON)}")
        function = getattr(importlib.import_module("conv_analytics.analysis"), name)
        return update_wrapper(partial(function, _data(self._frame)), function)

    def __dir__(self) -> list[str]:
        return list(COMMON)


def _data(frame: pd.DataFrame) -> Any:
    """The frame under the name of its table, as far as its columns tell; else it is taken for legs."""
    there = set(frame.columns)
    if "event_id" not in there and (("status" in there and "answered" in there) or "call" in there):
        return frame
    own = {name: _own(name) & there for name in TABLES}
    best = max(own, key=lambda name: len(own[name]))
    return {best: frame} if own[best] else frame


def _own(name: str) -> set[str]:
    """The columns by which a table is told from those of calls; the tables share most of them."""
    marks = {
        "hangups": {"sip_code", "reason_code", "mos_score", "packet_cnt", "flaw_total", "byte_in", "byte_out"},
        "call_events": {"machine_type", "machine_confidence", "was_member_id", "transferred_from"},
        "call_records": {"price", "rate", "duration_s", "requested_at", "network_code"},
        "leg_statuses": {"leg_conversation_id", "knocker_id", "status", "at"},
        "messages": {"message_type", "text", "template_name"},
    }
    return marks.get(name, set())


__all__ = ["COMMON", "Conv"]
