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
from typing import Any, Final

from sqlalchemy.exc import SQLAlchemyError

from changeover.errors import Setback
from changeover.transfer.adapters import dialect_of
from changeover.transfer.chunk_work import ChunkWork
from changeover.transfer.control import Control
from changeover.transfer.databases import reason
from changeover.transfer.failing import ConnectionLost, CopyFailed
from changeover.transfer.orders import ChunkCopied, CopyTable, Failed, Job, NoneLeft
from changeover.transfer.pace import Unhurried
from changeover.transfer.paths import path_of
from changeover.transfer.planning import Side, plan_tables
from changeover.transfer.sessions import lost, session

#: How the process ends when nobody is left to tell.
_ORPHANED: Final = 3


class _Clock:
    """The machine's."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()


def serve(orders: Connection) -> None:
    """Do what *orders* say until they end."""
    job: Job = orders.recv()
    told: queue.SimpleQueue[CopyTable] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(orders, told), daemon=True).start()
    try:
        with _at_work(job) as (work, plans):
            while True:
                _copy_table(orders, work, plans[told.get().number])
    except Setback as setback:
        orders.send(Failed(setback))
    except SQLAlchemyError as error:
        kind = ConnectionLost if lost(error) else CopyFailed
        orders.send(Failed(kind(job.target.name, reason(error))))


def _listen(orders: Connection, told: queue.SimpleQueue[CopyTable]) -> None:
    try:
        while True:
            told.put(orders.recv())
    except (EOFError, OSError):
        os._exit(_ORPHANED)  # in the middle of whatever it is: nothing of it is committed


@contextmanager
def _at_work(job: Job) -> Iterator[tuple[ChunkWork, dict[int, Any]]]:
    with closing(job.source.open()) as source, closing(job.target.open()) as target:
        dialects = (dialect_of(source), dialect_of(target))
        with session(source, dialects[0], autocommit=True) as reading, session(target, dialects[1]) as writing:
            near, far = Side(source, dialects[0], reading), Side(target, dialects[1], writing)
            plans = plan_tables(job.mapped, near, far)
            writing.rollback()
            clock = _Clock()
            work = ChunkWork(Control(job.migration), near, far, Unhurried(lambda: None), clock, time.sleep)
            yield work, {plan.number: plan for plan in plans}


def _copy_table(orders: Connection, work: ChunkWork, plan: Any) -> None:
    with work.far.connection.begin():
        records = work.control.tables(work.far.connection)
        record = next(record for record in records if record.number == plan.number)
        path = path_of(plan, work.near, work.far, keeps_keys=record.keeps_keys)
    carrier = work.carrier(path, plan, record)
    while (chunk := work.copy_next(plan, record, carrier)) is not None:
        orders.send(ChunkCopied(plan.number, chunk))
    orders.send(NoneLeft(plan.number))


if __name__ == "__main__":
    serve(Connection(int(sys.argv[1])))
