"""Opens the result of an export: the folder of one application, or the root of several."""

from __future__ import annotations

from pathlib import Path

from conv_analytics.dataset.applications import Applications
from conv_analytics.dataset.dataset import Dataset
from conv_analytics.dataset.storage.application_folders import application_folders, is_one_dataset
from conv_analytics.dataset.store.work_folder import dataset_folder


def open_dataset(path: str | Path, *, work: str | Path | None = None) -> Dataset:
    """Open an export folder at its last commit, or the folders of several applications as one.

    Parameters
    ----------
    path
        The folder that `export` wrote, or the root that `export_applications` wrote: then all tables have a column
        ``application_id``, by which questions can be grouped (see `conv_analytics.dataset.applications`). Either may be
        the URL of a bucket: ``s3://BUCKET/PATH``, ``az://CONTAINER/PATH``.
    work
        The local work folder of a bucket; by default one in the user's folder for program state.

    Raises
    ------
    DatasetError
        If the folder holds no commit, or the bucket cannot be read.
    ConfigError
        If the URL is not supported, or the work folder belongs to another dataset.

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
    root = dataset_folder(path, work)
    if not is_one_dataset(root) and (folders := application_folders(root)):
        return Applications(root, {name: Dataset.open(folder) for name, folder in folders.items()})
    return Dataset.open(root)


__all__ = ["open_dataset"]
