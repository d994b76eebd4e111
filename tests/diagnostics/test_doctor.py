"""`doctor`: silent where all is well, and each planted fault is named by its check."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from vonage import Auth, Vonage

from conv_analytics import doctor, export
from conv_analytics.dataset import Commit
from conv_analytics.dataset.maintenance.finding import Finding, Level
from conv_analytics.dataset.storage.layout import Layout
from conv_analytics.dataset.storage.lock import WriterLock
from conv_analytics.diagnostics.diagnosis import Diagnosis
from conv_analytics.diagnostics.entry import CHECKS
from conv_analytics.errors import ConfigError
from conv_analytics.instants import utc_text
from conv_analytics.live import app
from conv_analytics.privacy import Mask
from conv_analytics.sandbox import Reply, Request, Sandbox
from conv_analytics.sandbox.applications import ApplicationSettings
from conv_analytics.sandbox.tokens import key_pair
from tests._helpers.command_line import call, environment
from tests._helpers.listeners import served
from tests._helpers.proxy import BASE_URL, ca_file, proxy
from tests._helpers.sandboxes import client_of
from tests._helpers.scripted_server import Answer, Server, start

API_KEY, API_SECRET = "a1b2c3d4", "S3cretOfTheAccount99"
MASK_KEY = "a mask key of the tests"


def settings(sandbox: Sandbox) -> dict[str, Any]:
    """An application whose settings are all as they should be."""
    rtc, calls = ({"address": f"https://listen.example.net/{name}", "http_method": "POST"} for name in ("rtc", "v"))
    voice = {"webhooks": {"event_url": calls}, "signed_callbacks": True, "conversations_ttl": 72, "region": "eu-west"}
    return {
        "id": sandbox.application_id,
        "name": "Front desk",
        "keys": {"public_key": key_pair().public},
        "capabilities": {
            "voice": {**voice, "leg_persistence_time": 7},
            "rtc": {"webhooks": {"event_url": rtc}, "signed_callbacks": True},
        },
    }


@dataclass
class Place:
    """A set-up in which everything is well, until a test plants a fault in it."""

    sandbox: Sandbox
    folder: Path
    listener: Server
    tmp: Path
    patch: pytest.MonkeyPatch
    application: dict[str, Any]
    arguments: dict[str, Any]

    def doctor(self) -> Diagnosis:
        return doctor(**self.arguments)

    def key(self, text: str) -> None:
        """Give another key."""
        path = self.tmp / "other.key"
        path.write_text(text)
        path.chmod(0o600)
        self.arguments["private_key"] = path

    def report(self, number: int = -1, **values: Any) -> None:
        """Change what the commit of a run says."""
        path = sorted((self.folder / "_commits").glob("*.json"))[number]
        commit = Commit.read(path)
        path.write_text(replace(commit, report={**commit.report, **values}).to_json())

    def replies(self, reply: Reply) -> None:
        self.sandbox.script(lambda request: request.path == "/v1/conversations", reply, times=-1)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four runs, a day apart, the last of them now."""
    folder = tmp_path_factory.mktemp("exported") / "exports"
    with Sandbox(seed=5, conversations=6, days=2) as sandbox:
        for _ in range(4):
            export(client_of(sandbox), folder, rate=0, progress=False)
    for days, path in zip((3, 2, 1, 0), sorted((folder / "_commits").glob("*.json")), strict=True):
        commit = Commit.read(path)
        at = utc_text(datetime.now(UTC) - timedelta(days=days, minutes=5))
        path.write_text(replace(commit, report={**commit.report, "started_at": at}).to_json())
    return folder


