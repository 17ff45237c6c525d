"""Events in and out of the journal. One transaction is the unit of durability."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import UTC
from typing import Any, Final

import sqlalchemy as sa

from changeover.contracts import Clock
from changeover.errors import ChangeoverError
from changeover.journal.canonical import clean, mapping_of, moment_of, moment_text, value_of
from changeover.journal.chain import START, link
from changeover.journal.connections import Connections
from changeover.journal.errors import JournalUnavailable, PassedTwice
from changeover.journal.events import Draft, Event, EventKind
from changeover.journal.leases import Leases
from changeover.journal.limits import fitting
from changeover.journal.records import Lease
from changeover.journal.tables import EVENT, RUN
from changeover.journal.unavailable import legible


class Entries:
    """The events of a journal's runs. Thread-safe."""

    def __init__(self, connections: Connections, leases: Leases, clock: Clock) -> None:
        self._connections = connections
        self._leases = leases
        self._clock = clock
        self._doubtful: dict[str, tuple[Sequence[Draft], list[Event]]] = {}
        self._guard = threading.Lock()

    def append(
        self, lease: Lease, drafts: Sequence[Draft], *, also: Callable[[sa.Connection], None] | None = None
    ) -> list[Event]:
        """See :meth:`Journal.append`; *also* writes something more in the same transaction."""
        if not drafts:
            return []
        written: list[Event] = []
        try:
            with self._connections.write() as connection:
                stood = self._already_there(connection, lease, drafts)
                if stood is not None:
                    return stood
                written = self._write(connection, lease, drafts)
                if also is not None:
                    also(connection)
        except JournalUnavailable:
            if written:  # the answer to a commit may have been lost: it stands or not
                with self._guard:
                    self._doubtful[lease.run] = (drafts, written)
            raise
        except sa.exc.IntegrityError as error:
            raise self._contradiction(lease, drafts) from error
        return written

    def begin(self, connection: sa.Connection, run: str, drafts: Sequence[Draft]) -> None:
        """Write the first events of *run* in the transaction that creates it: nobody owns it yet."""
        rows, events = self._rows(run, 0, drafts, 0, START)
        connection.execute(_INSERT, rows)
        end = {"last_seq": events[-1].seq, "head": events[-1].hash}
        connection.execute(sa.update(RUN).where(RUN.c.id == run).values(end))

    def read(self, run: str, *, after: int, limit: int | None) -> list[Event]:
        """See :meth:`Journal.events`."""
        query = sa.select(EVENT).where(EVENT.c.run == run, EVENT.c.seq > after).order_by(EVENT.c.seq).limit(limit)
        with self._connections.read() as connection:
            rows = connection.execute(query).all()
        with legible(self._connections.where):
            return [
                Event(run, seq, moment_of(at), epoch, EventKind(kind), step, attempt, who, mapping_of(data), hashed)
                for _, seq, at, epoch, kind, step, attempt, who, data, hashed in rows
            ]

    def _write(self, connection: sa.Connection, lease: Lease, drafts: Sequence[Draft]) -> list[Event]:
        seq, head = self._leases.end(connection, lease)
        rows, events = self._rows(lease.run, lease.epoch, drafts, seq, head)
        connection.execute(_INSERT, rows)
        self._leases.advance(connection, lease, events[-1].seq, events[-1].hash)
        return events

    def _already_there(self, connection: sa.Connection, lease: Lease, drafts: Sequence[Draft]) -> list[Event] | None:
        """The events of a commit that was in doubt, when it stands and *drafts* are what it was to write."""
        with self._guard:
            if lease.run not in self._doubtful:
                return None
            tried, events = self._doubtful[lease.run]
        _, head = self._leases.end(connection, lease)
        with self._guard:
            self._doubtful.pop(lease.run, None)
        return events if head == events[-1].hash and list(tried) == list(drafts) else None

    def _rows(
        self, run: str, epoch: int, drafts: Sequence[Draft], seq: int, previous: str
    ) -> tuple[list[dict[str, Any]], list[Event]]:
        now = self._clock.now().astimezone(UTC)
        at = moment_text(now)
        rows: list[dict[str, Any]] = []
        events: list[Event] = []
        for number, draft in enumerate(drafts, start=seq + 1):
            data, step, who = fitting(draft), clean(draft.step), clean(draft.who)
            row = (run, number, at, epoch, draft.kind.value, step, draft.attempt, who)
            previous = link(previous, row, data)
            rows.append(dict(zip(_NAMES, (*row, data, previous), strict=True)))
            read = value_of(data)  # as every reader will see it
            events.append(Event(run, number, now, epoch, draft.kind, step, draft.attempt, who, read, previous))
        return rows, events

    def _contradiction(self, lease: Lease, drafts: Sequence[Draft]) -> ChangeoverError:
        passed = [draft.step for draft in drafts if draft.kind is EventKind.STEP_PASSED]
        query = sa.select(EVENT.c.step).where(EVENT.c.run == lease.run, EVENT.c.kind == EventKind.STEP_PASSED.value)
        with self._connections.read() as connection:
            before = set(connection.execute(query).scalars())
        twice = sorted({step for step in passed if step in before or passed.count(step) > 1})
        if twice:
            return PassedTwice(lease.run, tuple(twice))
        cure = "somebody has altered it: bring it back from a copy, and compare its head with the one that chat shows"
        return JournalUnavailable(self._connections.where, "its rows contradict each other", cure)


_INSERT: Final = sa.insert(EVENT)
_NAMES: Final = tuple(column.name for column in EVENT.columns)
