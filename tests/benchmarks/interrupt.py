"""How long an export takes to end when somebody stops it: median of five, half-way through a small and a larger world.

Run it with ``python tests/benchmarks/interrupt.py``. Each time beside the one without a limit on what is committed on
the way, and beside the one that leaves everything to the journal: what the machine needs for the rest at least.
"""

from __future__ import annotations

import _thread
import math
import os
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

from conv_analytics import Conversations, export
from conv_analytics.exporter import run
from conv_analytics.sandbox import Fault, Reply, Sandbox

RUNS = 5
LIMITS = {"as it is": run.STOP_S, "no limit": math.inf, "journal only": 0.0}
#: Conversations, and the requests that are answered before the stop: half of what there is.
WORLDS = {300: 310, 2000: 3000}
STATES = {
    "reading": Fault(delay_s=86_400.0),
    "waiting for half an hour": Reply(429, b"{}", headers={"Retry-After": "1800"}),
}


def stopped(sandbox: Sandbox, folder: Path, requests: int, then: Fault | Reply) -> tuple[float, bool]:
    """Seconds from the interrupt to the return, and whether there is a commit."""
    seen, pressed, met = 0, 0.0, threading.Event()

    def late(_request: object) -> bool:
        nonlocal seen
        seen += 1
        if seen > requests:
            met.set()
        return seen > requests

    def press() -> None:
        nonlocal pressed
        met.wait()
        # What the last answers brought is on its way.
        time.sleep(0.2)
        pressed = time.monotonic()
        _thread.interrupt_main()

    sandbox.script(late, then, times=-1)
    threading.Thread(target=press, daemon=True).start()
    client = Conversations(sandbox.application_id, sandbox.private_key, base_url=sandbox.base_url)
    try:
        export(client, folder, rate=0, progress=False)
    except KeyboardInterrupt:
        return time.monotonic() - pressed, any((folder / "_commits").glob("*.json"))
    sys.exit("the run ended before it was stopped")


def main() -> None:
    """Measure, and print."""
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    for conversations, requests in WORLDS.items():
        for state, then in STATES.items():
            times: dict[str, list[tuple[float, bool]]] = {name: [] for name in LIMITS}
            for _ in range(RUNS):
                # In turns: the machine is as busy for one as for the others.
                for name, run.STOP_S in LIMITS.items():
                    with (
                        Sandbox(conversations=conversations) as sandbox,
                        tempfile.TemporaryDirectory() as folder,
                    ):
                        times[name].append(stopped(sandbox, Path(folder) / "out", requests, then))
            told = (
                f"{name} {statistics.median(took for took, _ in found):.2f} s, at most {max(found)[0]:.2f}"
                f" ({sum(kept for _, kept in found)} of {RUNS} committed)"
                for name, found in times.items()
            )
            print(f"{conversations} conversations, {state}: {'; '.join(told)}")


if __name__ == "__main__":
    main()
