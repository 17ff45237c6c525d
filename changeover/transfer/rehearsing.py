"""A sample of a migration, copied into tables that are thrown away: what would be refused, whose parent is missing, how long."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from changeover.contracts import Context, Database
from changeover.errors import Setback
from changeover.runbook.systems import DatabaseEntry
from changeover.transfer.adapters import dialect_of
from changeover.transfer.control import Control
from changeover.transfer.copying import Migration
from changeover.transfer.databases import OpenDatabase, StatementFailed, open_database, reason
from changeover.transfer.deferred import DeferredControl
from changeover.transfer.digests import Term, number_of
from changeover.transfer.forms import form_of
from changeover.transfer.mapping import Mapped, Sequences, TableMapping
from changeover.transfer.mysql_names import foreign_keys_of
from changeover.transfer.planning import Side, TablePlan, plan_tables
from changeover.transfer.positions import Positions
from changeover.transfer.quoting import quoted, run
from changeover.transfer.reading import Reader
from changeover.transfer.sessions import session
from changeover.transfer.shapes import TableName

#: The schema (of MariaDB: the database) that is made for the sample and dropped with it.
SCRATCH: Final = "changeover_rehearsal"
_NAME: Final = "rehearsal/sample"


@dataclass(eq=False)
class ScratchTaken(Setback):
    """A schema of the name that the rehearsal needs is there already."""

    database: str
    schema: str

    def __str__(self) -> str:
        return f"database {self.database} has a schema {self.schema} already; a rehearsal makes its own and drops it"

    @property
    def hint(self) -> str:
        return f"it may be left from a rehearsal that was killed: look into it, then `drop schema {self.schema}`"


@dataclass(frozen=True, slots=True)
class Refusals:
    """Why rows of a sample were refused, by column and reason."""

    column: str
    reason: str
    rows: int


@dataclass(frozen=True, slots=True)
class Orphaned:
    """Rows of the source whose parent the migration does not bring."""

    column: str
    parent: str
    rows: int


@dataclass(frozen=True, slots=True)
class RehearsedTable:
    """What became of the sample of one table."""

    rows: int  # in the source
    sampled: int
    refused: tuple[Refusals, ...]
    orphans: tuple[Orphaned, ...]

    @property
    def expected_rejects(self) -> int:
        """Dead letters to expect of the whole table."""
        rejected = sum(each.rows for each in self.refused)
        return round(rejected * self.rows / self.sampled) if self.sampled else 0


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What a sample tells of the whole."""

    tables: dict[str, RehearsedTable]
    seconds: float  # for the sample
    tail: float  # of these, what came after the rows of each table

    @property
    def expected_seconds(self) -> float:
        """For all rows, at the sample's rate."""
        return self._of_all(self.seconds)

    @property
    def expected_tail(self) -> float:
        """Of these, what comes after the rows of each table; without foreign keys, which a sample does not have."""
        return self._of_all(self.tail)

    def _of_all(self, seconds: float) -> float:
        rows, sampled = (sum(getattr(table, name) for table in self.tables.values()) for name in ("rows", "sampled"))
        return seconds * rows / sampled if sampled else 0.0


def rehearse(mapped: Mapped, source: Database, target: Database, context: Context, *, one_in: int) -> Rehearsed:
    """Copy one row in *one_in* into tables like the target's, in a schema that is dropped afterwards.

    Raises:
        MigrationRefused, TableMissing: something does not fit.
        ScratchTaken: the schema is there already.
        StatementFailed: a database refused, such as for want of the right to make a schema.
    """
    dialect = dialect_of(source)
    try:
        with session(source, dialect, autocommit=True) as reading, session(target, dialect_of(target)) as writing:
            plans = plan_tables(mapped, Side(source, dialect, reading), Side(target, dialect_of(target), writing))
            writing.rollback()
            rows = {plan.into: Reader(reading, plan).count() for plan in plans}
            orphans = {plan.into: tuple(_orphans(plan, plans, reading, writing)) for plan in plans}
            writing.rollback()
        with _scratch(target, plans) as scratch:
            sampled = _sample_of(mapped, plans, source, one_in)
            report = Migration(_NAME, sampled, source, scratch, context).run()
            refused = _refused(scratch)
    except SQLAlchemyError as error:
        raise StatementFailed(target.name, "rehearsing the migration", reason(error)) from error
    return Rehearsed(
        {
            plan.into: RehearsedTable(
                rows[plan.into],
                report.tables[plan.target.name.name].source,
                refused.get(plan.target.name.name, ()),
                orphans[plan.into],
            )
            for plan in plans
        },
        report.seconds,
        report.tail,
    )


def _sample_of(mapped: Mapped, plans: Sequence[TablePlan], source: Database, one_in: int) -> Mapped:
    tables = [replace(plan.mapping, target=plan.target.name.name, where=_conditions(plan, source, one_in)) for plan in plans]
    return replace(
        mapped, tables=tuple(tables), max_rejects=2**31, max_reject_ratio=None, order=(), sequences=Sequences(reset=False)
    )


def _conditions(plan: TablePlan, source: Database, one_in: int) -> str:
    """The mapping's own condition, and the sample's: a share of the rows by the hash of their key, the same every time."""
    dialect = dialect_of(source)
    terms = [Term.of(source, column) for column in plan.key]
    number = number_of(dialect, terms, [form_of(column, column, alike=dialect.keeps_digits) for column in plan.key])
    chosen = f"mod({number}, {one_in:d}) = 0" if number else f"rowid % {one_in:d} = 0"
    if one_in == 1:
        return plan.mapping.where
    return f"({plan.mapping.where}\n) and {chosen}" if plan.mapping.where else chosen


