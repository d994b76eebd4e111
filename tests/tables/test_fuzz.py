"""Mutated pages and bodies: never a crash, and rows + quarantined = records in.

``python tests/benchmarks/fuzz.py`` does the same with a hundred thousand and more.
"""

from __future__ import annotations

import base64
import json
import os
from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conv_analytics import export
from conv_analytics.api.page import Unusable, read_page
from conv_analytics.errors import ExportIncomplete
from conv_analytics.sandbox import Reply, Request, Sandbox
from conv_analytics.tables.pages import records
from conv_analytics.tables.redact import redact_page
from tests._helpers import record_fuzzing
from tests._helpers.document_reading import flatten
from tests._helpers.record_fuzzing import PLANTED, Answer, Tally, answers, check, check_answers, count
from tests._helpers.sandboxes import client_of

pytestmark = pytest.mark.slow

#: How many pages are mutated, in twenties; more on request.
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "25"))


@pytest.fixture(scope="module", autouse=True)
def started() -> None:
    answers()


@settings(
    max_examples=EXAMPLES, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
@given(st.lists(st.integers(0, 2**32), min_size=20, max_size=20))
def test_whatever_arrives_every_record_is_accounted_for(numbers: list[int]) -> None:
    check(numbers)


def test_mutations_reach_what_they_are_for() -> None:
    """Most are pages still, with records lost, quarantined and doubled among them; the same ones each time."""
    total = Tally()
    for start in range(0, 600, 30):
        total += check(range(start, start + 30))
    assert total.pages == 600
    assert 0.2 < total.refused / total.pages < 0.7
    assert total.counted > 150
    assert min(total.lost, total.duplicates, total.quarantined - total.lost) > 0
    assert total.rows + total.lost + total.duplicates == total.records
    assert record_fuzzing.mutated(7) == record_fuzzing.mutated(7)


@pytest.mark.parametrize("number", range(4))
def test_a_whole_export_of_mutated_answers_ends_and_counts(number: int) -> None:
    """Every second answer of a server is mutated, over real HTTP."""
    arrived: Counter[str] = Counter()
    with Sandbox(seed=number, conversations=8, quirks=True) as sandbox:

        def mutate(request: Request) -> Reply:
            app = sandbox._app
            assert app is not None
            body = app.answer(request).body
            place = sum(arrived.values())
            arrived[request.path] += 1
            if request.path != "/v1/conversations" and place % 2:
                body = record_fuzzing.mutate(body, 1000 * number + place)
            return Reply(200, body)

        sandbox.script(lambda request: request.method == "GET", mutate, times=-1)
        try:
            frames = export(client_of(sandbox, retries=1), rate=0, tables="all")
        except ExportIncomplete as error:
            frames = error.result
    report = frames.report
    assert report.listed == 8
    lines = [json.loads(line) for line in frames.broken]
    assert report.quarantined == len(lines)
    assert report.lost == sum(not line["kept"] for line in lines)
    assert report.tables["events"] == len(frames["events"])
    assert sum(arrived.values()) == report.requests


# -- what the fuzz found, each as it was


@pytest.mark.parametrize(
    "body",
    [
        b'{"_embedded": "\x00"}',
        b'{"_embedded": {"events": "\x00"}}',
        b'{"_embedded": {"events": [{"id": 1}], "events": "none"}}',
        b"[" * 1500 + b"]" * 1500 + b'{"_embedded": []}',
        b'{"_embedded": {"events": [{"id": ' + b"[" * 1500 + b"]" * 1500 + b"}, 7}, [, x]]}}",
        b'{"page_size": 1, "_embedded": {"events": ' + b'{"a":' * 1500 + b"1" + b"}" * 1500 + b"}}",
    ],
    ids=[
        "control character",
        "control character inside",
        "twice",
        "deep and no object",
        "deep and crossed",
        "deep and no list",
    ],
)
def test_what_is_no_list_is_refused_by_whoever_reads_first(body: bytes) -> None:
    with pytest.raises(Unusable):
        read_page(body, "/v1/x", None, "events")


@pytest.mark.parametrize("depth", [50, 120, 240, 330, 480, 500, 700, 900, 960, 1000, 1100, 3000])
@pytest.mark.parametrize("nested", [b"[%s]", b'{"from": %s}', b'{"password": [%s]}'], ids=["list", "object", "secret"])
def test_records_as_deep_as_no_stack_are_accounted_for(depth: int, nested: bytes) -> None:
    """The reader, the journal and the quarantine each have another end; whatever lies between them is counted too."""
    before, after = nested.split(b"%s")
    deep = before * depth + b'"%s"' % PLANTED.encode() + after * depth
    answers = [
        Answer(name, b'{"_embedded": {"%s": [{"id": "1", "%s": %s}, {"id": "2"}]}}' % (name.encode(), key, deep))
        for name in ("events", "members")
        for key in (b"type", b"body", b"undeclared")
    ]
    tally = check_answers([*answers, Answer("conversation", b'{"id": "CON-1", "properties": %s}' % deep)])
    assert tally.rows + tally.lost + tally.duplicates == tally.records


def test_two_byte_order_marks_are_no_part_of_a_page() -> None:
    body = b"\xef\xbb\xbf" * 2 + b'{"_embedded": {"events": [{"id": 1}]}}'
    assert len(records(read_page(body, "/v1/x", None, "events").body, "events")) == 1


def test_null_beside_data_does_not_hide_it() -> None:
    body = b'{"_embedded": {"events": null, "data": {"events": [{"id": 1}]}}}'
    page = read_page(body, "/v1/x", None, "events")
    assert len(records(page.body, "events")) == len(page.items("events")) == count(body, "events") == 1


def _event(kind: str, body: bytes) -> bytes:
    return b'{"id": 1, "type": "%b", "body": %b}' % (kind.encode(), body)


def test_a_record_that_is_no_unicode_keeps_its_secret_out_of_the_quarantine() -> None:
    broken = _event("sip:ringing", b'{"direction": 7, "channel": {"to": {"password": "%b"}}, "x": "\xff"}')
    rows = flatten(broken.replace(b"%b", PLANTED.encode()))
    told: list[dict[str, Any]] = [json.loads(record.to_json()) for record in rows.broken]
    assert told
    for line in told:
        raw = base64.b64decode(line["raw_base64"])
        assert PLANTED.encode() not in raw
        assert b'"password": "[redacted]"' in raw


def test_a_secret_that_came_as_a_number_is_one() -> None:
    rows = flatten(_event("sip:ringing", b'{"channel": {"to": {"password": 31415926, "uri": "a"}}}'))
    assert '"password": "[redacted]", "uri": "a"' in rows.tables["events"]["body"][0].as_py()


def test_only_the_body_of_a_custom_event_is_the_users_own() -> None:
    event = b'{"id": 1, "type": "custom:x", "api_key": "k", "body": {"answer": "yes"}, "to": {"password": "p"}}'
    kept = redact_page(b'{"_embedded": [' + event + b"]}")
    assert b'"answer": "yes"' in kept
    assert kept.count(b"[redacted]") == 2
