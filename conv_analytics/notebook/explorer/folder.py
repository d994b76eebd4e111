"""The dataset in the folder of an export panel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from conv_analytics.dataset import open_dataset
from conv_analytics.dataset.storage.commit import numbers, require_records
from conv_analytics.dataset.storage.layout import Layout
from conv_analytics.dataset.store.work_folder import dataset_folder


def dataset_in(folder: str | Path, work: str | Path | None = None) -> Any:
    """The dataset in a folder or a bucket; no tables before the first export.

    Raises
    ------
    DatasetError
        If the folder has lost its commit records.
    """
    layout = Layout(dataset_folder(folder, work))
    if numbers(layout):
        return open_dataset(layout.root)
    require_records(layout)
    return {}


__all__ = ["dataset_in"]
