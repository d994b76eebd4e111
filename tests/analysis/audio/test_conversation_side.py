"""Messages, responses, keys, recognised speech and containment: hand-made tables with the rows they must give."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from conv_analytics import Conversations, export, open_dataset
from conv_analytics.analysis import (
    containment,
    dtmf,
    dtmf_paths,
    first_responses,
    message_funnel,
    message_latency,
    mute,
    receipts,
    recognition,
    responses,
    talk,
)
from conv_analytics.analysis.dialogue.containment import CONTAINMENT
from conv_analytics.analysis.dialogue.dtmf import PROMPTS
from conv_analytics.analysis.dialogue.messages import RECEIPTS
from conv_analytics.analysis.dialogue.recognition import RECOGNITION
from conv_analytics.analysis.dialogue.responses import FIRST_RESPONSES, RESPONSES
from conv_analytics.analysis.engine.rows import Rows
from conv_analytics.errors import ColumnNotFound, ConfigError, TableNotFound
from conv_analytics.sandbox import Sandbox
from tests._helpers.leg_tables import as_pandas, at, relations, statuses, typed

pytestmark = pytest.mark.slow

ROLES = {"agent": "human", "robot": "bot"}


def rows(*values: tuple[Any, ...], names: str, **also: Any) -> pd.DataFrame:
    frame = pd.DataFrame(values, columns=names.split())
    if "event_id" not in frame:
        frame.insert(0, "event_id", range(1, len(frame) + 1))
    frame["at"] = [at(second) for second in frame["at"]]
    return typed(frame.assign(**{"conversation_id": "CON-1", **also}))


def same(function: Any, data: dict[str, pd.DataFrame], *args: Any, by: str, **how: Any) -> pd.DataFrame:
    """What it gives; pandas and DuckDB agree, whatever the order of rows, and however often they stand there."""
    found: pd.DataFrame = function(data, *args, **how)
    mixed = {name: pd.concat([frame, frame]).sample(frac=1, random_state=5) for name, frame in data.items()}
    for other in (function(relations(data), *args, **how), function(mixed, *args, **how)):
        pd.testing.assert_frame_equal(found, as_pandas(other, by.split()), check_dtype=False)
    return found


def told(*values: tuple[Any, ...]) -> pd.DataFrame:
    """Receipts of ``(state, second, message, recipient)``."""
    given = [(f"message:{state}", *more) for state, *more in values]
    return rows(*given, names="type at message_event_id from_member_id")


CHATTED = {
    "messages": rows((1, 0, "A"), (2, 10, "A"), (3, 20, "A"), (4, 30, "A"), names="event_id at from_member_id"),
    "message_statuses": told(
        ("submitted", 1, 1, "B"), ("delivered", 3, 1, "B"), ("seen", 9, 1, "B"),
        ("seen", 12, 1, "C"),
        ("submitted", 11, 2, "B"), ("rejected", 12, 2, "B"),
        ("submitted", 25, 3, "B"), ("delivered", 22, 3, "B"), ("undeliverable", 40, 3, "B"),
    ),
}  # fmt: skip


def test_what_became_of_messages() -> None:
    found = same(receipts, CHATTED, by="conversation_id message_event_id recipient")
    names = ["message_event_id", "recipient", "state", "imputed", "latency_s", "flags"]
    assert found[names].astype("object").where(found[names].notna(), None).to_numpy().tolist() == [
        [1, "B", "seen", 0, 2.0, ""],
        [1, "C", "seen", 2, None, ""],
        [2, "B", "rejected", 0, None, ""],
        [3, "B", "delivered", 0, None, "clock,contradicted"],
        [4, None, "sent", 0, None, ""],
    ]
    funnel = message_funnel(CHATTED).set_index("state")
    assert funnel["k"].to_dict() == {"submitted": 4, "delivered": 3, "seen": 2, "rejected": 1, "undeliverable": 1}
    assert funnel["n"].unique().tolist() == [5]
    assert funnel["imputed"].to_dict() == {"submitted": 1, "delivered": 1, "seen": 0, "rejected": 0, "undeliverable": 0}
    assert (funnel["lo"] <= funnel["rate"]).all()
    pd.testing.assert_frame_equal(message_funnel(CHATTED), message_funnel(relations(CHATTED)))


def test_latency_keeps_those_that_never_arrive() -> None:
    found = message_latency(CHATTED, until=at(100)).iloc[0]
    # Delivered: 2 s. Seen after 12 s: delivered before. Rejected after 1 s: never. Not heard of for 70 s: on its way.
    # By the clock: one. Of four, one is there after 2 s, two after 12 s.
    names = ["n", "delivered", "bounded", "refused", "censored", "clock"]
    assert found[names].to_list() == [4, 1, 1, 1, 1, 1]
    assert found["p50_s"] == 12.0
    assert pd.isna(found["p95_s"])
    fast = {"message_statuses": told(*((state, n * 100 + n * (state == "delivered"), n, "B") for n in range(1, 11)
                                       for state in ("submitted", "delivered")))}  # fmt: skip
    assert message_latency(fast).iloc[0]["p50_s"] == 5.0
    pd.testing.assert_frame_equal(message_latency(fast), message_latency(relations(fast)))


def latency(*values: tuple[Any, ...]) -> dict[str, Any]:
    data = {"message_statuses": told(*values)}
    found = message_latency(data, until=at(1000))
    pd.testing.assert_frame_equal(found, message_latency(relations(data), until=at(1000)))
    return dict(found.iloc[0])


def test_what_was_seen_was_delivered_before() -> None:
    # Nine seen after a second without a receipt of delivery, one delivered after a minute.
    rows = [("submitted", 0, n, "B") for n in range(10)] + [("seen", 1, n, "B") for n in range(9)]
    found = latency(*rows, ("delivered", 60, 9, "B"))
    assert (found["n"], found["delivered"], found["bounded"], found["censored"]) == (10, 1, 9, 0)
    assert (found["p50_s"], found["p95_s"]) == (1.0, 60.0)
    # A receipt of delivery that comes after it was seen was late itself.
    assert latency(("submitted", 0, 1, "B"), ("seen", 2, 1, "B"), ("delivered", 9, 1, "B"))["p50_s"] == 2.0


def test_what_was_refused_is_never_delivered() -> None:
    # One delivered after 10 s, nine refused after 1 s: a tenth is delivered by 10 s, and half of them never.
    rows = [("submitted", 0, n, "B") for n in range(10)] + [("rejected", 1, n, "B") for n in range(5)]
    found = latency(*rows, *(("undeliverable", 1, n, "B") for n in range(5, 9)), ("delivered", 10, 9, "B"))
    assert (found["n"], found["delivered"], found["refused"], found["censored"]) == (10, 1, 9, 0)
    assert pd.isna(found["p50_s"])
    # What was delivered was not refused, whoever says so: once it counts.
    both = latency(("submitted", 0, 1, "B"), ("rejected", 1, 1, "B"), ("delivered", 5, 1, "B"))
    assert (both["n"], both["delivered"], both["refused"], both["p50_s"]) == (1, 1, 0, 5.0)


def test_what_comes_after_the_end_of_the_observation_is_not_known() -> None:
    rows = [
        ("submitted", 0, 1, "B"),
        ("submitted", 0, 2, "B"),
        ("delivered", 50, 2, "B"),
        ("submitted", 70, 3, "B"),
        ("submitted", 0, 4, "B"),
        ("rejected", 99, 4, "B"),
        ("submitted", 80, 5, "B"),
        ("delivered", 75, 5, "B"),
    ]
    data = {"message_statuses": told(*rows, ("delivered", 2, 1, "B"))}  # fmt: skip
    found = message_latency(data, until=at(40))
    pd.testing.assert_frame_equal(found, message_latency(relations(data), until=at(40)))
    names = ["n", "delivered", "bounded", "refused", "censored", "clock"]
    assert found.iloc[0][names].to_list() == [3, 1, 0, 0, 2, 0]


def test_a_receipt_of_a_distant_year_is_no_error() -> None:
    data = {"message_statuses": told(("submitted", 0, 1, "B"), ("delivered", 5, 1, "B"), ("submitted", 0, 2, "B"))}
    far = pd.concat([data["message_statuses"]] * 2).assign(message_event_id=9, from_member_id="C").iloc[:2]
    far["at"] = pd.Series(pd.to_datetime(["2026-05-04", "2999-01-01"], utc=True).as_unit("us"), index=far.index)
    data["message_statuses"] = pd.concat([data["message_statuses"], far])
    found = message_latency(data)
    pd.testing.assert_frame_equal(found, message_latency(relations(data)))
    assert found.iloc[0][["n", "delivered", "censored"]].to_list() == [3, 2, 1]
    assert message_latency(data, until=at(100)).iloc[0][["n", "delivered", "censored"]].to_list() == [3, 1, 2]


def chat(*values: tuple[float, str], **also: Any) -> dict[str, pd.DataFrame]:
    return {"messages": rows(*((at_, who, f"MEM-{who}") for at_, who in values),
                             names="at from_user_id from_member_id", **also)}  # fmt: skip


def test_each_turn_has_its_reply() -> None:
    data = chat((0, "agent"), (10, "c"), (20, "c"), (25, "robot"), (80, "agent"), (90, "c"))
    found = same(responses, data, ROLES, by="conversation_id turn", until=at(150))
    first, last = found.iloc[0], found.iloc[1]
    assert first[["messages", "response_s", "replied_by", "human_s", "open"]].to_list() == [2, 5.0, "bot", 70.0, False]
    assert last[["messages", "open", "waited_s"]].to_list() == [1, True, 60.0]
    assert pd.isna(last["response_s"])


def test_a_reply_after_the_end_of_the_observation_is_not_known() -> None:
    data = chat((0, "c"), (10, "agent"), (20, "c"), (80, "agent"), (90, "c"))
    found = same(responses, data, ROLES, by="conversation_id turn", until=at(50).tz_convert("Europe/Paris"))
    assert found["open"].to_list() == [False, True]
    assert found["waited_s"].to_list() == [10.0, 30.0]
    first = same(first_responses, data, ROLES, by="conversation_id", until=at(5)).iloc[0]
    assert first[["open", "waited_s"]].to_list() == [True, 5.0]


def test_a_bot_that_replies_does_not_end_the_turn() -> None:
    data = chat((0, "c"), (10, "robot"), (20, "c"), (25, "robot"), (50, "agent"), (60, "c"), (61, "robot"), (70, "c"))
    found = same(responses, data, ROLES, by="conversation_id turn", until=at(150))
    names = ["messages", "response_s", "replied_by", "open"]
    assert found[names].to_numpy().tolist() == [[2, 10.0, "bot", False], [2, 1.0, "bot", False]]
    assert found["last_at"].to_list() == [at(0), at(60)]
    # The customer waited for a human since the first message.
    assert found["human_s"].fillna(-1).to_list() == [50.0, -1]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([(0, "c"), (5, "robot"), (60, "agent"), (61, "c"), (99, "agent")],
         {"first_response_s": 60.0, "bot_s": 5.0, "open": False, "close_s": 38.0}),
        ([(0, "c"), (5, "robot")], {"open": True, "waited_s": 5.0, "bot_s": 5.0}),
        ([(0, "agent"), (5, "c")], None),
    ],
)  # fmt: skip
def test_the_first_human(values: list[Any], expected: dict[str, Any] | None) -> None:
    found = same(first_responses, chat(*values), ROLES, by="conversation_id")
    assert len(found) == (expected is not None)
    if expected is not None:
        assert {name: found.iloc[0][name] for name in expected} == expected


MENU = {
    "audio_events": rows(
        ("audio:say", 0, None, None), ("audio:dtmf", 4, "4", 2), ("audio:dtmf", 4, "0", 1), ("audio:dtmf", 4.2, "4", 2),
        ("audio:play", 10, None, None), ("audio:say", 20, None, None),
        names="type at digits dtmf_seq", leg_id="leg",
    ),
    "hangups": rows((90, 25, "leg"), names="event_id at leg_id"),
}  # fmt: skip


def test_keys_after_prompts() -> None:
    found = same(dtmf, MENU, by="conversation_id prompt")
    assert found["digits"].to_list() == ["04", "", ""]
    assert found["first_digit_s"].iloc[0] == 4.0
    assert found["outcome"].to_list() == ["answered", "timed_out", "abandoned"]
    assert dtmf(MENU, patience_s=4)["outcome"].to_list() == ["answered", "timed_out", "timed_out"]
    ways = same(dtmf_paths, MENU, by="path")
    assert ways.to_numpy().tolist() == [["04>->-", 1, 1]]
    silent = {"audio_events": MENU["audio_events"].query("type != 'audio:dtmf'")}
    assert dtmf(silent).empty
    assert len(dtmf(silent, menus_only=False)) == 3
    early = {"audio_events": MENU["audio_events"].query("type == 'audio:dtmf'")}
    assert dtmf(early)[["prompt", "digits"]].to_numpy().tolist() == [[0, "04"]]


def test_recognised_speech() -> None:
    data = {
        "audio_events": rows(
            (1, "audio:asr:done", 1, "", "end_on_silence_timeout"), (2, "audio:asr:done", 2, "", "start_timeout"),
            (3, "audio:asr:done", 3, "broken", None), (4, "audio:asr:done", 4, None, None),
            (5, "audio:dtmf", 5, None, None), (6, "audio:asr:done", 6, "", "max_duration"),
            names="event_id type at asr_error asr_timeout_reason",
        ),
        "transcripts": rows((1, 1, 1, 0.4), (1, 1, 2, 0.2), (6, 6, 1, 0.0), names="event_id at alternative confidence"),
    }  # fmt: skip
    found = same(recognition, data, by="conversation_id event_id").set_index("event_id")
    assert found["outcome"].to_dict() == {1: "heard", 2: "no_speech", 3: "failed", 4: "unknown", 6: "cut_off"}
    assert found.loc[1, ["alternatives", "confidence", "confidence_min", "low"]].to_list() == [2, 0.4, 0.2, True]
    assert found.loc[1, "confidence_mean"] == pytest.approx(0.3)
    assert found.loc[6, ["confidence", "low"]].isna().all()
    assert recognition(data, low=0.3)["low"].to_list()[0] is False


def bot_call(conversation: str, start: float, end: float | None, *, human: float | None = None) -> list[dict[str, Any]]:
    over = [] if end is None else [("completed", end)]
    legs = [("in", "inbound", "phone", start), ("bot", "outbound", "websocket", start)]
    legs += [] if human is None else [("agent", "outbound", "app", human)]
    return [
        row for name, direction, kind, since in legs
        for row in statuses(f"{name}-{conversation}", ("started", since), ("answered", since), *over,
                            conversation_id=conversation, direction=direction, channel_type=kind)
    ]  # fmt: skip


def test_what_bots_settle() -> None:
    given = [*bot_call("CON-1", 0, 100), *bot_call("CON-2", 0, 100, human=40), *bot_call("CON-3", 0, 5),
             *bot_call("CON-4", 0, None), *bot_call("CON-5", 0, 60), *bot_call("CON-6", 3600, 3660)]  # fmt: skip
    frame = typed(pd.DataFrame(given))
    numbers = {"CON-5": "447700900111", "CON-6": "447700900111"}
    hangups = typed(pd.DataFrame([
        {"conversation_id": name, "event_id": 9, "type": "sip:hangup", "at": end, "leg_id": f"in-{name}",
         "from_number": number, "from_type": "phone", "direction": "inbound"}
        for (name, number), end in zip(numbers.items(), (at(60), at(3660)), strict=True)
    ]))  # fmt: skip
    found = same(containment, {"leg_statuses": frame, "hangups": hangups}, by="conversation_id")
    assert found.set_index("conversation_id")["outcome"].to_dict() == {
        "CON-1": "contained", "CON-2": "handoff", "CON-3": "abandoned", "CON-4": "open", "CON-5": "called_back",
        "CON-6": "contained",
    }  # fmt: skip
    assert found["bot_s"].iloc[1] == 40.0
    bots = containment({"leg_statuses": frame}, {"MEM-agent-CON-2": "bot"}).set_index("conversation_id")
    assert bots.loc["CON-2", "outcome"] == "contained"


@pytest.mark.parametrize(
    ("function", "table", "args", "columns"),
    [
        (receipts, CHATTED, (), RECEIPTS),
        (responses, CHATTED, (ROLES,), RESPONSES),
        (first_responses, CHATTED, (ROLES,), FIRST_RESPONSES),
        (dtmf, MENU, (), PROMPTS),
        (recognition, MENU, (), RECOGNITION),
        (containment, {"leg_statuses": typed(pd.DataFrame(bot_call("CON-1", 0, 9)))}, (), CONTAINMENT),
    ],
)
def test_empty_tables_and_missing_ones(function: Any, table: Any, args: Any, columns: Any) -> None:
    found = function({name: frame.iloc[:0] for name, frame in table.items()}, *args)
    assert found.empty
    assert list(found) == [column.name for column in columns]
    nulls = {name: frame.assign(**dict.fromkeys(frame.columns)) for name, frame in table.items()}
    assert function(nulls, *args).empty
    with pytest.raises((TableNotFound, ColumnNotFound)):
        function({"users": pd.DataFrame()}, *args)


def test_funnel_and_latency_of_nothing() -> None:
    none = {name: frame.iloc[:0] for name, frame in CHATTED.items()}
    funnel = message_funnel(none)
    assert funnel["n"].unique().tolist() == [0]
    assert funnel["rate"].isna().all()
    assert message_latency(none).iloc[0][["n", "delivered", "censored", "clock"]].to_list() == [0, 0, 0, 0]


def test_wrong_arguments_are_told() -> None:
    with pytest.raises(ConfigError, match="role of 'x' is 'boss'"):
        responses(CHATTED, {"x": "boss"})
    with pytest.raises(ConfigError, match="role of 'x'"):
        containment(CHATTED, {"x": "boss"})
    with pytest.raises(ConfigError, match="time zone"):
        responses(CHATTED, ROLES, until=pd.Timestamp("2026-05-04").to_pydatetime())
    with pytest.raises(ConfigError, match="time zone"):
        message_latency(CHATTED, until=pd.Timestamp("2026-05-04").to_pydatetime())
    with pytest.raises(ConfigError, match="confidence goes from 0 to 1"):
        recognition(MENU, low=50)
    with pytest.raises(ConfigError, match="patience_s"):
        dtmf(MENU, patience_s=-1)
    with pytest.raises(ConfigError, match="0 or more"):
        containment(CHATTED, abandon_s=-1)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world") / "exports"
    with Sandbox(conversations=25) as sandbox:
        client = Conversations(sandbox.application_id, sandbox.private_key, base_url=sandbox.base_url)
        export(client, folder, rate=0)
    return folder


@pytest.mark.parametrize(
    ("function", "args", "by"),
    [(talk, (), "conversation_id member_id"), (mute, (), "conversation_id leg_id"),
     (receipts, (), "conversation_id message_event_id recipient"), (responses, (ROLES,), "conversation_id turn"),
     (dtmf, (), "conversation_id prompt"), (recognition, (), "conversation_id event_id"),
     (containment, (), "conversation_id")],
)  # fmt: skip
def test_a_world_on_disk_gives_the_same_as_in_memory(world: Path, function: Any, args: Any, by: str) -> None:
    dataset = open_dataset(world)
    frames = {name: dataset[name] for name in dataset.tables}
    on_disk, in_memory = function(dataset, *args), function(frames, *args)
    assert len(on_disk) > 0
    keys = by.split()
    pd.testing.assert_frame_equal(
        on_disk.sort_values(keys, ignore_index=True), in_memory.sort_values(keys, ignore_index=True)
    )


def test_batches_hold_whole_conversations(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = talk(open_dataset(world))
    monkeypatch.setattr(Rows.batches, "__kwdefaults__", {"size": 600})
    pd.testing.assert_frame_equal(talk(open_dataset(world)), whole)
