"""How far something is that goes on between chunks, kept in the target: one JSON value for each table of a migration.

It changes in the very transaction that brings the rows which it stands for. Table 0 is the migration as a whole.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from changeover.transfer.dialects import Dialect

_POSITIONS: Final = sa.Table(
    "changeover_position",
    sa.MetaData(),
    sa.Column("migration", sa.String(200), primary_key=True),  # the run and the step
    sa.Column("table_no", sa.Integer, primary_key=True, autoincrement=False),  # 0: the migration itself
    sa.Column("position", sa.Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb"), nullable=False),  # JSON
    sa.Column("changed_at", sa.String(40), nullable=False),  # UTC, ISO
    mysql_engine="InnoDB",
    mysql_charset="utf8mb4",
)


@dataclass(frozen=True, slots=True)
class Positions:
    """The positions of one migration. Every method uses the connection it is given, and its transaction."""

    migration: str

    @staticmethod
    def create(connection: sa.Connection) -> None:
        """Make the table where it is missing."""
        connection.execute(sa.schema.CreateTable(_POSITIONS, if_not_exists=True))

    @staticmethod
    def exists(connection: sa.Connection) -> bool:
        """Whether this database has ever kept one."""
        return sa.inspect(connection).has_table(_POSITIONS.name)

    def read(self, connection: sa.Connection, table: int) -> dict[str, Any] | None:
        """How far it is; None before it began."""
        return _value(connection.execute(self._mine(table)).scalar())

    def lock(self, connection: sa.Connection, table: int, dialect: Dialect) -> dict[str, Any] | None:
        """The same, and nobody else moves it until the transaction ends."""
        select = self._mine(table)
        return _value(connection.execute(select.with_for_update() if dialect.skips_locked else select).scalar())

    def put(self, connection: sa.Connection, table: int, position: dict[str, Any], now: datetime) -> None:
        """Write how far it is."""
        values = {"position": json.dumps(position, sort_keys=True), "changed_at": now.isoformat()}
        mine = sa.and_(_POSITIONS.c.migration == self.migration, _POSITIONS.c.table_no == table)
        # MariaDB counts a row as affected only when something in it changed: so it is looked for
        if connection.execute(self._mine(table)).first() is None:
            connection.execute(_POSITIONS.insert().values(migration=self.migration, table_no=table, **values))
        else:
            connection.execute(_POSITIONS.update().where(mine).values(**values))

    def lock_all(self, connection: sa.Connection, dialect: Dialect) -> None:
        """Wait for whoever moves one, and let nobody begin to until the transaction ends."""
        select = sa.select(_POSITIONS.c.table_no).where(_POSITIONS.c.migration == self.migration)
        connection.execute(select.with_for_update() if dialect.skips_locked else select).all()

    def _mine(self, table: int) -> sa.Select[Any]:
        return sa.select(_POSITIONS.c.position).where(_POSITIONS.c.migration == self.migration, _POSITIONS.c.table_no == table)


def _value(text: str | None) -> dict[str, Any] | None:
    if text is None:
        return None
    value: dict[str, Any] = json.loads(text)
    return value
