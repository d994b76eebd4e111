"""The notebooks, run and kept: ``python -m tests.notebooks [01 ...]`` runs them anew and stores what they show.

Each runs in a kernel of this interpreter, in an empty folder, against a sandbox that it starts itself. What is stored
is the same on every machine: no times that differ, no state of widgets, nothing of who ran it.
"""

from __future__ import annotations

import copy
import os
import re
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any
from unittest import mock

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
#: Cells with this tag show times or ids that differ from run to run: what is stored of them is an example.
VARIES = "varies"

_METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
_WIDGET = re.compile(r"application/vnd\.jupyter\.widget-")
#: What differs between two runs, and what is stored instead.
_DIFFERS = (
    (re.compile(r"(?<=127\.0\.0\.1:)\d+"), "8080"),
    (re.compile(r"( conversations) in [\d,.]+ s(?=,)"), r"\1"),
    (re.compile(r"( requests[^,<\n]*)(?:, [\d.,]+ conversations/s)?, in [\d.]+ (?:ms|s|min)(?: \d+ s)?"), r"\1"),
)


def run(notebook: Any, folder: Path) -> Any:
    """Run a notebook from top to bottom within a folder: a copy with its outputs. An error in a cell is raised."""
    from nbclient import NotebookClient

    # The kernel of this interpreter, whatever else is installed under the name that the notebook asks for.
    spec = folder / "jupyter" / "kernels" / "tested" / "kernel.json"
    spec.parent.mkdir(parents=True)
    argv = f'["{sys.executable}", "-m", "ipykernel_launcher", "-f", "{{connection_file}}"]'
    spec.write_text(f'{{"argv": {argv}, "display_name": "tested", "language": "python"}}')
    work = folder / "work"
    work.mkdir()
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    ran = copy.deepcopy(notebook)
    client = NotebookClient(ran, timeout=300, kernel_name="tested", resources={"metadata": {"path": str(work)}})
    with mock.patch.dict(os.environ, {"PYTHONPATH": path, "JUPYTER_PATH": str(folder / "jupyter")}):
        client.execute()
    return ran


def cleaned(notebook: Any) -> Any:
    """A copy without what differs between two runs or tells of the machine."""
    import nbformat

    kept = copy.deepcopy(notebook)
    kept.metadata = nbformat.from_dict(_METADATA)
    count = 0
    for cell in kept.cells:
        tags = cell.metadata.get("tags")
        cell.metadata = nbformat.from_dict({"tags": tags} if tags else {})
        if cell.cell_type == "code":
            count += 1
            cell.execution_count = count
            cell.outputs = _outputs(cell.outputs, count)
    return kept


def wrong(ran: Any, stored: Any) -> list[str]:
    """What a notebook that was run should not have shown: errors, warnings, other texts than those stored of it."""
    found = []
    for cell, kept in zip(*([c for c in each.cells if c.cell_type == "code"] for each in (cleaned(ran), stored)),
                          strict=True):  # fmt: skip
        bad = [output for output in cell.outputs if output.output_type == "error" or output.get("name") == "stderr"]
        found += [f"{cell.source}\n{output}" for output in bad]
        if VARIES not in cell.metadata.get("tags", ()) and _said(cell) != _said(kept):
            found.append(f"{cell.source}\nshows\n{_said(cell)}\ninstead of\n{_said(kept)}\n"
                         "If that is right, run `python -m tests.notebooks`.")  # fmt: skip
    return found


def _said(cell: Any) -> str:
    """What a code cell prints and gives, as text."""
    parts = [output["text"] if output.output_type == "stream" else output.get("data", {}).get("text/plain", "")
             for output in cell.outputs]  # fmt: skip
    return "\n".join(parts)


def _outputs(outputs: list[Any], count: int) -> list[Any]:
    import nbformat

    found: list[Any] = []
    for output in outputs:
        if output.output_type == "stream":
            last = found[-1] if found else None
            if last is not None and last.output_type == "stream" and last.name == output.name:
                last.text = _plain(last.text + output.text)
            else:
                found.append(nbformat.v4.new_output("stream", name=output.name, text=_plain(output.text)))
            continue
        if output.output_type == "error":
            found.append(output)
            continue
        data = {kind: _plain(value) if isinstance(value, str) else value
                for kind, value in output.get("data", {}).items() if not _WIDGET.match(kind)}  # fmt: skip
        more = {"execution_count": count} if output.output_type == "execute_result" else {}
        found.append(nbformat.v4.new_output(output.output_type, data=data, **more))
    return found


def _plain(text: str) -> str:
    for pattern, instead in _DIFFERS:
        text = pattern.sub(instead, text)
    return text


def main(asked: list[str]) -> None:
    """Run the notebooks whose names begin so, or all, and store them."""
    import nbformat

    warnings.simplefilter("ignore")
    for path in NOTEBOOKS:
        if not asked or any(path.name.startswith(each) for each in asked):
            print(path.name, flush=True)  # noqa: T201 - who runs it wants to see how far it is
            with tempfile.TemporaryDirectory() as folder:
                ran = run(nbformat.read(path, as_version=4), Path(folder))
            nbformat.write(cleaned(ran), path)


if __name__ == "__main__":
    main(sys.argv[1:])
