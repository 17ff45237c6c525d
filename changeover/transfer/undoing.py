"""Taking a migration back: exactly the rows that it wrote, children before parents, and the counters as they were."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from changeover.contracts import Context, Database
from changeover.counting import counted
from changeover.errors import Setback
from changeover.transfer.adapters import dialect_of
from changeover.transfer.control import ChunkRecord, Control, TableRecord, TableState, UndoBy, unpacked
from changeover.transfer.databases import reason
from changeover.transfer.deferred import DeferredControl, State
from changeover.transfer.dialects import Dialect
from changeover.transfer.mapping import Mapped
from changeover.transfer.planning import Side, TablePlan, plan_tables
from changeover.transfer.positions import Positions
from changeover.transfer.preparing import integer_span
from changeover.transfer.reading import bound, column
from changeover.transfer.rebuilding import MOST, Rebuilder, bring_back, side_by_side
from changeover.transfer.sessions import create_control, session, transaction
from changeover.transfer.verifying import one_of, portions


@dataclass(eq=False)
class UndoFailed(Setback):
    """Rows that were copied cannot be taken back."""

    table: str
    why: str

    def __str__(self) -> str:
        return f"the rows copied into {self.table} could not be taken back: {self.why}"

    @property
    def hint(self) -> str:
        return "what was taken back stays so; clear the cause and try the step again"


@dataclass(eq=False)
class ForeignRows(Setback):
    """Deleting ours would delete rows that somebody else wrote since."""

    table: str
    ours: int
    found: int
    beyond: int = 0  # rows whose keys lie where nothing was copied

    def __str__(self) -> str:
        others = max(self.found - self.ours, self.beyond)
        found = f"{counted(self.found, 'row')} where {self.ours:,} were copied"
        return f"table {self.table}: {found}; at least {others:,} came from elsewhere since"

    @property
    def hint(self) -> str:
        return "export them and remove them by hand, then try the step again: an undo never deletes what it did not copy"


@dataclass(eq=False)
class NotEmptyBefore(Setback):
    """Tables that held rows before the copy cannot be truncated to undo it."""

    tables: tuple[str, ...]

    def __str__(self) -> str:
        return f"{', '.join(self.tables)} held rows before the copy: emptying is no way back"

    @property
    def hint(self) -> str:
        return "`by: ranges` deletes only what was copied"


@dataclass(frozen=True, slots=True)
class Undo:
    """Takes back the migration called *name*."""

    name: str
    mapped: Mapped
    source: Database
    target: Database
    context: Context
    foreign: bool = False  # whether rows that others wrote between ours go too: they have been exported

    def run(self) -> dict[str, int]:
        """Delete the copied rows; how many, by table. Doing it twice changes nothing more.

        Raises:
            UndoFailed, ForeignRows: somebody has to look first.
        """
        dialects = (dialect_of(self.source), dialect_of(self.target))
        try:
            with session(self.target, dialects[1]) as writing:
                records = self._seal(writing, dialects[1])
                if not any(record.state is not TableState.UNDONE for record in records):
                    self._bring_back(dialects[1])
                    return {record.target: 0 for record in records}
                # the source is only asked for the shape of its tables
                with session(self.source, dialects[0], autocommit=True) as reading:
                    plans = plan_tables(
                        self.mapped, Side(self.source, dialects[0], reading), Side(self.target, dialects[1], writing)
                    )
                writing.rollback()
                back = _Back(self.context, Control(self.name), dialects[1], writing, sum(r.rows_planned for r in records))
                back.foreign = self.foreign
                known = {plan.into: plan for plan in plans}
                deleted = {record.target: back.table(known[record.target], record) for record in reversed(records)}
                self._bring_back(dialects[1])
                return deleted
        except SQLAlchemyError as error:
            raise UndoFailed(self.target.name, reason(error)) from error

    def finished(self) -> bool:
        """Whether everything was taken back already, or never was copied."""
        try:
            with self.target.engine.connect() as connection:
                away = any(each.state is not State.BACK for each in DeferredControl(self.name).all(connection))
        except SQLAlchemyError as error:
            raise UndoFailed(self.target.name, reason(error)) from error
        return not away and all(record.state is TableState.UNDONE for record in self._records())

    def filled_before(self) -> tuple[str, ...]:
        """The tables that held rows before they were copied into."""
        return tuple(record.target for record in self._records() if record.rows_before)

    def _records(self) -> tuple[TableRecord, ...]:
        try:
            with self.target.engine.connect() as connection:
                return Control(self.name).tables(connection) if Control.exists(connection) else ()
        except SQLAlchemyError as error:
            raise UndoFailed(self.target.name, reason(error)) from error

    def seal(self, *, gone: bool) -> None:
        """Take nothing back, but let nobody write in its name any more: the tables go back another way.

        Args:
            gone: whether the rows are gone with it; otherwise :meth:`run` still takes them back.

        Raises:
            UndoFailed: the target cannot be written.
        """
        dialect = dialect_of(self.target)
        control = Control(self.name)
        try:
            with session(self.target, dialect) as writing:
                records = self._seal(writing, dialect)
                with transaction(writing, dialect):
                    for record in records if gone else ():
                        control.set_state(writing, record.number, TableState.UNDONE, self.context.clock.now())
            self._bring_back(dialect)
        except SQLAlchemyError as error:
            raise UndoFailed(self.target.name, reason(error)) from error

    def _bring_back(self, dialect: Dialect) -> None:
        """The indexes and foreign keys that were to be made after the load."""
        rebuilder = Rebuilder(DeferredControl(self.name), self.target, dialect, self.context)
        bring_back(rebuilder, side_by_side(self.mapped.workers, MOST), lambda _: None)

    def _seal(self, writing: sa.Connection, dialect: Dialect) -> tuple[TableRecord, ...]:
        """No worker writes from here on; what is there stays as it is until it is deleted."""
        control = Control(self.name)
        create_control(writing)
        positions = Positions(self.name)
        with writing.begin():
            moving = positions.exists(writing)
        with transaction(writing, dialect):
            if moving:
                positions.lock_all(writing, dialect)
            control.seal(writing, self.context.clock.now())
            return control.tables(writing)


class _Back:
    """Deletes, chunk by chunk."""

    def __init__(self, context: Context, control: Control, dialect: Dialect, writing: sa.Connection, total: int) -> None:
        self.context = context
        self.control = control
        self.dialect = dialect
        self.writing = writing
        self.total = total
        self.gone = 0
        self.foreign = False

    def table(self, plan: TablePlan, record: TableRecord) -> int:
        """Delete what was copied into one table."""
        if record.state is TableState.UNDONE:
            return 0
        try:
            deleted = self._everything(plan, record) if record.undo_by is UndoBy.EVERYTHING else self._chunks(plan, record)
        except IntegrityError as error:
            raise UndoFailed(plan.into, f"other rows refer to them: {reason(error)}") from error
        # MariaDB commits when a counter is set, so the state comes last
        with transaction(self.writing, self.dialect):
            for counter in record.counters:
                self.dialect.set_counter(self.writing, plan.target.name, counter)
        with transaction(self.writing, self.dialect):
            self.control.set_state(self.writing, record.number, TableState.UNDONE, self.context.clock.now())
        return deleted

    def _everything(self, plan: TablePlan, record: TableRecord) -> int:
        for chunk in self._each_chunk(record):
            self._close(record, chunk, lambda _plan, _chunk: 0, plan, only_pending=True)
        with transaction(self.writing, self.dialect):
            tally = self.control.tally(self.writing, record.number)
            beyond = self._beyond(plan, record) if not self.foreign else 0
            found = self.dialect.empty(self.writing, plan.target.name)
            if not self.foreign and (beyond or found > tally.written):
                raise ForeignRows(plan.into, tally.written, found, beyond)  # and the transaction is rolled back
        self._tell(plan, found)
        return found

    def _beyond(self, plan: TablePlan, record: TableRecord) -> int:
        """Rows that are not ours whatever the figures say: their keys lie where nothing was copied."""
        span = integer_span([chunk.range for chunk in self.control.chunks(self.writing, record.number)])
        if span is None or plan.integer_handle is None or plan.mapping.catching_up is not None:
            return 0
        part = column(plan.integer_handle.name)
        select = sa.select(sa.func.count()).select_from(plan.target.name.clause)
        outside = sa.or_(part <= bound(span[0]), part > bound(span[1]))
        return int(self.writing.execute(select.where(outside)).scalar_one())

    def _chunks(self, plan: TablePlan, record: TableRecord) -> int:
        delete = self._range if record.undo_by is UndoBy.RANGES else self._keys
        return sum(self._close(record, chunk, delete, plan) for chunk in self._each_chunk(record))

    def _each_chunk(self, record: TableRecord) -> Iterator[int]:
        """The number of every chunk, also of one that a late worker cuts off from another that is not closed yet."""
        known: set[int] = set()
        while True:
            with self.writing.begin():
                new = {chunk.number for chunk in self.control.chunks(self.writing, record.number)} - known
            if not new:
                return
            known |= new
            yield from sorted(new)

    def _close(
        self,
        record: TableRecord,
        number: int,
        delete: Callable[[TablePlan, ChunkRecord], int],
        plan: TablePlan,
        *,
        only_pending: bool = False,
    ) -> int:
        """Delete a chunk's rows and mark it, in one transaction; waits for a worker that still holds it."""
        self.context.check_stopped()
        with transaction(self.writing, self.dialect):
            chunk = self.control.lock(self.writing, record.number, number, self.dialect)
            if chunk.state == "undone" or (only_pending and chunk.state == "done"):
                return 0
            deleted = delete(plan, chunk) if chunk.state == "done" else 0
            closed = replace(chunk, state="undone", keys=None)
            self.control.finish(self.writing, record.number, closed, self.context.clock.now(), was=chunk.state)
        self._tell(plan, deleted)
        return deleted

    def _range(self, plan: TablePlan, chunk: ChunkRecord) -> int:
        span = integer_span([chunk.range])
        handle = plan.integer_handle
        if span is None or handle is None:
            raise UndoFailed(plan.into, f"chunk {chunk.number} has no range")
        part = column(handle.name)
        area = (part > bound(span[0]), part <= bound(span[1]))
        found = self.writing.execute(sa.delete(plan.target.name.clause).where(*area)).rowcount
        if found > chunk.written and not self.foreign:
            raise ForeignRows(plan.into, chunk.written, found)  # and the transaction is rolled back
        return found

    def _keys(self, plan: TablePlan, chunk: ChunkRecord) -> int:
        table = plan.target.name.clause
        return sum(
            self.writing.execute(sa.delete(table).where(one_of(plan, keys))).rowcount for keys in portions(unpacked(chunk.keys))
        )

    def _tell(self, plan: TablePlan, deleted: int) -> None:
        self.gone += deleted
        self.context.progress(self.gone, self.total, "rows", table=plan.into)
