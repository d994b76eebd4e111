"""A browser for pages that ask nobody for anything: any request beyond the page and any error in it fails the test."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from conv_analytics import Conversations, export
from conv_analytics.sandbox import Sandbox
from tests._helpers.jupyterlab import Lab, LabServer, artefacts, chromium

OWN = ("file:", "data:", "blob:", "about:", "http://127.0.0.1")
#: No name of another host is looked up: what asks for one is seen, and gets nothing.
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
Open = Callable[..., Page]
Launched = tuple[Browser, Callable[[], AbstractContextManager[None]]]


@pytest.fixture(scope="session")
def frames() -> Any:
    """An export of a made-up world, in memory."""
    with Sandbox(seed=7, conversations=60) as sandbox:
        client = Conversations(sandbox.application_id, sandbox.private_key, base_url=sandbox.base_url)
        return export(client, rate=0, progress=False)


@pytest.fixture(scope="session")
def launched() -> Iterator[Launched]:
    """Chromium, and what to be in while it is used: Playwright's loop is not the running one for other tests."""
    path = chromium()
    if path is None:
        if os.environ.get("CI_BROWSER") == "required":
            pytest.fail("CI_BROWSER=required, but there is no chromium")
        pytest.skip("no chromium on this machine; on Debian: apt-get install chromium")
    with sync_playwright() as driver:
        loop = asyncio.get_running_loop()

        @contextmanager
        def in_use() -> Iterator[None]:
            asyncio._set_running_loop(loop)
            yield
            asyncio._set_running_loop(None)

        found = driver.chromium.launch(executable_path=path, args=ARGUMENTS)
        asyncio._set_running_loop(None)
        yield found, in_use
        asyncio._set_running_loop(loop)
        found.close()


@pytest.fixture(scope="module")
def browser(frames: Any, launched: Launched) -> Iterator[Browser]:
    """Chromium. Where CI_BROWSER is `required`, a machine without it fails instead of skipping."""
    found, in_use = launched
    with in_use():
        yield found


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Open]:
    """Open a page: a path of a file, or HTML as a notebook would have it."""
    wrong: list[str] = []
    contexts = []

    def opened(what: Any, **options: Any) -> Page:
        context = browser.new_context(viewport={"width": 1180, "height": 900}, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda request: None if request.url.startswith(OWN) else wrong.append(request.url))
        page.add_init_script("window.alert = () => { window.hacked = true; };")
        if hasattr(what, "as_uri"):
            page.goto(what.as_uri())
        else:
            page.set_content(f"<!doctype html><body data-jp-theme-light='true'>{what}</body>")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert wrong == []


@pytest.fixture(scope="session")
def lab_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabServer]:
    """JupyterLab's server; the group of tests that open notebooks shares one."""
    with LabServer(tmp_path_factory.mktemp("lab")) as server:
        yield server


@pytest.fixture(scope="session")
def loaded_lab(launched: Launched, lab_server: LabServer) -> Iterator[Lab]:
    """JupyterLab in Chromium, loaded once."""
    found, in_use = launched
    opened = Lab(lab_server, found, artefacts())
    yield opened
    with in_use():
        opened.close()


@pytest.fixture
def lab(request: pytest.FixtureRequest, browser: Browser, loaded_lab: Lab) -> Iterator[Lab]:
    """JupyterLab without a notebook: any request beyond this machine and any error on its console fails the test."""
    marker = request.node.get_closest_marker("xdist_group")
    assert marker is not None, 'say pytestmark = pytest.mark.xdist_group("lab"): one worker has the server'
    assert marker.args == ("lab",)
    yield loaded_lab
    loaded_lab.tidy()
    wrong, loaded_lab.wrong = loaded_lab.wrong, []
    assert wrong == []
