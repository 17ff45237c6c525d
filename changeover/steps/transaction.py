"""One transaction of a ``sql`` step: all or nothing, and an honest answer when the connection is lost in it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from changeover.contracts import Context, Probe, Result, Value
from changeover.counting import counted
from changeover.errors import Setback, Unclear
from changeover.steps.marker import TABLE, Marker, make_table
from changeover.steps.statements import Statements
from changeover.transfer.databases import StatementFailed, reason, shortened

#: Rows that become output; the rest is only counted.
ROWS_KEPT: Final = 1000


@dataclass(eq=False)
class NotAsExpected(Setback):
    """The statements ran, and something else came out. Everything was rolled back."""

    database: str
    what: str

    def __str__(self) -> str:
        return f"database {self.database}: {self.what}; everything was rolled back"


@dataclass(slots=True)
class _Outcome:
    affected: int = 0
    rows: list[dict[str, Value]] | None = None
    count: int = 0

    @property
    def output(self) -> Value:
        return {"affected": self.affected} if self.rows is None else list(self.rows)

    @property
    def summary(self) -> str:
        if self.rows is None:
            return f"{counted(self.affected, 'row')} affected"
        if self.count == 1 and len(self.rows[0]) <= 3:  # noqa: PLR2004 - what fits on a line
            return ", ".join(f"{name} = {value}" for name, value in self.rows[0].items())
        return counted(self.count, "row")


@dataclass(slots=True)
class _Cancelling:
    """Cancels the statement that runs, from another thread."""

    engine: sa.Engine
    lock: threading.Lock = field(default_factory=threading.Lock)
    running: Any = None  # the driver's connection

    @contextmanager
    def of(self, connection: sa.Connection) -> Iterator[None]:
        """While the block runs, *connection* can be cancelled."""
        with self.lock:
            self.running = connection.connection.driver_connection
        try:
            yield
        finally:
            with self.lock:
                self.running = None

    def cancel(self) -> None:
        """Cancel what runs; nothing when nothing does."""
        with self.lock:
            if self.running is None:
                return
            for verb in ("cancel_safe", "cancel", "interrupt"):  # psycopg, oracledb, SQLite
                if hasattr(self.running, verb):
                    getattr(self.running, verb)()
                    return
            if hasattr(self.running, "thread_id"):  # PyMySQL: told over a second connection
                with self.engine.connect() as other:
                    other.execute(sa.text(f"KILL QUERY {int(self.running.thread_id())}"))


def carry_out(context: Context, step: Statements) -> Result:
    """Run all statements of *step* in one transaction.

    Raises:
        StatementFailed: the database refused a statement, or was lost before anything could stay changed.
        NotAsExpected: something else came out than expected; nothing stays changed.
        FencedOff: somebody has looked whether it happened before it did.
        Unclear: the connection was lost while a change was being made lasting.
        Stopped: the statement was cancelled, and nothing stays changed.
    """
    database = context.database(step.on)
    cancelling = _Cancelling(database.engine)
    context.on_stop(cancelling.cancel)
    outcome = _Outcome()
    marker = Marker.of(context, step.on) if step.marker and step.changes else None
    statement = f"the table {TABLE}" if marker is not None else step.texts[0]
    try:
        if marker is not None:
            make_table(database.engine)
        with database.engine.connect() as connection, cancelling.of(connection):
            if marker is not None:
                marker.begin(connection)
            for statement in step.texts:
                context.check_stopped()
                _execute(connection, statement, step, outcome)
            _compare(step, outcome)
            if marker is not None:
                marker.end(connection, outcome.output)
            context.check_stopped()
            _finish(connection, step)
    except SQLAlchemyError as error:
        context.check_stopped()  # a cancelled statement fails because we cancelled it
        raise _failed(step, statement, error) from error
    return Result(outcome.summary, outcome.output)


def look(context: Context, name: str) -> Probe:
    """What the database called *name* knows of *context*'s attempt. Raises StatementFailed."""
    database = context.database(name)
    cancelling = _Cancelling(database.engine)
    context.on_stop(cancelling.cancel)
    try:
        make_table(database.engine)
        with database.engine.connect() as connection, cancelling.of(connection):
            return Marker.of(context, name).look(connection)
    except SQLAlchemyError as error:
        raise StatementFailed(name, f"the table {TABLE}", reason(error)) from error


