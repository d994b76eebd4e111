"""An assistant's client asks a real server: answers equal Python's, hostile SQL is refused, and people stay masked."""

from __future__ import annotations

import ast
import asyncio
import json
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest
from anyio.from_thread import start_blocking_portal
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from conv_analytics import export, open_dataset
from conv_analytics.analysis import calls, compare, findings, kpi, ledger, legs, offenders, quality
from conv_analytics.dataset import Dataset
from conv_analytics.errors import ConfigError
from conv_analytics.mcp_server import server, sql
from conv_analytics.mcp_server.answers import MAX_BYTES, UNTRUSTED, answer
from conv_analytics.mcp_server.questions import Questions
from conv_analytics.mcp_server.sql import run_sql
from conv_analytics.mcp_server.sql_check import check_sql
from conv_analytics.privacy.display import Display
from conv_analytics.sandbox import Sandbox
from tests._helpers.command_line import environment, forked, run
from tests._helpers.sandboxes import client_of
from tests.mcp_server.hostile_sql import HOSTILE

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning"),
]

Asked = tuple[str, dict[str, Any]]
#: Whether each call failed, and its text; and the names of the tools.
Ask = Callable[[Sequence[Asked]], tuple[list[tuple[bool, str]], list[str]]]
SPLIT = "2026-11-17T00:00:00+00:00"
CODES = "select sip_code, count(*) as n from hangups group by all order by n desc, sip_code"
LONG = "with long as (select * from call_records where duration_s > 60) select sum(duration_s) as s from long"
TYPES = "select type, count(distinct conversation_id) as n from events group by 1 order by 2 desc, 1 limit 5"

