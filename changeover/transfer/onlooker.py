"""Whoever looks at a copy while it is under way: between two chunks, on the connections of the worker that copied them."""

from __future__ import annotations

from typing import Protocol

import sqlalchemy as sa

from changeover.transfer.control import ChunkRecord
from changeover.transfer.planning import TablePlan


class Onlooker(Protocol):
    """Finds out during the load what would otherwise only be found after it. Each worker has one of its own."""

    def chunk_copied(self, plan: TablePlan, chunk: ChunkRecord, reading: sa.Connection, writing: sa.Connection) -> None:
        """*chunk* and its checkpoint are committed; neither connection is inside a transaction, and both are left so.

        It is called after every chunk and decides itself when to look, and how much.

        Raises:
            Setback: what arrived is not what was sent. The copy stops; every finished chunk is kept.
        """
        ...
