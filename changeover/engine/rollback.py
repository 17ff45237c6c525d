"""The ways out. Before anything is undone, what is in the air lands, and what failed is looked at; an abort only stops."""

from __future__ import annotations

from dataclasses import dataclass, field

from changeover.contracts import Phase, RunState, StepState
from changeover.engine.attempts import Attempt, Attempts
from changeover.engine.endings import Cause
from changeover.engine.recovery import Recovery
from changeover.engine.runtime import Runtime
from changeover.engine.transitions import IN_DOUBT
from changeover.journal.events import Draft, EventKind


@dataclass(slots=True)
class WaysOut:
    """Rollback until the first undo may begin, and abort until the run is over."""

    runtime: Runtime
    attempts: Attempts
    recovery: Recovery
    _warned: set[int] = field(default_factory=set)  # attempts that know of their grace

    def quiesce(self) -> None:
        """While the run is stopping: let it become quiet, then turn back."""
        self.runtime.doubted.clear()  # nothing is tried again on the way out
        for attempt in list(self.attempts.running.values()):
            self._let_end(attempt)
        self._give_tasks_up("it was open when a rollback was asked for")
        self.recovery.resolve(StepState.UNKNOWN)
        projection = self.runtime.projection
        if projection.count(Phase.FORWARD, StepState.RUNNING) or self.attempts.running:
            return
        unresolved = projection.unresolved()
        self.recovery.look_into(key for key in unresolved if self.runtime.step(key).state is not StepState.ASKS_HUMAN)
        if unresolved or self.runtime.busy:
            return
        steps = sum(projection.started(planned) for planned in self.runtime.plan.rollback.values())
        self.runtime.put(Draft(EventKind.ROLLBACK_STARTED, data={"steps": steps}))

    def stop_everything(self) -> None:
        """While the run is aborting: stop what runs, find out what is in doubt, and end."""
        self.runtime.doubted.clear()
        self.attempts.stop_all(Cause.ABORT, "the run was aborted")
        self._give_tasks_up("it was open when the run was aborted; what was done by hand stands")
        self.recovery.resolve(StepState.UNKNOWN)
        projection = self.runtime.projection
        in_doubt = sum(projection.count(phase, *IN_DOUBT) for phase in Phase)
        if not in_doubt and not self.runtime.busy:
            self.runtime.put(Draft(EventKind.RUN_ABORTED))

    def _let_end(self, attempt: Attempt) -> None:
        """It may end by itself within its grace; then it is asked to stop."""
        if id(attempt) in self._warned:
            return
        self._warned.add(id(attempt))
        grace = self.runtime.options.quiesce_grace
        attempt.timers.append(
            self.runtime.timers.after(grace, lambda: attempt.stop(Cause.ROLLBACK, "the run is being rolled back"))
        )

    def _give_tasks_up(self, reason: str) -> None:
        """What people were told to do, and have not said that they did, has failed. Nobody is asked on the way out.

        Before a rollback it counts as begun, so that whatever undoes it runs; an abort undoes nothing.
        """
        for phase in Phase:
            for key in self.runtime.projection.keys(phase, StepState.RUNNING):
                if key in self.runtime.busy or not self.recovery.waits_for_people(key):
                    continue
                number = self.runtime.step(key).attempt
                drafts = [Draft(EventKind.STEP_FAILED, key, number, data={"reason": reason})]
                if self.runtime.state is RunState.STOPPING:
                    data = {"reason": f"{reason}; somebody may have begun it"}
                    drafts.append(Draft(EventKind.STEP_DIRTY, key, number, data=data))
                self.runtime.put(*drafts)

    @property
    def leaving(self) -> bool:
        """Whether the run is on its way out, and nothing begins."""
        return self.runtime.state in {RunState.STOPPING, RunState.ABORTING}
