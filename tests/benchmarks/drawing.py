"""What drawing costs: bytes of a page, time to draw and to zoom; needs chromium."""

from __future__ import annotations

import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).parents[2]))

from conv_analytics import show_timeline
from tests._helpers.drawn_conversations import many

T = "document.querySelector('[data-ca-timeline]').timeline"
ZOOM = f"""async () => {{
  const t = {T}, times = [];
  for (let run = 0; run < 60; run++) {{
    const begin = performance.now();
    t.view = [...t.whole]; t.zoom(Math.pow(0.9, run % 30)); t.paint();
    times.push(performance.now() - begin);
    await new Promise(requestAnimationFrame);
  }}
  return times;
}}"""
DRAW = f"""async () => {{
  const t = {T}, begin = performance.now();
  t.patterns = null; t.index(); t.build(); t.themed(); t.paint();
  return performance.now() - begin;
}}"""


def main() -> None:
    """Print one line per size."""
    path = shutil.which("chromium") or sys.exit("no chromium")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        for count in map(int, sys.argv[1:] or ("2500", "20000", "100000")):
            drawn = show_timeline(many(count), "CON-1")
            begin = time.perf_counter()
            file = drawn.save(Path(folder) / f"{count}.html")
            made = time.perf_counter() - begin
            page = browser.new_page(viewport={"width": 1180, "height": 900})
            page.goto(file.as_uri())
            page.wait_for_selector("[data-live=yes]", timeout=120_000)
            drawn_ms = statistics.median(page.evaluate(DRAW) for _ in range(5))
            zoom_ms = statistics.median(page.evaluate(ZOOM))
            size = file.stat().st_size / 1000
            print(f"{count:>7,} events: {size:6.0f} kB, page made in {made:5.2f} s,", end=" ")
            print(f"drawn {drawn_ms:6.1f} ms, zoom {zoom_ms:5.2f} ms")
        browser.close()


if __name__ == "__main__":
    main()
