"""What tracebacks that show locals tell of keys and passwords: nothing. In a real IPython, and object by object."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import conv_analytics
from conv_analytics.sandbox.tokens import key_pair
from tests._helpers.command_line import environment

SECRET = "s3cret-0f-the-tests-long-enough"

#: Each fails on purpose, within the package or below it.
CELLS = """
Conversations("APP", read("key.pem"), base_url="not a host")
Conversations("APP", read("broken.pem"), base_url="eu")
Conversations("no application", read("key.pem"))
AsyncConversations("APP", read("key.pem"), base_url="http://example.com")
JWTAuth("APP", read("key.pem"), ttl=1)
JWTAuth("APP", read("broken.pem"))
JWTAuth("APP", read("key.pem"), origin="http://h:x")
BasicAuth("user", read("secret"), origin="http://h:x")
QueryKeySecretAuth("user", read("secret"), origin="http://h:x")
BodyKeySecretAuth("user", read("secret"), origin="http://h:x")
Mask(read("secret"), {"nokind": "drop"})
Mask(read("secret")[:12])
Mask.load({"nokind": "drop"}, "secret")
Mask.load()
Mask.load({"nokind": "drop"})
Conversations("APP", read("key.pem"), base_url="http://127.0.0.1:9", retries=0).get_conversation("CON-1")
Conversations(auth=QueryKeySecretAuth("user", read("secret"), "http://127.0.0.1:9"), base_url="http://127.0.0.1:9",\
 retries=0).get_conversation("CON-1")
Conversations("APP", read("key.pem"), base_url="eu")
"""

SCRIPT = """
import os
from conv_analytics import AsyncConversations, Conversations
from conv_analytics.api import BasicAuth, BodyKeySecretAuth, JWTAuth, QueryKeySecretAuth
from conv_analytics.privacy import Mask

def read(name):
    return open(name).read()

shell = get_ipython()
for cell in open("cells").read().strip().splitlines():
    if cell == "Mask.load()":
        os.environ["CONV_ANALYTICS_MASK_KEY"] = read("secret")[:12]
    elif cell.startswith("Mask"):
        os.environ["CONV_ANALYTICS_MASK_KEY"] = read("secret")
    if cell.endswith('base_url="eu")') and "broken" not in cell:
        os.environ["https_proxy"] = "http://user:" + read("secret") + "@host:port"
    print("==", cell)
    shell.run_cell(cell)
"""


@pytest.mark.slow
def test_no_traceback_of_ipython_shows_a_key(tmp_path: Path) -> None:
    private = key_pair().private
    (tmp_path / "key.pem").write_text(private)
    lines = private.splitlines()
    (tmp_path / "broken.pem").write_text("\n".join([*lines[:3], *lines[5:]]))
    (tmp_path / "secret").write_text(SECRET)
    (tmp_path / "cells").write_text(CELLS)
    (tmp_path / "ipython").mkdir()
    (tmp_path / "script.ipy").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, "-m", "IPython", "--no-banner", "--no-confirm-exit", "--colors=NoColor",
         "--InteractiveShell.xmode=Verbose", f"--ipython-dir={tmp_path / 'ipython'}", "script.ipy"],
        cwd=tmp_path, env=environment(), capture_output=True, encoding="utf-8", timeout=300, check=False,
    )  # fmt: skip
    told = done.stdout + done.stderr
    cells = CELLS.strip().replace("\\\n", "").splitlines()
    # Every one failed, and locals were shown.
    parts = told.split("\n== ")
    assert len(parts) == len(cells), told
    assert "ttl = 1 " in told
    for part in parts:
        assert "Error" in part, part
        assert not [secret for secret in (SECRET, SECRET[:12], *lines[1:-1], "eyJ") if secret in part], part


def test_objects_that_could_not_be_made_can_be_shown() -> None:
    shown = []
    for module in pkgutil.walk_packages(conv_analytics.__path__, "conv_analytics."):
        if module.name.endswith("__main__"):
            continue
        for kind in vars(importlib.import_module(module.name)).values():
            own = vars(kind).get("__repr__") if inspect.isclass(kind) and kind.__module__ == module.name else None
            # What dataclasses write themselves has no file, and an ``__init__`` of theirs does not fail half-way.
            if own is None or issubclass(kind, int | str | bytes | tuple) or _file_of(own) is None:
                continue
            # A widget that was never made cannot be closed either.
            without: dict[str, Any] = {"_attach": None, "_connect": None, "_mint": None, "__del__": lambda _: None}
            made: Any = object.__new__(type(kind.__name__, (kind,), without))
            assert repr(made), kind
            shown.append(kind.__name__)
    assert {"Mask", "_Client", "OriginAuth", "Snapshot", "Sandbox", "Job"} <= set(shown)


def _file_of(method: Any) -> str | None:
    file = inspect.unwrap(method).__code__.co_filename
    return None if file.startswith("<") else file
