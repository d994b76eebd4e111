"""Every byte that a run writes or prints, searched for secrets and, when it is masked, for people."""

from __future__ import annotations

import base64
import json
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from conv_analytics.privacy import KEY_VARIABLE
from conv_analytics.sandbox import Reply, Request, Sandbox
from tests._helpers.command_line import Ended, call, command, credentials, environment, run
from tests._helpers.patience import PATIENCE_S

pytestmark = pytest.mark.slow

PASSWORD, API_KEY, SDP = "hunter2-of-the-desk", "4f5e6d7cAPIKEY", "o=- 20518 0 IN IP4 sdp.example"
PIN = 80911771
MASK_KEY = "the-key-of-the-mask-itself"
#: No run writes or prints these, masked or not.
SECRETS = (PASSWORD, API_KEY, SDP, str(PIN), MASK_KEY, "PRIVATE KEY", "eyJ0eXAi", "eyJhbGci")
#: No masked run writes or prints these.
PEOPLE = (
    "447700912345", "7700 912345", "447700954321", "2025550143", "beeblebrox", "Trillian", "the restaurant", "90210",
    "heart of gold", "deep-thought", "milliways", "51.50073", "203.0.113.77", "towel", "slartibartfast", "dolphins",
    "magrathea", "vogon", "marvin", "krikkit", "ford-prefect", "arthur",
)  # fmt: skip

CHANNEL = {
    "id": "leg-1",
    "type": "sip",
    "from": {"type": "sip", "uri": "sip:beeblebrox@203.0.113.77", "username": "beeblebrox", "password": PASSWORD},
    "to": {"type": "phone", "number": 447700954321, "password": PIN},
    "headers": {"X-Customer": "slartibartfast"},
}
BODIES: list[tuple[str, dict[str, Any]]] = [
    ("member:joined", {"user": {"id": "USR-1", "name": "447700912345", "display_name": "Trillian"}, "sdp": SDP}),
    ("rtc:answer", {"answer": SDP, "rtc_id": "leg-1"}),
    ("sip:ringing", {"direction": "inbound", "channel": CHANNEL}),
    ("sip:status", {"from": "+44 7700 912345", "to": "2025550143", "price": "free of beeblebrox", "channel": CHANNEL}),
    ("message", {"message_type": "text", "text": "meet me at the restaurant"}),
    ("message", {"message_type": "image", "image": {"url": "https://h.example/towel.png", "caption": "my towel"}}),
    ("message", {"message_type": "location", "location": {"latitude": 51.50073, "name": "milliways"}}),
    ("message", {"message_type": "custom", "custom": {"ship": "heart of gold"}, "dolphins so long": "dolphins"}),
    ("audio:dtmf", {"digits": "90210#", "channel": CHANNEL}),
    ("audio:say", {"text": "deep-thought speaks"}),
    ("audio:asr:done", {"asr": {"results": [{"word": "magrathea", "confidence": 0.9}]}}),
    ("custom:note", {"type": "vogon", "list": ["vogon", {"vogon poem": 447700912345}]}),
    ("never:heard:of", {"status": "krikkit war", "who": "marvin", "n": 447700912345, "at": 51.50073}),
    ("sip:hangup", {"reason": {"text": "arthur hung up", "sip_code": "not arthur"}, "channel": "arthur"}),
]
RAW = [
    rb'{"id": 91, "type": "message", "body": {"message_type": "text", "text": "ford-prefect \ud83d"}}',
    b'{"id": 92, "type": "message", "body": {"message_type": "text", "text": ' + b'["arthur", ' * 1500 + b"1"
    + b"]" * 1500 + b"}}",
    b'{"id": 93, "type": "sip:ringing", "body": {"channel": {"from": {"number": "\xff447700912345", "password": "'
    + PASSWORD.encode() + b'"}}}}',
    b'{"type": "message", "body": {"text": "marvin", "password": "' + PASSWORD.encode() + b'"}}',
    b'"arthur"',
]  # fmt: skip


def _event(number: int, kind: str, body: dict[str, Any]) -> bytes:
    user = {"id": "USR-1", "name": "447700912345", "display_name": "Trillian", "custom_data": {"x": "towel"}}
    whole = {
        "id": number, "type": kind, "from": "MEM-1", "timestamp": "2026-11-19T10:00:00Z", "body": body,
        "_embedded": {"from_user": user, "from_member": {"id": "MEM-1"}},
    }  # fmt: skip
    return json.dumps(whole, ensure_ascii=False).encode()


