"""What its author wants to happen when a step has failed: another try, people, hold, go on, or the way back."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from changeover.contracts import OnUnknown, Phase, RunState, StepKind
from changeover.engine.closing import why_closed
from changeover.engine.endings import Outcome, maybe_suspended
from changeover.engine.runtime import Runtime, changes, policy, probes
from changeover.engine.transitions import BEGINS_IN
from changeover.journal.events import Draft, Event, EventKind
from changeover.plan.model import PlannedStep
from changeover.runbook.model import OnFailure


def after_failure(runtime: Runtime, planned: PlannedStep, outcome: Outcome) -> None:
    """Record what follows from a failure that has just been recorded."""
    if runtime.state is not BEGINS_IN[planned.phase]:
        return  # the run is on its way out; the failure is looked at there
    if outcome.final or not _tries_left(runtime, planned):
        failed_for_good(runtime, planned, outcome.text)
        return
    instance = runtime.instance(planned)
    if may_repeat(runtime, planned, instance):
        try_again(runtime, planned, outcome.text)
    elif probes(instance):
        doubt(runtime, planned, outcome.text)
    else:
        not_again(runtime, planned, outcome.text, "nobody can say what the failed attempt left, and it is not `repeatable`")


def failed_for_good(runtime: Runtime, planned: PlannedStep, reason: str) -> None:
    """Record what its author wants when there is no other try."""
    key, attempt = planned.key, runtime.step(planned.key).attempt
    match planned.step.on_failure:
        case OnFailure.WARN:
            skipped = Draft(
                EventKind.STEP_SKIPPED, key, attempt, data={"reason": f"best effort: it failed, and the run goes on: {reason}"}
            )
            warning = Draft(EventKind.WARNED, data={"text": f"{key} failed (best effort): {reason}"})
            runtime.put(skipped, *maybe_suspended(runtime, planned), warning)
        case OnFailure.ROLL_BACK if planned.phase is Phase.FORWARD:
            _roll_back(runtime, key)
        case OnFailure.HOLD:
            hold(runtime, f"{key} failed")
        case _:
            return  # people decide: status shows it among the failed


def may_repeat(runtime: Runtime, planned: PlannedStep, instance: StepKind) -> bool:
    """Whether another try is harmless whatever the failed one left: it never began, only reads, or may be done twice."""
    if runtime.dry or not runtime.step(planned.key).tainted or planned.step.repeatable:
        return True
    reads = not changes(runtime.kind_of(planned.step), instance)
    return reads or policy(planned.step, instance) is OnUnknown.RERUN


def try_again(runtime: Runtime, planned: PlannedStep, reason: str) -> None:
    """Record another try, after the pause that its author wrote."""
    retry, step = planned.step.retry, runtime.step(planned.key)
    pause = 0.0 if retry is None else retry.every.total_seconds() * retry.backoff ** max(0, step.failures - 1)
    runtime.put(Draft(EventKind.STEP_RETRYING, planned.key, step.attempt, data={"reason": reason, "pause": round(pause, 3)}))


def doubt(runtime: Runtime, planned: PlannedStep, reason: str) -> None:
    """Let the target be asked before another try; it stands in the journal, so that a crash does not lose the try."""
    runtime.doubted[planned.key] = reason
    line = "before another try, the target is asked whether anything of it is there"
    attempt = runtime.step(planned.key).attempt
    runtime.put(Draft(EventKind.STEP_SAID, planned.key, attempt, data={"line": line, "before_retry": True}))


def doubts(events: Iterable[Event]) -> frozenset[str]:
    """The steps whose targets were to be asked before another try when the last engine ended."""
    found: set[str] = set()
    for event in events:
        if event.kind is EventKind.STEP_SAID:
            if event.data.get("before_retry"):
                found.add(event.step)
        elif event.kind is EventKind.WARNED:
            found.discard(str(event.data.get("not_again") or ""))
        elif event.step:
            found.discard(event.step)
    return frozenset(found)


def pauses(events: Iterable[Event], now: datetime) -> dict[str, float]:
    """Seconds that steps still have to wait before another try, of those that waited when the last engine ended.

    A clock that was set back since then makes no pause longer than its author wrote it.
    """
    found: dict[str, float] = {}
    for event in events:
        if event.kind is EventKind.STEP_RETRYING:
            pause = float(str(event.data.get("pause") or 0))
            found[event.step] = min(pause, pause - (now - event.at).total_seconds())
    return {key: left for key, left in found.items() if left > 0}


def not_again(runtime: Runtime, planned: PlannedStep, reason: str, why: str) -> None:
    """Its author allows another try, but it could do something twice: a person may still say `retry`."""
    text = f"{planned.key} is not tried again by itself: {why}"
    runtime.put(Draft(EventKind.WARNED, data={"text": text, "not_again": planned.key}))
    failed_for_good(runtime, planned, reason)


def _tries_left(runtime: Runtime, planned: PlannedStep) -> bool:
    retry = planned.step.retry
    return retry is not None and runtime.step(planned.key).failures <= retry.times


def hold(runtime: Runtime, why: str) -> None:
    """Hold the run, once."""
    if not runtime.held and not runtime.state.final:
        runtime.put(Draft(EventKind.RUN_HELD, data={"why": why}))


def _roll_back(runtime: Runtime, key: str) -> None:
    closed = why_closed(runtime)
    if closed:
        hold(runtime, f"{key} failed, and {closed}: rolling back is no longer offered")
    elif runtime.state is RunState.RUNNING:
        asked = Draft(EventKind.ROLLBACK_REQUESTED, data={"why": f"{key} failed, and its policy is to roll back"})
        ours = runtime.held and not runtime.projection.record.held_by  # a person's hold is theirs: no undo begins before
        runtime.put(*([Draft(EventKind.RUN_RELEASED, data={"why": "rollback"})] if ours else []), asked)
