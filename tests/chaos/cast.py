"""The people of a chaotic night: they look at the journal, and say their word once; honest ones, who look at the target first."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from changeover.contracts import Phase, RunState, StepState, Value
from changeover.journal.events import Command, Event, EventKind, Verb
from changeover.journal.fold import RunRecordState
from changeover.plan.model import Plan


@dataclass(frozen=True, slots=True)
class View:
    """What a person sees when looking."""

    run: str
    state: RunRecordState
    events: Sequence[Event]
    plan: Plan
    ledger: Sequence[str]  # the steps whose effects are there
    in_the_air: bool  # something of an engine that died may still act
    seed: int

    def times(self, kind: EventKind, step: str = "") -> int:
        """How often that happened."""
        return sum(event.kind is kind and (not step or event.step == step) for event in self.events)

    def refusals(self, step: str) -> int:
        """How often somebody has refused *step*: who had approved before has to say so again."""
        given = (event for event in self.events if event.kind is EventKind.DECISION_GIVEN and event.step == step)
        return sum(event.data.get("answer") in {"refuse", "failed"} for event in given)

    def in_state(self, *states: StepState) -> list[str]:
        """The steps that stand in one of *states*."""
        return [key for key, step in self.state.steps.items() if step.state in states]

    def turn_of(self, key: str) -> bool:
        """Whether steps of its phase may begin."""
        forward = self.plan.step(key).phase is Phase.FORWARD
        return self.state.state is (RunState.RUNNING if forward else RunState.ROLLING_BACK)

    def word(self, verb: Verb, who: str, occasion: object, step: str = "", **data: Value) -> Command:
        """What is said once on an *occasion*, however often it is sent."""
        return Command(self.run, verb, who, f"{who} says so", f"{verb}:{step}:{who}:{occasion}", step, "chaos", data)


class Person(Protocol):
    """Somebody who takes part in the night."""

    def words(self, view: View) -> Iterator[Command]:
        """What they have to say now."""
        ...


@dataclass(frozen=True, slots=True)
class Answers:
    """Answer a question: approve, say that a task is done, type the word; the one who doubts refuses the first time."""

    step: str
    who: str
    doubts: bool = False

    def words(self, view: View) -> Iterator[Command]:
        decision = view.state.decisions.get(self.step)
        if decision is None:
            return
        number = view.times(EventKind.DECISION_ASKED, self.step)
        form = decision.data.get("form")
        if self.doubts and not view.refusals(self.step):
            yield view.word(Verb.REFUSE, self.who, "first", self.step)
            return
        verb = Verb.DONE if form == "task" else Verb.APPROVE
        changed = view.times(EventKind.CHANGE_ACCEPTED)
        typed = str(decision.data.get("typed") or "")
        yield view.word(verb, self.who, f"{number}.{view.refusals(self.step)}.{changed}", self.step, evidence="seen", typed=typed)


@dataclass(frozen=True, slots=True)
class FindsOut:
    """Look at the target of what only a person can find out; from the point of no return on two people look."""

    who: str
    second: str

    def words(self, view: View) -> Iterator[Command]:
        if view.in_the_air:
            return
        for key in view.in_state(StepState.ASKS_HUMAN):
            verb = Verb.DONE if key in view.ledger else Verb.REFUSE
            asked = view.times(EventKind.STEP_ASKED, key)
            for who in (self.who, self.second):
                yield view.word(verb, who, asked, key, evidence="looked into the ledger")


@dataclass(frozen=True, slots=True)
class Repairs:
    """Have what failed tried again, or say that it is done when its effect is there after all."""

    who: str
    skips: str = ""  # a step that is skipped instead
    waives: str = ""  # an undo that is waived instead, with *second*
    second: str = ""

    def words(self, view: View) -> Iterator[Command]:
        for key in view.in_state(StepState.FAILED, StepState.FAILED_DIRTY):
            if not view.turn_of(key):
                continue
            step = view.state.step(key)
            occasion = f"{step.attempt}.{view.times(EventKind.STEP_FAILED, key)}"
            if key == self.waives:
                yield view.word(Verb.WAIVE, self.who, occasion, key)
                yield view.word(Verb.WAIVE, self.second, occasion, key)
            elif key == self.skips:
                yield view.word(Verb.SKIP, self.who, occasion, key)
            elif key in view.ledger:
                yield view.word(Verb.DONE, self.who, occasion, key, evidence="looked into the ledger")
                if self.second:
                    yield view.word(Verb.DONE, self.second, occasion, key, evidence="looked as well")
            else:
                yield view.word(Verb.RETRY, self.who, occasion, key)


@dataclass(frozen=True, slots=True)
class Says:
    """Say something once, when the journal has grown to a length, or when a step has come to a state."""

    verb: Verb
    who: str
    at: int = 0  # events
    spread: int = 0  # and up to so many more
    step: str = ""  # which it is about
    when: str = ""  # the step whose state is looked at
    becomes: StepState = StepState.PASSED
    data: Mapping[str, Value] = field(default_factory=dict)

    def words(self, view: View) -> Iterator[Command]:
        if view.state.state.final or (self.when and view.state.step(self.when).state is not self.becomes):
            return
        # the same for the whole run, whoever asks how often
        later = random.Random(f"{view.seed} {self.verb} {self.who}").randint(0, self.spread)  # noqa: S311 - it has to repeat itself
        if len(view.events) >= self.at + later:
            yield view.word(self.verb, self.who, "once", self.step, **self.data)


@dataclass(frozen=True, slots=True)
class Releases:
    """Let the run go on whenever it is held."""

    who: str

    def words(self, view: View) -> Iterator[Command]:
        if view.state.held:
            yield view.word(Verb.RELEASE, self.who, view.times(EventKind.RUN_HELD))


@dataclass(frozen=True, slots=True)
class LeavesOff:
    """Accept that something stays switched off, once everything is done."""

    who: str
    what: str

    def words(self, view: View) -> Iterator[Command]:
        suspension = view.state.suspensions.get(self.what)
        waits = any("still off" in str(event.data.get("text", "")) for event in view.events if event.kind is EventKind.WARNED)
        if suspension is not None and not suspension.left_by and waits:
            yield view.word(Verb.LEAVE_OFF, self.who, "once", "", what=self.what)
