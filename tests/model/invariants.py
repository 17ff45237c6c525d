"""What must never happen, whatever dies: looked at in the world and in the journal, never by the rules' own eyes."""

from __future__ import annotations

from dataclasses import dataclass

from tests.model.book import Book, Event, began
from tests.model.state import ACTING, NOTHING, SENT, WHOLE, Message, State, Suite
from tests.model.words import (
    APPROVAL,
    FINAL,
    FORWARD,
    PASSED,
    ROLLBACK_REQUESTED,
    ROLLED_BACK,
    ROLLING_BACK,
    RUNNING,
    SKIPPED,
    STARTED,
    STEP_PASSED,
    STEP_SKIPPED,
    STEP_WAIVED,
    SUCCEEDED,
    WAIVED,
)


@dataclass(eq=False)
class Violation(Exception):
    """An invariant does not hold: its name, and what happened."""

    name: str
    why: str

    def __str__(self) -> str:
        return f"{self.name}: {self.why}"


def begins(suite: Suite, state: State, message: Message) -> None:
    """A target begins to act on *message*. Raises Violation."""
    node, run = suite.graph.nodes[message.step], state.book.run
    if run in FINAL:
        raise Violation("I6", f"{node.key} begins although the run is {run}")
    for other in state.air:
        if other.where == ACTING and suite.graph.nodes[other.step].effect == node.effect:
            raise Violation("I7", f"two attempts act at once: {node.key} #{message.attempt} beside #{other.attempt}")
    if state.book.steps[message.step].state == PASSED:
        raise Violation("I1", f"{node.key} begins again although it has passed")
    if node.phase == FORWARD:
        _forward(suite, state, message)
    else:
        _back(suite, state, message)


def _forward(suite: Suite, state: State, message: Message) -> None:
    node, effect = suite.graph.nodes[message.step], state.effects[message.step]
    if effect != NOTHING and not node.repeatable:
        raise Violation("I1", f"{node.key} begins although {effect} of it is there, and it must not happen twice")
    for need in node.needs:
        before = suite.graph.nodes[need]
        there = state.effects[need] == WHOLE if before.effect >= 0 else state.book.steps[need].state == PASSED
        given_up = state.book.steps[need].state == SKIPPED or state.book.run != RUNNING  # a skip is looked at on the way out
        if not there and not given_up:
            raise Violation("I3", f"{node.key} begins although {before.key} is not complete")
    if state.book.run == ROLLING_BACK:
        raise Violation("I9", f"{node.key} begins although the run rolls back")


def _back(suite: Suite, state: State, message: Message) -> None:
    nodes, node = suite.graph.nodes, suite.graph.nodes[message.step]
    for other in state.air:
        if nodes[other.step].phase == FORWARD and other.where == ACTING:
            raise Violation("I4", f"{node.key} begins while {nodes[other.step].key} is at work")
    for undo in node.behind:
        later = nodes[undo].effect
        if state.effects[later] != NOTHING and state.book.steps[undo].state != WAIVED:
            raise Violation("I4", f"{node.key} begins although {state.effects[later]} of {nodes[later].key} is still there")
        if any(other.step == later and other.where == SENT and not _refused(state, other) for other in state.air):
            raise Violation("I4", f"{node.key} begins although {nodes[later].key} is still in the air")
    if state.effects[node.effect] == NOTHING and not node.repeatable:
        raise Violation("I5", f"{node.key} begins although nothing is there to undo")
    for point in suite.graph.points:
        if state.effects[point] == WHOLE and not state.book.glass:
            raise Violation("I8", f"{node.key} begins although {nodes[point].key} has been passed")


def _refused(state: State, message: Message) -> bool:
    target = state.targets[message.step]
    return message.token <= target.fence or bool(target.begun >> message.attempt & 1)


def written(suite: Suite, state: State, book: Book, event: Event) -> None:
    """*event* is about to stand in the journal behind *book*. Raises Violation."""
    kind = event.kind
    if kind == STARTED:
        if book.held:
            raise Violation("H", f"{suite.graph.nodes[event.step].key} is intended although the run is held")
        node = suite.graph.nodes[event.step]
        if node.form == APPROVAL and len(set(state.consent[event.step])) < node.quorum:
            raise Violation("G", f"{node.key} passes with the consent of {len(set(state.consent[event.step]))} of {node.quorum}")
    elif event.who:
        _peoples(suite, book, event)


def _peoples(suite: Suite, book: Book, event: Event) -> None:
    kind, two = event.kind, bool(event.second) and event.second != event.who
    if kind == STEP_WAIVED and not two:
        raise Violation("W", f"{suite.graph.nodes[event.step].key} is given up by {event.who} alone")
    past = any(began(book.steps[point]) for point in suite.graph.points)
    if kind == ROLLBACK_REQUESTED and past and not two:
        raise Violation("I8", f"{event.who} alone turns the run back past its point of no return")
    if kind == STEP_SKIPPED and suite.graph.nodes[event.step].mandatory:
        raise Violation("M", f"{suite.graph.nodes[event.step].key} is mandatory, and skipped")
    if kind in {STEP_PASSED, STEP_SKIPPED} and past and not two and suite.graph.nodes[event.step].phase == FORWARD:
        raise Violation("W", f"{event.who} alone says what became of a step past the point of no return")


def ended(suite: Suite, state: State) -> None:
    """The run is over. Raises Violation."""
    book, nodes = state.book, suite.graph.nodes
    if book.run == SUCCEEDED:
        for number in suite.graph.forward:
            if nodes[number].effect >= 0 and state.effects[number] != WHOLE and book.steps[number].state != SKIPPED:
                raise Violation("I2", f"the run succeeded, and {state.effects[number]} of {nodes[number].key} is there")
    elif book.run == ROLLED_BACK:
        for number in suite.graph.rollback:
            if state.effects[nodes[number].effect] != NOTHING and book.steps[number].state != WAIVED:
                what = state.effects[nodes[number].effect]
                raise Violation("I5", f"the run is rolled back, and {what} of {nodes[nodes[number].effect].key} is there")
