"""Masked exports of real answers: as many rows, as many distinct values, the same joins; one folder, one mask."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from conv_analytics import export
from conv_analytics.dataset import open_dataset
from conv_analytics.errors import AuthError, ConfigError, ExportIncomplete
from conv_analytics.exporter.audit import audit
from conv_analytics.privacy import Mask
from conv_analytics.privacy.phones import calling_code
from conv_analytics.sandbox import Reply, Sandbox
from tests._helpers.sandboxes import client_of

pytestmark = pytest.mark.slow

MASK = Mask(b"a key of the tests, long enough")
#: Columns that hold something personal: their values change, and nothing else about them.
PERSONAL = {
    "name", "display_name", "user_name", "user_display_name", "from_user_name", "from_user_display_name", "image_url",
    "custom_sort_key", "from_number", "to_number", "from_user", "to_user", "from_uri", "to_uri", "to_extension", "from",
    "to", "audio_url", "video_url", "file_url", "vcard_url", "location_name", "location_address", "viber_tag",
    "destination_url", "stream_url", "cname", "conversation_name", "conversation_display_name",
}  # fmt: skip
#: Columns that are emptied, for want of a token that would still be a number; and pressed keys.
DROPPED = {"latitude", "longitude", "digits"}
#: Columns that tell apart nothing any more, or more than before: JSON texts, and texts that were unreadable.
LOOSE = {
    "body",
    "extra",
    "custom_data",
    "custom",
    "channels",
    "template_parameters",
    "headers",
    "text",
    "reason_text",
    "error",
}


@pytest.fixture(scope="module", params=["object", "list"])
def both(request: pytest.FixtureRequest) -> tuple[Any, Any]:
    """The same world with quirks and broken records, exported plainly and masked."""
    with Sandbox(seed=5, conversations=40, days=2, quirks=True, broken=0.02, events_shape=request.param) as sandbox:
        plain = export(client_of(sandbox), rate=0, tables="all")
        return plain, export(client_of(sandbox), rate=0, tables="all", mask=MASK)


def test_nothing_is_lost(both: tuple[Any, Any]) -> None:
    plain, masked = both
    assert {name: len(frame) for name, frame in masked.items()} == {name: len(frame) for name, frame in plain.items()}
    assert masked.report.lost == plain.report.lost
    assert masked.report.unknown_types == plain.report.unknown_types
    assert masked.report.unknown_fields == plain.report.unknown_fields
    # A text with half an emoji is unreadable; the token of it is not.
    halves = [line for line in plain.broken if r"\ud83d" in json.loads(line)["raw"]]
    assert plain.report.quarantined - len(halves) == masked.report.quarantined > 0
    assert masked.report.mask == MASK.settings()


def test_users_are_masked_in_full(both: tuple[Any, Any]) -> None:
    """What a GET of a user tells beyond the list: how they are reached, and what their owner says of them."""
    plain, masked = (frames["users"].set_index("user_id") for frames in both)
    numbers = set(plain["channels"].str.findall(r"\d{8,}").explode().dropna())
    assert len(numbers) > 5
    text = masked.to_csv()
    assert not [number for number in numbers if number in text]
    assert not [url for url in plain["image_url"].dropna() if url in text]
    own = {value for told in plain["custom_data"].dropna() for value in json.loads(told).values()}
    assert own
    assert not own & {value for told in masked["custom_data"].dropna() for value in json.loads(told).values()}


def test_what_is_not_personal_is_the_same(both: tuple[Any, Any]) -> None:
    plain, masked = both
    checked = 0
    for name, frame in plain.items():
        for column in frame.columns.difference([*PERSONAL, *DROPPED, *LOOSE, "exported_at", "session_destination"]):
            if name in {"audio_events", "transcripts", "member_events", "message_statuses"} and column in masked[name]:
                continue
            # The order of conversations is that of the answers.
            assert _sorted(frame[column]) == _sorted(masked[name][column]), (name, column)
            checked += 1
    assert checked > 100


def test_personal_columns_tell_as_much_apart(both: tuple[Any, Any]) -> None:
    plain, masked = both
    checked = 0
    for name, frame in plain.items():
        for column in PERSONAL & set(frame.columns):
            before, after = frame[column].dropna().astype(str), masked[name][column].dropna().astype(str)
            assert len(before) == len(after), (name, column)
            assert before.nunique() == after.nunique(), (name, column)
            shown = {value for value in set(before) & set(after) if value and not value.startswith(("NAM-", "USR-"))}
            assert shown <= {"<null>"}, (name, column)
            checked += len(before) > 0
        for column in DROPPED & set(frame.columns):
            assert masked[name][column].isna().all()
    assert checked > 20


def test_joins_survive(both: tuple[Any, Any]) -> None:
    plain, masked = both
    for frames in both:
        assert len(frames["users"]) > 0
    by_number = [
        frames["hangups"].merge(frames["call_records"], left_on="to_number", right_on="to").groupby("leg_id_x").size()
        for frames in (plain, masked)
    ]
    assert by_number[0].sort_index().equals(by_number[1].sort_index())
    by_name = [
        frames["hangups"].merge(frames["users"], left_on="from_user", right_on="name").groupby("user_id").size()
        for frames in (plain, masked)
    ]
    assert by_name[0].sort_index().equals(by_name[1].sort_index())
    assert len(by_name[0]) > 0
    # Analysis by country goes on: the calling code is in front.
    numbers = masked["hangups"]["to_number"].dropna()
    assert numbers.str.fullmatch("[0-9]{1,3}x[0-9a-f]{16}").all()
    countries = plain["hangups"]["to_number"].dropna().map(calling_code)
    assert _sorted(numbers.str.partition("x")[0]) == _sorted(countries)


def test_a_folder_stays_with_its_mask(tmp_path: Path) -> None:
    with Sandbox(seed=5, conversations=3, days=2) as sandbox:
        client = client_of(sandbox)
        export(client, tmp_path / "plain", rate=0)
        with pytest.raises(ConfigError, match="was exported without a mask"):
            export(client, tmp_path / "plain", rate=0, mask=MASK)
        done = export(client, tmp_path / "masked", rate=0, mask=MASK)
        assert done.report.mask == MASK.settings()
        again = export(client, tmp_path / "masked", rate=0, mask=Mask(MASK.key))
        assert again.report.unchanged == 3
        with pytest.raises(ConfigError, match=r"is masked\. Go on with --mask address=hash,.* and the key"):
            export(client, tmp_path / "masked", rate=0)
        with pytest.raises(ConfigError, match="was masked with the key"):
            export(client, tmp_path / "masked", rate=0, mask=Mask(b"another key of the tests"))
        with pytest.raises(ConfigError, match="was masked by other rules"):
            export(client, tmp_path / "masked", rate=0, mask=Mask(MASK.key, {"text": "keep"}))
    commit = json.loads((tmp_path / "masked" / "_commits" / "000001.json").read_text())
    assert commit["report"]["mask"]["key_id"] == MASK.key_id
    assert len(open_dataset(tmp_path / "masked")["conversations"]) == 3


def test_a_folder_with_encrypted_ids_is_compared_with_the_api(tmp_path: Path) -> None:
    name = "CON-Zaphod-Beeblebrox"
    path = f"/v1/conversations/{name}"
    event = b'{"id": 1, "type": "message", "from": "MEM-1", "timestamp": "2026-11-20T09:00:00Z", "body": {}}'
    with Sandbox(seed=5, conversations=6, days=2) as sandbox:
        names = [name, *(sandbox.world.head(ordinal).id for ordinal in sandbox.world.ordinals)]
        listed = b", ".join(b'{"id": "%b"}' % each.encode() for each in names)
        for asked, body in (
            ("/v1/conversations", b'{"_embedded": {"conversations": [%b]}}' % listed),
            (path, b'{"id": "%b", "sequence_number": 1}' % name.encode()),
            (f"{path}/members", b'{"_embedded": {"members": []}}'),
            (f"{path}/events", b'{"_embedded": {"events": [%b]}}' % event),
        ):
            sandbox.script(lambda request, asked=asked: request.path == asked, Reply(200, body), times=-1)  # type: ignore[misc]
        export(client_of(sandbox), tmp_path, rate=0, mask=MASK)
        assert name not in set(open_dataset(tmp_path)["conversations"]["conversation_id"])
        found = audit(client_of(sandbox), tmp_path, rate=0, mask=MASK)
        assert (found.equal, found.missing, found.not_compared) == (7, [], {})
        without = audit(client_of(sandbox), tmp_path, rate=0)
        assert (without.equal, without.missing, list(without.not_compared)) == (6, [], [name])
        assert "--mask" in without.not_compared[name]
        with pytest.raises(ConfigError, match="was masked with the key"):
            audit(client_of(sandbox), tmp_path, rate=0, mask=Mask(b"another key, as long as it is"))


def test_what_the_api_says_of_people_is_in_no_error() -> None:
    told = json.dumps({"title": "Zaphod", "code": "user:error:gone", "detail": "Zaphod is away"}).encode()
    with Sandbox(seed=5, conversations=3, days=2) as sandbox:
        name = sandbox.world.head(1).id
        client = client_of(sandbox, retries=0)
        sandbox.script(lambda request: request.path == f"/v1/conversations/{name}", Reply(500, told), times=-1)
        with pytest.raises(ExportIncomplete) as caught:
            export(client, rate=0, mask=MASK)
        why = caught.value.report.incomplete[name]
        assert "answered 500 [user:error:gone]" in why
        assert "Zaphod" not in why + str(caught.value.__cause__)
        sandbox.script(lambda request: request.path == "/v1/conversations", Reply(200, b"Zaphod" * 9), times=-1)
        with pytest.raises(Exception, match="left out, as the export is masked") as refused:
            export(client, rate=0, mask=MASK)
        assert "Zaphod" not in str(refused.value)
    with Sandbox(seed=5, conversations=3, days=2) as sandbox:
        sandbox.script(lambda request: request.path == "/v1/conversations", Reply(401, told), times=-1)
        with pytest.raises(AuthError) as denied:
            export(client_of(sandbox), rate=0, mask=MASK)
        assert "Zaphod" not in str(denied.value)


def _sorted(column: pd.Series[Any]) -> list[str]:
    return sorted(map(str, column))


def test_a_run_without_a_mask_that_was_killed_before_its_entry_is_entered_first(tmp_path: Path) -> None:
    """Nothing of it comes under a commit that says it is masked, and the masked run says why it goes no further."""
    with Sandbox(seed=5, conversations=4, days=2) as sandbox:
        client = client_of(sandbox)
        plain = export(client, tmp_path, rate=0)
        run = plain.dataset.commits[0].run
        staging = tmp_path / "_work" / run
        staging.mkdir()
        (tmp_path / "_commits/000001.json").rename(staging / "commit.json")
        with pytest.raises(ConfigError, match="was exported without a mask"):
            export(client, tmp_path, rate=0, mask=MASK)
        commits = open_dataset(tmp_path).commits
        assert [(commit.run, commit.report["mask"]) for commit in commits] == [(run, None)]
        assert not staging.exists()
