"""One world, exported once: every way of giving it gives the same answers, and they agree with what was there."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conv_analytics import Conversations, analysis, export, open_dataset
from conv_analytics.analysis import calls, conversations, legs, party, quality
from conv_analytics.analysis.engine import source as opened
from conv_analytics.analysis.engine.columns import LEGS
from conv_analytics.analysis.engine.engines.duckdb import DuckdbEngine
from conv_analytics.analysis.engine.rows import Rows
from conv_analytics.analysis.engine.source import Source
from conv_analytics.analysis.entities.legs import TABLES as LEG_TABLES
from conv_analytics.errors import ColumnNotFound
from conv_analytics.sandbox import Sandbox
from conv_analytics.tables import TABLES
from tests._helpers.leg_tables import as_pandas, at, hangup, relations, statuses, tables

pytestmark = pytest.mark.slow

LEG = ["conversation_id", "leg_id"]
#: Public names that ask no tables: numbers in and numbers out, and what things are declared by.
_NO_QUESTIONS = {
    "PROFILES", "Comparison", "EnrichedData", "Findings", "MosAudit", "Problem", "Profile", "Reconciliation", "Rule",
    "Threshold", "Units", "aalen_johansen", "agents_needed",
    "benjamini_hochberg", "binomial_tail", "erlang_b", "erlang_c", "expected_service_level", "expected_wait", "explain",
    "freeswitch_flaws", "kaplan_meier", "kpi_metrics", "mos_emodel", "mos_to_r", "newcombe", "offered", "party",
    "r_to_mos", "rtp_jitter", "sip_codes", "trunks_needed", "twilio_mos", "wilson",
}  # fmt: skip
_KEYS = ["network_code", "hour"]
_MAP = {"prefix": ["44", "4420", "1"], "carrier": ["BT", "City", "AT&T"]}
_RULES = ["poor_ratio > 0.03 by network_code min_n 1", "asr < 0.5"]
#: How every other one is asked here; those that are not named are asked with the data alone.
OPTIONS: dict[str, dict[str, Any]] = {
    "answer_curve": {"by": "direction"}, "answer_times": {"by": "direction"}, "busy_hour": {"by": "direction"},
    "change_points": {"case": "answered", "min_n": 1}, "check": {"rules": _RULES}, "cost": {"by": _KEYS},
    "containment": {"roles": {}}, "dtmf": {"menus_only": False}, "duration_hist": {"by": "direction"},
    "first_responses": {"roles": {}}, "heatmap": {"metric": "asr", "tz": "Europe/London"}, "kpi": {"by": _KEYS},
    "kpi_values": {"by": "weekday"}, "match_counts": {"table": _MAP},
    "offenders": {"by": _KEYS, "min_n": 1}, "redials": {"within_s": 1e6},
    "responses": {"roles": {}}, "service_level": {"by": "network_code", "scope": "all"},
    "short_calls": {"by": "day", "bounds_s": [6, 600]}, "timer_cliffs": {"timers_s": [60.0], "min_n": 1},
    "traffic_changes": {"per": "hour", "by": "direction"},
}  # fmt: skip
ASKED = sorted(set(analysis.__all__) - _NO_QUESTIONS)
#: Those that are asked of relations as well as of views: each reads, joins and answers in another way. The others are
#: asked of the same relations by `test_every_function.py`, or of views alone: relations are read as views are.
OF_RELATIONS = {"audio_flow", "legs", "quality", "timeline", "turns"}


class World:
    """An export: on disk, as frames and as relations, and the sandbox's own word for it."""

    def __init__(self, folder: Any) -> None:
        # As `frozen.world`, whose relations are asked here and in `test_every_function.py`.
        with Sandbox(seed=11, conversations=25) as sandbox:
            client = Conversations(sandbox.application_id, sandbox.private_key, base_url=sandbox.base_url)
            export(client, folder, rate=0)
            self.truth = sandbox.truth()
        self.folder = folder
        self.dataset = open_dataset(folder)
        self.frames = {
            name: pd.concat([pd.read_parquet(file) for file in self.dataset.files(name)], ignore_index=True)
            for name in self.dataset.tables
        }
        self.relations = relations(self.frames)
        self.views = self.dataset.duckdb()
        self.polars = {name: pl.DataFrame(frame) for name, frame in self.frames.items()}
        self.conversation = str(self.frames["leg_statuses"]["conversation_id"].iloc[0])


def _asked(world: World, name: str, data: Any) -> pd.DataFrame:
    """The answer of a question as pandas, in an order that its words and numbers decide."""
    ask, options = getattr(analysis, name), OPTIONS.get(name, {})
    if name == "compare":
        found = ask(data, data, by="network_code", case="answered").groups
    elif name == "detect_units":
        found = pd.DataFrame([(each.what, each.decided, each.n, each.share) for each in ask(data).evidence])
    elif name == "enrich":
        found = legs(ask(data, _MAP), ["remote_address", "carrier"])
    elif name == "findings":
        found = ask(data).looked_at
    elif name == "mos_audit":
        found = ask(data).legs
    elif name == "reconcile":
        found = ask(data, Path(__file__).parents[1] / "fixtures" / "live" / "reports_voice_call.json").legs
    elif name == "timeline":
        found = ask(data, world.conversation)
    else:
        found = ask(data, **options)
    return _sorted(as_pandas(found, []))


