"""Calls with a WebRTC app leg: app to phone, phone to app, transfer (contract 8.3, 8.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conv_analytics.sandbox.world.legs import Leg, channel, draw_fault, endpoint, talk
from conv_analytics.sandbox.world.scenarios import media
from conv_analytics.sandbox.world.scenarios.calls import call_seconds, end_all, fail, phone_leg, refused, unanswered

if TYPE_CHECKING:
    from conv_analytics.sandbox.world.people import User
    from conv_analytics.sandbox.world.story import Story

SDP = "v=0\r\no=- 46117314 2 IN IP4 192.0.2.10\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"


def app_leg(story: Story, user: User, direction: str, other: str) -> Leg:
    """Make a member with an app (WebRTC) leg."""
    leg_id = story.dice.uuid()
    app, phone = endpoint("app", user.name), endpoint("phone", other)
    to, from_ = (phone, app) if direction == "inbound" else (app, phone)
    member = story.new_member(user, channel(leg_id, "app", to, from_))
    member.knocking_id = story.dice.uuid() if direction == "inbound" else None
    leg = Leg(story, leg_id, "app", direction, member.channel, member, user.route, story.now)
    leg.fault = draw_fault(story, user.route) if story.dice.chance(0.3) else ""
    leg.knocker = member.knocking_id
    leg.start()
    return leg


def connect_app(story: Story, leg: Leg) -> None:
    """Exchange SDP and connect the app's audio."""
    assert leg.member is not None
    story.event("rtc:answer", leg.member, {
        "answer": SDP, "rtc_id": leg.id, "session_destination": f"sd-{story.dice.hex32()[:12]}",
        "isFromMB": False,
    })  # fmt: skip
    if leg.status_now != "ringing":
        story.wait(0.1, 0.8)
        leg.ring()
    story.wait(0.1, 2)
    leg.answer()


def app_to_phone(story: Story) -> None:
    """Call a customer's phone from an agent's app."""
    dice = story.dice
    customer = story.people.customer(dice)
    app = app_leg(story, story.people.agent(dice), "inbound", customer.number)
    assert app.member is not None
    story.join(app.member, by_admin=False)
    story.wait(0.1, 0.6)
    connect_app(story, app)
    phone = phone_leg(story, customer, "outbound")
    assert phone.member is not None
    story.invite(phone.member, app.member, phone.id)
    story.wait(0.4, 4)
    troubled = refused(story, phone)
    if troubled or dice.chance(0.25) or unanswered(story, phone):
        fail(story, phone, network=troubled)
        end_all(story, [app])
        return
    phone.ring()
    story.wait(3, 20)
    phone.answer()
    story.join(phone.member)
    story.connect_media(phone.member)
    story.connect_media(app.member)
    talk(story, [app, phone], call_seconds(story, 40))
    media.toggle(story, app, dice.pick(("mute", "mute", "earmuff")))
    if dice.chance(0.3):
        media.press(story, app, 1)
    end_all(story, [app, phone] if dice.chance(0.5) else [phone, app])


def phone_to_app(story: Story) -> None:
    """Bring a customer's phone call to an agent's app (the live log of contract 8.4)."""
    dice = story.dice
    caller = phone_leg(story, story.people.customer(dice), "inbound")
    assert caller.member is not None
    story.join(caller.member)
    app = app_leg(story, story.people.agent(dice), "outbound", caller.member.user.number)
    assert app.member is not None
    story.invite(app.member, caller.member, app.id)
    story.wait(0.1, 1)
    app.ring()
    story.wait(1, 18)
    if dice.chance(0.1):
        story.event("rtc:terminate", app.member, {"rtc_id": app.id, "reason": "declined"})
        app.hang_up("REMOTE_REJECTED", 603, "Decline")
        app.status("rejected", "rejected")
        caller.hang_up("LOCAL_HANGUP", 480, "No answer")
        caller.status("failed", "temporarily_unavailable")
        story.leave(app.member, "rejected", "declined")
        story.leave(caller.member, "rejected", "nobody there")
        return
    story.join(app.member, by_admin=False)
    connect_app(story, app)
    caller.answer()
    story.connect_media(app.member)
    story.connect_media(caller.member)
    talk(story, [caller, app], call_seconds(story))
    end_all(story, [caller, app])


def transfer(story: Story) -> None:
    """Move a call to another agent: rtc:transfer, the old leg is terminated."""
    dice = story.dice
    caller = phone_leg(story, story.people.customer(dice), "inbound")
    assert caller.member is not None
    story.join(caller.member)
    first = app_leg(story, story.people.agent(dice), "outbound", caller.member.user.number)
    connect_app(story, first)
    caller.answer()
    talk(story, [caller, first], call_seconds(story, 40))
    media.play(story, caller, stop=True)
    second = app_leg(story, story.people.agent(dice), "outbound", caller.member.user.number)
    assert first.member is not None
    assert second.member is not None
    story.event("rtc:transfer", second.member, {
        "was_member": first.member.id, "user_id": second.member.user.id,
        "transferred_from": f"CON-{dice.uuid()}", "channel": second.channel,
    })  # fmt: skip
    connect_app(story, second)
    story.join(second.member, by_admin=False)
    story.event("rtc:terminate", first.member, {"rtc_id": first.id, "reason": "transferred"})
    first.hang_up("LOCAL_HANGUP", 200)
    first.status("completed", "ok")
    story.leave(first.member, "transfer", "transferred")
    talk(story, [caller, second], call_seconds(story, 60))
    end_all(story, [second, caller])
    first.bill()
