"""What the keys of a Voice webhook hold that mean something else, or nothing, in the Conversation API (contract 6)."""

from __future__ import annotations

from collections.abc import Mapping

from conv_analytics.privacy.contexts import Meaning, Plain
from conv_analytics.privacy.rules import Kind
from conv_analytics.privacy.walk import Context, Rule, Walker

_VOICE: Mapping[str, Meaning] = {
    "call_uuid": Plain.ID,
    "conversation_uuid": Plain.ID,
    "conversation_uuid_from": Plain.ID,
    "conversation_uuid_to": Plain.ID,
    "recording_uuid": Plain.ID,
    # Of a call that was not answered, why: a word, where the Conversation API has the sentence of an error.
    "detail": Plain.WORD,
    "sub_state": Plain.WORD,
    "disconnected_by": Plain.WORD,
    "endpoint_type": Plain.WORD,
    "network": Plain.NETWORK,
    "timed_out": Plain.NUMBER,
    "recording_url": Kind.URL,
    "region_url": Kind.URL,
    "payload": Kind.CUSTOM,
    "dtmf": Kind.DTMF,
    "speech": Kind.TEXT,
    "original_request": Kind.URL,
}
#: Keys whose objects have keys of this table, too.
_OBJECTS = ("dtmf", "speech", "original_request")


def voice_rule(walker: Walker) -> Rule:
    """The rule of a Voice webhook's body."""
    context = Context(walker.unknown, walker.known)
    context |= {key: walker.rule_for(key, what, walker.known) for key, what in _VOICE.items()}
    for key in _OBJECTS:
        rule = context[key]
        if rule.keep or rule.empty:
            continue
        placed = Rule(rule.texts, context, numbers=rule.numbers, fits=rule.fits)
        context[key] = placed
    return Rule(walker.unknown.texts, context)
