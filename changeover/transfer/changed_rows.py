"""Reading what changed in the source since a watermark, a batch at a time, so that a pass can go on where it stopped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from changeover.transfer.catching_up import buried_where, watermark_of
from changeover.transfer.chunks import Key, key_of, key_text
from changeover.transfer.reading import Reader, Row, authored, beyond, bound, column, literal
from changeover.transfer.watermarks import Watermarks

#: Rows of one transaction.
BATCH_ROWS: Final = 1_000


@dataclass(frozen=True, slots=True)
class Place:
    """How far a pass has read: first the rows that do not say when they changed, then the others as they changed."""

    dated: bool = False
    after: Key | None = None  # the key; of the dated ones: watermark and key

    @property
    def text(self) -> list[Any]:
        """For the checkpoint."""
        return [self.dated, key_text(self.after)]

    @classmethod
    def of(cls, text: Sequence[Any]) -> Place:
        """What :attr:`text` said."""
        return cls(bool(text[0]), key_of(text[1]))


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows that were read together."""

    rows: Sequence[Row]  # as a Reader reads them
    fresh: int  # changed since the last pass began; the others are read again, to be sure
    place: Place  # behind them


@dataclass(frozen=True, slots=True)
class ChangedRows:
    """Reads what changed in one table."""

    reader: Reader
    marks: Watermarks

    @property
    def _names(self) -> tuple[str, ...]:
        return tuple(part.name for part in self.reader.plan.key)

    def since(self, low: str | None, known: str | None, place: Place) -> Iterator[Batch]:
        """Rows changed at *low* or later, behind *place*; those after *known* are fresh."""
        if not place.dated:
            yield from self._undated(place)
            place = Place(dated=True)
        yield from self._dated(low, known, place)

    def _undated(self, place: Place) -> Iterator[Batch]:
        while True:
            select = self.reader.rows().where(self.marks.unknown()).order_by(*[column(name) for name in self._names])
            if place.after is not None:
                select = select.where(beyond(self._names, place.after))
            found = self.reader.fetch(select.limit(BATCH_ROWS))
            if found:
                place = Place(after=tuple(found[-1][-len(self._names) :]))
                yield Batch(found, 0, place)
            if len(found) < BATCH_ROWS:
                return

    def _dated(self, low: str | None, known: str | None, place: Place) -> Iterator[Batch]:
        by = watermark_of(self.reader.plan).name
        width = len(self._names)
        fresh = sa.case((self.marks.since(known) if known is None else column(by) > bound(known), 1), else_=0)
        while True:
            # behind the values of the feeds, before the key: there nobody else looks
            select = self.reader.rows(literal(self.marks.read_as).label("changed"), fresh.label("fresh"))
            select = select.where(self.marks.since(low)).order_by(column(by), *[column(name) for name in self._names])
            if place.after is not None:
                select = select.where(beyond((by, *self._names), place.after))
            found = self.reader.fetch(select.limit(BATCH_ROWS))
            if found:
                last = found[-1]
                place = Place(dated=True, after=(str(last[-width - 2]), *last[-width:]))
                yield Batch(found, sum(int(row[-width - 1]) for row in found), place)
            if len(found) < BATCH_ROWS:
                return

    def buried(self, low: str | None) -> Iterator[Sequence[Key]]:
        """The keys of rows that say that they are deleted, and said so at *low* or later."""
        plan = self.reader.plan
        condition = buried_where(plan.mapping, self.reader.connection.dialect)
        if not condition:
            return
        after: Key | None = None
        while True:
            keys = [literal(expression).label(f"k{place}") for place, expression in enumerate(plan.key_expressions)]
            select = sa.select(*keys).select_from(plan.source.name.clause).where(authored(condition))
            select = select.where(sa.or_(self.marks.since(low), self.marks.unknown()))
            if after is not None:
                select = select.where(beyond(self._names, after))
            found = [
                tuple(row)
                for row in self.reader.fetch(select.order_by(*[column(name) for name in self._names]).limit(BATCH_ROWS))
            ]
            if found:
                yield found
                after = found[-1]
            if len(found) < BATCH_ROWS:
                return
