"""What became of a step: first the fence is raised, then the target is asked; where there is neither, people find out."""

from __future__ import annotations

from tests.model.book import Event, Step
from tests.model.conditions import BEGINS_IN
from tests.model.desk import Desk
from tests.model.state import ACTING, NOTHING, WHOLE
from tests.model.words import (
    FORWARD,
    STEP_ASKED,
    STEP_DIRTY,
    STEP_FAILED,
    STEP_PASSED,
    STEP_RESET,
    STEP_RETRYING,
    TASK,
    UNKNOWN,
)


def is_with_people(step: Step) -> bool:
    """Whether it is a task that somebody was asked to do, and has not said that it is done."""
    return step.question is not None and step.question.form == TASK and not step.question.answered


def finds_out(desk: Desk, number: int) -> None:
    """Of a step in doubt; before the way back also of one that failed, waits for another try, or was skipped after it began."""
    suite, state = desk.suite, desk.state
    node, step, rules = suite.graph.nodes[number], state.book.steps[number], suite.rules
    leaving = state.book.run != BEGINS_IN[node.phase]
    if node.effect < 0 or not step.tainted:
        _concludes(desk, number, STEP_RESET if leaving else STEP_RETRYING)
    elif node.form == TASK:
        _concludes(desk, number, STEP_DIRTY if leaving else STEP_RETRYING)
    elif not node.fenced:
        _concludes(desk, number, STEP_ASKED)
    elif step.state == UNKNOWN and node.repeatable and not rules.fence_what_is_repeatable and not leaving:
        _concludes(desk, number, STEP_RETRYING)
    elif rules.fence_then_probe and rules.fence_at_the_target and state.targets[number].fence < _token(desk, number):
        _raises_the_fence(desk, number)
    elif not any(message.step == number and message.where == ACTING for message in state.air):
        for kind in _found(desk, number, leaving=leaving):
            _concludes(desk, number, kind)


def _token(desk: Desk, number: int) -> int:
    """Up to which token nothing may begin any more."""
    return desk.state.book.steps[number].attempt if desk.suite.rules.fence_of_each_attempt else desk.state.book.epoch - 1


def _raises_the_fence(desk: Desk, number: int) -> None:
    targets = desk.state.targets
    fenced = targets[number]._replace(fence=_token(desk, number))
    raised = desk.state._replace(targets=(*targets[:number], fenced, *targets[number + 1 :]))
    desk.turn("engine {engine} raises the fence of {step} to {attempt}", number, fenced.fence, raised)


def _found(desk: Desk, number: int, *, leaving: bool) -> tuple[str, ...]:
    """What the probe's answer means."""
    node, step = desk.suite.graph.nodes[number], desk.state.book.steps[number]
    effect = desk.state.effects[node.effect]
    done, clean = (WHOLE, NOTHING) if node.phase == FORWARD else (NOTHING, WHOLE)
    if effect == clean:
        return (STEP_RESET,)
    if effect == done:
        return (STEP_PASSED,) if step.state == UNKNOWN else (STEP_DIRTY,)
    if leaving:
        return (STEP_DIRTY,)
    return (STEP_RETRYING, STEP_FAILED) if node.repeatable else (STEP_ASKED,)


def _concludes(desk: Desk, number: int, kind: str) -> None:
    desk.write("engine {engine} finds out about {step} #{attempt}", Event(kind, number, desk.state.book.steps[number].attempt))
