"""The explorer without a browser: which calls pass, what is said of them, and what leaves Python."""

from __future__ import annotations

import base64
import gzip
import html
import json
import random
import re
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from conv_analytics import Filters, explore, export, open_dataset, quality_report, show_timeline
from conv_analytics.analysis import call_quality, calls, legs, quality
from conv_analytics.errors import ConfigError
from conv_analytics.notebook.explorer import calls as explorer_calls
from conv_analytics.notebook.explorer.calls import judged_calls
from conv_analytics.notebook.explorer.filters import LISTS, NONE
from conv_analytics.notebook.explorer.summary import bins, summary
from conv_analytics.notebook.explorer.view import COLUMNS, PAGE, View
from conv_analytics.sandbox import Sandbox
from tests._helpers import report_legs
from tests._helpers.drawn_conversations import at_the_ends_of_the_calendar, instants
from tests._helpers.sandboxes import client_of

NASTY = "</script><img src=x onerror=alert(1)>\u202e'\"`\u2028"

NUMBER = "447700900123"


@pytest.fixture(scope="module")
def frame(frames: Any) -> pd.DataFrame:
    return judged_calls(frames)


def state(x: Any) -> Any:
    """What the browser gets."""
    synced = x.get_state()
    return {**synced["filtering"], **synced["table"], **synced["selection"], "error": synced["error"]}


def ask(x: Any, **message: Any) -> None:
    """What the browser sends."""
    x.set_state({"requests": [{"n": x.answered + 1, **message}]})


@pytest.mark.slow
def test_every_call_is_there_with_the_verdict_of_its_worst_leg(frames: Any, frame: pd.DataFrame) -> None:
    assert len(frame) == len(calls(frames))
    assert frame["started_at"].is_monotonic_decreasing
    alone = frame[~frame["conversation_id"].duplicated(keep=False)].set_index("conversation_id")["verdict"]
    of_conversations = call_quality(frames).set_index("conversation_id")["verdict"]
    assert len(alone) > 20
    assert alone.to_dict() == of_conversations[alone.index].to_dict()
    verdicts = quality(frames).set_index("leg_id")["verdict"]
    assert (verdicts[frame["worst_leg_id"]].to_numpy() == frame["verdict"].to_numpy()).all()


@at_the_ends_of_the_calendar
def test_calls_at_the_ends_of_the_calendar_are_shown(zone: str, first: str, last: str) -> None:
    made = report_legs.legs([report_legs.call(number) for number in range(2)])
    made["started_at"] = instants(first, last)
    explorer = explore(made, tz=zone)
    table = state(explorer)
    assert sorted(row[1][0][:4] for row in table["rows"]) == [first[:4], last[:4]]
    assert 1 <= len(table["bins"]) <= 60
    assert sum(sum(counts) for _, counts in table["bins"]) == 2
    assert table["bins"][0][0].startswith(first[:4])


def test_calls_of_one_conversation_keep_their_own_verdicts() -> None:
    at = pd.to_datetime(["2026-05-04 09:00:00", "2026-05-04 09:00:02", "2026-05-04 11:00:00", None], utc=True)
    made = pd.DataFrame({
        "conversation_id": "CON-1", "leg_id": list("abcd"), "direction": ["inbound", "outbound", "outbound", "inbound"],
        "started_at": at.as_unit("us"), "answered": True, "open": False, "outcome": "answered", "talk_s": 60.0,
        "ended_at": (at + pd.Timedelta(minutes=1)).as_unit("us"), "answered_at": at.as_unit("us"),
        "jitter_min_var": 1.0, "jitter_max_var": 4.0, "quality_percentage": 99.0, "mos_score": 4.2, "flaw_total": 3,
        "packet_cnt": [3000, 3000, 3000, 0], "packet_loss_perc": [0.1, 9.0, 0.1, 0.0], "byte_in": 510_000,
        "byte_out": 510_000,
    })  # fmt: skip
    found = judged_calls(made)
    # The leg without a start is a call of its own, the first.
    assert found.sort_values("call")["verdict"].to_list() == ["unmeasured", "poor", "good"]
    assert found.sort_values("call")["worst_leg_id"].to_list() == ["d", "b", "c"]
    assert found["call"].to_list() == [2, 1, 0]


