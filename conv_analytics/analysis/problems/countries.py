"""The country of each leg's far end, as in `legs`; for very many numbers, by their first digits."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from conv_analytics.analysis.entities.parties import country_of
from conv_analytics.analysis.entities.regions import network_country
from conv_analytics.analysis.problems.observations import Codes, Ints

#: Above this many distinct numbers, one per prefix is looked up: each takes a fraction of a ms.
MANY, DIGITS = 20_000, 7
_NUMBER = re.compile(r"\+?[0-9]{7,15}|\+?[0-9]{1,3}x[0-9a-f]{6,}")


def of_legs(remote: Codes, kinds: Codes, networks: Codes) -> Codes:
    """The country of the number, else that of the network; none for other addresses."""
    of_number, place_of_number = _of_numbers(remote.labels)
    numbered = kinds.is_in("e164", "masked")
    hidden = kinds.is_in("anonymous", "other")
    of_network = [network_country(str(networks.labels[place])) for place in range(len(networks.labels))]
    names, codes = _factorized([*of_number, *of_network])
    code_of_number = codes[: len(of_number)][place_of_number]
    by_number = np.append(code_of_number, np.int32(-1))[remote.codes]
    by_network = np.append(codes[len(of_number) :], np.int32(-1))[networks.codes]
    by_number = np.where(numbered, by_number, -1)
    by_network = np.where(numbered | hidden, by_network, -1)
    return Codes(np.where(by_number >= 0, by_number, by_network), names)


def _factorized(values: Sequence[str | None]) -> tuple[list[str], np.ndarray]:
    codes, names = pd.factorize(pd.Series(list(values), dtype="object"))
    return [str(name) for name in names], codes.astype(np.int32)


def _of_numbers(labels: Sequence[str]) -> tuple[list[str | None], Ints]:
    """The countries of some numbers, and the index of each label's country."""
    if len(labels) <= MANY:
        return [_country(labels[place]) for place in range(len(labels))], np.arange(len(labels))
    texts = getattr(labels, "array", None)
    texts = pa.array(list(labels)) if texts is None else texts
    start = pc.dictionary_encode(pc.utf8_slice_codeunits(pc.utf8_ltrim(texts, characters="+"), 0, DIGITS))
    places: Ints = start.indices.to_numpy(zero_copy_only=False)
    _, first = np.unique(places, return_index=True)
    return [_country(str(texts[int(place)].as_py())) for place in first], places


def _country(number: str) -> str | None:
    return country_of(number.strip())[0] if _NUMBER.fullmatch(number.strip()) else None


__all__ = ["of_legs"]
