"""Resolves credentials and options: arguments, the environment, the Vonage CLI's files.

==================  ===================================================  =============================
value               environment variable                                 key in the Vonage CLI's files
==================  ===================================================  =============================
application id      ``VONAGE_APPLICATION_ID``, ``VONAGE_APP_ID``         ``app-id``
private key         ``VONAGE_PRIVATE_KEY``, ``VONAGE_PRIVATE_KEY64``,    ``private-key``
                    ``VONAGE_PRIVATE_KEY_PATH``,
                    ``VONAGE_APPLICATION_PRIVATE_KEY_PATH``,
                    ``VONAGE_APPLICATION_PRIVATE_KEY``
API key and secret  ``VONAGE_API_KEY``, ``VONAGE_API_SECRET``            ``api-key``, ``api-secret``
host or region      ``VONAGE_API_HOST``
==================  ===================================================  =============================

The names are those that Vonage's command line, SDK samples and tutorials use; those that the Vonage Cloud Runtime sets
(``VCR_API_APPLICATION_ID``, ``VCR_PRIVATE_KEY``, ``VCR_API_ACCOUNT_ID``, ``VCR_API_ACCOUNT_SECRET``) come last. Each
variable of a key may hold its text, base64 of its text, or the path of a file. The Vonage CLI's files are
``./.vonagerc`` and ``~/.vonage/config.json``.
"""

from __future__ import annotations

import ipaddress
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self
from urllib.parse import urlsplit

from conv_analytics.errors import ConfigError
from conv_analytics.private_key import Secret, fingerprint_of, private_key_of, shown_value, unquoted

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

DEFAULT_BASE_URL = "https://api.nexmo.com"

#: The variables of each value; the first one that is set counts.
VARIABLES = {
    "application_id": ("VONAGE_APPLICATION_ID", "VONAGE_APP_ID", "VCR_API_APPLICATION_ID"),
    "private_key": (
        "VONAGE_PRIVATE_KEY",
        "VONAGE_PRIVATE_KEY64",
        "VONAGE_PRIVATE_KEY_PATH",
        "VONAGE_APPLICATION_PRIVATE_KEY_PATH",
        "VONAGE_APPLICATION_PRIVATE_KEY",
        "VCR_PRIVATE_KEY",
    ),
    "api_key": ("VONAGE_API_KEY", "VCR_API_ACCOUNT_ID"),
    "api_secret": ("VONAGE_API_SECRET", "VCR_API_ACCOUNT_SECRET"),
    "base_url": ("VONAGE_API_HOST",),
}
# The names that the CLI and its older versions write, compared without case and punctuation.
_CLI_NAMES = {
    "application_id": ("appid", "applicationid", "vonageappid", "vonageapplicationid"),
    "private_key": ("privatekey", "privatekeypath", "vonageprivatekey"),
    "api_key": ("apikey", "vonageapikey"),
    "api_secret": ("apisecret", "vonageapisecret"),
}


class SourcedValue(NamedTuple):
    """A value and its source."""

    value: Secret
    source: str


@dataclass(frozen=True)
class Credentials:
    """An application and its key."""

    application_id: str
    key: RSAPrivateKey = field(repr=False)
    fingerprint: str
    """Short SHA-256 of the public key, to tell keys apart."""


@dataclass(frozen=True)
class Settings:
    """Resolved settings.

    Attributes
    ----------
    base_url
        Scheme, host and port of the API, without a slash at the end.
    credentials
        The application and its key; None where another authentication is used.
    sources
        Where each value came from.
    minted_for
        The application whose tokens are minted elsewhere, such as by Vonage's own library; None otherwise.
    """

    base_url: str = DEFAULT_BASE_URL
    credentials: Credentials | None = None
    sources: Mapping[str, str] = field(default_factory=dict)
    minted_for: str | None = None

    @classmethod
    def resolve(
        cls,
        application_id: str | None = None,
        private_key: str | Path | Secret | None = None,
        *,
        base_url: str | None = None,
        need_credentials: bool = True,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        home: Path | None = None,
    ) -> Self:
        """Find every value; the first source that has it wins.

        A wrong value raises a `ConfigError` of one sentence.

        Parameters
        ----------
        application_id, private_key, base_url
            Values that take precedence. The key is a path or PEM text.
        need_credentials
            Whether application and key are required.
        env, cwd, home
            The environment and the folders to search; by default those of the process.
        """
        values = find_values(application_id, private_key, base_url=base_url, env=env, cwd=cwd, home=home)
        # A traceback that shows the locals of this frame must not show the key's text.
        del private_key
        application, key = values.get("application_id"), values.get("private_key")
        url, source = host_of(values)
        sources = {"base_url": source}
        if not need_credentials and not (application and key):
            return cls(url, None, sources)
        if application is None:
            raise ConfigError("There is no application id: give application_id=, or set VONAGE_APPLICATION_ID.")
        if key is None:
            raise ConfigError(
                "There is no private key: give private_key= (path or PEM text), or set VONAGE_PRIVATE_KEY."
            )
        sources |= {"application_id": application.source, "private_key": key.source}
        return cls(url, credentials_of(application, key), sources)

    @property
    def application_id(self) -> str | None:
        """The application's UUID."""
        return self.credentials.application_id if self.credentials else self.minted_for

    def describe(self) -> dict[str, str]:
        """Every value with its source, without secrets."""
        values = {"base_url": self.base_url}
        if self.application_id:
            values["application_id"] = self.application_id
        if self.credentials:
            values["private_key"] = f"RSA {self.credentials.key.key_size}, {self.credentials.fingerprint}"
        return {name: f"{value} (from {self.sources.get(name, 'the caller')})" for name, value in values.items()}


