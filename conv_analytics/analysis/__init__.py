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
    from conv_analytics.analysis.change_points import change_points
    from conv_analytics.analysis.check import check
    from conv_analytics.analysis.compare import Comparison, compare
    from conv_analytics.analysis.concurrency import busy_hour, concurrency, traffic
    from conv_analytics.analysis.containment import containment
    from conv_analytics.analysis.conversations import conversations
    from conv_analytics.analysis.cost import cost, price_audit, waste
    from conv_analytics.analysis.dtmf import dtmf, dtmf_paths
    from conv_analytics.analysis.durations import duration_hist, short_calls
    from conv_analytics.analysis.emodel import mos_emodel, mos_to_r, r_to_mos
    from conv_analytics.analysis.erlang import (
        agents_needed,
        erlang_b,
        erlang_c,
        expected_service_level,
        expected_wait,
        offered,
        trunks_needed,
    )
    from conv_analytics.analysis.fault_side import fault_side
    from conv_analytics.analysis.heatmap import heatmap
    from conv_analytics.analysis.kpi import kpi
    from conv_analytics.analysis.ledger import ledger
    from conv_analytics.analysis.legs import legs
    from conv_analytics.analysis.messages import message_funnel, message_latency, receipts
    from conv_analytics.analysis.metrics import kpi_metrics
    from conv_analytics.analysis.mos_audit import MosAudit, mos_audit
    from conv_analytics.analysis.mute import mute
    from conv_analytics.analysis.offenders import offenders
    from conv_analytics.analysis.parties import party
    from conv_analytics.analysis.profiles import PROFILES, Profile, Rule
    from conv_analytics.analysis.published import freeswitch_flaws, rtp_jitter, twilio_mos
    from conv_analytics.analysis.quality import call_quality, compare_profiles, quality
    from conv_analytics.analysis.recognition import recognition
    from conv_analytics.analysis.redials import redials
    from conv_analytics.analysis.responses import first_responses, responses
    from conv_analytics.analysis.service_level import service_level
    from conv_analytics.analysis.sip import explain, sip_codes
    from conv_analytics.analysis.stats import benjamini_hochberg, binomial_tail, newcombe, wilson
    from conv_analytics.analysis.survival import aalen_johansen, kaplan_meier
    from conv_analytics.analysis.talk import talk
    from conv_analytics.analysis.thresholds import Threshold
    from conv_analytics.analysis.timeline import timeline
    from conv_analytics.analysis.timer_cliffs import timer_cliffs
    from conv_analytics.analysis.times import answer_curve, answer_times, kpi_values
    from conv_analytics.analysis.units import Units, detect_units