@pytest.mark.parametrize("missing", [None, ""])
@pytest.mark.parametrize("starts", [("09:00:10",) * 3, (None,) * 3, ("09:00:10", None, "09:00:09")])
def test_legs_without_a_conversation_keep_their_own_verdicts(
    starts: tuple[str | None, ...], missing: str | None
) -> None:
    at = pd.to_datetime([None if each is None else f"2026-05-04 {each}" for each in starts] * 2, utc=True)
    made = pd.DataFrame({
        "conversation_id": pd.array([missing] * 3 + ["CON-1", "CON-2", "CON-3"], dtype="str"), "leg_id": list("cbaxyz"),
        "direction": "outbound", "started_at": at.as_unit("us"), "answered": True, "open": False, "outcome": "answered",
        "talk_s": 60.0, "to_address": ["44770090000" + name for name in "cbaxyz"], "jitter_min_var": 1.0,
        "jitter_max_var": 4.0, "quality_percentage": 99.0, "mos_score": 4.2, "flaw_total": 3, "packet_cnt": 3000,
        "packet_loss_perc": [9.0, 0.1, 0.1, 9.0, 0.1, 0.1], "byte_in": 510_000, "byte_out": 510_000,
    })  # fmt: skip
    found = judged_calls(made)
    of_call = found["to_address"].str[-1]
    assert found["worst_leg_id"].to_list() == of_call.to_list()
    assert sorted(of_call[found["verdict"] == "poor"]) == ["c", "x"]
    assert sorted(of_call[found["verdict"] == "good"]) == ["a", "b", "y", "z"]


@pytest.mark.slow
def test_filters_pass_what_they_say(frame: pd.DataFrame) -> None:
    view, other, dice = View(frame, tz="Asia/Kolkata"), View(frame, tz="Asia/Kolkata"), random.Random(5)
    days = frame["started_at"].dt.tz_convert("Asia/Kolkata").dt.strftime("%Y-%m-%d")
    for _ in range(60):
        chosen: dict[str, Any] = {}
        expected = pd.Series(data=True, index=frame.index)
        for name, column in LISTS.items():
            values = frame[column].fillna(NONE)
            if dice.random() < 0.4:
                chosen[name] = dice.sample(sorted(values.unique()), k=min(2, values.nunique()))
                expected &= values.isin(chosen[name])
        if dice.random() < 0.5:
            chosen["since"], chosen["until"] = sorted(dice.sample(sorted(days.unique()), k=2))
            expected &= (days >= chosen["since"]) & (days < chosen["until"])
        view.filters = Filters(**chosen)
        assert set(view.calls.index) == set(frame.index[expected])
        for name, counts in view.options().items():
            for value, count in counts.items():
                if dice.random() < 0.1:
                    other.filters = replace(view.filters, **{name: value})
                    assert len(other.calls) == count, (name, value)


def test_the_numbers_are_those_of_the_calls(frame: pd.DataFrame) -> None:
    view = View(frame)
    for wanted in (Filters(), Filters(directions="inbound"), Filters(outcomes="busy"), Filters(text="no such thing")):
        view.filters = wanted
        told, rows = summary(view), view.calls
        up = rows[rows["outcome"] == "answered"]
        assert (told.calls, told.answered, told.total) == (len(rows), len(up), len(frame))
        assert told.poor == (up["verdict"] == "poor").sum()
        assert told.unmeasured == (up["verdict"] == "unmeasured").sum()
        assert sum(sum(each.counts) for each in bins(view)) == len(rows)
        assert len(bins(view)) <= 61


def test_order_pages_and_choice(frame: pd.DataFrame) -> None:
    many = pd.concat([frame] * 6, ignore_index=True)
    view = View(many)
    assert len(many) > 2 * PAGE
    for column in COLUMNS:
        for descending in (False, True):
            view.order(column, descending=descending)
            known = view.calls[column].dropna()
            assert known.to_list() == sorted(known, reverse=descending)
            assert view.calls[column].isna().to_list() == sorted(view.calls[column].isna())
    seen = []
    for first in range(0, len(many), PAGE):
        view.go_to(first)
        seen += [place for place, _ in view.page()]
    assert sorted(seen) == list(range(len(many)))
    view.go_to(10**9)
    assert view.first == (len(many) - 1) // PAGE * PAGE
    view.choose([5, 2, 5, -1, 10**9])
    view.filters = Filters(text="no such thing")
    assert view.selected.index.to_list() == [5, 2]
    assert list(view.page()) == []


