"""What an engine does of itself: it begins, sends, waits, and brings the run to its end. It may die between any two turns."""

from __future__ import annotations

from typing import Final

from tests.model import recovery
from tests.model.book import Event
from tests.model.conditions import why_not
from tests.model.desk import Desk, record
from tests.model.rules import ALL
from tests.model.state import DONE, INTENDED, LOOKED, NOT_DONE, SENT, WAITS, Engine, Message, State, Suite, Turn
from tests.model.words import (
    ABORTING,
    APPROVAL,
    CHANGE_ACCEPTED,
    ENGINE_STARTED,
    FAILED,
    FINAL,
    HELD,
    LAPSE,
    PENDING,
    PLANNED,
    QUESTION,
    RETRYING,
    ROLLBACK_STARTED,
    ROLLING_BACK,
    RUN_ABORTED,
    RUN_ROLLED_BACK,
    RUN_STARTED,
    RUN_SUCCEEDED,
    RUNNING,
    SKIPPED,
    STARTED,
    STEP_DIRTY,
    STEP_FAILED,
    STEP_PASSED,
    STEP_RETRYING,
    STEP_UNKNOWN,
    STOPPING,
    TAKEN_OVER,
    TASK,
    UNKNOWN,
)

#: How the engine goes on in each state of the run.
_NEXT: Final = {
    RUNNING: RUN_SUCCEEDED,
    STOPPING: ROLLBACK_STARTED,
    ROLLING_BACK: RUN_ROLLED_BACK,
    ABORTING: RUN_ABORTED,
}


def turns(suite: Suite, state: State, out: list[Turn]) -> None:
    """Add all that engines can do. Raises Violation."""
    _starts(suite, state, out)
    for place, engine in enumerate(state.engines):
        desk = Desk(suite, state, place, out)
        _may_die(desk)
        for number, thought in enumerate(engine.mind):
            if thought is not None and thought[0] == INTENDED:
                _sends(desk, number)
        if state.book.run not in FINAL and (engine.epoch == state.book.epoch or not suite.rules.lease_in_every_write):
            _works(desk)


# one incarnation after the other


def _starts(suite: Suite, state: State, out: list[Turn]) -> None:
    """A new incarnation takes the lease, of a dead one at once, and finds what was running: nobody knows what became of it."""
    book, left = state.book, state.left
    said: tuple[Event, ...] = ()
    if book.run in FINAL or len(state.engines) == suite.engines:
        return
    if any(engine.epoch == book.epoch for engine in state.engines):
        if not left.takeovers:
            return
        left = left._replace(takeovers=left.takeovers - 1)
        said = (Event(TAKEN_OVER, who="anna"),)
    taken = state._replace(left=left)
    _begins_with(suite, taken, said, out)
    if left.changes:
        changed = taken._replace(left=left._replace(changes=left.changes - 1))
        _begins_with(suite, changed, (*said, Event(CHANGE_ACCEPTED, who="anna")), out)


def _begins_with(suite: Suite, state: State, said: tuple[Event, ...], out: list[Turn]) -> None:
    rules, epoch = suite.rules, state.book.epoch + 1
    book = state.book
    if not rules.way_back_is_durable and book.run == ROLLING_BACK:
        book = book._replace(run=RUNNING)
    if not rules.running_becomes_unknown:
        again = (step._replace(state=PENDING) if step.state == RUNNING else step for step in book.steps)
        book = book._replace(steps=tuple(again))
    events = [*said, Event(ENGINE_STARTED, epoch=epoch)]
    if book.run == PLANNED:
        events.append(Event(RUN_STARTED))
    events += [
        Event(STEP_UNKNOWN, number, step.attempt)
        for number, step in enumerate(book.steps)
        if step.state == RUNNING and not recovery.is_with_people(step)
    ]
    engine = Engine(epoch, (None,) * len(book.steps))
    then = record(suite, state._replace(book=book), Engine(book.epoch, ()), *events)
    if then is not None:
        text = "engine {engine} takes the run"
        out.append(Turn(text, epoch, -1, 0, tuple(events), then._replace(engines=(*state.engines, engine))))


def _may_die(desk: Desk) -> None:
    state, engine, place = desk.state, desk.engine, desk.place
    gone = state._replace(engines=state.engines[:place] + state.engines[place + 1 :])
    if state.left.crashes and state.book.run not in FINAL:
        desk.turn("engine {engine} is killed", -1, 0, gone._replace(left=state.left._replace(crashes=state.left.crashes - 1)))
    if engine.epoch != state.book.epoch and desk.suite.rules.lease_in_every_write:
        desk.turn("engine {engine} learns that it has lost the run", -1, 0, gone)


# at work


def _works(desk: Desk) -> None:
    for number in range(len(desk.suite.graph.nodes)):
        _goes_on(desk, number)
        _finds_out(desk, number)
        if desk.state.left.lapses:
            _lapses(desk, number)
    desk.write("engine {engine} goes on", Event(_NEXT[desk.state.book.run]))


def _goes_on(desk: Desk, number: int) -> None:
    """With what it has in mind of a step."""
    thought, step = desk.engine.mind[number], desk.state.book.steps[number].state
    if thought is None:
        if step in {PENDING, RETRYING}:
            _begins(desk, number)
        elif step == RUNNING:
            _people_have_answered(desk, number)
    elif thought[0] == LOOKED:
        _intends(desk.at(desk.minding(number, None)), number)
    elif thought[0] != INTENDED:
        _hears(desk, number, *thought)


