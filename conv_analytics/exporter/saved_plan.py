"""The plan of a run, saved in its folder until the run, and then compared with it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from conv_analytics.durable import write_atomically
from conv_analytics.exporter.options import Options
from conv_analytics.exporter.report import Report

#: An older plan is not compared: too much may have changed.
MAX_AGE = timedelta(days=1)
_NAME = "plan.json"


def save_plan(work: Path, plan: Mapping[str, Any], options: Options) -> None:
    """Save a plan for the next run of a folder."""
    saved = {"asked_for": _asked_for(options), **plan}
    write_atomically(work / _NAME, json.dumps(saved, indent=1) + "\n", part=work / f"{_NAME}.new")


def take_plan(work: Path, options: Options, started: datetime, report: Report) -> dict[str, Any] | None:
    """The plan saved for a run, and its error; None without one.

    The saved plan is deleted in any case. It is not used when it has other options, is too old or cannot be read, or
    when the run is incomplete.
    """
    path = work / _NAME
    try:
        plan = json.loads(path.read_text(encoding="utf-8"))
        age = started - datetime.fromisoformat(plan["made_at"])
        fits = timedelta() <= age <= MAX_AGE and _same(plan["asked_for"], _asked_for(options), age)
        result = _compare(plan, report) if fits and report.status == "complete" else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        # There is no plan, or the file is something else.
        result = None
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)
    return result


def _compare(plan: Mapping[str, Any], report: Report) -> dict[str, Any]:
    requests, took = plan["requests"], plan["seconds"]["expected"]
    return {
        "made_at": plan["made_at"],
        "requests": requests["expected"],
        "low": requests["low"],
        "high": requests["high"],
        "seconds": took,
        "error": round(report.requests / max(1, requests["expected"]) - 1, 4),
        "seconds_error": round(report.seconds / max(0.001, took) - 1, 4),
    }


def _asked_for(options: Options) -> dict[str, Any]:
    """The options that decide what a run reads."""
    return {
        "tables": sorted(options.selected),
        "full": options.full,
        "lookback_s": options.lookback and options.lookback.total_seconds(),
        "since": options.since and options.since.isoformat(),
        "until": options.until and options.until.isoformat(),
    }


def _same(one: Mapping[str, Any], other: Mapping[str, Any], age: timedelta) -> bool:
    """Whether two runs read the same; the later one may have later bounds, as with ``--since 7d``."""
    if any(one[name] != other[name] for name in ("tables", "full", "lookback_s")):
        return False
    for name in ("since", "until"):
        if one[name] == other[name]:
            continue
        if one[name] is None or other[name] is None:
            return False
        moved = datetime.fromisoformat(other[name]) - datetime.fromisoformat(one[name])
        if not timedelta() <= moved <= age + timedelta(minutes=1):
            return False
    return True
