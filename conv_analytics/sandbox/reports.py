"""Files of the Reports API about a world's calls, as a user downloads them (contract 8.4)."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

from conv_analytics.sandbox.calls import address, plain_id
from conv_analytics.sandbox.world.dice import Dice
from conv_analytics.sandbox.world.routes import ROUTES

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from conv_analytics.sandbox.world.call_legs import CallLeg
    from conv_analytics.sandbox.world.world import World

Record = dict[str, str | None]
ReportFormat = Literal["csv", "json", "zip"]
PRODUCTS = ("VOICE-CALL", "VOICE-FAILED", "IN-APP-VOICE", "WEBSOCKET-CALL")
LARGEST_PAGE = 1000
COUNTRIES = {
    "GB": "United Kingdom", "US": "United States of America", "FR": "France", "DE": "Germany", "AU": "Australia",
    "SE": "Sweden", "IE": "Ireland",
}  # fmt: skip
NETWORK_COUNTRY = {route.network: route.country for route in ROUTES}
#: The carrier's word for the end of a call.
DESCRIPTIONS = {200: "Answered normally", 404: "Not found", 480: "Temporarily unavailable", 486: "Busy here",
                487: "Request terminated", 503: "Service unavailable", 603: "Decline"}  # fmt: skip


def network_name(network: str) -> str:
    """Return the invented name of a network's carrier."""
    country = COUNTRIES[NETWORK_COUNTRY[network]]
    return f"{country} Landline" if network.endswith("-FIXED") else f"Example Mobile {country} {network[3:]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Differences:
    """How many billed calls differ from the events on purpose; no call in two ways."""

    missing: int = 0
    """Calls that are not in the files."""
    extra: int = 0
    """Records of calls that the world does not have: of another application, or never seen."""
    price: int = 0
    duration: int = 0
    currency: int = 0

    @property
    def on_calls(self) -> dict[str, int]:
        """How many of the world's calls each kind needs."""
        return {name: getattr(self, name) for name in ("missing", "price", "duration", "currency")}


@dataclass(slots=True)
class ReportTruth:
    """The contents of the files, and the errors planted in them."""

    files: list[Path] = field(default_factory=list)
    records: dict[str, int] = field(default_factory=dict)
    """Records by product."""
    total_price: Decimal = Decimal(0)
    """Sum of `total_price` over all of them, in euros or not."""
    planted: dict[str, frozenset[str]] = field(default_factory=dict)
    """Leg ids by what is wrong: missing, price, duration, currency; extra has the call ids of the records."""


def write_reports(
    world: World, account_id: str, application_id: str, folder: Path, *,
    formats: Collection[ReportFormat] = ("csv", "json"), differences: Differences | None = None,
) -> ReportTruth:  # fmt: skip
    """Write a file per product and format: CSV with a quoted header, pages as JSON, or the CSV in a zip."""
    chosen_differences = differences or Differences()
    dice, truth = Dice(world.seed, "reports"), ReportTruth()
    legs = [leg for ordinal in range(world.size) for leg in world.legs(ordinal) if leg.billed_at is not None]
    truth.planted = _choose(legs, chosen_differences, dice)
    records_by_product: dict[str, list[Record]] = defaultdict(list)
    for leg in sorted(legs, key=lambda leg: leg.began):
        if leg.id not in truth.planted["missing"]:
            record = _record(leg, account_id, application_id, Dice(world.seed, "report", leg.id))
            _falsify(record, leg, truth)
            records_by_product[_product(leg)].append(record)
    extra = (
        [_foreign(records_by_product["VOICE-CALL"], dice) for _ in range(chosen_differences.extra)]
        if records_by_product["VOICE-CALL"]
        else []
    )
    records_by_product["VOICE-CALL"] += extra
    truth.planted["extra"] = frozenset(str(record["call_id"]) for record in extra)
    folder.mkdir(parents=True, exist_ok=True)
    for product in PRODUCTS:
        records = records_by_product[product]
        truth.records[product] = len(records)
        truth.total_price += sum((Decimal(record.get("total_price") or 0) for record in records), Decimal(0))
        stem = f"{product}_{account_id}_{_day(world.end_ms)}"
        for suffix, content in _contents(product, account_id, records, formats=formats, dice=dice):
            path = folder / (f"{product}_{dice.uuid()}.zip" if suffix == ".zip" else f"report_{stem}{suffix}")
            path.write_bytes(content)
            truth.files.append(path)
    return truth


# -- records


def _product(leg: CallLeg) -> str:
    if leg.kind == "app":
        return "IN-APP-VOICE"
    if leg.kind == "websocket":
        return "WEBSOCKET-CALL"
    return "VOICE-CALL" if leg.answered_at is not None else "VOICE-FAILED"


