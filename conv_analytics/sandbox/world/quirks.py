"""Irregular resources, pages and links: the wire as seen in fixtures and issues (contract 9).

Nothing here changes what a record means; the truth of a world is the same with and without quirks.
"""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from conv_analytics.sandbox.world.dice import Dice
from conv_analytics.sandbox.world.odd_parts import odd_channel, odd_flag, odd_media, restamp_all

if TYPE_CHECKING:
    from conv_analytics.sandbox.wire import Request
    from conv_analytics.sandbox.world.records import Conversation, Member

Json = dict[str, Any]
SHARE = 0.35
FOREIGN = "https://api-us-3.vonage.com"
EXTRA = {"shard": 7, "x_trace": {"id": "t-1"}}


class Links:
    """Decides what the `_links` of a page look like; plain without quirks."""

    def __init__(self, seed: int, *, on: bool) -> None:
        """Be regular unless on."""
        self._seed, self.on = seed, on

    def dice(self, request: Request) -> Dice:
        """Return the dice of one page: the same request always gets the same page."""
        query = sorted(request.query.items())
        return Dice(self._seed, "page", request.path, query)

    def shape(self, links: Json, request: Request) -> Json | None:
        """Make links irregular: relative, foreign, unencoded, wrong path; `{}` or none at all at the end."""
        if not self.on:
            return links
        dice = self.dice(request)
        if "next" not in links:
            way = dice.pick(("plain", "empty", "null", "none", "hollow"))
            if way == "none":
                return None
            if way == "hollow":
                return {"first": {}, "self": {}, "next": {}, "prev": {}}
            if way != "plain":
                links["next"] = {} if way == "empty" else None
            return links
        href = links["next"]["href"]
        stem, _, cursor = href.rpartition("&cursor=")
        path = href.partition("/v1/")[2]
        way = dice.pick(("plain", "plain", "relative", "foreign", "unencoded", "wrong_path"))
        links["next"]["href"] = {
            "plain": href,
            "relative": f"/v1/{path}",
            "foreign": f"{FOREIGN}/v1/{path}",
            "unencoded": f"{stem}&cursor={unquote(cursor)}",
            "wrong_path": href.replace("/events?", "?").replace("/members?", "?"),
        }[way]
        return links

    def empty_body(self, request: Request) -> bytes | None:
        """Return the body of a page without items, now and then `{}`; None for the regular one."""
        return b"{}" if self.on and self.dice(request).chance(0.2) else None

    def page_size(self, size: int, count: int, request: Request) -> int:
        """Return the requested page size, or now and then the number of records (contract 2.1)."""
        return count if self.on and self.dice(request).chance(0.2) else size


class Shapes:
    """Writes resources, a share of them irregular when quirks are on."""

    def __init__(self, seed: int, *, on: bool) -> None:
        """Be regular unless on."""
        self._seed, self._on = seed, on

    def _dice_where_odd(self, what: str, identity: str) -> Dice | None:
        if not self._on:
            return None
        dice = Dice(self._seed, what, identity)
        return dice if dice.chance(SHARE) else None

    def lite_conversation(self, conversation: Conversation) -> Json:
        """Write a conversation for the list."""
        item, dice = conversation.lite(), self._dice_where_odd("lite", conversation.id)
        if dice is not None:
            restamp_all(item["timestamp"], dice)
            if item.get("display_name", "") is None:
                del item["display_name"]
            if dice.chance(0.3):
                item |= EXTRA
            if dice.chance(0.3):
                item["_links"] = {"self": {"href": f"{FOREIGN}/v1/conversations/{conversation.id}"}}
        return item

    def conversation(self, conversation: Conversation) -> Json:
        """Write a conversation for GET: `status` for `state`, a text as sequence number, absent nulls."""
        whole, dice = conversation.full(), self._dice_where_odd("conversation", conversation.id)
        if dice is not None:
            restamp_all(whole["timestamp"], dice)
            if dice.chance(0.4):
                whole["status"] = whole.pop("state")
            if dice.chance(0.4):
                whole["sequence_number"] = str(whole["sequence_number"])
            if dice.chance(0.4):
                whole["timestamp"] = {name: at for name, at in whole["timestamp"].items() if at is not None}
            if dice.chance(0.3) and "properties" in whole:
                whole["properties"] = deepcopy(whole["properties"])
                whole["properties"].setdefault("custom_data", {})["List"] = [1, {"Deep": None}]
            if dice.chance(0.3):
                whole |= EXTRA | {"numbers": dice.pick(({}, []))}
        return whole

    def lite_member(self, member: Member, conversation_id: str) -> Json:
        """Write a member for the list."""
        item, dice = member.lite(conversation_id), self._dice_where_odd("lite", member.id)
        if dice is not None:
            way = dice.pick(("self", "empty", "lower", "bare"))
            if way == "bare":
                return {"state": item["state"], "id": item["id"]}
            if way == "self":
                item["_links"] = {"self": item["_links"]}
            elif way == "empty":
                item["_links"] = {}
            else:
                item["state"] = item["state"].lower()
            item["_embedded"]["user"].pop("_links")
        return item

    def member(self, member: Member, conversation_id: str) -> Json:
        """Write a member for GET."""
        whole, dice = deepcopy(member.full(conversation_id)), self._dice_where_odd("member", member.id)
        if dice is not None:
            restamp_all(whole["timestamp"], dice)
            odd_channel(whole["channel"], dice)
            for part in whole["initiator"].values():
                odd_flag(part, dice)
            if isinstance(whole.get("media"), dict):
                odd_media(whole["media"], dice)
            whole.setdefault("invited_by", dice.pick((None, "<null>")))
        return whole

    def with_empty_items(self, request: Request, items: list[bytes], name: str) -> list[bytes]:
        """Put a `{}` into some pages of conversations and members (contract 9 #4)."""
        if not self._on or not items or name not in {"conversations", "members"}:
            return items
        dice = Dice(self._seed, "empty", quote(request.path), sorted(request.query.items()))
        if dice.chance(0.25):
            at = dice.between(0, len(items))
            return [*items[:at], b'{"_embedded":{}}' if dice.chance(0.3) else b"{}", *items[at:]]
        return items
