"""Checks that send requests to the API: connection, token, clock, and the list of conversations."""

from __future__ import annotations

from collections.abc import Iterator

import httpx

from conv_analytics.api import Conversations, JWTAuth, Retry
from conv_analytics.api.official_sdk import OfficialSDKAuth
from conv_analytics.dataset.maintenance.finding import Finding
from conv_analytics.diagnostics.setup import Setup, of_error, ok, skipped, warning
from conv_analytics.errors import (
    APIError,
    AuthError,
    ConfigError,
    NotFound,
    StatusError,
    TransportError,
    UnexpectedPayload,
)
from conv_analytics.errors.skew import clock_remark, duration
from conv_analytics.instants import utc_text
from conv_analytics.resources import Conversation
from conv_analytics.settings import Settings

#: Somebody is waiting: a failed request is repeated only once.
ONCE_MORE = Retry(repeats=1)
_SERVER_ERRORS = 500
_NOT_ASKED = "the API was not reached"
_OTHER_HOST = "Is it the host of the Conversation API? Leave base_url= out, or give a region: us, eu, ap."


def connection(setup: Setup) -> Iterator[Finding]:
    """Whether the host answers as the Conversation API does."""
    if setup.base_url is None or not setup.reachable:
        yield skipped("host, proxy or certificates are wrong")
        return
    try:
        setup.auth = _auth(setup)
    except ConfigError as problem:
        yield of_error(problem)
    try:
        with client_of(setup, setup.auth or httpx.Auth()) as client:
            setup.newest = client.get_conversation_page(page_size=1, order="desc")
    except (NotFound, UnexpectedPayload) as failure:
        setup.failure = failure
        yield of_error(failure, _OTHER_HOST)
    except AuthError as failure:
        setup.failure = failure
        yield ok(f"{setup.base_url} answers")
    except StatusError as failure:
        setup.failure = failure
        later = failure.status >= _SERVER_ERRORS
        yield of_error(failure, "" if later else _OTHER_HOST)
    except APIError as failure:
        setup.failure = failure
        yield of_error(failure)
    else:
        yield ok(f"{setup.base_url} answers")


def token(setup: Setup) -> Iterator[Finding]:
    """Whether the API accepts a token of the application."""
    if setup.auth is None:
        yield skipped("without application id and private key there is no token")
    elif setup.newest is not None:
        yield ok("accepted")
    elif isinstance(setup.failure, AuthError):
        yield of_error(setup.failure, _mixed(setup))
    else:
        yield skipped(_NOT_ASKED)


def clock(setup: Setup) -> Iterator[Finding]:
    """Whether this machine's clock agrees with the API's."""
    if setup.auth is None or (setup.newest is None and isinstance(setup.failure, TransportError | None)):
        yield skipped(_NOT_ASKED)
        return
    remark = clock_remark(setup.auth.clock.offset_s)
    if remark:
        what, _, advice = remark.partition("; ")
        advice = f"{advice[:1].upper()}{advice[1:]}: exports correct for it, but the age of webhooks is judged by it."
        yield warning(what, advice)
    else:
        yield ok("that of the API, within half a minute")


def conversations(setup: Setup) -> Iterator[Finding]:
    """The newest and the oldest conversation that the API lists."""
    if setup.newest is None:
        yield skipped("the list was not read")
        return
    if not setup.newest.conversations:
        advice = (
            "Calls outside named conversations are never listed after their end: receive their events"
            " (conv-analytics listen). Is it the right application and region?"
        )
        yield warning("the API lists none", advice)
        return
    try:
        with client_of(setup, setup.auth or httpx.Auth()) as client:
            oldest = client.get_conversation_page(page_size=1, order="asc")
    except APIError as failure:
        yield of_error(failure)
        return
    ends = [_age(setup, page.conversations[0]) for page in (setup.newest, oldest) if page.conversations]
    yield ok(f"the newest is {ends[0]}, the oldest {ends[-1]}")


def client_of(setup: Setup, auth: httpx.Auth, base_url: str | None = None) -> Conversations:
    """A client of the host, or of another host, with this authentication."""
    settings = Settings(base_url or setup.base_url or "", minted_for=setup.application_id)
    return Conversations(settings=settings, auth=auth, timeout=setup.timeout_s, retries=ONCE_MORE)


def _auth(setup: Setup) -> JWTAuth | OfficialSDKAuth | None:
    origin = setup.base_url or ""
    if setup.signer is not None:
        signing = OfficialSDKAuth(setup.signer.auth, origin=origin)
        # A key that cannot sign raises here.
        signing.header()
        return signing
    if setup.application_id is None or setup.key is None:
        return None
    return JWTAuth(setup.application_id, setup.key, origin=origin)


def _mixed(setup: Setup) -> str:
    """A remark on application id and key that come from different places, such as a variable and a file."""
    pair = [setup.values.get(name) for name in ("application_id", "private_key")]
    sources = [each.source for each in pair if each]
    # Names of variables are in capitals, those of arguments end with "=".
    kinds = {source.isupper() or source[-1:] == "=" or source for source in sources}
    if len(kinds) < len(sources):
        return ""
    return f"The id is from {sources[0]} and the key from {sources[1]}: are they of one application?"


def _age(setup: Setup, conversation: Conversation) -> str:
    created = conversation.timestamp.created if conversation.timestamp else None
    if created is None:
        return "of a time that the API does not tell"
    return f"of {utc_text(created, 'minutes')} ({duration((setup.now - created).total_seconds())} old)"


__all__ = ["client_of", "clock", "connection", "conversations", "token"]
