"""Passes over all tables of a migration until the target is as little behind as its author wants, with a plain verdict."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from changeover.contracts import Context, Database
from changeover.counting import counted
from changeover.errors import Setback
from changeover.transfer.adapters import dialect_of
from changeover.transfer.chunk_work import ChunkWork
from changeover.transfer.control import TableRecord
from changeover.transfer.databases import StatementFailed, reason
from changeover.transfer.delta_words import Until
from changeover.transfer.ledger import Ledger
from changeover.transfer.mapping import Mapped
from changeover.transfer.planning import Side, TablePlan, plan_tables
from changeover.transfer.positions import Positions
from changeover.transfer.sessions import session
from changeover.transfer.table_pass import Found, TablePass
from changeover.transfer.verifying import RowsMissing
from changeover.transfer.watermarks import Marks, Watermarks

if TYPE_CHECKING:
    from changeover.transfer.governing import Governor


@dataclass(eq=False)
class NotCaughtUp(Setback):
    """The source changes faster than it is followed."""

    passes: int
    rows: int
    seconds: float
    until: Until

    def __str__(self) -> str:
        return (
            f"not caught up after {counted(self.passes, 'pass', 'passes')}: the last one brought {counted(self.rows, 'row')} in "
            f"{self.seconds:,.1f} s, and {counted(self.until.rows, 'row')} in {self.until.seconds:,.10g} s were wanted"
        )

    @property
    def hint(self) -> str:
        return "every pass is kept: try the step again when the source is quieter, or write a larger `until`"


@dataclass(eq=False)
class SourceStillWritten(Setback):
    """The last delta was asked for, and the source changes still."""

    passes: int
    tables: tuple[str, ...]

    def __str__(self) -> str:
        return f"the source is not frozen: {', '.join(self.tables)} changed while pass {self.passes} ran"

    @property
    def hint(self) -> str:
        return "find out who still writes to it and stop them, then try the step again: it goes on from the watermark"


@dataclass(eq=False)
class CannotDelete(Setback):
    """Rows are gone from the source, and the target does not let them go."""

    table: str
    key: str
    why: str
    rows: int

    def __str__(self) -> str:
        return f"{counted(self.rows, 'row')} of {self.table} cannot be deleted, such as {self.key}: {self.why}"

    @property
    def hint(self) -> str:
        return "rows of a table that this migration does not fill refer to them: delete those first, then try the step again"


@dataclass(eq=False)
class NotFollowed(RowsMissing):
    """After the last delta the figures do not add up."""

    deletes_found: bool

    @property
    def hint(self) -> str:
        if self.source != self.read and not self.deletes_found:
            return "rows were deleted in the source, or left the table's `where`: only `deletes: compare_keys` finds those"
        return "somebody else wrote to the table, in the source after the freeze or in the target: find out who before going on"


def not_followed(plan: TablePlan, missing: RowsMissing) -> NotFollowed:
    """The same with what to do about it in a table that catches up."""
    delta = plan.mapping.catching_up
    found = delta is not None and delta.deletes == "compare_keys"
    return NotFollowed(
        missing.table, missing.source, missing.read, missing.written, missing.rejected, missing.found, deletes_found=found
    )


@dataclass(frozen=True, slots=True)
class CaughtUp:
    """What passes came to."""

    passes: int
    changed: int
    gone: int
    missed: int
    last_rows: int  # of the last pass
    last_seconds: float
    final: bool

    @property
    def words(self) -> str:
        """The verdict."""
        last = f"last pass {counted(self.last_rows, 'row')} in {self.last_seconds:,.1f} s"
        return f"caught up for good: {last}" if self.final else f"caught up: {last}"

    @property
    def output(self) -> dict[str, Any]:
        """For a step's output."""
        return {
            "passes": self.passes,
            "changed": self.changed,
            "gone": self.gone,
            "missed": self.missed,
            "last_rows": self.last_rows,
            "last_seconds": round(self.last_seconds, 3),
        }


def begun_positions(plans: Sequence[TablePlan], near: Side) -> dict[int, dict[str, Any]]:
    """Where the source stands before the bulk load begins: the first pass goes back to it."""
    marks = {plan.number: Watermarks(near, plan).look() for plan in plans if plan.mapping.catching_up is not None}
    return {number: {"mark": mark.high, "passes": 0} for number, mark in marks.items()}


def create_positions(connection: sa.Connection) -> None:
    """Make the table of positions where it is missing."""
    with connection.begin():
        known = Positions.exists(connection)
    if not known:
        with connection.begin():
            Positions.create(connection)


