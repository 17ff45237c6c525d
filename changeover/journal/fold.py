"""The state of a run is the fold of its events: pure, incremental, linear."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from changeover.contracts import QuestionForm, RunState, StepState, Value
from changeover.journal.events import Event, EventKind


@dataclass(frozen=True, slots=True)
class Adjustment:
    """What somebody has set for a step while it runs."""

    value: Value
    by: str  # a person, or the control file in words
    why: str
    at: datetime


@dataclass(slots=True)
class StepRecord:
    """What the journal knows of one step, forward or rollback."""

    key: str
    state: StepState = StepState.PENDING
    attempt: int = 0  # 0: no intent ever
    started_at: datetime | None = None  # of the last attempt
    first_started_at: datetime | None = None
    ended_at: datetime | None = None
    reason: str = ""  # why it failed, is unknown, was skipped ...
    summary: str = ""
    captured: Mapping[str, Value] = field(default_factory=dict)
    verdict: Mapping[str, Value] | None = None
    progress: Mapping[str, Value] | None = None  # done, total, unit, figures, at
    tainted: bool = False  # an attempt started and has not been proven clean; so it is for a step that passed
    failures: int = 0
    adjusted: Mapping[str, Adjustment] = field(default_factory=dict)  # by name; kept from attempt to attempt
    control: str = ""  # the digest of what its control file said last


@dataclass(slots=True)
class OpenDecision:
    """A question that waits for people."""

    step: str
    data: Mapping[str, Value]
    asked_at: datetime
    approvals: dict[str, str] = field(default_factory=dict)  # who -> why
    refusals: dict[str, str] = field(default_factory=dict)
    lapsed: bool = False


@dataclass(slots=True)
class OpenSuspension:
    """Something that is switched off now."""

    what: str
    step: str
    since: datetime
    resume_by: str = ""
    expires: datetime | None = None
    left_by: str = ""  # who accepted that it stays off


@dataclass(slots=True)
class RunRecordState:
    """What the journal says a run is, now."""

    run: str
    state: RunState = RunState.PLANNED
    held: bool = False
    held_why: str = ""
    held_by: str = ""
    seq: int = 0
    started_at: datetime | None = None
    ended_at: datetime | None = None
    window_opens: datetime | None = None
    window_closes: datetime | None = None
    engine: Mapping[str, Value] = field(default_factory=dict)  # of the last incarnation
    steps: dict[str, StepRecord] = field(default_factory=dict)  # only those of which something happened
    decisions: dict[str, OpenDecision] = field(default_factory=dict)  # by step
    suspensions: dict[str, OpenSuspension] = field(default_factory=dict)  # by what
    rollback_why: str = ""
    rollback_to: str = ""  # the stage that stays, with what it rests on; empty: everything is undone

    def step(self, key: str) -> StepRecord:
        """The record of *key*: a pending one when nothing has happened yet (it is not stored)."""
        return self.steps.get(key) or StepRecord(key)


Apply = Callable[[RunRecordState, Event], None]


def apply(state: RunRecordState, event: Event) -> None:
    """Let *state* take in the next event, in place. The cost does not depend on how much it holds already."""
    state.seq = event.seq
    _APPLY[event.kind](state, event)


def fold(run: str, events: Iterable[Event]) -> RunRecordState:
    """The state after all *events*, in order."""
    state = RunRecordState(run)
    for event in events:
        apply(state, event)
    return state


def _nothing(_state: RunRecordState, _event: Event) -> None:
    """It is for people to read, and changes nothing."""


# the run


def _run_planned(state: RunRecordState, event: Event) -> None:
    state.window_opens = _moment(event, "window_opens")
    state.window_closes = _moment(event, "window_closes")


def _engine_started(state: RunRecordState, event: Event) -> None:
    state.engine = {**event.data, "epoch": event.epoch, "since": event.at.isoformat()}


def _engine_stopped(state: RunRecordState, event: Event) -> None:
    state.engine = {**state.engine, "stopped": event.at.isoformat(), "why": _text(event, "why")}


def _run_started(state: RunRecordState, event: Event) -> None:
    state.state = RunState.RUNNING
    state.started_at = state.started_at or event.at


def _run_held(state: RunRecordState, event: Event) -> None:
    state.held, state.held_why, state.held_by = True, _text(event, "why"), event.who


def _run_released(state: RunRecordState, _event: Event) -> None:
    state.held, state.held_why, state.held_by = False, "", ""


def _rollback_requested(state: RunRecordState, event: Event) -> None:
    if state.state is RunState.RUNNING:  # else it goes further back than was asked for first
        state.state = RunState.STOPPING
    state.rollback_why, state.rollback_to = _text(event, "why"), _text(event, "to")


def _rollback_started(state: RunRecordState, _event: Event) -> None:
    """Questions about the way forward have no answer any more."""
    state.state = RunState.ROLLING_BACK
    state.decisions.clear()


def _change_accepted(state: RunRecordState, _event: Event) -> None:
    """People approved what stood there before: they are asked again. What somebody has done by hand stays done."""
    for decision in state.decisions.values():
        if decision.data.get("form") != QuestionForm.TASK:
            decision.approvals.clear()


def _abort_requested(state: RunRecordState, _event: Event) -> None:
    state.state = RunState.ABORTING


def _ended(end: RunState) -> Apply:
    def ended(state: RunRecordState, event: Event) -> None:
        state.state, state.ended_at = end, event.at
        state.decisions.clear()
        _run_released(state, event)

    return ended


# a step


def _record(state: RunRecordState, event: Event) -> StepRecord:
    record = state.steps.get(event.step)
    if record is None:
        record = state.steps[event.step] = StepRecord(event.step)
    return record


def _step_started(state: RunRecordState, event: Event) -> None:
    record = _record(state, event)
    record.state, record.attempt = StepState.RUNNING, event.attempt
    record.started_at, record.ended_at = event.at, None
    record.first_started_at = record.first_started_at or event.at
    record.reason, record.summary, record.verdict, record.progress = "", "", None, None
    record.tainted = True


def _step_passed(state: RunRecordState, event: Event) -> None:
    """It stays tainted: what it did is there, until its undo has passed."""
    record = _record(state, event)
    record.state, record.ended_at = StepState.PASSED, event.at
    record.attempt = max(record.attempt, event.attempt)
    record.summary, record.reason = _text(event, "summary"), ""
    record.captured = _mapping(event, "captured") or {}
    record.verdict = _mapping(event, "verdict")
    state.decisions.pop(event.step, None)


def _step_failed(state: RunRecordState, event: Event) -> None:
    record = _record(state, event)
    record.state, record.ended_at = StepState.FAILED, event.at
    record.reason, record.verdict = _text(event, "reason"), _mapping(event, "verdict")
    record.failures += 1
    state.decisions.pop(event.step, None)


def _step_in(becomes: StepState) -> Apply:
    """A state in which the step is not over: somebody or something has still to find out, or to wait."""

    def step_in(state: RunRecordState, event: Event) -> None:
        record = _record(state, event)
        record.state, record.reason = becomes, _text(event, "reason")

    return step_in


def _step_reset(state: RunRecordState, event: Event) -> None:
    record = _record(state, event)
    record.state, record.reason = StepState.PENDING, _text(event, "reason")
    record.ended_at, record.progress, record.tainted = None, None, False


def _step_dirty(state: RunRecordState, event: Event) -> None:
    record = _record(state, event)
    record.state, record.reason = StepState.FAILED_DIRTY, _text(event, "reason")
    record.ended_at, record.tainted = record.ended_at or event.at, True
    state.decisions.pop(event.step, None)


def _step_given_up(becomes: StepState) -> Apply:
    def step_given_up(state: RunRecordState, event: Event) -> None:
        record = _record(state, event)
        record.state, record.ended_at, record.reason = becomes, event.at, _text(event, "reason")
        state.decisions.pop(event.step, None)

    return step_given_up


def _step_progressed(state: RunRecordState, event: Event) -> None:
    _record(state, event).progress = {**event.data, "at": event.at.isoformat()}


def _step_adjusted(state: RunRecordState, event: Event) -> None:
    """The last word counts, whoever said it; another attempt, or another engine, goes on with it."""
    record, by, why = _record(state, event), event.who or _text(event, "by"), _text(event, "why")
    changes = _mapping(event, "changes") or {}
    record.adjusted = {**record.adjusted, **{name: Adjustment(value, by, why, event.at) for name, value in changes.items()}}
    record.control = _text(event, "content") or record.control


# people


def _decision_asked(state: RunRecordState, event: Event) -> None:
    """Asked again (another attempt, a changed plan), it starts from nothing: answers are used once."""
    state.decisions[event.step] = OpenDecision(event.step, event.data, event.at)


def _decision_given(state: RunRecordState, event: Event) -> None:
    """Of one person the last word counts. A decision stays open until its step is over, so that a crash loses no answer."""
    decision = state.decisions.get(event.step)
    if decision is None:
        return
    refused = event.data.get("answer") in {"refuse", "failed"}
    counts, voids = (decision.refusals, decision.approvals) if refused else (decision.approvals, decision.refusals)
    if refused:
        voids.clear()  # who had approved before has to say so again, knowing of the refusal
    voids.pop(event.who, None)
    counts[event.who] = _text(event, "why") or _text(event, "evidence")


def _decision_lapsed(state: RunRecordState, event: Event) -> None:
    decision = state.decisions.get(event.step)
    if decision is not None:
        decision.lapsed = True


# suspensions


def _suspension_opened(state: RunRecordState, event: Event) -> None:
    what = _text(event, "what")
    state.suspensions[what] = OpenSuspension(what, event.step, event.at, _text(event, "resume_by"), _moment(event, "expires"))


def _suspension_closed(state: RunRecordState, event: Event) -> None:
    state.suspensions.pop(_text(event, "what"), None)


def _suspension_left(state: RunRecordState, event: Event) -> None:
    suspension = state.suspensions.get(_text(event, "what"))
    if suspension is not None:
        suspension.left_by = event.who


def _text(event: Event, name: str) -> str:
    value = event.data.get(name)
    return "" if value is None else str(value)


def _mapping(event: Event, name: str) -> Mapping[str, Value] | None:
    value = event.data.get(name)
    return value if isinstance(value, Mapping) else None


def _moment(event: Event, name: str) -> datetime | None:
    text = _text(event, name)
    return datetime.fromisoformat(text) if text else None


_APPLY: Final[Mapping[EventKind, Apply]] = {
    EventKind.RUN_PLANNED: _run_planned,
    EventKind.ENGINE_STARTED: _engine_started,
    EventKind.ENGINE_STOPPED: _engine_stopped,
    EventKind.RUN_TAKEN_OVER: _nothing,
    EventKind.RUN_STARTED: _run_started,
    EventKind.RUN_HELD: _run_held,
    EventKind.RUN_RELEASED: _run_released,
    EventKind.ROLLBACK_REQUESTED: _rollback_requested,
    EventKind.ROLLBACK_STARTED: _rollback_started,
    EventKind.ABORT_REQUESTED: _abort_requested,
    EventKind.RUN_SUCCEEDED: _ended(RunState.SUCCEEDED),
    EventKind.RUN_ROLLED_BACK: _ended(RunState.ROLLED_BACK),
    EventKind.RUN_ABORTED: _ended(RunState.ABORTED),
    EventKind.CHANGE_ACCEPTED: _change_accepted,
    EventKind.WARNED: _nothing,
    EventKind.STEP_STARTED: _step_started,
    EventKind.STEP_PASSED: _step_passed,
    EventKind.STEP_FAILED: _step_failed,
    EventKind.STEP_UNKNOWN: _step_in(StepState.UNKNOWN),
    EventKind.STEP_ASKED: _step_in(StepState.ASKS_HUMAN),
    EventKind.STEP_RESET: _step_reset,
    EventKind.STEP_RETRYING: _step_in(StepState.RETRYING),
    EventKind.STEP_DIRTY: _step_dirty,
    EventKind.STEP_SKIPPED: _step_given_up(StepState.SKIPPED),
    EventKind.STEP_WAIVED: _step_given_up(StepState.WAIVED),
    EventKind.STEP_SAID: _nothing,
    EventKind.STEP_PROGRESSED: _step_progressed,
    EventKind.STEP_ADJUSTED: _step_adjusted,
    EventKind.DECISION_ASKED: _decision_asked,
    EventKind.DECISION_GIVEN: _decision_given,
    EventKind.DECISION_LAPSED: _decision_lapsed,
    EventKind.COMMAND_ANSWERED: _nothing,
    EventKind.SUSPENSION_OPENED: _suspension_opened,
    EventKind.SUSPENSION_CLOSED: _suspension_closed,
    EventKind.SUSPENSION_LEFT: _suspension_left,
}
