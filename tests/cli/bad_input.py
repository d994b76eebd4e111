"""Everything that may be wrong with an export, tried; the documentation's table of errors is written from it.

``python -m tests.cli.bad_input`` writes ``notebooks/reference/errors.md`` anew.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import re
import resource
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from conv_analytics.dataset import open_dataset
from conv_analytics.errors import CorruptFile
from conv_analytics.sandbox import Reply, Request, Sandbox
from conv_analytics.sandbox.tokens import key_pair
from tests._helpers.command_line import ROOT, Ended, call, credentials, run
from tests._helpers.proxy import BASE_URL, Way, ca_file, proxy
from tests._helpers.proxy import answer as refusal

PAGE = ROOT / "notebooks" / "reference" / "errors.md"

#: Set up what is wrong; give the arguments after DEST and the options of `run`.
Setup = Callable[["Place"], list[object]]


@dataclass
class Place:
    """Where a case is tried."""

    sandbox: Sandbox
    folder: Path
    dest: Path
    env: dict[str, str] = field(default_factory=dict)
    before: Callable[[], None] | None = None
    open: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    """What serves until the command has ended."""

    @property
    def right(self) -> list[object]:
        """The arguments with which everything works."""
        return credentials(self.sandbox)

    def instead(self, flag: str, value: object) -> list[object]:
        """The right arguments but for one."""
        arguments = self.right
        arguments[arguments.index(flag) + 1] = value
        return arguments

    def first(self) -> str:
        """The conversation that is tampered with: the first that has more than one page of events."""
        world = self.sandbox.world
        return next(world.head(n).id for n in range(world.size) if len(world.conversation(n).rendered) > 150)

    def events(self, change: Callable[[Request, dict[str, Any]], bytes]) -> None:
        """Change every page of events of the first conversation."""
        path = f"/v1/conversations/{self.first()}/events"

        def answer(request: Request) -> Reply:
            app = self.sandbox._app
            assert app is not None
            return Reply(200, change(request, json.loads(app.answer(request).body)))

        self.sandbox.script(lambda request: request.path == path, answer, times=-1)

    def replies(self, path: str, reply: Reply) -> None:
        """Answer a path with this, always."""
        self.sandbox.script(lambda request: request.path == path, reply, times=-1)


@dataclass(frozen=True)
class Case:
    """One thing that is wrong, and how an export of it must end."""

    name: str
    setup: Setup
    code: int
    says: str
    """Must be in what is printed."""
    committed: str = "nothing"
    retries: int = 1


@dataclass(frozen=True)
class Outcome:
    """What came of a case."""

    ended: Ended
    message: str
    committed: str


def _page(items: list[bytes]) -> bytes:
    return b'{"_embedded":{"events":[' + b",".join(items) + b"]}}"


def _event(number: int, body: bytes) -> bytes:
    return b'{"id":%d,"type":"custom","timestamp":"2026-11-19T12:00:00.000Z","body":%s}' % (number, body)


def _instead_of_first(body: bytes) -> Callable[[Request, dict[str, Any]], bytes]:
    """Put another body into the first event of each page."""

    def change(_request: Request, page: dict[str, Any]) -> bytes:
        events = page["_embedded"]["events"] if isinstance(page["_embedded"], dict) else page["_embedded"]
        number, marker = events[0]["id"], "the body goes here"
        events[0] = {"id": number, "type": "custom", "timestamp": events[0]["timestamp"], "body": marker}
        return json.dumps(page).encode().replace(json.dumps(marker).encode(), body)

    return change


def _hangups_with(cell: bytes) -> Callable[[Request, dict[str, Any]], bytes]:
    """Put another value into `packet_cnt` of every hangup."""

    def change(_request: Request, page: dict[str, Any]) -> bytes:
        embedded = page["_embedded"]
        for event in embedded["events"] if isinstance(embedded, dict) else embedded:
            if event["type"] == "sip:hangup" and "quality" in event["body"]:
                event["body"]["quality"]["packet_cnt"] = "the cell goes here"
        return json.dumps(page).encode().replace(b'"the cell goes here"', cell)

    return change


def _loop(_request: Request, page: dict[str, Any]) -> bytes:
    page.setdefault("_links", {})["next"] = {"href": "https://api.nexmo.com/v1/conversations?cursor=again"}
    return json.dumps(page).encode()


def _wrong_key(place: Place) -> list[object]:
    key = place.folder / "other.key"
    if not key.exists():
        private = key_pair.__wrapped__().private
        key.write_text(private)
    return place.instead("--private-key", key)


def _none(_place: Place) -> list[object]:
    return []


def _nobody_listens(place: Place) -> list[object]:
    return place.instead("--base-url", NOBODY)


def _file(place: Place) -> list[object]:
    place.dest.write_text("something else")
    return place.right


def _url(url: str) -> Setup:
    def setup(place: Place) -> list[object]:
        place.dest = Path(url)
        return place.right

    return setup


def _below_file(place: Place) -> list[object]:
    (place.folder / "file").write_text("something else")
    place.dest = place.folder / "file" / "exports"
    return place.right


def _not_writable(place: Place) -> list[object]:
    place.dest.mkdir(mode=0o500)
    place.before = _obey_permissions
    return place.right


def _obey_permissions() -> None:
    """Give up root's right to pass over permissions (CAP_DAC_OVERRIDE), for the command that follows."""
    if os.geteuid() == 0:
        prctl, drop_from_bounding_set, dac_override = ctypes.CDLL(None).prctl, 24, 1
        assert prctl(drop_from_bounding_set, dac_override, 0, 0, 0) == 0


