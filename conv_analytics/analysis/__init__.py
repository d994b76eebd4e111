"""Questions to an export, and their answers as frames.

Every function takes what an export gives, a `Dataset` or `Frames`, or any mapping of table name to frame: pandas,
pyarrow, Polars or DuckDB relations. pandas in, pandas out; a dataset larger than memory is computed by DuckDB.
Importing this package gives pandas frames an accessor: ``frames["hangups"].conv.legs()``.

>>> from conv_analytics.analysis import frames
>>> frames.Source.of({}).tables
()
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from conv_analytics.analysis.calls import calls
    from conv_analytics.analysis.conversations import conversations
    from conv_analytics.analysis.ledger import ledger
    from conv_analytics.analysis.legs import legs
    from conv_analytics.analysis.parties import party
    from conv_analytics.analysis.sip import explain, sip_codes

#: Where each public name lives. They are imported when first used.
_HOMES = {
    "calls": "conv_analytics.analysis.calls",
    "conversations": "conv_analytics.analysis.conversations",
    "explain": "conv_analytics.analysis.sip",
    "ledger": "conv_analytics.analysis.ledger",
    "legs": "conv_analytics.analysis.legs",
    "party": "conv_analytics.analysis.parties",
    "sip_codes": "conv_analytics.analysis.sip",
}

__all__ = [
    "calls",
    "conversations",
    "explain",
    "ledger",
    "legs",
    "party",
    "sip_codes",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Package(ModuleType):
    """Functions are named like their modules: importing a module must not put it in the function's place."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _HOMES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
importlib.import_module("conv_analytics.analysis.accessor")