def test_what_is_masked_is_found_as_a_whole_or_by_what_is_shown(frames: Any, frame: pd.DataFrame) -> None:
    number = next(each for each in frame["to_address"].dropna() if each.isdigit())
    called = set(frame.index[(frame["to_address"] == number) | (frame["from_address"] == number)])
    masked, bare = View(frame), View(frame, mask=False)
    for view in (masked, bare):
        view.filters = Filters(text=f"+{number}" if view is masked else number)
        assert set(view.calls.index) >= called
        assert len(view.calls) < len(frame)
    masked.filters, bare.filters = Filters(text=number[2:8]), Filters(text=number[2:8])
    assert len(masked.calls) == 0
    assert len(bare.calls) > 0
    masked.filters = Filters(text=number[-4:])
    assert set(masked.calls.index) >= called


def test_a_search_finds_what_any_shown_text_contains(frame: pd.DataFrame) -> None:
    view = View(frame)
    names = ["from_address", "to_address", "conversation_id", "worst_leg_id", "network_code", "country", "sip_code"]
    shown = [[view.display.column(name, str(value)) for value in frame[name].dropna()] for name in names]
    cells = [pd.Series(texts, frame.index[frame[name].notna()]).reindex(frame.index).to_list()
             for name, texts in zip(names, shown, strict=True)]  # fmt: skip
    # Words of ours are shown with spaces, and found with underscores, too.
    for name in ("outcome", "rule"):
        cells += [frame[name].to_list(), frame[name].str.replace("_", " ").to_list()]
    texts = [{str(cell).lower() for cell in row if not pd.isna(cell)} for row in zip(*cells, strict=True)]
    dice = random.Random(5)
    forms = ["#", "***", "+44***", "none known", "4", "\u0130", "a.b", "(", "", "  Busy ", "no answer", "NO_ANSWER"]
    forms += [text[at : at + dice.randrange(1, 7)] for text in map(dice.choice, map(sorted, texts))
              for at in (dice.randrange(len(text)),)][:40]  # fmt: skip
    for form in forms:
        view.filters = Filters(text=form)
        # The dotted capital I of Turkish is like any other.
        wanted = {form.strip().lower().replace("i\u0307", "i"),
                  view.display.party(form.strip().lstrip("+") or form.strip()).lower()}  # fmt: skip
        expected = {place for place, row in enumerate(texts) if any(part in text for part in wanted for text in row)}
        assert {*view.calls.index} == (expected if form.strip() else {*frame.index}), form


def _hostile_calls() -> pd.DataFrame:
    return judged_calls(_hostile_legs())


def _hostile_legs() -> pd.DataFrame:
    """Legs of calls with odd values and odd people."""
    people = [NUMBER, "+44 7700 900123", "Stra\u00dfe", "\u039f\u0394\u039f\u03a3", "\u0130zmir", "Jose\u0301",
              "50%_off (x) [y]", "bob@example.org", "sip:447700900123@example.org", "a\x00b\u202ec", "\ufb01n", " Al ",
              None, "anonymous", "tel:+44-7700-900123"]  # fmt: skip
    legs = _odd_legs().assign(
        from_address=pd.array(people, dtype="str"), to_address=pd.array(people[1:] + people[:1], dtype="str")
    )
    legs.loc[[3, 4], "conversation_id"] = [f"CON-{NUMBER}", "Alice Smithson"]
    legs.loc[[4, 5], "leg_id"] = ["Alice Smithson", NUMBER]
    return legs


@pytest.mark.parametrize("mask", [True, False])
def test_what_a_cell_shows_finds_its_row(frame: pd.DataFrame, mask: bool) -> None:
    for data in (_hostile_calls(), frame.drop_duplicates(["outcome", "rule"]).head(40)):
        view = View(data, mask=mask)
        searched = {"from_address", "to_address", "country", "network_code", "outcome", "rule", "conversation_id"}
        columns = [place for place, name in enumerate(COLUMNS) if name in searched]
        assert len(columns) == len(searched)
        for place, cells in list(view.page()):
            for text in {cells[column] for column in columns} - {""}:
                for form in (text, text.upper(), text.lower(), unicodedata.normalize("NFD", text), f" {text}\n"):
                    view.filters = Filters(text=form)
                    assert place in view.calls.index, (form, cells)