def _lively(sandbox: Sandbox) -> list[str]:
    """Conversations with events; the first is the one that is full of secrets and people."""
    return [each for each, number in sandbox.truth().sequence_numbers.items() if number > 3]


@pytest.fixture
def planted() -> Iterator[Sandbox]:
    """A world with one conversation full of secrets and people."""
    with Sandbox(conversations=6, days=2, latency_ms=5) as sandbox:
        name = _lively(sandbox)[0]
        events = [_event(n, kind, body) for n, (kind, body) in enumerate(BODIES, 1)] + RAW
        conversation = {
            "id": name, "name": "Trillian", "display_name": "Trillian", "sequence_number": 99, "state": "ACTIVE",
            "timestamp": {"created": "2026-11-19T09:00:00Z"}, "api_key": API_KEY, "callback": {"url": "https://h.example/vogon"},
            "properties": {"ttl": 60, "custom_data": {"owner": "slartibartfast"}}, "stuff": {"brought": "my towel"},
        }  # fmt: skip
        member = {
            "id": "MEM-1", "state": "JOINED", "channel": CHANNEL,
            "_embedded": {"user": {"id": "USR-1", "name": "447700912345"}},
        }  # fmt: skip
        user = {
            "id": "USR-1",
            "name": "447700912345",
            "channels": {"sip": [CHANNEL["from"]], "pstn": [{"number": 2025550143}]},
        }
        answers: dict[str, bytes] = {
            f"/v1/conversations/{name}": json.dumps(conversation).encode(),
            f"/v1/conversations/{name}/members": _page("members", [json.dumps(member).encode()]),
            f"/v1/conversations/{name}/events": _page("events", events),
            "/v1/users": _page("users", [json.dumps(user).encode()]),
            "/v1/users/USR-1/sessions": _page(
                "sessions", [b'{"id": "SES-1", "_embedded": {"api_key": "%b"}}' % API_KEY.encode()]
            ),
        }

        def answer(request: Request) -> Reply:
            return Reply(200, answers[request.path])

        sandbox.script(lambda request: request.path in answers, answer, times=-1)
        yield sandbox


def _page(name: str, items: list[bytes]) -> bytes:
    return b'{"page_size": 100, "_embedded": {"%b": [%b]}, "_links": {"self": {"href": "/x?name=arthur"}}}' % (
        name.encode(),
        b",".join(items),
    )


# -- what a run left


def everything(folder: Path, *ended: Ended) -> bytes:
    """All that there is to see: what was printed, the names and bytes of files, and what is inside of Parquet."""
    seen = [end.out.encode() + end.err.encode() for end in ended]
    for path in folder.rglob("*"):
        seen.append(str(path.relative_to(folder)).encode())
        if path.is_file():
            content = path.read_bytes()
            seen.append(content)
            seen += _inside(path, content)
    return b"\n".join(seen)


def _inside(path: Path, content: bytes) -> Iterator[bytes]:
    if path.suffix == ".parquet" and content.endswith(b"PAR1"):
        table = pq.read_table(path)
        yield repr(table.schema.metadata).encode()
        for column in table.columns:
            for value in pa.chunked_array(column).to_pylist():
                yield str(value).encode("utf-8", "surrogatepass")
    if path.suffix == ".jsonl":
        for line in content.splitlines():
            yield base64.b64decode(json.loads(line).get("raw_base64", ""))


def absent(texts: tuple[str, ...], seen: bytes) -> None:
    assert [text for text in texts if text.encode().lower() in seen.lower()] == []


MASKED = ["--mask", "--mask-key-file", "mask.key"]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    key = tmp_path / "mask.key"
    key.write_text(MASK_KEY)
    key.chmod(0o600)
    return tmp_path


