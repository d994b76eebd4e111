"""Rows that Voice events gave: they count only where nothing else tells the same, so that no leg counts twice.

Voice events tell of a leg what its RTC events tell, some milliseconds apart. So statuses of theirs count for legs that
have no others; where a leg's others break off before its end, the answer and the end count that they lack. A billing
record counts for a leg without another one; keys and recognised speech count in conversations that have none from
another source. Ids of legs are compared without dashes, and a leg has one id. Where a leg was not answered, the end
that follows does not hide its outcome.

Nothing is read where no table has such rows: the statistics of its files say so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

#: Tables that know legs.
_KNOW_LEGS = ("leg_statuses", "call_events", "hangups", "call_records")
#: Tables with rows of Voice events, and the columns that say what such a row is about.
_ABOUT: Mapping[str, tuple[str, ...]] = {
    "leg_statuses": ("leg_id", "status"),
    "call_records": ("leg_id",),
    "audio_events": ("conversation_id", "type"),
    "transcripts": ("conversation_id",),
}
VOICE = "voice"
# As text: an enumeration that lacks the word could not be compared with it.
_IS_VOICE = f"cast(source as varchar) = '{VOICE}'"
_IS_OTHER = f"cast(source as varchar) is distinct from '{VOICE}'"
#: Statuses that say why a leg was not answered, and those that follow all the same.
_OUTCOMES = ("failed", "busy", "timeout", "cancelled", "rejected", "unanswered")
_FOLLOWING = ("completed", "disconnected")
#: Statuses that Voice events tell of every leg, at once: they are no measure of what others do not tell.
_BEGINNING = ("started", "ringing")
_KEY = "conv_analytics_{}"

Run = Callable[[Callable[[], Any]], Any]


def has_voice_rows(frames: Mapping[str, Any], table: str, engine: str, run: Run) -> bool:
    """Whether a table has rows of Voice events."""
    if table not in _ABOUT or not _has(frames.get(table), ("source", *_ABOUT[table])):
        return False
    frame = frames[table]
    if engine == "pandas":
        return bool(_of_voice(frame.read({"source": str}).native).any())
    return bool(run(frame.filter(_IS_VOICE).project("1").limit(1).fetchall))


def counting_rows(frames: Mapping[str, Any], table: str, engine: str, keep: Callable[[Any], Any]) -> Any:
    """A table without the rows of Voice events that do not count.

    Parameters
    ----------
    frames
        All tables.
    table
        The one wanted, which has such rows.
    engine
        ``pandas`` or ``duckdb``.
    keep
        Computes a relation now, where that is possible: that of the rows of Voice events that count.
    """
    about = _ABOUT[table]
    legs = [frames[name] for name in _KNOW_LEGS if _has(frames.get(name), ("leg_id",))] if "leg_id" in about else []
    if engine == "pandas":
        return _counting_frame(frames[table].frame(), about, [each.frame() for each in legs])
    mine = keep(_counting_relation(frames[table], about, legs))
    return frames[table].filter(_IS_OTHER).union(mine)


def _has(frame: Any, columns: Sequence[str]) -> bool:
    return frame is not None and set(columns) <= set(frame.columns)


# -- in memory


def _of_voice(frame: pd.DataFrame) -> pd.Series[bool]:
    if "source" not in frame.columns:
        return pd.Series(data=False, index=frame.index)
    return (frame["source"] == VOICE).fillna(value=False).astype(bool)


def _leg_key(legs: pd.Series[Any]) -> pd.Series[Any]:
    return legs.astype("str").str.replace("-", "", regex=False).str.lower()


def _counting_frame(frame: pd.DataFrame, about: Sequence[str], legs: Sequence[pd.DataFrame]) -> pd.DataFrame:
    of_voice = _of_voice(frame)
    keys = pd.DataFrame({name: frame[name].astype("str") for name in about}, index=frame.index)
    if "leg_id" in about:
        keys["leg_id"] = _leg_key(keys["leg_id"])
    others = keys[~of_voice].drop_duplicates()
    keep = ~of_voice | ~pd.MultiIndex.from_frame(keys).isin(pd.MultiIndex.from_frame(others))
    if "status" in about:
        over = others["leg_id"][others["status"].isin([*_OUTCOMES, *_FOLLOWING])]
        beginning = keys["status"].isin(_BEGINNING) & keys["leg_id"].isin(others["leg_id"])
        unanswered = keys["leg_id"][keys["status"].isin(_OUTCOMES)].unique()
        following = keys["status"].isin(_FOLLOWING) & keys["leg_id"].isin(unanswered)
        keep &= ~(of_voice & (beginning | following | keys["leg_id"].isin(over)))
    if not legs:
        return frame[keep]
    ids = (
        pd.concat([each.loc[~_of_voice(each), "leg_id"].drop_duplicates() for each in legs]).dropna().drop_duplicates()
    )
    written = pd.Series(ids.to_numpy(), index=_leg_key(ids).to_numpy(), dtype="str").sort_values()
    written = written[~written.index.duplicated()]
    if written.empty:
        return frame[keep]
    same = keys["leg_id"].map(written).where(of_voice).astype("str")
    return frame.assign(leg_id=same.fillna(frame["leg_id"]))[keep]


# -- in DuckDB


def _counting_relation(frame: Any, about: Sequence[str], legs: Sequence[Any]) -> Any:
    """The rows of Voice events that count."""
    columns = [f'"{name}"' for name in frame.columns]
    keys = {name: _KEY.format(name) for name in about}
    added = ", ".join(f"{_sql_key(name)} as {key}" for name, key in keys.items())
    keyed = frame.project(f"{', '.join(columns)}, {added}")
    others = keyed.filter(_IS_OTHER)
    mine = keyed.filter(_IS_VOICE)
    if "status" in about:
        mine = _of_unfinished_legs(keyed, others, mine)
    known = others.project(", ".join(keys.values())).distinct()
    mine = _join(mine, known, keys.values(), "anti")
    if legs:
        leg = keys["leg_id"]
        mine = _join(mine, _ids_as_written(legs, leg), [leg], "left")
        columns = ["coalesce(as_written, leg_id) as leg_id" if name == '"leg_id"' else name for name in columns]
    return mine.project(", ".join(columns))


def _sql_key(name: str) -> str:
    return "lower(replace(leg_id, '-', ''))" if name == "leg_id" else f"cast({name} as varchar)"


def _of_unfinished_legs(keyed: Any, others: Any, mine: Any) -> Any:
    """Statuses of legs whose end, or even beginning, no other row tells; and of the ends those that say the most."""
    leg, status = _KEY.format("leg_id"), _KEY.format("status")

    def without(rows: Any, excepted: str, told: Any, words: Sequence[str]) -> Any:
        """The rows without some statuses of some legs."""
        legs = told.filter(f"{status} in {tuple(words)}").project(leg).distinct() if words else told.project(leg)
        if not excepted:
            return _join(rows, legs, [leg], "anti")
        kept = _join(rows.filter(excepted), legs.distinct(), [leg], "anti")
        return rows.filter(f"not ({excepted})").union(kept)

    mine = without(mine, "", others, (*_OUTCOMES, *_FOLLOWING))
    mine = without(mine, f"{status} in {_BEGINNING}", others, ())
    return without(mine, f"{status} in {_FOLLOWING}", keyed, _OUTCOMES)


def _ids_as_written(legs: Sequence[Any], key: str) -> Any:
    """The ids of legs in tables of other sources, by their key."""
    ids: Any = None
    for each in legs:
        rest = each.filter(_IS_OTHER) if "source" in each.columns else each
        part = rest.project(f"{_sql_key('leg_id')} as {key}, leg_id as written")
        ids = part if ids is None else ids.union(part)
    return ids.aggregate(f"{key}, min(written) as as_written", key)


def _join(left: Any, right: Any, keys: Any, how: str) -> Any:
    condition = " and ".join(f"voice_left.{key} = voice_right.{key}" for key in keys)
    joined = left.set_alias("voice_left").join(right.set_alias("voice_right"), condition, how=how)
    wanted = [f'voice_left."{name}"' for name in left.columns]
    more = [f'voice_right."{name}"' for name in right.columns if name not in left.columns] if how == "left" else []
    return joined.project(", ".join([*wanted, *more])) if how == "left" else joined


__all__ = ["counting_rows", "has_voice_rows"]