def test_a_part_of_what_is_masked_is_found_nowhere() -> None:
    view = View(_hostile_calls())
    for part in (NUMBER[2:8], "7700 900", "Smithson", "bob@", "\u0130zm"):
        view.filters = Filters(text=part)
        assert view.calls.empty, part


def test_unmasked_no_fewer_numbers_are_found_than_masked() -> None:
    masked, bare = View(_hostile_calls()), View(_hostile_calls(), mask=False)
    for form in ("+44 7700 900123", "447700 900123", "+447700900123", NUMBER, "00447700900123", "(+44) 7700-900-123",
                 "tel:+447700900123", "\uff0b44 7700 900123", "07700 900123", f"sip:{NUMBER}@example.org",
                 "+44***0123#033", "bob@example.org", "Al", "anonymous", "Jose\u0301"):  # fmt: skip
        masked.filters = bare.filters = Filters(text=form)
        found = {*masked.calls["conversation_id"]}
        assert found <= {*bare.calls["conversation_id"]} or "#" in form, form
        assert len(found) > 5 or not re.fullmatch(r"\W*(44|0044).*", form), form


def test_case_and_composition_make_no_difference() -> None:
    view = View(_hostile_calls(), mask=False)
    for forms, rows in (
        (("Stra\u00dfe", "STRASSE", "stra\u00dfe", "strasse", "asse"), 2),
        (("\u039f\u0394\u039f\u03a3", "\u03bf\u03b4\u03bf\u03c2", "\u03bf\u03b4\u03bf\u03c3"), 2),
        (("\u0130zmir", "i\u0307zmir", "izmir", "IZMIR"), 4),
        (("Jose\u0301", "Jos\u00e9", "JOS\u00c9", "JOSE\u0301"), 2),
        (("50%_off", "(x", "[Y]", "50%"), 2),
    ):
        for form in forms:
            view.filters = Filters(text=form)
            assert len(view.calls) == rows, form


def test_a_click_shows_the_verdicts_that_the_table_has(frames: Any) -> None:
    x = explore(frames)
    one = str(x.calls.loc[x.calls["verdict"].isin(["poor", "fair", "good"]), "conversation_id"].iloc[0])
    x.select(one)
    drawn = show_timeline(frames, one)
    assert x.timeline is not None
    pd.testing.assert_series_equal(x.timeline.frame["level"], drawn.frame["level"])
    assert drawn.frame["level"].notna().any()


@pytest.mark.slow
def test_a_dataset_is_judged_once_per_rulebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Sandbox(conversations=8) as sandbox:
        export(client_of(sandbox), tmp_path, rate=0, progress=False)
    dataset = open_dataset(tmp_path)
    made: list[Any] = []
    judge = explorer_calls.judged_legs

    def judged(data: Any, profile: Any) -> Any:
        made.append(profile.name)
        return judge(data, profile)

    monkeypatch.setattr(explorer_calls, "judged_legs", judged)
    first = explore(dataset)
    pd.testing.assert_frame_equal(explore(dataset, mask=False).calls, first.calls)
    assert made == ["recommended"]
    explore(dataset, profile="strict")
    assert made == ["recommended", "strict"]
    assert len(explore(open_dataset(tmp_path)).calls) == len(first.calls)
    assert len(made) == 3


def test_people_leave_python_only_when_asked_to(frames: Any, frame: pd.DataFrame) -> None:
    numbers = {each for name in ("from_address", "to_address") for each in frame[name].dropna() if each.isdigit()}
    held = explore(frames)
    held.select(held.calls["conversation_id"].iloc[0])
    shown = json.dumps(held.get_state(), default=str)
    shown += gzip.decompress(base64.b64decode(held.conversation["payload"])).decode()
    shown += held._repr_mimebundle_()["text/html"]
    assert [number for number in numbers if number in shown] == []
    open_ = explore(frames, mask=False)
    html = open_._repr_mimebundle_()["text/html"]
    assert "UNMASKED" in html
    assert "UNMASKED" in repr(open_)
    assert state(open_)["masked"] is False
    assert any(number in html for number in numbers)


