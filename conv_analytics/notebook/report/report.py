"""The call-quality report: asked for in a line, shown in a notebook, written as one file."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from conv_analytics.analysis.audio.profiles import Profile
from conv_analytics.analysis.audio.units import Units
from conv_analytics.analysis.engine.data import Data
from conv_analytics.errors import DestinationError
from conv_analytics.errors.redaction import safe_repr
from conv_analytics.notebook import html as safe
from conv_analytics.notebook.files import write
from conv_analytics.notebook.report import rules, words
from conv_analytics.notebook.report.beside import timelines as drawn
from conv_analytics.notebook.report.gather import gather
from conv_analytics.notebook.report.numbers import Numbers
from conv_analytics.notebook.report.page import page
from conv_analytics.paths import expand_user


@dataclass(frozen=True)
class Report:
    """How the calls of a period are.

    Attributes
    ----------
    numbers
        Every number of it, frozen; ``numbers.as_dict()`` is JSON.
    """

    numbers: Numbers

    @property
    def html(self) -> str:
        """The page: one file that asks nobody for anything. The same numbers give the same text."""
        return page(self.numbers)

    @property
    def json(self) -> str:
        """Every number as JSON text."""
        return json.dumps(self.numbers.as_dict(), ensure_ascii=False, indent=1, allow_nan=False) + "\n"

    def write(
        self, path: str | os.PathLike[str], *, timelines: Any = None, units: Units | None = None
    ) -> tuple[Path, Path]:
        """Write the page, and its numbers beside it; a reader sees the old files or the new ones, never half of one.

        Without a mask they are for their user alone (0600).

        Parameters
        ----------
        path
            The page, such as ``report.html``; the numbers have its name with ``.json``.
        timelines
            What the report was made of: the timelines of the worst legs are written into a folder beside the page,
            ``report-timelines``, and it links to them. None are when absent.
        units
            What the report was given, for the verdicts in timelines.

        Returns
        -------
        tuple of Path
            The page and the JSON.

        Raises
        ------
        DestinationError
            If a file cannot be written.
        """
        target = expand_user(path)
        beside = target.with_suffix(".json")
        if beside == target:
            raise DestinationError(target, "the numbers would overwrite it; name the page, such as report.html")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            links = {} if timelines is None else drawn(timelines, self.numbers, target, units)
        except OSError as error:
            raise DestinationError(target, str(error)) from error
        # The numbers first: a page that is there has its numbers.
        for where, text in ((beside, self.json), (target, page(self.numbers, links))):
            write(where, text, private=not self.numbers.masked)
        return target, beside

    def judge(self, *fail_on: str) -> list[rules.Judgement]:
        """Whether rules such as ``poor>3%`` or ``mos_p5<3.5`` are broken.

        Raises
        ------
        ConfigError
            If one is no rule, or names a number that there is not.
        """
        return rules.judge(self.numbers, list(fail_on))

    @safe_repr
    def __repr__(self) -> str:
        return safe.line(" ".join((self.numbers.sentence, *self.numbers.details)))

    def _repr_html_(self) -> str:
        rows = [
            (figure.title, words.now_words(figure), words.interval_words(figure), words.n_words(figure),
             words.change_words(figure) if figure.change else "")
            for figure in self.numbers.figures
        ]  # fmt: skip
        lines = "".join(f"<li>{safe.escape(line)}</li>" for line in self.numbers.details)
        table = safe.table(("", "now", "interval", "of", "change"), rows, "report.write('report.html') gives the page")
        said = f"<p><strong>{safe.escape(self.numbers.sentence)}</strong></p><ul>{lines}</ul>"
        return f'<div class="{safe.PLAIN}">{said}{table}</div>'


def quality_report(
    data: Data,
    *,
    since: datetime | date | str | None = None,
    until: datetime | date | str | None = None,
    tz: str = "UTC",
    profile: str | Profile = "recommended",
    mask: bool = True,
    units: Units | None = None,
) -> Report:
    """How the calls of a period are, with everything that such a sentence stands on.

    Parameters
    ----------
    data
        A `Dataset`, `Frames`, a mapping of table name to frame, or a frame of `legs`.
    since, until
        The period, by the start of legs, the end not included: instants with a zone, days (their midnight in `tz`), or
        ISO 8601 text. All data when absent; with `since`, the same length before it is compared.
    tz
        IANA zone of days, hours and weekdays. A day has 23 or 25 hours where clocks change.
    profile
        Rulebook of the verdicts on legs.
    mask
        Numbers, names and addresses are shown with a hash instead. ``False`` shows them, and says so.
    units
        What `detect_units` found, or was told; detected on all data when absent.

    Returns
    -------
    Report
        Shows its key figures in a notebook; ``write("report.html")`` gives the page and ``report.json`` beside it.

    Raises
    ------
    ConfigError
        If the period, the zone or the profile is none.

    Notes
    -----
    The sentence is good or poor only if the whole interval of the share of poor legs (Wilson, 95 %) lies below or above
    3 %, and at least half of the answered legs were measured; where a unit is not known that verdicts need, it says so
    and there is none. Changes are called better or worse only if the interval
    of the difference (Newcombe) leaves out 0. Sources of every measure are named by `kpi_metrics` and the profiles.

    Examples
    --------
    >>> from conv_analytics import Conversations, export
    >>> from conv_analytics.sandbox import Sandbox
    >>> with Sandbox(conversations=30) as sandbox:
    ...     client = Conversations(sandbox.application_id, sandbox.private_key, base_url=sandbox.base_url)
    ...     frames = export(client, rate=0)
    >>> report = quality_report(frames, tz="Europe/London")
    >>> report.numbers.legs == len(report.numbers.trend) or report.numbers.legs > 0
    True
    >>> [str(each) for each in report.judge("measured<1%")][0].startswith("measured<1%: kept")
    True
    """
    return Report(gather(data, since=since, until=until, tz=tz, profile=profile, mask=mask, units=units))


__all__ = ["Report", "quality_report"]
