"""Typed records of the API, declared once.

A field says in one line what it means, in which unit, and under which keys it arrives::

    class Bandwidth(Record):
        \"\"\"Bytes that a leg carried.\"\"\"

        byte_in: int | None = wire("Bytes the platform received.", unit="B", also="bytes_in")

From that line follow the decoding of the record, its documentation, and the columns of the tables
(`conv_analytics.tables`).

Reading is tolerant: unknown keys are kept in `Record.extra`, a value of a wrong kind becomes None and is
reported, and the first of several keys that reads wins. Writing (`Record.to_wire`) gives the first key of
each field.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, NamedTuple, Self, TypeVar, dataclass_transform

from conv_analytics.instants import utc_text
from conv_analytics.resources import cells
from conv_analytics.resources.cells import Unreadable
from conv_analytics.resources.record_class import Signature, cached, defaults_of, value_repr

#: User data: any JSON value, kept verbatim. Its keys are never re-cased (contract 9, no. 32).
Json = Any

FieldPath = tuple[str, ...]

#: A step of a path: the first item of a list; an object stands for a list of one (contract 9, no. 13 and 35).
FIRST = "[0]"


_C = TypeVar("_C")


class Problem(NamedTuple):
    """A value that could not be read."""

    path: str
    """Its path, keys joined by dots."""
    reason: str
    """Why it was not read; never contains the value."""


def wire(
    doc: str,
    *,
    unit: str | None = None,
    key: str | None = None,
    also: str | Sequence[str] = (),
    loose: bool = False,
    absent: str | Sequence[str] = (),
    true: str | Sequence[str] = (),
    secret: bool = False,
    in_repr: bool = True,
    default: Any = None,
) -> Any:
    """Declare a field of a record.

    Parameters
    ----------
    doc
        The meaning of the value: one sentence, shown in the data dictionary.
    unit
        Its unit, where it has one: ``s``, ``ms``, ``B``, ``%``.
    key
        Its key in the JSON when that is not the field's own name; dots go down into objects.
    also
        Other keys under which the API is known to send it, tried in this order when the first gives nothing
        readable.
    loose
        Anything but an object is taken as absent instead of being reported (contract 9, no. 36).
    absent
        Texts that stand for a missing value, such as ``<null>`` (contract 9, no. 26); of a code, also the empty one.
    true
        Further words that mean true for this flag, in addition to those that mean true everywhere.
    secret
        A password, key or session description: in no repr, and to be left out of exports (contract 9, 42).
    in_repr
        False keeps a value that is merely long out of reprs.
    default
        The default of the constructor; reading never fills it in.
    """
    declared = _Wire(doc, unit, key, _texts(also), loose, _texts(absent), _texts(true), secret)
    return dataclasses.field(default=default, repr=in_repr and not secret, metadata={"wire": declared})


class _Wire(NamedTuple):
    doc: str
    unit: str | None
    key: str | None
    also: tuple[str, ...]
    loose: bool
    absent: tuple[str, ...]
    true: tuple[str, ...]
    secret: bool


@dataclass(frozen=True)
class Field:
    """One declared field, resolved: what the tables and the documentation are derived from."""

    name: str
    doc: str
    unit: str | None
    paths: tuple[FieldPath, ...]
    kind: Any
    """A kind of `cells` (``str``, ``datetime``, ``Decimal`` ...), `Json`, a vocabulary or a record class."""
    many: bool
    loose: bool
    absent: tuple[str, ...] = ()
    true: tuple[str, ...] = ()
    secret: bool = False

    def read(self, value: object, problems: list[Problem] | None, at: str) -> Any:
        """Read one JSON value; raise `Unreadable` when it is not what this field holds."""
        return self._all(value, problems, at) if self.many else self._read_one(value, problems, at)

    def _all(self, value: object, problems: list[Problem] | None, at: str) -> tuple[Any, ...]:
        items: list[Any] = []
        failures: list[Problem] = []
        for i, item in enumerate(_as_list(value)):
            try:
                items.append(self._read_one(item, problems, f"{at}[{i}]"))
            except Unreadable as error:
                failures.append(Problem(f"{at}[{i}]", str(error)))
        if failures and not items:
            # Nothing in the list is usable; another key may have the value.
            raise Unreadable(failures[0].reason)
        if problems is not None:
            problems.extend(failures)
        return tuple(items)

    def _read_one(self, value: object, problems: list[Problem] | None, at: str) -> Any:
        if not is_record(self.kind):
            return reader(self.kind)(value)
        if isinstance(value, Mapping):
            return self.kind.from_wire(value, problems, at)
        # Some senders write ``[]`` for an object without keys.
        if self.loose or value in ([], ""):
            return None
        raise Unreadable("not an object")


# `wire` is not named as a field specifier: a checker then sees a default on the right hand side, and takes
# every field of a record as optional, which it is.
@dataclass_transform(frozen_default=True, kw_only_default=True)
def _with_fields(cls: type[_C]) -> type[_C]:
    """A dataclass without methods of its own: `Record` has one of each for all.

    `dataclass(frozen=True)` compiles five for each of a hundred classes. That took a tenth of the time in which a
    command starts.
    """
    return dataclass(init=False, eq=False, repr=False)(cls)


@dataclass_transform(frozen_default=True, kw_only_default=True)
@_with_fields
class Record:
    """Base of every typed record: a frozen dataclass that reads tolerantly and keeps unknown keys.

    Its repr leaves out what is absent and what is secret.
    """

    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Keys of the JSON object that no field declares, verbatim."""

    __signature__ = Signature()

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        _with_fields(cls)

    def __init__(self, **values: Any) -> None:
        defaults = defaults_of(type(self))
        complete = defaults | values
        if len(complete) > len(defaults):
            (unknown, *_) = (name for name in values if name not in defaults)
            raise TypeError(f"{type(self).__name__}.__init__() got an unexpected keyword argument {unknown!r}")
        if complete["extra"] is dict:
            complete["extra"] = {}
        self.__dict__.update(complete)

    def __setattr__(self, name: str, value: object) -> None:
        raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")

    def __delattr__(self, name: str) -> None:
        raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")

    def __eq__(self, other: object) -> bool:
        return self.__dict__ == other.__dict__ if other.__class__ is self.__class__ else NotImplemented

    def __hash__(self) -> int:
        return hash(tuple(self.__dict__.values()))

    def __repr__(self) -> str:
        values = (
            f"{field.name}={value_repr(getattr(self, field.name))}"
            for field in dataclasses.fields(self)
            if field.repr and getattr(self, field.name) is not None
        )
        return f"{type(self).__name__}({', '.join(values)})"

    @classmethod
    def from_wire(cls, payload: Mapping[str, Any], problems: list[Problem] | None = None, at: str = "") -> Self:
        """Read a JSON object.

        Parameters
        ----------
        payload
            The decoded object.
        problems
            Where to report what could not be read; nothing is raised for it.
        at
            Path of this object within its document, for the reports.
        """
        values = {field.name: _field_value(field, payload, problems, at) for field in fields(cls)}
        declared = _declared_keys(cls)
        extra = {key: value for key, value in payload.items() if key not in declared}
        return cls(**values, extra=extra)

    def to_wire(self) -> dict[str, Any]:
        """The JSON object that the API takes: absent fields left out, unknown keys kept."""
        result: dict[str, Any] = dict(self.extra)
        for field in fields(type(self)):
            value = getattr(self, field.name)
            if value is not None:
                _put(result, field.paths[0], _plain(value))
        return result


