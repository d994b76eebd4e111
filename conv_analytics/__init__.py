"""Analytics for the Vonage Conversation API: export conversations, members and events, and ask questions of them.

>>> from conv_analytics import Conversations, export, open_dataset
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from conv_analytics.api import AsyncConversations, Conversations
    from conv_analytics.dataset import Dataset, open_dataset
    from conv_analytics.exporter import Exported, Frames, Job, aexport, export
    from conv_analytics.notebook import (
        Filters,
        explore,
        export_panel,
        plot_concurrency,
        plot_funnel,
        plot_heatmap,
        plot_loss_jitter,
        plot_mos,
        plot_outcomes,
        quality_report,
        show_ladder,
        show_ledger,
        show_timeline,
        show_verdicts,
    )
    from conv_analytics.tables.dictionary import describe
    from conv_analytics.tables.excel import for_excel

__version__ = "0.1.0"

#: Where each public name lives. They are imported when first used: `import conv_analytics` takes milliseconds.
_HOMES = {
    "AsyncConversations": "conv_analytics.api",
    "Conversations": "conv_analytics.api",
    "Dataset": "conv_analytics.dataset",
    "Exported": "conv_analytics.exporter",
    "Filters": "conv_analytics.notebook",
    "Frames": "conv_analytics.exporter",
    "Job": "conv_analytics.exporter",
    "aexport": "conv_analytics.exporter",
    "describe": "conv_analytics.tables.dictionary",
    "export_panel": "conv_analytics.notebook",
    "explore": "conv_analytics.notebook",
    "export": "conv_analytics.exporter",
    "for_excel": "conv_analytics.tables.excel",
    "open_dataset": "conv_analytics.dataset",
    "plot_concurrency": "conv_analytics.notebook",
    "plot_funnel": "conv_analytics.notebook",
    "plot_heatmap": "conv_analytics.notebook",
    "plot_loss_jitter": "conv_analytics.notebook",
    "plot_mos": "conv_analytics.notebook",
    "plot_outcomes": "conv_analytics.notebook",
    "quality_report": "conv_analytics.notebook",
    "show_ladder": "conv_analytics.notebook",
    "show_ledger": "conv_analytics.notebook",
    "show_timeline": "conv_analytics.notebook",
    "show_verdicts": "conv_analytics.notebook",
}

__all__ = [
    "AsyncConversations",
    "Conversations",
    "Dataset",
    "Exported",
    "Filters",
    "Frames",
    "Job",
    "aexport",
    "describe",
    "explore",
    "export",
    "export_panel",
    "for_excel",
    "open_dataset",
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
