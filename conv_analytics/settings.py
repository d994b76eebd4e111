"""Where credentials and options come from: arguments, the environment, the Vonage CLI's files.

=======================  ======================================  ============================
value                    environment variable                    key in the Vonage CLI's files
=======================  ======================================  ============================
application id           ``VONAGE_APPLICATION_ID``               ``app-id``
private key (path, PEM)  ``VONAGE_PRIVATE_KEY``                  ``private-key``
API key and secret       ``VONAGE_API_KEY``, ``_API_SECRET``     ``api-key``, ``api-secret``
host or region           ``VONAGE_API_HOST``
=======================  ======================================  ============================

The Vonage CLI's files are ``./.vonagerc`` and ``~/.vonage/config.json``. Key material is read once into a key object
and never shown; only the fingerprint of the public key is.
"""

from __future__ import annotations

import hashlib
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
from conv_analytics.paths import expand_user

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

DEFAULT_BASE_URL = "https://api.nexmo.com"

MIN_KEY_BITS = 2048

#: A longer text is not a path but a key without its first line; and the longest wrong value that is shown.
MAX_PATH_LENGTH, MAX_SHOWN_LENGTH = 1024, 200

_ENVIRONMENT = {
    "application_id": ("VONAGE_APPLICATION_ID", "VONAGE_APP_ID"),
    "private_key": ("VONAGE_PRIVATE_KEY", "VONAGE_PRIVATE_KEY_PATH"),
    "api_key": ("VONAGE_API_KEY",),
    "api_secret": ("VONAGE_API_SECRET",),
    "base_url": ("VONAGE_API_HOST",),
}
# The names that the CLI and its older versions write, compared without case and punctuation.
_CLI_NAMES = {
    "application_id": ("appid", "applicationid", "vonageappid", "vonageapplicationid"),
    "private_key": ("privatekey", "privatekeypath", "vonageprivatekey"),
    "api_key": ("apikey", "vonageapikey"),
    "api_secret": ("apisecret", "vonageapisecret"),
}


class Secret:
    """A text that no repr, log or traceback shows."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(hidden)"


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
    """

    base_url: str = DEFAULT_BASE_URL
    credentials: Credentials | None = None
    sources: Mapping[str, str] = field(default_factory=dict)

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
        values = {"application_id": application_id, "private_key": private_key, "base_url": base_url}
        arguments = {name: _secret(value) for name, value in values.items() if value is not None}
        # A traceback that shows the locals of this frame must not show the key's text.
        del private_key, values
        value_sources = [
            _Source("{}=", arguments),
            _environment(os.environ if env is None else env),
            *_cli_files(cwd or Path.cwd(), home or _home()),
        ]
        host = _find("base_url", value_sources)
        sources = {"base_url": host.source if host else "default"}
        url = base_url_of(host.value.reveal(), host.source) if host else DEFAULT_BASE_URL
        application, key = _find("application_id", value_sources), _find("private_key", value_sources)
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
        return self.credentials.application_id if self.credentials else None

    def describe(self) -> dict[str, str]:
        """Every value with its source, without secrets."""
        values = {"base_url": self.base_url}
        if self.credentials:
            values["application_id"] = self.credentials.application_id
            values["private_key"] = f"RSA {self.credentials.key.key_size}, {self.credentials.fingerprint}"
        return {name: f"{value} (from {self.sources.get(name, 'the caller')})" for name, value in values.items()}


