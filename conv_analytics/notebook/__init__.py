"""What `conv_analytics.analysis` computed, drawn: for notebooks, for files, for people who cannot see it.

>>> from conv_analytics.notebook import html
>>> html.escape("<b>")
'&lt;b&gt;'
"""

from __future__ import annotations
