"""Error answers, word for word as the contract has them (4.3, 4.4)."""

from __future__ import annotations

from hashlib import md5

from conv_analytics.sandbox.wire import Json, Reply, encode

DOCS = "https://developer.nexmo.com/api/conversation"
# code -> (HTTP status, title, detail)
KNOWN: dict[str, tuple[int, str, str]] = {
    "http:error:validation-fail": (400, "Bad request.", "The request did not pass validation."),
    "conversation:error:member-already-joined": (400, "Bad request.", "The member has joined already."),
    "conversation:error:maximum-number-of-members": (400, "Bad request.", "100 members are the most."),
    "conversation:error:not-allowed": (400, "Bad request.", "The conversation is not active."),
    "event:error:delete-not-allowed": (400, "Bad request.", "Only message and custom events can go."),
    "paginator-builder:error:invalid-cursor": (400, "Bad request.", "The cursor is not usable."),
    "conversation:error:invalid-member-state": (400, "Conflict.", "The member's state does not allow this."),
    "system:error:invalid-token": (401, "Unauthorized.", "The token was not accepted."),
    "system:error:expired-token": (401, "Unauthorized.", "The token is too old."),
    "system:error:missing-token": (401, "Unauthorized.", "There is no token."),
    "conversation:error:not-found": (404, "Not found.", "No such conversation, or no access."),
    "conversation:error:member-not-found": (404, "Not found.", "No such member, or no access."),
    "event:error:not-found": (404, "Not found.", "No such event, or no access."),
    "user:error:not-found": (404, "Not found.", "No such user, or no access."),
    "http:error:not-found": (404, "Not found.", "There is nothing at this path."),
    "http:error:method-not-allowed": (405, "Method not allowed.", "This path does not take that method."),
    "conversation:error:duplicate-name": (409, "Conflict.", "The name is taken."),
    "system:error:internal-error": (500, "Internal Error.", "Unexpected failure."),
}


def problem(code: str, invalid: dict[str, str] | None = None, *, about: str = "") -> Reply:
    """Answer with an error of the catalogue; `invalid` maps parameter names to reasons."""
    status, title, detail = KNOWN[code]
    body: Json = {
        "title": title,
        "type": f"{DOCS}#{code}",
        "code": code,
        "detail": detail,
        "instance": md5(f"{code} {about}".encode(), usedforsecurity=False).hexdigest(),
    }
    if invalid:
        body["invalid_parameters"] = [{"name": name, "reason": reason} for name, reason in invalid.items()]
    return Reply(status, encode(body))


class ProblemError(Exception):
    """Stop answering and send this reply instead."""

    def __init__(self, code: str, reply: Reply) -> None:
        """Name the error by its code."""
        super().__init__(code)
        self.reply = reply


def refusal(*, code: str, about: str = "") -> ProblemError:
    """Make the error to raise for a code of the catalogue."""
    return ProblemError(code, problem(code, about=about))


def not_valid(invalid: dict[str, str], about: str) -> ProblemError:
    """Make the error to raise when parameters are invalid: a reason by name."""
    code = "http:error:validation-fail"
    return ProblemError(code, problem(code, invalid, about=about))


def gateway(slug: str, title: str, detail: str) -> bytes:
    """Write an error as the gateway in front of the API does: no `code` (contract 4.3)."""
    kind = f"https://developer.nexmo.com/api-errors#{slug}"
    instance = md5(slug.encode(), usedforsecurity=False).hexdigest()
    return encode({"type": kind, "title": title, "detail": detail, "instance": instance})
