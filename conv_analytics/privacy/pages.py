"""The quick way through a page of events: what repeats from event to event is masked once.

Who sent an event and the channel of its leg stand in every event of a leg, letter for letter. So an event is cut into
its members as text, its body again, and each text that came before under the same rule is taken from memory. What comes
out is what `conv_analytics.privacy.walk` alone would give.
"""

from __future__ import annotations

import re

import msgspec

from conv_analytics.privacy.walk import Context, Rule, Walker

#: So many texts of one rule are remembered before all of them are forgotten. [texts]
_REMEMBERED = 4096
#: Longer ones do not repeat. [B]
_LONGEST = 2048

_page = msgspec.json.Decoder(dict[str, msgspec.Raw])
_object = msgspec.json.Decoder(dict[str, list[dict[str, msgspec.Raw]]])
_list = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])
_body = msgspec.json.Decoder(dict[str, msgspec.Raw])
_INSTANT = re.compile(rb'"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{8,20}(?:Z|[+-][0-9]{2}:?[0-9]{2})?"')

Members = dict[str, msgspec.Raw]


class Pages:
    """Masks pages of events; raises what msgspec raises for anything else, and for what it cannot read."""

    def __init__(self, walker: Walker) -> None:
        self._walker = walker
        self._known: dict[Rule, dict[bytes, bytes]] = {}
        self._contexts: dict[bytes, Context] = {}
        self._root = walker.page.inside
        record = self._root["_embedded"].each
        assert record is not None
        self._record = record

    def page(self, body: bytes) -> bytes:
        """A page of events, masked."""
        members = _page.decode(body)
        embedded = bytes(members.get("_embedded", b""))
        if embedded.startswith(b"["):
            events = self._events(_list.decode(embedded))
        else:
            lists = _object.decode(embedded)
            if list(lists) != ["events"]:
                raise msgspec.ValidationError("no page of events")
            events = b'{"events":' + self._events(lists["events"]) + b"}"
        parts = [
            self._head(key, self._root) + (events if key == "_embedded" else self._value(bytes(raw), self._root[key]))
            for key, raw in members.items()
        ]
        return b"{" + b",".join(parts) + b"}"

    def _events(self, events: list[Members]) -> bytes:
        return b"[" + b",".join([self._event(event) for event in events]) + b"]"

    def _event(self, event: Members) -> bytes:
        context = self._record
        if "body" in event:
            kind = bytes(event.get("type", b"null"))
            known = self._contexts.get(kind)
            if known is None:
                if len(self._contexts) >= _REMEMBERED:
                    self._contexts.clear()
                known = self._walker.context({"type": msgspec.json.decode(kind), "body": None}, context)
                self._contexts[kind] = known
            context = known
        parts = []
        for key, raw in event.items():
            text = bytes(raw)
            rule = context[key]
            deeper = key == "body" and text.startswith(b"{") and not rule.empty and not rule.keep
            masked = self._inside(text, rule.inside) if deeper else self._value(text, rule)
            parts.append(self._head(key, context) + masked)
        return b"{" + b",".join(parts) + b"}"

    def _inside(self, body: bytes, context: Context) -> bytes:
        parts = [
            self._head(key, context) + self._value(bytes(raw), context[key]) for key, raw in _body.decode(body).items()
        ]
        return b"{" + b",".join(parts) + b"}"

    def _value(self, text: bytes, rule: Rule) -> bytes:
        memory = self._known.get(rule)
        if memory is None:
            memory = self._known[rule] = {}
        masked = memory.get(text)
        if masked is None:
            if rule.instant and _INSTANT.fullmatch(text):
                return text
            if rule.empty and text.startswith(b"{"):
                return b"{}"
            masked = msgspec.json.encode(self._walker.value(msgspec.json.decode(text), rule))
            if len(text) <= _LONGEST:
                if len(memory) >= _REMEMBERED:
                    memory.clear()
                memory[text] = masked
        return masked

    def _head(self, key: str, context: Context) -> bytes:
        head = context.heads.get(key)
        if head is None:
            head = msgspec.json.encode(self._walker.key(key, context)) + b":"
            if key in context:
                context.heads[key] = head
        return head