def _disk_full(place: Place) -> list[object]:
    place.before = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
    return place.right


def _locked(place: Place) -> list[object]:
    from filelock import FileLock

    work = place.dest / "_work"
    work.mkdir(parents=True)
    owner = {"pid": 4711, "host": "worker-3", "since": "2026-11-21T02:00:00Z"}
    (work / "owner.json").write_text(json.dumps(owner))
    place.sandbox.held = FileLock(work / "lock")  # type: ignore[attr-defined]  # released with the sandbox
    place.sandbox.held.acquire()  # type: ignore[attr-defined]
    return place.right


def _work(name: str, make: Callable[[Path], object]) -> Setup:
    """Something of somebody else in the work folder of DEST."""

    def setup(place: Place) -> list[object]:
        path = place.dest / "_work" / name
        path.parent.mkdir(parents=True)
        make(path)
        return place.right

    return setup


def _linked_work(place: Place) -> list[object]:
    place.dest.mkdir()
    (place.folder / "elsewhere").mkdir()
    (place.dest / "_work").symlink_to(place.folder / "elsewhere", target_is_directory=True)
    return place.right


def _commit_with(change: Callable[[dict[str, Any]], object]) -> Setup:
    """A folder whose only commit somebody has changed."""

    def setup(place: Place) -> list[object]:
        path = place.dest / "_commits" / "000001.json"
        path.parent.mkdir(parents=True)
        record = {"format": 3, "number": 1, "run": "1a2b3c4d", "committed_at": "2026-11-21T03:00:00Z", "files": [],
                  "report": {"selected": ["events"]}}  # fmt: skip
        change(record)
        path.write_text(json.dumps(record))
        return place.right

    return setup


def _commit_pipe(place: Place) -> list[object]:
    (place.dest / "_commits").mkdir(parents=True)
    os.mkfifo(place.dest / "_commits" / "000001.json")
    return place.right


def _other_tables(place: Place) -> list[object]:
    assert call("export", place.dest, *place.right, "--tables", "conversations", "--quiet").code == 0
    return [*place.right, "--tables", "events"]


def _listing(reply: Reply) -> Setup:
    def setup(place: Place) -> list[object]:
        place.replies("/v1/conversations", reply)
        return place.right

    return setup


def _events(change: Callable[[Request, dict[str, Any]], bytes]) -> Setup:
    def setup(place: Place) -> list[object]:
        place.events(change)
        return place.right

    return setup


def _listing_loop(place: Place) -> list[object]:
    def answer(request: Request) -> Reply:
        app = place.sandbox._app
        assert app is not None
        page = json.loads(app.answer(Request(request.method, request.path, {}, request.authorization)).body)
        return Reply(200, _loop(request, page))

    place.sandbox.script(lambda request: request.path == "/v1/conversations", answer, times=-1)
    return place.right


def _plus(*arguments: object) -> Setup:
    return lambda place: [*place.right, *arguments]


def _with(flag: str, value: object) -> Setup:
    return lambda place: place.instead(flag, value)


def _key(text: str) -> Setup:
    def setup(place: Place) -> list[object]:
        (place.folder / "private.key").write_text(text)
        return place.instead("--private-key", place.folder / "private.key")

    return setup


def _set(name: str, value: str) -> Setup:
    """Set a variable of the environment, for an export of a host that is not this machine."""

    def setup(place: Place) -> list[object]:
        (place.folder / "no.pem").write_text("no certificate")
        place.env[name] = value
        return place.instead("--base-url", BASE_URL)

    return setup


