"""Every moment that a suite can reach, breadth first, so that a counterexample is as short as it can be."""

from __future__ import annotations

import gc
import time
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise

from tests.model import engine, invariants, people, world
from tests.model.book import OF_THE_RUN, Book, after
from tests.model.invariants import Violation
from tests.model.state import State, Suite, Turn
from tests.model.words import FINAL

#: A move of a journal, as a table has it: phase (empty: the run), state, event, whether a person causes it, state after.
Seen = tuple[str, str, str, bool, str]


@dataclass(slots=True)
class Report:
    """What was looked at, and what was found."""

    suite: str
    states: int = 0
    transitions: int = 0
    seconds: float = 0.0
    ends: dict[tuple[str, tuple[str, ...]], int] = field(default_factory=dict)  # how the run ended, with what in the world
    moves: set[Seen] = field(default_factory=set)
    violation: str = ""
    trace: tuple[str, ...] = ()

    def __str__(self) -> str:
        pace = self.transitions / max(self.seconds, 0.001)
        ends = ", ".join(sorted({run for run, _ in self.ends}))
        found = f"  {self.violation}" if self.violation else ""
        figures = f"{self.states:>9,} states {self.transitions:>10,} transitions {self.seconds:>6.1f} s {pace:>8,.0f}/s"
        return f"{self.suite:<58} {figures}  {ends}{found}"


def turns(suite: Suite, state: State) -> list[Turn]:
    """All that can happen next. Raises Violation."""
    out: list[Turn] = []
    world.turns(suite, state, out)
    if state.book.run not in FINAL:
        engine.turns(suite, state, out)
        people.turns(suite, state, out)
    return out


def explore(suite: Suite) -> Report:
    """Look at every moment of *suite*, until an invariant is broken; then at whether each can still reach an end."""
    with _without_collector():
        return _Exploration(suite).run()


@dataclass(slots=True)
class _Exploration:
    suite: Suite
    numbers: dict[State, int] = field(default_factory=dict)
    states: list[State] = field(default_factory=list)
    sources: array[int] = field(default_factory=lambda: array("I"))
    targets: array[int] = field(default_factory=lambda: array("I"))
    parents: array[int] = field(default_factory=lambda: array("I"))
    over: list[int] = field(default_factory=list)
    shared: dict[object, object] = field(default_factory=dict)

    def run(self) -> Report:
        began = time.perf_counter()
        report = Report(self.suite.name)
        self._number(self.suite.start(), 0)
        try:
            for number in self._each():
                self._look(number, report)
            self._everything_ends(report)
        except Violation as violation:
            report.violation = str(violation)
        report.states, report.transitions = len(self.states), len(self.targets)
        report.seconds = time.perf_counter() - began
        return report

    def _each(self) -> Iterator[int]:
        number = 0
        while number < len(self.states):
            yield number
            number += 1

    def _look(self, number: int, report: Report) -> None:
        state = self.states[number]
        run = state.book.run
        try:
            if run in FINAL:
                invariants.ended(self.suite, state)
            following = turns(self.suite, state)
        except Violation:
            report.trace = self._way_to(number)
            raise
        if run in FINAL and not state.air:
            end = (run, state.effects)
            report.ends[end] = report.ends.get(end, 0) + 1
            self.over.append(number)
        for turn in following:
            if turn.events:
                self._note_moves(state.book, turn, report)
            self.sources.append(number)
            self.targets.append(self._number(turn.state, number))

    def _note_moves(self, before: Book, turn: Turn, report: Report) -> None:
        last = len(turn.events) - 1
        for place, event in enumerate(turn.events):
            then = turn.state.book if place == last else after(self.suite.graph, self.suite.rules, before, event)
            if event.step < 0 or event.kind in OF_THE_RUN:
                report.moves.add(("", before.run, event.kind, event.who != "", then.run))
            else:
                phase = self.suite.graph.nodes[event.step].phase
                states = before.steps[event.step].state, then.steps[event.step].state
                report.moves.add((phase, states[0], event.kind, event.who != "", states[1]))
            before = then

    def _number(self, state: State, parent: int) -> int:
        number = self.numbers.get(state)
        if number is None:
            share = self.shared.setdefault
            state = State(*(share(part, part) for part in state))  # type: ignore[arg-type]
            number = self.numbers[state] = len(self.states)
            self.states.append(state)
            self.parents.append(parent)
        return number

    def _way_to(self, number: int) -> tuple[str, ...]:
        """How the suite came to a moment, in words."""
        way = [number]
        while way[-1]:
            way.append(self.parents[way[-1]])
        way.reverse()
        lines: list[str] = []
        for earlier, later in pairwise(way):
            taken = next(turn for turn in turns(self.suite, self.states[earlier]) if self.numbers[turn.state] == later)
            lines.append(told(self.suite, taken))
        return tuple(lines)

    def _everything_ends(self, report: Report) -> None:
        """L: walk back from the ends; what is not met on the way can never come to one. Raises Violation."""
        heads = array("I", bytes(4 * (len(self.states) + 1)))
        for target in self.targets:
            heads[target + 1] += 1
        for place in range(1, len(heads)):
            heads[place] += heads[place - 1]
        before, free = array("I", bytes(4 * len(self.targets))), array("I", heads)
        for source, target in zip(self.sources, self.targets, strict=True):
            before[free[target]] = source
            free[target] += 1
        met = bytearray(len(self.states))
        stack = list(self.over)
        for number in stack:
            met[number] = 1
        while stack:
            number = stack.pop()
            for source in before[heads[number] : heads[number + 1]]:
                if not met[source]:
                    met[source] = 1
                    stack.append(source)
        lost = met.find(0)
        if lost >= 0:
            report.trace = self._way_to(lost)
            raise Violation("L", f"{met.count(0)} moments can never come to an end")


def told(suite: Suite, turn: Turn) -> str:
    """A turn in words, with what it adds to the journal."""
    named = suite.graph.nodes[turn.step].key if turn.step >= 0 else ""
    text = turn.text.format(engine=turn.epoch, step=named, attempt=turn.attempt).strip()
    events = [f"{event.kind}{f' {suite.graph.nodes[event.step].key}' if event.step >= 0 else ''}" for event in turn.events]
    return f"{text} [{', '.join(events)}]" if events else text


@contextmanager
def _without_collector() -> Iterator[None]:
    """Hundreds of thousands of tuples that refer to nothing that refers back need no collector."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
