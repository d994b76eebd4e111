"""What lies beside a report: the timelines of its worst legs, a page each, and a click away."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from conv_analytics.analysis.audio.units import Units, units_of_all
from conv_analytics.errors import ColumnNotFound, ConfigError, TableNotFound
from conv_analytics.notebook.ladder import show_ladder
from conv_analytics.notebook.report.numbers import Numbers
from conv_analytics.notebook.timeline.show import show_timeline

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,79}")


def timelines(data: Any, numbers: Numbers, page: Path, units: Units | None = None) -> Mapping[str, str]:
    """Write the timeline and ladder of each conversation among the worst legs; masked where the report is.

    Parameters
    ----------
    data
        What the report was made of, with its events.
    page
        The report: they go to a folder beside it, ``report-timelines`` for ``report.html``.

    units
        In which the report read them; detected when absent.

    Returns
    -------
    Mapping
        Conversation to the address of its page, seen from the report. One that cannot be drawn is left out.
    """
    folder = page.with_name(f"{page.stem}-timelines")
    tz, mask = numbers.tz, numbers.masked
    found: dict[str, str] = {}
    units = units or units_of_all(data)
    for one in dict.fromkeys(leg.conversation_id for leg in numbers.worst):
        try:
            drawn = show_timeline(data, one, tz=tz, mask=mask, units=units)
            ladder = show_ladder(data, one, tz=tz, mask=mask, units=units)
        except (ConfigError, TableNotFound, ColumnNotFound):
            # Its events are not there: the command says so when it is tried.
            continue
        folder.mkdir(mode=0o777 if mask else 0o700, parents=True, exist_ok=True)
        name = f"{file_name(one)}.html"
        drawn.save_with(ladder, folder / name)
        found[one] = f"{folder.name}/{name}"
    return found


def file_name(identifier: str) -> str:
    """An id as the name of a file: itself where that is harmless, else a hash of it.

    >>> file_name("CON-d5b1fc94-0828-44cd-a586-1361cb149620"), len(file_name("../../etc/passwd"))
    ('CON-d5b1fc94-0828-44cd-a586-1361cb149620', 16)
    """
    plain = _PLAIN.fullmatch(identifier)
    return identifier if plain else hashlib.sha256(identifier.encode("utf-8", "surrogatepass")).hexdigest()[:16]


__all__ = ["file_name", "timelines"]
