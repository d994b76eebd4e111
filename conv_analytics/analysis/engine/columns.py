"""The columns of the answers: order, types, units and meaning, declared once."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from conv_analytics.tables.column import Column


def _columns(kind: Any, text: str, unit: str | None = None) -> tuple[Column, ...]:
    """One column per line: name, bar, meaning."""
    lines = (line.partition("|") for line in text.strip().splitlines())
    return tuple(Column(name.strip(), kind, doc.strip(), unit) for name, _, doc in lines)


LEGS = (
    *_columns(str, """
        conversation_id | Conversation of the leg.
        leg_id | Leg; `member:` or `event:` and an id where its events name none.
        technology | `sip` for phone, SIP and Vonage Business legs, `rtc` for in-app legs.
        channel_type | How the leg is connected: `phone`, `app`, `sip`, `websocket`, `vbc`.
        direction | `inbound` (someone called the platform) or `outbound`.
        member_id | Member that the leg belongs to.
        user_id | User of that member.
        from_address | Calling end: number, name of a user, URI or extension.
        from_kind | Its kind: `e164`, `sip`, `user`, `websocket`, `vbc`, `anonymous`, `masked`, `other`.
        to_address | Called end.
        to_kind | Its kind.
        remote_address | The end that is not the platform: the called end of an outbound leg, else the calling end.
        remote_kind | Its kind.
        country | Country of the remote number, ISO 3166 alpha-2.
        country_source | Where the country is from: `number`, `calling_code`, `network` or `none`.
        network_code | Network: mobile country and network code, or like `GB-FIXED`.
        """),
    *_columns(datetime, """
        started_at | When the leg came to be; else the first that is known of it (flag `no_start`).
        ringing_at | When it began to ring.
        answered_at | When it was answered.
        ended_at | When it ended.
        """),
    *_columns(bool, """
        answered | Whether it was answered.
        open | No end is known.
        """),
    *_columns(float, """
        pdd_s | Post-dial delay: started to ringing, or to answered where it never rang.
        ring_s | Ringing to answered, or to the end of an unanswered leg.
        setup_s | Started to answered.
        talk_s | Answered to ended; null unless both are known.
        billed_s | Duration that was billed.
        """, "s"),
    *_columns(str, """
        status | Last status.
        reason | The platform's word for why it completed.
        reason_code | Who or what ended it, as the hangup tells.
        """),
    *_columns(int, "sip_code | SIP code of the hangup."),
    *_columns(str, """
        outcome | `answered`, `busy`, `no_answer`, `declined`, `cancelled`, `bad_number`, `blocked`, \
`network_failure`, `signalling_failure`, `redirected`, `failed`, `unknown`.
        outcome_class | Whose doing: `success`, `user`, `caller`, `number`, `policy`, `network`, `signalling`, \
