"""Worlds of calls with a cause planted in them, or with none: what `findings` is judged by.

Nothing here knows the finders. A world is drawn from a seed: an account's shape, its networks, numbers, staff and
hours, then what is wrong. It is given as the tables of an export: `legs` and `quality` run over it as over any other.

    python -m tests._helpers.worlds --seeds 60
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from tests._helpers.worlds.causes import CAUSES, audio, setup, sides, talking
from tests._helpers.worlds.clean import CLEAN
from tests._helpers.worlds.planted import Groups, Planted
from tests._helpers.worlds.shapes import SHAPES
from tests._helpers.worlds.tables import tables_of, version_of_users
from tests._helpers.worlds.world import World

#: The modules that plant causes.
PLANTING = (setup, audio, talking, sides)


@dataclass(frozen=True, eq=False)
class Made:
    """A world as it is given to an analysis, and what is wrong in it.

    Attributes
    ----------
    tables
        What an export has.
    cause
        None in a clean world.
    """

    kind: str
    seed: int
    shape: str
    world: World
    tables: dict[str, pd.DataFrame]
    cause: Planted | None

    def legs(self) -> pd.DataFrame:
        """The frame of legs, with the application version of their users in ``app_version``."""
        from conv_analytics.analysis import legs

        frame = pd.DataFrame(legs(self.tables))
        return frame.assign(app_version=frame["user_id"].map(version_of_users(self.world)).astype("str"))

    @property
    def groups(self) -> Groups:
        """The groups that problems may name."""
        users = version_of_users(self.world)
        return Groups(self.world, dict(zip(users, self.world.users, strict=True)))


def make(kind: str, seed: int) -> Made:
    """Make a world of a kind of `CAUSES`, or of `CLEAN` with ``clean:`` before its name.

    >>> made = make("cliff_45", 1)
    >>> made.cause.excess > 0, sorted(made.tables)
    (True, ['call_records', 'hangups', 'leg_statuses', 'members', 'users'])
    """
    world = World.drawn(seed, kind)
    planted: Planted | None = None
    if kind.startswith("clean:"):
        shape = kind.removeprefix("clean:")
        world.legs = CLEAN[shape](world)
    else:
        entry = CAUSES[kind]
        shape = entry.shapes[seed % len(entry.shapes)]
        world.legs = SHAPES[shape](world)
        planted = entry.plant(world)
    return Made(kind, seed, shape, world, tables_of(world), planted)


#: Every kind there is.
KINDS = (*CAUSES, *(f"clean:{name}" for name in CLEAN))

__all__ = ["CAUSES", "CLEAN", "KINDS", "PLANTING", "Made", "make"]
