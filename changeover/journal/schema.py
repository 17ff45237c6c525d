"""Which version the tables have, and how they get to the newest. Alembic is only imported when there is something to migrate."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from changeover.journal.connections import Connections
from changeover.journal.errors import JournalMissing, JournalTooNew, JournalTooOld, JournalUnavailable
from changeover.journal.tables import METADATA, VERSION_TABLE, schema

#: Every version there has been, oldest first: the revisions in ``migrations/versions``.
VERSIONS: Final = ("0001", "0002")
NEWEST: Final = VERSIONS[-1]

_VERSION: Final = sa.Table(VERSION_TABLE, sa.MetaData(), sa.Column("version_num", sa.String(32), primary_key=True))
_MIGRATION_LOCK: Final = 0x6368616E67656F  # "changeo": two programs that start at once migrate one after the other


def prepare(connections: Connections, *, create: bool) -> None:
    """Bring the tables to the newest version, or with ``create=False`` only see that they are.

    Raises JournalMissing, JournalTooNew, JournalTooOld, JournalUnavailable.
    """
    connections.make_file(create=create)
    with connections.read() as connection:
        found = version_of(connection)
    if found == NEWEST:
        return
    _refuse_unknown(connections, found)
    if create:
        _migrate(connections)
    elif found is None:
        raise JournalMissing(connections.where)
    else:
        raise JournalTooOld(connections.where, found, NEWEST)


def version_of(connection: sa.Connection) -> str | None:
    """The version of the tables; None when there are none."""
    try:
        found: str | None = connection.execute(sa.select(_VERSION.c.version_num)).scalar()
    except (sa.exc.OperationalError, sa.exc.ProgrammingError) as error:
        missing = "no such table" in str(error.orig) or getattr(error.orig, "sqlstate", "") == "42P01"
        if not missing:
            raise
        return None
    return found


def _refuse_unknown(connections: Connections, found: str | None) -> None:
    if found is not None and found not in VERSIONS:
        raise JournalTooNew(connections.where, found, NEWEST)


def _migrate(connections: Connections) -> None:
    """In one transaction, so that a journal is never half-way; whoever comes second finds the work done."""
    with connections.write() as connection:
        if not connections.sqlite:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_MIGRATION_LOCK)))
        names = set(sa.inspect(connection).get_table_names())
        found = version_of(connection) if VERSION_TABLE in names else None
        _refuse_unknown(connections, found)
        if found is None:
            _create(connection, connections.where, names)
        elif found != NEWEST:
            upgrade(connection)


def _create(connection: sa.Connection, where: str, names: set[str]) -> None:
    """An empty database gets the newest tables at once (a test proves them equal to what the migrations make)."""
    others = sorted(names & set(METADATA.tables))
    if others:
        cure = "use a database, or a PostgreSQL schema, of its own for the journal"
        raise JournalUnavailable(where, f"it holds tables of another program ({', '.join(others)})", cure)
    schema().create_all(connection, checkfirst=False)
    _VERSION.create(connection)
    connection.execute(sa.insert(_VERSION).values(version_num=NEWEST))


def upgrade(connection: sa.Connection, to: str = "head") -> None:
    """Run the migrations up to the version *to*, in the caller's transaction."""
    from alembic import command  # noqa: PLC0415 - two seconds on a busy machine, needed once in a journal's life
    from alembic.config import Config  # noqa: PLC0415 - the same

    configuration = Config()
    configuration.set_main_option("script_location", "changeover.journal:migrations")
    configuration.attributes["connection"] = connection
    command.upgrade(configuration, to)
