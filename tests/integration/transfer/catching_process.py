"""Catches up in a process of its own, so that a test can kill it: ``python catching_process.py SOURCE TARGET``.

Every batch that is committed is a line on standard output.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass

from changeover.contracts import Value
from changeover.steps.migrate import Migrate
from changeover.testing import FakeContext
from changeover.transfer import changed_rows
from changeover.transfer.delta_words import Delta
from tests.integration.transfer.copying_process import opened, tell

PLAN = Migrate("legacy", "crm", ("customers", "orders"), chunk_rows=500, max_rejects=3, delta=Delta("updated_at"))


@dataclass(slots=True)
class LoudContext(FakeContext):
    """Tells its progress on standard output, and really sleeps."""

    def progress(self, done: int, total: int | None, unit: str, **figures: Value) -> None:
        tell(f"{done} {total} {unit} {figures.get('because')}")

    def sleep(self, seconds: float) -> None:
        time.sleep(min(seconds, 0.1))


def main() -> None:
    """Catch up for the last time."""
    changed_rows.BATCH_ROWS = 100  # type: ignore[misc] # so that there are many moments to be killed at
    databases = {"legacy": opened("legacy", sys.argv[1]), "crm": opened("crm", sys.argv[2])}
    context = LoudContext(run_id="run", step="last-delta", databases=databases, steps={"copy": PLAN})
    tell(Migrate(catch_up="copy", final=True).run(context).summary)
    for database in databases.values():
        database.close()


if __name__ == "__main__":
    main()
