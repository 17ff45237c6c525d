"""One attempt of one step: the intent is durable before anything is sent, and its end is recorded whatever happens."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from changeover.contracts import Phase, RunState, StepKind, Value
from changeover.engine import failpoints
from changeover.engine.acting import Action, act
from changeover.engine.context import AttemptContext
from changeover.engine.endings import Cause, Ending, Outcome, drafts_of
from changeover.engine.executors import Executor
from changeover.engine.failing import after_failure
from changeover.engine.runtime import Runtime, changes
from changeover.engine.threads import first_of, in_thread
from changeover.engine.timers import Timer
from changeover.journal.events import Draft, EventKind
from changeover.plan.model import PlannedStep
from changeover.runbook.values import Names, materialise, text_of
from changeover.steps.attached import attached


@dataclass(slots=True)
class Attempt:
    """An attempt that is under way."""

    runtime: Runtime
    planned: PlannedStep
    context: AttemptContext
    changing: bool
    given_up: asyncio.Future[None]
    cause: Cause | None = None
    timers: list[Timer] = field(default_factory=list)

    def stop(self, cause: Cause, why: str) -> None:
        """Ask it to stop; it is given up when it has not ended within its grace."""
        if self.cause is not None:
            return
        self.cause = cause
        self.context.stop.request(f"{cause.value}: {why}")
        self.timers.append(self.runtime.timers.after(self.runtime.options.stop_grace, self._give_up))

    def _give_up(self) -> None:
        if not self.given_up.done():
            self.given_up.set_result(None)


@dataclass(slots=True)
class Attempts:
    """Every attempt that is under way, and every thread that does not come back."""

    runtime: Runtime
    executor: Executor
    running: dict[str, Attempt] = field(default_factory=dict)
    hanging: dict[str, asyncio.Future[Outcome]] = field(default_factory=dict)
    held_back: Callable[[], bool] = lambda: False  # whether people have said stop, and it is not in the journal yet
    leaving: str = ""  # why whatever begins now is to stop at once: an abort that is not in the journal yet

    def intent(self, planned: PlannedStep) -> Draft:
        """The intent of the next attempt."""
        number = self.runtime.step(planned.key).attempt + 1
        data: dict[str, Value] = {"title": planned.step.title, "stage": planned.stage, "phase": planned.phase.value}
        if planned.step.says:
            data["says"] = text_of(planned.step.says, self.runtime.names(planned))
        return Draft(EventKind.STEP_STARTED, planned.key, number, data=data)

    async def carry_out(self, planned: PlannedStep, instance: StepKind, durable: asyncio.Future[None]) -> None:
        """Carry out the attempt whose intent was put, once it is *durable*, and record how it ended."""
        await durable
        failpoints.reach("intended")
        if self.held_back():
            self._take_back(planned)
            return
        await self.executor.perform(planned, lambda: self._attempt(planned, instance))

    def _take_back(self, planned: PlannedStep) -> None:
        """Its intent was on its way when people said stop, past a journal that could not be written: nothing was sent."""
        data: dict[str, Value] = {"reason": "nothing of it was sent: the run was stopped before its intent could be written"}
        attempt = self.runtime.step(planned.key).attempt
        kinds = (EventKind.STEP_UNKNOWN, EventKind.STEP_RESET)
        self.runtime.put(*(Draft(kind, planned.key, attempt, data=data) for kind in kinds))

    async def _attempt(self, planned: PlannedStep, instance: StepKind) -> Outcome:
        runtime, key = self.runtime, planned.key
        number = runtime.step(key).attempt
        kind = runtime.kind_of(planned.step)
        limit = planned.step.timeout or kind.timeout
        seconds = None if limit is None else limit.total_seconds()
        context = runtime.context(key, number, seconds)
        attempt = Attempt(runtime, planned, context, changes(kind, instance), runtime.loop.create_future())
        self.running[key] = attempt
        if seconds is not None:
            why = f"it did not end within {seconds:g} s"
            attempt.timers.append(runtime.timers.after(seconds, lambda: attempt.stop(Cause.TIMEOUT, why)))
        if runtime.state is RunState.ABORTING or self.leaving:
            attempt.stop(Cause.ABORT, self.leaving or "the run was aborted")
        action = Action(
            planned.step, instance, context, attempt.changing, runtime.dry, lambda captured: self.proof(planned, captured)
        )
        try:
            outcome = await self._watched(attempt, in_thread(lambda: act(action), name=f"step-{key}"))
        finally:
            self.running.pop(key, None)
            for timer in attempt.timers:
                timer.cancel()
        self._record(planned, number, outcome, context.close())
        return outcome

    async def _watched(self, attempt: Attempt, thread: asyncio.Future[Outcome]) -> Outcome:
        await first_of(thread, attempt.given_up)
        if thread.done():
            return thread.result()
        key = attempt.planned.key
        self.hanging[key] = thread
        thread.add_done_callback(lambda _: self._came_back(key, thread))
        why = f"{attempt.context.stop.why}, and it does not stop"
        if attempt.changing or attempt.cause is not Cause.TIMEOUT:
            return Outcome(Ending.UNKNOWN, why)
        return Outcome(Ending.FAILED, why)

    def _came_back(self, key: str, thread: asyncio.Future[Outcome]) -> None:
        if self.hanging.get(key) is thread:
            del self.hanging[key]
        self.runtime.wake.set()

    def _record(self, planned: PlannedStep, number: int, outcome: Outcome, progress: Draft | None) -> None:
        drafts = [progress] if progress is not None else []
        drafts += drafts_of(outcome, planned.key, number, self.runtime)
        self.runtime.put(*drafts)
        if outcome.ending is Ending.FAILED:
            after_failure(self.runtime, planned, outcome)

    def proof(self, planned: PlannedStep, captured: Mapping[str, Value]) -> StepKind:
        """The instance of `verify:`; on the attempt's thread."""
        step = planned.step.verify
        assert step is not None  # noqa: S101 - the caller has looked
        names: Names = self.runtime.names(planned, captured)
        return attached(materialise(self.runtime.kind_of(step), step.parameters, step.arguments, names))

    def stop_all(self, cause: Cause, why: str, *, phase: Phase | None = None) -> None:
        """Ask every attempt (of *phase*) to stop."""
        for attempt in list(self.running.values()):
            if phase is None or attempt.planned.phase is phase:
                attempt.stop(cause, why)
