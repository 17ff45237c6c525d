"""From PostgreSQL to PostgreSQL: what COPY gives on one side is what COPY takes on the other, and nobody looks inside."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

import psycopg
import psycopg.errors
import psycopg.pq
import sqlalchemy as sa
from psycopg.abc import Buffer

from changeover.transfer.carriers import Stretch
from changeover.transfer.chunks import Range
from changeover.transfer.copy_command import copy_in, driver_error
from changeover.transfer.pace import Pace
from changeover.transfer.planning import TablePlan
from changeover.transfer.quoting import quoted
from changeover.transfer.reading import Reader, authored, literal, within
from changeover.transfer.shapes import TableName
from changeover.transfer.slices import Slices

#: Bytes sent at a time.
_PORTION: Final = 256 * 1024

Format = Literal["binary", "text"]


@dataclass(frozen=True, slots=True)
class PassThrough:
    """Sends what the source's COPY gives."""

    reader: Reader
    writing: sa.Connection
    format: Format
    slices: Slices
    pace: Pace

    def send(self, stretch: Stretch, *, slices: int | None) -> None:
        area = stretch.left
        if area is None:
            return
        piece, rest = (area, None) if slices is None else self.slices.cut(area)
        plan = self.reader.plan
        sent = copy_in(self.writing, plan.target.name, plan.columns, self._portions(piece), options=f"FORMAT {self.format}")
        stretch.left, stretch.rows = rest, sent

    def _portions(self, area: Range) -> Iterator[bytes]:
        connection = self.reader.connection
        compiled = self._select(area).compile(dialect=connection.dialect)
        statement = f"COPY ({compiled}) TO STDOUT (FORMAT {self.format})"
        driver: Any = connection.connection.driver_connection
        try:
            with driver.cursor() as cursor, cursor.copy(statement, compiled.params) as copy:
                for rows, portion in _gathered(copy):
                    yield portion
                    self.pace.went(rows)
        except psycopg.Error as error:
            raise driver_error(connection, statement, error) from error

    def _select(self, area: Range) -> sa.Select[Any]:
        plan = self.reader.plan
        dialect = self.reader.connection.dialect
        columns = [
            literal(
                quoted(feed.source.name, dialect) if self.format == "binary" and feed.source is not None else feed.expression
            ).label(f"f{place}")
            for place, feed in enumerate(plan.feeds)
        ]
        select = sa.select(*columns).select_from(plan.source.name.clause)
        if plan.mapping.where:
            select = select.where(authored(plan.mapping.where))
        return select.where(*within([part.name for part in plan.key], area))


def _gathered(copy: psycopg.Copy) -> Iterator[tuple[int, bytes]]:
    """Many rows at a time: how many, and what they are.

    COPY gives every row by itself, and psycopg waits for each: here it waits only when none is there. What is there without a
    wait fits into the driver's own buffer; joined at once, it does not leave the processor's caches.
    """
    driver = copy.connection.pgconn
    parts: list[bytes] = []
    rows: list[Buffer] = []
    count = size = 0
    more = 1
    while more >= 0:
        more, row = driver.get_copy_data(1)
        while more > 0:
            rows.append(row)
            more, row = driver.get_copy_data(1)
        parts.append(b"".join(rows))
        count += len(rows)
        size += len(parts[-1])
        rows.clear()
        if more < 0:
            _ended(driver)
        elif waited := copy.read():
            rows.append(waited)
        else:
            more = -1
        if more < 0 or size >= _PORTION:
            yield count, b"".join(parts)
            parts.clear()
            count = size = 0


def _ended(driver: psycopg.pq.abc.PGconn) -> None:
    """All rows have come; what the server says about it comes after them.

    Raises:
        psycopg.Error: they are not all that there are.
    """
    failed = None
    while (result := driver.get_result()) is not None:
        if result.status != psycopg.pq.ExecStatus.COMMAND_OK:
            failed = result
    if failed is not None:
        raise psycopg.errors.error_from_result(failed)


def pass_format(plan: TablePlan, reading: sa.Connection, writing: sa.Connection) -> Format | None:
    """How *plan*'s rows can be passed on unseen; None when some value has to be looked at."""
    if any(feed.source is None or feed.changed for feed in plan.feeds):
        return None
    source, target = _types(reading, plan.source.name), _types(writing, plan.target.name)
    pairs = [(source.get(feed.source.name), target.get(feed.target.name)) for feed in plan.feeds if feed.source is not None]
    if all(one is not None and other is not None and _alike(one, other) for one, other in pairs):
        return "binary"
    return "text" if all(feed.convert is None for feed in plan.feeds) else None


@dataclass(frozen=True, slots=True)
class _Type:
    """A column's type as PostgreSQL numbers it."""

    number: int
    modifier: int  # -1: no limit


def _types(connection: sa.Connection, table: TableName) -> dict[str, _Type]:
    statement = (
        "SELECT attname, CAST(atttypid AS integer) AS number, atttypmod FROM pg_attribute"
        " WHERE attrelid = CAST(:table AS regclass) AND attnum > 0 AND NOT attisdropped"
    )
    rows = connection.execute(sa.text(statement), {"table": table.quoted(connection.dialect)})
    return {row.attname: _Type(row.number, row.atttypmod) for row in rows}


_TEXT, _VARCHAR, _NUMERIC, _TIMESTAMP, _TIMESTAMPTZ = 25, 1043, 1700, 1114, 1184
#: Types whose binary form means the same in every database: bool, bytea, the integers, text, json, the floats, bpchar, varchar,
#: date, time, timestamp, timestamptz, interval, timetz, bit, varbit, numeric, uuid, jsonb, inet, cidr, macaddr.
_PORTABLE: Final = frozenset(
    {16, 17, 20, 21, 23, 25, 114, 700, 701, 1042, 1043, 1082, 1083, 1114, 1184, 1186, 1266, 1560, 1562, 1700, 2950, 3802}
    | {650, 829, 869}
)
#: Those of them that without a limit hold whatever they hold with one.
_LIMITABLE: Final = frozenset({_VARCHAR, _NUMERIC, _TIMESTAMP, _TIMESTAMPTZ})


def _alike(source: _Type, target: _Type) -> bool:
    if source.number not in _PORTABLE:
        return False
    if source.number == _VARCHAR and target.number in {_TEXT, _VARCHAR}:
        return target.modifier == -1 or -1 < source.modifier <= target.modifier
    if source.number != target.number:
        return False
    return source.modifier == target.modifier or (target.modifier == -1 and source.number in _LIMITABLE)
