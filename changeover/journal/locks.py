"""Locks that die with the process that holds them: proof that an owner is gone, beside the lease that only runs out."""

from __future__ import annotations

import fcntl
import os
import struct
import threading
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import quote

import sqlalchemy as sa

from changeover.journal.connections import Connections
from changeover.journal.errors import JournalUnavailable
from changeover.journal.unavailable import explaining

#: ``struct flock`` of 64-bit Linux: type, whence, start, length, pid.
_FLOCK: Final = "hhqqi4x"


class Held(Protocol):
    """A lock in our hands."""

    def alive(self) -> bool:
        """Whether it still is: a session's lock goes with the connection."""
        ...

    def release(self) -> None:
        """Give it back. Never fails."""
        ...


class OwnerLocks:
    """The locks of the runs that this journal's process owns. Thread-safe."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._held: dict[str, Held] = {}
        self._guard = threading.Lock()

    def take(self, run: str) -> bool:
        """Try to get the lock of *run*, without waiting. True when this call got it."""
        with self._guard:
            standing = self._held.get(run)
            if standing is not None and standing.alive():
                return False
            if standing is not None:
                standing.release()
                del self._held[run]
            got = self._take(run)
            if got is not None:
                self._held[run] = got
            return got is not None

    def holds(self, run: str) -> bool:
        """Whether the lock of *run* is in our hands."""
        with self._guard:
            standing = self._held.get(run)
            return standing is not None and standing.alive()

    def is_free(self, run: str) -> bool:
        """Whether nobody holds the lock of *run*: neither we nor another process."""
        path = self._connections.path
        if path is not None:
            return _file_is_free(_lock_file(path, run))
        first, second = _session_key(run)
        held = sa.text(
            "select 1 from pg_locks where locktype = 'advisory' and classid = :first and objid = :second and objsubid = 2"
            " and database = (select oid from pg_database where datname = current_database())"
        )
        with self._connections.read() as connection:
            return connection.execute(held, {"first": first % 2**32, "second": second % 2**32}).first() is None

    def release(self, run: str) -> None:
        """Give the lock of *run* back, if we have it."""
        with self._guard:
            held = self._held.pop(run, None)
        if held is not None:
            held.release()

    def close(self) -> None:
        """Give every lock back."""
        for run in list(self._held):
            self.release(run)

    def _take(self, run: str) -> Held | None:
        path = self._connections.path
        return _take_file(_lock_file(path, run)) if path is not None else _take_session(self._connections, run)


@dataclass(slots=True)
class _FileLock:
    """A lock of the open file, not of the process: closing another handle of the same file does not lose it."""

    handle: int

    def alive(self) -> bool:
        return True

    def release(self) -> None:
        os.close(self.handle)


@dataclass(slots=True)
class _SessionLock:
    """A PostgreSQL advisory lock on a connection of its own, which is in no pool: nobody else closes it."""

    connection: sa.Connection
    driver: Any  # psycopg's connection behind it

    def alive(self) -> bool:
        try:
            return self.connection.execute(sa.text("select 1")).scalar() == 1
        except sa.exc.SQLAlchemyError:
            return False

    def release(self) -> None:
        try:
            with suppress(sa.exc.SQLAlchemyError):  # it is gone already, and the lock with it
                self.connection.close()
        finally:
            self.driver.close()  # SQLAlchemy drops one that has failed, and leaves it open


def _lock_file(journal: Path, run: str) -> Path:
    return journal.with_name(f"{journal.name}.locks") / f"{quote(run, safe='')}.lock"


def _take_file(path: Path) -> _FileLock | None:
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        handle = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        cure = "make the folder writable for you"
        raise JournalUnavailable(str(path), (error.strerror or str(error)).lower(), cure) from error
    try:
        fcntl.fcntl(handle, fcntl.F_OFD_SETLK, struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
    except (BlockingIOError, PermissionError):
        os.close(handle)
        return None
    return _FileLock(handle)


def _file_is_free(path: Path) -> bool:
    """Ask without taking it, so that a reader is never in an engine's way."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    try:
        asked = struct.pack(_FLOCK, fcntl.F_RDLCK, os.SEEK_SET, 0, 0, 0)
        answer = fcntl.fcntl(handle, fcntl.F_OFD_GETLK, asked)
    finally:
        os.close(handle)
    found: int = struct.unpack(_FLOCK, answer)[0]
    return found == fcntl.F_UNLCK


def _session_key(run: str) -> tuple[int, int]:
    """Two signed 32-bit integers, which is what an advisory lock is called by."""
    first, second = struct.unpack(">ii", sha256(f"changeover run {run}".encode()).digest()[:8])
    return first, second


def _take_session(connections: Connections, run: str) -> _SessionLock | None:
    first, second = _session_key(run)
    session = connections.session()
    lock = _SessionLock(session, session.connection.dbapi_connection)
    got = False
    try:
        with explaining(connections.where, sqlite=False):
            got = bool(session.execute(sa.select(sa.func.pg_try_advisory_lock(first, second))).scalar())
    finally:
        if not got:
            lock.release()
    return lock if got else None
