"""Copies in a process of its own, so that a test can kill it: ``copying_process.py SOURCE TARGET NAME [WORKERS | --after-load]``.

Every finished chunk is a line on standard output.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, replace

import sqlalchemy as sa

from changeover.contracts import Value
from changeover.runbook.systems import DatabaseEntry
from changeover.testing import FakeContext
from changeover.transfer.copying import Migration
from changeover.transfer.databases import OpenDatabase, open_database
from changeover.transfer.mapping import Mapped, TableMapping

PLAN = Mapped((TableMapping(source="parents"), TableMapping(source="children")), chunk_rows=50, max_rejects=2)


def tell(line: str) -> None:
    """At once, even into a pipe."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


@dataclass(slots=True)
class LoudContext(FakeContext):
    """Tells its progress on standard output, and really sleeps."""

    def progress(self, done: int, total: int | None, unit: str, **figures: Value) -> None:
        tell(f"{done} {total} {unit} {figures['rejected']}")

    def sleep(self, seconds: float) -> None:
        time.sleep(min(seconds, 0.1))


def opened(name: str, url: str) -> OpenDatabase:
    """A database by its URL with password."""
    address = sa.make_url(url)
    entry = DatabaseEntry(url=address.set(password=None).render_as_string())
    return open_database(name, entry, address.password or "")


def main() -> None:
    """Copy."""
    source, target = opened("legacy", sys.argv[1]), opened("crm", sys.argv[2])
    more = sys.argv[4:]
    plan = replace(PLAN, workers=int(more[0]), chunk_rows=20) if more and more != ["--after-load"] else PLAN
    if more == ["--after-load"]:
        plan = replace(PLAN, indexes="after_load")
    context = LoudContext()
    report = Migration(sys.argv[3], plan, source, target, context).run()
    for line in context.said:
        tell(line)
    tell(f"finished {report.rows} {report.rejected}")
    source.close()
    target.close()


if __name__ == "__main__":
    main()
