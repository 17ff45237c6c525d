"""Why an event may not stand in the journal where it stands: the conditions that are checked in its own transaction."""

from __future__ import annotations

from tests.model.book import OF_THE_RUN, Book, Event, Question, began, crossed
from tests.model.graph import Graph
from tests.model.moves import RUN, STEPS, Move
from tests.model.rules import Rules
from tests.model.words import (
    ANSWER,
    ASKS,
    EITHER,
    ENGINE,
    FAILED,
    FINAL,
    FORWARD,
    HELD,
    IN_DOUBT,
    LAPSE,
    NOTES,
    PASSED,
    QUESTION,
    RELEASED,
    RETRYING,
    ROLLBACK,
    ROLLBACK_REQUESTED,
    ROLLBACK_STARTED,
    ROLLING_BACK,
    RUN_ABORTED,
    RUN_ROLLED_BACK,
    RUN_SUCCEEDED,
    RUNNING,
    SETTLED,
    SKIPPED,
    STARTED,
    STEP_ASKED,
    STEP_DIRTY,
    STEP_FAILED,
    STEP_PASSED,
    STEP_RESET,
    STEP_RETRYING,
    STEP_SKIPPED,
    STEP_WAIVED,
    STOPPING,
    SUSPENSION_CLOSED,
    SUSPENSION_LEFT,
    SUSPENSION_OPENED,
    TASK,
    UNKNOWN,
    UNRESOLVED,
)

#: In which state of the run a step of each phase may begin.
BEGINS_IN = {FORWARD: RUNNING, ROLLBACK: ROLLING_BACK}
#: Only while steps of that phase may begin.
_WHILE_OPEN = frozenset({STARTED, STEP_RETRYING, QUESTION, STEP_WAIVED})
#: What a look before the way back comes to, and at steps in which states.
_LOOKED_AT = frozenset({STEP_RESET, STEP_DIRTY, STEP_ASKED})
_BEFORE_THE_WAY_BACK = frozenset({FAILED, RETRYING, SKIPPED})


def why_not(graph: Graph, rules: Rules, book: Book, event: Event) -> str:
    """Why *event* may not follow what *book* says; empty when it may."""
    if event.step < 0 or event.kind in OF_THE_RUN:
        return _of_run(graph, rules, book, event)
    if book.run in FINAL:
        return f"the run is {book.run}"
    return _of_step(graph, rules, book, event)


def _not_theirs(move: Move, who: str) -> str:
    if move.who == EITHER or (move.who == ENGINE) is (who == ""):
        return ""
    return f"only {'the engine' if move.who == ENGINE else move.who.replace('person', 'a person')} may"


# a step


def _of_step(graph: Graph, rules: Rules, book: Book, event: Event) -> str:
    node, step, kind = graph.nodes[event.step], book.steps[event.step], event.kind
    move = STEPS[node.phase].get((step.state, kind))
    if move is None:
        return f"it is {step.state}"
    theirs = _not_theirs(move, event.who)
    if theirs:
        return theirs
    if kind == STARTED:
        return _why_not_begin(graph, rules, book, event)
    if event.attempt != step.attempt and rules.answer_of_this_attempt:
        return f"its attempt is {step.attempt}"
    if kind in NOTES:
        return ""
    if kind in _WHILE_OPEN and book.run != BEGINS_IN[node.phase]:
        return f"the run is {book.run}"
    if kind in _LOOKED_AT and step.state in _BEFORE_THE_WAY_BACK and book.run != STOPPING:
        return f"the run is {book.run}, and nothing has to be found out"
    if event.who and (kind == STEP_WAIVED or node.phase == FORWARD):
        return _people(graph, rules, book, event)
    return _engine(graph, rules, book, event)


def _why_not_begin(graph: Graph, rules: Rules, book: Book, event: Event) -> str:
    """The intent: all of this is looked at in the transaction that writes it."""
    node, step = graph.nodes[event.step], book.steps[event.step]
    if book.run != BEGINS_IN[node.phase] and rules.state_with_the_intent:
        return f"the run is {book.run}"
    if book.held and rules.hold_stops_intents:
        return f"the run is held by {book.held}"
    if book.owes and rules.lapse_holds:
        return "the run must be held: a deadline has passed, or people have refused"
    if event.attempt != step.attempt + 1:
        return f"its next attempt is {step.attempt + 1}"
    if step.question is not None and not _decided(rules, step.question):
        return "people have not decided"
    if node.phase == FORWARD:
        if rules.needs_are_settled:
            return _waits(graph, book, node.needs)
        return ""
    if not _counts(graph, rules, book, event.step):
        return "there is nothing to undo"
    if not rules.undo_in_reverse:
        return ""
    return _waits(graph, book, node.needs) or _not_undone(graph, rules, book, node.behind)


