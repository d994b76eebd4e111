"""Export folders: Parquet files and the log of commits that says which of them count."""

from __future__ import annotations

from conv_analytics.dataset.applications import Applications
from conv_analytics.dataset.dataset import Dataset
from conv_analytics.dataset.opening import open_dataset
from conv_analytics.dataset.storage.commit import Commit, File
from conv_analytics.dataset.writer import DatasetWriter

__all__ = ["Applications", "Commit", "Dataset", "DatasetWriter", "File", "open_dataset"]
