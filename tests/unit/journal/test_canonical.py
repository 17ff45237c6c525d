from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from changeover.journal.canonical import clean, moment_of, moment_text, text_of, value_of

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
def test_what_json_knows_comes_back_as_it_was(value: object) -> None:
    assert value_of(text_of(value)) == value


@given(JSON)
def test_what_was_read_is_written_with_the_same_bytes(value: object) -> None:
    assert text_of(value_of(text_of(value))) == text_of(value)


@given(
    st.recursive(
        st.text() | st.floats() | st.binary() | st.dates() | st.decimals(),
        lambda inner: st.tuples(inner) | st.sets(st.integers()),
    )
)
def test_anything_at_all_becomes_json_that_can_be_encoded(value: object) -> None:
    json.loads(text_of({"value": value}).encode())


def test_the_order_of_keys_makes_no_difference() -> None:
    assert text_of({"b": 1, "a": {"d": 2, "c": 3}}) == text_of({"a": {"c": 3, "d": 2}, "b": 1}) == '{"a":{"c":3,"d":2},"b":1}'


def test_an_infinite_rate_is_no_rate() -> None:
    assert value_of(text_of({"rate": float("inf"), "done": 3})) == {"rate": None, "done": 3}


def test_a_decimal_keeps_its_digits() -> None:
    assert value_of(text_of({"balance": Decimal("1234.50")})) == {"balance": "1234.50"}


def test_half_a_surrogate_pair_does_not_stop_the_journal() -> None:
    assert value_of(text_of({"line": "broken \ud83d"})) == {"line": "broken ?"}


@given(st.text())
def test_a_cleaned_text_can_stand_in_a_text_column(text: str) -> None:
    cleaned = clean(text)
    cleaned.encode()
    assert "\0" not in cleaned
    assert len(cleaned) == len(text)


@given(st.datetimes(timezones=st.just(UTC)))
def test_a_moment_comes_back_to_the_microsecond(moment: datetime) -> None:
    assert moment_of(moment_text(moment)) == moment


def test_a_moment_of_another_zone_is_written_in_utc() -> None:
    kyiv = datetime(2027, 3, 13, 21, 0, tzinfo=timezone(timedelta(hours=2)))
    assert moment_text(kyiv) == "2027-03-13T19:00:00.000000+00:00"