#: People in the calls of `_hostile_calls`, and parts of them; none may leave Python.
PRIVATE = (NUMBER, "7700 900123", "7700-900123", "Bob Smith", "bob@example.org", "Alice Smithson", "Stra\u00dfe",
           "Mario Rossi")  # fmt: skip


def left(x: Any) -> str:
    """All that has left Python, and what a saved notebook has."""
    return json.dumps(x.get_state(), ensure_ascii=False) + html.unescape(f"{x._repr_mimebundle_()}")


def private(x: Any) -> list[str]:
    """What of it is private."""
    found = left(x).casefold()
    return [each for each in PRIVATE if each.casefold() in found]


@pytest.mark.parametrize("name", [*LISTS, "text"])
def test_filters_that_python_sets_reach_the_browser_masked(name: str) -> None:
    x = explore(_hostile_legs())
    refused = 0
    for value in (*PRIVATE, f"+{NUMBER}", "+44 7700 900123", f" {NUMBER} ", f"call {NUMBER}"):
        x.filters = Filters()
        try:
            x.filter(**{name: value})
        except ConfigError:
            refused += 1
            continue
        assert getattr(x.filters, name) == (value if name == "text" else (value,))
        assert private(x) == []
        found, shown = x.calls.index.to_list(), state(x)["filters"]
        if name != "text":
            assert [each in state(x)["options"][name] for each in shown[name]] == [True]
        # The browser sends what it got with the next change.
        ask(x, do="filter", filters=shown)
        assert (state(x)["error"], x.calls.index.to_list()) == ("", found)
    assert (refused > 0) == (name in {"directions", "outcomes", "verdicts"})
    x.reload(_hostile_legs())
    assert private(x) == []


def test_what_is_shown_is_searched_for_as_it_was_set() -> None:
    x = explore(_hostile_legs())
    for text in ("0123#033", "CON-1", "odd way", "odd_way", ""):
        assert state(x.filter(text=text))["filters"]["text"] == text
    bare = explore(_hostile_legs(), mask=False)
    for text in (*PRIVATE, "no such thing"):
        assert state(bare.filter(text=text))["filters"]["text"] == text
    # What somebody types stays while it finds nothing, unless it is a number or an address.
    for typed, shown in (("no such thing", "no such thing"), ("Mario", "Mario"), (NUMBER, "+44***0123#033"),
                         ("447700900555", "+44***0555#e7b"), ("Bob Smith", "name#7e3")):  # fmt: skip
        ask(x, do="filter", filters={"text": typed})
        assert state(x)["filters"]["text"] == shown, typed
        x.reload(_hostile_legs())
        assert state(x)["filters"]["text"] == shown, typed
        assert typed not in left(x) or typed == shown


def test_nothing_private_leaves_python_whatever_is_called() -> None:
    x = explore(_hostile_legs())
    ids = x.calls["conversation_id"].to_list()
    acts: list[Callable[[], Any]] = [
        lambda: None,
        *[lambda one=one: x.select(one) for one in ids],
        lambda: x.select(ids),
        lambda: x.filter(networks=[NUMBER, "Bob Smith"], text="Alice Smithson"),
        lambda: ask(x, do="filter", filters={"text": NUMBER, "outcomes": [NUMBER, "Bob Smith"]}),
        lambda: ask(x, do="filter", filters={"directions": [f"call {NUMBER}"]}),
        lambda: ask(x, do="filter", filters={"since": NUMBER}),
        lambda: ask(x, do="sort", column=NUMBER, descending=False),
        *[lambda name=name: ask(x, do="sort", column=name, descending=True) for name in COLUMNS],
        lambda: ask(x, do="all"),
        lambda: [ask(x, do="choose", places=[place], open=place) for place in range(len(ODD))],
        lambda: x.reload(_hostile_legs().iloc[:7]),
    ]
    for place, act in enumerate(acts):
        act()
        assert private(x) == [], place
    with pytest.raises(ConfigError):
        x.select("Mario Rossi")
    assert private(x) == []


