"""Makes texts safe to show: without tokens and keys, and of limited length."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

#: An error text longer than this is cut (contract 4.3).
TEXT_LIMIT = 500

#: Minimum length of the first part of a token.
SHORTEST_TOKEN = 8

# A possible token with the characters around it. It starts only where no such character precedes it: otherwise a long
# text without a dot would be scanned again from each of its characters.
_DOTTED = re.compile(r"(?<![\w-])[\w-]++(?:\.[\w-]*+)++")
_SECRETS = (
    (
        re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)", re.DOTALL),
        "[key]",
    ),
    (re.compile(r"(?i)\b(api_secret|api_key|sig|access_token|token)=[^&\s\"']+"), r"\1=[secret]"),
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{8,}"), r"\1 [secret]"),
    (re.compile(r"(?i)\b(https?|socks\w{0,2})://[^\s/\"'<>]*@"), r"\1://[secret]@"),
)
_TAG = re.compile(r"<[^<>]*>")


class HiddenText(str):
    """A text whose repr hides it, so that tracebacks that show locals do too."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'[secret]'"


class HiddenBytes(bytes):
    """Bytes whose repr hides them, so that tracebacks that show locals do too."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "b'[secret]'"


def safe_repr(method: Callable[[T], str]) -> Callable[[T], str]:
    """Make a ``__repr__`` work on an object whose ``__init__`` failed: tracebacks that show locals call it."""

    @functools.wraps(method)
    def guarded(self: T) -> str:
        try:
            return method(self)
        except AttributeError:
            return f"<{type(self).__name__}, not made>"

    return guarded


def redact(text: str) -> str:
    """Remove tokens, keys, passwords of proxies and control characters from a text that is about to be shown.

    Takes time in proportion to the text's length, whatever is in it.

    >>> redact("bad token eyJhbGciOi.eyJpYXQ.c2ln in /v1?api_secret=abc")
    'bad token [token] in /v1?api_secret=[secret]'
    >>> redact("no way through http://user:secret@proxy.example:3128")
    'no way through http://[secret]@proxy.example:3128'
    """
    text = _DOTTED.sub(_without_token, text)
    for pattern, label in _SECRETS:
        text = pattern.sub(label, text)
    return "".join(character if character.isprintable() else " " for character in text)


def shorten(text: str) -> str:
    """A text on one line, redacted, of at most `TEXT_LIMIT` characters."""
    text = " ".join(redact(text).split())
    return text if len(text) <= TEXT_LIMIT else f"{text[: TEXT_LIMIT - 3]}..."


def strip_tags(text: str) -> str:
    """A page of HTML without its tags.

    >>> strip_tags("<h1>502 Bad Gateway</h1>").strip()
    '502 Bad Gateway'
    """
    return _TAG.sub(" ", text)


def _without_token(match: re.Match[str]) -> str:
    """A text with its tokens replaced; each dotted part is searched from its first ``eyJ`` only."""
    parts, kept, n = match[0].split("."), [], 0
    while n < len(parts):
        start = parts[n].find("eyJ")
        if start >= 0 and len(parts[n]) - start >= SHORTEST_TOKEN and any(parts[n + 1 : n + 2]):
            kept.append(f"{parts[n][:start]}[token]")
            n += 3
        else:
            kept.append(parts[n])
            n += 1
    return ".".join(kept)