`redirect`, `platform`, `unknown`.
        hung_up_by | What the hangup's reason says, else the outcome of an unanswered leg: `this_leg` (its far end), \
`other`, `network`, `platform`, `unknown`.
        """),
    *_columns(float, """
        mos_score | Mean opinion score as reported.
        quality_percentage | Share of packets without flaws, as reported.
        jitter_min_var | Smallest variance of packet inter-arrival times.
        jitter_max_var | Largest variance of packet inter-arrival times.
        jitter_loss_rate | Share counted as lost through jitter.
        jitter_burst_rate | Share of intervals within bursts.
        """),
    *_columns(int, """
        flaw_total | Packets with flaws.
        packet_cnt | Packets received.
        """, "packets"),
    *_columns(float, "packet_loss_perc | Packets lost; its unit is to be detected."),
    *_columns(int, """
        byte_in | Bytes that the platform received.
        byte_out | Bytes that it sent.
        """, "B"),
    *_columns(int, "hangup_event_id | The hangup that the quality comes from: evidence."),
    *_columns(float, """
        price | What the leg cost.
        rate | Price of a minute.
        """),
    *_columns(str, """
        currency | Currency of the price where it is known; else the account's.
        machine | Verdict of the machine detection, such as `human` or `machine`.
        """),
    *_columns(bool, "transferred | The leg came by a transfer, or was replaced by one."),
    *_columns(str, "flags | What is odd about the leg: names, separated by commas."),
)  # fmt: skip

#: Flags of legs, and what they mean.
LEG_FLAGS = {
    "no_leg_id": "An event has no leg id: it was matched by its member, or is a leg of its own.",
    "no_start": "Neither a status nor a billing record says when it started: its delays are unknown.",
    "no_hangup": "Its hangup is missing.",
    "no_record": "Its billing record is missing.",
    "no_status": "It has no status event.",
    "duplicate_hangup": "It hung up more than once: the first counts.",
    "duplicate_record": "It was billed more than once: the last counts.",
    "out_of_order": "Its timestamps are out of order: negative durations are null.",
    "hangup_before_answer": "It ended before it was answered.",
    "answer_imputed": "No answer is known, but its end says that there was one.",
    "conflicting": "Its end contradicts itself: without an answer event it counts as unanswered.",
    "clock": "Its billing record ends more than 5 s apart from its events: the two clocks are not compared.",
}

CALLS = (
    *_columns(str, "conversation_id | Conversation of the call."),
    *_columns(int, "call | Number of the call within its conversation, or among those without one, from 0."),
    *_columns(
        datetime,
        """
        started_at | When its first leg started.
        answered_at | When both sides were up; without an outbound or an inbound leg, when the first was answered.
        ended_at | When its last leg ended; null while one is open.
        """,
    ),
    *_columns(float, "talk_s | Answered to the end of the side that was first to have no leg left.", "s"),
    *_columns(str, "direction | Direction of its first leg."),
    *_columns(
        int,
        """
        legs | Its legs.
        answered_legs | Those that were answered.
        """,
    ),
    *_columns(
        str,
        """
        from_address | Calling end of the first leg.
        to_address | Called end of the first outbound leg, else of the first.
        country | Country of the first outbound leg, else of the first.
        network_code | Network of the same leg.
        outcome | `answered` when an outbound leg was (or, without one, any), else the outcome of the same leg.
        outcome_class | Whose doing it was.
        """,
    ),
    *_columns(int, "sip_code | SIP code of the same leg."),
    *_columns(str, "hung_up_by | `from`, `to`, `network`, `platform` or `unknown`."),
    *_columns(float, "hung_up_confidence | How sure that is, 0 to 1."),
    *_columns(str, "hung_up_why | The evidence for that."),
    *_columns(
        bool,
        """
        transferred | One of its legs was transferred.
        forked | It rang more than one destination, in parallel or one after another, without a transfer.
        """,
    ),
    *_columns(float, "price | Sum of its legs' prices; null when none is known."),
    *_columns(str, "flags | The flags of its legs, and `open` when one has no end."),
)

CONVERSATIONS = (
    *_columns(str, "conversation_id | The conversation."),
    *_columns(
        datetime,
        """
        created_at | When it was created, by the table of conversations.
        first_at | Its first event.
        last_at | Its last event.
        """,
    ),
    *_columns(
        int,
        """
        members | Its members.
        users | Their users.
        calls | Its calls.
        legs | Their legs.
        answered_calls | Those that were answered.
        messages | Its messages.
        events | Its events.
        """,
    ),
    *_columns(str, "kinds | What it holds: `calls`, `messages`, both with a comma, or `other`."),
    *_columns(
        float,
        """
        talk_s | Sum of its calls' talk.
        price | Sum of its calls' prices; null when none is known.
        """,
    ),
    *_columns(
        str,
        """
        worst_outcome | The worst outcome of its calls, in this order: platform, network, signalling, policy, \
number, user, caller, redirect, success.
        flags | `no_events`, `no_record` (not in the table of conversations), `open` (a call has no end).
        """,
    ),
)

LEDGER = (
    *_columns(
        str,
        """
        table | Table, or function whose result it is.
        metric | Column or anomaly.
        """,
    ),
    *_columns(
        int,
        """
        n | Rows that could have it.
        missing | Rows that do not have it.
        odd | Rows whose value contradicts others.
        imputed | Rows whose value was inferred from others.
        unmeasured | Rows where there was nothing to measure.
        """,
    ),
    *_columns(float, "share | Share of n that is neither missing, odd nor unmeasured; null without rows."),
    *_columns(str, "why | What the numbers mean."),
)

#: The columns of each function's result.
RESULTS = {"legs": LEGS, "calls": CALLS, "conversations": CONVERSATIONS, "ledger": LEDGER}

__all__ = ["CALLS", "CONVERSATIONS", "LEDGER", "LEGS", "LEG_FLAGS", "RESULTS"]