def _record(leg: CallLeg, account_id: str, application_id: str, dice: Dice) -> Record:
    """Write one record; every value is a text or null."""
    began = (leg.answered_at or leg.began) // 1000
    ended = began + leg.duration_s if leg.answered_at else leg.over_at // 1000
    zone = dice.pick(("+00:00", "+00:00", "+0000"))
    common: Record = {
        "account_id": account_id,
        "date_start": _stamp(began, zone),
        "date_end": _stamp(ended, zone),
        "id": dice.uuid(),
    }
    total = Decimal(leg.price).scaleb(-8)
    money: Record = {
        "currency": "EUR",
        "price": _plain(Decimal(leg.rate).scaleb(-8)),
        "total_price": _plain(round(total, 6) if dice.chance(0.5) else total),
        "duration": str(leg.duration_s),
    }
    if leg.kind == "app":
        return {
            **common, **money, "request_id": dice.uuid(), "application_id": application_id, "client_ref": None,
            "conversation_id": leg.conversation_id, "user_id": leg.user_id, "leg_id": leg.id, "status": "200",
        }  # fmt: skip
    call_id = dice.pick((f"{plain_id(leg.id)}-1", leg.id, f"{leg.id}-1", plain_id(leg.id)))
    if leg.kind == "websocket":
        return {**common, **money, "call_id": call_id, "status": "completed"}
    country = NETWORK_COUNTRY[leg.network]
    code = leg.sip_code or 200
    ends: Record = {
        "call_id": call_id, "direction": leg.direction, "from": address(leg.from_), "to": address(leg.to),
        "network": leg.network, "network_name": network_name(leg.network), "country": country,
        "country_name": COUNTRIES[country], "status_code": str(code),
        "status_description": DESCRIPTIONS.get(code, "Failed"),
    }  # fmt: skip
    if leg.answered_at is None:
        return {**common, **ends, "status": "FAILED"}
    tiers = dice.pick((None, None, "1-10000", "1-10000_10001-onwards"))
    return {**common, **ends, **money, "forced_from": "", "status": "ANSWERED", "tier_volume": tiers}


def _foreign(records: list[Record], dice: Dice) -> Record:
    """Write a record of a call that this world does not have: like one of its own, but for its ids."""
    return {**dice.pick(records), "call_id": f"{dice.hex32()}-1", "id": dice.uuid()}


def _choose(legs: list[CallLeg], differences: Differences, dice: Dice) -> dict[str, frozenset[str]]:
    """Draw the calls that differ; each costs something, so that a wrong price can be seen."""
    paid = [leg.id for leg in legs if leg.price > 100_000 and _product(leg) == "VOICE-CALL"]
    if sum(differences.on_calls.values()) > len(paid):
        message = f"{sum(differences.on_calls.values())} differences are asked for, and {len(paid)} calls cost anything"
        raise ValueError(message)
    remaining, chosen = iter(dice.shuffled(paid)), {}
    for name, count in differences.on_calls.items():
        chosen[name] = frozenset(next(remaining) for _ in range(count))
    return chosen


def _falsify(record: Record, leg: CallLeg, truth: ReportTruth) -> None:
    if leg.id in truth.planted["price"]:
        record["total_price"] = _plain(Decimal(str(record["total_price"])) * 2)
    if leg.id in truth.planted["duration"]:
        record["duration"] = str(leg.duration_s + 60)
    if leg.id in truth.planted["currency"]:
        record["currency"] = "USD"


def _stamp(seconds: int, zone: str) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S") + zone


def _day(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y%m%d")


def _plain(amount: Decimal) -> str:
    """Write an amount without the zeros at its end, and never with an exponent."""
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


# -- files


def _contents(
    product: str, account_id: str, records: list[Record], *, formats: Collection[ReportFormat], dice: Dice
) -> Iterator[tuple[str, bytes]]:
    """Write the files of a product: the ends of their names, and their contents."""
    if "csv" in formats:
        yield ".csv", _csv(records)
    if "zip" in formats:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(f"report_{product}_{account_id}.csv", _csv(records))
        yield ".zip", buffer.getvalue()
    if "json" in formats:
        starts = range(0, max(len(records), 1), LARGEST_PAGE)
        for number, start in enumerate(starts, 1):
            page = records[start : start + LARGEST_PAGE]
            body = _page(product, account_id, page, dice, last=number == len(starts))
            yield ".json" if number == 1 else f"_{number}.json", json.dumps(body, indent=1).encode()


def _csv(records: list[Record]) -> bytes:
    """Write every value quoted, null as nothing, lines as spreadsheets end them."""
    buffer = io.StringIO(newline="")
    columns = list(dict.fromkeys(name for record in records for name in record))
    writer = csv.DictWriter(buffer, columns, quoting=csv.QUOTE_ALL, restval="", lineterminator="\r\n")
    if columns:
        writer.writeheader()
    writer.writerows({name: "" if value is None else value for name, value in record.items()} for record in records)
    return buffer.getvalue().encode()


def _page(product: str, account_id: str, records: list[Record], dice: Dice, *, last: bool) -> dict[str, object]:
    here = f"https://api.nexmo.com/v2/reports/records?account_id={account_id}&product={product}"
    links: dict[str, object] = {"self": {"href": here}}
    more: dict[str, object] = {}
    if not last:
        more = {"cursor": dice.hex32(), "iv": dice.uuid()}
        links["next"] = {"href": f"{here}&cursor={more['cursor']}"}  # without `iv`, as the platform's is
    return {
        "_links": links, "request_id": dice.uuid(), "request_status": "SUCCESS", "account_id": account_id,
        "product": product, "include_subaccounts": False, "items_count": len(records), "records": records, **more,
    }  # fmt: skip


__all__ = ["PRODUCTS", "Differences", "ReportFormat", "ReportTruth", "network_name", "write_reports"]
