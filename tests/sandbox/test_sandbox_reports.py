"""Reports: what the files hold is what the calls cost, but for what is wrong on purpose."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from conv_analytics.sandbox import Sandbox
from conv_analytics.sandbox.reports import PRODUCTS, Differences

if TYPE_CHECKING:
    Record = dict[str, Any]

FIXTURES = Path(__file__).parents[1] / "fixtures" / "live"


def records_of(path: Path) -> list[Record]:
    """Read a file of any of the formats."""
    if path.suffix == ".json":
        return json.loads(path.read_text())["records"]
    content = path.read_bytes()
    if path.suffix == ".zip":
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            content = archive.read(archive.namelist()[0])
    return list(csv.DictReader(io.StringIO(content.decode(), newline="")))


def leg_id(record: Record) -> str:
    text = record.get("leg_id") or record["call_id"]
    return text.replace("-", "")[:32]


@pytest.fixture(scope="module")
def sandbox() -> Sandbox:
    return Sandbox(conversations=160, transient=0.3)


@pytest.mark.parametrize("form", ["csv", "json", "zip"])
def test_the_bills_are_those_of_the_calls(sandbox: Sandbox, tmp_path: Path, form: Any) -> None:
    truth = sandbox.write_reports(tmp_path, formats=(form,))
    records = [record for path in truth.files for record in records_of(path)]
    calls = {call.leg_id.replace("-", ""): call for call in sandbox.truth().calls}
    billed = {leg_id(record): record for record in records}
    assert len(billed) == len(records) == sum(truth.records.values())
    assert all(truth.records[product] for product in PRODUCTS)
    total = Decimal(0)
    for plain, record in billed.items():
        call = calls[plain]
        if call.status == "completed":
            assert abs(Decimal(record["total_price"]) - call.price) <= Decimal("0.0000005")
            assert int(record["duration"]) == call.duration_s
        total += Decimal(record.get("total_price") or 0)
    assert total == truth.total_price
    assert abs(total - sandbox.truth().price_sum) < Decimal("0.001")
    assert {call.leg_id.replace("-", "") for call in calls.values() if call.status == "completed"} <= billed.keys()
    assert any(calls[plain].transient for plain in billed)


def test_records_look_like_those_of_the_contract(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.write_reports(tmp_path, formats=("json",))
    for product, sample in (
        ("VOICE-CALL", "voice_call"),
        ("VOICE-FAILED", "voice_failed"),
        ("IN-APP-VOICE", "in_app_voice"),
    ):
        (expected, *_) = json.loads((FIXTURES / f"reports_{sample}.json").read_text())["records"]
        records = records_of(next(tmp_path.glob(f"report_{product}_*.json")))
        assert {frozenset(record) for record in records} == {frozenset(expected)}
        assert all(value is None or isinstance(value, str) for record in records for value in record.values())
    voice = records_of(next(tmp_path.glob("report_VOICE-CALL_*.json")))
    assert {len(record["call_id"]) for record in voice} == {32, 34, 36, 38}
    # The price is that of a minute: the total is another number.
    assert any(Decimal(record["price"]) != Decimal(record["total_price"]) for record in voice)


def test_planted_differences_are_there_and_no_others(sandbox: Sandbox, tmp_path: Path) -> None:
    right = {
        record["id"]: record for path in sandbox.write_reports(tmp_path / "right").files for record in records_of(path)
    }
    wanted = Differences(missing=3, extra=2, price=4, duration=5, currency=1)
    truth = sandbox.write_reports(tmp_path / "wrong", differences=wanted)
    wrong = {record["id"]: record for path in truth.files for record in records_of(path)}
    assert {name: len(ids) for name, ids in truth.planted.items()} == {
        "missing": 3, "extra": 2, "price": 4, "duration": 5, "currency": 1,
    }  # fmt: skip
    missing = {leg_id(right[key]) for key in right.keys() - wrong.keys()}
    assert missing == {each.replace("-", "") for each in truth.planted["missing"]}
    assert {wrong[key]["call_id"] for key in wrong.keys() - right.keys()} == truth.planted["extra"]
    for name, column in (("price", "total_price"), ("duration", "duration"), ("currency", "currency")):
        changed = {
            leg_id(wrong[key])
            for key in wrong.keys() & right.keys()
            if wrong[key].get(column) != right[key].get(column)
        }
        assert changed == {each.replace("-", "") for each in truth.planted[name]}
    with pytest.raises(ValueError, match="differences"):
        sandbox.write_reports(tmp_path, differences=Differences(missing=100_000))


def test_a_long_report_has_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("conv_analytics.sandbox.reports.LARGEST_PAGE", 40)
    sandbox = Sandbox(conversations=120)
    truth = sandbox.write_reports(tmp_path, formats=("json",))
    pages = [json.loads(path.read_text()) for path in truth.files if "VOICE-CALL" in path.name]
    assert len(pages) > 2
    assert sum(page["items_count"] for page in pages) == truth.records["VOICE-CALL"]
    assert [("cursor" in page, "iv" in page, "next" in page["_links"]) for page in pages] == [
        *[(True, True, True)] * (len(pages) - 1), (False, False, False),
    ]  # fmt: skip
    assert all("iv=" not in page["_links"]["next"]["href"] for page in pages[:-1])
