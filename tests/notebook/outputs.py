"""Everything that shows texts of the API to people, declared once: what makes it, and what kind of thing it is.

`unregistered` finds what the package has and this list has not, so that a new output cannot be forgotten.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import importlib
import io
import pkgutil
import shutil
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import pandas as pd

import conv_analytics
from conv_analytics import (
    Conversations,
    Dataset,
    analysis,
    coverage,
    doctor,
    explore,
    notebook,
    open_dataset,
    quality_report,
    show_ladder,
    show_timeline,
)
from conv_analytics.cli import main
from conv_analytics.cli.entry import parser
from conv_analytics.exporter.progress.notebook import as_html
from conv_analytics.exporter.progress.snapshot import Progress
from conv_analytics.notebook import show_ledger, show_verdicts
from conv_analytics.sandbox import Sandbox
from tests._helpers.call_list import EARLY, LATE, call, listing
from tests._helpers.hostile_world import PAYLOADS

PACKAGE = Path(conv_analytics.__file__).parent
Kind = Literal["page", "fragment", "svg", "markdown", "csv", "text", "mermaid", "json"]


@dataclass(frozen=True)
class Given:
    """What outputs are made of: a dataset, one conversation of it, whether people are masked, room for files."""

    dataset: Dataset
    conversation: str
    mask: bool
    room: Path


@dataclass(frozen=True)
class Output:
    """One output.

    Attributes
    ----------
    covers
        Names in the package that make it: ``Class.method``, function, or ``cli command``.
    make
        Gives its text.
    """

    kind: Kind
    covers: tuple[str, ...]
    make: Callable[[Given], str]


def _timeline(given: Given) -> Any:
    return show_timeline(given.dataset, given.conversation, mask=given.mask)


def _ladder(given: Given) -> Any:
    return show_ladder(given.dataset, given.conversation, mask=given.mask)


def _report(given: Given) -> Any:
    return quality_report(given.dataset, mask=given.mask)


def _written(given: Given, name: str, *command: str) -> str:
    printed(given, *command, "-o", str(given.room / name))
    return (given.room / name).read_text(encoding="utf-8")


def printed(given: Given, name: str, *arguments: str) -> str:
    """What a command prints about the folder of a dataset."""
    one = [given.conversation] if name == "timeline" else []
    unmasked = [] if given.mask else ["--unmasked"]
    said, beside = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(beside):
        main([name, str(given.dataset.path), *one, *unmasked, *arguments])
    as_text = not {"csv", "json", "md", "eventlog"} & {*arguments}
    return said.getvalue() + (beside.getvalue() if as_text else "")


def _plotted(plot: Callable[..., Any], frame: Callable[[Given], Any]) -> Callable[[Given], str]:
    def make(given: Given) -> str:
        from matplotlib import pyplot as plt

        text = io.StringIO()
        axes = plot(frame(given))
        axes.figure.savefig(text, format="svg")
        plt.close(axes.figure)
        return text.getvalue()

    return make


def _hostile_rows(given: Given) -> pd.DataFrame:
    """Words of the data in every row, as a funnel or a heatmap of one's own may have them."""
    words = given.dataset["events"]["type"].astype("str").unique()
    return pd.DataFrame({"state": words, "k": 1, "n": 2, "weekday": 0, "hour": 0, "starts": 1, "per_hour": 1.0,
                         "rate": 0.5, "enough": True, "metric": words})  # fmt: skip


def _widget(given: Given) -> str:
    bundle = _timeline(given).widget()._repr_mimebundle_()
    data = bundle[0] if isinstance(bundle, tuple) else bundle
    shown: str = data["text/html"]
    return shown


def _explored(given: Given) -> str:
    bundle = explore(given.dataset, mask=given.mask)._repr_mimebundle_()
    data = bundle[0] if isinstance(bundle, tuple) else bundle
    shown: str = data["text/html"]
    return shown


