"""What ends a copy from outside: a database, or the way to it."""

from __future__ import annotations

from dataclasses import dataclass

from changeover.errors import Setback


@dataclass(eq=False)
class CopyFailed(Setback):
    """A database failed under the copy."""

    table: str
    why: str

    def __str__(self) -> str:
        return f"copying {self.table} failed: {self.why}"

    @property
    def hint(self) -> str:
        return "every finished chunk is kept: try the step again and it goes on from there"


@dataclass(eq=False)
class ConnectionLost(CopyFailed):
    """A connection ended under a worker; with another one the copy goes on."""
