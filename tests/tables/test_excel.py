"""Tables of an export as workbooks: what is read back is what was there."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from conv_analytics import for_excel
from conv_analytics.exporter.report import Report
from conv_analytics.exporter.sinks import MemorySink
from conv_analytics.tables import TABLES
from tests._helpers.table_rows import BIG, DAY, EVERY, rows


def frames() -> dict[str, pd.DataFrame]:
    sink = MemorySink(EVERY, DAY)
    for name in EVERY:
        sink.write(name, rows(TABLES[name], 12))
    return dict(sink.finish(Report(), {}, lambda: None))


@pytest.mark.slow
def test_every_table_goes_to_a_workbook_and_back(tmp_path: Path) -> None:
    pytest.importorskip("openpyxl", reason="writes workbooks; an extra of pandas")
    for name, frame in frames().items():
        if name == "events":
            with pytest.raises(ValueError, match="timezones"):
                frame.to_excel(tmp_path / "refused.xlsx")
        for_excel(frame).to_excel(tmp_path / f"{name}.xlsx", index=False)
        back = pd.read_excel(tmp_path / f"{name}.xlsx")
        assert list(back.columns) == list(frame.columns)
        for column in frame.columns:
            if isinstance(frame[column].dtype, pd.DatetimeTZDtype):
                # A workbook keeps milliseconds.
                assert (back[column].dt.tz_localize("UTC") - frame[column]).abs().max() <= pd.Timedelta("1ms")
            elif str(frame[column].dtype) == "Int64":
                assert back[column].astype("str").tolist() == frame[column].astype("str").tolist()


def test_what_a_cell_cannot_hold_is_changed_and_nothing_else() -> None:
    texts = ["=1+1", "a\x01b", "x" * 40_000, "+447700900000", "-1.5", None, "\ud83d"]
    frame = pd.DataFrame({"text": pd.Series(texts, dtype=object), "id": [BIG, 2, 3, 4, 5, 6, 7], "n": [0.5] * 7})
    done = for_excel(frame)
    assert done["text"].tolist()[:2] == ["'=1+1", "a\ufffdb"]
    assert done["text"][2] == "x" * 32_764 + "..."
    assert done["text"].tolist()[3:5] == ["+447700900000", "-1.5"]
    assert done["text"].isna().tolist() == [False] * 5 + [True, False]
    assert done["text"][6] == "\ufffd"
    assert done["id"].tolist() == [str(BIG), "2", "3", "4", "5", "6", "7"]
    assert done["n"].tolist() == [0.5] * 7
    assert frame["id"][0] == BIG
