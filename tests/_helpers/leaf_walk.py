"""Every leaf of a record is somewhere: a walk from the JSON to the cells, by the data dictionary alone.

It shares no code with the reader: what a column comes from is taken from its documented sources.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from conv_analytics.tables import TABLES, Column
from conv_analytics.tables.seen_events import SeenEvents
from tests._helpers.document_reading import (
    CON,
    NOW,
    Page,
    Rows,
    flatten_conversations,
    flatten_events,
    flatten_records,
    page,
    table,
)

SECRET = "[redacted]"
SECRETS = {"password", "api_key", "sdp"}
ITEM = "[0]"
KEYS = {"conversations": "conversation_id", "members": "member_id", "users": "user_id", "sessions": "session_id"}
#: Words that mean another one (contract 9).
ALIKE = {"in": "inbound", "out": "outbound", "pstn": "phone", "vcp": "vbc", "conversation": "true"}

Path = tuple[str | int, ...]


class Found(NamedTuple):
    """What is wrong with a leaf or a cell."""

    what: str
    """``lost``, ``null`` or ``wrong``."""
    where: str
    path: str
    value: Any


def leaves(value: Any, at: Path = ()) -> Iterator[tuple[Path, Any]]:
    """The values of a record that are not nothing; links are no data."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key != "_links":
                yield from leaves(inner, (*at, key))
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from leaves(inner, (*at, place))
    elif value is not None:
        yield at, value


def inside(value: Any, path: Path) -> Any:
    for step in path:
        if step == ITEM:
            value = value[0] if isinstance(value, list) and value else value if isinstance(value, dict) else None
        elif isinstance(value, dict) and isinstance(step, str):
            value = value.get(step)
        elif isinstance(value, list) and isinstance(step, int) and step < len(value):
            value = value[step]
        else:
            return None
    return None if path and path[-1] == ITEM and isinstance(value, dict) else value


def sources(column: Column) -> list[Path]:
    """The documented sources of a column."""
    found = []
    for source in column.source.split(" or ") if column.source else []:
        steps: list[str] = []
        for step in source.split("."):
            steps += [step.removesuffix(ITEM), ITEM] if step.endswith(ITEM) else [step]
        found.append(tuple(steps))
    return found


def same(value: Any, cell: Any) -> bool:  # noqa: PLR0911  one per kind of cell
    """Whether a cell says what the JSON does."""
    if isinstance(cell, datetime):
        try:
            told = datetime.fromisoformat(str(value).strip())
        except ValueError:
            return False
        return (told.replace(tzinfo=UTC) if told.tzinfo is None else told) == cell
    if isinstance(cell, bool):
        word = str(value).strip().lower()
        return ALIKE.get(word, word) in ({"true", "1"} if cell else {"false", "0"})
    if isinstance(cell, int | float | Decimal):
        try:
            return not isinstance(value, bool) and float(value) == float(cell)
        except (TypeError, ValueError):
            return False
    if isinstance(value, dict | list | bool):
        return isinstance(cell, str) and parsed(cell) == value
    word = str(value).strip().lower()
    return cell is not None and (
        str(value) == cell or ALIKE.get(word, word) == str(cell).lower() or parsed(cell) == value
    )


def parsed(text: Any) -> Any:
    try:
        return json.loads(text)
    except (TypeError, ValueError):
        return None


def hidden(value: Any, path: Path = (), *, kind: str | None = None) -> Any:  # noqa: PLR0911  one per place
    """A record as it may be kept: without secrets, which are where they are by the contract (9, no. 42)."""
    if kind is not None and path == ("body",) and str(kind).startswith(("custom", "ephemeral")):
        return value
    if path == ("body", "custom") and kind in {"message", "member:message:status"}:
        return value
    if path and path[-1] == "custom_data":
        return value
    if isinstance(value, dict):
        return {key: hidden(inner, (*path, key), kind=kind) for key, inner in value.items()}
    if isinstance(value, list):
        return [hidden(inner, (*path, 0), kind=kind) for inner in value]
    own = {*SECRETS, "answer"} if str(kind).startswith("rtc:") else SECRETS
    if value is not None and not isinstance(value, bool) and own & set(path):
        return SECRET
    return value


