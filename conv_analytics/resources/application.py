"""An application's settings as the Application API returns them."""

from __future__ import annotations

from conv_analytics.resources.endpoint import Call, path_of
from conv_analytics.resources.links import APILinks
from conv_analytics.resources.record import Record, wire

_APPLICATION = "/v2/applications/{application_id}"


class Webhook(Record):
    """Where the platform sends requests."""

    address: str | None = wire("URL that is called; empty when none is set.")
    http_method: str | None = wire("How it is called; events with `POST`, answers with `GET` when absent.")
    connect_timeout: int | None = wire("Longest wait for a connection.", unit="ms", also="connection_timeout")
    socket_timeout: int | None = wire("Longest wait for an answer.", unit="ms")


class VoiceWebhooks(Record):
    """The webhooks of calls."""

    answer_url: Webhook | None = wire("Where a call's instructions come from.")
    fallback_answer_url: Webhook | None = wire("Where they come from when that fails.")
    event_url: Webhook | None = wire("Where what happens to a call is reported.")


class RTCWebhooks(Record):
    """The webhooks of the Conversation API."""

    event_url: Webhook | None = wire("Where every event of every conversation is reported.")


class VoiceCapability(Record):
    """What an application does with calls."""

    webhooks: VoiceWebhooks | None = wire("Where the platform asks and reports.")
    signed_callbacks: bool | None = wire("Whether webhooks are signed; they are when absent.")
    conversations_ttl: int | None = wire("Life of a named conversation from its creation; 48 when absent.", unit="h")
    leg_persistence_time: int | None = wire("How long legs are kept after their end; 2 when absent.", unit="d")
    region: str | None = wire("Where inbound and SIP calls are handled, such as `eu-west`.")


class RTCCapability(Record):
    """What an application does with conversations."""

    webhooks: RTCWebhooks | None = wire("Where the platform reports.")
    signed_callbacks: bool | None = wire("Whether webhooks are signed; they are when absent.")


class Capabilities(Record):
    """What an application may do."""

    voice: VoiceCapability | None = wire("Calls.")
    rtc: RTCCapability | None = wire("Conversations.")


class ApplicationKeys(Record):
    """The keys of an application."""

    public_key: str | None = wire("What its tokens are checked with, as PEM text.", in_repr=False)


class Application(Record):
    """An application of an account.

    >>> settings = Application.from_wire({"capabilities": {"voice": {"conversations_ttl": "24"}}})
    >>> settings.capabilities.voice.conversations_ttl
    24
    """

    id: str | None = wire("Its UUID.")
    name: str | None = wire("Its name in the dashboard.")
    keys: ApplicationKeys | None = wire("Its keys.")
    capabilities: Capabilities | None = wire("What it may do, and where it reports.")
    links: APILinks | None = wire("Links.", key="_links", loose=True, in_repr=False)


def get_application(application_id: str) -> Call[Application]:
    """Read an application's settings, which takes the account's key and secret (`conv_analytics.api.BasicAuth`).

    Parameters
    ----------
    application_id
        Its UUID.

    Raises
    ------
    AuthError
        Key and secret were refused.
    NotFound
        The account has no such application.

    Examples
    --------
    >>> get_application("c0ffee00-1d0c-4a2b-8a57-6f0e5d1b2a90")
    Call(GET /v2/applications/c0ffee00-1d0c-4a2b-8a57-6f0e5d1b2a90)
    """
    return Call("GET", path_of(_APPLICATION, application_id=application_id), Application.from_wire)


__all__ = [
    "Application",
    "ApplicationKeys",
    "Capabilities",
    "RTCCapability",
    "RTCWebhooks",
    "VoiceCapability",
    "VoiceWebhooks",
    "Webhook",
    "get_application",
]
