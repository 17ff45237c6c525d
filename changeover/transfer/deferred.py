"""What is made after the load: on record, word for word, before anything is dropped, and until all of it is back.

One table of the target, beside the checkpoint. Whatever dies, the record says what is missing, and how it was defined.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from changeover.contracts import Database
from changeover.transfer.databases import StatementFailed, reason
from changeover.transfer.definitions import Definition, Made, Reference, relation_of
from changeover.transfer.shapes import TableName

_DEFERRED: Final = sa.Table(
    "changeover_deferred",
    sa.MetaData(),
    sa.Column("migration", sa.String(200), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("table_no", sa.Integer, nullable=False),
    sa.Column("sort", sa.String(20), nullable=False),
    sa.Column("relation", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("definition", sa.Text, nullable=False),
    sa.Column("comment", sa.Text),
    sa.Column("reference", sa.Text),  # JSON, of a foreign key
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("seconds", sa.Float),  # that it took to make it again
    sa.Column("changed_at", sa.String(40), nullable=False),
)


class State(StrEnum):
    """Where an index or foreign key is."""

    RECORDED = "recorded"  # still in place: it will be dropped before the first row comes
    DROPPED = "dropped"
    BACK = "back"  # as it was defined


@dataclass(frozen=True, slots=True)
class Deferred:
    """One index or foreign key on record."""

    number: int
    table: int
    definition: Definition
    state: State
    seconds: float | None

    @property
    def words(self) -> str:
        """What people call it: without the schema and the quotes, which the definition has."""
        return self.definition.name.rpartition(".")[2].strip('"')


def exists(connection: sa.Connection) -> bool:
    """Whether this database has ever had something made after a load."""
    return sa.inspect(connection).has_table(_DEFERRED.name)


@dataclass(frozen=True, slots=True)
class DeferredControl:
    """What one migration has on record. Every method uses the connection it is given, and its transaction."""

    migration: str

    @staticmethod
    def create(connection: sa.Connection) -> None:
        """Make the table where it is missing."""
        connection.execute(sa.schema.CreateTable(_DEFERRED, if_not_exists=True))

    def record(self, connection: sa.Connection, wanted: Sequence[tuple[int, Definition]], now: datetime) -> None:
        """Put definitions, each with the number of its table, on record."""
        rows = [
            {
                "migration": self.migration,
                "number": number,
                "table_no": table,
                "sort": definition.sort.value,
                "relation": definition.relation,
                "name": definition.name,
                "definition": definition.text,
                "comment": definition.comment,
                "reference": json.dumps(asdict(definition.reference)) if definition.reference else None,
                "state": State.RECORDED.value,
                "changed_at": now.isoformat(),
            }
            for number, (table, definition) in enumerate(wanted, start=1)
        ]
        if rows:
            connection.execute(_DEFERRED.insert(), rows)

    def all(self, connection: sa.Connection) -> tuple[Deferred, ...]:
        """All of them, in the order in which they were recorded; nothing where there never was any."""
        if not exists(connection):
            return ()
        select = sa.select(_DEFERRED).where(_DEFERRED.c.migration == self.migration).order_by(_DEFERRED.c.number)
        return tuple(_deferred(row) for row in connection.execute(select))

    def lock(self, connection: sa.Connection, number: int) -> Deferred:
        """One of them, held until the transaction ends; waits for whoever holds it."""
        mine = (_DEFERRED.c.migration == self.migration, _DEFERRED.c.number == number)
        return _deferred(connection.execute(sa.select(_DEFERRED).where(*mine).with_for_update()).one())

    def set_state(
        self, connection: sa.Connection, number: int, state: State, now: datetime, *, seconds: float | None = None
    ) -> None:
        """Record where it is, and how long it took to make it."""
        mine = (_DEFERRED.c.migration == self.migration, _DEFERRED.c.number == number)
        values = {"state": state.value, "changed_at": now.isoformat(), "seconds": seconds}
        connection.execute(_DEFERRED.update().where(*mine).values(values))


def left_by_run(target: Database, run: str) -> tuple[DeferredControl, ...]:
    """The migrations of *run* that have taken something away and not brought it back.

    Raises:
        StatementFailed: the target cannot be asked.
    """
    away = (_DEFERRED.c.migration.startswith(f"{run}/", autoescape=True), _DEFERRED.c.state != State.BACK.value)
    try:
        with target.engine.connect() as connection:
            if not exists(connection):
                return ()
            names = connection.execute(sa.select(_DEFERRED.c.migration).where(*away).distinct()).scalars()
            return tuple(DeferredControl(name) for name in sorted(names))
    except SQLAlchemyError as error:
        raise StatementFailed(target.name, "the indexes that a load has taken away", reason(error)) from error


def missing_parents(connection: sa.Connection, table: TableName) -> tuple[TableName, ...]:
    """The tables to which *table* refers by foreign keys that are not in place now, because a load is under way."""
    if connection.dialect.name != "postgresql" or not exists(connection):
        return ()
    away = (_DEFERRED.c.relation == relation_of(connection, table), _DEFERRED.c.state == State.DROPPED.value)
    select = sa.select(_DEFERRED.c.reference).where(*away, _DEFERRED.c.reference.is_not(None)).order_by(_DEFERRED.c.number)
    found = [json.loads(text) for text in connection.execute(select).scalars()]
    return tuple(TableName(parent["parent_schema"], parent["parent_name"]) for parent in found)


def taken_by_others(connection: sa.Connection, migration: str, table: TableName) -> dict[str, int]:
    """Other migrations that have taken indexes or foreign keys of *table* and not brought them back: how many each."""
    if connection.dialect.name != "postgresql" or not exists(connection):
        return {}
    away = (_DEFERRED.c.relation == relation_of(connection, table), _DEFERRED.c.state != State.BACK.value)
    select = sa.select(_DEFERRED.c.migration, sa.func.count()).where(*away, _DEFERRED.c.migration != migration)
    return {row[0]: row[1] for row in connection.execute(select.group_by(_DEFERRED.c.migration))}


def _deferred(row: Any) -> Deferred:
    reference = json.loads(row.reference) if row.reference else None
    if reference:
        reference = Reference(
            tuple(reference["columns"]),
            reference["parent"],
            reference["parent_schema"],
            reference["parent_name"],
            tuple(reference["parent_columns"]),
        )
    definition = Definition(Made(row.sort), row.relation, row.name, row.definition, row.comment, reference)
    return Deferred(row.number, row.table_no, definition, State(row.state), row.seconds)
