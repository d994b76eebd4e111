"""What `conv_analytics.analysis` computed, drawn: for notebooks, for files, for people who cannot see it.

>>> from conv_analytics.notebook import html
>>> html.escape("<b>")
'&lt;b&gt;'
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from conv_analytics.notebook.ladder import Ladder, show_ladder
    from conv_analytics.notebook.timeline.show import Timeline, show_timeline

#: Where each public name lives. They are imported when first used.
_HOMES = {
    "Ladder": "conv_analytics.notebook.ladder",
    "Timeline": "conv_analytics.notebook.timeline.show",
    "show_ladder": "conv_analytics.notebook.ladder",
    "show_timeline": "conv_analytics.notebook.timeline.show",
}

__all__ = ["Ladder", "Timeline", "show_ladder", "show_timeline"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
