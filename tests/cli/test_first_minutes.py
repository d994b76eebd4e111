"""A first try as the README has it: uvx takes the wheel, and what the demo says to do next works."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests._helpers.command_line import ROOT

#: Set to run what downloads all dependencies into an empty home: it takes a minute and a registry.
ASKED = "CONV_ANALYTICS_TEST_UVX"

pytestmark = pytest.mark.slow


@pytest.mark.skipif(not os.environ.get(ASKED), reason=f"{ASKED} is not set")
def test_uvx_runs_the_demo_of_the_wheel_in_an_empty_home(tmp_path: Path) -> None:
    found = shutil.which("uv", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    assert found, "uv is not installed: pip install uv"
    uv = Path(found)
    subprocess.run([uv, "build", "--quiet", "--wheel", "--out-dir", tmp_path / "dist", ROOT], check=True)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    home = tmp_path / "home"
    home.mkdir()
    kept = {name: value for name, value in os.environ.items() if name.lower().endswith("_proxy") or "CERT" in name}
    env = kept | {"HOME": str(home), "PATH": f"{uv.parent}:/usr/bin:/bin", "UV_PYTHON": sys.executable}

    def run(*arguments: object) -> str:
        done = subprocess.run(
            list(map(str, arguments)), cwd=home, env=env, capture_output=True, encoding="utf-8", check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    shown = run(uv.with_name("uvx"), "--from", wheel, "conv-analytics", "demo", "--conversations", 60)
    commands = [line.partition("    #")[0].strip() for line in shown.splitlines() if line.strip().startswith("uvx")]
    assert len(commands) >= 4, shown
    assert {shlex.split(each)[2] for each in commands} == {str(wheel)}
    run(*shlex.split(next(each for each in commands if " findings " in each)))
    assert "hangups" in run(*shlex.split(next(each for each in commands if " tables" in each)))
