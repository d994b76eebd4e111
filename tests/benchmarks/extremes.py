"""The extremes: five million events, one conversation of a million, a hundred thousand without any.

Run it with ``python tests/benchmarks/extremes.py``; name parts (many, long, empty) to run only these. Each export runs
in a process of its own; its peak memory is compared with that of an export of 50,000 events.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable

from run import apart, served

from conv_analytics.sandbox import Reply, Request, Sandbox

#: Conversations for about 50 thousand and 5 million events.
FEW, MANY = 760, 75_600
PAGE = 100
ID = "CON-00000000-0000-4000-8000-{:012d}"
CREATED = "2026-11-19T12:00:00.000Z"


def silent(sandbox: Sandbox, conversations: int) -> None:
    """Replace the sandbox's conversations by ones that have no event."""

    def listed(request: Request) -> Reply:
        start = int(request.query.get("cursor", 0))
        items = [_conversation(number, 0) for number in range(start, min(start + PAGE, conversations))]
        after = start + PAGE if start + PAGE < conversations else None
        return _page({"conversations": items}, "/v1/conversations", after)

    sandbox.script(lambda request: request.path == "/v1/conversations", listed, times=-1)
    sandbox.script(
        lambda request: request.path.startswith("/v1/conversations/"),
        lambda request: _reply(_conversation(int(request.path[-12:]), 0)),
        times=-1,
    )


def endless(sandbox: Sandbox, events: int) -> None:
    """Give the sandbox's only conversation a great many events: real ones, over and over, numbered anew."""
    head = sandbox.world.conversation(0)
    path = f"/v1/conversations/{head.id}"
    answer = sandbox._app.answer  # type: ignore[union-attr]  # the sandbox's own answers are the patterns
    whole = json.loads(answer(Request("GET", path, {}, sandbox.headers()["Authorization"])).body)
    query = {"page_size": "100"}
    page = json.loads(answer(Request("GET", f"{path}/events", query, sandbox.headers()["Authorization"])).body)
    patterns = page["_embedded"]["events"]

    def listed(request: Request) -> Reply:
        start = int(request.query.get("cursor") or request.query.get("start_id") or 1)
        last = min(start + PAGE, events + 1)
        items = [{**patterns[number % len(patterns)], "id": number} for number in range(start, last)]
        return _page({"events": items}, f"{path}/events", last if last <= events else None)

    sandbox.script(lambda request: request.path == f"{path}/events", listed, times=-1)
    sandbox.script(
        lambda request: request.path == path, lambda _: _reply({**whole, "sequence_number": events}), times=-1
    )


def _conversation(number: int, last: int) -> dict[str, object]:
    name = ID.format(number)
    return {"id": name, "name": f"call-{number}", "sequence_number": last, "timestamp": {"created": CREATED}}


def _page(embedded: object, path: str, after: int | None) -> Reply:
    links: dict[str, object] = {"self": {"href": path}}
    if after is not None:
        links["next"] = {"href": f"{path}?cursor={after}"}
    return _reply({"page_size": PAGE, "_embedded": embedded, "_links": links})


def _reply(value: object) -> Reply:
    return Reply(200, json.dumps(value).encode())


def measured(name: str, conversations: int, prepare: str = "") -> None:
    """Export a world, and print a line about it."""
    with served(FEW, "pass") as server:
        base = apart(server)["mb"]
    # The truth of so large a world takes the sandbox minutes, and nobody asks for it.
    with served(conversations, prepare or "pass") as server:
        found = apart(server)
    print(
        f"| {name} | {found['events']:,} | {found['requests']:,} | {found['seconds']:,.0f} s | {found['mb']:.0f} MB"
        f" | {found['mb'] / base:.2f}x of {base:.0f} MB | {found['commit_mb']:.1f} MB | {found['folder_mb']:,.0f} MB |",
        flush=True,
    )


PARTS: dict[str, Callable[[], None]] = {
    "many": lambda: measured("a world of 75,600 conversations", MANY),
    "long": lambda: measured(
        "one conversation of a million events", 1, "import extremes; extremes.endless(sandbox, 1_000_000)"
    ),
    "empty": lambda: measured(
        "100,000 conversations without events", 1, "import extremes; extremes.silent(sandbox, 100_000)"
    ),
}

if __name__ == "__main__":
    print("| what | events | requests | took | peak memory | against 50,000 events | commit | folder |")
    print("|---|---|---|---|---|---|---|---|")
    for part in sys.argv[1:] or PARTS:
        PARTS[part]()
