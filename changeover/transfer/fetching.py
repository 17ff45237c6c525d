"""Copying from a service: each page and the place behind it are one transaction of the target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from changeover.contracts import Context, Database
from changeover.counting import counted
from changeover.errors import Setback
from changeover.transfer.adapters import dialect_of
from changeover.transfer.carriers import RowCarrier
from changeover.transfer.chunk_work import ChunkWork
from changeover.transfer.chunks import Range
from changeover.transfer.control import Control, TableRecord, TableState, UndoBy
from changeover.transfer.copying import examples_of, refuse_another_mapping
from changeover.transfer.databases import StatementFailed, reason
from changeover.transfer.failing import AlreadyUndone, CopyFailed, TooManyRejects
from changeover.transfer.finishing import finish
from changeover.transfer.governing import Governor
from changeover.transfer.ledger import Entry, Ledger
from changeover.transfer.mapping import Mapped
from changeover.transfer.pace import Paced
from changeover.transfer.paged_words import Paged
from changeover.transfer.pages import Ask, Page, Pages
from changeover.transfer.passes import create_positions
from changeover.transfer.planning import MigrationRefused, Side, TablePlan, plan_tables
from changeover.transfer.positions import Positions
from changeover.transfer.preparing import count
from changeover.transfer.reading import Reader
from changeover.transfer.reports import Report, TableReport
from changeover.transfer.safe_rate import SafeRate
from changeover.transfer.sessions import create_control, session, transaction
from changeover.transfer.staging import fill, staged
from changeover.transfer.throttle import Throttle
from changeover.transfer.verifying import verify
from changeover.transfer.writing import Outcome, Writer


@dataclass(eq=False)
class PagesDoNotAddUp(Setback):
    """A service handed out another number of rows than it says it has."""

    table: str
    said: int
    came: int

    def __str__(self) -> str:
        return f"table {self.table}: the service says that it has {counted(self.said, 'row')}, and {self.came:,} came"

    @property
    def hint(self) -> str:
        return "rows came or went while it was read: undo the copy, and let it run again when the service stands still"


@dataclass(frozen=True, slots=True)
class _Told:
    """What came, as what there is."""

    rows: int

    def count(self) -> int:
        return self.rows


@dataclass(frozen=True, slots=True)
class Service:
    """Where rows come from: a service's name and URL, and how it is asked."""

    name: str
    url: str
    ask: Ask


@dataclass(frozen=True, slots=True)
class Fetching:
    """A migration from a service, under one name."""

    name: str
    mapped: Mapped
    service: Service
    target: Database
    context: Context
    throttle: Throttle = field(default_factory=Throttle)

    def run(self) -> Report:
        """Copy what is not copied yet; see that nothing is missing.

        Raises:
            MigrationRefused, TableMissing: something does not fit; nothing was written.
            ServiceFails, ServiceRefuses, TokenExpired: the service cannot be read; every page that came is kept.
            TooManyRejects, RowsMissing, PagesDoNotAddUp, CopyFailed: the same.
        """
        stage = staged(self.service.name, self.mapped)
        governor = Governor(self.context, self.throttle, stage, self.target)
        governor.start()
        dialects = (dialect_of(stage), dialect_of(self.target))
        try:
            with session(stage, dialects[0], autocommit=True) as reading, session(self.target, dialects[1]) as writing:
                near, far = Side(stage, dialects[0], reading), Side(self.target, dialects[1], writing)
                return _Copy(self, near, far, governor).run()
        except SQLAlchemyError as error:
            raise CopyFailed(self.target.name, reason(error)) from error
        finally:
            governor.close()
            stage.close()


