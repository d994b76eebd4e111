"""Plots, widgets and reports of what `conv_analytics.analysis` computes: in notebooks, as files, and as text.

>>> from conv_analytics.notebook import html
>>> html.escape("<b>")
'&lt;b&gt;'
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from conv_analytics.notebook.explorer import Explorer, ExportPanel, Filters, explore, export_panel
    from conv_analytics.notebook.ladder import Ladder, show_ladder
    from conv_analytics.notebook.overview import Overview, show_ledger, show_verdicts
    from conv_analytics.notebook.plots import (
        plot_concurrency,
        plot_funnel,
        plot_heatmap,
        plot_loss_jitter,
        plot_mos,
        plot_outcomes,
    )
    from conv_analytics.notebook.report import Report, quality_report
    from conv_analytics.notebook.timeline.timeline import Timeline, show_timeline

#: Where each public name lives. They are imported when first used.
_HOMES = {
    "ExportPanel": "conv_analytics.notebook.explorer",
    "Explorer": "conv_analytics.notebook.explorer",
    "Filters": "conv_analytics.notebook.explorer",
    "Ladder": "conv_analytics.notebook.ladder",
    "Overview": "conv_analytics.notebook.overview",
    "Report": "conv_analytics.notebook.report",
    "Timeline": "conv_analytics.notebook.timeline.timeline",
    "export_panel": "conv_analytics.notebook.explorer",
    "explore": "conv_analytics.notebook.explorer",
    "plot_concurrency": "conv_analytics.notebook.plots",
    "plot_funnel": "conv_analytics.notebook.plots",
    "plot_heatmap": "conv_analytics.notebook.plots",
    "plot_loss_jitter": "conv_analytics.notebook.plots",
    "plot_mos": "conv_analytics.notebook.plots",
    "plot_outcomes": "conv_analytics.notebook.plots",
    "quality_report": "conv_analytics.notebook.report",
    "show_ladder": "conv_analytics.notebook.ladder",
    "show_ledger": "conv_analytics.notebook.overview",
    "show_timeline": "conv_analytics.notebook.timeline.timeline",
    "show_verdicts": "conv_analytics.notebook.overview",
}

__all__ = [
    "Explorer",
    "ExportPanel",
    "Filters",
    "Ladder",
    "Overview",
    "Report",
    "Timeline",
    "explore",
    "export_panel",
    "plot_concurrency",
    "plot_funnel",
    "plot_heatmap",
    "plot_loss_jitter",
    "plot_mos",
    "plot_outcomes",
    "quality_report",
    "show_ladder",
    "show_ledger",
    "show_timeline",
    "show_verdicts",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
