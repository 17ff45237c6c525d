from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from changeover.runbook.ranges import RangeInvalid, expanded


@pytest.mark.parametrize(
    ("written", "names"),
    [
        ("app-1", ("app-1",)),
        ("www[01:03].example.org", ("www01.example.org", "www02.example.org", "www03.example.org")),
        ("www[01:09:4]", ("www01", "www05", "www09")),
        ("db-[a:c]", ("db-a", "db-b", "db-c")),
        ("db-[y:B]", ("db-y", "db-z", "db-A", "db-B")),
        ("[8:11]", ("8", "9", "10", "11")),
        ("r[1:2]-[a:b]", ("r1-a", "r1-b", "r2-a", "r2-b")),
    ],
)
def test_a_range_stands_for_every_name_from_first_to_last(written: str, names: tuple[str, ...]) -> None:
    assert expanded(written) == names


@pytest.mark.parametrize(
    "written",
    [
        "a[1:2",
        "a1:2]",
        "a[]",
        "a[1]",
        "a[1:]",
        "a[b:1]",
        "a[2:1]",
        "a[z:a]",
        "a[1:9:0]",
        "a[01:100]",
        "a[1:99999]",
        "[0:999][0:999]",
    ],
)
def test_a_range_that_stands_for_nothing_or_for_too_much_is_refused(written: str) -> None:
    with pytest.raises(RangeInvalid, match="is no range: ") as refused:
        expanded(written)
    assert "seat[001:200]" in refused.value.hint


@given(first=st.integers(0, 999), more=st.integers(0, 300), step=st.integers(1, 7), wide=st.integers(4, 6))
def test_names_of_a_padded_range_are_equally_long_in_order_and_each_once(first: int, more: int, step: int, wide: int) -> None:
    names = expanded(f"seat[{first:0{wide}}:{first + more:0{wide}}:{step}]")
    assert [int(name[4:]) for name in names] == list(range(first, first + more + 1, step))
    assert {len(name) for name in names} == {4 + wide}


@given(st.text(alphabet="a1[]:9 ", max_size=12))
def test_any_text_is_spread_out_or_refused(text: str) -> None:
    with suppress(RangeInvalid):
        assert expanded(text)
