"""Browse calls in a notebook, `explore`, and export them there, `export_panel`."""

from __future__ import annotations

from conv_analytics.notebook.explorer.entry import explore
from conv_analytics.notebook.explorer.explorer import Explorer
from conv_analytics.notebook.explorer.filters import Filters
from conv_analytics.notebook.explorer.panel import ExportPanel, export_panel

__all__ = ["Explorer", "ExportPanel", "Filters", "explore", "export_panel"]
