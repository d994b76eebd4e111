"""The public names: listed once, imported when first used, and never a module that happens to be called the same."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from tests._helpers.type_checks import errors_in

ROOT = Path(__file__).parents[1]
PACKAGES = ("conv_analytics", "conv_analytics.analysis", "conv_analytics.notebook")


def _run(code: str) -> None:
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", PACKAGES)
def test_dir_gives_the_public_names(name: str) -> None:
    package = importlib.import_module(name)
    assert package.__all__
    assert dir(package) == sorted(package.__all__)


@pytest.mark.parametrize("name", PACKAGES)
def test_a_star_imports_the_public_names(name: str) -> None:
    namespace: dict[str, object] = {}
    exec(f"from {name} import *", namespace)
    assert set(namespace) - {"__builtins__"} == set(importlib.import_module(name).__all__)


def test_a_wrong_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        importlib.import_module("conv_analytics").no_such_name  # noqa: B018 - the look-up is the test


@pytest.mark.slow
def test_a_module_and_a_function_of_one_name() -> None:
    _run("""
import conv_analytics.analysis.rates.kpi as module
import conv_analytics
from conv_analytics.analysis import kpi
assert module.kpi is kpi is conv_analytics.analysis.kpi and callable(kpi)
""")
    _run("""
from conv_analytics.analysis import kpi
import conv_analytics.analysis.rates.kpi as module
assert module.kpi is kpi and callable(kpi)
""")


@pytest.mark.slow
def test_export_is_the_function_whatever_was_imported_before() -> None:
    _run("""
import conv_analytics.exporter
import conv_analytics.exporter.entry
import conv_analytics
from conv_analytics import export
assert export is conv_analytics.export is conv_analytics.exporter.export is conv_analytics.exporter.entry.export
assert callable(export)
""")


@pytest.mark.slow
@pytest.mark.xdist_group("mypy")
def test_types_of_the_questions() -> None:
    assert errors_in("tests/analysis/typing_questions.py") == []


@pytest.mark.slow
def test_no_public_name_becomes_a_module() -> None:
    _run(f"""
import importlib, pkgutil, types, conv_analytics
for module in pkgutil.walk_packages(conv_analytics.__path__, "conv_analytics."):
    if module.name != "conv_analytics.__main__":
        importlib.import_module(module.name)
for package in map(importlib.import_module, {PACKAGES!r}):
    modules = [name for name in package.__all__ if isinstance(getattr(package, name), types.ModuleType)]
    assert not modules, (package.__name__, modules)
""")
