"""The users of the application: agents who answer, and customers known by number."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from conv_analytics.sandbox.world.clock import iso
from conv_analytics.sandbox.world.dice import Dice
from conv_analytics.sandbox.world.routes import Route, draw_route

Json = dict[str, Any]
API = "https://api.nexmo.com/v1"

FIRST_NAMES = (
    "Orla", "Tomasz", "Zoë", "José", "Søren", "Ngọc", "Aïcha", "李娜", "محمد", "דוד", "Дарья", "ゆき",
    "Eleni", "Åsa", "Kwame", "Siân", "Renée", "Łukasz", "Ana", "Miloš",
)  # fmt: skip
LAST_NAMES = (
    "Finch", "Reed", "Müller", "O'Brien", "Nguyễn", "García", "Öztürk", "王", "الفاسي", "כהן", "Иванова",
    "佐藤", "Papadópoulos", "Lindqvist", "Mensah", "Ŵynne", "L'Hôpital", "Żak", "Silva 🌊", "Zi\u0301ma",
)  # fmt: skip
TEAMS = ("north", "south", "billing", "night shift", "support-ü")


@dataclass(frozen=True, slots=True)
class User:
    """One user; `number` and `route` say where a phone leg to this user goes."""

    index: int
    id: str
    name: str
    display_name: str | None
    image_url: str | None
    number: str
    route: Route
    agent: bool
    custom_data: tuple[tuple[str, str], ...]
    created_ms: int

    def lite(self, *, links: bool = True) -> Json:
        """Write the user as lists and member resources do (contract 6.2, 6.5)."""
        item: Json = {"id": self.id, "name": self.name, "display_name": self.display_name}
        if links:
            item["_links"] = {"self": {"href": f"{API}/users/{self.id}"}}
        return item

    def full(self) -> Json:
        """Write the user as `GET /v1/users/{id}` does (contract 6.5)."""
        channels: Json = {"pstn": [{"number": self.number}], "sms": [{"number": self.number}]}
        if self.agent:
            channels = {
                "pstn": [{"number": int(self.number)}],  # a number on the wire, as one Java fixture has it
                "sip": [{"uri": f"sip:{self.index}@pbx.example.org", "username": f"u{self.index}",
                         "password": "not-a-real-secret"}],
                "vbc": [{"extension": str(400 + self.index)}],
                "websocket": [{"uri": "wss://audio.example.net/in", "content-type": "audio/l16;rate=16000",
                               "headers": {"caller": str(self.index)}}],
            }  # fmt: skip
        return {
            **self.lite(links=False),
            "image_url": self.image_url,
            "properties": {"custom_data": dict(self.custom_data), "ttl": 3600},
            "channels": channels,
            "timestamp": {"created": iso(self.created_ms), "updated": iso(self.created_ms + 86_400_000)},
            "_links": {"self": {"href": f"{API}/users/{self.id}"}},
        }


class People:
    """All users of a world, created one by one on request."""

    def __init__(self, seed: int, conversations: int, start_ms: int) -> None:
        """Set how many users a world has: a few agents, about one customer per two conversations."""
        self.seed, self._start_ms = seed, start_ms
        self.agents = 8 + conversations // 50
        self.count = self.agents + 16 + conversations // 2
        self.user = lru_cache(maxsize=200_000)(self._make)

    def agent(self, dice: Dice) -> User:
        """Draw an agent, who answers calls."""
        return self.user(dice.between(0, self.agents - 1))

    def customer(self, dice: Dice) -> User:
        """Draw a customer."""
        return self.user(dice.between(self.agents, self.count - 1))

    def sessions(self, user: User) -> list[Json]:
        """Write the user's open sessions (contract 6.4): none for customers, up to three for agents."""
        if not user.agent:
            return []
        dice = Dice(self.seed, "sessions", user.index)
        return [
            {
                "id": f"SES-{dice.uuid()}",
                "_embedded": {"user": {"id": user.id, "name": user.name}, "api_key": "0a1b2c3d"},
                "properties": {"ttl": dice.pick((900, 1800.5, 3600))},
                "_links": {"self": {"href": f"{API}/sessions/{user.id}"}},
            }
            for _ in range(dice.between(0, 3))
        ]

    def _make(self, index: int) -> User:
        dice = Dice(self.seed, "user", index)
        user_id, route = f"USR-{dice.uuid()}", draw_route(dice)
        agent = index < self.agents
        display = f"{dice.pick(FIRST_NAMES)} {dice.pick(LAST_NAMES)}"
        return User(
            index=index,
            id=user_id,
            name=f"agent.{index:03d}" if agent else f"NAM-{dice.uuid()}",
            display_name=display if agent or dice.chance(0.5) else None,
            image_url=f"https://static.example.net/u/{index}.png" if dice.chance(0.3) else None,
            number=route.number(dice),
            route=route,
            agent=agent,
            custom_data=(("team", dice.pick(TEAMS)), ("Shift Code", f"s-{index % 3}")) if agent else (),
            created_ms=self._start_ms - dice.between(1, 90) * 86_400_000,
        )
