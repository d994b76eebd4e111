"""The path of a webhook: sender check, signature check, storage."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from conv_analytics.dataset.storage.inbox import Receipt
from conv_analytics.errors.redaction import shorten
from conv_analytics.live.addresses import AllowedSenders
from conv_analytics.live.asgi import HttpRequest, Memory, Refused, decompressed
from conv_analytics.live.counts import Counts
from conv_analytics.live.recorder import Outcome, Recorder
from conv_analytics.live.secrets import Secrets
from conv_analytics.live.tee import Forwarded, Reply, Tee
from conv_analytics.live.verification import Policy, Request, Verdict, Verification, refusal, verify
from conv_analytics.log import LOGGER, Entry
from conv_analytics.privacy.damaged_json import REFUSED

#: The answers to an event that was stored. A voice event must not be answered with anything that could be an NCCO.
_STORED = {"rtc": 204, "voice": 200}
#: Maximum stored length of a content type. [characters]
_LONGEST_TYPE = 200


class Rules(NamedTuple):
    """The rules by which a listener accepts requests."""

    secrets: Secrets
    application_ids: Collection[str]
    policy: Policy
    senders: AllowedSenders
    max_body: int
    """[B]"""
    in_memory: int
    """The bodies of all requests at once. [B]"""


class _Application(msgspec.Struct):
    application_id: Any = None


_application = msgspec.json.Decoder(_Application)


class Intake:
    """Receives webhooks.

    Parameters
    ----------
    rules
        The rules of acceptance.
    recorder
        Stores them durably.
    tee
        Forwards those of ``/voice``.
    counts
        Counters to update.
    """

    def __init__(self, rules: Rules, recorder: Recorder, tee: Tee | None, counts: Counts) -> None:
        self._rules, self._recorder, self._tee, self._counts = rules, recorder, tee, counts
        self._memory = Memory(rules.in_memory)

    async def take(self, interface: str, request: HttpRequest) -> Reply | None:
        """Receive a webhook, and return the answer; None if nobody is waiting for one any more.

        With a tee, the answer is that of the other server, which controls the call, even if the event could not be
        stored; that is counted as without a tee.
        """
        counts = self._counts
        counts.received[interface] += 1
        size = 0
        try:
            self._check_head(request)
            body = await request.body(self._rules.max_body, self._memory)
            size = len(body)
            receipt = self._receipt(interface, request, body)
            if self._tee is None or interface != "voice":
                self._check(await self._recorder.keep(receipt))
                return Reply(_STORED[interface], [], b"")
            return await self._both(self._tee, receipt, request, body)
        except Exception as error:  # noqa: BLE001  whatever it is, the sender shall send the event again
            refused = error if isinstance(error, Refused) else _failed(error)
            self._count(refused)
            if not refused.status:
                return None
            allowed = [(b"allow", b"GET, POST")] if refused.status == 405 else []  # noqa: PLR2004
            return Reply(refused.status, allowed, b"")
        finally:
            self._memory.release(size)

    async def _both(self, tee: Tee, receipt: Receipt, request: HttpRequest, body: bytes) -> Reply:
        forwarded = Forwarded(request.method, request.path_below("/voice"), request.query, request.headers, body)
        outcome, reply = await asyncio.gather(self._recorder.keep(receipt), tee.forward(forwarded))
        try:
            self._check(outcome)
        except Refused as refused:
            self._count(refused)
        return reply

    def _check_head(self, request: HttpRequest) -> None:
        if request.method not in {"GET", "POST"}:
            raise Refused(405, "method")
        if not self._rules.senders.allow(request.client, request.forwarded_for()):
            raise Refused(403, "sender")

    def _receipt(self, interface: str, request: HttpRequest, body: bytes) -> Receipt:
        """The receipt of a request that may be stored."""
        rules, coding = self._rules, request.header(b"content-encoding")
        plain = decompressed(body, coding, rules.max_body)
        verification = self._verify(request, body)
        if verification.verdict is Verdict.HASH_MISMATCH and plain != body:
            verification = self._verify(request, plain)
        status = refusal(verification.verdict, rules.policy)
        if status is not None:
            self._log_refused(verification.verdict, body)
            raise Refused(status, verification.verdict)
        if interface == "rtc" and verification.application_id is None and self._is_of_another(plain):
            raise Refused(401, Verdict.WRONG_APPLICATION)
        by_query = request.method == "GET"
        if by_query and not request.query:
            raise Refused(400, "no_parameters")
        return Receipt(
            interface,
            datetime.now(UTC),
            verification.verdict.value,
            verification.application_id,
            request.method,
            # The query of a POST is the customer's own, and may be a secret.
            request.query if by_query else "",
            (request.header(b"content-type") or "")[:_LONGEST_TYPE],
            plain,
        )

    def _verify(self, request: HttpRequest, body: bytes) -> Verification:
        rules = self._rules
        signed = Request(request.header(b"authorization"), request.method, request.query, body)
        return verify(signed, rules.secrets, time.time(), rules.application_ids)

    def _is_of_another(self, body: bytes) -> bool:
        """Whether an unsigned event names another application."""
        if not self._rules.application_ids:
            return False
        try:
            named = _application.decode(body).application_id
        except REFUSED:
            return False
        return isinstance(named, str) and named.lower() not in {each.lower() for each in self._rules.application_ids}

    def _check(self, outcome: Outcome) -> None:
        if outcome is not Outcome.STORED:
            # The only status for which every source documents another delivery.
            raise Refused(503, outcome)

    def _count(self, refused: Refused) -> None:
        self._counts.refused[str(refused.reason)] += 1

    def _log_refused(self, verdict: Verdict, body: bytes) -> None:
        """Log the first, the second, the fourth and so on: a sender of forged events must not fill the disk."""
        number = self._counts.refused[verdict] + 1
        if number & (number - 1) == 0:
            digest = hashlib.sha256(body).hexdigest()
            LOGGER.warning(Entry("refused", {"reason": str(verdict), "times": number, "sha256": digest}))


def _failed(error: Exception) -> Refused:
    """Log an internal error, and return the refusal for it."""
    LOGGER.error(Entry("failed", {"error": type(error).__name__, "reason": shorten(str(error))}))
    return Refused(503, "error")
