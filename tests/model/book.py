"""What the journal says: the durable half of the model, and what each event makes of it."""

from __future__ import annotations

from typing import NamedTuple

from tests.model.graph import Graph
from tests.model.moves import RUN, STEPS
from tests.model.rules import Rules
from tests.model.words import (
    ANSWER,
    APPROVAL,
    CHANGE_ACCEPTED,
    COMMAND_ANSWERED,
    ENGINE_STARTED,
    ENGINE_STOPPED,
    FAILED,
    FINAL,
    HELD,
    LAPSE,
    NOTES,
    PASSED,
    PENDING,
    QUESTION,
    RELEASED,
    ROLLBACK_REQUESTED,
    ROLLBACK_STARTED,
    RUNNING,
    STARTED,
    STEP_DIRTY,
    STEP_RESET,
    STEP_RETRYING,
    STEP_SKIPPED,
    SUSPENSION_CLOSED,
    SUSPENSION_LEFT,
    SUSPENSION_OPENED,
    TASK,
    WAIVED,
    WARNED,
)
from tests.model.words import PLANNED as RUN_IS_PLANNED


class Event(NamedTuple):
    """An entry of the journal, as far as the rules look at it."""

    kind: str
    step: int = -1  # its number in the graph; -1: it is about the run
    attempt: int = 0
    who: str = ""  # a person; empty: the engine
    second: str = ""  # the person who had said the same before
    form: str = APPROVAL  # of a question
    quorum: int = 1  # of a question
    answer: str = ""  # yes or no, of a decision
    what: str = ""  # a suspension; a stage that stays in a rollback; a word that needs a second person
    epoch: int = 0  # of the incarnation that wrote it; 0 in the explorer, where the lease is looked at before


class Question(NamedTuple):
    """What people are asked before a step passes."""

    form: str
    quorum: int
    yes: tuple[str, ...] = ()  # who has said so, in order
    lapsed: bool = False

    @property
    def answered(self) -> bool:
        """Whether enough people have said yes."""
        return len(self.yes) >= self.quorum


class Step(NamedTuple):
    """What the journal says of one step."""

    state: str = PENDING
    attempt: int = 0
    tainted: bool = False  # an attempt started, and nothing proves that it left nothing
    epoch: int = 0  # the incarnation that started it, while it runs
    question: Question | None = None


class Book(NamedTuple):
    """What the journal says of the run."""

    run: str
    steps: tuple[Step, ...]
    epoch: int = 0  # the last incarnation of the engine
    awake: bool = False  # that incarnation has said that it is at work, and not that it has ended
    held: str = ""  # by whom; "engine" when nobody in particular
    words: tuple[tuple[str, int, int, str], ...] = ()  # what needs a second person: what, step, attempt, who
    off: tuple[str, ...] = ()  # suspensions that are open
    to: str = ""  # the stage to which the run is rolled back; it stays, with all that it rests on
    glass: bool = False  # two people turned the run back past its point of no return
    owes: bool = False  # a deadline has passed, or people have refused, and the hold that must follow is not there yet


def began(step: Step) -> bool:
    """Whether something of it may be out there."""
    return step.state == PASSED or step.tainted


def crossed(graph: Graph, book: Book, rules: Rules) -> bool:
    """Whether a point of no return is behind the run: from its intent on, unless nothing came of it."""
    if rules.no_return_from_intent:
        return any(began(book.steps[point]) for point in graph.points)
    return any(book.steps[point].state == PASSED for point in graph.points)


def empty(graph: Graph, run: str = RUN_IS_PLANNED) -> Book:
    """A journal in which nothing has happened yet."""
    return Book(run, (Step(),) * len(graph.nodes))


def after(graph: Graph, rules: Rules, book: Book, event: Event) -> Book:
    """The book with *event* in it."""
    if event.step >= 0 and event.kind not in OF_THE_RUN:
        if event.kind in NOTES:
            return book
        step = _after(graph, rules, book, event)
        refuses = event.kind == ANSWER and event.answer == "no" and step.question is not None and step.question.form == APPROVAL
        owes = book.owes or ((event.kind == LAPSE or refuses) and not book.held)
        return book._replace(steps=(*book.steps[: event.step], step, *book.steps[event.step + 1 :]), owes=owes)
    return _after_of_run(rules, book, event)


