"""A call of `publish` in a process of its own, beside others or to be killed."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Mapping
from multiprocessing.process import BaseProcess
from pathlib import Path

import deltalake  # noqa: F401  imported before processes fork

from conv_analytics import open_dataset
from conv_analytics.dataset.publish import publish as publishing  # noqa: F401  as above
from conv_analytics.dataset.store import filesystem, probe  # noqa: F401  as above
from tests._helpers.delta_tables import FEW, grown


def start_publishing(root: Path, target: str, environment: Mapping[str, str]) -> BaseProcess:
    """Publish a folder as it is now."""
    return _start(_publish, root, target, dict(environment))


def start_growing(root: Path, target: str, application: str, commits: int) -> BaseProcess:
    """Add commits to a folder, and publish each."""
    return _start(_grow, root, target, application, commits)


def _start(target: object, *arguments: object) -> BaseProcess:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests._helpers.killed_publish"])
    process = context.Process(target=target, args=arguments, daemon=True)  # type: ignore[arg-type]
    process.start()
    return process


def _publish(root: Path, target: str, environment: dict[str, str]) -> None:
    os.environ.update(environment)
    open_dataset(root).publish(target)


def _grow(root: Path, target: str, application: str, commits: int) -> None:
    for start in range(commits):
        grown(root, start, FEW, application)
        open_dataset(root).publish(target)
