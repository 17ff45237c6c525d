"""What ends a copy: a database, the way to it, rows that were too many to leave behind, a plan that is another one by now."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from changeover.errors import Setback

#: How servers say that somebody lacks a right.
_DENIED: Final = re.compile(r"permission denied|command denied|access denied|must be owner", re.IGNORECASE)


@dataclass(eq=False)
class CopyFailed(Setback):
    """A database failed under the copy."""

    table: str
    why: str

    def __str__(self) -> str:
        return f"copying {self.table} failed: {self.why}"

    @property
    def hint(self) -> str:
        kept = "every finished chunk is kept: try the step again and it goes on from there"
        if not _DENIED.search(self.why):
            return kept
        return (
            "let the target's administrator grant the user of its `url:` the rights to create tables, select, insert, update and "
            f"delete; {kept}"
        )


@dataclass(eq=False)
class ConnectionLost(CopyFailed):
    """A connection ended under a worker; with another one the copy goes on."""


@dataclass(eq=False)
class TooManyRejects(Setback):
    """More rows could not be taken than their author allows."""

    rejected: int
    allowed: int
    examples: tuple[str, ...]

    def __str__(self) -> str:
        rows = "row was" if self.rejected == 1 else "rows were"
        return f"{self.rejected:,} {rows} rejected, {self.allowed:,} allowed: {'; '.join(self.examples)}"

    @property
    def hint(self) -> str:
        return (
            "every one stands in the target's table changeover_rejects; correct the rows in the source, the mapping, or "
            "`max_rejects` and `max_reject_ratio`, and try the step again: it tries the rejected rows first"
        )


@dataclass(eq=False)
class AlreadyUndone(Setback):
    """The migration has been taken back."""

    migration: str

    def __str__(self) -> str:
        return f"migration {self.migration} was undone; nothing is copied in its name any more"

    @property
    def hint(self) -> str:
        return "start a new run, or give the copy another name: `name:`, or `--name` of `changeover migrate`"


@dataclass(eq=False)
class MappingChanged(Setback):
    """The mapping is another one than that with which the copy began."""

    table: str

    def __str__(self) -> str:
        return f"the mapping of table {self.table} has changed since its copy began"

    @property
    def hint(self) -> str:
        return "undo the migration first, or bring the mapping back: half a table each way helps nobody"
