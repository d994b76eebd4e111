"""Talk: the legs of a call speak in turns until it is over, or until a planted cause cuts it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conv_analytics.sandbox.world.active_causes import ActiveCauses
    from conv_analytics.sandbox.world.builder import ConversationBuilder
    from conv_analytics.sandbox.world.legs import Leg

#: After this many turns the talk goes on, but is no longer logged.
MOST_TURNS = 160
#: A turn of talk, and its pauses, are over within this time.
TURN_MS = 14_000


def talk(builder: ConversationBuilder, legs: list[Leg], seconds: float) -> None:
    """Let the legs talk in turns for some seconds: audio:speaking:on/off until the time is over."""
    until, causes = builder.now + int(seconds * 1000), builder.causes
    cut = causes.cut(_answers(legs)) if causes is not None else None
    if cut is not None and builder.now < cut < until:
        _take_turns(builder, legs, cut - TURN_MS)
        builder.now = max(builder.now, cut)
        return
    _take_turns(builder, legs, until)
    if causes is not None:
        _speak_muted(builder, legs, causes)
    builder.now = max(builder.now, until)


def _answers(legs: list[Leg]) -> list[tuple[str, int]]:
    return [(leg.route.network, leg.answered_at) for leg in legs if leg.kind == "phone" and leg.answered_at is not None]


def _take_turns(builder: ConversationBuilder, legs: list[Leg], until: int) -> None:
    """Let the legs speak one after the other; no turn begins after `until` [ms]."""
    turn, logged = 0, 0
    while builder.now < until and logged < MOST_TURNS:
        leg = legs[turn % len(legs)]
        builder.wait(0.2, 2.0)
        builder.event("audio:speaking:on", leg.member, {"channel": leg.channel})
        builder.wait(0.8, 9.0)
        builder.event("audio:speaking:off", leg.member, {"channel": leg.channel})
        turn, logged = turn + builder.dice.pick((1, 1, 1, 2)), logged + 1


def _speak_muted(builder: ConversationBuilder, legs: list[Leg], causes: ActiveCauses) -> None:
    """Let the agents whom the causes name speak while they are muted."""
    for leg in legs:
        member = leg.member
        if member is None or not causes.speaks_muted(member.user):
            continue
        channel, dice = {"channel": leg.channel}, causes.dice
        builder.event("audio:mute:on", member, {"rtc_id": leg.id})
        for _ in range(dice.between(1, 3)):
            builder.now += dice.between(400, 2500)
            builder.event("audio:speaking:on", member, channel)
            builder.now += dice.between(900, 4000)
            builder.event("audio:speaking:off", member, channel)
        builder.now += dice.between(300, 1500)
        builder.event("audio:mute:off", member, {"rtc_id": leg.id})