def _sorted(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows in an order that their words and numbers decide."""
    exact = [column for column in frame if not pd.api.types.is_float_dtype(frame[column])]
    order = frame.assign(**{str(column): frame[column].astype("str").fillna("") for column in exact})
    return frame.loc[order.sort_values([*exact, *(set(frame) - set(exact))]).index].reset_index(drop=True)


@pytest.fixture(scope="module", autouse=True)
def several_threads() -> Iterator[None]:
    """Arrow works with several threads, as on most machines."""
    before = pa.cpu_count()
    pa.set_cpu_count(4)
    yield
    pa.set_cpu_count(before)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("world") / "exports")


def test_every_public_name_is_asked_or_is_no_question() -> None:
    assert set(analysis.__all__) >= _NO_QUESTIONS
    assert not set(OPTIONS) - set(ASKED)


@pytest.mark.parametrize("name", ASKED)
def test_every_way_of_giving_the_data_gives_the_same(world: World, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = _asked(world, name, world.frames)
    assert len(expected) > 0
    # In memory, from what the questions before have kept; and as a large folder, with what is kept in its cache.
    pd.testing.assert_frame_equal(_asked(world, name, world.dataset), expected, rtol=1e-12)
    monkeypatch.setattr(opened, "IN_MEMORY", 0)
    before = _cached(world)
    pd.testing.assert_frame_equal(_asked(world, name, world.dataset), expected, rtol=1e-12)
    if _cached(world) != before:
        # Where nothing was added, it was read already.
        pd.testing.assert_frame_equal(_asked(world, name, open_dataset(world.folder)), expected, rtol=1e-12)
    given = [world.views, world.polars, *([world.relations] if name in OF_RELATIONS else [])]
    for data in given:
        pd.testing.assert_frame_equal(_asked(world, name, data), expected, check_dtype=False, rtol=1e-12)


def _cached(world: World) -> set[str]:
    return {path.name for path in (world.folder / "_cache").glob("*")}


def test_relations_are_read_as_views_are(world: World) -> None:
    """One engine answers about both, and it reads the same rows: what holds for views holds for relations."""
    both = [Source.of(data) for data in (world.relations, world.views)]
    assert {type(source.engine) for source in both} == {DuckdbEngine}
    for name in world.frames:
        kinds = {column.name: column.kind for column in TABLES[name].columns}
        rows = [_sorted(Rows.of(source, source.typed(name, kinds)).collect()) for source in both]
        pd.testing.assert_frame_equal(*rows)
        assert len(rows[0]) == len(world.frames[name])
    few = world.frames["leg_statuses"].head(9)
    # Rows of Python come into both, and join with theirs.
    added = [Rows.of_pandas(source, few[LEG].drop_duplicates()) for source in both]
    joined = [
        _sorted(Rows.read(rows.source, "leg_statuses", [*LEG, "at"]).join(rows, on=LEG, how="inner").collect())
        for rows in added
    ]
    pd.testing.assert_frame_equal(*joined)
    assert len(joined[0]) >= len(few)


def test_batches_hold_whole_conversations_and_every_row_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opened, "IN_MEMORY", 0)
    columns = ["conversation_id", "event_id", "at"]
    whole = world.frames["audio_events"][columns].sort_values(columns[:2]).reset_index(drop=True)
    for data in (world.dataset, world.relations):
        source = Source.of(data)
        parts = list(Rows.read(source, "audio_events", columns).batches(size=100))
        assert len(parts) > 3
        homes = pd.concat([part[["conversation_id"]].drop_duplicates() for part in parts])
        assert homes["conversation_id"].is_unique
        found = pd.concat(parts).sort_values(columns[:2]).reset_index(drop=True)
        pd.testing.assert_frame_equal(found, whole, check_dtype=False)


def test_every_leg_of_the_world_is_there_once(world: World) -> None:
    found = legs(world.frames)
    known = pd.concat([world.frames[name][LEG] for name in LEG_TABLES]).dropna().drop_duplicates()
    assert not found.duplicated(LEG).any()
    assert set(map(tuple, known.to_numpy())) == set(map(tuple, found[LEG].to_numpy()))
    per_call = calls(world.frames)
    assert per_call["legs"].sum() == len(found)
    assert conversations(world.frames)["calls"].sum() == len(per_call)
    ended = world.frames["hangups"]["leg_id"].dropna().unique()
    assert set(found.loc[found["hangup_event_id"].notna(), "leg_id"]) == set(ended)
    assert found["price"].sum() == pytest.approx(float(world.frames["call_records"]["price"].astype(float).sum()))


def test_a_world_looks_as_it_did(world: World) -> None:
    found = legs(world.frames)
    shares = found["outcome"].value_counts(normalize=True)
    assert shares.idxmax() == "answered"
    assert shares["answered"] == found["answered"].mean()
    now = {
        "legs": len(found),
        "answered": int(found["answered"].sum()),
        "talk_s": round(float(found["talk_s"].sum()), 3),
        "calls": len(calls(world.frames)),
        "outcomes": found["outcome"].nunique(),
    }
    assert now == FROZEN


FROZEN = {"legs": 38, "answered": 35, "talk_s": 3408.422, "calls": 21, "outcomes": 3}


def test_a_column_alone_is_what_it_is_among_all() -> None:
    whole = legs(FEW)
    for column in LEGS:
        wanted = [*LEG, *({column.name} - set(LEG))]
        pd.testing.assert_frame_equal(legs(FEW, [column.name]), whole[wanted])


def test_columns_are_named_as_they_are(world: World) -> None:
    some = ["network_code", "talk_s"]
    pd.testing.assert_frame_equal(legs(world.dataset, some), legs(world.frames, some))
    few = quality(world.dataset, columns=["network_code", "verdict"])
    assert few.value_counts().to_dict() == quality(world.frames)[["network_code", "verdict"]].value_counts().to_dict()
    with pytest.raises(ColumnNotFound, match="'colour'"):
        legs(world.frames, ["colour"])
    with pytest.raises(ColumnNotFound, match="'colour'"):
        quality(world.frames, columns=["colour"])


@pytest.mark.parametrize("there", [names for n in (1, 3) for names in combinations(LEG_TABLES, n)])
def test_some_tables_are_enough(world: World, there: tuple[str, ...]) -> None:
    some = {name: world.frames[name] for name in there}
    known = pd.concat([frame[LEG] for frame in some.values()]).dropna().drop_duplicates()
    found = legs(some)
    assert len(found) == len(known)
    assert list(map(str, found.dtypes)) == list(map(str, legs(world.frames).dtypes))
    shown = as_pandas(legs(relations(some)), LEG)
    pd.testing.assert_frame_equal(shown, as_pandas(found, LEG), check_dtype=False, rtol=1e-12)


@settings(max_examples=5, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    repeated=st.lists(st.integers(0, 40), max_size=6),
    chosen=st.sets(st.sampled_from(LEG_TABLES)),
)
def test_order_and_repetition_change_nothing(seed: int, repeated: list[int], chosen: set[str]) -> None:
    few = FEW
    other = {}
    for name, frame in few.items():
        rows = list(range(len(frame))) + ([place % len(frame) for place in repeated] if name in chosen else [])
        random.Random(seed).shuffle(rows)
        other[name] = frame.iloc[rows]
    pd.testing.assert_frame_equal(legs(other), legs(few))
    pd.testing.assert_frame_equal(calls(other), calls(few))


FEW = tables(
    leg_statuses=[
        *statuses("a", ("started", 0), ("ringing", 2.25), ("answered", 9.5), ("completed", 70.125), reason="ok"),
        *statuses("b", ("started", 4), ("ringing", 5), ("busy", 9)),
        *statuses("c", ("started", 900), ("answered", 890)),
    ],
    hangups=[hangup("a", 70, 40), hangup("b", 9, 41, sip_code=486), hangup("a", 71, 42, mos_score=1.0)],
    call_events=[hangup("d", 3, 30) | {"type": "sip:ringing"}],
    call_records=[hangup("a", 75, 50) | {"price": 0.01, "duration_s": 60}, hangup("a", 76, 51) | {"price": 0.02}],
)  # fmt: skip


def test_differences_are_exact_to_the_microsecond() -> None:
    end = 4_000_000.123457
    data = tables(leg_statuses=statuses("a", ("started", 0.000001), ("answered", 0.3), ("completed", end)))
    both = [as_pandas(legs(given), LEG).iloc[0] for given in (data, relations(data))]
    exact = [(at(0.3) - at(0.000001)).value / 1e9, (at(end).floor("us") - at(0.3)).value // 1000 / 1e6]
    for found in both:
        assert [found["setup_s"], found["talk_s"]] == exact


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("442079460000", "GB"), ("14155550101", "US"), ("12425551234", "BS"), ("77012345678", "KZ"),
        ("79161234567", "RU"), ("447700900000", "GB"), ("Anonymous", None),
    ],
)  # fmt: skip
def test_numbers_are_at_home_somewhere(address: str, expected: str | None) -> None:
    pytest.importorskip("phonenumbers")
    data = tables(hangups=[hangup("a", 9, to_number=address)])
    assert party(address, "phone").country == expected
    for kind in (data, relations(data)):
        found = as_pandas(legs(kind), LEG)["country"].iloc[0]
        assert (None if pd.isna(found) else found) == expected
