"""The call-quality report: made in one line, shown in a notebook, written as one file."""

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
from conv_analytics.notebook.files import write
from conv_analytics.notebook.html import line, render
from conv_analytics.notebook.report import rules, sentences
from conv_analytics.notebook.report.gather import gather
from conv_analytics.notebook.report.numbers import Numbers
from conv_analytics.notebook.report.page import page
from conv_analytics.notebook.report.timelines import write_timelines
from conv_analytics.paths import expand_user

#: Number of reports whose numbers are cached with a dataset.
_REPORTS = 4


@dataclass(frozen=True)
class Report:
    """The quality of the calls of a period.

    Attributes
    ----------
    numbers
        All its numbers, frozen; ``numbers.as_dict()`` gives JSON values.
    """

    numbers: Numbers

    @property
    def html(self) -> str:
        """The page: one file that loads nothing from elsewhere. The same numbers give the same text."""
        return page(self.numbers)

    @property
    def json(self) -> str:
        """Every number as JSON text."""
        return json.dumps(self.numbers.as_dict(), ensure_ascii=False, indent=1, allow_nan=False) + "\n"

    def write(
        self, path: str | os.PathLike[str], *, timelines: Any = None, units: Units | None = None
    ) -> tuple[Path, Path]:
        """Write the page, and its numbers next to it, each atomically; unmasked, only their owner may read them (0600).

        Parameters
        ----------
        path
            The page, such as ``report.html``; the numbers have its name with ``.json``.
        timelines
            The data of the report: with it, the timelines of the worst legs are written to a folder next to the page,
            ``report-timelines``, and the page links to them.
        units
            The units of the report, for the verdicts in timelines.

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
        numbers = target.with_suffix(".json")
        if numbers == target:
            raise DestinationError(target, "the numbers would overwrite it; name the page, such as report.html")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            links = {} if timelines is None else write_timelines(timelines, self.numbers, target, units)
        except OSError as error:
            raise DestinationError(target, str(error)) from error
        # The numbers first: a page always has its numbers.
        for path_of_text, text in ((numbers, self.json), (target, page(self.numbers, links))):
            write(path_of_text, text, private=not self.numbers.masked)
        return target, numbers

    def judge(self, *fail_on: str) -> list[rules.Judgement]:
        """Whether rules such as ``poor>3%`` or ``mos_p5<3.5`` are broken.

        Raises
        ------
        ConfigError
            If one is not a rule, or names a number that a report does not have.
        """
        return rules.judge(self.numbers, list(fail_on))

    @safe_repr
    def __repr__(self) -> str:
        return line(" ".join((self.numbers.sentence, *self.numbers.details)))

    def _repr_html_(self) -> str:
        rows = [
            (figure.title, sentences.now_words(figure), sentences.interval_words(figure), sentences.n_words(figure),
             sentences.change_words(figure) if figure.change else "")
            for figure in self.numbers.figures
        ]  # fmt: skip
        return render("report/figures.html.j2", sentence=self.numbers.sentence, details=self.numbers.details, rows=rows)


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
    """The quality of the calls of a period: a verdict, with everything it is based on.

    Parameters
    ----------
    data
        A `Dataset`, `Frames`, a mapping of table name to frame, or a frame of `legs`.
    since, until
        The period, by the start of legs, the end excluded: instants with a zone, days (their midnight in `tz`), or
        ISO 8601 text. All data when absent; with `since`, it is compared with the period of the same length before.
    tz
        IANA zone of days, hours and weekdays. A day has 23 or 25 hours where clocks change.
    profile
        Rulebook of the verdicts on legs.
    mask
        Whether numbers, names and addresses are masked. ``False`` shows them, and says so.
    units
        Units as `detect_units` returns them; detected on all data when absent.

    Returns
    -------
    Report
        Shows its key figures in a notebook; ``write("report.html")`` writes the page and ``report.json`` beside it.

    Raises
    ------
    ConfigError
        If the period, the zone or the profile is not valid.

    Notes
    -----
    The verdict is good or poor only if the whole interval of the share of poor legs (Wilson, 95 %) lies below or above
    3 %, and at least half of the answered legs were measured. If a unit that verdicts need is not known, there is no
    verdict, and the report says why. A change is called better or worse only if the interval of the difference
    (Newcombe) excludes 0. `kpi_metrics` and the profiles name the source of every measure.

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
    parameters = {"since": since, "until": until, "tz": tz, "profile": profile, "mask": mask, "units": units}
    return Report(_numbers(data, parameters))


def _numbers(data: Any, parameters: dict[str, Any]) -> Numbers:
    """The numbers of a report; those of the last reports are cached with a dataset, which does not change."""
    reports: list[tuple[dict[str, Any], Numbers]] = getattr(data, "session_cache", {}).setdefault("reports", [])
    numbers = next((numbers for options, numbers in reports if options == parameters), None)
    if numbers is None:
        numbers = gather(data, **parameters)
        reports.append((parameters, numbers))
        del reports[:-_REPORTS]
    return numbers


__all__ = ["Report", "quality_report"]
