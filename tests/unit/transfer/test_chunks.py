from __future__ import annotations

import bisect
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from changeover.transfer.chunks import Key, Range, integer_ranges, is_dense, key_of, key_text, ranges_between
from changeover.transfer.control import packed, unpacked


def holds(area: Range, key: Key) -> bool:
    return (area.after is None or key > area.after) and (area.upto is None or key <= area.upto)


@given(st.sets(st.integers(-(10**6), 10**6), min_size=1, max_size=200), st.integers(1, 50))
def test_every_integer_key_is_in_exactly_one_range(keys: set[int], chunk_rows: int) -> None:
    ranges = list(integer_ranges(min(keys), max(keys), len(keys), chunk_rows))
    assert all(sum(holds(area, (key,)) for area in ranges) == 1 for key in keys)


@given(st.integers(-(10**6), 10**6), st.integers(1, 3000), st.integers(1, 500))
def test_ranges_over_dense_keys_have_the_wanted_size(lowest: int, count: int, chunk_rows: int) -> None:
    ranges = list(integer_ranges(lowest, lowest + count - 1, count, chunk_rows))
    sizes = [area.upto[0] - area.after[0] for area in ranges if area.upto and area.after]
    assert sum(sizes) == count
    assert all(size == chunk_rows for size in sizes[:-1])
    assert 0 < sizes[-1] <= chunk_rows


@given(st.sets(st.tuples(st.text(max_size=5), st.integers(0, 9)), min_size=1, max_size=100), st.integers(1, 20))
def test_every_composite_key_is_in_exactly_one_range_between_boundaries(keys: set[tuple[str, int]], chunk_rows: int) -> None:
    ordered = sorted(keys)
    boundaries = [*ordered[chunk_rows - 1 :: chunk_rows]]
    if not boundaries or boundaries[-1] != ordered[-1]:
        boundaries.append(ordered[-1])
    ranges = list(ranges_between(boundaries))
    assert all(sum(holds(area, key) for area in ranges) == 1 for key in keys)
    ends = [area.upto for area in ranges]
    assert [bisect.bisect_left(boundaries, key) for key in boundaries] == list(range(len(ends)))


def test_an_empty_table_has_no_ranges() -> None:
    assert list(integer_ranges(0, 0, 0, 100)) == []
    assert list(ranges_between([])) == []


def test_keys_with_wide_gaps_are_not_dense() -> None:
    assert is_dense(1, 100, 60)
    assert not is_dense(1, 10**9, 60)


@pytest.mark.parametrize("key", [(1,), ("a", 2), (b"\x00\xff",), (Decimal("1.10"), "ő😀"), (2**70, True)])
def test_a_key_survives_being_written_down(key: Key) -> None:
    assert key_of(key_text(key)) == key


@given(st.lists(st.tuples(st.integers(-(2**63), 2**64)), max_size=50))
def test_integer_keys_survive_being_packed(keys: list[Key]) -> None:
    assert sorted(unpacked(packed(keys))) == sorted(keys)


@given(st.lists(st.tuples(st.text(max_size=8), st.integers()), max_size=20))
def test_other_keys_survive_being_packed(keys: list[Key]) -> None:
    assert unpacked(packed(keys)) == keys


def test_dense_integer_keys_pack_small() -> None:
    assert len(packed([(number,) for number in range(50_000)])) < 2_000
