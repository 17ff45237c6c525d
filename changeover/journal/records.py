"""What the journal's tables hold besides events and commands, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from changeover.contracts import Mode, Value


@dataclass(frozen=True, slots=True)
class RunRecord:
    """What is fixed about a run when it is created. The runbook can be loaded again from ``sources`` alone."""

    id: str
    runbook: str  # its id
    title: str
    environment: str
    mode: Mode
    runner: str  # who started it
    created_at: datetime
    digest: str
    file: str  # the runbook's path, a key of sources
    sources: Mapping[str, str]
    values: Mapping[str, str]
    inputs: Mapping[str, Value]
    schema: int = 1


@dataclass(frozen=True, slots=True)
class Owner:
    """Who runs an engine."""

    name: str
    host: str
    pid: int

    def __str__(self) -> str:
        return f"{self.name} ({self.host}, pid {self.pid})"


@dataclass(frozen=True, slots=True)
class Ousted:
    """An owner that had to be taken for alive, and lost the run all the same."""

    owner: Owner
    since: datetime


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to write a run's state. Every write carries the epoch."""

    run: str
    epoch: int
    owner: Owner
    ousted: Ousted | None = field(default=None, compare=False)  # from whom it was taken by a person's word


@dataclass(frozen=True, slots=True)
class Ownership:
    """Who holds a run now, for people."""

    owner: Owner | None
    epoch: int
    since: datetime | None
    until: datetime | None
    live: bool


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a run's journal has come. Two equal marks: nothing was added in between."""

    seq: int  # of the last event; 0: none yet
    command: int  # number of the last command; 0: none yet


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a run's hash chain: the figure to anchor elsewhere, such as in chat."""

    seq: int
    hash: str
