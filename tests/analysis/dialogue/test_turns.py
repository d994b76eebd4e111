"""Turns: sides, latency, barge-ins and dead air by hand; odd events; against a slow count of the same; identities."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import pytest

from conv_analytics.analysis import talk, turns
from conv_analytics.analysis.dialogue.turns import TURN_CONVERSATIONS, TURN_ROLES, TURNS
from conv_analytics.errors import ColumnNotFound, ConfigError, TableNotFound
from tests._helpers.leg_tables import NINE, as_pandas, at, hangup, relations, statuses, tables

#: Who is at which leg of a call: a customer, an agent, and a bot of the application.
KINDS = {"c": ("inbound", "phone"), "h": ("outbound", "phone"), "b": ("outbound", "websocket")}


def events(*rows: tuple[Any, ...]) -> list[dict[str, Any]]:
    """Rows of ``(what, leg or id of a prompt, second)``, and what else an event says."""
    return [
        {"conversation_id": "CON-1", "event_id": place, "type": f"audio:{what}", "at": at(second), "leg_id": None,
         "from_member_id": None, "say_id": None, "play_id": None, "loop": None, "asr_error": None,
         "asr_timeout_reason": None, **_owner(what, of), **(more[0] if more else {})}
        for place, (what, of, second, *more) in enumerate(rows, 1)
    ]  # fmt: skip


def _owner(what: str, of: str | None) -> dict[str, Any]:
    if what.startswith(("say", "play")):
        return {f"{what.partition(':')[0]}_id": of}
    return {"leg_id": of, "from_member_id": f"MEM-{of}"}


def calls(answered: float = 0.0, ended: float = 60.0, who: str = "chb") -> list[dict[str, Any]]:
    return [
        row
        for leg in who
        for row in statuses(
            leg, ("started", answered), ("answered", answered), ("completed", ended),
            direction=KINDS[leg][0], channel_type=KINDS[leg][1],
        )
    ]  # fmt: skip


def data_of(*rows: tuple[Any, ...], **legs: Any) -> dict[str, pd.DataFrame]:
    return tables(audio_events=events(*rows), leg_statuses=calls(**legs))


def data_of_many(each: Mapping[str, Sequence[tuple[Any, ...]]], **legs: Any) -> dict[str, pd.DataFrame]:
    """The same of several conversations, by their ids: a question of all takes as long as a question of one."""
    audio = [own(row, name) for name, rows in each.items() for row in events(*rows)]
    return tables(audio_events=audio, leg_statuses=[own(row, name) for name in each for row in calls(**legs)])


def own(row: dict[str, Any], conversation: str) -> dict[str, Any]:
    """A row as one of another conversation, which has members and legs of its own."""
    ids = {name: row[name] and f"{row[name]} of {conversation}" for name in _IDS & set(row)}
    return row | ids | {"conversation_id": conversation}


_IDS = {"member_id", "from_member_id", "leg_id"}


def only(found: pd.DataFrame, conversation: str) -> pd.DataFrame:
    """The rows of one conversation."""
    return found[found["conversation_id"] == conversation].reset_index(drop=True)


def same(data: dict[str, pd.DataFrame], **how: Any) -> pd.DataFrame:
    """The turns; pandas and DuckDB agree, whatever the order of rows, and however often they stand there."""
    found: pd.DataFrame = turns(data, **how)
    by = [name for name in ("conversation_id", "turn", "role") if name in found]
    shuffled = {name: pd.concat([frame, frame]).sample(frac=1, random_state=3) for name, frame in data.items()}
    for other in (turns(relations(data), **how), turns(shuffled, **how)):
        pd.testing.assert_frame_equal(found, as_pandas(other, by), check_dtype=False)
    return found


def seconds(instants: pd.Series[Any]) -> list[float | None]:
    return [None if pd.isna(each) else (each - NINE).total_seconds() for each in instants]


def listed(column: pd.Series[Any]) -> list[Any]:
    return [None if pd.isna(value) else value for value in column]


#: A prompt, an answer after 1 s, a prompt after 1.5 s that is stopped 0.4 s after the caller speaks into it; the agent.
CALL = (
    ("say", "s1", 1), ("say:done", "s1", 5), ("speaking:on", "c", 6), ("speaking:off", "c", 8), ("say", "s2", 9.5),
    ("speaking:on", "c", 12), ("say:stop", "s2", 12.4), ("speaking:off", "c", 14), ("speaking:on", "h", 20),
    ("speaking:off", "h", 23), ("speaking:on", "h", 23.5), ("speaking:off", "h", 25), ("speaking:on", "c", 25.2),
    ("speaking:off", "c", 27),
)  # fmt: skip


@pytest.mark.slow
def test_a_call_with_a_bot_and_an_agent() -> None:
    data = data_of(*CALL)
    rows = same(data)
    assert listed(rows["role"]) == ["bot", "customer", "bot", "customer", "human", "human", "customer"]
    assert listed(rows["reply_to"]) == [None, "bot", "customer", None, "customer", None, "human"]
    assert listed(rows["latency_s"]) == pytest.approx([None, 1.0, 1.5, None, 6.0, None, 0.2])
    assert listed(rows["silence_s"]) == pytest.approx([1.0, 1.0, 1.5, None, 6.0, 0.5, 0.2])
    assert listed(rows["barged_in"]) == [False, None, True, None, None, None, None]
    assert listed(rows["barge_in_s"])[2] == pytest.approx(0.4)
    assert listed(rows["stopped"])[:3] == [False, None, True]
    sides = same(data, by="role").set_index("role")
    assert sides["replies"].to_dict() == {"bot": 1, "customer": 2, "human": 1}
    assert sides["latency_p50_s"].to_dict() == pytest.approx({"bot": 1.5, "customer": 0.6, "human": 6.0})
    assert [*sides.loc["bot", ["barge_ins", "barge_in_n", "stopped"]]] == [1, 2, 1]
    assert sides["dead_air_s"].to_dict() == {"bot": 0.0, "customer": 0.0, "human": 6.0}
    whole = same(data, by="conversation").iloc[0]
    assert whole[["turns", "customer_turns", "human_turns", "bot_turns"]].to_list() == [7, 3, 2, 2]
    assert whole[["bot_replies", "bot_latency_p50_s", "barge_ins", "stopped"]].to_list() == [1, 1.5, 1, 1]
    # The agent's six seconds, and the silence until the call ends, which no turn follows.
    assert whole[["dead_airs", "dead_air_s", "longest_silence_s"]].to_list() == [2, 39.0, 33.0]


#: What is odd about the events of a conversation: its rows, and what its turns are.
ODD: dict[str, tuple[list[tuple[Any, ...]], dict[str, Any]]] = {
    "prompts without an end": (
        [("say", "s", 1), ("speaking:on", "c", 3), ("speaking:off", "c", 5), ("say", "t", 6)],
        {"open_end": [True, False, True], "duration_s": [None, 2.0, None], "latency_s": [None, None, 1.0],
         "barged_in": [None, None, None], "silence_s": [1.0, None, None]},
    ),
    "an end without a start is replied to": (
        [("say:done", "s", 4), ("speaking:on", "c", 5), ("speaking:off", "c", 6)],
        {"open_start": [True, False], "duration_s": [None, 1.0], "latency_s": [None, 1.0]},
    ),
    "speech without a start": (
        [("say", "s", 1), ("say:done", "s", 4), ("speaking:off", "c", 6), ("say", "t", 7), ("say:done", "t",
         8)],
        {"role": ["bot", "customer", "bot"], "open_start": [False, True, False], "latency_s": [None, None,
         1.0], "silence_s": [1.0, None, 1.0]},
    ),
    "one instant ends and starts": (
        [("speaking:on", "c", 5), ("speaking:off", "c", 8), ("speaking:on", "b", 8), ("speaking:off", "b",
         9)],
        {"role": ["customer", "bot"], "latency_s": [None, 0.0]},
    ),
    "both at once": (
        [("speaking:on", "c", 5), ("speaking:on", "b", 5), ("speaking:off", "c", 8), ("speaking:off", "b",
         8)],
        {"role": ["bot", "customer"], "latency_s": [None, None], "barged_in": [False, None]},
    ),
    "a sign of listening": (
        [("say", "s", 1), ("speaking:on", "c", 2), ("speaking:off", "c", 2.6), ("say:done", "s", 4)],
        {"barged_in": [False, None]},
    ),
    "short, but it stopped the prompt": (
        [("say", "s", 1), ("speaking:on", "c", 2), ("speaking:off", "c", 2.6), ("say:stop", "s", 2.8)],
        {"barged_in": [True, None], "barge_in_s": [pytest.approx(0.8), None]},
    ),
    "short, but longer than the prompt": (
        [("say", "s", 1), ("speaking:on", "c", 3.5), ("speaking:off", "c", 4.2), ("say:done", "s", 4)],
        {"barged_in": [True, None]},
    ),
    "stopped, then done": (
        [("say", "s", 1), ("say:stop", "s", 2), ("say:done", "s", 2.1)],
        {"stopped": [True], "duration_s": [1.0], "barged_in": [None]},
    ),
    "ids written otherwise": (
        [("say", "AB-c", 1), ("say:done", "ABC", 3)],
        {"duration_s": [2.0]},
    ),
    "prompts without an id": (
        [("say", None, 1), ("say:done", None, 3), ("say", None, 5), ("say:stop", None, 6)],
        {"duration_s": [2.0, 1.0], "stopped": [False, True]},
    ),
    "the first has no end": (
        [("say", None, 1), ("say", None, 5), ("say:done", None, 6)],
        {"duration_s": [None, 1.0], "open_end": [True, False]},
    ),
    "a queue is one turn": (
        [("say", "s", 1), ("say", "t", 2), ("say:done", "s", 5), ("say:done", "t", 8)],
        {"duration_s": [7.0]},
    ),
    "a queue without an end": (
        [("say", "s", 1), ("say", "t", 2), ("say:done", "s", 5)],
        {"duration_s": [4.0, None], "silence_s": [1.0, None]},
    ),
    "two begin together and never end": (
        [("say", "s", 1), ("say", "t", 1)],
        {"duration_s": [None], "open_end": [True]},
    ),
    "hold music": (
        [("play", "p", 1, {"loop": 0}), ("speaking:on", "c", 30), ("speaking:off", "c", 32), ("play:stop",
         "p", 40)],
        {"role": ["customer"], "silence_s": [None], "latency_s": [None]},
    ),
    "a file": (
        [("play", "p", 1, {"loop": 1}), ("play:done", "p", 9)],
        {"role": ["bot"], "source": ["play"], "duration_s": [8.0]},
    ),
    "a blip": (
        [("speaking:on", "c", 5), ("speaking:off", "c", 5.1)],
        {"role": []},
    ),
    "only ends": (
        [("speaking:off", "c", 5), ("speaking:off", "c", 7)],
        {"open_start": [True]},
    ),
    "nobody knows when it ended": (
        [("speaking:on", "c", 5), ("say", "s", 70), ("say:done", "s", 72)],
        {"open_end": [True, False], "latency_s": [None, None]},
    ),
    "no speech": (
        [("ringing:start", "c", 1), ("record", "c", 2), ("dtmf", "c", 3)],
        {"role": []},
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def odd_turns() -> pd.DataFrame:
    """The turns of all odd conversations, asked at once: none of them changes those of another."""
    return same(data_of_many({name: rows for name, (rows, _) in ODD.items()}))


@pytest.mark.xdist_group("turns")
@pytest.mark.parametrize("name", ODD)
def test_odd_events(odd_turns: pd.DataFrame, name: str) -> None:
    found, (_, expected) = only(odd_turns, name), ODD[name]
    assert {column: listed(found[column]) for column in expected} == expected


def heard(second: float, **more: Any) -> tuple[Any, ...]:
    return ("asr:done", "c", second, {"asr_timeout_reason": "end_on_silence_timeout", **more})


@pytest.mark.slow
def test_recognised_speech_where_there_are_no_speech_events() -> None:
    prompts = (("say", "s", 1), ("say:done", "s", 4), ("say", "t", 9), ("say:done", "t", 11))
    silent = heard(8, asr_timeout_reason="start_timeout", asr_error="ASR start timeout")
    other = heard(8, asr_timeout_reason="other")
    data = data_of_many({
        "heard": (*prompts, heard(8)), "silent": (*prompts, silent), "other": (*prompts, other),
        "both": (*prompts, heard(8), ("speaking:on", "c", 5), ("speaking:off", "c", 7)),
    })  # fmt: skip
    found = same(data)
    rows = only(found, "heard")
    assert listed(rows["source"]) == ["say", "asr", "say"]
    assert seconds(rows["start_at"]) == [1.0, None, 9.0]
    assert seconds(rows["end_at"]) == [4.0, 8.0, 11.0]
    assert listed(rows["latency_s"]) == [None, None, 1.0]
    assert listed(rows["latency_at_least"]) == [None, None, True]
    assert listed(rows["barged_in"]) == [None, None, None]
    assert same(data_of(*prompts, heard(8)), by="role").set_index("role").loc["bot", "replies_at_least"] == 1
    assert listed(only(found, "silent")["source"]) == ["say", "say"]
    rows = only(found, "both")
    assert listed(rows["source"]) == ["say", "speaking", "say"]
    assert listed(rows["latency_s"]) == [None, 1.0, 2.0]
    assert listed(only(found, "other")["source"]) == ["say", "say"]
    transcripts = pd.DataFrame({"conversation_id": ["other"], "event_id": [5], "alternative": [1], "confidence": [0.9],
                                "timeout_reason": ["other"], "at": [at(8)]})  # fmt: skip
    found = same({**data, "transcripts": transcripts})
    assert listed(only(found, "other")["source"]) == ["say", "asr", "say"]


@pytest.mark.slow
def test_roles_are_given_or_concluded() -> None:
    data = data_of(*(row for place, who in enumerate("chb") for row in
                     (("speaking:on", who, 5 * place), ("speaking:off", who, 5 * place + 2))))  # fmt: skip
    assert listed(same(data)["role"]) == ["customer", "human", "bot"]
    assert listed(same(data, roles={"MEM-h": "bot", "MEM-b": "customer"})["role"]) == ["customer", "bot", "customer"]
    users = tables(hangups=[hangup("c", 60)])
    assert listed(turns({**data, **users}, {"USR-c": "human"})["role"]) == ["human", "human", "bot"]
    assert listed(turns({"audio_events": data["audio_events"]})["role"]) == ["customer"] * 3


@pytest.mark.slow
@pytest.mark.parametrize("by", ["turn", "conversation", "role"])
def test_nothing_was_said(by: str) -> None:
    columns = {"turn": TURNS, "conversation": TURN_CONVERSATIONS, "role": TURN_ROLES}[by]
    for data in (data_of(("dtmf", "c", 3)), {"audio_events": tables(audio_events=events(*CALL))["audio_events"][:0]}):
        found = turns(data, by=by)
        assert found.empty
        assert list(found) == [column.name for column in columns]
        assert list(turns(relations(data), by=by).df()) == list(found)
    frame = tables(audio_events=events(*CALL))["audio_events"]
    assert turns({"audio_events": frame.assign(at=frame["at"].where(frame["event_id"] < 0))}, by=by).empty


def test_what_is_needed_is_said() -> None:
    with pytest.raises(TableNotFound, match="audio_events"):
        turns({})
    with pytest.raises(ColumnNotFound, match="'at'"):
        turns({"audio_events": pd.DataFrame({"conversation_id": ["CON-1"], "event_id": [1], "type": ["x"]})})
    with pytest.raises(ConfigError, match="'turn', 'conversation' or 'role'"):
        turns({}, by="member")
    with pytest.raises(ConfigError, match="positive"):
        turns({}, dead_air_s=0)
    with pytest.raises(ConfigError, match="'robot'"):
        turns({}, {"USR-1": "robot"})


# -- against a slow count of the same


def spoken(seed: int) -> list[tuple[str, str, float, float]]:
    """Turns of three members and of prompts, in tenths of a second so that instants meet; none of one touch."""
    dice, rows = random.Random(seed), []
    for who in ("c", "h", "b", "say"):
        now = dice.randrange(100)
        while now < 500:
            end = now + dice.randrange(2, 60)
            stop = who == "say" and dice.random() < 0.5
            rows.append((who, "say:stop" if stop else "say:done", now / 10, end / 10))
            now = end + dice.randrange(1, 150)
    return rows


def as_events(rows: list[tuple[str, str, float, float]]) -> list[tuple[Any, ...]]:
    steps: list[tuple[Any, ...]] = []
    for place, (who, end, start, until) in enumerate(rows):
        if who == "say":
            steps += [("say", f"s{place}", start), (end, f"s{place}", until)]
        else:
            steps += [("speaking:on", who, start), ("speaking:off", who, until)]
    return steps


def counted(rows: list[tuple[str, str, float, float]]) -> list[tuple[Any, ...]]:
    """Role, start, latency, silence before, and barge-in of each turn: one after the other."""
    role = {"c": "customer", "h": "human", "b": "bot", "say": "bot"}
    answers = []
    for who, how, start, end in rows:
        ended = [(e, role[w]) for w, _, s, e in rows if e <= start]
        runs = any(s < start < e for _, _, s, e in rows)
        others = [e for e, r in ended if r != role[who]]
        own = [e for e, r in ended if r == role[who]]
        latency = None
        if others and not runs and max(others) >= max(own, default=-1):
            latency = round(start - max(others), 3)
        silence = None if runs else round(start - max((e for e, _ in ended), default=0.0), 3)
        barged = None
        if role[who] == "bot":
            barged = any(
                start < s < end and (e - s >= 1.0 - 1e-9 or e >= end or how == "say:stop")
                for w, _, s, e in rows if w == "c"
            )  # fmt: skip
        answers.append((role[who], start, end, latency, silence or None, barged))
    return sorted(answers, key=lambda row: (row[1], row[2], row[0]))


COUNTED = range(12)


@pytest.fixture(scope="module")
def counted_turns() -> pd.DataFrame:
    """The turns of a conversation of each seed."""
    return turns(data_of_many({f"CON-{seed}": as_events(spoken(seed)) for seed in COUNTED}, ended=200.0))


@pytest.mark.xdist_group("turns")
@pytest.mark.parametrize("seed", COUNTED)
def test_a_slow_count_gives_the_same(counted_turns: pd.DataFrame, seed: int) -> None:
    rows, found = spoken(seed), only(counted_turns, f"CON-{seed}")
    numbers = [[None if value is None else round(float(value), 3) for value in column] for column in (
        seconds(found["start_at"]), seconds(found["end_at"]), listed(found["latency_s"]), listed(found["silence_s"]),
    )]  # fmt: skip
    barged = [None if value is None else bool(value) for value in listed(found["barged_in"])]
    got = [*zip(listed(found["role"]), *numbers, barged, strict=True)]
    assert sorted(got, key=lambda row: (row[1], row[2], row[0])) == counted(rows)


@pytest.mark.xdist_group("turns")
def test_the_slow_counts_are_of_something(counted_turns: pd.DataFrame) -> None:
    assert int(counted_turns["latency_s"].count()) > 40
    assert int(counted_turns["barged_in"].sum()) > 10


# -- what always holds

_KINDS = ("speaking:on", "speaking:off", "say", "say:stop", "say:done", "play", "play:stop", "play:done", "asr:done")


def hostile(seed: int) -> list[dict[str, Any]]:
    """Events of two conversations in any order: starts without ends, ends without starts, equal instants, no ids."""
    dice, rows = random.Random(seed), []
    for place in range(dice.randrange(1, 30)):
        what = dice.choice(_KINDS)
        of = dice.choice("chb" if what.startswith(("speaking", "asr")) else ["s", "t", None])
        (row,) = events((what, of, dice.randrange(81) / 2, {"asr_timeout_reason": "max_duration",
                                                            "loop": dice.randrange(2)}))  # fmt: skip
        rows.append(row | {"event_id": place, "conversation_id": dice.choice(["CON-1", "CON-2"])})
    return rows


HOSTILE, SPEECH = range(25), range(100, 110)
ROLES = {"MEM-h": "human", "MEM-b": "bot"}


@pytest.fixture(scope="module")
def hostile_events() -> pd.DataFrame:
    """Two conversations of each seed."""
    rows = [
        row | {"conversation_id": f"{row['conversation_id']} of {seed}"} for seed in HOSTILE for row in hostile(seed)
    ]
    return tables(audio_events=rows)["audio_events"]


@pytest.fixture(scope="module")
def hostile_turns(hostile_events: pd.DataFrame) -> pd.DataFrame:
    return turns({"audio_events": hostile_events}, ROLES)


@pytest.mark.xdist_group("turns")
def test_order_and_repetition_change_nothing(hostile_events: pd.DataFrame, hostile_turns: pd.DataFrame) -> None:
    twice = pd.concat([hostile_events, hostile_events])
    for seed in (1, 2, 3):
        mixed = twice.sample(frac=1, random_state=seed)
        pd.testing.assert_frame_equal(turns({"audio_events": mixed}, ROLES), hostile_turns)


@pytest.mark.xdist_group("turns")
@pytest.mark.parametrize("seed", HOSTILE)
def test_what_always_holds(hostile_turns: pd.DataFrame, seed: int) -> None:
    found = hostile_turns[hostile_turns["conversation_id"].str.endswith(f" of {seed}")]
    timed = found[~found["open_start"]].sort_values(["start_at", "end_at"])
    for _, own in timed.groupby(["conversation_id", timed["member_id"].fillna("prompts")]):
        assert (own["start_at"].iloc[1:].to_numpy() >= own["end_at"].iloc[:-1].to_numpy()).all(), "overlaps itself"
    assert (found["end_at"] >= found["start_at"].fillna(found["end_at"])).all()
    assert (found["duration_s"].isna() == (found["open_start"] | found["open_end"])).all()
    assert (found["start_at"].isna() == found["open_start"]).all()
    replies = found["latency_s"].notna()
    assert (found["reply_to"].notna() == replies).all()
    assert (found.loc[replies, "reply_to"] != found.loc[replies, "role"]).all()
    assert not found.loc[found["open_start"], "latency_s"].notna().any()
    for column in ("latency_s", "silence_s", "barge_in_s", "duration_s"):
        assert not (found[column] < 0).any()
    assert (found.loc[found["silence_s"].notna() & replies, ["latency_s", "silence_s"]]
            .diff(axis=1)["silence_s"].abs() < 1e-6).all(), "a reply follows silence"  # fmt: skip
    assert not found.loc[found["role"] != "bot", "barged_in"].notna().any()


@pytest.mark.xdist_group("turns")
def test_sums_are_of_the_turns(hostile_events: pd.DataFrame, hostile_turns: pd.DataFrame) -> None:
    """Every start and every end that counts is there: none is dropped, none is invented."""
    data = {"audio_events": hostile_events}
    sides = turns(data, ROLES, by="role").set_index("role")
    whole = turns(data, ROLES, by="conversation").set_index("conversation_id")
    dead = hostile_turns["silence_s"].where(hostile_turns["silence_s"] >= 3)
    counted = hostile_turns.assign(
        turns=1, replies=hostile_turns["latency_s"].notna(), dead=dead, dead_airs=dead.notna(),
        open_turns=hostile_turns["open_start"] | hostile_turns["open_end"],
    )  # fmt: skip
    sums = counted.groupby("role")[["turns", "replies", "open_turns", "dead_airs", "dead"]].sum()
    assert sorted(sides.index) == sorted(sums.index) == ["bot", "customer", "human"]
    for column in ("turns", "replies", "open_turns", "dead_airs"):
        assert sides[column].to_dict() == sums[column].to_dict(), column
    assert sides["dead_air_s"].to_dict() == pytest.approx(sums["dead"].to_dict(), abs=1e-6)
    sums = counted.groupby("conversation_id")[["turns", "open_turns", "dead_airs"]].sum()
    assert set(whole.index) == set(sums.index)
    assert whole["turns"].to_dict() == sums["turns"].to_dict()
    assert whole["open_turns"].to_dict() == sums["open_turns"].to_dict()
    # A conversation also has the silence that no turn follows.
    assert (whole["dead_airs"] >= sums["dead_airs"].reindex(whole.index)).all()


@pytest.fixture(scope="module")
def speech_and_talk() -> tuple[pd.DataFrame, pd.DataFrame]:
    rows = [own(row, f"CON-{seed}") for seed in SPEECH for row in hostile(seed)]
    legs = [own(row, f"CON-{seed}") for seed in SPEECH for row in calls()]
    data = tables(audio_events=rows, leg_statuses=legs)
    return turns(data), talk(data)


@pytest.mark.xdist_group("turns")
@pytest.mark.parametrize("seed", SPEECH)
def test_speech_sums_to_talk(speech_and_talk: tuple[pd.DataFrame, pd.DataFrame], seed: int) -> None:
    found, told = (only(frame, f"CON-{seed}") for frame in speech_and_talk)
    speech = found[(found["source"] == "speaking") & ~found["open_start"]]
    length = (speech["end_at"] - speech["start_at"]).dt.total_seconds()
    own = length.groupby([speech["conversation_id"], speech["member_id"]]).agg(["sum", "size"]).reset_index()
    expected = told[["conversation_id", "member_id", "talk_s", "turns"]]
    expected = expected[expected["turns"] > 0].reset_index(drop=True)
    pd.testing.assert_frame_equal(own.set_axis(list(expected), axis=1), expected, check_dtype=False)