def _comparison(given: Given) -> str:
    frame = analysis.legs(given.dataset)
    shown: str = analysis.compare(frame, frame, by=["network_code", "country"], scope="all")._repr_html_()
    return shown


def _bills(given: Given) -> str:
    """A file of bills in which every text is hostile."""
    begin = "2026-11-17T10:00:00+00:00"
    rows = [
        {"id": f"id{place}", "call_id": f"leg{text}", "direction": text, "from": text, "to": text, "network": text,
         "network_name": text, "country": text, "status": text, "currency": text, "price": "0.1",
         "total_price": "0.2", "duration": "7", "date_start": begin, "date_end": begin}
        for place, text in enumerate(PAYLOADS)
    ]  # fmt: skip
    path = given.room / "bills.csv"
    pd.DataFrame(rows).to_csv(path, index=False)
    return str(path)


def _reconciled(given: Given) -> str:
    shown: str = analysis.reconcile(given.dataset, _bills(given))._repr_html_()
    return shown


@contextlib.contextmanager
def _call_list(given: Given) -> Iterator[tuple[Given, list[str]]]:
    """A copy of the folder, as `coverage` writes to it, and the flags for a call list whose every text is hostile."""
    begin = datetime(2026, 11, 17, 10, tzinfo=UTC)
    calls = [call(f"leg{text}", f"CON-{text}", begin, begin, direction=text, status=text) for text in PAYLOADS]
    for text, each in zip(PAYLOADS, calls, strict=True):
        each |= {"network": text, "from": {"type": text, "number": text}, "to": {"type": text, "uri": text}}
    folder = given.room / f"covered-{uuid.uuid4().hex}"
    shutil.copytree(given.dataset.path, folder)
    with Sandbox(conversations=1) as sandbox, listing(sandbox, calls) as host:
        key = folder.with_suffix(".key")
        key.write_text(str(sandbox.private_key))
        flags = ["--base-url", host.base_url, "--application-id", sandbox.application_id, "--private-key", str(key)]
        yield replace(given, dataset=open_dataset(folder)), flags


def _covered(given: Given, *arguments: str) -> str:
    with _call_list(given) as (copied, flags):
        period = ["--since", EARLY.isoformat(), "--until", LATE.isoformat()]
        return printed(copied, "coverage", *period, *flags, *arguments)


def _coverage(given: Given) -> str:
    with _call_list(given) as (copied, flags):
        client = Conversations(flags[3], Path(flags[5]).read_text(), base_url=flags[1])
        shown: str = coverage(client, copied.dataset.path, since=EARLY, until=LATE, rate=0)._repr_html_()
        return shown


def _diagnosed(given: Given) -> str:
    shown: str = doctor(given.dataset.path)._repr_html_()
    return shown


def _formats(name: str, *arguments: str) -> dict[str, Output]:
    kinds: dict[str, Kind] = {"text": "text", "csv": "csv", "json": "json", "md": "markdown"}
    return {
        f"{name} {style}": Output(
            kind, (f"cli {name}",), lambda given, style=style: printed(given, name, *arguments, "--format", style)
        )
        for style, kind in kinds.items()
    }


_PROGRESS = Progress(9, listing_done=True, done=3, events=9, requests=8, retries=1, waiting_s=2.0, elapsed_s=1.0)