def _proxy(way: Way, *, trusted: bool = True) -> Setup:
    """Run a proxy that wants a password before that host."""

    def setup(place: Place) -> list[object]:
        found = place.open.enter_context(proxy(place.folder, place.sandbox.base_url, way))
        place.env |= {"https_proxy": f"http://user:secret@{found.address}"}
        if trusted:
            place.env["SSL_CERT_FILE"] = str(ca_file(place.folder))
        return place.instead("--base-url", BASE_URL)

    return setup


NOBODY = "http://127.0.0.1:9"
HTML = Reply(200, b"<!doctype html><title>Sign in</title><h1>Sign in</h1>", "text/html")
ERROR = Reply(200, b'{"title":"Internal Error.","code":"system:error:internal-error","detail":"Something broke."}')
CURSOR = Reply(400, b'{"title":"Bad request","code":"http:error:validation-fail","detail":"page_size is wrong"}')
DENIED = Reply(403, b'{"title":"Forbidden","detail":"Not for this application"}')
DOWN = Reply(503, b"", "text/plain")
ODD_GATEWAY = Reply(520, b"", "text/plain")
MOVED = Reply(302, b"", "text/plain", headers={"Location": "https://login.example/"})
A_YEAR = Reply(429, b"", "text/plain", headers={"Retry-After": "31536000"})
DEEP = b'{"a":' * 2000 + b"1" + b"}" * 2000
SURROGATE = rb'{"text":"half an emoji: \ud83d"}'
HUGE = b'{"number":92233720368547758080,"float":1e999}'
OF_THE_REST = "the rest"
ALL = "everything"
EMPTY = "an empty run"
PART = "the rest, and what was read of it"
BEFORE = "what was there before"

