"""Three sources, one folder: webhooks, the nightly list and the call list, over HTTP and with real processes."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from conv_analytics import coverage, export, open_dataset
from conv_analytics.dataset.maintenance.finding import Level
from conv_analytics.dataset.maintenance.verify import verify
from conv_analytics.live import app, commits
from conv_analytics.live.commits import ChildRun
from conv_analytics.sandbox import Sandbox
from conv_analytics.sandbox.calls import plain_id
from conv_analytics.sandbox.webhooks.delivery import Deliveries
from tests._helpers import listeners
from tests._helpers.program_server import program_file
from tests._helpers.sandboxes import client_of
from tests.exporter.test_ingest import content

pytestmark = pytest.mark.slow

EARLY, LATE = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 25, tzinfo=UTC)
#: What a webhook and a list spell differently, or one of them leaves out; and the name of a transient conversation.
SPELLING = {
    "events": ["body", "extra"],
    "call_records": ["successful", "reason"],
    "member_events": ["cname"],
    "audio_events": ["asr_error"],
}
MISSING = {"partial", "transient_missed", "expired", "other_region"}


def received(sandbox: Sandbox, folder: Path, deliveries: Deliveries, **options: Any) -> None:
    """Send webhooks to a listener, which folds them in as they come."""
    made = app(
        folder,
        secrets=sandbox.signature_secret,
        application_ids=[sandbox.application_id],
        commit_every=1.0,
        commit=ChildRun(),
        **options,
    )
    with listeners.served(made) as client:
        report = sandbox.push(str(client.base_url).rstrip("/"), deliveries)
    assert len(report.delivered) == len(deliveries.sent), report.refused
    assert not report.receiver_errors


def lost_of(deliveries: Deliveries) -> set[tuple[str, int | None]]:
    """The events of transient conversations that no request brought."""
    sent = {(each.conversation_id, each.event_id) for each in deliveries.sent}
    return {
        key
        for each in deliveries
        if each.transient and each.listed and each.interface == "rtc"
        if (key := (each.conversation_id, each.event_id)) not in sent
    }


def keys_of(frame: pd.DataFrame) -> set[tuple[str, int | None]]:
    return set(zip(frame["conversation_id"], frame["event_id"], strict=True))


def without(frame: pd.DataFrame, lost: set[tuple[str, int | None]]) -> pd.DataFrame:
    keys = zip(frame["conversation_id"], frame["event_id"], strict=True)
    return frame[[key not in lost for key in keys]].reset_index(drop=True)


@pytest.mark.parametrize(("shape", "quirks"), [("list", False), ("object", True)])
def test_the_folder_has_all_but_what_was_never_delivered(
    shape: Any, quirks: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The runs of the listener are forked: an interpreter of their own would import everything again.
    monkeypatch.setattr(commits, "sys", SimpleNamespace(executable=str(program_file())))
    folder = tmp_path / "exports"
    with Sandbox(conversations=24, days=3, quirks=quirks, events_shape=shape) as every:
        export(client_of(every), tmp_path / "truth", rate=0)
    with Sandbox(conversations=24, days=3, transient=0.3, quirks=quirks, events_shape=shape) as sandbox:
        deliveries = sandbox.deliveries(shuffle=True, duplicates=0.05, drop=0.02)
        received(sandbox, folder, deliveries)
        export(client_of(sandbox), folder, rate=0)
        found = coverage(client_of(sandbox), folder, since=EARLY, until=LATE, rate=0)
        truth = sandbox.truth().calls
    lost = lost_of(deliveries)
    sent = {(each.conversation_id, each.event_id) for each in deliveries.sent}
    assert len(lost) > 5
    expected, actual = content(tmp_path / "truth"), content(folder)
    # Every update of a leg repeats its history: only what none of those that came had is missing.
    statuses, kept = (each.pop("leg_statuses") for each in (expected, actual))
    keys, kept_keys = (set(each[["leg_id", "status", "at"]].itertuples(index=False)) for each in (statuses, kept))
    legs_of_lost = set(statuses.loc[statuses["conversation_id"].isin({name for name, _ in lost}), "leg_id"])
    assert {key.leg_id for key in keys - kept_keys} <= legs_of_lost
    assert {key.leg_id for key in kept_keys - keys if key.leg_id in set(statuses["leg_id"])} <= set(kept["leg_id"])
    for name, frame in expected.items():
        # What has no id may be told apart by nothing.
        wanted, have = (each[each["event_id"].notna()] for each in (frame, actual[name]))
        # With quirks, the list has events that cannot be read, or without their ids; a webhook may bring them.
        more = keys_of(have) - keys_of(wanted)
        assert more <= sent
        assert not more or quirks
        wanted = without(wanted, lost).drop(columns=SPELLING.get(name, []))
        have = without(have, more).drop(columns=SPELLING.get(name, []))
        pd.testing.assert_frame_equal(have, wanted, check_categorical=False, obj=name)
    assert not [each for each in verify(folder) if each.level is Level.ERROR]
    exported = set(open_dataset(folder)["members"]["conversation_id"])
    classes = {
        plain_id(leg.leg_id): str(
            leg.expected_class(exported=exported, seen_live=deliveries.begun, ended_live=deliveries.ended)
        )
        for leg in truth
    }
    named = found.missing["leg_id"].map(plain_id)
    assert dict(zip(named, found.missing["coverage_class"].astype(str), strict=True)) == {
        leg: name for leg, name in classes.items() if name in MISSING
    }
