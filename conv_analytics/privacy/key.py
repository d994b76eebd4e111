"""The key of a mask: from a file or the environment, never from an argument that a process list would show."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from conv_analytics.errors import ConfigError
from conv_analytics.errors.redaction import HiddenBytes, HiddenText
from conv_analytics.paths import expand_user

#: The environment variable that holds the key.
KEY_VARIABLE = "CONV_ANALYTICS_MASK_KEY"
#: A shorter key could be guessed. [B]
LEAST_BYTES = 16

_MAKE = "Make one with: openssl rand -hex 32"


def load_key(file: str | Path | None = None, environ: Mapping[str, str] | None = None) -> bytes:
    """The key of a mask.

    Parameters
    ----------
    file
        A file that holds it; white space around it is ignored. Without one, the environment variable
        ``CONV_ANALYTICS_MASK_KEY`` is read.
    environ
        The environment; that of the process by default.

    Raises
    ------
    ConfigError
        If there is no key, it cannot be read, or it is too short. No message contains the key.
    """
    if file is not None:
        try:
            return checked(HiddenBytes(expand_user(file).read_bytes()), f"The mask key in {file}")
        except OSError as error:
            raise ConfigError(f"The mask key file {file} cannot be read: {error.strerror}. {_MAKE} > FILE") from None
    text = HiddenText((os.environ if environ is None else environ).get(KEY_VARIABLE, ""))
    if not text.strip():
        raise ConfigError(f"A mask needs a key: name a file with --mask-key-file, or set {KEY_VARIABLE}. {_MAKE}")
    return checked(HiddenBytes(os.fsencode(text)), f"The mask key in {KEY_VARIABLE}")


def checked(key: bytes, where: str = "The mask key") -> bytes:
    """A key without the white space around it; raise `ConfigError` when it is too short."""
    key = HiddenBytes(key.strip())
    if len(key) < LEAST_BYTES:
        raise ConfigError(f"{where} has {len(key)} bytes; it must have at least {LEAST_BYTES}. {_MAKE}")
    return key


def exposed(file: str | Path) -> bool:
    """Whether a key file can be read by every user of this machine."""
    return os.name == "posix" and bool(expand_user(file).stat().st_mode & stat.S_IROTH)
