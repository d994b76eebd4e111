"""Where settings come from, and one clear sentence for each key that is none."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
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

from conv_analytics.errors import ConfigError
from conv_analytics.settings import VARIABLES, Settings, base_url_of


def _pem(key: Any, *, password: bytes | None = None, form: PrivateFormat = PrivateFormat.PKCS8) -> str:
    encryption = BestAvailableEncryption(password) if password else NoEncryption()
    return str(key.private_bytes(Encoding.PEM, form, encryption).decode())


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture
def resolve(tmp_path: Path) -> Callable[..., Settings]:
    """Resolve with an empty environment and empty folders."""
    (tmp_path / "cwd").mkdir()
    (tmp_path / "home" / ".vonage").mkdir(parents=True)

    def run(*args: Any, env: dict[str, str] | None = None, **options: Any) -> Settings:
        return Settings.resolve(*args, env=env or {}, cwd=tmp_path / "cwd", home=tmp_path / "home", **options)

    return run


def _numbers(settings: Settings) -> int:
    assert settings.credentials is not None
    return settings.credentials.key.private_numbers().p


FORMS = [
    "pem", "escaped", "pkcs1", "path", "home", "indented", "crlf", "one line", "quoted", "quoted path", "spaced path",
    "base64", "base64 in lines", "base64 for URLs", "base64 quoted", "path to base64",
]  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_forms_of_a_key(
    resolve: Callable[..., Settings],
    key: rsa.RSAPrivateKey,
    tmp_path: Path,
    form: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pem = _pem(key)
    path = tmp_path / "private.key"
    path.write_text(pem)
    (tmp_path / "packed.txt").write_text(base64.encodebytes(pem.encode()).decode())
    monkeypatch.setenv("HOME", str(tmp_path))
    given = {
        "pem": pem,
        "escaped": pem.replace("\n", "\\n"),
        "pkcs1": _pem(key, form=PrivateFormat.TraditionalOpenSSL),
        "path": path,
        "home": "~/private.key",
        "indented": f"\n  {pem}\n",
        "crlf": pem.replace("\n", "\r\n"),
        "one line": pem.replace("\n", " "),
        "quoted": f"'{pem}'",
        "quoted path": f'"{path}"',
        "spaced path": f"  {path}\n",
        "base64": base64.b64encode(pem.encode()).decode(),
        "base64 in lines": base64.encodebytes(pem.encode()).decode(),
        "base64 for URLs": base64.urlsafe_b64encode(pem.encode()).decode().rstrip("="),
        "base64 quoted": f'"{base64.b64encode(pem.encode()).decode()}"',
        "path to base64": str(tmp_path / "packed.txt"),
    }[form]
    settings = resolve("APP", given)
    assert _numbers(settings) == key.private_numbers().p


def test_precedence(resolve: Callable[..., Settings], key: rsa.RSAPrivateKey, tmp_path: Path) -> None:
    pem = _pem(key)
    (tmp_path / "home/.vonage/config.json").write_text(
        json.dumps({"app-id": "HOME", "private-key": pem, "api-key": "k"})
    )
    assert resolve().application_id == "HOME"
    (tmp_path / "cwd/.vonagerc").write_text(json.dumps({"appId": "CWD"}))
    assert resolve().application_id == "CWD"
    assert ".vonagerc" in resolve().sources["application_id"]
    assert "config.json" in resolve().sources["private_key"]
    env = {"VONAGE_APPLICATION_ID": "ENV", "VONAGE_PRIVATE_KEY": pem, "VONAGE_API_HOST": "eu"}
    assert resolve(env=env).application_id == "ENV"
    assert resolve(env=env).base_url == "https://api-eu.vonage.com"
    assert resolve("ARG", env=env).application_id == "ARG"
    assert resolve("ARG", env=env, base_url="us").describe()["base_url"] == "https://api-us.vonage.com (from base_url=)"


@pytest.mark.parametrize(
    ("application", "name"),
    [("VONAGE_APPLICATION_ID", each) for each in VARIABLES["private_key"]]
    + [(each, "VONAGE_PRIVATE_KEY") for each in VARIABLES["application_id"]],
)
def test_names_of_the_environment(
    resolve: Callable[..., Settings], key: rsa.RSAPrivateKey, tmp_path: Path, application: str, name: str
) -> None:
    path = tmp_path / "private.key"
    path.write_text(_pem(key))
    value = base64.b64encode(_pem(key).encode()).decode() if name.endswith("64") else str(path)
    settings = resolve(env={application: ' "APP" ', name: value})
    assert _numbers(settings) == key.private_numbers().p
    assert settings.application_id == "APP"
    assert settings.sources == {"base_url": "default", "application_id": application, "private_key": name}
    with pytest.raises(ConfigError, match=rf"^The private key \({name}\) is empty"):
        resolve(env={application: "APP", name: '""'})


def test_the_first_name_of_the_environment_counts(resolve: Callable[..., Settings], key: rsa.RSAPrivateKey) -> None:
    env = {"VCR_API_APPLICATION_ID": "LAST", "VONAGE_APP_ID": "SECOND", "VONAGE_PRIVATE_KEY": _pem(key)}
    assert resolve(env=env).application_id == "SECOND"
    # A variable that is set to nothing counts as not set.
    assert resolve(env={**env, "VONAGE_APPLICATION_ID": " "}).application_id == "SECOND"
    assert resolve(env={**env, "VONAGE_APPLICATION_ID": "FIRST"}).application_id == "FIRST"


def test_unreadable_cli_files_are_skipped(
    resolve: Callable[..., Settings], key: rsa.RSAPrivateKey, tmp_path: Path
) -> None:
    (tmp_path / "cwd/.vonagerc").write_text("app-id: yaml")
    (tmp_path / "home/.vonage/config.json").write_text("[1]")
    assert resolve("APP", _pem(key)).base_url == "https://api.nexmo.com"


CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----"
GARBAGE = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0c2VjcmV0\n-----END PRIVATE KEY-----"

BAD_KEYS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "missing": (lambda tmp: tmp / "nowhere.key", "names a file that does not exist"),
    "directory": (lambda tmp: tmp, "names a folder, not a file"),
    "empty file": (lambda tmp: _file(tmp, ""), "is an empty file"),
    "empty": (lambda tmp: " ", "is empty"),
    "encrypted": (lambda tmp: _pem(rsa.generate_private_key(65537, 2048), password=b"x"), "is encrypted"),
    "ec": (lambda tmp: _pem(ec.generate_private_key(ec.SECP256R1())), "is not an RSA key"),
    "public": (
        lambda tmp: rsa.generate_private_key(65537, 2048).public_key()
        .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(),
        "is a public key",
    ),
    "certificate": (lambda tmp: CERTIFICATE, "is a certificate"),
    "garbage": (lambda tmp: GARBAGE, "is damaged"),
    "garbage file": (lambda tmp: _file(tmp, "c2VjcmV0c2VjcmV0"), "is damaged, or not a private key"),
    "small": (lambda tmp: _pem(rsa.generate_private_key(65537, 1024)), "is too small: 1024 bits"),
    "cut off": (lambda tmp: _pem(rsa.generate_private_key(65537, 2048))[:700], "is cut off: its last line"),
    "base64 of a public key": (
        lambda tmp: base64.b64encode(rsa.generate_private_key(65537, 2048).public_key()
        .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)).decode(),
        "is a public key",
    ),
    "base64 of something": (lambda tmp: base64.b64encode(b"-----" + b"c2VjcmV0" * 200).decode(), "is neither a path"),
    "of OpenSSH": (
        lambda tmp: _pem(rsa.generate_private_key(65537, 2048), form=PrivateFormat.OpenSSH),
        "is in OpenSSH format",
    ),
    "no header": (lambda tmp: "c2VjcmV0c2VjcmV0\nc2VjcmV0", "is neither a path nor PEM text"),
    "one line": (lambda tmp: "c2VjcmV0c2VjcmV0" * 40, "not shown"),
    "null byte": (lambda tmp: "a\0b", "cannot be read"),
}  # fmt: skip


def _file(folder: Path, text: str) -> Path:
    path = folder / "key.pem"
    path.write_text(text)
    return path


@pytest.mark.parametrize("name", BAD_KEYS)
def test_bad_keys(resolve: Callable[..., Settings], tmp_path: Path, name: str) -> None:
    make, sentence = BAD_KEYS[name]
    given = make(tmp_path)
    with pytest.raises(ConfigError) as caught:
        resolve("APP", given)
    text = str(caught.value)
    assert text.startswith("The private key (private_key=) ")
    assert sentence in text
    assert text.endswith(".")
    assert text.count(". ") == 0
    assert "c2VjcmV0" not in text
    assert "-----BEGIN PRIVATE KEY-----\n" not in text


def test_unreadable_key(resolve: Callable[..., Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _file(tmp_path, "x")

    def refuse(*_args: Any, **_options: Any) -> str:
        raise PermissionError(13, "Permission denied")

    # The tests may run as root, who can read everything.
    monkeypatch.setattr(Path, "read_text", refuse)
    with pytest.raises(ConfigError, match=r"cannot be read \(Permission denied\)"):
        resolve("APP", path)


def test_what_is_missing(resolve: Callable[..., Settings], key: rsa.RSAPrivateKey) -> None:
    with pytest.raises(ConfigError, match="VONAGE_APPLICATION_ID"):
        resolve(private_key=_pem(key))
    with pytest.raises(ConfigError, match="VONAGE_PRIVATE_KEY"):
        resolve("APP")
    with pytest.raises(ConfigError, match="must be the application's UUID"):
        resolve("a b", _pem(key))
    assert resolve(need_credentials=False).credentials is None


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("us", "https://api-us.vonage.com"),
        ("ap", "https://api-ap.vonage.com"),
        ("eu-3", "https://api-eu-3.vonage.com"),
        ("api.nexmo.com", "https://api.nexmo.com"),
        ("https://api.nexmo.com/", "https://api.nexmo.com"),
        (" https://proxy.example:8443/vonage/ ", "https://proxy.example:8443/vonage"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("http://127.0.0.1:1", "http://127.0.0.1:1"),
        ("http://[::1]:80/", "http://[::1]:80"),
    ],
)
def test_hosts(given: str, expected: str) -> None:
    assert base_url_of(given) == expected


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("http://api.nexmo.com", "must use https"),
        ("http://127.0.0.1.evil.example", "must use https"),
        ("http://localhost@evil.example", "must have no user"),
        ("https://u:p@api.nexmo.com", "must have no user"),
        ("ftp://x", "is not a URL"),
        ("https://", "is not a URL"),
        ("https://x:99999", "is not a URL"),
        ("a b", "is not a URL"),
        ("https://x/?a=1", "must have no user"),
    ],
)
def test_bad_hosts(given: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence) as caught:
        base_url_of(given)
    assert "u:p" not in str(caught.value)


def test_nothing_secret_is_shown(resolve: Callable[..., Settings], key: rsa.RSAPrivateKey) -> None:
    pem = _pem(key)
    settings = resolve("APP", pem)
    shown = repr(settings) + str(settings.describe()) + repr(settings.credentials)
    assert not any(line in shown for line in pem.splitlines()[1:-1])
    assert "SHA256:" in settings.describe()["private_key"]


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user without a home folder: a container with any user id. (Such a process could not read this tree.)"""
    pwd = pytest.importorskip("pwd")

    def unknown(_uid: int) -> None:
        raise KeyError

    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    with pytest.raises(RuntimeError):
        Path.home()


@pytest.mark.usefixtures("nobody")
def test_without_a_home_folder_the_files_there_are_skipped(key: rsa.RSAPrivateKey, tmp_path: Path) -> None:
    settings = Settings.resolve("APP", _pem(key), env={}, cwd=tmp_path)
    assert settings.application_id == "APP"
    (tmp_path / ".vonagerc").write_text(json.dumps({"app-id": "B", "private-key": _pem(key)}))
    assert Settings.resolve(env={}, cwd=tmp_path).application_id == "B"


@pytest.mark.usefixtures("nobody")
@pytest.mark.parametrize(
    "arguments",
    [
        ["export", "~/out", "--application-id", "A", "--private-key", "key.pem"],
        ["export", "out", "--application-id", "A", "--private-key", "~/key.pem"],
        ["export", "out", "--mask", "--mask-key-file", "~/mask.key"],
        ["export", "out", "--mask", "@~/rules"],
        ["kpi", "~/out"],
        ["status", "~/out"],
        ["verify", "~/out"],
        ["report", "~/out"],
    ],
    ids=" ".join,
)
def test_without_a_home_folder_a_tilde_is_a_sentence(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from conv_analytics.cli import main

    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    assert "home folder (~), but there is none: give the full path" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
