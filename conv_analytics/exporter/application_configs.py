"""Which applications to export: a TOML file that names each with its key and host.

::

    [[applications]]
    id = "aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab"
    key = "keys/support.pem"            # a path, relative to this file
    name = "support"                    # optional: its name in tables and progress

    [[applications]]
    id = "bbbbbbbb-cccc-4ddd-8eee-123456789abc"
    key_env = "SALES_PRIVATE_KEY"       # an environment variable with a path or PEM text
    host = "eu"                         # optional: a region or host
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from conv_analytics.errors import ConfigError
from conv_analytics.paths import expand_user
from conv_analytics.private_key import Secret

_KEYS = "Each [[applications]] has id, key (a path) or key_env (a variable), and perhaps host and name."


@dataclass(frozen=True)
class ApplicationConfig:
    """An application to export."""

    id: str
    private_key: Secret
    """Path or PEM text."""
    host: str | None = None
    """Host or region; None for the usual one."""
    name: str | None = None

    @property
    def label(self) -> str:
        """Its name in tables and progress."""
        return self.name or self.id


class _Entry(msgspec.Struct, forbid_unknown_fields=True):
    id: str
    key: str | None = None
    key_env: str | None = None
    host: str | None = None
    name: str | None = None


class _File(msgspec.Struct, forbid_unknown_fields=True):
    applications: list[_Entry]


def read_applications(path: str | Path, env: Mapping[str, str] | None = None) -> list[ApplicationConfig]:
    """Read a TOML file of applications.

    Parameters
    ----------
    path
        The file.
    env
        The environment; by default that of the process.

    Raises
    ------
    ConfigError
        If the file cannot be read, names no application, one twice, or one without a key.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder) / "applications.toml"
    ...     _ = file.write_text('applications = [{id = "a1", key_env = "KEY", name = "support"}]')
    ...     [each.label for each in read_applications(file, {"KEY": "private.key"})]
    ['support']
    """
    path = expand_user(path)
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8-sig"))
        entries = msgspec.convert(values, _File).applications
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or error}.") from error
    except (ValueError, msgspec.ValidationError) as error:
        raise ConfigError(f"{path} names no applications: {error}. {_KEYS}") from error
    if not entries:
        raise ConfigError(f"{path} names no applications. {_KEYS}")
    environment = os.environ if env is None else env
    done: dict[str, ApplicationConfig] = {}
    for number, entry in enumerate(entries, 1):
        where = f"{path}, application {number}"
        if not re.fullmatch(r"[0-9A-Za-z][\w.-]*", entry.id, re.ASCII):
            raise ConfigError(f"{where}: id is {entry.id[:80]!r}; it must be the application's UUID.")
        if entry.id.lower() in done:
            raise ConfigError(f"{where}: {entry.id} is named twice.")
        key = _private_key(entry, where, path.parent, environment)
        done[entry.id.lower()] = ApplicationConfig(entry.id, key, entry.host, entry.name)
    return list(done.values())


def _private_key(entry: _Entry, where: str, folder: Path, env: Mapping[str, str]) -> Secret:
    if (entry.key is None) == (entry.key_env is None):
        raise ConfigError(f"{where}: name either key or key_env.")
    if entry.key is not None:
        if "-----BEGIN" in entry.key:
            raise ConfigError(f"{where}: key is the key itself. Put it into a file of your own, and name that.")
        return Secret(str(folder / expand_user(entry.key)))
    variable: Any = entry.key_env
    if not env.get(variable, "").strip():
        raise ConfigError(f"{where}: the environment variable {variable} is not set.")
    return Secret(env[variable])


__all__ = ["ApplicationConfig", "read_applications"]
