"""A root with the exports of several applications: ``root/application_id=<id>/``, each a dataset folder of its own."""

from __future__ import annotations

from pathlib import Path

from conv_analytics.dataset.storage.layout import COMMITS
from conv_analytics.errors import DatasetError

#: How the folder of an application begins, as Hive partitions do: engines that read them have the column at once.
PREFIX = "application_id="


def application_folder(root: Path, application_id: str) -> Path:
    """The dataset folder of an application under a root.

    >>> application_folder(Path("exports"), "AB12").as_posix()
    'exports/application_id=ab12'
    """
    return root / f"{PREFIX}{application_id.lower()}"


def application_folders(root: Path) -> dict[str, Path]:
    """The dataset folders of applications under a root, by application id; none where there is no such folder."""
    if not root.is_dir():
        return {}
    folders = sorted(path for path in root.iterdir() if path.name.startswith(PREFIX) and (path / COMMITS).is_dir())
    return {path.name.removeprefix(PREFIX): path for path in folders}


def require_one_folder(path: Path) -> None:
    """Raise `DatasetError` for a root of applications, where the folder of one is meant."""
    if several := application_folders(path):
        first = next(iter(several.values()))
        raise DatasetError(
            f"{path} has a folder for each of {len(several)} applications. Name one of them, such as {first}."
        )


__all__ = ["PREFIX", "application_folder", "application_folders", "require_one_folder"]