def test_no_secret_and_nobody_is_in_any_byte(planted: Sandbox, place: Path) -> None:
    plain = run("export", "plain", *credentials(planted), "--tables", "all", cwd=place)
    assert plain.code == 0, plain.err
    seen = everything(place / "plain", plain)
    absent(SECRETS, seen)
    # The search finds what is there: without a mask, everybody.
    assert [text for text in PEOPLE if text.encode() not in seen] == []

    masked = run("export", "masked", *credentials(planted), "--tables", "all", *MASKED, "--json", cwd=place)
    assert masked.code == 0, masked.err
    seen = everything(place / "masked", masked)
    absent((*SECRETS, *PEOPLE), seen)
    assert b"[redacted]" in seen
    assert b"44x" in seen
    assert masked.last["quarantined"] > 0
    assert list((place / "masked" / "_quarantine").iterdir())
    again = run("export", "masked", *credentials(planted), cwd=place, env={KEY_VARIABLE: MASK_KEY})
    assert again.code == 2
    assert "is masked. Go on with --mask" in again.err


def test_a_run_that_fails_tells_of_nobody(planted: Sandbox, place: Path) -> None:
    told = {
        "title": "arthur",
        "code": "conversation:error:broken",
        "detail": f"marvin used {PASSWORD[:4]}",
        "instance": "vogon",
    }
    other = [name for name, number in planted.truth().sequence_numbers.items() if number > 3][1]
    path = f"/v1/conversations/{other}/members"
    planted.script(lambda request: request.path == path, Reply(500, json.dumps(told).encode()), times=-1)
    arguments = [*credentials(planted), "--retries", 0, "--debug", "--mask"]
    part = call("export", "out", *arguments, cwd=place, env={KEY_VARIABLE: MASK_KEY})
    assert part.code == 3
    assert "Traceback" in part.err
    assert "ExportIncomplete" in part.err
    absent((*SECRETS, *PEOPLE), everything(place / "out", part))
    planted.script(lambda request: request.path == "/v1/conversations", Reply(403, json.dumps(told).encode()), times=-1)
    whole = call("export", "none", *arguments[:-2], "--mask", cwd=place, env={KEY_VARIABLE: MASK_KEY})
    assert whole.code == 2
    absent((*SECRETS, *PEOPLE), everything(place / "none", whole))


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL], ids=["ctrl-c", "kill"])
def test_a_run_that_is_cut_off_leaves_nobody(sent: signal.Signals, planted: Sandbox, place: Path) -> None:
    reached = threading.Event()
    release = threading.Event()
    full, *others = [f"/v1/conversations/{name}/events" for name in _lively(planted)]

    def hold(_request: Request) -> Reply:
        reached.set()
        release.wait(PATIENCE_S)
        return Reply(500, b"{}")

    def holds(request: Request) -> bool:
        """Whatever comes after the events that are full of secrets; these, when they come last."""
        before = {seen.path for seen in planted.requests} - {request.path}
        return full in before or (request.path == full and before.issuperset(others))

    planted.script(holds, hold, times=-1)
    process = subprocess.Popen(
        command("export", "out", *credentials(planted), *MASKED),
        cwd=place, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert reached.wait(PATIENCE_S), process.poll()
        process.send_signal(sent)
        release.set()
        out, err = process.communicate(timeout=PATIENCE_S)
    finally:
        release.set()
        process.kill()
        process.wait()
    assert process.returncode != 0
    absent((*SECRETS, *PEOPLE), everything(place / "out", Ended(process.returncode, out, err)))


Arguments = Callable[[Path], list[object]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--mask"], f"A mask needs a key: name a file with --mask-key-file, or set {KEY_VARIABLE}."),
        (["--mask", "--mask-key-file", "none"], "The mask key file none cannot be read: No such file or directory."),
        (["--mask-key-file", "mask.key"], "--mask-key-file is for --mask, which is missing: nothing would be masked."),
        (["--mask", "phone=hide", "--mask-key-file", "mask.key"], "--mask: 'phone=hide' is not a mask rule"),
    ],
)
def test_a_mask_that_is_wrong(arguments: list[object], message: str, small_sandbox: Sandbox, place: Path) -> None:
    done = call("export", "out", *credentials(small_sandbox), *arguments, cwd=place)
    assert done.code == 2
    assert message in done.err
    assert not (place / "out").exists()


def test_a_key_that_everybody_can_read_is_told(small_sandbox: Sandbox, place: Path) -> None:
    (place / "mask.key").chmod(0o644)
    done = call("export", "out", *credentials(small_sandbox), *MASKED, cwd=place)
    assert done.code == 0, done.err
    assert "mask.key can be read by every user of this machine" in done.err
