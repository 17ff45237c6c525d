"""The indexes and foreign keys of a PostgreSQL table, word for word, and why one of them cannot be made after a load.

Definitions are read with an empty search path, so that every name in them says its schema: whoever makes them again later
makes the same, whatever his own search path is.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import sqlalchemy as sa

from changeover.transfer.shapes import TableName


class Made(StrEnum):
    """What is made after a load."""

    INDEX = "index"
    FOREIGN_KEY = "foreign key"


@dataclass(frozen=True, slots=True)
class Reference:
    """What a foreign key ties together; names as they are, not quoted."""

    columns: tuple[str, ...]
    parent: str  # the table, quoted, with its schema
    parent_schema: str | None  # None: it is found without
    parent_name: str
    parent_columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Definition:
    """One index or foreign key."""

    sort: Made
    relation: str  # its table, quoted, with its schema
    name: str  # quoted; of an index with its schema
    text: str  # as the server says it
    comment: str | None
    reference: Reference | None = None
    stays: str = ""  # why it must not be dropped for a while; empty: it may


_RELATION: Final = "quote_ident(n.nspname) || '.' || quote_ident(r.relname)"

#: The primary key stays without a word: chunks, checkpoint and undo rest on it.
_INDEXES: Final = f"""
SELECT {_RELATION} AS relation, quote_ident(n.nspname) || '.' || quote_ident(i.relname) AS name,
       pg_get_indexdef(i.oid) AS text, obj_description(i.oid, 'pg_class') AS comment,
       CASE WHEN x.indisunique OR x.indisexclusion THEN 'it finds rows that are there twice, each in its own chunk'
            WHEN NOT pg_has_role(r.relowner, 'USAGE') THEN 'only the owner of the table may drop it'
            WHEN r.relkind <> 'r' OR r.relispartition THEN 'its table is partitioned'
            WHEN NOT x.indisvalid THEN 'it is not valid'
            WHEN x.indisclustered THEN 'the table is clustered on it'
            WHEN x.indisreplident THEN 'replication rests on it'
            WHEN i.reltablespace <> 0 THEN 'it has a tablespace of its own'
            WHEN EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = i.oid AND coalesce(a.attstattarget, -1) >= 0)
                 THEN 'it has statistics of its own'
            WHEN EXISTS (SELECT FROM pg_depend d WHERE d.refclassid = CAST('pg_class' AS regclass) AND d.refobjid = i.oid)
                 THEN 'something else depends on it'
            ELSE '' END AS stays
  FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class r ON r.oid = x.indrelid
  JOIN pg_namespace n ON n.oid = r.relnamespace
 WHERE x.indrelid = :table AND NOT x.indisprimary ORDER BY i.relname
"""  # noqa: S608 - a constant

_FOREIGN_KEYS: Final = f"""
SELECT {_RELATION} AS relation, quote_ident(c.conname) AS name, c.oid AS oid,
       pg_get_constraintdef(c.oid) AS text, obj_description(c.oid, 'pg_constraint') AS comment,
       quote_ident(m.nspname) || '.' || quote_ident(p.relname) AS parent, m.nspname AS parent_schema, p.relname AS parent_name,
       ARRAY(SELECT CAST(a.attname AS text) FROM unnest(c.conkey) WITH ORDINALITY k(number, place)
              JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.number ORDER BY k.place) AS columns,
       ARRAY(SELECT CAST(a.attname AS text) FROM unnest(c.confkey) WITH ORDINALITY k(number, place)
              JOIN pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = k.number ORDER BY k.place) AS parent_columns,
       CASE WHEN NOT pg_has_role(r.relowner, 'USAGE') THEN 'only the owner of the table may drop it'
            WHEN NOT (pg_has_role(p.relowner, 'USAGE') OR has_table_privilege(p.oid, 'REFERENCES'))
                 THEN 'we have no right to make it again'
            WHEN r.relkind <> 'r' OR r.relispartition OR c.conparentid <> 0 THEN 'its table is partitioned'
            WHEN NOT c.convalidated THEN 'it is not validated'
            WHEN c.confmatchtype <> 's' THEN 'it is MATCH FULL'
            WHEN EXISTS (SELECT FROM pg_trigger t WHERE t.tgconstraint = c.oid AND t.tgenabled <> 'O')
                 THEN 'its triggers have been changed'
            ELSE '' END AS stays
  FROM pg_constraint c JOIN pg_class r ON r.oid = c.conrelid JOIN pg_namespace n ON n.oid = r.relnamespace
  JOIN pg_class p ON p.oid = c.confrelid JOIN pg_namespace m ON m.oid = p.relnamespace
 WHERE c.conrelid = :table AND c.contype = 'f' ORDER BY c.conname
"""  # noqa: S608 - a constant


def definitions_of(connection: sa.Connection, table: TableName) -> tuple[Definition, ...]:
    """The secondary indexes and the foreign keys of *table*, in a transaction that the caller ends."""
    oid = connection.execute(sa.text("SELECT CAST(CAST(:t AS regclass) AS oid)"), _named(connection, table)).scalar_one()
    visible = set(
        connection.execute(
            sa.text("SELECT oid FROM pg_constraint WHERE conrelid = :table AND contype = 'f' AND pg_table_is_visible(confrelid)"),
            {"table": oid},
        ).scalars()
    )
    with _everything_named(connection):
        indexes = connection.execute(sa.text(_INDEXES), {"table": oid}).all()
        keys = connection.execute(sa.text(_FOREIGN_KEYS), {"table": oid}).all()
    return (
        *(Definition(Made.INDEX, row.relation, row.name, row.text, row.comment, stays=row.stays) for row in indexes),
        *(_foreign_key(row, visible=row.oid in visible) for row in keys),
    )


def _foreign_key(row: Any, *, visible: bool) -> Definition:
    reference = Reference(
        tuple(row.columns), row.parent, None if visible else row.parent_schema, row.parent_name, tuple(row.parent_columns)
    )
    return Definition(Made.FOREIGN_KEY, row.relation, row.name, row.text, row.comment, reference, row.stays)


def relation_of(connection: sa.Connection, table: TableName) -> str | None:
    """A table's name with its schema, quoted; None when there is no such table."""
    select = sa.text(
        f"SELECT {_RELATION} FROM pg_class r JOIN pg_namespace n ON n.oid = r.relnamespace WHERE r.oid = to_regclass(:t)"  # noqa: S608 - a constant
    )
    return connection.execute(select, _named(connection, table)).scalar()


def text_now(connection: sa.Connection, sort: Made, relation: str, name: str) -> str | None:
    """How an index or foreign key is defined at this moment; None when there is none of that name."""
    if sort is Made.INDEX:
        select = "SELECT pg_get_indexdef(to_regclass(:name)) WHERE to_regclass(:relation) IS NOT NULL"
    else:
        select = (
            "SELECT pg_get_constraintdef(oid) FROM pg_constraint"
            " WHERE conrelid = to_regclass(:relation) AND quote_ident(conname) = :name"
        )
    with _everything_named(connection):
        return connection.execute(sa.text(select), {"name": name, "relation": relation}).scalar()


@contextmanager
def _everything_named(connection: sa.Connection) -> Iterator[None]:
    """What the server says of a definition names every schema."""
    path = connection.exec_driver_sql("SELECT current_setting('search_path')").scalar_one()
    connection.exec_driver_sql("SET LOCAL search_path TO ''")
    yield
    connection.execute(sa.text("SELECT set_config('search_path', :path, true)"), {"path": path})


def _named(connection: sa.Connection, table: TableName) -> dict[str, str]:
    return {"t": table.quoted(connection.dialect)}
