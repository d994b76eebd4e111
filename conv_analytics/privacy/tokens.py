"""Tokens that replace values: short keyed HMACs, readable enough to show what kind of value was there."""

from __future__ import annotations

import hmac
import re
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import unquote

from conv_analytics.privacy.characters import plain
from conv_analytics.privacy.identifiers import opaque, prefix
from conv_analytics.privacy.personal_patterns import is_ip
from conv_analytics.privacy.phones import calling_code, digits_of

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV

#: Sixteen hexadecimal digits are 64 bits: among ten million values, two share a token once in 370,000 exports.
_HEX = 16
_SIP = frozenset({"sip", "sips"})
_HOST = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?", re.IGNORECASE)
_DIGITS = re.compile(r"(?:[0-9][-._]?){7}")
#: The token of an id, and its part that holds the id itself.
_ID_TOKEN = re.compile(r"(?:.*[-_.:])?i_([0-9a-f]{34,})")
_URL = re.compile(r"([a-z][a-z0-9+.-]{0,15})://([^/?#]*)", re.IGNORECASE)


class Tokens:
    """Makes the tokens of one key."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def hexes(self, space: str, value: str) -> str:
        """The hexadecimal part of a token; values of different spaces never share one."""
        message = f"{space}:{value}".encode("utf-8", "surrogatepass")
        return hmac.digest(self._key, message, "sha256").hex()[:_HEX]

    def phone(self, digits: str) -> str:
        """The token of a phone number: its country calling code, an x, and hexadecimal digits."""
        return f"{calling_code(digits)}x{self.hexes('phone', digits)}"

    def person(self, value: str) -> str:
        """The token of a name; when the name is a phone number, the token of that number, for it is the same person."""
        digits = digits_of(value)
        return f"n_{self.hexes('name', plain(value).strip())}" if digits is None else self.phone(digits)

    def extension(self, value: str) -> str:
        """The token of an extension, which is too short to have a country."""
        digits = digits_of(value)
        return f"x{self.hexes('phone', plain(value).strip())}" if digits is None else self.phone(digits)

    def identifier(self, value: str) -> str:
        """The token of an id that is not machine-made, because it may contain a name or a number.

        Requests need ids. So this token is the id itself, encrypted with the key: `original` decrypts it.
        """
        if opaque(value):
            return value
        hidden = self._cipher.encrypt(value.encode("utf-8", "surrogatepass"), [b"id"])
        return f"{prefix(value)}i_{hidden.hex()}"

    def original(self, token: str) -> str:
        """The id that a token of `identifier` stands for; anything else is returned as it is."""
        match = _ID_TOKEN.fullmatch(token)
        if match is None or len(match[1]) % 2:
            return token
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - for ids that are not of the platform's form

        try:
            return self._cipher.decrypt(bytes.fromhex(match[1]), [b"id"]).decode("utf-8", "surrogatepass")
        except (InvalidTag, UnicodeDecodeError):
            return token

    @cached_property
    def _cipher(self) -> AESSIV:
        """Equal ids have equal tokens, and without the key nobody can make one (RFC 5297)."""
        from cryptography.hazmat.primitives.ciphers.aead import AESSIV  # noqa: PLC0415 - as above

        return AESSIV(hmac.digest(self._key, b"ids", "sha512"))

    def text(self, value: str) -> str:
        """The token of a text, followed by its length in characters."""
        return f"t_{self.hexes('text', value)}_{len(value)}"

    def other(self, letter: str, value: str) -> str:
        """The token of anything else, after a letter for its kind; a phone number gets its own token."""
        digits = digits_of(value)
        return f"{letter}_{self.hexes(letter, value)}" if digits is None else self.phone(digits)

    def address(self, value: str) -> str:
        """The token of a place, an e-mail address or an IP address."""
        return f"a_{self.hexes('address', plain(value).strip().lower())}"

    def url(self, value: str) -> str:
        """The token of a URL: scheme and host name stay, the rest becomes one token."""
        match = _URL.match(value.strip())
        if match is None:
            return f"l_{self.hexes('url', value)}"
        scheme, host = match[1].lower(), match[2].rpartition("@")[2]
        return f"{scheme}://{self._host(host)}/l_{self.hexes('url', value)}"

    def uri(self, value: str) -> str:
        """The token of a SIP, phone or web address: the scheme and the domain stay."""
        inner = within(plain(value))
        scheme, colon, rest = inner.partition(":")
        scheme = scheme.lower()
        if _URL.match(inner):
            return self.url(inner)
        if colon and scheme == "tel":
            return f"tel:{self.extension(re.split('[;?]', rest)[0])}"
        if not (colon and scheme in _SIP):
            before, rest = "", inner
        else:
            before = f"{scheme}:"
        user, at, host = re.split("[;?]", rest)[0].rpartition("@")
        if not at:
            # A number, a user or a host alone: john.doe looks like a host.
            return f"{before}{self._host(host) if is_ip(host) else self.person(unquote(host))}"
        return f"{before}{self.person(unquote(user.partition(':')[0]))}@{self._host(host)}"

    def _host(self, host: str) -> str:
        """A host name stays; an IP address, or a name with a phone number in it, does not."""
        name = host.partition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0]
        if not is_ip(name) and _HOST.fullmatch(name) and not _DIGITS.search(name):
            return name.lower()
        return self.address(name.strip("[]"))


def within(value: str) -> str:
    """The address in angle brackets after a name, or the whole text.

    >>> within('"Alice Smith" <sip:alice@pbx.example>')
    'sip:alice@pbx.example'
    """
    first, last = value.find("<"), value.rfind(">")
    return (value[first + 1 : last] if 0 <= first < last else value).strip()


__all__ = ["Tokens", "within"]
