"""One run of one night: engines are forked and killed, people speak meanwhile, and it goes on until the run is over."""

from __future__ import annotations

import os
import random
import time
from dataclasses import dataclass, field
from typing import Any, Final

from changeover.contracts import RunState
from changeover.engine import failpoints
from changeover.journal.events import Event
from changeover.journal.fold import RunRecordState, apply
from changeover.journal.store import Journal
from changeover.plan.model import Plan
from tests.chaos.cast import View
from tests.chaos.children import CRASHED, Children
from tests.chaos.judging import judge, ledger_of, waits_for
from tests.chaos.templates import Copy, forgotten

#: Seconds that one engine may take: a run that has come to no end by then is stuck.
PATIENCE: Final = 30.0
#: Engines that are killed at random after the ordered one, and that may follow undisturbed.
RANDOM_KILLS: Final = 2
LEFT_ALONE: Final = 4
_LOOK_EVERY: Final = 0.004


@dataclass(frozen=True, slots=True)
class Order:
    """How to go through a night: a seed, and where the first engine dies; without a point nothing is killed."""

    seed: int
    point: str = ""
    list_points: bool = False  # say which failpoints an undisturbed run passes


@dataclass(slots=True)
class Watched:
    """A run as its people see it."""

    run: str
    plan: Plan
    state: RunRecordState
    events: list[Event] = field(default_factory=list)
    said: set[str] = field(default_factory=set)

    def catch_up(self, journal: Journal) -> None:
        """Take in what is new."""
        for event in journal.events(self.run, after=self.state.seq):
            apply(self.state, event)
            self.events.append(event)


class Passage:
    """A run on its way."""

    def __init__(self, copy: Copy, children: Children, order: Order) -> None:
        self.copy = copy
        self.children = children
        self.order = order
        self.dice = random.Random(order.seed)  # noqa: S311 - it has to repeat itself
        self.kills: list[str] = []
        self.ended_as = ""
        self._watched: dict[str, Watched] = {}

    def told(self) -> dict[str, Any]:
        """Go through it; what became of it."""
        began = time.monotonic()
        complaints = self.go_through()
        told: dict[str, Any] = {
            "night": self.copy.night.name,
            "seed": self.order.seed,
            "point": self.order.point,
            "kills": self.kills,
            "state": self.ended_as,
            "seconds": round(time.monotonic() - began, 3),
        }
        if self.order.list_points:
            told["points"] = (self.copy.folder / "points").read_text(encoding="utf-8").split()
        return {**told, **forgotten(self.copy, complaints)}

    def go_through(self) -> list[str]:
        """Let engine after engine drive it until it is over; everything that is wrong then."""
        disturbed = [self.order.point] + [""] * RANDOM_KILLS if self.order.point else []
        for number in range(len(disturbed) + LEFT_ALONE):
            point, after = disturbed[number] if number < len(disturbed) else "", None
            if number < len(disturbed) and not point:
                point, after = self._chance()
            trouble = self._incarnation(point, after)
            if trouble:
                return [trouble]
            if self._over():
                break
        self.children.land()
        return self._judged()

    def _chance(self) -> tuple[str, float | None]:
        """Where the next engine dies: at a failpoint, after a moment, or not at all."""
        which = self.dice.random()
        if which < 0.6:
            return f"*:{self.dice.randint(1, 40)}", None
        return "", self.dice.uniform(0.0, 0.25) if which < 0.95 else None

    def _incarnation(self, point: str, after: float | None) -> str:
        """Drive in a process of its own, with the people beside it; why nothing can go on, if so."""
        engine = self.children.fork(lambda: self._engine(point), self.copy.log)
        until, dies = time.monotonic() + PATIENCE, None if after is None else time.monotonic() + after
        with self.copy.journal() as journal:
            while self.children.alive(engine):
                self._people(journal)
                time.sleep(_LOOK_EVERY)
                if dies is not None and time.monotonic() > dies:
                    self.children.kill(engine)
                if time.monotonic() > until:
                    self.children.kill(engine)
                    watched = self._watch(journal)[0]
                    watched.catch_up(journal)
                    return f"stuck: {waits_for(watched.plan, watched.state)}"
            if self.dice.random() < 0.5:
                self._people(journal)  # they speak to a journal that nobody owns
        status = self.children.status(engine)
        if status < 0:
            self.kills.append(point or f"after {after} s")
        return f"the engine crashed: {self.copy.said()[-3000:]}" if status == CRASHED else ""

    def _engine(self, point: str) -> int:
        """In the child."""
        failpoints.arm(point)
        if self.order.list_points:
            handle = os.open(self.copy.folder / "points", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            failpoints.listen(lambda name: _note(handle, name))
        return self.copy.engine()

    def _people(self, journal: Journal) -> None:
        """Let everybody look, and say what they have to say."""
        if not self.copy.night.cast:
            return
        for watched in self._watch(journal):
            watched.catch_up(journal)
            if watched.state.state.final:
                continue
            ledger = [line.split()[0] for line in ledger_of(self.copy.folder)]
            air = self.children.in_the_air
            view = View(watched.run, watched.state, watched.events, watched.plan, ledger, air, self.order.seed)
            for person in self.copy.night.cast:
                for command in list(person.words(view)):
                    if command.key in watched.said:
                        continue
                    watched.said.add(command.key)
                    for _ in range(self.dice.choice((1, 1, 1, 3))):  # who is nervous presses thrice
                        journal.request(command)

    def _watch(self, journal: Journal) -> list[Watched]:
        for record in journal.runs() if self.copy.night.more or not self._watched else ():
            if record.id not in self._watched:
                plan = self.copy.plan(journal, record.id)
                self._watched[record.id] = Watched(record.id, plan, RunRecordState(record.id))
        return list(self._watched.values())

    def _over(self) -> bool:
        """Whether the run is, and everybody has an answer."""
        with self.copy.journal() as journal:
            watched = next(one for one in self._watch(journal) if one.run == self.copy.run)
            watched.catch_up(journal)
            return watched.state.state.final and not journal.commands(watched.run, unanswered=True)

    def _judged(self) -> list[str]:
        with self.copy.journal() as journal:
            found: list[str] = []
            for watched in self._watch(journal):
                watched.catch_up(journal)
                found += [f"{watched.run}: {text}" for text in judge(journal, watched.run, watched.plan, self.copy.folder)]
                if watched.run == self.copy.run:
                    self.ended_as = watched.state.state.value
                    if RunState(self.ended_as) not in self.copy.night.ends:
                        found.append(f"it ended as {self.ended_as}: {waits_for(watched.plan, watched.state)}")
        return found


def _note(handle: int, name: str) -> None:
    os.write(handle, f"{name}\n".encode())
