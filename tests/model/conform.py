"""Whether a real journal is one that the model allows: each event is replayed as a move of the model on the plan's graph.

Nothing of the engine takes part in it: neither its table nor its projection, nor the fold that everybody else reads by.

    deviations(plan: Plan, events: Iterable[Event]) -> list[Deviation]
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from changeover.contracts import Value
from changeover.journal import events as journal
from changeover.plan.model import Plan
from tests.model import book as model
from tests.model.answers import Word
from tests.model.conditions import why_not
from tests.model.graph import Graph, of_plan
from tests.model.moves import RUN, STEPS
from tests.model.rules import ALL
from tests.model.words import (
    APPROVAL,
    CHANGE_ACCEPTED,
    COMMAND_ANSWERED,
    ENGINE_STARTED,
    ENGINE_STOPPED,
    HELD,
    ROLLBACK_REQUESTED,
    RUN_PLANNED,
    STARTED,
    TAKEN_OVER,
    WARNED,
)

#: With what an incarnation of the engine may begin: what a person accepted before, or an answer that came too late.
_FIRST = frozenset({RUN_PLANNED, ENGINE_STARTED, CHANGE_ACCEPTED, TAKEN_OVER, COMMAND_ANSWERED})
#: Where an event says what it is about.
_WHAT = {WARNED: "needs_second", ROLLBACK_REQUESTED: "to"}


@dataclass(frozen=True, slots=True)
class Deviation:
    """An event that the model does not allow where it stands."""

    event: journal.Event
    why: str

    def __str__(self) -> str:
        event = self.event
        subject = f" {event.step} #{event.attempt}" if event.step else ""
        by = f" by {event.who}" if event.who else ""
        return f"{event.seq} (epoch {event.epoch}): {event.kind}{subject}{by}: {self.why}"


def deviations(plan: Plan, events: Iterable[journal.Event]) -> list[Deviation]:
    """The events that the model does not allow; an empty list for an honest journal.

    After a deviation the replay goes on as if the event had been allowed, so what follows from it may be named as well.
    """
    replay = Replay(of_plan(plan))
    return [Deviation(event, why) for event in events for why in replay.take(event)]


@dataclass(slots=True)
class Replay:
    """A journal, event by event."""

    graph: Graph
    book: model.Book = field(init=False)
    _seq: int = 0
    _word: Word = field(default_factory=Word)

    def __post_init__(self) -> None:
        self.book = model.empty(self.graph)

    def take(self, event: journal.Event) -> list[str]:
        """Replay *event*; why the model does not allow it, if it does not."""
        move = as_move(self.graph, event)
        found = ["a journal begins with the plan, once"] if (move.kind == RUN_PLANNED) is not (self._seq == 0) else []
        found += [*self._place(event), *self._incarnation(move), *self._word.follow(event)]
        if event.step and move.step < 0 and move.kind != COMMAND_ANSWERED:  # people may ask for what is not there
            return [*found, f"the plan has no step {event.step}"]
        why = why_not(self.graph, ALL, self.book, move)
        found += [why] if why else []
        if self.book.owes and move.kind != HELD:
            found.append("a deadline has passed, or people have refused: the hold stands directly behind it")
            self.book = self.book._replace(owes=False)
        if self._leads_somewhere(move):
            self.book = model.after(self.graph, ALL, self.book, move)
        return found

    def _place(self, event: journal.Event) -> list[str]:
        expected, self._seq = self._seq + 1, event.seq
        return [] if event.seq == expected else [f"number {expected} was to follow"]

    def _incarnation(self, move: model.Event) -> list[str]:
        """Epochs only grow; each incarnation says that it is at work before anything begins, and nothing after it has ended."""
        book, found = self.book, []
        if move.epoch < book.epoch:
            found.append(f"epoch {move.epoch} is over: {book.epoch} has taken the run")
        elif move.epoch > book.epoch:
            if move.kind not in _FIRST:
                found.append(f"epoch {move.epoch} has not said that it is at work")
            self.book = book._replace(epoch=move.epoch, awake=False)
        elif move.kind == ENGINE_STARTED and book.awake:
            found.append("this incarnation is at work already")
        if move.kind in {STARTED, ENGINE_STOPPED} and not self.book.awake:
            found.append("no engine is at work")
        return found

    def _leads_somewhere(self, move: model.Event) -> bool:
        if move.step >= 0 and (self.book.steps[move.step].state, move.kind) in STEPS[self.graph.nodes[move.step].phase]:
            return True
        return (self.book.run, move.kind) in RUN


def as_move(graph: Graph, event: journal.Event) -> model.Event:
    """A real event in the model's words."""
    data = event.data
    named = str(data.get("of_step") or "") if event.kind == WARNED else event.step
    attempt = data.get("of_attempt") if event.kind == WARNED else event.attempt
    return model.Event(
        kind=event.kind.value,
        step=graph.numbers.get(named, -1),
        attempt=attempt if isinstance(attempt, int) else 0,
        who=event.who,
        second=_text(data, "second"),
        form=_text(data, "form") or APPROVAL,
        quorum=_number(data, "quorum"),
        answer="no" if data.get("answer") in {"refuse", "failed"} else "yes",
        what=_text(data, _WHAT.get(event.kind.value, "what")),
        epoch=event.epoch,
    )


def _text(data: Mapping[str, Value], name: str) -> str:
    value = data.get(name)
    return "" if value is None else str(value)


def _number(data: Mapping[str, Value], name: str) -> int:
    value = data.get(name)
    return max(1, value) if isinstance(value, int) else 1
