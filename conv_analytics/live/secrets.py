"""The signature secrets of Vonage accounts, with which webhooks are signed."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from conv_analytics.errors import ConfigError
from conv_analytics.errors.redaction import HiddenBytes, HiddenText, safe_repr
from conv_analytics.paths import expand_user

#: The environment variable that holds the secret, or lines of secrets.
SECRET_VARIABLE = "VONAGE_SIGNATURE_SECRET"  # noqa: S105  the name of a variable

#: An API key has eight characters. The secret may have an equals sign itself.
_KEYED = re.compile(r"([0-9A-Za-z]{8})\s*=\s*(\S.*)")
_WHERE_TO_FIND = "It is in the dashboard of the account under API settings: not the API secret, not the private key."


#: A secret, or secrets by API key.
SecretValues = str | Mapping[str, str | Iterable[str]]


class Secrets:
    """The secrets that may have signed a webhook of an account.

    Parameters
    ----------
    values
        A secret of any account; or secrets by API key, each one or several while they are being changed. A ``*``
        stands for the accounts that are not named.

    Raises
    ------
    ConfigError
        If a secret is empty.

    Examples
    --------
    >>> secrets = Secrets({"a1b2c3d4": "an invented secret"})
    >>> len(secrets.of("a1b2c3d4")), len(secrets.of("another"))
    (1, 0)
    """

    def __init__(self, values: SecretValues = MappingProxyType({})) -> None:
        by_key = {"*": values} if isinstance(values, str) else dict(values)
        self._by_key = {key: _hidden(key, secrets) for key, secrets in by_key.items()}

    @classmethod
    def parse(cls, text: str, where: str = "The secrets") -> Secrets:
        """Parse secrets: one per line, alone or as ``api_key=secret``; ``#`` begins a comment.

        Raises
        ------
        ConfigError
            If there is none. The message contains no secret.
        """
        by_key: dict[str, list[str]] = {}
        for line in HiddenText(text).splitlines():
            written = HiddenText(line.strip())
            if not written or written.startswith("#"):
                continue
            keyed = _KEYED.fullmatch(written)
            by_key.setdefault(keyed[1] if keyed else "*", []).append(HiddenText(keyed[2] if keyed else written))
        if not by_key:
            raise ConfigError(f"{where} has no signature secret. {_WHERE_TO_FIND}")
        return cls(by_key)

    @classmethod
    def load(cls, file: str | Path | None = None, environ: Mapping[str, str] | None = None) -> Secrets:
        """The secrets in a file, or else in the environment variable ``VONAGE_SIGNATURE_SECRET``; empty without either.

        Raises
        ------
        ConfigError
            If the file cannot be read, or holds no secret.
        """
        if file is not None:
            try:
                return cls.parse(HiddenText(expand_user(file).read_text(encoding="utf-8")), f"The file {file}")
            except (OSError, UnicodeDecodeError) as error:
                reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
                raise ConfigError(f"The file of signature secrets {file} cannot be read: {reason}.") from None
        text = HiddenText((os.environ if environ is None else environ).get(SECRET_VARIABLE, ""))
        return cls.parse(text, SECRET_VARIABLE) if text.strip() else cls()

    def of(self, api_key: str) -> tuple[bytes, ...]:
        """The secrets that the account with this API key may have signed with."""
        return self._by_key.get(api_key, ()) + self._by_key.get("*", ())

    def __bool__(self) -> bool:
        return bool(self._by_key)

    @safe_repr
    def __repr__(self) -> str:
        return f"Secrets({sum(map(len, self._by_key.values()))} of {len(self._by_key)} accounts)"

    def __reduce__(self) -> Any:
        raise TypeError("Secrets must not be stored; read them again where they are needed.")


def _hidden(key: str, secrets: str | Iterable[str]) -> tuple[bytes, ...]:
    texts = [secrets] if isinstance(secrets, str) else list(secrets)
    if not texts or not all(text.strip() for text in texts):
        account = "" if key == "*" else f" of account {key}"
        raise ConfigError(f"The signature secret{account} is empty. {_WHERE_TO_FIND}")
    return tuple(HiddenBytes(text.encode()) for text in texts)
