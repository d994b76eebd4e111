"""Phone calls: inbound to an agent, and outbound campaigns with every way a call can fail (contract 8.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conv_analytics.sandbox.world.legs import Leg, built_in_off, channel, draw_fault, endpoint
from conv_analytics.sandbox.world.talking import talk

if TYPE_CHECKING:
    from conv_analytics.sandbox.world.builder import ConversationBuilder
    from conv_analytics.sandbox.world.people import User
    from conv_analytics.sandbox.world.records import Member

SERVICE_NUMBER = "442079460999"
# reason of the leg state, code of the hangup, SIP code, seconds of ringing, share of failed attempts
FAILURES = (
    (("busy", "REMOTE_BUSY", 486, "Busy here", 3), 22),
    (("timeout", "RING_TIMER", 480, "No answer", 40), 34),
    (("cancelled", "LOCAL_CANCEL", 487, "Request terminated", 12), 14),
    (("rejected", "REMOTE_REJECTED", 603, "Decline", 5), 12),
    (("not_found", "REMOTE_NOT_FOUND", 404, "Unallocated number", 0), 8),
    (("forbidden", "REMOTE_REJECTED", 403, "Forbidden", 0), 4),
    (("service_unavailable", "REMOTE_FAILURE", 503, "Service unavailable", 0), 6),
)
NETWORK_FAILURE = ("service_unavailable", "REMOTE_FAILURE", 503, "Service unavailable", 0)
# The status each reason word ends a leg with; all others end as failed.
STATUS_OF = {"busy": "busy", "timeout": "timeout", "cancelled": "cancelled", "rejected": "rejected"}


def phone_leg(builder: ConversationBuilder, user: User, direction: str, *, kind: str = "phone") -> Leg:
    """Make a member with a phone leg: outbound to the user's number, or inbound from it."""
    leg_id = builder.dice.uuid()
    theirs, ours = endpoint("phone", user.number), endpoint("phone", SERVICE_NUMBER)
    to, from_ = (theirs, ours) if direction == "outbound" else (ours, theirs)
    member = builder.new_member(user, channel(leg_id, kind, to, from_))
    leg = Leg(builder, leg_id, kind, direction, member.channel, member, user.route, builder.now)
    leg.fault = draw_fault(builder, user.route)
    leg.start()
    return leg


def end_all(builder: ConversationBuilder, legs: list[Leg]) -> None:
    """End answered legs: the first hangs up, the others follow; then completed, left, billed."""
    first = True
    for leg in legs:
        leg.hang_up("REMOTE_HANGUP" if first else "LOCAL_HANGUP", 200)
        builder.wait(0.05, 0.9)
        first = False
    for leg in legs:
        leg.status("completed", "ok")
        builder.wait(0.01, 0.2)
    for leg in legs:
        if leg.member is not None:
            builder.leave(leg.member)
        builder.wait(0.01, 0.2)
    builder.wait(2, 20)
    for leg in legs:
        leg.bill()
        builder.wait(0.1, 3)


def fail(builder: ConversationBuilder, leg: Leg, *, network: bool = False) -> None:
    """Let an outbound leg end without an answer."""
    reason, code, sip_code, text, ringing = NETWORK_FAILURE if network else builder.dice.weighted(FAILURES)
    if ringing:
        leg.ring()
        builder.wait(ringing * 0.6, ringing * 1.2)
    else:
        builder.wait(0.3, 2)
    leg.hang_up(code, sip_code, text)
    leg.status(STATUS_OF.get(reason, "failed"), reason)
    if leg.member is not None:
        builder.leave(leg.member, reason, text)
    builder.wait(1, 9)
    leg.bill(STATUS_OF.get(reason, "failed"), reason)


def refused(builder: ConversationBuilder, leg: Leg) -> bool:
    """Whether a planted cause lets the carrier refuse the attempt."""
    return builder.causes is not None and builder.causes.on("busy_hour", leg.route.network)


def unanswered(builder: ConversationBuilder, leg: Leg) -> bool:
    """Whether a planted cause keeps the attempt from being answered."""
    return builder.causes is not None and builder.causes.unanswered(leg.route)


def call_seconds(builder: ConversationBuilder, median: float = 150) -> float:
    """Draw a call's length [s], at most an hour; a few are ghosts of under three seconds."""
    if builder.dice.chance(0.04):
        return builder.dice.real(0.4, 3)
    return min(3600.0, builder.dice.around(median, 0.9))


def agent_leg(builder: ConversationBuilder, user: User, caller: Member) -> Leg:
    """Call an agent's phone on behalf of the caller, until it is answered."""
    leg = phone_leg(builder, user, "outbound")
    assert leg.member is not None
    builder.invite(leg.member, caller, leg.id)
    builder.wait(0.2, 1.5)
    leg.ring()
    builder.wait(2, 14)
    leg.answer()
    builder.join(leg.member)
    builder.connect_media(leg.member)
    return leg


def inbound_phone(builder: ConversationBuilder) -> None:
    """Inbound phone call connected to an agent's phone, in the order of contract 8.2."""
    caller = phone_leg(builder, builder.people.customer(builder.dice), "inbound")
    assert caller.member is not None
    builder.join(caller.member)
    builder.wait(0.1, 1)
    caller.ring()
    agent = phone_leg(builder, builder.people.agent(builder.dice), "outbound")
    assert agent.member is not None
    builder.wait(0.2, 1.4)
    agent.ring()
    builder.wait(2, 22)
    if builder.dice.chance(0.12):  # the caller gives up
        caller.hang_up("REMOTE_CANCEL", 487, "Request terminated")
        fail(builder, agent)
        caller.status("cancelled", "cancelled")
        builder.leave(caller.member, "cancelled", "caller gave up")
        return
    agent.answer()
    builder.join(agent.member)
    builder.connect_media(agent.member)
    caller.answer()
    builder.join(caller.member)  # a second member:joined of the same member, as documented
    builder.connect_media(caller.member)
    talk(builder, [caller, agent], call_seconds(builder))
    end_all(builder, [caller, agent] if builder.dice.chance(0.6) else [agent, caller])


def outbound_phone(builder: ConversationBuilder) -> None:
    """Outbound call of a campaign: machine detection, an answer or one of the ways to fail."""
    leg = phone_leg(builder, builder.people.customer(builder.dice), "outbound")
    assert leg.member is not None
    builder.invite(leg.member, None, leg.id)
    builder.wait(0.2, 4)
    built_in = leg.route.fault == "fails" and not built_in_off(builder)
    troubled = (built_in and builder.dice.chance(leg.route.trouble)) or refused(builder, leg)
    if troubled or builder.dice.chance(0.42) or unanswered(builder, leg):
        fail(builder, leg, network=troubled)
        return
    leg.ring()
    builder.wait(3, 24)
    leg.answer()
    builder.join(leg.member)
    builder.connect_media(leg.member)
    builder.wait(0.8, 3.5)
    machine = builder.dice.chance(0.3)
    leg.machine(
        "sip:machine" if builder.dice.chance(0.3) else "sip:amd_machine",
        builder.dice.pick(("machine", "beep_start", "beep_timeout")) if machine else "human",
        builder.dice.between(15, 99),
    )
    if machine:
        leg.status("machine")
        builder.wait(4, 20)
    else:
        talk(builder, [leg], call_seconds(builder, 40))
    end_all(builder, [leg])
