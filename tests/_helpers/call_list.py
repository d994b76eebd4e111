"""A host with a call list: it passes requests for conversations on to a sandbox, and lists the calls of a plan."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from json import dumps
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pandas as pd

from conv_analytics import Conversations
from conv_analytics.sandbox import Sandbox
from conv_analytics.settings import Settings
from tests._helpers.sandboxes import QUICK, client_of

#: Before and after every call of a sandbox.
EARLY, LATE = datetime(2026, 11, 10, tzinfo=UTC), datetime(2026, 11, 22, tzinfo=UTC)


@dataclass
class Calls:
    """What a host lists, and what it was asked.

    `asked` counts requests: ``list`` for pages of calls, ``conversation`` for one, ``call`` for one, ``conversations``
    for pages of their list.
    """

    sandbox: Sandbox | None
    listed: list[dict[str, Any]] = field(default_factory=list)
    asked: Counter[str] = field(default_factory=Counter)
    conversations: list[str] = field(default_factory=list)
    """Ids of the conversations that were asked for, one by one."""
    windows: list[tuple[str, str]] = field(default_factory=list)
    elsewhere: set[str] = field(default_factory=set)
    """Conversations that this host has, though its sandbox does not know them."""
    failing: int | None = None
    """From this `record_index` on, the list answers with a page of HTML."""
    base_url: str = ""

    def client(self) -> Conversations:
        assert self.sandbox is not None
        settings = client_of(self.sandbox)._settings
        return Conversations(settings=Settings(self.base_url, settings.credentials), retries=QUICK)

    def answer(self, target: str, headers: Mapping[str, str]) -> tuple[int, bytes]:
        parts = urlsplit(target)
        params, last = dict(parse_qsl(parts.query)), parts.path.rsplit("/", 1)[-1]
        if parts.path == "/v1/calls":
            self.asked["list"] += 1
            return self._page(params)
        if parts.path.startswith("/v1/calls/"):
            self.asked["call"] += 1
            found = [call for call in self.listed if call["uuid"] == last]
            return (200, dumps(found[0]).encode()) if found else (404, b'{"title": "Not found"}')
        self.asked["conversations" if last == "conversations" else "conversation"] += 1
        if last != "conversations":
            self.conversations.append(last)
        if last in self.elsewhere:
            return 200, dumps({"id": last, "sequence_number": 3}).encode()
        if self.sandbox is None:
            return 404, b'{"title": "Not found"}'
        wanted = {name: headers[name] for name in ("authorization", "accept") if name in headers}
        answer = httpx.get(self.sandbox.base_url + target, headers=wanted)
        return answer.status_code, answer.content

    def _page(self, params: dict[str, str]) -> tuple[int, bytes]:
        since, until = (datetime.fromisoformat(params[name]) for name in ("date_start", "date_end"))
        if not params.get("record_index"):
            self.windows.append((params["date_start"], params["date_end"]))
        inside = [call for call in self.listed if since <= _began(call) < until]
        begin, size = int(params.get("record_index", "0")), int(params["page_size"])
        if self.failing is not None and begin >= self.failing:
            return 200, b"<html>Service under maintenance</html>"
        page = [{key: value for key, value in call.items() if key != "began"} for call in inside[begin : begin + size]]
        links = {"next": {"href": f"/calls?record_index={begin + size}"}} if begin + size < len(inside) else {}
        said = {"count": len(inside), "page_size": size, "record_index": begin}
        return 200, dumps({**said, "_embedded": {"calls": page}, "_links": links}).encode()


@contextmanager
def listing(sandbox: Sandbox | None, listed: list[dict[str, Any]] | None = None) -> Iterator[Calls]:
    """A host on a real socket."""
    calls = Calls(sandbox, listed or [])

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, body = calls.answer(self.path, headers)
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    calls.base_url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield calls
    finally:
        server.shutdown()
        server.server_close()


def calls_of(frames: Mapping[str, pd.DataFrame]) -> list[dict[str, Any]]:
    """The legs of an export as the call list might write them: every other one without dashes, or in capitals."""
    legs = frames["leg_statuses"].groupby("leg_id", observed=True).agg(
        conversation=("conversation_id", "last"),
        direction=("direction", "first"),
        channel=("channel_type", "first"),
        begin=("at", "min"),
        end=("at", "max"),
        status=("status", "last"),
    )  # fmt: skip
    return [
        call(
            leg.replace("-", "") if number % 2 else leg.upper(), row.conversation, row.begin, row.end,
            direction=str(row.direction), channel=str(row.channel), status=str(row.status),
        )
        for number, (leg, row) in enumerate(legs.sort_values("begin").iterrows())
    ]  # fmt: skip


def call(
    leg: str,
    conversation: str,
    begin: datetime,
    end: datetime | None = None,
    *,
    direction: str = "inbound",
    channel: str = "phone",
    status: str = "completed",
) -> dict[str, Any]:
    """A call of the list; without an end it goes on, and has neither price nor times."""
    far = {"type": channel, "number": "447700900101"} if channel == "phone" else {"type": channel, "uri": "x:y"}
    near = {"type": "phone", "number": "442079460201"}
    ends = (far, near) if direction == "inbound" else (near, far)
    known = {"uuid": leg, "conversation_uuid": conversation, "status": status, "direction": direction}
    known |= {"from": ends[0], "to": ends[1], "began": begin.isoformat()}
    if end is None:
        return known
    return known | {
        "start_time": begin.strftime("%Y-%m-%d %H:%M:%S"),
        "end_time": end.isoformat().replace("+00:00", "Z"),
        "duration": str(int((end - begin) / timedelta(seconds=1))),
        "price": "0.01140000",
        "rate": "0.00450000",
        "network": "GB-FIXED",
    }


def _began(listed: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(listed["began"])
