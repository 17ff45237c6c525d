"""Everything that people see of a run, frozen: terminal, chat, JSON and report show nothing else. Moments are UTC."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from changeover.contracts import Expected, Mode, Phase, RunState, StepState, Value
from changeover.status.speed import Speed

#: Less than this is no news.
_WORTH_SAYING = timedelta(minutes=1)


class StageState(StrEnum):
    """Where a stage stands, derived from its steps."""

    PENDING = "pending"
    RUNNING = "running"
    WAITING = "waiting"  # for people, and nothing else of it is running
    FAILED = "failed"  # a step of it needs a decision
    UNKNOWN = "unknown"  # nobody knows whether a step of it happened, and none has failed
    PASSED = "passed"
    SKIPPED = "skipped"  # all of its steps were
    STOPPED = "stopped"  # the run turned back or ended in the middle of it
    UNDOING = "undoing"
    UNDONE = "undone"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a running step is."""

    done: float
    total: float | None
    unit: str
    rate: float | None  # units a second
    at: datetime | None
    figures: Mapping[str, Value]

    @property
    def part(self) -> float | None:
        """From 0 to 1; None when the whole is unknown."""
        return min(max(self.done / self.total, 0.0), 1.0) if self.total else None


@dataclass(frozen=True, slots=True)
class AdjustedStatus:
    """What somebody has set for a step while it runs."""

    name: str  # hold, rows_per_second or workers
    value: Value
    by: str  # the person's name, or the control file
    why: str
    at: datetime


@dataclass(frozen=True, slots=True)
class StepStatus:
    """One step, forward or of the rollback."""

    key: str
    stage: str
    phase: Phase
    kind: str
    title: str
    owner: str  # the person's name where one is known
    state: StepState
    attempt: int
    background: bool
    critical: bool  # on the path that decides the end, as it looks now
    point_of_no_return: bool
    expected: Expected
    started: datetime | None  # of the last attempt
    ended: datetime | None
    elapsed: timedelta | None  # of the last attempt: until its end, or until now
    ends: datetime | None  # expected, while it is not over
    reason: str
    summary: str
    progress: Progress | None
    repair: str = ""  # how two people finish it by hand after the point of no return
    adjusted: tuple[AdjustedStatus, ...] = ()
    speed: Speed | None = None  # of a running step that counts what it does

    @property
    def hold(self) -> AdjustedStatus | None:
        """Who holds it, while somebody does."""
        return next((entry for entry in self.adjusted if entry.name == "hold" and entry.value is True), None)

    @property
    def overdue(self) -> bool:
        """Whether it is running for longer than its worst case."""
        return self.state is StepState.RUNNING and self.elapsed is not None and self.elapsed > self.expected.worst


@dataclass(frozen=True, slots=True)
class StageStatus:
    """One stage."""

    id: str
    title: str
    owner: str
    state: StageState
    total: int  # forward steps
    done: int  # passed or skipped
    failed: int  # failed, unknown, or asking a person
    undone: int  # of the rollback steps that count
    to_undo: int
    planned_start: datetime | None  # the baseline's likely times
    planned_end: datetime | None
    started: datetime | None
    ended: datetime | None
    ends: datetime | None  # expected, while it is not over


@dataclass(frozen=True, slots=True)
class Waiting:
    """A question that waits for people."""

    step: str
    stage: str
    ask: str
    form: str  # approval, task or typed
    typed: str
    evidence: str
    deciders: tuple[str, ...]  # names of all who may answer, deputies too
    quorum: int
    got: tuple[str, ...]  # who has said yes
    refused: tuple[str, ...]  # who has said no
    asked: datetime
    by: datetime | None
    lapsed: bool


@dataclass(frozen=True, slots=True)
class SuspensionStatus:
    """Something that is switched off now."""

    what: str
    step: str
    since: datetime
    resume_by: str
    expires: datetime | None
    left_by: str  # the person's name


