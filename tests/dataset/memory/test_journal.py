"""The journal: what it gives back, and what it must not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conv_analytics.dataset.memory.journal import FORMAT, Header, Journal, StoredAnswer

HEADER = Header("https://api.example application", None, 3, "2026-11-21T03:00:00+00:00")
ANSWERS = {f"/v1/conversations/CON-{n}": b'{"id": "CON-%d"}' % n * (n + 1) for n in range(5)}


def _written(path: Path) -> Path:
    journal = Journal(path, HEADER)
    for key, body in ANSWERS.items():
        journal.add(key, body)
    journal.close()
    return path


def test_the_next_run_gets_each_answer_once(tmp_path: Path) -> None:
    journal = Journal(_written(tmp_path / "journal"), HEADER)
    assert journal.resumed
    assert {key: journal.take(key) for key in ANSWERS} == {key: StoredAnswer(body) for key, body in ANSWERS.items()}
    assert journal.served == len(ANSWERS)
    assert [journal.take(key) for key in ANSWERS] == [None] * len(ANSWERS)
    journal.close()


def test_a_conversation_that_was_gone_stays_gone(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal", HEADER)
    journal.add("/v1/conversations/CON-9", None)
    journal.close()
    later = Journal(tmp_path / "journal", HEADER)
    with pytest.raises(KeyError):
        later.take("/v1/conversations/CON-9")
    later.close()


@pytest.mark.parametrize(
    "other",
    [
        replace(HEADER, source="https://api.example another-application"),
        replace(HEADER, mask="key 1f2e"),
        replace(HEADER, commit=4),
        replace(HEADER, format=FORMAT + 1),
    ],
    ids=["application", "mask", "commit", "format"],
)
def test_a_journal_of_another_run_is_dropped(other: Header, tmp_path: Path) -> None:
    journal = Journal(_written(tmp_path / "journal"), other)
    assert not journal.resumed
    assert journal.header == other
    assert journal.take(next(iter(ANSWERS))) is None
    journal.close()
    assert (tmp_path / "journal").stat().st_size < 300


def test_answers_that_other_commits_made_stale_are_dropped_for_good(tmp_path: Path) -> None:
    path = _written(tmp_path / "journal")
    answers = ("/v1/conversations/CON-1/events?order=asc", "/v1/conversations/CON-1?a", "/v1/conversations/CON-10")
    journal = Journal(path, HEADER)
    for key in answers:
        journal.add(key, b"{}")
    journal.close()
    asked: list[int] = []

    def stale(first: int) -> list[str]:
        asked.append(first)
        return ["/v1/conversations/CON-1", "/v1/conversations/CON-7"]

    journal = Journal(path, replace(HEADER, commit=5), stale)
    assert (asked, journal.resumed, journal.header) == ([3], True, replace(HEADER, commit=5))
    assert [journal.take(key) is None for key in answers] == [True, True, False]
    assert journal.take("/v1/conversations/CON-1") is None
    journal.add("/v1/conversations/CON-1", b"new")
    journal.close()
    # Killed before it had requested all of them again: the others do not come back.
    journal = Journal(path, replace(HEADER, commit=5), stale)
    assert asked == [3]
    assert journal.take("/v1/conversations/CON-1") == StoredAnswer(b"new")
    assert [journal.take(key) is None for key in answers] == [True, True, False]
    assert journal.take("/v1/conversations/CON-2") is not None
    journal.close()


def test_a_journal_without_an_answer_that_holds_is_a_new_one(tmp_path: Path) -> None:
    mine = replace(HEADER, commit=4, started_at="2026-11-22T03:00:00+00:00")
    journal = Journal(_written(tmp_path / "journal"), mine, lambda _: list(ANSWERS))
    assert (journal.resumed, journal.header) == (False, mine)
    journal.close()


def test_the_run_that_wrote_the_first_answer_is_remembered(tmp_path: Path) -> None:
    later = replace(HEADER, started_at="2026-11-21T09:00:00+00:00")
    journal = Journal(_written(tmp_path / "journal"), later)
    assert journal.resumed
    assert journal.header.started_at == HEADER.started_at
    journal.close()


def test_an_interrupted_run_that_committed_leaves_its_answers_to_the_next(tmp_path: Path) -> None:
    journal = Journal(_written(tmp_path / "journal"), HEADER)
    journal.rebase(4)
    later = Journal(tmp_path / "journal", replace(HEADER, commit=4))
    assert later.resumed
    later.remove()
    assert not (tmp_path / "journal").exists()


@settings(deadline=None)
@given(data=st.data())
def test_cut_or_damaged_anywhere_it_gives_whole_answers_or_none(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = _written(tmp_path_factory.mktemp("torn") / "journal")
    whole = path.read_bytes()
    place = data.draw(st.integers(0, len(whole) - 1))
    if data.draw(st.booleans()):
        path.write_bytes(whole[:place])
    else:
        path.write_bytes(whole[:place] + bytes([whole[place] ^ data.draw(st.integers(1, 255))]) + whole[place + 1 :])
    journal = Journal(path, HEADER)
    found = {key: journal.take(key) for key in ANSWERS}
    assert all(kept in {None, StoredAnswer(ANSWERS[key])} for key, kept in found.items())
    # What comes after the damage is not trusted; what is added now follows the last whole frame.
    journal.add("/v1/conversations/CON-7", b"{}", "c/2+=\0", 20, "a next page without a cursor")
    journal.close()
    again = Journal(path, HEADER)
    assert again.take("/v1/conversations/CON-7") == (b"{}", "c/2+=\0", 20, "a next page without a cursor")
    assert {key: again.take(key) for key in ANSWERS} == found
    again.close()


def test_no_secret_is_in_it(tmp_path: Path) -> None:
    body = (
        b'{"_embedded": {"events": [{"id": 1, "type": "rtc:answer", "body": {"sdp": "v=0 planted"}},'
        b' {"id": 2, "type": "custom:quiz", "body": {"answer": "forty-two"}},'
        b' {"id": 3, "type": "sip:ringing", "body": {"channel": {"to": {"password": "planted"}}}}]}}'
    )
    journal = Journal(tmp_path / "journal", HEADER)
    journal.add("/page", body)
    journal.close()
    kept = Journal(tmp_path / "journal", HEADER)
    page = kept.take("/page")
    kept.close()
    assert page is not None
    text = page.body
    assert b"planted" not in text
    assert text.count(b"[redacted]") == 2
    assert b"forty-two" in text
