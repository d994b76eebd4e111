"""How well an export uses a server's limit that it was not told, and the requests in flight that it may have.

Run it with ``python tests/benchmarks/pace.py``; name parts (bucket, fixed, sliding, latency) to run only these. The
limits take minutes each, for a limit shows only in time.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Any

from conv_analytics import Conversations, export
from conv_analytics.api.notices import ResponseReceived

RATE, LATENCY_S, IN_FLIGHT = 30, 0.05, 20


def measured(conversations: int, **server: Any) -> Any:
    """Export from a sandbox in another process: the report, and the seconds from the start to the last answer."""
    code = (
        "import json, sys\nfrom conv_analytics.sandbox import Sandbox\n"
        f"with Sandbox(seed=7, conversations={conversations}, **{server!r}) as sandbox:\n"
        "    sandbox.truth()\n"
        "    print(json.dumps([sandbox.application_id, sandbox.private_key, sandbox.base_url]), flush=True)\n"
        "    sys.stdin.read()\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        application, key, url = json.loads(process.stdout.readline())
        client, answered = Conversations(application, key, base_url=url), [time.perf_counter()]

        def watch(event: object) -> None:
            if isinstance(event, ResponseReceived):
                answered.append(time.perf_counter())

        report = export(client, rate=0, concurrency=IN_FLIGHT, progress=False, on_event=watch).report
        return report, answered[-1] - answered[0]
    finally:
        process.stdin.close()
        process.wait()


def limit(window: str) -> None:
    report, took = measured(1800, rate=RATE, rate_window=window)
    good, refused = report.requests - report.retries, report.pace["limited"]
    against = f"{good:,} requests at {RATE}/s, {refused} refused ({refused / report.requests:.2%})"
    print(
        f"| share used of an unknown limit, {window} | {against} | {good / RATE / took:.3f} | {took:.0f} s |",
        flush=True,
    )


def latency() -> None:
    report, took = measured(1500, latency_ms=1000 * LATENCY_S)
    least = report.requests * LATENCY_S / IN_FLIGHT
    against = f"{report.requests:,} requests x 50 ms / {IN_FLIGHT} = {least:.1f} s"
    print(
        f"| whole export at 50 ms, {IN_FLIGHT} in flight | {against} | {took / least:.2f}x | {took:.1f} s |", flush=True
    )


if __name__ == "__main__":
    for part in sys.argv[1:] or ("bucket", "fixed", "sliding", "latency"):
        if part == "latency":
            latency()
        else:
            limit(part)
