"""What the run will be once everything that was recorded so far is durable: the fold, one step ahead of the journal.

The lease makes this engine the only writer, so a rule that holds here holds in the transaction as well: drafts are
admitted in the order in which they are appended, and the check of the run's state and the intent cannot be torn apart.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from changeover.contracts import Phase, RunState, StepState
from changeover.engine.graph import Readiness
from changeover.engine.transitions import BEGINS_IN, IN_DOUBT, RUN, SETTLED, STEPS, UNRESOLVED, MoveNotAllowed, follow
from changeover.journal.events import Draft, Event, EventKind
from changeover.journal.fold import OpenSuspension, RunRecordState, StepRecord, apply
from changeover.plan.kept import kept_with
from changeover.plan.model import Plan, PlannedStep

_OF_STEPS: Final = frozenset(kind for kind in EventKind if kind.value.startswith(("step_", "decision_")))
#: Only while steps of that phase may begin: outcomes may arrive later, these may not.
_WHILE_OPEN: Final = frozenset({EventKind.STEP_STARTED, EventKind.STEP_RETRYING, EventKind.DECISION_ASKED, EventKind.STEP_WAIVED})
#: Of the attempt that is under way, and of no other.
_OUTCOMES: Final = frozenset({EventKind.STEP_PASSED, EventKind.STEP_FAILED, EventKind.STEP_UNKNOWN})


def began(step: StepRecord) -> bool:
    """Whether something of it may be out there: it passed, or an attempt started that is not proven clean."""
    return step.state is StepState.PASSED or step.tainted


class Projection:
    """The plan, the state, and which steps are ready. Not thread-safe: it belongs to the engine's event loop."""

    def __init__(self, plan: Plan, record: RunRecordState) -> None:
        self.plan: Final = plan
        self.record: Final = record
        self.forward: Final = Readiness(plan.forward)
        self.rollback: Readiness | None = None
        self._by_state: defaultdict[tuple[Phase, StepState], dict[str, None]] = defaultdict(dict)
        self._kept: dict[str, frozenset[str]] = {}
        self._ready: list[str] = self.forward.first()
        for key, step in record.steps.items():
            planned = self.planned(key)
            if planned is not None:
                self._by_state[planned.phase, step.state][key] = None
        self._settle(Phase.FORWARD, record.steps)
        if record.state is RunState.ROLLING_BACK:
            self._turn_back()

    @property
    def phase(self) -> Phase:
        """Which steps may begin now, if any."""
        return Phase.ROLLBACK if self.record.state is RunState.ROLLING_BACK else Phase.FORWARD

    @property
    def readiness(self) -> Readiness:
        """What the steps of this phase wait for."""
        return self.rollback if self.rollback is not None and self.phase is Phase.ROLLBACK else self.forward

    def planned(self, key: str) -> PlannedStep | None:
        """The step called *key*, or None when the plan has none."""
        return self.plan.forward.get(key) or self.plan.rollback.get(key)

    def step(self, key: str) -> StepRecord:
        """What is known of *key*."""
        return self.record.step(key)

    def keys(self, phase: Phase, *states: StepState) -> list[str]:
        """The steps of *phase* that stand in one of *states* (not *pending*: those are not kept)."""
        return [key for state in states for key in self._by_state[phase, state]]

    def count(self, phase: Phase, *states: StepState) -> int:
        """How many steps of *phase* stand in one of *states*."""
        return sum(len(self._by_state[phase, state]) for state in states)

    def take_ready(self) -> list[str]:
        """The steps that have become ready since the last call."""
        ready, self._ready = self._ready, []
        return ready

    def crossed(self) -> str:
        """The point of no return that has been passed, from its intent on; empty when none has."""
        return next((key for key in self.plan.points_of_no_return if began(self.step(key))), "")

    def started(self, planned: PlannedStep) -> bool:
        """Whether this step of the rollback has anything to undo, and its stage does not stay."""
        return planned.stage not in self.kept and any(began(self.step(key)) for key in planned.undoes)

    @property
    def kept(self) -> frozenset[str]:
        """The stages that stay in the rollback that was asked for."""
        return self._kept_with(self.record.rollback_to)

    @property
    def arrived(self) -> bool:
        """Whether the run is back at the stage to which it was to be rolled back, and further stages stay."""
        return bool(self.record.rollback_to) and self.rollback is not None and not self.rollback.left

    def unresolved(self) -> list[str]:
        """The forward steps of which something has to be found out before the way back begins."""
        skipped = [key for key in self.keys(Phase.FORWARD, StepState.SKIPPED) if self.step(key).tainted]
        return [*self.keys(Phase.FORWARD, *UNRESOLVED), *skipped]

    def suspended(self) -> list[OpenSuspension]:
        """What is still switched off without a person's word that it may stay so."""
        return [suspension for suspension in self.record.suspensions.values() if not suspension.left_by]

    def take(self, draft: Draft, *, at: datetime, epoch: int) -> Event:
        """Admit *draft* and apply it. Raises MoveNotAllowed, and then nothing has changed."""
        event = Event(
            self.record.run, self.record.seq + 1, at, epoch, draft.kind, draft.step, draft.attempt, draft.who, draft.data
        )
        self.take_in(event)
        return event

    def take_in(self, event: Event) -> None:
        """Admit an event and apply it. Raises MoveNotAllowed, and then nothing has changed."""
        if event.kind in _OF_STEPS:
            self._take_in_of_step(event)
        else:
            self._admit_of_run(event)
            apply(self.record, event)
            further = event.kind is EventKind.ROLLBACK_REQUESTED and self.record.state is RunState.ROLLING_BACK
            if event.kind is EventKind.ROLLBACK_STARTED or further:
                self._turn_back()

    def _take_in_of_step(self, event: Event) -> None:
        planned = self.planned(event.step)
        if planned is None:
            raise MoveNotAllowed(event.step, "not in the plan", event.kind.value)
        before = self.step(event.step).state
        self._admit_of_step(planned, before, event)
        apply(self.record, event)
        after = self.step(event.step).state
        if after is before:
            return
        self._by_state[planned.phase, before].pop(event.step, None)
        if after is not StepState.PENDING:
            self._by_state[planned.phase, after][event.step] = None
        self._settle(planned.phase, (event.step,))
        if after in {StepState.PENDING, StepState.RETRYING}:
            self._ready.append(event.step)

    def _admit_of_step(self, planned: PlannedStep, before: StepState, event: Event) -> None:
        follow(event.step, before, event.kind, STEPS[planned.phase], who=event.who)
        why = self._refusal(planned, event)
        if why:
            raise MoveNotAllowed(event.step, before.value, event.kind.value, event.who, because=why)

    def _refusal(self, planned: PlannedStep, event: Event) -> str:
        state, step = self.record.state, self.step(event.step)
        if state.final:
            return f"the run is {state.value}"
        if event.kind in _WHILE_OPEN and state is not BEGINS_IN[planned.phase]:
            return f"the run is {state.value}"
        if event.kind is EventKind.STEP_STARTED:
            return self._why_not_begin(planned, event, step)
        if event.kind in _OUTCOMES and event.attempt != step.attempt:
            return f"attempt {event.attempt} is not attempt {step.attempt}"
        return ""

    def _why_not_begin(self, planned: PlannedStep, event: Event, step: StepRecord) -> str:
        if self.record.held:
            return "the run is held"
        readiness = self.readiness
        if not readiness.counts(event.step):
            return "there is nothing to undo"
        if not readiness.ready(event.step):
            open_needs = [need for need in planned.needs if self.step(need).state not in SETTLED]
            return "it waits for " + ", ".join(open_needs[:3])
        if event.attempt != step.attempt + 1:
            return f"the next attempt is {step.attempt + 1}"
        return ""

    def _admit_of_run(self, event: Event) -> None:
        state = self.record.state
        follow(self.record.run, state, event.kind, RUN, who=event.who)
        why = self._run_refusal(event)
        if why:
            raise MoveNotAllowed(self.record.run, state.value, event.kind.value, event.who, because=why)

    def _run_refusal(self, event: Event) -> str:
        match event.kind:
            case EventKind.ROLLBACK_REQUESTED:
                crossed = self.crossed()
                if crossed and not event.data.get("second"):
                    return f"{crossed} was the point of no return"
                return self._not_further(str(event.data.get("to") or ""))
            case EventKind.ROLLBACK_STARTED:
                return _listed("not resolved", self.unresolved())
            case EventKind.RUN_SUCCEEDED:
                return self._unfinished(self.forward)
            case EventKind.RUN_ROLLED_BACK:
                return self._unfinished(self.rollback)
            case EventKind.RUN_ABORTED:
                return _listed("in doubt", [*self.keys(Phase.FORWARD, *IN_DOUBT), *self.keys(Phase.ROLLBACK, *IN_DOUBT)])
            case _:
                return ""

    def _not_further(self, stage: str) -> str:
        """Why a run cannot be rolled back to *stage*; what has been undone cannot stay."""
        if stage and stage not in self.plan.stages:
            return f"there is no stage {stage}"
        if self.record.state is RunState.RUNNING or self._kept_with(stage) < self.kept:
            return ""
        return f"it is being rolled back {f'to {self.record.rollback_to}' if self.kept else 'as a whole'} already"

    def _unfinished(self, readiness: Readiness | None) -> str:
        if self.record.rollback_to and readiness is self.rollback:
            return f"{self.record.rollback_to} and what it rests on are left"
        if readiness is None or readiness.left:
            return f"{readiness.left if readiness else 'all'} steps are left"
        if self.record.held:
            return "the run is held"
        return _listed("still off", [suspension.what for suspension in self.suspended()])

    def _settle(self, phase: Phase, keys: Iterable[str]) -> None:
        readiness = self.forward if phase is Phase.FORWARD else self.rollback
        if readiness is None:
            return
        steps: Mapping[str, PlannedStep] = self.plan.forward if phase is Phase.FORWARD else self.plan.rollback
        for key in list(keys):
            if key in steps and self.step(key).state in SETTLED:
                self._ready.extend(readiness.done(key))

    def _turn_back(self) -> None:
        """Build the way back from what has started; from now on no step forward begins."""
        rollback = self.plan.rollback
        self.rollback = Readiness(rollback, counts=lambda key: self.started(rollback[key]))
        self._ready = self.rollback.first()
        self._settle(Phase.ROLLBACK, self.record.steps)

    def _kept_with(self, stage: str) -> frozenset[str]:
        if stage not in self._kept:
            self._kept[stage] = kept_with(self.plan, stage)
        return self._kept[stage]


def _listed(what: str, names: list[str]) -> str:
    return f"{what}: {', '.join(names[:5])}" if names else ""