def _execute(connection: sa.Connection, statement: str, step: Statements, outcome: _Outcome) -> None:
    clause = sa.text(statement)
    names = set(clause.compile().params)
    result = connection.execute(clause, {name: value for name, value in step.values.items() if name in names})
    if not result.returns_rows:
        outcome.rows = None
        outcome.affected += max(result.rowcount, 0)
        _within_blast_radius(step, outcome)
        return
    mappings = result.mappings()
    outcome.rows = [{str(name): plain(value) for name, value in row.items()} for row in mappings.fetchmany(ROWS_KEPT)]
    outcome.count = len(outcome.rows)
    while more := mappings.fetchmany(ROWS_KEPT):
        outcome.count += len(more)
    if step.changes and result.rowcount > 0:  # insert ... returning
        outcome.affected += result.rowcount
        _within_blast_radius(step, outcome)


def _within_blast_radius(step: Statements, outcome: _Outcome) -> None:
    limit = step.expect.affected_at_most
    if limit is not None and outcome.affected > limit:
        raise NotAsExpected(step.on, f"{counted(outcome.affected, 'row')} would change, at most {limit} may")


def _compare(step: Statements, outcome: _Outcome) -> None:
    expect = step.expect
    if expect.rows is not None and outcome.count != expect.rows:
        raise NotAsExpected(step.on, f"{counted(outcome.count, 'row')} instead of {expect.rows}")
    if expect.value is not None:
        if outcome.count != 1 or not outcome.rows or len(outcome.rows[0]) != 1:
            raise NotAsExpected(step.on, f"one value is expected, and {counted(outcome.count, 'row')} came")
        (found,) = outcome.rows[0].values()
        if not same(found, expect.value):
            raise NotAsExpected(step.on, f"{found!r} instead of {expect.value!r}")


def _finish(connection: sa.Connection, step: Statements) -> None:
    if not step.changes:
        connection.rollback()
        return
    try:
        connection.commit()
    except DBAPIError as error:
        if error.connection_invalidated or _lost(error):
            raise Unclear(f"database {step.on}: the connection was lost during commit ({reason(error)})") from error
        raise


def _failed(step: Statements, statement: str, error: SQLAlchemyError) -> Setback:
    if step.changes and isinstance(error, DBAPIError) and (error.connection_invalidated or _lost(error)):
        # Not every engine and statement is transactional: DDL in MariaDB commits by itself.
        return Unclear(f"database {step.on}: the connection was lost in: {shortened(statement)} ({reason(error)})")
    return StatementFailed(step.on, shortened(statement), reason(error))


def _lost(error: DBAPIError) -> bool:
    said = str(error.orig).lower()
    return any(words in said for words in ("server closed the connection", "lost connection", "gone away", "connection reset"))


def same(found: Value, expected: Value) -> bool:
    """Whether two values are equal; texts that spell a number count as that number."""
    if found == expected and isinstance(found, bool) == isinstance(expected, bool):
        return True
    if isinstance(found, (int, float)) and isinstance(expected, str):
        with suppress(ValueError):
            return float(expected) == float(found)
    return isinstance(found, bool) and found == expected


_PLAIN: Final[tuple[tuple[type[Any] | tuple[type[Any], ...], Callable[[Any], Value]], ...]] = (
    ((str, int, float, bool, type(None)), lambda value: value),
    (Decimal, lambda value: int(value) if value == value.to_integral_value() else float(value)),
    ((datetime, date, time), lambda value: value.isoformat()),
    (timedelta, lambda value: value.total_seconds()),
    ((bytes, bytearray, memoryview), lambda value: bytes(value).hex()),
    (UUID, str),
    ((list, tuple), lambda value: [plain(item) for item in value]),
    (dict, lambda value: {str(name): plain(item) for name, item in value.items()}),
)


def plain(value: object) -> Value:
    """*value* of a row as YAML and JSON can hold it; decimals become numbers, times ISO texts, bytes hexadecimal."""
    return next((turn(value) for types, turn in _PLAIN if isinstance(value, types)), str(value))
