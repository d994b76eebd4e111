"""The timelines that a report links to: one page for each conversation of its findings and worst legs."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from conv_analytics.analysis.audio.detect_units import units_of_all
from conv_analytics.analysis.audio.units import Units
from conv_analytics.errors import ColumnNotFound, ConfigError, TableNotFound
from conv_analytics.notebook.ladder import show_ladder
from conv_analytics.notebook.report.numbers import Numbers
from conv_analytics.notebook.timeline.timeline import show_timeline

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,79}")


def write_timelines(data: Any, numbers: Numbers, page: Path, units: Units | None = None) -> Mapping[str, str]:
    """Write the timeline and ladder of each conversation of findings and worst legs; masked if the report is.

    Parameters
    ----------
    data
        The data of the report, with its events.
    page
        The report: the timelines go to a folder next to it, ``report-timelines`` for ``report.html``.
    units
        The units of the report; detected when absent.

    Returns
    -------
    Mapping
        The relative link to the page of each conversation; one that cannot be drawn is left out.
    """
    folder = page.with_name(f"{page.stem}-timelines")
    tz, mask = numbers.tz, numbers.masked
    links: dict[str, str] = {}
    units = units or units_of_all(data)
    named = numbers.findings.problems if numbers.findings else ()
    wanted = [*(each.conversation_id for each in named), *(leg.conversation_id for leg in numbers.worst)]
    for one in dict.fromkeys(filter(None, wanted)):
        try:
            timeline = show_timeline(data, one, tz=tz, mask=mask, units=units)
            ladder = show_ladder(data, one, tz=tz, mask=mask, units=units)
        except (ConfigError, TableNotFound, ColumnNotFound):
            # Its events are missing: the command on the page reports that.
            continue
        folder.mkdir(mode=0o777 if mask else 0o700, parents=True, exist_ok=True)
        name = f"{file_name(one)}.html"
        timeline.save_with(ladder, folder / name)
        links[one] = f"{quote(os.fsencode(folder.name))}/{name}"
    return links


def file_name(identifier: str) -> str:
    """The name of a file for an id: the id itself if that is safe, else a hash of it.

    >>> file_name("CON-d5b1fc94-0828-44cd-a586-1361cb149620"), len(file_name("../../etc/passwd"))
    ('CON-d5b1fc94-0828-44cd-a586-1361cb149620', 16)
    """
    plain = _PLAIN.fullmatch(identifier)
    return identifier if plain else hashlib.sha256(identifier.encode("utf-8", "surrogatepass")).hexdigest()[:16]


__all__ = ["file_name", "write_timelines"]
