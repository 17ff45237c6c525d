"""How a table is cut up to find where it differs: ranges of an integer key, or shares of the rows by the hash of any other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from changeover.transfer.digests import Portion
from changeover.transfer.reading import bound, literal

#: Rows of one area: few enough to fetch when it differs, many enough that asking costs little.
AREA_ROWS: Final = 2_500
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

    def halves(self, lowest: int, highest: int) -> tuple[Span, Span] | None:
        """Two spans that cover it, of keys between *lowest* and *highest*; None when there is nothing to cut."""
        after = lowest - 1 if self.after is None else self.after
        upto = highest if self.upto is None else self.upto
        if upto - after < 2:  # noqa: PLR2004 - one key
            return None
        middle = (after + upto) // 2
        return Span(self.after, middle), Span(middle, self.upto)


def spans(lowest: int, highest: int, rows: int) -> Iterator[Span]:
    """Spans of about ``AREA_ROWS`` rows each; the first and the last are open, so that none is left out."""
    number = max(1, -(-rows // AREA_ROWS))
    width = max(1, -(-(highest - lowest + 1) // number))
    after: int | None = None
    for upto in range(lowest - 1 + width, highest, width):
        yield Span(after, upto)
        after = upto
    yield Span(after, None)


def shares(rows: int) -> int:
    """Into how many shares the rows of a table are dealt out by the hash of their key."""
    return max(1, min(_MOST_SHARES, rows // 1_000))
