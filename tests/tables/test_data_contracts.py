"""Data packages and data contracts, checked by the tools of those who define them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from conv_analytics import export, open_dataset
from conv_analytics.sandbox import Sandbox
from conv_analytics.tables import TABLES
from conv_analytics.tables.data_contracts import file_key
from tests._helpers.command_line import call
from tests._helpers.sandboxes import client_of

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("described")
    with Sandbox(seed=3, conversations=8, days=2) as sandbox:
        for _ in range(2):
            export(client_of(sandbox), root / "out", rate=0, progress=False)
    open_dataset(root / "out").compact(root / "few")
    return root


def described(style: str, folder: Path, *more: str) -> dict[str, Any]:
    done = call("tables", *more, "--format", style, cwd=folder)
    assert done.code == 0, done.err
    found: dict[str, Any] = json.loads(done.out)
    return found


def test_a_package_names_every_file_once_and_frictionless_finds_nothing_wrong(folder: Path) -> None:
    frictionless = pytest.importorskip("frictionless")
    descriptor = described("datapackage", folder, "--dest", "out")
    dataset = open_dataset(folder / "out")
    files = {
        str(file.relative_to((folder / "out").absolute())) for name in dataset.tables for file in dataset.files(name)
    }
    assert {each["path"] for each in descriptor["resources"]} == files
    assert len({each["name"] for each in descriptor["resources"]}) == len(files) > len(dataset.tables)
    hangups = next(each for each in descriptor["resources"] if each["title"] == "hangups")
    score = next(field for field in hangups["schema"]["fields"] if field["name"] == "mos_score")
    assert (score["type"], score["description"]) == ("number", TABLES["hangups"]["mos_score"].doc)
    # The rows, too: types, and no key twice. One file of each table is enough.
    first = {each["title"]: each for each in reversed(descriptor["resources"])}
    package = frictionless.Package.from_descriptor(
        descriptor | {"resources": list(first.values())}, basepath=str(folder / "out")
    )
    report = package.validate()
    assert report.valid, report.flatten(["type", "fieldName", "message"])
    assert len(report.tasks) == len(dataset.tables)


def test_a_wrong_type_would_be_found(folder: Path) -> None:
    frictionless = pytest.importorskip("frictionless")
    descriptor = described("datapackage", folder, "transcripts", "--dest", "few")
    descriptor["resources"] = descriptor["resources"][:1]
    for field in descriptor["resources"][0]["schema"]["fields"]:
        if field["name"] == "text":
            field["type"] = "integer"
    report = frictionless.Package.from_descriptor(descriptor, basepath=str(folder / "few")).validate()
    assert {error["type"] for task in report.to_dict()["tasks"] for error in task["errors"]} == {"type-error"}


@pytest.mark.parametrize("name", TABLES)
def test_no_two_rows_of_the_files_share_the_key_that_is_given(name: str, folder: Path) -> None:
    dataset = open_dataset(folder / "out")
    if name in dataset.tables:
        assert not dataset.arrow(name).to_pandas().duplicated(file_key(TABLES[name])).any()


def test_a_contract_is_valid_by_the_schema_of_the_standard(folder: Path) -> None:
    standard = pytest.importorskip("open_data_contract_standard")
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads((Path(standard.__file__).parent / "schema.json").read_text(encoding="utf-8"))
    validator = jsonschema.validators.validator_for(schema)(schema)
    whole, one = described("odcs", folder), described("odcs", folder, "hangups", "--dest", "out")
    for contract in (whole, one):
        validator.validate(contract)
        from open_data_contract_standard.model import OpenDataContractStandard

        assert OpenDataContractStandard.from_string(json.dumps(contract)).kind == "DataContract"
    assert [each["name"] for each in whole["schema"]] == list(TABLES)
    assert "servers" not in whole
    assert [each["name"] for each in one["schema"]] == ["hangups"]
    assert one["servers"][0]["path"] == "out/{model}/*/*.parquet"
    kinds = {each["name"]: each["logicalType"] for each in one["schema"][0]["properties"]}
    assert (kinds["at"], kinds["event_id"], kinds["mos_score"]) == ("timestamp", "integer", "number")
    with pytest.raises(jsonschema.ValidationError):
        validator.validate(whole | {"kind": "Contract"})


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--format", "datapackage"], "name the folder of an export with --dest"),
        (["--dest", "out"], "--dest is for --format datapackage"),
        (["users", "--format", "odcs", "--dest", "out"], "users"),
        (["--format", "odcs", "--dest", "nowhere"], "nowhere"),
    ],
)
def test_what_cannot_be_described_is_said(flags: list[str], says: str, folder: Path) -> None:
    done = call("tables", *flags, cwd=folder)
    assert done.code == 2
    assert says in done.err
