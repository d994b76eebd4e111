"""The scenarios of the sandbox's world, one function each, and how often they are dealt.

Forty cards make a deck: every forty conversations hold every scenario, in a drawn order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from conv_analytics.sandbox.world.scenarios import app_calls, calls, chat, quiet, voice

if TYPE_CHECKING:
    from collections.abc import Callable

    from conv_analytics.sandbox.world.builder import ConversationBuilder

    Scenario = Callable[[ConversationBuilder], None]

CARDS: tuple[tuple[Scenario, int], ...] = (
    (calls.inbound_phone, 8),
    (calls.outbound_phone, 8),
    (app_calls.app_to_phone, 4),
    (app_calls.phone_to_app, 3),
    (app_calls.transfer, 1),
    (voice.sip_call, 2),
    (voice.voice_bot, 4),
    (voice.recorded_call, 2),
    (voice.conference, 1),
    (chat.chat, 1),
    (chat.channel_messages, 2),
    (quiet.empty, 1),
    (quiet.waiting, 1),
    (quiet.inactive, 1),
    (quiet.strange, 1),
)
DECK: tuple[Scenario, ...] = tuple(scenario for scenario, copies in CARDS for _ in range(copies))
#: Calls that can run in a transient conversation; a conference has the `conversation` action, and so a named one.
TRANSIENT: frozenset[Scenario] = frozenset({
    calls.inbound_phone, calls.outbound_phone, app_calls.app_to_phone, app_calls.phone_to_app, app_calls.transfer,
    voice.sip_call, voice.voice_bot, voice.recorded_call,
})  # fmt: skip

__all__ = ["CARDS", "DECK", "TRANSIENT"]
