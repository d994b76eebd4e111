"""The declarations, and the dictionary that is printed from them."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from conv_analytics.errors import TableNotFound
from conv_analytics.resources import EventType
from conv_analytics.tables import TABLES, dictionary
from conv_analytics.tables.column import Column, Table
from conv_analytics.tables.envelope import EVENT_KEY
from conv_analytics.tables.kinds import is_vocabulary, storage

COLUMNS = [(table, column) for table in TABLES.values() for column in table.columns]
UNITS = {"_s": "s", "_ms": "ms", "_bytes": "B", "_perc": "%", "_percentage": "%"}
DESIGN = {
    "events": "conversation_id event_id type family at from_member_id from_user_id from_user_name"
    " from_user_display_name body",
    "hangups": "leg_id technology direction mos_score quality_percentage packet_cnt packet_loss_perc flaw_total"
    " jitter_min_var jitter_max_var jitter_loss_rate jitter_burst_rate byte_in byte_out reason_code sip_code"
    " reason_text channel_type",
    "leg_statuses": "leg_id status at direction channel_type member_id",
}
KEYS = {"conversations": ["conversation_id"], "members": ["member_id"], "leg_statuses": ["leg_id", "status", "at"],
        "transcripts": [*EVENT_KEY, "alternative"], "voice_events": ["event_key"], "users": ["user_id"],
        "sessions": ["session_id"], "voice_calls": ["leg_id"]}  # fmt: skip


@pytest.mark.parametrize(("table", "column"), COLUMNS, ids=[f"{table.name}.{column.name}" for table, column in COLUMNS])
def test_columns_say_what_they_mean(table: Table, column: Column) -> None:
    assert column.doc.endswith((".", ")."))
    assert column.doc[0].isupper() or column.doc[0] in "`'E"
    assert column.name == column.name.lower()
    assert storage(column.kind).pandas in {
        "str", "Int64", "float64", "boolean", "datetime64[us, UTC]", "category", "double[pyarrow]",
    }  # fmt: skip
    for ending, unit in UNITS.items():
        if column.name.endswith(ending) and not is_vocabulary(column.kind):
            assert column.unit == unit
    if column.name.endswith("_at") or column.name == "at":
        assert storage(column.kind).pandas == "datetime64[us, UTC]"


@pytest.mark.parametrize("table", TABLES.values(), ids=list(TABLES))
def test_tables_say_what_they_hold(table: Table) -> None:
    assert table.doc.endswith(".")
    assert all(note.endswith(".") for note in table.notes)
    names = [column.name for column in table.columns]
    assert len(set(names)) == len(names)
    assert set(table.key) <= set(names)
    assert list(table.key) == KEYS.get(table.name, list(EVENT_KEY))
    assert storage(table[table.day].kind).pandas == "datetime64[us, UTC]"
    assert table.latest is None or table.latest in names
    assert "date" not in names
    assert set(DESIGN.get(table.name, "").split()) <= set(names)
    if table.item_list:
        assert set(table.item_list.columns) | {table.item_list.owner, table.item_list.number} - {None} <= set(names)


def test_every_event_type_with_a_table_is_in_one() -> None:
    tables = Counter(kind for table in TABLES.values() for kind in table.types)
    assert {kind: count for kind, count in tables.items() if count > 1} == {"audio:asr:done": 2}
    assert set(tables) <= {str(kind) for kind in EventType}
    without = {str(kind) for kind in EventType} - set(tables)
    families = {kind.partition(":")[0] for kind in without}
    assert families == {"conversation", "event", "custom", "ephemeral", "mixer", "text"}, without
    # Why they are in events alone is said there.
    told = " ".join(TABLES["events"].notes)
    assert all(f"{family}:*" in told or family in told for family in families)


@pytest.mark.parametrize("form", ["as_text", "as_markdown", "as_json"])
def test_the_dictionary_leaves_nothing_out(form: str) -> None:
    text = getattr(dictionary, form)(dictionary.select(None))
    flat = " ".join(text.split())
    for table, column in COLUMNS:
        assert table.name in text
        assert column.name in text
        doc = column.doc if form != "as_json" else json.dumps(column.doc, ensure_ascii=False)[1:-1]
        assert " ".join(doc.split()).replace("|", "\\|" if form == "as_markdown" else "|") in flat
    if form == "as_json":
        found = {table["table"]: table for table in json.loads(text)}
        assert list(found) == list(TABLES)
        for name, table in found.items():
            assert [column["name"] for column in table["columns"]] == [column.name for column in TABLES[name].columns]
            assert {column["name"]: column["unit"] for column in table["columns"]} == {
                column.name: column.unit for column in TABLES[name].columns
            }
    if form == "as_markdown":
        rows = [line for line in text.splitlines() if line.startswith("| `")]
        assert len(rows) == len(COLUMNS) + len(TABLES)
        assert all(line.replace("\\|", "").count("|") == 6 for line in rows)


def test_describe() -> None:
    frame = dictionary.describe()
    assert len(frame) == len(COLUMNS)
    assert frame.columns.tolist() == ["table", "column", "dtype", "unit", "meaning", "source"]
    assert dictionary.describe("hangups")["table"].unique().tolist() == ["hangups"]
    assert len(dictionary.overview().splitlines()) == len(TABLES)
    with pytest.raises(TableNotFound, match="Available"):
        dictionary.describe("nothing")
