"""What people say, and do. They are honest; they are not told by the model when it would be better to be silent."""

from __future__ import annotations

from tests.model.book import Event, Question, crossed
from tests.model.desk import Desk
from tests.model.graph import Node
from tests.model.rules import ALL
from tests.model.state import NOTHING, WHOLE, State, Suite, Turn
from tests.model.words import (
    ABORT_REQUESTED,
    ANSWER,
    APPROVAL,
    ASKS,
    DIRTY,
    FAILED,
    FINAL,
    FORWARD,
    HELD,
    PENDING,
    RELEASED,
    RETRYING,
    ROLLBACK,
    ROLLBACK_REQUESTED,
    ROLLING_BACK,
    RUNNING,
    STEP_DIRTY,
    STEP_FAILED,
    STEP_PASSED,
    STEP_RESET,
    STEP_RETRYING,
    STEP_SKIPPED,
    STEP_WAIVED,
    TASK,
    WARNED,
)

_ANNA, _BELA = "anna", "bela"


def turns(suite: Suite, state: State, out: list[Turn]) -> None:
    """Add what people can say now: an engine that has the run acts on it. Raises Violation."""
    place = len(state.engines) - 1
    if place < 0 or state.engines[place].epoch != state.book.epoch or state.book.run in FINAL:
        return
    desk = Desk(suite, state, place, out)
    _of_the_run(desk)
    for number, step in enumerate(state.book.steps):
        if step.question is not None:
            _decide(desk, number, step.question)
        if step.state == ASKS and not _can_be_seen(desk, number):
            continue
        if step.state == ASKS:
            _find_out(desk, number)
        elif step.state in {FAILED, DIRTY}:
            _see_to_it(desk, number)
        if step.state in {PENDING, RETRYING, FAILED, DIRTY}:
            _give_up(desk, number)


def _poorer(desk: Desk, word: str) -> Desk:
    """The desk after one of the words that people have *left* is spoken."""
    left = desk.state.left
    return desk.at(desk.state._replace(left=left._replace(**{word: getattr(left, word) - 1})))


def _both(desk: Desk, then: Desk, text: str, *events: Event) -> None:
    """Two people say the same: anna first, and her word stands in the journal; then bela. Bela tries it alone as well.

    *desk*: before; *then*: at the moment in which it counts.
    """
    first = events[0]
    if (text, first.step, first.attempt, _ANNA) in desk.state.book.words:
        then.write(f"bela says so too: {text} {{step}}", first._replace(second=_ANNA), *events[1:])
        return
    desk.write(f"anna wants to {text} {{step}}", Event(WARNED, first.step, first.attempt, who=_ANNA, what=text))
    then.write(f"bela alone: {text} {{step}}", *events)


# the run


def _of_the_run(desk: Desk) -> None:
    left, held, run = desk.state.left, desk.state.book.held, desk.state.book.run
    if held:
        desk.write("bela releases the run", Event(RELEASED, who=_BELA))
    elif left.holds:
        _poorer(desk, "holds").write("anna holds the run", Event(HELD, who=_ANNA))
    released = (Event(RELEASED, who=_ANNA),) if held else ()
    if left.rollbacks:
        asked = Event(ROLLBACK_REQUESTED, who=_ANNA)
        _poorer(desk, "rollbacks").write("anna asks for a rollback", asked, *released)
    if left.stages:
        first = Event(ROLLBACK_REQUESTED, who=_ANNA, what=desk.suite.graph.nodes[0].stage)
        _poorer(desk, "stages").write("anna asks for a rollback to the first stage", first, *released)
    if desk.state.book.to:
        further = Event(ROLLBACK_REQUESTED, who=_BELA, second=_ANNA if desk.state.book.glass else "")
        desk.write("bela asks for a rollback of all", further, *released)
    if left.glasses and run == RUNNING and crossed(desk.suite.graph, desk.state.book, ALL):
        asked = Event(ROLLBACK_REQUESTED, who=_BELA)
        _both(desk, _poorer(desk, "glasses"), "break the glass and roll back", asked, *released)
    if left.aborts:
        _poorer(desk, "aborts").write("anna aborts the run", Event(ABORT_REQUESTED, who=_ANNA))


# questions


