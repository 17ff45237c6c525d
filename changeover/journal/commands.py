"""What people ask of a run: appended by anyone, once per key, answered only by the engine that owns the run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from changeover.contracts import Clock
from changeover.journal.audit import asked_by
from changeover.journal.canonical import clean, mapping_of, moment_of, moment_text, text_of
from changeover.journal.connections import Connections
from changeover.journal.entries import Entries
from changeover.journal.errors import AnsweredAlready, NoSuchCommand, NoSuchRun
from changeover.journal.events import Command, CommandRecord, Draft, Event, EventKind, Verb
from changeover.journal.limits import check_command
from changeover.journal.records import Lease
from changeover.journal.tables import COMMAND, RUN
from changeover.journal.unavailable import legible


class Commands:
    """The commands of a journal's runs. Thread-safe."""

    def __init__(self, connections: Connections, entries: Entries, clock: Clock) -> None:
        self._connections = connections
        self._entries = entries
        self._clock = clock

    def request(self, command: Command) -> CommandRecord:
        """See :meth:`Journal.request`."""
        check_command(command)
        this = (COMMAND.c.run == command.run, COMMAND.c.key == clean(command.key))
        with self._connections.write() as connection:
            # The run's row is locked first: numbers then become visible in their order, and a poller misses none.
            if connection.execute(sa.select(RUN.c.number).where(RUN.c.id == command.run).with_for_update()).first() is None:
                raise NoSuchRun(command.run, near=())
            standing = connection.execute(sa.select(COMMAND).where(*this)).first()
            if standing is None:
                connection.execute(sa.insert(COMMAND).values(self._row(command)))
                standing = connection.execute(sa.select(COMMAND).where(*this)).one()
                connection.execute(sa.update(RUN).where(RUN.c.id == command.run).values(last_command=standing.id))
        with legible(self._connections.where):
            return record_of(standing)

    def of_run(self, run: str, *, unanswered: bool) -> list[CommandRecord]:
        """See :meth:`Journal.commands`."""
        query = sa.select(COMMAND).where(COMMAND.c.run == run).order_by(COMMAND.c.id)
        if unanswered:
            query = query.where(COMMAND.c.accepted.is_(None))
        with self._connections.read() as connection:
            rows = connection.execute(query).all()
        with legible(self._connections.where):
            return [record_of(row) for row in rows]

    def one(self, number: int) -> CommandRecord:
        """See :meth:`Journal.command`."""
        with self._connections.read() as connection:
            row = connection.execute(sa.select(COMMAND).where(COMMAND.c.id == number)).first()
        if row is None:
            raise NoSuchCommand(number)
        with legible(self._connections.where):
            return record_of(row)

    def answer(self, lease: Lease, record: CommandRecord, *, accepted: bool, text: str, drafts: Sequence[Draft]) -> list[Event]:
        """See :meth:`Journal.answer`."""
        said: dict[str, Any] = {
            "command": record.id,
            "verb": str(record.command.verb),
            "accepted": accepted,
            "text": text,
            "asked": asked_by(record),
        }
        answered = Draft(EventKind.COMMAND_ANSWERED, step=record.command.step, who=record.command.who, data=said)
        this = (COMMAND.c.id == record.id, COMMAND.c.run == lease.run, COMMAND.c.accepted.is_(None))

        def close(connection: sa.Connection) -> None:
            if connection.execute(sa.update(COMMAND).where(*this).values(accepted=accepted, answer=clean(text))).rowcount == 0:
                raise AnsweredAlready(record.id)

        return self._entries.append(lease, (answered, *drafts), also=close)

    def _row(self, command: Command) -> dict[str, object]:
        return {
            "run": command.run,
            "key": clean(command.key),
            "verb": str(command.verb),
            "who": clean(command.who),
            "why": clean(command.why),
            "step": clean(command.step),
            "whence": clean(command.whence),
            "data": text_of(command.data),
            "at": moment_text(self._clock.now()),
            "accepted": None,
            "answer": "",
        }


def record_of(row: sa.Row[Any]) -> CommandRecord:
    """A command's row as a record."""
    command = Command(row.run, Verb(row.verb), row.who, row.why, row.key, row.step, row.whence, mapping_of(row.data))
    return CommandRecord(row.id, command, moment_of(row.at), row.accepted, row.answer)
