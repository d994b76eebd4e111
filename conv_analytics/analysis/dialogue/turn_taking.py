"""Who takes the turn from whom, after which latency, and who spoke into a prompt."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from conv_analytics.analysis.dialogue.audio_spans import CAP_S, RECOGNISED, merged_spans, running_spans
from conv_analytics.analysis.dialogue.roles import ROLES
from conv_analytics.analysis.dialogue.talk import BACKCHANNEL_S

_ID = "conversation_id"
Ints = npt.NDArray[np.int64]
#: Order of steps at one instant: ends, starts, and the ends of turns without duration.
_END, _START, _EMPTY_END = range(3)


def with_replies(turns: pd.DataFrame) -> pd.DataFrame:
    """Turns with ``reply_to``, ``latency_us`` and ``at_least``: the side they reply to, and how long after it.

    A turn replies to the side that spoke last, if it is another one and nobody spoke, or may have spoken, in between.
    """
    steps = _steps(turns)
    state = _states(steps)
    at = steps["time"].to_numpy()
    role = steps["role"].to_numpy()
    last = np.full(len(steps), -1)
    vague = _last(steps, ((steps["kind"] == _START) & steps["open_end"]).to_numpy(), before=True)
    own_last, free = np.full(len(steps), -1), np.ones(len(steps), dtype=bool)
    for name, (ended, running, doubtful) in state.items():
        own = role == name
        free &= (running == 0) & (own | (doubtful == 0))
        own_last = np.where(own, ended, own_last)
        # Steps are in order of time: the later step ended later, or at the same time.
        later = ~own & (ended >= 0) & ((last < 0) | (at[ended] > at[last]))
        last = np.where(later, ended, last)
    replies = (steps["kind"] == _START).to_numpy() & free & (last >= 0)
    replies &= (own_last < 0) | (at[last] >= at[own_last])
    # It is not known when a turn that has begun since then ended.
    replies &= (vague < 0) | (at[last] > at[vague])
    columns = steps.loc[replies, ["turn"]].assign(
        reply_to=role[last[replies]], latency_us=at[replies] - at[last[replies]],
        at_least=(steps["source"].to_numpy() == RECOGNISED)[last[replies]],
    ).set_index("turn")  # fmt: skip
    columns = columns.reindex(turns.index)
    return turns.assign(reply_to=columns["reply_to"].astype("str"), latency_us=columns["latency_us"].astype("float64"),
                        at_least=columns["at_least"].astype("boolean"))  # fmt: skip


def _steps(turns: pd.DataFrame) -> pd.DataFrame:
    """Starts and ends of turns in order of time; a missing end closes whatever may be running."""
    known = turns[~turns["open_start"]]
    starts = known.assign(time=known["start"], kind=_START, turn=known.index)
    empty = ~turns["open_start"] & (turns["end"] <= turns["start"])
    ends = turns.assign(time=turns["end"], kind=np.where(empty, _EMPTY_END, _END), turn=turns.index)
    names = [_ID, "time", "kind", "turn", "role", "source", "open_start", "open_end"]
    return pd.concat([starts[names], ends[names]]).sort_values([_ID, "time", "kind", "turn"], kind="stable",
                                                               ignore_index=True)  # fmt: skip


def _states(steps: pd.DataFrame) -> dict[str, tuple[Ints, Ints, Ints]]:
    """Per side and step: the step of its last known end, and how many of its turns run or may run."""
    start = (steps["kind"] == _START).to_numpy()
    bounded, open_end = ~steps["open_start"].to_numpy(), steps["open_end"].to_numpy()
    first = _first_of_instant(steps)
    states = {}
    for name in ROLES:
        own = (steps["role"] == name).to_numpy()
        counts = []
        for which in (own & bounded & ~open_end, own & bounded & open_end):
            change = np.where(which, np.where(start, 1, -1), 0)
            counts.append((np.cumsum(change) - change)[first])
        states[name] = (_last(steps, own & ~start & ~open_end), counts[0], counts[1])
    return states


def _first_of_instant(steps: pd.DataFrame) -> Ints:
    """The first step of the same kind at the same instant: none of several simultaneous starts is before another."""
    if steps.empty:
        return np.zeros(0, dtype="int64")
    keys = steps[[_ID, "time", "kind"]]
    fresh = (keys != keys.shift()).any(axis=1).to_numpy()
    return np.maximum.accumulate(np.where(fresh, np.arange(len(steps)), 0))


def _last(steps: pd.DataFrame, which: npt.NDArray[np.bool_], *, before: bool = False) -> Ints:
    """The last of some steps of the same conversation up to each step, or before its instant; -1 without one."""
    if steps.empty:
        return np.zeros(0, dtype="int64")
    group = steps.groupby(_ID, sort=False).ngroup().to_numpy()
    last = np.maximum.accumulate(np.where(which, np.arange(len(steps)), -1))
    if before:
        last = np.r_[-1, last[:-1]][_first_of_instant(steps)]
    return np.where((last >= 0) & (group[last] == group), last, -1)


def with_barge_ins(turns: pd.DataFrame) -> pd.DataFrame:
    """Turns with ``barged_in_us``, when the customer began to speak into a bot's turn, and the flag ``barged_in``.

    A customer's turn of less than a second within a bot's turn is a sign of listening, unless the bot's was stopped.
    The flag is null where it is not known: for turns with an open end or start, and conversations without a start of a
    customer's turn.
    """
    customers = turns[(turns["role"] == "customer") & ~turns["open_start"]].sort_values("start", kind="stable")
    length = customers["end"] - customers["start"]
    short = ~customers["open_end"] & (length < BACKCHANNEL_S * 1e6)
    bots = turns[turns["role"] == "bot"].sort_values(["start", "end"], kind="stable").reset_index(names="turn")
    ends = bots.sort_values("end", kind="stable")
    after = {}
    for name, rows in (("any", customers), ("long", customers[~short])):
        at = rows[[_ID, "start"]].assign(at=rows["start"])
        after[name] = pd.merge_asof(bots[[_ID, "start", "turn"]], at, on="start", by=_ID, direction="forward",
                                    allow_exact_matches=False).set_index("turn")["at"]  # fmt: skip
    brief = customers[short][[_ID, "start", "end"]].rename(columns={"end": "until", "start": "end"})
    brief["at"] = brief["end"]
    last = pd.merge_asof(ends[[_ID, "end", "turn"]], brief, on="end", by=_ID, allow_exact_matches=False)
    last = last.set_index("turn")
    bots = bots.set_index("turn")
    beyond = last["at"].where(last["until"] >= last["end"])
    at = pd.concat([after["any"].where(bots["stopped"]), after["long"], beyond], axis=1)
    inside = at.gt(bots["start"], axis=0) & at.lt(bots["end"], axis=0)
    first = at.where(inside).min(axis=1)
    known = ~bots["open_end"] & ~bots["open_start"] & bots[_ID].isin(customers[_ID])
    return turns.assign(
        barged_in=first.notna().astype("boolean").where(known).reindex(turns.index),
        barged_in_us=first.where(known).reindex(turns.index),
    )


def silences(turns: pd.DataFrame, sounds: pd.DataFrame, legs: pd.DataFrame) -> pd.DataFrame:
    """The stretches in which nobody spoke and nothing was played: ``conversation_id, start, end``.

    Between the first answer and the last end of the legs, or the first and the last instant of speech. Possible speech,
    of a turn with an open start or end, is not silence.

    Parameters
    ----------
    sounds
        Spans that are audible, but are not turns.
    """
    speech = pd.concat([_at_most(turns), sounds[[_ID, "start", "end"]]])
    up = legs.dropna(subset=["answered", "ended"])
    up = up[up["ended"] >= up["answered"]].assign(start=up["answered"], end=up["ended"])
    seen = turns[[_ID, "start", "end"]]
    alone = seen[~seen[_ID].isin(up[_ID])].groupby(_ID).agg(start=("start", "min"), end=("end", "max")).reset_index()
    seen = pd.concat([seen, up[[_ID, "start", "end"]], alone])
    windows = merged_spans(seen.astype({"start": "int64", "end": "int64"}), [_ID])
    heard = merged_spans(speech.astype({"start": "int64", "end": "int64"}), [_ID])
    # A window counts as one: alone it is silence. Speech counts as two, in its window or before it.
    pieces = running_spans(pd.concat([windows, heard, heard]))
    quiet = pieces[pieces["running"] == 1]
    return merged_spans(quiet, [_ID])[[_ID, "start", "end"]]


def _at_most(turns: pd.DataFrame) -> pd.DataFrame:
    """The longest possible extent of turns: an open start is the last thing anybody else did, or a minute before."""
    loose = turns[turns["open_start"]].sort_values("end", kind="stable")
    # In two steps: type checkers would try each overload of `concat` with each of `loc`.
    begun = turns.loc[~turns["open_start"], [_ID, "start", "end"]]
    starts = begun[[_ID, "start"]].rename(columns={"start": "end"})
    ends = turns.loc[~turns["open_end"], [_ID, "end"]]
    steps = pd.concat([starts, ends]).drop_duplicates()
    steps = steps.sort_values("end", kind="stable").assign(start=lambda rows: rows["end"])
    before = pd.merge_asof(loose[[_ID, "end"]], steps, on="end", by=_ID, allow_exact_matches=False)
    earliest = before["end"] - int(CAP_S * 1e6)
    before["start"] = np.maximum(before["start"].fillna(earliest), earliest).astype("int64")
    return pd.concat([begun, before[[_ID, "start", "end"]]])


__all__ = ["silences", "with_barge_ins", "with_replies"]
