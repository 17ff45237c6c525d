"""A migration: planned once, copied chunk by chunk, each chunk and its checkpoint in one transaction, counted at the end.

It may be killed at any moment and run again: what the target holds is what its checkpoint says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from changeover.contracts import Context, Database
from changeover.counting import counted
from changeover.errors import Setback
from changeover.transfer.adapters import dialect_of
from changeover.transfer.carriers import Carrier
from changeover.transfer.control import ChunkRecord, Control, DeadLetter, TableRecord, TableState, Tally, packed, unpacked
from changeover.transfer.databases import reason
from changeover.transfer.mapping import Mapped
from changeover.transfer.onlooker import Onlooker
from changeover.transfer.pace import Unhurried
from changeover.transfer.paths import carrier_of, path_of
from changeover.transfer.planning import MigrationRefused, Side, TablePlan, plan_tables
from changeover.transfer.preparing import record_of
from changeover.transfer.reading import Reader
from changeover.transfer.sessions import create_control, session, transaction
from changeover.transfer.verifying import verify
from changeover.transfer.writing import Outcome, Writer

T = TypeVar("T")

#: Seconds for which a deadlock or a lock time-out is tried again.
_PATIENCE_S: Final = 120.0


@dataclass(eq=False)
class CopyFailed(Setback):
    """A database failed under the copy."""

    table: str
    why: str

    def __str__(self) -> str:
        return f"copying {self.table} failed: {self.why}"

    @property
    def hint(self) -> str:
        return "every finished chunk is kept: try the step again and it goes on from there"


@dataclass(eq=False)
class TooManyRejects(Setback):
    """More rows could not be taken than their author allows."""

    rejected: int
    allowed: int
    examples: tuple[str, ...]

    def __str__(self) -> str:
        rows = "row was" if self.rejected == 1 else "rows were"
        return f"{self.rejected} {rows} rejected, {self.allowed} allowed: {'; '.join(self.examples)}"

    @property
    def hint(self) -> str:
        return (
            "every one stands in the target's table changeover_rejects; correct the rows in the source, the mapping, or "
            "`max_rejects`, and try the step again: it tries the rejected rows first"
        )


@dataclass(eq=False)
class AlreadyUndone(Setback):
    """The migration has been taken back."""

    migration: str

    def __str__(self) -> str:
        return f"migration {self.migration} was undone; nothing is copied in its name any more"

    @property
    def hint(self) -> str:
        return "start a new run"


@dataclass(eq=False)
class MappingChanged(Setback):
    """The mapping is another one than that with which the copy began."""

    table: str

    def __str__(self) -> str:
        return f"the mapping of table {self.table} has changed since its copy began"

    @property
    def hint(self) -> str:
        return "undo the migration first, or bring the mapping back: half a table each way helps nobody"


@dataclass(frozen=True, slots=True)
class TableReport:
    """What became of one table."""

    source: int
    copied: int
    rejected: int


@dataclass(frozen=True, slots=True)
class Report:
    """What became of a migration."""

    tables: dict[str, TableReport]
    seconds: float

    @property
    def rows(self) -> int:
        """Rows copied."""
        return sum(table.copied for table in self.tables.values())

    @property
    def rejected(self) -> int:
        """Dead letters."""
        return sum(table.rejected for table in self.tables.values())


@dataclass(frozen=True, slots=True)
class Migration:
    """A migration under one name, from *source* to *target*."""

    name: str
    mapped: Mapped
    source: Database
    target: Database
    context: Context
    onlooker: Onlooker | None = None  # looks at what has arrived between chunks

    def run(self) -> Report:
        """Copy what is not copied yet; see that nothing is missing.

        Raises:
            MigrationRefused, TableMissing: something does not fit; nothing was written.
            TooManyRejects, RowsMissing, CopyFailed: what is finished is kept, and another run goes on from there.
            MappingChanged, AlreadyUndone: another migration is meant.
        """
        dialects = (dialect_of(self.source), dialect_of(self.target))
        try:
            with session(self.source, dialects[0], autocommit=True) as reading, session(self.target, dialects[1]) as writing:
                return _Copy(self, Side(self.source, dialects[0], reading), Side(self.target, dialects[1], writing)).run()
        except SQLAlchemyError as error:
            raise CopyFailed(self.target.name, reason(error)) from error


class _Copy:
    """One attempt at a migration, on two connections."""

    def __init__(self, migration: Migration, source: Side, target: Side) -> None:
        self.migration = migration
        self.context = migration.context
        self.control = Control(migration.name)
        self.source = source
        self.target = target
        self.dialect = target.dialect
        self.reading = source.connection
        self.writing = target.connection
        self.pace = Unhurried(self.context.check_stopped)
        self.started = self.context.clock.monotonic()
        self.total = 0
        self.read_before = 0

    def run(self) -> Report:
        plans = plan_tables(self.migration.mapped, self.source, self.target)
        self.writing.rollback()
        records, resumed = self._records(plans)
        self.total = sum(record.rows_planned for record in records)
        self.read_before = self._once(self.control.tally).read
        if resumed:
            self.context.say(f"going on after {self.read_before:,} of {counted(self.total, 'row')}")
        for plan in plans:
            if plan.left_out and not resumed:
                self.context.say(
                    f"{plan.mapping.source}: copied without {', '.join(plan.left_out)} (nothing in the target takes it)"
                )
        tables = {}
        for plan, record in zip(plans, records, strict=True):
            tables[plan.into] = self._table(plan, record, resumed=resumed)
        return Report(tables, self.context.clock.monotonic() - self.started)

    def _once(self, read: Callable[[sa.Connection], T]) -> T:
        with self.writing.begin():
            return read(self.writing)

    def _records(self, plans: Sequence[TablePlan]) -> tuple[tuple[TableRecord, ...], bool]:
        """What is on record; put there now when this is the first time."""
        create_control(self.writing)
        with self.writing.begin():
            if self.control.undone(self.writing):
                raise AlreadyUndone(self.migration.name)
            records = self.control.tables(self.writing)
        if records:
            _refuse_another_mapping(plans, records)
            return records, True
        problems: list[str] = []
        prepared = [record_of(plan, self.reading, self.writing, self.dialect, problems) for plan in plans]
        self.writing.rollback()
        if problems:
            raise MigrationRefused(tuple(problems))
        now = self.context.clock.now()
        try:
            with transaction(self.writing, self.dialect):
                for record, ranges in prepared:
                    self.control.record_table(self.writing, record, ranges, now)
        except IntegrityError:
            records = self._once(self.control.tables)
            if not records:
                raise
            return records, True  # another worker was faster: its plan is as good
        return tuple(record for record, _ in prepared), False

    def _table(self, plan: TablePlan, record: TableRecord, *, resumed: bool) -> TableReport:
        again = resumed and self._try_letters_again(plan, record)
        if record.state is TableState.PLANNED or again:
            carrier = self._carrier(plan, record)
            while self._next_chunk(plan, record, carrier):
                self._tell(plan)
            if plan.refers_to_itself:
                while self._try_letters_again(plan, record):  # a row may refer to one that came after it
                    pass
            self._refuse_rejects()
            verify(plan, record, self.control, Reader(self.reading, plan), self.writing)
            self._state(record, TableState.VERIFIED)
        self._refuse_rejects()
        if record.state is not TableState.DONE:
            self._finish_table(plan, record)
        tally = self._once(lambda connection: self.control.tally(connection, plan.number))
        return TableReport(tally.read, tally.written, tally.rejected)

    def _carrier(self, plan: TablePlan, record: TableRecord) -> Carrier:
        path = path_of(plan, self.source, self.target, keeps_keys=record.keeps_keys)
        if path.words:
            self.context.say(path.words)
        self.writing.rollback()
        return carrier_of(path, plan, self.source, self.target, self.pace, keeps_keys=record.keeps_keys)

    def _state(self, record: TableRecord, state: TableState) -> None:
        with transaction(self.writing, self.dialect):
            self.control.set_state(self.writing, record.number, state, self.context.clock.now())

    def _next_chunk(self, plan: TablePlan, record: TableRecord, carrier: Carrier) -> bool:
        """Copy one chunk; False when the table has none left. Waits while other workers hold the last ones."""
        self.context.check_stopped()
        copied: list[ChunkRecord] = []
        if self._patiently(lambda: self._copy_chunk(plan, record, carrier, copied)):
            if not plan.refers_to_itself:
                self._refuse_rejects()
            if self.migration.onlooker is not None:
                self.migration.onlooker.chunk_copied(plan, copied[-1], self.reading, self.writing)
            return True
        tally = self._once(lambda connection: self.control.tally(connection, plan.number))
        if tally.done == tally.chunks:
            return False
        self.context.sleep(0.5)
        return True

    def _patiently(self, act: Callable[[], bool]) -> bool:
        """Do it again for a while when a deadlock or a lock was in the way."""
        since = self.context.clock.monotonic()
        while True:
            try:
                return act()
            except SQLAlchemyError as error:
                if not self.dialect.transient(error) or self.context.clock.monotonic() - since > _PATIENCE_S:
                    raise
            self.context.sleep(0.2)

    def _copy_chunk(self, plan: TablePlan, record: TableRecord, carrier: Carrier, copied: list[ChunkRecord]) -> bool:
        with transaction(self.writing, self.dialect):
            chunk = self.control.claim(self.writing, plan.number, self.dialect)
            if chunk is None:
                return False
            outcome = Outcome()
            carrier.carry(chunk.range, outcome)
            keys = packed(outcome.keys) if record.keeps_keys else None
            done = replace(
                chunk, state="done", read=outcome.read, written=outcome.written, rejected=len(outcome.letters), keys=keys
            )
            self._checkpoint(plan, record, done, outcome.letters, was="pending")
        copied.append(done)
        return True

    def _checkpoint(
        self, plan: TablePlan, record: TableRecord, chunk: ChunkRecord, letters: Sequence[DeadLetter], *, was: str
    ) -> None:
        now = self.context.clock.now()
        if not self.control.finish(self.writing, plan.number, chunk, now, was=was):
            raise CopyFailed(plan.into, f"chunk {chunk.number} was taken by somebody else meanwhile")
        self.control.reject(self.writing, record, chunk.number, letters, now)

    def _try_letters_again(self, plan: TablePlan, record: TableRecord) -> bool:
        """Whether a rejected row could be written after all: its source was corrected, or its parent has come."""
        chunks = self._once(lambda connection: self.control.chunks(connection, plan.number))
        dirty = [chunk.number for chunk in chunks if chunk.state == "done" and chunk.rejected]
        found = [self._patiently(partial(self._letters_of, plan, record, number)) for number in dirty]
        return any(found)

    def _letters_of(self, plan: TablePlan, record: TableRecord, number: int) -> bool:
        with transaction(self.writing, self.dialect):
            chunk = self.control.lock(self.writing, plan.number, number, self.dialect)
            letters = self.control.letters(self.writing, plan.number, number)
            rows = Reader(self.reading, plan).rows_at([letter.key for letter in letters])
            outcome = Outcome()
            Writer(self.writing, self.dialect, plan, keep_keys=record.keeps_keys).write(rows, outcome, self.pace)
            keys = packed([*unpacked(chunk.keys), *outcome.keys]) if record.keeps_keys else None
            after = replace(
                chunk,
                read=chunk.read - len(letters) + outcome.read,
                written=chunk.written + outcome.written,
                rejected=len(outcome.letters),
                keys=keys,
            )
            self._checkpoint(plan, record, after, outcome.letters, was="done")
        return len(outcome.letters) < len(letters)

    def _refuse_rejects(self) -> None:
        tally = self._once(self.control.tally)
        allowed = self.migration.mapped.max_rejects
        if tally.rejected > allowed:
            raise TooManyRejects(tally.rejected, allowed, self._examples())

    def _examples(self, limit: int = 3) -> tuple[str, ...]:
        with self.writing.begin():
            records = self.control.tables(self.writing)
            letters = [
                (table.target, letter)
                for table in records
                for letter in self.control.letters(self.writing, table.number, limit=limit)
            ]
        return tuple(f"{table} {_key(letter)}{_column(letter)}: {letter.reason}" for table, letter in letters[:limit])

    def _finish_table(self, plan: TablePlan, record: TableRecord) -> None:
        sequences = self.migration.mapped.sequences
        with transaction(self.writing, self.dialect):
            counters = self.dialect.counters(self.writing, plan.target) if sequences.reset else ()
            for counter in counters:
                highest = self.writing.execute(
                    sa.select(sa.func.max(sa.column(counter.column))).select_from(plan.target.name.clause)
                ).scalar()
                wanted = (highest or 0) + 1 + sequences.headroom
                if wanted > counter.next_value:
                    moved = replace(counter, next_value=wanted, used=self.dialect.name == "sqlite")
                    self.dialect.set_counter(self.writing, plan.target.name, moved)
            self.dialect.analyse(self.writing, plan.target.name)
            self.control.set_state(self.writing, record.number, TableState.DONE, self.context.clock.now())

    def _tell(self, plan: TablePlan) -> None:
        tally: Tally = self._once(self.control.tally)
        seconds = max(self.context.clock.monotonic() - self.started, 0.001)
        rate = round((tally.read - self.read_before) / seconds, 1)
        self.context.progress(tally.read, self.total, "rows", rate=rate, table=plan.into, rejected=tally.rejected)


def _refuse_another_mapping(plans: Sequence[TablePlan], records: Sequence[TableRecord]) -> None:
    known = {record.target: record for record in records}
    for plan in plans:
        record = known.get(plan.into)
        if record is None or record.fingerprint != plan.fingerprint or record.number != plan.number:
            raise MappingChanged(plan.into)
    for record in records:
        if record.target not in {plan.into for plan in plans}:
            raise MappingChanged(record.target)


def _key(letter: DeadLetter) -> str:
    return ", ".join(str(value) for value in letter.key)


def _column(letter: DeadLetter) -> str:
    return f" ({letter.column})" if letter.column else ""


def summary(report: Report) -> dict[str, Any]:
    """The report as a step's output."""
    return {
        "tables": {
            name: {"source": table.source, "copied": table.copied, "rejected": table.rejected}
            for name, table in report.tables.items()
        },
        "rows": report.rows,
        "rejected": report.rejected,
        "seconds": round(report.seconds, 3),
    }
