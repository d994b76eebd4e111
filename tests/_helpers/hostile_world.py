"""A world whose every text wants to be something else: markup, script, formula, diagram, terminal."""

from __future__ import annotations

import json
import zlib
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa

from conv_analytics import Conversations, Dataset, export, open_dataset
from conv_analytics.dataset import DatasetWriter
from conv_analytics.sandbox import Sandbox
from conv_analytics.tables import TABLES

#: Whatever runs, calls this; whatever asks, asks this.
_RUN = "window.hacked=true"
_HOST = "http://evil.example/x"
PAYLOADS = (
    f"<img src=x onerror={_RUN}>",
    f"</script><script>{_RUN}</script>",
    f'"><svg onload={_RUN}><b title="',
    f"'-->]]></style></title></textarea><iframe srcdoc='<script>parent.{_RUN}</script>'>",
    f"javascript:{_RUN}//",
    f'<a href="javascript:{_RUN}">[a](javascript:{_RUN})</a>',
    f"![p]({_HOST}.png) [l]({_HOST}) <{_HOST}> ~~`|`~~ | b |",
    f"<link rel=stylesheet href={_HOST}.css><base href={_HOST}/><style>@import'{_HOST}';*{{display:none!important}}",
    "{{7*7}}{% for x in ().__class__.__mro__ %}${7*7}#{7*7}",
    f"\u202egnp.exe\u2066 \x00\x08 \x1b[2J\x1b]0;t\x07 \u2028{_RUN}\u2029 \ufffe\U0001f4a5",
    "=cmd|' /C calc'!A0",
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "+1-1|x",
    "-2+3|x",
    "\t=1+1",
    f"$\\frac{{$ $\\href{{javascript:{_RUN}}}{{x}}$ \\(a\\)",
    f'a\n    P0->>P1: forged\r\n    click P0 href "javascript:{_RUN}"\n%%{{init: {{}}}}%%\nend',
    "%s %(x)s {} {0.__class__} \\N{BULLET} \\u003c \\",
    "&lt;img src=x onerror=alert(1)&gt; &#60;script&#62;",
)  # fmt: skip
LONG = "<b>long</b> " + "x" * 100_000
#: Words that steer what is drawn: they stay in most rows, so that something is.
_STEERING = ("type", "status", "direction", "channel_type", "technology", "family", "state", "message_type")
#: Columns that say where they are from and not what the API said.
_OWN = frozenset({"date"})


def hostile(value: str) -> str:
    """A text with a payload at its end: the same for the same text, so that ids still find each other."""
    return value + PAYLOADS[zlib.crc32(value.encode()) % len(PAYLOADS)]


def world(folder: Path, conversations: int = 24) -> Dataset:
    """An export in which every text of every table is hostile: ids, names, numbers, words, bodies, unknown keys."""
    with Sandbox(seed=3, conversations=conversations) as sandbox:
        client = Conversations(sandbox.application_id, sandbox.private_key, base_url=sandbox.base_url)
        export(client, folder / "tame", rate=0, progress=False)
    tame = open_dataset(folder / "tame")
    writer = DatasetWriter(folder / "hostile", date(2026, 11, 21), tame.tables)
    for name in tame.tables:
        table = tame.arrow(name).select([column.name for column in TABLES[name].columns])
        writer.write(name, pa.table([_column(table, column) for column in table.column_names], schema=table.schema))
    writer.commit({}, {"status": "complete", "at": "2026-11-21T00:00:00Z", "warning": PAYLOADS[0]})
    return open_dataset(folder / "hostile")


def _column(table: pa.Table, name: str) -> pa.ChunkedArray:
    column = table[name]
    coded = pa.types.is_dictionary(column.type)
    if not (coded or pa.types.is_string(column.type) or pa.types.is_large_string(column.type)) or name in _OWN:
        return column
    plain = column.cast(pa.string()).to_pylist()
    made = [_cell(name, row, text) for row, text in enumerate(plain)]
    return pa.chunked_array([pa.array(made, pa.string()).cast(column.type)])


def _cell(name: str, row: int, text: str | None) -> str | None:
    payload = PAYLOADS[(row + zlib.crc32(name.encode())) % len(PAYLOADS)]
    if name.endswith("_id") and not name.endswith(("event_id", "knocking_id")):
        return None if text is None else hostile(text)
    if name in _STEERING:
        return payload if row % 4 == 0 else text
    if name in {"body", "extra"}:
        return None if text is None else json.dumps(_walked(json.loads(text), row))
    if name == "text" and row < 2:
        return LONG
    # What was empty is hostile, too, in one of two rows.
    return payload if text is not None or row % 2 else None


def _walked(value: Any, row: int) -> Any:
    if isinstance(value, dict):
        made = {key: _walked(each, row + place) for place, (key, each) in enumerate(value.items())}
        return made | {PAYLOADS[row % len(PAYLOADS)]: PAYLOADS[(row + 1) % len(PAYLOADS)]}
    if isinstance(value, list):
        return [_walked(each, row + place) for place, each in enumerate(value)]
    return PAYLOADS[row % len(PAYLOADS)] if isinstance(value, str) else value


def untouched(dataset: Dataset) -> list[str]:
    """Columns of text in which no payload stands although they hold something: there must be none."""
    found = []
    for name in dataset.tables:
        table = dataset.arrow(name)
        for column in table.column_names:
            kind = table[column].type
            if column in _OWN or not (pa.types.is_dictionary(kind) or pa.types.is_string(kind)):
                continue
            texts = [text for text in table[column].cast(pa.string()).to_pylist() if text]
            if texts and not any(payload[:9] in text for payload in PAYLOADS for text in texts):
                found.append(f"{name}.{column}")
    return found


__all__ = ["LONG", "PAYLOADS", "hostile", "untouched", "world"]
