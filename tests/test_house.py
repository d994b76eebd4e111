"""The house: the gate of style and types, the direction of imports, small modules, nothing of this machine."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import grimp
import pytest

import conv_analytics
from tests._helpers.type_checks import errors_in

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "conv_analytics"

LONGEST = 400
#: Modules that are longer, and why.
LONG: dict[str, str] = {}

#: What lies at the top, besides files whose names start with a dot.
TOP = {"CHANGELOG.md", "LICENSE", "README.md", "conv_analytics", "notebooks", "pyproject.toml", "tests"}

TEXTS = {".cfg", ".ipynb", ".json", ".md", ".py", ".toml", ".txt", ".yaml", ".yml", ""}


def _tracked() -> list[Path]:
    """The files of the repository: what git knows or would add; in an unpacked archive, what is there."""
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode == 0 and listed.stdout:
        return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]
    hidden = re.compile(r"/(\.|__pycache__|build/|dist/|demo/|exports/|sandbox-keys/|[^/]+\.egg-info/)")
    return [path for path in ROOT.rglob("*") if path.is_file() and not hidden.search(f"/{path.relative_to(ROOT)}")]


def _modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def _tool(*arguments: str) -> None:
    done = subprocess.run([sys.executable, "-m", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


# -- the gate


@pytest.mark.slow
def test_ruff_finds_nothing() -> None:
    _tool("ruff", "check", "--no-fix", ".")


@pytest.mark.slow
def test_ruff_would_format_nothing_differently() -> None:
    _tool("ruff", "format", "--check", ".")


@pytest.mark.slow
@pytest.mark.xdist_group("mypy")
def test_the_package_is_strictly_typed() -> None:
    assert errors_in("conv_analytics") == []


@pytest.mark.slow
def test_imports_go_one_way() -> None:
    code = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports())"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


# -- modules


def test_modules_are_small() -> None:
    lengths = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in _modules()}
    assert {name: length for name, length in lengths.items() if length > LONGEST and name not in LONG} == {}
    assert [name for name in LONG if lengths.get(name, 0) <= LONGEST] == [], "these are short now"


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Imports within functions and for type checkers count, too."""
    graph = grimp.build_graph("conv_analytics", cache_dir=None)
    # Raises a CycleError that names the modules.
    TopologicalSorter({name: graph.find_modules_directly_imported_by(name) for name in graph.modules}).prepare()


@pytest.mark.slow
def test_every_module_says_what_it_is() -> None:
    silent = [path for path in _modules() if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))]
    assert silent == []


def _packages() -> list[str]:
    found = pkgutil.walk_packages([str(PACKAGE)], "conv_analytics.")
    return ["conv_analytics", *(module.name for module in found if module.ispkg)]


@pytest.mark.parametrize("name", _packages())
def test_public_names_are_there(name: str) -> None:
    package = importlib.import_module(name)
    public = getattr(package, "__all__", ())
    # Their order is ruff's business (RUF022).
    assert len(set(public)) == len(public)
    assert [name for name in public if getattr(package, name, None) is None] == []


@pytest.mark.parametrize("name", ["conv_analytics", "conv_analytics.analysis", "conv_analytics.notebook"])
def test_every_public_function_has_an_example(name: str) -> None:
    package = importlib.import_module(name)
    functions = {each: getattr(package, each) for each in package.__all__ if inspect.isroutine(getattr(package, each))}
    assert functions
    # That the examples run is the business of the doctests. What runs twice, awaited or not, has one example.
    silent = [each for each, made in functions.items() if ">>>" not in (inspect.getdoc(made) or "")]
    assert silent == [each for each in silent if inspect.iscoroutinefunction(functions[each])]


@pytest.mark.slow
def test_importing_the_package_is_cheap() -> None:
    code = (
        "import sys, conv_analytics; heavy = {'pandas', 'pyarrow', 'numpy', 'httpx', 'aiohttp', 'IPython'};"
        "sys.exit(', '.join(sorted(heavy & set(sys.modules))) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_no_module_needs_an_extra() -> None:
    code = """
import importlib, pkgutil, sys, conv_analytics
for name in ("hypothesis", "nbclient", "nbformat", "opentelemetry", "orjson", "phonenumbers", "polars", "pytest"):
    sys.modules[name] = None
for module in pkgutil.walk_packages(conv_analytics.__path__, "conv_analytics."):
    if module.name != "conv_analytics.__main__":
        importlib.import_module(module.name)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_what_the_documentation_calls_is_callable() -> None:
    from conv_analytics import aexport, export, open_dataset

    assert all(map(callable, (aexport, export, open_dataset)))


def test_the_version_is_in_the_changelog() -> None:
    assert f"## [{conv_analytics.__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_types_are_shipped() -> None:
    assert (PACKAGE / "py.typed").is_file()


# -- the repository


def test_the_top_holds_only_what_belongs_there() -> None:
    top = {path.relative_to(ROOT).parts[0] for path in _tracked()}
    assert {name for name in top if not name.startswith(".")} == TOP
    assert {name for name in top if name.startswith(".")} <= {".ci", ".gitattributes", ".gitignore"}


def test_no_file_knows_the_machine_it_was_written_on() -> None:
    places = {str(ROOT), str(Path.home())}
    found = []
    for path in _tracked():
        if path.suffix in TEXTS:
            text = path.read_text(encoding="utf-8", errors="replace")
            found += [(str(path.relative_to(ROOT)), place) for place in places if f"{place}/" in text]
    assert found == []


#: Hosts that the project has reason to name; ones that are made up lie in domains reserved for that.
HOSTS = re.compile(
    r"(.+\.)?((vonage|nexmo)\.com|w3\.org|example(\.(net|org|com))?|apache\.org|semver\.org|keepachangelog\.com"
    r"|localhost|\d+(\.\d+)*|[a-z])|api-|user|host",
    re.IGNORECASE,
)


def test_only_hosts_that_belong_here_are_named() -> None:
    found = []
    for path in _tracked():
        if path.suffix in TEXTS:
            hosts = re.findall(r"\b(?:https?|wss?)://([\w.-]+)", path.read_text(encoding="utf-8", errors="replace"))
            found += [(str(path.relative_to(ROOT)), host) for host in hosts if not HOSTS.fullmatch(host.rstrip("."))]
    assert found == []


def test_no_file_is_large() -> None:
    sizes = {str(path.relative_to(ROOT)): path.stat().st_size for path in _tracked()}
    assert {name: size for name, size in sizes.items() if size > 500_000} == {}


def test_no_key_is_kept() -> None:
    # Tests make keys when they need them; a block of a real one has lines of 64 characters.
    key = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----\s+[A-Za-z0-9+/=]{60,}")
    holders = [path for path in _tracked() if key.search(path.read_text(encoding="utf-8", errors="replace"))]
    assert holders == []
