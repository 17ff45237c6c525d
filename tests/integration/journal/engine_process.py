"""An engine reduced to its journal: a process that takes a lease and appends, told what to do line by line."""

from __future__ import annotations

import os
import sys
import time
from datetime import UTC, datetime

from changeover.errors import ChangeoverError
from changeover.journal.events import Draft, EventKind
from changeover.journal.store import Journal, Lease, Owner


class MachineClock:
    """The machine's time."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()


class Worker:
    """Does what a line says; what comes of it is one line again."""

    def __init__(self, journal: Journal, name: str) -> None:
        self.journal = journal
        self.owner = Owner(name, "test-host", os.getpid())
        self.lease: Lease | None = None

    def take(self, run: str, seconds: str, takeover: str = "") -> str:
        self.lease = self.journal.take_lease(run, self.owner, seconds=float(seconds), takeover=bool(takeover))
        return f"epoch {self.lease.epoch}"

    def append(self, text: str, count: str = "1") -> str:
        assert self.lease is not None
        drafts = [Draft(EventKind.STEP_SAID, "deploy", 1, data={"line": text}) for _ in range(int(count))]
        return f"seq {self.journal.append(self.lease, drafts)[-1].seq}"

    def renew(self, seconds: str) -> str:
        assert self.lease is not None
        self.journal.renew_lease(self.lease, seconds=float(seconds))
        return "renewed"

    def release(self) -> str:
        assert self.lease is not None
        self.journal.release_lease(self.lease)
        return "released"


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(url: str, name: str) -> None:
    with Journal.open(url, clock=MachineClock()) as journal:
        worker = Worker(journal, name)
        say("ready")
        for line in sys.stdin:
            word, *rest = line.split()
            try:
                say(getattr(worker, word)(*rest))
            except ChangeoverError as error:
                say(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main(*sys.argv[1:])
