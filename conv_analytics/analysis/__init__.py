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
    from conv_analytics.analysis.audio_flow import audio_flow
    from conv_analytics.analysis.calls import calls
    from conv_analytics.analysis.conversations import conversations
    from conv_analytics.analysis.emodel import mos_emodel, mos_to_r, r_to_mos
    from conv_analytics.analysis.fault_side import fault_side
    from conv_analytics.analysis.ledger import ledger
    from conv_analytics.analysis.legs import legs
    from conv_analytics.analysis.mos_audit import MosAudit, mos_audit
    from conv_analytics.analysis.parties import party
    from conv_analytics.analysis.profiles import PROFILES, Profile, Rule
    from conv_analytics.analysis.quality import call_quality, compare_profiles, quality
    from conv_analytics.analysis.sip import explain, sip_codes
    from conv_analytics.analysis.timeline import timeline
    from conv_analytics.analysis.units import Units, detect_units

#: Where each public name lives. They are imported when first used.
_HOMES = {
    "PROFILES": "conv_analytics.analysis.profiles",
    "MosAudit": "conv_analytics.analysis.mos_audit",
    "Profile": "conv_analytics.analysis.profiles",
    "Rule": "conv_analytics.analysis.profiles",
    "Units": "conv_analytics.analysis.units",
    "audio_flow": "conv_analytics.analysis.audio_flow",
    "call_quality": "conv_analytics.analysis.quality",
    "calls": "conv_analytics.analysis.calls",
    "compare_profiles": "conv_analytics.analysis.quality",
    "conversations": "conv_analytics.analysis.conversations",
    "detect_units": "conv_analytics.analysis.units",
    "explain": "conv_analytics.analysis.sip",
    "fault_side": "conv_analytics.analysis.fault_side",
    "ledger": "conv_analytics.analysis.ledger",
    "legs": "conv_analytics.analysis.legs",
    "mos_audit": "conv_analytics.analysis.mos_audit",
    "mos_emodel": "conv_analytics.analysis.emodel",
    "mos_to_r": "conv_analytics.analysis.emodel",
    "party": "conv_analytics.analysis.parties",
    "quality": "conv_analytics.analysis.quality",
    "r_to_mos": "conv_analytics.analysis.emodel",
    "sip_codes": "conv_analytics.analysis.sip",
    "timeline": "conv_analytics.analysis.timeline",
}

__all__ = [
    "PROFILES",
    "MosAudit",
    "Profile",
    "Rule",
    "Units",
    "audio_flow",
    "call_quality",
    "calls",
    "compare_profiles",
    "conversations",
    "detect_units",
    "explain",
    "fault_side",
    "ledger",
    "legs",
    "mos_audit",
    "mos_emodel",
    "mos_to_r",
    "party",
    "quality",
    "r_to_mos",
    "sip_codes",
    "timeline",
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
