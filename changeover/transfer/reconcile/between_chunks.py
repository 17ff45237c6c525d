"""The cheap questions, asked of every chunk that has just arrived: rows, and the figures of its columns, on both sides.

They cost a share of the load's time that is bounded beforehand: whatever would cost more is left to the end, and how much
was looked at is said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import sqlalchemy as sa

from changeover.contracts import Clock
from changeover.counting import counted
from changeover.errors import Setback
from changeover.transfer.chunks import Range
from changeover.transfer.control import ChunkRecord
from changeover.transfer.forms import Form, form_of
from changeover.transfer.planning import TablePlan
from changeover.transfer.questions import exact
from changeover.transfer.quoting import quoted
from changeover.transfer.reading import authored, literal, within
from changeover.transfer.shapes import Column, Sort

#: The part of the load's time that looking may take.
SHARE: Final = 0.10
#: Keys of a chunk whose columns are added up.
_KEYS: Final = 5_000


@dataclass(eq=False)
class ArrivedDifferently(Setback):
    """What stands in the target is not what was sent."""

    table: str
    rows: str
    what: str
    source: str
    target: str

    def __str__(self) -> str:
        return f"table {self.table}, {self.rows}: {self.what} is {self.source} in the source and {self.target} in the target"

    @property
    def hint(self) -> str:
        return (
            "the copy stopped here, every finished chunk is kept; `reconcile` with `checksum` names the rows. "
            "Is the source frozen? Does a trigger of the target change rows?"
        )


@dataclass(frozen=True, slots=True)
class _Figure:
    """A figure that both sides know: how it is called, and the SQL of each."""

    name: str
    source: sa.ColumnElement[Any]
    target: sa.ColumnElement[Any]


@dataclass(slots=True)
class CheapLook:
    """Looks at chunks as they arrive; one for each worker.

    Attributes:
        clock: for its own cost and the load's.
        share: the part of the load's time that looking may take.
    """

    clock: Clock
    share: float = SHARE
    looked: int = 0
    passed_over: int = 0
    _since: float | None = None
    _spent: float = 0.0
    _figures: dict[int, tuple[_Figure, ...]] = field(default_factory=dict)

    @property
    def summary(self) -> str:
        """How much was looked at."""
        return f"{self.looked:,} of {counted(self.looked + self.passed_over, 'chunk')} compared while the load went on"

    def chunk_copied(self, plan: TablePlan, chunk: ChunkRecord, reading: sa.Connection, writing: sa.Connection) -> None:
        """Compare the chunk, unless that would cost too much of the load's time; the first one always is.

        Raises:
            ArrivedDifferently: it is not what was sent.
        """
        now = self.clock.monotonic()
        if self._since is None:
            self._since = now
        elif self._spent > self.share * (now - self._since):
            self.passed_over += 1
            return
        self._look(plan, chunk, reading, writing)
        self._spent += self.clock.monotonic() - now
        self.looked += 1

    def _look(self, plan: TablePlan, chunk: ChunkRecord, reading: sa.Connection, writing: sa.Connection) -> None:
        if not _means_the_same(plan, chunk):
            return
        read, written = _both(plan, chunk.range, (), reading, writing)
        if read[0] != chunk.read or written[0] != chunk.written:
            arrived = f"{written[0]:,} ({chunk.written:,} written, {counted(chunk.rejected, 'dead letter')})"
            raise ArrivedDifferently(plan.into, _keys(chunk.range), "the number of rows", f"{read[0]:,}", arrived)
        if chunk.rejected:
            return  # the figures of the source hold rows that the target need not have
        figures = self._figures.setdefault(plan.number, tuple(_figures(plan, reading, writing)))
        area = _part(chunk.range)
        mine, theirs = _both(plan, area, figures, reading, writing)
        for figure, one, two in zip(figures, mine[1:], theirs[1:], strict=True):
            if exact(one) != exact(two):
                raise ArrivedDifferently(plan.into, _keys(area), figure.name, str(exact(one)), str(exact(two)))


def _means_the_same(plan: TablePlan, chunk: ChunkRecord) -> bool:
    """Whether the chunk's range holds the same rows on both sides: one integer, and no row of others between them."""
    sources = [plan.feeds[place].source for place in plan.handle]
    integer = len(plan.key) == 1 and plan.key[0].sort is Sort.INTEGER and plan.integer_handle is not None
    return integer and sources == [plan.key[0]] and chunk.keys is None


def _figures(plan: TablePlan, reading: sa.Connection, writing: sa.Connection) -> Sequence[_Figure]:
    """Of each column that travels unchanged: how many have a value, and the sum of numbers or the length of texts."""
    found = []
    for feed in plan.feeds:
        source = feed.source
        if source is None or feed.target.name in plan.mapping.filled:
            continue
        one, two = literal(quoted(source.name, reading.dialect)), literal(quoted(feed.target.name, writing.dialect))
        found.append(_Figure(f"the number of values of {feed.target.name}", sa.func.count(one), sa.func.count(two)))
        if "sqlite" not in {reading.dialect.name, writing.dialect.name}:  # it adds up what it takes for numbers
            found += _sums(source, feed.target, (one, two), plan)
    return found


def _sums(
    source: Column, target: Column, both: tuple[sa.ColumnElement[Any], sa.ColumnElement[Any]], plan: TablePlan
) -> Sequence[_Figure]:
    one, two = both
    form = form_of(source, target, alike=True)
    if form in {Form.WHOLE, Form.FIXED} and Sort.BOOLEAN not in {source.sort, target.sort}:
        return (_Figure(f"the sum of {target.name}", sa.func.sum(one), sa.func.sum(two)),)
    text = form is Form.TEXT and not source.fixed and not target.fixed and source.sort is target.sort is Sort.TEXT
    if text and (plan.mapping.text is None or plan.mapping.text.nul == "reject"):
        return (_Figure(f"the length of all {target.name}", _length(one), _length(two)),)
    return ()


def _length(text: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    return sa.func.sum(sa.func.char_length(text))


def _both(
    plan: TablePlan, area: Range, figures: Sequence[_Figure], reading: sa.Connection, writing: sa.Connection
) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    mine = _asked(reading, plan, area, figures, at_source=True)
    with writing.begin():
        return mine, _asked(writing, plan, area, figures, at_source=False)


def _part(area: Range) -> Range:
    """The end of a chunk: its columns are added up for so many keys, its rows are counted for all."""
    after, upto = (end[0] if end is not None else None for end in (area.after, area.upto))
    if type(upto) is not int or (type(after) is int and upto - after <= _KEYS):
        return area
    return Range((upto - _KEYS,), area.upto)


def _asked(
    connection: sa.Connection, plan: TablePlan, area: Range, figures: Sequence[_Figure], *, at_source: bool
) -> tuple[Any, ...]:
    names = [column.name for column in plan.key] if at_source else [plan.feeds[place].target.name for place in plan.handle]
    wanted = [figure.source if at_source else figure.target for figure in figures]
    table = plan.source if at_source else plan.target
    select = sa.select(sa.func.count(), *wanted).select_from(table.name.clause).where(*within(names, area))
    if at_source and plan.mapping.where:
        select = select.where(authored(plan.mapping.where))
    return tuple(connection.execute(select).one())


def _keys(area: Range) -> str:
    ends = [", ".join(str(part) for part in end) if end is not None else "" for end in (area.after, area.upto)]
    return f"keys after {ends[0] or 'the lowest'} up to {ends[1] or 'the highest'}"
