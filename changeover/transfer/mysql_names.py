"""Names and keys of a MariaDB or MySQL table as its information schema says them.

SQLAlchemy reads them out of SHOW CREATE TABLE, where a name with a backtick stays doubled, one with a bracket hides its
foreign key, and one with a line break hides its column.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import sqlalchemy as sa

_COLUMNS = """SELECT column_name AS name FROM information_schema.columns
 WHERE table_schema = coalesce(:schema, database()) AND table_name = :name ORDER BY ordinal_position"""
_INDEXES = """SELECT index_name AS called, non_unique AS repeats, column_name AS name FROM information_schema.statistics
 WHERE table_schema = coalesce(:schema, database()) AND table_name = :name ORDER BY index_name, seq_in_index"""
_FOREIGN_KEYS = """SELECT constraint_name AS called, column_name AS name, referenced_table_name AS parent,
 nullif(referenced_table_schema, coalesce(:schema, database())) AS place, referenced_column_name AS referred
 FROM information_schema.key_column_usage WHERE table_schema = coalesce(:schema, database()) AND table_name = :name
 AND referenced_table_name IS NOT NULL ORDER BY constraint_name, ordinal_position"""


@dataclass(frozen=True, slots=True)
class Index:
    """An index and the columns it goes by; an expression is None."""

    name: str
    unique: bool
    columns: tuple[str | None, ...]

    @property
    def primary(self) -> bool:
        """Whether it is the primary key."""
        return self.name == "PRIMARY"


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """A reference to another table."""

    columns: tuple[str, ...]
    schema: str | None  # None: the table's own
    parent: str
    parent_columns: tuple[str, ...]


def call_by_name(connection: sa.Connection, schema: str | None, table: str, columns: Sequence[Any]) -> tuple[str, ...]:
    """Give *columns*, as SQLAlchemy found them, their true names; the names of columns that it did not find."""
    found = {entry["name"]: entry for entry in columns}
    names = connection.execute(sa.text(_COLUMNS), {"schema": schema, "name": table}).scalars().all()
    missing = tuple(name for name in names if name.replace("`", "``") not in found)
    for name in names:
        if name not in missing:
            found[name.replace("`", "``")]["name"] = name
    return missing


def indexes_of(connection: sa.Connection, schema: str | None, table: str) -> tuple[Index, ...]:
    """The indexes of a table; a view has none."""
    rows = connection.execute(sa.text(_INDEXES), {"schema": schema, "name": table}).all()
    grouped = ((name, list(parts)) for name, parts in groupby(rows, key=lambda row: row.called))
    return tuple(Index(name, not parts[0].repeats, tuple(part.name for part in parts)) for name, parts in grouped)


def foreign_keys_of(connection: sa.Connection, schema: str | None, table: str) -> tuple[ForeignKey, ...]:
    """The foreign keys of a table."""
    rows = connection.execute(sa.text(_FOREIGN_KEYS), {"schema": schema, "name": table}).all()
    grouped = (list(parts) for _, parts in groupby(rows, key=lambda row: row.called))
    return tuple(
        ForeignKey(tuple(part.name for part in parts), parts[0].place, parts[0].parent, tuple(part.referred for part in parts))
        for parts in grouped
    )