def _finds_out(desk: Desk, number: int) -> None:
    step, rules = desk.state.book.steps[number], desk.suite.rules
    before_the_way_back = step.state in {FAILED, RETRYING} or (step.state == SKIPPED and step.tainted)
    if step.state == UNKNOWN or (before_the_way_back and desk.state.book.run == STOPPING and rules.failed_is_probed):
        recovery.finds_out(desk, number)
    elif step.state == FAILED and (desk.suite.graph.nodes[number].repeatable or not rules.retry_only_what_may_repeat):
        desk.write("engine {engine} tries {step} again", Event(STEP_RETRYING, number, step.attempt))


def _begins(desk: Desk, number: int) -> None:
    """A gate asks first. A step whose parameters cannot be made has failed before anything was sent."""
    suite, state = desk.suite, desk.state
    node, step, left = suite.graph.nodes[number], state.book.steps[number], state.left
    ready = not why_not(suite.graph, suite.rules, state.book, Event(STARTED, number, step.attempt + 1))
    if node.form == APPROVAL and step.question is None:
        if ready:
            asked = Event(QUESTION, number, step.attempt, form=APPROVAL, quorum=node.quorum)
            desk.write("engine {engine} asks about {step}", asked)
        return
    if left.mistakes and ready:
        poorer = desk.at(state._replace(left=left._replace(mistakes=left.mistakes - 1)))
        poorer.write("engine {engine} cannot send {step}", Event(STEP_FAILED, number, step.attempt))
    if suite.rules.state_with_the_intent:
        if ready:
            _intends(desk, number)
    elif not why_not(suite.graph, ALL, state.book, Event(STARTED, number, step.attempt + 1)):
        looked = desk.minding(number, (LOOKED, step.attempt + 1))
        desk.turn("engine {engine} looks whether {step} may begin", number, step.attempt + 1, looked)


def _intends(desk: Desk, number: int) -> None:
    node, attempt = desk.suite.graph.nodes[number], desk.state.book.steps[number].attempt + 1
    if not desk.suite.rules.intent_first:
        desk.turn("engine {engine} means to send {step} #{attempt}", number, attempt, desk.minding(number, (INTENDED, attempt)))
        return
    intent = Event(STARTED, number, attempt)
    events = (intent, Event(QUESTION, number, attempt, form=TASK, quorum=node.quorum)) if node.form == TASK else (intent,)
    then = record(desk.suite, desk.state, desk.engine, *events)
    if then is None:
        return
    if node.form != TASK:
        then = desk.at(then).minding(number, (DONE if node.effect < 0 else INTENDED, attempt))
    desk.turn("engine {engine} intends {step} #{attempt}", number, attempt, then, *events)


def _sends(desk: Desk, number: int) -> None:
    """No lease is asked for here: an engine that has lost it may still send what it had made ready."""
    attempt = desk.engine.mind[number][1]  # type: ignore[index]
    token = attempt if desk.suite.rules.fence_of_each_attempt else desk.engine.epoch
    waits = desk.minding(number, (WAITS, attempt))
    sent = waits._replace(air=tuple(sorted((*desk.state.air, Message(SENT, number, attempt, token)))))
    desk.turn("engine {engine} sends {step} #{attempt}", number, attempt, sent)


def _people_have_answered(desk: Desk, number: int) -> None:
    """A task that a person says is done has passed; on the way out one that nobody has answered has failed."""
    step, run = desk.state.book.steps[number], desk.state.book.run
    if step.question is None or step.question.form != TASK:
        return
    if step.question.answered:
        desk.write("engine {engine} takes the word for {step}", Event(STEP_PASSED, number, step.attempt))
    elif run in {STOPPING, ABORTING}:
        events = [Event(STEP_FAILED, number, step.attempt)]
        if run == STOPPING:
            events.append(Event(STEP_DIRTY, number, step.attempt))  # somebody may have begun it
        desk.write("engine {engine} waits no longer for {step}", *events)


def _hears(desk: Desk, number: int, what: str, attempt: int) -> None:
    """The answer goes into the journal; or patience runs out, and then nobody knows."""
    state, left = desk.state, desk.state.left
    late = () if desk.suite.rules.intent_first else (Event(STARTED, number, attempt),)
    passed, failed = (*late, Event(STEP_PASSED, number, attempt)), (*late, Event(STEP_FAILED, number, attempt))
    if what == DONE:
        desk.write("engine {engine} records that {step} #{attempt} has passed", *passed, forget=True)
        if desk.suite.graph.nodes[number].effect < 0 and left.faults:
            poorer = desk.at(state._replace(left=left._replace(faults=left.faults - 1)))
            poorer.write("engine {engine} records that {step} #{attempt} has failed", *failed, forget=True)
        return
    if what == NOT_DONE:
        desk.write("engine {engine} records that {step} #{attempt} has failed", *failed, forget=True)
        return
    if any(message.step == number and message.attempt == attempt for message in state.air):
        if not left.timeouts:
            return
        desk = desk.at(state._replace(left=left._replace(timeouts=left.timeouts - 1)))
    unknown = (*late, Event(STEP_UNKNOWN, number, attempt))
    desk.write("engine {engine} waits no longer for {step} #{attempt}: unknown", *unknown, forget=True)


def _lapses(desk: Desk, number: int) -> None:
    step, left = desk.state.book.steps[number], desk.state.left
    if step.question is None or step.question.answered or step.question.lapsed:
        return
    events = [Event(LAPSE, number, step.attempt)]
    if not desk.state.book.held and desk.suite.rules.lapse_holds:
        events.append(Event(HELD))
    desk.at(desk.state._replace(left=left._replace(lapses=left.lapses - 1))).write("the deadline of {step} passes", *events)