@pytest.mark.slow
def test_it_works_for_every_kind_of_data_and_for_none(frames: Any, frame: pd.DataFrame) -> None:
    for data in ({}, {"events": frames["events"]}, {name: table.iloc[:0] for name, table in frames.items()}):
        x = explore(data)
        assert len(x.calls) == len(x.selected) == 0
        assert "0 calls" in repr(x)
        x.filter(text="x", since="2026-01-01", verdicts="poor")
        assert state(x)["total"] == 0
        assert "<table" in x._repr_mimebundle_()["text/html"]
    assert len(explore(legs(frames)).calls) == len(frame)


def test_what_the_browser_asks_for_is_done(frames: Any, frame: pd.DataFrame) -> None:
    x = explore(frames)
    ask(x, do="filter", filters={"directions": ["inbound"], "since": "", "until": "", "text": ""})
    assert x.filters == Filters(directions="inbound")
    assert set(x.calls["direction"]) == {"inbound"}
    ask(x, do="sort", column="talk_s", descending=True)
    assert state(x)["rows"][0][0] == x.calls["talk_s"].idxmax()
    places = [place for place, _ in state(x)["rows"]]
    ask(x, do="toggle", place=places[2])
    ask(x, do="toggle", place=places[0])
    ask(x, do="toggle", place=places[2])
    assert x.selected.index.to_list() == [places[0]]
    ask(x, do="choose", places=[places[1]], open=places[1])
    assert x.timeline is not None
    assert x.timeline.conversation_id == x.selected["conversation_id"].iloc[0] == x.conversation["id"]
    ask(x, do="all")
    assert len(x.selected) == len(x.calls) == state(x)["count"]
    before = x.filters
    ask(x, do="filter", filters={"since": "2026-05-04", "until": "2026-05-01"})
    assert "no time between" in state(x)["error"]
    assert x.filters == before
    ask(x, do="filter", filters={})
    assert state(x)["error"] == ""
    assert len(x.calls) == len(frame)


def _hangups(*numbers: int, conversation: str | None = "CON-{}") -> dict[str, pd.DataFrame]:
    """Calls that were busy, an hour apart."""
    return {
        "hangups": pd.DataFrame({
            "conversation_id": pd.array(
                [None if conversation is None else conversation.format(number) for number in numbers], dtype="str"
            ),
            "event_id": numbers, "leg_id": [f"leg-{number}" for number in numbers], "direction": "outbound",
            "at": pd.to_datetime([f"2026-05-04 {number:02}:00" for number in numbers], utc=True).as_unit("us"),
            "to_number": [f"4477009000{number:02}" for number in numbers], "sip_code": 486,
        })
    }  # fmt: skip


@pytest.mark.parametrize("conversation", ["CON-{}", None, "CON-1"])
def test_clicks_are_about_the_calls_that_were_shown(conversation: str | None) -> None:
    x = explore(_hangups(10, 11, conversation=conversation))
    place, generation = x.table["rows"][0][0], x.table["generation"]
    x.reload(_hangups(10, 11, 12, conversation=conversation))
    for message in ({"do": "toggle", "place": place}, {"do": "choose", "places": [place]}, {"do": "all"},
                    {"do": "choose", "places": [place], "open": place}):  # fmt: skip
        ask(x, **message, generation=generation)
        assert "read again" in state(x)["error"]
        assert (len(x.selected), x.timeline, state(x)["opened"]) == (0, None, None)
    # What is the same whatever the calls are is done.
    ask(x, do="sort", column="outcome", descending=True, generation=generation)
    assert (state(x)["error"], x.table["sort"]) == ("", "outcome")
    ask(x, do="toggle", place=place, generation=x.table["generation"])
    assert (state(x)["error"], len(x.selected)) == ("", 1)
    for gone in (3, 99, -1):
        ask(x, do="choose", places=[gone], open=gone, generation=x.table["generation"])
        assert "no such call" in state(x)["error"]
        assert (len(x.selected), state(x)["opened"]) == (1, None)


