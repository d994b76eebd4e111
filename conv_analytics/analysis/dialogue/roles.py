"""Roles in a conversation: customers, humans who answer, bots."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from conv_analytics.errors import ConfigError

ROLES = ("customer", "human", "bot")


def check_roles(roles: Mapping[str, str]) -> None:
    """Refuse roles that are not known.

    Raises
    ------
    ConfigError
        If a role is unknown.

    Examples
    --------
    >>> check_roles({"USR-1": "human"})
    """
    for name, role in roles.items():
        if role not in ROLES:
            raise ConfigError(f"The role of {name!r} is {role!r}. Roles are {', '.join(ROLES)}.")


def role_of(members: pd.Series[Any], users: pd.Series[Any], roles: Mapping[str, str]) -> pd.Series[Any]:
    """The role of each member, or else of its user; null where neither is listed."""
    of_members: pd.Series[Any] = members.map(roles).astype("str")
    return of_members.fillna(users.map(roles).astype("str"))


def guessed_role(channel_type: str | None, direction: str | None, *, answered: bool) -> str:
    """The role of the party at one leg; see `role_of_leg`.

    >>> guessed_role("phone", "outbound", answered=True)
    'human'
    """
    if channel_type == "websocket":
        return "bot"
    return "human" if direction == "outbound" and answered else "customer"


def role_of_leg(legs: pd.DataFrame, answered: pd.Series[Any]) -> pd.Series[Any]:
    """The role of the party at a leg where nothing else says so: a websocket is a bot, a called party is a human."""
    called = (legs["direction"] == "outbound") & answered
    guess = np.where(legs["channel_type"] == "websocket", "bot", np.where(called, "human", "customer"))
    return pd.Series(guess, index=legs.index, dtype="str")


__all__ = ["ROLES", "check_roles", "guessed_role", "role_of", "role_of_leg"]
