"""The pure part of the timeline's script, alone in Node: scale, views, search, and instants as Python writes them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

import conv_analytics.notebook
from conv_analytics import show_timeline
from conv_analytics.analysis.engine.zones import zone_info
from conv_analytics.instants import micros
from conv_analytics.notebook.html import data_uri, resource
from conv_analytics.notebook.timeline.axis import LABEL_PX, STEPS, duration, stamp, ticks
from conv_analytics.notebook.timeline.page import payload, script
from tests._helpers.drawn_conversations import CLOCK_CHANGES, many

FOLDER = Path(conv_analytics.notebook.__file__).parent / "timeline"


def computed(expression: str, data: Any = None) -> Any:
    """What an expression gives in Node; `t` is the module, `data` is passed to it."""
    node = shutil.which("node")
    if node is None:
        if os.environ.get("CI_BROWSER") == "required":
            pytest.fail("CI_BROWSER=required, but there is no node")
        pytest.skip("no node on this machine; on Debian: apt-get install nodejs")
    code = (
        f"const t = await import({json.dumps(data_uri(resource('timeline/time.js'), 'text/javascript'))});\n"
        "let text = ''; for await (const part of process.stdin) text += part;\n"
        f"const data = JSON.parse(text); console.log(JSON.stringify({expression}));"
    )
    done = subprocess.run(
        [node, "--input-type=module", "-e", code],
        input=json.dumps(data), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_scale_and_its_way_back() -> None:
    view, width = [2_000_000, 6_000_000], 800
    places = computed("data.at.map((at) => t.position(at, data.view, 232, data.width))",
                      {"at": [2_000_000, 3_000_000, 6_000_000], "view": view, "width": width})  # fmt: skip
    assert places == [232, 432, 1032]
    assert computed("data.x.map((x) => t.instant(x, data.view, 232, data.width))",
                    {"x": places, "view": view, "width": width}) == [2_000_000, 3_000_000, 6_000_000]  # fmt: skip


def test_a_view_stays_within_the_whole() -> None:
    assert computed("t.within([-5, 5], [0, 100])") == [0, 10]
    assert computed("t.within([95, 105], [0, 100])") == [90, 100]
    assert computed("t.within([-5, 500], [0, 100])") == [0, 100]
    assert computed("t.zoomed([0, 100000], 0.5, 50000, [0, 100000])") == [25000, 75000]
    assert computed("t.zoomed([0, 2000], 0.01, 1000, [0, 100000])") == [500, 1500], "never shorter than a millisecond"
    assert computed("t.zoomed([25000, 75000], 9, 50000, [0, 100000])") == [0, 100_000]


def test_the_first_that_is_not_smaller() -> None:
    assert computed("[0, 2, 3, 9, 10].map((value) => t.lowerBound([2, 2, 3, 9], value))") == [0, 0, 2, 3, 4]


def test_instants_and_durations_are_written_as_in_python() -> None:
    lengths = [0, 3_000, 999_000, 12_340_000, 83_000_000, 3_723_000_000, 200_000_000_000]
    assert computed("data.map(t.duration)", lengths) == [duration(length) for length in lengths]
    zones = ["UTC", "Europe/London", "Asia/Kathmandu", "America/New_York", "Australia/Lord_Howe"]
    at = [1_774_746_000_000_000, 1_774_742_399_999_000, 1_792_890_000_123_000]
    stamps = computed("data.zones.map((zone) => data.at.map((at) => t.stamp(at, zone)))", {"zones": zones, "at": at})
    assert stamps == [[stamp(each, zone_info(zone)) for each in at] for zone in zones]


def test_instants_of_wrong_clocks_are_written_as_in_python() -> None:
    zones = ["UTC", "America/New_York", "Pacific/Auckland", "Asia/Kolkata"]
    texts = ["0001-01-01T00:00:00Z", "0001-01-01T20:00:00Z", "0050-03-01T00:00:00Z", "9999-12-31T20:00:00Z",
             "9999-12-31T23:59:59Z"]  # fmt: skip
    at = [micros(datetime.fromisoformat(text)) for text in texts]
    stamps = computed("data.zones.map((zone) => data.at.map((at) => t.stamp(at, zone)))", {"zones": zones, "at": at})
    assert stamps == [[stamp(each, zone_info(zone)) for each in at] for zone in zones]
    axis = {"steps": STEPS, "label_px": LABEL_PX}
    data = {"axis": axis, "zones": zones, "ends": [at[0], at[-1]]}
    made = computed("data.zones.map((zone) => t.ticks(...data.ends, 1000, zone, data.axis))", data)
    assert [len(each) for each in made] == [len(ticks(at[0], at[-1], 1000, zone_info(zone))) for zone in zones]
    assert [[label for _, label in each] for each in made] == [
        [label for _, label in ticks(at[0], at[-1], 1000, zone_info(zone))] for zone in zones
    ]


def test_ticks_where_clocks_change_are_those_of_python() -> None:
    axis, second = {"steps": STEPS, "label_px": LABEL_PX}, 1_000_000
    views = [
        (zone, at - int(hours * early * 3600) * second, at + int(hours * (1 - early) * 3600) * second, width)
        for zone, changes in CLOCK_CHANGES.items() for at in (micros(datetime.fromisoformat(each)) for each in changes)
        for hours in (0.001, 1, 3, 8, 13, 24, 36, 60, 100, 400, 9000) for width in (300, 900) for early in (0.1, 0.5)
    ]  # fmt: skip
    data = {"axis": axis, "views": views}
    made = computed("data.views.map(([zone, from, to, width]) => t.ticks(from, to, width, zone, data.axis))", data)
    for (zone, start, end, width), here in zip(views, made, strict=True):
        assert [tuple(tick) for tick in here] == ticks(start, end, width, zone_info(zone)), (zone, start, end, width)


def test_what_passes_a_search_and_what_is_drawn_of_it() -> None:
    drawn = show_timeline(many(60, members=3), "CON-1")
    data = payload(drawn.layout, zone_info("UTC"))
    whats, kinds = data["items"]["what"], data["whats"]
    assert computed("t.matching(data, '', new Set())", data) == list(range(len(drawn.frame)))
    without = computed("t.matching(data, '', new Set(['message']))", data)
    assert without == [place for place, what in enumerate(whats) if kinds[what] != "message"]
    hits = computed("t.matching(data, 'DIGIT', new Set())", data)
    assert {kinds[whats[place]] for place in hits} == {"dtmf"}
    assert len(hits) == kinds_of(whats, kinds, "dtmf")
    lines = computed(f"t.visibleLines(t.itemsByLine(data), data, {json.dumps(hits)})", data)
    assert sorted(item for line in lines for item in (*line["marks"], *line["bands"])) == hits
    marks = computed("[...t.overviewCounts(data, t.padded([0, data.end - data.start]))]", data)
    assert sum(marks) == sum(data["items"]["mark"])


def kinds_of(whats: list[int], kinds: list[str], wanted: str) -> int:
    return sum(kinds[what] == wanted for what in whats)


def test_the_next_lane_is_entered_nearest_in_time() -> None:
    data = payload(show_timeline(many(60, members=3), "CON-1").layout, zone_info("UTC"))
    lanes, start = data["items"]["lane"], data["items"]["start"]
    shown = list(range(len(lanes)))
    first = lanes.index(1)
    following = computed(f"t.nextLane(data, {shown}, {first}, 1)", data)
    assert lanes[following] == 2
    away = [abs(start[each] - start[first]) for each in shown if lanes[each] == 2 and data["items"]["line"][each] >= 0]
    assert abs(start[following] - start[first]) == min(away)
    assert computed(f"t.nextLane(data, {shown}, {lanes.index(max(lanes))}, 1)", data) == -1


@pytest.mark.parametrize("name", ["time.js", "painter.js", "input.js"])
def test_a_part_imports_only_what_stands_before_it(name: str) -> None:
    """Joined into one module, a part may use those before it; what it says it imports is there."""
    order = ["../dom.js", "./time.js", "./painter.js", "./input.js"]
    text = (FOLDER / name).read_text(encoding="utf-8")
    for names, source in re.findall(r"^import \{([^}]*)\} from \"([^\"]+)\";", text, re.MULTILINE):
        assert order.index(source) < order.index(f"./{name}")
        other = (FOLDER / source).resolve().read_text(encoding="utf-8")
        exported = set(re.findall(r"^export (?:async )?(?:function|const|class) (\w+)", other, re.MULTILINE))
        assert {each.strip() for each in names.split(",")} <= exported
    assert "import " not in script()
