"""The data of the explorer: calls and verdicts, kept with a dataset; and the dataset of a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from conv_analytics.analysis.audio.profiles import Profile
from conv_analytics.dataset import open_dataset
from conv_analytics.notebook.explorer.calls import calls_of_legs
from conv_analytics.notebook.report.legs import judged_legs


def judged(data: Any, profile: Profile) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The calls of the data, and the verdicts on its legs; a dataset keeps them, for it does not change."""
    kept: dict[str, Any] = getattr(data, "kept", {})
    of, *frames = kept.get("explorer", (None, None, None))
    if of != profile:
        legs = judged_legs(data, profile).legs
        frames = [calls_of_legs(legs), legs[["conversation_id", "leg_id", "verdict"]]]
        kept["explorer"] = (profile, *frames)
    return frames[0], frames[1]


def dataset_in(folder: Path) -> Any:
    """The dataset in a folder; no tables before the first export."""
    return open_dataset(folder) if any((folder / "_commits").glob("*.json")) else {}


__all__ = ["dataset_in", "judged"]
