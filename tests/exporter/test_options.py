"""The options of an export are declared once: signatures, documentation, checks and defaults follow."""

from __future__ import annotations

import asyncio
import dataclasses
import inspect
import pydoc
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conv_analytics import aexport, export, export_panel
from conv_analytics.errors import ConfigError
from conv_analytics.exporter.options import ExportOptions, Options, PanelOptions, ReadOptions, ScopeOptions
from conv_analytics.exporter.plan import plan
from tests._helpers.sandboxes import Serve, client_of

TAKES = [(export, ExportOptions), (aexport, ExportOptions), (plan, ReadOptions), (export_panel, PanelOptions)]


@pytest.mark.parametrize(("function", "declared"), TAKES)
def test_signatures_name_every_option_with_its_default(function: Callable[..., Any], declared: type) -> None:
    parameters = inspect.signature(function).parameters
    assert [name for name in parameters if name in ExportOptions.__annotations__] == list(declared.__annotations__)
    for name in declared.__annotations__:
        assert parameters[name].kind is inspect.Parameter.KEYWORD_ONLY
        assert parameters[name].default == getattr(Options(), name)
        assert f"{name}: '{parameters[name].annotation}' = " in pydoc.render_doc(function, renderer=pydoc.plaintext)


def test_every_option_has_a_default() -> None:
    declared = {field.name for field in dataclasses.fields(Options)} - {"page_size"}
    assert declared == ExportOptions.__annotations__.keys()


def test_the_documentation_gives_type_and_default_of_every_option() -> None:
    entries = re.findall(r"^(\w[\w, ]*) : (.+), default (.+)$", inspect.getdoc(export) or "", re.MULTILINE)
    documented = {name: default for names, _, default in entries for name in names.split(", ")}
    assert documented.keys() == {"destination", "wait", *ExportOptions.__annotations__}
    assert documented.pop("sweep") == f"{Options().sweep.days} days"
    for name, default in documented.items():
        parameter = inspect.signature(export).parameters[name]
        assert default.replace('"', "'") == repr(parameter.default)


@pytest.mark.parametrize(
    ("wrong", "advice"),
    [
        ("concurency", "Did you mean 'concurrency'?"),
        ("table", "Did you mean 'tables'?"),
        ("look_back", "Did you mean 'lookback'?"),
        ("zzz", "Options are since, until, tables, "),
    ],
)
def test_a_misspelt_option_is_refused_naming_the_nearest(wrong: str, advice: str, serve: Serve, tmp_path: Path) -> None:
    client, options = client_of(serve(conversations=1)), {wrong: 1}
    calls: dict[str, Callable[[], object]] = {
        "export": lambda: export(client, tmp_path, **options),
        "aexport": lambda: asyncio.run(aexport(client, tmp_path, **options)),
        "plan": lambda: plan(client, tmp_path, **options),
    }
    for name, call in calls.items():
        with pytest.raises(TypeError, match=rf"^{name}\(\) got an unexpected keyword argument '{wrong}'\. ") as refused:
            call()
        assert advice in str(refused.value)
    assert list(tmp_path.iterdir()) == []


def test_a_panel_refuses_at_once_what_it_does_not_take(serve: Serve, tmp_path: Path) -> None:
    client = client_of(serve(conversations=1))
    for name in ScopeOptions.__annotations__:
        options: dict[str, Any] = {name: "2026-11-01"}
        with pytest.raises(TypeError, match=rf"takes no '{name}': it is a field of the panel.*start\({name}=\.\.\.\)"):
            export_panel(client, tmp_path, **options)
    with pytest.raises(TypeError, match=r"^export_panel\(\) got an .* 'concurency'\. Did you mean 'concurrency'\?"):
        export_panel(client, tmp_path, concurency=3)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="unexpected keyword argument 'progress'"):
        export_panel(client, tmp_path, progress=False)  # type: ignore[call-arg]
    with pytest.raises(ConfigError, match="concurrency is 0"):
        export_panel(client, tmp_path, concurrency=0)


def test_a_plan_takes_no_option_of_what_happens_to_the_rows(serve: Serve, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"plan\(\) got an unexpected keyword argument 'allow_empty'"):
        plan(client_of(serve(conversations=1)), tmp_path, allow_empty=True)