#: Tool, arguments, and what Python says.
QUESTIONS: Sequence[tuple[str, dict[str, Any], Callable[[Dataset], pd.DataFrame]]] = (
    ("findings", {}, lambda data: findings(data).problems),
    ("findings", {"since": SPLIT, "tz": "Europe/Paris", "limit": 3},
     lambda data: findings(data, since=pd.Timestamp(SPLIT).to_pydatetime(), tz="Europe/Paris", limit=3).problems),
    ("kpi", {}, kpi),
    ("kpi", {"by": ["direction"], "scope": "all"}, lambda data: kpi(data, by=["direction"], scope="all")),
    ("kpi", {"by": ["country"], "metrics": ["asr"]}, lambda data: kpi(data, by=["country"], metrics=["asr"])),
    ("kpi", {"by": ["hour"], "metrics": ["ner"], "tz": "Asia/Tokyo"},
     lambda data: kpi(data, by=["hour"], metrics=["ner"], tz="Asia/Tokyo")),
    ("quality", {"verdict": ["poor"]}, lambda data: quality(data).query("verdict == 'poor'")),
    ("quality", {"verdict": ["fair"], "limit": 3}, lambda data: quality(data).query("verdict == 'fair'")),
    ("offenders", {"min_n": 5}, lambda data: offenders(data, min_n=5)),
    ("offenders", {"by": ["country"], "case": "unanswered"}, lambda data: offenders(data, "country", "unanswered")),
    ("offenders", {"by": ["hour"], "case": "failed", "tz": "Europe/Paris"},
     lambda data: offenders(data, "hour", "failed", tz="Europe/Paris")),
    ("compare", {"split_at": SPLIT, "by": ["country"]}, lambda data: compare(*halves(data), by=["country"]).groups),
    ("compare", {"split_at": SPLIT, "case": "short"}, lambda data: compare(*halves(data), case="short").groups),
    ("calls", {}, lambda data: latest(calls(data))),
    ("calls", {"outcome": "busy"}, lambda data: latest(calls(data)).query("outcome == 'busy'")),
    ("calls", {"since": SPLIT, "direction": "inbound", "limit": 4},
     lambda data: latest(calls(data)).query(f"started_at >= '{SPLIT}' and direction == 'inbound'")),
    ("coverage", {}, ledger),
    ("overview", {}, lambda data: data.history().tail(5)[["at", "status", "listed", "events", "warning"]]),
    ("sql", {"query": "select count(*) as n from events"},
     lambda data: pd.DataFrame({"n": [len(data["events"])]})),
    ("sql", {"query": CODES}, lambda data: data.duckdb().sql(CODES).df()),
    ("sql", {"query": LONG}, lambda data: data.duckdb().sql(LONG).df()),
    ("sql", {"query": TYPES}, lambda data: data.duckdb().sql(TYPES).df()),
    ("sql", {"query": "select max(x) as x from (select unnest([1, 2, 3]) as x)"}, lambda _: pd.DataFrame({"x": [3]})),
)  # fmt: skip
#: Common table expressions (WITH) that are allowed, and what they give.
COMMON_TABLES: Sequence[tuple[str, list[Any]]] = (
    ("with a as (select 1 as x), b as (select x + 1 as x from a) select x from b", [2]),
    ("with A as (select 1 as x) select x from a", [1]),
    ('with "größe" as (select 1 as x) select x from "größe"', [1]),
    ("with a as (select 1 as x) select * from (with b as (from a) select x + 1 as x from b)", [2]),
    ("with a as (select 1 as x) select i.x from (with a as (select x + 1 as x from a) from a) i, a", [2]),
    ("with a as (select 1 as x) select (select max(x) from a) as x where exists (from a) and 1 in (from a)", [1]),
    ("with a as (select 1 as x), b as materialized (from a) from a union all from b", [1, 1]),
    ("(with a as (select 1 as x) from a) union all (with a as (select 2 as x) from a) order by x", [1, 2]),
    ("with recursive t(n) as (select 1 union all select n + 1 from t where n < 3), u as (from t) from u", [1, 2, 3]),
    (
        "with recursive t(n) as (select 1 union all (with s as (from t) select n + 1 from s where n < 3)) from t",
        [1, 2, 3],
    ),
    ("with recursive t(n) using key (n) as (select 1 union select n + 1 from t where n < 2) from t order by n", [1, 2]),
    ("with a as (select 1 as x) select m from a, lateral (select a.x + 1 as m from a b)", [2]),
    ("with a as (select 1 as x) from a unpivot (v for k in (x)) select v", [1]),
    ("with a as (select 1 as x) select y from (from a pivot (count(*) for x in (1 as y)))", [1]),
    ("with a as (select [1, 2] as x) select list_sum(list_transform(x, lambda e: e + 1)) from a", [5]),
    ("with hangups as (select leg_id from hangups limit 1) select count(*) from hangups", [1]),
    ("with h as (from hangups) select count(*) from (select * from h limit 2) join (from h limit 0) on true", [0]),
)
#: What tries to get at people by ways of its own.
PROBES = (
    "select * from hangups",
    "select from_number || '' as x, reverse(to_number) as y, to_base64(encode(from_number)) as z from hangups",
    "select substr(from_number, 1, 3) as a, substr(from_number, 4) as b from hangups",
    "select string_agg(from_number, ',') as x from call_events",
    "select body, extra from events where type like 'sip:%'",
    "select cast(body as json) -> '$.channel' as x from events",
    "select h::varchar as x from hangups h",
    "select to_json(h) as x from hangups h",
    "select columns('.*number.*') from hangups",
    "select * from members",
    "select * from conversations",
    "select text from messages",
)


def halves(data: Dataset) -> tuple[pd.DataFrame, pd.DataFrame]:
    made, at = legs(data), pd.Timestamp(SPLIT)
    return made[made["started_at"] < at], made[made["started_at"] >= at]


def latest(made: pd.DataFrame) -> pd.DataFrame:
    return made.sort_values("started_at", ascending=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root: Path = tmp_path_factory.mktemp("asked") / "exports"
    with Sandbox(seed=3, conversations=60, days=2) as sandbox:
        export(client_of(sandbox), root, rate=0, progress=False)
    return root


@contextmanager
def asked_by_a_client(folder: Path, *flags: str) -> Iterator[Ask]:
    """What asks one server, a process of its own, all that it is given."""
    started = StdioServerParameters(command=forked()[0], args=["mcp", str(folder), *flags], env=environment())

    async def answers(client: Client, asked: Sequence[Asked]) -> list[tuple[bool, str]]:
        results = [await client.call_tool(name, given) for name, given in asked]
        texts = ("".join(getattr(part, "text", "") for part in result.content) for result in results)
        return [(bool(result.is_error), text) for result, text in zip(results, texts, strict=True)]

    async def tools(client: Client) -> list[str]:
        return [tool.name for tool in (await client.list_tools()).tools]

    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(Client(stdio_client(started))) as client,
    ):
        yield lambda asked: (portal.call(answers, client, asked), portal.call(tools, client))


