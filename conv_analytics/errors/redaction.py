"""What may be shown: texts without tokens and keys, and not endlessly long."""

from __future__ import annotations

import re

#: An error text longer than this is cut (contract 4.3).
TEXT_LIMIT = 500

_SECRETS = (
    (re.compile(r"eyJ[\w-]{5,}\.[\w-]+(?:\.[\w-]*)?"), "[token]"),
    (
        re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)", re.DOTALL),
        "[key]",
    ),
    (re.compile(r"(?i)\b(api_secret|api_key|sig|access_token|token)=[^&\s\"']+"), r"\1=[secret]"),
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{8,}"), r"\1 [secret]"),
)


def redact(text: str) -> str:
    """Take tokens, keys and control characters out of a text that is about to be shown.

    >>> redact("bad token eyJhbGciOi.eyJpYXQ.c2ln in /v1?api_secret=abc")
    'bad token [token] in /v1?api_secret=[secret]'
    """
    for pattern, label in _SECRETS:
        text = pattern.sub(label, text)
    return "".join(character if character.isprintable() else " " for character in text)


def cut(text: str) -> str:
    """A text on one line, redacted, of at most `TEXT_LIMIT` characters."""
    text = " ".join(redact(text).split())
    return text if len(text) <= TEXT_LIMIT else f"{text[: TEXT_LIMIT - 3]}..."
