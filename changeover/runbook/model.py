"""The runbook as frozen dataclasses. The loader, the JSON schema and the reference page are all made from this file.

A field is a YAML key (``key(...)`` says what it means); ``at`` is where it stands. What a step *does* stays a located
YAML tree (``Step.parameters``) until it starts: only then are captured values known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal
from zoneinfo import ZoneInfo

from changeover.contracts import Expected, FunctionName, OnUnknown, PersonName, StepName, Value, key
from changeover.runbook.position import NOWHERE, Position
from changeover.runbook.tree import Node


@dataclass(frozen=True, slots=True)
class WallTime:
    """A time of day in the runbook's zone, as written. Existence and uniqueness on DST nights are checked on loading."""

    local: datetime  # naive

    def at(self, zone: ZoneInfo) -> datetime:
        """The moment it means, aware; the first one where it exists twice."""
        return self.local.replace(tzinfo=zone, fold=0)


@dataclass(frozen=True, slots=True)
class Window:
    """The allowed wall-clock interval: channels are open again by ``closes``."""

    opens: WallTime = key("when the first step may start")
    closes: WallTime = key("when the channels must be open again")
    margin: timedelta = key(
        "kept free before `closes` when the latest safe rollback start is computed", default=timedelta(minutes=30)
    )


@dataclass(frozen=True, slots=True)
class Input:
    """A value given at the start."""

    type: Literal["text", "choice", "number", "flag", "date"] = key("what sort of value it is", default="text")
    of: tuple[str, ...] = key("the choices", default=())
    matches: str = key("a regular expression the whole text has to match", default="")
    default: Value = key("used when nobody gives it; without one the input is required", default=None)
    title: str = key("what to ask for, in words", default="")
    at: Position = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Retry:
    """How often a failed step is tried again by itself."""

    times: int = key("how many more attempts after the first")
    every: timedelta = key("the pause before the next attempt", default=timedelta(seconds=10))
    backoff: float = key("each pause is this many times the one before", default=1.0)


class OnFailure(StrEnum):
    """What happens when a step has failed and its retries are used up."""

    ASK = "ask"  # people decide; what does not depend on it goes on
    HOLD = "hold"  # the run holds: no new step starts
    WARN = "warn"  # best effort: say so and go on
    ROLL_BACK = "roll-back"  # unless the point of no return has been passed: then hold


@dataclass(frozen=True, slots=True)
class Suspension:
    """Something switched off for the night that must be switched on again."""

    what: str = key("its name, said on every screen while it is off")
    resume_by: StepName | None = key("the step that switches it on again", default=None)
    expires: timedelta | None = key("when it switches itself on again", default=None)


