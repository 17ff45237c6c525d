"""A worker process: ``python -m changeover.transfer.worker FD``. It is told what to do through the pipe FD, and nothing else.

It dies with the process that started it: the pipe ends, the transaction in the air is rolled back by the server, and the
chunk is free again.
"""

from __future__ import annotations

import os
import queue
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from changeover.errors import Mistake, Setback
from changeover.transfer.adapters import dialect_of
from changeover.transfer.chunk_work import ChunkWork
from changeover.transfer.control import ChunkRecord, Control
from changeover.transfer.databases import reason
from changeover.transfer.failing import ConnectionLost, CopyFailed
from changeover.transfer.orders import ChunkCopied, CopyTable, Failed, Job, NoneLeft, Rest, RowsWent
from changeover.transfer.pace import Allowance, Paced
from changeover.transfer.paths import path_of
from changeover.transfer.planning import Side, TablePlan, plan_tables
from changeover.transfer.sessions import lost, session

#: How the process ends when nobody is left to tell.
_ORPHANED: Final = 3
#: Seconds between two pieces of news about rows that went.
_TELL_EVERY: Final = 0.5


class _Told:
    """What the migration has ordered, and is told."""

    def __init__(self, orders: Connection) -> None:
        self.orders = orders
        self.tables: queue.SimpleQueue[CopyTable] = queue.SimpleQueue()
        self.allowance = Allowance()
        self.resting = False
        self._rows = 0
        self._told = time.monotonic()

    def listen(self) -> None:
        """Take orders until they end."""
        try:
            while True:
                self._take(self.orders.recv())
        except (EOFError, OSError):
            os._exit(_ORPHANED)  # in the middle of whatever it is: nothing of it is committed

    def _take(self, order: CopyTable | Allowance | Rest) -> None:
        match order:
            case Allowance():
                self.allowance = order
            case Rest():
                self.resting = True
            case CopyTable():
                self.resting = False
                self.tables.put(order)

    def went(self, rows: int) -> None:
        """Count *rows*, and tell of them now and then."""
        self._rows += rows
        if time.monotonic() - self._told >= _TELL_EVERY:
            self.tell()

    def tell(self) -> None:
        """Tell how many rows went."""
        if self._rows:
            self.orders.send(RowsWent(self._rows))
        self._rows, self._told = 0, time.monotonic()


class SystemClock:
    """The machine's."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()


def serve(orders: Connection) -> None:
    """Do what *orders* say until they end."""
    job: Job = orders.recv()
    told = _Told(orders)
    threading.Thread(target=told.listen, daemon=True).start()
    try:
        pace = Paced(lambda: told.allowance, lambda: None, time.sleep, SystemClock(), told.went)
        with at_work(job, pace) as (work, plans):
            while True:
                _copy_table(told, work, plans[told.tables.get().number])
    except (Setback, Mistake) as error:
        orders.send(Failed(error))
    except SQLAlchemyError as error:
        kind = ConnectionLost if lost(error) else CopyFailed
        orders.send(Failed(kind(job.target.name, reason(error))))


@contextmanager
def at_work(job: Job, pace: Paced) -> Iterator[tuple[ChunkWork, dict[int, TablePlan]]]:
    """Both databases, opened, and the tables by their numbers."""
    with closing(job.source.open()) as source, closing(job.target.open()) as target:
        dialects = (dialect_of(source), dialect_of(target))
        with session(source, dialects[0], autocommit=True) as reading, session(target, dialects[1]) as writing:
            near, far = Side(source, dialects[0], reading), Side(target, dialects[1], writing)
            plans = plan_tables(job.mapped, near, far)
            writing.rollback()
            work = ChunkWork(Control(job.migration), near, far, pace, pace.clock, pace.sleep)
            yield work, {plan.number: plan for plan in plans}


def copied(work: ChunkWork, plan: TablePlan) -> Iterator[ChunkRecord]:
    """Copy the chunks of a table until none is free, and give each."""
    with work.far.connection.begin():
        records = work.control.tables(work.far.connection)
        record = next(record for record in records if record.number == plan.number)
        path = path_of(plan, work.near, work.far, keeps_keys=record.keeps_keys)
    carrier = work.carrier(path, plan, record)
    while (chunk := work.copy_next(plan, record, carrier)) is not None:
        yield chunk


def _copy_table(told: _Told, work: ChunkWork, plan: TablePlan) -> None:
    chunks = copied(work, plan)
    while not told.resting and (chunk := next(chunks, None)) is not None:
        told.tell()
        told.orders.send(ChunkCopied(plan.number, chunk))
    told.orders.send(NoneLeft(plan.number))


if __name__ == "__main__":
    serve(Connection(int(sys.argv[1])))