CASES = (
    Case("no credentials", _none, 2, "There is no application id"),
    Case("application id, but no key", lambda _: ["--application-id", "a1"], 2, "There is no private key"),
    Case("key file that does not exist", _with("--private-key", "absent.key"), 2, "does not exist"),
    Case("a public key", _key("-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----\n"), 2, "is a public key"),
    Case("a damaged key", _key("-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n"), 2, "is damaged"),
    Case("key of another application", _wrong_key, 2, "answered 401"),
    Case("application without the right (403)", _listing(DENIED), 2, "answered 403"),
    Case("`--base-url` that is not a URL", _with("--base-url", "not a host"), 2, "is not a URL, host name or region"),
    Case("`--base-url` without TLS", _with("--base-url", "http://api.nexmo.com"), 2, "must use https"),
    Case("host that nobody listens on", _nobody_listens, 69, "got no answer"),
    Case("host that is not Vonage: HTML", _listing(HTML), 2, "answered 200 with"),
    Case("host that is not Vonage: 404", _listing(Reply(404, b"<h1>Not here</h1>", "text/html")), 2, "answered 404"),
    Case("API that is down (503)", _listing(DOWN), 69, "answered 503"),
    Case("API behind a gateway that failed (520)", _listing(ODD_GATEWAY), 69, "answered 520"),
    Case("API that asks to wait for a year", _listing(A_YEAR), 69, "It asks to wait 365 d"),
    Case("host that redirects (302)", _listing(MOVED), 2, "Redirects are not followed"),
    Case("proxy that wants other credentials (407)", _proxy(refusal(407)), 2, "Give user and password in https_proxy"),
    Case("proxy that forbids the host (403)", _proxy(refusal(403)), 2, "The proxy forbids this host"),
    Case("proxy without a way onwards (502)", _proxy(refusal(502)), 69, "the proxy of https_proxy answered 502"),
    Case("proxy that is none", _proxy(b"hello\r\n\r\n"), 69, "through the proxy of https_proxy"),
    Case("proxy that nobody runs", _set("https_proxy", "http://user:secret@127.0.0.1:9"), 69, "Check https_proxy"),
    Case("proxy with a wrong port", _set("https_proxy", "http://user:secret@h:99999"), 2, "is not the URL of a proxy"),
    Case("proxy with an unencoded password", _set("https_proxy", "http://user:sec#ret@h:1"), 2, "percent-encoded"),
    Case("proxy `socks://`", _set("https_proxy", "socks://127.0.0.1:1080"), 2, "write socks5://HOST:PORT"),
    Case("`SSL_CERT_FILE` that does not exist", _set("SSL_CERT_FILE", "./stale.pem"), 2, "cannot be used"),
    Case("`SSL_CERT_FILE` that is not PEM", _set("SSL_CERT_FILE", "./no.pem"), 2, "a file without certificates"),
    Case("certificate that is not trusted", _proxy(None, trusted=False), 2, "name its CA file in SSL_CERT_FILE"),
    Case("negative `--max-retry-after`", _plus("--max-retry-after", -1), 2, "must be 0 or more"),
    Case("`--since` nonsense", _plus("--since", "last tuesday"), 2, "Accepted forms: 2026-11-20"),
    Case(
        "`--since` after `--until`", _plus("--since", "2026-11-20", "--until", "2026-11-10"), 2, "is not before until"
    ),
    Case("a table that does not exist", _plus("--tables", "hangups,calls"), 2, "There is no table 'calls'"),
    Case("other tables than the folder has", _other_tables, 2, "holds the tables conversations", BEFORE),
    Case("negative `--rate`", _plus("--rate", "-1"), 2, "must be 0 (no limit) or more"),
    Case("`--concurrency 0`", _plus("--concurrency", 0), 2, "concurrency is 0"),
    Case("`--processes 3`", _plus("--processes", 3), 2, "processes is 3"),
    Case("DEST is a URL of another kind", _url("gs://exports/night"), 2, "s3://BUCKET/PATH or az://CONTAINER/PATH"),
    Case("DEST is a URL without a bucket", _url("s3://Exports/night"), 2, "names no bucket"),
    Case("`--work` without a bucket", _plus("--work", "state"), 2, "goes with a bucket"),
    Case("DEST is a file", _file, 2, "it is a file"),
    Case("DEST below a file", _below_file, 2, "Not a directory"),
    Case("DEST not writable", _not_writable, 2, "Cannot write to"),
    Case("DEST being written by another run", _locked, 75, "is being written by process 4711 on worker-3"),
    Case("`_work` is somebody else's", _work("notes.txt", Path.touch), 2, "move it away"),
    Case("`_work` is a link", _linked_work, 2, "has to be a folder of its own"),
    Case("`_work/lock` is a folder", _work("lock", Path.mkdir), 2, "delete it"),
    Case("`_work/journal` is a pipe", _work("journal", os.mkfifo), 2, "delete it"),
    Case("a commit is a pipe", _commit_pipe, 2, "it is a pipe, not a file", BEFORE),
    Case("a commit has text for a number", _commit_with(lambda of: of.update(number="1")), 2, "Expected `int`", BEFORE),
    Case("a commit of another number", _commit_with(lambda of: of.update(number=7)), 2, "it is commit 7", BEFORE),
    Case("disk full", _disk_full, 3, "Nothing was committed"),
    Case("list of conversations answers `{}`", _listing(Reply(200, b"{}")), 0, "complete: 0 conversations", EMPTY),
    Case("list answers an error object with 200", _listing(ERROR), 2, "answered 200 with"),
    Case("list refused (400)", _listing(CURSOR), 2, "page_size is wrong"),
    Case("list whose cursors go round", _listing_loop, 3, "leads back to a page already read", ALL),
    Case("page of events `{}`", _events(lambda *_: b"{}"), 3, "no events are listed", OF_THE_REST),
    Case("page of events HTML", _events(lambda *_: HTML.body), 3, "not read to the end", OF_THE_REST),
    Case("page of events cut off", _events(lambda *_: b'{"_embedded":{"events":[{"id":1,'), 3, "not read", OF_THE_REST),
    Case("page of events an error object", _events(lambda *_: ERROR.body), 3, "Something broke", OF_THE_REST),
    Case("events whose cursors go round", _events(_loop), 3, "leads back to a page already read", PART),
    Case("body of 50 MB", _events(_instead_of_first(b'"' + b"x" * 50_000_000 + b'"')), 0, "complete", ALL),
    Case("body of 70 MB", _events(_instead_of_first(b'"' + b"x" * 70_000_000 + b'"')), 3, "67,108,864", OF_THE_REST),
    Case("2,000 levels of nesting", _events(_instead_of_first(DEEP)), 0, "complete", ALL),
    Case("lone surrogates", _events(_instead_of_first(SURROGATE)), 0, "complete", ALL),
    Case("integers over 2^63 in a body", _events(_instead_of_first(HUGE)), 0, "complete", ALL),
    Case("integer over 2^63 in a column", _events(_hangups_with(b"92233720368547758080")), 0, "unreadable", ALL),
    Case("text in a column of numbers", _events(_hangups_with(b'"many"')), 0, "unreadable", ALL),
)