def _decided(rules: Rules, question: Question) -> bool:
    if not rules.gate_waits_for_its_quorum:
        return bool(question.yes)
    return question.answered or (question.lapsed and not rules.lapse_holds)


def _waits(graph: Graph, book: Book, needs: tuple[int, ...]) -> str:
    for need in needs:
        if not _done(graph, book, need):
            return f"it waits for {graph.nodes[need].key}, which is {book.steps[need].state}"
    return ""


def _done(graph: Graph, book: Book, number: int) -> bool:
    """Whether who needs it may begin. What was given up before its turn, or has nothing to undo, lets through in its turn."""
    node, state = graph.nodes[number], book.steps[number].state
    if state == PASSED:
        return True
    nothing_there = node.phase == ROLLBACK and not any(began(book.steps[step]) for step in node.undoes)
    left_out = nothing_there or _stays(graph, book, number)
    if state in SETTLED or left_out:
        return all(_done(graph, book, need) for need in node.needs)
    return False


def _counts(graph: Graph, rules: Rules, book: Book, number: int) -> bool:
    """Whether this undo has anything to undo, and its stage does not stay."""
    if _stays(graph, book, number):
        return False
    undoes = graph.nodes[number].undoes
    if rules.undo_what_started:
        return any(began(book.steps[step]) for step in undoes)
    return any(book.steps[step].state == PASSED for step in undoes)


def _stays(graph: Graph, book: Book, number: int) -> bool:
    return bool(book.to) and number in graph.stay[book.to]


def _not_undone(graph: Graph, rules: Rules, book: Book, behind: tuple[int, ...]) -> str:
    for number in behind:
        if book.steps[number].state not in SETTLED and _counts(graph, rules, book, number):
            return f"{graph.nodes[number].key} comes first, which is {book.steps[number].state}"
    return ""


def _engine(graph: Graph, rules: Rules, book: Book, event: Event) -> str:
    """What the engine may conclude."""
    step, kind = book.steps[event.step], event.kind
    asked = step.question
    if kind in {STEP_PASSED, STEP_FAILED} and step.state == RUNNING:
        task = asked is not None and asked.form == TASK
        if task and kind == STEP_PASSED and not asked.answered:  # type: ignore[union-attr]
            return "nobody has said that it is done"
        if step.epoch != (event.epoch or book.epoch) and not task and rules.running_becomes_unknown:
            return "its intent is of an earlier engine: nobody knows what became of it"
    if kind == ANSWER:
        return _answer(rules, asked, event)
    if kind == LAPSE and (asked is None or asked.lapsed or asked.answered):
        return "no question waits for an answer"
    if kind == QUESTION and asked is not None:
        return "it is asked already"
    own_try = kind == STEP_RETRYING and step.state == FAILED and not event.who
    if own_try and not graph.nodes[event.step].repeatable and rules.retry_only_what_may_repeat:
        return "it is not repeatable"
    return ""


def _people(graph: Graph, rules: Rules, book: Book, event: Event) -> str:
    """What a person may say, and what takes two."""
    node, step, kind = graph.nodes[event.step], book.steps[event.step], event.kind
    if kind == ANSWER:
        return _answer(rules, step.question, event)
    if kind == STEP_WAIVED:
        return _second(book, event) if rules.waiver_by_two else ""
    if kind == STEP_SKIPPED:
        if node.mandatory and rules.mandatory_is_not_skipped:
            return "it is mandatory"
        if book.run != RUNNING:
            return f"the run is {book.run}"
    if kind == STEP_PASSED and step.state != ASKS and book.run != RUNNING:
        return f"the run is {book.run}"
    says_what_became_of_it = kind in {STEP_PASSED, STEP_SKIPPED} or (step.state == ASKS and kind != STEP_FAILED)
    if says_what_became_of_it and rules.by_hand_by_two and crossed(graph, book, rules):
        return _second(book, event)
    return ""


def _answer(rules: Rules, question: Question | None, event: Event) -> str:
    if question is None:
        return "nothing is asked"
    twice = event.answer == "yes" and event.who in question.yes and rules.gate_waits_for_its_quorum
    return f"{event.who} has said so already" if twice else ""


