from __future__ import annotations

from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from changeover.transfer.chunks import Range
from changeover.transfer.reading import Reader
from changeover.transfer.slices import BLOCK_BYTES, Slices


class Keys:
    """A source that holds these keys."""

    def __init__(self, keys: list[int], chunk_rows: int) -> None:
        self.keys = sorted(keys)
        self.plan = type("Plan", (), {"chunk_rows": chunk_rows})

    def boundary(self, area: Range, rows: int) -> tuple[int] | None:
        held = self.within(area)
        return (held[rows - 1],) if len(held) >= rows else None

    def within(self, area: Range) -> list[int]:
        after, upto = area.after, area.upto
        return [key for key in self.keys if (after is None or key > after[0]) and (upto is None or key <= upto[0])]


@given(
    st.lists(st.integers(-1000, 1000), min_size=1, unique=True),
    st.integers(1, 50),
    st.lists(st.tuples(st.integers(0, 60), st.integers(1, 3 * BLOCK_BYTES)), min_size=1, max_size=5),
    st.booleans(),
)
def test_slices_cover_a_chunk_without_gap_or_overlap(
    keys: list[int], chunk_rows: int, learned: list[tuple[int, int]], bounded: Any
) -> None:
    source = Keys(keys, chunk_rows)
    slices = Slices(cast("Reader", source), rows=3)
    left: Range | None = Range((source.keys[0] - 1,), (source.keys[-1],)) if bounded else Range(None, (source.keys[-1],))
    seen: list[int] = []
    turn = 0
    while left is not None:
        piece, rest = slices.cut(left)
        assert piece.after == left.after
        assert rest is None or (rest.after, rest.upto) == (piece.upto, left.upto)
        seen += source.within(piece)
        left = rest
        slices.learn(*learned[turn % len(learned)])
        turn += 1
    assert seen == source.keys


def test_wide_rows_make_smaller_slices() -> None:
    slices = Slices(cast("Reader", Keys([1], 1)))
    slices.learn(1000, 100 * BLOCK_BYTES)
    assert slices.rows == 10
    slices.halve()
    assert slices.rows == 5
