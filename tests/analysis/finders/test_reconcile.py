"""Bills against an export: every planted difference is found, under its own name, and nothing else."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from conv_analytics import Conversations, Dataset, coverage, export, ingest, open_dataset, read_reports
from conv_analytics.analysis import kpi, legs, reconcile
from conv_analytics.cli.reconcile import last_export_began
from conv_analytics.errors import ConfigError
from conv_analytics.sandbox import Sandbox
from conv_analytics.sandbox.reports import Differences
from tests._helpers.command_line import call

Bills = list[dict[str, Any]]

PRODUCTS = {"websocket": "WEBSOCKET-CALL", "app": "IN-APP-VOICE"}
NAMES = {"GB-FIXED": "Example Landline", "23410": "Example Mobile"}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dataset]:
    with Sandbox(seed=7, conversations=60) as sandbox:
        client = Conversations(sandbox.application_id, sandbox.private_key, base_url=sandbox.base_url)
        yield export(client, tmp_path_factory.mktemp("billed") / "exports", rate=0, progress=False).dataset


@pytest.fixture(scope="module")
def answered(dataset: Dataset) -> pd.DataFrame:
    """The legs that are billed, in the order of their start."""
    all_legs = legs(dataset)
    return all_legs[all_legs["answered"] & ~all_legs["open"]].sort_values("answered_at", ignore_index=True)


def bill_of(leg: Any, number: int) -> dict[str, Any]:
    """The record of a leg as the Reports API writes it: texts, whole seconds, six decimals."""
    product = PRODUCTS.get(leg.channel_type, "VOICE-CALL")
    told = {
        "product": product, "id": f"record-{number}", "account_id": "a1b2c3d4", "direction": leg.direction,
        "date_start": leg.answered_at.floor("s").strftime("%Y-%m-%dT%H:%M:%S+00:00"), "duration": f"{leg.billed_s:.0f}",
        "status": "ANSWERED", "currency": "EUR", "price": f"{leg.rate:.4f}", "total_price": f"{leg.price:.6f}",
    }  # fmt: skip
    if product == "VOICE-CALL":
        told |= {"network": leg.network_code, "network_name": NAMES.get(leg.network_code, ""), "country": leg.country}
    # Half of the records have ids of the older form: no dashes, capitals, and a suffix.
    old = leg.leg_id.replace("-", "").upper() + "-1" if number % 2 else leg.leg_id
    return told | ({"leg_id": leg.leg_id} if product == "IN-APP-VOICE" else {"call_id": old})


@pytest.fixture
def bills(answered: pd.DataFrame) -> Bills:
    return [bill_of(leg, number) for number, leg in enumerate(answered.itertuples())]


def written(bills: Bills, folder: Path) -> list[Path]:
    """The records as pages, a file for each product."""
    folder.mkdir(exist_ok=True)
    paths = []
    for product in sorted({bill["product"] for bill in bills}):
        records = [{k: v for k, v in bill.items() if k != "product"} for bill in bills if bill["product"] == product]
        paths.append(folder / f"{product}.json")
        paths[-1].write_text(json.dumps({"product": product, "records": records}))
    return paths


def test_equal_bills_are_the_same(dataset: Dataset, bills: Bills, tmp_path: Path) -> None:
    result = reconcile(dataset, written(bills, tmp_path / "bills"))
    assert {name: count for name, count in result.counts.items() if count and name != "not_compared"} == {
        "same": len(bills)
    }
    # What was not answered is not billed, and no difference.
    rest = result.legs[result.legs["outcome"] == "not_compared"]
    assert len(rest) == len(legs(dataset)) - len(bills)
    assert rest["call_id"].isna().all()
    assert result.days["billed"].sum() == pytest.approx(sum(float(bill["total_price"]) for bill in bills))
    assert result.days["difference"].abs().max() < 1e-4
    assert (result.days["records"].sum(), result.days["legs"].sum()) == (len(bills), len(bills))


Plant = Callable[[Bills, int], None]


def _set(**values: Any) -> Plant:
    return lambda bills, place: bills[place].update(values)


def _more(field: str, by: float) -> Plant:
    def plant(bills: Bills, place: int) -> None:
        bills[place][field] = f"{float(bills[place][field]) + by:.6f}"

    return plant


def _later(seconds: int) -> Plant:
    def plant(bills: Bills, place: int) -> None:
        later = pd.Timestamp(bills[place]["date_start"]) + pd.Timedelta(seconds=seconds)
        bills[place]["date_start"] = later.isoformat()

    return plant


def _turn(bills: Bills, place: int) -> None:
    bills[place]["direction"] = {"inbound": "outbound", "outbound": "inbound"}[bills[place]["direction"]]


def _extra(bills: Bills, place: int) -> None:
    bills.append({**bills[place], "id": "extra", "call_id": f"{'ab' * 16}-1"})


def _per_minute(bills: Bills, place: int) -> None:
    bills[place]["total_price"] = bills[place]["price"]


def _split(bills: Bills, place: int) -> None:
    """Two bills for one leg, which together are right."""
    bill = bills[place]
    price, seconds = float(bill["total_price"]), float(bill["duration"])
    bills.append({**bill, "id": "second", "total_price": f"{price / 4:.6f}", "duration": f"{seconds - 1:.0f}"})
    bill |= {"total_price": f"{price * 3 / 4:.6f}", "duration": "1"}


#: What is done to the bills, and what comes of it: an outcome, and what differs.
CASES: dict[str, tuple[Plant, str, str | None]] = {
    "the last digit": (_more("total_price", 0.0000005), "same", None),
    "another price": (_more("total_price", 0.00001), "differs", "price"),
    "the price of a minute": (_per_minute, "differs", "price"),
    "a second more": (_more("duration", 1), "same", None),
    "two seconds more": (_more("duration", 2), "differs", "duration"),
    "both": (_set(duration="9999", total_price="77.5"), "differs", "duration, price"),
    "four seconds later": (_later(4), "same", None),
    "a minute later": (_later(60), "conflict", "start"),
    "the other way": (_turn, "conflict", "direction"),
    "a bill of a call not seen": (_extra, "billed_not_seen", None),
    "two bills of one leg": (_split, "same", None),
    "no bill": (lambda bills, place: bills.pop(place), "seen_not_billed", None),
    "a price that is none": (_set(total_price="free"), "unreadable", None),
    "a start that is none": (_set(date_start="morning"), "unreadable", None),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_planted_difference_is_found(
    name: str, dataset: Dataset, answered: pd.DataFrame, bills: Bills, tmp_path: Path
) -> None:
    plant, outcome, differences = CASES[name]
    priced = answered["price"].gt(0.01) & answered["channel_type"].eq("phone") & answered["billed_s"].gt(10)
    place = int(priced[priced].index[len(priced[priced]) // 2])
    number = len(bills)
    plant(bills, place)
    result = reconcile(dataset, written(bills, tmp_path / "bills"))
    found = result.legs[~result.legs["outcome"].isin(["same", "not_compared"])]
    if outcome == "same":
        assert found.empty, found.T
        assert result.counts["same"] == number
        return
    assert found["outcome"].tolist() == [outcome]
    (row,) = found.astype(object).where(found.notna(), None).to_dict("records")
    assert row["differences"] == differences
    assert result.counts["same"] == number - (outcome != "billed_not_seen")
    if outcome != "billed_not_seen":
        assert row["leg_id"] == answered["leg_id"].iloc[place]
    assert result.share(outcome) == pytest.approx(1 / (number + (outcome == "billed_not_seen")))
    assert result.days[outcome].sum() == 1 if outcome in result.days.columns else True


def test_currencies_are_compared_where_both_are_known(answered: pd.DataFrame, bills: Bills, tmp_path: Path) -> None:
    for bill in bills:
        bill["currency"] = "USD"
    # Events tell no currency of phone legs; those of app legs say EUR, which is the account's.
    result = reconcile(answered, written(bills, tmp_path / "bills"))
    differing = result.legs[result.legs["outcome"] == "differs"]
    assert set(differing["differences"]) == {"currency"}
    assert len(differing) == answered["price"].notna().sum() > answered["currency"].eq("EUR").sum() > 0


def test_what_lies_outside_is_not_compared(dataset: Dataset, bills: Bills, tmp_path: Path) -> None:
    bills.append({**bills[0], "id": "old", "call_id": "ab" * 16, "date_start": "2025-01-01T00:00:00Z"})
    files = written(bills, tmp_path / "bills")
    assert reconcile(dataset, files).counts["billed_not_seen"] == 0
    since = pd.Timestamp("2024-01-01", tz="UTC").to_pydatetime()
    assert reconcile(dataset, files, since=since).counts["billed_not_seen"] == 1
    # Products that were not downloaded are not missed.
    phone = [path for path in files if path.name == "VOICE-CALL.json"]
    assert reconcile(dataset, phone).counts["seen_not_billed"] == 0
    until = pd.Timestamp("2026-11-15", tz="UTC").to_pydatetime()
    early = reconcile(dataset, files, until=until)
    compared = early.legs[early.legs["outcome"] != "not_compared"]
    assert compared["billed_started_at"].max() < until


def test_names_of_networks_are_groups_of_kpi(answered: pd.DataFrame, bills: Bills, tmp_path: Path) -> None:
    result = reconcile(answered, written(bills, tmp_path / "bills"))
    assert dict(result.networks[["network_code", "network_name"]].to_numpy()) == NAMES
    table = kpi(result.with_network_names(answered), by="network_name", metrics=["asr"], scope="all")
    for name in NAMES.values():
        (n,) = table.loc[table["network_name"] == name, "n"]
        assert n == answered["network_code"].map(NAMES).eq(name).sum() > 0


def test_the_kinds_of_data_agree(dataset: Dataset, bills: Bills, tmp_path: Path) -> None:
    reports = read_reports(written(bills[3:], tmp_path / "bills"))
    one = reconcile(dataset, reports)
    frames = {name: dataset[name] for name in dataset.tables}
    other = reconcile(frames, reports)
    assert one.counts == other.counts
    assert one.counts["seen_not_billed"] > 0
    pd.testing.assert_frame_equal(one.legs, other.legs)
    with pytest.raises(ConfigError, match="no columns call_id and started_at"):
        reconcile(frames, pd.DataFrame({"a": [1]}))


def _bills_of(*call_ids: str | None) -> pd.DataFrame:
    at = pd.to_datetime(["2026-11-20T09:15:10Z"] * len(call_ids)).as_unit("us")
    return pd.DataFrame({"product": "VOICE-CALL", "call_id": call_ids, "started_at": at, "duration_s": 152.0,
                         "price": 0.03})  # fmt: skip


def test_unreadable_bills_of_several_frames_stay_apart(answered: pd.DataFrame) -> None:
    one, other = (_bills_of(None).assign(problem="call_id is missing", price=price) for price in (0.03, 0.05))
    for reports in (pd.concat([one, other]), pd.concat([one, other], keys=["one", "other"])):
        found = reconcile(answered, reports)
        unreadable = found.legs[found.legs["outcome"] == "unreadable"]
        assert sorted(unreadable["billed_price"]) == [0.03, 0.05]


def test_instants_of_bills_and_of_the_period_have_a_zone(answered: pd.DataFrame) -> None:
    bills = _bills_of("4" * 32)
    for odd in (bills["started_at"].dt.tz_localize(None), bills["started_at"].astype("str")):
        with pytest.raises(ConfigError, match="'started_at' of reports"):
            reconcile(answered, bills.assign(started_at=odd))
    for name in ("since", "until"):
        with pytest.raises(ConfigError, match=name):
            reconcile(answered, bills, **{name: pd.Timestamp("2026-11-20").to_pydatetime()})
    with pytest.raises(ConfigError, match="'price' of reports"):
        reconcile(answered, bills.assign(price="dear"))


def test_nothing_on_either_side(dataset: Dataset, answered: pd.DataFrame, bills: Bills, tmp_path: Path) -> None:
    empty = read_reports(Path(__file__).parents[2] / "fixtures" / "live" / "reports_empty.json")
    assert set(reconcile(dataset, empty).legs["outcome"]) == {"not_compared"}
    nobody = reconcile(answered.iloc[:0], written(bills, tmp_path / "bills"))
    assert nobody.counts["billed_not_seen"] == len(bills)
    assert nobody.share("billed_not_seen") == 1.0


@pytest.mark.slow
def test_the_command(dataset: Dataset, bills: Bills, tmp_path: Path) -> None:
    _extra(bills, 0)
    bills.pop(3)
    files = written(bills, tmp_path / "bills")
    ended = call("reconcile", dataset.path, "--reports", *files, "--format", "json", cwd=tmp_path)
    assert ended.code == 0
    assert sorted(row["outcome"] for row in ended.last) == ["billed_not_seen", "seen_not_billed"]
    assert f"{len(bills):,} records: billed_not_seen 1, seen_not_billed 1" in ended.err
    days = call("reconcile", dataset.path, "--reports", *files, "--table", "days", "--format", "csv", cwd=tmp_path)
    assert days.out.splitlines()[0].startswith("day,currency,records,legs,billed,seen,difference")
    assert "Example Mobile" in call("reconcile", dataset.path, "--reports", *files, "--table", "networks").out
    broken = call("reconcile", dataset.path, "--reports", *files, "--fail-on", "billed_not_seen > 0.5%", cwd=tmp_path)
    assert (broken.code, "broken: billed_not_seen > 0.5%" in broken.err) == (4, True)
    kept = call("reconcile", dataset.path, "--reports", *files, "--fail-on", "differs>0", cwd=tmp_path)
    assert kept.code == 0
    for wrong in (["--fail-on", "poor > 3%"], ["--last", "-1"], ["--since", "soon"], ["--reports", "absent.csv"]):
        assert call("reconcile", dataset.path, "--reports", *files, *wrong, cwd=tmp_path).code == 2, wrong
    assert open_dataset(dataset.path).commits == dataset.commits


def test_the_command_compares_up_to_the_last_export_that_read_the_newest_conversations(dataset: Dataset) -> None:
    (whole,) = dataset.commits
    later = whole.report | {"started_at": "2999-01-01T00:00:00Z"}
    reports = [{**later, "command": "coverage"}, {**later, "until": "2026-10-02T00:00:00Z"}]
    commits = [whole, *(replace(whole, number=number, report=each) for number, each in enumerate(reports, 2))]
    began = datetime.fromisoformat(whole.report["started_at"])
    assert last_export_began(commits) == began
    assert last_export_began(commits[1:]) is None


@pytest.fixture(scope="module", params=[False, True], ids=["no listener", "some webhooks"])
def transient(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Sandbox, Dataset]]:
    """A world with transient calls, and its export beside its call list: it lacks those calls, or parts of them."""
    folder = tmp_path_factory.mktemp("transient") / "exports"
    with Sandbox(seed=7, conversations=80, transient=0.4) as sandbox:
        client = Conversations(sandbox.application_id, sandbox.private_key, base_url=sandbox.base_url)
        export(client, folder, rate=0, progress=False)
        if request.param:
            lines = folder.with_name("events.jsonl")
            arrived = sandbox.deliveries(drop=0.7, transient_only=True).sent
            lines.write_text("".join(f"{json.dumps(each.event)}\n" for each in arrived))
            ingest(folder, lines)
        coverage(client, folder, since=datetime(2026, 11, 1, tzinfo=UTC), until=datetime(2026, 11, 25, tzinfo=UTC))
        yield sandbox, open_dataset(folder)


@pytest.mark.slow
@pytest.mark.parametrize("form", ["csv", "json", "zip"])
def test_bills_of_a_world_with_transient_calls(transient: tuple[Sandbox, Dataset], form: Any, tmp_path: Path) -> None:
    sandbox, dataset = transient
    planted = Differences(missing=7, extra=4, price=7, duration=7, currency=7)
    truth = sandbox.write_reports(tmp_path / "bills", (form,), planted)
    result = reconcile(dataset, truth.files)
    plain = {leg.leg_id.replace("-", ""): leg for leg in sandbox.truth().calls}
    keys = result.legs["leg_id"].fillna(result.legs["call_id"]).str.replace("-", "").str[:32]
    found = result.legs.assign(key=keys)

    def with_outcome(name: str, differences: str | None = None) -> set[str]:
        rows = found[found["outcome"] == name]
        return set(rows["key"] if differences is None else rows.loc[rows["differences"] == differences, "key"])

    expected = {name: {leg.replace("-", "")[:32] for leg in legs} for name, legs in truth.planted.items()}
    assert with_outcome("seen_not_billed") == expected["missing"]
    assert with_outcome("billed_not_seen") == expected["extra"]
    for name in ("price", "duration", "currency"):
        assert with_outcome("differs", name) == expected[name], name
    assert result.counts["differs"] == 21
    assert result.counts["conflict"] == result.counts["unreadable"] == 0
    # What is wrong on purpose is wrong with calls of both kinds.
    wrong = set().union(*(expected[name] for name in ("missing", "price", "duration", "currency")))
    assert {plain[key].transient for key in wrong} == {True, False}
    own = set(legs(dataset)["leg_id"].str.replace("-", ""))
    assert {key for key, leg in plain.items() if not leg.transient} <= own
    assert dict(found.loc[found["key"].isin(plain), ["key", "seen_in"]].to_numpy()) == {
        key: "folder" if key in own else "call_list" for key in plain
    }
    billed = set(found.loc[found["call_id"].notna(), "key"])
    assert with_outcome("not_in_folder") == billed - own - wrong - expected["extra"] != set()
    assert result.counts["same"] + len(wrong - expected["missing"]) + result.counts["not_in_folder"] + 4 == sum(
        truth.records.values()
    )
    assert result.days["not_in_folder"].sum() == result.counts["not_in_folder"]
    command = call("reconcile", dataset.path, "--reports", *truth.files, "--last", "0", "--format", "json")
    assert command.code == 0
    assert Counter(row["outcome"] for row in command.last) == {
        name: count for name, count in result.counts.items() if count and name not in {"same", "not_compared"}
    }
