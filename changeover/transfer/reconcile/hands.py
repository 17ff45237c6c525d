"""Several connections to one database, each with a thread of its own, that work through what they are given."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from changeover.contracts import Database
from changeover.transfer.adapters import dialect_of
from changeover.transfer.databases import StatementFailed, reason
from changeover.transfer.sessions import session

T = TypeVar("T")


class Hands:
    """Close it: with ``with``. What nobody has begun when it is closed is not done."""

    def __init__(self, database: Database, number: int) -> None:
        self._database = database
        self._own = threading.local()
        self._lock = threading.Lock()
        self._sessions = ExitStack()
        self._pool = ThreadPoolExecutor(max_workers=number, thread_name_prefix=f"reconcile-{database.name}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._sessions.close()

    def give(self, what: str, work: Callable[[sa.Connection], T]) -> Future[T]:
        """Have *work* done on one of the connections; *what* it is stands in the error. Its result raises StatementFailed."""
        return self._pool.submit(self._do, what, work)

    def _do(self, what: str, work: Callable[[sa.Connection], T]) -> T:
        try:
            connection = self._connection()
            with connection.begin():
                return work(connection)
        except SQLAlchemyError as error:
            raise StatementFailed(self._database.name, what, reason(error)) from error

    def _connection(self) -> sa.Connection:
        found: Any = getattr(self._own, "connection", None)
        if found is None:
            opened = session(self._database, dialect_of(self._database))
            with self._lock:
                found = self._own.connection = self._sessions.enter_context(opened)
        connection: sa.Connection = found
        return connection
