"""Export folders: Parquet files, and the commit log that says which of them are valid.

>>> from conv_analytics.dataset import Dataset, open_dataset
"""

from __future__ import annotations

import lazy_loader

# The public names and where they live are listed once, in `__init__.pyi`; each is imported when it is first used:
# reading a folder needs none of the code that writes one.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