#: Where each public name lives. They are imported when first used.
_HOMES = {
    "Comparison": "conv_analytics.analysis.compare",
    "MosAudit": "conv_analytics.analysis.mos_audit",
    "PROFILES": "conv_analytics.analysis.profiles",
    "Profile": "conv_analytics.analysis.profiles",
    "Rule": "conv_analytics.analysis.profiles",
    "Threshold": "conv_analytics.analysis.thresholds",
    "Units": "conv_analytics.analysis.units",
    "aalen_johansen": "conv_analytics.analysis.survival",
    "agents_needed": "conv_analytics.analysis.erlang",
    "answer_curve": "conv_analytics.analysis.times",
    "answer_times": "conv_analytics.analysis.times",
    "audio_flow": "conv_analytics.analysis.audio_flow",
    "benjamini_hochberg": "conv_analytics.analysis.stats",
    "binomial_tail": "conv_analytics.analysis.stats",
    "busy_hour": "conv_analytics.analysis.concurrency",
    "call_quality": "conv_analytics.analysis.quality",
    "calls": "conv_analytics.analysis.calls",
    "change_points": "conv_analytics.analysis.change_points",
    "check": "conv_analytics.analysis.check",
    "compare": "conv_analytics.analysis.compare",
    "compare_profiles": "conv_analytics.analysis.quality",
    "concurrency": "conv_analytics.analysis.concurrency",
    "containment": "conv_analytics.analysis.containment",
    "conversations": "conv_analytics.analysis.conversations",
    "cost": "conv_analytics.analysis.cost",
    "detect_units": "conv_analytics.analysis.units",
    "dtmf": "conv_analytics.analysis.dtmf",
    "dtmf_paths": "conv_analytics.analysis.dtmf",
    "duration_hist": "conv_analytics.analysis.durations",
    "erlang_b": "conv_analytics.analysis.erlang",
    "erlang_c": "conv_analytics.analysis.erlang",
    "expected_service_level": "conv_analytics.analysis.erlang",
    "expected_wait": "conv_analytics.analysis.erlang",
    "explain": "conv_analytics.analysis.sip",
    "fault_side": "conv_analytics.analysis.fault_side",
    "first_responses": "conv_analytics.analysis.responses",
    "freeswitch_flaws": "conv_analytics.analysis.published",
    "heatmap": "conv_analytics.analysis.heatmap",
    "kaplan_meier": "conv_analytics.analysis.survival",
    "kpi": "conv_analytics.analysis.kpi",
    "kpi_metrics": "conv_analytics.analysis.metrics",
    "kpi_values": "conv_analytics.analysis.times",
    "ledger": "conv_analytics.analysis.ledger",
    "legs": "conv_analytics.analysis.legs",
    "message_funnel": "conv_analytics.analysis.messages",
    "message_latency": "conv_analytics.analysis.messages",
    "mos_audit": "conv_analytics.analysis.mos_audit",
    "mos_emodel": "conv_analytics.analysis.emodel",
    "mos_to_r": "conv_analytics.analysis.emodel",
    "mute": "conv_analytics.analysis.mute",
    "newcombe": "conv_analytics.analysis.stats",
    "offenders": "conv_analytics.analysis.offenders",
    "offered": "conv_analytics.analysis.erlang",
    "party": "conv_analytics.analysis.parties",
    "price_audit": "conv_analytics.analysis.cost",
    "quality": "conv_analytics.analysis.quality",
    "r_to_mos": "conv_analytics.analysis.emodel",
    "receipts": "conv_analytics.analysis.messages",
    "recognition": "conv_analytics.analysis.recognition",
    "redials": "conv_analytics.analysis.redials",
    "responses": "conv_analytics.analysis.responses",
    "rtp_jitter": "conv_analytics.analysis.published",
    "service_level": "conv_analytics.analysis.service_level",
    "short_calls": "conv_analytics.analysis.durations",
    "sip_codes": "conv_analytics.analysis.sip",
    "talk": "conv_analytics.analysis.talk",
    "timeline": "conv_analytics.analysis.timeline",
    "timer_cliffs": "conv_analytics.analysis.timer_cliffs",
    "traffic": "conv_analytics.analysis.concurrency",
    "trunks_needed": "conv_analytics.analysis.erlang",
    "twilio_mos": "conv_analytics.analysis.published",
    "waste": "conv_analytics.analysis.cost",
    "wilson": "conv_analytics.analysis.stats",
}

__all__ = [
    "PROFILES",
    "Comparison",
    "MosAudit",
    "Profile",
    "Rule",
    "Threshold",
    "Units",
    "aalen_johansen",
    "agents_needed",
    "answer_curve",
    "answer_times",
    "audio_flow",
    "benjamini_hochberg",
    "binomial_tail",
    "busy_hour",
    "call_quality",
    "calls",
    "change_points",
    "check",
    "compare",
    "compare_profiles",
    "concurrency",
    "containment",
    "conversations",
    "cost",
    "detect_units",
    "dtmf",
    "dtmf_paths",
    "duration_hist",
    "erlang_b",
    "erlang_c",
    "expected_service_level",
    "expected_wait",
    "explain",
    "fault_side",
    "first_responses",
    "freeswitch_flaws",
    "heatmap",
    "kaplan_meier",
    "kpi",
    "kpi_metrics",
    "kpi_values",
    "ledger",
    "legs",
    "message_funnel",
    "message_latency",
    "mos_audit",
    "mos_emodel",
    "mos_to_r",
    "mute",
    "newcombe",
    "offenders",
    "offered",
    "party",
    "price_audit",
    "quality",
    "r_to_mos",
    "receipts",
    "recognition",
    "redials",
    "responses",
    "rtp_jitter",
    "service_level",
    "short_calls",
    "sip_codes",
    "talk",
    "timeline",
    "timer_cliffs",
    "traffic",
    "trunks_needed",
    "twilio_mos",
    "waste",
    "wilson",
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
