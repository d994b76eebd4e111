"""A leg as the Voice API stores it: the source of its call list, its webhooks and its bills."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]


@dataclass(slots=True)
class CallLeg:
    """One leg of a call. Instants are milliseconds; money is in 1e-8 units of the account's currency.

    It is written while the scenario runs, next to the events, and holds nothing that the events do not say.
    """

    id: str
    conversation_id: str
    kind: str
    """A channel type: phone, sip, app, vbc or websocket."""
    direction: str
    from_: Json
    to: Json
    began: int
    network: str
    statuses: list[tuple[str, int]] = field(default_factory=list)
    """Each status with its instant, growing, from `started` on."""
    answered_at: int | None = None
    ended_at: int | None = None
    hung_up_first: bool = False
    sip_code: int | None = None
    reason: str = ""
    """The word that the last status ended with, such as ok, busy or not_found."""
    machine: tuple[str, int] | None = None
    """The results of machine detection (human, machine, beep_start, beep_timeout), and when."""
    rate: int = 0
    price: int = 0
    duration_s: int = 0
    billed_at: int | None = None
    knocker: str | None = None
    user_id: str = ""

    @property
    def over_at(self) -> int:
        """When nothing but its bill is still to come: its hangup, or its last status if that is later [ms]."""
        last = self.statuses[-1][1] if self.statuses else self.began
        return max(last, self.ended_at or 0)

    @property
    def voice_status(self) -> str:
        """The last status in the words of the Voice API: one who could not be reached is `unanswered`."""
        return "unanswered" if self.reason == "temporarily_unavailable" else self.statuses[-1][0]

    def status_at(self, instant: int) -> str:
        """Return the status that the call list shows at an instant [ms]."""
        if instant >= self.statuses[-1][1]:
            return self.voice_status
        return next((status for status, at in reversed(self.statuses) if at <= instant), "started")


__all__ = ["CallLeg"]
