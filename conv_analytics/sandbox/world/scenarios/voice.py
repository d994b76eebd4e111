"""Other voice calls: SIP trunks, VBC extensions, websocket bots, recorded calls, conferences (8.5, 8.6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conv_analytics.sandbox.world.legs import Leg, channel, draw_fault, endpoint, talk
from conv_analytics.sandbox.world.scenarios import media
from conv_analytics.sandbox.world.scenarios.calls import (
    SERVICE_NUMBER,
    agent_leg,
    call_seconds,
    end_all,
    fail,
    phone_leg,
    refused,
    unanswered,
)

if TYPE_CHECKING:
    from conv_analytics.sandbox.world.story import Story


def other_leg(story: Story, kind: str, address: str, direction: str = "outbound") -> Leg:
    """Make a member with a sip, vbc or websocket leg."""
    leg_id, user = story.dice.uuid(), story.people.agent(story.dice)
    theirs, ours = endpoint(kind, address), endpoint("phone", SERVICE_NUMBER)
    to, from_ = (theirs, ours) if direction == "outbound" else (ours, theirs)
    headers = {"X-Queue": "vip", "User-to-User": "34;encoding=hex"} if kind == "sip" else {}
    if kind == "sip":
        theirs |= {"username": "trunk", "password": "not-a-real-secret"}
    member = story.new_member(user, channel(leg_id, kind, to, from_, headers))
    leg = Leg(story, leg_id, kind, direction, member.channel, member, user.route, story.now)
    leg.fault = draw_fault(story, user.route) if story.dice.chance(0.3) else ""
    leg.start()
    return leg


def sip_call(story: Story) -> None:
    """Call a phone from a SIP trunk, now and then a VBC extension."""
    dice = story.dice
    trunk = other_leg(story, "sip", f"sip:{dice.between(100, 999)}@pbx.example.org", "inbound")
    assert trunk.member is not None
    story.join(trunk.member)
    trunk.ring()
    story.wait(0.5, 2)
    trunk.answer()
    story.connect_media(trunk.member)
    callee = (
        other_leg(story, "vbc", str(dice.between(100, 999)))
        if dice.chance(0.3)
        else phone_leg(story, story.people.customer(dice), "outbound")
    )
    assert callee.member is not None
    story.invite(callee.member, trunk.member, callee.id)
    troubled = refused(story, callee)
    if troubled or dice.chance(0.3) or unanswered(story, callee):
        fail(story, callee, network=troubled)
        end_all(story, [trunk])
        return
    callee.ring()
    story.wait(2, 18)
    callee.answer()
    story.join(callee.member)
    talk(story, [trunk, callee], call_seconds(story))
    end_all(story, [callee, trunk])


def voice_bot(story: Story) -> None:
    """Talk to a bot over a websocket: prompts, keys, speech; some calls are handed to an agent."""
    dice = story.dice
    caller = phone_leg(story, story.people.customer(dice), "inbound")
    assert caller.member is not None
    story.join(caller.member)
    caller.ring()
    story.wait(0.3, 1)
    caller.answer()
    story.connect_media(caller.member)
    bot = other_leg(story, "websocket", "wss://bot.example.net/socket")
    bot.answer()  # no ringing phase in practice (contract 8.5)
    for turn in range(dice.between(2, 4) + dice.long_tail(1, 40)):
        media.say(story, bot, stop=dice.chance(0.25))
        story.event("audio:speaking:on", caller.member, {"channel": caller.channel})
        if dice.chance(0.3):
            media.press(story, caller, turn)
        else:
            media.recognise(story, caller, keep=dice.chance(0.3))
        story.event("audio:speaking:off", caller.member, {"channel": caller.channel})
    if dice.chance(0.5):
        media.play(story, caller, stop=dice.chance(0.5))
    legs = [caller, bot]
    if dice.chance(0.35):
        legs = [caller, bot, agent_leg(story, story.people.agent(dice), caller.member)]
        talk(story, [caller, legs[-1]], call_seconds(story, 70))
    story.event("custom:bot-outcome", bot.member, {
        "Intent": dice.pick(("billing", "delivery", "unknown")), "slots": {"orderId": dice.between(1, 10**6)},
        "handed over": len(legs) > len((caller, bot)),
    })  # fmt: skip
    end_all(story, legs)


def recorded_call(story: Story) -> None:
    """Record a support call, with holds, mutes and keys."""
    dice = story.dice
    caller = phone_leg(story, story.people.customer(dice), "inbound")
    assert caller.member is not None
    story.join(caller.member)
    caller.ring()
    story.wait(0.5, 6)
    caller.answer()
    media.play(story, caller)
    media.say(story, caller)
    agent = agent_leg(story, story.people.agent(dice), caller.member)
    recording = media.start_recording(story, agent)
    talk(story, [caller, agent], call_seconds(story, 60))
    media.toggle(story, agent, "mute")
    media.toggle(story, agent, "earmuff")
    media.say(story, None, stop=True)
    media.play(story, caller, stop=True)
    media.press(story, caller, 1)
    media.recognise(story, caller, keep=True)
    talk(story, [caller, agent], call_seconds(story, 60))
    media.finish_recording(story, agent, recording, stop=dice.chance(0.7))
    end_all(story, [caller, agent])


def conference(story: Story) -> None:
    """Three to nine people in one long call, some of whom come back: the heavy tail of events."""
    dice = story.dice
    legs = []
    for _ in range(dice.between(3, 9)):
        leg = phone_leg(story, story.people.customer(dice), "inbound")
        assert leg.member is not None
        leg.ring()
        story.wait(0.5, 6)
        leg.answer()
        story.join(leg.member)
        story.connect_media(leg.member)
        legs.append(leg)
        story.wait(1, 60)
    recording = media.start_recording(story, legs[0])
    for _ in range(dice.long_tail(2.0, 20)):
        talk(story, legs, call_seconds(story, 240))
        media.toggle(story, dice.pick(legs), "mute")
    media.finish_recording(story, legs[0], recording)
    end_all(story, dice.shuffled(legs))
