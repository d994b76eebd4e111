"""The share of one conversation in the truth, counted from what the generator meant (never from JSON)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from conv_analytics.sandbox.world.records import Event

HANGUPS = frozenset({"sip:hangup", "rtc:hangup"})
CALL_RECORDS = frozenset({"sip:status", "rtc:status"})
MEMBER_EVENTS = frozenset({"member:invited", "member:joined", "member:left", "member:media"})
MESSAGE_STATUSES = frozenset({
    "message:submitted", "message:delivered", "message:seen", "message:rejected", "message:undeliverable",
    "member:message:status",
})  # fmt: skip
AUDIO_EVENTS = frozenset({
    "audio:play", "audio:play:stop", "audio:play:done", "audio:say", "audio:say:stop", "audio:say:done",
    "audio:dtmf", "audio:record", "audio:record:stop", "audio:record:done", "audio:mute:on", "audio:mute:off",
    "audio:earmuff:on", "audio:earmuff:off", "audio:speaking:on", "audio:speaking:off", "audio:asr:done",
    "audio:asr:record:done",
    # Not in the API's lists, but seen in webhooks and old data (contract 5.3).
    "audio:ringing:start", "audio:ringing:stop", "audio:transcribe:done",
})  # fmt: skip
CALL_EVENTS = frozenset({
    "sip:ringing", "sip:answered", "sip:machine", "sip:amd_machine", "rtc:ringing", "rtc:answered",
    "rtc:transfer", "rtc:answer", "rtc:terminate",
})  # fmt: skip
SUMMED = ("packet_cnt", "flaw_total", "byte_in", "byte_out", "mos", "price", "duration_s")


def table_of(kind: str) -> str | None:
    """Name the typed table an event type gives one row to (design D3); None when only `events` has it."""
    for table, kinds in (
        ("audio_events", AUDIO_EVENTS), ("hangups", HANGUPS), ("call_events", CALL_EVENTS),
        ("call_records", CALL_RECORDS), ("message_statuses", MESSAGE_STATUSES),
        ("member_events", MEMBER_EVENTS),
    ):  # fmt: skip
        if kind in kinds:
            return table
    return "messages" if kind == "message" else None


@dataclass(slots=True)
class Tally:
    """Counts of one conversation. `sums` are exact integers (mos in 1/100, price in 1e-8)."""

    members: int = 0
    sequence_number: int = 0
    events_by_type: Counter[str] = field(default_factory=Counter)
    rows: Counter[str] = field(default_factory=Counter)
    sums: Counter[str] = field(default_factory=Counter)
    filled: Counter[str] = field(default_factory=Counter)
    messages_by_type: Counter[str] = field(default_factory=Counter)
    hangups_by_sip_code: Counter[int] = field(default_factory=Counter)
    leg_statuses: set[tuple[str, str, int]] = field(default_factory=set)
    confidence: int = 0
    transcripts: int = 0
    deleted: int = 0
    from_users: set[str] = field(default_factory=set)
    broken: Counter[str] = field(default_factory=Counter)

    def add(self, event: Event) -> None:
        """Count an event that has an id, with the facts it carries."""
        self.events_by_type[event.type] += 1
        if event.member is not None:
            self.from_users.add(event.member.user.id)
        table = table_of(event.type)
        if table is not None:
            self.rows[table] += 1
        facts = event.facts
        if facts:
            self._add_facts(facts)

    def _add_facts(self, facts: dict[str, Any]) -> None:
        for name, value in facts.items():
            if name in SUMMED:
                self.sums[name] += value
                self.filled[name] += 1
            elif name == "history":
                self.leg_statuses.update(value)
            elif name == "alternatives":
                self.transcripts += len(value)
                self.confidence += sum(value)
            elif name == "message_type":
                self.messages_by_type[str(value)] += 1
            elif name == "sip_code":
                self.hangups_by_sip_code[value] += 1
