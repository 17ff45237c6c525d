"""Cutting a chunk into slices that are read as one block each, of about the same size however wide the rows are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from changeover.transfer.chunks import Range
from changeover.transfer.reading import Reader

#: Bytes that a block should have: large enough for few round trips, small enough to keep several copies of.
BLOCK_BYTES: Final = 500_000
#: Rows of the first block, when nobody knows how wide they are.
_FIRST_ROWS: Final = 1_000
_MOST_ROWS: Final = 20_000
#: Keys of integers that are this much rarer than rows are not counted through, but looked for.
_SPARSE: Final = 4


@dataclass(slots=True)
class Slices:
    """Cuts the chunks of one table; learns from every block how many rows the next one should have."""

    reader: Reader
    rows: int = _FIRST_ROWS

    def learn(self, rows: int, size: int) -> None:
        """A block of *rows* rows had *size* bytes."""
        if rows:
            self.rows = max(1, min(_MOST_ROWS, rows * BLOCK_BYTES // max(size, 1)))

    def halve(self) -> None:
        """A block was too large."""
        self.rows = max(1, self.rows // 2)

    def cut(self, area: Range) -> tuple[Range, Range | None]:
        """The next slice of *area*, and what is left of it."""
        if area.upto is None or area.after is None or not _dense(area, self.reader.plan.chunk_rows):
            upto = self.reader.boundary(area, self.rows)
        else:
            upto = (min(area.after[0] + self.rows, area.upto[0]),)
        if upto is None or upto == area.upto:
            return area, None
        return Range(area.after, upto), Range(upto, area.upto)


def _dense(area: Range, chunk_rows: int) -> bool:
    after, upto = area.after or (), area.upto or ()
    return len(after) == len(upto) == 1 and type(after[0]) is type(upto[0]) is int and upto[0] - after[0] <= _SPARSE * chunk_rows
