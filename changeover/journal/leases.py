"""Who may write a run's state: a lease with an epoch that every write carries, and a lock that dies with its holder."""

from __future__ import annotations

import os
import platform
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final, NoReturn

import sqlalchemy as sa

from changeover.contracts import Clock
from changeover.journal.canonical import clean, moment_of, moment_text
from changeover.journal.connections import Connections
from changeover.journal.errors import LeaseLost, NoSuchRun, RunOwned
from changeover.journal.locks import OwnerLocks
from changeover.journal.records import Lease, Ousted, Owner, Ownership
from changeover.journal.tables import RUN

_COLUMNS: Final[tuple[sa.Column[Any], ...]] = (
    RUN.c.lease_epoch,
    RUN.c.lease_owner,
    RUN.c.lease_host,
    RUN.c.lease_pid,
    RUN.c.lease_place,
    RUN.c.lease_locked,
    RUN.c.lease_since,
    RUN.c.lease_until,
)


#: Built once: they stand in the way of every commit.
_MINE: Final = (
    RUN.c.id == sa.bindparam("lease_run"),
    RUN.c.lease_epoch == sa.bindparam("lease_mine"),
    RUN.c.lease_owner.is_not(None),
)
_END: Final = sa.select(RUN.c.last_seq, RUN.c.head).where(*_MINE).with_for_update()
_ADVANCE: Final = sa.update(RUN).where(*_MINE).values(last_seq=sa.bindparam("new_seq"), head=sa.bindparam("new_head"))
_RENEW: Final = (
    sa.update(RUN).where(*_MINE).values(lease_until=sa.bindparam("new_until"), lease_locked=sa.bindparam("new_locked"))
)
_RELEASE: Final = sa.update(RUN).where(*_MINE).values(lease_owner=None, lease_until=None, lease_locked=False)


def _mine(lease: Lease) -> dict[str, object]:
    return {"lease_run": lease.run, "lease_mine": lease.epoch}


class Leases:
    """The leases of a journal's runs. Thread-safe."""

    def __init__(self, connections: Connections, clock: Clock) -> None:
        self._connections = connections
        self._clock = clock
        self._locks = OwnerLocks(connections)

    def take(self, run: str, owner: Owner, *, seconds: float, takeover: bool) -> Lease:
        """See :meth:`Journal.take_lease`."""
        locked = False
        try:
            with self._connections.write() as connection:
                row = self._row(connection, run)
                locked = self._locks.take(run)  # in here, so that of two who start at once only one asks for it at a time
                now = self._connections.clock(connection)
                alive = self._alive(row, now, free=locked)
                ousted = _ousted(run, row, now, takeover=takeover) if alive else None
                lease = Lease(run, row.lease_epoch + 1, owner, ousted)
                connection.execute(sa.update(RUN).where(RUN.c.id == run).values(self._taken(lease, now + seconds, locked=locked)))
        except BaseException:
            if locked:
                self._locks.release(run)
            raise
        return lease

    def renew(self, lease: Lease, *, seconds: float) -> None:
        """See :meth:`Journal.renew_lease`. A lock that could not be had, or went with a connection, is tried again."""
        locked = self._locks.holds(lease.run) or self._locks.take(lease.run)
        with self._connections.write() as connection:
            until = self._connections.clock(connection) + seconds
            if connection.execute(_RENEW, {**_mine(lease), "new_until": until, "new_locked": locked}).rowcount == 0:
                self._refuse(connection, lease)

    def release(self, lease: Lease) -> None:
        """See :meth:`Journal.release_lease`."""
        try:
            with self._connections.write() as connection:
                connection.execute(_RELEASE, _mine(lease))
        finally:
            self._locks.release(lease.run)

    def ownership(self, run: str) -> Ownership:
        """See :meth:`Journal.ownership`."""
        with self._connections.read() as connection:
            row = self._row(connection, run)
            now = self._connections.clock(connection)
        if row.lease_owner is None:
            return Ownership(None, row.lease_epoch, None, None, live=False)
        live = self._alive(row, now, free=self._locks.is_free(run))
        left = timedelta(seconds=row.lease_until - now if live else 0)
        return Ownership(_owner(row), row.lease_epoch, moment_of(row.lease_since), self._clock.now() + left, live=live)

    def end(self, connection: sa.Connection, lease: Lease) -> tuple[int, str]:
        """Last number and hash of the run, locked for this transaction. Raises LeaseLost when the run is not ours any more."""
        row = connection.execute(_END, _mine(lease)).first()
        if row is None:
            self._refuse(connection, lease)
        return row.last_seq, row.head

    def advance(self, connection: sa.Connection, lease: Lease, seq: int, head: str) -> None:
        """Move the end of the run, where the epoch is still ours. Raises LeaseLost."""
        if connection.execute(_ADVANCE, {**_mine(lease), "new_seq": seq, "new_head": head}).rowcount == 0:
            self._refuse(connection, lease)

    def close(self) -> None:
        """Give every lock back: whoever comes next need not wait."""
        self._locks.close()

    def _row(self, connection: sa.Connection, run: str) -> sa.Row[Any]:
        row = connection.execute(sa.select(*_COLUMNS).where(RUN.c.id == run).with_for_update()).first()
        if row is None:
            raise NoSuchRun(run, near=())
        return row

    def _taken(self, lease: Lease, until: float, *, locked: bool) -> dict[str, object]:
        return {
            "lease_epoch": lease.epoch,
            "lease_owner": clean(lease.owner.name),
            "lease_host": clean(lease.owner.host),
            "lease_pid": lease.owner.pid,
            "lease_place": _place(),
            "lease_locked": locked,
            "lease_since": moment_text(self._clock.now()),
            "lease_until": until,
        }

    def _alive(self, row: sa.Row[Any], now: float, *, free: bool) -> bool:
        """Whether the owner in *row* must be taken for alive; *free*: the lock it would hold is not held by anybody.

        A lease counts until it runs out, unless its owner is provably dead: the lock that it held is free. On PostgreSQL
        a lock also goes with a cut connection, so there the process must have been one of this machine, and be gone.
        """
        if row.lease_owner is None:
            return False
        if self._connections.sqlite:
            if _boot(row.lease_place) != _boot(_place()):  # the machine was started anew: its clock too
                return not free
            dead = free and row.lease_locked
        else:
            dead = free and row.lease_locked and row.lease_place == _place() and not _is_running(row.lease_pid)
        return not dead and bool(row.lease_until > now)

    def _refuse(self, connection: sa.Connection, lease: Lease) -> NoReturn:
        row = connection.execute(sa.select(*_COLUMNS).where(RUN.c.id == lease.run)).first()
        taken = row is not None and row.lease_owner is not None and row.lease_epoch != lease.epoch
        raise LeaseLost(lease.run, lease.epoch, _owner(row) if row is not None and taken else None)


def _ousted(run: str, row: sa.Row[Any], now: float, *, takeover: bool) -> Ousted:
    """A living owner loses the run only by a person's word. Raises RunOwned."""
    if not takeover:
        raise RunOwned(run, _owner(row), moment_of(row.lease_since), row.lease_until - now)
    return Ousted(_owner(row), moment_of(row.lease_since))


def _owner(row: sa.Row[Any]) -> Owner:
    return Owner(row.lease_owner, row.lease_host, row.lease_pid)


@cache
def _machine() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return platform.node()


def _place() -> str:
    """Where a process id means something: this boot of this machine, and the process namespace in it (containers)."""
    try:
        namespace = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        namespace = ""
    return f"{_machine()} {namespace}"


def _boot(place: str) -> str:
    return place.partition(" ")[0]


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