def find_values(
    application_id: str | None = None,
    private_key: str | Path | Secret | None = None,
    *,
    base_url: str | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    home: Path | None = None,
) -> dict[str, SourcedValue]:
    """Each value that some source has, by its name in `VARIABLES`, unchecked; the first source that has it wins.

    Parameters
    ----------
    application_id, private_key, base_url, env, cwd, home
        As for `Settings.resolve`.
    """
    arguments = {"application_id": application_id, "private_key": private_key, "base_url": base_url}
    values = {name: SourcedValue(_secret(value), f"{name}=") for name, value in arguments.items() if value is not None}
    # A traceback that shows the locals of this frame must not show the key's text.
    del private_key, arguments
    sources = [_environment(os.environ if env is None else env), *_cli_files(cwd or Path.cwd(), home or _home())]
    for source in sources:
        values = {**source, **values}
    return values


def host_of(values: Mapping[str, SourcedValue]) -> tuple[str, str]:
    """Scheme, host and port of the API, with their source; the default host if no source names one."""
    host = values.get("base_url")
    return (base_url_of(host.value.reveal(), host.source), host.source) if host else (DEFAULT_BASE_URL, "default")


def base_url_of(text: str, source: str = "base_url=") -> str:
    """Scheme, host and port of the API from a URL, a bare host or the name of a region.

    >>> base_url_of("eu"), base_url_of("api-us-3.vonage.com/"), base_url_of("http://127.0.0.1:8080")
    ('https://api-eu.vonage.com', 'https://api-us-3.vonage.com', 'http://127.0.0.1:8080')
    """
    text = unquoted(text)
    if re.fullmatch(r"[a-z]{2}(-\d)?", text):
        return f"https://api-{text}.vonage.com"
    try:
        parts = urlsplit(text if "://" in text else f"https://{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or parts.scheme not in {"http", "https"} or re.search(r"\s", text):
        raise ConfigError(f"The host of the API ({source}) is not a URL, host name or region: {shown_value(text)}.")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ConfigError(f"The host of the API ({source}) must have no user, query or fragment.")
    if parts.scheme == "http" and not is_loopback(host):
        raise ConfigError(f"The host of the API ({source}) must use https: the token would travel in clear to {host}.")
    name = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{name}{f':{port}' if port else ''}{parts.path.rstrip('/')}"


def is_loopback(host: str) -> bool:
    """Whether a host name or address means this machine.

    >>> is_loopback("127.8.0.1"), is_loopback("::1"), is_loopback("api.localhost"), is_loopback("10.0.0.1")
    (True, True, True, False)
    """
    host = host.rstrip(".").lower()
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def credentials_of(application: SourcedValue, key: SourcedValue) -> Credentials:
    """Check an application id and load its key."""
    identity = unquoted(application.value.reveal())
    if not re.fullmatch(r"[\w.-]+", identity):
        raise ConfigError(f"The application id ({application.source}) must be the application's UUID.")
    loaded = private_key_of(key.value, key.source)
    return Credentials(identity, loaded, fingerprint_of(loaded))


def _secret(value: str | Path | Secret) -> Secret:
    return value if isinstance(value, Secret) else Secret(str(value))


def _home() -> Path | None:
    """The home folder; None if the user has none, as in a container with an arbitrary user id."""
    try:
        return Path.home()
    except RuntimeError:
        return None


def _environment(env: Mapping[str, str]) -> dict[str, SourcedValue]:
    given = {name: next((key for key in keys if env.get(key, "").strip()), None) for name, keys in VARIABLES.items()}
    return {name: SourcedValue(Secret(env[key]), key) for name, key in given.items() if key is not None}


def _cli_files(cwd: Path, home: Path | None) -> Iterator[dict[str, SourcedValue]]:
    for path in (cwd / ".vonagerc", *([home / ".vonage" / "config.json"] if home else [])):
        try:
            payload = json.loads(path.read_text(encoding="utf-8-sig"))
        except (OSError, ValueError):
            # The file belongs to the CLI: an unreadable one counts as absent, and missing values are reported later.
            continue
        if isinstance(payload, Mapping):
            yield {name: SourcedValue(value, str(path)) for name, value in _cli_values(payload).items()}


def _cli_values(payload: Mapping[str, object]) -> dict[str, Secret]:
    plain = {re.sub(r"[^a-z]", "", str(key).lower()): value for key, value in payload.items()}
    values = {}
    for name, keys in _CLI_NAMES.items():
        value = next((plain[key] for key in keys if isinstance(plain.get(key), str) and plain[key]), None)
        if isinstance(value, str):
            values[name] = Secret(value)
    return values
