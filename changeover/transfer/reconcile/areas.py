"""How a table is cut up to find where it differs: ranges of an integer key, or shares of the rows by the hash of any other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import sqlalchemy as sa

from changeover.transfer.digests import Portion
from changeover.transfer.reading import bound, literal

#: Rows of one area: few enough to fetch when it differs, many enough that asking costs little.
AREA_ROWS: Final = 2_500
#: So many times as many, when areas that differ are cut into pieces; and bytes of all rows of one, as far as that is known.
_BLOCK_AREAS: Final = 4
_BLOCK_BYTES: Final = 4_000_000
_MOST_SHARES: Final = 8_192


@dataclass(frozen=True, slots=True)
class Span:
    """The rows with ``after`` < key <= ``upto``; None leaves that side open."""

    after: int | None
    upto: int | None

    def conditions(self, portion: Portion) -> list[sa.ColumnElement[bool]]:
        """In SQL, for a key of one integer column."""
        key: sa.ColumnElement[Any] = literal(portion.key[0].sql)
        found = []
        if self.after is not None:
            found.append(key > bound(self.after))
        if self.upto is not None:
            found.append(key <= bound(self.upto))
        return found

    def pieces(self, number: int, lowest: int, highest: int) -> Sequence[Span]:
        """At most so many spans that cover it, of keys between *lowest* and *highest*; itself when there is nothing to cut."""
        after = lowest - 1 if self.after is None else self.after
        upto = highest if self.upto is None else self.upto
        width = max(1, -(-(upto - after) // number))
        ends = [self.after, *range(after + width, upto, width), self.upto]
        return [Span(*pair) for pair in pairwise(ends)]


def block_rows(row_bytes: int) -> int:
    """Rows of an area that is joined as a whole, each of about so many bytes."""
    return max(1, min(_BLOCK_AREAS * AREA_ROWS, _BLOCK_BYTES // max(1, row_bytes)))


def spans(lowest: int, highest: int, rows: int, *, each: int) -> Iterator[Span]:
    """Spans of about *each* rows; the first and the last are open, so that none is left out."""
    number = max(1, -(-rows // each))
    width = max(1, -(-(highest - lowest + 1) // number))
    after: int | None = None
    for upto in range(lowest - 1 + width, highest, width):
        yield Span(after, upto)
        after = upto
    yield Span(after, None)


def shares(rows: int) -> int:
    """Into how many shares the rows of a table are dealt out by the hash of their key."""
    return max(1, min(_MOST_SHARES, rows // 1_000))
