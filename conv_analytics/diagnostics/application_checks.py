"""Checks of the application's settings, which need the account's key and secret; and of a listener."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import urlsplit

import httpx

from conv_analytics.api import BasicAuth
from conv_analytics.api.failures import TRANSPORT_EXCEPTIONS
from conv_analytics.api.route import route_to
from conv_analytics.dataset.maintenance.finding import Finding
from conv_analytics.diagnostics.connection_checks import client_of
from conv_analytics.diagnostics.setup import NIGHTLY, Setup, error, of_error, ok, skipped, warning
from conv_analytics.errors import APIError, AuthError, ConfigError, NotFound, TransportError
from conv_analytics.errors.redaction import HiddenText, shorten
from conv_analytics.errors.skew import duration
from conv_analytics.markup import line
from conv_analytics.private_key import fingerprint_of, unquoted
from conv_analytics.resources.application import Application, VoiceCapability, Webhook, get_application
from conv_analytics.settings import DEFAULT_BASE_URL, is_loopback

#: Default lifetime of a named conversation, from its creation. [h]
CONVERSATIONS_TTL_H = 48
#: How long legs are kept by default. [d]
LEG_PERSISTENCE_DAYS = 2
#: What lives for less than this many periods can come and go between two runs.
LEAST_PERIODS = 2
#: A nightly job starts some minutes earlier or later; two days are two nights all the same.
TOLERANCE = 0.95
#: Events that wait longer are held up by a failing commit or a locked folder. [s]
LONG_WAIT_S = 3600

#: Names of the account's key and secret, in the environment and in the settings.
_ACCOUNT = {"VONAGE_API_KEY": "api_key", "VONAGE_API_SECRET": "api_secret"}
_NO_SETTINGS = "the application's settings were not read"
_LISTEN = "Only webhooks bring the events of conversations that expire before a run comes: see conv-analytics listen."


def account(setup: Setup) -> Iterator[Finding]:
    """Whether the account's key and secret are accepted, and the application belongs to the account."""
    pair = [setup.values.get(name) for name in _ACCOUNT.values()]
    if setup.application_id is None or setup.base_url is None or not setup.reachable:
        yield skipped("application id, host, proxy or certificates are wrong")
        return
    if isinstance(setup.failure, TransportError):
        yield skipped("the API was not reached")
        return
    if pair[0] is None or pair[1] is None:
        missing = [name for name, value in zip(_ACCOUNT, pair, strict=True) if value is None]
        yield skipped(f"with {' and '.join(missing)} set, the application's settings would be checked")
        return
    # Regional hosts do not have the API of applications.
    host = urlsplit(setup.base_url).hostname or ""
    base_url = DEFAULT_BASE_URL if host.endswith(".vonage.com") else setup.base_url
    user, password = (HiddenText(unquoted(each.value.reveal())) for each in pair if each)
    auth = BasicAuth(user, password, base_url)
    try:
        with client_of(setup, auth, base_url) as client:
            setup.application = client.fetch(get_application(setup.application_id))
    except AuthError as failure:
        advice = f"They are from {pair[0].source} and {pair[1].source}; the dashboard shows them under API settings."
        yield error(f"the account's key and secret were refused ({failure.status})", advice)
        return
    except NotFound:
        advice = f"Are key and secret ({pair[0].source}) those of the account that the application belongs to?"
        yield error("the account has no such application", advice)
        return
    except APIError as failure:
        yield of_error(failure)
        return
    yield ok(f"the application is {line(shorten(setup.application.name or 'one without a name'))!r}")


def key_pair(setup: Setup) -> Iterator[Finding]:
    """Whether the private key matches the application's public key."""
    public = setup.application and setup.application.keys and setup.application.keys.public_key
    if not public or setup.key is None:
        yield skipped(_NO_SETTINGS if setup.key else "there is no private key")
        return
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey  # noqa: PLC0415  loading it takes 50 ms
    from cryptography.hazmat.primitives.serialization import load_pem_public_key  # noqa: PLC0415  the same

    try:
        known = load_pem_public_key(public.encode())
    except ValueError:
        yield skipped("the application's public key cannot be read")
        return
    if isinstance(known, RSAPublicKey) and fingerprint_of(known) == fingerprint_of(setup.key):
        yield ok("the private key is that of the application")
    else:
        advice = "Download the private key of this application; if it is lost, make a new pair in the dashboard."
        yield error("the private key does not belong to the application's public key", advice)


