"""The one table, and everything that is not in it."""

from __future__ import annotations

import itertools

import pytest

from changeover.contracts import Phase, RunState, StepState
from changeover.engine.transitions import FORWARD, ROLLBACK, RUN, STEPS, Actor, MoveNotAllowed, follow
from changeover.journal.events import EventKind

_STEP_KINDS = [kind for kind in EventKind if kind.value.startswith(("step_", "decision_"))]
_EVERY_STEP_MOVE = set(itertools.product(StepState, EventKind))
_EVERY_RUN_MOVE = set(itertools.product(RunState, EventKind))


@pytest.mark.parametrize("phase", list(Phase))
@pytest.mark.parametrize("actor", ["", "anna"])
def test_each_move_of_a_step_in_the_table_is_followed_by_whom_it_is_for(phase: Phase, actor: str) -> None:
    for (state, event), move in STEPS[phase].items():
        if move.by.may(actor):
            assert follow("copy", state, event, STEPS[phase], who=actor) is move.to
        else:
            with pytest.raises(MoveNotAllowed, match=f"only {move.by.value} may cause it"):
                follow("copy", state, event, STEPS[phase], who=actor)


@pytest.mark.parametrize("phase", list(Phase))
@pytest.mark.parametrize("state", list(StepState))
def test_every_other_move_of_a_step_is_refused_by_name(phase: Phase, state: StepState) -> None:
    for event in sorted(event for origin, event in _EVERY_STEP_MOVE - set(STEPS[phase]) if origin is state):
        with pytest.raises(MoveNotAllowed, match=f"'copy' is {state.value}; {event.value} is not allowed"):
            follow("copy", state, event, STEPS[phase])


@pytest.mark.parametrize("state", list(RunState))
def test_each_move_of_a_run_in_the_table_is_followed_by_whom_it_is_for(state: RunState) -> None:
    for event, move in ((event, move) for (origin, event), move in RUN.items() if origin is state):
        who = "" if move.by is Actor.ENGINE else "anna"
        assert follow("night", state, event, RUN, who=who) is move.to
        if move.by is Actor.PERSON:
            with pytest.raises(MoveNotAllowed, match="only a person may cause it"):
                follow("night", state, event, RUN)


@pytest.mark.parametrize("state", list(RunState))
def test_every_other_move_of_a_run_is_refused_by_name(state: RunState) -> None:
    for event in sorted(event for origin, event in _EVERY_RUN_MOVE - set(RUN) if origin is state):
        with pytest.raises(MoveNotAllowed, match=f"'night' is {state.value}; {event.value}"):
            follow("night", state, event, RUN)


@pytest.mark.parametrize("state", [state for state in RunState if state.final])
def test_a_final_state_is_never_left(state: RunState) -> None:
    assert {move.to for (origin, _), move in RUN.items() if origin is state} == {state}


def test_a_run_reaches_a_final_state_from_every_state() -> None:
    reach = {state for state in RunState if state.final}
    for _ in RunState:
        reach |= {origin for (origin, _), move in RUN.items() if move.to in reach}
    assert reach == set(RunState)


def test_unknown_never_becomes_running_without_somebody_having_looked() -> None:
    for table in (FORWARD, ROLLBACK):
        assert (StepState.UNKNOWN, EventKind.STEP_STARTED) not in table
        assert (StepState.FAILED, EventKind.STEP_STARTED) not in table
        assert (StepState.ASKS_HUMAN, EventKind.STEP_STARTED) not in table


def test_only_the_engine_starts_a_step_and_only_two_people_waive_an_undo() -> None:
    for table in (FORWARD, ROLLBACK):
        assert {move.by for (_, event), move in table.items() if event is EventKind.STEP_STARTED} == {Actor.ENGINE}
    assert {move.by for (_, event), move in ROLLBACK.items() if event is EventKind.STEP_WAIVED} == {Actor.TWO_PEOPLE}
    assert not [event for _, event in FORWARD if event is EventKind.STEP_WAIVED]


def test_an_undo_is_never_skipped_by_a_person() -> None:
    skipping = {move.by for (state, event), move in ROLLBACK.items() if event is EventKind.STEP_SKIPPED}
    assert Actor.PERSON not in skipping
    for (state, event), move in ROLLBACK.items():
        if event is EventKind.STEP_SKIPPED and state is not StepState.RUNNING:
            assert move.by is Actor.ENGINE


def test_every_kind_of_step_event_stands_in_the_table() -> None:
    told = {event for table in (FORWARD, ROLLBACK) for _, event in table}
    assert told == set(_STEP_KINDS)


def test_every_kind_of_run_event_stands_in_the_table() -> None:
    assert {event for _, event in RUN} == set(EventKind) - set(_STEP_KINDS)
