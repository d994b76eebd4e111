"""Analytics for the Vonage Conversation API: export conversations, members and events, and ask questions of them.

>>> from conv_analytics import Conversations, export, open_dataset
"""

from __future__ import annotations

import lazy_loader

__version__ = "0.1.0"

# The public names and where they live are listed once, in `__init__.pyi`; each is imported when it is first used.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
