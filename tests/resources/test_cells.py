"""Each cell kind: what is forgiven, what is refused, and that nothing else ever happens."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conv_analytics.resources import CallDirection, ChannelType, EventType, cells
from conv_analytics.resources.cells import Unreadable

HUGE = 10**5000
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters())
    | st.sampled_from([2**63, 10**400, -(10**45)]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.parametrize(
    ("read", "written", "value"),
    [
        (cells.text, "0042#", "0042#"),
        (cells.text, "", ""),
        (cells.text, 442079460123, "442079460123"),
        (cells.text, "Grüße ✅", "Grüße ✅"),
        (cells.integer, " 372 ", 372),
        (cells.integer, "-7", -7),
        (cells.integer, 41.0, 41),
        (cells.integer, 2**63 - 1, 2**63 - 1),
        (cells.integer, "-9223372036854775808", -(2**63)),
        (cells.number, "0.94", 0.94),
        (cells.number, "1e3", 1000.0),
        (cells.number, 3, 3.0),
        (cells.flag, "false", False),
        (cells.flag, " TRUE ", True),
        (cells.flag, 0, False),
        (cells.flag, "1", True),
        (cells.money, "0.04218000", Decimal("0.04218000")),
        (cells.money, 0.1, Decimal("0.1")),
        (cells.money, "-.5", Decimal("-0.5")),
        (cells.money, "0.10000000000000", Decimal("0.1")),
        (cells.money, "0.1" + "0" * 60, Decimal("0.1")),
        (cells.money, "9999999999." + "9" * 18, Decimal("9999999999." + "9" * 18)),
        (cells.money, "-0.000000000000000001", Decimal("-1e-18")),
        (cells.money, "1e-9", Decimal("0.000000001")),
        (cells.money, "5e9", Decimal(5_000_000_000)),
        (cells.money, "0e400", Decimal(0)),
        (cells.money, "0" * 60 + "1", Decimal(1)),
        (cells.instant, "2026-02-03T08:14:09Z", datetime(2026, 2, 3, 8, 14, 9, tzinfo=UTC)),
        (cells.instant, "2026-02-03T08:14:09.7Z", datetime(2026, 2, 3, 8, 14, 9, 700_000, tzinfo=UTC)),
        (cells.instant, "2026-02-03T08:14:09.1234567Z", datetime(2026, 2, 3, 8, 14, 9, 123_456, tzinfo=UTC)),
        (cells.instant, "2026-02-03T08:14:09+00:00", datetime(2026, 2, 3, 8, 14, 9, tzinfo=UTC)),
        (cells.instant, "2026-02-03 10:14:09+02:00", datetime(2026, 2, 3, 8, 14, 9, tzinfo=UTC)),
        (cells.instant, "2026-02-03T08:14:09", datetime(2026, 2, 3, 8, 14, 9, tzinfo=UTC)),
    ],
)
def test_what_is_forgiven(read: Any, written: object, value: object) -> None:
    found = read(written)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("read", "written"),
    [
        (cells.text, None),
        (cells.text, True),
        (cells.text, {}),
        (cells.text, "\ud800"),
        pytest.param(cells.text, HUGE, id="text-huge"),
        (cells.text, float("nan")),
        (cells.integer, True),
        (cells.integer, "12.5"),
        (cells.integer, 12.5),
        (cells.integer, 2**63),
        (cells.integer, "9223372036854775808"),
        (cells.integer, "1_000"),
        (cells.integer, "٣"),
        (cells.integer, float("inf")),
        (cells.number, "nan"),
        (cells.number, float("inf")),
        (cells.number, "1_0.5"),
        pytest.param(cells.number, HUGE, id="number-huge"),
        (cells.number, False),
        (cells.flag, "yes"),
        (cells.flag, 2),
        pytest.param(cells.flag, HUGE, id="flag-huge"),
        (cells.flag, None),
        (cells.money, "0.1234567890123456789"),
        (cells.money, "1e-19"),
        (cells.money, "10000000000"),
        (cells.money, "1e10"),
        (cells.money, "0.123456789012345678" + "0" * 30 + "1"),
        (cells.money, "1E+9999999"),
        (cells.money, "NaN"),
        (cells.money, "1_000"),
        (cells.money, True),
        (cells.instant, "yesterday"),
        (cells.instant, ""),
        (cells.instant, 1770106449),
        (cells.instant, "0001-01-01T00:00:00+23:00"),
        (cells.instant, "2026-02-30T00:00:00Z"),
    ],
)
def test_what_is_refused(read: Any, written: object) -> None:
    with pytest.raises(Unreadable):
        read(written)


@given(ANYTHING)
def test_a_cell_reads_or_refuses_and_does_nothing_else(value: object) -> None:
    readers = (
        cells.text,
        cells.integer,
        cells.number,
        cells.flag,
        cells.instant,
        cells.money,
        cells.choice(EventType),
    )
    for read in readers:
        try:
            read(value)
        except Unreadable:
            continue


@given(st.decimals(min_value=-(10**9), max_value=10**9, places=18))
def test_money_keeps_every_decimal(amount: Decimal) -> None:
    assert cells.money(str(amount)) == amount


@given(st.integers(-(2**63), 2**63 - 1))
def test_a_number_and_its_digits_are_the_same(value: int) -> None:
    assert cells.integer(str(value)) == cells.integer(value) == value


@given(st.datetimes(timezones=st.just(UTC)))
def test_an_instant_survives_being_written(moment: datetime) -> None:
    assert cells.instant(moment.isoformat()) == moment
    assert cells.instant(moment.isoformat().replace("+00:00", "Z")) == moment


def test_a_refusal_does_not_repeat_the_value() -> None:
    with pytest.raises(Unreadable) as refusal:
        cells.integer("my secret")
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize(
    ("vocabulary", "written", "word"),
    [
        (ChannelType, " Phone ", ChannelType.PHONE),
        (ChannelType, "PSTN", ChannelType.PHONE),
        (ChannelType, "vcp", ChannelType.VBC),
        (CallDirection, "in", CallDirection.INBOUND),
        (CallDirection, "OUT", CallDirection.OUTBOUND),
        (EventType, "sip:amd:machine", EventType.SIP_AMD_MACHINE),
        (EventType, "Custom:Order", "Custom:Order"),
        (ChannelType, "", ""),
    ],
)
def test_a_vocabulary_knows_its_words_and_keeps_others(vocabulary: type[StrEnum], written: str, word: str) -> None:
    found = cells.choice(vocabulary)(written)
    assert found == word
    assert type(found) is type(word)


def test_user_data_is_kept_as_it_is() -> None:
    data = {"Order ID": [1, {"retry-count": None}]}
    assert cells.json(data) is data