@pytest.fixture
def place(exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    shutil.copytree(exported, tmp_path / "exports")
    listener, serving = start()
    listener.script = [lambda asked: Answer(200 if asked.path == "/healthz" else 404, {"status": "ok"})]
    monkeypatch.setenv("VONAGE_API_KEY", API_KEY)
    monkeypatch.setenv("VONAGE_API_SECRET", API_SECRET)
    monkeypatch.chdir(tmp_path)
    with Sandbox(seed=5, conversations=6, days=2) as sandbox:
        arguments = {
            "dest": tmp_path / "exports", "application_id": sandbox.application_id, "timeout": 5.0,
            "private_key": sandbox.key_path, "base_url": sandbox.base_url, "listener": listener.base_url,
        }  # fmt: skip
        place = Place(sandbox, tmp_path / "exports", listener, tmp_path, monkeypatch, settings(sandbox), arguments)

        def application(request: Request) -> Reply:
            if request.authorization != f"Basic {base64.b64encode(f'{API_KEY}:{API_SECRET}'.encode()).decode()}":
                return Reply(401, b'{"title": "Unauthorized"}')
            return Reply(200, json.dumps(place.application).encode())

        sandbox.script(lambda request: request.path.startswith("/v2/applications/"), application, times=-1)
        yield place
    serving.shutdown()
    serving.server_close()


def faults(diagnosis: Diagnosis) -> list[Finding]:
    return [finding for finding in diagnosis if finding.level in {Level.WARNING, Level.ERROR}]


def test_a_healthy_set_up_is_silent(place: Place) -> None:
    before = sorted((path, path.stat().st_mtime_ns) for path in place.folder.rglob("*"))
    place.sandbox.requests.clear()
    diagnosis = place.doctor()
    assert faults(diagnosis) == []
    # Nothing was left out, and each check said something.
    assert {finding.level for finding in diagnosis} == {Level.OK}
    assert list(dict.fromkeys(finding.where for finding in diagnosis)) == [name for name, _ in CHECKS]
    assert len(place.sandbox.requests) <= 3
    assert sorted((path, path.stat().st_mtime_ns) for path in place.folder.rglob("*") if path.name != "_work") == [
        (path, at) for path, at in before if path.name != "_work"
    ]


def test_runs_with_a_window_are_runs(place: Place) -> None:
    _windowed(*ALL)(place, None)
    found = [finding for finding in place.doctor() if finding.where == "last runs"]
    assert [finding.level for finding in found] == [Level.OK]
    assert "and was complete" in found[0].what
    for number in ALL:
        place.report(number, requests=0)
    found = [finding for finding in place.doctor() if finding.where == "last runs"]
    assert [(finding.level, finding.what) for finding in found] == [
        (Level.SKIPPED, "no run of the folder has read from the API")
    ]


def private(key: Any, *, password: bytes | None = None) -> str:
    encryption = BestAvailableEncryption(password) if password else NoEncryption()
    return str(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption).decode())