def _refused(scratch: Database) -> dict[str, tuple[Refusals, ...]]:
    control = Control(_NAME)
    with scratch.engine.connect() as connection:
        found = {}
        for record in control.tables(connection):
            counts = Counter((letter.column, letter.reason) for letter in control.letters(connection, record.number))
            found[record.target] = tuple(Refusals(column, why, rows) for (column, why), rows in counts.most_common())
    return found


@contextmanager
def _scratch(target: Database, plans: Sequence[TablePlan]) -> Iterator[Database]:
    """The target with empty tables like its own, where they do no harm."""
    if target.engine.dialect.name == "sqlite":
        with tempfile.TemporaryDirectory(prefix="changeover-rehearsal-") as folder:
            scratch = OpenDatabase(target.name, sa.create_engine(f"sqlite:///{Path(folder) / 'scratch.db'}"))
            try:
                _copy_declarations(target, scratch, plans)
                yield scratch
            finally:
                scratch.close()
        return
    schema = quoted(SCRATCH, target.engine.dialect)
    with target.engine.begin() as connection:
        if SCRATCH in sa.inspect(connection).get_schema_names():
            raise ScratchTaken(target.name, SCRATCH)
        connection.exec_driver_sql(f"CREATE SCHEMA {schema}")
    scratch = _inside(target)
    try:
        with target.engine.begin() as connection:
            for plan in plans:
                run(connection, _like(connection, plan.target.name, schema))
        with scratch.engine.begin() as connection:  # or those of a real migration would be found behind the scratch schema
            for checkpoint in (Control, DeferredControl, Positions):
                checkpoint.create(connection)
        yield scratch
    finally:
        scratch.close()
        cascade = " CASCADE" if target.engine.dialect.name == "postgresql" else ""
        with target.engine.begin() as connection:
            connection.exec_driver_sql(f"DROP SCHEMA {schema}{cascade}")


def _like(connection: sa.Connection, table: TableName, schema: str) -> str:
    statement = f"CREATE TABLE {schema}.{quoted(table.name, connection.dialect)} "
    if connection.dialect.name == "postgresql":  # without foreign keys and triggers
        return f"{statement}(LIKE {table.quoted(connection.dialect)} INCLUDING ALL)"
    return f"{statement}LIKE {table.quoted(connection.dialect)}"


def _copy_declarations(target: Database, scratch: Database, plans: Sequence[TablePlan]) -> None:
    with target.engine.connect() as connection:
        declared = [
            connection.execute(sa.text("SELECT sql FROM sqlite_master WHERE name = :name"), {"name": plan.target.name.name})
            for plan in plans
        ]
        statements = [result.scalar_one() for result in declared]
    with scratch.engine.begin() as connection:
        for statement in statements:
            run(connection, statement)


def _inside(target: Database) -> OpenDatabase:
    """The same server, with the scratch schema as the one that names mean."""
    url, options = target.engine.url, {}
    if target.engine.dialect.name == "postgresql":
        options = {"options": f"-csearch_path={SCRATCH},public"}
    else:
        url = url.set(database=SCRATCH)
    return open_database(target.name, DatabaseEntry(url.render_as_string(hide_password=False), options=options), "")


def _orphans(plan: TablePlan, plans: Sequence[TablePlan], reading: sa.Connection, writing: sa.Connection) -> Iterator[Orphaned]:
    """Foreign keys of the target that rows of the source would break, because their parent is left behind."""
    for columns, referred, referred_columns in _foreign_keys(plan.target.name, writing):
        if len(columns) != 1:
            continue  # a key of several columns is judged by the target alone
        parent = next((other for other in plans if other.target.name.name == referred), None)
        child = _fed(plan, columns[0])
        known = _fed(parent, referred_columns[0]) if parent is not None else ""
        if parent is None or not child or not known:
            continue
        mine = _rows_of(plan.source.name, child, plan.mapping, reading.dialect)
        theirs = _rows_of(parent.source.name, known, parent.mapping, reading.dialect)
        statement = (
            f"SELECT count(*) FROM ({mine}) c WHERE c.k IS NOT NULL"  # noqa: S608 - names are quoted, conditions the author's
            f" AND NOT EXISTS (SELECT 1 FROM ({theirs}) p WHERE p.k = c.k)"
        )
        rows = int(run(reading, statement).scalar_one())
        if rows:
            yield Orphaned(columns[0], str(parent.into), rows)


def _foreign_keys(table: TableName, writing: sa.Connection) -> Iterator[tuple[Sequence[str], str, Sequence[str]]]:
    """The columns of each foreign key, its parent, and the columns there."""
    if writing.dialect.name in {"mysql", "mariadb"}:
        for key in foreign_keys_of(writing, table.schema, table.name):
            yield key.columns, key.parent, key.parent_columns
        return
    for entry in sa.inspect(writing).get_foreign_keys(table.name, schema=table.schema):
        yield entry["constrained_columns"], entry["referred_table"], entry["referred_columns"]


def _fed(plan: TablePlan, column: str) -> str:
    """The source's column that fills *column* unchanged; empty when none does."""
    feed = next((feed for feed in plan.feeds if feed.target.name == column), None)
    changed = column in plan.mapping.filled and plan.mapping.filled[column].changes
    return feed.source.name if feed is not None and feed.source is not None and not changed else ""


def _rows_of(table: TableName, column: str, mapping: TableMapping, dialect: sa.Dialect) -> str:
    where = f" WHERE ({mapping.where}\n)" if mapping.where else ""
    return f"SELECT {quoted(column, dialect)} AS k FROM {table.quoted(dialect)}{where}"  # noqa: S608 - quoted
