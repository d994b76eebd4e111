"""The Voice API's call list as `coverage` found it, with what the folder has of each leg (live contract 7)."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from conv_analytics.resources import VoiceCall
from conv_analytics.tables.column import Column, Table, pick
from conv_analytics.tables.envelope import endpoint


class CoverageClass(StrEnum):
    """The coverage of a leg that the Voice API lists (live contract 7.1)."""

    COVERED = "covered"
    """Its events came from the lists of the Conversation API."""
    COVERED_LIVE = "covered_live"
    """Its events came as webhooks alone."""
    PARTIAL = "partial"
    """Some of its events are there, or its conversation was read, but not its end."""
    TRANSIENT_MISSED = "transient_missed"
    """None is there, and its conversation can no longer be read."""
    EXPIRED = "expired"
    """None is there: its conversation was listed once, and gone before it was read."""
    NOT_YET = "not_yet"
    """The call had not ended, or ended after the last export, or the next export can still read it."""
    OTHER_REGION = "other_region"
    """None is there: its conversation is on another host of the API."""


#: A class by which a leg counts as one that the folder has.
IN_FOLDER = (CoverageClass.COVERED, CoverageClass.COVERED_LIVE)
#: The classes of a leg that the folder lacks, wholly or in part.
MISSING = (
    CoverageClass.PARTIAL,
    CoverageClass.TRANSIENT_MISSED,
    CoverageClass.EXPIRED,
    CoverageClass.OTHER_REGION,
)

VOICE_CALLS = Table(
    "voice_calls",
    "A leg in the Voice API's call list, and what this folder has of it, as the command coverage last saw it.",
    ("leg_id",),
    (
        pick(VoiceCall, "uuid", "leg_id"),
        pick(VoiceCall, "conversation_uuid", "conversation_id"),
        Column(
            "at",
            datetime,
            "When the leg began; about when, for a leg without times: its first event, or the call listed before it.",
        ),
        pick(VoiceCall, "status"),
        pick(VoiceCall, "direction"),
        *endpoint(VoiceCall, "from_", "from"),
        *endpoint(VoiceCall, "to", "to"),
        pick(VoiceCall, "start_time", "started_at"),
        pick(VoiceCall, "end_time", "ended_at"),
        pick(VoiceCall, "duration", "duration_s"),
        pick(VoiceCall, "price"),
        pick(VoiceCall, "rate"),
        pick(VoiceCall, "network"),
        Column("coverage_class", CoverageClass, "What the folder has of the leg."),
        Column("host", str, "Host of the API that has the leg: the one that listed it, or that has its conversation."),
        Column("checked_at", datetime, "When the run of coverage that wrote the row began."),
    ),
    latest="checked_at",
    listed=False,
    notes=(
        "Written by the command coverage, never by an export. The Voice API says call for what is a leg here.",
        "A later run adds a row for a leg that it saw again: take the latest checked_at, as open_dataset() does.",
        "A leg is in this table whether the folder has its events or not: join with leg_id, without dashes.",
    ),
)
