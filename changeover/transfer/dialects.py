"""What differs from database system to database system, behind one small protocol. Another system is another adapter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import sqlalchemy as sa

from changeover.transfer.forms import Block, Field, Form
from changeover.transfer.quoting import quoted, run_for_each
from changeover.transfer.shapes import Column, Shape, TableName


@dataclass(frozen=True, slots=True)
class Complaint:
    """What a database says about a row that it does not take."""

    code: str
    reason: str
    column: str


@dataclass(frozen=True, slots=True)
class Extent:
    """About how large a table is, as its server believes."""

    rows: int
    row_bytes: int  # of one row


@dataclass(frozen=True, slots=True)
class Counter:
    """What makes new keys: a sequence or AUTO_INCREMENT, and where it stands."""

    name: str
    column: str
    next_value: int  # the key it would give next
    used: bool = True  # PostgreSQL's is_called


class Joiner(Protocol):
    """Has a server join many rows and hash the whole, which costs it half as much as to hash each of them."""

    @property
    def proves_marks(self) -> bool:
        """Whether it can see that no text of a block holds the mark."""
        ...

    def select(self, rows: sa.Select[Any], block: Block) -> sa.Select[Any]:
        """A select of three figures about *rows*.

        How many there are; MD5 of all their fields, joined with a mark between fields and between rows, in the block's order;
        whether no text holds the mark, or NULL when that is not looked at. A text that is NULL is the block's word for it,
        what else is NULL is ``-``; behind the fields of a row stands the block's word for its end.
        """
        ...

    def cut_short(self, connection: sa.Connection, cursor: Any) -> bool:
        """Whether the block that *cursor* has just read may not have held everything."""
        ...

    def too_large(self, error: BaseException) -> bool:
        """Whether a block was refused because it is larger than the server can hold."""
        ...


class Dialect(Protocol):
    """One database system."""

    @property
    def name(self) -> str:
        """SQLAlchemy's word for it: postgresql, mysql, sqlite."""
        ...

    @property
    def skips_locked(self) -> bool:
        """Whether workers can claim chunks side by side; otherwise one writes at a time."""
        ...

    @property
    def keeps_digits(self) -> bool:
        """Whether a column holds as many digits as it was declared with, no more and no fewer."""
        ...

    def prepare(self, connection: sa.Connection) -> None:
        """Make the session exact: UTC, strict, nothing rounded or truncated in silence."""
        ...

    def begin(self, connection: sa.Connection) -> None:
        """Begin a transaction that writes, with every constraint checked at once."""
        ...

    def transport(self, column: Column, quoted: str) -> str:
        """The SQL expression that reads *column* (already *quoted*) without loss: calendar values as ISO text in UTC."""
        ...

    def canonical(self, column: Column, quoted: str, form: Form) -> str:
        """SQL for the text in which a value of *column* (already *quoted*, or an expression) is compared.

        What is equal in another database system has the same text there. Empty when that cannot be said in SQL.
        """
        ...

    def digest(self, fields: Sequence[Field]) -> str:
        """SQL for 32 hexadecimal digits that stand for a row: MD5 of its fields, joined by semicolons.

        A NULL is ``-``. A text is two of them: its length in bytes, and itself; of one that is NULL there is only the length,
        -1. Empty when the system has no such function.
        """
        ...

    def number(self, digits: str) -> str:
        """SQL for the number that at most 15 hexadecimal *digits* spell, of a type whose sum is exact."""
        ...

    @property
    def joiner(self) -> Joiner | None:
        """What joins and hashes many rows at once; None when it cannot."""
        ...

    def extent(self, connection: sa.Connection, table: TableName) -> Extent | None:
        """About how large *table* is, without reading it; None when that is not known."""
        ...

    def write(self, connection: sa.Connection, table: TableName, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Insert *rows*; all or none is the caller's savepoint."""
        ...

    def complaint(self, error: BaseException) -> Complaint | None:
        """What is wrong with the data; None when the error is about something else."""
        ...

    def transient(self, error: BaseException) -> bool:
        """Whether the same transaction may well succeed when tried again: a deadlock, a lock time-out."""
        ...

    def repeatable(self, connection: sa.Connection, table: TableName) -> str:
        """Why the table cannot take part in a transaction; empty when it can."""
        ...

    def counters(self, connection: sa.Connection, table: Shape) -> tuple[Counter, ...]:
        """The counters behind the columns of *table*."""
        ...

    def set_counter(self, connection: sa.Connection, table: TableName, counter: Counter) -> None:
        """Put a counter where *counter* says."""
        ...

    def empty(self, connection: sa.Connection, table: TableName) -> int:
        """Delete every row of *table*, inside the transaction; how many there were."""
        ...

    def analyse(self, connection: sa.Connection, table: TableName) -> None:
        """Renew the optimizer's statistics where queries would suffer without."""
        ...


def hashed_fields(fields: Sequence[Field], length: str, no_length: str, otherwise: str) -> list[str]:
    """SQL for what CONCAT_WS joins of each field, with a system's words.

    These are: *length*, of a text; *no_length*, for that of a text which is NULL; *otherwise*, for what else is NULL.

    Of a text that is NULL the second part is left out, as CONCAT_WS does by itself.
    """
    parts = []
    for field in fields:
        if field.form is Form.TEXT:
            measured = length.format(field.text)
            parts.append(f"{no_length.format(measured) if field.nullable else measured}, {field.text}")
        else:
            parts.append(otherwise.format(field.text) if field.nullable else field.text)
    return parts


def delete_all(connection: sa.Connection, table: TableName) -> int:
    """Delete every row, one by one; how many there were."""
    return connection.execute(sa.delete(table.clause)).rowcount


def insert_rows(connection: sa.Connection, table: TableName, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """A plain multi-row insert through the driver."""
    names = ", ".join(quoted(column, connection.dialect) for column in columns)
    parts = [f"INSERT INTO {table.quoted(connection.dialect)} ({names}) VALUES (", *[", "] * (len(columns) - 1), ")"]  # noqa: S608 - names are quoted
    run_for_each(connection, parts, [tuple(row) for row in rows])
