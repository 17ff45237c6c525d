"""The runs of a journal: created once, found by what people type."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any, Final

import sqlalchemy as sa

from changeover.contracts import Mode
from changeover.journal.canonical import clean, mapping_of, moment_of, moment_text, text_of
from changeover.journal.chain import START
from changeover.journal.connections import Connections
from changeover.journal.entries import Entries
from changeover.journal.errors import NoSuchRun, RunExists
from changeover.journal.events import Draft
from changeover.journal.records import Head, Mark, RunRecord
from changeover.journal.tables import RUN, SOURCE
from changeover.journal.unavailable import legible

#: What people type for the newest run.
LATEST: Final = "latest"


class Runs:
    """The runs of a journal. Thread-safe."""

    def __init__(self, connections: Connections, entries: Entries) -> None:
        self._connections = connections
        self._entries = entries

    def create(self, run: RunRecord, drafts: Sequence[Draft]) -> None:
        """See :meth:`Journal.create_run`."""
        row = {name: clean(getattr(run, name)) for name in ("id", "runbook", "title", "environment", "runner", "digest", "file")}
        rest: dict[str, object] = {
            "mode": str(run.mode),
            "created_at": moment_text(run.created_at),
            "values": text_of(run.values),
            "inputs": text_of(run.inputs),
            "schema": run.schema,
        }
        fresh: dict[str, object] = {"last_seq": 0, "head": START, "last_command": 0, "lease_epoch": 0}
        sources = [
            {"run": run.id, "position": position, "path": path, "text": text}
            for position, (path, text) in enumerate(run.sources.items())
        ]
        try:
            with self._connections.write() as connection:
                connection.execute(sa.insert(RUN).values({**row, **rest, **fresh}))
                if sources:
                    connection.execute(sa.insert(SOURCE), sources)
                if drafts:
                    self._entries.begin(connection, run.id, drafts)
        except sa.exc.IntegrityError:
            raise RunExists(run.id) from None

    def find(self, name: str) -> RunRecord:
        """See :meth:`Journal.run`."""
        with self._connections.read() as connection:
            row = connection.execute(sa.select(RUN).where(RUN.c.id == name)).first()
            if row is None:
                meant = self._meant(connection, name)
                row = connection.execute(sa.select(RUN).where(RUN.c.id == meant)).one()
            query = sa.select(SOURCE.c.path, SOURCE.c.text).where(SOURCE.c.run == row.id).order_by(SOURCE.c.position)
            sources = {source.path: source.text for source in connection.execute(query)}
        with legible(self._connections.where):
            return _record(row, sources)

    def every(self) -> list[RunRecord]:
        """See :meth:`Journal.runs`."""
        with self._connections.read() as connection:
            rows = connection.execute(sa.select(RUN).order_by(RUN.c.number.desc())).all()
        with legible(self._connections.where):
            return [_record(row, {}) for row in rows]

    def mark(self, run: str) -> Mark:
        """See :meth:`Journal.changed`."""
        with self._connections.read() as connection:
            row = connection.execute(sa.select(RUN.c.last_seq, RUN.c.last_command).where(RUN.c.id == run)).first()
        if row is None:
            raise NoSuchRun(run, near=())
        return Mark(row.last_seq, row.last_command)

    def head(self, run: str) -> Head:
        """See :meth:`Journal.head`."""
        with self._connections.read() as connection:
            row = connection.execute(sa.select(RUN.c.last_seq, RUN.c.head).where(RUN.c.id == run)).first()
        if row is None:
            raise NoSuchRun(run, near=())
        return Head(row.last_seq, row.head)

    def _meant(self, connection: sa.Connection, name: str) -> str:
        names = list(connection.execute(sa.select(RUN.c.id).order_by(RUN.c.number.desc())).scalars())
        if name == LATEST and names:
            return str(names[0])
        found = [run for run in names if run.startswith(name)] if name else []
        if len(found) == 1:
            return str(found[0])
        if found:
            raise NoSuchRun(name, tuple(found[:5]), ambiguous=True)
        near = difflib.get_close_matches(name, names, n=3, cutoff=0.5) or names[:3]
        raise NoSuchRun(name, tuple(near))


def _record(row: sa.Row[Any], sources: dict[str, str]) -> RunRecord:
    fields = row._mapping  # noqa: SLF001 - SQLAlchemy's public name for it; `values` is a method of rows
    return RunRecord(
        id=row.id,
        runbook=row.runbook,
        title=row.title,
        environment=row.environment,
        mode=Mode(row.mode),
        runner=row.runner,
        created_at=moment_of(row.created_at),
        digest=row.digest,
        file=row.file,
        sources=sources,
        values=mapping_of(fields["values"]),
        inputs=mapping_of(fields["inputs"]),
        schema=row.schema,
    )
