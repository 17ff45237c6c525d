"""Stages, derived from their steps: nothing else says how they stand."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from changeover.contracts import RunState, StepState
from changeover.journal.fold import RunRecordState
from changeover.plan.critical_path import Schedule
from changeover.plan.model import Plan
from changeover.runbook.people import People
from changeover.status.model import NEEDS_DECISION, StageState, StageStatus, StepStatus
from changeover.status.names import person

_IN_DOUBT = frozenset({StepState.UNKNOWN, StepState.ASKS_HUMAN})
_DONE = frozenset({StepState.PASSED, StepState.SKIPPED})
_TURNED = frozenset({RunState.ROLLING_BACK, RunState.ROLLED_BACK, RunState.ABORTED})
_UNDONE = frozenset({StepState.PASSED, StepState.SKIPPED, StepState.WAIVED})


@dataclass(frozen=True, slots=True)
class StageSources:
    """What stages are derived from, besides their steps."""

    plan: Plan
    baseline: Schedule
    people: People
    state: RunRecordState


def stages_of(sources: StageSources, steps: Iterable[StepStatus], rollback: Iterable[StepStatus]) -> tuple[StageStatus, ...]:
    """The stages in written order."""
    plan = sources.plan
    forward: dict[str, list[StepStatus]] = {name: [] for name in plan.stages}
    back: dict[str, list[StepStatus]] = {name: [] for name in plan.stages}
    for step in steps:
        forward[step.stage].append(step)
    for step in rollback:
        back[step.stage].append(step)
    asked = {planned.stage for key in sources.state.decisions if (planned := plan.forward.get(key)) is not None}
    return tuple(_stage(sources, name, forward[name], back[name], asked=name in asked) for name in plan.stages)


def _stage(sources: StageSources, name: str, steps: list[StepStatus], back: list[StepStatus], *, asked: bool) -> StageStatus:
    stage, planned = sources.plan.stages[name], sources.baseline.stages.get(name)
    done = sum(1 for step in steps if step.state in _DONE)
    over = done == len(steps)
    return StageStatus(
        id=name,
        title=stage.title or name,
        owner=person(sources.people, stage.owner),
        state=_state(steps, back, sources.state, asked=asked),
        total=len(steps),
        done=done,
        failed=sum(1 for step in steps if step.state in NEEDS_DECISION),
        undone=sum(1 for step in back if step.state in _UNDONE),
        to_undo=len(back),
        planned_start=planned.likely.starts if planned is not None else None,
        planned_end=planned.likely.ends if planned is not None else None,
        started=min((step.started for step in steps if step.started is not None), default=None),
        ended=_last(step.ended for step in steps) if over else None,
        ends=_last(step.ends for step in steps) if not over else None,
    )


def _state(steps: list[StepStatus], back: list[StepStatus], state: RunRecordState, *, asked: bool) -> StageState:
    if state.state in {RunState.ROLLING_BACK, RunState.ROLLED_BACK} and back:
        if all(step.state in _UNDONE for step in back):
            return StageState.UNDONE
        if any(step.state is not StepState.PENDING for step in back):
            return _trouble(back) or StageState.UNDOING
    if steps and all(step.state is StepState.SKIPPED for step in steps):
        return StageState.SKIPPED
    if steps and all(step.state in _DONE for step in steps):
        return StageState.PASSED
    if state.state in _TURNED:
        return StageState.STOPPED if any(step.attempt for step in steps) else StageState.PENDING
    trouble = _trouble(steps)
    if trouble is not None:
        return trouble
    running = [step for step in steps if step.state is StepState.RUNNING and step.key not in state.decisions]
    if asked and not running:
        return StageState.WAITING
    begun = any(step.state in _DONE or step.started is not None for step in steps if step.attempt)
    return StageState.RUNNING if running or asked or begun else StageState.PENDING


def _trouble(steps: Iterable[StepStatus]) -> StageState | None:
    """What people are needed for; None when they are not. What is in doubt has not failed."""
    states = {step.state for step in steps} & NEEDS_DECISION
    if not states:
        return None
    return StageState.UNKNOWN if states <= _IN_DOUBT else StageState.FAILED


def _last(moments: Iterable[datetime | None]) -> datetime | None:
    return max((moment for moment in moments if moment is not None), default=None)
