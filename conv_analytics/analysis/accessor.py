"""The accessor ``df.conv``: the common questions, asked of one frame."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import partial, update_wrapper
from typing import Any

import pandas as pd

from conv_analytics.tables import TABLES

#: The questions that the accessor offers; each function takes the data first.
COMMON = (
    "answer_times", "busy_hour", "calls", "concurrency", "conversations", "cost", "duration_hist", "heatmap", "kpi",
    "kpi_values", "ledger", "legs", "service_level", "short_calls", "traffic",
)  # fmt: skip
#: The plots that the accessor offers and their modules: by name, because the analysis does not import plots.
DRAWN = {
    "ladder": ("conv_analytics.notebook", "show_ladder"),
    "timeline": ("conv_analytics.notebook", "show_timeline"),
}


@pd.api.extensions.register_dataframe_accessor("conv")
class Conv:
    """The accessor ``df.conv``: questions about one frame, a table of an export or the result of `legs`.

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
        if name not in COMMON and name not in DRAWN:
            raise AttributeError(f"conv has no {name!r}; it has {', '.join(self.__dir__())}")
        home, function_name = DRAWN.get(name, ("conv_analytics.analysis", name))
        function = getattr(importlib.import_module(home), function_name)
        return update_wrapper(partial(function, _data(self._frame)), function)

    def __dir__(self) -> list[str]:
        return sorted([*COMMON, *DRAWN])


def _data(frame: pd.DataFrame) -> Any:
    """The frame under the name of its table, where its columns identify one; otherwise as legs."""
    columns = set(frame.columns)
    if "event_id" not in columns and (("status" in columns and "answered" in columns) or "call" in columns):
        return frame
    if {"event_id", "type", "body"} <= columns:
        return {"events": frame}
    matching = {name: _typical(name) & columns for name in TABLES}
    best = max(matching, key=lambda name: len(matching[name]))
    return {best: frame} if matching[best] else frame


def _typical(name: str) -> set[str]:
    """The columns that distinguish a table from the others, with which it shares most columns."""
    typical = {
        "hangups": {"sip_code", "reason_code", "mos_score", "packet_cnt", "flaw_total", "byte_in", "byte_out"},
        "call_events": {"machine_type", "machine_confidence", "was_member_id", "transferred_from"},
        "call_records": {"price", "rate", "duration_s", "requested_at", "network_code"},
        "leg_statuses": {"leg_conversation_id", "knocker_id", "status", "at"},
        "messages": {"message_type", "text", "template_name"},
    }
    return typical.get(name, set())


__all__ = ["COMMON", "Conv"]
