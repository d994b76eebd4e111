"""First answers from an export folder: counts by plain pandas, and the problems that `findings` names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

#: Below this, some users are dissatisfied (ITU-T G.109; by G.107, annex B, R = 70 is a MOS of 3.6).
POOR_MOS = 3.6


def counts(folder: Path) -> Iterator[str]:
    """Sentences about the calls and messages in a folder, read by plain pandas.

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
        f"{len(hangups):,} legs ended; {len(measured):,} of them received audio, with a median reported MOS of"
        f" {measured['mos_score'].median():.2f} and {len(poor):,} below {POOR_MOS}"
    )
    yield f"{len(hangups) - len(measured):,} legs received no audio: their reported MOS of 4.5 is only its start value"
    yield f"SIP codes: {_shares(hangups['sip_code'])}"
    records = pd.read_parquet(folder / "call_records")
    minutes, price = records["duration_s"].sum() / 60, float(records["price"].sum())
    yield f"{minutes:,.0f} minutes were billed, for {price:,.2f} in the account's currency"
    messages = pd.read_parquet(folder / "messages")
    yield f"{len(messages):,} messages: {_shares(messages['message_type'])}"


def problems(folder: Path) -> list[str]:
    """A sentence for each problem that `conv_analytics.analysis.findings` names, or one that says there is none."""
    from conv_analytics.analysis import findings
    from conv_analytics.dataset import open_dataset
    from conv_analytics.privacy.display import Display

    named, display = findings(open_dataset(folder)), Display()
    groups = int(named.looked_at["groups"].sum())
    compared = f"{groups:,} groups of calls compared" if groups else "no group has enough bad calls to test"
    return [display.text(what) for what in named.problems["what"]] or [f"no problem beyond chance: {compared}"]


def _shares(values: pd.Series[Any], most: int = 5) -> str:
    counted = values.value_counts()
    shown = [f"{kind} {count:,}" for kind, count in counted.head(most).items() if count]
    rest = int(counted.iloc[most:].sum())
    return ", ".join(shown + ([f"others {rest:,}"] if rest else []))