@pytest.mark.parametrize("conversation", ["CON-{}", None, "CON-1"])
def test_calls_stay_selected_when_the_data_is_read_again(conversation: str | None) -> None:
    x = explore(_hangups(10, 11, 12, conversation=conversation))
    chosen = x.calls.index[x.calls["started_at"].dt.hour.isin([10, 12])].to_list()
    ask(x, do="choose", places=chosen)
    if conversation == "CON-{}":
        ask(x, do="choose", places=chosen, open=chosen[0])
    before = x.selected["to_address"].to_list()
    assert len(before) == 2
    x.reload(_hangups(10, 11, 12, 13, 14, conversation=conversation))
    assert x.selected["to_address"].to_list() == before
    shown = state(x)
    assert shown["count"] == 2
    assert [cells[3] for place, cells in shown["rows"] if place in shown["on_page"]] == sorted(
        (x._view.display.party(each) for each in before), reverse=True
    )
    if conversation == "CON-{}":
        assert shown["opened"] == x.selected.index[0]
    x.reload(_hangups(11, 13, conversation="CON-{}"))
    assert (len(x.selected), state(x)["opened"]) == (0, None)


@pytest.mark.slow
def test_from_python(frames: Any) -> None:
    x = explore(frames)
    one, other = x.calls["conversation_id"].unique()[:2]
    x.select(one)
    first = x.timeline
    assert x.selected["conversation_id"].unique().tolist() == [one]
    x.select([one, other])
    assert set(x.selected["conversation_id"]) == {one, other}
    x.select(other)
    assert x.timeline is first, "one timeline is shown, however many are opened"
    assert first is not None
    assert first.rows == []
    with pytest.raises(ConfigError, match="no call of the conversation"):
        x.select("CON-none")
    x.filter(directions="inbound").reload({})
    assert len(x.calls) == 0
    assert x.filters == Filters(directions="inbound")
    with pytest.raises(ConfigError, match="is not one of verdicts"):
        x.filter(verdicts="awful")
    with pytest.raises(ConfigError, match="is not a column"):
        View(x.calls).order("conversation", descending=False)


def test_a_saved_notebook_has_a_picture_and_rows_that_cannot_be_taken_for_markup(frames: Any) -> None:
    tables = {name: table.copy() for name, table in frames.items()}
    for name in ("hangups", "call_events", "call_records", "leg_statuses"):
        wanted = {"to_number", "from_number", "network_code", "reason_text", "to_user", "from_user"}
        text = dict.fromkeys(wanted & set(tables[name]), NASTY)
        tables[name] = tables[name].astype(dict.fromkeys(text, "str")).assign(**text)
    bundle = explore(tables, mask=False)._repr_mimebundle_()
    html = bundle["text/html"]
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert "<img src=x" not in html
    assert "&lt;img src=x" in html
    assert "\u202e" not in html
    assert "<script" not in html
    assert html.count("<img ") == 1
    assert "http" not in html.replace("http://www.w3.org", "")


def test_colab_is_told_how_to_show_a_widget(monkeypatch: pytest.MonkeyPatch) -> None:
    """Colab shows a widget of others only if its output says where their manager is: anywidget knows, for Colab."""
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.utils.capture import capture_output

    told = {
        "application/vnd.jupyter.widget-view+json": {"colab": {"custom_widget_manager": {"url": "https://x.example"}}}
    }
    monkeypatch.setattr("anywidget._util.get_repr_metadata", lambda: told)
    InteractiveShell.instance()
    try:
        with capture_output() as captured:
            explore({})._ipython_display_()
    finally:
        InteractiveShell.clear_instance()
    (output,) = captured.outputs
    assert output.metadata == told
    assert set(output.data) == {*told, "text/html", "text/plain"}


@pytest.mark.parametrize("edge", [np.datetime64("2026-05-04"), 20260504, 1.5, True, time(9), b"2026-05-04"])
def test_what_is_no_point_in_time_is_refused_with_what_to_give(edge: Any) -> None:
    x = explore(_hangups(10))
    for name in ("since", "until"):
        with pytest.raises(ConfigError, match=rf"{name}=.* not a point in time\. Give a day or an instant"):
            x.filter(**{name: edge})
        assert x.filters == Filters()
        with pytest.raises(ConfigError, match="not a point in time"):
            quality_report(_hangups(10), **{name: edge})


