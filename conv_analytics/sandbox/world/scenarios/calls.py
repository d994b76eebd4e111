"""Phone calls: inbound to an agent, and outbound campaigns with every way a call can fail (contract 8.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conv_analytics.sandbox.world.legs import Leg, built_in_off, channel, draw_fault, endpoint, talk

if TYPE_CHECKING:
    from conv_analytics.sandbox.world.people import User
    from conv_analytics.sandbox.world.records import Member
    from conv_analytics.sandbox.world.story import Story

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


def phone_leg(story: Story, user: User, direction: str, *, kind: str = "phone") -> Leg:
    """Make a member with a phone leg: outbound to the user's number, or inbound from it."""
    leg_id = story.dice.uuid()
    theirs, ours = endpoint("phone", user.number), endpoint("phone", SERVICE_NUMBER)
    to, from_ = (theirs, ours) if direction == "outbound" else (ours, theirs)
    member = story.new_member(user, channel(leg_id, kind, to, from_))
    leg = Leg(story, leg_id, kind, direction, member.channel, member, user.route, story.now)
    leg.fault = draw_fault(story, user.route)
    leg.start()
    return leg


def end_all(story: Story, legs: list[Leg]) -> None:
    """End answered legs: the first hangs up, the others follow; then completed, left, billed."""
    first = True
    for leg in legs:
        leg.hang_up("REMOTE_HANGUP" if first else "LOCAL_HANGUP", 200)
        story.wait(0.05, 0.9)
        first = False
    for leg in legs:
        leg.status("completed", "ok")
        story.wait(0.01, 0.2)
    for leg in legs:
        if leg.member is not None:
            story.leave(leg.member)
        story.wait(0.01, 0.2)
    story.wait(2, 20)
    for leg in legs:
        leg.bill()
        story.wait(0.1, 3)


def fail(story: Story, leg: Leg, *, network: bool = False) -> None:
    """Let an outbound leg end without an answer."""
    reason, code, sip_code, text, ringing = NETWORK_FAILURE if network else story.dice.weighted(FAILURES)
    if ringing:
        leg.ring()
        story.wait(ringing * 0.6, ringing * 1.2)
    else:
        story.wait(0.3, 2)
    leg.hang_up(code, sip_code, text)
    leg.status(STATUS_OF.get(reason, "failed"), reason)
    if leg.member is not None:
        story.leave(leg.member, reason, text)
    story.wait(1, 9)
    leg.bill(STATUS_OF.get(reason, "failed"), reason)


def refused(story: Story, leg: Leg) -> bool:
    """Say whether a planted cause lets the carrier refuse the attempt."""
    return story.plot is not None and story.plot.on("busy_hour", leg.route.network)


def unanswered(story: Story, leg: Leg) -> bool:
    """Say whether a planted cause keeps the attempt from being answered."""
    return story.plot is not None and story.plot.unanswered(leg.route)


def call_seconds(story: Story, median: float = 150) -> float:
    """Draw a call's length [s], at most an hour; a few are ghosts of under three seconds."""
    if story.dice.chance(0.04):
        return story.dice.real(0.4, 3)
    return min(3600.0, story.dice.around(median, 0.9))


def agent_leg(story: Story, user: User, caller: Member) -> Leg:
    """Call an agent's phone on behalf of the caller, until it is answered."""
    leg = phone_leg(story, user, "outbound")
    assert leg.member is not None
    story.invite(leg.member, caller, leg.id)
    story.wait(0.2, 1.5)
    leg.ring()
    story.wait(2, 14)
    leg.answer()
    story.join(leg.member)
    story.connect_media(leg.member)
    return leg


def inbound_phone(story: Story) -> None:
    """Inbound phone call connected to an agent's phone, in the order of contract 8.2."""
    caller = phone_leg(story, story.people.customer(story.dice), "inbound")
    assert caller.member is not None
    story.join(caller.member)
    story.wait(0.1, 1)
    caller.ring()
    agent = phone_leg(story, story.people.agent(story.dice), "outbound")
    assert agent.member is not None
    story.wait(0.2, 1.4)
    agent.ring()
    story.wait(2, 22)
    if story.dice.chance(0.12):  # the caller gives up
        caller.hang_up("REMOTE_CANCEL", 487, "Request terminated")
        fail(story, agent)
        caller.status("cancelled", "cancelled")
        story.leave(caller.member, "cancelled", "caller gave up")
        return
    agent.answer()
    story.join(agent.member)
    story.connect_media(agent.member)
    caller.answer()
    story.join(caller.member)  # a second member:joined of the same member, as documented
    story.connect_media(caller.member)
    talk(story, [caller, agent], call_seconds(story))
    end_all(story, [caller, agent] if story.dice.chance(0.6) else [agent, caller])


def outbound_phone(story: Story) -> None:
    """Outbound call of a campaign: machine detection, an answer or one of the ways to fail."""
    leg = phone_leg(story, story.people.customer(story.dice), "outbound")
    assert leg.member is not None
    story.invite(leg.member, None, leg.id)
    story.wait(0.2, 4)
    built_in = leg.route.fault == "fails" and not built_in_off(story)
    troubled = (built_in and story.dice.chance(leg.route.trouble)) or refused(story, leg)
    if troubled or story.dice.chance(0.42) or unanswered(story, leg):
        fail(story, leg, network=troubled)
        return
    leg.ring()
    story.wait(3, 24)
    leg.answer()
    story.join(leg.member)
    story.connect_media(leg.member)
    story.wait(0.8, 3.5)
    machine = story.dice.chance(0.3)
    leg.machine(
        "sip:machine" if story.dice.chance(0.3) else "sip:amd_machine",
        story.dice.pick(("machine", "beep_start", "beep_timeout")) if machine else "human",
        story.dice.between(15, 99),
    )
    if machine:
        leg.status("machine")
        story.wait(4, 20)
    else:
        talk(story, [leg], call_seconds(story, 40))
    end_all(story, [leg])
