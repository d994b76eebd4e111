"""The input of the checks, and the results that earlier checks pass on to later ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from conv_analytics.dataset.maintenance.finding import Finding, Level
from conv_analytics.dataset.storage.history import runs
from conv_analytics.errors import ConvAnalyticsError
from conv_analytics.errors.redaction import redact
from conv_analytics.settings import SourcedValue

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    from conv_analytics.api.auth import TokenAuth
    from conv_analytics.api.official_sdk import Signer
    from conv_analytics.dataset import Commit
    from conv_analytics.errors import APIError
    from conv_analytics.resources import ConversationPage
    from conv_analytics.resources.application import Application

#: Number of runs whose medians tell how often an export runs and how much it adds.
LAST_RUNS = 7
#: How often an export runs where the folder does not show it.
NIGHTLY = timedelta(days=1)


@dataclass
class Setup:
    """The subject of a diagnosis. The checks fill in the second half, in the order in which they run."""

    values: Mapping[str, SourcedValue]
    """Credentials and host as they were found, unchecked."""
    dest: Path | None
    listener: str | None
    timeout_s: float
    now: datetime
    env: Mapping[str, str]
    cwd: Path
    signer: Signer | None = None
    """A client of Vonage's own library, used instead of a key."""

    base_url: str | None = None
    """The host of the API; None where it cannot be used."""
    application_id: str | None = None
    key: RSAPrivateKey | None = field(default=None, repr=False)
    reachable: bool = True
    """Whether proxy and certificates are usable, so that the API can be reached at all."""
    auth: TokenAuth | None = None
    newest: ConversationPage | None = None
    """The page with the newest conversation: the first request that is sent."""
    failure: APIError | None = None
    """Why there is no such page."""
    commits: tuple[Commit, ...] | None = None
    """The runs of the folder; None where there is no folder, or it cannot be read."""
    application: Application | None = None
    """The application's settings; None where they cannot be read."""

    @property
    def requested(self) -> list[dict[str, Any]]:
        """The exports into the folder, oldest first, without compactions and replays."""
        return [run for run in runs(self.commits or ()) if run["requests"]]

    @property
    def exports(self) -> list[dict[str, Any]]:
        """Those without an explicit window, as a job starts them regularly."""
        return [run for run in self.requested if not run["since"] and not run["until"]]

    @property
    def period(self) -> timedelta | None:
        """How often an export runs; None if there were too few runs to tell."""
        starts = sorted(datetime.fromisoformat(run["at"]) for run in self.exports[-LAST_RUNS - 1 :])
        gaps = [(later - earlier).total_seconds() for earlier, later in pairwise(starts)]
        # Two runs may be one run and its repetition.
        return timedelta(seconds=median(gaps)) if len(gaps) > 1 else None


Check = Callable[[Setup], Iterator[Finding]]


def ok(what: str) -> Finding:
    """Something that is as it should be."""
    return Finding(Level.OK, what)


def warning(what: str, advice: str) -> Finding:
    """Something that works today but may cause data loss."""
    return Finding(Level.WARNING, what, advice=advice)


def error(what: str, advice: str) -> Finding:
    """Something that makes an export fail or be incomplete."""
    return Finding(Level.ERROR, what, advice=advice)


def skipped(why: str) -> Finding:
    """A check that could not run."""
    return Finding(Level.SKIPPED, why)


def of_error(problem: ConvAnalyticsError, advice: str = "") -> Finding:
    """An error of this package as a finding: its first sentence says what is wrong, the others what to do."""
    what, _, rest = redact(str(problem)).rstrip(".").partition(". ")
    return error(what, " ".join(filter(None, [f"{rest}." if rest else "", advice])))


__all__ = [
    "LAST_RUNS",
    "NIGHTLY",
    "Check",
    "Setup",
    "error",
    "of_error",
    "ok",
    "skipped",
    "warning",
]
