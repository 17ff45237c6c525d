"""A migration: planned once, copied chunk by chunk, each chunk and its checkpoint in one transaction, counted at the end.

It may be killed at any moment and run again: what the target holds is what its checkpoint says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from changeover.contracts import Context, Database
from changeover.counting import counted
from changeover.errors import Setback
from changeover.transfer.adapters import dialect_of
from changeover.transfer.afterwards import Afterwards, Choice, choice_of, only_postgresql
from changeover.transfer.chunk_work import ChunkWork
from changeover.transfer.control import ChunkRecord, Control, DeadLetter, TableRecord, TableState, Tally
from changeover.transfer.databases import DatabaseUnreachable, reason
from changeover.transfer.deferred import taken_by_others
from changeover.transfer.failing import AlreadyUndone, ConnectionLost, CopyFailed, MappingChanged, TooManyRejects
from changeover.transfer.finishing import finish
from changeover.transfer.governing import Governor
from changeover.transfer.mapping import Mapped
from changeover.transfer.meter import TIES
from changeover.transfer.onlooker import Onlooker
from changeover.transfer.pace import Paced
from changeover.transfer.passes import CaughtUp, Passes, begun_positions, create_positions, lasting_letters, not_followed
from changeover.transfer.planning import MigrationRefused, Side, TablePlan, plan_tables
from changeover.transfer.positions import Positions
from changeover.transfer.preparing import record_of
from changeover.transfer.reading import Reader
from changeover.transfer.reports import Report, TableReport
from changeover.transfer.sessions import create_control, lost, session, transaction
from changeover.transfer.sharing import Sharing
from changeover.transfer.throttle import Throttle
from changeover.transfer.verifying import RowsMissing, verify

T = TypeVar("T")

#: Seconds for which lost connections are opened again without one chunk between them.
_PATIENCE_S: Final = 120.0
#: Seconds between two tries.
_TRY_EVERY_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Migration:
    """A migration under one name, from *source* to *target*."""

    name: str
    mapped: Mapped
    source: Database
    target: Database
    context: Context
    onlooker: Onlooker | None = None  # looks at what has arrived between chunks
    throttle: Throttle = field(default_factory=Throttle)
    final: bool = False  # the source stands still: tables that catch up have to add up too

    def run(self) -> Report:
        """Copy what is not copied yet; see that nothing is missing.

        Raises:
            MigrationRefused, TableMissing: something does not fit; nothing was written.
            TooManyRejects, RowsMissing, CopyFailed: what is finished is kept, and another run goes on from there.
            MappingChanged, AlreadyUndone: another migration is meant.
        """
        governor = Governor(self.context, self.throttle, self.source, self.target)
        governor.start()
        try:
            return self._governed(governor)
        finally:
            governor.close()

    def _governed(self, governor: Governor) -> Report:
        clock = self.context.clock
        copied, since = -1, clock.monotonic()
        while True:
            attempt = _Attempt()
            try:
                return self._attempt(attempt, governor)
            except (SQLAlchemyError, DatabaseUnreachable, ConnectionLost) as error:
                if attempt.copied > copied:
                    copied, since = attempt.copied, clock.monotonic()
                if copied < 0 or not lost(error) or clock.monotonic() - since > _PATIENCE_S:
                    if isinstance(error, Setback):
                        raise
                    raise CopyFailed(self.target.name, reason(error)) from error
                why = error if isinstance(error, Setback) else reason(error)
                self.context.say(f"a connection was lost ({why}); it is opened again, and the copy goes on")
            self.context.sleep(_TRY_EVERY_S)

    def _attempt(self, attempt: _Attempt, governor: Governor) -> Report:
        dialects = (dialect_of(self.source), dialect_of(self.target))
        with session(self.source, dialects[0], autocommit=True) as reading, session(self.target, dialects[1]) as writing:
            near, far = Side(self.source, dialects[0], reading), Side(self.target, dialects[1], writing)
            return _Copy(self, near, far, attempt, governor).run()


@dataclass(slots=True)
class _Attempt:
    """How far one attempt came: -1 until the migration is on record."""

    copied: int = -1


class _Copy:
    """One attempt at a migration, on two connections."""

    def __init__(self, migration: Migration, source: Side, target: Side, attempt: _Attempt, governor: Governor) -> None:
        self.migration = migration
        self.context = migration.context
        self.control = Control(migration.name)
        self.source = source
        self.target = target
        self.attempt = attempt
        self.dialect = target.dialect
        self.reading = source.connection
        self.writing = target.connection
        self.governor = governor
        pace = Paced(governor.allowed, self.context.check_stopped, self.context.sleep, self.context.clock, governor.meter.went)
        self.work = ChunkWork(self.control, source, target, pace, self.context.clock, self.context.sleep)
        self.afterwards = Afterwards(self.work, target, self.context, migration.mapped, self._tell_part)
        self.started = self.context.clock.monotonic()
        self.total = 0
        self.planned: dict[int, int] = {}
        self.copied: tuple[tuple[TablePlan, TableRecord], ...] = ()
        self.sharing = Sharing(self.work, migration.mapped, governor, self.context)

    def run(self) -> Report:
        plans = plan_tables(self.migration.mapped, self.source, self.target)
        self.writing.rollback()
        records, resumed = self._records(plans)
        self.afterwards.load()
        self.planned = {record.number: record.rows_planned for record in records}
        self.total = sum(self.planned.values())
        self.copied = tuple(zip(plans, records, strict=True))
        self.governor.tail.plan({record.target: record.rows_planned for record in records})
        read_before = self.attempt.copied = self._once(self.control.tally).read
        if resumed:
            self.context.say(f"going on after {read_before:,} of {counted(self.total, 'row')}")
        for plan in plans:
            if plan.left_out and not resumed:
                self.context.say(
                    f"{plan.mapping.source}: copied without {', '.join(plan.left_out)} (nothing in the target takes it)"
                )
        tables = {}
        try:
            self.sharing.prepare()  # a cluster that cannot do it is found before anything is dropped
            for plan, record in zip(plans, records, strict=True):
                self._table(plan, record, resumed=resumed)
                self._constraints(plans, records, finished=plan.number)
            for plan in plans:
                tables[plan.into] = self._report_of(plan)
        finally:
            self.sharing.close()
        caught_up = self._catch_up([pair for pair in self.copied if pair[0].mapping.catching_up is not None], tables)
        report = Report(tables, self.context.clock.monotonic() - self.started, caught_up, self.governor.tail.seconds)
        tally = self._once(self.control.tally)
        self.governor.finished(tally.read, rejected=tally.rejected)
        return report

    def _catch_up(self, following: Sequence[tuple[TablePlan, TableRecord]], tables: dict[str, TableReport]) -> CaughtUp | None:
        """Bring what changed meanwhile into the tables that follow their source."""
        if not following:
            return None
        passes = Passes(self.context, self.work, following, self.governor, self._refuse_rejects, self.migration.final)
        caught_up = passes.run()
        for plan, record in following:
            if self.migration.final:
                try:
                    verify(plan, record, self.control, Reader(self.reading, plan), self.writing)
                except RowsMissing as missing:
                    raise not_followed(plan, missing) from missing
            self._finish_table(plan, record)
            tables[plan.into] = self._report_of(plan)
        if self.migration.final:
            self._refuse_rejects(waiting=False)
        return caught_up

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
            refuse_another_mapping(plans, records)
            return records, True
        problems: list[str] = []
        begun = begun_positions(plans, self.source)
        prepared = [record_of(plan, self.reading, self.writing, self.dialect, problems) for plan in plans]
        self.writing.rollback()
        chosen = self._chosen(plans, [record for record, _ in prepared], problems)
        if problems:
            raise MigrationRefused(tuple(problems))
        if begun:
            create_positions(self.writing)
        now = self.context.clock.now()
        try:
            with transaction(self.writing, self.dialect):
                for record, ranges in prepared:
                    self.control.record_table(self.writing, record, ranges, now)
                self.afterwards.record(chosen)
                for number, position in begun.items():
                    Positions(self.migration.name).put(self.writing, number, position, now)
        except IntegrityError:
            records = self._once(self.control.tables)
            if not records:
                raise
            return records, True  # another worker was faster: its plan is as good
        return tuple(record for record, _ in prepared), False

    def _chosen(
        self, plans: Sequence[TablePlan], records: Sequence[TableRecord], problems: list[str]
    ) -> list[tuple[TablePlan, Choice]]:
        """What is made after the rows of each table; nothing unless its author wants it so."""
        with self.writing.begin():
            for plan in plans:
                for other, missing in taken_by_others(self.writing, self.migration.name, plan.target.name).items():
                    what = counted(missing, "index or foreign key", "indexes or foreign keys")
                    problems.append(
                        f"table {plan.into}: {what} that migration {other} has taken away did not come back; "
                        "undo it, or use `changeover restore-indexes`"
                    )
        if self.migration.mapped.indexes == "keep" or problems:
            return []
        if why := only_postgresql(self.target):
            problems.append(why)
            return []
        chosen = []
        for plan, record in zip(plans, records, strict=True):
            with self.writing.begin():
                chosen.append((plan, choice_of(plan, self.writing, record.rows_before)))
        with self.writing.begin():
            self.afterwards.control.create(self.writing)
        return chosen

    def _constraints(self, plans: Sequence[TablePlan], records: Sequence[TableRecord], *, finished: int) -> None:
        """What ties tables together, once both have come."""
        self.governor.tail.begins(TIES)
        self.afterwards.constraints(plans, records, finished=finished)
        self.governor.tail.ends(TIES, sum(self.planned.values()))

    def _table(self, plan: TablePlan, record: TableRecord, *, resumed: bool) -> None:
        again = resumed and self.work.try_letters_again(plan, record)
        arrived = False
        if record.state is TableState.PLANNED or again:
            self.afterwards.before_rows(plan)
            for chunk in self.sharing.chunks(plan, record):
                self._arrived(plan, chunk)
            arrived = True
            self.governor.tail.begins(plan.into)
            if plan.refers_to_itself:
                while self.work.try_letters_again(plan, record):  # a row may refer to one that came after it
                    pass
            self._refuse_rejects()
            if plan.mapping.catching_up is None:
                verify(plan, record, self.control, Reader(self.reading, plan), self.writing)
            self._state(record, TableState.VERIFIED)
        self._refuse_rejects()
        self.afterwards.after_rows(plan)
        if again or record.state is not TableState.DONE:
            self._finish_table(plan, record)
        if arrived:
            self.governor.tail.ends(plan.into, self.planned[plan.number])
        else:
            self.governor.tail.is_done(plan.into)

    def _report_of(self, plan: TablePlan) -> TableReport:
        tally = self._once(lambda connection: self.control.tally(connection, plan.number))
        return TableReport(tally.read, tally.written, tally.rejected)

    def _arrived(self, plan: TablePlan, chunk: ChunkRecord) -> None:
        self.attempt.copied += 1
        if not plan.refers_to_itself:
            self._refuse_rejects()
        if self.migration.onlooker is not None:
            self.migration.onlooker.chunk_copied(plan, chunk, self.reading, self.writing)
        self._tell(plan)

    def _state(self, record: TableRecord, state: TableState) -> None:
        with transaction(self.writing, self.dialect):
            self.control.set_state(self.writing, record.number, state, self.context.clock.now())

    def _refuse_rejects(self, *, waiting: bool = True) -> None:
        """Raise TooManyRejects. *waiting*: rows may still wait for a parent that another pass brings."""
        allowed = self.migration.mapped.may_reject(self.total)
        rejected = self._once(self.control.tally).rejected
        if rejected > allowed and waiting:
            rejected = lasting_letters(self.work, self.copied)
        if rejected > allowed:
            raise TooManyRejects(rejected, allowed, examples_of(self.control, self.writing))

    def _finish_table(self, plan: TablePlan, record: TableRecord) -> None:
        with transaction(self.writing, self.dialect):
            finish(plan, self.target, self.migration.mapped.sequences)
            self.control.set_state(self.writing, record.number, TableState.DONE, self.context.clock.now())

    def _tell_part(self, part: str) -> None:
        """What is at work after the rows of a table."""
        with self.writing.begin():
            tally: Tally = self.control.tally(self.writing)
        self.governor.arrived(tally.read, self.total, rejected=tally.rejected, part=part)

    def _tell(self, plan: TablePlan) -> None:
        with self.writing.begin():
            tally: Tally = self.control.tally(self.writing)
            table = self.control.tally(self.writing, plan.number)
        self.governor.arrived(
            tally.read,
            self.total,
            rejected=tally.rejected,
            table=plan.into,
            table_done=table.read,
            table_total=self.planned[plan.number],
        )


def examples_of(control: Control, writing: sa.Connection, limit: int = 3) -> tuple[str, ...]:
    """Some dead letters of a migration, in words."""
    with writing.begin():
        records = control.tables(writing)
        letters = [(table.target, letter) for table in records for letter in control.letters(writing, table.number, limit=limit)]
    return tuple(f"{table} {_key(letter)}{_column(letter)}: {letter.reason}" for table, letter in letters[:limit])


def refuse_another_mapping(plans: Sequence[TablePlan], records: Sequence[TableRecord]) -> None:
    """Raise MappingChanged when the copy began with another mapping."""
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
