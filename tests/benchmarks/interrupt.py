"""How long an export takes to end when somebody stops it: median of five, while it reads and while it has to wait.

Run it with ``python tests/benchmarks/interrupt.py``. What was read is converted and committed on the way.
"""

from __future__ import annotations

import _thread
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

from conv_analytics import Conversations, export
from conv_analytics.sandbox import Reply, Sandbox

RUNS = 5
CONVERSATIONS = 300


def stopped(sandbox: Sandbox, folder: str, requests: int) -> float:
    """Seconds from the interrupt to the return."""
    pressed = [0.0]

    def press() -> None:
        while len(sandbox.requests) < requests:
            time.sleep(0.005)
        pressed[0] = time.monotonic()
        _thread.interrupt_main()

    sandbox.requests.clear()
    threading.Thread(target=press, daemon=True).start()
    client = Conversations(sandbox.application_id, sandbox.private_key, base_url=sandbox.base_url)
    try:
        export(client, folder, rate=0, progress=False)
    except KeyboardInterrupt:
        return time.monotonic() - pressed[0]
    sys.exit("the run ended before it was stopped")


def main() -> None:
    """Measure, and print."""
    for state in ("reading", "waiting for half an hour"):
        times = []
        for _ in range(RUNS):
            with (
                Sandbox(conversations=CONVERSATIONS, latency_ms=20) as sandbox,
                tempfile.TemporaryDirectory() as folder,
            ):
                if state != "reading":
                    later = Reply(429, b"{}", headers={"Retry-After": "1800"})
                    sandbox.script(
                        lambda request, seen=sandbox.requests: len(seen) > 300 and request.path.endswith("/events"),
                        later,
                        times=-1,
                    )
                times.append(stopped(sandbox, str(Path(folder) / "out"), 310))
        print(f"{state}: {statistics.median(times):.2f} s (of {', '.join(f'{each:.2f}' for each in sorted(times))})")


if __name__ == "__main__":
    main()
