"""The application resource: Basic authentication, settings as they are, and as older answers spell them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from conv_analytics.sandbox.applications import ApplicationSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

    from conv_analytics.sandbox import Sandbox

    Serve = Callable[..., tuple[Sandbox, httpx.Client]]


def test_an_application_shows_its_settings(serve: Serve) -> None:
    settings = ApplicationSettings(
        rtc_event_url="https://hooks.example.net/rtc", conversations_ttl=720, rtc_signed=False
    )
    sandbox, client = serve(application=settings)
    path, auth = f"/v2/applications/{sandbox.application_id}", (sandbox.api_key, sandbox.api_secret)
    found = client.get(path, auth=auth).json()
    assert found["id"] == sandbox.application_id
    voice, rtc = found["capabilities"]["voice"], found["capabilities"]["rtc"]
    assert (voice["conversations_ttl"], voice["leg_persistence_time"], voice["region"]) == (720, 2, "eu-west")
    assert "event_url" not in voice["webhooks"]
    assert rtc["webhooks"]["event_url"] == {"address": "https://hooks.example.net/rtc", "http_method": "POST"}
    assert (voice["signed_callbacks"], rtc["signed_callbacks"]) == (True, False)
    # What is changed while it serves is shown at once.
    sandbox.application.voice_event_url = "https://hooks.example.net/voice"
    sandbox.application.rtc = False
    sandbox.application.region = None
    found = client.get(path, auth=auth).json()
    assert found["capabilities"].keys() == {"voice"}
    assert found["capabilities"]["voice"]["webhooks"]["event_url"]["address"] == "https://hooks.example.net/voice"
    assert "region" not in found["capabilities"]["voice"]


def test_older_answers_have_texts_and_another_name_for_the_timeout(serve: Serve) -> None:
    sandbox, client = serve(application=ApplicationSettings(old_names=True))
    auth = (sandbox.api_key, sandbox.api_secret)
    voice = client.get(f"/v2/applications/{sandbox.application_id}", auth=auth).json()["capabilities"]["voice"]
    assert (voice["conversations_ttl"], voice["signed_callbacks"]) == ("48", "true")
    assert voice["webhooks"]["answer_url"].keys() == {"address", "http_method", "connection_timeout", "socket_timeout"}


def test_applications_are_listed_by_page(serve: Serve) -> None:
    sandbox, client = serve()
    auth = (sandbox.api_key, sandbox.api_secret)
    pages = [client.get(f"/v2/applications?page_size=2&page={page}", auth=auth).json() for page in (1, 2, 3)]
    assert {(page["total_items"], page["total_pages"], page["page_size"]) for page in pages} == {(3, 2, 2)}
    ids = [one["id"] for page in pages for one in page["_embedded"]["applications"]]
    assert len(set(ids)) == len(ids) == 3
    assert sandbox.application_id in ids


@pytest.mark.parametrize(
    ("path", "status", "kind"),
    [
        ("/v2/applications?page_size=101", 400, "#list-validation"),
        ("/v2/applications?page=0", 400, "#list-validation"),
        ("/v2/applications/00000000-0000-4000-8000-000000000000", 404, "#not-found"),
        ("/v2/applications/", 404, "#not-found"),
    ],
)
def test_errors_have_no_code(serve: Serve, path: str, status: int, kind: str) -> None:
    sandbox, client = serve()
    answer = client.get(path, auth=(sandbox.api_key, sandbox.api_secret))
    assert answer.status_code == status
    assert answer.json()["type"].endswith(kind)
    assert {"type", "title", "detail", "instance"} <= answer.json().keys()
    assert "code" not in answer.json()


def test_only_the_accounts_key_and_secret_open_it(serve: Serve) -> None:
    sandbox, client = serve()
    path = f"/v2/applications/{sandbox.application_id}"
    assert client.get(path).status_code == 401  # a token of the application is not enough
    for key, secret in ((sandbox.api_key, "wrong"), (sandbox.api_key, sandbox.signature_secret), ("", "")):
        answer = client.get(path, auth=(key, secret))
        assert (answer.status_code, answer.json()["detail"]) == (401, "Invalid credentials supplied")
    assert client.get(path, headers={"Authorization": "Basic %%%"}).status_code == 401
    assert client.get("/v1/conversations", auth=(sandbox.api_key, sandbox.api_secret)).status_code == 401
    auth = (sandbox.api_key, sandbox.api_secret)
    assert client.delete(path, auth=auth).status_code == 405
