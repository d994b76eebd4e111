"""Questions to an export, and their answers as frames.

Every function takes what an export gives, a `Dataset` or `Frames`, or any mapping of table name to frame: pandas,
pyarrow, Polars or DuckDB relations. pandas in, pandas out; a dataset larger than memory is computed by DuckDB.
Importing this package gives pandas frames an accessor: ``frames["hangups"].conv.legs()``.

>>> from conv_analytics.analysis.engine.source import Source
>>> Source.of({}).tables
()
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from conv_analytics.analysis.audio.audio_flow import audio_flow
    from conv_analytics.analysis.audio.fault_side import fault_side
    from conv_analytics.analysis.audio.mos_audit import MosAudit, mos_audit
    from conv_analytics.analysis.audio.profiles import PROFILES, Profile, Rule
    from conv_analytics.analysis.audio.quality import call_quality, compare_profiles, quality
    from conv_analytics.analysis.audio.units import Units, detect_units
    from conv_analytics.analysis.dialogue.containment import containment
    from conv_analytics.analysis.dialogue.dtmf import dtmf, dtmf_paths
    from conv_analytics.analysis.dialogue.messages import message_funnel, message_latency, receipts
    from conv_analytics.analysis.dialogue.mute import mute
    from conv_analytics.analysis.dialogue.recognition import recognition
    from conv_analytics.analysis.dialogue.responses import first_responses, responses
    from conv_analytics.analysis.dialogue.talk import talk
    from conv_analytics.analysis.dialogue.timeline import timeline
    from conv_analytics.analysis.entities.calls import calls
    from conv_analytics.analysis.entities.conversations import conversations
    from conv_analytics.analysis.entities.ledger import ledger
    from conv_analytics.analysis.entities.legs import legs
    from conv_analytics.analysis.entities.parties import party
    from conv_analytics.analysis.entities.sip import explain, sip_codes
    from conv_analytics.analysis.finders.change_points import change_points
    from conv_analytics.analysis.finders.check import check
    from conv_analytics.analysis.finders.compare import Comparison, compare
    from conv_analytics.analysis.finders.offenders import offenders
    from conv_analytics.analysis.finders.thresholds import Threshold
    from conv_analytics.analysis.finders.timer_cliffs import timer_cliffs
    from conv_analytics.analysis.maths.emodel import mos_emodel, mos_to_r, r_to_mos
    from conv_analytics.analysis.maths.erlang import (
        agents_needed,
        erlang_b,
        erlang_c,
        expected_service_level,
        expected_wait,
        offered,
        trunks_needed,
    )
    from conv_analytics.analysis.maths.published import freeswitch_flaws, rtp_jitter, twilio_mos
    from conv_analytics.analysis.maths.stats import benjamini_hochberg, binomial_tail, newcombe, wilson
    from conv_analytics.analysis.maths.survival import aalen_johansen, kaplan_meier
    from conv_analytics.analysis.rates.concurrency import busy_hour, concurrency, traffic
    from conv_analytics.analysis.rates.cost import cost, price_audit, waste
    from conv_analytics.analysis.rates.durations import duration_hist, short_calls
    from conv_analytics.analysis.rates.heatmap import heatmap
    from conv_analytics.analysis.rates.kpi import kpi
    from conv_analytics.analysis.rates.metrics import kpi_metrics
    from conv_analytics.analysis.rates.redials import redials
    from conv_analytics.analysis.rates.service_level import service_level
    from conv_analytics.analysis.rates.times import answer_curve, answer_times, kpi_values

#: Where each public name lives. They are imported when first used.
_HOMES = {
    "Comparison": "conv_analytics.analysis.finders.compare",
    "MosAudit": "conv_analytics.analysis.audio.mos_audit",
    "PROFILES": "conv_analytics.analysis.audio.profiles",
    "Profile": "conv_analytics.analysis.audio.profiles",
    "Rule": "conv_analytics.analysis.audio.profiles",
    "Threshold": "conv_analytics.analysis.finders.thresholds",
    "Units": "conv_analytics.analysis.audio.units",
    "aalen_johansen": "conv_analytics.analysis.maths.survival",
    "agents_needed": "conv_analytics.analysis.maths.erlang",
    "answer_curve": "conv_analytics.analysis.rates.times",
    "answer_times": "conv_analytics.analysis.rates.times",
    "audio_flow": "conv_analytics.analysis.audio.audio_flow",
    "benjamini_hochberg": "conv_analytics.analysis.maths.stats",
    "binomial_tail": "conv_analytics.analysis.maths.stats",
    "busy_hour": "conv_analytics.analysis.rates.concurrency",
    "call_quality": "conv_analytics.analysis.audio.quality",
    "calls": "conv_analytics.analysis.entities.calls",
    "change_points": "conv_analytics.analysis.finders.change_points",
    "check": "conv_analytics.analysis.finders.check",
    "compare": "conv_analytics.analysis.finders.compare",
    "compare_profiles": "conv_analytics.analysis.audio.quality",
    "concurrency": "conv_analytics.analysis.rates.concurrency",
    "containment": "conv_analytics.analysis.dialogue.containment",
    "conversations": "conv_analytics.analysis.entities.conversations",
    "cost": "conv_analytics.analysis.rates.cost",
    "detect_units": "conv_analytics.analysis.audio.units",
    "dtmf": "conv_analytics.analysis.dialogue.dtmf",
    "dtmf_paths": "conv_analytics.analysis.dialogue.dtmf",
    "duration_hist": "conv_analytics.analysis.rates.durations",
    "erlang_b": "conv_analytics.analysis.maths.erlang",
    "erlang_c": "conv_analytics.analysis.maths.erlang",
    "expected_service_level": "conv_analytics.analysis.maths.erlang",
    "expected_wait": "conv_analytics.analysis.maths.erlang",
    "explain": "conv_analytics.analysis.entities.sip",
    "fault_side": "conv_analytics.analysis.audio.fault_side",
    "first_responses": "conv_analytics.analysis.dialogue.responses",
    "freeswitch_flaws": "conv_analytics.analysis.maths.published",
    "heatmap": "conv_analytics.analysis.rates.heatmap",
    "kaplan_meier": "conv_analytics.analysis.maths.survival",
    "kpi": "conv_analytics.analysis.rates.kpi",
    "kpi_metrics": "conv_analytics.analysis.rates.metrics",
    "kpi_values": "conv_analytics.analysis.rates.times",
    "ledger": "conv_analytics.analysis.entities.ledger",
    "legs": "conv_analytics.analysis.entities.legs",
    "message_funnel": "conv_analytics.analysis.dialogue.messages",
    "message_latency": "conv_analytics.analysis.dialogue.messages",
    "mos_audit": "conv_analytics.analysis.audio.mos_audit",
    "mos_emodel": "conv_analytics.analysis.maths.emodel",
    "mos_to_r": "conv_analytics.analysis.maths.emodel",
    "mute": "conv_analytics.analysis.dialogue.mute",
    "newcombe": "conv_analytics.analysis.maths.stats",
    "offenders": "conv_analytics.analysis.finders.offenders",
    "offered": "conv_analytics.analysis.maths.erlang",
    "party": "conv_analytics.analysis.entities.parties",
    "price_audit": "conv_analytics.analysis.rates.cost",
    "quality": "conv_analytics.analysis.audio.quality",
    "r_to_mos": "conv_analytics.analysis.maths.emodel",
    "receipts": "conv_analytics.analysis.dialogue.messages",
    "recognition": "conv_analytics.analysis.dialogue.recognition",
    "redials": "conv_analytics.analysis.rates.redials",
    "responses": "conv_analytics.analysis.dialogue.responses",
    "rtp_jitter": "conv_analytics.analysis.maths.published",
    "service_level": "conv_analytics.analysis.rates.service_level",
    "short_calls": "conv_analytics.analysis.rates.durations",
    "sip_codes": "conv_analytics.analysis.entities.sip",
    "talk": "conv_analytics.analysis.dialogue.talk",
    "timeline": "conv_analytics.analysis.dialogue.timeline",
    "timer_cliffs": "conv_analytics.analysis.finders.timer_cliffs",
    "traffic": "conv_analytics.analysis.rates.concurrency",
    "trunks_needed": "conv_analytics.analysis.maths.erlang",
    "twilio_mos": "conv_analytics.analysis.maths.published",
    "waste": "conv_analytics.analysis.rates.cost",
    "wilson": "conv_analytics.analysis.maths.stats",
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


importlib.import_module("conv_analytics.analysis.accessor")
