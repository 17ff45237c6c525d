"""What must be true of a run whose engines were killed, whatever happened: sentences about what is not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path

from changeover.contracts import Phase, RunState, StepState
from changeover.engine.projection import Projection
from changeover.journal.chain import verify
from changeover.journal.events import Event, EventKind
from changeover.journal.fold import RunRecordState, fold
from changeover.journal.store import Journal
from changeover.plan.model import Plan, PlannedStep
from tests.model.conform import deviations

#: Kinds of steps that leave a line in the ledger.
_ACTING = frozenset({"effect", "twice", "shell"})
_TWICE = frozenset({"twice"})
#: What only an engine that begins something may write.
_OPEN = frozenset({StepState.RUNNING, StepState.UNKNOWN, StepState.ASKS_HUMAN})


@dataclass(frozen=True)
class Case:
    """A run that is over, and what its target saw."""

    run: str
    plan: Plan
    events: Sequence[Event]
    ledger: Sequence[str]  # "step attempt", in the order in which it happened

    @cached_property
    def state(self) -> RunRecordState:
        """Where it ended."""
        return fold(self.run, self.events)

    @cached_property
    def steps(self) -> Mapping[str, PlannedStep]:
        """All steps, there and back."""
        return {**self.plan.forward, **self.plan.rollback}

    @cached_property
    def counts(self) -> Counter[str]:
        """How often each of its steps had its effect."""
        return Counter(step for step in (line.split()[0] for line in self.ledger) if step in self.steps)

    def acting(self, phase: Phase) -> Iterator[PlannedStep]:
        """The steps of *phase* that leave a line."""
        return (
            step
            for step in self.steps.values()
            if step.phase is phase and step.step.kind in _ACTING and not getattr(step.step, "verify_only", False)
        )


def ledger_of(folder: Path) -> list[str]:
    """What the target saw: "step attempt", in order."""
    file = folder / "ledger"
    return file.read_text(encoding="utf-8").split("\n")[:-1] if file.exists() else []


def judge(journal: Journal, run: str, plan: Plan, folder: Path) -> list[str]:
    """Everything that is wrong with a run that is over; nothing, as it should be."""
    events = journal.events(run)
    case = Case(run, plan, events, ledger_of(folder))
    found = [f"not allowed: {deviation}" for deviation in deviations(plan, events)]
    broken = verify(events, head=journal.head(run).hash)
    if broken is not None:
        found.append(f"the chain is broken at {broken}")
    if len({event.seq for event in events}) != len(events) or [event.seq for event in events] != sorted(e.seq for e in events):
        found.append("its events are not numbered as they stand")
    found += [f"{event.seq} was written by a past owner" for last, event in pairwise(events) if event.epoch < last.epoch]
    if not events or events[0].kind is not EventKind.RUN_PLANNED:
        found.append("it was never planned")
    found += _effects(case)
    found += _outcomes(case)
    found += _order(case)
    found += _way_back(case)
    found += _commands(journal, case)
    if case.state.state is not RunState.ABORTED:
        found += [f"still off: {what}" for what, one in case.state.suspensions.items() if not one.left_by]
    return found


def _effects(case: Case) -> Iterator[str]:
    """No effect without its intent, none twice for an attempt, and none twice at all."""
    intended = {f"{event.step} {event.attempt}" for event in case.events if event.kind is EventKind.STEP_STARTED}
    for line, times in Counter(case.ledger).items():
        step = line.split()[0]
        if step in case.steps and line not in intended:
            yield f"an effect without an intent: {line}"
        if times > 1 and step in case.steps:
            yield f"an attempt acted {times} times: {line}"
    for step, times in case.counts.items():
        if times > 1 and case.steps[step].step.kind not in _TWICE:
            yield f"{step} happened {times} times"


def _outcomes(case: Case) -> Iterator[str]:
    """What passed has happened, and what never began has not."""
    for key, planned in case.steps.items():
        if planned.step.kind not in _ACTING:
            continue
        state, times = case.state.step(key).state, case.counts[key]
        if state is StepState.PASSED and not times:
            yield f"{key} has passed, and did not happen"
        if state is StepState.PENDING and times:
            yield f"{key} is pending, and happened"
        if state in _OPEN:
            yield f"{key} is {state} in a run that is over"
        if case.state.state is RunState.SUCCEEDED and planned.phase is Phase.FORWARD and state not in _SETTLED:
            yield f"{key} is {state} in a run that succeeded"


_SETTLED = frozenset({StepState.PASSED, StepState.SKIPPED})


def _order(case: Case) -> Iterator[str]:
    """In the world, too, a step came after everything that it needs."""
    first: dict[str, int] = {}
    last: dict[str, int] = {}
    for place, line in enumerate(case.ledger):
        step = line.split()[0]
        first.setdefault(step, place)
        last[step] = place
    for key, planned in case.steps.items():
        for need in _needs(case, planned):
            if key in first and need in last and first[key] < last[need]:
                yield f"{key} happened before {need}, which it needs"


def _needs(case: Case, planned: PlannedStep) -> set[str]:
    found: set[str] = set()
    left = list(planned.needs)
    while left:
        key = left.pop()
        if key not in found:
            found.add(key)
            left += case.steps[key].needs
    return found


def _way_back(case: Case) -> Iterator[str]:
    """After a rollback nothing is applied, and nothing was undone that had never been there."""
    if case.state.state is not RunState.ROLLED_BACK:
        undone = [key for key in case.plan.rollback if case.counts[key]]
        if undone and case.state.state is RunState.SUCCEEDED:
            yield f"undone in a run that went forward: {', '.join(undone)}"
        return
    for key, planned in case.plan.rollback.items():
        state, times = case.state.step(key).state, case.counts[key]
        there = [one for one in planned.undoes if case.counts[one]]
        if there and not times and state is not StepState.WAIVED and planned.step.kind in _ACTING:
            yield f"{', '.join(there)} happened, and {key} did not"
        sure = all(case.steps[one].step.kind == "effect" for one in planned.undoes)
        if times and not there and sure:
            yield f"{key} undid what had never happened"


def _commands(journal: Journal, case: Case) -> Iterator[str]:
    """Each command was answered, once."""
    answers = Counter(event.data["command"] for event in case.events if event.kind is EventKind.COMMAND_ANSWERED)
    for record in journal.commands(case.run):
        if record.accepted is None:
            yield f"nobody answered {record.command.verb} {record.command.step} by {record.command.who}"
        elif answers[record.id] != 1:
            yield f"{record.command.verb} {record.command.step} was answered {answers[record.id]} times"


def waits_for(plan: Plan, state: RunRecordState) -> str:
    """For the message when no end was reached: what stands where."""
    projection = Projection(plan, state)
    standing = ", ".join(f"{key} {step.state}" for key, step in state.steps.items() if step.state is not StepState.PASSED)
    return f"the run is {state.state}{', held' if state.held else ''}; {standing}; {projection.readiness.left} steps are left"
