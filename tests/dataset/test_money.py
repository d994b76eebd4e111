"""Prices to their last decimal: in folders of this version, of an earlier one, and with files of both."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from decimal import Decimal, localcontext
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest

from conv_analytics import Conversations, export, open_dataset
from conv_analytics.analysis import cost, price_audit, waste
from conv_analytics.dataset import DatasetWriter
from conv_analytics.dataset.maintenance.compact import compact
from conv_analytics.dataset.maintenance.finding import Level
from conv_analytics.dataset.maintenance.replay import replay
from conv_analytics.dataset.maintenance.verify import verify
from conv_analytics.sandbox import Sandbox
from conv_analytics.tables import TABLES
from conv_analytics.tables.kinds import EARLIER_MONEY, MONEY
from tests._helpers.document_reading import flatten
from tests._helpers.older_dataset import Older, Raw, added, aged, narrowed, whole
from tests._helpers.table_rows import DAY, PRICE, rows

pytestmark = pytest.mark.slow

FINE = Decimal("0.012345678901234567")
#: What tells the rows of this module's own run.
OWN = "CON-fine"


@pytest.fixture(scope="module")
def today(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Raw]:
    folder = tmp_path_factory.mktemp("money") / "whole"
    return folder, whole(folder, conversations=12)


def quarantined(source: Path, raw: Raw, folder: Path) -> list[tuple[str, int]]:
    """A folder of an earlier version, to which every third price had too many decimals."""
    records = open_dataset(source)["call_records"].dropna(subset=["price", "event_id"])
    events = [(str(owner), int(event)) for owner, event in records[["conversation_id", "event_id"]].to_numpy()][::3]
    raw = replace(raw, events=dict(raw.events))
    for event in events:
        record = json.loads(raw.events[event])
        record["body"]["price"] = str(FINE)
        raw.events[event] = json.dumps(record).encode()
    aged(source, folder, raw, Older(cells={event: [("call_records", "price")] for event in events}))
    narrowed(folder)
    return events


def append(folder: Path) -> None:
    """A run of today that brought two prices of many decimals and one of few."""
    bodies = [{"price": "0.012345678901234567", "rate": "0.0000000001"}, {"price": "-1e-18"}, {"price": "0.04218000"}]
    events = [
        {"id": place, "type": "sip:status", "timestamp": "2026-12-24T10:00:00Z", "body": body}
        for place, body in enumerate(bodies, 1)
    ]
    added(folder, [], rows=dict(flatten(*events, conversation=OWN).tables), watermarks={OWN: 3})


@pytest.fixture
def mixed(today: tuple[Path, Raw], tmp_path: Path) -> Path:
    """A folder of an earlier version with a run of today."""
    folder = tmp_path / "exports"
    quarantined(*today, folder)
    append(folder)
    return folder


def kinds(folder: Path) -> set[pa.DataType]:
    return {pq.read_schema(path).field("price").type for path in folder.glob("call_records/*/*.parquet")}


def exact(folder: Path) -> list[Decimal]:
    """The prices as each file has them."""
    found = []
    for path in folder.glob("call_records/*/*.parquet"):
        found += pq.ParquetFile(path).read(columns=["price"])["price"].drop_null().to_pylist()
    return sorted(found)


def total(prices: list[Decimal]) -> Decimal:
    with localcontext(prec=60):
        return sum(prices, Decimal(0))


def errors(folder: Path) -> list[str]:
    return [str(finding) for finding in verify(folder) if finding.level is Level.ERROR]


def test_a_folder_of_an_earlier_version_is_read_as_one_of_today(today: tuple[Path, Raw], tmp_path: Path) -> None:
    source, raw = today
    folder = aged(source, tmp_path / "exports", raw, Older())
    before, frame = open_dataset(folder).arrow("call_records"), open_dataset(folder)["call_records"]
    narrowed(folder)
    assert kinds(folder) == {EARLIER_MONEY}
    dataset = open_dataset(folder)
    assert dataset.arrow("call_records").equals(before)
    assert dataset.arrow("call_records", columns=["rate"]).equals(before.select(["rate", "date"]))
    pd.testing.assert_frame_equal(dataset["call_records"], frame)
    assert str(dataset.duckdb().sql("select price from call_records").types[0]) == "DECIMAL(28,18)"
    for answer in (cost, price_audit, waste):
        for data in (dataset, {name: dataset[name] for name in dataset.tables}):
            pd.testing.assert_frame_equal(answer(data), answer(open_dataset(source)), rtol=1e-12)
    assert not errors(folder)


def test_a_folder_with_files_of_both_is_read_to_the_last_decimal(mixed: Path) -> None:
    assert kinds(mixed) == {EARLIER_MONEY, MONEY}
    dataset, prices = open_dataset(mixed), exact(mixed)
    assert {FINE, Decimal("-1e-18"), Decimal("0.04218")} < set(prices)
    found = dataset.arrow("call_records", columns=["price"])["price"]
    assert found.type == MONEY
    assert sorted(found.drop_null().to_pylist()) == prices
    frame = dataset["call_records"]
    assert str(frame["price"].dtype) == "double[pyarrow]"
    assert math.isclose(frame["price"].sum(), total(prices), rel_tol=1e-12)
    own = frame[frame["conversation_id"] == OWN]
    assert own["price"].tolist() == pytest.approx([float(FINE), -1e-18, 0.04218], rel=1e-15)
    assert own["rate"].dropna().tolist() == pytest.approx([1e-10], rel=1e-15)
    connection = dataset.duckdb()
    assert connection.sql("select sum(price) from call_records").fetchall() == [(total(prices),)]
    query = f"select price from call_records where conversation_id = '{OWN}' and date = '2026-12-24' order by event_id"
    assert connection.sql(query).fetchall() == [(FINE,), (Decimal("-1e-18"),), (Decimal("0.04218"),)]
    assert not errors(mixed)


def test_plain_readers_of_a_mixed_folder_do_what_the_reference_says(mixed: Path) -> None:
    prices, folder = exact(mixed), mixed / "call_records"
    query = f"select sum(price) from read_parquet('{folder}/*/*.parquet', union_by_name = true)"
    assert duckdb.sql(query).fetchall() == [(total(prices),)]
    (rounded,) = duckdb.sql(query.replace(", union_by_name = true", "")).fetchall()
    assert rounded != (total(prices),)
    for read in (pd.read_parquet, lambda path: pyarrow.dataset.dataset(path).to_table()):
        with pytest.raises(pa.ArrowInvalid, match="Rescaling Decimal value would cause data loss"):
            read(folder)
    with pytest.raises(pl.exceptions.SchemaError, match="data type mismatch for column price"):
        pl.read_parquet(f"{folder}/*/*.parquet")
    assert pl.from_arrow(open_dataset(mixed).arrow("call_records"))["price"].sum() == total(prices)  # type: ignore[call-overload]


def test_compact_makes_a_mixed_folder_uniform(mixed: Path, tmp_path: Path) -> None:
    copy, prices = tmp_path / "copy", exact(mixed)
    compact(mixed, copy)
    assert kinds(copy) == {MONEY}
    assert exact(copy) == prices
    assert not errors(copy)
    folder = copy / "call_records"
    assert duckdb.sql(f"select sum(price) from read_parquet('{folder}/*/*.parquet')").fetchall() == [(total(prices),)]
    assert pl.read_parquet(f"{folder}/*/*.parquet")["price"].sum() == total(prices)
    assert sorted(pyarrow.dataset.dataset(folder).to_table()["price"].drop_null().to_pylist()) == prices
    assert math.isclose(pd.read_parquet(folder)["price"].sum(), total(prices), rel_tol=1e-12)


def test_what_had_too_many_decimals_for_an_earlier_version_is_read_again(
    today: tuple[Path, Raw], tmp_path: Path
) -> None:
    folder, copy = tmp_path / "exports", tmp_path / "copy"
    events = quarantined(*today, folder)
    assert FINE not in exact(folder)
    told = replay(folder)
    assert (told.cells, told.unreadable, told.commit) == (len(events), 0, None), "files are never rewritten"
    assert compact(folder, copy, replay=True).quarantined == 0
    records = open_dataset(copy).arrow("call_records", columns=["conversation_id", "event_id", "price"]).to_pylist()
    again = {(row["conversation_id"], row["event_id"]) for row in records if row["price"] == FINE}
    assert again == set(events)
    source = open_dataset(today[0]).arrow("call_records")["price"]
    assert source.null_count == sum(row["price"] is None for row in records)


def test_an_export_goes_on_in_a_folder_of_an_earlier_version(tmp_path: Path) -> None:
    with Sandbox(seed=7, conversations=6, days=2) as sandbox:
        client = Conversations(sandbox.application_id, sandbox.private_key, base_url=sandbox.base_url)
        export(client, tmp_path, rate=0)
        before, events = exact(narrowed(tmp_path)), open_dataset(tmp_path).rows("events")
        world = sandbox.world
        active = next(each.id for each in map(world.conversation, world.ordinals) if each.state == "ACTIVE")
        with httpx.Client(base_url=sandbox.base_url, headers=sandbox.headers()) as http:
            body: dict[str, Any] = {"type": "message", "body": {"message_type": "text", "text": "later"}}
            assert http.post(f"/v1/conversations/{active}/events", json=body).status_code == 201
        done = export(client, tmp_path, rate=0)
    assert done.dataset.rows("events") == events + 1
    assert exact(tmp_path) == before
    assert not errors(tmp_path)


def test_sums_of_a_million_prices_are_exact(tmp_path: Path) -> None:
    """The largest amounts with all of their decimals."""
    largest = Decimal("9" * 10 + "." + "9" * 18)
    made, height = rows(TABLES["call_records"], 1), 10**6
    # Of the other columns only those that tell what a row is: this is about prices.
    told = {"conversation_id", "event_id", "source"}
    columns = {field.name: pa.nulls(height, field.type) for field in made.schema}
    columns |= {name: made[name].take(pa.array([0] * height)).combine_chunks() for name in told}
    columns["price"] = pa.repeat(pa.scalar(largest, MONEY), height)
    many = pa.table(columns, schema=made.schema)
    writer = DatasetWriter(tmp_path, DAY, ["call_records"])
    writer.place("call_records", DAY, many)
    writer.commit({}, {})
    with localcontext(prec=60):
        wanted = largest * height
    dataset = open_dataset(tmp_path)
    assert dataset.duckdb().sql("select sum(price) from call_records").fetchall() == [(wanted,)]
    column = dataset.arrow("call_records", columns=["price"])["price"]
    assert pc.sum(column).as_py() == wanted
    assert pd.Series(column, dtype=pd.ArrowDtype(MONEY)).sum() == wanted
    assert pl.from_arrow(column).sum() == wanted  # type: ignore[union-attr]
    assert math.isclose(dataset["call_records"]["price"].sum(), float(wanted), rel_tol=1e-12)
    assert pc.add(column, column)[0].as_py() == Decimal("19999999999.999999999999999998")


def test_money_of_many_decimals_adds_up_in_answers() -> None:
    legs = pd.DataFrame({
        "conversation_id": [f"CON-{n}" for n in range(1000)], "leg_id": [f"leg-{n}" for n in range(1000)],
        "answered": True, "talk_s": 60.0, "billed_s": 60.0, "currency": "EUR",
    })  # fmt: skip
    prices = [PRICE.scaleb(-9) + Decimal(n).scaleb(-15) for n in range(1000)]
    for dtype in (object, pd.ArrowDtype(pa.decimal128(38, 30)), "float64"):
        data = legs.assign(price=pd.Series(prices, dtype=dtype), rate=pd.Series(prices, dtype=dtype))
        assert cost(data)["spend"].tolist() == pytest.approx([float(total(prices))], rel=1e-12)
        assert cost(data)["per_answered_min"].tolist() == pytest.approx([float(total(prices)) / 1000], rel=1e-12)
        assert waste(data).query("kind == 'all'")["spend"].tolist() == pytest.approx([float(total(prices))], rel=1e-12)
        audit = price_audit(data)
        assert set(audit["rule"]) == {"exact"}
        assert audit["spend"].sum() == pytest.approx(float(total(prices)), rel=1e-12)
