"""The verdict table of the contract, on tokens that another library made."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st

from conv_analytics.errors import ConfigError
from conv_analytics.live.secrets import Secrets
from conv_analytics.live.verification import Policy, Request, Verdict, Verification, refusal, verify
from tests._helpers.webhooks import API_KEY, APPLICATION, FIXTURES, SECRET, claims

NOW = 1_795_166_300.0
BODY = b'{"status": "completed", "price": "0.03217333", "to": "\xc3\xa9"}'
SECRETS = Secrets({API_KEY: SECRET})


def _token(body: bytes = BODY, key: Any = SECRET, algorithm: str = "HS256", **others: Any) -> str:
    headers = others.pop("headers", None)
    return jwt.encode(claims(body, **{"iat": int(NOW), **others}), key, algorithm=algorithm, headers=headers)


def _verify(authorization: str | None, body: bytes = BODY, **options: Any) -> Verification:
    request = Request(authorization, options.pop("method", "POST"), options.pop("query", ""), body)
    return verify(request, options.pop("secrets", SECRETS), options.pop("now", NOW), [APPLICATION])


def _rs256() -> str:
    return _token(key=rsa.generate_private_key(public_exponent=65537, key_size=2048), algorithm="RS256")


TABLE = [
    (Verdict.OK, lambda: f"Bearer {_token()}", None, None),
    (Verdict.OK, lambda: f"  bEARER \t {_token()} ", None, None),
    (Verdict.UNSIGNED, lambda: None, 503, None),
    (Verdict.UNSIGNED, lambda: "", 503, None),
    (Verdict.UNSIGNED, lambda: "Bearer", 503, None),
    (Verdict.UNSIGNED, lambda: "Bearer   ", 503, None),
    (Verdict.UNSIGNED, lambda: "Basic dXNlcjpwYXNzd29yZA==", 503, None),
    (Verdict.BAD_ALGORITHM, lambda: f"Bearer {_token(key='', algorithm='none')}", 401, 401),
    (Verdict.BAD_ALGORITHM, lambda: f"Bearer {_rs256()}", 401, 401),
    (Verdict.BAD_ALGORITHM, lambda: f"Bearer {_token(algorithm='HS512', key=SECRET * 2)}", 401, 401),
    (Verdict.BAD_ALGORITHM, lambda: f"Bearer {_token(headers={'crit': ['b64']})}", 401, 401),
    (Verdict.UNKNOWN_KEY, lambda: f"Bearer {_token(api_key='another1')}", 401, 401),
    (Verdict.UNKNOWN_KEY, lambda: f"Bearer {_token(api_key=None)}", 401, 401),
    (Verdict.BAD_SIGNATURE, lambda: f"Bearer {_token(key='another-invented-secret-fedcba9876543210')}", 401, 401),
    (Verdict.BAD_SIGNATURE, lambda: "Bearer not-a-token", 401, 401),
    (Verdict.BAD_SIGNATURE, lambda: f"Bearer {_token()}=", 401, 401),
    (Verdict.BAD_SIGNATURE, lambda: f"Bearer {_token()}.{'A' * 9000}", 401, 401),
    (Verdict.WRONG_ISSUER, lambda: f"Bearer {_token(iss='Nexmo')}", 401, 401),
    (Verdict.WRONG_APPLICATION, lambda: f"Bearer {_token(application_id='another')}", 401, 401),
    (Verdict.WRONG_APPLICATION, lambda: f"Bearer {_token(application_id=None)}", 401, 401),
    (Verdict.STALE, lambda: f"Bearer {_token(iat=int(NOW) - 301)}", 401, None),
    (Verdict.OK, lambda: f"Bearer {_token(iat=int(NOW) - 299)}", None, None),
    (Verdict.STALE, lambda: f"Bearer {_token(iat=int(NOW) + 61)}", 401, None),
    (Verdict.STALE, lambda: f"Bearer {_token(iat=None)}", 401, None),
    (Verdict.STALE, lambda: f"Bearer {_token(iat=10**400)}", 401, None),
    (Verdict.STALE, lambda: f"Bearer {_token(exp=int(NOW) - 61)}", 401, None),
    (Verdict.STALE, lambda: f"Bearer {_token(nbf=int(NOW) + 61)}", 401, None),
    (Verdict.HASH_MISMATCH, lambda: f"Bearer {_token(BODY + b' ')}", 401, None),
    (Verdict.HASH_MISMATCH, lambda: f"Bearer {_token(payload_hash=17)}", 401, None),
    (Verdict.HASH_MISSING, lambda: f"Bearer {_token(payload_hash=None)}", None, None),
    (Verdict.OK, lambda: f"Bearer {_token(payload_hash=hashlib.sha256(BODY).hexdigest().upper())}", None, None),
]


@pytest.mark.parametrize(
    ("verdict", "header", "require", "record"), TABLE, ids=[f"{n}-{row[0]}" for n, row in enumerate(TABLE)]
)
@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
def test_verdicts_and_what_each_policy_does_with_them(
    verdict: Verdict, header: Any, require: int | None, record: int | None
) -> None:
    assert _verify(header()).verdict == verdict
    assert (refusal(verdict, Policy.REQUIRE), refusal(verdict, Policy.RECORD)) == (require, record)


def test_without_a_secret_nothing_is_ok() -> None:
    assert _verify(f"Bearer {_token()}", secrets=Secrets()).verdict is Verdict.UNCHECKED
    assert refusal(Verdict.UNCHECKED, Policy.REQUIRE) == 503


def test_the_published_request_and_its_tampered_body() -> None:
    vector = json.loads((FIXTURES / "signed_webhook.json").read_text(encoding="utf-8"))
    header, body = vector["request"]["headers"]["Authorization"], vector["request"]["body"].encode()
    now = vector["claims"]["iat"] + 5
    assert _verify(header, body, now=now) == Verification(Verdict.OK, APPLICATION, "raw")
    assert _verify(header, vector["tampered_body"].encode(), now=now).verdict is Verdict.HASH_MISMATCH
    wrong = Secrets(vector["wrong_secret"])
    assert _verify(header, body, now=now, secrets=wrong).verdict is Verdict.BAD_SIGNATURE


def test_the_hash_may_be_of_the_compact_form_or_of_the_parameters() -> None:
    compact = '{"status":"completed","price":"0.03217333","to":"é"}'.encode()
    assert _verify(f"Bearer {_token(compact)}").hash_of == "compact"
    query = "status=completed&speech={%22results%22:[]}&to=447700900101"
    texts = b'{"status":"completed","speech":"{\\"results\\":[]}","to":"447700900101"}'
    values = b'{"status":"completed","speech":{"results":[]},"to":"447700900101"}'
    for payload, form in ((texts, "query"), (values, "query_objects")):
        get = {"method": "GET", "query": query, "body": b""}
        assert _verify(f"Bearer {_token(payload)}", **get).hash_of == form
        assert _verify(f"Bearer {_token(payload)}", **{**get, "query": query + "1"}).verdict is Verdict.HASH_MISMATCH
        # The hash of the empty body of a GET says nothing about its parameters.
    assert _verify(f"Bearer {_token(b'')}", method="GET", query=query, body=b"").verdict is Verdict.HASH_MISMATCH


def test_secrets_of_several_accounts_and_two_at_once_while_one_is_changed(tmp_path: Any) -> None:
    file = tmp_path / "secrets"
    file.write_text(f"# accounts\na1b2c3d4=an-old-secret-that-is-long-enough-0\n{API_KEY} = {SECRET}\nffff0000=x=y=\n")
    secrets = Secrets.load(file)
    assert secrets.of("ffff0000") == (b"x=y=",)
    assert _verify(f"Bearer {_token()}", secrets=secrets).verdict is Verdict.OK
    assert _verify(f"Bearer {_token(api_key='ffff0000')}", secrets=secrets).verdict is Verdict.BAD_SIGNATURE
    single = Secrets.parse("c2VjcmV0LXdpdGgtZXF1YWxz=\n")
    assert single.of("any") == (b"c2VjcmV0LXdpdGgtZXF1YWxz=",)
    assert not Secrets.load(environ={})
    assert SECRET not in repr(secrets) + repr(secrets.__dict__)
    for text in ("", "# nothing\n\n"):
        with pytest.raises(ConfigError, match="no signature secret"):
            Secrets.parse(text)
    with pytest.raises(ConfigError, match="cannot be read"):
        Secrets.load(tmp_path / "missing")


_CHARACTERS = st.sampled_from(list("abcXYZ019-_.=+/ \u00e9"))


@given(data=st.data())
def test_a_changed_token_is_never_ok_unless_another_library_thinks_so_too(data: st.DataObject) -> None:
    token = _token()
    place = data.draw(st.integers(0, len(token) - 1))
    changed = token[:place] + data.draw(_CHARACTERS | st.just("")) + token[place + data.draw(st.integers(0, 2)) :]
    verdict = _verify(f"Bearer {changed}").verdict
    if verdict is Verdict.OK:
        options: Any = {"verify_iat": False, "verify_exp": False}
        assert jwt.decode(changed.strip(), SECRET, algorithms=["HS256"], options=options)["iss"] == "Vonage"


@pytest.mark.slow
@given(header=st.text() | st.binary().map(lambda raw: "Bearer " + raw.decode("latin-1")), body=st.binary())
def test_whatever_comes_has_a_verdict(header: str, body: bytes) -> None:
    assert _verify(header, body).verdict in {Verdict.UNSIGNED, Verdict.BAD_SIGNATURE}


@given(part=st.recursive(st.none() | st.booleans() | st.floats() | st.text(), lambda x: st.lists(x, max_size=2)))
def test_claims_of_any_type_have_a_verdict(part: Any) -> None:
    for name in ("iat", "exp", "nbf", "iss", "api_key", "application_id", "payload_hash"):
        others = {**claims(BODY, iat=int(NOW)), name: part}
        token = jwt.api_jws.encode(json.dumps(others).encode("utf-8", "surrogatepass"), SECRET, algorithm="HS256")
        assert isinstance(_verify(f"Bearer {token}").verdict, Verdict)
