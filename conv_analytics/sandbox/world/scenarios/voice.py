"""Other voice calls: SIP trunks, VBC extensions, websocket bots, recorded calls, conferences (8.5, 8.6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conv_analytics.sandbox.world.legs import Leg, channel, draw_fault, endpoint
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
from conv_analytics.sandbox.world.talking import talk

if TYPE_CHECKING:
    from conv_analytics.sandbox.world.builder import ConversationBuilder


def other_leg(builder: ConversationBuilder, kind: str, address: str, direction: str = "outbound") -> Leg:
    """Make a member with a sip, vbc or websocket leg."""
    leg_id, user = builder.dice.uuid(), builder.people.agent(builder.dice)
    theirs, ours = endpoint(kind, address), endpoint("phone", SERVICE_NUMBER)
    to, from_ = (theirs, ours) if direction == "outbound" else (ours, theirs)
    headers = {"X-Queue": "vip", "User-to-User": "34;encoding=hex"} if kind == "sip" else {}
    if kind == "sip":
        theirs |= {"username": "trunk", "password": "not-a-real-secret"}
    member = builder.new_member(user, channel(leg_id, kind, to, from_, headers))
    leg = Leg(builder, leg_id, kind, direction, member.channel, member, user.route, builder.now)
    leg.fault = draw_fault(builder, user.route) if builder.dice.chance(0.3) else ""
    leg.start()
    return leg


def sip_call(builder: ConversationBuilder) -> None:
    """Call a phone from a SIP trunk, now and then a VBC extension."""
    dice = builder.dice
    trunk = other_leg(builder, "sip", f"sip:{dice.between(100, 999)}@pbx.example.org", "inbound")
    assert trunk.member is not None
    builder.join(trunk.member)
    trunk.ring()
    builder.wait(0.5, 2)
    trunk.answer()
    builder.connect_media(trunk.member)
    callee = (
        other_leg(builder, "vbc", str(dice.between(100, 999)))
        if dice.chance(0.3)
        else phone_leg(builder, builder.people.customer(dice), "outbound")
    )
    assert callee.member is not None
    builder.invite(callee.member, trunk.member, callee.id)
    troubled = refused(builder, callee)
    if troubled or dice.chance(0.3) or unanswered(builder, callee):
        fail(builder, callee, network=troubled)
        end_all(builder, [trunk])
        return
    callee.ring()
    builder.wait(2, 18)
    callee.answer()
    builder.join(callee.member)
    talk(builder, [trunk, callee], call_seconds(builder))
    end_all(builder, [callee, trunk])


def voice_bot(builder: ConversationBuilder) -> None:
    """Talk to a bot over a websocket: prompts, keys, speech; some calls are handed to an agent."""
    dice = builder.dice
    caller = phone_leg(builder, builder.people.customer(dice), "inbound")
    assert caller.member is not None
    builder.join(caller.member)
    caller.ring()
    builder.wait(0.3, 1)
    caller.answer()
    builder.connect_media(caller.member)
    bot = other_leg(builder, "websocket", "wss://bot.example.net/socket")
    bot.answer()  # no ringing phase in practice (contract 8.5)
    for turn in range(dice.between(2, 4) + dice.long_tail(1, 40)):
        media.say(builder, bot, stop=dice.chance(0.25))
        builder.event("audio:speaking:on", caller.member, {"channel": caller.channel})
        if dice.chance(0.3):
            media.press(builder, caller, turn)
        else:
            media.recognise(builder, caller, keep=dice.chance(0.3))
        builder.event("audio:speaking:off", caller.member, {"channel": caller.channel})
    if dice.chance(0.5):
        media.play(builder, caller, stop=dice.chance(0.5))
    legs = [caller, bot]
    if dice.chance(0.35):
        legs = [caller, bot, agent_leg(builder, builder.people.agent(dice), caller.member)]
        talk(builder, [caller, legs[-1]], call_seconds(builder, 70))
    builder.event("custom:bot-outcome", bot.member, {
        "Intent": dice.pick(("billing", "delivery", "unknown")), "slots": {"orderId": dice.between(1, 10**6)},
        "handed over": len(legs) > len((caller, bot)),
    })  # fmt: skip
    end_all(builder, legs)


def recorded_call(builder: ConversationBuilder) -> None:
    """Record a support call, with holds, mutes and keys."""
    dice = builder.dice
    caller = phone_leg(builder, builder.people.customer(dice), "inbound")
    assert caller.member is not None
    builder.join(caller.member)
    caller.ring()
    builder.wait(0.5, 6)
    caller.answer()
    media.play(builder, caller)
    media.say(builder, caller)
    agent = agent_leg(builder, builder.people.agent(dice), caller.member)
    recording = media.start_recording(builder, agent)
    talk(builder, [caller, agent], call_seconds(builder, 60))
    media.toggle(builder, agent, "mute")
    media.toggle(builder, agent, "earmuff")
    media.say(builder, None, stop=True)
    media.play(builder, caller, stop=True)
    media.press(builder, caller, 1)
    media.recognise(builder, caller, keep=True)
    talk(builder, [caller, agent], call_seconds(builder, 60))
    media.finish_recording(builder, agent, recording, stop=dice.chance(0.7))
    end_all(builder, [caller, agent])


def conference(builder: ConversationBuilder) -> None:
    """Three to nine people in one long call, some of whom come back: the heavy tail of events."""
    dice = builder.dice
    legs = []
    for _ in range(dice.between(3, 9)):
        leg = phone_leg(builder, builder.people.customer(dice), "inbound")
        assert leg.member is not None
        leg.ring()
        builder.wait(0.5, 6)
        leg.answer()
        builder.join(leg.member)
        builder.connect_media(leg.member)
        legs.append(leg)
        builder.wait(1, 60)
    recording = media.start_recording(builder, legs[0])
    for _ in range(dice.long_tail(2.0, 20)):
        talk(builder, legs, call_seconds(builder, 240))
        media.toggle(builder, dice.pick(legs), "mute")
    media.finish_recording(builder, legs[0], recording)
    end_all(builder, dice.shuffled(legs))
