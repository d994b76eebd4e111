"""Rows that Voice events gave: they count only where nothing else tells the same, so that no leg counts twice.

Voice events tell of a leg what its RTC events tell, some milliseconds apart. So a status of theirs counts for a leg of
which no other row tells that status, a billing record for a leg without another one; keys and recognised speech count
in conversations that have none from another source. Ids of legs are compared without dashes, and a leg has one id.
Where a leg was not answered, the end that follows does not hide its outcome.

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
#: Statuses that say why a leg was not answered, and those that follow all the same.
_OUTCOMES = ("failed", "busy", "timeout", "cancelled", "rejected", "unanswered")
_FOLLOWING = ("completed", "disconnected")
_KEY = "conv_analytics_{}"

Run = Callable[[Callable[[], Any]], Any]


def has_voice_rows(frames: Mapping[str, Any], table: str, engine: str, run: Run) -> bool:
    """Whether a table has rows of Voice events."""
    if table not in _ABOUT or not _has(frames.get(table), ("source", *_ABOUT[table])):
        return False
    frame = frames[table]
    if engine == "pandas":
        return bool(_of_voice(frame).any())
    return bool(run(frame.filter(f"source = '{VOICE}'").project("1").limit(1).fetchall))


def counting_rows(frames: Mapping[str, Any], table: str, engine: str) -> Any:
    """A table without the rows of Voice events that do not count."""
    legs = [frames[name] for name in _KNOW_LEGS if _has(frames.get(name), ("leg_id",))]
    of_engine = _counting_frame if engine == "pandas" else _counting_relation
    return of_engine(frames[table], _ABOUT[table], legs if "leg_id" in _ABOUT[table] else ())


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
    known = pd.MultiIndex.from_frame(keys[~of_voice].drop_duplicates())
    keep = ~of_voice | ~pd.MultiIndex.from_frame(keys).isin(known)
    if "status" in about:
        unanswered = keys["leg_id"][keys["status"].isin(_OUTCOMES)].unique()
        keep &= ~(of_voice & keys["status"].isin(_FOLLOWING) & keys["leg_id"].isin(unanswered))
    if not legs:
        return frame[keep]
    ids = (
        pd.concat([each.loc[~_of_voice(each), "leg_id"].drop_duplicates() for each in legs]).dropna().drop_duplicates()
    )
    written = pd.Series(ids.to_numpy(), index=_leg_key(ids).to_numpy(), dtype="str").sort_values()
    written = written[~written.index.duplicated()]
    same = keys["leg_id"].map(written).where(of_voice)
    return frame.assign(leg_id=same.fillna(frame["leg_id"]).astype("str"))[keep]


# -- in DuckDB


def _counting_relation(frame: Any, about: Sequence[str], legs: Sequence[Any]) -> Any:
    columns = [f'"{name}"' for name in frame.columns]
    keys = {name: _KEY.format(name) for name in about}
    added = ", ".join(f"{_sql_key(name)} as {key}" for name, key in keys.items())
    keyed = frame.project(f"{', '.join(columns)}, {added}")
    others = keyed.filter(f"source is distinct from '{VOICE}'")
    mine = keyed.filter(f"source = '{VOICE}'")
    if "status" in about:
        mine = _without_following(keyed, mine)
    known = others.project(", ".join(keys.values())).distinct()
    mine = _join(mine, known, keys.values(), "anti")
    if legs:
        leg = keys["leg_id"]
        mine = _join(mine, _ids_as_written(legs, leg), [leg], "left")
        columns = ["coalesce(as_written, leg_id) as leg_id" if name == '"leg_id"' else name for name in columns]
    return frame.filter(f"source is distinct from '{VOICE}'").union(mine.project(", ".join(columns)))


def _sql_key(name: str) -> str:
    return "lower(replace(leg_id, '-', ''))" if name == "leg_id" else f"cast({name} as varchar)"


def _without_following(keyed: Any, mine: Any) -> Any:
    """Rows without the ends of legs that were not answered."""
    leg, status = _KEY.format("leg_id"), _KEY.format("status")
    unanswered = keyed.filter(f"{status} in {_OUTCOMES}").project(leg).distinct()
    ends = _join(mine.filter(f"{status} in {_FOLLOWING}"), unanswered, [leg], "anti")
    return mine.filter(f"{status} not in {_FOLLOWING}").union(ends)


def _ids_as_written(legs: Sequence[Any], key: str) -> Any:
    """The ids of legs in tables of other sources, by their key."""
    ids: Any = None
    for each in legs:
        rest = each.filter(f"source is distinct from '{VOICE}'") if "source" in each.columns else each
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
