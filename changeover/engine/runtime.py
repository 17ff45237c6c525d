"""What the parts of one incarnation of the engine share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, timedelta
from functools import cache
from typing import Any, TypeGuard

from changeover.contracts import Asking, Kind, Mode, OnUnknown, Result, RunState, StepKind, StepState, Value
from changeover.engine.context import AttemptContext, later
from changeover.engine.options import Options
from changeover.engine.projection import Projection
from changeover.engine.recorder import Recorder
from changeover.engine.resources import Resources
from changeover.engine.stopping import StopSignal
from changeover.engine.timers import Timers
from changeover.engine.transitions import MoveNotAllowed
from changeover.errors import Mistake
from changeover.journal.events import Draft, EventKind
from changeover.journal.fold import StepRecord
from changeover.journal.records import RunRecord
from changeover.journal.rehearsed import rehearsed
from changeover.plan.model import Plan, PlannedStep
from changeover.runbook.bundle import Bundle
from changeover.runbook.model import Step
from changeover.runbook.values import Names, materialise


@dataclass(eq=False)
class KindUnknown(Mistake):
    """The run uses a step kind that this program does not have."""

    word: str
    step: str

    def __str__(self) -> str:
        return f"step {self.step!r} is of the kind {self.word!r}, which is not registered here"

    @property
    def hint(self) -> str:
        return "run it from the project that has this kind in its folder `kinds/`"


#: Runs another runbook to its end.
Include = Callable[[str, Mapping[str, Value], AttemptContext], Result]


@dataclass(slots=True)
class Runtime:
    """One run, driven by one engine. Its methods belong to the event loop, unless they say otherwise."""

    run: RunRecord
    bundle: Bundle
    plan: Plan
    kinds: Mapping[str, Kind]
    projection: Projection
    recorder: Recorder
    resources: Resources
    options: Options
    timers: Timers
    loop: asyncio.AbstractEventLoop
    included: Include
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    captured: dict[str, Mapping[str, Value]] = field(default_factory=dict)
    passed_at: dict[str, float] = field(default_factory=dict)  # monotonic; of steps that passed in this incarnation
    not_before: dict[str, float] = field(default_factory=dict)  # monotonic; of steps that pause before another try
    broken: BaseException | None = None  # an error of the engine's own
    busy: set[str] = field(default_factory=set)  # steps that something is being done for right now
    doubted: dict[str, str] = field(default_factory=dict)  # failed steps that are probed before another try -> why they failed

    def __post_init__(self) -> None:
        for key, step in self.projection.record.steps.items():
            if step.captured:
                self.captured[key] = step.captured

    @property
    def dry(self) -> bool:
        """Whether nothing may have an effect."""
        return self.run.mode is Mode.DRY_RUN

    @property
    def state(self) -> RunState:
        """Where the run stands."""
        return self.projection.record.state

    @property
    def held(self) -> bool:
        """Whether no step may begin."""
        return self.projection.record.held

    def step(self, key: str) -> StepRecord:
        """What is known of the step called *key*."""
        return self.projection.step(key)

    def planned(self, key: str) -> PlannedStep:
        """The step called *key*."""
        return self.plan.step(key)

    def put(self, *drafts: Draft) -> asyncio.Future[None]:
        """Record *drafts*, and let the engine look at what has changed."""
        durable = self.recorder.put(*drafts)
        self.remember(drafts)
        self.wake.set()
        return durable

    def warn(self, text: str) -> None:
        """Say something about the run itself."""
        self.put(Draft(EventKind.WARNED, data={"text": text}))

    def kind_of(self, step: Step) -> Kind:
        """The kind of *step*. Raises KindUnknown."""
        kind = self.kinds.get(step.kind)
        if kind is None:
            raise KindUnknown(step.kind, step.id)
        return kind

    def names(self, planned: PlannedStep, just_captured: Mapping[str, Value] | None = None) -> Names:
        """What ``${...}`` may name at *planned*."""
        own = planned.key if not planned.undoes else planned.undoes[0] if len(planned.undoes) == 1 else ""
        captured = self.captured if just_captured is None else {**self.captured, planned.key: just_captured}
        return Names(
            self.bundle,
            inputs=self.run.inputs,
            run_id=self.run.id,
            mode=self.run.mode.value,
            captured=captured,
            own=own,
            item=planned.item,
            has_item=planned.item is not None,
        )

    def instance(self, planned: PlannedStep) -> StepKind:
        """The kind instance of *planned* with its values put in. Raises a Mistake when that cannot be done."""
        step = planned.step
        return materialise(self.kind_of(step), step.parameters, step.arguments, self.names(planned))

    def context(self, key: str, attempt: int, timeout: float | None) -> AttemptContext:
        """The context of an attempt. The time-out counts from now."""
        window = self.bundle.runbook.window
        opens = self.projection.record.window_opens
        zone = self.bundle.runbook.zone
        moved = opens - window.opens.at(zone).astimezone(UTC) if window is not None and opens is not None else timedelta()
        clock = self.options.clock
        return AttemptContext(
            run=self.run,
            step=key,
            attempt=attempt,
            clock=clock,
            folder=self.options.root,
            resources=self.resources,
            surroundings=self,
            stop=StopSignal(clock, lambda error: later(self.loop, lambda: self.options.tell(f"{key}: {error}"))),
            zone=zone,
            shift=moved,
            deadline=None if timeout is None else clock.monotonic() + timeout,
        )

    def note(self, draft: Draft) -> None:
        """Record a note of a running attempt; from any thread. One that comes too late is dropped."""
        later(self.loop, lambda: self._note(draft))

    def since(self, step: str) -> float | None:
        """Seconds since *step* passed; from any thread."""
        moment = self.passed_at.get(step)
        if moment is not None:
            return self.options.clock.monotonic() - moment
        known = self.projection.record.steps.get(step)
        if known is None or known.state is not StepState.PASSED or known.ended_at is None:
            return None
        return (self.options.clock.now() - known.ended_at).total_seconds()

    def parameters_of(self, step: str) -> StepKind:
        """The kind instance of another step; from any thread."""
        return self.instance(self.planned(step))

    def adjusted(self, step: str) -> StepRecord:
        """What is known of *step*; from any thread."""
        return self.projection.record.step(step)

    def rehearsed(self, step: str) -> Mapping[str, Value]:
        """The figures of *step* in the latest rehearsal; from any thread."""
        return rehearsed(self.recorder.journal, self.run, step)

    def include(self, file: str, inputs: Mapping[str, Value], context: AttemptContext) -> Result:
        """Run another runbook to its end; from a step's thread."""
        return self.included(file, inputs, context)

    def _note(self, draft: Draft) -> None:
        try:
            self.recorder.put(draft)
        except MoveNotAllowed:  # its attempt has ended meanwhile
            return
        except Exception:
            if self.recorder.failure is None:
                raise

    def remember(self, drafts: Iterable[Draft]) -> None:
        """Keep what later steps need of *drafts* that have just been recorded."""
        for draft in drafts:
            if draft.kind is EventKind.STEP_PASSED:
                captured: Any = draft.data.get("captured")
                self.passed_at[draft.step] = self.options.clock.monotonic()
                if captured:
                    self.captured[draft.step] = captured
            elif draft.kind is EventKind.STEP_RETRYING:
                pause: Any = draft.data.get("pause") or 0
                self.not_before[draft.step] = self.options.clock.monotonic() + float(pause)

    def fault(self, error: BaseException | None) -> None:
        """Note an error of the engine's own; it ends the engine, not the run."""
        if error is not None and self.broken is None and error is not self.recorder.failure:
            self.broken = error
        self.wake.set()

    async def pause(self, seconds: float) -> None:
        """Wait on the run's clock."""
        over: asyncio.Future[None] = self.loop.create_future()
        self.timers.after(seconds, lambda: None if over.done() else over.set_result(None))
        await over


