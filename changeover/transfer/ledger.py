"""What comes after the bulk load, entered beside it: signed figures, so that the sums over chunks stay true."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa

from changeover.transfer.chunks import Key, key_text
from changeover.transfer.control import CHUNKS, REJECTS, Control, DeadLetter, TableRecord, packed, unpacked

#: Keys asked for in one statement.
_KEYS_AT_A_TIME: Final = 500

#: What databases call a missing parent: it may still come.
_WAITING: Final = ("23503", "1452", "SQLITE_CONSTRAINT_FOREIGNKEY")


@dataclass(frozen=True, slots=True)
class Entry:
    """What one transaction changed: more rows than before, or fewer."""

    read: int  # rows of the source that are on record
    written: int  # of them in the target
    rejected: int  # of them dead letters

    def __bool__(self) -> bool:
        return bool(self.read or self.written or self.rejected)


@dataclass(frozen=True, slots=True)
class Ledger:
    """The entries of one table of a migration. Every method uses the connection it is given, and its transaction."""

    control: Control
    table: TableRecord

    def enter(
        self, connection: sa.Connection, entry: Entry, keys: Sequence[Key], letters: Sequence[DeadLetter], now: datetime
    ) -> int:
        """Add an entry with the keys that it wrote and its dead letters, unless there is nothing to say; its number, or 0."""
        if not (entry or keys or letters):
            return 0
        number = (connection.execute(sa.select(sa.func.max(CHUNKS.c.chunk_no)).where(*self._of(CHUNKS))).scalar() or 0) + 1
        connection.execute(
            CHUNKS.insert().values(
                migration=self.control.migration,
                table_no=self.table.number,
                chunk_no=number,
                state="done",
                rows_read=entry.read,
                rows_written=entry.written,
                rows_rejected=entry.rejected,
                written_keys=packed(keys) if self.table.keeps_keys and keys else None,
                changed_at=now.isoformat(),
            )
        )
        self.control.reject(connection, self.table, number, letters, now)
        return int(number)

    def forget_letters(self, connection: sa.Connection, keys: Sequence[Key], now: datetime) -> set[Key]:
        """Take the dead letters of these rows off the record; which of the rows had one."""
        if connection.execute(sa.select(REJECTS.c.reject_no).where(*self._of(REJECTS)).limit(1)).first() is None:
            return set()
        wanted = {key_text(key) or "": key for key in keys}
        texts, had = list(wanted), set()
        for start in range(0, len(texts), _KEYS_AT_A_TIME):
            some = REJECTS.c.row_key.in_(texts[start : start + _KEYS_AT_A_TIME])
            select = sa.select(REJECTS.c.row_key, REJECTS.c.chunk_no, REJECTS.c.reject_no).where(*self._of(REJECTS), some)
            for row in connection.execute(select).all():
                if row.row_key not in wanted:
                    continue  # a collation takes it for equal
                had.add(wanted[row.row_key])
                mine = (*self._of(REJECTS), REJECTS.c.chunk_no == row.chunk_no, REJECTS.c.reject_no == row.reject_no)
                connection.execute(sa.delete(REJECTS).where(*mine))
                fewer = {
                    "rows_read": CHUNKS.c.rows_read - 1,
                    "rows_rejected": CHUNKS.c.rows_rejected - 1,
                    "changed_at": now.isoformat(),
                }
                connection.execute(CHUNKS.update().where(*self._of(CHUNKS), CHUNKS.c.chunk_no == row.chunk_no).values(**fewer))
        return had

    def letter_keys(self, connection: sa.Connection) -> tuple[Key, ...]:
        """The keys of all dead letters."""
        return tuple(letter.key for letter in self.control.letters(connection, self.table.number))

    def lasting(self, connection: sa.Connection) -> int:
        """Dead letters that do not merely wait for a parent that may still come."""
        select = sa.select(sa.func.count()).where(*self._of(REJECTS), REJECTS.c.code.not_in(_WAITING))
        return int(connection.execute(select.select_from(REJECTS)).scalar_one())

    def written_keys(self, connection: sa.Connection) -> dict[Key, int]:
        """The keys that are on record as written, each with its chunk; only where chunks keep them."""
        select = sa.select(CHUNKS.c.chunk_no, CHUNKS.c.written_keys).where(*self._of(CHUNKS), CHUNKS.c.state == "done")
        rows = connection.execution_options(stream_results=False).execute(select).all()
        return {key: row.chunk_no for row in rows for key in unpacked(row.written_keys)}

    def strike(self, connection: sa.Connection, gone: Mapping[int, Collection[Key]], now: datetime) -> None:
        """Take keys off chunks that keep them: their rows are not in the target any more."""
        for number, keys in gone.items():
            left = [key for key in unpacked(self.control.written_keys(connection, self.table.number, number)) if key not in keys]
            values = {"written_keys": packed(left), "changed_at": now.isoformat()}
            connection.execute(CHUNKS.update().where(*self._of(CHUNKS), CHUNKS.c.chunk_no == number).values(**values))

    def _of(self, table: sa.Table) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
        return table.c.migration == self.control.migration, table.c.table_no == self.table.number