@pytest.fixture(scope="module")
def ask(folder: Path) -> Iterator[Ask]:
    """A server that masks, as it does unless told otherwise. Its start takes longer than most questions."""
    with asked_by_a_client(folder) as asks:
        yield asks


@pytest.fixture(scope="module")
def ask_unmasked(folder: Path) -> Iterator[Ask]:
    with asked_by_a_client(folder, "--unmasked") as asks:
        yield asks


def plain(value: Any) -> Any:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    return float(f"{value:.6g}") if isinstance(value, float) else value


def test_answers_are_those_of_python(folder: Path, ask_unmasked: Ask) -> None:
    answers, tools = ask_unmasked([(name, given) for name, given, _ in QUESTIONS])
    assert set(tools) >= {name for name, _, _ in QUESTIONS} | {"timeline", "tables"}
    data = open_dataset(folder)
    assert len(QUESTIONS) >= 20
    for (name, given, expected), (failed, text) in zip(QUESTIONS, answers, strict=True):
        assert not failed, (name, given, text)
        assert len(text.encode()) <= MAX_BYTES
        answer = json.loads(text)
        frame = expected(data)
        assert answer["columns"] == list(frame.columns), name
        assert answer["rows_in_all"] == len(frame), (name, given)
        rows = json.loads(frame.head(len(answer["rows"])).to_json(orient="values", date_format="iso", date_unit="us"))
        assert answer["rows"] == [[plain(value) for value in row] for row in rows], (name, given)
        assert ("cut" in answer) == (len(answer["rows"]) < len(frame))
        assert answer["note"] == UNTRUSTED
        ast.parse(answer["python"], mode="eval")
        assert answer["python"].startswith(
            ("findings(", "kpi(", "quality(", "offenders(", "compare(", "calls(", "ledger(", "open_")
        )


def test_hostile_sql_is_refused_and_changes_nothing(folder: Path, ask: Ask) -> None:
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    asked = [("sql", {"query": query.replace("{root}", str(folder))}) for query in HOSTILE]
    assert len(asked) >= 50
    answers, _ = ask(asked)
    for (_, given), (failed, text) in zip(asked, answers, strict=True):
        assert failed, (given, text)
        assert "root:" not in text
        assert "Traceback" not in text
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


@pytest.mark.parametrize(("query", "expected"), COMMON_TABLES)
def test_common_table_expressions_can_be_used(folder: Path, query: str, expected: list[Any]) -> None:
    rows = run_sql(open_dataset(folder), query)
    assert rows.iloc[:, 0].tolist() == expected


def test_hostile_sql_is_refused_before_it_runs(folder: Path) -> None:
    """What only fails because a file does not exist is not refused."""
    tables = open_dataset(folder).tables
    with duckdb.connect() as connection:
        for query in HOSTILE:
            with pytest.raises(ConfigError):
                check_sql(query.replace("{root}", str(folder)), tables, connection)


def test_what_may_hold_a_text_is_masked_whatever_its_type() -> None:
    inner = """select '447700900123'::blob as b, ['447700900123'] as l, {'a': '447700900123'} as s,
        'c0ffee00-0000-4000-8000-000000000001'::uuid as u, map {'a': '447700900123'} as m, 447700900123 as n,
        1.5::decimal(9, 2) as d, timestamptz '2026-11-02 10:00:00+00' as at, date '2026-11-02' as day, true as yes"""
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        shown = sql._columns(connection, inner, Display(), set())
        rows = connection.execute(f"select {shown} from ({inner})").fetchall()
        kinds = dict(zip(["b", "l", "s", "u", "m", "n", "d", "at", "day", "yes"], rows[0], strict=True))
    assert [name for name, value in kinds.items() if "447700900123" in str(value)] == ["n"]
    assert kinds["u"] == "c0ffee00-0000-4000-8000-000000000001"
    assert (kinds["d"], kinds["yes"]) == (Decimal("1.50"), True)


