"""The answers of today: a change of any has to be meant. ``python -m tests.analysis.frozen`` freezes them anew.

Of each answer: its rows, and per column the nulls and what the values come to, whatever the order of the rows.
"""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import pandas as pd

from conv_analytics import Conversations, export
from conv_analytics.sandbox import Sandbox

FILE = Path(__file__).with_suffix(".json")


def world() -> dict[str, pd.DataFrame]:
    """The same on every machine."""
    with Sandbox(seed=11, conversations=25) as sandbox:
        client = Conversations(sandbox.application_id, sandbox.private_key, base_url=sandbox.base_url)
        frames = export(client, rate=0, progress=False)
    return {name: frames[name] for name in frames}


def summary(answer: pd.DataFrame) -> dict[str, Any]:
    """What is kept of an answer."""
    return {"rows": len(answer)} | {str(name): _column(answer[name]) for name in answer}


def _column(values: pd.Series[Any]) -> list[Any]:
    there = values.dropna()
    if pd.api.types.is_numeric_dtype(values.dtype) or pd.api.types.is_bool_dtype(values.dtype):
        return [len(values) - len(there), f"{float(there.astype('float64').sum()):.5g}"]
    texts = sorted(there.astype("str"))
    return [len(values) - len(there), len(set(texts)), zlib.crc32("\n".join(texts).encode())]


def frozen() -> dict[str, dict[str, Any]]:
    """Per function, the summary of its answer on the world."""
    return dict(json.loads(FILE.read_text(encoding="utf-8")))


def main() -> None:
    """Freeze the answers of today."""
    from tests.analysis.test_every_function import ASKED

    data = world()
    lines = (f"{json.dumps(name)}: {json.dumps(summary(ask(data)))}" for name, ask in sorted(ASKED.items()))
    FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