@dataclass(frozen=True, slots=True)
class ForEach:
    """The same step for each of several things; each gets a step of its own called ``step[item]``."""

    items: tuple[Value, ...] = key("a list of values; `${item}` is the one at hand", word="in", default=())
    hosts: str = key("or the hosts of a group", default="")
    max_parallel: int = key("how many at a time", default=1)
    max_failures: int = key("how many may fail before no further one starts", default=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """The smallest thing with a kind and a state."""

    id: str = key("its stable name, [a-z0-9-], unique in the runbook, spoken on the bridge")
    kind: str  # the word of its one kind key
    parameters: Node = field(compare=False)  # what stands below the kind key, with positions
    title: str = key("what people read", default="")
    owner: PersonName = key("the person or role that answers for it; left out: the stage's", default="")
    needs: tuple[StepName, ...] | None = key(
        "steps that must have passed; left out: the one written before; []: at once", default=None
    )
    when: str = key("a condition such as `${inputs.wave} == residential`; the step is skipped when it does not hold", default="")
    only: tuple[str, ...] = key("the environments in which it exists", default=())
    for_each: ForEach | None = key("the same step for each item or host", default=None)
    expect: Expected | None = key("how long it takes: `2m`, or {likely: 12h, worst: 14h}", default=None)
    timeout: timedelta | None = key("when it is stopped and counted as failed or unknown", default=None)
    retry: Retry | None = key("how often a failure is tried again: `3`, or {times: 3, every: 10s}", default=None)
    on_failure: OnFailure = key("what happens when it has failed for good", default=OnFailure.ASK)
    on_unknown: OnUnknown | None = key("what 'it may have happened' means; left out: the kind knows", default=None)
    verify: Step | None = key("a step that proves the action complete; it belongs to this step", default=None)
    capture: Mapping[str, str] = key("values to keep: name -> path in the output, such as `$.id`", default_factory=dict)
    undo: Step | None = key("the step that takes it back", default=None)
    suspend: Suspension | None = key("what it switches off until another step switches it on again", default=None)
    arguments: Mapping[str, Value] = key("arguments of the named function", word="with", default_factory=dict)
    background: bool = key("the next step does not wait for it", default=False)
    optional: bool = key("may be skipped without a reason", default=False)
    mandatory: bool = key("can never be skipped", default=False)
    point_of_no_return: bool = key("from its start on rollback is no longer offered", default=False)
    repeatable: bool | None = key("whether doing it twice is harmless; left out: the kind knows", default=None)
    repair: str = key("how two people finish it by hand after the point of no return", default="")
    evidence: str = key("what has to be shown when it is done by hand", default="")
    says: str = key("what is announced in chat when it starts", default="")
    at: Position = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Parallel:
    """Steps that run side by side; what follows waits for all of them."""

    steps: tuple[Step, ...]
    at: Position = field(default=NOWHERE, compare=False)


class RollbackPolicy(StrEnum):
    """How a stage comes back."""

    RESTORE = "restore"
    DELETE_NEW = "delete-new"
    FAIL_BACK = "fail-back"
    FIX_FORWARD = "fix-forward"
    RECONCILE_BY_HAND = "reconcile-by-hand"


@dataclass(frozen=True, slots=True)
class Rollback:
    """How a stage is undone: steps in the order written, or a reason why there is nothing to undo."""

    steps: tuple[Step, ...] = key("the steps, in the order they run", default=())
    none: str = key("why this stage needs no rollback", default="")
    policy: RollbackPolicy = key("how it comes back", default=RollbackPolicy.RESTORE)
    loses: str = key("which data would be lost, in words", default="")
    at: Position = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Stage:
    """Freeze, deploy, migrate, verify, reopen ...: it has an owner, a plan and a rollback."""

    id: str
    title: str = key("what people read", default="")
    owner: PersonName = key("the person or role that answers for it", default="")
    needs: tuple[str, ...] | None = key(
        "stages that must have passed; left out: the one written before; []: at once", default=None
    )
    only: tuple[str, ...] = key("the environments in which it exists", default=())
    steps: tuple[Step | Parallel, ...] = key("its steps; they run in the order written", default=())
    rollback: Rollback | None = key("how it is undone, or {none: why not}", default=None)
    at: Position = field(default=NOWHERE, compare=False)

    @property
    def all_steps(self) -> tuple[Step, ...]:
        """Its forward steps, parallel groups flattened, in written order."""
        return tuple(step for entry in self.steps for step in (entry.steps if isinstance(entry, Parallel) else (entry,)))


@dataclass(frozen=True, slots=True)
class ImpactClock:
    """A named clock from one step to another with a budget: three minutes of read-only."""

    starts: StepName = key("it starts with this step", word="from")
    stops: StepName = key("it stops when this step has passed", word="to")
    budget: timedelta = key("how long it may run")
    title: str = key("what people read", default="")
    at: Position = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class WayBack:
    """Until when the way back is kept alive, and how fresh what one would go back to is."""

    until: WallTime = key("from then on the old system is no longer kept ready")
    kept_by: str = key("what keeps it alive, in words", default="")
    freshness: FunctionName = key("a check that counts what going back now would lose", default="")


@dataclass(frozen=True, slots=True)
class Hypercare:
    """The watch after reopening."""

    until: WallTime = key("its end at the latest")
    exit: tuple[FunctionName, ...] = key("checks that end it", default=())


@dataclass(frozen=True, slots=True)
class Chat:
    """Where status is posted."""

    slack: str = key("a Slack channel", default="")
    token: str = key("a reference to the bot token", default="env:SLACK_BOT_TOKEN")
    server: str = key("the Web API's address, for a proxy or a test", default="")


@dataclass(frozen=True, slots=True, kw_only=True)
class Runbook:
    """A cutover, versioned. A run is one execution of it."""

    changeover: Literal[1] = key("the language version")
    id: str = key("its stable name, [a-z0-9-]")
    stages: Mapping[str, Stage] = key("the stages by name")
    title: str = key("what people read", default="")
    timezone: str = key("the zone of every wall-clock time, such as Europe/Budapest", default="UTC")
    window: Window | None = key("the allowed interval", default=None)
    hypercare: Hypercare | None = key("the watch after reopening", default=None)
    inputs: Mapping[str, Input] = key("values given at the start", default_factory=dict)
    people: str = key("the people file, beside the runbook", default="")
    systems: str = key("the systems file; `${environment}` is the environment's name", default="")
    chat: Chat | None = key("where status is posted", default=None)
    clocks: Mapping[str, ImpactClock] = key("impact clocks by name", default_factory=dict)
    order: tuple[tuple[StepName, ...], ...] = key("steps that must come one after the other, across stages", default=())
    way_back: WayBack | None = key("the rollback window", default=None)
    separate: tuple[tuple[PersonName, ...], ...] = key("roles that must be different persons", default=())
    at: Position = field(default=NOWHERE, compare=False)

    @property
    def zone(self) -> ZoneInfo:
        """The runbook's time zone."""
        return ZoneInfo(self.timezone)

    @property
    def file(self) -> str:
        """The file it was loaded from."""
        return self.at.file
