"""A few first answers from an export folder, computed with pandas alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

#: Below this, most listeners are dissatisfied (ITU-T G.107, annex B: R = 70 is a MOS of 3.6).
POOR_MOS = 3.6


def findings(folder: Path) -> Iterator[str]:
    """Sentences about the calls and messages in a folder, read as anybody would read it.

    Parameters
    ----------
    folder
        An export with the default tables.
    """
    import pandas as pd

    hangups = pd.read_parquet(folder / "hangups")
    measured = hangups[hangups["packet_cnt"] > 0]
    poor = measured[measured["mos_score"] < POOR_MOS]
    yield (
        f"{len(hangups):,} legs ended; {len(measured):,} of them received audio, with a median MOS of"
        f" {measured['mos_score'].median():.2f} and {len(poor):,} below {POOR_MOS}"
    )
    yield f"{len(hangups) - len(measured):,} legs received none: their MOS of 4.5 says nothing"
    yield f"SIP codes: {_shares(hangups['sip_code'])}"
    records = pd.read_parquet(folder / "call_records")
    minutes, price = records["duration_s"].sum() / 60, float(records["price"].sum())
    yield f"{minutes:,.0f} minutes were recorded, for {price:,.2f} in the account's currency"
    messages = pd.read_parquet(folder / "messages")
    yield f"{len(messages):,} messages: {_shares(messages['message_type'])}"


def _shares(values: pd.Series[Any], most: int = 5) -> str:
    counts = values.value_counts()
    shown = [f"{kind} {count:,}" for kind, count in counts.head(most).items() if count]
    rest = int(counts.iloc[most:].sum())
    return ", ".join(shown + ([f"others {rest:,}"] if rest else []))
