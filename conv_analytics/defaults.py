"""Default values; light to import, so that the command line can show them."""

from __future__ import annotations

from datetime import timedelta

#: Ceiling of the request rate of an export, a plan or an audit. [1/s]
RATE = 10.0
#: Maximum requests in flight. [requests]
CONCURRENCY = 20
#: With a lookback, every conversation is requested once in this time.
SWEEP = timedelta(days=7)
#: Conversations that a plan requests. [conversations]
SAMPLE = 20

#: How often a failed request is repeated.
RETRIES = 6
#: Longest time to connect, and between two pieces of a response. [s]
TIMEOUT_S = 30.0
#: Longest wait that the API may ask for; a longer one, such as for the next day's quota, is left to the next run. [s]
MAX_RETRY_AFTER_S = 3600.0

#: Maximum rows of a dataset whose tables are read into memory for a query: DuckDB takes longer than that to plan.
IN_MEMORY = 300_000
