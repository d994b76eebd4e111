"""The facts about each leg of a world, and the class that a coverage check must give it (contract 7.1)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Collection

CoverageClass = Literal[
    "covered", "covered_live", "partial", "transient_missed", "expired", "not_yet", "other_region"
]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class CallTruth:
    """One leg. Money and duration are None unless the call was completed, as in the call list."""

    leg_id: str
    conversation_id: str
    channel: str
    """phone, sip, app, vbc or websocket."""
    direction: str
    status: str
    """The last status."""
    began: datetime
    ended: datetime
    price: Decimal | None
    duration_s: int | None
    transient: bool
    """Whether its conversation exists only while the call lasts."""
    expired: bool
    """Whether its conversation is older than the application's lifetime at the sandbox's present."""
    other_region: bool
    running: bool
    """Whether it is in progress at the sandbox's present."""

    def expected_class(
        self, *, exported: Collection[str], seen_live: Collection[str] = (), ended_live: Collection[str] = (),
        listed_before: Collection[str] = (), last_run: datetime | None = None,
    ) -> CoverageClass:  # fmt: skip
        """Return the class of contract 7.1 for a folder.

        Parameters
        ----------
        exported
            Ids of the conversations whose events were exported whole.
        seen_live, ended_live
            Ids of the legs of which webhooks were stored, and of those whose end was among them
            (see `Deliveries.begun` and `Deliveries.ended`).
        listed_before
            Ids of the conversations that an earlier run listed.
        last_run
            When the last run listed the conversations; one created later is not expected.
        """
        if self.running:
            return "not_yet"
        if self.conversation_id in exported:
            return "covered"
        if self.leg_id in seen_live:
            return "covered_live" if self.leg_id in ended_live else "partial"
        if last_run is not None and self.began > last_run and not self.transient:
            return "not_yet"
        if self.other_region and not self.transient and not self.expired:
            return "other_region"
        return "expired" if self.conversation_id in listed_before else "transient_missed"


__all__ = ["CallTruth", "CoverageClass"]
