"""The commands that ask a folder: kpi, quality, offenders and check, as they are run."""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import json
import re
import shutil
from operator import itemgetter
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from conv_analytics import export, open_dataset
from conv_analytics.analysis import findings, offenders
from conv_analytics.analysis.entities.cases import CASES
from conv_analytics.sandbox import Sandbox
from tests._helpers.command_line import call
from tests._helpers.sandboxes import client_of

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("asked")
    with Sandbox(seed=3, conversations=60, days=2) as sandbox:
        export(client_of(sandbox), root / "out", rate=0, progress=False)
    return root


@pytest.mark.parametrize("style", ["text", "csv", "json", "md"])
def test_rates_in_every_format(style: str, folder: Path) -> None:
    done = call("kpi", "out", "--metrics", "asr", "--by", "direction", "--format", style, cwd=folder)
    assert done.code == 0, done.err
    if style == "json":
        (row,) = json.loads(done.out)
        assert row["metric"] == "asr"
        assert 0 < row["k"] <= row["n"]
    elif style == "csv":
        (line,) = csv.DictReader(io.StringIO(done.out))
        assert line["direction"] == "outbound"
        assert float(line["lo"]) <= float(line["rate"]) <= float(line["hi"])
    elif style == "md":
        assert done.out.startswith("| direction | metric | k | n |")
    else:
        assert done.out.split()[:2] == ["direction", "asr"]
        assert re.search(r"^ *outbound +\d+\.\d % \(\d+\.\d-\d+\.\d\)( \*)?$", done.out, re.MULTILINE)
        assert ("fewer than 30 cases" in done.err) == ("*" in done.out)
        long = call("kpi", "out", "--metrics", "asr", "--by", "direction", "--long", cwd=folder)
        assert long.out.split()[:3] == ["direction", "metric", "k"]


def test_five_rates_by_default_and_all_by_name(folder: Path) -> None:
    shown = call("kpi", "out", "--format", "json", cwd=folder)
    assert [row["metric"] for row in json.loads(shown.out)] == [
        "asr",
        "ner",
        "setup_failure",
        "drop_failure",
        "short_6",
    ]
    every = json.loads(call("kpi", "out", "--metrics", "all", "--format", "json", cwd=folder).out)
    assert len(every) > 15


def test_text_has_no_exponents_and_no_more_digits_than_they_mean(folder: Path) -> None:
    text = call("offenders", "out", "--case", "unanswered", "--by", "country", "--min-n", "5", cwd=folder).out
    assert not re.search(r"\de[-+]\d", text)
    assert not re.search(r"0\.\d{5,}", text)
    assert " % (" in text


def test_bad_legs_come_with_their_rule(folder: Path) -> None:
    done = call(
        "quality", "out", "--verdict", "poor,fair,good,unmeasured", "--last", "0", "--format", "json", cwd=folder
    )
    assert done.code == 0, done.err
    rows = json.loads(done.out)
    counted = {word: sum(row["verdict"] == word for row in rows) for word in ("poor", "fair", "good", "unmeasured")}
    assert ", ".join(f"{n} {word}" for word, n in counted.items()) in done.err
    ranks = [list(counted).index(row["verdict"]) for row in rows]
    assert ranks == sorted(ranks)


@pytest.mark.parametrize("style", ["text", "csv", "json", "md"])
def test_offenders_in_every_format(style: str, folder: Path) -> None:
    asked = ("offenders", "out", "--by", "network_code", "--case", "unanswered", "--min-n", "5", "--tz", "Asia/Tokyo")
    done = call(*asked, "--format", style, cwd=folder)
    assert done.code == 0, done.err
    table = offenders(open_dataset(folder / "out"), "network_code", "unanswered", min_n=5, tz="Asia/Tokyo")
    networks = table["network_code"].astype(object).where(table["network_code"].notna(), None).to_list()
    assert f"{len(table)} groups, " in done.err
    assert f"{table['k'].sum()} of {table['n'].sum()} legs in all" in done.err
    if style == "json":
        rows = json.loads(done.out)
        assert [row["network_code"] for row in rows] == networks
        assert [(row["k"], row["n"]) for row in rows] == list(zip(table["k"], table["n"], strict=True))
        known = [row for row in rows if row["network_code"] is not None]
        assert all(row["excess"] == pytest.approx(row["k"] - row["n"] * row["rest_rate"]) for row in known)
        # Legs without a network are compared with nothing.
        assert all(row["rest_rate"] is row["excess"] is None for row in rows if row not in known)
    elif style == "csv":
        assert [line["network_code"] for line in csv.DictReader(io.StringIO(done.out))] == [
            each or "" for each in networks
        ]
    elif style == "md":
        assert done.out.startswith("| network_code | k | n | rate | lo | hi | rest_rate | excess |")
    else:
        assert len(done.out.splitlines()) == len(table) + 1


