"""Conversations in the list of a user's conversations, which may come with the state of the user's membership.

Version 1 of the API has that state in ``_embedded``; the beta API has it as the record's own ``state``, beside a
``member_id``. It says nothing about the state of the conversation.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from conv_analytics.resources.vocabulary import MemberState
from conv_analytics.tables.conversations import CONVERSATIONS
from conv_analytics.tables.kinds import recode

_MEMBER_ID = "member_id"
_STATES = pa.array([str(state) for state in MemberState])


def without_member_states(conversations: pa.Table) -> pa.Table:
    """Rows of conversations, with the state of a membership in ``extra`` instead of ``state``."""
    words = pc.utf8_upper(pc.utf8_trim_whitespace(conversations["state"].cast(pa.string())))
    rows = _with_member_id(conversations, pc.is_in(words, _STATES))
    if not rows:
        return conversations
    states, extras = conversations["state"].to_pylist(), conversations["extra"].to_pylist()
    for row in rows:
        extras[row] = f'{{"state":{json.dumps(states[row])},{extras[row][1:]}'
        states[row] = None
    extra_column = pa.array(extras, pa.string())
    return _with(_with(conversations, "state", _state_column(states)), "extra", extra_column)


def with_known_states(conversations: pa.Table, earlier: Mapping[str, str | None] | None = None) -> pa.Table:
    """Rows of conversations, in which those of a user's list have the state of the row before, if there is any.

    Parameters
    ----------
    conversations
        The rows, in the order of their time.
    earlier
        The states known before, by conversation.
    """
    rows = of_memberships(conversations)
    if not rows:
        return conversations
    known, states = dict(earlier or {}), conversations["state"].to_pylist()
    for row, name in enumerate(conversations["conversation_id"].to_pylist()):
        if row in rows:
            states[row] = known.get(name)
        else:
            known[name] = states[row]
    return _with(conversations, "state", _state_column(states))


def of_memberships(conversations: pa.Table) -> frozenset[int]:
    """The rows from the list of a user's conversations, whose state is not known."""
    return _with_member_id(conversations, conversations["state"].is_null())


def _with_member_id(conversations: pa.Table, chosen: pa.ChunkedArray) -> frozenset[int]:
    """The chosen rows with a ``member_id`` in ``extra``."""
    named = pc.match_substring(conversations["extra"].cast(pa.string()), f'"{_MEMBER_ID}"')
    wanted = pc.fill_null(pc.and_(chosen, named), fill_value=False).to_numpy()
    extras, result = conversations["extra"], set()
    for row in np.flatnonzero(wanted).tolist():
        try:
            extra = json.loads(extras[row].as_py())
        except (ValueError, RecursionError):
            # Damaged JSON is kept as received.
            continue
        if extra.get(_MEMBER_ID):
            result.add(row)
    return frozenset(result)


def _state_column(states: list[str | None]) -> pa.DictionaryArray:
    encoded = pa.array(states, pa.string()).dictionary_encode()
    return recode(CONVERSATIONS["state"].kind, encoded.dictionary.to_pylist(), encoded.indices)


def _with(rows: pa.Table, name: str, column: pa.Array) -> pa.Table:
    place = rows.schema.get_field_index(name)
    return rows.set_column(place, rows.schema.field(name).with_type(column.type), column)


__all__ = ["of_memberships", "with_known_states", "without_member_states"]
