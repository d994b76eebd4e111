"""Masking for display: personal data is replaced before anything is drawn or printed, so it is in no file either.

It protects output that is shown to others. It does not protect against somebody who tries numbers: for that, export
with a mask (`conv_analytics.privacy.Mask`), whose tokens are shown as they are.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from conv_analytics.privacy.characters import plain
from conv_analytics.privacy.identifiers import TOKEN, opaque, prefix
from conv_analytics.privacy.personal_patterns import IDS, MAIL, PEOPLE, SCHEME, URL, is_ip, unquoted
from conv_analytics.privacy.phones import calling_code, digits_of
from conv_analytics.privacy.rules import Action, Kind
from conv_analytics.privacy.safe_patterns import API_ID, NETWORK, NOBODY, REFERENCE, UUID
from conv_analytics.privacy.tokens import Tokens, within
from conv_analytics.privacy.walk import Walker

#: Digits shown of a number, and of a hash: enough to tell lanes apart, too few to identify people.
_LAST, _HASH = 4, 3
_DOT = "\u2022"
#: Columns of tables and answers that name people, whatever their values are.
PARTIES = frozenset({
    "remote_address", "from_address", "to_address", "from", "to", "from_number", "to_number", "from_user", "to_user",
    "from_uri", "to_uri", "to_extension", "name", "display_name", "user_name", "user_display_name", "from_user_name",
    "from_user_display_name", "cname", "conversation_name", "conversation_display_name", "location_name",
    "location_address",
})  # fmt: skip
#: Columns with words of the API: any other value is masked like a name.
WORDS = frozenset({
    "channel_type", "direction", "technology", "country", "country_source", "status", "reason", "reason_code",
    "outcome", "outcome_class", "hung_up_by", "from_kind", "to_kind", "remote_kind", "currency", "machine", "type",
    "message_type", "state", "method", "verdict", "flow", "network_code",
})  # fmt: skip
_WORD = re.compile(
    r"(?!.*(?:[0-9][-_.:]?){7})(?:[a-z]\w{0,63}(?:[:.\-][a-z0-9]\w{0,63}){0,4}|[A-Z][A-Z0-9_\-]{0,63})", re.ASCII
)
#: Values that are masked already; they are shown as they are.
_MASKED = re.compile(
    rf"(?:[a-z][a-z0-9+.-]{{0,15}}:(?://)?)?(?:(?:\+[0-9]{{1,3}})?\*{{3}}[0-9]{{0,4}}|name|address|{_DOT * 3}"
    rf"|(?:[A-Za-z]{{1,13}}[-_.:])?id)#[0-9a-f]{{{_HASH}}}"
)
#: How a group of several columns is written.
_GROUP = re.compile(r"(?:^|, )([a-z_]+)=(.*?)(?=, [a-z_]+=|$)", re.DOTALL)


class _DisplayTokens(Tokens):
    """Tokens for human readers."""

    def __init__(self) -> None:
        super().__init__(b"")

    def hexes(self, space: str, value: str) -> str:
        return _hash(f"{space}:{value}")

    def phone(self, digits: str) -> str:
        return phone(digits)

    def person(self, value: str) -> str:
        bare = plain(value).strip()
        digits = digits_of(bare)
        if digits is not None:
            return phone(digits)
        return bare if TOKEN.fullmatch(bare) else f"name#{_hash(bare)}"

    def extension(self, value: str) -> str:
        bare = plain(value).strip()
        digits = digits_of(bare)
        if digits is not None:
            return phone(digits)
        return bare if TOKEN.fullmatch(bare) else f"{_DOT * 3}#{_hash(bare)}"

    def identifier(self, value: str) -> str:
        if opaque(value) or TOKEN.fullmatch(value) or _MASKED.fullmatch(value):
            return value
        digits = digits_of(value)
        return phone(digits) if digits is not None else f"{prefix(value)}id#{_hash(plain(value))}"

    def text(self, value: str) -> str:
        return value if TOKEN.fullmatch(value) else f"({len(value)} characters)"

    def other(self, letter: str, value: str) -> str:  # noqa: ARG002 - the base class has it
        digits = digits_of(value)
        return self.text(value) if digits is None else phone(digits)

    def address(self, value: str) -> str:
        return value if TOKEN.fullmatch(value) else f"address#{_hash(plain(value).strip().lower())}"

    def url(self, value: str) -> str:
        match = URL.match(value.strip())
        scheme = f"{match[0].partition(':')[0].lower()}://" if match else ""
        return value if TOKEN.fullmatch(value) else f"{scheme}{_DOT * 3}#{_hash(value)}"

    def uri(self, value: str) -> str:
        inner = within(plain(value))
        if URL.match(inner):
            return self.url(inner)
        scheme, colon, rest = inner.partition(":")
        if not colon or "@" in scheme:
            scheme, colon, rest = "", "", inner
        user = re.split("[;?]", rest)[0].rpartition("@")
        who = unquoted((user[0] or user[2]).partition(":")[0])
        return f"{scheme.lower()}{colon}{self.person(who)}"


def phone(digits: str) -> str:
    """A number without its middle, and with a short hash that distinguishes it from others.

    >>> phone("447700901234"), phone("02079460018")
    ('+44***1234#b5b', '***0018#c7e')
    """
    return f"{_before_last(digits)}{digits[-_LAST:]}#{_hash(digits)}"


def _before_last(digits: str) -> str:
    """The prefix shown for a number before its last digits; depends on its first three digits."""
    code = calling_code(digits)
    return f"+{code}***" if code else "***"


class _Starts(dict[str, str]):
    """The prefixes shown for numbers before their last digits, by their first three digits."""

    def __missing__(self, first: str) -> str:
        self[first] = start = _before_last(first)
        return start


class Display:
    """How personal data is shown.

    Parameters
    ----------
    on
        False shows everything as it is, and says so.

    Examples
    --------
    >>> display = Display()
    >>> display.party("447700901234"), display.text("call 447700901234 or bob@example.org")
    ('+44***1234#b5b', 'call +44***1234#b5b or name#81b')
    >>> display.identifier("USR-AliceSmithson").startswith("USR-id#"), display.identifier("leg-7")
    (True, 'leg-7')
    >>> Display(on=False).party("447700901234")
    '447700901234'
    """

    def __init__(self, *, on: bool = True) -> None:
        self.on = on
        self._tokens = _DisplayTokens()
        # A pressed key is one of sixteen: its hash would reveal it.
        rules = dict.fromkeys(Kind, Action.HASH) | {Kind.DTMF: Action.DROP}
        self._walker = Walker(self._tokens, rules)
        self._names: dict[str, str] = {}
        self._named: re.Pattern[str] | None = None

    def add_names(self, names: Iterable[str]) -> None:
        """Add names of people: they are masked in every text from now on."""
        for name in names:
            if self.on and len(name.strip()) > 1 and self.party(name) != name:
                self._names[plain(name).strip().casefold()] = self.party(name)
        longest = sorted(filter(None, self._names), key=len, reverse=True)
        if longest:
            self._named = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest))})(?!\w)", re.IGNORECASE)

    def party(self, value: str) -> str:
        """Mask a number, an address or a name, whichever it is."""
        bare = plain(value).strip()
        if not self.on or bare.lower() in NOBODY or _is_machine_made(bare):
            return value
        if REFERENCE.fullmatch(bare):
            return self._tokens.identifier(bare)
        digits = digits_of(bare)
        if digits is not None:
            return phone(digits)
        if is_ip(bare):
            return self._tokens.address(bare)
        inner = within(bare)
        is_uri = URL.match(inner) or MAIL.fullmatch(inner) or SCHEME.match(inner)
        return self._tokens.uri(bare) if is_uri else self._tokens.person(bare)

    def parties(self, values: Iterable[str]) -> list[str]:
        """Mask many at once, each like `party`; fast for numbers in the API's spelling.

        >>> Display().parties(["447700901234", "+44 7700 901234", "anonymous"])
        ['+44***1234#b5b', '+44***1234#b5b', 'anonymous']
        """
        if not self.on:
            return list(values)
        starts, sha256 = _Starts(), hashlib.sha256
        # With the country, without a plus: nothing else consists of such digits.
        return [
            f"{starts[value[:3]]}{value[-_LAST:]}#{sha256(value.encode()).hexdigest()[:_HASH]}"
            if value.isdecimal() and value.isascii() and 7 <= len(value) <= 15 and value[0] != "0"  # noqa: PLR2004
            else self.party(value)
            for value in values
        ]

    def identifier(self, value: str) -> str:
        """Mask an id, unless it is machine-made: others may be a name or contain a number."""
        return self._tokens.identifier(value) if self.on and value else value

    def digits(self, value: str) -> str:
        """Pressed keys: one dot each."""
        return _DOT * len(value) if self.on else value

    def text(self, value: str) -> str:
        """Mask the names, numbers, ids and SIP, mail, web and IP addresses in a text."""
        if not self.on:
            return value
        bare = plain(value)
        # A text that only has an unusual spelling is shown as it is.
        shown = self._without_people(bare)
        return value if shown == bare else shown

    def column(self, name: str, value: Any) -> Any:
        """Mask a cell of a table, by its column and by its value; also the texts in a list or an object.

        Examples
        --------
        >>> display = Display()
        >>> display.column("remote_address", "447700901234"), display.column("network_code", "23410")
        ('+44***1234#b5b', '23410')
        >>> display.column("group", "remote_address=447700901234, network_code=23410")
        'remote_address=+44***1234#b5b, network_code=23410'
        >>> display.column("numbers", [{"to": "447700901234", "n": 3}])
        [{'to': '+44***1234#b5b', 'n': 3}]
        """
        if not self.on or not isinstance(value, str):
            return self._nested(name, value) if self.on else value
        if name in WORDS:
            shape = NETWORK if name == "network_code" else _WORD
            return value if not value or shape.fullmatch(value) else self.party(value)
        if name in PARTIES or name.endswith(("_id", "_ids")):
            return self.party(value) if name in PARTIES else self.identifier(value)
        if name == "group" and _GROUP.match(value):
            pairs = ((column, self.column(column, key)) for column, key in _GROUP.findall(value))
            return ", ".join(f"{column}={key}" for column, key in pairs)
        return self.text(value)

    def _nested(self, column: str, value: Any) -> Any:
        if isinstance(value, Mapping):
            # A key may be a person, too; what is in a column that names people is masked whatever its keys are.
            names = {key: column if column in PARTIES or not isinstance(key, str) else key for key in value}
            return {self.column("", key): self.column(names[key], each) for key, each in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self.column(column, each) for each in value]
        # An array: cells with lists in a frame that was read from Parquet.
        return self._nested(column, value.tolist()) if getattr(value, "ndim", 0) else value

    def type(self, value: str) -> str:
        """The type of an event; in an application's own type, numbers and names are masked."""
        own, colon, rest = value.partition(":")
        shown: str = self.column("type", value)
        return f"{own}{colon}{self.party(rest)}" if shown != value and own in {"custom", "ephemeral"} else shown

    def ids(self, text: str) -> str:
        """Mask the ids in a text of our own, whose numbers are counts."""
        return IDS.sub(lambda match: self._tokens.identifier(match[0]), text) if self.on else text

    def body(self, kind: str, body: str | None) -> Any:
        """Mask the body of an event: harmless values stay, all others become a token or a length."""
        if body is None:
            return None
        try:
            values = json.loads(body)
        except ValueError:
            return self._tokens.text(body) if self.on else body
        if not self.on:
            return values
        record: Mapping[str, Any] = {"_embedded": {"events": [{"type": kind, "body": values}]}}
        return self._walker.value(record, self._walker.page)["_embedded"]["events"][0]["body"]

    def _without_people(self, text: str) -> str:
        if self._named is not None:
            text = self._named.sub(lambda match: self._names.get(match[0].casefold(), "name"), text)
        return PEOPLE.sub(self._masked, text)

    def _masked(self, person: re.Match[str]) -> str:
        text = person[0]
        match person.lastgroup:
            case "stays":
                return text
            case "id":
                return self._tokens.identifier(text)
            case "ip6":
                return self._tokens.address(text) if is_ip(text) else text
            case _:
                return self.party(text)


def _is_machine_made(value: str) -> bool:
    """Whether a value is machine-made: an id, a token of a masked export, or an already masked value."""
    return any(shape.fullmatch(value) for shape in (API_ID, UUID, TOKEN, _MASKED))


def _hash(value: str) -> str:
    return hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH]


__all__ = ["Display", "phone"]
