"""The error tree, and what its messages say."""

from __future__ import annotations

import inspect
import json
import pickle
from typing import Any

import pytest

from conv_analytics import errors
from conv_analytics.errors import ProblemDetails, status_error


def _tree() -> list[type[errors.ConvAnalyticsError]]:
    kinds = [kind for _, kind in inspect.getmembers(errors, inspect.isclass)]
    return [kind for kind in kinds if issubclass(kind, errors.ConvAnalyticsError)]


def test_the_drawn_tree_is_the_real_one() -> None:
    drawn: dict[str, str | None] = {}
    path: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        name = line.strip().split(" ")[0]
        if not hasattr(errors, name) or not line.startswith("    "):
            continue
        depth = len(line) - len(line.lstrip())
        path = [(other, parent) for other, parent in path if other < depth]
        drawn[name] = path[-1][1] if path else None
        path.append((depth, name))
    for kind in _tree():
        parent = kind.__mro__[1].__name__
        assert drawn[kind.__name__] == (None if kind is errors.ConvAnalyticsError else parent)
    assert set(drawn) == {kind.__name__ for kind in _tree()}


def test_all_is_sorted_and_complete() -> None:
    assert errors.__all__ == sorted(errors.__all__)
    assert {kind.__name__ for kind in _tree()} <= set(errors.__all__)


BODIES: list[tuple[Any, str | None, str | None]] = [
    (
        {"title": "Not found.", "code": "user:error:not-found", "detail": "No user"},
        "user:error:not-found",
        "No user",
    ),
    ({"title": "Bad", "type": "https://x/api#conversation:error:y"}, "conversation:error:y", "Bad"),
    (
        {"type": "https://developer.nexmo.com/api-errors#unauthorized", "title": "T", "detail": "D"},
        "unauthorized",
        "D",
    ),
    ({"description": "gone", "code": "c", "error": "e", "rel": "r"}, "c", "gone"),
    ({"error-code": "420", "error-code-label": "numbers"}, "420", "numbers"),
    ({"message": "nope"}, None, "nope"),
    ({"errors": ["a", "b"]}, None, '["a", "b"]'),
    ({"detail": {"deep": 1}, "code": 7}, "7", '{"deep": 1}'),
    ({}, None, None),
    ([1], None, "[1]"),
    (b"<html><body><h1>502 Bad\nGateway</h1></body></html>", None, "502 Bad Gateway"),
    (b"\xff\xfe", None, "\ufffd\ufffd"),
    (b"", None, None),
    (b"[" * 100_000, None, "[" * 497 + "..."),
]


@pytest.mark.parametrize(("body", "code", "detail"), BODIES)
def test_shapes_of_problems(body: Any, code: str | None, detail: str | None) -> None:
    problem = ProblemDetails.read(body if isinstance(body, bytes) else json.dumps(body).encode())
    assert (problem.code, problem.detail) == (code, detail)


def test_invalid_parameters_are_named() -> None:
    body = {
        "title": "Bad request.",
        "invalid_parameters": [{"name": "page_size", "reason": "too big"}, "odd", None],
    }
    error = status_error("GET", "/v1/x", 400, json.dumps(body).encode())
    assert "(page_size: too big)" in str(error)
    assert error.problem.invalid_parameters == (("page_size", "too big"),)


@pytest.mark.parametrize("status", [301, 400, 401, 402, 403, 404, 409, 418, 422, 429, 500, 502, 503, 504])
def test_messages(status: int) -> None:
    text = str(status_error("GET", "/v1/conversations/CON-1", status, b"<p>no</p>"))
    assert text.startswith(f"GET /v1/conversations/CON-1 answered {status}: no.")
    assert text.count(". ") <= 2


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        ("system:error:expired-token", "clock"),
        ("paginator-builder:error:invalid-cursor", "start_id = last id"),
        ("conversation:error:not-allowed", "INACTIVE"),
        ("conversation:error:not-found", "belongs to another application"),
    ],
)
def test_advice(code: str, advice: str) -> None:
    assert advice in str(status_error("GET", "/x", 404, json.dumps({"code": code}).encode()))


def test_secrets_are_cut_out() -> None:
    body = {"detail": "Bearer eyJhbGciOiJSUzI1NiJ9.eyJpYXQiOjF9.c2lnbmF0dXJl -----BEGIN PRIVATE KEY-----\nMIIabc"}
    error = status_error("GET", "/x?api_key=k&api_secret=topsecret&a=1", 401, json.dumps(body).encode())
    shown = str(error) + repr(error) + repr(vars(error))
    assert not any(secret in shown for secret in ("eyJ", "MIIabc", "topsecret"))
    assert "a=1" in error.url
    assert "\x1b" not in str(status_error("GET", "/x", 500, b"\x1b[31mred"))


SAMPLES = [
    errors.ConfigError("x"),
    errors.TransportError("reset", method="GET", url="/x"),
    errors.UnexpectedPayload("an empty body", method="GET", url="/x"),
    errors.CursorLoop(method="GET", url="/x"),
    errors.ResponseTooLarge(5, method="GET", url="/x"),
    status_error("GET", "/x", 429, b"", 3.0),
    errors.TableNotFound("calls", ["events"], "exports"),
    errors.SchemaChanged("events", "at", "is a text"),
    errors.CorruptFile("a.parquet", "no footer"),
    errors.DestinationError("s3://bucket?token=abc", "denied"),
    errors.PublishIncomplete("s3://lake/events?token=abc", "503"),
    errors.ExportIncomplete({"failed": 2}),
]


@pytest.mark.parametrize("error", SAMPLES, ids=lambda error: type(error).__name__)
def test_errors_survive_pickling(error: errors.ConvAnalyticsError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))
