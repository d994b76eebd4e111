"""Masking of what is shown: people are left out before anything is drawn, so that no file has them either.

It keeps a picture that is shown around from showing people. It is no protection against somebody who tries numbers
out: for that, export with a mask (`conv_analytics.privacy`), whose tokens are shown as they are.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from conv_analytics.privacy.phones import calling_code, digits_of
from conv_analytics.privacy.rules import Action, Kind
from conv_analytics.privacy.shapes import API_ID, NOBODY, REFERENCE, UUID
from conv_analytics.privacy.tokens import Tokens
from conv_analytics.privacy.walk import Walker

#: So many digits of a number are left, and so many of a hash: enough to tell lanes apart, too few to tell people.
_LAST, _HASH = 4, 3
_DOT = "\u2022"
#: What a masked export has in the place of values.
_TOKEN = re.compile(r"[0-9]{0,3}x[0-9a-f]{16}|[a-z]_[0-9a-f]{16}(?:_[0-9]+)?")
_MAIL = re.compile(r"(?:sips?:|mailto:)?[\w.+%-]+@[\w.-]+|sips?:[^\s;,>]+")
_IP = re.compile(
    r"(?<![\w.])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?![\w.])|(?<![\w:])(?:[0-9a-fA-F]{0,4}:){3,7}[0-9a-fA-F]{0,4}(?![\w:])"
)
_NUMBER = re.compile(r"(?<![\w-])\+?[0-9](?:[\s().-]?[0-9]){6,14}(?![\w-])")
_URL = re.compile(r"[a-z][a-z0-9+.-]{1,15}://[^\s\"'<>]+", re.IGNORECASE)


class _Shown(Tokens):
    """Tokens for people's eyes."""

    def __init__(self) -> None:
        super().__init__(b"")

    def hexes(self, space: str, value: str) -> str:
        return _hash(f"{space}:{value}")

    def phone(self, digits: str) -> str:
        return phone(digits)

    def person(self, value: str) -> str:
        digits = digits_of(value)
        return f"name#{_hash(value.strip())}" if digits is None else phone(digits)

    def extension(self, value: str) -> str:
        digits = digits_of(value)
        return f"{_DOT * 3}#{_hash(value.strip())}" if digits is None else phone(digits)

    def text(self, value: str) -> str:
        return f"({len(value)} characters)"

    def other(self, letter: str, value: str) -> str:  # noqa: ARG002 - the base class has it
        digits = digits_of(value)
        return f"({len(value)} characters)" if digits is None else phone(digits)

    def address(self, value: str) -> str:
        return f"address#{_hash(value.strip().lower())}"

    def url(self, value: str) -> str:
        return f"{value.partition(':')[0].lower()}://{_DOT * 3}#{_hash(value)}"

    def uri(self, value: str) -> str:
        if _URL.match(value.strip()):
            return self.url(value)
        scheme, colon, rest = value.strip(" <>").partition(":")
        user = (rest if colon else scheme).partition("@")[0]
        return f"{scheme}:{self.person(user)}" if colon else self.person(user)


def phone(digits: str) -> str:
    """A number with the middle left out, and a short hash that tells it from others.

    >>> phone("447700901234"), phone("02079460018")
    ('+44***1234#b5b', '***0018#c7e')
    """
    code = calling_code(digits)
    return f"{f'+{code}' if code else ''}***{digits[-_LAST:]}#{_hash(digits)}"


class Display:
    """What is shown of people.

    Parameters
    ----------
    on
        False shows everything as it is, and says so.

    Examples
    --------
    >>> display = Display()
    >>> display.party("447700901234"), display.text("call 447700901234 or bob@example.org")
    ('+44***1234#b5b', 'call +44***1234#b5b or name#81b')
    >>> Display(on=False).party("447700901234")
    '447700901234'
    """

    def __init__(self, *, on: bool = True) -> None:
        self.on = on
        self._tokens = _Shown()
        # One pressed key is one of sixteen: a hash would tell it.
        rules = dict.fromkeys(Kind, Action.HASH) | {Kind.DTMF: Action.DROP}
        self._walker = Walker(self._tokens, rules)
        self._names: dict[str, str] = {}

    def know(self, names: Iterable[str]) -> None:
        """Names of people: they are masked in every text from now on."""
        for name in names:
            if self.on and len(name.strip()) > 1 and self.party(name) != name:
                self._names[name] = self.party(name)

    def party(self, value: str) -> str:
        """A number, an address, a name, whichever it is."""
        bare = value.strip()
        if not self.on or bare.lower() in NOBODY or REFERENCE.fullmatch(bare) or _made(bare):
            return value
        digits = digits_of(bare)
        if digits is not None:
            return phone(digits)
        if _IP.fullmatch(bare):
            return self._tokens.address(bare)
        return self._tokens.uri(bare) if _URL.match(bare) or _MAIL.fullmatch(bare) else self._tokens.person(bare)

    def digits(self, value: str) -> str:
        """Pressed keys: one dot each."""
        return _DOT * len(value) if self.on else value

    def text(self, value: str) -> str:
        """Words that may hold names, numbers, addresses of SIP, mail, the web or the network."""
        if not self.on:
            return value
        for name in sorted(self._names, key=len, reverse=True):
            value = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", self._names[name], value)
        for pattern in (_URL, _MAIL, _IP, _NUMBER):
            value = pattern.sub(lambda found: self.party(found[0]), value)
        return value

    def body(self, kind: str, body: str | None) -> Any:
        """The body of an event: what is known to tell of nobody stays, all else becomes a token or a length."""
        if body is None:
            return None
        try:
            found = json.loads(body)
        except ValueError:
            return self._tokens.text(body) if self.on else body
        if not self.on:
            return found
        record: Mapping[str, Any] = {"_embedded": {"events": [{"type": kind, "body": found}]}}
        return self._walker.value(record, self._walker.page)["_embedded"]["events"][0]["body"]


def _made(value: str) -> bool:
    """Whether a machine made it: an id, or a token of a masked export."""
    return any(shape.fullmatch(value) for shape in (API_ID, UUID, _TOKEN))


def _hash(value: str) -> str:
    return hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH]


__all__ = ["Display", "phone"]