def _second(book: Book, event: Event) -> str:
    """Two different people, and the first one's word stands in the journal."""
    if not event.second or event.second == event.who:
        return "it needs a second person"
    for _, step, attempt, who in book.words:
        if who == event.second and step == event.step and attempt == event.attempt:
            return ""
    return f"{event.second} has not said so"


# the run


def _of_run(graph: Graph, rules: Rules, book: Book, event: Event) -> str:
    move = RUN.get((book.run, event.kind))
    if move is None:
        return f"the run is {book.run}"
    theirs = _not_theirs(move, event.who)
    if theirs:
        return theirs
    condition = _RUN_CONDITIONS.get(event.kind)
    return "" if condition is None else condition(graph, rules, book, event)


def _hold(_graph: Graph, _rules: Rules, book: Book, _event: Event) -> str:
    return f"it is held by {book.held} already" if book.held else ""


def _release(_graph: Graph, _rules: Rules, book: Book, event: Event) -> str:
    if not book.held:
        return "it is not held"
    return f"{book.held} holds it" if not event.who and book.held != ENGINE else ""


def _turn_back(graph: Graph, rules: Rules, book: Book, event: Event) -> str:
    if event.what and event.what not in graph.stay:
        return f"there is no stage {event.what}"
    if book.run != RUNNING and not _stays_of(graph, event.what) < _stays_of(graph, book.to):
        return f"it is rolled back {f'to {book.to}' if book.to else 'as a whole'} already; what is undone cannot stay"
    if not crossed(graph, book, rules):
        return ""
    if not rules.glass_by_two:
        return "" if event.who else "the point of no return is behind it"
    return _second(book, event) and f"the point of no return is behind it: {_second(book, event)}"


def _stays_of(graph: Graph, stage: str) -> frozenset[int]:
    return graph.stay[stage] if stage else frozenset()


def _undo(graph: Graph, rules: Rules, book: Book, _event: Event) -> str:
    if not rules.quiet_before_undo:
        return ""
    unresolved = UNRESOLVED
    if not rules.resolve_before_undo:
        unresolved -= {UNKNOWN}
    if not rules.failed_is_probed:
        unresolved -= {FAILED, RETRYING}
        return _among(graph, book, graph.forward, unresolved, "not resolved")
    skipped = [number for number in graph.forward if book.steps[number].state == SKIPPED and book.steps[number].tainted]
    unresolved_too = _among(graph, book, tuple(skipped), frozenset({SKIPPED}), "skipped after it began, and not looked at")
    return _among(graph, book, graph.forward, unresolved, "not resolved") or unresolved_too


def _succeed(graph: Graph, rules: Rules, book: Book, _event: Event) -> str:
    if not rules.success_means_all:
        return ""
    return _still(book) or _waits(graph, book, graph.forward)


def _be_back(graph: Graph, rules: Rules, book: Book, _event: Event) -> str:
    if book.to and rules.back_means_all:
        return f"{book.to} and what it rests on are left"
    left = tuple(number for number in graph.rollback if _counts(graph, rules, book, number))
    return _still(book) or _waits(graph, book, left)


def _still(book: Book) -> str:
    if book.held:
        return f"the run is held by {book.held}"
    return f"still off: {', '.join(book.off)}" if book.off else ""


def _abort(graph: Graph, rules: Rules, book: Book, _event: Event) -> str:
    if not rules.abort_waits_for_proof:
        return ""
    return _among(graph, book, range(len(graph.nodes)), IN_DOUBT, "in doubt")


def _among(graph: Graph, book: Book, numbers: range | tuple[int, ...], states: frozenset[str], what: str) -> str:
    for number in numbers:
        if book.steps[number].state in states:
            return f"{what}: {graph.nodes[number].key} is {book.steps[number].state}"
    return ""


def _open(_graph: Graph, _rules: Rules, book: Book, event: Event) -> str:
    return "" if event.kind == SUSPENSION_OPENED or event.what in book.off else f"{event.what} is not off"


_RUN_CONDITIONS = {
    HELD: _hold,
    RELEASED: _release,
    ROLLBACK_REQUESTED: _turn_back,
    ROLLBACK_STARTED: _undo,
    RUN_SUCCEEDED: _succeed,
    RUN_ROLLED_BACK: _be_back,
    RUN_ABORTED: _abort,
    SUSPENSION_CLOSED: _open,
    SUSPENSION_LEFT: _open,
}
