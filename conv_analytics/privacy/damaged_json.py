"""Masks JSON that a decoder refuses: a tolerant parser loses only the broken value.

Nothing unreadable passes. It is replaced by a mark of another type than the value, so that the reader of the tables
finds it unreadable too, and quarantines the record.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from conv_analytics.privacy import exact_json
from conv_analytics.privacy.walk import Context, Rule, Walker
from conv_analytics.resources import scan

#: The last one: a number with an exponent beyond the range of a decimal.
REFUSED = (msgspec.MsgspecError, RecursionError, UnicodeDecodeError, ArithmeticError)
#: Deeper levels are not parsed, because each level scans all of its text. Records have seven. [levels]
_DEEPEST = 16
_NUMBER = re.compile(rb"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")


class Mender:
    """Masks JSON texts, broken ones included.

    Parameters
    ----------
    walker
        Masks the parts that can be decoded.
    mark
        Returns the mark for bytes that cannot be read, which does not reveal them.
    """

    def __init__(self, walker: Walker, mark: Callable[[bytes], Mapping[str, Any]]) -> None:
        self._walker, self._mark = walker, mark

    def mend(self, raw: bytes, rule: Rule, depth: int = 0) -> bytes:
        """A JSON text, masked by a rule."""
        raw = raw.strip()
        try:
            return exact_json.encode(self._walker.value(exact_json.decode(raw), rule))
        except REFUSED:
            pass
        if rule.keep:
            return raw
        try:
            if depth > _DEEPEST:
                return self._unreadable(raw)
            return self._by_hand(raw, rule, depth)
        except (ValueError, RecursionError):
            return self._unreadable(raw)

    def _by_hand(self, raw: bytes, rule: Rule, depth: int) -> bytes:
        if raw[:1] == b"{":
            return self._object(raw, rule, depth)
        if raw[:1] == b"[":
            return self._list(raw, rule, depth)
        return self._text(raw, rule) if raw[:1] == b'"' else self._number(raw, rule)

    def _object(self, raw: bytes, rule: Rule, depth: int) -> bytes:
        if rule.empty:
            return b"{}"
        members = scan.members(raw)
        context = self._record(members, rule.inside)
        parts = []
        for written, value in members.items():
            key = json.loads(f'"{written}"', strict=False)
            masked = self.mend(value, context[key], depth + 1)
            parts.append(json.dumps(self._walker.key(key, context)).encode() + b":" + masked)
        return b"{" + b",".join(parts) + b"}"

    def _record(self, members: dict[str, bytes], context: Context) -> Context:
        try:
            kind = exact_json.decode(members.get("type", b"null"))
        except REFUSED:
            kind = None
        return self._walker.context({"type": kind, **dict.fromkeys(members.keys() & {"body"})}, context)

    def _list(self, raw: bytes, rule: Rule, depth: int) -> bytes:
        if rule.empty:
            return b"[]"
        items = Rule(rule.texts, rule.each, numbers=rule.numbers, fits=rule.fits) if rule.each else rule
        return b"[" + b",".join(self.mend(item, items, depth + 1) for item in scan.items(raw)) + b"]"

    def _text(self, raw: bytes, rule: Rule) -> bytes:
        """Mask a text that is not Unicode: half an emoji, a control character, another encoding."""
        text = json.loads(raw.decode("utf-8", "surrogateescape"), strict=False)
        masked = rule.texts[text]
        return raw if masked == text else exact_json.encode(masked)

    def _number(self, raw: bytes, rule: Rule) -> bytes:
        """Mask a number beyond the range of any number type."""
        if not _NUMBER.fullmatch(raw):
            return self._unreadable(raw)
        masked = self._walker.number(raw.decode(), rule)
        return raw if masked == raw.decode() else exact_json.encode(masked)

    def _unreadable(self, raw: bytes) -> bytes:
        mark = self._mark(raw)
        return exact_json.encode(
            " ".join(map(str, ("unreadable", *mark.values()))) if raw[:1] == b"{" else {"unreadable": mark}
        )
