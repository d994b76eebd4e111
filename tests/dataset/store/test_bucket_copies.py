"""Copies into buckets and back, applications in a bucket, and what is pruned there."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest

from conv_analytics import open_dataset
from conv_analytics.analysis import kpi
from conv_analytics.cli import main
from conv_analytics.dataset import Applications, DatasetWriter, map_conversations
from conv_analytics.dataset.store.work_folder import dataset_folder
from conv_analytics.errors import ConfigError, ConvAnalyticsError, DatasetError
from conv_analytics.sandbox import Sandbox
from conv_analytics.tables import TABLES
from tests._helpers.object_stores import Proxy, some_of
from tests._helpers.table_rows import DAY, rows

# One S3 server serves the whole group.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("bucket dataset")]


def run(place: str | Path, number: int) -> None:
    writer = DatasetWriter(dataset_folder(place), DAY + timedelta(days=number), ["events", "members"])
    for name in ("events", "members"):
        writer.write(name, rows(TABLES[name], 5, start=10 * number))
    writer.quarantine([f'{{"night": {number}}}'])
    writer.commit([], {"status": "complete"})


def content(root: Path) -> dict[str, bytes]:
    parts = {path.relative_to(root): path for path in root.rglob("*") if path.is_file()}
    return {name.as_posix(): path.read_bytes() for name, path in parts.items() if name.parts[0] != "_work"}


def test_into_a_bucket_and_back_over_a_bad_network(url: str, proxy: Proxy, tmp_path: Path) -> None:
    for number in range(3):
        run(tmp_path / "exports", number)
    dataset = open_dataset(tmp_path / "exports")
    # Denied in the middle: what is there are whole commits.
    proxy.fault = lambda method, path: "denied" if method == "PUT" and "000002-" in path else None
    with pytest.raises(DatasetError, match="refuses"):
        dataset.copy_to(url)
    proxy.fault = some_of(3, 0.3)
    assert [commit.number for commit in open_dataset(url).commits] == [1]
    assert dataset.copy_to(url).commits == 2
    assert open_dataset(url).copy_to(tmp_path / "back").commits == 3
    assert content(tmp_path / "back") == content(tmp_path / "exports")
    assert proxy.counted["lose"] + proxy.counted["reset"] > 0
    proxy.fault = lambda _method, _path: None
    # From bucket to bucket, and what is pruned there is gone there.
    other = f"{url}-other"
    open_dataset(url).copy_to(other, work=tmp_path / "work")
    done = open_dataset(other, work=tmp_path / "work").prune(DAY + timedelta(days=1))
    assert done.deleted == done.files + done.quarantined > 0
    left = open_dataset(other, work=tmp_path / "work")
    assert left.rows("events") < dataset.rows("events")
    assert len(left.files("events")) == len([each for each in proxy_names(left) if each.startswith("events/")])
    assert not [each for each in left.verify() if "prune" in each.advice]
    with pytest.raises(ConfigError, match="is inside"):
        open_dataset(url).copy_to(f"{url}/inside")


def proxy_names(dataset: object) -> list[str]:
    """The objects of a dataset."""
    store = dataset._layout.bucket  # type: ignore[attr-defined]
    return [each.name for each in store.list("")]


def test_several_applications_in_a_bucket(
    url: str, proxy: Proxy, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Sandbox(seed=1, conversations=3, days=2) as one, Sandbox(seed=2, conversations=3, days=2) as two:
        lines = []
        for number, box in enumerate((one, two)):
            (tmp_path / f"{number}.pem").write_text(box.private_key)
            lines += ["[[applications]]", f'id = "{box.application_id}"', f'host = "{box.base_url}"',
                      f'key = "{number}.pem"']  # fmt: skip
        (tmp_path / "applications.toml").write_text("\n".join(lines))
        command = [
            "export",
            url,
            "--config",
            str(tmp_path / "applications.toml"),
            "--rate",
            "0",
            "--quiet",
            "--json",
            "--tables",
            "conversations,members,events,leg_statuses,hangups",
        ]
        assert main([*command, "--processes", "1"]) == 0
        told = json.loads(capsys.readouterr().out)
        ids = sorted(box.application_id for box in (one, two))
        assert sorted(each["folder"] for each in told["applications"]) == [f"{url}/application_id={id_}" for id_ in ids]
        root = open_dataset(url)
        assert isinstance(root, Applications)
        assert sorted(root.applications) == ids
        for name, each in root.applications.items():
            wanted = next(box for box in (one, two) if box.application_id == name).truth().rows["events"]
            assert len(each["events"]) == wanted
        assert len(root["events"]) == root.duckdb().sql("select count(*) from events").fetchall()[0][0]
        assert all(str(file).startswith(f"{url}/application_id=") for file in root.files("events"))
        asked = kpi(root, by="application_id", metrics="asr", scope="all")
        assert asked["application_id"].tolist() == ids
        parts = map_conversations(
            lambda part: kpi(part, by="application_id", metrics="asr", scope="all"), root, parts=2
        )
        added = pd.concat(parts).groupby("application_id")[["k", "n"]].sum()
        assert added.to_numpy().tolist() == asked[["k", "n"]].to_numpy().tolist()
        assert repr(root).startswith(f"Applications('{url}', 2 applications")
        # The work folder of the root, and another one.
        assert sorted(open_dataset(root.path).applications) == ids
        assert sorted(open_dataset(url, work=tmp_path / "work").applications) == ids
        with pytest.raises(DatasetError, match=f"^{url} has 2 applications: copy each by itself, such as {url}/appl"):
            root.copy_to(tmp_path / "copy")
        assert main(["verify", url]) == 2
        assert f"{url} has a folder for each of 2 applications" in capsys.readouterr().err
        single = ["export", url, "--application-id", one.application_id, "--private-key", str(tmp_path / "0.pem"),
                  "--base-url", one.base_url]  # fmt: skip
        assert main(single) == 2
        assert "2 applications. Name one of these folders" in capsys.readouterr().err
        # The bucket of one application is no root.
        assert main([*command[:1], f"{url}/application_id={ids[0]}", *command[2:]]) == 2
        assert "is itself the export of one application" in capsys.readouterr().err
    with pytest.raises(ConvAnalyticsError):
        open_dataset(f"{url}-nothing")


def test_the_dictionary_of_a_bucket_with_its_work_folder(
    url: str, proxy: Proxy, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(url, 0)
    command = ["tables", "--format", "datapackage", "--dest", url, "--work", str(tmp_path / "work")]
    assert main(command) == 0
    paths = [each["path"] for each in json.loads(capsys.readouterr().out)["resources"]]
    named = {path for each in paths for path in ([each] if isinstance(each, str) else each)}
    assert named == {file.path for commit in open_dataset(url).commits for file in commit.files}
    assert (tmp_path / "work" / "_bucket.json").exists()
    assert main(["tables", "--work", str(tmp_path / "work")]) == 2
    assert "--work goes with --dest" in capsys.readouterr().err
