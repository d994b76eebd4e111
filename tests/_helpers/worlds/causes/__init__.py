"""Causes to plant, each over the shapes of accounts in which it can be."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from tests._helpers.worlds.planted import Planted
from tests._helpers.worlds.world import World

Plant = Callable[[World], Planted]


class Cause(NamedTuple):
    """How a cause is planted, and in which shapes."""

    name: str
    shapes: tuple[str, ...]
    plant: Plant


CAUSES: dict[str, Cause] = {}


def cause(*shapes: str) -> Callable[[Plant], Plant]:
    """Register what plants a cause, under its name."""

    def registered(plant: Plant) -> Plant:
        CAUSES[plant.__name__] = Cause(plant.__name__, shapes, plant)
        return plant

    return registered


__all__ = ["CAUSES", "Cause", "Plant", "cause"]
