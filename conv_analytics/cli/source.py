"""Flags for the API: which application, how many requests at which pace; and the client they describe."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from conv_analytics.defaults import CONCURRENCY, MAX_RETRY_AFTER_S, RATE, RETRIES, TIMEOUT_S
from conv_analytics.errors import ConfigError

if TYPE_CHECKING:
    from conv_analytics.api import Conversations


def add_connection(group: argparse._ArgumentGroup, *, several: bool = False) -> None:
    """Declare the host, or several, and the credentials."""
    host = "host of the API, or a region: us, eu, ap"
    if several:
        group.add_argument("--base-url", metavar="URL", action="append", help=f"{host}; repeat it for further hosts")
    else:
        group.add_argument("--base-url", metavar="URL", help=host)
    group.add_argument("--application-id", metavar="ID", help="the Vonage application")
    group.add_argument("--private-key", metavar="PATH", help="its RSA private key in PEM form")


def add_pace(group: argparse._ArgumentGroup) -> None:
    """Declare pace, retries and timeouts."""
    add = group.add_argument
    add("--rate", metavar="N", type=float, default=RATE, help=f"maximum requests per second; 0: no limit ({RATE:g})")
    add("--concurrency", metavar="N", type=int, default=CONCURRENCY, help=f"maximum requests in flight ({CONCURRENCY})")
    add("--retries", metavar="N", type=int, default=RETRIES, help=f"how often a failed request is repeated ({RETRIES})")
    add(
        "--max-retry-after",
        metavar="S",
        type=float,
        default=MAX_RETRY_AFTER_S,
        help=f"longest Retry-After that is obeyed, in seconds ({MAX_RETRY_AFTER_S:g}); 0: any",
    )
    add("--timeout", metavar="S", type=float, default=TIMEOUT_S, help=f"seconds to wait for a response ({TIMEOUT_S:g})")


def check_pace(options: argparse.Namespace) -> None:
    """Raise `ConfigError` for a negative number; the exporter checks the rest."""
    for name in ("retries", "timeout", "max_retry_after"):
        if not getattr(options, name) >= 0:
            raise ConfigError(f"--{name.replace('_', '-')} is {getattr(options, name)}; it must be 0 or more.")


def client_of(options: argparse.Namespace) -> Conversations:
    """The client that the flags describe."""
    from conv_analytics.api import Conversations, Retry

    return Conversations(
        options.application_id,
        options.private_key,
        base_url=options.base_url,
        retries=Retry(repeats=options.retries, max_retry_after_s=options.max_retry_after or None),
        timeout=options.timeout,
    )
