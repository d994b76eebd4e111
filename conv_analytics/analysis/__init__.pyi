from .audio.audio_flow import audio_flow as audio_flow
from .audio.detect_units import detect_units as detect_units
from .audio.fault_side import fault_side as fault_side
from .audio.mos_audit import MosAudit as MosAudit, mos_audit as mos_audit
from .audio.profiles import PROFILES as PROFILES, Profile as Profile, Rule as Rule
from .audio.quality import call_quality as call_quality, compare_profiles as compare_profiles, quality as quality
from .audio.units import Units as Units
from .dialogue.containment import containment as containment
from .dialogue.dtmf import dtmf as dtmf, dtmf_paths as dtmf_paths
from .dialogue.event_log import event_log as event_log
from .dialogue.messages import (
    message_funnel as message_funnel,
    message_latency as message_latency,
    receipts as receipts,
)
from .dialogue.mute import mute as mute
from .dialogue.recognition import recognition as recognition
from .dialogue.responses import first_responses as first_responses, responses as responses
from .dialogue.talk import talk as talk
from .dialogue.timeline import timeline as timeline
from .dialogue.turns import turns as turns
from .dimensions.enrich import EnrichedData as EnrichedData, enrich as enrich, match_counts as match_counts
from .entities.calls import calls as calls
from .entities.conversations import conversations as conversations
from .entities.ledger import ledger as ledger
from .entities.legs import legs as legs
from .entities.parties import party as party
from .entities.sip import explain as explain, sip_codes as sip_codes
from .finders.change_points import change_points as change_points
from .finders.traffic_changes import traffic_changes as traffic_changes
from .finders.check import check as check
from .finders.compare import Comparison as Comparison, compare as compare
from .finders.reconcile import Reconciliation as Reconciliation, reconcile as reconcile
from .finders.offenders import offenders as offenders
from .finders.thresholds import Threshold as Threshold
from .finders.timer_cliffs import timer_cliffs as timer_cliffs
from .maths.emodel import mos_emodel as mos_emodel, mos_to_r as mos_to_r, r_to_mos as r_to_mos
from .maths.erlang import (
    agents_needed as agents_needed,
    erlang_b as erlang_b,
    erlang_c as erlang_c,
    expected_service_level as expected_service_level,
    expected_wait as expected_wait,
    offered as offered,
    trunks_needed as trunks_needed,
)
from .maths.published_formulas import (
    freeswitch_flaws as freeswitch_flaws,
    rtp_jitter as rtp_jitter,
    twilio_mos as twilio_mos,
)
from .maths.stats import (
    benjamini_hochberg as benjamini_hochberg,
    binomial_tail as binomial_tail,
    newcombe as newcombe,
    wilson as wilson,
)
from .maths.survival import aalen_johansen as aalen_johansen, kaplan_meier as kaplan_meier
from .problems.findings import findings as findings
from .problems.problem import Findings as Findings, Problem as Problem
from .rates.concurrency import busy_hour as busy_hour, concurrency as concurrency, traffic as traffic
from .rates.cost import cost as cost, price_audit as price_audit, waste as waste
from .rates.durations import duration_hist as duration_hist, short_calls as short_calls
from .rates.heatmap import heatmap as heatmap
from .rates.kpi import kpi as kpi
from .rates.metrics import kpi_metrics as kpi_metrics
from .rates.redials import redials as redials
from .rates.service_level import service_level as service_level
from .rates.times import answer_curve as answer_curve, answer_times as answer_times, kpi_values as kpi_values
