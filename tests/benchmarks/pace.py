"""How well an export uses a server's limit that it was not told, and the requests in flight that it may have.

Run it with ``python tests/benchmarks/pace.py``; name parts (bucket, fixed, sliding, latency, simulated) to run only
these. The limits take minutes each, for a limit shows only in time; the simulated ones are many runs on a clock that is
only counted.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from conv_analytics import Conversations, export
from conv_analytics.api.notices import ResponseReceived
from tests._helpers.rate_limited_servers import Line, Ran, ran

RATE, LATENCY_S, IN_FLIGHT = 30, 0.05, 20
#: The worlds of the simulated runs: three minutes of each, by seed.
MINUTES_S, SEEDS = 195.0, 20
LATENCIES_S, CONCURRENCIES, LIMITS = (0.001, 0.02, 0.05, 0.2), (4, 20), (5, 30, 100)


def measured(conversations: int, **server: Any) -> Any:
    """Export from a sandbox in another process: the report, seconds to the last answer, seconds of all answers."""
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
        client, answered, waited = Conversations(application, key, base_url=url), [time.perf_counter()], []

        def watch(event: object) -> None:
            if isinstance(event, ResponseReceived):
                answered.append(time.perf_counter())
                waited.append(event.elapsed_s)

        report = export(client, rate=0, concurrency=IN_FLIGHT, progress=False, on_event=watch).report
        return report, answered[-1] - answered[0], sum(waited)
    finally:
        process.stdin.close()
        process.wait()


def limit(window: str) -> None:
    report, took, _ = measured(1800, rate=RATE, rate_window=window)
    good, refused = report.requests - report.retries, report.pace["limited"]
    against = f"{good:,} requests at {RATE}/s, {refused} refused ({refused / report.requests:.2%})"
    print(
        f"| share used of an unknown limit, {window} | {against} | {good / RATE / took:.3f} | {took:.0f} s |",
        flush=True,
    )


def latency() -> None:
    report, took, waited = measured(1500, latency_ms=1000 * LATENCY_S)
    least = report.requests * LATENCY_S / IN_FLIGHT
    against = f"{report.requests:,} requests x 50 ms / {IN_FLIGHT} = {least:.1f} s"
    print(
        f"| whole export at 50 ms, {IN_FLIGHT} in flight | {against} | {took / least:.2f}x | {took:.1f} s |", flush=True
    )
    # On a busy machine an answer takes longer than the latency; what the export itself loses shows here.
    against = f"what the answers took: {waited:.0f} s / {IN_FLIGHT} = {waited / IN_FLIGHT:.1f} s"
    print(f"| the same | {against} | {took * IN_FLIGHT / waited:.2f}x | {took:.1f} s |", flush=True)


def simulated() -> None:
    """Every kind and limit, over all latencies, requests in flight and seeds."""
    with ProcessPoolExecutor(2) as pool:
        for limit in LIMITS:
            ways = [(late, slots) for late in LATENCIES_S for slots in CONCURRENCIES if slots / late > 1.2 * limit]
            for kind in ("bucket", "fixed", "sliding"):
                lines = [Line(kind, limit, late, stalls=(1.0, 0.02)) for late, _ in ways]
                jobs = [
                    (line, slots, seed) for line, (_, slots) in zip(lines, ways, strict=True) for seed in range(SEEDS)
                ]
                runs = sorted(pool.map(_simulate, jobs, chunksize=8), key=lambda run: run.used)
                used, refused = statistics.median(run.used for run in runs), [run.share_refused for run in runs]
                worst = runs[len(runs) // 20].used
                print(
                    f"| simulated: {limit}/s, {kind} | {len(runs):,} runs | {used:.3f}, 5 % below {worst:.3f} |"
                    f" refused {statistics.median(refused):.2%}, at most {max(refused):.2%} |",
                    flush=True,
                )


def _simulate(job: tuple[Line, int, int]) -> Ran:
    line, slots, seed = job
    found = ran(line, MINUTES_S, slots=slots, seed=seed)
    return replace(found, rate=None)  # type: ignore[arg-type]  # its clock cannot leave the process


if __name__ == "__main__":
    parts = {"latency": latency, "simulated": simulated}
    for part in sys.argv[1:] or ("bucket", "fixed", "sliding", *parts):
        parts.get(part, lambda part=part: limit(part))()
