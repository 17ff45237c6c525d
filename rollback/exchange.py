"""Make loaded tables live, all at once; `migrate: {undo: STEP, by: swap_schema, ...}` puts the old ones back."""

from __future__ import annotations

from collections.abc import Sequence

from changeover.api import Context, Result, Swap, counted, swap_in


def make_live(context: Context, *, database: str, tables: Sequence[str], live: str, loaded: str, kept: str) -> Result:
    """Move *tables* from the schema *loaded* to *live*, and those that stand there to *kept*. Doing it twice changes nothing.

    Args:
        context: given by the engine.
        database: where.
        tables: which, without a schema.
        live: the schema in which everybody looks for them (of MariaDB: the database).
        loaded: where the migration wrote them.
        kept: where the old ones wait; no table of these names is there.
    """
    moved = swap_in(context.database(database), tables, Swap(live, loaded, kept))
    done = "exchanged" if moved else "had been exchanged"
    return Result(f"{counted(len(tables), 'table')} of {live} {done}", {"tables": list(tables), "moved": moved})