@cached
def fields(record: type[Record]) -> tuple[Field, ...]:
    """The declared fields of a record class, in order."""
    hints = typing.get_type_hints(record)
    return tuple(
        _resolve(field.name, hints[field.name], field.metadata["wire"])
        for field in dataclasses.fields(record)
        if "wire" in field.metadata
    )


@cached
def reader(kind: Any) -> Callable[[object], Any]:
    """The function of `conv_analytics.resources.cells` that reads a kind."""
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return cells.choice(kind)
    return _READERS.get(kind, cells.json)


def is_record(kind: Any) -> bool:
    """Whether a field's kind is itself a record."""
    return isinstance(kind, type) and issubclass(kind, Record)


def is_blank(kind: Any, value: object) -> bool:
    """Whether a value is an empty text that means no value, in a field that does not hold text.

    Events of calls that nobody answered have ``"start_time": ""`` and ``"rate": ""``.
    """
    return isinstance(value, str) and not value.strip() and kind is not str and kind is not Json


def dig(payload: object, path: FieldPath) -> Any:
    """The value under a path of keys, or None, even for an object that is a list's first item: it has its own keys.

    >>> dig({"leg_ids": ["a", "b"]}, ("leg_ids", FIRST))
    'a'
    """
    for key in path:
        if key == FIRST:
            payload = next(iter(payload), None) if isinstance(payload, list) else payload
        elif isinstance(payload, Mapping):
            payload = payload.get(key)
        else:
            return None
    return None if path and path[-1] == FIRST and isinstance(payload, Mapping) else payload


