"""--map: own columns on the commands that group legs."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from conv_analytics import export, open_dataset
from conv_analytics.analysis import enrich, kpi, match_counts
from conv_analytics.sandbox import Sandbox
from tests._helpers.command_line import call
from tests._helpers.sandboxes import client_of

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("mapped")
    with Sandbox(seed=3, conversations=60) as sandbox:
        export(client_of(sandbox), root / "out", rate=0, progress=False)
    (root / "carriers.csv").write_text("Vorwahl;carrier;country\r\n+44;BT;UK\r\n0049;Telekom;DE\r\n", encoding="utf-16")
    (root / "networks.csv").write_text("network_code,network\n234-10,O2\n23415,Vodafone\n")
    return root


BY_CARRIER = ("--map", "carriers.csv:prefix=Vorwahl")


def test_rates_by_an_own_column_are_those_of_python(place: Path) -> None:
    done = call("kpi", "out", *BY_CARRIER, "--by", "carrier", "--format", "json", cwd=place)
    assert done.code == 0, done.err
    data = enrich(open_dataset(place / "out"), place / "carriers.csv", {"prefix": "Vorwahl"}, columns=["carrier"])
    expected = kpi(data, by="carrier", metrics=["asr", "ner", "setup_failure", "drop_failure", "short_6"])
    found = [(row["carrier"], row["metric"], row["k"], row["n"]) for row in json.loads(done.out)]
    assert [(a or "", *rest) for a, *rest in found] == [
        (a if isinstance(a, str) else "", *rest)
        for a, *rest in expected[["carrier", "metric", "k", "n"]].itertuples(index=False, name=None)
    ]
    counts = match_counts(data).iloc[0]
    assert f"carriers.csv (carrier): {counts['matched']} of {counts['rows']} legs match by remote_address" in done.err
    assert "country left out" in done.err


def test_every_command_that_groups_takes_maps(place: Path) -> None:
    maps = (*BY_CARRIER, "--map", "networks.csv")
    quality = call("quality", "out", *maps, "--format", "csv", "--verdict", "poor,fair,good", cwd=place)
    rows = list(csv.DictReader(io.StringIO(quality.out)))
    assert {"BT", ""} <= {row["carrier"] for row in rows}
    assert {"O2", ""} <= {row["network"] for row in rows}
    worse = call("offenders", "out", *maps, "--by", "carrier,network", "--case", "failed", "--format", "csv", cwd=place)
    assert worse.out.startswith("carrier,network,k,n,")
    checked = call("check", "out", *maps, "--rule", "poor > 99% by carrier min_n 1", "--format", "json", cwd=place)
    assert checked.code == 0, checked.err
    assert {"carrier=BT", "carrier=unknown"} <= {row["group"] for row in json.loads(checked.out)}
    assert "networks.csv: not used" in checked.err
    named = call("findings", "out", *maps, "--format", "json", cwd=place)
    assert named.code == 0, named.err
    assert "networks.csv (network): " in named.err
    report = call("report", "out", *maps, "-o", "r.html", cwd=place)
    assert report.code == 0, report.err
    numbers = json.loads((place / "r.json").read_text())
    assert {"carrier", "network"} <= {each["name"] for each in numbers["groupings"]}
    assert "By carrier" in (place / "r.html").read_text()


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("none.csv", "none.csv cannot be read"),
        ("carriers.csv:prefix", "carriers.csv has no column 'prefix'"),
        ("carriers.csv:town=Vorwahl", "'town' cannot be used to join carriers.csv on"),
        ("carriers.csv:prefix=", "write FILE, FILE:COLUMN or FILE:number=COLUMN"),
        (":prefix", "write FILE, FILE:COLUMN or FILE:number=COLUMN"),
        ("out", "out cannot be read"),
    ],
)
def test_a_map_that_cannot_be_used_is_an_error_of_usage(place: Path, spec: str, told: str) -> None:
    done = call("kpi", "out", "--map", spec, "--by", "carrier", cwd=place)
    assert (done.code, done.out) == (2, "")
    assert told in done.err


def test_a_map_with_numbers_shows_none_of_them(place: Path) -> None:
    (place / "people.csv").write_text("prefix,who\n44,447700900123\n49,bob@example.org\n")
    for command in (
        ("kpi", "--by", "who"),
        ("quality",),
        ("offenders", "--by", "who", "--case", "failed"),
        ("findings",),
    ):
        done = call(command[0], "out", "--map", "people.csv", *command[1:], cwd=place)
        assert done.code == 0, done.err
        assert "447700900123" not in done.out + done.err
        assert "bob@" not in done.out + done.err
    unmasked = call("kpi", "out", "--map", "people.csv", "--by", "who", "--unmasked", cwd=place)
    assert "447700900123" in unmasked.out
    (place / "twice.csv").write_text("number,site\n447700900123,a\n442079460000,b\n+44 7700 900123,c\n")
    for flags, told in (((), False), (("--unmasked",), True)):
        done = call("kpi", "out", "--map", "twice.csv", "--by", "site", *flags, cwd=place)
        assert done.code == 2
        assert "(rows 1, 3)" in done.err
        assert ("447700900123" in done.err) == told
