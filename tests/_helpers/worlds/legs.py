"""The legs of a world as arrays: one value per leg, what happened to it, before it is written as events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

INBOUND, OUTBOUND = 0, 1
CHANNELS = ("phone", "app", "sip", "websocket")
PHONE, APP, SIP, WEBSOCKET = range(4)
#: Who or what ended a leg, as hangups say it.
ENDINGS = (
    "REMOTE_HANGUP", "LOCAL_HANGUP", "REMOTE_CANCEL", "LOCAL_CANCEL", "REMOTE_NO_ANSWER", "REMOTE_REJECTED",
    "REMOTE_BUSY", "REMOTE_NOT_FOUND", "REMOTE_FAILURE", "LENGTH_TIMER", "RING_TIMER",
)  # fmt: skip
END = {name: place for place, name in enumerate(ENDINGS)}

#: Array -> dtype and the value of a leg of which nothing is said.
FIELDS: dict[str, tuple[Any, Any]] = {
    "conversation": (np.int64, 0),
    "direction": (np.int8, OUTBOUND),
    "channel": (np.int8, PHONE),
    "network": (np.int32, -1),
    "remote": (object, ""),  # the address that is not the platform's
    "own": (np.int32, -1),  # place of the account's number, or -1
    "user": (np.int32, -1),
    "partner": (np.int64, -1),  # the leg that it talks to
    "start": (np.float64, 0.0),  # seconds since the epoch
    "pdd": (np.float64, 1.5),  # start to the first sign [s]
    "rings": (np.bool_, True),  # whether ringing is reported
    "ring": (np.float64, 0.0),  # ringing to answer or end [s]
    "talk": (np.float64, 0.0),  # answer to end [s]
    "answered": (np.bool_, False),
    "code": (np.int16, 0),  # SIP code
    "ending": (np.int8, 0),
    "loss": (np.float64, 0.0),  # share of packets lost
    "burst": (np.int64, 1),  # packets lost in a row
    "jitter": (np.float64, 6.0),  # largest SD of the packets' spacing [ms]
    "size": (np.int64, 172),  # bytes of a packet
    "heard": (np.bool_, True),  # audio came in
    "sent": (np.bool_, True),  # audio went out
    "counted": (np.bool_, True),  # packets were counted; else the score keeps its start value
    "group": (np.int64, -1),  # calls of one burst
}


class Legs:
    """Arrays of one length, by the names of `FIELDS`."""

    def __init__(self, number: int, **values: Any) -> None:
        for name, (dtype, default) in FIELDS.items():
            value = values.pop(name, default)
            setattr(self, name, np.broadcast_to(np.asarray(value, dtype), (number,)).copy())
        if values:
            message = f"legs have no {', '.join(values)}"
            raise TypeError(message)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)

    def __setattr__(self, name: str, value: Any) -> None:
        dtype = FIELDS[name][0]
        values = np.asarray(value, dtype)
        object.__setattr__(self, name, values if values.ndim else np.full(len(self), values, dtype))

    def __len__(self) -> int:
        return len(self.start)

    @property
    def answered_at(self) -> np.ndarray:
        """When it was answered, or would have been. [s]"""
        return self.start + self.pdd + self.ring

    @property
    def ended_at(self) -> np.ndarray:
        """When it ended. [s]"""
        return self.answered_at + np.where(self.answered, self.talk, 0.0)

    @property
    def out_phone(self) -> np.ndarray:
        """The attempts over phone networks."""
        return (self.direction == OUTBOUND) & (self.channel == PHONE)

    def take(self, rows: np.ndarray) -> Legs:
        """Some of the legs; a partner that is not among them is forgotten."""
        rows = np.flatnonzero(rows) if rows.dtype == bool else rows
        made = Legs(0)
        for name in FIELDS:
            setattr(made, name, getattr(self, name)[rows])
        place = np.full(len(self) + 1, -1)
        place[rows] = np.arange(len(rows))
        made.partner = np.where(made.partner >= 0, place[made.partner], -1)
        return made

    def cut(self, rows: np.ndarray, talk: np.ndarray | float, ending: str, other: str = "LOCAL_HANGUP") -> None:
        """End the talk of answered legs after so many seconds, and that of the legs they talk to."""
        rows = np.flatnonzero(rows) if rows.dtype == bool else rows
        self.talk[rows] = talk
        self.ending[rows] = END[ending]
        partner = self.partner[rows]
        ours, theirs = rows[partner >= 0], partner[partner >= 0]
        self.talk[theirs] = np.maximum(self.ended_at[ours] - self.answered_at[theirs], 0.05)
        self.ending[theirs] = END[other]

    def fail(self, rows: np.ndarray, code: np.ndarray | int, ending: str = "REMOTE_FAILURE") -> None:
        """Make attempts fail before they ring; the legs that waited for them end soon after."""
        rows = np.flatnonzero(rows) if rows.dtype == bool else rows
        self.rings[rows] = False
        self.ring[rows] = 0.0
        self.not_answered(rows, code, ending)

    def not_answered(self, rows: np.ndarray, code: np.ndarray | int, ending: str) -> None:
        """Let attempts end without an answer, and the legs that waited for them soon after."""
        rows = np.flatnonzero(rows) if rows.dtype == bool else rows
        self.answered[rows] = False
        self.talk[rows] = 0.0
        self.code[rows] = code
        self.ending[rows] = END[ending]
        partner = self.partner[rows]
        ours, theirs = rows[partner >= 0], partner[partner >= 0]
        self.talk[theirs] = np.maximum(self.ended_at[ours] + 1.5 - self.answered_at[theirs], 0.5)
        self.ending[theirs] = END["REMOTE_HANGUP"]


def joined(parts: Sequence[Legs]) -> Legs:
    """Parts of a world one after another; their conversations are other ones."""
    made, rows, conversations = Legs(0), 0, 0
    columns: dict[str, list[np.ndarray]] = {name: [] for name in FIELDS}
    for part in parts:
        for name in FIELDS:
            value = getattr(part, name)
            if name == "partner":
                value = np.where(value >= 0, value + rows, -1)
            elif name == "conversation":
                value = value + conversations
            columns[name].append(value)
        rows += len(part)
        conversations += int(part.conversation.max(initial=-1)) + 1
    for name, values in columns.items():
        setattr(made, name, np.concatenate(values))
    return made


__all__ = ["APP", "CHANNELS", "END", "ENDINGS", "INBOUND", "OUTBOUND", "PHONE", "SIP", "WEBSOCKET", "Legs", "joined"]
