"""Calls with a WebRTC app leg: app to phone, phone to app, transfer (contract 8.3, 8.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conv_analytics.sandbox.world.legs import Leg, channel, draw_fault, endpoint
from conv_analytics.sandbox.world.scenarios import media
from conv_analytics.sandbox.world.scenarios.calls import call_seconds, end_all, fail, phone_leg, refused, unanswered
from conv_analytics.sandbox.world.talking import talk

if TYPE_CHECKING:
    from conv_analytics.sandbox.world.builder import ConversationBuilder
    from conv_analytics.sandbox.world.people import User

SDP = "v=0\r\no=- 46117314 2 IN IP4 192.0.2.10\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"


def app_leg(builder: ConversationBuilder, user: User, direction: str, other: str) -> Leg:
    """Make a member with an app (WebRTC) leg."""
    leg_id = builder.dice.uuid()
    app, phone = endpoint("app", user.name), endpoint("phone", other)
    to, from_ = (phone, app) if direction == "inbound" else (app, phone)
    member = builder.new_member(user, channel(leg_id, "app", to, from_))
    member.knocking_id = builder.dice.uuid() if direction == "inbound" else None
    leg = Leg(builder, leg_id, "app", direction, member.channel, member, user.route, builder.now)
    leg.fault = draw_fault(builder, user.route) if builder.dice.chance(0.3) else ""
    leg.knocker = member.knocking_id
    leg.start()
    return leg


def connect_app(builder: ConversationBuilder, leg: Leg) -> None:
    """Exchange SDP and connect the app's audio."""
    assert leg.member is not None
    builder.event("rtc:answer", leg.member, {
        "answer": SDP, "rtc_id": leg.id, "session_destination": f"sd-{builder.dice.hex32()[:12]}",
        "isFromMB": False,
    })  # fmt: skip
    if leg.status_now != "ringing":
        builder.wait(0.1, 0.8)
        leg.ring()
    builder.wait(0.1, 2)
    leg.answer()


def app_to_phone(builder: ConversationBuilder) -> None:
    """Call a customer's phone from an agent's app."""
    dice = builder.dice
    customer = builder.people.customer(dice)
    app = app_leg(builder, builder.people.agent(dice), "inbound", customer.number)
    assert app.member is not None
    builder.join(app.member, by_admin=False)
    builder.wait(0.1, 0.6)
    connect_app(builder, app)
    phone = phone_leg(builder, customer, "outbound")
    assert phone.member is not None
    builder.invite(phone.member, app.member, phone.id)
    builder.wait(0.4, 4)
    troubled = refused(builder, phone)
    if troubled or dice.chance(0.25) or unanswered(builder, phone):
        fail(builder, phone, network=troubled)
        end_all(builder, [app])
        return
    phone.ring()
    builder.wait(3, 20)
    phone.answer()
    builder.join(phone.member)
    builder.connect_media(phone.member)
    builder.connect_media(app.member)
    talk(builder, [app, phone], call_seconds(builder, 40))
    media.toggle(builder, app, dice.pick(("mute", "mute", "earmuff")))
    if dice.chance(0.3):
        media.press(builder, app, 1)
    end_all(builder, [app, phone] if dice.chance(0.5) else [phone, app])


def phone_to_app(builder: ConversationBuilder) -> None:
    """Bring a customer's phone call to an agent's app (the live log of contract 8.4)."""
    dice = builder.dice
    caller = phone_leg(builder, builder.people.customer(dice), "inbound")
    assert caller.member is not None
    builder.join(caller.member)
    app = app_leg(builder, builder.people.agent(dice), "outbound", caller.member.user.number)
    assert app.member is not None
    builder.invite(app.member, caller.member, app.id)
    builder.wait(0.1, 1)
    app.ring()
    builder.wait(1, 18)
    if dice.chance(0.1):
        builder.event("rtc:terminate", app.member, {"rtc_id": app.id, "reason": "declined"})
        app.hang_up("REMOTE_REJECTED", 603, "Decline")
        app.status("rejected", "rejected")
        caller.hang_up("LOCAL_HANGUP", 480, "No answer")
        caller.status("failed", "temporarily_unavailable")
        builder.leave(app.member, "rejected", "declined")
        builder.leave(caller.member, "rejected", "nobody there")
        return
    builder.join(app.member, by_admin=False)
    connect_app(builder, app)
    caller.answer()
    builder.connect_media(app.member)
    builder.connect_media(caller.member)
    talk(builder, [caller, app], call_seconds(builder))
    end_all(builder, [caller, app])


def transfer(builder: ConversationBuilder) -> None:
    """Move a call to another agent: rtc:transfer, the old leg is terminated."""
    dice = builder.dice
    caller = phone_leg(builder, builder.people.customer(dice), "inbound")
    assert caller.member is not None
    builder.join(caller.member)
    first = app_leg(builder, builder.people.agent(dice), "outbound", caller.member.user.number)
    connect_app(builder, first)
    caller.answer()
    talk(builder, [caller, first], call_seconds(builder, 40))
    media.play(builder, caller, stop=True)
    second = app_leg(builder, builder.people.agent(dice), "outbound", caller.member.user.number)
    assert first.member is not None
    assert second.member is not None
    builder.event("rtc:transfer", second.member, {
        "was_member": first.member.id, "user_id": second.member.user.id,
        "transferred_from": f"CON-{dice.uuid()}", "channel": second.channel,
    })  # fmt: skip
    connect_app(builder, second)
    builder.join(second.member, by_admin=False)
    builder.event("rtc:terminate", first.member, {"rtc_id": first.id, "reason": "transferred"})
    first.hang_up("LOCAL_HANGUP", 200)
    first.status("completed", "ok")
    builder.leave(first.member, "transfer", "transferred")
    talk(builder, [caller, second], call_seconds(builder, 60))
    end_all(builder, [second, caller])
    first.bill()
