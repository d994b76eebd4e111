"""The keys that a map can be joined on: their names, and how its columns are recognised."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from conv_analytics.analysis.engine import zones
from conv_analytics.analysis.engine.answers import ANSWERS, reserved
from conv_analytics.analysis.engine.columns import CALLS, LEGS
from conv_analytics.errors import ConfigError

HOWS = ("equal", "longest_prefix", "valid_at")
#: Names of map columns, the column of legs that each is joined on, and how.
WORDS: Mapping[str, tuple[str, str]] = {
    "number": ("remote_address", "equal"),
    "prefix": ("remote_address", "longest_prefix"),
    "from_number": ("from_address", "equal"),
    "from_prefix": ("from_address", "longest_prefix"),
    "to_number": ("to_address", "equal"),
    "to_prefix": ("to_address", "longest_prefix"),
    "mccmnc": ("network_code", "equal"),
}
#: Columns that hold numbers, which are spelled in many ways.
NUMBERS = frozenset({"remote_address", "from_address", "to_address", "from_number", "to_number", "number"})
FROM, TO = "valid_from", "valid_to"
LEG_TEXTS = tuple(column.name for column in LEGS if column.kind is str)
#: Column names of legs and calls.
OF_ROWS = frozenset({*(column.name for column in (*LEGS, *CALLS)), *zones.KEYS})
#: Column names of legs, calls, verdicts or answers; those of answers by groups are declared with them.
TAKEN = OF_ROWS.union(*map(reserved, ANSWERS), {
    "all", "at", "bin", "codec_guess", "confidence", "cost", "evidence_event_id", "excuse", "flow", "group",
    "hung_up_at", "jitter_sd_max_ms", "jitter_sd_min_ms", "limit", "loss_pct", "loss_source", "lower", "media_ratio",
    "median", "minutes", "mos_emodel", "mos_emodel_low", "mos_model", "mos_reported", "mos_trust", "profile", "rule",
    "silent_directions", "slot", "start", "sure", "upper", "value", "verdict",
})  # fmt: skip


class Key(NamedTuple):
    """The key that a map is joined on.

    Attributes
    ----------
    column
        Of the map.
    on
        Of the rows.
    how
        One of `HOWS`.
    """

    column: str
    on: str
    how: str


def key_of(
    names: Sequence[str], on: str | Mapping[str, str] | None, how: str | None, *, rows: Collection[str], map_name: str
) -> Key:
    """The key of a map with columns of these names.

    Parameters
    ----------
    on
        A column of the map, a mapping of a column of the rows, or a word for one, to a column of the map; found among
        the names when absent.
    how
        One of `HOWS`; decided by the names when absent.
    rows
        The columns of the rows that a map can be joined on.
    """
    if how is not None and how not in HOWS:
        raise ConfigError(f"how={how!r} is not one of {', '.join(HOWS)}.")
    if on is None:
        column = word = _recognised(names, rows, map_name)
    elif isinstance(on, str):
        column = word = on
    elif len(on) == 1:
        ((word, column),) = on.items()
    else:
        raise ConfigError(f"on={dict(on)} has to name one column: {{'remote_address': 'prefix'}}.")
    if column not in names:
        raise ConfigError(f"{map_name} has no column {column!r} to join on; it has {', '.join(names)}.")
    target, usual = (word, "equal") if word in rows else WORDS.get(word.lower(), (word, "equal"))
    if target not in rows:
        raise ConfigError(
            f"{word!r} cannot be used to join {map_name} on: name one of {', '.join(sorted(WORDS))}, or of the columns "
            f"{', '.join(sorted(rows))}. If the column has another name, say which it stands for: "
            f"on={{'number': {column!r}}}."
        )
    dated = not {FROM, TO}.isdisjoint(names)
    how = how or ("valid_at" if dated and usual == "equal" else usual)
    if how == "valid_at" and not dated:
        raise ConfigError(f"{map_name} has neither {FROM!r} nor {TO!r}, which how='valid_at' needs.")
    if how != "valid_at" and dated:
        raise ConfigError(
            f"{map_name} has {FROM!r} or {TO!r}, which how={how!r} ignores: join it with how='valid_at', or "
            "leave these columns out."
        )
    return Key(column, target, how)


def _recognised(names: Sequence[str], rows: Collection[str], map_name: str) -> str:
    """The only column whose name says what it is."""
    words = [name for name in names if name.lower() in WORDS] or [name for name in names if name in rows]
    if len(words) != 1:
        which = f"several columns that it could be joined on ({', '.join(words)})" if words else (
            f"the columns {', '.join(names)}, and none of them says what it is joined on"
        )  # fmt: skip
        raise ConfigError(
            f"{map_name} has {which}. Name the column: on='number', or on={{'number': 'Rufnummer'}} if it has a name "
            f"of its own. Known are {', '.join(sorted(WORDS))}, and columns of legs."
        )
    return words[0]


__all__ = ["FROM", "HOWS", "LEG_TEXTS", "NUMBERS", "OF_ROWS", "TAKEN", "TO", "WORDS", "Key", "key_of"]
