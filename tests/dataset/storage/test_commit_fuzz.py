"""Commit records with anything in them: every command ends with an answer or an error of ours, and harms nothing else.

Real records of a small export are changed at random places, the same ones each time. ``EXAMPLES`` may be raised.
"""

from __future__ import annotations

import copy
import json
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from conv_analytics import Conversations, export, open_dataset
from conv_analytics.cli import main
from conv_analytics.dataset.maintenance.compact import compact
from conv_analytics.dataset.maintenance.replay import replay
from conv_analytics.dataset.maintenance.verify import verify
from conv_analytics.errors import ConvAnalyticsError
from conv_analytics.sandbox import Sandbox

EXAMPLES = 120
#: What costs more is asked of every so many of them.
SELDOM = 6
TABLES = ["conversations", "members", "events", "leg_statuses"]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Sandbox, Path]]:
    root = tmp_path_factory.mktemp("fuzz")
    with Sandbox(seed=7, conversations=6, days=2, broken=0.2) as sandbox:
        for _ in range(2):
            export(client_of(sandbox), root / "exports", rate=0, tables=TABLES)
        compact(root / "exports", root / "compacted")
        yield sandbox, root


def client_of(sandbox: Sandbox) -> Conversations:
    return Conversations(sandbox.application_id, sandbox.private_key, base_url=sandbox.base_url)


def junk(dice: random.Random, victim: Path) -> Any:
    deep: Any = []
    for _ in range(200):
        deep = [deep]
    return copy.deepcopy(
        dice.choice(
            [
                None,
                True,
                0,
                -1,
                1,
                2,
                2**31,
                2**63,
                10**300,
                0.5,
                -1e308,
                float("nan"),
                float("inf"),
                "",
                " ",
                "x",
                "0",
                "\0",
                "\ud83d",
                "../victim/mine.txt",
                str(victim),
                f"../{victim.name}",
                "/dev/zero",
                "_commits",
                "events",
                "events/date=2026-11-21/../../../victim/mine.txt",
                "events/date=2026-13-77/x.parquet",
                "C:\\x",
                "date=",
                "2026-11-21",
                "2026-13-01T00:00:00Z",
                "2026-11-21T00:00:00",
                "0001-01-01T00:00:00+14:00",
                "9999-12-31T23:59:59-14:00",
                "x" * 5000,
                [],
                [None],
                {},
                {"a": 1},
                [[1, 2]],
                [[1, 10**18]],
                deep,
            ]
        )
    )


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every container in a value with each of its keys."""
    if isinstance(value, dict | list):
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from places(value[key])


def mutated(record: str, dice: random.Random, victim: Path) -> str:
    values = json.loads(record)
    for _ in range(dice.choice([1, 1, 1, 2, 3])):
        # First the upper ones: those of which there are few are looked at most.
        top = dice.choice([values, values["report"]]) if isinstance(values.get("report"), dict) else values
        found = list(places(values)) if dice.random() < 0.4 else [(top, key) for key in top]
        if not found:
            continue
        container, key = dice.choice(found)
        step = dice.randrange(5)
        if step == 0:
            del container[key]
        elif step == 1 and isinstance(container, dict):
            container[str(junk(dice, victim))] = container[key]
        elif step == 2 and isinstance(container, list):
            container.append(copy.deepcopy(container[key]))
        else:
            container[key] = junk(dice, victim)
    text = json.dumps(values)
    if dice.random() < 0.1:
        place = dice.randrange(len(text))
        text = text[:place] + dice.choice(["", "\0", "[", '"', "}", "9" * 5000, "[" * 3000]) + text[place + 1 :]
    return text


def lying(root: Path) -> dict[str, tuple[int, int]]:
    found = ((path, path.stat()) for path in sorted(root.rglob("*")))
    return {str(path): (stat.st_size, stat.st_mtime_ns) for path, stat in found}


def ends(question: Callable[[], object], text: str) -> None:
    try:
        question()
    except ConvAnalyticsError:
        pass
    except Exception as error:
        raise AssertionError(text) from error


@pytest.mark.slow
@pytest.mark.parametrize("part", range(4))
@pytest.mark.parametrize("kind", ["exports", "compacted"])
def test_a_commit_with_anything_in_it_is_no_bug(
    part: int, kind: str, world: tuple[Sandbox, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sandbox, source = world
    root, victim = tmp_path / "exports", tmp_path / "victim" / "mine.txt"
    victim.parent.mkdir()
    victim.write_text("mine")
    shutil.copytree(source / kind, root)
    others = lying(victim.parent)
    records = sorted((root / "_commits").glob("*.json"))
    for number in range(part, EXAMPLES, 8 if kind == "exports" else 16):
        dice = random.Random(number)
        path = dice.choice(records)
        before = path.read_text()
        text = mutated(before, dice, victim)
        path.write_text(text)
        held = lying(root)

        def read() -> None:
            dataset = open_dataset(root)
            dataset.history()
            connection = dataset.duckdb()
            for name in dataset.tables:
                assert len(dataset[name]) == connection.execute(f'select count(*) from "{name}"').fetchall()[0][0]

        ends(read, text)
        ends(lambda: verify(root), text)
        assert main(["status", str(root)]) in {0, 2}, text
        if number % SELDOM == part % SELDOM:
            to = tmp_path / f"copy-{number}"
            ends(lambda to=to: compact(root, to, replay=True), text)
        assert lying(root) == held
        if number % SELDOM == (part + 3) % SELDOM:
            # These write, so each has a copy of its own.
            for name, question in {
                "export": lambda to: export(client_of(sandbox), to, rate=0, progress=False),
                "replay": replay,
            }.items():
                own = tmp_path / f"{name}-{number}"
                shutil.copytree(root, own)
                ends(lambda question=question, own=own: question(own), text)
        capsys.readouterr()
        assert lying(victim.parent) == others
        path.write_text(before)
