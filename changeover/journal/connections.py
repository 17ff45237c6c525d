"""Connections to the journal's database: SQLite made durable, PostgreSQL with a limit on every wait."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from changeover.journal.errors import JournalAddressWrong, JournalEmpty, JournalMissing, JournalUnavailable
from changeover.journal.unavailable import explaining

#: How long one writer waits for another.
BUSY_SECONDS: Final = 10

#: A stopped engine must not keep a row locked for ever: the server ends its session.
_POSTGRESQL_OPTIONS: Final = "-c lock_timeout=10s -c statement_timeout=60s -c idle_in_transaction_session_timeout=15s"
_POSTGRESQL_ARGUMENTS: Final = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
    "application_name": "changeover",
    "options": _POSTGRESQL_OPTIONS,
}


class Connections:
    """The pool of one journal. Thread-safe."""

    def __init__(self, url: str) -> None:
        self._url = _understood(url)
        self.sqlite: Final = self._url.get_backend_name() == "sqlite"
        self.path: Final = Path(self._url.database or "").absolute() if self.sqlite else None
        self.where: Final = str(self.path) if self.sqlite else _without_secrets(self._url)
        self._one_writer = threading.Lock()
        self._use(self._sqlite_engine() if self.sqlite else self._postgresql_engine())

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A connection outside any transaction: each statement sees what is committed."""
        with explaining(self.where, sqlite=self.sqlite), self._reading.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """A transaction: committed at the end, durable then, rolled back on any error."""
        with explaining(self.where, sqlite=self.sqlite), self._alone(), self._writing.begin() as connection:
            yield connection

    @contextmanager
    def snapshot(self) -> Iterator[sa.Connection]:
        """A connection that sees one moment, however many statements it reads it with."""
        with explaining(self.where, sqlite=self.sqlite):
            engine = self._engine if self.sqlite else self._engine.execution_options(isolation_level="REPEATABLE READ")
            with engine.connect() as connection:
                if self.sqlite:
                    connection.exec_driver_sql("begin")
                try:
                    yield connection
                finally:
                    connection.rollback()

    def session(self) -> sa.Connection:
        """A connection of its own, outside the pool, for a lock that lives as long as it does. Close it."""
        with explaining(self.where, sqlite=self.sqlite):
            connection = self._reading.connect()
            try:
                connection.detach()
            except BaseException:
                connection.close()
                raise
            return connection

    def clock(self, connection: sa.Connection) -> float:
        """Seconds on the database's own clock: leases are compared on nothing else.

        A SQLite file is used from one machine only, so its clock is the time since the machine's start, which no
        change of the wall clock moves.
        """
        if self.sqlite:
            return time.clock_gettime(time.CLOCK_BOOTTIME)
        return float(connection.execute(sa.text("select extract(epoch from clock_timestamp())")).scalar_one())

    def make_file(self, *, create: bool) -> None:
        """See to it that a SQLite journal is a file that only its owner reads.

        Raises JournalMissing and JournalEmpty without *create*.
        """
        if self.path is None:
            return
        if self.path.exists():
            if not create:
                self._look(self.path)
            return
        if not create:
            raise JournalMissing(self.where)
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))
        except OSError as error:
            cure = "make the folder writable for you, or set CHANGEOVER_JOURNAL to another place"
            raise JournalUnavailable(self.where, (error.strerror or str(error)).lower(), cure) from error

    def _look(self, path: Path) -> None:
        """A reader changes nothing: neither an empty file into a journal, nor a folder that it may not write to."""
        if path.stat().st_size == 0:
            raise JournalEmpty(self.where)
        if not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)):
            self._use(_read_only_engine(path))

    def _use(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._writing = engine.execution_options(changeover_writing=True)
        self._reading = engine if self.sqlite else engine.execution_options(isolation_level="AUTOCOMMIT")

    def close(self) -> None:
        """Close every pooled connection."""
        self._engine.dispose()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """SQLite has one writer: threads queue here, where waiting is fair and cheap; other processes in the busy handler."""
        if not self.sqlite:
            yield
            return
        if not self._one_writer.acquire(timeout=3 * BUSY_SECONDS):
            raise JournalUnavailable(self.where, "another thread has been writing to it all the time")
        try:
            yield
        finally:
            self._one_writer.release()

    def _sqlite_engine(self) -> sa.Engine:
        arguments = {"check_same_thread": False, "timeout": BUSY_SECONDS}
        engine = sa.create_engine(self._url, connect_args=arguments, pool_size=5, max_overflow=20, pool_timeout=30)
        sa.event.listen(engine, "connect", _make_durable)
        sa.event.listen(engine, "begin", _begin_immediate)
        return engine

    def _postgresql_engine(self) -> sa.Engine:
        arguments = {name: value for name, value in _POSTGRESQL_ARGUMENTS.items() if name not in self._url.query}
        return sa.create_engine(
            self._url, connect_args=arguments, pool_pre_ping=True, pool_size=5, max_overflow=20, pool_timeout=30
        )


def _read_only_engine(path: Path) -> sa.Engine:
    """SQLite without a single byte written; of a journal on which nobody is at work it needs no other file either."""
    at_work = any(path.with_name(f"{path.name}-{what}").exists() for what in ("wal", "shm"))
    url = f"{path.as_uri()}?mode=ro{'' if at_work else '&immutable=1'}"

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(url, uri=True, check_same_thread=False, timeout=BUSY_SECONDS)
        connection.isolation_level = None
        return connection

    engine = sa.create_engine("sqlite://", creator=connect, poolclass=sa.QueuePool, pool_size=5, max_overflow=20, pool_timeout=30)
    sa.event.listen(engine, "begin", _begin_immediate)
    return engine


def _make_durable(connection: sqlite3.Connection, _record: object) -> None:
    """Transactions are begun by hand, a commit is on the disk when it returns, and readers never wait for the writer."""
    connection.isolation_level = None
    connection.execute(f"pragma busy_timeout = {BUSY_SECONDS * 1000}")
    _write_ahead(connection)
    connection.execute("pragma synchronous = full")
    connection.execute("pragma foreign_keys = on")


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Two processes that open a new file at once can be told *locked* without any waiting; then try again."""
    end = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("pragma journal_mode = wal").fetchone()
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > end:
                raise
            time.sleep(0.01)
        else:
            return


def _begin_immediate(connection: sa.Connection) -> None:
    """A writer takes the lock at once: a transaction that reads first and then wants to write could not wait for it."""
    if connection.get_execution_options().get("changeover_writing"):
        connection.exec_driver_sql("begin immediate")


def _understood(url: str) -> sa.URL:
    try:
        parsed = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):
        raise JournalAddressWrong("cannot be understood") from None
    backend = parsed.drivername.partition("+")[0]
    if backend == "sqlite":
        if parsed.database in {None, "", ":memory:"}:
            raise JournalAddressWrong("names no file, and people read the journal from other processes")
        return parsed.set(drivername="sqlite")
    if backend in {"postgresql", "postgres"}:
        return parsed.set(drivername="postgresql+psycopg")
    raise JournalAddressWrong(f"is of the sort {backend!r}; the journal lives in SQLite or PostgreSQL")


def _without_secrets(url: sa.URL) -> str:
    user = f"{url.username}@" if url.username else ""
    host: Any = url.host or url.query.get("host") or "localhost"
    port = f":{url.port}" if url.port else ""
    if "@" in str(host):  # a password with an @ in it that was not written as %40: what stands before is a part of it
        host = str(host).rpartition("@")[2]
    return f"postgresql://{user}{host}{port}/{url.database or ''}"
