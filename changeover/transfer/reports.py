"""What became of a migration, table by table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from changeover.transfer.passes import CaughtUp


@dataclass(frozen=True, slots=True)
class TableReport:
    """What became of one table."""

    source: int
    copied: int
    rejected: int


@dataclass(frozen=True, slots=True)
class Report:
    """What became of a migration."""

    tables: dict[str, TableReport]
    seconds: float
    caught_up: CaughtUp | None = None
    tail: float = 0.0  # of these seconds, what came after the rows of the tables

    @property
    def rows(self) -> int:
        """Rows copied."""
        return sum(table.copied for table in self.tables.values())

    @property
    def rejected(self) -> int:
        """Dead letters."""
        return sum(table.rejected for table in self.tables.values())


def summary(report: Report) -> dict[str, Any]:
    """The report as a step's output."""
    return {
        "tables": {
            name: {"source": table.source, "copied": table.copied, "rejected": table.rejected}
            for name, table in report.tables.items()
        },
        "rows": report.rows,
        "rejected": report.rejected,
        "seconds": round(report.seconds, 3),
        **({"delta": report.caught_up.output} if report.caught_up is not None else {}),
    }
