"""The panel of an export in JupyterLab: Start, Stop in the middle, Start again; the last state stays in the file."""

from __future__ import annotations

import pytest

from tests._helpers.jupyterlab import Lab

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("lab")]

#: After 150 requests nothing is answered any more, so that there is a middle to stop in.
WORLD = """\
from conv_analytics import Conversations, explore, export_panel, open_dataset
from conv_analytics.sandbox import Sandbox
from tests._helpers.sandboxes import NEVER, after

sandbox = Sandbox(seed=7, conversations=120).start()
client = Conversations(sandbox.application_id, sandbox.private_key, base_url=sandbox.base_url)
reached = after(sandbox, 150, NEVER)
panel = export_panel(client, "exports", rate=0, concurrency=2)
"""
PANEL = ".ca-export[data-live=yes]"


def test_start_stop_and_start_again(lab: Lab) -> None:
    notebook = lab.open(lab.write(WORLD, "x = explore(panel=panel)\nx"))
    notebook.run_all()
    page = notebook.page
    notebook.until(f"document.querySelector('{PANEL}[data-status=ready]')")
    start, stop = (
        page.get_by_role("button", name="Start", exact=True),
        page.get_by_role("button", name="Stop", exact=True),
    )
    assert stop.is_disabled()
    page.locator(f"{PANEL} input[name=folder]").fill("exports/asked")
    start.click()
    notebook.until_value("reached.is_set()", expected=True)
    notebook.until_value("panel.job.progress.done > 3", expected=True)
    notebook.until(
        f"/^[1-9][0-9]* of /.test(document.querySelector('{PANEL}[data-status=running] .ca-reach').textContent)"
    )
    notebook.screenshot("export-light")
    stop.click()
    notebook.until(f"document.querySelector('{PANEL}[data-status=stopped]')")
    assert notebook.value("(panel.status, panel.job.done)") == ["stopped", True]
    part = notebook.value("panel.job.progress.done")
    assert 3 < part < 120
    notebook.theme("dark")
    notebook.screenshot("export-stopped-dark")
    notebook.value("sandbox._scripts.clear()")

    # The same button goes on where it was, and the explorer shows what there is then.
    start.click()
    notebook.until(f"document.querySelector('{PANEL}[data-status=complete]')")
    notebook.until_value("len(open_dataset('exports/asked')['conversations'])", 120)
    notebook.until_value("len(x.calls) == len(explore(open_dataset('exports/asked')).calls)", expected=True)
    total = notebook.value("len(x.calls)")
    notebook.until(f"document.querySelector('.ca-explore:not(.ca-export) .ca-numbers b')?.textContent === '{total}'")
    notebook.settle()
    notebook.screenshot("export-complete-dark")
    html = notebook.save().cells[1].outputs[0].data["text/html"]
    assert "<b>complete</b>" in html
    assert "120 of 120 conversations" in html
    assert f"<b>{total}</b> calls" in html
