"""A root with the exports of several applications: ``root/application_id=<id>/``, each a separate dataset folder.

In a bucket, each application is a dataset below the path of the root, and its work folder is in that of the root.
"""

from __future__ import annotations

from pathlib import Path

from conv_analytics.dataset.storage.layout import COMMITS, Layout
from conv_analytics.dataset.storage.table_files import parquet_files
from conv_analytics.dataset.store.bucket import StoreError
from conv_analytics.dataset.store.work_folder import dataset_folder
from conv_analytics.errors import DatasetError
from conv_analytics.tables import TABLES

#: Prefix of the folder of an application, as of Hive partitions: engines that read them get the column.
PREFIX = "application_id="


def application_folder(root: Path, application_id: str) -> Path:
    """The dataset folder of an application under a root.

    >>> application_folder(Path("exports"), "AB12").as_posix()
    'exports/application_id=ab12'
    """
    name = f"{PREFIX}{application_id.lower()}"
    bucket = Layout(root).bucket
    return root / name if bucket is None else dataset_folder(f"{bucket.address}/{name}", root / name)


def application_folders(root: Path) -> dict[str, Path]:
    """The dataset folders of applications under a root, by application id; none where there is no such folder.

    One that lost its commit records is among them, so that whoever opens it is told: its rows must not just be missing.
    """
    if not root.is_dir():
        return {}
    bucket = Layout(root).bucket
    if bucket is None:
        folders = sorted(path for path in root.iterdir() if path.name.startswith(PREFIX) and _is_dataset(path))
        return {path.name.removeprefix(PREFIX): path for path in folders}
    try:
        known = {COMMITS, *TABLES}
        named = [
            name for name in bucket.folders() if name.startswith(PREFIX) and not known.isdisjoint(bucket.folders(name))
        ]
    except OSError as error:
        raise DatasetError(f"{bucket.address} cannot be read: {error.strerror or error}.") from error
    return {name.removeprefix(PREFIX): dataset_folder(f"{bucket.address}/{name}", root / name) for name in named}


def _is_dataset(path: Path) -> bool:
    """Whether a local folder is a dataset, or was one until it lost its commit records."""
    return (path / COMMITS).is_dir() or any(parquet_files(Layout(path)))


def is_one_dataset(root: Path) -> bool:
    """Whether a folder is itself the export of one application."""
    if any((root / COMMITS).glob("*.json")):
        return True
    bucket = Layout(root).bucket
    if bucket is None:
        return (root / COMMITS).is_dir()
    try:
        return COMMITS in bucket.folders()
    except StoreError as error:
        raise DatasetError(f"{bucket.address} cannot be read: {error.strerror or error}.") from error


def require_one_folder(path: Path) -> None:
    """Raise `DatasetError` for a root of applications, where the folder of one is meant."""
    if several := application_folders(path):
        first = Layout(next(iter(several.values()))).name
        raise DatasetError(
            f"{Layout(path).name} has a folder for each of {len(several)} applications. Name one of them, such as"
            f" {first}."
        )


__all__ = ["PREFIX", "application_folder", "application_folders", "is_one_dataset", "require_one_folder"]
