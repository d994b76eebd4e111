"""Export several applications, each to its own dataset folder under one root."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Unpack

from conv_analytics.api import Conversations
from conv_analytics.dataset.storage.application_folders import application_folder, application_folders, is_one_dataset
from conv_analytics.dataset.storage.commit import require_records
from conv_analytics.dataset.storage.layout import Layout
from conv_analytics.dataset.store.work_folder import dataset_folder
from conv_analytics.errors import ConfigError, ExportIncomplete
from conv_analytics.exporter.application_configs import ApplicationConfig, read_applications
from conv_analytics.exporter.blocking import run_blocking
from conv_analytics.exporter.entry import aexport
from conv_analytics.exporter.options import ExportOptions, Options, expand_options
from conv_analytics.exporter.progress import Listener, TextLines, silent
from conv_analytics.exporter.results import Exported

Connect = Callable[[ApplicationConfig], Conversations]


@dataclass(frozen=True)
class ApplicationExport:
    """The outcome of the export of one application."""

    application: ApplicationConfig
    folder: Path
    """Its dataset folder; in a bucket, the work folder that stands for it."""
    exported: Exported | None
    """The result; None if nothing was read."""
    error: Exception | None
    """Why it is not complete."""

    @property
    def status(self) -> str:
        """``complete``, ``incomplete`` (the same call goes on from there) or ``failed``."""
        return "complete" if self.error is None else "incomplete" if self.exported is not None else "failed"


def client_of(application: ApplicationConfig) -> Conversations:
    """A client of an application."""
    return Conversations(application.id, application.private_key.reveal(), base_url=application.host)


@expand_options(ExportOptions)
def export_applications(
    root: str | Path,
    applications: str | Path | Sequence[ApplicationConfig],
    *,
    parallel: int = 1,
    connect: Connect = client_of,
    **options: Unpack[ExportOptions],
) -> list[ApplicationExport]:
    """Export several applications, each to ``root/application_id=<id>/``, a dataset folder like any other.

    A failure does not affect the others: its error is in the result.

    Parameters
    ----------
    root : str or Path
        The folder of folders, made when absent; or a path in a bucket: ``s3://BUCKET/PATH``, ``az://CONTAINER/PATH``.
    applications : str, Path or sequence of ApplicationConfig
        A TOML file (see `conv_analytics.exporter.application_configs`), or what `read_applications` returned.
    parallel : int, default 1
        Applications that are exported at a time. They share ``rate=`` and ``concurrency=``: each gets a part of them.
    connect : callable, optional
        Returns the client of an application.

    Returns
    -------
    list of ApplicationExport
        One for each application, in their order.

    Raises
    ------
    ConfigError
        If an argument is wrong, or the root is itself the export of one application.
    DatasetError
        If the root is an export that has lost its commit records.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from conv_analytics.exporter.applications import export_applications
    >>> from conv_analytics.sandbox import Sandbox
    >>> with Sandbox(conversations=3) as sandbox, TemporaryDirectory() as folder:
    ...     file = Path(folder) / "applications.toml"
    ...     _ = (Path(folder) / "key.pem").write_text(sandbox.private_key)
    ...     named = f'id = "{sandbox.application_id}", host = "{sandbox.base_url}"'
    ...     _ = file.write_text(f'applications = [{{{named}, key = "key.pem"}}]')
    ...     done = export_applications(folder, file, rate=0, progress=None)
    >>> [(each.status, each.exported.report.listed) for each in done]
    [('complete', 3)]
    """
    chosen = Options.checked("export_applications", options, ExportOptions)
    if parallel < 1:
        raise ConfigError(f"parallel is {parallel}; it must be 1 (one after another) or more.")
    configs = read_applications(applications) if isinstance(applications, str | Path) else list(applications)
    place = dataset_folder(root)
    if is_one_dataset(place):
        raise ConfigError(
            f"{Layout(place).name} is itself the export of one application. Name another root; to go on with it"
            " there, move it to application_id=<its id> in that root."
        )
    if not application_folders(place):
        # Nor was it one until it lost its commit records.
        require_records(Layout(place))
    at_a_time = max(1, min(parallel, len(configs)))
    shared: ExportOptions = {**options}
    if at_a_time > 1:
        shared["rate"] = chosen.rate / at_a_time
        shared["concurrency"] = max(1, chosen.concurrency // at_a_time)

    async def main() -> list[ApplicationExport]:
        turns = asyncio.Semaphore(at_a_time)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_in_turn(turns, place, each, connect, shared)) for each in configs]
        return [task.result() for task in tasks]

    return run_blocking(main)


async def _in_turn(
    turns: asyncio.Semaphore, root: Path, application: ApplicationConfig, connect: Connect, options: ExportOptions
) -> ApplicationExport:
    result = ApplicationExport(application, application_folder(root, application.id), None, None)
    async with turns:
        own: Any = {**options, "progress": _listener(application, options.get("progress", "auto"))}
        try:
            with connect(application) as client:
                return replace(result, exported=await aexport(client, result.folder, **own))
        except ExportIncomplete as error:
            return replace(result, exported=error.result, error=error)
        except Exception as error:  # noqa: BLE001  one that fails costs no other; its error is in the result
            return replace(result, error=error)


def _listener(application: ApplicationConfig, progress: Any) -> Listener:
    """Lines that name the application: bars of several would overwrite each other."""
    if callable(progress):
        return progress  # type: ignore[no-any-return]
    if progress in {None, False} or sys.stderr is None:
        return silent
    return TextLines(sys.stderr, label=f"{application.label}: ")


__all__ = ["ApplicationConfig", "ApplicationExport", "client_of", "export_applications", "read_applications"]
