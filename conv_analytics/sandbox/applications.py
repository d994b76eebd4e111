"""The account and its applications: `GET /v2/applications` and `GET /v2/applications/{id}` (contract 2)."""

from __future__ import annotations

import base64
import binascii
import hmac
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from conv_analytics.sandbox.wire import Json, Reply, Request, encode, ok
from conv_analytics.sandbox.world.dice import Dice

if TYPE_CHECKING:
    from collections.abc import Callable

DOCS = "https://developer.nexmo.com/api-errors"
LARGEST_PAGE, DEFAULT_PAGE = 100, 10
PROBLEM = "application/problem+json"
PLACEHOLDER_KEY = "-----BEGIN PUBLIC KEY-----\n(not shown)\n-----END PUBLIC KEY-----\n"


@dataclass(frozen=True, slots=True)
class Account:
    """An account with its key and secrets; the repr shows no secret."""

    api_key: str
    api_secret: str = field(repr=False)
    signature_secret: str = field(repr=False)

    @classmethod
    def of(cls, seed: int, signature_secret: str | None = None) -> Account:
        """Draw the account of a world."""
        dice = Dice(seed, "account")
        key, secret, signature = dice.hex32()[:8], dice.hex32()[:16], dice.hex32() + dice.hex32()
        return cls(key, secret, signature_secret or signature)


@dataclass(slots=True, kw_only=True)
class ApplicationSettings:
    """The settings of the sandbox's application; an empty URL is one that is not set."""

    name: str = "Sandbox"
    rtc_event_url: str = ""
    rtc_signed: bool = True
    voice_event_url: str = ""
    voice_event_method: str = "POST"
    voice_signed: bool = True
    answer_url: str = "https://hooks.example.net/answer"
    conversations_ttl: int | str | None = 48
    """Lifetime of named conversations [h]; None leaves it out."""
    leg_persistence_time: int | str | None = 2
    """How long legs are kept [days]; None leaves it out."""
    region: str | None = "eu-west"
    voice: bool = True
    """Whether it has the capability at all."""
    rtc: bool = True
    old_names: bool = False
    """Write `connection_timeout` and texts for numbers, as older answers do (L36)."""

    def resource(self, application_id: str) -> Json:
        """Write the application."""
        capabilities: Json = {}
        if self.voice:
            capabilities["voice"] = self._voice()
        if self.rtc:
            event = {"address": self.rtc_event_url, "http_method": "POST"}
            capabilities["rtc"] = {"webhooks": {"event_url": event} if self.rtc_event_url else {},
                                   "signed_callbacks": self.rtc_signed}  # fmt: skip
        return {
            "id": application_id, "name": self.name, "keys": {"public_key": PLACEHOLDER_KEY},
            "privacy": {"improve_ai": False}, "capabilities": capabilities,
            "_links": {"self": {"href": f"/v2/applications/{application_id}"}},
        }  # fmt: skip

    def _voice(self) -> Json:
        connect = "connection_timeout" if self.old_names else "connect_timeout"
        webhooks: Json = {
            "answer_url": {"address": self.answer_url, "http_method": "GET", connect: 1000, "socket_timeout": 5000},
            "fallback_answer_url": {"address": "", "http_method": "GET"},
        }
        if self.voice_event_url:
            webhooks["event_url"] = {"address": self.voice_event_url, "http_method": self.voice_event_method,
                                     connect: 1000, "socket_timeout": 10_000}  # fmt: skip
        lifetimes = {"conversations_ttl": self.conversations_ttl, "leg_persistence_time": self.leg_persistence_time,
                     "region": self.region}  # fmt: skip
        spelled = {
            name: str(value) if self.old_names else value for name, value in lifetimes.items() if value is not None
        }
        signed: object = "true" if self.old_names and self.voice_signed else self.voice_signed
        return {"webhooks": webhooks, "signed_callbacks": signed, **spelled}


class Applications:
    """Answers about the account's applications; it has two more, of other people."""

    def __init__(self, account: Account, application_id: str, settings: Callable[[], ApplicationSettings]) -> None:
        """Serve one application whose settings can change."""
        self._account, self._application_id, self._settings = account, application_id, settings
        dice = Dice(application_id, "applications")
        self._others = {dice.uuid(): ApplicationSettings(name=name, rtc=False) for name in ("Messages only", "Old IVR")}

    def answer(self, request: Request) -> Reply:
        """Answer a request below /v2/applications."""
        if not self._allowed(request.authorization):
            return _problem(401, "application#unauthorized", "Unauthorized", "Invalid credentials supplied")
        if request.method != "GET":
            return _problem(405, "application#wrong-verb", "Method not allowed", "The sandbox only reads applications")
        every = {self._application_id: self._settings(), **self._others}
        match request.path.split("/"):
            case ["", "v2", "applications"]:
                return self._listing(request, every)
            case ["", "v2", "applications", wanted] if wanted in every:
                return ok(every[wanted].resource(wanted))
        return _problem(404, "application#not-found", "Not Found", "Application not found")

    def _listing(self, request: Request, every: dict[str, ApplicationSettings]) -> Reply:
        size, page = _integer_parameter(request, "page_size", DEFAULT_PAGE), _integer_parameter(request, "page", 1)
        invalid = [
            {"name": name, "reason": reason}
            for name, reason, fine in (
                ("page_size", "must be from 1 to 100", size is not None and 1 <= size <= LARGEST_PAGE),
                ("page", "must be at least 1", page is not None and page >= 1),
            )
            if not fine
        ]
        if invalid or size is None or page is None:
            detail = "The request did not pass validation"
            return _problem(400, "application#list-validation", "Bad Request", detail, invalid_parameters=invalid)
        made = [settings.resource(application_id) for application_id, settings in every.items()]
        return ok({
            "page_size": size, "page": page, "total_items": len(made), "total_pages": -(-len(made) // size),
            "_embedded": {"applications": made[(page - 1) * size : page * size]},
            "_links": {"self": {"href": f"/v2/applications?page_size={size}&page={page}"}},
        })  # fmt: skip

    def _allowed(self, authorization: str | None) -> bool:
        scheme, _, text = (authorization or "").partition(" ")
        try:
            plain = base64.b64decode(text.strip(), validate=True)
        except (ValueError, binascii.Error):
            return False
        ours = f"{self._account.api_key}:{self._account.api_secret}".encode()
        return scheme.lower() == "basic" and hmac.compare_digest(plain, ours)


def _integer_parameter(request: Request, name: str, default: int) -> int | None:
    text = request.query.get(name, str(default))
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _problem(status: int, slug: str, title: str, detail: str, **more: object) -> Reply:
    instance = Dice(slug, detail).hex32()
    body = {"type": f"{DOCS}/{slug}", "title": title, "detail": detail, "instance": instance, **more}
    return Reply(status, encode(body), PROBLEM)


__all__ = ["Account", "ApplicationSettings", "Applications"]
