"""A runbook inside a runbook: a run of its own, found again after a crash."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from changeover.contracts import Kind, Result, RunState, Value
from changeover.engine.context import AttemptContext
from changeover.engine.create import create_run
from changeover.engine.options import Ended, Options
from changeover.errors import Setback, Unclear
from changeover.journal.fold import fold
from changeover.journal.records import RunRecord
from changeover.journal.store import Journal, NoSuchRun, RunOwned
from changeover.plan.graph import build_plan
from changeover.runbook.bundle import Bundle
from changeover.runbook.findings import RunbookRefused
from changeover.runbook.load import load

#: Of the time that a step gets to stop, what an included run's own steps get.
_SHARE: Final = 0.6
#: Seconds between two looks whether another engine has let go of the included run.
_OWNED_PAUSE: Final = 0.5

Drive = Callable[[Journal, str, str, Options, threading.Event], Ended]


@dataclass(eq=False)
class IncludedRunEnded(Setback):
    """The included run is over, and did not succeed."""

    run: str
    state: RunState
    why: str

    def __str__(self) -> str:
        return f"the included run {self.run} is {self.state.value.replace('_', ' ')}" + (f": {self.why}" if self.why else "")


@dataclass(frozen=True, slots=True)
class Including:
    """Runs the runbooks that a run includes."""

    journal: Journal
    journal_url: str
    run: RunRecord
    bundle: Bundle
    kinds: Mapping[str, Kind]
    options: Options

    def include(self, file: str, inputs: Mapping[str, Value], context: AttemptContext, drive: Drive) -> Result:
        """Run *file* to its end, or go on with the run that an earlier attempt began. Blocks; from a step's thread."""
        stop = threading.Event()
        context.on_stop(stop.set)
        run = self._unfinished(context.step) or self._create(file, inputs, context.step)
        context.say(f"run {run} of {file}")
        # asked to stop, the included run has had its grace already: it has to end within this step's
        grace = self.options.stop_grace * _SHARE
        options = replace(self.options, engine="local", wait=True, quiesce_grace=0.0, stop_grace=grace)
        ended = self._driven(run, context, lambda: drive(self.journal, self.journal_url, run, options, stop))
        context.check_stopped()
        if ended.lost:
            raise Unclear(f"the included run {run} was taken over by another engine")
        if ended.state is not RunState.SUCCEEDED:
            raise IncludedRunEnded(run, ended.state, ended.why)
        return Result(f"{file} succeeded as run {run}", {"run": run})

    def _driven(self, run: str, context: AttemptContext, drive: Callable[[], Ended]) -> Ended:
        """How it ended. An engine that has lost this run may still have the included one, and lets go of it soon."""
        said = False
        while True:
            try:
                return drive()
            except RunOwned as owned:
                if not said:
                    context.say(f"waiting for the included run {run}: {owned}")
                    said = True
                context.sleep(_OWNED_PAUSE)

    def _unfinished(self, step: str) -> str:
        """The run of an earlier attempt that is not over, or that has succeeded."""
        number = self._last(step)
        if number == 0:
            return ""
        run = self._id(step, number)
        state = fold(run, self.journal.events(run)).state
        return run if not state.final or state is RunState.SUCCEEDED else ""

    def _create(self, file: str, inputs: Mapping[str, Value], step: str) -> str:
        run, root = self.run, self.options.root
        loaded = load(root / file, environment=run.environment, kinds=self.kinds, root=root)
        if loaded.bundle is None or any(finding.stops_run for finding in loaded.findings):
            raise RunbookRefused(loaded.findings)
        plan = build_plan(loaded.bundle, inputs=inputs, mode=run.mode)
        name = next(iter(loaded.bundle.sources))
        identity = self._id(step, self._last(step) + 1)
        create_run(
            self.journal,
            loaded.bundle,
            plan,
            file=name,
            mode=run.mode,
            runner=run.runner,
            inputs=inputs,
            clock=self.options.clock,
            run_id=identity,
            root=root,
        )
        return identity

    def _last(self, step: str) -> int:
        number = 0
        while self._exists(self._id(step, number + 1)):
            number += 1
        return number

    def _exists(self, run: str) -> bool:
        try:
            return self.journal.run(run).id == run
        except NoSuchRun:
            return False

    def _id(self, step: str, number: int) -> str:
        return f"{self.run.id}.{step}.{number}"
