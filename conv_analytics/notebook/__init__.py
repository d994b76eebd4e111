"""Plots, widgets and reports of what `conv_analytics.analysis` computes: in notebooks, as files, and as text.

>>> from conv_analytics.notebook import html
>>> html.escape("<b>")
'&lt;b&gt;'
"""

from __future__ import annotations

import lazy_loader

# The public names and where they live are listed once, in `__init__.pyi`; each is imported when it is first used.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
