"""What readers of the journal, such as chat, remember between their starts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa

from changeover.contracts import Value
from changeover.journal.canonical import text_of, value_of
from changeover.journal.connections import Connections
from changeover.journal.errors import NoSuchRun
from changeover.journal.tables import CURSOR


class Cursors:
    """The readers' memory. Thread-safe."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def read(self, run: str, reader: str) -> Mapping[str, Value]:
        """See :meth:`Journal.cursor`."""
        query = sa.select(CURSOR.c.data).where(CURSOR.c.run == run, CURSOR.c.reader == reader)
        with self._connections.read() as connection:
            text = connection.execute(query).scalar()
        found: Mapping[str, Value] = value_of(text) if text is not None else {}
        return found

    def move(self, run: str, reader: str, data: Mapping[str, Value]) -> None:
        """See :meth:`Journal.move_cursor`."""
        row = _insert(self._connections)(CURSOR).values(run=run, reader=reader, data=text_of(data))
        upsert = row.on_conflict_do_update(index_elements=[CURSOR.c.run, CURSOR.c.reader], set_={"data": row.excluded.data})
        try:
            with self._connections.write() as connection:
                connection.execute(upsert)
        except sa.exc.IntegrityError:
            raise NoSuchRun(run, near=()) from None


def _insert(connections: Connections) -> Callable[..., Any]:
    """The ``insert`` that knows what to do when the row is there; each loads the dialect of its database only."""
    if connections.sqlite:
        from sqlalchemy.dialects.sqlite import insert  # noqa: PLC0415

        return insert
    from sqlalchemy.dialects.postgresql import insert as insert_postgresql  # noqa: PLC0415

    return insert_postgresql