def test_no_variable_of_the_server_is_a_table(folder: Path) -> None:
    with duckdb.connect() as connection:
        sql._prepare(connection, open_dataset(folder), frozenset({"hangups"}), Display())
        secret = pd.DataFrame({"x": [1]})
        assert len(secret) == 1
        with pytest.raises(duckdb.CatalogException):
            connection.execute("select * from secret")


def test_no_answer_has_a_number_or_a_name_of_a_person(folder: Path, ask: Ask, ask_unmasked: Ask) -> None:
    data = open_dataset(folder)
    names = ("from_number", "to_number", "from_user", "to_user")
    people = {
        str(value)
        for table in ("hangups", "call_events", "leg_statuses")
        for name in names if name in data[table]
        for value in data[table][name].dropna().unique() if len(str(value)) >= 7
    }  # fmt: skip
    assert len(people) > 20
    conversation = str(data["hangups"]["conversation_id"].min())
    asked: list[Asked] = [(name, given) for name, given, _ in QUESTIONS]
    asked += [("timeline", {"conversation_id": conversation}), ("calls", {"limit": 200}), ("quality", {"limit": 200})]
    asked += [("kpi", {"by": ["to_address"]}), ("offenders", {"by": ["from_address"]})]
    asked += [("sql", {"query": query}) for query in PROBES]
    answers, _ = ask(asked)
    for (name, given), (failed, text) in zip(asked, answers, strict=True):
        seen = [person for person in people if person in text or person[::-1] in text]
        assert not seen, (name, given, seen, text[:300])
        assert failed or len(text.encode()) <= MAX_BYTES
    # The same questions are real: without a mask they have numbers.
    shown, _ = ask_unmasked([("sql", {"query": PROBES[0]}), ("calls", {"limit": 200})])
    for _, text in shown:
        assert any(person in text for person in people)


def test_errors_say_what_to_do(ask: Ask) -> None:
    asked: list[Asked] = [
        ("kpi", {"metrics": ["moon"]}), ("offenders", {"by": ["moon"]}), ("compare", {"split_at": "noon"}),
        ("timeline", {"conversation_id": "CON-none"}), ("tables", {"table": "moon"}), ("calls", {"limit": 0}),
        ("sql", {"query": "select moon from hangups"}), ("sql", {"query": "select * from moon"}),
    ]  # fmt: skip
    answers, _ = ask(asked)
    for (name, given), (failed, text) in zip(asked, answers, strict=True):
        assert failed, (name, text)
        assert next(iter(given.values())) == 0 or "moon" in text or "noon" in text or "CON-none" in text, text


def test_a_query_has_limits(folder: Path) -> None:
    data = open_dataset(folder)
    endless = "with recursive t(n) as (select 1 union all select n + 1 from t) select count(*) from t"
    with pytest.raises(ConfigError, match=r"longer than 0\.5 s|failed"):
        run_sql(data, endless, time_limit_s=0.5)
    with pytest.raises(ConfigError, match=r"failed|longer"):
        run_sql(data, "select count(*) from events a, events b, events c, events d", time_limit_s=0.5)
    assert len(run_sql(data, "select * from range(100000)")) == 1_000


