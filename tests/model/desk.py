"""How an engine writes: in one transaction, with its lease, and only what the conditions allow."""

from __future__ import annotations

from dataclasses import dataclass

from tests.model import invariants
from tests.model.book import Book, Event, after
from tests.model.conditions import why_not
from tests.model.state import Engine, State, Suite, Turn
from tests.model.words import APPROVAL, CHANGE_ACCEPTED, FAILED, PASSED, STEP_DIRTY, STEP_SKIPPED


@dataclass(frozen=True, slots=True)
class Desk:
    """An engine at a moment, and the turns that are found for it."""

    suite: Suite
    state: State
    place: int  # the engine's, among those alive
    out: list[Turn]

    @property
    def engine(self) -> Engine:
        """Who writes."""
        return self.state.engines[self.place]

    def at(self, state: State) -> Desk:
        """The same desk at another moment: somebody's patience is used up, or a person has done something first."""
        return Desk(self.suite, state, self.place, self.out)

    def turn(self, text: str, number: int, attempt: int, state: State, *events: Event) -> None:
        """Add a turn."""
        self.out.append(Turn(text, self.engine.epoch, number, attempt, events, state))

    def minding(self, number: int, thought: tuple[str, int] | None) -> State:
        """The same moment, but with *thought* in mind of a step."""
        return minding(self.state, self.place, number, thought)

    def write(self, text: str, *events: Event, forget: bool = False) -> None:
        """Add the turn in which the engine writes *events*, if they are allowed. Raises Violation."""
        then = record(self.suite, self.state, self.engine, *events)
        if then is None:
            return
        first = events[0]
        self.turn(text, first.step, first.attempt, minding(then, self.place, first.step, None) if forget else then, *events)


def record(suite: Suite, state: State, engine: Engine, *events: Event) -> State | None:
    """The moment after *engine* has written *events*; None when they are not allowed. Raises Violation."""
    book = state.book
    if engine.epoch != book.epoch and suite.rules.lease_in_every_write:
        return None
    for event in events:
        if why_not(suite.graph, suite.rules, book, event):
            return None
        invariants.written(suite, state, book, event)
        book = after(suite.graph, suite.rules, book, event)
    if engine.epoch != state.book.epoch:
        raise invariants.Violation("I7", f"engine {engine.epoch} writes {events[0].kind}, and engine {book.epoch} has the run")
    return state._replace(book=book, consent=_consent(suite, state, book, events))


def _consent(suite: Suite, state: State, book: Book, events: tuple[Event, ...]) -> tuple[tuple[str, ...], ...]:
    """Who stands behind each gate: the truth about people, kept apart from what the rules make of it."""
    consent = state.consent
    for event in events:
        if event.kind == CHANGE_ACCEPTED:
            consent = tuple(() for _ in consent)
        elif event.step >= 0 and suite.graph.nodes[event.step].form == APPROVAL:
            now = consent[event.step]
            if event.answer:
                now = () if event.answer == "no" else tuple(sorted({*now, event.who}))
            elif book.steps[event.step].state in {PASSED, FAILED} or event.kind in {STEP_DIRTY, STEP_SKIPPED}:
                now = ()
            consent = (*consent[: event.step], now, *consent[event.step + 1 :])
    return consent


def minding(state: State, place: int, step: int, thought: tuple[str, int] | None) -> State:
    """The same moment, but the engine in *place* has *thought* in mind of *step*."""
    engine = state.engines[place]
    changed = engine._replace(mind=(*engine.mind[:step], thought, *engine.mind[step + 1 :]))
    return state._replace(engines=(*state.engines[:place], changed, *state.engines[place + 1 :]))
