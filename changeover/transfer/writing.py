"""Writing rows: converted, checked, inserted; the ones that cannot be are found by halving and put aside."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from changeover.transfer.changes import Unfit
from changeover.transfer.chunks import Key
from changeover.transfer.control import DeadLetter
from changeover.transfer.dialects import Complaint, Dialect
from changeover.transfer.pace import Pace
from changeover.transfer.planning import TablePlan, converted
from changeover.transfer.reading import Row


@dataclass(slots=True)
class Outcome:
    """What became of rows."""

    read: int = 0
    written: int = 0
    letters: list[DeadLetter] = field(default_factory=list)
    keys: list[Key] = field(default_factory=list)  # in the target; only where they are asked for


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes rows of one table inside the caller's transaction."""

    connection: sa.Connection
    dialect: Dialect
    plan: TablePlan
    keep_keys: bool  # whether the outcome shall hold the keys

    def write(self, rows: Sequence[Row], outcome: Outcome, pace: Pace) -> None:
        """Write what can be written, put the rest aside.

        Raises:
            Stopped: the step has to stop; the transaction is to be rolled back.
        """
        outcome.read += len(rows)
        ready = self.ready(rows, outcome)
        self.insert(ready, outcome, pace)

    def ready(self, rows: Sequence[Row], outcome: Outcome) -> list[tuple[Row, tuple[Any, ...]]]:
        """Rows with what the target shall hold: column by column, and one by one only where a column has a misfit."""
        try:
            return list(zip(rows, self._columns(rows), strict=True))
        except Unfit:
            pass
        good = []
        for row in rows:
            try:
                good.append((row, next(self._columns([row]))))
            except Unfit as misfit:
                outcome.letters.append(self._misfit(row, misfit))
        return good

    def _columns(self, rows: Sequence[Row]) -> Iterator[tuple[Any, ...]]:
        read = iter(zip(*rows, strict=True))
        columns = [
            converted(feed, next(read)) if feed.expression else list(converted(feed, [feed.constant])) * len(rows)
            for feed in self.plan.feeds
        ]
        return zip(*columns, strict=True)

    def _misfit(self, row: Row, refused: Unfit) -> DeadLetter:
        place = 0
        for feed in self.plan.feeds:
            value = row[place] if feed.expression else feed.constant
            place += bool(feed.expression)
            try:
                converted(feed, [value])
            except Unfit as misfit:
                return self.letter(row, Complaint("unfit", misfit.why, feed.target.name))
        # a function of the project thought better of it
        return self.letter(row, Complaint("unfit", refused.why, ""))

    def letter(self, row: Row, complaint: Complaint) -> DeadLetter:
        names = [feed.source.name if feed.source else feed.target.name for feed in self.plan.feeds if feed.expression]
        raw = dict(zip(names, row, strict=False)) | self._key_values(row)
        return DeadLetter(self.key_of(row), complaint.column, complaint.code, complaint.reason, raw)

    def _key_values(self, row: Row) -> dict[str, Any]:
        return dict(zip([column.name for column in self.plan.key], self.key_of(row), strict=True))

    def key_of(self, row: Row) -> Key:
        """The source's key of a row as it was read."""
        return tuple(row[-len(self.plan.key) :])

    def insert(self, rows: Sequence[tuple[Row, tuple[Any, ...]]], outcome: Outcome, pace: Pace) -> None:
        if not rows:
            return
        pace.went(0)
        try:
            with self.connection.begin_nested():  # a savepoint
                self.dialect.write(self.connection, self.plan.target.name, self.plan.columns, [ready for _, ready in rows])
        except Exception as error:
            complaint = self.dialect.complaint(error)
            if complaint is None:
                raise
            if len(rows) == 1:
                outcome.letters.append(self.letter(rows[0][0], complaint))
                return
        else:
            outcome.written += len(rows)
            if self.keep_keys:
                outcome.keys += [tuple(ready[place] for place in self.plan.handle) for _, ready in rows]
            return
        half = len(rows) // 2
        self.insert(rows[:half], outcome, pace)
        self.insert(rows[half:], outcome, pace)
