"""Walk through decoded JSON and replace personal values with tokens."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from conv_analytics.privacy import safe_numbers, safe_patterns
from conv_analytics.privacy.characters import plain
from conv_analytics.privacy.contexts import (
    ENDPOINTS,
    EVERYWHERE,
    INSIDE,
    KNOWN_OBJECTS,
    SAFE_NUMBERS,
    SAFE_PATTERNS,
    Meaning,
    Person,
    Plain,
    Special,
)
from conv_analytics.privacy.phones import digits_of
from conv_analytics.privacy.rules import Action, Kind
from conv_analytics.privacy.tokens import Tokens, within
from conv_analytics.resources import EventType

REDACTED = "[redacted]"
#: Texts of one kind that are cached before the cache is cleared: a text that repeats does so soon.
_REMEMBERED = 20_000

#: A smaller whole number stays, whatever it counts.
_SMALL = 1_000_000

Change = Callable[[str], Any]
_TYPES = frozenset(kind.value for kind in EventType) | frozenset(getattr(EventType, "__also__", {}))
_OWN_TYPES = ("custom", "ephemeral")


class _Texts(dict[str, Any]):
    """Maps each text to its masked form."""

    def __init__(self, change: Change, *, remember: bool = True) -> None:
        self._change, self._remember = change, remember

    def __missing__(self, text: str) -> Any:
        changed = self._change(text)
        if self._remember:
            if len(self) >= _REMEMBERED:
                self.clear()
            self[text] = changed
        return changed


class Rule:
    """How the value of a key is masked.

    Attributes
    ----------
    texts
        Replaces each text.
    numbers
        Numbers are masked like their digits, else they stay.
    fits
        Whether a number, as it is written, may stay: by default one of few digits.
    instant
        An instant stays.
    inside
        The context of an object in this place.
    each
        The context of the objects in a list in this place.
    empty
        An object or a list is emptied.
    keep
        Any value stays.
    """

    __slots__ = ("each", "empty", "fits", "inside", "instant", "keep", "numbers", "texts")

    def __init__(
        self,
        texts: _Texts,
        inside: Context | None = None,
        *,
        numbers: bool = False,
        fits: safe_numbers.Fits = safe_numbers.few_digits,
        empty: bool = False,
    ) -> None:
        self.texts, self.numbers, self.fits, self.empty = texts, numbers, fits, empty
        self.keep = self.instant = False
        self.inside: Context = Context(self) if inside is None else inside
        self.each: Context | None = None


class Context(dict[str, Rule]):
    """The rules of an object's keys."""

    def __init__(self, unknown: Rule, rules: Mapping[str, Rule] | None = None) -> None:
        super().__init__(rules or {})
        self.unknown = unknown
        self.heads: dict[str, bytes] = {}
        """Known keys, encoded."""
        self.slots: dict[str, dict[bytes, bytes]] = {}
        """Per known key, texts that were masked before; see `conv_analytics.privacy.pages`."""
        self.custom: Context | None = None
        """For events of the application's own types; set where objects are records."""
        self.strange: Context | None = None
        """For events of unknown types."""

    def __missing__(self, key: str) -> Rule:
        return self.unknown