@contextlib.contextmanager
def world() -> Iterator[Sandbox]:
    """A small sandbox."""
    with Sandbox(seed=7, conversations=8) as sandbox:
        try:
            yield sandbox
        finally:
            if held := getattr(sandbox, "held", None):
                held.release()


def outcome(case: Case, folder: Path) -> Outcome:
    """Try a case in an empty folder."""
    with world() as sandbox:
        place = Place(sandbox, folder, folder / "exports")
        arguments = case.setup(place)
        with place.open:
            flags = ["--retries", case.retries, "--quiet"]
            # What holds for a whole process takes one of its own.
            asked = call if place.before is None else partial(run, before=place.before)
            ended = asked("export", place.dest, *arguments, *flags, cwd=folder, env=place.env)
        said = ended.out.partition("complete: ")[2].splitlines()[1:]
        message = "; ".join([*said, ended.err] if ended.err else ["complete", *said])
        return Outcome(ended, _plain(message, place), _committed(place))


def _committed(place: Place) -> str:
    if not (place.dest / "_commits").is_dir() or not list((place.dest / "_commits").glob("*.json")):
        return "nothing"
    try:
        dataset = open_dataset(place.dest)
    except CorruptFile:
        return BEFORE
    truth = place.sandbox.truth()
    if dataset.tables == ("conversations",):
        return BEFORE
    if dataset.commits[-1].report["listed"] == 0:
        return EMPTY
    events = dataset["events"]
    if len(events) == truth.events:
        return ALL
    of_others = events[events["conversation_id"] != place.first()]
    assert len(of_others) == truth.events - truth.events_per_conversation[place.first()]
    return OF_THE_REST if len(of_others) == len(events) else PART


def _plain(text: str, place: Place) -> str:
    """The same text on every machine."""
    text = text.replace(str(place.dest), "exports").replace(str(place.folder), ".")
    text = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:8080", text)
    text = re.sub(r"CON-[0-9a-f-]{36}", "CON-…", text)
    text = re.sub(r"cursor=[^&\s]+", "cursor=…", text)
    return " ".join(text.split()).replace("|", "\\|")


HEAD = """\
# Errors

What `conv-analytics export` says when something is wrong, tried against the sandbox by `tests/cli/test_bad_input.py`;
this page is written by `python -m tests.cli.bad_input` and checked by the tests. Messages go to the standard error.
"Committed" is what the folder holds afterwards: *the rest* is everything but the conversation that
could not be read.

| input | exit | message | committed |
|---|---|---|---|
"""

TAIL = """
`{}` is how the API may write a page without records. Where a conversation says that it has events and none came, the
next run asks for them again.

## Exit codes

| code | meaning | what a scheduler should do |
|---|---|---|
| 0 | complete | nothing |
| 1 | an error that nobody foresaw, a bug; `--debug` shows the traceback | tell us |
| 2 | usage or configuration: an argument, a key, the host, the folder | tell a person; repeating does not help |
| 3 | incomplete: something could not be read, or the disk is full, or far fewer events than usual came; what finished\
 is committed | run it again; tell a person if it stays |
| 69 | the API gave no answer, or only failures (5xx, 429), before anything was read | run it again later |
| 75 | another run writes to the folder | run it again later |
| 130, 143 | ended by Ctrl-C or SIGTERM; what was read is kept | run it again to go on |

A failure before the first page of the list was read is 2 when the caller has to change something (a key that is
refused, a host that is not the Conversation API), and 69 when nobody answered or the API itself failed: nothing was
committed, and the same command may work later. After the first page every failure is 3. SIGTERM ends a run in the
same orderly way as Ctrl-C. A reader of the standard output that goes away (`| head`) changes no exit code.

With `--json` the last line of the standard output is one object for the codes 0, 3, 130 and 143; for the others the
standard output stays empty. `sandbox` ends with 0 on Ctrl-C and on SIGTERM: that is how it is meant to end.
"""


def page(outcomes: dict[str, Outcome]) -> str:
    """The page of the documentation."""
    rows = [
        f"| {name} | {found.ended.code} | {found.message} | {found.committed} |" for name, found in outcomes.items()
    ]
    return HEAD + "\n".join(rows) + "\n" + TAIL


def main() -> None:
    """Write the page anew."""
    outcomes = {}
    for case in CASES:
        with tempfile.TemporaryDirectory() as folder:
            outcomes[case.name] = outcome(case, Path(folder))
    PAGE.write_text(page(outcomes), encoding="utf-8")


if __name__ == "__main__":
    main()
