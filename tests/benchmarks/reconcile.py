"""Bills against legs: what `reconcile` costs beside reading the same CSV with pandas. Prints ratios; asserts nothing.

python -m tests.benchmarks.reconcile [records]
"""

from __future__ import annotations

import random
import resource
import sys
import tempfile
import time
import uuid
from pathlib import Path

import pandas as pd

from conv_analytics import read_reports
from conv_analytics.analysis import reconcile

FIELDS = (
    "account_id,call_id,direction,from,to,forced_from,network,network_name,country,country_name,date_start,date_end,"
    "duration,status,status_code,status_description,currency,price,total_price,id,tier_volume"
)


def main() -> None:
    """Write the bills, make the legs, compare, print."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    dice = random.Random(7)
    ids = [uuid.UUID(int=dice.getrandbits(128)) for _ in range(count)]
    starts = pd.Timestamp("2026-11-01", tz="UTC") + pd.to_timedelta([n % 1_728_000 for n in range(count)], unit="s")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report_VOICE-CALL_a1b2c3d4_20261121.csv"
        with path.open("w", encoding="utf-8") as file:
            file.write(FIELDS + "\n")
            for each, at in zip(ids, starts, strict=True):
                when = at.strftime("%Y-%m-%dT%H:%M:%S+00:00")
                file.write(
                    f'"a1b2c3d4","{each.hex}-1","outbound","442079460201","447700900102","","23410","Example Mobile",'
                    f'"GB","United Kingdom","{when}","{when}","152","ANSWERED","200","Answered normally","EUR",'
                    f'"0.0127","0.032173","{each}",""\n'
                )
        legs = pd.DataFrame({
            "conversation_id": [f"CON-{each}" for each in ids], "leg_id": [str(each) for each in ids],
            "channel_type": "phone", "direction": "outbound", "network_code": "23410", "started_at": starts,
            "answered_at": starts, "answered": True, "open": False, "billed_s": 152.0, "price": 0.03217333,
        }).iloc[1000:]  # fmt: skip
        seconds = {}
        for name, run in (
            ("pandas.read_csv", lambda: pd.read_csv(path, dtype=str)),
            ("read_reports", lambda: read_reports(path)),
            ("read_reports and reconcile", lambda: reconcile(legs, read_reports(path))),
        ):
            began = time.process_time()
            result = run()
            seconds[name] = time.process_time() - began
            print(f"{name}: {seconds[name]:.1f} s of CPU, {seconds[name] / seconds['pandas.read_csv']:.2f}x")
        print(result)
        print(f"{count:,} records, {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB at most")


if __name__ == "__main__":
    main()
