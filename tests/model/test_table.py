"""The model's moves and the program's table are the same, and the model makes every one of them."""

from __future__ import annotations

from changeover.contracts import RunState, StepState
from changeover.engine import transitions
from changeover.journal.events import EventKind
from tests.model import moves
from tests.model.explore import Seen, explore
from tests.model.suites import COVERING
from tests.model.words import FORWARD, ROLLBACK

Row = tuple[str, str, str, str]  # state, event, state after, who

#: Moves that no suite makes, and why: phase (empty: the run), state, event.
_NOT_MADE = {
    ("", "planned", "abort_requested"): "an engine starts the run in its first transaction",
    (FORWARD, "running", "step_skipped"): "what cannot be verified in a dry run; a task that is skipped while it is open",
    (ROLLBACK, "running", "step_skipped"): "what cannot be verified in a dry run",
    (ROLLBACK, "pending", "step_skipped"): "its author's `when`",
    (ROLLBACK, "failed", "step_skipped"): "best effort, by its author's word",
}


def rows(table: object) -> set[Row]:
    """A table of the program as rows of words."""
    assert isinstance(table, dict)
    who = {
        transitions.Actor.ENGINE: "engine",
        transitions.Actor.PERSON: "person",
        transitions.Actor.EITHER: "either",
        transitions.Actor.TWO_PEOPLE: "two people",
    }
    return {(state.value, event.value, move.to.value, who[move.by]) for (state, event), move in table.items()}


def model_rows(table: dict[tuple[str, str], moves.Move]) -> set[Row]:
    return {(state, event, move.to, move.who) for (state, event), move in table.items()}


def test_the_tables_agree_in_both_directions() -> None:
    assert rows(dict(transitions.FORWARD)) == model_rows(moves.STEPS[FORWARD])
    assert rows(dict(transitions.ROLLBACK)) == model_rows(moves.STEPS[ROLLBACK])
    assert rows(dict(transitions.RUN)) == model_rows(moves.RUN)


def test_the_model_speaks_the_journals_words() -> None:
    steps = {**moves.STEPS[FORWARD], **moves.STEPS[ROLLBACK]}
    assert {state for state, _ in steps} | {move.to for move in steps.values()} == {state.value for state in StepState}
    assert {state for state, _ in moves.RUN} == {state.value for state in RunState}
    assert {event for _, event in (*steps, *moves.RUN)} == {kind.value for kind in EventKind}


def test_the_model_makes_every_move_that_leads_anywhere_and_no_other() -> None:
    seen: set[Seen] = set()
    for suite in COVERING:
        report = explore(suite)
        assert report.violation == "", "\n".join([*report.trace, report.violation])
        seen |= report.moves
    tables = {**moves.STEPS, "": moves.RUN}
    there = {(phase, state, event): move for phase, table in tables.items() for (state, event), move in table.items()}
    for phase, state, event, person, after in seen:
        move = there[phase, state, event]
        assert move.to == after
        assert move.who == "either" or (move.who == "engine") is not person
    made = {(phase, state, event) for phase, state, event, _, _ in seen}
    lead_on = {place for place, move in there.items() if move.to != place[1]}
    assert lead_on - made == set(_NOT_MADE)
