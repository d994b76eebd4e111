"""Look through calls in a notebook: `explore`."""

from __future__ import annotations

from conv_analytics.notebook.explorer.filters import Filters
from conv_analytics.notebook.explorer.show import Explorer, explore

__all__ = ["Explorer", "Filters", "explore"]