def walk_event(event: dict[str, Any]) -> tuple[Rows, list[Found]]:
    rows = flatten_events([Page(CON, page([event]))], SeenEvents())
    (row,) = table(rows, "events")
    kept = hidden(event, kind=event.get("type"))
    found = list(_lost("events", kept, row, rows, but=("body",)))
    if "body" in kept and parsed(row["body"]) != kept["body"] and kept["body"] is not None:
        found.append(Found("wrong", "events", "body", row["body"]))
    found += _cells("events", event, [(event, row)], rows)
    body = event.get("body") if isinstance(event.get("body"), dict) else {}
    for name, declared in TABLES.items():
        if event.get("type") not in declared.types:
            continue
        typed = table(rows, name)
        if declared.item_list is None:
            if len(typed) != 1:
                found.append(Found("null", name, "(row)", len(typed)))
            found += _cells(name, body, [(body, each) for each in typed], rows)
            continue
        lists = [given for path in declared.item_list.paths if isinstance(given := inside(body, path), list)]
        items = lists[0] if lists else [body] if declared.item_list.last_item and body.get("status") else []
        if len(typed) != len(items):
            found.append(Found("null", name, "(rows)", len(typed)))
        found += _cells(name, body, [(item, each) for item, each in zip(items, typed, strict=False)], rows, outer=body)
    return rows, found


def walk_record(name: str, record: dict[str, Any]) -> tuple[Rows, list[Found]]:
    if name == "conversations":
        rows = flatten_conversations([json.dumps(record).encode()], NOW)
    else:
        rows = flatten_records(name, [Page(CON, page([record], name))], NOW)
    if not table(rows, name):
        return rows, [] if rows.broken else [Found("lost", name, "(row)", record)]
    (row,) = table(rows, name)
    kept = hidden(record)
    return rows, [*_lost(name, kept, row, rows), *_cells(name, record, [(record, row)], rows)]


def _lost(
    name: str, record: dict[str, Any], row: dict[str, Any], rows: Rows, but: tuple[str, ...] = ()
) -> Iterator[Found]:
    """Leaves that are in no column, not in ``extra`` and not in the quarantine."""
    extra = parsed(row["extra"]) or {}
    for path, value in leaves({key: value for key, value in record.items() if key not in but}):
        if value == "" and inside(extra, path) is None:
            # A blank stands for nothing, except in a text, where the cell has it.
            continue
        if (
            inside(extra, path) != value
            and not any(_holds(column, row, path, value) for column in TABLES[name].columns if column.paths)
            and not rows.broken
        ):
            yield Found("lost", name, ".".join(map(str, path)), value)


def _holds(column: Column, row: dict[str, Any], path: Path, value: Any) -> bool:
    cell = row[column.name]
    for source in sources(column):
        if path == source and (same(value, cell) or value in column.absent):
            return True
        if path[: len(source)] == source and inside(parsed(cell), path[len(source) :]) == value:
            return True
    return False


def _cells(
    name: str, record: Any, pairs: list[tuple[Any, dict[str, Any]]], rows: Rows, *, outer: Any = None
) -> Iterator[Found]:
    """Cells that are null, or hold something else, although a source of theirs is given."""
    told = {problem.column for broken in rows.broken for problem in broken.problems if problem.table == name}
    each = TABLES[name].item_list
    for item, row in pairs:
        for column in TABLES[name].columns:
            where = item if each is None or column.name in each.columns or outer is None else outer
            given = [value for path in sources(column) if (value := inside(where, path)) is not None]
            given = [value for value in given if value not in ("", [], {}) and value not in column.absent]
            cell = row[column.name]
            if not given or column.name in told or name in told:
                continue
            if cell is None:
                yield Found("null", name, column.name, given[0])
            elif not any(same(value, cell) or (isinstance(value, list) and value[:1] == [cell]) for value in given):
                kind = record.get("type") if name == "events" else None
                kept = [hidden(value, (column.name,), kind=kind) for value in given]
                if parsed(cell) not in kept:
                    yield Found("wrong", name, column.name, given[0])