def asks(instance: StepKind) -> TypeGuard[Asking]:
    """Whether people answer it."""
    return _has(type(instance), "question")


def probes(instance: StepKind) -> bool:
    """Whether it can find out at the target what happened."""
    return _has(type(instance), "probe")


@cache
def _has(python: type, method: str) -> bool:
    """isinstance() of a protocol costs more than a small step; of a class it is found out once."""
    return callable(getattr(python, method, None))


def changes(kind: Kind, instance: StepKind) -> bool:
    """Whether a step of this kind, with these parameters, may change something outside."""
    declared = getattr(instance, "changes", kind.changes)
    if isinstance(declared, bool):
        return declared
    return kind.changes and instance.on_unknown is not OnUnknown.RERUN


def policy(step: Step, instance: StepKind) -> OnUnknown:
    """What "it may have happened" means here: its author's word, or what its kind knows. A probe is asked where there is one."""
    if step.on_unknown is not None:
        return step.on_unknown if step.on_unknown is not OnUnknown.PROBE or probes(instance) else OnUnknown.ASK
    own = instance.on_unknown
    if step.repeatable is True and not (own is OnUnknown.PROBE and probes(instance)):
        return OnUnknown.RERUN
    if own is OnUnknown.RERUN and step.repeatable is not False:
        return own
    return OnUnknown.PROBE if probes(instance) else OnUnknown.ASK
