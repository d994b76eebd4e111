"""What a question costs on a small folder and on a large one, asked first and asked again. [s of processor]

python -m tests.benchmarks.answers [large folder]

Of a small folder (a demo of 600 conversations) each question is asked of a dataset that was just opened, after its
imports; then of another conversation, and once more. On the command line each runs in a process of its own, imports
included, beside one that imports pandas alone. A large folder, such as `tests.benchmarks.analysis` writes, is asked
without what is kept of it, then with it; what that takes on the disk is printed. Least of some turns: the machine may
be busy.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from conv_analytics import Conversations, analysis, export, notebook, open_dataset
from conv_analytics.sandbox import Sandbox

CONVERSATIONS = 600
TURNS = 5

#: Per question how it is asked of a dataset, about a conversation.
QUESTIONS: dict[str, Callable[[Any, str], Any]] = {
    "timeline": analysis.timeline,
    "show_timeline": lambda data, one: notebook.show_timeline(data, one)._repr_mimebundle_(),
    "show_ladder": lambda data, one: notebook.show_ladder(data, one).fragment(),
    "legs": lambda data, _: analysis.legs(data),
    "kpi": lambda data, _: analysis.kpi(data),
    "quality": lambda data, _: analysis.quality(data),
    "quality_report": lambda data, _: notebook.quality_report(data).html,
}
LARGE: dict[str, Callable[[Any, str], Any]] = {
    "timeline": analysis.timeline,
    "kpi": lambda data, _: analysis.kpi(data, by="network_code"),
    "quality": lambda data, _: analysis.quality(data, columns=["network_code", "verdict"]),
}


def processor(ask: Callable[[Any, str], Any], data: Any, conversation: str) -> float:
    """Processor time of this process. [s]"""
    began = time.process_time()
    ask(data, conversation)
    return time.process_time() - began


def of_children(command: list[str], bytecode: Path) -> float:
    """Processor time of a process of its own, with the bytecode that an installed package has. [s]"""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = str(bytecode)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, capture_output=True, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def small(folder: Path) -> None:
    """A small folder, warm."""
    ids = open_dataset(folder)["hangups"]["conversation_id"].drop_duplicates()
    one, other = str(ids.iloc[3]), str(ids.iloc[-3])
    frames = dict(open_dataset(folder))
    print(
        "| question | first | of another conversation | again | again / first | of frames |\n|---|---|---|---|---|---|"
    )
    for name, ask in QUESTIONS.items():
        ask(open_dataset(folder), one)
        turns = []
        for _ in range(TURNS):
            dataset = open_dataset(folder)
            turns.append([processor(ask, dataset, each) for each in (one, other, other)])
        first, another, again = (min(column) for column in zip(*turns, strict=True))
        of_frames = min(processor(ask, frames, one) for _ in range(TURNS))
        print(
            f"| {name} | {first:.3f} | {another:.3f} | {again:.3f} | {again / first:.2f}x | {of_frames:.3f} |",
            flush=True,
        )


def cold(folder: Path) -> None:
    """A small folder, from the command line."""
    conversation = str(open_dataset(folder)["hangups"]["conversation_id"].iloc[3])
    bytecode = folder.parent / "bytecode"
    imported = [sys.executable, "-c", "import pandas, pyarrow.parquet"]
    floor = min(of_children(imported, bytecode) for _ in range(TURNS))
    print(f"\n| command | processor | of `import pandas` ({floor:.2f} s) |\n|---|---|---|")
    for words in (["kpi"], ["quality"], ["timeline", "--format", "text"], ["timeline", "--format", "csv"]):
        place = [str(folder), *([conversation] if words[0] == "timeline" else [])]
        command = [sys.executable, "-m", "conv_analytics", words[0], *place, *words[1:]]
        took = min(of_children(command, bytecode) for _ in range(TURNS))
        print(f"| {' '.join(words)} | {took:.2f} | {took / floor:.1f}x |", flush=True)


def large(folder: Path) -> None:
    """A large folder: without what is kept, and with it."""
    kept = folder / "_cache"
    size = sum(path.stat().st_size for path in folder.rglob("*.parquet") if kept not in path.parents)
    conversation = str(open_dataset(folder).arrow("hangups", columns=["conversation_id"])["conversation_id"][7])
    print("\n| question | nothing kept | kept | kept / nothing | on disk |\n|---|---|---|---|---|")
    for name, ask in LARGE.items():
        shutil.rmtree(kept, ignore_errors=True)
        without, kept_s = (processor(ask, open_dataset(folder), conversation) for _ in range(2))
        share = sum(path.stat().st_size for path in kept.iterdir()) / size
        print(
            f"| {name} | {without:.2f} | {kept_s:.2f} | {kept_s / without:.2f}x | {share:.1%} of the tables |",
            flush=True,
        )


def main() -> None:
    """Measure, and print."""
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root) / "exports"
        with Sandbox(conversations=CONVERSATIONS) as sandbox:
            client = Conversations(sandbox.application_id, sandbox.private_key, base_url=sandbox.base_url)
            export(client, folder, rate=0, progress=False)
        small(folder)
        cold(folder)
    if sys.argv[1:]:
        large(Path(sys.argv[1]))


if __name__ == "__main__":
    main()
