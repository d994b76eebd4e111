"""Checks that send nothing: application id, private key, host, proxy and certificates."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from conv_analytics.api.proxy import proxy_for
from conv_analytics.api.tls import VARIABLES, ssl_context
from conv_analytics.dataset.maintenance.finding import Finding
from conv_analytics.diagnostics.setup import Setup, error, of_error, ok, skipped, warning
from conv_analytics.errors import ConfigError
from conv_analytics.privacy import exposed
from conv_analytics.private_key import fingerprint_of, key_file, private_key_of, shown_value, unquoted
from conv_analytics.settings import host_of

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_NO_WAY = "there is no host to reach"


def application_id(setup: Setup) -> Iterator[Finding]:
    """Whether there is an application id, and it looks like one."""
    value = setup.values.get("application_id")
    if setup.signer is not None:
        setup.application_id = setup.signer.application_id
        yield ok(f"{setup.application_id}, of the client of the package vonage")
        return
    if value is None:
        advice = "Give application_id= or set VONAGE_APPLICATION_ID; it is in the dashboard, under Applications."
        yield error("there is none in the arguments, the environment or the Vonage CLI's files", advice)
        yield from _unread_files(setup)
        return
    identity = unquoted(value.value.reveal())
    shown = f"{shown_value(identity)} (from {value.source})"
    if not re.fullmatch(r"[\w.-]+", identity):
        yield error(f"{shown} is not an application id", "Give the application's UUID, as the dashboard shows it.")
        return
    setup.application_id = identity
    if _UUID.fullmatch(identity):
        yield ok(f"{identity} (from {value.source})")
    else:
        yield warning(f"{shown} is not a UUID", "Compare it with the dashboard: account keys and names are not ids.")


def private_key(setup: Setup) -> Iterator[Finding]:
    """Whether there is a private key of a kind that the API accepts and that nobody else can read."""
    if setup.signer is not None:
        yield skipped("the client of the package vonage signs the tokens")
        return
    value = setup.values.get("private_key")
    if value is None:
        advice = "Give private_key= (a path), or set VONAGE_PRIVATE_KEY to a path or the PEM text."
        yield error("there is none in the arguments, the environment or the Vonage CLI's files", advice)
        return
    try:
        setup.key = private_key_of(value.value, value.source)
    except ConfigError as problem:
        yield of_error(problem, "The dashboard gives a private key only once; where it is lost, make a new pair there.")
        return
    path = key_file(value.value)
    where = f"{value.source}, {shown_value(str(path))}" if path else value.source
    yield ok(f"RSA, {setup.key.key_size} bits, {fingerprint_of(setup.key)} (from {where})")
    if path and exposed(path):
        yield warning(f"{path} can be read by every user of this machine", f"Run: chmod 600 {path}")


def host(setup: Setup) -> Iterator[Finding]:
    """The host or region to use."""
    try:
        setup.base_url, source = host_of(setup.values)
    except ConfigError as problem:
        yield of_error(problem, "Give a region (us, eu, ap), or leave it out for https://api.nexmo.com.")
        return
    yield ok(f"{setup.base_url} (from {source})" if source != "default" else f"{setup.base_url} (the default)")


def proxy(setup: Setup) -> Iterator[Finding]:
    """The proxy for the host."""
    if setup.base_url is None:
        yield skipped(_NO_WAY)
        return
    try:
        used = proxy_for(setup.base_url)
    except ConfigError as problem:
        setup.reachable = False
        yield of_error(problem, "Where no proxy is needed, unset it.")
        return
    yield ok(f"{used.url} (from {used.source})" if used else "none is used")


def certificates(setup: Setup) -> Iterator[Finding]:
    """The trusted certificates."""
    if setup.base_url is None:
        yield skipped(_NO_WAY)
        return
    if not setup.base_url.startswith("https:"):
        yield ok("not needed: the host is this machine, without TLS")
        return
    try:
        ssl_context(setup.env)
    except ConfigError as problem:
        setup.reachable = False
        yield of_error(problem, "Where the certificates of the package certifi do, unset it.")
        return
    name = next((each for each in VARIABLES if setup.env.get(each)), None)
    yield ok(f"those of {name} are trusted" if name else "those of the package certifi are trusted")


def _unread_files(setup: Setup) -> Iterator[Finding]:
    """The Vonage CLI's file in the working folder, if it exists but cannot be read."""
    path = setup.cwd / ".vonagerc"
    if not path.exists():
        return
    try:
        json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError):
        yield warning(f"{path} cannot be read as JSON", "Write it again with: vonage auth set")


__all__ = ["application_id", "certificates", "host", "private_key", "proxy"]
