"""Reading the source by keyset, in batches small enough to keep."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import types

from changeover.transfer.chunks import Key, Range, integer_ranges, is_dense, ranges_between
from changeover.transfer.planning import TablePlan
from changeover.transfer.shapes import Sort
from changeover.transfer.sqlite import undecodable

#: Rows read, converted and written at a time: at first, and at most.
_FIRST_ROWS: Final = 500
BATCH_ROWS: Final = 2_000
#: Bytes of text that a batch should have at most, so that wide rows do not fill the memory.
_BATCH_BYTES: Final = 4_000_000
#: Rows looked at to guess how wide the others are.
_SAMPLE: Final = 20

Row = Sequence[Any]


@dataclass(frozen=True, slots=True)
class Extent:
    """How much there is to copy."""

    rows: int
    ranges: tuple[Range, ...]


def column(name: str) -> sa.ColumnClause[Any]:
    """A column without a type, so that values go to the driver as they are."""
    return sa.column(name)


def bound(value: Any) -> sa.BindParameter[Any]:
    """A bound value without a type."""
    return sa.bindparam(None, value, type_=types.NullType(), unique=True)


def beyond(names: Sequence[str], key: Key) -> sa.ColumnElement[bool]:
    """Rows whose key is greater. Written out, because not every optimizer finds a range in a row comparison."""
    first, value = column(names[0]), bound(key[0])
    if len(names) == 1:
        return first > value
    return sa.and_(first >= value, sa.or_(first > bound(key[0]), sa.and_(first == bound(key[0]), beyond(names[1:], key[1:]))))


def up_to(names: Sequence[str], key: Key) -> sa.ColumnElement[bool]:
    """Rows whose key is not greater."""
    first, value = column(names[0]), bound(key[0])
    if len(names) == 1:
        return first <= value
    return sa.and_(first <= value, sa.or_(first < bound(key[0]), sa.and_(first == bound(key[0]), up_to(names[1:], key[1:]))))


def within(names: Sequence[str], area: Range) -> list[sa.ColumnElement[bool]]:
    """The conditions of a range."""
    conditions = []
    if area.after is not None:
        conditions.append(beyond(names, area.after))
    if area.upto is not None:
        conditions.append(up_to(names, area.upto))
    return conditions


def literal(expression: str) -> sa.ColumnElement[Any]:
    """An expression, taken as it is: colons and per cent signs mean nothing in it."""
    return sa.literal_column(expression)


def authored(expression: str) -> sa.ColumnElement[Any]:
    """An expression that an author wrote, kept together, even when it ends in a comment."""
    return sa.literal_column(f"({expression}\n)")


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads one table of the source."""

    connection: sa.Connection
    plan: TablePlan

    @property
    def _names(self) -> tuple[str, ...]:
        return tuple(part.name for part in self.plan.key)

    def _filtered(self, select: sa.Select[Any]) -> sa.Select[Any]:
        select = select.select_from(self.plan.source.name.clause)
        return select.where(authored(self.plan.mapping.where)) if self.plan.mapping.where else select

    def count(self) -> int:
        """The rows there are now."""
        return int(self.connection.execute(self._filtered(sa.select(sa.func.count()))).scalar_one())

    def understand(self, expression: str) -> None:
        """Ask for an expression of no row, or for no row at all where it is empty: what the server does not know it says now."""
        wanted = authored(expression) if expression else sa.literal(1)
        self.connection.execute(self._filtered(sa.select(wanted)).where(sa.literal_column("1 = 0"))).all()

    def figures(self, expressions: Sequence[sa.ColumnElement[Any]]) -> Sequence[Any]:
        """Aggregates over all rows, in one scan."""
        return self.connection.execute(self._filtered(sa.select(*expressions))).one()

    def extent(self) -> Extent:
        """The rows, and the ranges that cover them all."""
        rows = self.count()
        if not rows:
            return Extent(0, ())
        if len(self.plan.key) == 1 and self.plan.key[0].sort is Sort.INTEGER:
            part = column(self._names[0])
            lowest, highest = self.connection.execute(self._filtered(sa.select(sa.func.min(part), sa.func.max(part)))).one()
            if type(lowest) is type(highest) is int and is_dense(lowest, highest, rows):
                return Extent(rows, tuple(integer_ranges(lowest, highest, rows, self.plan.chunk_rows)))
        return Extent(rows, tuple(ranges_between(self._boundaries())))

    def _keys(self) -> list[sa.ColumnElement[Any]]:
        return [literal(expression).label(f"k{place}") for place, expression in enumerate(self.plan.key_expressions)]

    def _boundaries(self) -> Iterator[Key]:
        """The key of every chunk's last row."""
        order = [column(name) for name in self._names]
        last = self.connection.execute(
            self._filtered(sa.select(*self._keys())).order_by(*[c.desc() for c in order]).limit(1)
        ).one()
        after: Key | None = None
        while True:
            select = self._filtered(sa.select(*self._keys())).order_by(*order).limit(1).offset(self.plan.chunk_rows - 1)
            if after is not None:
                select = select.where(beyond(self._names, after))
            found = self.connection.execute(select).first()
            if found is None or tuple(found) == tuple(last):
                yield tuple(last)
                return
            after = tuple(found)
            yield after

    def keys(self, number: int) -> Iterator[Sequence[Key]]:
        """The keys of all rows, so many at a time."""
        after: Key | None = None
        while True:
            select = self._filtered(sa.select(*self._keys())).order_by(*[column(name) for name in self._names]).limit(number)
            found = [tuple(row) for row in self.fetch(select.where(beyond(self._names, after)) if after is not None else select)]
            if found:
                yield found
                after = found[-1]
            if len(found) < number:
                return

    def batches(self, area: Range, rows: int = _FIRST_ROWS) -> Iterator[Sequence[Row]]:
        """The rows of a range: the feeds' values in order, then the key. The first batch has *rows* rows."""
        width = len(self.plan.key)
        while True:
            select = self.rows().where(*within(self._names, area)).order_by(*[column(name) for name in self._names]).limit(rows)
            found = self.fetch(select)
            if found:
                yield found
            if len(found) < rows:
                return
            area = Range(tuple(found[-1][-width:]), area.upto)
            rows = _affordable(found)

    def boundary(self, area: Range, rows: int) -> Key | None:
        """The key of the last one of the first *rows* rows of a range; None when it has fewer."""
        order = [column(name) for name in self._names]
        select = self._filtered(sa.select(*self._keys())).where(*within(self._names, area)).order_by(*order)
        found = self.connection.execute(select.limit(1).offset(rows - 1)).first()
        return None if found is None else tuple(found)

    def rows_at(self, keys: Sequence[Key]) -> Sequence[Row]:
        """The rows with exactly these keys, as far as they are there."""
        found: list[Row] = []
        for key in keys:
            conditions = [column(name) == bound(value) for name, value in zip(self._names, key, strict=True)]
            found += self.fetch(self.rows().where(*conditions))
        return found

    def rows(self, *more: sa.ColumnElement[Any]) -> sa.Select[Any]:
        """Every row: the feeds' values in order, *more*, then the key."""
        feeds = [literal(feed.expression).label(f"f{place}") for place, feed in enumerate(self.plan.feeds) if feed.expression]
        return self._filtered(sa.select(*feeds, *more, *self._keys()))

    def fetch(self, select: sa.Select[Any]) -> Sequence[Row]:
        """What a query finds; text that is not UTF-8 with surrogates."""
        try:
            return self.connection.execute(select).all()
        except sa.exc.OperationalError as error:
            if not undecodable(error):
                raise
        # from here on such text arrives with surrogates, and the value check names the row
        driver: Any = self.connection.connection.driver_connection
        driver.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
        return self.connection.execute(select).all()

    def empty_keys(self) -> int:
        """Rows whose key is NULL: no range would ever hold them."""
        doubtful = [part.name for part in self.plan.key if part.nullable]
        if not doubtful:
            return 0
        select = self._filtered(sa.select(sa.func.count())).where(sa.or_(*[column(name).is_(None) for name in doubtful]))
        return int(self.connection.execute(select).scalar_one())

    def key_is_unique(self) -> bool:
        """Whether no two rows share a key: by constraint, else by looking."""
        names = set(self._names)
        unique = [self.plan.source.primary_key, *self.plan.source.unique]
        if any(columns and set(columns) <= names for columns in unique):
            return True
        parts = [column(name) for name in self._names]
        twice = self._filtered(sa.select(*parts)).group_by(*parts).having(sa.func.count() > 1).limit(1)
        return self.connection.execute(twice).first() is None


def _affordable(rows: Sequence[Row]) -> int:
    """How many rows like these a batch may have."""
    sample = rows[:: max(1, len(rows) // _SAMPLE)]
    size = sum(len(value) for row in sample for value in row if isinstance(value, str | bytes))
    return max(1, min(BATCH_ROWS, _BATCH_BYTES * len(sample) // max(size, 1)))
