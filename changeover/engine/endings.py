"""How an attempt ended, and what the journal is told about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from changeover.contracts import Answer, Phase, Result, Value, Verdict
from changeover.engine.transitions import SETTLED
from changeover.journal.events import Draft, EventKind
from changeover.journal.fold import OpenSuspension
from changeover.plan.model import PlannedStep

if TYPE_CHECKING:
    from changeover.engine.runtime import Runtime


class Ending(StrEnum):
    """How an attempt ended."""

    PASSED = "passed"
    FAILED = "failed"
    UNKNOWN = "unknown"
    SKIPPED = "skipped"  # not verifiable in a dry run


class Cause(StrEnum):
    """Why an attempt was asked to stop."""

    TIMEOUT = "time-out"
    ROLLBACK = "rollback"
    ABORT = "abort"
    SHUTDOWN = "shutdown"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an attempt came to."""

    ending: Ending
    text: str  # the summary, or the reason
    captured: Mapping[str, Value] = field(default_factory=dict)
    verdict: Verdict | None = None
    final: bool = False  # trying again by itself would be of no use


def as_data(verdict: Verdict | None) -> dict[str, Value] | None:
    """A verdict as the journal keeps it."""
    if verdict is None:
        return None
    return {
        "answer": verdict.answer.value,
        "summary": verdict.summary,
        "expected": verdict.expected,
        "found": verdict.found,
        "figures": dict(verdict.figures),
    }


def refused(result: Result, *, dry: bool) -> Outcome | None:
    """The outcome that a verdict forces; None when it lets the step pass. What cannot be verified is never green."""
    verdict = result.verdict
    if verdict is None or verdict.answer is Answer.PASSED:
        return None
    if verdict.answer is Answer.NOT_VERIFIABLE and dry:
        return Outcome(Ending.SKIPPED, f"not verifiable in a dry run: {verdict.summary}", verdict=verdict)
    if result.warns:
        return None
    return Outcome(Ending.FAILED, verdict.summary, verdict=verdict)


def drafts_of(outcome: Outcome, key: str, attempt: int, runtime: Runtime) -> list[Draft]:
    """What the journal is told about the end of an attempt."""
    if outcome.ending is Ending.PASSED:
        return passed(runtime, key, attempt, outcome)
    verdict = as_data(outcome.verdict)
    data: dict[str, Value] = {"reason": outcome.text} if verdict is None else {"reason": outcome.text, "verdict": verdict}
    kind = {
        Ending.FAILED: EventKind.STEP_FAILED,
        Ending.UNKNOWN: EventKind.STEP_UNKNOWN,
        Ending.SKIPPED: EventKind.STEP_SKIPPED,
    }[outcome.ending]
    return [Draft(kind, key, attempt, data=data)]


def passed(
    runtime: Runtime, key: str, attempt: int, outcome: Outcome, *, by: str = "engine", who: str = "", second: str = ""
) -> list[Draft]:
    """A step has passed: by itself, by a probe, or by hand; and the suspensions that open and close with it."""
    data: dict[str, Value] = {"summary": outcome.text, "by": by}
    if outcome.captured:
        data["captured"] = dict(outcome.captured)
    if outcome.verdict is not None:
        data["verdict"] = as_data(outcome.verdict)
    if second:
        data["second"] = second
    drafts = [Draft(EventKind.STEP_PASSED, key, attempt, who, data)]
    if runtime.dry:
        return drafts  # nothing was switched off
    planned = runtime.planned(key)
    closed = [
        suspension for suspension in runtime.projection.record.suspensions.values() if _closes(runtime, planned, suspension)
    ]
    drafts += [Draft(EventKind.SUSPENSION_CLOSED, key, attempt, who, {"what": suspension.what}) for suspension in closed]
    if planned.step.suspend is not None and planned.phase is Phase.FORWARD:
        drafts.append(_opened(planned, attempt, who, runtime.options.clock.now()))
    return drafts


def _opened(planned: PlannedStep, attempt: int, who: str, now: datetime) -> Draft:
    suspension = planned.step.suspend
    assert suspension is not None  # noqa: S101 - the caller has looked
    what = suspension.what if planned.item is None else planned.key.replace(planned.step.id, suspension.what, 1)
    data: dict[str, Value] = {"what": what, "resume_by": suspension.resume_by or ""}
    if suspension.expires is not None:
        data["expires"] = (now + suspension.expires).isoformat()
    return Draft(EventKind.SUSPENSION_OPENED, planned.key, attempt, who, data)


def maybe_suspended(runtime: Runtime, planned: PlannedStep, who: str = "") -> list[Draft]:
    """A step that was to switch something off is given up after an attempt: it may be off, so somebody has to see to it."""
    step = runtime.step(planned.key)
    if planned.step.suspend is None or planned.phase is not Phase.FORWARD or runtime.dry or not step.tainted:
        return []
    return [_opened(planned, step.attempt, who, runtime.options.clock.now())]


def _closes(runtime: Runtime, passing: PlannedStep, suspension: OpenSuspension) -> bool:
    """Whether *passing* switches on again what *suspension* switched off."""
    if suspension.resume_by and suspension.resume_by in {passing.key, passing.step.id}:
        return _last_of(runtime, passing, [p for p in _same_phase(runtime, passing) if p.step.id == passing.step.id])
    if passing.phase is not Phase.ROLLBACK or suspension.step not in passing.undoes:
        return False
    undoing = [planned for planned in runtime.plan.rollback.values() if suspension.step in planned.undoes]
    own = [planned for planned in undoing if planned.undoes == (suspension.step,)]
    return passing in own if own else _last_of(runtime, passing, undoing)


def _same_phase(runtime: Runtime, planned: PlannedStep) -> list[PlannedStep]:
    steps = runtime.plan.forward if planned.phase is Phase.FORWARD else runtime.plan.rollback
    return list(steps.values())


def _last_of(runtime: Runtime, passing: PlannedStep, steps: list[PlannedStep]) -> bool:
    return all(planned.key == passing.key or runtime.step(planned.key).state in SETTLED for planned in steps)
