"""Versions of the application that users run, as far as the data shows them."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd

from conv_analytics.analysis.engine.rows import Rows
from conv_analytics.analysis.engine.source import Source
from conv_analytics.analysis.problems.observations import Codes

#: Columns of a frame, or keys of a user's custom data, that hold a version.
VERSIONS = ("app_version", "version", "client_version", "sdk_version")


def of_users(source: Source, users: Codes) -> dict[str, Codes]:
    """The version of each leg's user, by the name of the key in the custom data of the table of users."""
    if "users" not in source.tables or not {"user_id", "custom_data"} <= set(source.columns("users")):
        return {}
    rows = Rows.read(source, "users", ["user_id", "custom_data"]).collect()
    versions_of = {str(user): _versions(text) for user, text in zip(rows["user_id"], rows["custom_data"], strict=True)}
    names = {name for each in versions_of.values() for name in each}
    made = {}
    for name in VERSIONS:
        if name in names:
            of_user = [versions_of.get(str(label), {}).get(name) for label in users.labels]
            codes, labels = pd.factorize(pd.Series(of_user, dtype="object"))
            made[name] = Codes(np.append(codes, -1).astype(np.int32)[users.codes], [str(label) for label in labels])
    return made


def _versions(text: Any) -> dict[str, str]:
    """The versions in a user's custom data; none if that is not a JSON object.

    >>> _versions('{"app_version": "4.12.0", "theme": "dark"}'), _versions("4.12")
    ({'app_version': '4.12.0'}, {})
    """
    if not isinstance(text, str):
        return {}
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(data, dict):
        return {}
    return {name: str(data[name]) for name in VERSIONS if isinstance(data.get(name), (str, int, float))}


__all__ = ["VERSIONS", "of_users"]