OUTPUTS: dict[str, Output] = {
    "timeline, notebook": Output("fragment", ("Timeline._repr_mimebundle_", "show_timeline"),
                                 lambda given: _timeline(given)._repr_mimebundle_()["text/html"]),
    "timeline, widget": Output("fragment", ("TimelineWidget._repr_mimebundle_",), _widget),
    "timeline, page": Output("page", ("Timeline.html",), lambda given: _timeline(given).html()),
    "timeline, picture": Output("svg", ("Timeline.svg",), lambda given: _timeline(given).svg()),
    "timeline, text": Output("text", ("Timeline.text",), lambda given: f"{_timeline(given)}\n{_timeline(given)!r}"),
    "ladder, notebook": Output("fragment", ("Ladder._repr_mimebundle_", "Ladder.fragment", "show_ladder"),
                               lambda given: _ladder(given)._repr_mimebundle_()["text/html"]),
    "ladder, page": Output("page", ("Ladder.html",), lambda given: _ladder(given).html()),
    "ladder, picture": Output("svg", ("Ladder.svg",), lambda given: _ladder(given).svg()),
    "ladder, text": Output("text", ("Ladder.text",), lambda given: f"{_ladder(given)}\n{_ladder(given)!r}"),
    "ladder, mermaid": Output("mermaid", ("Ladder.to_mermaid",), lambda given: _ladder(given).to_mermaid()),
    "report, page": Output("page", ("Report.html", "quality_report"), lambda given: _report(given).html),
    "report, notebook": Output("fragment", ("Report._repr_html_",), lambda given: _report(given)._repr_html_()),
    "report, text": Output("text", (), lambda given: repr(_report(given))),
    "report, numbers": Output("json", (), lambda given: _report(given).json),
    "report, command": Output("page", ("cli report",), lambda given: _written(given, "r.html", "report")),
    "dossier, command": Output("page", ("cli timeline",), lambda given: _written(given, "t.html", "timeline")),
    "dossier, picture": Output("svg", ("cli timeline",), lambda given: _written(given, "t.svg", "timeline")),
    "dataset": Output("fragment", ("Snapshot._repr_html_", "counts_html"), lambda given: given.dataset._repr_html_()),
    "a frame of ours": Output("fragment", (), lambda given: analysis.legs(given.dataset)._repr_html_()),
    "units": Output("fragment", ("Units._repr_html_",),
                    lambda given: analysis.detect_units(analysis.legs(given.dataset))._repr_html_()),
    "audit": Output("fragment", ("MosAudit._repr_html_",),
                    lambda given: analysis.mos_audit(given.dataset)._repr_html_()),
    "comparison": Output("fragment", ("Comparison._repr_html_",), _comparison),
    "findings": Output("fragment", ("Findings._repr_html_",),
                       lambda given: analysis.findings(given.dataset)._repr_html_()),
    "findings, text": Output("text", (), lambda given: repr(analysis.findings(given.dataset))),
    "verdicts": Output("fragment", ("Overview._repr_html_", "show_verdicts"),
                       lambda given: show_verdicts(given.dataset)._repr_html_()),
    "verdicts, text": Output("text", (), lambda given: f"{show_verdicts(given.dataset)}"),
    "ledger": Output("fragment", ("show_ledger",), lambda given: show_ledger(given.dataset)._repr_html_()),
    "explorer, saved": Output("fragment", ("RequestWidget._repr_mimebundle_", "explore"), _explored),
    "explorer, text": Output("text", (), lambda given: repr(explore(given.dataset, mask=given.mask))),
    "progress": Output("fragment", ("as_html",), lambda given: as_html(_PROGRESS)),
    "plot_mos": Output("svg", ("plot_mos",), _plotted(
        notebook.plot_mos, lambda given: analysis.quality(given.dataset))),
    "plot_loss_jitter": Output("svg", ("plot_loss_jitter",), _plotted(
        notebook.plot_loss_jitter, lambda given: analysis.quality(given.dataset))),
    "plot_outcomes": Output("svg", ("plot_outcomes",), _plotted(notebook.plot_outcomes, lambda given: pd.DataFrame({
        "outcome": given.dataset["events"]["type"].astype("str")}))),
    "plot_heatmap": Output("svg", ("plot_heatmap",), _plotted(notebook.plot_heatmap, _hostile_rows)),
    "plot_funnel": Output("svg", ("plot_funnel",), _plotted(notebook.plot_funnel, _hostile_rows)),
    "plot_concurrency": Output("svg", ("plot_concurrency",), _plotted(
        notebook.plot_concurrency, lambda given: analysis.concurrency(given.dataset))),
    **_formats("timeline"),
    "event log": Output("csv", ("cli timeline",), lambda given: printed(given, "timeline", "--format", "eventlog")),
    **_formats("kpi", "--by", "network_code,channel_type,direction", "--scope", "all"),
    **_formats("quality", "--verdict", "good,fair,poor,unmeasured", "--last", "0"),
    **_formats("offenders", "--by", "network_code", "--min-n", "1"),
    # Nothing is wrong in this world: Markdown would be a heading without rows.
    **{name: each for name, each in _formats("findings").items() if each.kind != "markdown"},
    **_formats("check", "--rule", "asr < 99% by network_code"),
    "bills": Output("fragment", ("Reconciliation._repr_html_",), _reconciled),
    "bills, command": Output("text", ("cli reconcile",), lambda given: printed(
        given, "reconcile", "--reports", _bills(given), "--all")),
    "bills, table": Output("csv", ("cli reconcile",), lambda given: printed(
        given, "reconcile", "--reports", _bills(given), "--all", "--format", "csv")),
    "coverage": Output("fragment", ("Coverage._repr_html_",), _coverage),
    "coverage, command": Output("text", ("cli coverage",), _covered),
    "coverage, numbers": Output("json", ("cli coverage",), lambda given: _covered(given, "--json")),
    "diagnosis": Output("fragment", ("Diagnosis._repr_html_",), _diagnosed),
    "diagnosis, command": Output("text", ("cli doctor",), lambda given: printed(
        replace(given, mask=True), "doctor")),
    "status": Output("text", ("cli status",), lambda given: printed(given, "status")),
    "verify": Output("text", ("cli verify",), lambda given: printed(given, "verify")),
}  # fmt: skip