#: Values that a list of the API does not have, and that a browser or a mask could take for others.
ODD = ["odd_way", "odd way", NUMBER, "", " ", "none known", "Bob Smith", "bob@example.org", "\u0130zmir", "a\x00b",
       "inbound", "answered", "busy", "23410", None]  # fmt: skip


def _odd_legs() -> pd.DataFrame:
    """Legs of calls with every odd value in every column that can be filtered by, and in those that are searched."""
    count = len(ODD)
    values = {
        name: pd.array([ODD[(place * step) % count] for place in range(count)], dtype="str")
        for step, name in ((1, "direction"), (2, "outcome"), (4, "network_code"), (7, "country"))
    }
    at = pd.date_range("2026-05-04 09:00", periods=count, freq="1h", tz="UTC")
    return pd.DataFrame({
        "conversation_id": [f"CON-{place}" for place in range(count)], "leg_id": [f"leg-{place}" for place in
        range(count)], "started_at": at, "answered": False, "open": False, "from_address": NUMBER,
        "to_address": "Bob Smith", **values,
    })  # fmt: skip


@pytest.mark.parametrize("mask", [True, False])
def test_every_option_gives_as_many_calls_as_it_says(mask: bool) -> None:
    x = explore(_odd_legs(), mask=mask)
    options = state(x)["options"]
    assert len(options["directions"]) > 8
    assert "" not in options["networks"]
    for name in LISTS:
        assert sum(options[name].values()) == len(ODD)
        for value, count in options[name].items():
            ask(x, do="filter", filters={name: [value]})
            assert (state(x)["error"], len(x.calls)) == ("", count), (name, value)
            x.filters = Filters()
            assert len(x.filter(**{name: value}).calls) == count, (name, value)
            x.filters = Filters()
    x.filter(directions=NUMBER)
    assert x.calls["direction"].to_list() == [NUMBER]


def test_a_word_that_neither_the_api_nor_the_data_has_is_refused() -> None:
    x = explore(_odd_legs())
    for wrong in ({"directions": "inbuond"}, {"outcomes": ["busy", "bussy"]}, {"verdicts": "odd_way"}):
        with pytest.raises(ConfigError, match=f"is not one of {next(iter(wrong))}: .*(odd_way|poor)"):
            x.filter(**wrong)
        assert x.filters == Filters()
    # What the API may send is allowed wherever it is missing, and what was set stays.
    assert len(x.filter(outcomes="redirected").calls) == 0
    x.filter(outcomes=(), directions="odd_way").reload(_hangups(10))
    assert state(x)["options"]["directions"] == {"outbound": 1, "odd_way": 0}
    assert x.filter(text="CON").filters == Filters(directions="odd_way", text="CON")
    ask(x, do="filter", filters=state(x)["filters"])
    assert state(x)["error"] == ""
    x.filter(directions="outbound")
    with pytest.raises(ConfigError, match="'odd_way' is not one of directions: inbound, outbound, none known"):
        x.filter(directions="odd_way")


def test_what_is_no_filter_is_refused_and_changes_nothing() -> None:
    x = explore(_hangups(10)).filter(networks="23410")
    for wrong in ({"networks": 23410}, {"countries": [7]}, {"text": 5}, {"text": None}):
        with pytest.raises(ConfigError, match="is not"):
            x.filter(**wrong)
        assert x.filters == Filters(networks="23410")
    assert x.filter(networks=None).filters == Filters()


@pytest.mark.parametrize(
    ("edge", "shown"),
    [
        ("2026-05-04", "2026-05-04"), ("20260504", "2026-05-04"), ("2026-W19-1", "2026-05-04"),
        (date(2026, 5, 4), "2026-05-04"), ("20260504T093000Z", "2026-05-04T09:30:00+00:00"),
        (datetime(2026, 5, 4, 9, 30, tzinfo=UTC), "2026-05-04T09:30:00+00:00"), (None, ""),
    ],
)  # fmt: skip
def test_the_browser_can_show_any_day_that_python_takes(edge: Any, shown: str) -> None:
    x = explore(_hangups(10, 11)).filter(since=edge)
    assert state(x)["filters"]["since"] == shown
    found = len(x.calls)
    ask(x, do="filter", filters=state(x)["filters"])
    assert (len(x.calls), state(x)["error"]) == (found, "")