def base_url_of(text: str, source: str = "base_url=") -> str:
    """Scheme, host and port of the API from a URL, a bare host or the name of a region.

    >>> base_url_of("eu"), base_url_of("api-us-3.vonage.com/"), base_url_of("http://127.0.0.1:8080")
    ('https://api-eu.vonage.com', 'https://api-us-3.vonage.com', 'http://127.0.0.1:8080')
    """
    text = text.strip()
    if re.fullmatch(r"[a-z]{2}(-\d)?", text):
        return f"https://api-{text}.vonage.com"
    try:
        parts = urlsplit(text if "://" in text else f"https://{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or parts.scheme not in {"http", "https"} or re.search(r"\s", text):
        raise ConfigError(f"The host of the API ({source}) is no URL, host name or region: {_shown(text)}.")
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
    identity = application.value.reveal().strip()
    if not re.fullmatch(r"[\w.-]+", identity):
        raise ConfigError(f"The application id ({application.source}) must be the application's UUID.")
    loaded = private_key_of(key.value, key.source)
    return Credentials(identity, loaded, fingerprint_of(loaded))


def private_key_of(key: Secret, source: str) -> RSAPrivateKey:
    """Load a private key from its PEM text, or from the file that holds it."""
    # `_load_key` returns a sentence instead of raising, so that no frame of the traceback has the key's text.
    loaded = _load_key(key)
    if isinstance(loaded, str):
        raise ConfigError(f"The private key ({source}) {loaded}.")
    return loaded


def fingerprint_of(key: RSAPrivateKey) -> str:
    """The first 16 hex digits of the SHA-256 of the public key."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat  # noqa: PLC0415  loading it takes 50 ms

    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return f"SHA256:{hashlib.sha256(public).hexdigest()[:16]}"


class _Source(NamedTuple):
    label: str
    values: Mapping[str, Secret]


def _find(name: str, sources: list[_Source]) -> SourcedValue | None:
    for source in sources:
        value = source.values.get(name)
        if value is not None:
            return SourcedValue(value, source.label.format(name))
    return None


def _secret(value: str | Path | Secret) -> Secret:
    return value if isinstance(value, Secret) else Secret(str(value))


def _home() -> Path | None:
    """The home folder; None where the user has none, as in a container with an arbitrary user id."""
    try:
        return Path.home()
    except RuntimeError:
        return None


def _environment(env: Mapping[str, str]) -> _Source:
    values = {
        name: Secret(env[key])
        for name, keys in _ENVIRONMENT.items()
        for key in reversed(keys)
        if env.get(key, "").strip()
    }
    return _Source("environment", values)


def _cli_files(cwd: Path, home: Path | None) -> Iterator[_Source]:
    for path in (cwd / ".vonagerc", *([home / ".vonage" / "config.json"] if home else [])):
        try:
            payload = json.loads(path.read_text(encoding="utf-8-sig"))
        except (OSError, ValueError):
            # The file belongs to the CLI: an unreadable one counts as absent, and missing values are reported later.
            continue
        if isinstance(payload, Mapping):
            yield _Source(str(path).replace("{", "{{").replace("}", "}}"), _cli_values(payload))


def _cli_values(payload: Mapping[str, object]) -> dict[str, Secret]:
    plain = {re.sub(r"[^a-z]", "", str(key).lower()): value for key, value in payload.items()}
    values = {}
    for name, keys in _CLI_NAMES.items():
        value = next((plain[key] for key in keys if isinstance(plain.get(key), str) and plain[key]), None)
        if isinstance(value, str):
            values[name] = Secret(value)
    return values


def _load_key(secret: Secret) -> RSAPrivateKey | str:  # noqa: PLR0911  one return per kind of mistake
    """The key, or the end of a sentence that says what is wrong with it."""
    text = secret.reveal().strip()
    if not text:
        return "is empty"
    if "-----BEGIN" in text:
        return _parse_key(text)
    if "\n" in text or "\\n" in text or len(text) > MAX_PATH_LENGTH:
        return "is neither a path nor PEM text: it must begin with -----BEGIN PRIVATE KEY-----"
    try:
        path = expand_user(text)
    except ConfigError:
        return f"is below a home folder (~), and there is none: give the whole path instead of {_shown(text)}"
    try:
        if path.is_dir():
            return f"names a folder, not a file: {path}"
        content = path.read_text(encoding="utf-8-sig", errors="replace").strip()
    except FileNotFoundError:
        return f"names a file that does not exist: {_shown(str(path))}"
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
        return f"cannot be read ({reason}): {_shown(str(path))}"
    if not content:
        return f"is an empty file: {path}"
    problem = _parse_key(content)
    return f"{problem}: {path}" if isinstance(problem, str) else problem


def _parse_key(text: str) -> RSAPrivateKey | str:  # noqa: PLR0911  one return per kind of mistake
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415  loading it takes 50 ms
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey  # noqa: PLC0415  loading it takes 50 ms
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415  loading it takes 50 ms

    # Environment variables and YAML often have line ends as two characters.
    text = text.replace("\\r", "").replace("\\n", "\n").strip()
    if "CERTIFICATE-----" in text and "PRIVATE KEY-----" not in text:
        return "is a certificate, not a private key"
    if "PUBLIC KEY-----" in text and "PRIVATE KEY-----" not in text:
        return "is a public key; the application's private key is needed"
    if "ENCRYPTED" in text:
        return "is encrypted; give it without a passphrase"
    try:
        key = load_pem_private_key(text.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return "is damaged or no private key in PEM form"
    if not isinstance(key, RSAPrivateKey):
        return "is no RSA key, and the API only takes RS256"
    if key.key_size < MIN_KEY_BITS:
        return f"is too small: {key.key_size} bits, at least {MIN_KEY_BITS} are needed"
    return key


def _shown(text: str) -> str:
    # A supposed path may be a key that lost its first line.
    looks_secret = len(text) > MAX_SHOWN_LENGTH or re.search(r"[A-Za-z0-9+/]{60,}", text)
    return "(not shown)" if looks_secret else repr(text)