class Walker:
    """Masks decoded JSON by rules.

    Parameters
    ----------
    tokens
        Makes the tokens.
    rules
        The action for each kind.
    """

    def __init__(self, tokens: Tokens, rules: Mapping[Kind, Action]) -> None:
        self._tokens, self._rules = tokens, rules
        self._keys = _Texts(lambda key: key if _harmless_key(key) else tokens.other("k", key))
        self._rule_cache: dict[Meaning, Rule] = {}
        self.unknown = self._rule(Kind.UNKNOWN)
        self.page = Rule(self.unknown.texts, self._pages())

    def value(self, value: Any, rule: Rule) -> Any:
        """Mask a value of any kind; objects and lists are changed in place."""
        kind = type(value)
        if kind is str:
            return rule.texts[value]
        if rule.keep or value is None or kind is bool:
            return value
        if kind is dict:
            return {} if rule.empty else self._object(value, rule.inside)
        return self._list(value, rule) if kind is list else self.number(value, rule)

    def _list(self, values: list[Any], rule: Rule) -> list[Any]:
        if rule.empty:
            return []
        each = rule.each or rule.inside
        for index, item in enumerate(values):
            values[index] = self._object(item, each) if type(item) is dict else self.value(item, rule)
        return values

    def number(self, value: float | Decimal | str, rule: Rule) -> Any:
        """Mask a number, as a number or as text."""
        if not rule.numbers and type(value) is int and -_SMALL < value < _SMALL:
            return value
        if rule.numbers or not rule.fits(str(value)):
            masked = rule.texts[str(value)]
            return value if masked == str(value) else masked
        return value

    def context(self, record: Mapping[str, Any], context: Context) -> Context:
        """The context of a record, by its type; anything else keeps `context`."""
        if context.custom is None or "body" not in record:
            return context
        kind = record.get("type")
        word = kind.strip().lower() if isinstance(kind, str) else ""
        strange = context.strange or context
        return context.custom if word.startswith(_OWN_TYPES) else context if word in _TYPES else strange

    def key(self, key: str, context: Context) -> str:
        """Mask a key; known ones, and those that look like a field name, stay."""
        return key if key in context else str(self._keys[key])

    def _object(self, values: dict[str, Any], context: Context) -> dict[str, Any]:
        if context.custom is not None:
            context = self.context(values, context)
        renamed, unknown = False, context.unknown
        for key, value in values.items():
            rule = context[key]
            if rule is unknown and self._keys[key] != key and key not in context:
                renamed = True
            kind = type(value)
            if kind is str:
                values[key] = rule.texts[value]
            elif kind is dict and not rule.empty and not rule.keep:
                if value:
                    values[key] = self._object(value, rule.inside)
            elif value is not None and kind is not bool:
                values[key] = self.value(value, rule)
        return {self.key(key, context): value for key, value in values.items()} if renamed else values

    # -- rules, built once

    def _pages(self) -> Context:
        """The context of a page, and of a single conversation."""
        known_objects = Context(self.unknown)
        strange = Context(self.unknown)
        for key, what in EVERYWHERE.items():
            known_objects[key] = self._rule_for(key, what, known_objects)
        for key in KNOWN_OBJECTS - known_objects.keys():
            known_objects[key] = Rule(self.unknown.texts, known_objects)
        for key, rule in known_objects.items():
            if isinstance(EVERYWHERE.get(key), Kind | Person) or EVERYWHERE.get(key) is Special.SECRET:
                strange[key] = rule
        self.unknown.inside = strange
        for key in known_objects:
            self._place(known_objects[key], key, known_objects)
        record = Context(self.unknown, known_objects)
        # The number of an event may have any length.
        own_id = Rule(_Texts(self._identifier), fits=safe_numbers.any_length)
        record |= {"id": own_id, "uuid": own_id}
        records = Rule(self.unknown.texts, record)
        record |= {key: records for key, what in EVERYWHERE.items() if what is Special.RECORDS}
        record["_embedded"] = Rule(self.unknown.texts, self._embedded(known_objects, records))
        # The events of a page may be the list itself (contract 2.3).
        record["_embedded"].each = record
        record.custom, record.strange = Context(self.unknown, record), Context(self.unknown, record)
        record.custom["body"] = self._custom_body()
        record.strange["body"] = Rule(self.unknown.texts, self._strange_body(strange, known_objects))
        page = Context(self.unknown, record)
        page.custom, page.strange = record.custom, record.strange
        links = Rule(_Texts(_fitting(safe_patterns.LINK, lambda _: None), remember=False))
        page["_links"] = links
        return page

    def _embedded(self, known_objects: Context, records: Rule) -> Context:
        """The content of ``_embedded``: records of a list, or the sender of an event, the user of a member."""
        inside = Context(self.unknown, known_objects)
        inside |= {key: records for key, what in EVERYWHERE.items() if what is Special.RECORDS}
        return inside

    def _custom_body(self) -> Rule:
        rule = self._rule(Kind.CUSTOM)
        if rule.keep or rule.empty:
            return rule
        # The platform says when such an event was deleted (contract 7.5).
        return Rule(
            rule.texts,
            Context(rule, {"timestamp": Rule(self._rule(Plain.TIME).texts, fits=safe_numbers.instant)}),
            numbers=True,
        )

    def _strange_body(self, strange: Context, known_objects: Context) -> Context:
        """Mask the body of an event of unknown type: keys of personal data, and legs, which have only ids."""
        return Context(self.unknown, {**strange, "channel": Rule(self.unknown.texts, known_objects)})

    def _place(self, rule: Rule, key: str, known_objects: Context) -> None:
        """Set what a rule does with objects."""
        if rule.keep or rule.empty or key not in KNOWN_OBJECTS:
            return
        others = dict(INSIDE.get(key, {}))
        if key in ENDPOINTS:
            others["id"] = Person.PARTY
        rule.inside = known_objects
        if others:
            rule.inside = Context(self.unknown, known_objects)
            for name, what in others.items():
                rule.inside[name] = self._rule_for(name, what, known_objects)
                self._place(rule.inside[name], name, known_objects)

    def _rule_for(self, key: str, what: Meaning, known_objects: Context) -> Rule:
        """The rule of a key: its own for objects, else that of its kind."""
        rule = self._rule(what)
        if key in KNOWN_OBJECTS:
            # An object here is one of the API's: each of its keys has its own rule.
            placed = Rule(rule.texts, known_objects, numbers=rule.numbers, fits=rule.fits)
            placed.instant = rule.instant
            return placed
        return rule

    def _rule(self, what: Meaning) -> Rule:
        if what not in self._rule_cache:
            self._rule_cache[what] = self._make(what)
        return self._rule_cache[what]

    def _make(self, what: Meaning) -> Rule:
        if isinstance(what, Kind):
            return self._personal(what, self._changes()[what])
        if isinstance(what, Person):
            return self._person(what)
        if isinstance(what, Special):
            secret = what is Special.SECRET
            return Rule(_Texts(lambda _: REDACTED), numbers=True) if secret else Rule(self.unknown.texts)
        return Rule(_Texts(lambda _: None), empty=True) if what is Plain.LINKS else self._plain(what)

    def _plain(self, what: Plain) -> Rule:
        """A non-personal value stays, as long as it has the expected form."""
        if what is Plain.PHRASE:
            text = self._rule(Kind.TEXT).texts
            return Rule(_Texts(lambda value: value if value.strip().lower() in safe_patterns.PHRASES else text[value]))
        if what is Plain.ID:
            return Rule(_Texts(self._identifier))
        unknown = self._rule(Kind.UNKNOWN).texts
        otherwise = self._word if what is Plain.WORD else lambda value: unknown[value]
        # Instants hardly ever repeat.
        texts = _Texts(_fitting(SAFE_PATTERNS[what], otherwise), remember=what is not Plain.TIME)
        rule = Rule(texts, fits=SAFE_NUMBERS.get(what, safe_numbers.few_digits))
        rule.instant = what is Plain.TIME
        return rule

    def _identifier(self, value: str) -> str:
        # Without its id a record could not be joined or requested: an id is never dropped.
        stays = not value or safe_patterns.SERIAL.fullmatch(value) or self._rules[Kind.UNKNOWN] is Action.KEEP
        return value if stays else self._tokens.identifier(value)

    def _word(self, value: str) -> Any:
        """A text where a word was expected; the type of an own event keeps its first part."""
        own, colon, rest = value.partition(":")
        masked = self.unknown.texts[rest if colon and own in _OWN_TYPES else value]
        return f"{own}:{masked or ''}" if colon and own in _OWN_TYPES else masked

    def _changes(self) -> Mapping[Kind, Change]:
        tokens = self._tokens
        return {
            Kind.PHONE: self._party,
            Kind.SIP: tokens.uri,
            Kind.NAME: lambda value: value if _made_up(value) else tokens.person(value),
            Kind.TEXT: tokens.text,
            Kind.DTMF: lambda value: f"d_{tokens.hexes('dtmf', value)}",
            Kind.CUSTOM: lambda value: value if safe_patterns.API_ID.fullmatch(value) else tokens.other("c", value),
            Kind.URL: tokens.url,
            Kind.ADDRESS: tokens.address,
            Kind.UNKNOWN: lambda value: value if _made_up(value) else tokens.other("u", value),
        }

    def _personal(self, kind: Kind, change: Change) -> Rule:
        action = self._rules[kind]
        if kind is Kind.PHONE:
            # Only the value shows whether it is a number, an address or a name.
            return Rule(_Texts(lambda value: self._party(value, kind)), numbers=action is not Action.KEEP)
        rule = Rule(
            _Texts(self._change_of(kind, change)), numbers=action is not Action.KEEP and kind is not Kind.UNKNOWN
        )
        rule.keep, rule.empty = action is Action.KEEP, action is Action.DROP
        if kind is Kind.UNKNOWN:
            rule.numbers = action is Action.DROP
        return rule

    def _person(self, what: Person) -> Rule:
        if what is Person.PLACE:
            keep = self._rules[Kind.ADDRESS] is Action.KEEP
            return Rule(_Texts(lambda value: value if keep else None), numbers=not keep)
        if what is Person.EXTENSION:
            change = self._change_of(Kind.PHONE, self._tokens.extension)
        elif what is Person.USER:
            change = self._change_of(Kind.SIP, self._tokens.person)
        elif what is Person.URI:
            change = self._uri
        else:
            change = self._party
        return Rule(_Texts(change), numbers=True)

    def _party(self, value: str, otherwise: Kind = Kind.NAME) -> Any:
        """A participant, masked by the rule for what the value looks like; by `otherwise` when it may be anything."""
        seen = plain(value)
        if seen.strip().lower() in safe_patterns.NOBODY:
            return value
        if safe_patterns.REFERENCE.fullmatch(value):
            return self._identifier(value)
        value = seen
        scheme = within(value).partition(":")[0].lower()
        if digits_of(value) is not None or value.isdigit() or scheme == "tel":
            return self._change_of(Kind.PHONE, self._tokens.uri if scheme == "tel" else self._tokens.extension)(value)
        if "://" in value:
            return self._change_of(Kind.URL, self._tokens.url)(value)
        if re.search(r"(?i)\bsips?:", value):
            return self._change_of(Kind.SIP, self._tokens.uri)(value)
        return self._change_of(otherwise, self._tokens.person)(value)

    def _uri(self, value: str) -> Any:
        # An address without a scheme is a SIP address all the same.
        bare = "@" in value and ":" not in value
        return self._change_of(Kind.SIP, self._tokens.uri)(value) if bare else self._party(value)

    def _change_of(self, kind: Kind, change: Change) -> Change:
        """The change according to the rule of a kind."""
        action = self._rules[kind]
        if action is Action.HASH:
            return lambda value: change(value) if value else value
        return (lambda value: value) if action is Action.KEEP else (lambda _: None)


def _fitting(pattern: re.Pattern[str], otherwise: Change) -> Change:
    fits = pattern.fullmatch
    return lambda value: value if not value or fits(value) else otherwise(value)


def _harmless_key(key: str) -> bool:
    return not key or bool(safe_patterns.KEY.fullmatch(key)) or _made_up(key)


def _made_up(value: str) -> bool:
    """Whether a value is a machine-made id."""
    return bool(safe_patterns.API_ID.fullmatch(value) or safe_patterns.UUID.fullmatch(value))
