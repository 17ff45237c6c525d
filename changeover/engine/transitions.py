"""The life of runs and steps as data: one table, and no other place changes a state.

Every draft goes through :func:`follow` (by way of :mod:`changeover.engine.projection`) before it is appended, and a
journal is checked against the same table afterwards (:mod:`changeover.engine.conformance`).

A move that leads to the state it starts from is a note: the event may stand in the journal there, and changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Generic, TypeVar

from changeover.contracts import Phase, RunState, StepState
from changeover.errors import ChangeoverError
from changeover.journal.events import EventKind as Kind

S = TypeVar("S", RunState, StepState)


class Actor(StrEnum):
    """Who may cause a move."""

    ENGINE = "the engine"
    PERSON = "a person"
    EITHER = "the engine or a person"
    TWO_PEOPLE = "two different people"  # the second one causes it; the first stands beside it in the event

    def may(self, who: str) -> bool:
        """Whether *who* (a person, or empty for the engine) is one of them."""
        return self is Actor.EITHER or (who == "") is (self is Actor.ENGINE)


@dataclass(frozen=True, slots=True)
class Move(Generic[S]):
    """Where an event leads, and who may cause it."""

    to: S
    by: Actor = Actor.ENGINE


@dataclass(eq=False)
class MoveNotAllowed(ChangeoverError):
    """Something would have been written that the rules do not allow; it was not written."""

    subject: str
    state: str
    event: str
    who: str = ""
    because: str = ""

    def __str__(self) -> str:
        actor = f" by {self.who}" if self.who else ""
        reason = f": {self.because}" if self.because else ""
        return f"{self.subject!r} is {self.state}; {self.event}{actor} is not allowed there{reason}"


_PENDING, _RUNNING, _PASSED, _FAILED = StepState.PENDING, StepState.RUNNING, StepState.PASSED, StepState.FAILED
_UNKNOWN, _ASKS, _RETRYING = StepState.UNKNOWN, StepState.ASKS_HUMAN, StepState.RETRYING
_DIRTY, _SKIPPED, _WAIVED = StepState.FAILED_DIRTY, StepState.SKIPPED, StepState.WAIVED

#: What steps forward and steps in rollback have in common.
_STEP: Final[Mapping[tuple[StepState, Kind], Move[StepState]]] = {
    # the intent
    (_PENDING, Kind.STEP_STARTED): Move(_RUNNING),
    (_RETRYING, Kind.STEP_STARTED): Move(_RUNNING),
    # refused before anything was sent: a captured value is missing, a name does not resolve
    (_PENDING, Kind.STEP_FAILED): Move(_FAILED),
    (_RETRYING, Kind.STEP_FAILED): Move(_FAILED),
    # the outcome
    (_RUNNING, Kind.STEP_PASSED): Move(_PASSED),
    (_RUNNING, Kind.STEP_FAILED): Move(_FAILED, Actor.EITHER),  # a person says that a task cannot be done
    (_RUNNING, Kind.STEP_UNKNOWN): Move(_UNKNOWN),
    (_RUNNING, Kind.STEP_SKIPPED): Move(_SKIPPED, Actor.EITHER),  # not verifiable in a dry run; a task nobody needs
    # it may have happened: a probe, or a policy, answers
    (_UNKNOWN, Kind.STEP_PASSED): Move(_PASSED),
    (_UNKNOWN, Kind.STEP_FAILED): Move(_FAILED),
    (_UNKNOWN, Kind.STEP_RESET): Move(_PENDING),
    (_UNKNOWN, Kind.STEP_RETRYING): Move(_RETRYING),
    (_UNKNOWN, Kind.STEP_DIRTY): Move(_DIRTY),
    (_UNKNOWN, Kind.STEP_ASKED): Move(_ASKS),
    # only a person can find out
    (_ASKS, Kind.STEP_PASSED): Move(_PASSED, Actor.PERSON),
    (_ASKS, Kind.STEP_FAILED): Move(_FAILED, Actor.PERSON),
    (_ASKS, Kind.STEP_RESET): Move(_PENDING, Actor.PERSON),
    (_ASKS, Kind.STEP_RETRYING): Move(_RETRYING, Actor.PERSON),
    (_ASKS, Kind.STEP_DIRTY): Move(_DIRTY, Actor.PERSON),
    # failed
    (_FAILED, Kind.STEP_RETRYING): Move(_RETRYING, Actor.EITHER),
    (_FAILED, Kind.STEP_PASSED): Move(_PASSED, Actor.PERSON),  # finished by hand
    (_FAILED, Kind.STEP_SKIPPED): Move(_SKIPPED, Actor.EITHER),  # a person's reason, or best effort by its author
    (_DIRTY, Kind.STEP_RETRYING): Move(_RETRYING, Actor.PERSON),
    (_DIRTY, Kind.STEP_PASSED): Move(_PASSED, Actor.PERSON),
    # notes
    (_RUNNING, Kind.STEP_SAID): Move(_RUNNING),
    (_RUNNING, Kind.STEP_PROGRESSED): Move(_RUNNING),
    (_UNKNOWN, Kind.STEP_SAID): Move(_UNKNOWN),
    (_FAILED, Kind.STEP_SAID): Move(_FAILED),
    (_RETRYING, Kind.STEP_SAID): Move(_RETRYING),
    # adjusted before or while it runs: by a person, or by the file that the engine reads for it
    (_PENDING, Kind.STEP_ADJUSTED): Move(_PENDING, Actor.EITHER),
    (_RUNNING, Kind.STEP_ADJUSTED): Move(_RUNNING, Actor.EITHER),
    (_UNKNOWN, Kind.STEP_ADJUSTED): Move(_UNKNOWN, Actor.EITHER),
    (_FAILED, Kind.STEP_ADJUSTED): Move(_FAILED, Actor.EITHER),
    (_RETRYING, Kind.STEP_ADJUSTED): Move(_RETRYING, Actor.EITHER),
    # questions: approvals before the intent, tasks after it
    (_PENDING, Kind.DECISION_ASKED): Move(_PENDING),
    (_PENDING, Kind.DECISION_GIVEN): Move(_PENDING, Actor.PERSON),
    (_PENDING, Kind.DECISION_LAPSED): Move(_PENDING),
    (_RETRYING, Kind.DECISION_ASKED): Move(_RETRYING),
    (_RETRYING, Kind.DECISION_GIVEN): Move(_RETRYING, Actor.PERSON),
    (_RETRYING, Kind.DECISION_LAPSED): Move(_RETRYING),
    (_RUNNING, Kind.DECISION_ASKED): Move(_RUNNING),
    (_RUNNING, Kind.DECISION_GIVEN): Move(_RUNNING, Actor.PERSON),
    (_RUNNING, Kind.DECISION_LAPSED): Move(_RUNNING),
}

#: Steps towards the new system.
FORWARD: Final[Mapping[tuple[StepState, Kind], Move[StepState]]] = {
    **_STEP,
    (_PENDING, Kind.STEP_SKIPPED): Move(_SKIPPED, Actor.EITHER),  # `when` does not hold, or a person's reason
    (_RETRYING, Kind.STEP_SKIPPED): Move(_SKIPPED, Actor.PERSON),
    (_DIRTY, Kind.STEP_SKIPPED): Move(_SKIPPED, Actor.PERSON),
    # before the way back begins: what failed, was skipped after a failure or waits for another try is looked at
    (_FAILED, Kind.STEP_RESET): Move(_PENDING),
    (_FAILED, Kind.STEP_DIRTY): Move(_DIRTY),
    (_FAILED, Kind.STEP_ASKED): Move(_ASKS),
    (_RETRYING, Kind.STEP_RESET): Move(_PENDING),
    (_RETRYING, Kind.STEP_DIRTY): Move(_DIRTY),
    (_RETRYING, Kind.STEP_ASKED): Move(_ASKS),
    (_SKIPPED, Kind.STEP_RESET): Move(_PENDING),
    (_SKIPPED, Kind.STEP_DIRTY): Move(_DIRTY),
    (_SKIPPED, Kind.STEP_ASKED): Move(_ASKS),
}

#: Steps back: an undo is never skipped by a person, only waived by two.
ROLLBACK: Final[Mapping[tuple[StepState, Kind], Move[StepState]]] = {
    **_STEP,
    (_RUNNING, Kind.STEP_SKIPPED): Move(_SKIPPED),  # not verifiable in a dry run
    (_FAILED, Kind.STEP_SKIPPED): Move(_SKIPPED),  # best effort by its author
    (_PENDING, Kind.STEP_SKIPPED): Move(_SKIPPED),  # its `when` does not hold
    (_PENDING, Kind.STEP_WAIVED): Move(_WAIVED, Actor.TWO_PEOPLE),
    (_FAILED, Kind.STEP_WAIVED): Move(_WAIVED, Actor.TWO_PEOPLE),
    (_DIRTY, Kind.STEP_WAIVED): Move(_WAIVED, Actor.TWO_PEOPLE),
    (_RETRYING, Kind.STEP_WAIVED): Move(_WAIVED, Actor.TWO_PEOPLE),
}

STEPS: Final[Mapping[Phase, Mapping[tuple[StepState, Kind], Move[StepState]]]] = {
    Phase.FORWARD: FORWARD,
    Phase.ROLLBACK: ROLLBACK,
}

_ACTIVE: Final = (RunState.PLANNED, RunState.RUNNING, RunState.STOPPING, RunState.ROLLING_BACK, RunState.ABORTING)
_NOTES: Final = {
    Kind.ENGINE_STARTED: Actor.ENGINE,
    Kind.ENGINE_STOPPED: Actor.ENGINE,
    Kind.RUN_TAKEN_OVER: Actor.PERSON,
    Kind.RUN_HELD: Actor.EITHER,
    Kind.RUN_RELEASED: Actor.EITHER,  # the engine when a policy rolls back a held run
    Kind.CHANGE_ACCEPTED: Actor.PERSON,
    Kind.WARNED: Actor.EITHER,
    Kind.COMMAND_ANSWERED: Actor.EITHER,
    Kind.SUSPENSION_OPENED: Actor.EITHER,
    Kind.SUSPENSION_CLOSED: Actor.EITHER,
    Kind.SUSPENSION_LEFT: Actor.PERSON,
}
#: What may still be said of a run that is over: nothing of it begins any more.
_EPILOGUE: Final = {Kind.ENGINE_STARTED, Kind.ENGINE_STOPPED, Kind.COMMAND_ANSWERED, Kind.WARNED}

RUN: Final[Mapping[tuple[RunState, Kind], Move[RunState]]] = {
    (RunState.PLANNED, Kind.RUN_PLANNED): Move(RunState.PLANNED, Actor.EITHER),
    (RunState.PLANNED, Kind.RUN_STARTED): Move(RunState.RUNNING, Actor.EITHER),
    (RunState.RUNNING, Kind.RUN_SUCCEEDED): Move(RunState.SUCCEEDED),
    (RunState.RUNNING, Kind.ROLLBACK_REQUESTED): Move(RunState.STOPPING, Actor.EITHER),
    # further back than was asked for first
    (RunState.STOPPING, Kind.ROLLBACK_REQUESTED): Move(RunState.STOPPING, Actor.PERSON),
    (RunState.ROLLING_BACK, Kind.ROLLBACK_REQUESTED): Move(RunState.ROLLING_BACK, Actor.PERSON),
    (RunState.STOPPING, Kind.ROLLBACK_STARTED): Move(RunState.ROLLING_BACK),
    (RunState.ROLLING_BACK, Kind.RUN_ROLLED_BACK): Move(RunState.ROLLED_BACK),
    (RunState.PLANNED, Kind.ABORT_REQUESTED): Move(RunState.ABORTING, Actor.PERSON),
    (RunState.RUNNING, Kind.ABORT_REQUESTED): Move(RunState.ABORTING, Actor.PERSON),
    (RunState.STOPPING, Kind.ABORT_REQUESTED): Move(RunState.ABORTING, Actor.PERSON),
    (RunState.ROLLING_BACK, Kind.ABORT_REQUESTED): Move(RunState.ABORTING, Actor.PERSON),
    (RunState.ABORTING, Kind.RUN_ABORTED): Move(RunState.ABORTED),
    **{(state, kind): Move(state, by) for state in _ACTIVE for kind, by in _NOTES.items()},
    **{(state, kind): Move(state, _NOTES[kind]) for state in RunState if state.final for kind in _EPILOGUE},
}

#: The only state of the run in which a step of each phase may begin.
BEGINS_IN: Final[Mapping[Phase, RunState]] = {Phase.FORWARD: RunState.RUNNING, Phase.ROLLBACK: RunState.ROLLING_BACK}
#: States of a step with which whoever needs it may begin.
SETTLED: Final = frozenset({_PASSED, _SKIPPED, _WAIVED})
#: States of a forward step that have to be resolved before the way back begins; so has one skipped after it began.
UNRESOLVED: Final = frozenset({_RUNNING, _UNKNOWN, _ASKS, _FAILED, _RETRYING})
#: States of a step that have to be resolved before an aborted run is over.
IN_DOUBT: Final = frozenset({_RUNNING, _UNKNOWN, _ASKS})


def follow(subject: str, state: S, event: Kind, table: Mapping[tuple[S, Kind], Move[S]], *, who: str = "") -> S:
    """The state that *event*, caused by *who*, leads to from *state*. Raises MoveNotAllowed, which names all of them."""
    move = table.get((state, event))
    if move is None:
        raise MoveNotAllowed(subject, state.value, event.value, who)
    if not move.by.may(who):
        raise MoveNotAllowed(subject, state.value, event.value, who, f"only {move.by.value} may cause it")
    return move.to
