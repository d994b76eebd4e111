"""The dataset in the folder of an export panel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from conv_analytics.dataset import open_dataset


def dataset_in(folder: Path) -> Any:
    """The dataset in a folder; no tables before the first export."""
    return open_dataset(folder) if any((folder / "_commits").glob("*.json")) else {}


__all__ = ["dataset_in"]
