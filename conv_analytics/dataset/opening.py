"""Open what an export wrote: the folder of one application, or the root of several."""

from __future__ import annotations

from pathlib import Path

from conv_analytics.dataset.applications import Applications
from conv_analytics.dataset.dataset import Dataset
from conv_analytics.dataset.storage.application_folders import application_folders
from conv_analytics.dataset.storage.layout import COMMITS


def open_dataset(path: str | Path) -> Dataset:
    """Open an export folder at its last commit, or the folders of several applications as one.

    Parameters
    ----------
    path
        The folder that `export` wrote, or the root that `export_applications` wrote: then all tables have a column
        ``application_id``, and questions can be asked by it (see `conv_analytics.dataset.applications`).

    Raises
    ------
    DatasetError
        If the folder holds no commit.

    Examples
    --------
    >>> from conv_analytics import Conversations, export
    >>> from conv_analytics.sandbox import Sandbox
    >>> from tempfile import TemporaryDirectory
    >>> with Sandbox(conversations=3) as sandbox, TemporaryDirectory() as folder:
    ...     client = Conversations(sandbox.application_id, sandbox.private_key, base_url=sandbox.base_url)
    ...     done = export(client, folder, rate=0)
    ...     len(open_dataset(folder)["conversations"])
    3
    """
    folders = application_folders(Path(path))
    if folders and not (Path(path) / COMMITS).is_dir():
        return Applications(path, {name: Dataset.open(folder) for name, folder in folders.items()})
    return Dataset.open(path)


__all__ = ["open_dataset"]
