"""A page of a service as a table in memory, so that mapping, checks and dead letters are those of any other source."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from changeover.runbook.systems import DatabaseEntry
from changeover.transfer.databases import OpenDatabase, open_database
from changeover.transfer.mapping import Mapped
from changeover.transfer.paged_words import DECLARED, Paged
from changeover.transfer.quoting import quoted


def staged(name: str, mapped: Mapped) -> OpenDatabase:
    """A database called like the service, in which every connection has its own empty tables. Close it."""
    database = open_database(name, DatabaseEntry(url="sqlite:///:memory:"), "")
    dialect = database.engine.dialect
    statements = [
        f"CREATE TABLE {quoted(table.source, dialect)} ("
        + ", ".join(f"{quoted(field, dialect)} {DECLARED[sort]}" for field, sort in table.api.fields.items())
        + ")"
        for table in mapped.tables
        if table.api is not None
    ]

    @sa.event.listens_for(database.engine, "connect")
    def make(connection: Any, _record: object) -> None:
        for statement in dict.fromkeys(statements):
            connection.execute(statement)
        connection.commit()

    return database


def fill(connection: sa.Connection, table: str, api: Paged, items: Sequence[Mapping[str, Any]]) -> None:
    """Let the table hold these rows and no others."""
    into = sa.table(table, *[sa.column(field) for field in api.fields])
    connection.execute(into.delete())
    if items:
        rows = [{field: _value(item.get(field)) for field in api.fields} for item in items]
        connection.execute(into.insert(), rows)


def _value(value: Any) -> Any:
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, int) and not isinstance(value, bool) and not -(2**63) <= value < 2**63:
        return str(value)  # what SQLite has no integer for
    return value
