"""Carrying the rows of a range into the target: in bulk where that is proven to be the same, else row by row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import sqlalchemy as sa

from changeover.transfer.chunks import Range
from changeover.transfer.dialects import Dialect
from changeover.transfer.pace import Pace
from changeover.transfer.reading import Reader
from changeover.transfer.slices import Slices
from changeover.transfer.writing import Outcome, Writer


class Carrier(Protocol):
    """Takes rows of one table from the source to the target."""

    def carry(self, area: Range, outcome: Outcome) -> None:
        """Write every row of a range inside the caller's transaction, or put it aside.

        Raises:
            Stopped: the step has to stop; the transaction is to be rolled back.
        """
        ...


@dataclass(frozen=True, slots=True)
class RowCarrier:
    """Looks at every value."""

    reader: Reader
    writer: Writer
    pace: Pace

    def carry(self, area: Range, outcome: Outcome) -> None:
        for rows in self.reader.batches(area):
            self.writer.write(rows, outcome, self.pace)
            self.pace.went(len(rows))


@dataclass(slots=True)
class Stretch:
    """How far one COPY came."""

    left: Range | None  # not sent yet
    rows: int = 0
    doubtful: Range | None = None  # stands before what is left, and goes row by row


class Bulk(Protocol):
    """A way to send many rows at once, without looking at their values."""

    def send(self, stretch: Stretch, *, slices: int | None) -> None:
        """Send what is left of *stretch*, at most so many *slices*, up to a slice that has to go row by row."""
        ...


@dataclass(frozen=True, slots=True)
class BulkCarrier:
    """Sends all it can at once. What the target refuses is sent again slice by slice, and a refused slice row by row."""

    connection: sa.Connection
    dialect: Dialect
    bulk: Bulk
    slices: Slices
    rows: RowCarrier

    def carry(self, area: Range, outcome: Outcome) -> None:
        left: Range | None = area
        while left is not None:
            stretch = self._sent(left, outcome, slices=None)
            if stretch is None:
                self._by_slices(left, outcome)
                return
            left = stretch.left

    def _by_slices(self, area: Range, outcome: Outcome) -> None:
        left: Range | None = area
        while left is not None:
            stretch = self._sent(left, outcome, slices=1)
            if stretch is None:
                piece, left = self.slices.cut(left)
                self.rows.carry(piece, outcome)
            else:
                left = stretch.left

    def _sent(self, area: Range, outcome: Outcome, *, slices: int | None) -> Stretch | None:
        """None when the target refuses something of it."""
        stretch = Stretch(area)
        try:
            with self.connection.begin_nested():  # a savepoint
                self.bulk.send(stretch, slices=slices)
        except Exception as error:
            if self.dialect.complaint(error) is None:
                raise
            return None
        outcome.read += stretch.rows
        outcome.written += stretch.rows
        if stretch.doubtful is not None:
            self.rows.carry(stretch.doubtful, outcome)
        return stretch