#: Commands that print no text of the API: counts, paths and words of our own.
SILENT = {
    "compact",
    "completion",
    "copy",
    "demo",
    "export",
    "ingest",
    "listen",
    "mcp",
    "plan",
    "prune",
    "publish",
    "replay",
    "sandbox",
    "tables",
}
#: What a class shows itself with.
SHOWING = {"_repr_html_", "_repr_mimebundle_", "_repr_markdown_", "_repr_svg_", "_repr_latex_", "to_mermaid", "to_html",
           "to_markdown", "html", "svg", "fragment", "text"}  # fmt: skip
#: Found by name, and none of these: texts of one value, parts of what is listed, and what shows counts of our own.
PARTS = {"Display.text", "Tokens.text", "Drawing.svg", "Drawing.text", "ConversationEvent.text", "LastChange.text",
         "Exported._repr_html_", "Frames._repr_html_", "Job._repr_html_", "Sandbox._repr_html_", "ExportPanel.html",
         "OpenTimeline._repr_mimebundle_", "Plan._repr_html_", "Published._repr_html_", "export_panel"}  # fmt: skip


def unregistered() -> set[str]:
    """What shows something and is not in the list."""
    covered = {name for output in OUTPUTS.values() for name in output.covers} | PARTS
    return {*_methods(), *_functions(), *_commands()} - covered - {f"cli {name}" for name in SILENT}


def _methods() -> Iterator[str]:
    for path in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                for inner in node.body:
                    if isinstance(inner, ast.FunctionDef) and inner.name in SHOWING:
                        yield f"{node.name}.{inner.name}"


def _functions() -> Iterator[str]:
    yield from (name for name in notebook.__all__ if name.islower())
    for module in pkgutil.walk_packages(conv_analytics.__path__, "conv_analytics."):
        if not module.name.endswith(("__main__", "notebook.html")):
            names = vars(importlib.import_module(module.name))
            yield from (name for name in names if name.endswith("_html") and not name.startswith("_")
                        and getattr(names[name], "__module__", "") == module.name)  # fmt: skip


def _commands() -> Iterator[str]:
    for action in parser()._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield from (f"cli {name}" for name in action.choices)


__all__ = ["OUTPUTS", "Given", "Output", "printed", "unregistered"]
