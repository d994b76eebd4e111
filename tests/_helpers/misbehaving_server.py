"""A sandbox in bad company: what stands between it and the client lags, cuts, mangles, repeats, refuses and fails.

Everything is decided by the request and by how often it came in this run, never by the order in which requests arrive:
what is drawn once can be drawn again.
"""

from __future__ import annotations

import json
import random
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Literal

from conv_analytics.sandbox import Fault, Reply, Request, Sandbox

List = Literal["conversations", "members", "events"]
LISTS: tuple[List, ...] = ("conversations", "members", "events")

Link = Literal["right", "missing", "&amp;", "?page=", "Cursor=", "no cursor", "circle"]
LINKS: tuple[Link, ...] = ("right", "missing", "&amp;", "?page=", "Cursor=", "no cursor", "circle")

Failure = Literal["500", "reset", "html", "429", "403", "401", "404"]
MAX_CONSECUTIVE_FAILURES: tuple[Failure, ...] = ("500", "reset", "html", "429", "403", "401", "404")
#: Those that a repetition gets over.
PASSING: tuple[Failure, ...] = ("500", "reset", "html", "429")

_ANSWERS: dict[str, Reply | Fault] = {
    "500": Reply(500, b'{"title": "Internal error"}'),
    "reset": Fault(cut="before"),
    "html": Reply(200, b"<html>sign in</html>", "text/html"),
    "429": Reply(429, b"{}", headers={"Retry-After": "0"}),
    "403": Reply(403, b'{"code": "http:error:forbidden", "title": "Forbidden"}'),
    "401": Reply(401, b'{"code": "system:error:invalid-token", "title": "Unauthorized"}'),
    "404": Reply(404, b'{"code": "conversation:error:not-found", "title": "Not found"}'),
}


@dataclass
class Manners:
    """What the server does wrong; nothing, as made.

    Attributes
    ----------
    cap
        Pages of a list hold so many items at most, whatever is asked for; the page says so.
    link
        What the link to the next page looks like.
    noise
        Seed by which a list is shuffled over all its pages, and some of its items come twice.
    lag
        The list of a conversation's events ends so many before its last one.
    ignores
        Parameters of lists of events that are not looked at.
    text_ids
        Ids and numbers of events are texts.
    scar
        What stands in every record of the list of conversations, where a display name belongs.
    meanwhile
        So many events come to a conversation when its events are first asked for.
    failing
        By the end of a path (a conversation's id, ``ID/members``, ``ID/events``): what comes instead of its answers,
        and from which item of the list on.
    hiccup
        What comes instead of the first answer to each request.
    """

    cap: dict[List, int] = field(default_factory=dict)
    link: dict[List, Link] = field(default_factory=dict)
    noise: dict[List, int] = field(default_factory=dict)
    lag: dict[str, int] = field(default_factory=dict)
    ignores: set[str] = field(default_factory=set)
    text_ids: bool = False
    scar: object = None
    meanwhile: dict[str, int] = field(default_factory=dict)
    failing: dict[str, tuple[Failure, int]] = field(default_factory=dict)
    hiccup: Failure | None = None


class Misbehaving:
    """Answers for a sandbox, over its own HTTP, with the manners of the hour."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.manners = Manners()
        self._sandbox, self._lock = sandbox, threading.Lock()
        self._asked: Counter[tuple[str, str]] = Counter()
        sandbox.script(lambda _: True, self._answer, times=-1)

    def begin(self) -> None:
        """A run begins: everything is asked for the first time."""
        self._asked.clear()

    def _answer(self, request: Request) -> Reply | Fault:
        manners = self.manners
        with self._lock:
            key = (request.path, json.dumps(request.query, sort_keys=True))
            self._asked[key] += 1
            first = self._asked[key] == 1
        if manners.hiccup is not None and first:
            return _ANSWERS[manners.hiccup]
        parts = request.path.split("/")
        failure, page = manners.failing.get("/".join(parts[3:]), ("500", -1))
        place = int(request.query.get("cursor", "0")) if request.query.get("cursor", "0").isdecimal() else 0
        if page >= 0 and place >= page:
            return _ANSWERS[failure]
        if len(parts) == 5 and parts[4] == "events":
            for _ in range(manners.meanwhile.pop(parts[3], 0)):
                body = b'{"type": "custom:meanwhile", "body": {}}'
                self._honest(Request("POST", request.path, {}, request.authorization, body))
        name: Any = parts[4] if len(parts) == 5 else parts[2] if len(parts) == 3 else None
        if name in LISTS and request.method == "GET":
            return self._page(request, name, parts[3] if len(parts) == 5 else "")
        answer = self._honest(request)
        if name is None and manners.text_ids and answer.status == 200:
            whole = json.loads(answer.body)
            return _json(whole | {"sequence_number": str(whole.get("sequence_number", 0))})
        return answer

    def _page(self, request: Request, name: List, conversation: str) -> Reply:
        """A page of a list that is read whole from the sandbox, and cut here."""
        manners = self.manners
        filters = {key: value for key, value in request.query.items() if key not in manners.ignores | {"cursor"}}
        if "order" in manners.ignores:
            filters["order"] = "desc"
        items, query = [], {**filters, "page_size": "100"}
        while True:
            answer = self._honest(Request("GET", request.path, query, request.authorization))
            if answer.status != 200:
                return answer
            page = json.loads(answer.body)
            items += page["_embedded"][name]
            following = page["_links"].get("next")
            if following is None:
                break
            query = Request.of("GET", following["href"].partition("//")[2].partition("/")[2]).query
        if (lag := manners.lag.get(conversation)) and name == "events":
            last = json.loads(
                self._honest(Request("GET", request.path.rpartition("/")[0], {}, request.authorization)).body
            )
            items = [item for item in items if item["id"] <= last["sequence_number"] - lag]
        if (seed := manners.noise.get(name)) is not None:
            items = _shaken(items, random.Random(f"{seed} {request.path}"))
        if manners.scar is not None and name == "conversations":
            items = [item | {"display_name": manners.scar} for item in items]
        if manners.text_ids and name == "events":
            items = [item | {"id": str(item["id"])} for item in items]
        return self._cut(request, name, items)

    def _cut(self, request: Request, name: List, items: list[Any]) -> Reply:
        asked = int(request.query.get("page_size", "10"))
        size = min(asked, self.manners.cap.get(name, asked))
        place = int(request.query.get("cursor", "0"))
        links = {}
        if place + size < len(items):
            way = self.manners.link.get(name, "right")
            stem = f"{request.path}?order=asc&page_size={size}"
            hrefs: dict[Link, str] = {
                "right": f"{stem}&cursor={place + size}",
                "&amp;": f"{stem}&cursor={place + size}".replace("&", "&amp;"),
                "?page=": f"{request.path}?page={place // size + 2}",
                "Cursor=": f"{stem}&Cursor={place + size}",
                "no cursor": stem,
                "circle": f"{stem}&cursor={place}",
            }
            if way != "missing":
                links = {"next": {"href": hrefs[way]}}
        return _json({"page_size": size, "_embedded": {name: items[place : place + size]}, "_links": links})

    def _honest(self, request: Request) -> Reply:
        app = self._sandbox._app
        assert app is not None
        return app.answer(request)


def _shaken(items: list[Any], dice: random.Random) -> list[Any]:
    """The items in another order over all pages, some of them twice."""
    return dice.sample(doubled := items + dice.sample(items, len(items) // 3), len(doubled))


def _json(value: object) -> Reply:
    return Reply(200, json.dumps(value).encode())
