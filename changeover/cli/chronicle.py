"""What a report tells: the journal of a run, sorted by what people ask afterwards. Pure; no I/O."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from changeover.cli.render import duration
from changeover.contracts import Answer, Expected, Phase, RunState, StepState, Value
from changeover.journal.events import CommandRecord, Event, EventKind
from changeover.journal.fold import RunRecordState, StepRecord
from changeover.journal.records import RunRecord
from changeover.plan.critical_path import Schedule
from changeover.plan.model import Plan, PlannedStep
from changeover.runbook.bundle import Bundle
from changeover.status.model import StageStatus

_FAILING: Final = frozenset({EventKind.STEP_FAILED, EventKind.STEP_UNKNOWN, EventKind.STEP_DIRTY, EventKind.STEP_ASKED})
#: What stands there under a person's name, and is told in another row already.
_NO_ACTION: Final = frozenset({EventKind.COMMAND_ANSWERED, EventKind.RUN_PLANNED})
_ANCHORED: Final = frozenset({EventKind.DECISION_ASKED, EventKind.DECISION_GIVEN})
_AFTER_FAILURE: Final = {
    EventKind.STEP_RETRYING: "tried again",
    EventKind.STEP_RESET: "proven clean",
    EventKind.STEP_STARTED: "tried again",
    EventKind.STEP_PASSED: "passed after all",
    EventKind.STEP_SKIPPED: "left out",
    EventKind.STEP_WAIVED: "given up by two people",
    EventKind.STEP_DIRTY: "found to have left something behind",
    EventKind.ROLLBACK_STARTED: "rolled back",
}


@dataclass(frozen=True, slots=True)
class StepRow:
    """A step, planned and actual; of a rollback too."""

    key: str
    title: str
    stage: str
    phase: Phase
    kind: str
    state: StepState
    attempts: int
    expected: Expected
    started: datetime | None
    ended: datetime | None
    remark: str

    @property
    def lasted(self) -> timedelta | None:
        """From its first start to its end."""
        return self.ended - self.started if self.started and self.ended else None

    @property
    def over(self) -> timedelta | None:
        """By how much it exceeded its worst case."""
        return self.lasted - self.expected.worst if self.lasted and self.lasted > self.expected.worst else None


@dataclass(frozen=True, slots=True)
class DecisionRow:
    """What somebody answered to a question of the run."""

    step: str
    ask: str
    answer: str
    who: str
    at: datetime
    waited: timedelta | None
    why: str
    evidence: str


@dataclass(frozen=True, slots=True)
class FailureRow:
    """Something went wrong, and what became of it."""

    step: str
    attempt: int
    at: datetime
    what: str  # failed, unknown, dirty, asks a person
    reason: str
    then: str


@dataclass(frozen=True, slots=True)
class CheckRow:
    """What a check found."""

    step: str
    answer: str
    summary: str
    expected: Value
    found: Value
    figures: Mapping[str, Value]
    at: datetime


@dataclass(frozen=True, slots=True)
class SuspensionRow:
    """Something that was switched off."""

    what: str
    step: str
    opened: datetime
    closed: datetime | None
    left_by: str
    left_why: str


@dataclass(frozen=True, slots=True)
class PersonRow:
    """Somebody who took part, or could have."""

    id: str
    name: str
    roles: tuple[str, ...]
    actions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Note:
    """A sentence with its time."""

    at: datetime
    text: str


@dataclass(frozen=True, slots=True)
class Anchor:
    """The head of the journal when people were asked, or decided."""

    seq: int
    at: datetime
    step: str
    head: str


@dataclass(frozen=True, slots=True)
class Chronicle:
    """A run, told afterwards."""

    record: RunRecord
    state: RunRecordState
    bundle: Bundle
    written_at: datetime
    schedule: Schedule
    stages: tuple[StageStatus, ...]
    steps: tuple[StepRow, ...]
    decisions: tuple[DecisionRow, ...]
    commands: tuple[CommandRecord, ...]
    deviations: tuple[Note, ...]
    failures: tuple[FailureRow, ...]
    checks: tuple[CheckRow, ...]
    suspensions: tuple[SuspensionRow, ...]
    people: tuple[PersonRow, ...]
    sources: tuple[tuple[str, str], ...]  # path, SHA-256
    events: tuple[Note, ...]
    event_count: int
    head: str  # hash of the last event
    anchors: tuple[Anchor, ...]
    incarnations: int

    @property
    def lasted(self) -> timedelta | None:
        """From the first step to the end, or to now."""
        if self.state.started_at is None:
            return None
        return (self.state.ended_at or self.written_at) - self.state.started_at


@dataclass(slots=True)
class _Reading:
    """What is gathered in one pass over the events."""

    bundle: Bundle
    plan: Plan
    sentence: Callable[[Event], str]
    asked: dict[str, Event] = field(default_factory=dict)
    decisions: list[DecisionRow] = field(default_factory=list)
    failures: list[FailureRow] = field(default_factory=list)
    open_failures: dict[str, int] = field(default_factory=dict)  # step -> place in failures
    checks: list[CheckRow] = field(default_factory=list)
    suspensions: dict[str, SuspensionRow] = field(default_factory=dict)
    closed: list[SuspensionRow] = field(default_factory=list)
    deviations: list[Note] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    actions: dict[str, list[str]] = field(default_factory=dict)
    incarnations: int = 0

    def take(self, event: Event) -> None:
        """Sort one event in."""
        if event.kind is not EventKind.STEP_PROGRESSED:
            self.notes.append(Note(event.at, self.sentence(event)))
        if event.who and event.kind not in _NO_ACTION:
            self.actions.setdefault(event.who, []).append(self.sentence(event))
        self._take_failure(event)
        self._take_decision(event)
        self._take_suspension(event)
        self._take_check(event)
        if _deviates(event, self.incarnations):
            self.deviations.append(Note(event.at, self.sentence(event)))
        self.incarnations += event.kind is EventKind.ENGINE_STARTED

    def _take_failure(self, event: Event) -> None:
        if event.kind in _AFTER_FAILURE:
            keys = [event.step] if event.step else list(self.open_failures)
            for key in keys:
                place = self.open_failures.pop(key, None)
                if place is not None:
                    then = _AFTER_FAILURE[event.kind] + (f" by {event.who}" if event.who else "")
                    old = self.failures[place]
                    self.failures[place] = FailureRow(old.step, old.attempt, old.at, old.what, old.reason, then)
        if event.kind in _FAILING:
            self.open_failures[event.step] = len(self.failures)
            what = event.kind.value.removeprefix("step_").replace("asked", "asks a person")
            self.failures.append(FailureRow(event.step, event.attempt, event.at, what, _text(event, "reason"), "open"))

    def _take_decision(self, event: Event) -> None:
        if event.kind is EventKind.DECISION_ASKED:
            self.asked[event.step] = event
        if event.kind is EventKind.DECISION_GIVEN:
            asked = self.asked.get(event.step)
            self.decisions.append(
                DecisionRow(
                    step=event.step,
                    ask=_text(asked, "ask") if asked else "",
                    answer=_text(event, "answer"),
                    who=event.who,
                    at=event.at,
                    waited=event.at - asked.at if asked else None,
                    why=_text(event, "why"),
                    evidence=_text(event, "evidence"),
                )
            )

    def _take_suspension(self, event: Event) -> None:
        what = _text(event, "what")
        if event.kind is EventKind.SUSPENSION_OPENED:
            self.suspensions[what] = SuspensionRow(what, event.step, event.at, None, "", "")
        elif event.kind is EventKind.SUSPENSION_CLOSED and what in self.suspensions:
            row = self.suspensions.pop(what)
            self.closed.append(SuspensionRow(row.what, row.step, row.opened, event.at, row.left_by, row.left_why))
        elif event.kind is EventKind.SUSPENSION_LEFT and what in self.suspensions:
            row = self.suspensions[what]
            self.suspensions[what] = SuspensionRow(what, row.step, row.opened, None, event.who, _text(event, "why"))

    def _take_check(self, event: Event) -> None:
        verdict = event.data.get("verdict")
        if event.kind in _FAILING and verdict is None and self._is_check(event.step):
            self.checks.append(CheckRow(event.step, "could not run", _text(event, "reason"), None, None, {}, event.at))
        if event.kind in {EventKind.STEP_PASSED, EventKind.STEP_FAILED, EventKind.STEP_SKIPPED} and isinstance(verdict, dict):
            figures = verdict.get("figures")
            self.checks.append(
                CheckRow(
                    step=event.step,
                    answer=str(verdict.get("answer", "")),
                    summary=str(verdict.get("summary", "")),
                    expected=verdict.get("expected"),
                    found=verdict.get("found"),
                    figures=figures if isinstance(figures, dict) else {},
                    at=event.at,
                )
            )

    def _is_check(self, key: str) -> bool:
        planned = self.plan.forward.get(key) or self.plan.rollback.get(key)
        return planned is not None and planned.step.kind == "check"


def chronicle(
    record: RunRecord,
    events: Sequence[Event],
    *,
    bundle: Bundle,
    plan: Plan,
    schedule: Schedule,
    stages: Sequence[StageStatus],
    state: RunRecordState,
    commands: Iterable[CommandRecord],
    sentence: Callable[[Event], str],
    now: datetime,
) -> Chronicle:
    """Sort everything the journal knows of a run."""
    reading = _Reading(bundle, plan, sentence)
    for event in events:
        reading.take(event)
    steps = tuple(_steps(plan, state))
    slow = [Note(row.ended or now, _slow(row)) for row in steps if row.over is not None]
    late = _overrun(state, now)
    return Chronicle(
        record=record,
        state=state,
        bundle=bundle,
        written_at=now,
        schedule=schedule,
        stages=tuple(stages),
        steps=steps,
        decisions=tuple(reading.decisions),
        commands=tuple(commands),
        deviations=tuple(sorted([*reading.deviations, *slow, *late], key=lambda note: note.at)),
        failures=tuple(reading.failures),
        checks=tuple(reading.checks),
        suspensions=(*reading.closed, *reading.suspensions.values()),
        people=tuple(_people(bundle, reading.actions, record.runner)),
        sources=tuple((path, hashlib.sha256(text.encode()).hexdigest()) for path, text in record.sources.items()),
        events=tuple(reading.notes),
        event_count=len(events),
        head=events[-1].hash if events else "",
        anchors=tuple(Anchor(event.seq, event.at, event.step, event.hash) for event in events if event.kind in _ANCHORED),
        incarnations=reading.incarnations,
    )


def _deviates(event: Event, incarnations: int) -> bool:
    """Whether it is something the plan did not foresee."""
    match event.kind:
        case (
            EventKind.RUN_HELD
            | EventKind.RUN_RELEASED
            | EventKind.RUN_TAKEN_OVER
            | EventKind.CHANGE_ACCEPTED
            | EventKind.WARNED
            | EventKind.DECISION_LAPSED
            | EventKind.STEP_WAIVED
            | EventKind.SUSPENSION_LEFT
            | EventKind.ROLLBACK_REQUESTED
            | EventKind.ABORT_REQUESTED
        ):
            return True
        case EventKind.STEP_SKIPPED:
            return bool(event.who)
        case EventKind.STEP_PASSED:
            return _warned(event)
        case EventKind.DECISION_GIVEN:
            return event.data.get("answer") in {"refuse", "failed"}
        case EventKind.ENGINE_STARTED:
            return incarnations > 0
        case _:
            return False


def _warned(event: Event) -> bool:
    """Whether a check said no, and the step passed because it only warns."""
    verdict = event.data.get("verdict")
    return isinstance(verdict, dict) and verdict.get("answer") != Answer.PASSED.value


def _steps(plan: Plan, state: RunRecordState) -> Iterable[StepRow]:
    undone = [step for key, step in plan.rollback.items() if key in state.steps]
    for planned in (*plan.forward.values(), *undone):
        record = state.step(planned.key)
        left_out = plan.skipped.get(planned.key, "")
        yield StepRow(
            key=planned.key,
            title=planned.step.title,
            stage=planned.stage,
            phase=planned.phase,
            kind=planned.step.kind,
            state=StepState.SKIPPED if left_out and record.state is StepState.PENDING else record.state,
            attempts=record.attempt,
            expected=planned.expected,
            started=record.first_started_at,
            ended=record.ended_at,
            remark=_remark(planned, record) or left_out,
        )


def _remark(planned: PlannedStep, record: StepRecord) -> str:
    if record.state in {StepState.PASSED, StepState.RUNNING, StepState.PENDING}:
        return record.summary if record.state is not StepState.PENDING else ""
    return record.reason or record.summary or planned.step.title


def _slow(row: StepRow) -> str:
    return f"{row.key} took {duration(row.lasted)}, {duration(row.over)} more than its worst case"


def _overrun(state: RunRecordState, now: datetime) -> list[Note]:
    end = state.ended_at or now
    if state.window_closes is None or end <= state.window_closes or state.state is RunState.PLANNED:
        return []
    return [Note(end, f"the run left its window by {duration(end - state.window_closes)}")]


def _people(bundle: Bundle, actions: Mapping[str, Sequence[str]], runner: str) -> Iterable[PersonRow]:
    people = bundle.people
    roles: dict[str, list[str]] = {}
    for name, role in people.roles.items():
        roles.setdefault(role.person, []).append(name)
        if role.deputy:
            roles.setdefault(role.deputy, []).append(f"deputy of {name}")
    for person in dict.fromkeys([runner, *roles, *actions]):
        known = people.persons.get(person)
        own = [*(["started the run"] if person == runner else []), *actions.get(person, ())]
        yield PersonRow(person, known.name if known else person, tuple(roles.get(person, ())), tuple(own))


def _text(event: Event, name: str) -> str:
    value = event.data.get(name)
    return "" if value is None else str(value)
