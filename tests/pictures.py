"""The README's pictures of the demo's world, as a browser draws them: ``python -m tests.pictures`` makes them anew."""

from __future__ import annotations

import io
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, Locator, Page, sync_playwright

from conv_analytics import (
    Conversations,
    Dataset,
    analysis,
    explore,
    export,
    open_dataset,
    quality_report,
    show_ladder,
    show_timeline,
)
from conv_analytics.notebook import plots
from conv_analytics.sandbox import Sandbox
from tests._helpers.anywidget_host import WidgetHost

FOLDER = Path(__file__).parents[1] / "notebooks" / "reference" / "pictures"
#: Drawn at once and a half the size, for screens that show more than a dot per pixel.
SCALE = 1.5
WIDE = 1040


@dataclass(frozen=True)
class Picture:
    """One picture: what is opened, which part of it is taken, and how much of that from the top. [px]"""

    open: Callable[[Page, Dataset, Path], Locator]
    height: int = 2000
    dark: bool = True

    def names(self, name: str) -> list[str]:
        """Its files."""
        return [f"{name}.png", *([f"{name}-dark.png"] if self.dark else [])]


def _call(data: Dataset) -> str:
    """A call that was transferred, with few events: three members and their legs."""
    events = data["events"]
    having = events[events["type"] == "rtc:transfer"]["conversation_id"].unique()
    sizes = events[events["conversation_id"].isin(having)].groupby("conversation_id").size()
    return str(sizes.idxmin())


def _goto(page: Page, path: Path) -> None:
    page.goto(path.as_uri())
    page.wait_for_load_state()


def _timeline(page: Page, data: Dataset, room: Path) -> Locator:
    _goto(page, show_timeline(data, _call(data), tz="Europe/London").save(room / "call.html"))
    page.locator("[data-live=yes]").wait_for()
    return page.locator(".ca-timeline")


def _ladder(page: Page, data: Dataset, room: Path) -> Locator:
    _goto(page, show_ladder(data, _call(data), tz="Europe/London").save(room / "ladder.html"))
    return page.locator(".ca-ladder img")


def _report(page: Page, data: Dataset, room: Path) -> Locator:
    path, _ = quality_report(data, tz="Europe/London").write(room / "report.html")
    _goto(page, path)
    return page.locator("body")


def _explorer(page: Page, data: Dataset, room: Path) -> Locator:
    explorer = explore(data, tz="Europe/London").filter(verdicts=["poor", "fair"])
    (room / "explorer.html").write_text("<!doctype html><meta charset=utf-8>", encoding="utf-8")
    _goto(page, room / "explorer.html")
    WidgetHost(page, explorer, shadow=False)
    return page.locator(".ca-widget")


def _plots(page: Page, data: Dataset, room: Path) -> Locator:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, ((one, two), (three, four)) = plt.subplots(2, 2, figsize=(13, 7.5), layout="constrained")
    judged, legs = analysis.quality(data), analysis.legs(data)
    plots.plot_mos(judged, ax=one)
    plots.plot_loss_jitter(judged, ax=two)
    plots.plot_outcomes(legs, ax=three)
    plots.plot_heatmap(analysis.heatmap(legs, tz="Europe/London"), ax=four)
    figure.savefig(room / "plots.png", dpi=96)
    plt.close(figure)
    (room / "plots.html").write_text("<!doctype html><img src=plots.png width=1000>", encoding="utf-8")
    _goto(page, room / "plots.html")
    return page.locator("img")


PICTURES: dict[str, Picture] = {
    "timeline": Picture(_timeline, 790),
    "ladder": Picture(_ladder),
    "report": Picture(_report, 1150),
    "explorer": Picture(_explorer, 640),
    "plots": Picture(_plots, dark=False),
}


def main() -> None:
    """Make every picture, or those that are named."""
    path = shutil.which("chromium") or shutil.which("google-chrome") or sys.exit("there is no chromium")
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name, Sandbox(seed=7, conversations=400) as sandbox:
        room = Path(name)
        client = Conversations(sandbox.application_id, sandbox.private_key, base_url=sandbox.base_url)
        export(client, room / "demo", rate=0, progress=False)
        with sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
            for each in sys.argv[1:] or PICTURES:
                for file in PICTURES[each].names(each):
                    _take(browser, PICTURES[each], file, open_dataset(room / "demo"), room)
            browser.close()


def _take(browser: Browser, picture: Picture, file: str, data: Dataset, room: Path) -> None:
    scheme: Any = "dark" if file.endswith("-dark.png") else "light"
    page = browser.new_page(
        viewport={"width": WIDE, "height": 1000}, color_scheme=scheme, device_scale_factor=SCALE
    )  # fmt: skip
    box = picture.open(page, data, room).bounding_box()
    assert box is not None
    clip: Any = {**box, "height": min(box["height"], picture.height)}
    taken = Image.open(io.BytesIO(page.screenshot(clip=clip, full_page=True, animations="disabled")))
    # Few colours are enough for what is drawn with few; rare ones count as much as frequent ones.
    few = taken.convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    few.save(FOLDER / file, optimize=True)
    page.close()
    print(f"{file}: {(FOLDER / file).stat().st_size / 1000:.0f} kB")  # noqa: T201 - it is a script


if __name__ == "__main__":
    main()
