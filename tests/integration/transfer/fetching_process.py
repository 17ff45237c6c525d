"""Copies from a service in a process of its own, so that a test can kill it: ``python -m ... URL TARGET``."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass

from changeover.contracts import Value
from changeover.engine.clock import SystemClock
from changeover.runbook.systems import ServiceEntry
from changeover.steps.migrate import Migrate
from changeover.testing import FakeContext
from changeover.transfer.mapping import TableMapping
from changeover.transfer.paged_words import Paged
from tests.integration.transfer.copying_process import opened, tell

API = Paged(
    "/customers",
    {"number": "text", "name": "text", "birth_date": "date", "email": "text", "phone": "text"},
    items="$.customers",
    next="$.next",
    size=20,
    total="$.count",
)
PLAN = Migrate("cloud-crm", "crm", (TableMapping("customers", "cloud_customers", key_columns=("number",), api=API),))


@dataclass(slots=True)
class LoudContext(FakeContext):
    """Tells everything on standard output, and really sleeps."""

    def progress(self, done: int, total: int | None, unit: str, **figures: Value) -> None:
        tell(f"{done} of {total}")

    def say(self, line: str) -> None:
        tell(line)

    def sleep(self, seconds: float) -> None:
        self.check_stopped()
        time.sleep(seconds)


def main() -> None:
    """Copy."""
    context = LoudContext(
        run_id="run",
        step="copy",
        clock=SystemClock(),
        databases={"crm": opened("crm", sys.argv[2])},
        systems={"services": {"cloud-crm": ServiceEntry(sys.argv[1])}},
    )
    tell(PLAN.run(context).summary)


if __name__ == "__main__":
    main()
