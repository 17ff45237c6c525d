"""The checkpoint: which chunk is in the target, written in the very transaction that put it there.

Three tables of the target. A worker claims a chunk by locking its row for as long as its transaction lasts: when the
worker dies, its connection dies, the transaction is rolled back, and the chunk is free again.
"""

from __future__ import annotations

import itertools
import json
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from changeover.transfer.chunks import Key, Range, key_of, key_text
from changeover.transfer.dialects import Counter, Dialect

_OPTIONS: Final[dict[str, Any]] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4"}
_LONG_TEXT: Final = sa.Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb")
_LONG_BLOB: Final = sa.LargeBinary().with_variant(mysql.LONGBLOB(), "mysql", "mariadb")
_METADATA: Final = sa.MetaData()

_TABLES: Final = sa.Table(
    "changeover_migration",
    _METADATA,
    sa.Column("migration", sa.String(200), primary_key=True),  # the run and the step
    sa.Column("table_no", sa.Integer, primary_key=True, autoincrement=False),  # 0: the migration itself
    sa.Column("source_table", sa.String(200), nullable=False),
    sa.Column("target_table", sa.String(200), nullable=False),
    sa.Column("fingerprint", sa.String(40), nullable=False),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("undo_by", sa.String(20), nullable=False),
    sa.Column("rows_planned", sa.BigInteger, nullable=False),
    sa.Column("rows_before", sa.BigInteger, nullable=False),  # in the target
    sa.Column("counters_before", sa.Text, nullable=False),
    sa.Column("changed_at", sa.String(40), nullable=False),  # UTC, ISO
    **_OPTIONS,
)
CHUNKS: Final = sa.Table(
    "changeover_chunk",
    _METADATA,
    sa.Column("migration", sa.String(200), primary_key=True),
    sa.Column("table_no", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("chunk_no", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("after_key", sa.Text),
    sa.Column("upto_key", sa.Text),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("rows_read", sa.BigInteger, nullable=False, default=0),
    sa.Column("rows_written", sa.BigInteger, nullable=False, default=0),
    sa.Column("rows_rejected", sa.BigInteger, nullable=False, default=0),
    sa.Column("written_keys", _LONG_BLOB),  # where only the keys themselves tell our rows from others
    sa.Column("changed_at", sa.String(40), nullable=False),
    **_OPTIONS,
)
REJECTS: Final = sa.Table(
    "changeover_rejects",
    _METADATA,
    sa.Column("migration", sa.String(200), primary_key=True),
    sa.Column("table_no", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("chunk_no", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("reject_no", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("target_table", sa.String(200), nullable=False),
    sa.Column("row_key", sa.Text, nullable=False),
    sa.Column("column_name", sa.String(200), nullable=False),
    sa.Column("code", sa.String(40), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("raw_row", _LONG_TEXT, nullable=False),  # JSON: column -> value
    sa.Column("rejected_at", sa.String(40), nullable=False),
    **_OPTIONS,
)


class TableState(StrEnum):
    """How far one table is."""

    PLANNED = "planned"
    VERIFIED = "verified"  # every row is there or a dead letter, counted
    DONE = "done"  # and the counters stand where they should
    UNDONE = "undone"


class UndoBy(StrEnum):
    """How the rows that came are told from those that were there."""

    EVERYTHING = "everything"  # the table was empty
    RANGES = "ranges"  # no row of the target stood between the lowest and the highest key
    KEYS = "keys"  # each chunk keeps the keys it wrote


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A row that the target cannot hold, and why."""

    key: Key
    column: str
    code: str
    reason: str
    row: dict[str, Any]


@dataclass(frozen=True, slots=True)
class TableRecord:
    """What is on record about one table."""

    number: int
    source: str
    target: str
    fingerprint: str
    state: TableState
    undo_by: UndoBy
    rows_planned: int
    rows_before: int
    counters: tuple[Counter, ...]

    @property
    def keeps_keys(self) -> bool:
        """Whether each chunk keeps the keys that it wrote."""
        return self.undo_by is UndoBy.KEYS


@dataclass(frozen=True, slots=True)
class ChunkRecord:
    """What is on record about one chunk."""

    number: int
    range: Range
    state: str
    read: int
    written: int
    rejected: int
    keys: bytes | None


@dataclass(frozen=True, slots=True)
class Tally:
    """The sums over chunks."""

    chunks: int
    done: int
    read: int
    written: int
    rejected: int


@dataclass(frozen=True, slots=True)
class Control:
    """The checkpoint of one migration. Every method uses the connection it is given, and its transaction."""

    migration: str

    @staticmethod
    def exists(connection: sa.Connection) -> bool:
        """Whether this database has ever seen a migration."""
        return sa.inspect(connection).has_table(_TABLES.name)

    @staticmethod
    def create(connection: sa.Connection) -> None:
        """Make the three tables where they are missing."""
        for table in (_TABLES, CHUNKS, REJECTS):
            connection.execute(sa.schema.CreateTable(table, if_not_exists=True))

    def tables(self, connection: sa.Connection) -> tuple[TableRecord, ...]:
        """The tables, in copying order."""
        mine = (
            sa.select(_TABLES).where(_TABLES.c.migration == self.migration, _TABLES.c.table_no > 0).order_by(_TABLES.c.table_no)
        )
        return tuple(
            TableRecord(
                row.table_no,
                row.source_table,
                row.target_table,
                row.fingerprint,
                TableState(row.state),
                UndoBy(row.undo_by),
                row.rows_planned,
                row.rows_before,
                tuple(Counter(**counter) for counter in json.loads(row.counters_before)),
            )
            for row in connection.execute(mine)
        )

    def undone(self, connection: sa.Connection) -> bool:
        """Whether it has been taken back: then nothing may be written in its name any more."""
        seal = sa.select(_TABLES.c.state).where(_TABLES.c.migration == self.migration, _TABLES.c.table_no == 0)
        return connection.execute(seal).scalar() == TableState.UNDONE

    def seal(self, connection: sa.Connection, now: datetime) -> None:
        """From the commit on no worker, however late, writes for this migration."""
        if not self.undone(connection):
            empty = TableRecord(0, "", "", "", TableState.UNDONE, UndoBy.KEYS, 0, 0, ())
            self.record_table(connection, empty, (), now)

    def record_table(self, connection: sa.Connection, record: TableRecord, ranges: Sequence[Range], now: datetime) -> None:
        """Put a table and its chunks on record."""
        connection.execute(
            _TABLES.insert().values(
                migration=self.migration,
                table_no=record.number,
                source_table=record.source,
                target_table=record.target,
                fingerprint=record.fingerprint,
                state=record.state.value,
                undo_by=record.undo_by.value,
                rows_planned=record.rows_planned,
                rows_before=record.rows_before,
                counters_before=json.dumps([asdict(counter) for counter in record.counters]),
                changed_at=now.isoformat(),
            )
        )
        rows = [
            {
                "migration": self.migration,
                "table_no": record.number,
                "chunk_no": number,
                "after_key": key_text(area.after),
                "upto_key": key_text(area.upto),
                "state": "pending",
                "changed_at": now.isoformat(),
            }
            for number, area in enumerate(ranges, start=1)
        ]
        if rows:
            connection.execute(CHUNKS.insert(), rows)

    def set_state(self, connection: sa.Connection, table: int, state: TableState, now: datetime) -> None:
        """Record how far a table is."""
        mine = sa.and_(_TABLES.c.migration == self.migration, _TABLES.c.table_no == table)
        connection.execute(_TABLES.update().where(mine).values(state=state.value, changed_at=now.isoformat()))

    def claim(self, connection: sa.Connection, table: int, dialect: Dialect) -> ChunkRecord | None:
        """Lock the next chunk that nobody holds; None when there is none."""
        select = self._chunks(table).where(CHUNKS.c.state == "pending").limit(1)
        if dialect.skips_locked:
            select = select.with_for_update(skip_locked=True)
        row = connection.execute(select).first()
        return None if row is None else _chunk(row)

    def lock(self, connection: sa.Connection, table: int, chunk: int, dialect: Dialect) -> ChunkRecord:
        """Lock one chunk, waiting for whoever holds it."""
        select = self._chunks(table).where(CHUNKS.c.chunk_no == chunk)
        return _chunk(connection.execute(select.with_for_update() if dialect.skips_locked else select).one())

    def _chunks(self, table: int) -> sa.Select[Any]:
        mine = sa.and_(CHUNKS.c.migration == self.migration, CHUNKS.c.table_no == table)
        return sa.select(CHUNKS).where(mine).order_by(CHUNKS.c.chunk_no)

    def chunks(self, connection: sa.Connection, table: int) -> tuple[ChunkRecord, ...]:
        """All chunks of a table, without the keys they keep."""
        columns = [column for column in CHUNKS.c if column.name != "written_keys"]
        select = self._chunks(table).with_only_columns(*columns, sa.null().label("written_keys"))
        return tuple(_chunk(row) for row in connection.execute(select))

    def written_keys(self, connection: sa.Connection, table: int, chunk: int) -> bytes | None:
        """The keys that a chunk keeps."""
        mine = (CHUNKS.c.migration == self.migration, CHUNKS.c.table_no == table, CHUNKS.c.chunk_no == chunk)
        return connection.execute(sa.select(CHUNKS.c.written_keys).where(*mine)).scalar()

    def finish(self, connection: sa.Connection, table: int, chunk: ChunkRecord, now: datetime, *, was: str = "pending") -> bool:
        """Write the checkpoint of a chunk; False when somebody else has changed it meanwhile."""
        mine = sa.and_(
            CHUNKS.c.migration == self.migration,
            CHUNKS.c.table_no == table,
            CHUNKS.c.chunk_no == chunk.number,
            CHUNKS.c.state == was,
        )
        values = {
            "state": chunk.state,
            "rows_read": chunk.read,
            "rows_written": chunk.written,
            "rows_rejected": chunk.rejected,
            "written_keys": chunk.keys,
            "changed_at": now.isoformat(),
        }
        return connection.execute(CHUNKS.update().where(mine).values(values)).rowcount == 1

    def cut(
        self, connection: sa.Connection, table: int, chunk: ChunkRecord, boundary: Key, now: datetime, *, dialect: Dialect
    ) -> None:
        """Let a pending chunk that we hold end at *boundary*; a new one has the rest."""
        ours = sa.and_(_TABLES.c.migration == self.migration, _TABLES.c.table_no == table)
        select = sa.select(_TABLES.c.state).where(ours)
        # one at a time: two workers would give two chunks the same number
        connection.execute(select.with_for_update() if dialect.skips_locked else select).one()
        mine = sa.and_(CHUNKS.c.migration == self.migration, CHUNKS.c.table_no == table)
        last = connection.execute(sa.select(sa.func.max(CHUNKS.c.chunk_no)).where(mine)).scalar_one()
        shorter = {"upto_key": key_text(boundary), "changed_at": now.isoformat()}
        connection.execute(CHUNKS.update().where(mine, CHUNKS.c.chunk_no == chunk.number).values(shorter))
        rest = {
            "migration": self.migration,
            "table_no": table,
            "chunk_no": last + 1,
            "after_key": key_text(boundary),
            "upto_key": key_text(chunk.range.upto),
            "state": "pending",
            "changed_at": now.isoformat(),
        }
        connection.execute(CHUNKS.insert().values(rest))

    def tally(self, connection: sa.Connection, table: int | None = None) -> Tally:
        """The sums over a table's chunks, or over all."""
        done = sa.case((CHUNKS.c.state == "done", 1), else_=0)
        sums = [sa.func.coalesce(sa.func.sum(part), 0) for part in (done, *_FIGURES)]
        select = sa.select(sa.func.count(), *sums).where(CHUNKS.c.migration == self.migration)
        if table is not None:
            select = select.where(CHUNKS.c.table_no == table)
        return Tally(*(int(figure) for figure in connection.execute(select).one()))

    def reject(
        self, connection: sa.Connection, table: TableRecord, chunk: int, letters: Sequence[DeadLetter], now: datetime
    ) -> None:
        """Put dead letters on record, in place of those of the same chunk."""
        mine = sa.and_(REJECTS.c.migration == self.migration, REJECTS.c.table_no == table.number, REJECTS.c.chunk_no == chunk)
        connection.execute(REJECTS.delete().where(mine))
        rows = [
            {
                "migration": self.migration,
                "table_no": table.number,
                "chunk_no": chunk,
                "reject_no": number,
                "target_table": table.target,
                "row_key": key_text(letter.key),
                "column_name": letter.column[:200],
                "code": letter.code[:40],
                "reason": letter.reason.encode("ascii", "backslashreplace").decode()[:4000],
                "raw_row": json.dumps(letter.row, default=_raw),
                "rejected_at": now.isoformat(),
            }
            for number, letter in enumerate(letters, start=1)
        ]
        if rows:
            connection.execute(REJECTS.insert(), rows)

    def letters(
        self, connection: sa.Connection, table: int, chunk: int | None = None, limit: int | None = None
    ) -> list[DeadLetter]:
        """The dead letters of a table or of one of its chunks."""
        mine = sa.and_(REJECTS.c.migration == self.migration, REJECTS.c.table_no == table)
        select = sa.select(REJECTS).where(mine).order_by(REJECTS.c.chunk_no, REJECTS.c.reject_no)
        if chunk is not None:
            select = select.where(REJECTS.c.chunk_no == chunk)
        return [_letter(row) for row in connection.execute(select.limit(limit))]


_FIGURES: Final = (CHUNKS.c.rows_read, CHUNKS.c.rows_written, CHUNKS.c.rows_rejected)


def _chunk(row: Any) -> ChunkRecord:
    area = Range(key_of(row.after_key), key_of(row.upto_key))
    return ChunkRecord(row.chunk_no, area, row.state, row.rows_read, row.rows_written, row.rows_rejected, row.written_keys)


def _raw(value: Any) -> Any:
    return {"hex": value.hex()} if isinstance(value, bytes) else str(value)


def packed(keys: Sequence[Key]) -> bytes:
    """Keys, small: sorted integers are kept as differences."""
    if keys and all(len(key) == 1 and type(key[0]) is int for key in keys):
        numbers = sorted(key[0] for key in keys)
        steps = [numbers[0], *(later - sooner for sooner, later in itertools.pairwise(numbers))]
        return zlib.compress(json.dumps({"steps": steps}).encode())
    return zlib.compress(json.dumps({"keys": [key_text(key) for key in keys]}).encode())


def unpacked(content: bytes | None) -> list[Key]:
    """What :func:`packed` kept."""
    if content is None:
        return []
    found = json.loads(zlib.decompress(content))
    if "steps" not in found:
        return [key_of(text) or () for text in found["keys"]]
    keys, last = [], 0
    for step in found["steps"]:
        last += step
        keys.append((last,))
    return keys


def rejected_of_run(connection: sa.Connection, run: str, table: str) -> int:
    """The dead letters that the migrations of *run* have for *table*, those that were undone left out."""
    select = sa.select(sa.func.count()).where(*_of_run(run, table))
    return int(connection.execute(select.select_from(REJECTS)).scalar_one())


def letters_of_run(connection: sa.Connection, run: str, table: str) -> tuple[DeadLetter, ...]:
    """The same dead letters themselves."""
    select = sa.select(REJECTS).where(*_of_run(run, table)).order_by(REJECTS.c.chunk_no, REJECTS.c.reject_no)
    return tuple(_letter(row) for row in connection.execute(select))


def _of_run(run: str, table: str) -> tuple[sa.ColumnElement[bool], ...]:
    live = sa.select(_TABLES.c.migration).where(
        _TABLES.c.migration == REJECTS.c.migration,
        _TABLES.c.table_no == REJECTS.c.table_no,
        _TABLES.c.state != TableState.UNDONE.value,
    )
    return REJECTS.c.migration.startswith(f"{run}/", autoescape=True), REJECTS.c.target_table == table, sa.exists(live)


def _letter(row: Any) -> DeadLetter:
    return DeadLetter(key_of(row.row_key) or (), row.column_name, row.code, row.reason, json.loads(row.raw_row))
