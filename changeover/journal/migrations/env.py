"""What Alembic runs: the migrations, on the connection and in the transaction that the journal gives it."""

from __future__ import annotations

from alembic import context

from changeover.journal.tables import VERSION_TABLE, schema

context.configure(connection=context.config.attributes["connection"], target_metadata=schema(), version_table=VERSION_TABLE)
with context.begin_transaction():
    context.run_migrations()
