"""The trusted certificates: those that the environment names, else those of the package certifi."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from pathlib import Path

import certifi

from conv_analytics.errors import ConfigError

#: The first one that is set counts. The last two are those of requests and curl, which companies often set.
VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")

_ADVICE = "name a file of certificates in PEM form, or unset it"


def ssl_context(env: Mapping[str, str] | None = None) -> ssl.SSLContext:
    """The TLS settings: certificates are checked against those that the environment trusts.

    Raises a `ConfigError` that names the variable when its file or folder cannot be used.

    >>> ssl_context({}).verify_mode.name
    'CERT_REQUIRED'
    """
    env = os.environ if env is None else env
    name = next((each for each in VARIABLES if env.get(each)), None)
    if name is None:
        return _context("SSLKEYLOGFILE", cafile=certifi.where())
    place = env[name]
    if name == "SSL_CERT_DIR":
        # OpenSSL takes several folders, and checks them only when it looks for a certificate.
        if not any(Path(each).is_dir() for each in place.split(os.pathsep)):
            raise ConfigError(f"{name} names a folder that does not exist: {place!r}. Name one, or unset it.")
        return _context(name, capath=place)
    return _context(name, capath=place) if Path(place).is_dir() else _context(name, cafile=place)


def _context(source: str, *, cafile: str | None = None, capath: str | None = None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=cafile, capath=capath)
    except ssl.SSLError:
        raise ConfigError(f"{source} names a file without certificates: {cafile!r}; {_ADVICE}.") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
        # Without a variable for certificates, only the one for the TLS key log can be wrong.
        shown = "" if source == "SSLKEYLOGFILE" else f": {cafile!r}"
        raise ConfigError(f"{source} names a file that cannot be used ({reason}){shown}; {_ADVICE}.") from None