class _Recorded:
    """A connection of DuckDB's that keeps its statements."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self.statements: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, statement: str, *parameters: Any) -> Any:
        self.statements.append(statement)
        return self._connection.execute(statement, *parameters)


def test_a_question_takes_no_statement_for_each_column(folder: Path) -> None:
    """One that asks DuckDB for its functions took 15 ms for each column that is masked."""
    data = open_dataset(folder)
    tables = frozenset({"events", "hangups", "call_records", "members"})
    with duckdb.connect() as connection:
        recorded: Any = _Recorded(connection)
        sql._prepare(recorded, data, tables, Display())
        assert len(recorded.statements) <= 2 * len(tables) + 10 < len(data["hangups"].columns)
        seen = connection.execute("select from_number from hangups where from_number is not null").fetchall()
        assert seen
        assert all("***" in text for (text,) in seen)


def asked_sql(folder: Path, query: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(Questions(folder).sql(query))
    return answer


def test_the_python_of_each_answer_can_be_run(folder: Path) -> None:
    questions = Questions(folder)
    data = open_dataset(folder)
    conversation = str(data["hangups"]["conversation_id"].min())
    asked = [(name, given) for name, given, _ in QUESTIONS]
    asked += [("quality", {}), ("quality", {"verdict": ["poor", "it's"]}), ("calls", {"country": 'it\'s "so"'})]
    asked += [("tables", {}), ("tables", {"table": "hangups"}), ("timeline", {"conversation_id": conversation})]
    asked += [("sql", {"query": "select 'it''s' as \"x\"\n"})]
    for name, given in asked:
        ast.parse(json.loads(getattr(questions, name)(**given))["python"], mode="eval")
    verdicts = ["poor", "fair"]
    python = json.loads(questions.quality(verdicts))["python"]
    made = eval(python, {"quality": quality, "open_dataset": lambda _: data})
    assert made["verdict"].isin(verdicts).all()
    assert len(made) == json.loads(questions.quality(verdicts))["rows_in_all"]


def test_numbers_of_sql_are_exact(folder: Path) -> None:
    query = "select * from (values (12345678), (9007199254740993), (null)) t(n)"
    assert asked_sql(folder, query)["rows"] == [[12345678], [9007199254740993], [None]]
    assert all(type(value) is int for (value,) in asked_sql(folder, query)["rows"][:2])
    query = "select unnest([1234567.25, 12345678901.5, -1234567.25, 0.123456789, 2.5]::double[]) as n"
    assert asked_sql(folder, query)["rows"] == [[1234567.0], [12345678902.0], [-1234567.0], [0.123457], [2.5]]
    assert asked_sql(folder, "select [9007199254740993, null] as a, {'x': 0.123456789::double} as b")["rows"] == [
        [[9007199254740993, None], {"x": 0.123457}]
    ]
    assert asked_sql(folder, "select 'nan'::double as a, 'inf'::double as b")["rows"] == [[None, None]]


def test_more_rows_than_are_fetched_are_mentioned(folder: Path) -> None:
    answer = asked_sql(folder, "select 1 as a from range(5000)")
    assert answer["cut"] == "1,000 of more than 1,000 rows are shown; aggregate or filter."
    assert len(answer["rows"]) == 1_000
    assert "rows_in_all" not in answer
    answer = asked_sql(folder, "select 1 as a from range(1000)")
    assert (answer["rows_in_all"], "cut" in answer) == (1_000, False)
    answer = asked_sql(folder, "select repeat('x', 100) as a from range(1001)")
    assert answer["cut"].endswith("of more than 1,000 rows are shown; aggregate or filter.")
    assert len(answer["rows"]) < 1_000
    assert "rows_in_all" not in answer


def test_lists_and_objects_are_masked() -> None:
    number = "447700900123"
    nested = [number, {"a": [number], number: 1, "display_name": "Bob"}]
    frame = pd.DataFrame({"x": [nested, [2]], "to_number": [{"n": number}, ["Bob"]]})
    text = answer(frame, "kpi(data)", display=Display())
    assert number not in text
    assert "Bob" not in text
    assert json.loads(text)["rows"][1][0] == [2]
    assert number in answer(frame, "kpi(data)", display=Display(on=False))


def test_a_later_commit_is_seen(tmp_path: Path) -> None:
    with Sandbox(seed=3, conversations=3, days=2) as sandbox:
        export(client_of(sandbox), tmp_path, rate=0, progress=False)
        served = server(tmp_path)

        def runs() -> int:
            asked = asyncio.run(served.call_tool("overview", {}))
            return int(json.loads(asked.content[0].text)["rows_in_all"])  # type: ignore[union-attr]

        assert runs() == 1
        export(client_of(sandbox), tmp_path, rate=0, progress=False, full=True)
        assert runs() == 2


def test_without_the_extra_it_says_which(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "mcp.server", None)
    with pytest.raises(ConfigError, match=r"pip install 'conv-analytics\[mcp\]'"):
        server(tmp_path)


def test_a_wrong_folder_is_reported_at_once(tmp_path: Path) -> None:
    done = run("mcp", tmp_path / "none")
    assert done.code == 2
    assert done.out == ""
