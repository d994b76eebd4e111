"""Downloads of the Reports API as people have them: pages, CSV, zips, what a spreadsheet made of them, and others."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from conv_analytics import read_reports
from conv_analytics.errors import ConfigError, PagingWarning
from conv_analytics.tables.report_files import leg_keys

LIVE = Path(__file__).parents[1] / "fixtures" / "live"
FIELDS = (
    "account_id,call_id,direction,from,to,network,network_name,country,date_start,date_end,duration,status,currency,"
    "price,total_price,id"
)


def page(name: str = "voice_call") -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((LIVE / f"reports_{name}.json").read_text())
    return loaded


def as_csv(records: list[dict[str, Any]], separator: str = ",", end: str = "\n") -> str:
    """As an asynchronous report is written: a quoted header, and what is null left out."""
    names = FIELDS.split(",")
    lines = [[str(record.get(name) or "") for name in names] for record in records]
    return end.join(separator.join(f'"{cell}"' for cell in line) for line in [names, *lines]) + end


def zipped(**files: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in files.items():
            file.writestr(name.replace("__", "."), content)
    return packed.getvalue()


CSV = as_csv(page()["records"])
FORMS: dict[str, bytes] = {
    "page.json": (LIVE / "reports_voice_call.json").read_bytes(),
    "records.json": json.dumps(page()["records"]).encode(),
    "pages.json": json.dumps([{**page(), "records": [each]} for each in page()["records"]]).encode(),
    "lines.jsonl": "\n".join(json.dumps(each) for each in page()["records"]).encode(),
    "report_VOICE-CALL_a1b2c3d4_20261121.csv": CSV.encode(),
    "no name to tell by.csv": CSV.encode(),
    "bom and crlf.csv": b"\xef\xbb\xbf" + as_csv(page()["records"], end="\r\n").encode(),
    "semicolons.csv": as_csv(page()["records"], ";").replace(".0", ",0").encode(),
    "utf-16.csv": CSV.encode("utf-16"),
    "capitals.csv": CSV.replace("call_id", "Call_ID").replace("total_price", "Total_Price").encode(),
    "VOICE-CALL_0f1e.zip": zipped(report_a1__csv=CSV.encode(), readme__txt=b"hello"),
    "packed.csv.gz": gzip.compress(CSV.encode()),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_records(form: str, tmp_path: Path) -> None:
    path = tmp_path / form
    path.write_bytes(FORMS[form])
    records = read_reports(path)
    pd.testing.assert_frame_equal(records, read_reports(LIVE / "reports_voice_call.json"))
    assert records["product"].tolist() == ["VOICE-CALL"] * 2
    assert records["leg_key"].tolist() == ["9f2c4e6a8b0d1f3557799bbddff01123", "4b7e1c902d3f4a589c6170e8d2f5a3b6"]
    assert records["price"].tolist() == [0.0114, 0.032173]
    assert records["price_per_minute"].tolist() == [0.0045, 0.0127]
    assert records["started_at"].tolist() == [pd.Timestamp("2026-11-20T09:15:10Z")] * 2
    assert records["network_name"].tolist() == ["United Kingdom Landline", "Example Mobile UK"]
    assert records["problem"].isna().all()


def test_products_are_told_apart_and_records_counted_once() -> None:
    names = ("voice_call", "in_app_voice", "voice_failed", "voice_call", "empty")
    files = [LIVE / f"reports_{name}.json" for name in names]
    records = read_reports(files)
    assert records["product"].tolist() == ["VOICE-CALL", "VOICE-CALL", "IN-APP-VOICE", "VOICE-FAILED"]
    in_app = records[records["product"] == "IN-APP-VOICE"].iloc[0]
    assert (in_app["leg_key"], in_app["price"]) == ("d81e5f076a2c4b938f401c7b9e3a5d24", 0.0182)
    # Its price is that of the request, not of a minute.
    assert pd.isna(in_app["price_per_minute"])
    assert records["duration_s"].isna().tolist() == [False, False, False, True]


def test_what_cannot_be_read_stays_and_is_named(tmp_path: Path) -> None:
    first, second = page()["records"]
    lines = as_csv([
        first, {**second, "total_price": "a lot", "id": "1"}, {**second, "call_id": "9.2E+31", "id": "2"},
        {**second, "date_start": "yesterday", "duration": "long", "id": "3"}, {**second, "call_id": "", "id": "4"},
    ])  # fmt: skip
    (tmp_path / "odd.csv").write_text(lines + '"one","cell too few"\n' + '"' + "x" * 10 + '"\n')
    records = read_reports(tmp_path / "odd.csv")
    problems = [None, "total_price", "call_id", "date_start,duration", "call_id", "row", "row"]
    assert records["problem"].astype(object).where(records["problem"].notna(), None).tolist() == problems
    assert records["call_id"].iloc[2] == "9.2E+31"
    odd = [page()["records"][0], 7, None]
    (tmp_path / "odd.json").write_text(json.dumps({"product": "VOICE-CALL", "records": odd}))
    assert read_reports(tmp_path / "odd.json")["problem"].astype(object).tolist()[1:] == ["row", "row"]


def test_a_carriers_name_in_another_encoding(tmp_path: Path) -> None:
    path = tmp_path / "latin.csv"
    path.write_bytes(CSV.replace("Example Mobile UK", "T\u00e9l\u00e9com").encode("latin-1"))
    assert read_reports(path)["network_name"].iloc[1] == "T\u00e9l\u00e9com"


def test_a_report_that_was_cut_off_warns(tmp_path: Path) -> None:
    (tmp_path / "cut.json").write_text(json.dumps({**page(), "request_status": "TRUNCATED"}))
    with pytest.warns(PagingWarning, match="cut off by the API"):
        assert len(read_reports(tmp_path / "cut.json")) == 2


WRONG: dict[str, tuple[bytes, str]] = {
    "nothing.csv": (b" \n", "holds nothing"),
    "state.json": ((LIVE / "reports_async_status.json").read_bytes(), "is the state of a report"),
    "events.json": ((LIVE / "reports_conversation_event.json").read_bytes(), "is a report of CONVERSATION-EVENT"),
    "error.json": ((LIVE / "reports_error_422.json").read_bytes(), "is not a report of calls"),
    "asr.csv": (b"call_id,asr_type,total_price\n1,x,0.1\n", "is a report of ASR"),
    "other.csv": (b"a,b\n1,2\n", "is not a report of calls (its fields: a, b)"),
    "half.json": (b'{"records": [{"call_id": ', "is not readable JSON"),
    "half.zip": (zipped(a__csv=CSV.encode())[:200], "cannot be unpacked"),
    "half.gz": (gzip.compress(CSV.encode())[:60], "cannot be unpacked"),
    "empty.zip": (zipped(readme__txt=b"hello"), "is a zip without a CSV"),
    "picture.csv": (b"\x89PNG\r\n\x1a\n\x00\x00", "is not a report of calls"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_report_says_so(name: str, tmp_path: Path) -> None:
    content, words = WRONG[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        read_reports([LIVE / "reports_voice_call.json", tmp_path / name])
    assert words in str(caught.value)
    assert name in str(caught.value)


def test_files_that_are_not_there(tmp_path: Path) -> None:
    for files in (tmp_path / "absent.csv", tmp_path, [], "~nobody-at-all/x.csv"):
        with pytest.raises(ConfigError):
            read_reports(files)


def test_keys_of_legs() -> None:
    hexes, uuid = "9f2c4e6a8b0d1f3557799bbddff01123", "4b7e1c90-2d3f-4a58-9c61-700802050306"
    given = [hexes, hexes.upper() + "-1", f" {uuid} ", f"{uuid}-12", "member:MEM-1", "CON-1-2", f"{hexes}-x", None]
    kept = leg_keys(pd.Series(given, dtype="str")).astype(object)
    bare = uuid.replace("-", "")
    # A uuid that ends in digits keeps them: they are no suffix.
    assert kept.where(kept.notna(), None).tolist() == [
        hexes, hexes, bare, bare, "member:mem-1", "con-1-2", f"{hexes}-x", None,
    ]  # fmt: skip
