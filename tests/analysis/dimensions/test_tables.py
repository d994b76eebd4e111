"""Own dimensions of tables: every question can be asked by them, and every way of giving the data gives the same."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest

from conv_analytics import Conversations, analysis, export, open_dataset
from conv_analytics.analysis import EnrichedData, calls, enrich, findings, kpi, legs, match_counts, offenders, quality
from conv_analytics.analysis.dimensions.keys import TAKEN
from conv_analytics.analysis.engine import source as opened
from conv_analytics.errors import ColumnNotFound, ConfigError
from conv_analytics.notebook import quality_report
from conv_analytics.sandbox import Sandbox
from conv_analytics.tables import TABLES
from tests._helpers.leg_tables import as_pandas, relations

pytestmark = pytest.mark.slow

SITES = pd.DataFrame({"prefix": ["44", "+447", "49", "1"], "site": ["London", "Leeds", "Bonn", None]})
NETWORKS = pd.DataFrame({"network_code": ["234-10", "26201", "GB-FIXED"], "network": ["O2", "Telekom", "fixed"]})

#: Each question, asked by own columns; the answer has to be the same however the data is given.
QUESTIONS: dict[str, Callable[[Any], Any]] = {
    "answer_times": lambda data: analysis.answer_times(data, by="site"),
    "calls": calls,
    "check": lambda data: analysis.check(data, ["poor > 3% by site min_n 1", "asr < 99% by network,site min_n 1"]),
    "compare": lambda data: analysis.compare(data, data, by=["site", "network"], case="poor").groups,
    "cost": lambda data: analysis.cost(data, by=["site", "team"]),
    "findings": lambda data: findings(data).looked_at,
    "kpi": lambda data: kpi(data, by=["site", "network", "hour"], tz="Europe/Paris"),
    "kpi of calls": lambda data: kpi(data, by="site", unit="call", scope="all"),
    "kpi_values": lambda data: analysis.kpi_values(data, by="team"),
    "legs": legs,
    "match_counts": match_counts,
    "offenders": lambda data: offenders(data, by=["site", "team"], min_n=1),
    "quality": quality,
    "quality of one column": lambda data: quality(data, columns=["site", "verdict"]),
    "traffic_changes": lambda data: analysis.traffic_changes(data, by="site", per="hour"),
}
#: Those that are asked of relations, too. These differ from a large folder in how legs and calls get own columns, where
#: nothing is kept, and in how rows of maps come in; what is asked of the rows then is the same code on the same engine.
OF_RELATIONS = {"kpi", "kpi of calls", "legs", "match_counts"}
#: The own columns, each of another map, and those that a question needs where it does not give all.
COLUMNS = ("site", "network", "team", "region")
ONLY_BY: dict[str, list[str]] = {
    "answer_times": ["site"], "check": ["site", "network"], "compare": ["site", "network"], "cost": ["site", "team"],
    "kpi": ["site", "network"], "kpi of calls": ["site"], "kpi_values": ["team"], "offenders": ["site", "team"],
    "quality of one column": ["site"], "traffic_changes": ["site"],
}  # fmt: skip


class World:
    def __init__(self, folder: Path) -> None:
        with Sandbox(seed=11, conversations=25) as sandbox:
            client = Conversations(sandbox.application_id, sandbox.private_key, base_url=sandbox.base_url)
            export(client, folder, rate=0)
        self.folder, self.dataset = folder, open_dataset(folder)
        self.frames = {
            name: pd.concat([pd.read_parquet(file) for file in self.dataset.files(name)], ignore_index=True)
            for name in self.dataset.tables
        }
        self.relations = relations(self.frames)
        plain = legs(self.frames, ["user_id", "started_at"]).dropna(subset=["user_id"])
        users, middle = sorted(plain["user_id"].unique()), plain["started_at"].quantile(0.5)
        half = users[: len(users) // 2]
        self.teams = pd.DataFrame({
            "user_id": [*half, *half], "team": ["sales"] * len(half) + ["support"] * len(half),
            "valid_from": [pd.NaT] * len(half) + [middle] * len(half),
            "valid_to": [middle] * len(half) + [pd.NaT] * len(half),
        })  # fmt: skip

    def enriched(self, data: Any, by: Collection[str] = COLUMNS) -> EnrichedData:
        """Data with own columns, each of its own map."""
        maps = {"site": SITES, "network": NETWORKS, "team": self.teams}
        for table in (maps[name] for name in maps if name in by):
            data = enrich(data, table)
        done: EnrichedData = data
        if "region" in by:
            done = enrich(data, {"team": ["sales"], "region": ["north"]}, on="team")
        return done

    def ways(self, name: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Any]]:
        """The ways of giving the data of a question, beside frames."""
        yield "dataset", self.dataset
        if name in OF_RELATIONS:
            yield "relations", self.relations
        monkeypatch.setattr(opened, "IN_MEMORY", 0)
        yield "large dataset", open_dataset(self.folder)


def plain(found: Any) -> pd.DataFrame:
    """An answer as pandas, in an order that its words decide."""
    frame = as_pandas(found, []).drop(columns="map", errors="ignore")
    exact = [column for column in frame if not pd.api.types.is_float_dtype(frame[column])]
    order = frame.assign(**{str(column): frame[column].astype("str").fillna("") for column in exact})
    return frame.loc[order.sort_values([*exact, *(set(frame) - set(exact))]).index].reset_index(drop=True)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("own") / "exports")


@pytest.mark.parametrize("name", QUESTIONS)
def test_every_way_of_giving_the_data_gives_the_same(world: World, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ask, own = QUESTIONS[name], ONLY_BY.get(name, list(COLUMNS))
    expected = plain(ask(world.enriched(world.frames, own)))
    assert len(expected)
    for way, data in world.ways(name, monkeypatch):
        found = plain(ask(world.enriched(data, own)))
        pd.testing.assert_frame_equal(found, expected, check_dtype=False, rtol=1e-12, obj=way)


def test_legs_have_what_a_frame_of_them_gets(world: World) -> None:
    found = legs(world.enriched(world.frames))
    frame = legs(world.frames)
    for table in (SITES, NETWORKS, world.teams):
        frame = enrich(frame, table)
    frame = enrich(frame, {"team": ["sales"], "region": ["north"]}, on="team")
    pd.testing.assert_frame_equal(found, frame, check_flags=False)
    assert {"London", "Leeds"} <= set(found["site"].dropna())
    assert {"sales", "support"} <= set(found["team"].dropna())
    assert found["region"].notna().sum() == (found["team"] == "sales").sum() > 0
    assert len(found) == len(legs(world.frames))


def test_what_is_kept_of_a_folder_is_only_believed_for_the_same_map(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opened, "IN_MEMORY", 0)
    dataset = open_dataset(world.folder)
    for site in ("London", "Leeds"):
        data = enrich(dataset, {"prefix": ["44"], "site": [site]})
        for _ in range(2):
            assert kpi(data, by="site", metrics=["asr"], scope="all")["site"].dropna().to_list() == [site]
    assert "site" not in kpi(dataset, metrics=["asr"])


def test_rows_that_match_nothing_stay_and_are_counted(world: World) -> None:
    enriched = world.enriched(world.frames)
    found, counts = legs(enriched), match_counts(enriched)
    assert counts["on"].to_list() == ["remote_address", "network_code", "user_id", "team"]
    assert (counts["rows"] == len(found)).all()
    parts = ["matched", "no_key", "no_row", "outside_validity", "undecided"]
    assert (counts[parts].sum(axis=1) == counts["rows"]).all()
    # Of the prefix 1 the site is not known, and yet it matches.
    assert counts["matched"][0] >= found["site"].notna().sum()
    assert counts["matched"][1] == found["network"].notna().sum() > 0
    rates = kpi(enriched, by="site", metrics=["asr"], scope="all")
    assert rates["site"].isna().sum() == 1
    assert rates["n"].sum() + rates["unknown"].sum() == kpi(world.frames, metrics=["asr"], scope="all")["n"].sum()


def test_findings_name_a_site() -> None:
    dice = random.Random(5)
    numbers = [f"{dice.choice(['4420', '3314', '4930', '1212'])}{dice.randrange(10**7):07d}" for _ in range(60)]
    failing = set(numbers[::4])
    begin = pd.Timestamp("2026-11-02T00:00Z")
    rows = [
        {"conversation_id": f"CON-{place}", "event_id": 1, "leg_id": f"leg-{place}", "type": "sip:hangup",
         "at": begin + pd.Timedelta(minutes=37 * place), "direction": "outbound", "channel_type": "phone",
         "to_type": "phone", "to_number": number, "from_number": "442079460000", "reason_code": "REMOTE_HANGUP",
         "sip_code": 503 if dice.random() < (0.5 if number in failing else 0.04) else 200}
        for place, number in enumerate(dice.choices(numbers, k=1200))
    ]  # fmt: skip
    sites = pd.DataFrame(
        {"number": numbers, "site": ["Bad Town" if each in failing else "Elsewhere" for each in numbers]}
    )
    hangups = pd.DataFrame(rows, columns=[column.name for column in TABLES["hangups"].columns])
    data = enrich({"hangups": hangups}, sites)
    found = findings(data)
    assert found.problems["where"][0] == "site Bad Town", found.problems[["where", "what"]].to_string()
    assert found.problems["python"][0] == "offenders(data, by='site', case='failed')"
    assert json.loads(found.problems["keys"][0]) == {"site": "Bad Town"}
    shown = offenders(data, by="site", case="failed")
    assert shown.loc[shown["offender"], "site"].to_list() == ["Bad Town"]


def test_a_report_groups_by_own_columns(world: World) -> None:
    report = quality_report(world.enriched(world.dataset))
    titles = {each.name: each.title for each in report.numbers.groupings}
    assert titles["site"] == "By site"
    assert list(titles)[:4] == ["site", "network", "team", "region"]
    site = next(each for each in report.numbers.groupings if each.name == "site")
    found = legs(world.enriched(world.dataset))
    assert {group.key: group.legs for group in site.groups if group.key != "unknown"} == (
        found["site"].value_counts().to_dict()
    )
    missing = next(each for each in report.numbers.ledger.entries if each.metric == "site")
    assert missing.missing == found["site"].isna().sum()
    assert report.numbers.ledger.runs == quality_report(world.dataset).numbers.ledger.runs == 1
    assert "By site" in report.html


def test_a_name_that_answers_have_already_is_refused(world: World) -> None:
    for name in ("country", "rate", "hour", "verdict", "_k", "prefix_owner"):
        with pytest.raises(ConfigError, match=f"'{name}'"):
            enrich(world.frames, {"number": ["442079460000"], name: ["x"]}, on="number")
    enriched = enrich(world.frames, SITES)
    with pytest.raises(ConfigError, match="'site'"):
        enrich(enriched, SITES)
    with pytest.raises(ColumnNotFound, match="site"):
        kpi(enriched, by="town")


def test_no_answer_by_groups_has_a_column_that_a_map_may_add(world: World) -> None:
    enriched = world.enriched(world.frames)
    for name, ask in QUESTIONS.items():
        if name not in {"findings", "match_counts"}:
            columns = set(as_pandas(ask(enriched), []).columns) - set(enriched.columns)
            assert columns <= TAKEN, (name, sorted(columns - TAKEN))


def test_a_map_of_a_relation_and_a_connection_leave_the_connection_as_it_was(world: World) -> None:
    connection = duckdb.connect()
    connection.execute("set TimeZone = 'UTC'")
    for name in ("leg_statuses", "hangups", "call_records"):
        connection.register(name, world.frames[name])
    before = connection.execute("select table_name from information_schema.tables order by 1").fetchall()
    found = kpi(enrich(connection, SITES), by="site").df()
    assert set(found["site"].dropna()) <= {"London", "Leeds", "Bonn"}
    assert connection.execute("select table_name from information_schema.tables order by 1").fetchall() == before


def test_what_is_enriched_says_so(world: World) -> None:
    text = repr(world.enriched(world.frames))
    assert text.startswith("EnrichedData: dict with site by remote_address (longest_prefix, The map)")
    assert enrich(world.frames, SITES).columns == ("site",)
