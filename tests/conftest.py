"""What every test gets: no way out of this machine, no credentials of its owner, and a sandbox where asked for."""

from __future__ import annotations

import gc
import ipaddress
import os
import shutil
import socket
import sys
from collections.abc import Generator, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import hypothesis
import jwt.algorithms
import pytest
from cryptography.hazmat.primitives import serialization

from conv_analytics.sandbox import Sandbox

# Hundreds of processes import the package: without files of bytecode each of them would compile it again.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# The workers have all cores: further threads of Arrow's and Polars' only take turns with it, which made reading
# small files a third dearer. `tests/analysis/test_same.py` has Arrow use several.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("POLARS_MAX_THREADS", "1")

# Whoever imports nbformat would compile a grammar for a second: that of IRIs, which nothing here checks.
sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]

# An export syncs each of its files: on a disk, the tests of exports waited for it half of their time.
_MEMORY = Path("/dev/shm")
#: What all folders of a run of the tests may take. [bytes]
_ROOM = 6 * 2**30
if os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > _ROOM:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(_MEMORY))

# A gate gives the same answer twice, however busy the machine is: the default profile fails an example of 200 ms.
# To look for more: ``python -m pytest --hypothesis-profile=default``.
hypothesis.settings.register_profile(
    "gate", derandomize=True, deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("gate")

_connect, _connect_ex, _getaddrinfo = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo


class LeftTheMachineError(AssertionError):
    """A test tried to reach another host."""


def _check(family: int, address: Any) -> None:
    if family in {socket.AF_INET, socket.AF_INET6} and not _is_here(address[0]):
        raise LeftTheMachineError(f"a test tried to reach {address}")


def _is_here(host: object) -> bool:
    name = host.decode() if isinstance(host, bytes) else host
    if name in {None, "", "localhost"} or name == socket.gethostname():
        return True
    try:
        return ipaddress.ip_address(str(name)).is_loopback or str(name) in {"0.0.0.0", "::"}
    except ValueError:
        return False


def _guarded_connect(self: socket.socket, address: Any) -> None:
    _check(self.family, address)
    _connect(self, address)


def _guarded_connect_ex(self: socket.socket, address: Any) -> int:
    _check(self.family, address)
    return _connect_ex(self, address)


def _guarded_getaddrinfo(host: Any, *args: Any, **options: Any) -> Any:
    if not _is_here(host):
        raise socket.gaierror(socket.EAI_NONAME, f"tests look up no other host: {host!r}")
    return _getaddrinfo(host, *args, **options)


@pytest.hookimpl(tryfirst=True)
def pytest_xdist_auto_num_workers() -> int:
    """A worker more than there are cores: some wait for a browser, a kernel or a server for an eighth of the time."""
    return (os.cpu_count() or 1) + 1


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever is looked at in a browser is slow; what is slow comes first, or one worker would wait in the end.

    First of all come the tests of a group, the longest of which, JupyterLab's, takes minutes of one worker. Tests that
    share a fixture of their module are a group, or each worker would make it: half a minute in all.
    """
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.slow)
    for item in items:
        if _shares_fixtures(item) and item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))
    items.sort(
        key=lambda item: (item.get_closest_marker("slow") is None, item.get_closest_marker("xdist_group") is None)
    )


def _shares_fixtures(item: pytest.Item) -> bool:
    """Whether a fixture that the test uses, in whatever way, is made once for its module."""
    given = getattr(item, "_fixtureinfo", None)
    return given is not None and any(made[-1].scope == "module" for made in given.name2fixturedefs.values())


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Tests and modules stay to the end: Python's garbage collection need not look at them again and again.

    It did for a quarter of the time of collecting, and for a third of that of the tests that draw their data.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture(autouse=True, scope="session")
def nothing_leaves_the_machine() -> Iterator[None]:
    """Sockets reach loopback addresses only."""
    patch = pytest.MonkeyPatch()
    patch.setattr(socket.socket, "connect", _guarded_connect)
    patch.setattr(socket.socket, "connect_ex", _guarded_connect_ex)
    patch.setattr(socket, "getaddrinfo", _guarded_getaddrinfo)
    yield
    patch.undo()


@pytest.fixture(autouse=True, scope="session")
def nobodys_credentials(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No variable and no home folder of whoever runs the tests decides anything."""
    patch = pytest.MonkeyPatch()
    for name in [
        name for name in os.environ if name.startswith(("VONAGE_", "VCR_")) or name.lower().endswith("_proxy")
    ]:
        patch.delenv(name)
    patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
    yield
    patch.undo()


@pytest.fixture(autouse=True, scope="session")
def a_key_is_parsed_once() -> Iterator[None]:
    """Checking the primes of a private key takes 35 ms, and each client and each token did it anew, thousands of times.

    The keys are the same objects that a second call would make; what is no key is refused each time.
    """
    parse = lru_cache(maxsize=64)(serialization.load_pem_private_key)
    patch = pytest.MonkeyPatch()
    for module in (serialization, jwt.algorithms):
        patch.setattr(module, "load_pem_private_key", parse)
    yield
    patch.undo()


@pytest.fixture(autouse=True, scope="session")
def small_worlds_are_converted_here() -> Iterator[None]:
    """An export of a few megabytes starts no process to convert them, which takes longer than the conversion.

    Tests that are about the process ask for it (`processes=2`), and worlds of real size still get one.
    """
    patch = pytest.MonkeyPatch()
    patch.setattr("conv_analytics.exporter.convert.PROCESS_BYTES", 16 * 2**20)
    yield
    patch.undo()


@pytest.fixture(scope="session")
def small_sandbox() -> Iterator[Sandbox]:
    """A running sandbox of 30 conversations that no test changes."""
    with Sandbox(seed=7, conversations=30, days=2) as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the source tree."""
    return Path(__file__).parents[1]
