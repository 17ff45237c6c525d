"""The same journal on SQLite and on a real PostgreSQL, and engines as processes that can be killed."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from changeover.contracts import Mode
from changeover.journal.store import Journal, Owner, RunRecord

PROGRAM = Path(__file__).with_name("engine_process.py")


class MachineClock:
    """The machine's time."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()


class EngineProcess:
    """A process that owns runs; see engine_process.py."""

    def __init__(self, url: str, name: str) -> None:
        command = [sys.executable, str(PROGRAM), url, name]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.answer() == "ready"

    def tell(self, *words: object) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()

    def answer(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def ask(self, *words: object) -> str:
        self.tell(*words)
        return self.answer()

    def close(self) -> None:
        self.process.kill()
        self.process.wait(timeout=10)
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()


@pytest.fixture
def clock() -> MachineClock:
    return MachineClock()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'state' / 'journal.db'}"
    address: str = request.getfixturevalue("fresh_postgresql_url")
    return address


@pytest.fixture
def journal(url: str, clock: MachineClock) -> Iterator[Journal]:
    with Journal.open(url, clock=clock) as opened:
        yield opened


@pytest.fixture
def new_run(journal: Journal) -> Callable[[str], RunRecord]:
    """Create a run called as you like."""

    def create(name: str) -> RunRecord:
        run = RunRecord(
            id=name,
            runbook="telecom-crm",
            title="Ügyfelek átköltöztetése / Перенесення клієнтів",
            environment="sandbox",
            mode=Mode.REHEARSE,
            runner="oksana",
            created_at=datetime(2027, 3, 13, 19, 0, 0, 123456, tzinfo=UTC),
            digest="0" * 64,
            file="runbooks/telecom-crm.yaml",
            sources={"runbooks/telecom-crm.yaml": "runbook: telecom-crm\n", "runbooks/people.yaml": "persons: {}\n"},
            values={"crm_port": "5432"},
            inputs={"wave": "residential", "limit": 3, "dates": ["2027-03-13"], "none": None},
        )
        journal.create_run(run)
        return run

    return create


@pytest.fixture
def owner() -> Owner:
    return Owner("oksana", "crm-ops-1", 4242)


@pytest.fixture
def engine(url: str) -> Iterator[Callable[[str], EngineProcess]]:
    """Start an engine process; it is ended after the test whatever became of it."""
    started: list[EngineProcess] = []

    def start(name: str) -> EngineProcess:
        started.append(EngineProcess(url, name))
        return started[-1]

    yield start
    for process in started:
        process.close()
