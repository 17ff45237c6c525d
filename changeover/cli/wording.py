"""What a person has to type next, and how the screens say who waits for whom."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from changeover.contracts import Phase, RunState, StepState
from changeover.status.model import RunStatus, StepStatus, Waiting

#: What stands in a command for the person's own words; never taken as a reason.
PLACEHOLDERS: Final = frozenset({"WHY", "EVIDENCE"})

#: Of so many people who may answer all names are shown; `--json` has the others too.
_NAMED: Final = 3


@dataclass(frozen=True, slots=True)
class Need:
    """Something that does not go on without a person."""

    glyph: str
    who: str
    what: str
    commands: tuple[str, ...]  # the exact words to type, most likely first


def needs(status: RunStatus, *, alone: bool = False) -> tuple[Need, ...]:
    """Everything that waits for people, most urgent first; of a run that is *alone* nobody has to type the name."""
    if status.state.final:
        return ()
    words = _Words(status, "" if alone else status.id)
    return (*words.engine(), *words.failed(), *words.questions(), *words.held(), *words.left_over())


def command(verb: str, run: str, step: str = "", *options: str) -> str:
    """A command line to be typed as it stands, but for what the person has to say."""
    words = ["changeover", verb, run, step, *options]
    return " ".join(word if word in PLACEHOLDERS else shlex.quote(word) for word in words if word)


@dataclass(frozen=True, slots=True)
class _Words:
    """The words of one status."""

    status: RunStatus
    run: str

    def engine(self) -> Iterator[Need]:
        engine = self.status.engine
        if engine is None or engine.live:
            return
        heard, end = ("is alive", "has stopped") if engine.stopped else ("is heard of", "is gone or cannot write the journal")
        what = f"no engine {heard}; the last, pid {engine.pid} on {engine.host}, {end}. Nothing new starts"
        yield Need("!", "anybody", what, (command("resume", self.status.id),))

    def failed(self) -> Iterator[Need]:
        aborting = self.status.state is RunState.ABORTING
        for step in self.status.failed:
            if step.state is StepState.UNKNOWN or (aborting and step.state is not StepState.ASKS_HUMAN):
                continue  # the engine looks at the target itself; a failure no longer matters to an aborted run
            attempts = f" after {step.attempt} attempts" if step.attempt > 1 else ""
            word = {
                StepState.FAILED: f"failed{attempts}",
                StepState.ASKS_HUMAN: "may have happened or not; only you can find out",
                StepState.FAILED_DIRTY: "failed and left something behind",
            }[step.state]
            glyph = "?" if step.state is StepState.ASKS_HUMAN else "✗"
            repair = f". Repair, by two people: {step.repair}" if step.repair and self._past_the_point else ""
            yield Need(glyph, step.owner or "anybody", f"{step.key} {word}: {step.reason}{repair}", tuple(self._cures(step)))

    @property
    def _past_the_point(self) -> bool:
        return self.status.outcome.point_passed

    def _cures(self, step: StepStatus) -> Iterator[str]:
        if step.state is StepState.ASKS_HUMAN:
            yield command("done", self.run, step.key, "--evidence", "EVIDENCE")
            yield command("refuse", self.run, step.key, "--why", "WHY")
            return
        yield command("retry", self.run, step.key, "--why", "WHY")
        if step.phase is Phase.FORWARD and step.repair and self._past_the_point:
            yield command("done", self.run, step.key, "--evidence", "EVIDENCE")
        if step.phase is Phase.ROLLBACK:
            yield command("waive", self.run, step.key, "--why", "WHY")
            return
        yield command("skip", self.run, step.key, "--why", "WHY")
        if self.status.state is RunState.RUNNING and not self.status.outcome.point_passed:
            yield command("rollback", self.run, "", "--why", "WHY")

    def questions(self) -> Iterator[Need]:
        if self.status.state in {RunState.STOPPING, RunState.ABORTING}:
            return  # nobody needs the answer any more
        for waiting in self.status.waiting:
            yield Need("!", _who(waiting), _what(waiting), tuple(self._answers(waiting)))

    def _answers(self, waiting: Waiting) -> Iterator[str]:
        evidence = ("--evidence", "EVIDENCE") if waiting.evidence else ()
        if waiting.form == "task":
            yield command("done", self.run, waiting.step, *evidence)
            return
        typed = ("--type", waiting.typed) if waiting.form == "typed" else ()
        yield command("approve", self.run, waiting.step, *typed, *evidence, "--why", "WHY")
        yield command("refuse", self.run, waiting.step, "--why", "WHY")

    def held(self) -> Iterator[Need]:
        if self.status.held and self.status.state is not RunState.ABORTING:
            what = f"held by {self.status.held_by or 'the engine'}: {self.status.held_why}"
            yield Need("‖", "anybody", what, tuple(command(verb, self.run, "", "--why", "WHY") for verb in self._ways_on()))

    def _ways_on(self) -> tuple[str, ...]:
        """A run that is back at the stage to which it was to be rolled back is not released: nothing of it goes forward."""
        status = self.status
        undone = all(step.state in {StepState.PASSED, StepState.SKIPPED, StepState.WAIVED} for step in status.rollback)
        arrived = status.rollback_to and status.state is RunState.ROLLING_BACK and undone
        return ("rollback", "abort") if arrived else ("release",)

    def left_over(self) -> Iterator[Need]:
        """Something is off and nothing is left to do: the run ends when a person says that it may stay off."""
        status = self.status
        busy = status.running or status.waiting or status.failed or status.held
        left = any(step.state in {StepState.PENDING, StepState.RETRYING} for step in status.steps)
        if busy or left or status.state is not RunState.RUNNING:
            return
        for suspension in status.suspensions:
            if not suspension.left_by:
                cure = command("leave-off", self.run, suspension.what, "--why", "WHY")
                yield Need("!", "anybody", f"still switched off: {suspension.what}; the run cannot end", (cure,))


def _who(waiting: Waiting) -> str:
    missing = [person for person in waiting.deciders if person not in waiting.got]
    people = _or(missing if waiting.got else waiting.deciders) or "anybody"
    return f"{people} ({len(waiting.got)} of {waiting.quorum})" if waiting.quorum > 1 else people


def _or(names: Sequence[str]) -> str:
    """``A or B``; of many the first ones, and how many more."""
    if len(names) <= _NAMED + 1:
        return " or ".join(names)
    return f"{', '.join(names[:_NAMED])} or {len(names) - _NAMED} others"


def _what(waiting: Waiting) -> str:
    refused = f"; refused by {', '.join(waiting.refused)}" if waiting.refused else ""
    ask = waiting.ask.rstrip(".") if waiting.evidence or waiting.refused or waiting.lapsed else waiting.ask
    evidence = f"; show: {waiting.evidence}" if waiting.evidence else ""
    lapsed = "; the deadline has passed" if waiting.lapsed else ""
    return f"{waiting.step}: {ask}{evidence}{refused}{lapsed}"
