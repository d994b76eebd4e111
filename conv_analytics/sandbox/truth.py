"""The truth about a world: what a perfect export of it would hold."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from conv_analytics.sandbox.call_truth import CallTruth
    from conv_analytics.sandbox.tally import Tally
    from conv_analytics.sandbox.world.causes import Cause


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """Exact counts and sums over everything that a complete folder holds.

    Transient conversations are among them, though only webhooks show them once they are over; `Sandbox.truth` can leave
    out those that cannot be listed.

    Conversations that answer 404 (`gone`) are left out of every number and counted in `gone`. An event whose
    cell was broken on purpose keeps its row, but the broken cell adds to no sum; events whose id was removed are in no
    count but `broken["without_id"]`.
    """

    conversations: int
    members: int
    events: int
    users: int
    sessions: int
    gone: int
    deleted_events: int
    events_by_type: Mapping[str, int]
    rows: Mapping[str, int]
    """Rows per table of design D3."""
    packet_cnt: int
    flaw_total: int
    byte_in: int
    byte_out: int
    mos_score_sum: float
    mos_score_count: int
    price_sum: Decimal
    price_count: int
    duration_s_sum: int
    duration_s_count: int
    confidence_sum: float
    messages_by_type: Mapping[str, int]
    hangups_by_sip_code: Mapping[int, int]
    distinct_from_users: int
    """Different `_embedded.from_user.id` over all events."""
    sequence_numbers: Mapping[str, int]
    """Id of the last event by conversation id; 0 when there is none."""
    events_per_conversation: Mapping[str, int]
    broken: Mapping[str, int] = field(default_factory=dict)
    """Broken events by kind, see `world/broken.py`."""
    causes: tuple[Cause, ...] = ()
    """The deliberate problems of the world; see `world/causes.py`."""
    calls: tuple[CallTruth, ...] = field(default=(), repr=False)
    """Every leg, listed or not."""


def add_up(
    tallies: Iterable[tuple[str, Tally]], *, users: int, sessions: int, gone: int, causes: tuple[Cause, ...] = ()
) -> Truth:
    """Add up the tallies of (conversation id, tally)."""
    total, sums, filled = _Total(), Counter[str](), Counter[str]()
    for conversation_id, tally in tallies:
        total.sequence_numbers[conversation_id] = tally.sequence_number
        total.per_conversation[conversation_id] = sum(tally.events_by_type.values())
        total.add(tally)
        sums.update(tally.sums)
        filled.update(tally.filled)
    conversations, events = len(total.sequence_numbers), sum(total.by_type.values())
    total.rows.update(conversations=conversations, events=events, users=users, sessions=sessions)
    return Truth(
        conversations=conversations,
        members=total.rows["members"],
        events=events,
        users=users,
        sessions=sessions,
        gone=gone,
        deleted_events=total.deleted,
        events_by_type=dict(total.by_type),
        rows=dict(total.rows),
        packet_cnt=sums["packet_cnt"],
        flaw_total=sums["flaw_total"],
        byte_in=sums["byte_in"],
        byte_out=sums["byte_out"],
        mos_score_sum=sums["mos"] / 100,
        mos_score_count=filled["mos"],
        price_sum=Decimal(sums["price"]).scaleb(-8),
        price_count=filled["price"],
        duration_s_sum=sums["duration_s"],
        duration_s_count=filled["duration_s"],
        confidence_sum=total.confidence / 100,
        messages_by_type=dict(total.messages),
        hangups_by_sip_code=dict(total.sip_codes),
        distinct_from_users=len(total.from_users),
        sequence_numbers=total.sequence_numbers,
        events_per_conversation=total.per_conversation,
        broken=dict(total.broken),
        causes=causes,
    )


@dataclass(slots=True)
class _Total:
    sequence_numbers: dict[str, int] = field(default_factory=dict)
    per_conversation: dict[str, int] = field(default_factory=dict)
    by_type: Counter[str] = field(default_factory=Counter)
    rows: Counter[str] = field(default_factory=Counter)
    messages: Counter[str] = field(default_factory=Counter)
    sip_codes: Counter[int] = field(default_factory=Counter)
    broken: Counter[str] = field(default_factory=Counter)
    from_users: set[str] = field(default_factory=set)
    confidence: int = 0
    deleted: int = 0

    def add(self, tally: Tally) -> None:
        self.by_type.update(tally.events_by_type)
        self.rows.update(tally.rows)
        self.rows.update(members=tally.members, leg_statuses=len(tally.leg_statuses), transcripts=tally.transcripts)
        self.messages.update(tally.messages_by_type)
        self.sip_codes.update(tally.hangups_by_sip_code)
        self.broken.update(tally.broken)
        self.from_users |= tally.from_users
        self.confidence += tally.confidence
        self.deleted += tally.deleted
