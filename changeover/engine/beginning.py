"""The beginning of a step: is it left out, does it ask people first, can its parameters be made, and then its intent."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, Final

from changeover.contracts import Asking, Phase, Question, QuestionForm, Result, StepKind, StepState
from changeover.engine.acting import short
from changeover.engine.attempts import Attempts
from changeover.engine.bounded import bounded
from changeover.engine.decisions import Decisions, in_words, quorum_reached
from changeover.engine.endings import Ending, Outcome, passed
from changeover.engine.failing import after_failure
from changeover.engine.runtime import Runtime, asks
from changeover.engine.scheduler import Scheduler
from changeover.engine.transitions import BEGINS_IN
from changeover.errors import ChangeoverError, Mistake
from changeover.journal.events import Draft, EventKind
from changeover.plan.model import PlannedStep
from changeover.runbook.conditions import holds
from changeover.runbook.tree import plain

#: Seconds that a kind may take to make its question: nobody sees it meanwhile.
_QUESTION_SECONDS: Final = 60.0


@dataclass(slots=True)
class Beginning:
    """Begins steps, and keeps the tasks in which they run."""

    runtime: Runtime
    attempts: Attempts
    decisions: Decisions
    scheduler: Scheduler
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def under_way(self) -> int:
        """How many steps are being worked on."""
        return len(self._tasks)

    def begin(self, planned: PlannedStep) -> None:
        """Begin *planned*, which is ready."""
        key = planned.key
        if self._left_out(planned):
            self.scheduler.ended(planned)
            return
        try:
            instance = self.runtime.instance(planned)
        except Mistake as mistake:
            self._cannot(planned, mistake)
            self.scheduler.ended(planned)
            return
        decision = self.decisions.open(key)
        if not asks(instance) or (decision is not None and quorum_reached(decision) and not self.runtime.dry):
            self._start(planned, instance)
        elif decision is None:
            self._spawn(planned, self._ask(planned, instance))
        else:
            self.decisions.watch(key)  # asked before a restart: it still waits

    def go_on(self, key: str) -> None:
        """The question of *key* has been answered: carry it out now, or as soon as steps may begin."""
        planned = self.runtime.planned(key)
        if self.runtime.step(key).state is not StepState.RUNNING:
            self.scheduler.offer((key,))
            return
        if key in self.runtime.busy:
            return
        try:
            instance = self.runtime.instance(planned)
        except Mistake as mistake:
            self._cannot(planned, mistake)
            return
        done: asyncio.Future[None] = self.runtime.loop.create_future()
        done.set_result(None)  # its intent is durable since it was asked
        self._spawn(planned, self.attempts.carry_out(planned, instance, done))

    async def wait(self, seconds: float) -> None:
        """Wait until every task has ended, at most *seconds*."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)

    def cancel(self) -> None:
        """Give every task up."""
        for task in self._tasks:
            task.cancel()

    def _start(self, planned: PlannedStep, instance: StepKind) -> None:
        try:
            intent = self.attempts.intent(planned)
        except Mistake as mistake:  # its announcement names what is not there
            self._cannot(planned, mistake)
            self.scheduler.ended(planned)
            return
        durable = self.runtime.put(intent)
        self._spawn(planned, self.attempts.carry_out(planned, instance, durable))

    def _spawn(self, planned: PlannedStep, work: Coroutine[Any, Any, None]) -> None:
        self.runtime.busy.add(planned.key)
        task = self.runtime.loop.create_task(work, name=planned.key)
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._ended(planned, done))

    def _ended(self, planned: PlannedStep, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self.runtime.busy.discard(planned.key)
        self.runtime.wake.set()
        if not task.cancelled() and task.exception() is not None:
            self.runtime.fault(task.exception())
        decision = self.decisions.open(planned.key)
        if decision is None:
            self.scheduler.ended(planned)
        if decision is None or quorum_reached(decision):  # it may begin again, or go on: only now is it free
            self.scheduler.offer((planned.key,))

    def _left_out(self, planned: PlannedStep) -> bool:
        """Record that *planned* is skipped, when its condition says so."""
        reason = self.runtime.plan.skipped.get(planned.key, "")
        condition = planned.step.when
        if not reason and condition:
            try:
                if holds(condition, self.runtime.names(planned)):
                    return False
            except Mistake as mistake:
                if not (self.runtime.dry and "captured." in condition):
                    self._cannot(planned, mistake)
                    return True
                reason = "its condition names a captured value, which a dry run does not have"
            reason = reason or f"`when: {condition}` does not hold"
        if not reason:
            return False
        self._put_on(planned, EventKind.STEP_SKIPPED, reason)
        return True

    def _cannot(self, planned: PlannedStep, mistake: Mistake) -> None:
        """Its parameters cannot be made: nothing was sent, and nothing is guessed."""
        reason = short(f"{mistake} ({mistake.hint})" if mistake.hint else str(mistake))
        if self.runtime.dry and "${captured." in str(plain(planned.step.parameters)):
            self._put_on(planned, EventKind.STEP_SKIPPED, f"not verifiable in a dry run: it needs a captured value: {reason}")
            return
        if planned.phase is Phase.ROLLBACK:
            reason = f"refused, nothing was guessed: {reason}"
        self._put_on(planned, EventKind.STEP_FAILED, reason)
        after_failure(self.runtime, planned, Outcome(Ending.FAILED, reason, final=True))

    def _put_on(self, planned: PlannedStep, kind: EventKind, reason: str) -> None:
        self.runtime.put(Draft(kind, planned.key, self.runtime.step(planned.key).attempt, data={"reason": reason}))

    async def _ask(self, planned: PlannedStep, instance: Asking) -> None:
        """Ask people; a dry run says what it would ask."""
        key = planned.key
        context = self.runtime.context(key, self.runtime.step(key).attempt + 1, None)
        try:
            question = await bounded(
                self.runtime, context, lambda: instance.question(context), what="question", seconds=_QUESTION_SECONDS
            )
        except ChangeoverError as error:
            self._cannot_ask(planned, f"{error}")
            return
        except Exception as error:  # noqa: BLE001 - a kind's own code
            self._cannot_ask(planned, f"{type(error).__name__}: {error}")
            return
        finally:
            context.close()
        if self.runtime.state is not BEGINS_IN[planned.phase] or self.runtime.held:
            self.scheduler.ended(planned)
            self.scheduler.offer((key,))  # it is asked when steps may begin again
            return
        if self.runtime.dry:
            self._only_said(planned, question)
            return
        number = self.runtime.step(key).attempt
        if question.form is QuestionForm.TASK:  # to tell a person to do something is to send it
            intent = self.attempts.intent(planned)
            self.runtime.put(intent, self.decisions.asked(key, question, intent.attempt))
        else:
            self.runtime.put(self.decisions.asked(key, question, number))
        self.decisions.watch(key)

    def _cannot_ask(self, planned: PlannedStep, reason: str) -> None:
        self._put_on(planned, EventKind.STEP_FAILED, short(f"the question could not be made: {reason}"))
        after_failure(self.runtime, planned, Outcome(Ending.FAILED, reason, final=True))

    def _only_said(self, planned: PlannedStep, question: Question) -> None:
        intent = self.attempts.intent(planned)
        said = Draft(EventKind.STEP_SAID, planned.key, intent.attempt, data={"line": short(in_words(question))})
        self.runtime.put(intent, said)
        outcome = Outcome(Ending.PASSED, Result(short(in_words(question))).summary)
        self.runtime.put(*passed(self.runtime, planned.key, intent.attempt, outcome))
