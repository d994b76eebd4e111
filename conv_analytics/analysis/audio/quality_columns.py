"""The columns of `quality` and of `call_quality`, declared once."""

from __future__ import annotations

from conv_analytics.analysis.audio import measures as m
from conv_analytics.tables.column import Column

LEG_COLUMNS = (
    *m.leg_columns(),
    Column("loss_pct", float, "Packet loss.", "%"),
    Column("loss_source", str, "Which column the loss is from: packet_loss_perc, jitter_loss_rate or no_flaws."),
    Column("jitter_sd_min_ms", float, "Jitter: smallest standard deviation of the packets' inter-arrival times.", "ms"),
    Column("jitter_sd_max_ms", float, "Jitter: largest standard deviation of the packets' inter-arrival times.", "ms"),
    Column("mos_reported", float, "The reported score on the scale of 1 to 5; null where it is none."),
    Column("mos_model", str, "What the reported scores of the dataset are: freeswitch_r, other or undetermined."),
    Column("mos_emodel", float, "MOS by the E-model, from packet loss alone: G.711 with concealment."),
    Column("mos_emodel_low", float, "The same without concealment: the lower end of the band."),
    Column("mos_trust", str, "Whether to believe the reported score; see mos_audit."),
    Column("media_ratio", float, "Audio received by the length of the talk, at 20 ms a packet; 1 is usual."),
    Column("codec_guess", str, "Codec whose packets are as large as these."),
    Column("flow", str, "Directions with audio: both, no_in, no_out or ghost (no media)."),
    Column("excuse", str, "What excuses a direction without audio: muted, earmuffed, websocket or one_leg."),
    Column("silent_directions", float, "How many directions had no audio that nothing excuses."),
)
VERDICT_COLUMNS = (
    Column("profile", str, "The rulebook."),
    Column("verdict", str, "good, fair, poor or unmeasured."),
    Column("rule", str, "The rule that decided; for an unmeasured leg, what was missing."),
    Column("value", float, "What the rule looked at."),
    Column("limit", float, "The rule's limit."),
    Column("evidence_event_id", int, "The hangup that holds the numbers."),
    Column("confidence", float, "0 to 1; see quality."),
)
CALL_COLUMNS = (
    Column("conversation_id", str, "The conversation."),
    Column("profile", str, "The rulebook."),
    Column("verdict", str, "That of the worst leg that was measured."),
    Column("rule", str, "The rule that decided there."),
    Column("value", float, "What it looked at."),
    Column("limit", float, "Its limit."),
    Column("worst_leg_id", str, "The leg that decided."),
    Column("evidence_event_id", int, "The hangup of that leg."),
    Column("confidence", float, "That of the leg's verdict."),
    Column("legs", int, "Legs of the conversation."),
    Column("measured", int, "Legs with a verdict other than unmeasured."),
    Column("partial", bool, "Whether some legs were measured and others not."),
    Column("mos_reported", float, "Lowest reported score of the measured legs."),
    Column("mos_emodel", float, "Lowest E-model score of the measured legs."),
    Column("loss_pct", float, "Packets lost of all that were expected, over the measured legs.", "%"),
)
#: The columns that `quality` adds to those of legs. What a frame says itself counts: see `quality`.
OWN = {column.name: column for column in (*LEG_COLUMNS, *VERDICT_COLUMNS) if column.name not in m.READ}
#: Those that tell why a verdict is what it is.
EXPLAINING = ("profile", "rule", "value", "limit", "confidence")

__all__ = ["CALL_COLUMNS", "EXPLAINING", "LEG_COLUMNS", "OWN", "VERDICT_COLUMNS"]
