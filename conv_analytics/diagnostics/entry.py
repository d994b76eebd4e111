"""`doctor`: runs every check; a failing check does not stop the others."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

from conv_analytics.api.official_sdk import OfficialClient, signer_of
from conv_analytics.dataset.maintenance.finding import Finding
from conv_analytics.diagnostics import application_checks as application
from conv_analytics.diagnostics import connection_checks as api
from conv_analytics.diagnostics import credential_checks as credentials
from conv_analytics.diagnostics import folder_checks as folder
from conv_analytics.diagnostics.diagnosis import Diagnosis
from conv_analytics.diagnostics.setup import Check, Setup, error
from conv_analytics.errors import ConfigError
from conv_analytics.errors.redaction import redact
from conv_analytics.paths import expand_user
from conv_analytics.private_key import Secret
from conv_analytics.settings import find_values

TIMEOUT_S = 10.0

#: Every check with its name, in the order in which they run: later ones build on what earlier ones found.
CHECKS: tuple[tuple[str, Check], ...] = (
    ("application id", credentials.application_id),
    ("private key", credentials.private_key),
    ("host", credentials.host),
    ("proxy", credentials.proxy),
    ("certificates", credentials.certificates),
    ("connection", api.connection),
    ("token", api.token),
    ("clock", api.clock),
    ("conversations", api.conversations),
    ("folder", folder.folder),
    ("lock", folder.lock),
    ("last runs", folder.last_runs),
    ("quarantine", folder.quarantined),
    ("mask", folder.mask),
    ("disk space", folder.disk_space),
    ("account", application.account),
    ("key pair", application.key_pair),
    ("lifetimes", application.lifetimes),
    ("webhooks", application.webhooks),
    ("signatures", application.signatures),
    ("listener", application.listener),
)


def doctor(
    dest: str | Path | None = None,
    *,
    application_id: str | OfficialClient | None = None,
    private_key: str | Path | None = None,
    base_url: str | None = None,
    listener: str | None = None,
    timeout: float = TIMEOUT_S,
) -> Diagnosis:
    """Check everything that a nightly export needs, and say what to do about each fault.

    A fault is a finding, never an exception: `doctor` works without a network, a folder or a key. At most six requests
    are sent, and nothing is written. With ``VONAGE_API_KEY`` and ``VONAGE_API_SECRET`` set, the application's settings
    are checked, too.

    Parameters
    ----------
    dest
        The folder of the export; without it, the checks of a folder are skipped.
    application_id, private_key, base_url
        As for `Conversations`.
    listener
        Address of a running ``conv-analytics listen``, whose ``/healthz`` is requested.
    timeout
        Longest time to wait for an answer. [s]

    Returns
    -------
    Diagnosis
        The findings, each ``ok``, ``warning``, ``error`` or ``skipped``; secrets are in none.

    Raises
    ------
    ConfigError
        If `listener` is not a URL, or `timeout` is not above 0.

    Examples
    --------
    >>> from conv_analytics.sandbox import Sandbox
    >>> with Sandbox(conversations=3) as sandbox:
    ...     diagnosis = doctor(
    ...         application_id=sandbox.application_id, private_key=sandbox.key_path, base_url=sandbox.base_url
    ...     )
    >>> diagnosis
    Diagnosis(errors: 0, warnings: 0)
    >>> print(next(finding for finding in diagnosis if finding.where == "token"))
    ok       token: accepted.
    """
    # A traceback that shows the locals of this frame must not show the key's text.
    key = None if private_key is None else Secret(str(private_key))
    del private_key
    if listener is not None and (urlsplit(listener).scheme not in {"http", "https"} or not urlsplit(listener).hostname):
        raise ConfigError(f"listener= must be the URL of a listener, such as http://127.0.0.1:8080, not {listener!r}.")
    if not timeout > 0:
        raise ConfigError(f"timeout= is {timeout}; it must be above 0.")
    official = application_id is not None and not isinstance(application_id, str | UUID)
    signer = signer_of(application_id) if official else None
    identity = None if official or application_id is None else str(application_id)
    setup = Setup(
        values=find_values(identity, key, base_url=base_url or (signer.host if signer else None)),
        dest=None if dest is None else expand_user(dest),
        listener=listener,
        timeout_s=timeout,
        now=datetime.now(UTC),
        env=os.environ,
        cwd=Path.cwd(),
        signer=signer,
    )
    return Diagnosis(tuple(finding for name, check in CHECKS for finding in _checked(name, check, setup)))


def _checked(name: str, check: Check, setup: Setup) -> Iterator[Finding]:
    """The findings of a check, under its name; one that fails is a finding, too."""
    try:
        for finding in check(setup):
            yield replace(finding, where=name)
    except Exception as problem:  # noqa: BLE001  a diagnosis goes on, whatever happens
        what = f"the check itself failed ({redact(f'{type(problem).__name__}: {problem}')})"
        yield replace(error(what, "This is a bug; please report it with the version."), where=name)


__all__ = ["CHECKS", "TIMEOUT_S", "doctor"]
