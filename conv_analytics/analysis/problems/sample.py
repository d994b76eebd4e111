"""For very many calls: groups and windows are searched in a sample of conversations, and counted among all calls."""

from __future__ import annotations

import zlib
from dataclasses import replace

import numpy as np
import pyarrow as pa

from conv_analytics.analysis.problems.candidates import Candidate
from conv_analytics.analysis.problems.groupings import Groups
from conv_analytics.analysis.problems.observations import DAY_US, HOUR_US, NO_INSTANT, Flags, Ints, Observations

#: Above this number of legs, conversations are sampled down to about as many.
LARGE = 200_000
#: The checksum of a conversation's id decides whether it is drawn.
_CHECKSUMS = 1 << 32
#: Ids that are Python texts at a time.
_CHUNK = 100_000


def sampled_legs(legs: Observations) -> Flags | None:
    """The legs of the sampled conversations; None for all legs.

    The same conversations are drawn in every run, on every engine, whatever the order of rows.
    """
    most = LARGE
    if len(legs) <= most:
        return None
    conversations = legs.texts["conversation_id"]
    labels = getattr(conversations.labels, "array", None)
    labels = pa.array(list(conversations.labels), pa.string()) if labels is None else labels
    chunks = (labels[first : first + _CHUNK].to_pylist() for first in range(0, len(labels), _CHUNK))
    checksums = np.fromiter((zlib.crc32(str(each).encode()) for chunk in chunks for each in chunk), dtype=np.int64)
    of_label = checksums < _CHECKSUMS * most / len(legs)
    # Legs without a conversation stand alone: every n-th is drawn.
    alone = np.arange(len(legs)) * most // len(legs) != (np.arange(len(legs)) - 1) * most // len(legs)
    codes = conversations.codes
    return np.where(codes >= 0, np.append(of_label, False)[codes], alone)


def with_all_calls(candidate: Candidate, case_rows: Ints, groups: Groups, scale: float) -> Candidate:
    """A candidate found in the sample, counted among all rows of its case."""
    legs, case, rows = groups.observations, candidate.case, case_rows
    for name in candidate.by:
        codes = groups.of(name, case.unit).codes
        rows = rows[codes[rows] == codes[candidate.rows[0]]]
    at = legs.started_us[rows]
    timed = candidate.since_us is not None or candidate.until_us is not None or candidate.hours is not None
    inside = at != NO_INSTANT if timed else np.ones(len(rows), dtype=bool)
    if candidate.since_us is not None:
        inside &= at >= candidate.since_us
    if candidate.until_us is not None:
        inside &= at <= candidate.until_us
    if candidate.hours is not None:
        first, last = candidate.hours
        inside &= (legs.local_us[rows] - first * HOUR_US) % DAY_US < (last - first) % 24 * HOUR_US
    if candidate.lengths_s is not None:
        inside &= legs.numbers["talk_s"][rows] >= candidate.lengths_s[0]
    rows = rows[inside]
    bad = rows[case.bad[rows]]
    usual = candidate.expected / max(candidate.n, 1.0)
    return replace(
        candidate, rows=rows, bad=bad, k=float(len(bad)), n=float(len(rows)), expected=usual * len(rows), scale=scale
    )


__all__ = ["LARGE", "sampled_legs", "with_all_calls"]
