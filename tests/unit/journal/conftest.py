"""A journal in SQLite with a run in it, and a clock that moves when it is told to."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from changeover.contracts import Mode
from changeover.journal.store import Journal, Lease, Owner, RunRecord


class SetClock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.moment = datetime(2027, 3, 13, 19, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.moment

    def monotonic(self) -> float:
        return time.monotonic()

    def move(self, **by: float) -> None:
        self.moment += timedelta(**by)


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'state' / 'journal.db'}"


@pytest.fixture
def journal(url: str, clock: SetClock) -> Iterator[Journal]:
    with Journal.open(url, clock=clock) as opened:
        yield opened


@pytest.fixture
def new_run(journal: Journal, clock: SetClock) -> Callable[[str], RunRecord]:
    """Create a run called as you like."""

    def create(name: str) -> RunRecord:
        sources = {"runbooks/telecom-crm.yaml": "runbook: telecom-crm\n", "runbooks/people.yaml": "persons: {}\n"}
        run = RunRecord(
            id=name,
            runbook="telecom-crm",
            title="Ügyfelek átköltöztetése / Перенесення клієнтів",
            environment="sandbox",
            mode=Mode.REHEARSE,
            runner="oksana",
            created_at=clock.now(),
            digest="0" * 64,
            file="runbooks/telecom-crm.yaml",
            sources=sources,
            values={"crm_port": "5432"},
            inputs={"wave": "residential", "limit": 3, "dates": ["2027-03-13"]},
        )
        journal.create_run(run)
        return run

    return create


@pytest.fixture
def owner() -> Owner:
    return Owner("oksana", "crm-ops-1", 4242)


@pytest.fixture
def lease(journal: Journal, new_run: Callable[[str], RunRecord], owner: Owner) -> Lease:
    """The lease of the run ``crm-1``."""
    return journal.take_lease(new_run("crm-1").id, owner, seconds=60)