@dataclass(slots=True)
class Passes:
    """Passes over the tables of a migration that catch up, in copying order.

    Attributes:
        final: the source stands still: what is there now is all.
        refuse: raises when more rows are dead letters than is allowed.
    """

    context: Context
    work: ChunkWork
    plans: Sequence[tuple[TablePlan, TableRecord]]
    governor: Governor
    refuse: Callable[[], None]
    final: bool = False
    _done: int = field(default=0, init=False)
    _total: int = field(default=0, init=False)
    _about: dict[str, Any] = field(default_factory=dict, init=False)

    def run(self) -> CaughtUp:
        """Make passes until it has caught up.

        Raises:
            NotCaughtUp, SourceStillWritten, CannotDelete: somebody has to look; what was brought is kept.
        """
        create_positions(self.work.far.connection)
        tables = [TablePass(self.work, plan, record, self._brought, self.context.check_stopped) for plan, record in self.plans]
        until = _strictest([table.plan.mapping.catching_up.until for table in tables if table.plan.mapping.catching_up])
        sums = Found()
        stuck_before: tuple[object, ...] = ()
        number = 0
        while True:
            number += 1
            began = self.context.clock.monotonic()
            marks = self._look(tables, number)
            found = self._pass(tables, marks)
            seconds = self.context.clock.monotonic() - began
            last = _summed(found.values())
            sums = _summed((sums, replace(last, stuck=())))
            self._say(number, last, seconds)
            moved = self._moved(tables, marks) if self.final else ()
            # what cannot be deleted now may be let go in the next pass: the row that refers to it went a moment later
            if self.final and last.stuck and last.stuck == stuck_before:
                raise _cannot_delete(found)
            stuck_before = last.stuck
            there = not moved and not last.stuck if self.final else last.rows <= until.rows and seconds <= until.seconds
            if there:
                self.refuse()
                return CaughtUp(number, sums.changed, sums.gone, sums.missed, last.rows, seconds, self.final)
            if number >= until.passes:
                raise SourceStillWritten(number, moved) if moved else NotCaughtUp(number, last.rows, seconds, until)

    def _look(self, tables: Sequence[TablePass], number: int) -> dict[str, Marks]:
        """How far the target is behind, and where each table of the source stands."""
        marks, lag = {}, 0
        for table in tables:
            rows, marks[table.plan.into] = table.lag()
            lag += rows
            if number == 1:
                for line in table.remarks(marks[table.plan.into]):
                    self.governor.say_once(line)
        with self.work.far.connection.begin():
            there = self.work.control.tally(self.work.far.connection).read
        self._done, self._total = there, there + lag
        self._about = {"because": f"pass {number}: {counted(lag, 'row')} behind", "pass": number, "lag": lag}
        self.governor.arrived(self._done, self._total, **self._about)
        return marks

    def _pass(self, tables: Sequence[TablePass], marks: dict[str, Marks]) -> dict[str, Found]:
        found = {table.plan.into: Found() for table in tables}
        for table in tables:
            table.bring_changes(found[table.plan.into], marks[table.plan.into])
        # children go before their parents, and come after them
        missed = {table.plan.into: table.compare_keys(found[table.plan.into]) for table in reversed(tables)}
        for table in tables:
            table.bring_missed(missed[table.plan.into], found[table.plan.into])
        for table in tables:
            table.try_letters_again()
        return found

    def _moved(self, tables: Sequence[TablePass], marks: dict[str, Marks]) -> tuple[str, ...]:
        """The tables that changed since the pass began."""
        return tuple(table.plan.mapping.source for table in tables if table.lag()[1] != marks[table.plan.into])

    def _say(self, number: int, found: Found, seconds: float) -> None:
        parts = [f"{counted(found.changed, 'row')} changed"]
        parts += [f"{found.gone:,} gone"] if found.gone else []
        parts += [f"{found.missed:,} that no watermark shows"] if found.missed else []
        self.context.say(f"pass {number}: {', '.join(parts)}, in {seconds:,.1f} s")

    def _brought(self, rows: int) -> None:
        self._done = min(self._done + rows, self._total)
        self.context.check_stopped()
        self.governor.arrived(self._done, self._total, **self._about)


def _summed(found: Iterable[Found]) -> Found:
    """All of them together."""
    each = tuple(found)
    sums = (sum(one.changed for one in each), sum(one.gone for one in each), sum(one.missed for one in each))
    return Found(*sums, tuple(stuck for one in each for stuck in one.stuck))


def _cannot_delete(found: Mapping[str, Found]) -> CannotDelete:
    """What to say of the first table that does not let rows go."""
    name, each = next((name, each) for name, each in found.items() if each.stuck)
    key, why = each.stuck[0]
    return CannotDelete(name, ", ".join(map(str, key)), why, len(each.stuck))


def _strictest(wanted: Sequence[Until]) -> Until:
    """What satisfies all of them."""
    return Until(
        min(until.rows for until in wanted), min(until.seconds for until in wanted), max(until.passes for until in wanted)
    )


def lasting_letters(work: ChunkWork, plans: Sequence[tuple[TablePlan, TableRecord]]) -> int:
    """Dead letters that another pass will not take away: of tables that catch up, those that wait for a parent do not count."""
    connection = work.far.connection
    with connection.begin():
        return sum(
            work.control.tally(connection, plan.number).rejected
            if plan.mapping.catching_up is None
            else Ledger(work.control, record).lasting(connection)
            for plan, record in plans
        )


def behind(name: str, mapped: Mapped, source: Database, target: Database) -> dict[str, int]:
    """By how many changed rows each table that follows its source is behind now; nothing is written.

    Raises:
        MigrationRefused, TableMissing: the tables are not what they were.
        StatementFailed: a database cannot be asked.
    """
    dialects = (dialect_of(source), dialect_of(target))
    try:
        with session(source, dialects[0], autocommit=True) as reading, session(target, dialects[1]) as writing:
            near, far = Side(source, dialects[0], reading), Side(target, dialects[1], writing)
            plans = [plan for plan in plan_tables(mapped, near, far) if plan.mapping.catching_up is not None]
            writing.rollback()
            with writing.begin():
                positions = Positions(name) if Positions.exists(writing) else None
                known = {plan.number: positions.read(writing, plan.number) or {} for plan in plans} if positions else {}
            return {plan.into: Watermarks(near, plan).changed_after(known.get(plan.number, {}).get("mark")) for plan in plans}
    except SQLAlchemyError as error:
        raise StatementFailed(source.name, "looking at what changed", reason(error)) from error
