"""Tokens: what takes the place of a value. A keyed HMAC, short, and readable enough to tell what was there."""

from __future__ import annotations

import hmac
import ipaddress
import re
from urllib.parse import unquote

from conv_analytics.privacy.phones import calling_code, digits_of

#: Sixteen hexadecimal digits are 64 bits: among ten million values, two share a token once in 370,000 exports.
_HEX = 16
_SIP = frozenset({"sip", "sips"})
_HOST = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?", re.IGNORECASE)
_DIGITS = re.compile(r"[0-9]{7}")
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
        """A phone number's: its country calling code, an x, and hexadecimal digits."""
        return f"{calling_code(digits)}x{self.hexes('phone', digits)}"

    def person(self, value: str) -> str:
        """A name's; where the name is a phone number, that number's, for it is the same person."""
        digits = digits_of(value)
        return f"n_{self.hexes('name', value.strip())}" if digits is None else self.phone(digits)

    def extension(self, value: str) -> str:
        """An extension's: too short to say of which country."""
        digits = digits_of(value)
        return f"x{self.hexes('phone', value.strip())}" if digits is None else self.phone(digits)

    def text(self, value: str) -> str:
        """A text's, with its length in characters behind."""
        return f"t_{self.hexes('text', value)}_{len(value)}"

    def other(self, letter: str, value: str) -> str:
        """That of anything else, after a letter that tells the kind; a phone number gets the number's own."""
        digits = digits_of(value)
        return f"{letter}_{self.hexes(letter, value)}" if digits is None else self.phone(digits)

    def address(self, value: str) -> str:
        """That of a place, an e-mail address, an IP address."""
        return f"a_{self.hexes('address', value.strip().lower())}"

    def url(self, value: str) -> str:
        """A URL's: scheme and host name stay, the rest becomes one token."""
        found = _URL.match(value.strip())
        if found is None:
            return f"l_{self.hexes('url', value)}"
        scheme, host = found[1].lower(), found[2].rpartition("@")[2]
        return f"{scheme}://{self._host(host)}/l_{self.hexes('url', value)}"

    def uri(self, value: str) -> str:
        """That of an address of SIP, of a phone or of the web: the scheme and the domain stay."""
        inner = value[value.find("<") + 1 : value.rfind(">")] if "<" in value and ">" in value else value
        inner = inner.strip()
        scheme, colon, rest = inner.partition(":")
        scheme = scheme.lower()
        if _URL.match(inner):
            return self.url(inner)
        if colon and scheme == "tel":
            return f"tel:{self.extension(re.split('[;?]', rest)[0])}"
        if not (colon and scheme in _SIP):
            prefix, rest = "", inner
        else:
            prefix = f"{scheme}:"
        user, at, host = re.split("[;?]", rest)[0].rpartition("@")
        if not at:
            # A host alone, or a number alone.
            return f"{prefix}{self._host(host) if '.' in host and digits_of(host) is None else self.person(host)}"
        return f"{prefix}{self.person(unquote(user.partition(':')[0]))}@{self._host(host)}"

    def _host(self, host: str) -> str:
        """A host name stays; an address of the network, or a name with a number in it, does not."""
        name = host if host.startswith("[") else host.partition(":")[0]
        try:
            ipaddress.ip_address(name.strip("[]"))
        except ValueError:
            if _HOST.fullmatch(name) and not _DIGITS.search(name):
                return name.lower()
        return self.address(name)
