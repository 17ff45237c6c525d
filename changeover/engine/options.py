"""How an engine is told to drive a run, and how it tells what became of it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from changeover.contracts import Clock, Kind, RunState
from changeover.engine.clock import SystemClock


def _to_standard_error(line: str) -> None:
    sys.stderr.write(f"{line}\n")


@dataclass(frozen=True, slots=True)
class Options:
    """How to drive a run.

    Attributes:
        engine: ``auto`` uses Prefect when a server is configured and answers, and says so when it does not.
        wait: whether to wait for people; False ends with what the run waits for.
        accept_change: the person who accepts, on the record, that the runbook or the program has changed since.
        takeover: whether to take the run from an owner whose lease has not ended yet; *who* does it stands in the record.
        takeover_why: the reason, for the record.
        root: the project's folder.
        who: the person who drives, for the owner's name; empty: who started the run.
        kinds: the step kinds; None loads the shipped ones and the project's.
        tell: gets one line at a time about the engine itself (not about the run: that stands in the journal).
        parallel: steps at a time.
        lease_seconds: how long the run stays ours without a sign of life.
        stop_grace: seconds that a step gets to stop before it is given up.
        quiesce_grace: seconds that running steps get to end by themselves when a rollback or an interruption was asked for.
        drain: seconds that Prefect gets after the run's final state is durable.
    """

    engine: Literal["auto", "local", "prefect"] = "auto"
    wait: bool = True
    accept_change: str = ""
    takeover: bool = False
    takeover_why: str = ""
    root: Path = field(default_factory=Path.cwd)
    clock: Clock = field(default_factory=SystemClock)
    who: str = ""
    kinds: Mapping[str, Kind] | None = None
    tell: Callable[[str], None] = _to_standard_error
    parallel: int = 32
    lease_seconds: float = 15.0
    stop_grace: float = 10.0
    quiesce_grace: float = 10.0
    drain: float = 10.0


@dataclass(frozen=True, slots=True)
class Ended:
    """How an incarnation of the engine ended. The run itself may go on in another one."""

    state: RunState
    held: bool = False
    why: str = ""  # why the run is held, or why the engine ended before the run did
    waiting: tuple[str, ...] = ()  # what it waits for, a line each
    lost: bool = False  # another engine took the run over
    rollback_failed: bool = False  # a step of the rollback failed and waits for people
    interrupted: bool = False  # it was told to stop