def first_pages(mapped: Mapped, service: Service, target: Database, context: Context) -> dict[str, tuple[int, int | None]]:
    """Match every table, and ask for its first page: the rows on it, and how many there are where the service says so.

    Raises:
        MigrationRefused, TableMissing: something does not fit.
        ServiceFails, ServiceRefuses: the service cannot be read.
    """
    stage = staged(service.name, mapped)
    dialects = (dialect_of(stage), dialect_of(target))
    try:
        with session(stage, dialects[0], autocommit=True) as reading, session(target, dialects[1]) as writing:
            plans = plan_tables(mapped, Side(stage, dialects[0], reading), Side(target, dialects[1], writing))
        found = {}
        for plan in plans:
            api, rate = _api(plan), SafeRate(1.0)
            pages = Pages(api, service.url, service.ask, rate, context.clock, context.sleep, lambda: None, context.say)
            page = pages.page(pages.first, 0)
            found[plan.into] = len(page.items), page.total
    except SQLAlchemyError as error:
        raise StatementFailed(target.name, "looking at the tables", reason(error)) from error
    finally:
        stage.close()
    return found


class _Copy:
    """One attempt."""

    def __init__(self, fetching: Fetching, near: Side, far: Side, governor: Governor) -> None:
        self.fetching = fetching
        self.context = fetching.context
        self.near, self.far = near, far
        self.writing, self.dialect = far.connection, far.dialect
        self.governor = governor
        self.control = Control(fetching.name)
        self.positions = Positions(fetching.name)
        pace = Paced(governor.allowed, self.context.check_stopped, self.context.sleep, self.context.clock, governor.meter.went)
        self.pace = pace
        self.work = ChunkWork(self.control, near, far, pace, self.context.clock, self.context.sleep)
        self.rate = SafeRate(1.0)
        self.totals: dict[int, int] = {}

    def run(self) -> Report:
        started = self.context.clock.monotonic()
        plans = plan_tables(self.fetching.mapped, self.near, self.far)
        self.writing.rollback()
        create_positions(self.writing)
        records = self._records(plans)
        with self.writing.begin():
            kept = self.positions.read(self.writing, 0)
        self.rate = SafeRate.of(kept, min(_api(plan).requests_per_second for plan in plans))
        if kept:
            self.governor.say_once(f"{self.fetching.service.name}: {self.rate.words}")
        tables = {}
        for plan, record in zip(plans, records, strict=True):
            self._table(plan, record)
            with self.writing.begin():
                tally = self.control.tally(self.writing, plan.number)
            tables[plan.into] = TableReport(tally.read, tally.written, tally.rejected)
        return Report(tables, self.context.clock.monotonic() - started)

    def _records(self, plans: Sequence[TablePlan]) -> tuple[TableRecord, ...]:
        create_control(self.writing)
        with self.writing.begin():
            if self.control.undone(self.writing):
                raise AlreadyUndone(self.fetching.name)
            records = self.control.tables(self.writing)
        if records:
            refuse_another_mapping(plans, records)
            return records
        problems: list[str] = []
        records = tuple(self._record(plan, problems) for plan in plans)
        self.writing.rollback()
        if problems:
            raise MigrationRefused(tuple(problems))
        now = self.context.clock.now()
        with transaction(self.writing, self.dialect):
            for record in records:
                self.control.record_table(self.writing, record, (), now)
        return records

    def _record(self, plan: TablePlan, problems: list[str]) -> TableRecord:
        before = count(self.writing, plan)
        if before and not plan.handle:
            problems.append(
                f"table {plan.into} has {counted(before, 'row')} already, and nothing would tell the copied ones apart: "
                "let one of its columns be filled from the source's key"
            )
        undo_by = UndoBy.KEYS if before else UndoBy.EVERYTHING
        counters = self.dialect.counters(self.writing, plan.target)
        source = str(plan.source.name)
        return TableRecord(plan.number, source, plan.into, plan.fingerprint, TableState.PLANNED, undo_by, 0, before, counters)

    def _table(self, plan: TablePlan, record: TableRecord) -> None:
        if record.state is TableState.PLANNED:
            position = self._pages(plan, record)
            said = position.get("total")
            if said is not None and said != position["came"]:
                raise PagesDoNotAddUp(plan.into, said, position["came"])
            with self.writing.begin():
                tally = self.control.tally(self.writing, plan.number)
            verify(plan, record, self.control, _Told(tally.read), self.writing)
        self._refuse_rejects()
        if record.state is not TableState.DONE:
            with transaction(self.writing, self.dialect):
                finish(plan, self.far, self.fetching.mapped.sequences)
                self.control.set_state(self.writing, plan.number, TableState.DONE, self.context.clock.now())

    def _pages(self, plan: TablePlan, record: TableRecord) -> Mapping[str, Any]:
        """Fetch every page that has not come yet; what is on record at the end."""
        service, context = self.fetching.service, self.context
        pages = Pages(_api(plan), service.url, service.ask, self.rate, context.clock, context.sleep, self._keep_rate, context.say)
        with self.writing.begin():
            position = self.positions.read(self.writing, plan.number)
        if position is None:
            position = {"place": pages.first, "pages": 0, "came": 0, "done": False}
            with transaction(self.writing, self.dialect):
                self.positions.put(self.writing, plan.number, position, context.clock.now())
        elif position["pages"]:
            context.say(f"{plan.into}: going on after {counted(position['pages'], 'page')}, {position['came']:,} rows")
        while not position["done"]:
            self.pace.between_chunks()
            page = pages.page(position["place"], position["pages"])
            fill(self.near.connection, plan.mapping.source, _api(plan), page.items)
            position = self.work.at_its_pace(lambda here=position, page=page: self._write(plan, record, page, here))  # type: ignore[misc] # mypy cannot infer such a default
            self._tell(plan, position)
            self._refuse_rejects()
        return position

    def _write(self, plan: TablePlan, record: TableRecord, page: Page, position: Mapping[str, Any]) -> dict[str, Any]:
        now: datetime = self.context.clock.now()
        outcome = Outcome()
        writer = Writer(self.writing, self.dialect, plan, keep_keys=record.keeps_keys)
        with transaction(self.writing, self.dialect):
            if self.positions.lock(self.writing, plan.number, self.dialect) != position:
                raise CopyFailed(plan.into, "somebody else fetches the same pages")
            if self.control.undone(self.writing):
                raise CopyFailed(plan.into, "the migration was taken back meanwhile")
            RowCarrier(Reader(self.near.connection, plan), writer, self.pace).carry(Range(None, None), outcome)
            entry = Entry(outcome.read, outcome.written, len(outcome.letters))
            Ledger(self.control, record).enter(self.writing, entry, outcome.keys, outcome.letters, now)
            after = {
                "place": page.next,
                "pages": position["pages"] + 1,
                "came": position["came"] + len(page.items),
                "done": page.next is None,
                **({"total": page.total} if page.total is not None else {}),
            }
            self.positions.put(self.writing, plan.number, after, now)
            self.positions.put(self.writing, 0, self.rate.kept, now)
        return after

    def _keep_rate(self) -> None:
        with transaction(self.writing, self.dialect):
            self.positions.put(self.writing, 0, self.rate.kept, self.context.clock.now())

    def _refuse_rejects(self) -> None:
        with self.writing.begin():
            rejected = self.control.tally(self.writing).rejected
        allowed = self.fetching.mapped.max_rejects
        if rejected > allowed:
            raise TooManyRejects(rejected, allowed, examples_of(self.control, self.writing))

    def _tell(self, plan: TablePlan, position: Mapping[str, Any]) -> None:
        with self.writing.begin():
            tally = self.control.tally(self.writing)
        self.totals[plan.number] = position.get("total") or position["came"]
        total = max(sum(self.totals.values()), tally.read)
        figures = {"table": plan.into, "rejected": tally.rejected, "pages": position["pages"]}
        self.governor.arrived(tally.read, total, **figures, because=self.rate.words)


def _api(plan: TablePlan) -> Paged:
    if plan.mapping.api is None:
        raise AssertionError  # the step says so before
    return plan.mapping.api