def lifetimes(setup: Setup) -> Iterator[Finding]:
    """Whether exports run often enough for the platform's retention."""
    voice = _voice(setup.application)
    period = setup.period or NIGHTLY
    every = (
        f"exports run every {duration(period.total_seconds())}" if setup.period else "exports should run every night"
    )
    hours, assumed = CONVERSATIONS_TTL_H, "" if setup.application else " (the default; the setting was not read)"
    if voice and voice.conversations_ttl is not None:
        hours = voice.conversations_ttl
    days = voice.leg_persistence_time if voice and voice.leg_persistence_time is not None else LEG_PERSISTENCE_DAYS
    lives = f"named conversations live {hours} h from their creation{assumed}, and {every}"
    # In older applications 0 means "for ever".
    least_h = LEAST_PERIODS * period / timedelta(hours=1) * TOLERANCE
    short = 0 < hours < least_h
    if short:
        often = duration(hours * 3600 / LEAST_PERIODS)
        advice = f"Set conversations_ttl to {math.ceil(least_h)} h or more, or export at least every {often}. {_LISTEN}"
        yield warning(f"{lives}: what happens in their last hours is not exported", advice)
    if setup.application and 0 < days * 24 < least_h:
        advice = f"Set it to {math.ceil(least_h / 24)} d or more: calls are compared by it."
        yield warning(f"legs are kept {days} d (leg_persistence_time), and {every}", advice)
    elif not short:
        yield ok(lives)


def webhooks(setup: Setup) -> Iterator[Finding]:
    """Whether webhooks for events are set, and can be reached."""
    if setup.application is None:
        yield skipped(_NO_SETTINGS)
        return
    voice, able = _voice(setup.application), setup.application.capabilities
    rtc = able.rtc.webhooks.event_url if able and able.rtc and able.rtc.webhooks else None
    calls = voice.webhooks.event_url if voice and voice.webhooks else None
    if not _address(rtc):
        what = "rtc has no event_url: the end of calls without a named conversation is never seen"
        yield warning(what, f"Set it to a listener's address. {_LISTEN}")
    hosts = []
    for name, webhook in (("rtc", rtc), ("voice", calls)):
        address = _address(webhook)
        if not address:
            continue
        problem = _unreachable(address)
        if problem:
            yield warning(f"the event_url of {name} {problem}", "Set it to an https address that the internet reaches.")
        if webhook and webhook.http_method and webhook.http_method.upper() == "GET" and name == "rtc":
            yield warning("the event_url of rtc is called with GET", "Set its method to POST.")
        hosts.append(f"{name} to {urlsplit(address).hostname}")
    if hosts:
        yield ok(f"events are reported: {', '.join(hosts)}")


def signatures(setup: Setup) -> Iterator[Finding]:
    """Whether webhooks are signed, so that a listener can tell them from forged ones."""
    if setup.application is None or setup.application.capabilities is None:
        yield skipped(_NO_SETTINGS)
        return
    able = setup.application.capabilities
    parts = (("voice", able.voice), ("rtc", able.rtc))
    unsigned = [name for name, part in parts if part is not None and part.signed_callbacks is False]
    if unsigned:
        advice = "Switch that on in the dashboard; until then a listener takes them with --unsigned record only."
        yield warning(f"webhooks of {' and '.join(unsigned)} are not signed", advice)
    else:
        yield ok("webhooks are signed")


def listener(setup: Setup) -> Iterator[Finding]:
    """Whether a listener reports that it is healthy."""
    if setup.listener is None:
        yield skipped("no listener was named")
        return
    url = setup.listener if setup.listener.rstrip("/").endswith("/healthz") else f"{setup.listener.rstrip('/')}/healthz"
    advice = "Look at its log; while it is away, events are lost. Is it the address of conv-analytics listen?"
    try:
        with httpx.Client(transport=route_to(url).blocking(), timeout=setup.timeout_s) as client:
            answer = client.get(url)
    except ConfigError as problem:
        yield of_error(problem)
    except (httpx.HTTPError, *TRANSPORT_EXCEPTIONS) as problem:
        yield error(f"{url} gave no answer: {shorten(str(problem) or type(problem).__name__)}", advice)
    else:
        waiting = _waiting(answer) if answer.is_success else 0.0
        if waiting > LONG_WAIT_S:
            what = f"{url} answers, and events wait since {duration(waiting)} for their commit"
            yield warning(what, "They are safe. Does a run hold the folder, or is its disk full?")
        elif answer.is_success:
            yield ok(f"{url} answers {answer.status_code}")
        else:
            yield error(f"{url} answers {answer.status_code}: {shorten(answer.text)}".rstrip(": "), advice)


def _waiting(answer: httpx.Response) -> float:
    """How long the oldest event of a listener has waited for its commit [s]; 0 if the listener does not say."""
    try:
        seconds = answer.json().get("oldest_uncommitted_s")
        return float(seconds or 0.0)
    except (ValueError, TypeError, AttributeError):
        return 0.0


def _voice(application: Application | None) -> VoiceCapability | None:
    able = application.capabilities if application else None
    return able.voice if able else None


def _address(webhook: Webhook | None) -> str:
    return (webhook.address or "").strip() if webhook else ""


def _unreachable(address: str) -> str:
    """Why the platform cannot or should not reach an address; empty if it can."""
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
    except ValueError:
        return "is not a URL"
    if parts.scheme not in {"http", "https"} or not host:
        return "is not a URL"
    if is_loopback(host):
        return f"leads to {host}, which is this machine for whoever asks"
    if host == "example.com" or host.endswith((".example.com", ".example")):
        return f"leads to {host}, an address of examples"
    return "is called without TLS" if parts.scheme == "http" else ""


__all__ = ["account", "key_pair", "lifetimes", "listener", "signatures", "webhooks"]