class ClockState(StrEnum):
    """Whether an impact clock runs."""

    PLANNED = "planned"
    RUNNING = "running"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class ImpactClockStatus:
    """An impact clock, live."""

    name: str
    title: str
    budget: timedelta
    state: ClockState
    started: datetime | None
    stopped: datetime | None
    lasts: timedelta | None  # so far, or in the end; None before it starts
    likely: timedelta | None  # what it will have been, as it looks now

    @property
    def over(self) -> bool:
        """Whether the budget is used up."""
        return self.lasts is not None and self.lasts > self.budget


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is expected now."""

    ends_likely: datetime
    ends_worst: datetime
    late_likely: timedelta
    late_worst: timedelta
    until_closes: timedelta | None  # negative when the window has closed
    latest_safe_rollback: datetime | None
    countdown: timedelta | None  # until then; negative when it has passed
    rollback: Expected  # what going back takes now
    loses: tuple[str, ...]  # what going back now would lose, in words; `nothing` alone when the runbook says so
    point_passed: bool
    point_step: str  # the point of no return: passed, or still ahead; empty when there is none
    next: str  # the next step on the critical path


@dataclass(frozen=True, slots=True)
class WayBackTo:
    """What a rollback that begins now would do, take and lose."""

    stage: str  # that stays, with what it rests on; empty: everything is undone
    kept: tuple[str, ...]  # the stages that stay
    undone: tuple[str, ...]  # the keys of the undo steps
    takes: Expected
    loses: tuple[str, ...]  # in words; `nothing` alone when the runbook says so


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """The process that drives the run."""

    name: str
    kind: str  # local or prefect
    host: str
    pid: int
    epoch: int
    live: bool
    until: datetime | None  # its lease
    stopped: bool = False  # it ended in good order, and did not vanish


@dataclass(frozen=True, slots=True)
class Said:
    """An event in words."""

    seq: int
    at: datetime
    kind: str
    step: str
    who: str
    sentence: str


@dataclass(frozen=True, slots=True)
class RunStatus:
    """A run, now."""

    id: str
    runbook: str
    title: str
    environment: str
    mode: Mode
    runner: str
    timezone: str
    state: RunState
    held: bool
    held_by: str  # the person's name
    held_why: str
    now: datetime
    created: datetime
    window_opens: datetime | None
    window_closes: datetime | None
    started: datetime | None
    ended: datetime | None
    elapsed: timedelta | None
    planned_end: datetime | None  # the baseline
    stages: tuple[StageStatus, ...]
    steps: tuple[StepStatus, ...]  # forward, in written order
    rollback: tuple[StepStatus, ...]  # those that count, in their order; empty while nothing has started
    waiting: tuple[Waiting, ...]
    suspensions: tuple[SuspensionStatus, ...]  # those still open
    clocks: tuple[ImpactClockStatus, ...]
    outcome: Outcome
    rollback_why: str
    rollback_to: str  # the stage that stays, with what it rests on; empty: nothing stays
    events: tuple[Said, ...]  # the last ones, oldest first
    engine: EngineStatus | None  # None: none has ever driven it
    seq: int  # of the last event that was read
    age: timedelta | None  # since that event

    @property
    def running(self) -> tuple[StepStatus, ...]:
        """The steps that are running now."""
        return tuple(step for step in self._all() if step.state is StepState.RUNNING)

    @property
    def failed(self) -> tuple[StepStatus, ...]:
        """The steps that do not go on by themselves and wait for somebody: failed, unknown, or asking a person."""
        if self.state.final:
            return ()
        if self.state is RunState.ROLLING_BACK:
            return tuple(step for step in self.rollback if step.state in NEEDS_DECISION)
        resolved = {StepState.FAILED, StepState.FAILED_DIRTY} if self.state is RunState.STOPPING else set()
        return tuple(step for step in self.steps if step.state in NEEDS_DECISION - resolved)

    @property
    def missed_at_this_rate(self) -> timedelta | None:
        """By how much the window is missed if what counts on the critical path goes on as it does now; None: it is not."""
        late = self.outcome.late_likely
        by_rate = any(step.speed is not None and step.critical for step in self.running)
        return late if by_rate and late >= _WORTH_SAYING and not self.state.final else None

    @property
    def counts(self) -> Mapping[StepState, int]:
        """How many forward steps are in each state."""
        counts: dict[StepState, int] = {}
        for step in self.steps:
            counts[step.state] = counts.get(step.state, 0) + 1
        return counts

    def step(self, key: str) -> StepStatus:
        """The step called *key*. KeyError when there is none."""
        for step in self._all():
            if step.key == key:
                return step
        raise KeyError(key)

    def _all(self) -> tuple[StepStatus, ...]:
        return self.steps + self.rollback


#: The states in which a step does not go on by itself.
NEEDS_DECISION = frozenset({StepState.FAILED, StepState.UNKNOWN, StepState.ASKS_HUMAN, StepState.FAILED_DIRTY})