def test_the_help_of_offenders_lists_every_case(folder: Path) -> None:
    said = call("offenders", "--help", cwd=folder).out.partition("cases:\n")[2]
    listed = re.findall(r"^  (\w+) +([^\[:]*)", said, re.MULTILINE)
    assert {name: title.strip() for name, title in listed if name in CASES} == {
        case.name: case.title for case in CASES.values()
    }


def test_offenders_are_listed_as_far_as_is_asked(folder: Path) -> None:
    few = call("offenders", "out", "--by", "user_id,weekday", "--last", "2", "--format", "json", cwd=folder)
    assert few.code == 0, few.err
    assert len(json.loads(few.out)) == 2


def test_a_broken_limit_ends_with_4_and_a_kept_one_with_0(folder: Path) -> None:
    broken = call("check", "out", "--rule", "asr < 100%", "--format", "json", cwd=folder)
    assert broken.code == 4, broken.err
    assert [row["outcome"] for row in json.loads(broken.out)] == ["broken"]
    value = json.loads(broken.out)[0]["value"]
    near = ("check", "out", "--rule", f"asr < {value + 0.001}", "--format", "json")
    unsure = call(*near, cwd=folder)
    assert (unsure.code, json.loads(unsure.out)[0]["outcome"]) == (0, "broken_may_be_chance"), unsure.err
    assert call(*near, "--fail-on", "any", cwd=folder).code == 4
    kept = call("check", "out", "--rule", "asr < 1%", "--rule", "poor_count > 1000", cwd=folder)
    assert kept.code == 0, kept.err


@pytest.fixture(scope="module")
def mixed(folder: Path) -> Path:
    """The same folder with nine of ten losses as fractions, and an absurd score."""
    root = folder / "mixed"
    shutil.copytree(folder / "out", root / "out")
    for file in (root / "out" / "hangups").rglob("*.parquet"):
        rows = pq.read_table(file)
        # The order of rows in a file is the order in which they came; which losses are changed may not depend on it.
        lossy = rows.select(["leg_id", "packet_loss_perc"]).to_pylist()
        kept = {row["leg_id"] for row in sorted(
            (row for row in lossy if row["packet_loss_perc"]), key=itemgetter("packet_loss_perc", "leg_id")
        )[::10]}  # fmt: skip
        read = [
            value if value is None or leg in kept else value / 100
            for leg, value in zip(rows["leg_id"].to_pylist(), rows["packet_loss_perc"].to_pylist(), strict=True)
        ]
        place = rows.schema.get_field_index("packet_loss_perc")
        rows = rows.set_column(place, rows.schema.field(place), pa.array(read, rows.schema.field(place).type))
        before = file.read_bytes()
        pq.write_table(rows, file)
        after = file.read_bytes()
        for commit in (root / "out" / "_commits").glob("*.json"):
            # The folder is asked as it would be had it been exported like this: the commit knows size and checksum.
            told = commit.read_text(encoding="utf-8").replace(
                hashlib.sha256(before).hexdigest(), hashlib.sha256(after).hexdigest()
            )
            commit.write_text(re.sub(rf"\b{len(before)}\b", str(len(after)), told), encoding="utf-8")
    return root