_READERS: dict[Any, Callable[[object], Any]] = {
    str: cells.text,
    int: cells.integer,
    float: cells.number,
    bool: cells.flag,
    datetime: cells.instant,
    Decimal: cells.money,
}


def _texts(value: str | Sequence[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _field_value(field: Field, payload: Mapping[str, Any], problems: list[Problem] | None, at: str) -> Any:
    failure: Problem | None = None
    for path in field.paths:
        value = dig(payload, path)
        if value is None or is_blank(field.kind, value) or (field.absent and value in field.absent):
            continue
        if field.true and value in field.true:
            return True
        where = ".".join((at, *path)) if at else ".".join(path)
        try:
            result = field.read(value, problems, where)
        except Unreadable as error:
            failure = failure or Problem(where, str(error))
            continue
        if result is not None:
            return result
    if failure and problems is not None:
        problems.append(failure)
    return None


def _resolve(name: str, hint: Any, declared: _Wire) -> Field:
    kind = _kind(hint)
    many = typing.get_origin(kind) is tuple
    if many:
        kind = _kind(typing.get_args(kind)[0])
    return Field(
        name=name,
        doc=declared.doc,
        unit=declared.unit,
        paths=tuple(tuple(key.split(".")) for key in (declared.key or name, *declared.also)),
        kind=kind,
        many=many,
        loose=declared.loose,
        absent=declared.absent,
        true=declared.true,
        secret=declared.secret,
    )


def _kind(hint: Any) -> Any:
    options = [option for option in _union(hint) if option is not types.NoneType]
    vocabularies = [option for option in options if isinstance(option, type) and issubclass(option, StrEnum)]
    if sum(map(is_record, options)) > 1:
        # Which of several records it is depends on the rest of the object: the declaring class decides.
        return Json
    return vocabularies[0] if vocabularies else options[0]


def _union(hint: Any) -> tuple[Any, ...]:
    return typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else (hint,)


@cached
def _declared_keys(record: type[Record]) -> frozenset[str]:
    return frozenset(path[0] for field in fields(record) for path in field.paths) | {"_links"}


def _as_list(value: object) -> Sequence[object]:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return value
    # One object where the contract says a list, and ``{}`` for an empty one (contract 9, no. 13 and 46).
    return [] if value in ({}, "") else [value]


def _plain(value: object) -> Any:
    if isinstance(value, Record):
        return value.to_wire()
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, datetime):
        return utc_text(value)
    if isinstance(value, Decimal | StrEnum):
        return str(value)
    return value


def _put(target: dict[str, Any], path: FieldPath, value: Any) -> None:
    for key in path[:-1]:
        target = target.setdefault(key, {})
    target[path[-1]] = value
