"""The fast path for a page of events: parts that repeat from event to event are masked once.

The sender and the channel are the same, letter for letter, in every event of a leg. So an event and its body are split
into members as text, and a text that was masked before under the same rule is taken from a cache. The result is the
same as that of `conv_analytics.privacy.walk` alone.
"""

from __future__ import annotations

import re

import msgspec

from conv_analytics.privacy import exact_json
from conv_analytics.privacy.walk import Context, Walker

#: Texts of one key that are cached before the cache is cleared. [texts]
_REMEMBERED = 4096
#: Longer ones do not repeat. [B]
_LONGEST = 2048

_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_lists = msgspec.json.Decoder(dict[str, list[dict[str, msgspec.Raw]]])
_list = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])
_LINKS, _NO_LINKS = "_links", b'"_links":{}'
_INSTANT = re.compile(rb'"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{8,20}(?:Z|[+-][0-9]{2}:?[0-9]{2})?"')

Members = dict[str, msgspec.Raw]


class Pages:
    """Masks pages of events; raises the errors of msgspec for anything else."""

    def __init__(self, walker: Walker) -> None:
        self._walker = walker
        self._contexts: dict[bytes, Context] = {}
        self._root = walker.page.inside
        record = self._root["_embedded"].each
        assert record is not None
        self._record = record

    def page(self, body: bytes) -> bytes:
        """A page of events, masked."""
        members = _object.decode(body)
        embedded = bytes(members.get("_embedded", b""))
        if embedded.startswith(b"["):
            events = self._events(_list.decode(embedded))
        else:
            lists = _lists.decode(embedded)
            if list(lists) != ["events"]:
                raise msgspec.ValidationError("not a page of events")
            events = b'{"events":' + self._events(lists["events"]) + b"}"
        parts = [
            b'"_embedded":' + events if key == "_embedded" else self._member(key, bytes(raw), self._root)
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
                known = self._walker.context({"type": exact_json.decode(kind), "body": None}, context)
                self._contexts[kind] = known
            context = known
        return self._members(event, context)

    def _members(self, members: Members, context: Context) -> bytes:
        """Mask an object; members that were masked before are taken from the cache."""
        slots, parts = context.slots, []
        for key, raw in members.items():
            if key == _LINKS and key in context:
                # Links differ every time, and are emptied.
                parts.append(_NO_LINKS)
                continue
            text = bytes(raw)
            slot = slots.get(key)
            part = slot.get(text) if slot else None
            parts.append(part or self._member(key, text, context))
        return b"{" + b",".join(parts) + b"}"

    def _member(self, key: str, text: bytes, context: Context) -> bytes:
        rule = context[key]
        part = context.heads.get(key) or self._head(key, context)
        if rule.instant and _INSTANT.fullmatch(text):
            # Instants hardly ever repeat.
            return part + text
        if key == "body" and text.startswith(b"{") and not rule.empty and not rule.keep:
            part += self._members(_object.decode(text), rule.inside)
        else:
            part += exact_json.encode(self._walker.value(exact_json.decode(text), rule))
        if key in context and len(text) <= _LONGEST:
            slot = context.slots.setdefault(key, {})
            if len(slot) >= _REMEMBERED:
                slot.clear()
            slot[text] = part
        return part

    def _head(self, key: str, context: Context) -> bytes:
        head = exact_json.encode(self._walker.key(key, context)) + b":"
        if key in context:
            context.heads[key] = head
        return head