def public(key: rsa.RSAPrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@pytest.fixture(scope="module")
def other() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


Plant = Callable[[Place, rsa.RSAPrivateKey], None]


def _no_application(place: Place, other: Any) -> None:
    del place.arguments["application_id"]


def _old(place: Place, other: Any) -> None:
    for number, days in enumerate((12, 11, 10, 9)):
        place.report(number, started_at=utc_text(datetime.now(UTC) - timedelta(days=days)))


def _weekly(place: Place, other: Any) -> None:
    for number, days in enumerate((21, 14, 7, 0)):
        place.report(number, started_at=utc_text(datetime.now(UTC) - timedelta(days=days, minutes=5)))


def _quarantine(place: Place, other: Any) -> None:
    path = max((place.folder / "_commits").glob("*.json"))
    commit = Commit.read(path)
    line = {"list": "events", "conversation_id": "CON-1", "event_id": 3, "problems": [], "kept": False, "raw": "{}"}
    (place.folder / "_quarantine").mkdir(exist_ok=True)
    name = f"_quarantine/{commit.number:06d}-{commit.run}.jsonl"
    (place.folder / name).write_text(json.dumps(line) + "\n")
    path.write_text(replace(commit, quarantine=name).to_json())


def _large_runs(place: Place, other: Any) -> None:
    path = min((place.folder / "_commits").glob("*.json"))
    commit = Commit.read(path)
    first = replace(commit.files[0], bytes=shutil.disk_usage(place.folder).free)
    path.write_text(replace(commit, files=(first, *commit.files[1:])).to_json())


def _held(place: Place, other: Any) -> None:
    lock = WriterLock(Layout(place.folder))
    lock.acquire()
    place.held = lock  # type: ignore[attr-defined]  # until the test ends
    owner = place.folder / "_work" / "owner.json"
    since = utc_text(datetime.now(UTC) - timedelta(days=2), "seconds")
    owner.write_text(json.dumps({**json.loads(owner.read_text()), "since": since}))


def _interrupted(place: Place, other: Any) -> None:
    (place.folder / "_work" / "journal").write_bytes(b"x" * 2_000_000)


def _not_a_folder(place: Place, other: Any) -> None:
    place.arguments["dest"] = place.tmp / "file"
    (place.tmp / "file").write_text("x")


def _linked_work(place: Place, other: Any) -> None:
    shutil.rmtree(place.folder / "_work")
    (place.folder / "_work").symlink_to(place.tmp)


def _masked(place: Place, other: Any) -> None:
    place.report(mask={"key_id": Mask(b"another key of tests").key_id, "rules": {}})
    place.patch.setenv("CONV_ANALYTICS_MASK_KEY", MASK_KEY)


def _damaged(place: Place, other: Any) -> None:
    sorted((place.folder / "_commits").glob("*.json"))[1].write_text("{")


def _clock(place: Place, other: Any) -> None:
    slow = Sandbox(seed=5, conversations=2, days=2, clock_offset_s=900.0).start()
    place.slow = slow  # type: ignore[attr-defined]
    place.arguments |= {"base_url": slow.base_url, "application_id": slow.application_id}
    place.patch.delenv("VONAGE_API_KEY")


def _set(*path: str, to: Any) -> Plant:
    def plant(place: Place, other: Any) -> None:
        inner = place.application
        for name in path[:-1]:
            inner = inner[name]
        inner[path[-1]] = to

    return plant


def _dead_proxy(place: Place, other: Any) -> None:
    place.patch.setenv("HTTPS_PROXY", "http://user:pr0xypassw0rd@127.0.0.1:9")
    del place.arguments["base_url"]


def _env(**values: str) -> Plant:
    def plant(place: Place, other: Any) -> None:
        del place.arguments["base_url"]
        for name, value in values.items():
            place.patch.setenv(name, value)

    return plant


def _mixed(place: Place, other: Any) -> None:
    """The id from a file of the Vonage CLI, the key from the environment."""
    del place.arguments["application_id"], place.arguments["private_key"]
    (place.tmp / ".vonagerc").write_text(json.dumps({"app-id": "c0ffee00-1d0c-4a2b-8a57-6f0e5d1b2a90"}))
    place.patch.setenv("VONAGE_PRIVATE_KEY", str(place.sandbox.key_path))


def _readable_key(place: Place, other: Any) -> None:
    place.sandbox.key_path.chmod(0o644)


def _give(**arguments: Any) -> Plant:
    return lambda place, other: place.arguments.update(arguments)


def _key(make: Callable[[rsa.RSAPrivateKey], str]) -> Plant:
    return lambda place, other: place.key(make(other))


def _answers(status: int, body: bytes) -> Plant:
    return lambda place, other: place.replies(Reply(status, body, headers={"Retry-After": "0"}))


def _run_says(**values: Any) -> Plant:
    return lambda place, other: place.report(**values)


def _wrong_secret(place: Place, other: Any) -> None:
    place.patch.setenv("VONAGE_API_SECRET", "an0therS3cret")


def _other_public_key(place: Place, other: rsa.RSAPrivateKey) -> None:
    place.application["keys"]["public_key"] = public(other)


def _waiting_listener(place: Place, other: Any) -> None:
    place.listener.script = [Answer(200, {"status": "ok", "oldest_uncommitted_s": 90_000.0})]


def _ill_listener(place: Place, other: Any) -> None:
    place.listener.script = [Answer(503, b"disk full")]


def _windowed(*numbers: int, **last: Any) -> Plant:
    """Some of the four runs had an explicit window."""

    def plant(place: Place, other: Any) -> None:
        for number in numbers:
            place.report(number, since="2026-01-01T00:00:00Z")
        place.report(**last)

    return plant


def _late_but_for_a_window(place: Place, other: Any) -> None:
    _old(place, other)
    place.report(since="2026-01-01T00:00:00Z", started_at=utc_text(datetime.now(UTC)))


def _missed_before_a_window(place: Place, other: Any) -> None:
    place.report(2, status="incomplete")
    place.report(since="2026-01-01T00:00:00Z")


ALL = range(4)
W, E = Level.WARNING, Level.ERROR
VOICE, RTC = ("capabilities", "voice"), ("capabilities", "rtc")
NOWHERE = "http://127.0.0.1:9"
EMPTY = b'{"page_size": 1, "_embedded": {"conversations": []}}'
HERE, PLAIN = "http://localhost:8080/rtc", "http://example.net/v"

#: What is planted: how, the check that names it, its level, and words of the finding.
FAULTS: dict[str, tuple[Plant, str, Level, str]] = {
    "no application id": (_no_application, "application id", E, "there is none in the arguments"),
    "a placeholder": (_give(application_id="YOUR_APP_ID"), "application id", W, "'YOUR_APP_ID' (from application_id=)"),
    "no key": (_give(private_key="absent.key"), "private key", E, "names a file that does not exist"),
    "a public key": (_key(public), "private key", E, "is a public key"),
    "an encrypted key": (_key(lambda key: private(key, password=b"x")), "private key", E, "is encrypted"),
    "an EC key": (_key(lambda _: private(ec.generate_private_key(ec.SECP256R1()))), "private key", E, "not an RSA key"),
    "a cut key": (_key(lambda key: private(key)[:900]), "private key", E, "is cut off"),
    "an exposed key": (_readable_key, "private key", W, "can be read by every user"),
    "a host that is none": (_give(base_url="http://api.nexmo.com"), "host", E, "must use https"),
    "a proxy that is none": (_env(HTTPS_PROXY="u:pr0xypassw0rd@host:port"), "proxy", E, "is not the URL of a proxy"),
    "no certificates": (_env(SSL_CERT_FILE="/nowhere.pem"), "certificates", E, "SSL_CERT_FILE names a file"),
    "a dead proxy": (_dead_proxy, "connection", E, "at the proxy of HTTPS_PROXY"),
    "nobody there": (_give(base_url=NOWHERE), "connection", E, "Connection refused"),
    "another host": (_answers(200, b"<html>Hello</html>"), "connection", E, "answered 200 with"),
    "a path of another host": (_answers(404, b"no such page"), "connection", E, "answered 404"),
    "an API that fails": (_answers(503, b"{}"), "connection", E, "answered 503"),
    "another application's key": (_key(private), "token", E, "answered 401"),
    "id and key from two places": (_mixed, "token", E, "answered 401"),
    "not allowed": (_answers(403, b'{"title": "Forbidden"}'), "token", E, "answered 403"),
    "a wrong clock": (_clock, "clock", W, "this machine's clock is 15 min"),
    "no conversation": (_answers(200, EMPTY), "conversations", W, "lists none"),
    "a file as folder": (_not_a_folder, "folder", E, "is a file"),
    "a folder that is a link": (_linked_work, "folder", E, "is a link"),
    "a damaged commit": (_damaged, "folder", E, "is damaged"),
    "a run that hangs": (_held, "lock", W, "is being written by process"),
    "an interrupted run": (_interrupted, "lock", W, "a run was interrupted"),
    "an incomplete run": (_run_says(status="incomplete"), "last runs", W, "and was incomplete"),
    "a job that stopped": (_old, "last runs", W, "the last run began 9 d ago, where one runs every 1 d"),
    "an odd night": (_run_says(warning="No new event, where 900 are usual"), "last runs", W, "No new event"),
    "an incomplete window": (_windowed(3, status="incomplete"), "last runs", W, "ago, and was incomplete"),
    "only windows": (_windowed(*ALL, status="incomplete"), "last runs", W, "ago, and was incomplete"),
    "an odd window": (_windowed(*ALL, warning="No new event"), "last runs", W, "No new event"),
    "only a window since": (_late_but_for_a_window, "last runs", W, "without a window began 10 d ago, where one runs"),
    "missed before a window": (_missed_before_a_window, "last runs", W, "without a window began 1 d 5 min ago, and"),
    "unreadable records": (_quarantine, "quarantine", W, "1 records could not be read"),
    "another mask key": (_masked, "mask", E, "CONV_ANALYTICS_MASK_KEY holds another"),
    "a full disk": (_large_runs, "disk space", E, "the next run may not fit"),
    "a wrong secret": (_wrong_secret, "account", E, "key and secret were refused"),
    "another public key": (_other_public_key, "key pair", E, "does not belong"),
    "a short life": (_set(*VOICE, "conversations_ttl", to=24), "lifetimes", W, "live 24 h from their creation"),
    "weekly exports": (_weekly, "lifetimes", W, "live 72 h from their creation, and exports run every 7 d"),
    "legs not kept": (_set(*VOICE, "leg_persistence_time", to="1"), "lifetimes", W, "legs are kept 1 d"),
    "no webhook": (_set(*RTC, "webhooks", "event_url", "address", to=""), "webhooks", W, "rtc has no event_url"),
    "a webhook of here": (_set(*RTC, "webhooks", "event_url", "address", to=HERE), "webhooks", W, "to localhost"),
    "a webhook in clear": (_set(*VOICE, "webhooks", "event_url", "address", to=PLAIN), "webhooks", W, "without TLS"),
    "unsigned webhooks": (_set(*RTC, "signed_callbacks", to=False), "signatures", W, "webhooks of rtc are not signed"),
    "an absent listener": (_give(listener=NOWHERE), "listener", E, "gave no answer"),
    "a waiting listener": (_waiting_listener, "listener", W, "events wait since 1 d 1 h for their commit"),
    "an ill listener": (_ill_listener, "listener", E, "answers 503: disk full"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_named(name: str, place: Place, other: rsa.RSAPrivateKey) -> None:
    plant, check, level, words = FAULTS[name]
    plant(place, other)
    diagnosis = place.doctor()
    named = [finding for finding in faults(diagnosis) if finding.where == check]
    assert [finding.level for finding in named if words in finding.what] == [level], str(diagnosis)
    # It says what to do, and what lies before it is well: a fault is named where it is.
    assert all(finding.advice for finding in named)
    order = [each for each, _ in CHECKS]
    first = min((order.index(finding.where) for finding in faults(diagnosis)), default=-1)
    assert order[first] == check, str(diagnosis)
    shown = str(diagnosis) + json.dumps(diagnosis.to_dict()) + diagnosis._repr_html_() + repr(diagnosis)
    assert "the check itself failed" not in shown
    secrets = [API_SECRET, "pr0xypassw0rd", MASK_KEY, *key_pair().private.splitlines()[1:-1]]
    assert [secret for secret in secrets if secret in shown] == []
    if hasattr(place, "slow"):
        place.slow.close()


def test_id_and_key_from_two_places_are_told_with_their_places(place: Place, other: rsa.RSAPrivateKey) -> None:
    _mixed(place, other)
    (refused,) = [finding for finding in place.doctor() if finding.where == "token"]
    assert f"The id is from {place.tmp / '.vonagerc'} and the key from VONAGE_PRIVATE_KEY" in refused.advice


def test_a_certificate_that_is_not_trusted(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.arguments["base_url"] = BASE_URL
    with proxy(place.tmp, place.sandbox.base_url) as between:
        monkeypatch.setenv("HTTPS_PROXY", between.address)
        untrusted = place.doctor()
        monkeypatch.setenv("SSL_CERT_FILE", str(ca_file(place.tmp)))
        trusted = place.doctor()
    assert "its certificate is not trusted" in next(
        each.what for each in untrusted.errors if each.where == "connection"
    )
    # The whole way through the proxy is well, account and all.
    assert faults(trusted) == []
    assert "from HTTPS_PROXY" in next(each.what for each in trusted if each.where == "proxy")


@pytest.mark.slow
def test_a_run_under_way_is_no_fault(place: Place) -> None:
    code = (
        "import sys; from pathlib import Path; from conv_analytics.dataset.storage.layout import Layout;"
        "from conv_analytics.dataset.storage.lock import WriterLock; lock = WriterLock(Layout(Path(sys.argv[1])));"
        "lock.acquire(); print('held', flush=True); sys.stdin.read()"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "env": environment()}
    with subprocess.Popen([sys.executable, "-c", code, str(place.folder)], **pipes) as running:  # type: ignore[call-overload]
        assert running.stdout.readline() == b"held\n"
        during = next(finding for finding in place.doctor() if finding.where == "lock")
        running.kill()
    assert during.level == Level.OK
    assert f"process {running.pid} on" in during.what
    # A killed run leaves its name, and holds nothing.
    assert (place.folder / "_work" / "owner.json").exists()
    after = next(finding for finding in place.doctor() if finding.where == "lock")
    assert after.what == "no run is writing to the folder"


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="a folder of somebody else takes root")
def test_a_folder_of_somebody_else(place: Place) -> None:
    for path in (place.tmp, *place.tmp.parents[:2]):
        path.chmod(0o755)
    place.folder.chmod(0o555)
    (place.folder / "_work").chmod(0o555)
    code = (
        "import os, sys; from conv_analytics.diagnostics.entry import doctor;"
        # Whatever is imported later is imported now: nobody may not read the interpreter's folder.
        "ask = lambda: doctor(sys.argv[1], base_url='http://127.0.0.1:9'); ask();"
        "os.setgid(65534); os.setuid(65534); print(ask())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(place.folder)], env=environment(), capture_output=True, text=True, check=False
    )
    assert "error    folder: " in done.stdout, done.stderr
    assert "Permission denied" in done.stdout


@pytest.mark.slow
def test_nothing_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VONAGE_API_HOST", "http://127.0.0.1:9")
    diagnosis = doctor(tmp_path / "nowhere" / "exports")
    assert {finding.where for finding in diagnosis.errors} == {"application id", "private key", "connection"}
    assert {finding.level for finding in diagnosis} == {Level.OK, Level.ERROR, Level.SKIPPED}
    assert not (tmp_path / "nowhere").exists()
    (tmp_path / ".vonagerc").write_text("app-id: yaml")
    assert any(".vonagerc cannot be read as JSON" in finding.what for finding in doctor().warnings)


def test_a_client_of_vonages_own_library(place: Place) -> None:
    auth = Auth(application_id=place.sandbox.application_id, private_key=place.sandbox.private_key)
    del place.arguments["private_key"]
    place.arguments["application_id"] = Vonage(auth)
    diagnosis = place.doctor()
    assert faults(diagnosis) == []
    assert {finding.where for finding in diagnosis.of(Level.SKIPPED)} == {"private key", "key pair"}


def test_wrong_arguments_are_errors(tmp_path: Path) -> None:
    for wrong in ({"listener": "127.0.0.1:8080"}, {"timeout": 0.0}, {"timeout": float("nan")}):
        with pytest.raises(ConfigError):
            doctor(**wrong)  # type: ignore[arg-type]
    for arguments in (["--listener", "nowhere"], ["--timeout", "0"], ["gs://bucket"], [" "]):
        assert call("doctor", *arguments, cwd=tmp_path).code == 2, arguments


def test_the_command(place: Place, tmp_path: Path) -> None:
    arguments = [
        "doctor", place.folder, "--application-id", place.sandbox.application_id, "--base-url", place.sandbox.base_url,
        "--private-key", place.sandbox.key_path, "--listener", place.listener.base_url,
    ]  # fmt: skip
    account = {"VONAGE_API_KEY": API_KEY, "VONAGE_API_SECRET": API_SECRET}
    well = call(*arguments, cwd=tmp_path, env=account)
    assert (well.code, well.err) == (0, "")
    assert well.out.splitlines()[-1] == "errors: 0, warnings: 0, skipped: 0"
    told = call(*arguments, "--json", cwd=tmp_path, env=account).last
    assert (told["status"], told["errors"], told["warnings"], told["skipped"]) == ("ok", 0, 0, 0)
    ill = call("doctor", "--base-url", place.sandbox.base_url, "--private-key", place.tmp / "absent", cwd=tmp_path)
    assert (ill.code, ill.err) == (1, "")
    assert "Give --application-id or set VONAGE_APPLICATION_ID" in ill.out
    assert "The private key (--private-key) names a file that does not exist" in ill.out


def test_the_application_of_the_sandbox(exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its settings as the sandbox serves them, in the words of today's answers and of older ones."""
    events = "https://listen.example.net"
    good = ApplicationSettings(rtc_event_url=f"{events}/rtc", voice_event_url=f"{events}/voice")
    with Sandbox(seed=5, conversations=6, days=2, application=good) as sandbox:
        monkeypatch.setenv("VONAGE_API_KEY", sandbox.api_key)
        monkeypatch.setenv("VONAGE_API_SECRET", sandbox.api_secret)

        def named() -> list[str]:
            found = doctor(
                exported, application_id=sandbox.application_id, private_key=sandbox.key_path, base_url=sandbox.base_url
            )
            return [finding.where for finding in faults(found)]

        assert named() == []
        sandbox.application = replace(good, old_names=True)
        assert named() == []
        sandbox.application = replace(good, old_names=True, conversations_ttl=24, rtc_event_url="", rtc_signed=False)
        assert named() == ["lifetimes", "webhooks", "signatures"]
        sandbox.application = replace(good, conversations_ttl=None, leg_persistence_time=None, rtc=False)
        assert named() == ["webhooks"]
        monkeypatch.setenv("VONAGE_API_SECRET", sandbox.api_secret[::-1])
        assert named() == ["account"]


def test_a_listener_that_serves(place: Place, tmp_path: Path) -> None:
    secret = "the signature secret of the tests"
    application = app(tmp_path / "live", secrets=secret, application_ids=[place.sandbox.application_id], commit_every=0)
    with served(application) as client:
        place.arguments["listener"] = str(client.base_url)
        assert faults(place.doctor()) == []