_SUSPENSIONS = frozenset({SUSPENSION_OPENED, SUSPENSION_CLOSED, SUSPENSION_LEFT})
#: Events about the run, even where they name a step.
OF_THE_RUN = frozenset({*_SUSPENSIONS, COMMAND_ANSWERED, WARNED})


def _after(graph: Graph, rules: Rules, book: Book, event: Event) -> Step:
    step, kind = book.steps[event.step], event.kind
    state = STEPS[graph.nodes[event.step].phase][step.state, kind].to
    if kind == STARTED:
        used = step.question
        if used is not None and not used.answered and rules.gate_waits_for_its_quorum:
            used = None
        return Step(state, event.attempt, tainted=True, epoch=event.epoch or book.epoch, question=used)
    if kind == QUESTION:
        return step._replace(question=Question(event.form, event.quorum))
    if kind == ANSWER:
        return step._replace(question=_answered(rules, step.question, event))
    if kind == LAPSE:
        return step._replace(question=step.question and step.question._replace(lapsed=True))
    tainted = step.tainted
    if kind == STEP_RESET:
        tainted = False
    elif kind == STEP_DIRTY:
        tainted = True
    elif kind == STEP_RETRYING:
        tainted = tainted and rules.retry_keeps_taint
    elif kind == STEP_SKIPPED:
        tainted = tainted and rules.skip_keeps_taint
    over = state in {PASSED, FAILED, WAIVED} or kind in {STEP_DIRTY, STEP_SKIPPED}
    keeps = not over or not rules.approval_is_used_once
    return Step(
        state, max(step.attempt, event.attempt), tainted, step.epoch if state == RUNNING else 0, step.question if keeps else None
    )


def _answered(rules: Rules, question: Question | None, event: Event) -> Question | None:
    if question is None:
        return None
    if event.answer == "no":
        return question._replace(yes=()) if rules.refusal_takes_approvals_back else question
    if event.who in question.yes and rules.gate_waits_for_its_quorum:
        return question
    return question._replace(yes=(*question.yes, event.who))


def _after_of_run(rules: Rules, book: Book, event: Event) -> Book:
    kind = event.kind
    run = RUN[book.run, kind].to
    if kind == ENGINE_STARTED:
        return book._replace(epoch=event.epoch or book.epoch, awake=True)
    if kind == ENGINE_STOPPED:
        return book._replace(awake=False)
    if kind == HELD:
        return book._replace(held=event.who or "engine", owes=False)
    if kind == RELEASED:
        return book._replace(held="")
    if kind == WARNED:
        return book._replace(words=(*book.words, (event.what, event.step, event.attempt, event.who))) if event.what else book
    if kind in _SUSPENSIONS:
        others = tuple(what for what in book.off if what != event.what)
        return book._replace(off=(*others, event.what) if kind == SUSPENSION_OPENED else others)
    if kind == CHANGE_ACCEPTED:
        return _asked_again(rules, book)
    if kind == ROLLBACK_STARTED or run in FINAL:
        steps = tuple(step if step.question is None else step._replace(question=None) for step in book.steps)
        return book._replace(run=run, steps=steps, held="" if run in FINAL else book.held)
    if kind == ROLLBACK_REQUESTED:
        return book._replace(run=run, to=event.what, glass=book.glass or bool(event.second))
    return book if run == book.run else book._replace(run=run)


def _asked_again(rules: Rules, book: Book) -> Book:
    """What people approved was what stood there before; what they have done with their hands stays done."""
    if not rules.approval_is_of_this_plan:
        return book
    return book._replace(
        steps=tuple(
            step._replace(question=step.question._replace(yes=()))
            if step.question is not None and step.question.form != TASK
            else step
            for step in book.steps
        )
    )
