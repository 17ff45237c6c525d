"""What became of a step of which nobody knows: the target is asked, it is done again, or people find out.

The same questions come up after a crash, after a time-out, and before the way back: there also of what has failed.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, cast

from changeover.contracts import Found, OnUnknown, Phase, Probe, Probing, QuestionForm, Result, RunState, StepKind, StepState
from changeover.engine import failpoints
from changeover.engine.acting import Action, judged, outcome_of, short
from changeover.engine.attempts import Attempts
from changeover.engine.bounded import bounded
from changeover.engine.decisions import Decisions, form_of, quorum_reached
from changeover.engine.endings import Ending, Outcome, passed
from changeover.engine.failing import after_failure, not_again, try_again
from changeover.engine.runtime import Runtime, changes, policy, probes
from changeover.engine.scheduler import Scheduler
from changeover.engine.transitions import BEGINS_IN
from changeover.errors import ChangeoverError, Mistake, TimedOut
from changeover.journal.events import Draft, EventKind
from changeover.plan.model import PlannedStep

#: Seconds that a probe may take; seconds between two when something is still in progress; tries when it cannot be asked.
_PROBE_SECONDS: Final = 60.0
_PROBE_AGAIN: Final = 2.0
_PROBE_TRIES: Final = 3
_PROBE_PAUSE: Final = 0.5
#: Seconds to wait for a thread that was given up, before anything is concluded.
_HANGING_SECONDS: Final = 30.0


@dataclass(slots=True)
class Recovery:
    """Finds out what happened, step by step, side by side."""

    runtime: Runtime
    attempts: Attempts
    decisions: Decisions
    scheduler: Scheduler
    _tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _crashed: set[str] = field(default_factory=set)  # in doubt since before this incarnation
    _begun_again: set[str] = field(default_factory=set)  # because a probe found nothing of them

    @property
    def at_work(self) -> bool:
        """Whether something is being found out."""
        return bool(self._tasks)

    def scan(self) -> None:
        """At the start: whatever was running is in doubt, except tasks that simply wait for people."""
        projection = self.runtime.projection
        drafts: list[Draft] = []
        for phase in Phase:
            for key in projection.keys(phase, StepState.RUNNING):
                if self.waits_for_people(key):
                    self.decisions.watch(key)
                    continue
                reason = "the engine ended before the end of this step was recorded"
                drafts.append(Draft(EventKind.STEP_UNKNOWN, key, projection.step(key).attempt, data={"reason": reason}))
            self._crashed.update(projection.keys(phase, StepState.UNKNOWN))
        self._crashed.update(draft.step for draft in drafts)
        if drafts:
            self.runtime.put(*drafts)

    def waits_for_people(self, key: str) -> bool:
        """Whether *key* is a task that somebody was asked to do, and has not said that it is done."""
        decision = self.decisions.open(key)
        return decision is not None and form_of(decision) is QuestionForm.TASK and not quorum_reached(decision)

    def resolve(self, *states: StepState) -> None:
        """Begin to find out about every step in one of *states*."""
        self.look_into(key for phase in Phase for key in self.runtime.projection.keys(phase, *states))

    def look_into(self, keys: Iterable[str]) -> None:
        """Begin to find out about each of *keys*."""
        for key in list(keys):
            if key not in self._tasks and key not in self.runtime.busy:
                self._spawn(key, self._find_out(key))

    def look_before_retrying(self) -> None:
        """Begin to ask the targets of steps that failed, and whose authors want another try, whether anything is there."""
        for key in [key for key in self.runtime.doubted if key not in self.runtime.busy]:
            self._spawn(key, self._retry_if_clean(key, self.runtime.doubted.pop(key)))

    def cancel(self) -> None:
        """Find out no more."""
        for task in self._tasks.values():
            task.cancel()

    def _spawn(self, key: str, work: Coroutine[Any, Any, None]) -> None:
        self.runtime.busy.add(key)
        task = self._tasks[key] = self.runtime.loop.create_task(work, name=f"recovery-{key}")
        task.add_done_callback(partial(self._found_out, key))

    def _found_out(self, key: str, task: asyncio.Task[None]) -> None:
        self._tasks.pop(key, None)
        self.runtime.busy.discard(key)
        self.scheduler.offer((key,))  # it may begin again: only now is it free
        self.runtime.wake.set()
        if not task.cancelled() and task.exception() is not None:
            self.runtime.fault(task.exception())

    async def _find_out(self, key: str) -> None:
        planned = self.runtime.planned(key)
        failpoints.reach("recovering")
        leaving = self.runtime.state is not BEGINS_IN[planned.phase]
        if leaving and (self.runtime.dry or not self.runtime.step(key).tainted):
            self._put(EventKind.STEP_RESET, key, "nothing of it can be out there: it was never sent")
            return
        try:
            instance = self.runtime.instance(planned)
            kind = self.runtime.kind_of(planned.step)
        except Mistake as mistake:
            self._ask(planned, f"it may have happened, and its parameters cannot be read any more: {mistake}")
            return
        changing = changes(kind, instance)
        settled = await self._thread_came_back(key)
        if self.runtime.state is not BEGINS_IN[planned.phase]:
            await self._settle_before_leaving(planned, instance, changing=changing, settled=settled)
        else:
            await self._resolve(planned, instance, settled=settled)

    async def _retry_if_clean(self, key: str, reason: str) -> None:
        """Another try of what is not repeatable, when nothing of the failed one is there; else people decide."""
        planned = self.runtime.planned(key)
        before = self.runtime.step(key)
        if before.state is not StepState.FAILED:
            return
        attempt, settled = before.attempt, await self._thread_came_back(key)
        probe = await self._probe(planned, self.runtime.instance(planned))
        now = self.runtime.step(key)
        if (now.state, now.attempt) != (StepState.FAILED, attempt) or self.runtime.state is not BEGINS_IN[planned.phase]:
            return  # a person has decided meanwhile
        if probe.found is Found.CLEAN and settled:
            try_again(self.runtime, planned, f"{reason}; nothing of it is there: {probe.summary}")
        else:
            not_again(self.runtime, planned, reason, f"the probe: {probe.summary}")

    async def _thread_came_back(self, key: str) -> bool:
        """Whether no thread of an earlier attempt is at work any more."""
        waited = 0.0
        while key in self.attempts.hanging and waited < _HANGING_SECONDS:
            await self.runtime.pause(0.5)
            waited += 0.5
        return key not in self.attempts.hanging

    async def _resolve(self, planned: PlannedStep, instance: StepKind, *, settled: bool) -> None:
        """While steps of its phase may begin."""
        key, reason = planned.key, self.runtime.step(planned.key).reason
        how = OnUnknown.RERUN if self.runtime.dry else policy(planned.step, instance)
        if how is OnUnknown.RERUN and settled:
            self._again(planned, reason)
            return
        if how is OnUnknown.PROBE and probes(instance):
            probe = await self._probe(planned, instance)
            if self.runtime.state is not BEGINS_IN[planned.phase]:
                return  # meanwhile the run is on its way out, where other rules hold: it is looked at anew
            if probe.found is Found.DONE:
                await self._passed_by_probe(planned, instance, probe)
                return
            if probe.found is Found.CLEAN and settled:
                self._did_not_happen(planned, reason, probe)
                return
            if probe.found is Found.PARTIAL and settled and (planned.step.repeatable or probe.resumable):
                how_so = "is repeatable" if planned.step.repeatable else "goes on where it ended"
                self._put(EventKind.STEP_RETRYING, key, f"it happened in part, and {how_so}: {probe.summary}")
                return
            if probe.found is Found.CANNOT_TELL and settled and planned.step.repeatable:
                self._again(planned, f"{reason}; the probe: {probe.summary}")
                return
            self._ask(planned, f"{reason}; the probe: {probe.summary}")
            return
        still = "" if settled else "; an earlier attempt still has not come back"
        self._ask(planned, f"{reason}: only a person can find out whether it happened{still}")

    async def _settle_before_leaving(self, planned: PlannedStep, instance: StepKind, *, changing: bool, settled: bool) -> None:
        """Before a rollback or the end of an aborted run: what is out there of this step?"""
        key, step = planned.key, self.runtime.step(planned.key)
        in_doubt = step.state is StepState.UNKNOWN
        if not in_doubt and self._only_stops:
            return
        if not changing and settled:
            self._put(EventKind.STEP_RESET, key, "nothing of it can be out there: it only reads")
            return
        how = policy(planned.step, instance)
        if probes(instance) and how is not OnUnknown.ASK:
            probe = await self._probe(planned, instance)
            if not in_doubt and self._only_stops:
                return
            if probe.found is Found.DONE and in_doubt:
                await self._passed_by_probe(planned, instance, probe)
                return
            if probe.found is Found.CLEAN and settled:
                self._put(EventKind.STEP_RESET, key, f"nothing of it is there: {probe.summary}")
                return
            if probe.found in {Found.DONE, Found.PARTIAL}:
                self._put(EventKind.STEP_DIRTY, key, f"something of it is there: {probe.summary}")
                return
        if in_doubt and not (settled and (how is OnUnknown.RERUN or planned.step.repeatable)):
            self._ask(planned, f"{step.reason}: did it happen? `done` if it did, `refuse` if it did not")
            return
        self._put(EventKind.STEP_DIRTY, key, f"nobody can say what it left; it counts as if it had happened ({step.reason})")

    @property
    def _only_stops(self) -> bool:
        """Whether an abort has come meanwhile: it undoes nothing, so what has failed stays as it is."""
        return self.runtime.state is not RunState.STOPPING

    def _again(self, planned: PlannedStep, reason: str) -> None:
        if self._by_a_crash(planned.key):
            self._put(EventKind.STEP_RETRYING, planned.key, f"doing it twice is harmless: {reason}")
        else:
            self._failed(planned, reason)

    def _did_not_happen(self, planned: PlannedStep, reason: str, probe: Probe) -> None:
        """It begins again: after a crash always, after a time-out or a lost answer once; then it counts as failed.

        Else what never ends in time, and leaves nothing, would begin for ever.
        """
        key = planned.key
        if self._by_a_crash(key) or key not in self._begun_again:
            self._begun_again.add(key)
            self._put(EventKind.STEP_RESET, key, f"it did not happen: {probe.summary}")
        else:
            self._failed(planned, f"{reason}; nothing of it is there: {probe.summary}")

    def _by_a_crash(self, key: str) -> bool:
        """Whether nobody knows of *key* only because an engine ended: its author's retries are not used up by that."""
        crashed = key in self._crashed or self.runtime.dry
        self._crashed.discard(key)
        return crashed

    def _failed(self, planned: PlannedStep, reason: str) -> None:
        """Not by a crash but by a time-out or an unclear answer: that counts as a failure, and its retries are its author's."""
        self._put(EventKind.STEP_FAILED, planned.key, reason)
        after_failure(self.runtime, planned, Outcome(Ending.FAILED, reason))

    async def _probe(self, planned: PlannedStep, instance: StepKind) -> Probe:
        """Ask the target until it knows, as long as something is in progress."""
        key, number = planned.key, self.runtime.step(planned.key).attempt
        failures, said = 0, False
        until = self._until(planned)
        while True:
            context = self.runtime.context(key, number, _PROBE_SECONDS)
            try:
                work = partial(cast("Probing", instance).probe, context)
                failpoints.reach("probing")
                probe = await bounded(self.runtime, context, work, what="probe", seconds=_PROBE_SECONDS)
                failpoints.reach("probed")
            except Exception as error:  # noqa: BLE001 - the target does not answer, or a kind's own code
                failures += 1
                text = str(error) if isinstance(error, ChangeoverError) else f"{type(error).__name__}: {error}"
                probe = Probe(Found.CANNOT_TELL, short(text))
                if failures < _PROBE_TRIES:
                    await self.runtime.pause(_PROBE_PAUSE)
                    continue
            finally:
                context.close()
            if probe.found is not Found.IN_PROGRESS:
                return probe
            if self.runtime.options.clock.monotonic() > until:
                return Probe(Found.CANNOT_TELL, f"still in progress after its time-out: {probe.summary}")
            if not said:
                said = True
                line = f"still in progress: {probe.summary}"
                self.runtime.put(Draft(EventKind.STEP_SAID, key, number, data={"line": line}))
            await self.runtime.pause(_PROBE_AGAIN)

    def _until(self, planned: PlannedStep) -> float:
        """Until when what is still in progress is waited for: as long as its author gives the step."""
        seconds = self._limit(planned)
        return math.inf if seconds is None else self.runtime.options.clock.monotonic() + seconds

    def _limit(self, planned: PlannedStep) -> float | None:
        limit = planned.step.timeout or self.runtime.kind_of(planned.step).timeout
        return None if limit is None else limit.total_seconds()

    async def _passed_by_probe(self, planned: PlannedStep, instance: StepKind, probe: Probe) -> None:
        """It happened: keep its values, verify it, and count it as passed."""
        key, number = planned.key, self.runtime.step(planned.key).attempt
        limit = self._limit(planned)
        context = self.runtime.context(key, number, limit)
        changing = changes(self.runtime.kind_of(planned.step), instance)
        proof = partial(self.attempts.proof, planned)
        action = Action(planned.step, instance, context, changing, self.runtime.dry, proof)
        work = partial(_conclude, action, probe)
        try:
            outcome = await bounded(self.runtime, context, work, what="verification", seconds=limit)
        except TimedOut as error:
            outcome = outcome_of(error, action)
        finally:
            context.close()
        if outcome.ending is Ending.PASSED:
            self.runtime.put(*passed(self.runtime, key, number, outcome, by="probe"))
        else:
            self._ask(planned, f"it happened ({probe.summary}), but: {outcome.text}")

    def _ask(self, planned: PlannedStep, reason: str) -> None:
        self._put(EventKind.STEP_ASKED, planned.key, short(reason))

    def _put(self, kind: EventKind, key: str, reason: str) -> None:
        self.runtime.put(Draft(kind, key, self.runtime.step(key).attempt, data={"reason": short(reason)}))


def _conclude(action: Action, probe: Probe) -> Outcome:
    """On a thread: keep the values of what had happened, and verify it. Never raises."""
    try:
        return judged(action, Result(f"it had happened: {probe.summary}", probe.output))
    except Exception as error:  # noqa: BLE001 - a step's own code
        return outcome_of(error, action)