def _decide(desk: Desk, number: int, question: Question) -> None:
    step, node, rules = desk.state.book.steps[number], desk.suite.graph.nodes[number], desk.suite.rules
    if question.answered or step.state not in {PENDING, RETRYING, RUNNING}:
        return
    if question.form == TASK:
        _do(desk, number)
        return
    for who in (_ANNA, _BELA) if node.quorum > 1 else (_ANNA,):
        if who not in question.yes or not rules.gate_waits_for_its_quorum:
            yes = Event(ANSWER, number, step.attempt, who=who, answer="yes")
            desk.write(f"{who} approves {{step}}", yes)
    if desk.state.left.refusals:
        no = Event(ANSWER, number, step.attempt, who=_BELA, answer="no")
        hold = () if desk.state.book.held else (Event(HELD, who=_BELA),)
        text = "bela refuses {step}: the run holds, and the question stays open"
        _poorer(desk, "refusals").write(text, no, *hold)


def _do(desk: Desk, number: int) -> None:
    step = desk.state.book.steps[number]
    if step.state != RUNNING:
        return
    yes = Event(ANSWER, number, step.attempt, who=_ANNA, form=TASK, answer="yes")
    desk.at(_made(desk, number)).write("anna does {step}, and says so", yes)
    if desk.state.left.faults:
        failed = Event(STEP_FAILED, number, step.attempt, who=_ANNA)
        _poorer(desk, "faults").write("anna says that {step} cannot be done", yes._replace(answer="no"), failed)


# steps


def _made(desk: Desk, number: int) -> State:
    """A person has finished it with their own hands."""
    node, effects = desk.suite.graph.nodes[number], desk.state.effects
    what = WHOLE if node.phase == FORWARD else NOTHING
    return desk.state._replace(effects=(*effects[: node.effect], what, *effects[node.effect + 1 :]))


def _say(desk: Desk, then: Desk, text: str, event: Event) -> None:
    """One person says what became of a step; past the point of no return it takes two."""
    if desk.suite.graph.nodes[event.step].phase == FORWARD and crossed(desk.suite.graph, desk.state.book, ALL):
        _both(desk, then, text, event)
    else:
        then.write(f"bela: {text} {{step}}", event)


def _find_out(desk: Desk, number: int) -> None:
    """A person looks at what only a person can look at."""
    for kind in _seen(desk.suite.graph.nodes[number], desk.state):
        event = Event(kind, number, desk.state.book.steps[number].attempt, who=_BELA)
        _say(desk, desk, f"record {kind} of", event)


def _can_be_seen(desk: Desk, number: int) -> bool:
    """Whether nothing of a step in doubt can still come. Only then can be said what became of it."""
    state, rules = desk.state, desk.suite.rules
    in_the_air = any(message.step == number for message in state.air)
    still_sent = any(engine.mind[number] is not None for engine in state.engines)
    return not (in_the_air and rules.people_answer_when_quiet) and not (still_sent and rules.people_answer_when_dead)


def _seen(node: Node, state: State) -> tuple[str, ...]:
    """What can honestly be said of what is there."""
    done, clean = (WHOLE, NOTHING) if node.phase == FORWARD else (NOTHING, WHOLE)
    effect = state.effects[node.effect]
    if effect == done:
        return (STEP_PASSED,)
    if effect == clean:
        return (STEP_RESET, STEP_RETRYING)
    return (STEP_DIRTY, STEP_FAILED, STEP_RETRYING) if node.repeatable else (STEP_DIRTY, STEP_FAILED)


def _see_to_it(desk: Desk, number: int) -> None:
    """What has failed is tried again, when that is harmless, or finished by hand."""
    node, step = desk.suite.graph.nodes[number], desk.state.book.steps[number]
    if desk.state.book.run not in {RUNNING, ROLLING_BACK}:
        return
    clean = NOTHING if node.phase == FORWARD else WHOLE
    if node.effect < 0 or node.repeatable or not step.tainted or desk.state.effects[node.effect] == clean:
        desk.write("anna has {step} tried again", Event(STEP_RETRYING, number, step.attempt, who=_ANNA))
    if node.effect >= 0:
        by_hand = Event(STEP_PASSED, number, step.attempt, who=_BELA)
        _say(desk, desk.at(_made(desk, number)), "finish by hand", by_hand)


def _give_up(desk: Desk, number: int) -> None:
    """A step forward is skipped with a reason; an undo is waived, by two people."""
    node, step, left = desk.suite.graph.nodes[number], desk.state.book.steps[number], desk.state.left
    if node.phase == ROLLBACK:
        if left.waivers and desk.state.book.run == ROLLING_BACK:
            _both(desk, _poorer(desk, "waivers"), "give up", Event(STEP_WAIVED, number, step.attempt, who=_BELA))
    elif left.skips and node.form != APPROVAL:
        _say(desk, _poorer(desk, "skips"), "skip", Event(STEP_SKIPPED, number, step.attempt, who=_BELA))
