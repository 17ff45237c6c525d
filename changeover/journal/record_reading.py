"""All that is kept of a run, as it stands at one moment: nothing in its rows is read."""

from __future__ import annotations

from typing import cast

import sqlalchemy as sa

from changeover.journal.audit import Entry, Record, command_of, described
from changeover.journal.chain import Row
from changeover.journal.commands import record_of
from changeover.journal.connections import Connections
from changeover.journal.records import Head, RunRecord
from changeover.journal.tables import COMMAND, EVENT, RUN
from changeover.journal.unavailable import legible


def read_record(connections: Connections, run: RunRecord, *, kept: str) -> Record:
    """See :meth:`changeover.journal.store.Journal.record`."""
    events = sa.select(EVENT).where(EVENT.c.run == run.id).order_by(EVENT.c.seq)
    asked = sa.select(COMMAND).where(COMMAND.c.run == run.id, COMMAND.c.accepted.is_not(None)).order_by(COMMAND.c.id)
    with connections.snapshot() as connection:
        end = connection.execute(sa.select(RUN.c.last_seq, RUN.c.head).where(RUN.c.id == run.id)).one()
        entries = [Entry.of(cast("Row", tuple(row[:8])), row[8], row[9]) for row in connection.execute(events)]
        commands = connection.execute(asked).all()
    with legible(connections.where):
        answered = [command_of(record_of(row)) for row in commands]
    return Record(described(run), entries, answered, Head(end.last_seq, end.head), kept)
