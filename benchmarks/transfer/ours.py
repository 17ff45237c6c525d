"""One migration in a process of its own: a job as JSON on standard input, `{source, target, tables, name, workers}`."""

# ruff: noqa: INP001 - a script

from __future__ import annotations

import json
import os
import signal
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import sqlalchemy as sa

from changeover.contracts import Context
from changeover.runbook.systems import DatabaseEntry
from changeover.transfer.copying import Migration
from changeover.transfer.databases import OpenDatabase, open_database
from changeover.transfer.mapping import ColumnMapping, Mapped, TableMapping

#: Three changes, as a mapping would have them.
CHANGES = {
    "status": ColumnMapping(
        source="status", map={"active": "ACTIVE", "suspended": "SUSPENDED", "closed": "CLOSED"}, unmapped="keep"
    ),
    "email": ColumnMapping(source="email", do=("trim", "lower")),
    "birth_date": ColumnMapping(source="birth_date", do=("zero_date_to_null",)),
}


class RealClock:
    """The machine's."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()


@dataclass
class Alone:
    """As much of a step's context as a migration needs."""

    clock: RealClock = field(default_factory=RealClock)
    die_at: int = 0

    def say(self, line: str) -> None:
        sys.stdout.write(line + "\n")

    def progress(self, done: int, _total: int | None, _unit: str, **_figures: object) -> None:
        if self.die_at and done >= self.die_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def check_stopped(self) -> None:
        """Never."""

    def rehearsed(self) -> dict[str, Any]:
        """Nothing."""
        return {}

    def adjusted(self) -> dict[str, Any]:
        """Nobody steers it."""
        return {}


def opened(name: str, url: str) -> OpenDatabase:
    """A database by its URL with password."""
    address = sa.make_url(url)
    return open_database(name, DatabaseEntry(url=address.set(password=None).render_as_string()), address.password or "")


def main() -> None:
    """Copy."""
    job: dict[str, Any] = json.load(sys.stdin)
    source, target = opened("legacy", job["source"]), opened("crm", job["target"])
    table = TableMapping(job.get("source_table", "customers"), "customers", columns=CHANGES if job.get("changes") else {})
    plan = Mapped((table,), indexes=job.get("indexes", "keep"), workers=job.get("workers", 1))
    context = cast("Context", Alone(die_at=job.get("die_at", 0)))
    report = Migration(job["name"], plan, source, target, context).run()
    sys.stdout.write(json.dumps({"rows": report.rows, "rejected": report.rejected, "seconds": report.seconds}) + "\n")
    source.close()
    target.close()


if __name__ == "__main__":
    main()