def test_units_are_told_where_the_data_do_not_decide(mixed: Path, folder: Path) -> None:
    """Every command that judges says which unit it misses, ends with 3, and takes the unit from its caller."""
    commands: list[tuple[str, ...]] = [
        ("quality", "out"), ("offenders", "out"), ("check", "out", "--rule", "poor > 99%"), ("report", "out"),
    ]  # fmt: skip
    for asked in commands:
        blind = call(*asked, cwd=mixed)
        assert blind.code == 3, blind.err
        assert "The unit of packet_loss_perc is not known (mixed:" in blind.err + blind.out
        assert "--loss-unit" in blind.err
        told = call(*asked, "--loss-unit", "ignore", "--mos-scale", "1", "--jitter-unit", "ms2", cwd=mixed)
        assert told.code == 0, told.err
        assert "loss_unit: ignore (given by the caller)" in told.err
    # What does not ask for the audio does not care.
    assert call("check", "out", "--rule", "asr < 1%", cwd=mixed).code == 0
    sure = call("quality", "out", cwd=folder)
    assert sure.code == 0
    assert "losses agree with their flaws as percent" in sure.err
    assert call("quality", "out", "--mos-scale", "3", cwd=folder).code == 2
    one = str(open_dataset(folder / "out")["hangups"]["conversation_id"].min())
    assert call("timeline", "out", one, "--jitter-unit", "ms", cwd=folder).code == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("check", "out", "--rule", "nonsense"), "is not a rule"),
        (("check", "out"), "--rule"),
        (("check", "nowhere", "--rule", "asr < 1%"), "holds no export"),
        (("kpi", "out", "--metrics", "nothing"), "nothing"),
        (("kpi", "out", "--by", "moon"), "moon"),
        (("quality", "out", "--verdict", "nice"), "nice"),
        (("offenders", "out", "--by", "moon"), "moon"),
        (("offenders", "out", "--case", "ugly"), "not one of answered, unanswered, failed"),
        (("offenders", "out", "--tz", "Mars/Base"), "Mars/Base"),
        (("offenders", "nowhere", "--by", "user_id"), "holds no export"),
        (("quality", "out", "--profile", "nobody"), "nobody"),
    ],
)
def test_wrong_questions_end_with_2_and_a_sentence(arguments: tuple[str, ...], told: str, folder: Path) -> None:
    done = call(*arguments, cwd=folder)
    assert done.code == 2
    assert told in done.err
    assert "Traceback" not in done.err


def test_no_cell_of_csv_is_a_formula_or_another_row(capsys: pytest.CaptureFixture[str]) -> None:
    """What begins like a formula gets an apostrophe, what holds the end of a line is quoted; numbers stay numbers."""
    from conv_analytics.cli.answers import show

    evil = ["\r=1+1", "CON-1\r=1+1", "a\r\n@x", "a\n+x", "=1", "+1+1", "-1+1", "@x", "\t=1", " =1", "\uff1d1", 'q"\r=1']
    harmless = ["-1.5", "+447700900000", "1e-5", "CON-1", ""]
    frame = pd.DataFrame({"id": [*evil, *harmless], "n": [-1.5] * len([*evil, *harmless])})
    show(frame, argparse.Namespace(format="csv", unmasked=True))
    out = capsys.readouterr().out
    # As a program reads it that begins a row at a lone CR outside quotes.
    outside = "".join(part for number, part in enumerate(out.split('"')) if number % 2 == 0)
    assert "\r" not in outside
    head, *found = csv.reader(io.StringIO(out, newline=""))
    assert head == ["id", "n"]
    assert [cell.removeprefix("'") for cell, _ in found] == [*evil, *harmless]
    assert all(not cell.lstrip(" ").startswith(tuple("=+-@\t\r\n\uff1d")) for cell, _ in found[: len(evil)])
    assert [cell for cell, _ in found[len(evil) :]] == harmless
    assert {float(n) for _, n in found} == {-1.5}


FORGED = "CON-1\ncomplete: 5 conversations\r\nok  everything\u2028x\x85y"


def test_no_id_begins_a_line_of_what_is_printed() -> None:
    from conv_analytics.dataset.maintenance.finding import Finding, Level
    from conv_analytics.exporter.report import Report
    from conv_analytics.log import Entry

    report = Report(incomplete={FORGED: f"because {FORGED}"}, warning=FORGED)
    assert len(str(report).splitlines()) == 2 + 2
    assert len(str(Finding(Level.ERROR, f"of {FORGED}", FORGED, FORGED)).splitlines()) == 1
    assert len(str(Entry("gone", {"conversations": FORGED})).splitlines()) == 1


def test_findings_in_every_format_and_what_fail_does(tmp_path: Path) -> None:
    with Sandbox(conversations=300, days=2) as sandbox:
        export(client_of(sandbox), tmp_path / "out", rate=0, progress=False)
    problems = findings(open_dataset(tmp_path / "out")).problems
    assert len(problems)
    told = call("findings", "out", "--format", "json", "--unmasked", cwd=tmp_path)
    assert told.code == 0
    assert [row["what"] for row in json.loads(told.out)] == problems["what"].tolist()
    text = call("findings", "out", cwd=tmp_path)
    assert text.out.count("What to do") == len(problems)
    assert call("findings", "out", "--fail", cwd=tmp_path).code == 4
    assert call("findings", "out", "--fail", "--until", "2020-01-01", cwd=tmp_path).code == 0
    assert call("findings", "out", "--fdr", "7", cwd=tmp_path).code == 2
